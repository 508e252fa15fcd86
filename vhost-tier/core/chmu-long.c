/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Periods of a hotness unit in always-on mode; chmu-long.h has the theory.
 */
#include "chmu-long.h"

#include <glib.h>

#include "chmu-history.h"

#define THRESHOLD_MIN (2 * CHMU_BURST)
#define THRESHOLD_MAX 1024u
#define PERIOD_NS_PER_COUNT 250000000ull    /* E / T: 4 accesses a second */
#define HALVE_BELOW 0.75                    /* of the reports that may be, after T is halved: then it can be */
#define CROWD_LISTS 16                      /* lists that are 'lately' */
#define CROWDED_FROM 0.5                    /* of them: it has come to be crowded, */
#define CROWDED_TO 0.25                     /* and is no longer */

bool chmu_crowd_add(ChmuCrowd *crowd, bool crowded)
{
    crowd->share += ((crowded ? 1 : 0) - crowd->share) / CROWD_LISTS;
    crowd->crowded = crowd->share > (crowd->crowded ? CROWDED_TO : CROWDED_FROM);
    return crowd->crowded;
}

/* With a threshold that counters can reach. */
static ChmuSetting setting_of(const ChmuLimits *limits, uint32_t threshold)
{
    threshold = CLAMP(threshold, THRESHOLD_MIN, THRESHOLD_MAX);
    while (threshold > 1 && threshold > limits->counter_max) {
        threshold /= 2;
    }
    return (ChmuSetting){.threshold = threshold, .epoch_ns = threshold * PERIOD_NS_PER_COUNT};
}

ChmuSetting chmu_long_start(const ChmuLimits *limits)
{
    return setting_of(limits, THRESHOLD_MIN);
}

ChmuSetting chmu_long_next(const ChmuLimits *limits, const ChmuSetting *setting, uint64_t reports, bool lost)
{
    const double per_s = (double)reports * 1e9 / (double)setting->epoch_ns;
    const double most_per_s = (double)CHMU_LONG_RINGS_PER_S * limits->hotlist_entries;

    if (lost || per_s > most_per_s) {
        return setting_of(limits, setting->threshold * 2);
    }
    return setting_of(limits, 2 * per_s < HALVE_BELOW * most_per_s ? setting->threshold / 2 : setting->threshold);
}

double chmu_long_per_s(const ChmuSetting *setting, uint32_t reports, uint32_t burst)
{
    if ((double)reports * setting->threshold <= burst) {
        return 0;
    }
    return (reports + 0.5) * chmu_long_limit_per_s(setting);
}

double chmu_long_limit_per_s(const ChmuSetting *setting)
{
    return setting->threshold * 1e9 / (double)setting->epoch_ns;
}
