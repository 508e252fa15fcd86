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
#define LEAST_TOLD 0.5                  /* variance of the touches of a stratum, with less of which it is not heard */
#define TOGETHER 2.0                    /* of what is seen so many tell the same, as neighbours do */
#define SURPRISE 3.0                    /* standard deviations */

/* Granules of a stratum for which the last look came at such a time; sums, weighed. */
typedef struct Cell {
    double at_once, at_once_s;          /* the first look found them touched, by which time */
    double touched, from_s, until_s;    /* a later one: by which time, and since when */
    double waiting, waiting_s;          /* not touched until then */
} Cell;

/* A block under way. */
typedef struct Open {
    uint64_t block;
    uint64_t all, waiting;              /* granules */
    uint64_t begun_ns, looked_ns;
    double pages;
    uint8_t strata[];                   /* of its granules, first to last */
} Open;

struct Trials {
    Cell cells[TRIALS_STRATA][BINS];
    Cell before[TRIALS_STRATA][BINS];   /* the same, before heat changed */
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

static void forget_open(Trials *trials)
{
    g_hash_table_remove_all(trials->by_block);
    g_queue_clear_full(&trials->order, g_free);
}

void trials_free(Trials *trials)
{
    if (trials) {
        forget_open(trials);
        g_hash_table_unref(trials->by_block);
        g_free(trials);
    }
}

/* @factor times what is in @cell, and in @other. */
static Cell cell_sum(const Cell *cell, double factor, const Cell *other)
{
    return (Cell){
        .at_once = factor * cell->at_once + other->at_once,
        .at_once_s = factor * cell->at_once_s + other->at_once_s,
        .touched = factor * cell->touched + other->touched,
        .from_s = factor * cell->from_s + other->from_s,
        .until_s = factor * cell->until_s + other->until_s,
        .waiting = factor * cell->waiting + other->waiting,
        .waiting_s = factor * cell->waiting_s + other->waiting_s,
    };
}

void trials_changed(Trials *trials)
{
    forget_open(trials);
    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            Cell *before = &trials->before[stratum][bin];

            *before = cell_sum(before, 1, &trials->cells[stratum][bin]);
        }
    }
    memset(trials->cells, 0, sizeof(trials->cells));
}

/* What a weight counts at @now_ns. */
static double scale_at(const Trials *trials, uint64_t now_ns)
{
    return exp2(((double)trials->origin_ns - (double)now_ns) / (double)TRIALS_HALF_LIFE_NS);
}

/*
 * How many granules of a stratum were touched since heat changed, over what the same would have been by all that is
 * known, before and since; and the variance of that. Time by time, of those that were not touched until then.
 */
static double more_than_before(const Trials *trials, unsigned stratum, double scale, double *variance)
{
    double since = 0, before = 0, more = 0;

    *variance = 0;
    for (unsigned bin = BINS; bin-- > 0;) {
        const Cell *cell = &trials->cells[stratum][bin], *old = &trials->before[stratum][bin];
        const double touched_since = scale * (cell->at_once + cell->touched);
        const double touched = touched_since + scale * (old->at_once + old->touched);
        double share;

        since += touched_since + scale * cell->waiting;
        before += touched - touched_since + scale * old->waiting;
        share = since > NEGLIGIBLE && before > NEGLIGIBLE ? since / (since + before) : 0;
        more += share > 0 ? touched_since - share * touched : 0;
        *variance += touched * share * (1 - share);
    }
    return more;
}

void trials_check(Trials *trials, uint64_t now_ns)
{
    const double scale = scale_at(trials, now_ns);
    double misfit = 0, n = 0;

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        double variance, more = more_than_before(trials, stratum, scale, &variance);

        if (variance > LEAST_TOLD) {
            misfit += more * more / variance;
            n++;
        }
    }
    if (misfit > TOGETHER * (n + SURPRISE * sqrt(2 * n))) {
        memset(trials->before, 0, sizeof(trials->before));
    }
}

/* Take the weight of all that was seen from now on at @now_ns. */
static void scale_down(Trials *trials, uint64_t now_ns)
{
    static const Cell none;
    const double factor = scale_at(trials, now_ns);

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            trials->cells[stratum][bin] = cell_sum(&trials->cells[stratum][bin], factor, &none);
            trials->before[stratum][bin] = cell_sum(&trials->before[stratum][bin], factor, &none);
        }
    }
    trials->origin_ns = now_ns;
}

/* Younger ones weigh more, rather than older ones less and less. */
static double weight_of(const Trials *trials, const Open *open)
{
    return exp2(((double)open->begun_ns - (double)trials->origin_ns) / (double)TRIALS_HALF_LIFE_NS);
}

/* For how long it is watched by @until_ns: each of its granules counts as all its pages. */
static double watched_s(const Open *open, uint64_t until_ns)
{
    return (double)(until_ns - open->begun_ns) / 1e9 * open->pages;
}

