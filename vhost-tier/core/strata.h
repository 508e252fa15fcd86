/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rates of strata: how hot memory is that is estimated so, where what differs in its estimate differs in rate.
 *
 * Theory of operation
 *
 * Within a stratum (trials.h) the true rates are taken to be spread as in a gamma distribution of mean m and shape k,
 * so that a granule is untouched after t with the chance (1 + m t / k)^-k (Lomax). Both are fitted by the greatest
 * likelihood, times a weak prior: rates are what they are estimated at, to within two octaves or so (half an octave
 * where that was counted), and all that is estimated alike is alike. A few are strays: granules that moved, or that
 * were told of wrongly, of which nothing follows. So where few were watched, one that contradicts all else does not
 * decide.
 */
#ifndef VHOST_TIER_CORE_STRATA_H
#define VHOST_TIER_CORE_STRATA_H

#include "trials.h"

typedef struct StratumFit {
    double cold;                        /* share of those that are as cold as most others, */
    double cold_per_s;                  /* which is that cold, whatever they are estimated at */
    double per_s;                       /* mean rate of a page of the rest */
    double shape;                       /* k */
    double doubt;                       /* standard deviation of log2 of per_s */
    double trials;                      /* granules that were watched, older ones counting less; 0: it is a guess */
} StratumFit;

/*
 * What the @n strata from @first are like as of @now_ns, whose rates are estimated at @expected (a page and second, on
 * average; 0: there is no such memory), with @doubts (standard deviations in octaves). Their shape is one.
 */
void strata_fit(const Trials *trials, unsigned first, size_t n, const double *expected, const double *doubts,
                uint64_t now_ns, StratumFit *fits);

#endif /* VHOST_TIER_CORE_STRATA_H */
