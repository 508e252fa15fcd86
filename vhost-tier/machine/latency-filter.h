/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From latencies as measured, once a second or so, to those that placement goes by: pure, no clock.
 *
 * What a tier takes now is the median of the last LATENCY_RECENT rounds; without load it takes the least that this
 * ever was. Others are told anew when one tier's median is more than LATENCY_NOISE off what they go by: less is noise,
 * and would have every plan made for other costs than the last.
 *
 * Where without load no tier is clearly slower than the one before it, it is not the memory that was measured (an
 * emulator has no caches to flush, and may give all memory the same speed): then nobody is told, and what was known at
 * start holds; again, where that comes out late. Tiers that are alike only under load are told of as they are: that is
 * what this is for.
 */
#ifndef VHOST_TIER_MACHINE_LATENCY_FILTER_H
#define VHOST_TIER_MACHINE_LATENCY_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "tier-channel.h"

#define LATENCY_RECENT 5u
#define LATENCY_NOISE 0.1
#define LATENCY_APART 1.2           /* times the latency of the tier before, */
#define LATENCY_APART_NS 20u        /* and so much more, as a short time is not measured so exactly */

typedef struct LatencyFilter {
    unsigned n_tiers;
    uint64_t rounds;
    uint32_t recent_ns[TIER_MAX_TIERS][LATENCY_RECENT];
    uint32_t now_ns[TIER_MAX_TIERS], idle_ns[TIER_MAX_TIERS];   /* 0: not known yet */
    uint32_t start_ns[TIER_MAX_TIERS];
    uint32_t used_ns[TIER_MAX_TIERS];       /* what to go by */
} LatencyFilter;

/* Of @n_tiers tiers, whose latencies are taken for @start_ns (TIER_MAX_TIERS of them) until it is known better. */
void latency_filter_init(LatencyFilter *filter, unsigned n_tiers, const uint32_t *start_ns);

/* One round: what each tier was measured at, above 0. Returns whether 'used_ns' has changed. */
bool latency_filter_add(LatencyFilter *filter, const uint32_t *measured_ns);

/* A tier can't be measured any more: what was known at start holds again. Returns whether 'used_ns' has changed. */
bool latency_filter_lose(LatencyFilter *filter);

/* Whether the slower one of two tiers, measured without load, is indeed the slower one. */
bool latency_apart(uint32_t faster_ns, uint32_t slower_ns);

/* Whether all tiers differ, without load, as they should; false before the first LATENCY_RECENT rounds. */
bool latency_filter_sees_tiers(const LatencyFilter *filter);

#endif /* VHOST_TIER_MACHINE_LATENCY_FILTER_H */
