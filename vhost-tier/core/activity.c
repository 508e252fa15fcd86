/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How busy a VM is; activity.h has the theory.
 */
#include "activity.h"

#define TABLE_MIN (-12 * LOG2_ONE)
#define TABLE_SHIFT 8               /* a quarter of an octave */
#define QUIET_BELOW (1.0 / 8)
#define BUSY_ABOVE (1.0 / 4)
#define LEAST_LEVEL (1.0 / 64)
#define FEW_PAGES 8.0               /* expected and not found, they prove nothing */

void activity_table_init(ActivityTable *table, const LogTables *logs)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table->touched); i++) {
        Log2 expected = TABLE_MIN + (Log2)(i << TABLE_SHIFT);

        table->touched[i] = log2_value(expected - log2_hits(logs, expected));
    }
}

static inline double chance(const ActivityTable *table, Log2 expected)
{
    const Log2 last = G_N_ELEMENTS(table->touched) - 1;

    return expected < TABLE_MIN ? 0 : table->touched[MIN((expected - TABLE_MIN) >> TABLE_SHIFT, last)];
}

static double expected_of(const ActivityTable *table, const HeatModel *model, HeatMap *map, size_t first,
                          size_t n, Log2 interval)
{
    double expected = 0;

    for (size_t i = 0; i < n; i++) {
        size_t unit = first + i;
        const HeatMap *units = block_unit(map, &unit);
        Heat heat = heat_at(units, unit);

        if (heat_seen(heat)) {
            expected += chance(table, heat_rate(model, heat) + interval);
        }
    }
    return expected;
}

/* Sums halve each epoch. */
static void age(Activity *activity, uint64_t epoch)
{
    for (uint64_t left = MIN(epoch - activity->epoch, 64); left > 0; left--) {
        activity->expected /= 2;
        activity->found /= 2;
    }
    activity->epoch = epoch;
}

static bool take_in(Activity *activity, const HeatModel *model, double expected, double found)
{
    double level;

    age(activity, MAX(model->epoch, activity->epoch));
    activity->expected += expected;
    activity->found += found;
    level = (activity->found + FEW_PAGES) / (activity->expected + FEW_PAGES);
    activity->quiet = level < (activity->quiet ? BUSY_ABOVE : QUIET_BELOW);
    if (!activity->quiet) {
        activity->credit = 0;
        return true;
    }
    activity->credit += MAX(level, LEAST_LEVEL);
    if (activity->credit < 1) {
        return false;
    }
    activity->credit -= 1;
    return true;
}

bool activity_bits(Activity *activity, const ActivityTable *table, const HeatModel *model, HeatMap *map,
                   size_t first, size_t n, const uint64_t *accessed, uint64_t interval_ns)
{
    double expected = expected_of(table, model, map, first, n, log2_of((double)interval_ns * 1e-9));
    double found = 0;

    for (size_t i = 0; i < n / 64; i++) {
        found += __builtin_popcountll(accessed[i]);
    }
    if (n % 64) {
        found += __builtin_popcountll(accessed[n / 64] & ((1ull << n % 64) - 1));
    }
    return take_in(activity, model, expected, found);
}

bool activity_rate(Activity *activity, const ActivityTable *table, const HeatModel *model, HeatMap *map,
                   size_t first, size_t n, double per_s, uint64_t exposure_ns)
{
    Log2 exposure = log2_of((double)exposure_ns * 1e-9);
    double found = (double)n * chance(table, log2_of(per_s) + exposure);

    return take_in(activity, model, expected_of(table, model, map, first, n, exposure), found);
}

bool activity_valid(const Activity *activity)
{
    return activity->expected >= 0 && activity->found >= 0 && activity->expected < 1e18 &&
           activity->found < 1e18 && activity->credit >= 0 && activity->credit < 2 && activity->quiet <= 1;
}
