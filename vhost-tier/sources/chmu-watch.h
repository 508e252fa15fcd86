/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region that hotness units watch: which of its pages lie where in CXL memory, and since when.
 *
 * A page's stays at one place after the other are numbered, and the table of pages (chmu-pages.h) says of which stay
 * an entry is: one of an earlier stay is nobody's. What is counted where a page has just come to lie is not all the
 * page's: who lay there before was accessed, too, and the page was copied there. So it is known for a while who came
 * in which epoch.
 *
 * While others crowd the region out of the lists of a device, the reports of the device's second instance are counted,
 * page by page and period by period (core/chmu-long.h).
 *
 * No locking: chmu-host.c has a lock for them all.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_WATCH_H
#define VHOST_TIER_SOURCES_CHMU_WATCH_H

#include "chmu-host.h"
#include "core/chmu-long.h"

struct ChmuWatch {
    Region region;
    uint32_t owner;                     /* of its pages, in the table */
    bool on[CHMU_DEVICES_MAX + 1];      /* devices by number: pages lie there */
    GQueue pending;                     /* of ChmuBatch */
    ChmuCrowd crowd[CHMU_DEVICES_MAX + 1];  /* in the lists of each device */
    GArray *periods;                    /* that are counted now, at most one of each device */

    uint8_t *stays;                     /* for each page, the number of its stay; or it is away; 0: not looked for */
    GHashTable *came;                   /* page -> the epoch when it was seen to have moved to where it is, of late */
};

/* To watch @region, whose pages are to be @owner's. */
ChmuWatch *chmu_watch_new(const Region *region, uint32_t owner);
void chmu_watch_free(ChmuWatch *watch);

/* Page @number lies at @physical, as of @epoch; false where @pages does not cover that. */
bool chmu_watch_note(ChmuWatch *watch, ChmuPages *pages, uint64_t number, uint64_t physical, uint64_t epoch);
/* @n pages from @first on lie nowhere that is known. */
void chmu_watch_leave(ChmuWatch *watch, uint64_t first, uint64_t n);
/* Whether @page is the watch's, and lies yet where it was said to. */
bool chmu_watch_is_there(const ChmuWatch *watch, const ChmuPage *page);
/* Whether page @number has come to where it lies in @epoch or later. */
bool chmu_watch_came_since(const ChmuWatch *watch, uint64_t number, uint64_t epoch);
/* Epochs before @epoch will not be asked for any more. */
void chmu_watch_forget(ChmuWatch *watch, uint64_t epoch);

/* From now on, @device's reports are counted, for a period. */
void chmu_watch_period_begin(ChmuWatch *watch, unsigned device);
/* There were @n more of them for page @number. */
void chmu_watch_report(ChmuWatch *watch, unsigned device, uint64_t number, uint32_t n);
/* The period is over: what was counted, as ChmuBatch has it, the caller's; NULL: none began. */
uint16_t *chmu_watch_period_end(ChmuWatch *watch, unsigned device);

#endif /* VHOST_TIER_SOURCES_CHMU_WATCH_H */
