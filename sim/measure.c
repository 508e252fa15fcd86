/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read off the points of a run.
 */
#include "measure.h"

#include <math.h>

#define SMOOTH_NS 1000000000ull
#define STAY_NS 2000000000ull
#define POINTS_MIN 8u

/* Mean hit ratio of the points that end after @from_ns and at @to_ns or before; NaN: all were idle. */
static double mean(const RunPoint *points, size_t n, uint64_t from_ns, uint64_t to_ns)
{
    double sum = 0;
    size_t counted = 0;

    for (size_t i = 0; i < n; i++) {
        if (points[i].now_ns > from_ns && points[i].now_ns <= to_ns && !isnan(points[i].hit_ratio)) {
            sum += points[i].hit_ratio;
            counted++;
        }
    }
    return counted ? sum / (double)counted : NAN;
}

/* Whether the mean over a second is on the line from point @at on, for as long as it has to stay there. */
static bool stays(const RunPoint *points, size_t n, size_t at, uint64_t changed_ns, double line)
{
    for (size_t i = at; i < n && points[i].now_ns <= points[at].now_ns + STAY_NS; i++) {
        uint64_t from_ns = points[i].now_ns - MIN(points[i].now_ns, SMOOTH_NS);
        double now = mean(points, i + 1, MAX(from_ns, changed_ns), points[i].now_ns);

        if (now < line || (i == at && isnan(now))) { /* an idle time later on says nothing */
            return false;
        }
    }
    return true;
}

double measure_time_to_90(const RunPoint *points, size_t n, uint64_t changed_ns, uint64_t end_ns)
{
    double before, after, line;

    while (n > 0 && points[0].now_ns <= changed_ns) {
        points++;
        n--;
    }
    while (n > 0 && points[n - 1].now_ns > end_ns) {
        n--;
    }
    if (n < POINTS_MIN) {
        return NAN;
    }
    before = points[0].hit_ratio;
    after = mean(points, n, end_ns - (end_ns - changed_ns) / 4, end_ns);
    if (!(after - before >= MEASURE_LEAST)) {
        return NAN;
    }
    line = before + 0.9 * (after - before);
    for (size_t i = 0; i < n; i++) {
        if (stays(points, n, i, changed_ns, line)) {
            return (double)(points[i].now_ns - changed_ns) / 1e9;
        }
    }
    return (double)(end_ns - changed_ns) / 1e9;
}
