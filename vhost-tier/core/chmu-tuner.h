/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How to set a CXL hotness monitoring unit (CHMU): the length of its epochs and the threshold from which
 * a unit of memory is listed. Pure: no device, no clock.
 *
 * Theory of operation
 *
 * A CHMU counts accesses to each unit of memory for an epoch and then lists the units with at least
 * 'threshold' counts, as many as its hotlist holds; the rest is lost. A list that overflows says nothing
 * of what it does not list, and a list that is half empty could have told of more. What lies between is
 * steered by two handles:
 * - The threshold goes up when the list runs full and down when it is emptier than it need be, in steps
 *   that grow while they go one way and shrink when they turn: where much memory is about equally hot, a
 *   little more or less lists all of it or none.
 *   Where most of what a full list holds is far above the threshold, a hot set has come that it was not made for: then
 *   the threshold goes to half the middle of the list at once, and the epoch to half, as it counts more than is needed
 *   to tell and the next list can be of others.
 * - The epoch sets how much a count says: n counts are good to 1/sqrt(n). Where the threshold has come
 *   down to fewer than CHMU_COUNTS_MIN counts and there is still room, an epoch is made longer, up to
 *   half a second; where it has come to stand above CHMU_COUNTS_MAX, or counters saturate, shorter, so
 *   that what changes is seen sooner.
 *
 * An epoch without overflow tells of the units that were not listed, too: each had fewer than 'threshold'
 * counts.
 */
#ifndef VHOST_TIER_CORE_CHMU_TUNER_H
#define VHOST_TIER_CORE_CHMU_TUNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a device can do, as its capability registers say. */
typedef struct ChmuLimits {
    uint64_t epoch_min_ns, epoch_max_ns;
    uint32_t hotlist_entries;       /* that fit into the hotlist before it overflows, 1 or more */
    uint32_t counter_max;           /* where a counter saturates: 2^width - 1 */
} ChmuLimits;

typedef struct ChmuSetting {
    uint64_t epoch_ns;
    uint32_t threshold;             /* counts, 1 or more */
    float step;                     /* log2 of the last step of the threshold; 0: none was made */
} ChmuSetting;

/* The setting to begin with. Limits that contradict each other are taken in the order of the fields. */
ChmuSetting chmu_tuner_start(const ChmuLimits *limits);

/*
 * The next setting, after an epoch with @setting listed units with these @counts (@n of them, any order),
 * and whether the list @overflowed. Deterministic.
 */
ChmuSetting chmu_tuner_next(const ChmuLimits *limits, const ChmuSetting *setting, const uint32_t *counts,
                            size_t n, bool overflowed);

#endif /* VHOST_TIER_CORE_CHMU_TUNER_H */
