/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen of a guest's memory, by blocks.
 */
#include "blocks.h"

#include <stdbool.h>

#include "damon-sysfs.h"
#include "tier-hint.h"

typedef struct Block {
    uint64_t used_s;
    uint8_t percent;
} Block;

struct Blocks {
    GArray *ranges;
    Block *of; /* by physical address */
    uint64_t n;
};

/* What is asked of a block. */
typedef struct Question {
    bool hot;
    unsigned percent;
    uint64_t used_before_s;
} Question;

Blocks *blocks_new(const GArray *ranges, uint64_t now_s)
{
    Blocks *blocks = g_new0(Blocks, 1);

    blocks->ranges = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    if (ranges->len) {
        g_array_append_vals(blocks->ranges, ranges->data, ranges->len);
        blocks->n = (g_array_index(ranges, DamonRange, ranges->len - 1).end + BLOCK_BYTES - 1) / BLOCK_BYTES;
    }
    blocks->of = g_new0(Block, blocks->n);
    for (uint64_t i = 0; i < blocks->n; i++) {
        blocks->of[i].used_s = now_s;
    }
    return blocks;
}

void blocks_free(Blocks *blocks)
{
    if (blocks) {
        g_array_unref(blocks->ranges);
        g_free(blocks->of);
        g_free(blocks);
    }
}

void blocks_begin(Blocks *blocks)
{
    for (uint64_t i = 0; i < blocks->n; i++) {
        blocks->of[i].percent = 0;
    }
}

void blocks_note(Blocks *blocks, uint64_t start, uint64_t end, unsigned percent, uint64_t now_s)
{
    if (percent == 0) {
        return;
    }
    for (uint64_t i = start / BLOCK_BYTES; i < blocks->n && i * BLOCK_BYTES < end; i++) {
        Block *block = &blocks->of[i];

        block->used_s = now_s;
        block->percent = MAX(block->percent, MIN(percent, 100));
    }
}

static bool answers(const Block *block, const Question *question)
{
    return question->hot ? block->percent >= question->percent : block->used_s <= question->used_before_s;
}

/* Neighbours that answer make one range; it ends where the RAM does. */
static void list(const Blocks *blocks, const Question *question, GArray *out)
{
    for (guint r = 0; r < blocks->ranges->len; r++) {
        const DamonRange *ram = &g_array_index(blocks->ranges, DamonRange, r);
        struct virtio_tier_urange range = {0};

        for (uint64_t at = ram->start; at < ram->end; at = (at / BLOCK_BYTES + 1) * BLOCK_BYTES) {
            uint64_t end = MIN((at / BLOCK_BYTES + 1) * BLOCK_BYTES, ram->end);

            if (!answers(&blocks->of[at / BLOCK_BYTES], question)) {
                continue;
            }
            if (range.len && range.addr + range.len == at) {
                range.len += end - at;
                continue;
            }
            if (range.len) {
                g_array_append_val(out, range);
            }
            range.addr = at;
            range.len = end - at;
        }
        if (range.len) {
            g_array_append_val(out, range);
        }
    }
}

void blocks_hot(const Blocks *blocks, unsigned percent, GArray *out)
{
    list(blocks, &(Question){.hot = true, .percent = percent}, out);
}

void blocks_cold(const Blocks *blocks, uint64_t seconds, uint64_t now_s, GArray *out)
{
    if (now_s >= seconds) {
        list(blocks, &(Question){.used_before_s = now_s - seconds}, out);
    }
}
