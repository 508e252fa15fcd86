/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen of programs' memory, by blocks; seen.h has the theory.
 */
#include "seen.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define HOT_ABOVE 2    /* times the mean rate */
#define HALF_A_LOOK .5 /* may have found unused even what every look found used, or that would have no end of a rate */

typedef enum Told {
    TOLD_NOTHING,
    TOLD_HOT,
    TOLD_COLD,
} Told;

typedef struct Block {
    uint64_t used_s, told_s;
    float used, looks; /* at a whole block, since it was last judged */
    uint8_t told;
} Block;

struct Seen {
    GArray *ranges; /* of SeenRange */
    Block *blocks;  /* of the first range, then of the next */
    uint64_t n;
};

static uint64_t first_block(const SeenRange *range)
{
    return range->start / SEEN_BLOCK_BYTES;
}

static uint64_t n_blocks(const SeenRange *range)
{
    return (range->end + SEEN_BLOCK_BYTES - 1) / SEEN_BLOCK_BYTES - first_block(range);
}

static const SeenRange *range_at(const Seen *seen, guint i)
{
    return &g_array_index(seen->ranges, SeenRange, i);
}

/* Take over what @before knows of @range, whose first block is @blocks[0]. */
static void take_over(Block *blocks, const SeenRange *range, const Seen *before)
{
    const Block *known = before->blocks;

    for (guint r = 0; r < before->ranges->len; r++) {
        const SeenRange *was = range_at(before, r);
        const uint64_t first = MAX(first_block(was), first_block(range));
        const uint64_t end = MIN(first_block(was) + n_blocks(was), first_block(range) + n_blocks(range));

        if (was->space == range->space && first < end) {
            memcpy(&blocks[first - first_block(range)], &known[first - first_block(was)],
                   (end - first) * sizeof(*blocks));
        }
        known += n_blocks(was);
    }
}

Seen *seen_new(const GArray *ranges, const Seen *before, uint64_t now_s)
{
    Seen *seen = g_new0(Seen, 1);
    Block *blocks;

    seen->ranges = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    for (guint r = 0; r < ranges->len; r++) {
        g_array_append_val(seen->ranges, g_array_index(ranges, SeenRange, r));
        seen->n += n_blocks(range_at(seen, r));
    }
    seen->blocks = g_new0(Block, seen->n);
    for (uint64_t i = 0; i < seen->n; i++) {
        seen->blocks[i].used_s = now_s;
    }
    blocks = seen->blocks;
    for (guint r = 0; before && r < ranges->len; r++) {
        take_over(blocks, range_at(seen, r), before);
        blocks += n_blocks(range_at(seen, r));
    }
    return seen;
}

void seen_free(Seen *seen)
{
    if (seen) {
        g_array_unref(seen->ranges);
        g_free(seen->blocks);
        g_free(seen);
    }
}

/* What was noted of [@start, @end), which lies in one range, whose first block is @blocks[0], number @first. */
static void note_blocks(Block *blocks, uint64_t first, const SeenRange *noted, float used, float looks, uint64_t now_s)
{
    for (uint64_t i = noted->start / SEEN_BLOCK_BYTES; i * SEEN_BLOCK_BYTES < noted->end; i++) {
        const uint64_t from = MAX(noted->start, i * SEEN_BLOCK_BYTES);
        const uint64_t to = MIN(noted->end, (i + 1) * SEEN_BLOCK_BYTES);
        const float part = (float)(to - from) / (float)SEEN_BLOCK_BYTES;
        Block *block = &blocks[i - first];

        block->used += part * used;
        block->looks += part * looks;
        if (used > 0) {
            block->used_s = now_s;
        }
    }
}

void seen_note(Seen *seen, const SeenRange *range, unsigned used, unsigned looks, uint64_t now_s)
{
    Block *blocks = seen->blocks;

    for (guint r = 0; r < seen->ranges->len; r++) {
        const SeenRange *known = range_at(seen, r);
        const SeenRange noted = {
            .start = MAX(range->start, known->start),
            .end = MIN(range->end, known->end),
        };

        if (known->space == range->space && noted.start < noted.end) {
            note_blocks(blocks, first_block(known), &noted, (float)MIN(used, looks), (float)looks, now_s);
        }
        blocks += n_blocks(known);
    }
}

static double rate_of(const Block *block)
{
    return -log1p(-block->used / (block->looks + HALF_A_LOOK));
}

static double mean_rate(const Seen *seen, uint64_t there_bytes)
{
    const uint64_t n_there = MAX(there_bytes / SEEN_BLOCK_BYTES, 1);
    double sum = 0;

    for (uint64_t i = 0; i < seen->n; i++) {
        sum += rate_of(&seen->blocks[i]);
    }
    return sum / (double)MIN(seen->n, n_there);
}

/* What a block is to be told as now. */
static Told judge(const Block *block, const SeenRule *rule, double mean, uint64_t now_s)
{
    const double rate = rate_of(block);
    const bool unused = now_s - block->used_s >= rule->cold_after_s;
    const bool cooled = block->told == TOLD_HOT && block->looks > 0 && rate < mean;
    Told is = unused || cooled ? TOLD_COLD : TOLD_NOTHING;

    if (!unused && block->looks > 0 && rate >= HOT_ABOVE * mean &&
        block->used * 100 >= block->looks * (float)rule->hot_percent) {
        is = TOLD_HOT;
    }
    return is == block->told && now_s - block->told_s < rule->again_s ? TOLD_NOTHING : is;
}

/* Append what is told of a block at [@start, @end) of @space; neighbours make one range. */
static void append(GArray *out, uint64_t space, uint64_t start, uint64_t end)
{
    const SeenRange range = {.space = space, .start = start, .end = end};
    SeenRange *last = out->len ? &g_array_index(out, SeenRange, out->len - 1) : NULL;

    if (last && last->space == space && last->end == start) {
        last->end = end;
    } else {
        g_array_append_val(out, range);
    }
}

void seen_tell(Seen *seen, const SeenRule *rule, uint64_t there_bytes, uint64_t now_s, GArray *hot, GArray *cold)
{
    const double mean = mean_rate(seen, there_bytes);
    Block *block = seen->blocks;

    for (guint r = 0; r < seen->ranges->len; r++) {
        const SeenRange *range = range_at(seen, r);

        for (uint64_t i = first_block(range); i * SEEN_BLOCK_BYTES < range->end; i++, block++) {
            const Told told = judge(block, rule, mean, now_s);

            block->used = block->looks = 0;
            if (told == TOLD_NOTHING) {
                continue;
            }
            block->told = told;
            block->told_s = now_s;
            append(told == TOLD_HOT ? hot : cold, range->space, MAX(range->start, i * SEEN_BLOCK_BYTES),
                   MIN(range->end, (i + 1) * SEEN_BLOCK_BYTES));
        }
    }
}
