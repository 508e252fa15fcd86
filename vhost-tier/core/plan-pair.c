/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of those that can be part of a plan: room is sold to the hottest, victim by victim, while that
 * pays.
 */
#include "planner-internal.h"

#include "blocks.h"

#define DIGIT_BITS 11           /* two digits hold any Log2 */
#define DIGITS (1u << DIGIT_BITS)

static unsigned digit_of(const Candidate *candidate, bool hottest_first, unsigned shift)
{
    uint32_t key = (uint32_t)(candidate->heat + (1 << (2 * DIGIT_BITS - 1)));

    return (hottest_first ? ~key : key) >> shift & (DIGITS - 1);
}

/* Sort by heat. Those of equal heat keep their order, which is that of maps and granules. */
static void sort(GArray *array, bool hottest_first)
{
    const size_t n = array->len;
    g_autofree Candidate *other = g_new(Candidate, n);
    Candidate *from = (Candidate *)(void *)array->data, *to = other;

    for (unsigned shift = 0; shift < 2 * DIGIT_BITS; shift += DIGIT_BITS) {
        size_t at[DIGITS] = {0}, sum = 0;
        Candidate *swap = from;

        for (size_t i = 0; i < n; i++) {
            at[digit_of(&from[i], hottest_first, shift)]++;
        }
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            size_t here = at[digit];

            at[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) {
            to[at[digit_of(&from[i], hottest_first, shift)]++] = from[i];
        }
        from = to;
        to = swap;
    }
}

/* What there is of tier 0 to be sold: free room, then the room of the victims in their order, by the byte. */
typedef struct Stall {
    uint64_t room;                      /* bytes, free */
    size_t next;                        /* victims before this one have been sold */
    uint64_t left;                      /* bytes of the last one sold, as yet unused */
} Stall;

/*
 * Take @bytes from the stall. Returns how many bytes must be moved for that, and adds to @price what is
 * lost by it; returns G_MAXUINT64 when there is not so much.
 */
static uint64_t stall_buy(const Job *job, Stall *stall, uint64_t bytes, double *price)
{
    const GArray *victims = job->planner->victims;
    uint64_t moved_bytes = 0, part = MIN(bytes, stall->room);

    *price += reserve_worth(job, stall->room) * part / CENSUS_PAGE;
    stall->room -= part;
    bytes -= part;
    while (bytes) {
        const Candidate *victim;
        double loss, copy;

        if (stall->left == 0) {
            if (stall->next == victims->len) {
                return G_MAXUINT64;
            }
            stall->left = candidate_bytes(job, &g_array_index(victims, Candidate, stall->next));
            moved_bytes += stall->left;
            stall->next++;
        }
        victim = &g_array_index(victims, Candidate, stall->next - 1);
        part = MIN(bytes, stall->left);
        loss = job->margin * heat_worth(job, victim->heat);
        copy = copy_price(job, candidate_bytes(job, victim));
        *price += (loss + VICTIM_COPIES * copy) * part / CENSUS_PAGE;
        stall->left -= part;
        bytes -= part;
    }
    return moved_bytes;
}

/* Demote down to the budget, whatever is lost by it. */
static void sell_excess(Job *job, Stall *stall)
{
    const GArray *victims = job->planner->victims;
    uint64_t sold = 0;

    while (sold < job->excess && stall->next < victims->len) {
        uint64_t bytes = candidate_bytes(job, &g_array_index(victims, Candidate, stall->next));

        if (bytes > job->allowance) {
            return;
        }
        job->allowance -= bytes;
        sold += bytes;
        stall->next++;
    }
    stall->room = sold > job->excess ? sold - job->excess : 0;
}

/* Demote what is worth less than to have its room free before it is needed. */
static void fill_reserve(Job *job, Stall *stall)
{
    const GArray *victims = job->planner->victims;

    while (stall->next < victims->len) {
        const Candidate *victim = &g_array_index(victims, Candidate, stall->next);
        const uint64_t bytes = candidate_bytes(job, victim);

        if (job->keep + bytes > job->allowance ||
            reserve_gain(job, stall->room, victim->heat, copy_price(job, bytes)) <= 0) {
            return;
        }
        job->allowance -= bytes;
        stall->room += bytes;
        stall->next++;
    }
}

