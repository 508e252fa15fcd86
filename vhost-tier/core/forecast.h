/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM would do with more or less of tier 0: hit ratio and slowdown, all that slows it down included.
 *
 * Theory of operation
 *
 * The hit ratio at a size is what the curve of accesses says (policy_curve()), which comes to what was counted at the
 * size of now. From the counted accesses and the time that they took follows what a vCPU computes between two of them:
 *      busy * (1 - stolen) / accesses  =  compute + h * fast_ns + (1 - h) * slow_ns
 * and so how long an access takes at another hit ratio and other latencies.
 *
 * Latencies depend on the load, and that on where the accesses go. A tier whose channels are used to the share u is
 * taken to be 1 + u^2 / (1 - u) / 4 times as slow as when it idles: waiting in a queue with one server, less at low
 * load, where channels are many. That is an assumption, and the simulator's machine (sim/machine.c) makes the same one:
 * it was not measured on hardware. From the latency of now follows u, and from that what others use; these are taken to
 * go on. Then load and latency at the other size must agree. Where bandwidth or idle latency is not known, latencies
 * are taken to stay.
 *
 * Where tier 0 would be the slower one, the planner leaves in tier 1 what makes it so (balance.h): the hit ratio is the
 * one at which both are equally slow, and none at all where tier 0 is the slower one without this VM.
 *
 * What tiering takes at another size is taken to be what it usually takes now: it has the same share to spend, and
 * bursts of looks and moves pass.
 *
 * The slowdown is held against all memory in tier 0, nobody else there, and nobody who watches or moves.
 */
#ifndef VHOST_TIER_CORE_FORECAST_H
#define VHOST_TIER_CORE_FORECAST_H

#include "policy.h"

typedef struct ForecastTier {
    double now_ns;              /* latency of an access, as measured lately */
    double idle_ns;             /* without load; 0: not known, that is taken for the one of now */
    double bytes_per_s;         /* that it can do at most; 0: not known */
} ForecastTier;

/* How it is now. All of the real machine, over all vCPUs of the VM. */
typedef struct Forecast {
    double accesses_per_s;      /* that miss the caches */
    double hit_ratio;           /* share of them that tier 0 serves */
    double busy;                /* vCPU seconds used a second */
    double stolen;              /* share of these that tiering takes: faults, shootdowns; lately, as the others */
    double stolen_usually;      /* the same over a longer time, forecast_usually(): what is taken at other sizes */
    ForecastTier tiers[2];      /* tier 0, and the next */
} Forecast;

typedef struct ForecastAt {
    double hit_ratio;
    double slowdown;            /* share of time; NaN where accesses or time were not measured */
} ForecastAt;

/*
 * What the share that tiering takes usually is, when it was @usually before, and @stolen of the last @elapsed_ns:
 * watching and moving come in bursts, of which the one that is now tells little of other sizes. Either may be NaN. Not
 * to be asked while the VM idles: what is taken of next to nothing is not what is taken of its work.
 */
double forecast_usually(double usually, double stolen, double elapsed_ns);

/* With the hottest @bytes in tier 0. Both NaN where nothing was seen. */
ForecastAt forecast_at(const Forecast *now, const PolicyCurve *curve, uint64_t bytes);

/* The slowdown as it is now, by what was measured alone; NaN where accesses or time were not. */
double forecast_slowdown_now(const Forecast *now);

#endif /* VHOST_TIER_CORE_FORECAST_H */
