/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose pages lie where in CXL memory: for each page of 4 KiB of the host's physical memory that hotness units
 * watch, the owner and the number that it gave.
 *
 * 8 bytes a page, of which only as much takes memory as was ever set. An entry stays until it is set again: who
 * looks one up must know owners that are gone, and their pages that have moved elsewhere. No locking.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_PAGES_H
#define VHOST_TIER_SOURCES_CHMU_PAGES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CHMU_PAGE 4096u
#define CHMU_OWNER_MAX ((1u << 28) - 1)     /* owners are 1 to that */
#define CHMU_NUMBER_MAX ((1ull << 36) - 1)

typedef struct ChmuPages ChmuPages;

ChmuPages *chmu_pages_new(void);
void chmu_pages_free(ChmuPages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuPages, chmu_pages_free)

/*
 * Keep track of the @bytes bytes of physical memory from @start on (multiples of a page); no change where that is
 * done already. Other ranges that they overlap are forgotten. False, with an error, when there is no room in the
 * address space.
 */
bool chmu_pages_cover(ChmuPages *pages, uint64_t start, uint64_t bytes, GError **errp);

/* The page at @physical is @owner's, its @number-th. False where that is not covered. */
bool chmu_pages_set(ChmuPages *pages, uint64_t physical, uint32_t owner, uint64_t number);

/* Whose the page at @physical was when it was set last; false: nobody's, as far as known. */
bool chmu_pages_get(const ChmuPages *pages, uint64_t physical, uint32_t *owner, uint64_t *number);

#endif /* VHOST_TIER_SOURCES_CHMU_PAGES_H */
