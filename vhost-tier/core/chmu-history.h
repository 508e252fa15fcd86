/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lists of a CXL hotness unit say of heat that lasts.
 *
 * Memory that is read once from end to end, by a scan, is accessed 64 times a page within a moment: in
 * that epoch it looks as hot as what is hot all the time. So of each count as much as a scan may make
 * (CHMU_BURST, or as was set) is not believed, unless the same unit was listed before: not in the epoch just before,
 * across whose end a burst may lie, but no longer than CHMU_LASTING_NS ago.
 */
#ifndef VHOST_TIER_CORE_CHMU_HISTORY_H
#define VHOST_TIER_CORE_CHMU_HISTORY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHMU_BURST 64u              /* the lines of a 4 KiB page, read once */
/*
 * Memory that is read again within this time is worth having fast: a page that moves in and out costs as
 * much as some hundred accesses save.
 */
#define CHMU_LASTING_NS 10000000000ull

typedef struct ChmuCount {
    uint64_t unit;                  /* any number that stays the same for a unit */
    uint32_t count;
} ChmuCount;

typedef struct ChmuHistory ChmuHistory;

ChmuHistory *chmu_history_new(void);
void chmu_history_free(ChmuHistory *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuHistory, chmu_history_free)

/* As much of a count as one reading of a unit may make: CHMU_BURST at first, which is right for pages of 4 KiB. */
void chmu_history_set_burst(ChmuHistory *history, uint32_t burst);

/*
 * The epoch that ended at @now_ns after @epoch_ns listed these @n units, ascending by unit. Fills @per_s
 * (one for each) with the rate that is believed to last, in accesses per second; 0: nothing can be said
 * yet.
 */
void chmu_history_add(ChmuHistory *history, const ChmuCount *counts, size_t n, uint64_t epoch_ns,
                      uint64_t now_ns, double *per_s);

/* Bytes that it takes: 16 for each unit that was listed within CHMU_LASTING_NS. */
size_t chmu_history_bytes(const ChmuHistory *history);

#endif /* VHOST_TIER_CORE_CHMU_HISTORY_H */
