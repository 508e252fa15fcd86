/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tuner of a hotness monitoring unit; chmu-tuner.h has the theory.
 */
#include "chmu-tuner.h"

#include <glib.h>
#include <math.h>

/*
 * Half a second, and never longer: that many lists tell of more memory than fewer, longer lists of higher
 * counts, and what moved is seen sooner.
 */
#define EPOCH_START_NS 500000000ull
#define EPOCH_LONGEST_NS EPOCH_START_NS
#define THRESHOLD_START 16
#define CHMU_COUNTS_MIN 8               /* good to 35 %, less than half an octave */
#define CHMU_COUNTS_MAX 64              /* good to 12 %; more would only cost time */
#define FAR_ABOVE 4                     /* times the threshold: what is listed is of another kind than was expected */
#define FILL_HIGH 0.98                  /* of the hotlist; above it may overflow next time */
#define FILL_LOW 0.75
#define STEP_MAX 2.0                    /* log2: a factor of 4, */
#define STEP_MIN 0.1                    /* of 7 %: the noise of CHMU_COUNTS_MAX counts */

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

/* The next step: half as far again in the same direction, half as far in the other; up is 1 or -1. */
static double next_step(double last, double up)
{
    double far = last == 0 ? 1 : fabs(last) * (last * up > 0 ? 1.5 : 0.5);

    return up * CLAMP(far, STEP_MIN, STEP_MAX);
}

/* At least one count more, or less. */
static double stepped(double threshold, double step)
{
    double to = round(threshold * exp2(step));

    return step > 0 ? MAX(to, threshold + 1) : MAX(MIN(to, threshold - 1), 1);
}

/* The most that half of @counts have at least, to within an octave. */
static uint32_t middle_of(const uint32_t *counts, size_t n)
{
    size_t octaves[32] = {0}, below = 0;
    unsigned octave = 0;

    for (size_t i = 0; i < n; i++) {
        octaves[31 - __builtin_clz(MAX(counts[i], 1))]++;
    }
    while (octave < 31 && (below += octaves[octave]) * 2 <= n) {
        octave++;
    }
    return 1u << octave;
}

ChmuSetting chmu_tuner_next(const ChmuLimits *limits, const ChmuSetting *setting, const uint32_t *counts,
                            size_t n, bool overflowed)
{
    double fill = (double)n / MAX(limits->hotlist_entries, 1);
    const bool full = overflowed || fill > FILL_HIGH;
    const uint32_t middle = middle_of(counts, n);
    const bool burst = full && middle >= 2 * CHMU_COUNTS_MIN && middle >= FAR_ABOVE * setting->threshold;
    double threshold = setting->threshold, epoch_ns = (double)setting->epoch_ns, factor = 1;
    ChmuSetting next = {.step = setting->step};
    uint32_t most = 0;

    for (size_t i = 0; i < n; i++) {
        most = MAX(most, counts[i]);
    }
    if (full || fill < FILL_LOW) {
        next.step = (float)next_step(setting->step, full ? 1 : -1);
        threshold = stepped(threshold, next.step);
    }
    /* An epoch of another length takes the threshold along: the rate that it stands for stays. */
    if (burst) {
        threshold = MAX(threshold, (double)middle / 2);
    }
    if (burst || most >= limits->counter_max || threshold > CHMU_COUNTS_MAX) {
        factor = 0.5;
    } else if (threshold < CHMU_COUNTS_MIN && !overflowed && fill < FILL_LOW) {
        factor = 2;
    }
    next.epoch_ns = clamp_epoch(limits, epoch_ns * factor);
    next.threshold = clamp_threshold(limits, threshold * ((double)next.epoch_ns / epoch_ns) + 0.5);
    return next;
}
