/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well hit ratios are foretold: what the curve of accesses over memory (policy_curve()) promised for the
 * fast size in force is held against what was then measured.
 *
 * A prediction is made and, once pages have had SLOWDOWN_SETTLE_NS to move, looked at again; then the
 * next one is made. When the size changes, a new one is made at once, from what was known before the
 * change. Where pages are moved, what is measured is the hit ratio of where they lie. In mode 'observe'
 * they stay where they are, so that it is the hit ratio that the hottest of that size would have had by
 * then; it tells how long the curve holds. Both are estimates from the same evidence; the lab compares
 * them with the truth.
 */
#ifndef VHOST_TIER_VM_PREDICTION_H
#define VHOST_TIER_VM_PREDICTION_H

#include <stdbool.h>
#include <stdint.h>

#define PREDICTION_KEPT 16      /* the last so many are kept */

typedef struct Prediction {
    uint64_t made_ns, checked_ns;   /* monotonic */
    uint64_t bytes;             /* of tier 0 */
    double predicted, measured; /* shares of accesses */
    bool placed;                /* pages were moved to where they should be */
} Prediction;

/* All zero: none yet. */
typedef struct PredictionLog {
    Prediction open;            /* not yet checked; made_ns 0: none */
    Prediction kept[PREDICTION_KEPT];   /* number i, from 0, is at i modulo PREDICTION_KEPT */
    uint64_t n;                 /* checked so far */
} PredictionLog;

/*
 * Note how it is at @now_ns: @placed, the fast size in force; hit ratios by the curve and as measured, or
 * NaN.
 */
void prediction_note(PredictionLog *log, uint64_t now_ns, bool placed, uint64_t bytes, double by_curve,
                     double measured);
/* Mean of |predicted - measured| over those kept; NaN where there are none. */
double prediction_error(const PredictionLog *log);

#endif /* VHOST_TIER_VM_PREDICTION_H */
