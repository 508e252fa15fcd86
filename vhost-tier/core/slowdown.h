/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slowdown: what a VM loses by having part of its memory slow, now and at other sizes of its fast part.
 *
 * The model. An access that misses the caches takes fast_ns in tier 0 and slow_ns elsewhere; the rest of the
 * time is computing. So of the vCPU time b that a VM uses in a second, with A such accesses a second of which
 * the share h hits tier 0,
 *      stalls = A * (1 - h) * (slow_ns - fast_ns)      is lost to slow memory,
 *      work   = b - stalls                             is what the same would take with all memory fast,
 * and the slowdown against that, if the share were h' instead, is
 *      A * (1 - h') * (slow_ns - fast_ns) / work.
 * Stalls per cycle as the measure of how a VM suffers from slow memory: Li et al., "Pond", ASPLOS 2023; misses
 * weighed by latency, as measured for VMs: Zhong et al., "Managing Memory Tiers with CXL in Virtualized
 * Environments" (Memstrata), OSDI 2024. Accesses that overlap (memory-level parallelism) cost less than this,
 * so it errs on the safe side. A VM waits for one access at a time at least: A is held to what fits into b, and
 * so no slowdown ever exceeds (slow_ns - fast_ns) / fast_ns, whatever is claimed or estimated.
 *
 * h' at a size is what the curve of accesses over memory says (policy_curve()): the planner keeps the hottest
 * of the memory fast, as far as the budget goes. Memory that was not seen yet counts as not accessed.
 *
 * Slowdowns are shares of time: 0.05 is 5 % more time for the same work.
 */
#ifndef VHOST_TIER_CORE_SLOWDOWN_H
#define VHOST_TIER_CORE_SLOWDOWN_H

#include "policy.h"

/* How hard a VM works its memory, as of now. All of the real machine, over all of its vCPUs. */
typedef struct SlowdownLoad {
    double accesses_per_s;      /* that miss the caches; 0 or NaN: not measured, the curve's total is taken */
    double busy;                /* vCPU seconds used a second; 0 or NaN: not known, taken for 1 */
    double hit_ratio;           /* share of the accesses that hit tier 0 now; NaN: not known, taken for 1 */
    uint32_t fast_ns, slow_ns;  /* latency of an access; slow_ns <= fast_ns: nothing is lost */
} SlowdownLoad;

/* What comes of it. */
typedef struct Slowdown {
    double worst;               /* slowdown with all memory slow; at the share h it is (1 - h) times that */
    double work;                /* vCPU seconds a second that the same would take with all memory fast */
} Slowdown;

/* Whether @curve can be judged by: at least half of what is present was seen. NULL can't. */
bool slowdown_known(const PolicyCurve *curve);

/* Accesses per second over all of @curve; 0 where nothing was seen. */
double slowdown_total(const PolicyCurve *curve);

/* Share of the accesses that go to the hottest @bytes, 0 to 1; NaN where nothing was seen, 1 without accesses. */
double slowdown_hit_ratio(const PolicyCurve *curve, uint64_t bytes);

/*
 * @curve less the spread that doubt alone makes. Rates are estimated from a few accesses each, so that memory
 * whose parts are all alike looks as if some were hotter: the logarithms of the estimates vary by SLOWDOWN_DOUBT even
 * then. So each slope becomes the best guess of a rate that has such an estimate (denoise.h): that of memory which is
 * hot for sure, as it is far hotter than the rest, stays, and of a swarm that chance may have spread little remains.
 * Total and bytes stay.
 */
void slowdown_doubted(const PolicyCurve *curve, PolicyCurve *out);

/*
 * Variance of log2 of an estimate from a accesses: 1 / (a ln(2)^2). Four count at most (heat.h), of which half a
 * half-life's decay leaves two: the careful end.
 */
#define SLOWDOWN_DOUBT 1.04

/*
 * The model for @load, with the accesses of @curve where none were measured. All finite and not negative,
 * whatever @load has in it.
 */
Slowdown slowdown_model(const PolicyCurve *curve, const SlowdownLoad *load);

/* The slowdown expected with the hottest @bytes fast; NaN where nothing was seen. */
double slowdown_at(const PolicyCurve *curve, const Slowdown *model, uint64_t bytes);

/*
 * The inverse: the fewest bytes of tier 0, in whole pages of 4 KiB, with which the slowdown stays at or below
 * @target. UINT64_MAX where nothing was seen.
 */
uint64_t slowdown_size(const PolicyCurve *curve, const Slowdown *model, double target);

/*
 * How well predictions do: what was foretold for the budget in force is held against what the VM then measures.
 * All zero: nothing foretold yet.
 */
typedef struct SlowdownTrack {
    uint64_t budget_bytes;      /* what the prediction is for */
    double predicted;
    uint64_t made_ns;
    bool open;                  /* it was made, and not checked yet */
    uint64_t checks;            /* how often 'error' was fed */
    double error;               /* mean of |predicted - measured|, older ones fading; a share of time */
} SlowdownTrack;

/* A prediction is held against nothing before pages had this long to move; old errors fade so fast. */
#define SLOWDOWN_SETTLE_NS 10000000000ull
#define SLOWDOWN_FADE 32u       /* checks */

/* @predicted (NaN: none can be made) was foretold at @now_ns for @budget_bytes. */
void slowdown_foretell(SlowdownTrack *track, uint64_t budget_bytes, double predicted, uint64_t now_ns);
/*
 * @measured (NaN: nothing was) is what it is at @now_ns. Returns whether the prediction was held against it, which
 * is done once: the next is due.
 */
bool slowdown_check(SlowdownTrack *track, double measured, uint64_t now_ns);

#endif /* VHOST_TIER_CORE_SLOWDOWN_H */
