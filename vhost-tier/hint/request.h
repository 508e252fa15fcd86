/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request of virtio-tier (include/uapi/linux/virtio_tier.h), apart from any queue: what a guest's driver put into
 * a descriptor chain, checked, and the answer to it.
 *
 * The guest is trusted in nothing, and may write to the chain's memory at any time: what is read is copied once and
 * looked at in the copy only.
 */
#ifndef VHOST_TIER_HINT_REQUEST_H
#define VHOST_TIER_HINT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "uapi/linux/virtio_tier.h"

/* One range, in the guest's physical memory, and what becomes of it. */
typedef struct HintRange {
    uint64_t addr, len;             /* bytes; once checked: multiples of 4096, above 0, without overflow */
    uint32_t status;                /* VIRTIO_TIER_S_*; after parsing OK or INVAL */
    /* the answer to QUERY, where status is OK */
    uint64_t tier_bytes[VIRTIO_TIER_MAX_TIERS];
    uint64_t other_bytes;
    uint64_t accesses_per_s;
} HintRange;

typedef struct HintRequest {
    uint16_t type;                  /* VIRTIO_TIER_T_* */
    uint32_t status;                /* of the whole; anything but OK means that there are no ranges */
    uint64_t cookie;                /* the guest's own */
    uint32_t n_ranges;
    HintRange ranges[VIRTIO_TIER_MAX_RANGES];
} HintRequest;

/*
 * Read the request in the device-readable part @out of a chain, whose device-writable part is @in, for a driver that
 * has negotiated @features. False where the chain has no room for any response: it can only be given back. A request
 * that is malformed as a whole has a status that says so, and no ranges.
 */
bool hint_request_parse(HintRequest *request, uint64_t features, const struct iovec *out, size_t n_out,
                        const struct iovec *in, size_t n_in);

/* Write the response to @in, as parsed with; returns the bytes written. */
size_t hint_request_answer(const HintRequest *request, const struct iovec *in, size_t n_in);

#endif /* VHOST_TIER_HINT_REQUEST_H */
