/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tuner of a hotness monitoring unit; chmu-tuner.h has the theory.
 */
#include "chmu-tuner.h"

#include <glib.h>
#include <stdlib.h>

#define EPOCH_START_NS 500000000ull     /* half a second, */
#define EPOCH_LONGEST_NS 2000000000ull  /* and not longer than two: a hot set that moved is to be seen in seconds */
#define THRESHOLD_START 16
#define CHMU_COUNTS_MIN 8               /* good to 35 %, less than the half octave by which pages are told apart */
#define CHMU_COUNTS_MAX 64              /* good to 12 %; more would only cost time */
#define FILL_HIGH 0.75                  /* of the hotlist; above it may overflow next time */
#define FILL_LOW 0.25

static uint64_t clamp_epoch(const ChmuLimits *limits, double epoch_ns)
{
    double longest = MAX(limits->epoch_min_ns, MIN(limits->epoch_max_ns, EPOCH_LONGEST_NS));

    return (uint64_t)CLAMP(epoch_ns, (double)limits->epoch_min_ns, longest);
}

static uint32_t clamp_threshold(const ChmuLimits *limits, double threshold)
{
    return (uint32_t)CLAMP(threshold, 1.0, (double)MAX(limits->counter_max, 1));
}

ChmuSetting chmu_tuner_start(const ChmuLimits *limits)
{
    return (ChmuSetting){
        .epoch_ns = clamp_epoch(limits, EPOCH_START_NS),
        .threshold = clamp_threshold(limits, THRESHOLD_START),
    };
}

static int by_count(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The threshold that would have listed half a list, told from those listed; at least twice the old one. */
static double raised_threshold(const ChmuLimits *limits, const ChmuSetting *setting, uint32_t *counts, size_t n)
{
    size_t wanted = MAX(limits->hotlist_entries / 2, 1);
    double least = setting->threshold * 2.0;

    if (n <= wanted) {
        return least;
    }
    qsort(counts, n, sizeof(*counts), by_count);
    return MAX(least, counts[n - wanted]);
}

ChmuSetting chmu_tuner_next(const ChmuLimits *limits, const ChmuSetting *setting, uint32_t *counts, size_t n,
                            bool overflowed)
{
    double fill = (double)n / MAX(limits->hotlist_entries, 1);
    double threshold = setting->threshold, epoch_ns = (double)setting->epoch_ns, factor = 1;
    uint32_t most = 0;
    ChmuSetting next;

    for (size_t i = 0; i < n; i++) {
        most = MAX(most, counts[i]);
    }
    if (overflowed || fill > FILL_HIGH) {
        threshold = raised_threshold(limits, setting, counts, n);
    } else if (fill < FILL_LOW) {
        threshold /= 2;
    }
    /* An epoch of another length takes the threshold along: the rate that it stands for stays. */
    if (most >= limits->counter_max || threshold > CHMU_COUNTS_MAX) {
        factor = 0.5;
    } else if (threshold < CHMU_COUNTS_MIN && !overflowed && fill < FILL_LOW) {
        factor = 2;
    }
    next.epoch_ns = clamp_epoch(limits, epoch_ns * factor);
    next.threshold = clamp_threshold(limits, threshold * ((double)next.epoch_ns / epoch_ns) + 0.5);
    return next;
}
