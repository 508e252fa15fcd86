/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Likelihoods; see likely.h.
 */
#include "likely.h"

#include <math.h>

#define GOLDEN 0.6180339887498949

double likely_untouched(double per_s, double shape, double seconds)
{
    return exp(isinf(shape) ? -per_s * seconds : -shape * log1p(per_s * seconds / shape));
}

double likely_most(LikelyHill *hill, const void *opaque, double low, double high, double precision)
{
    double left = high - GOLDEN * (high - low), right = low + GOLDEN * (high - low);
    double at_left = hill(opaque, left), at_right = hill(opaque, right);

    while (high - low > precision) {
        if (at_left > at_right) {
            high = right;
            right = left;
            at_right = at_left;
            left = high - GOLDEN * (high - low);
            at_left = hill(opaque, left);
        } else {
            low = left;
            left = right;
            at_left = at_right;
            right = low + GOLDEN * (high - low);
            at_right = hill(opaque, right);
        }
    }
    return (low + high) / 2;
}
