/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a region of DAMON's tells; see damon-rate.h.
 */
#include "damon-rate.h"

#include <glib.h>
#include <math.h>

double damon_rate_per_s(unsigned hits, unsigned max, uint64_t sample_ns)
{
    double share = MIN((double)hits, max - 0.5) / max;

    return -log1p(-share) / (sample_ns / 1e9);
}

uint64_t damon_exposure_ns(uint64_t aggr_ns, uint64_t pages)
{
    return MAX(aggr_ns / MAX(pages, 1), 1);
}

#define BLOCK_BYTES (2u << 20)

/* Whether another source has looked at the block of @granule lately. */
static bool watched_closer(const Policy *policy, uint32_t region, size_t granule, uint64_t now_ns)
{
    PolicyGranule seen;

    if (!policy_granule(policy, region, granule, now_ns, &seen)) {
        return false;
    }
    for (unsigned source = 0; source < POLICY_SOURCE__MAX; source++) {
        if (source != POLICY_SOURCE_DAMON && source != POLICY_SOURCE_HINT && seen.source_seen_ns[source] &&
            seen.source_seen_ns[source] + DAMON_OTHERS_NS > now_ns) {
            return true;
        }
    }
    return false;
}

void damon_report(Policy *policy, uint32_t region, size_t first, size_t n, uint32_t granule_bytes,
                  double per_s, uint64_t pages, uint64_t aggr_ns, uint64_t now_ns)
{
    const size_t per_block = MAX(BLOCK_BYTES / granule_bytes, 1), end = first + n;
    const uint64_t exposure_ns = damon_exposure_ns(aggr_ns, pages);

    for (size_t next; first < end; first = next) {
        next = MIN((first / per_block + 1) * per_block, end);
        if (pages <= 1 || !watched_closer(policy, region, first, now_ns)) {
            policy_evidence_rate(policy, POLICY_SOURCE_DAMON, region, first, next - first, per_s, exposure_ns,
                                 now_ns);
        }
    }
}
