/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two levels: blocks of 2 MiB that are one huge page each, in a map of 4 KiB granules.
 *
 * Theory of operation
 *
 * A huge page moves as one, and has one access bit. So what is known of it is kept as for one granule of 2
 * MiB, in a second, coarse map of the same region, which is there as soon as one of its blocks is huge. A
 * granule of the coarse map is present exactly while its block is huge; then the block's granules of the fine
 * map do not stand for themselves: they still tell where they are, and keep what was known of each, for the
 * day when it is split again, but census and planner pass over them and see the coarse one, whose heat is
 * compared per page as that of any granule of 2 MiB.
 *
 * A source that works by page tables sees a touch of the block, not of which page. One that sees physical
 * addresses (CHMU), and a guest (hints), see inside: what they say is learned on both levels, and so it is
 * known of a huge page how unevenly it is used.
 */
#ifndef VHOST_TIER_CORE_BLOCKS_H
#define VHOST_TIER_CORE_BLOCKS_H

#include "heat.h"

#define BLOCK_GRANULES 512u
#define BLOCK_SHIFT 9

/*
 * A coarse map for the region of @fine, tied to it, with no huge block; NULL with an error as heat_map_new().
 */
HeatMap *blocks_new(HeatMap *fine, GError **errp);

/* The block that begins with @granule of @map is one huge page from now on, or none any more. */
void blocks_set(HeatModel *model, HeatMap *map, size_t granule, bool huge);

/* heat_add_bits() and heat_add_rate(), each granule on the level that it counts on. */
void blocks_add_bits(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                     const uint64_t *accessed, uint64_t interval_ns);
void blocks_add_rate(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                     double per_s, uint64_t exposure_ns);

/*
 * Granules in [@first, @first + @n) were placed: so are the huge blocks that they are part of. One whose
 * granules are not all said to be on the same tier is on an unknown one.
 */
void blocks_placed(HeatMap *map, size_t first, size_t n);

static inline bool block_is_huge(const HeatMap *map, size_t granule)
{
    return map->coarse && granule >> BLOCK_SHIFT < map->coarse->n &&
           heat_tier(heat_at(map->coarse, granule >> BLOCK_SHIFT)) != POLICY_TIER_ABSENT;
}

/* The map, and the granule in it, that stands for @granule of @map. */
static inline HeatMap *block_unit(HeatMap *map, size_t *granule)
{
    if (!block_is_huge(map, *granule)) {
        return map;
    }
    *granule >>= BLOCK_SHIFT;
    return map->coarse;
}

/*
 * Go on to the next granules of @map, [*first, *end), that stand for themselves; both are 0 at first. False
 * when there are no more.
 */
static inline bool blocks_next_run(const HeatMap *map, size_t *first, size_t *end)
{
    *first = *end;
    while (*first < map->n && block_is_huge(map, *first)) {
        *first += BLOCK_GRANULES;
    }
    *end = map->coarse ? *first : map->n;
    while (*end < map->n && !block_is_huge(map, *end)) {
        *end += BLOCK_GRANULES;
    }
    *end = MIN(*end, map->n);
    return *first < *end;
}

#endif /* VHOST_TIER_CORE_BLOCKS_H */
