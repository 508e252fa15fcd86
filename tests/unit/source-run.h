/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source at work needs in a test: a policy to report to, and time.
 */
#ifndef VHOST_TIER_TESTS_SOURCE_RUN_H
#define VHOST_TIER_TESTS_SOURCE_RUN_H

#include <glib.h>

#include "core/policy.h"
#include "vm/region.h"
#include "sources/source.h"

/* A policy of two tiers that knows @region; to be freed. */
static inline Policy *source_run_policy(const Region *region)
{
    PolicyConfig config = {
        .budget_bytes = region->size / 5,
        .heat_half_life_ns = 30 * G_GUINT64_CONSTANT(1000000000),
        .heat_life_ns = 60 * G_GUINT64_CONSTANT(1000000000),
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    Policy *policy = policy_new(&config);

    g_assert_true(policy_region_add(policy, region->id, region->size, region->granule_bytes, NULL));
    return policy;
}

/* Let @source work for @ms milliseconds, called when it asks for it. */
static inline void source_run_for(Source *source, unsigned ms)
{
    uint64_t end_us = g_get_monotonic_time() + ms * 1000ull, now_us;

    while ((now_us = g_get_monotonic_time()) < end_us) {
        uint64_t next_us = source->class->tick(source, now_us * 1000) / 1000;

        g_usleep(MIN(next_us, end_us) - MIN(now_us, MIN(next_us, end_us)));
    }
}

#endif /* VHOST_TIER_TESTS_SOURCE_RUN_H */
