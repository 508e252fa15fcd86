/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/virtio-tier: programs tell the host about their memory.
 *
 * VIRTIO_TIER_IOC_CALL carries one request about any number of the caller's
 * ranges. read() gives events, a struct virtio_tier_notice each, from the open
 * on; poll() tells when there is one. Types, statuses, events and reasons are
 * those of linux/virtio_tier.h.
 *
 * Pins belong to the physical pages that a range has at the time of the call,
 * not to the file or the caller: neither close() nor exit() ends them, and a
 * page that is moved or copied leaves its pin behind. UNPIN before memory is
 * freed. A reset of the device ends all pins.
 */
#ifndef _UAPI_LINUX_VIRTIO_TIER_IOCTL_H
#define _UAPI_LINUX_VIRTIO_TIER_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include <linux/virtio_tier.h>

/* What one call takes: ranges, and bytes of them all. */
#define VIRTIO_TIER_CALL_RANGES		1024
#define VIRTIO_TIER_CALL_BYTES		0x4000000000ULL	/* 256 GiB */

/*
 * Ranges are of the guest's physical memory, multiples of 4096, not of the
 * caller's own; needs CAP_SYS_ADMIN.
 */
#define VIRTIO_TIER_CALL_PHYSICAL	0x1

/*
 * Bytes of the caller's address space. Pages that the range only touches
 * belong to it, but for FREE.
 */
struct virtio_tier_urange {
	__u64 addr;
	__u64 len;
};

/* What became of one range. */
struct virtio_tier_uresult {
	__u32 status;		/* VIRTIO_TIER_S_*: the first that is not OK */
	__u32 reserved;
	__u64 told_bytes;	/* that have memory, and so were told */
	__u64 taken_bytes;	/* of these, with status OK */
	/* QUERY: of the granules that hold the range's pages; the fastest first */
	__u64 tier_bytes[VIRTIO_TIER_MAX_TIERS];
	__u64 other_bytes;
	__u64 accesses_per_s;
};

/*
 * The call's argument. A kernel that knows fewer fields than @size covers
 * takes the call if those are zero, and gives E2BIG if not; fields that @size
 * does not cover are zero to a kernel that knows more.
 */
struct virtio_tier_call {
	__u32 size;		/* of this structure, as the caller knows it */
	__u16 type;		/* VIRTIO_TIER_T_* */
	__u16 flags;		/* VIRTIO_TIER_CALL_* */
	__u32 count;		/* 1..VIRTIO_TIER_CALL_RANGES */
	__u32 result_size;	/* of one result, as the caller knows it */
	__u64 ranges;		/* pointer to struct virtio_tier_urange[count] */
	__u64 results;		/* pointer to count results; QUERY needs it */
};

#define VIRTIO_TIER_CALL_SIZE_V0	32	/* of the first published structures */
#define VIRTIO_TIER_URESULT_SIZE_V0	72

/*
 * 0: each range has a result. Else -1 and errno, of which the results tell
 * how far the call came (what was not reached has VIRTIO_TIER_S_IOERR):
 * EINVAL, E2BIG, EFAULT, EPERM: the call is wrong; ENODEV: the device was
 * taken away; EIO: it fails; ETIMEDOUT: it does not answer, the hint may still
 * come through; EAGAIN: it is being reset; EINTR.
 */
#define VIRTIO_TIER_IOC_CALL		_IO(0xBC, 1)

/* What read() gives. */
struct virtio_tier_notice {
	__u32 type;		/* VIRTIO_TIER_E_* */
	__u32 reason;		/* VIRTIO_TIER_R_* */
	__u64 value;		/* as the type says */
	__u64 lost;		/* events that were lost just before this one */
	__u64 time_ns;		/* CLOCK_BOOTTIME, when the event came */
};

#endif /* _UAPI_LINUX_VIRTIO_TIER_IOCTL_H */
