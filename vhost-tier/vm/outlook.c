/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outlook of a VM; see outlook.h.
 */
#include "outlook.h"

#include <math.h>

#define PAGE 4096u

bool outlook_counted(const Outlook *outlook)
{
    return outlook->now.accesses_per_s > 0;
}

ForecastAt outlook_at(const Outlook *outlook, uint64_t bytes)
{
    if (outlook_counted(outlook)) {
        return forecast_at(&outlook->now, &outlook->curve, bytes);
    }
    return (ForecastAt){.hit_ratio = slowdown_hit_ratio(&outlook->curve, bytes),
                        .slowdown = slowdown_at(&outlook->curve, &outlook->model, bytes)};
}

uint64_t outlook_size(const Outlook *outlook, double target)
{
    const PolicyCurve *curve = &outlook->curve;
    uint64_t low = 0, high;

    if (!outlook_counted(outlook) || curve->n == 0) {
        return slowdown_size(curve, &outlook->model, target);
    }
    high = curve->points[curve->n - 1].bytes / PAGE;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;

        if (outlook_at(outlook, middle * PAGE).slowdown <= target) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low * PAGE;
}
