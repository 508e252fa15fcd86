/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory is made up of: how much of it is how hot, where it is of a few kinds (kinds.h).
 *
 * Theory of operation
 *
 * Estimates tell how many pages each stratum has, and trials of which kinds these are, and how hot those are by
 * touches. What hardware counts, the accesses to tier 0 and to the others, must come out as the sums: then kinds are as
 * hot, and tiers hold as much of each, as it takes, with the least change for how sure each of that is (Kalman's
 * update). A rate is in doubt by what trials leave open, and the more, and for each tier by itself, the more of a kind
 * was found touched by the first look: nobody knows how hot that is. What of a tier is of which kind is in doubt by how
 * few trials there were.
 *
 * Where far more was counted outside tier 0 than all of that allows for, there are many accesses to a touch: memory is
 * read in one go.
 */
#ifndef VHOST_TIER_CORE_MAKEUP_H
#define VHOST_TIER_CORE_MAKEUP_H

#include "kinds.h"

#define MAKEUP_MAX ((size_t)2 * KINDS_MAX)

typedef struct MakeupPart {
    double per_s;                       /* accesses a second and page */
    double pages;
} MakeupPart;

/*
 * Whether memory is of a few kinds: there were trials enough, and nothing lies between the kinds that matter. Else its
 * rates are a continuum, of which kinds are but a coarse picture. @strata: pages of each, those of tier 0 first.
 */
bool makeup_few(const Kinds *kinds, const double strata[TRIALS_STRATA]);

/*
 * The parts, in no order; returns how many. @counted: accesses a second to tier 0, and to the others; NaN: not known.
 */
size_t makeup_find(const Kinds *kinds, const double strata[TRIALS_STRATA], const double counted[2],
                   MakeupPart parts[MAKEUP_MAX]);

#endif /* VHOST_TIER_CORE_MAKEUP_H */