static Cell *cell_at(Trials *trials, unsigned stratum, double seconds)
{
    int bin = (int)floor(log2(MAX(seconds, 1e-9))) - BIN_ORIGIN;

    return &trials->cells[stratum][CLAMP(bin, 0, BINS - 1)];
}

/* So much of a stratum was not touched for @seconds: all the time that it was looked at, if that is above 0. */
static void add_waiting(Trials *trials, unsigned stratum, double seconds, double weight)
{
    Cell *cell = cell_at(trials, stratum, seconds);

    if (seconds > 0) {
        cell->waiting += weight;
        cell->waiting_s += weight * seconds;
    }
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
    unsigned n = 0;

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
    open = g_malloc(sizeof(*open) + (size_t)__builtin_popcountll(granules));
    *open = (Open){.block = block, .all = granules, .waiting = granules, .begun_ns = now_ns, .looked_ns = now_ns,
                   .pages = pages};
    for (uint64_t left = granules; left; left &= left - 1) {
        open->strata[n++] = strata[__builtin_ctzll(left)];
    }
    g_queue_push_tail(&trials->order, open);
    g_hash_table_insert(trials->by_block, &open->block, open);
}

/* What granule @granule of those that are watched was estimated at. */
static unsigned stratum_of(const Open *open, unsigned granule)
{
    return open->strata[__builtin_popcountll(open->all & ((1ull << granule) - 1))];
}

void trials_look(Trials *trials, uint64_t block, uint64_t touched, uint64_t now_ns)
{
    Open *open = g_hash_table_lookup(trials->by_block, &block);
    double weight, from_s, until_s;

    if (!open || now_ns <= open->looked_ns) {
        return;
    }
    weight = weight_of(trials, open);
    from_s = watched_s(open, open->looked_ns);
    until_s = watched_s(open, now_ns);
    for (uint64_t left = open->waiting; left; left &= left - 1) {
        const unsigned granule = __builtin_ctzll(left), stratum = stratum_of(open, granule);
        Cell *cell;

        add_waiting(trials, stratum, from_s, -weight);
        if (!(touched >> granule & 1)) {
            add_waiting(trials, stratum, until_s, weight);
            continue;
        }
        cell = cell_at(trials, stratum, until_s);
        if (from_s <= 0) {
            cell->at_once += weight;
            cell->at_once_s += weight * until_s;
        } else {
            cell->touched += weight;
            cell->from_s += weight * from_s;
            cell->until_s += weight * until_s;
        }
    }
    open->looked_ns = now_ns;
    open->waiting &= ~touched;
    if (open->waiting == 0) {
        close_block(trials, block);
    }
}

/* Of what was looked at until then, without a touch, nothing is known since @until_ns. */
static void shorten(Trials *trials, const Open *open, uint64_t until_ns)
{
    const uint64_t known_ns = MAX(MIN(open->looked_ns, until_ns), open->begun_ns);
    const double weight = weight_of(trials, open);
    const double looked_s = watched_s(open, open->looked_ns), known_s = watched_s(open, known_ns);

    for (uint64_t left = open->waiting; left; left &= left - 1) {
        const unsigned stratum = stratum_of(open, __builtin_ctzll(left));

        add_waiting(trials, stratum, looked_s, -weight);
        add_waiting(trials, stratum, known_s, weight);
    }
}

void trials_end(Trials *trials, uint64_t until_ns)
{
    for (const GList *open = trials->order.head; open; open = open->next) {
        shorten(trials, open->data, until_ns);
    }
    forget_open(trials);
}

double trials_weight(const Trials *trials, uint64_t now_ns)
{
    double weight = 0;

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            const Cell cell = cell_sum(&trials->cells[stratum][bin], 1, &trials->before[stratum][bin]);

            weight += cell.at_once + cell.touched + cell.waiting;
        }
    }
    return weight * scale_at(trials, now_ns);
}

size_t trials_seen(const Trials *trials, unsigned stratum, uint64_t now_ns, TrialsSeen seen[TRIALS_SEEN_MAX])
{
    const double scale = scale_at(trials, now_ns);
    size_t n = 0;

    G_STATIC_ASSERT(TRIALS_SEEN_MAX == 3 * BINS);
    for (unsigned bin = 0; bin < BINS; bin++) {
        const Cell cell = cell_sum(&trials->cells[stratum][bin], 1, &trials->before[stratum][bin]);

        if (cell.at_once * scale > NEGLIGIBLE) {
            seen[n++] = (TrialsSeen){cell.at_once * scale, 0, cell.at_once_s / cell.at_once};
        }
        if (cell.touched * scale > NEGLIGIBLE) {
            seen[n++] = (TrialsSeen){cell.touched * scale, cell.from_s / cell.touched, cell.until_s / cell.touched};
        }
        if (cell.waiting * scale > NEGLIGIBLE) {
            seen[n++] = (TrialsSeen){cell.waiting * scale, cell.waiting_s / cell.waiting, 0};
        }
    }
    return n;
}
