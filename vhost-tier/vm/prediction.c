/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well hit ratios are foretold; see prediction.h.
 */
#include "prediction.h"

#include <glib.h>
#include <math.h>

#include "core/slowdown.h"

#define SAME_SIZE 32            /* sizes that differ by less than this part of them are one */

static bool same_size(uint64_t a, uint64_t b)
{
    return MAX(a, b) - MIN(a, b) <= MAX(a, b) / SAME_SIZE;
}

void prediction_note(PredictionLog *log, uint64_t now_ns, bool placed, uint64_t bytes, double by_curve,
                     double measured)
{
    Prediction *open = &log->open;
    const double outcome = placed ? measured : by_curve;

    if (open->made_ns && open->placed == placed && same_size(open->bytes, bytes)) {
        if (now_ns - open->made_ns < SLOWDOWN_SETTLE_NS || isnan(outcome)) {
            return;
        }
        open->checked_ns = now_ns;
        open->measured = outcome;
        log->kept[log->n++ % PREDICTION_KEPT] = *open;
    }
    *open = (Prediction) { 0 };
    if (!isnan(by_curve)) {
        *open = (Prediction) { .made_ns = now_ns, .bytes = bytes, .predicted = by_curve, .placed = placed };
    }
}

double prediction_error(const PredictionLog *log)
{
    const uint64_t n = MIN(log->n, (uint64_t)PREDICTION_KEPT);
    double sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        sum += fabs(log->kept[i].predicted - log->kept[i].measured);
    }
    return n ? sum / (double)n : NAN;
}
