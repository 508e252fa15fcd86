/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kinds: of which few rates a VM's memory is, as trials tell.
 *
 * Theory of operation
 *
 * Trials (trials.h) tell of few granules when they were touched first. Were the rate of each stratum of estimates found
 * for itself and strata sorted by it, chance would sort, too: memory that is all alike would look as if some of it
 * were hotter, and a VM as if little fast memory did it more good than it does. So the fewest rates are looked for that
 * account for what was seen: memory is taken to be of a few kinds, each of one rate, and a stratum for a mixture of
 * them, since estimates err. Where rates are a continuum there are the more kinds.
 *
 * One begins with a kind for each stratum. Kinds that chance may well have put so far apart are joined. Then the
 * shares of each stratum, and the kinds' rates, are those of the greatest likelihood (expectation and maximization:
 * Dempster, Laird and Rubin, 1977), and two neighbours become one as long as that makes what was seen hardly less
 * likely: by less than the logarithm of the number of trials, for the rate and the shares that it saves (after
 * Schwarz's criterion, 1978). Likewise one becomes two where that makes it likelier by more. What a stratum was
 * estimated at counts as one trial of it more: kinds are estimated at what trials found them estimated at.
 */
#ifndef VHOST_TIER_CORE_KINDS_H
#define VHOST_TIER_CORE_KINDS_H

#include "trials.h"

#define KINDS_MAX TRIALS_STRATA

typedef struct Kinds {
    size_t n;
    double per_s[KINDS_MAX];            /* mean rate of a page, coldest first; touches, not accesses */
    double doubt[KINDS_MAX];            /* standard deviation of its log2 */
    double at_once[KINDS_MAX];          /* share of its trials that the first look found touched */
    double trials[TRIALS_STRATA];       /* of a stratum, older ones counting less */
    double share[TRIALS_STRATA][KINDS_MAX]; /* of it that is of a kind; they come to 1, or 0 where it is not expected */
} Kinds;

/*
 * The kinds as of @now_ns. @expected: what strata are estimated at, a page and second; 0: there is no such memory;
 * infinite: it was never seen.
 */
void kinds_find(const Trials *trials, const double expected[TRIALS_STRATA], uint64_t now_ns, Kinds *kinds);

#endif /* VHOST_TIER_CORE_KINDS_H */
