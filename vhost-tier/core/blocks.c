/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two levels of granules; blocks.h has the theory.
 */
#include "blocks.h"

#include <string.h>

#include "hints.h"

#define WORDS (BLOCK_GRANULES / 64)

HeatMap *blocks_new(HeatMap *fine, GError **errp)
{
    uint64_t n_blocks = fine->n / BLOCK_GRANULES;
    HeatMap *coarse = heat_map_new(fine->id, n_blocks * HEAT_BLOCK_BYTES, HEAT_BLOCK_BYTES, errp);

    if (coarse) {
        for (size_t block = 0; block < coarse->n; block++) {
            heat_place(coarse, block, POLICY_TIER_ABSENT);
        }
        coarse->fine = fine;
        fine->coarse = coarse;
    }
    return coarse;
}

/* The tier that all granules of a block are on, or POLICY_TIER_UNKNOWN. */
static uint8_t tier_of_block(const HeatMap *map, size_t granule)
{
    uint8_t tier = heat_tier(heat_at(map, granule));

    for (size_t i = 1; i < BLOCK_GRANULES; i++) {
        if (heat_tier(heat_at(map, granule + i)) != tier) {
            return POLICY_TIER_UNKNOWN;
        }
    }
    return tier;
}

void blocks_placed(HeatMap *map, size_t first, size_t n)
{
    size_t end = first + n;

    if (!map->coarse) {
        return;
    }
    for (size_t granule = first & ~(size_t)(BLOCK_GRANULES - 1); granule < end; granule += BLOCK_GRANULES) {
        if (block_is_huge(map, granule)) {
            heat_place(map->coarse, granule >> BLOCK_SHIFT, tier_of_block(map, granule));
        }
    }
}

/* A source of those that have seen the block lately; any will do. */
static PolicySource latest_source(const HeatBlock *block)
{
    PolicySource latest = 0;

    for (unsigned source = 1; source < POLICY_SOURCE__MAX; source++) {
        latest = block->seen[source] > block->seen[latest] ? source : latest;
    }
    return latest;
}

/* What was known of a block's granules is what is known of it. */
static void sum_up(HeatModel *model, HeatMap *map, size_t granule)
{
    HeatMap *coarse = map->coarse;
    size_t block = granule >> BLOCK_SHIFT;
    double per_s = 0, accesses = 0;

    for (size_t i = 0; i < BLOCK_GRANULES; i++) {
        Heat heat = heat_at(map, granule + i);

        if (heat_seen(heat)) {
            per_s += log2_value(heat_rate(model, heat));
            accesses += log2_value(heat_known(model, heat));
        }
    }
    coarse->estimates[block] = 0;
    memset(&coarse->blocks[block], 0, sizeof(coarse->blocks[block]));
    if (per_s > 0) {
        double exposure_ns = MAX(accesses / per_s * 1e9, 1);

        heat_add_rate(model, coarse, latest_source(heat_block(map, granule)), block, 1, per_s,
                      (uint64_t)MIN(exposure_ns, 1e15));
    }
}

void blocks_set(HeatModel *model, HeatMap *map, size_t granule, bool huge)
{
    if (huge == block_is_huge(map, granule)) {
        return;
    }
    if (huge) {
        sum_up(model, map, granule);
    }
    heat_place(map->coarse, granule >> BLOCK_SHIFT, huge ? tier_of_block(map, granule) : POLICY_TIER_ABSENT);
    hints_block_set(map, granule);
}

/* Bits @at..@at+@n-1 of @bits, from bit 0 of @part on; the rest of it is 0. */
static void cut_out(uint64_t part[WORDS], const uint64_t *bits, size_t at, size_t n)
{
    memset(part, 0, WORDS * sizeof(*part));
    for (size_t i = 0; i < n; i++) {
        part[i / 64] |= (bits[(at + i) / 64] >> ((at + i) % 64) & 1) << (i % 64);
    }
}

/* How many of the granules from @first on, @n at most, are of its block. */
static size_t in_block(size_t first, size_t n)
{
    return MIN(n, BLOCK_GRANULES - first % BLOCK_GRANULES);
}

void blocks_add_bits(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                     const uint64_t *accessed, uint64_t interval_ns)
{
    if (!map->coarse) {
        heat_add_bits(model, map, source, first, n, accessed, interval_ns);
        return;
    }
    for (size_t at = 0, part; at < n; at += part) {
        uint64_t bits[WORDS], any = 0;

        part = in_block(first + at, n - at);
        cut_out(bits, accessed, at, part);
        if (!block_is_huge(map, first + at)) {
            heat_add_bits(model, map, source, first + at, part, bits, interval_ns);
            continue;
        }
        for (size_t i = 0; i < WORDS; i++) {
            any |= bits[i];
        }
        bits[0] = any != 0;
        heat_add_bits(model, map->coarse, source, (first + at) >> BLOCK_SHIFT, 1, bits, interval_ns);
    }
}

static bool sees_inside(PolicySource source)
{
    return source == POLICY_SOURCE_CHMU || source == POLICY_SOURCE_HINT;
}

void blocks_add_rate(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                     double per_s, uint64_t exposure_ns)
{
    if (!map->coarse) {
        heat_add_rate(model, map, source, first, n, per_s, exposure_ns);
        return;
    }
    for (size_t at = 0, part; at < n; at += part) {
        size_t block = (first + at) >> BLOCK_SHIFT;
        bool huge = block_is_huge(map, first + at);

        part = in_block(first + at, n - at);
        if (!huge || sees_inside(source)) {
            heat_add_rate(model, map, source, first + at, part, per_s, exposure_ns);
        }
        if (huge && sees_inside(source)) {
            /* A part of the block is a sample of it. */
            heat_add_rate(model, map->coarse, source, block, 1, per_s * BLOCK_GRANULES,
                          MAX(exposure_ns * part / BLOCK_GRANULES, 1));
        } else if (huge) {
            heat_add_rate(model, map->coarse, source, block, 1, per_s, exposure_ns);
        }
    }
}
