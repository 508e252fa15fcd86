/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Latencies as measured, and those to go by; latency-filter.h has the rules.
 */
#include "latency-filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void latency_filter_init(LatencyFilter *filter, unsigned n_tiers, const uint32_t *start_ns)
{
    *filter = (LatencyFilter){.n_tiers = n_tiers};
    memcpy(filter->start_ns, start_ns, sizeof(filter->start_ns));
    memcpy(filter->used_ns, start_ns, sizeof(filter->used_ns));
}

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t median(const uint32_t *recent_ns)
{
    uint32_t sorted[LATENCY_RECENT];

    memcpy(sorted, recent_ns, sizeof(sorted));
    qsort(sorted, LATENCY_RECENT, sizeof(*sorted), by_size);
    return sorted[LATENCY_RECENT / 2];
}

bool latency_apart(uint32_t faster_ns, uint32_t slower_ns)
{
    return slower_ns >= faster_ns * LATENCY_APART && slower_ns - faster_ns >= LATENCY_APART_NS;
}

bool latency_filter_sees_tiers(const LatencyFilter *filter)
{
    for (unsigned tier = 1; tier < filter->n_tiers; tier++) {
        if (!latency_apart(filter->idle_ns[tier - 1], filter->idle_ns[tier])) {
            return false;
        }
    }
    return filter->rounds >= LATENCY_RECENT;
}

static bool is_off(double now_ns, double used_ns)
{
    return fabs(now_ns - used_ns) > LATENCY_NOISE * used_ns;
}

/* Go by these from now on; whether that changes anything. */
static bool use(LatencyFilter *filter, const uint32_t *ns)
{
    const size_t bytes = filter->n_tiers * sizeof(*ns);
    const bool changes = memcmp(filter->used_ns, ns, bytes) != 0;

    memcpy(filter->used_ns, ns, bytes);
    return changes;
}

bool latency_filter_add(LatencyFilter *filter, const uint32_t *measured_ns)
{
    const unsigned slot = filter->rounds++ % LATENCY_RECENT;
    bool off = false;

    for (unsigned tier = 0; tier < filter->n_tiers; tier++) {
        filter->recent_ns[tier][slot] = measured_ns[tier];
    }
    if (filter->rounds < LATENCY_RECENT) {
        return false;
    }
    for (unsigned tier = 0; tier < filter->n_tiers; tier++) {
        const uint32_t now_ns = median(filter->recent_ns[tier]);

        filter->now_ns[tier] = now_ns;
        if (filter->idle_ns[tier] == 0 || now_ns < filter->idle_ns[tier]) {
            filter->idle_ns[tier] = now_ns;
        }
        off = off || is_off(now_ns, filter->used_ns[tier]);
    }
    if (!latency_filter_sees_tiers(filter)) {
        return use(filter, filter->start_ns);
    }
    return off && use(filter, filter->now_ns);
}

bool latency_filter_lose(LatencyFilter *filter)
{
    filter->rounds = 0;
    memset(filter->now_ns, 0, sizeof(filter->now_ns));
    memset(filter->idle_ns, 0, sizeof(filter->idle_ns));
    return use(filter, filter->start_ns);
}
