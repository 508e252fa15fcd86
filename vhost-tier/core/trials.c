/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trials: what is under way, and what was seen; trials.h has the theory.
 */
#include "trials.h"

#include <math.h>
#include <string.h>

#define BINS 24                         /* octaves of time, from 2^-10 s */
#define BIN_ORIGIN (-10)
#define NEGLIGIBLE 1e-6                 /* a weight */
#define RESCALE 64                      /* half-lives after which weights are made small again */

/* Granules of a stratum for which the last look came at such a time; sums, weighed. */
typedef struct Cell {
    double touched, from_s, until_s;    /* found touched in it, by which time, and since when */
    double waiting, waiting_s;          /* not touched until then */
} Cell;

/* A block under way. */
typedef struct Open {
    uint64_t block;
    uint64_t waiting;                   /* granules */
    uint64_t begun_ns, looked_ns;
    double pages;
    uint8_t strata[TRIALS_BLOCK];
} Open;

struct Trials {
    Cell cells[TRIALS_STRATA][BINS];
    GHashTable *by_block;               /* of Open */
    GQueue order;                       /* the same, oldest first */
    uint64_t origin_ns;                 /* time of weight 1 */
};

Trials *trials_new(void)
{
    Trials *trials = g_new0(Trials, 1);

    trials->by_block = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&trials->order);
    return trials;
}

void trials_end(Trials *trials)
{
    g_hash_table_remove_all(trials->by_block);
    g_queue_clear_full(&trials->order, g_free);
}

void trials_free(Trials *trials)
{
    if (trials) {
        trials_end(trials);
        g_hash_table_unref(trials->by_block);
        g_free(trials);
    }
}

void trials_forget(Trials *trials)
{
    trials_end(trials);
    memset(trials->cells, 0, sizeof(trials->cells));
}

/* Take the weight of all that was seen from now on at @now_ns. */
static void scale_down(Trials *trials, uint64_t now_ns)
{
    const double factor = exp2(((double)trials->origin_ns - (double)now_ns) / (double)TRIALS_HALF_LIFE_NS);

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            Cell *cell = &trials->cells[stratum][bin];

            cell->touched *= factor;
            cell->from_s *= factor;
            cell->until_s *= factor;
            cell->waiting *= factor;
            cell->waiting_s *= factor;
        }
    }
    trials->origin_ns = now_ns;
}

/* Younger ones weigh more, rather than older ones less and less. */
static double weight_of(const Trials *trials, const Open *open)
{
    return exp2(((double)open->begun_ns - (double)trials->origin_ns) / (double)TRIALS_HALF_LIFE_NS);
}

static Cell *cell_at(Trials *trials, unsigned stratum, double seconds)
{
    int bin = (int)floor(log2(MAX(seconds, 1e-9))) - BIN_ORIGIN;

    return &trials->cells[stratum][CLAMP(bin, 0, BINS - 1)];
}

static void close_oldest(Trials *trials)
{
    Open *oldest = g_queue_pop_head(&trials->order);

    g_hash_table_remove(trials->by_block, &oldest->block);
    g_free(oldest);
}

static void close_block(Trials *trials, uint64_t block)
{
    Open *open = g_hash_table_lookup(trials->by_block, &block);

    if (open) {
        g_hash_table_remove(trials->by_block, &block);
        g_queue_remove(&trials->order, open);
        g_free(open);
    }
}

void trials_begin(Trials *trials, uint64_t block, uint64_t granules, const uint8_t strata[TRIALS_BLOCK], double pages,
                  uint64_t now_ns)
{
    Open *open;

    close_block(trials, block);
    if (granules == 0) {
        return;
    }
    if (g_queue_get_length(&trials->order) >= TRIALS_OPEN_MAX) {
        close_oldest(trials);
    }
    if (now_ns > trials->origin_ns + RESCALE * TRIALS_HALF_LIFE_NS) {
        scale_down(trials, now_ns);
    }
    open = g_new(Open, 1);
    *open = (Open){.block = block, .waiting = granules, .begun_ns = now_ns, .looked_ns = now_ns, .pages = pages};
    memcpy(open->strata, strata, sizeof(open->strata));
    g_queue_push_tail(&trials->order, open);
    g_hash_table_insert(trials->by_block, &open->block, open);
}

void trials_look(Trials *trials, uint64_t block, uint64_t touched, uint64_t now_ns)
{
    Open *open = g_hash_table_lookup(trials->by_block, &block);
    double weight, from_s, until_s;

    if (!open || now_ns <= open->looked_ns) {
        return;
    }
    weight = weight_of(trials, open);
    from_s = (double)(open->looked_ns - open->begun_ns) / 1e9 * open->pages;
    until_s = (double)(now_ns - open->begun_ns) / 1e9 * open->pages;
    for (uint64_t left = open->waiting; left; left &= left - 1) {
        const unsigned granule = __builtin_ctzll(left), stratum = open->strata[granule];
        Cell *before = cell_at(trials, stratum, from_s), *cell = cell_at(trials, stratum, until_s);

        if (from_s > 0) {
            before->waiting -= weight;
            before->waiting_s -= weight * from_s;
        }
        if (touched >> granule & 1) {
            cell->touched += weight;
            cell->from_s += weight * from_s;
            cell->until_s += weight * until_s;
        } else {
            cell->waiting += weight;
            cell->waiting_s += weight * until_s;
        }
    }
    open->looked_ns = now_ns;
    open->waiting &= ~touched;
    if (open->waiting == 0) {
        close_block(trials, block);
    }
}

size_t trials_seen(const Trials *trials, unsigned stratum, uint64_t now_ns, TrialsSeen seen[TRIALS_SEEN_MAX])
{
    const double scale = exp2(((double)trials->origin_ns - (double)now_ns) / (double)TRIALS_HALF_LIFE_NS);
    size_t n = 0;

    G_STATIC_ASSERT(TRIALS_SEEN_MAX == 2 * BINS);
    for (unsigned bin = 0; bin < BINS; bin++) {
        const Cell *cell = &trials->cells[stratum][bin];

        if (cell->touched * scale > NEGLIGIBLE) {
            seen[n++] = (TrialsSeen){cell->touched * scale, cell->from_s / cell->touched,
                                     cell->until_s / cell->touched};
        }
        if (cell->waiting * scale > NEGLIGIBLE) {
            seen[n++] = (TrialsSeen){cell->waiting * scale, cell->waiting_s / cell->waiting, 0};
        }
    }
    return n;
}
