/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access patterns: see pattern.h; what each is taken from is in lab/README.md. */
#include <stddef.h>

#include "pattern.h"
#include "machine.h"

#define BLOCK_PAGES 512u        /* 2 MiB */

/*
 * Draw anew where the hot set lies: from the seed and @epoch alone, so that every epoch can be told in
 * advance.
 */
static void place_hot_set(Pattern *p, uint32_t epoch)
{
    Random random;

    random_seed(&random, random_hash(p->options->seed) + epoch);
    permutation_init(&p->place, p->pages, &random);
}

static uint32_t at_least_one(uint64_t n)
{
    return n ? (uint32_t)n : 1;
}

void pattern_init(Pattern *p, const Options *options, uint32_t pages)
{
    uint32_t blocks = at_least_one(pages / BLOCK_PAGES);

    p->options = options;
    p->pages = pages;
    p->hot_pages = at_least_one(divide((uint64_t)pages * options->hot, options->hot_of, NULL));
    if (p->hot_pages >= pages) {
        p->hot_pages = pages - 1;
    }
    p->share = divide((uint64_t)options->share << 32, 100, NULL);
    p->active = options->pattern;
    p->phase = 0;
    p->idle = false;
    p->scan = 0;
    random_seed(&p->random, options->seed);
    permutation_init(&p->block_place, blocks, &p->random);
    p->hot_blocks = at_least_one((blocks * options->blocks + 99) / 100);
    place_hot_set(p, 0);
    zipf_init(&p->zipf, pages, options->zipf / 100.0);
    pattern_second(p, 0);
}

void pattern_second(Pattern *p, uint32_t second)
{
    static const PatternKind phases[] = {PATTERN_GUPS_HOT, PATTERN_YCSB_ZIPF, PATTERN_SCAN_HOT};
    uint32_t phase = 0, cycle = p->options->period + p->options->idle;

    switch (p->options->pattern) {
    case PATTERN_GUPS_MOVE:
        phase = second / p->options->period;
        if (phase != p->phase) {
            place_hot_set(p, phase);
        }
        break;
    case PATTERN_PHASES:
        phase = second / p->options->period;
        p->active = phases[phase % 3];
        break;
    case PATTERN_IDLE_BURST:
        p->idle = second % cycle >= p->options->period;
        phase = second / cycle * 2 + p->idle;
        break;
    default:
        break;
    }
    p->phase = phase;
}

static uint32_t next_hot(Pattern *p)
{
    return permutation_at(&p->place, random_below(&p->random, p->hot_pages));
}

static uint32_t next_cold(Pattern *p)
{
    return permutation_at(&p->place, p->hot_pages + random_below(&p->random, p->pages - p->hot_pages));
}

/* One after the other through all pages, hot ones too: a scan cannot know them. */
static uint32_t next_scanned(Pattern *p)
{
    uint32_t page = p->scan++;

    if (p->scan == p->pages) {
        p->scan = 0;
    }
    return page;
}

/* The hot page of a 2 MiB block is anywhere in it, the same one all the time. */
static uint32_t next_skewed(Pattern *p)
{
    uint32_t block = permutation_at(&p->block_place, random_below(&p->random, p->hot_blocks));
    uint32_t in_block = p->pages < BLOCK_PAGES ? p->pages : BLOCK_PAGES;

    return block * BLOCK_PAGES + random_hash(block + p->options->seed) % in_block;
}

uint32_t pattern_next(Pattern *p)
{
    if (p->active == PATTERN_YCSB_ZIPF) {
        return permutation_at(&p->place, zipf_next(&p->zipf, &p->random));
    }
    if (random_next(&p->random) < p->share) {
        return p->active == PATTERN_SUBPAGE_SKEW ? next_skewed(p) : next_hot(p);
    }
    switch (p->active) {
    case PATTERN_SCAN_HOT:
        return next_scanned(p);
    case PATTERN_SUBPAGE_SKEW:
        return random_below(&p->random, p->pages);
    default:
        return next_cold(p);
    }
}
