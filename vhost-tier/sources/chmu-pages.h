/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose pages lie where in CXL memory: for each page of 4 KiB of the host's physical memory that hotness units
 * watch, the owner and the number that it gave.
 *
 * 8 bytes a page, of which only as much takes memory as was ever set. An entry stays until it is set again: who
 * looks one up must know owners that are gone, and pages that have moved elsewhere, by the numbers of their stays. No
 * locking.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_PAGES_H
#define VHOST_TIER_SOURCES_CHMU_PAGES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CHMU_PAGE 4096u
#define CHMU_OWNER_MAX ((1u << 22) - 1)     /* owners are 1 to that */
#define CHMU_NUMBER_MAX ((1ull << 34) - 1)

typedef struct ChmuPages ChmuPages;

typedef struct ChmuPage {
    uint32_t owner;
    uint8_t stay;                           /* the number of this stay; after 255 comes 1 */
    uint64_t number;                        /* among the owner's pages */
} ChmuPage;

ChmuPages *chmu_pages_new(void);
void chmu_pages_free(ChmuPages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuPages, chmu_pages_free)

/*
 * Keep track of the @bytes bytes of physical memory from @start on (multiples of a page); no change where that is
 * done already. Other ranges that they overlap are forgotten. False, with an error, when there is no room in the
 * address space.
 */
bool chmu_pages_cover(ChmuPages *pages, uint64_t start, uint64_t bytes, GError **errp);

/* @page lies at @physical. False where that is not covered, or a number is too large. */
bool chmu_pages_set(ChmuPages *pages, uint64_t physical, const ChmuPage *page);

/* What lay at @physical when it was set last; false: nothing, as far as known. */
bool chmu_pages_get(const ChmuPages *pages, uint64_t physical, ChmuPage *page);

#endif /* VHOST_TIER_SOURCES_CHMU_PAGES_H */
