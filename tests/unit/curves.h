/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Curves of accesses over memory for tests: the usual shapes, at full resolution of PolicyCurve.
 */
#ifndef CURVES_H
#define CURVES_H

#include <math.h>

#include "core/policy.h"

/* The share @hit of @per_s accesses goes to the hottest @hot_bytes of @bytes, the rest to the others, evenly. */
static inline PolicyCurve curve_hot(uint64_t bytes, uint64_t hot_bytes, double hit, double per_s)
{
    PolicyCurve curve = { .n = 2, .present_bytes = bytes };

    curve.points[0].bytes = hot_bytes;
    curve.points[0].per_s = hit * per_s;
    curve.points[1].bytes = bytes;
    curve.points[1].per_s = per_s;
    return curve;
}

/* All of it alike. */
static inline PolicyCurve curve_flat(uint64_t bytes, double per_s)
{
    PolicyCurve curve = { .n = 1, .present_bytes = bytes };

    curve.points[0].bytes = bytes;
    curve.points[0].per_s = per_s;
    return curve;
}

/* Zipf of exponent 1 over pages of 4 KiB: the hottest k of n take ln(k) / ln(n), about. */
static inline PolicyCurve curve_zipf(uint64_t bytes, double per_s)
{
    const double pages = (double)(bytes / 4096);
    PolicyCurve curve = { .n = POLICY_CURVE_POINTS, .present_bytes = bytes };

    for (size_t i = 0; i < curve.n; i++) {
        const double k = ceil(exp2(log2(pages) * (double)(i + 1) / (double)curve.n));

        curve.points[i].bytes = i + 1 < curve.n ? (uint64_t)k * 4096 + i * 4096 : bytes;
        curve.points[i].per_s = per_s * (log((double)(curve.points[i].bytes / 4096)) + 0.577) /
                                (log(pages) + 0.577);
    }
    return curve;
}

#endif /* CURVES_H */
