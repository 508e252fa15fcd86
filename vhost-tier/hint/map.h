/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a guest's physical addresses to granules of its VM's regions: through the memory table that QEMU told over
 * vhost-user (guest physical to QEMU's virtual addresses) and the regions that the VM's memory channels have shown to
 * be theirs. Neither alone tells; nothing but what both have in common is ever named.
 */
#ifndef VHOST_TIER_HINT_MAP_H
#define VHOST_TIER_HINT_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/region.h"

/* One entry of the memory table, in bytes. Entries do not overlap in 'gpa', and do not wrap in either. */
typedef struct HintMemory {
    uint64_t gpa, size, hva;
} HintMemory;

/* Granules that follow each other in one region. */
typedef struct HintPiece {
    uint32_t region;
    uint32_t granule_bytes;
    size_t first, n;
} HintPiece;

typedef struct HintMap HintMap;

/*
 * The map of the @n_memory entries of @memory (in any order) and the @n_regions @regions, all of one process. The
 * caller frees it with hint_map_free().
 */
HintMap *hint_map_new(const HintMemory *memory, size_t n_memory, const Region *const *regions, size_t n_regions);
void hint_map_free(HintMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HintMap, hint_map_free)

/*
 * The granules of the @len bytes at @gpa, widened to whole granules or, with @narrow, narrowed to those that lie in
 * them in whole, which may be none. Replaces what is in @pieces (of HintPiece). False where not all of the bytes are
 * memory that the map knows.
 */
bool hint_map_find(const HintMap *map, uint64_t gpa, uint64_t len, bool narrow, GArray *pieces);

/*
 * Call @visit for each stretch of guest physical memory that the granules first..first+n-1 of @region are: the way
 * back.
 */
typedef void (*HintMapVisit)(void *opaque, uint64_t gpa, uint64_t len);
void hint_map_addresses(const HintMap *map, uint32_t region, size_t first, size_t n, HintMapVisit visit, void *opaque);

#endif /* VHOST_TIER_HINT_MAP_H */
