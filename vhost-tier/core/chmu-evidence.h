/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CXL hotness unit has listed, as evidence for a VM's policy: rates of what it lists, a limit for what it
 * does not; and whether a hot set has appeared.
 *
 * A hot set that appears outside tier 0 has most likely left tier 0, of which the unit says nothing: then it is
 * time to look there again, and to plan (policy_heat_moved()).
 *
 * A list has room for so many, and who touches much memory fills it: then of others' memory only what is hotter still
 * is told, however little of it there is. For them the unit watches no more than that (policy_cover_above()), and
 * their own sources, at their own cost, look at the rest. So no VM takes from another what is known of it.
 */
#ifndef VHOST_TIER_CORE_CHMU_EVIDENCE_H
#define VHOST_TIER_CORE_CHMU_EVIDENCE_H

#include "chmu-history.h"
#include "policy.h"

/* What one epoch of a unit says of a region's granules. */
typedef struct ChmuListing {
    const ChmuCount *counts;        /* of those that were listed, ascending by unit */
    const double *per_s;            /* for each, what is believed to last (chmu-history.h); 0: nothing is said */
    size_t n;
    uint64_t first_unit;            /* the number of granule 0, as 'counts' has it */
    uint64_t epoch_ns;
    double accesses_per_touch;      /* what the policy's rates are less, as PolicyConfig has it; 1 or more */
    /* each of the granules below..below_end-1 that is watched and not listed had fewer accesses a second; 0: n/a */
    double limit_per_s;
    size_t below, below_end;
    bool crowded;                   /* others' memory takes up the list: chmu_crowded() */
} ChmuListing;

/* Whether the unit would have listed @granule. */
typedef bool ChmuWatched(void *opaque, size_t granule);

/* What appeared of late, of one VM; all zero at first. */
typedef struct ChmuNews {
    double per_s;
} ChmuNews;

/* Whether one of @sharers has less than half of its part, with @listed of the @all that a unit has listed of them. */
static inline bool chmu_crowded(size_t listed, size_t all, size_t sharers)
{
    return listed < all / MAX(sharers, 1) / 2;
}

/* Tell @policy what @listing says of @region. Returns how many granules were spoken of. */
size_t chmu_evidence_give(ChmuNews *news, Policy *policy, uint32_t region, const ChmuListing *listing,
                          ChmuWatched *watched, void *opaque, uint64_t now_ns);

/* From how many touches a second on the unit sees what it watches of the region: 0: all; INFINITY: nothing for sure. */
double chmu_evidence_sees_above(const ChmuListing *listing);

/*
 * After an epoch's listings: whether a good part of all accesses (@total_per_s a second) were found lately where
 * few were known to be.
 */
bool chmu_evidence_news(ChmuNews *news, double total_per_s, uint64_t epoch_ns);

#endif /* VHOST_TIER_CORE_CHMU_EVIDENCE_H */
