/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-tier: a guest gives its host hints about its memory, where the host keeps that on several tiers (DRAM and
 * CXL memory, say). The one definition that driver, device and back end share; docs/virtio-tier.md is the
 * specification. All fields are little-endian; every structure is as on the wire, without implicit padding;
 * reserved fields are written as zero.
 */
#ifndef _UAPI_LINUX_VIRTIO_TIER_H
#define _UAPI_LINUX_VIRTIO_TIER_H

#include <linux/types.h>

/* Not assigned by OASIS: the last id that Linux's virtio-pci takes (PCI device id 0x107f). */
#define VIRTIO_ID_TIER			63

/* Feature bits */
#define VIRTIO_TIER_F_PIN		0	/* PIN and UNPIN are taken; pin_limit is valid */
#define VIRTIO_TIER_F_QUERY		1	/* QUERY is taken */
#define VIRTIO_TIER_F_EVENTS		2	/* the event queue is served */

/* Queues. eventq is there whether or not VIRTIO_TIER_F_EVENTS was negotiated. */
#define VIRTIO_TIER_Q_HINT		0
#define VIRTIO_TIER_Q_EVENT		1
#define VIRTIO_TIER_Q_COUNT		2

#define VIRTIO_TIER_MAX_TIERS		4
#define VIRTIO_TIER_MAX_RANGES		1024	/* of one request; a device may take fewer: max_ranges */

/* Configuration space; the driver only reads it. pin_limit and fast_budget change while the device runs. */
struct virtio_tier_config {
	__le64 granule;			/* bytes; a power of two, at least 4096: ranges are widened to it, FREE narrowed */
	__le64 fast_budget;		/* bytes that this guest may have in the fastest tier now */
	__le64 pin_limit;		/* bytes that may be pinned at a time; only with VIRTIO_TIER_F_PIN */
	__le32 max_ranges;		/* of one request: 1..VIRTIO_TIER_MAX_RANGES */
	__le32 max_ranges_per_s;	/* of all requests; 0: no limit */
	__le32 n_tiers;			/* 1..VIRTIO_TIER_MAX_TIERS */
	__le32 reserved;
};

/* Request types */
#define VIRTIO_TIER_T_HOT		1	/* used often */
#define VIRTIO_TIER_T_COLD		2	/* not used for some time to come */
#define VIRTIO_TIER_T_WILLNEED		3	/* about to be used: bring it into the fastest tier soon */
#define VIRTIO_TIER_T_FREE		4	/* contents not needed: do not migrate, first to demote; ends with use */
#define VIRTIO_TIER_T_PIN		5	/* keep it in the fastest tier until UNPIN or reset */
#define VIRTIO_TIER_T_UNPIN		6
#define VIRTIO_TIER_T_QUERY		7	/* which tiers hold it, how hot does the host think it is */

/* Of a guest's physical memory. */
struct virtio_tier_range {
	__le64 addr;			/* guest physical; a multiple of 4096 */
	__le64 len;			/* bytes; a multiple of 4096, above 0 */
};

/*
 * A request: the device-readable part of a chain on hintq is this header and n_ranges ranges, no more and no less.
 */
struct virtio_tier_req {
	__le16 type;			/* VIRTIO_TIER_T_* */
	__le16 flags;			/* none are defined: 0 */
	__le32 n_ranges;		/* 1..max_ranges */
	__le64 cookie;			/* the driver's own; comes back in the response */
};

/*
 * The response: the device-writable part holds this header and, where status is VIRTIO_TIER_S_OK, n_ranges entries, a
 * struct virtio_tier_result each for QUERY, else a __le32 status each.
 */
struct virtio_tier_resp {
	__le32 status;			/* VIRTIO_TIER_S_*: of the request as a whole */
	__le32 n_ranges;		/* entries that follow */
	__le64 cookie;
};

struct virtio_tier_result {
	__le32 status;			/* VIRTIO_TIER_S_* */
	__le32 reserved;
	__le64 tier_bytes[VIRTIO_TIER_MAX_TIERS];	/* of the range, widened to granules; the fastest first */
	__le64 other_bytes;		/* without memory of the host's, or not known where */
	__le64 accesses_per_s;		/* to the range, as the host estimates */
};

/* Status of a request or of a range */
#define VIRTIO_TIER_S_OK		0	/* taken; what comes of it is the host's to decide */
#define VIRTIO_TIER_S_UNSUPP		1	/* type unknown, or its feature was not negotiated */
#define VIRTIO_TIER_S_INVAL		2	/* malformed: sizes, reserved fields, a range of no length, unaligned, overflowing */
#define VIRTIO_TIER_S_NOT_RAM		3	/* not, or not in whole, memory that the device places */
#define VIRTIO_TIER_S_RATE		4	/* dropped: more than max_ranges_per_s */
#define VIRTIO_TIER_S_LIMIT		5	/* pin_limit would be exceeded */
#define VIRTIO_TIER_S_UNTRUSTED		6	/* ignored: this guest's hints were wrong too often of late */
#define VIRTIO_TIER_S_OFF		7	/* ignored: hints are switched off, or this memory is not tiered now */
#define VIRTIO_TIER_S_IOERR		8	/* the device failed; nothing was changed */
#define VIRTIO_TIER_S_COUNT		9

/* Events: eventq's buffers are device-writable, of at least this size each; one event a buffer. */
struct virtio_tier_event {
	__le32 type;			/* VIRTIO_TIER_E_* */
	__le32 reason;			/* VIRTIO_TIER_R_* */
	__le64 value;			/* as the type says */
	__le64 lost;			/* events that there was no buffer for since the last one */
};

#define VIRTIO_TIER_E_BUDGET		1	/* fast_budget has changed by much; value: bytes */
#define VIRTIO_TIER_E_PINS_DROPPED	2	/* some pins are no more; value: bytes that are still pinned */
#define VIRTIO_TIER_E_HINTS_IGNORED	3	/* value: ranges ignored since the last such event */

#define VIRTIO_TIER_R_NONE		0
#define VIRTIO_TIER_R_BUDGET		1	/* the guest's budget or pin limit became smaller */
#define VIRTIO_TIER_R_RATE		2	/* too many ranges a second */
#define VIRTIO_TIER_R_TRUST		3	/* hints, or pins, were wrong too often */
#define VIRTIO_TIER_R_OFF		4	/* hints are switched off */
#define VIRTIO_TIER_R_RESTART		5	/* the host's daemon was started anew: it knows nothing of earlier hints */

#endif /* _UAPI_LINUX_VIRTIO_TIER_H */