/*
 * Pair candidates with room while each gains more than it costs. Returns how many victims that takes, and
 * leaves in the planner's candidates only those to be promoted. When one does not pay, no cooler one of the
 * same size does.
 */
static size_t pair(Job *job)
{
    GArray *candidates = job->planner->candidates;
    Stall stall = {.room = job->room};
    bool done_4k = false, done_2m = false;
    size_t n_kept = 0;

    if (job->excess) {
        sell_excess(job, &stall);
    }
    for (size_t i = 0; i < candidates->len && !(done_4k && done_2m); i++) {
        const Candidate candidate = g_array_index(candidates, Candidate, i);
        const uint64_t bytes = candidate_bytes(job, &candidate);
        const double pages = candidate_pages(job, &candidate), load = log2_value(candidate.estimate) * pages;
        bool *done = bytes == CENSUS_PAGE ? &done_4k : &done_2m;
        double price = copy_price(job, bytes) * pages;
        Stall offer = stall;
        uint64_t moved_bytes;

        if (*done) {
            continue;
        }
        moved_bytes = stall_buy(job, &offer, bytes, &price);
        if (moved_bytes == G_MAXUINT64 || moved_bytes + bytes > job->allowance || load > job->load_room ||
            heat_worth(job, candidate.heat) * pages <= price) {
            *done = true;
            continue;
        }
        stall = offer;
        job->allowance -= moved_bytes + bytes;
        job->load_room -= load;
        g_array_index(candidates, Candidate, n_kept++) = candidate;
    }
    g_array_set_size(candidates, n_kept);
    if (!job->excess) {
        fill_reserve(job, &stall);
    }
    return stall.next;
}

static void add_move(Job *job, const Candidate *candidate, uint8_t to, double sign)
{
    const HeatMap *map = job->maps[candidate->map];
    double rate = log2_value(candidate->sure) * candidate_pages(job, candidate);
    PolicyMove move = {.region = map->id, .granule = candidate->granule, .from = candidate->tier, .to = to,
                       .n = 1};

    if (map->fine) {
        move.granule *= BLOCK_GRANULES;
        move.n = BLOCK_GRANULES;
    }
    move.gain_per_s = (float)(sign * rate * job->saved_ns);
    job->influx.per_s += sign * rate;
    job->influx.bytes += to == 0 ? (double)candidate_bytes(job, candidate) : 0;
    g_array_append_val(job->planner->moves, move);
}

static void write_moves(Job *job, size_t n_victims)
{
    const Planner *planner = job->planner;

    for (size_t i = 0; i < n_victims; i++) {
        add_move(job, &g_array_index(planner->victims, Candidate, i), 1, -1);
    }
    for (size_t i = 0; i < planner->candidates->len; i++) {
        add_move(job, &g_array_index(planner->candidates, Candidate, i), 0, 1);
    }
}

void plan_pair(Job *job)
{
    sort(job->planner->candidates, true);
    sort(job->planner->victims, false);
    write_moves(job, pair(job));
}

void plan_relieve(Job *job)
{
    GArray *victims = job->planner->victims;

    sort(victims, true);
    for (size_t i = 0; i < victims->len && job->load_room < 0; i++) {
        const Candidate *victim = &g_array_index(victims, Candidate, i);
        const uint64_t bytes = candidate_bytes(job, victim);

        if (heat_worth(job, victim->heat) <= copy_price(job, bytes)) {
            return;
        }
        if (bytes > job->allowance) {
            job->cut_short = true;
            return;
        }
        job->allowance -= bytes;
        job->load_room += log2_value(victim->estimate) * candidate_pages(job, victim);
        add_move(job, victim, 1, -1);
    }
}
