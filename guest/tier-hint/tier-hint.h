/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program tells its host about its own memory, through /dev/virtio-tier. All of the library is in this header:
 *
 *     int fd = tier_hint_open();
 *     if (fd >= 0) {
 *         tier_hint(fd, VIRTIO_TIER_T_WILLNEED, table, table_bytes);
 *     }
 *
 * Hints are advice: a program works the same without them, on a guest that has no such device, too.
 *
 * A pin is of the physical pages that a range has when it is pinned, and outlives the program. Say
 * VIRTIO_TIER_T_UNPIN of the same range before its memory is freed or the program ends. Pages that the kernel moves
 * meanwhile (it compacts memory, or copies what a fork shares) leave their pin behind, with whoever has them next:
 * lock such memory, and do not fork. What was left behind is unpinned by its physical address, or all of it by a
 * reset of the device (as by the module's unloading).
 */
#ifndef TIER_HINT_H
#define TIER_HINT_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/virtio_tier_ioctl.h>

#define TIER_HINT_DEVICE "/dev/virtio-tier" /* others have a number behind that, from 1 on */
#define TIER_HINT_DEVICES 16

/*
 * Open the first device that there is: all of a guest's speak for the same memory. Returns a descriptor, for the caller
 * to close; -1 and errno (ENOENT: there is none).
 */
static inline int tier_hint_open(void)
{
    char path[32] = TIER_HINT_DEVICE;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    for (unsigned i = 1; fd < 0 && errno == ENOENT && i < TIER_HINT_DEVICES; i++) {
        snprintf(path, sizeof(path), TIER_HINT_DEVICE "%u", i);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return fd;
}

/*
 * Say @type (VIRTIO_TIER_T_*) of @count ranges, at most VIRTIO_TIER_CALL_RANGES; @flags are VIRTIO_TIER_CALL_*. Each
 * range has a result then. Returns 0, or -1 and errno as the header of the ioctl says.
 */
static inline int tier_hint_ranges(int fd, unsigned type, unsigned flags, const struct virtio_tier_urange *ranges,
                                   size_t count, struct virtio_tier_uresult *results)
{
    struct virtio_tier_call call;

    memset(&call, 0, sizeof(call));
    call.size = sizeof(call);
    call.type = (uint16_t)type;
    call.flags = (uint16_t)flags;
    call.count = (uint32_t)count;
    call.result_size = sizeof(*results);
    call.ranges = (uintptr_t)ranges;
    call.results = (uintptr_t)results;
    return ioctl(fd, VIRTIO_TIER_IOC_CALL, &call);
}

/*
 * Say @type of one range of one's own memory. Only pages that have memory are told: touch what is to be pinned. Returns
 * VIRTIO_TIER_S_* (VIRTIO_TIER_S_OK is 0), or -1 and errno.
 */
static inline int tier_hint(int fd, unsigned type, const void *addr, size_t bytes)
{
    struct virtio_tier_urange range;
    struct virtio_tier_uresult result;

    range.addr = (uintptr_t)addr;
    range.len = bytes;
    return tier_hint_ranges(fd, type, 0, &range, 1, &result) < 0 ? -1 : (int)result.status;
}

/* Where one range of one's own memory is, and how hot the host takes it to be. Returns as tier_hint() does. */
static inline int tier_hint_query(int fd, const void *addr, size_t bytes, struct virtio_tier_uresult *result)
{
    struct virtio_tier_urange range;

    range.addr = (uintptr_t)addr;
    range.len = bytes;
    return tier_hint_ranges(fd, VIRTIO_TIER_T_QUERY, 0, &range, 1, result) < 0 ? -1 : (int)result->status;
}

/* What a status means, in a few words. */
static inline const char *tier_hint_status(unsigned status)
{
    static const char *const words[VIRTIO_TIER_S_COUNT] = {
        "taken",
        "the device does not take this type",
        "malformed",
        "not memory that the host places",
        "dropped: too many ranges a second",
        "more would be pinned than is allowed",
        "ignored: this guest's hints were wrong too often",
        "ignored: hints are switched off",
        "the device failed",
    };

    return status < VIRTIO_TIER_S_COUNT ? words[status] : "unknown status";
}

#endif /* TIER_HINT_H */
