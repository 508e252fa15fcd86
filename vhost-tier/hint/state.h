/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a migration takes along of a VM's hints: what is pinned, in guest physical memory, and how far the guest is
 * trusted. Little-endian, versioned, at most HINT_STATE_MAX bytes (device.h).
 */
#ifndef VHOST_TIER_HINT_STATE_H
#define VHOST_TIER_HINT_STATE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HintPin {
    uint64_t addr, len;             /* bytes */
} HintPin;

/* A state without pins; @trust in 0..1, or NaN: not known. The caller owns it. */
GByteArray *hint_state_new(double trust);
/* Add a pin; false where there is no room for it. */
bool hint_state_add(GByteArray *state, const HintPin *pin);

/*
 * Read a state of @n bytes: @trust, and its pins, each checked as a request's ranges are, into @pins (of HintPin), by
 * address; those that overlap become one, so that all of them together are no more work than memory is large. False,
 * with an error, where it is none.
 */
bool hint_state_parse(const uint8_t *bytes, size_t n, double *trust, GArray *pins, GError **errp);

#endif /* VHOST_TIER_HINT_STATE_H */
