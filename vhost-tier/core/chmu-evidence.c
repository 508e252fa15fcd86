/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence of what a hotness unit lists and what it does not.
 */
#include "chmu-evidence.h"

#include <math.h>

#define NEW_HEAT_RATIO 8            /* a granule so many times hotter than it was known to be is new heat */
#define NEW_HEAT_SHARE 0.1          /* of all accesses: from there on heat has moved */
#define NEW_HEAT_HALF_NS 1e9        /* it is forgotten by half in that time */

/* The limit for those of first..end-1 that are watched, run by run. */
static size_t give_limit(Policy *policy, uint32_t region, const ChmuListing *listing, size_t first, size_t end,
                         ChmuWatched *watched, void *opaque, uint64_t now_ns)
{
    const double per_s = listing->limit_per_s / listing->accesses_per_touch;
    size_t run = 0, given = 0;

    first = MAX(first, listing->below);
    end = MIN(end, listing->below_end);
    for (size_t granule = first; granule < end || run > 0; granule++) {
        if (granule < end && watched(opaque, granule)) {
            run++;
        } else if (run > 0) {
            policy_evidence_below(policy, POLICY_SOURCE_CHMU, region, granule - run, run, per_s, listing->epoch_ns,
                                  now_ns);
            given += run;
            run = 0;
        }
    }
    return given;
}

static void give_rate(ChmuNews *news, Policy *policy, uint32_t region, size_t granule, double per_s,
                      uint64_t epoch_ns, uint64_t now_ns)
{
    double known;

    policy_rates(policy, region, granule, 1, &known);
    if (known * NEW_HEAT_RATIO < per_s) {
        news->per_s += per_s - MAX(known, 0);
    }
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, region, granule, 1, per_s, epoch_ns, now_ns);
}

size_t chmu_evidence_give(ChmuNews *news, Policy *policy, uint32_t region, const ChmuListing *listing,
                          ChmuWatched *watched, void *opaque, uint64_t now_ns)
{
    size_t given = 0, first = 0;    /* the first granule after those that were spoken of */

    for (size_t i = 0; i <= listing->n; i++) {
        const bool listed = i < listing->n;
        const size_t granule = listed ? (size_t)(listing->counts[i].unit - listing->first_unit) : SIZE_MAX;

        if (listing->limit_per_s > 0) {
            given += give_limit(policy, region, listing, first, granule, watched, opaque, now_ns);
        }
        if (listed && listing->per_s[i] > 0) {
            give_rate(news, policy, region, granule, listing->per_s[i] / listing->accesses_per_touch,
                      listing->epoch_ns, now_ns);
            given++;
        }
        first = granule + 1;
    }
    return given;
}

double chmu_evidence_sees_above(const ChmuListing *listing)
{
    if (!listing->crowded) {
        return 0;
    }
    return listing->limit_per_s > 0 ? listing->limit_per_s / listing->accesses_per_touch : INFINITY;
}

bool chmu_evidence_news(ChmuNews *news, double total_per_s, uint64_t epoch_ns)
{
    const bool moved = news->per_s > NEW_HEAT_SHARE * total_per_s;

    if (moved) {
        news->per_s = 0;
    }
    news->per_s *= exp2(-(double)epoch_ns / NEW_HEAT_HALF_NS);
    return moved;
}
