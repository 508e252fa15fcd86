/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Oracle 'oracle-paying': knows the rates of the phase and how long it lasts, but pays for its moves.
 *
 * It goes from where pages are to the best static set (oracle-set.h), the hottest first, each for the coldest
 * that has to go, within the machine's limit of moves. A page is moved if what it saves until its phase ends
 * exceeds the copies, the shootdowns, and what its victim loses until the end of that one's phase; by
 * latencies as they are now. Where tier 0 is loaded so much that it is the slower one, it takes out what does
 * not belong there, the hottest first, until it no longer is.
 */
#include <stdlib.h>

#include "../contender.h"
#include "../params.h"
#include "oracle-set.h"

#define TICK_NS 10000000ull
#define FOREVER_S 3600.0 /* what the end of a phase that has none is taken for */

typedef struct Candidate {
    OracleGuest *g;
    float rate;
    uint32_t page;
} Candidate;

typedef struct OraclePaying {
    Contender contender;
    OracleSet set;
    GArray *up; /* Candidate: belong in a faster tier, the hottest first */
    guint up_at;
    GArray *down[SIM_MAX_TIERS]; /* of each tier: belong in a slower one, the coldest first */
    guint down_at[SIM_MAX_TIERS];
    guint down_end[SIM_MAX_TIERS];
} OraclePaying;

static int compare_hot_first(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    if (x->rate != y->rate) {
        return x->rate > y->rate ? -1 : 1;
    }
    return x->page < y->page ? -1 : x->page > y->page;
}

static int compare_cold_first(const void *a, const void *b)
{
    return compare_hot_first(b, a);
}

static void find_candidates(OraclePaying *oracle)
{
    g_array_set_size(oracle->up, 0);
    oracle->up_at = 0;
    for (unsigned tier = 0; tier < SIM_MAX_TIERS; tier++) {
        g_array_set_size(oracle->down[tier], 0);
        oracle->down_at[tier] = 0;
    }
    for (guint i = 0; i < oracle->set.guests.items->len; i++) {
        OracleGuest *g = g_ptr_array_index(oracle->set.guests.items, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            uint8_t tier = guest_tier(g->guest, page);
            Candidate candidate = {g, oracle_rate(g, page), page};

            if (tier != SIM_ABSENT && tier != g->target[page]) {
                g_array_append_val(tier > g->target[page] ? oracle->up : oracle->down[tier], candidate);
            }
        }
    }
    g_array_sort(oracle->up, compare_hot_first);
    for (unsigned tier = 0; tier < SIM_MAX_TIERS; tier++) {
        g_array_sort(oracle->down[tier], compare_cold_first);
        oracle->down_end[tier] = oracle->down[tier]->len;
    }
}

/* Nanoseconds that a page will save until its phase ends by lying in tier @to rather than @from. */
static double saved_ns(const OraclePaying *oracle, const Candidate *candidate, unsigned from, unsigned to)
{
    const Machine *machine = oracle->contender.machine;
    uint64_t now_ns = machine_now_ns(machine), until_ns = guest_phase_until_ns(candidate->g->guest);
    double rest_s = until_ns > now_ns ? MIN((double)(until_ns - now_ns) / 1e9, FOREVER_S) : 0;

    return candidate->rate * rest_s * candidate->g->speed *
           (machine_latency_ns(machine, from) - machine_latency_ns(machine, to));
}

static double move_cost_ns(const OraclePaying *oracle)
{
    const SimCosts *costs = &machine_config(oracle->contender.machine)->costs;

    return (double)costs->move_4k_ns + costs->shootdown_ns;
}

static bool stops(MoveResult result)
{
    return result == MOVE_LIMITED || result == MOVE_NO_ROOM;
}

static bool at_floor(const Guest *guest)
{
    return guest_resident_bytes(guest, 0) <= guest_config(guest)->floor_bytes;
}

/*
 * The coldest that has to leave @tier for @hot and is still there; NULL: none has. No guest goes below its
 * floor for another's page.
 */
static const Candidate *victim_of(OraclePaying *oracle, unsigned tier, const Candidate *hot)
{
    for (; oracle->down_at[tier] < oracle->down_end[tier]; oracle->down_at[tier]++) {
        const Candidate *victim = &g_array_index(oracle->down[tier], Candidate, oracle->down_at[tier]);
        const Guest *guest = victim->g->guest;

        if (guest_tier(guest, victim->page) == tier &&
            (tier > 0 || guest == hot->g->guest || !at_floor(guest))) {
            return victim;
        }
    }
    return NULL;
}

/* Move the hottest up if that pays, and first its victim down if there is no room. False: enough for now. */
static bool move_hottest(OraclePaying *oracle)
{
    Machine *machine = oracle->contender.machine;
    const Candidate *hot = &g_array_index(oracle->up, Candidate, oracle->up_at), *victim = NULL;
    uint8_t from = guest_tier(hot->g->guest, hot->page), to = hot->g->target[hot->page];
    double gain, cost = move_cost_ns(oracle);
    MoveResult result;

    if (from == SIM_ABSENT || from <= to) {
        oracle->up_at++;
        return true;
    }
    gain = saved_ns(oracle, hot, from, to);
    if (machine_free_bytes(machine, to) < SIM_PAGE) {
        victim = victim_of(oracle, to, hot);
        if (!victim) {
            return false;
        }
        gain -= saved_ns(oracle, victim, victim->g->target[victim->page], to);
        cost *= 2;
    }
    if (gain <= cost) {
        oracle->up_at++;
        return true;
    }
    if (victim) {
        result = guest_move(victim->g->guest, victim->page, victim->g->target[victim->page]);
        if (stops(result)) {
            return false;
        }
        oracle->down_at[to]++;
    }
    result = guest_move(hot->g->guest, hot->page, to);
    oracle->up_at += !stops(result);
    return !stops(result);
}

/* Take the hottest that does not belong there out of a tier 0 that is the slower one, if that pays. */
static bool relieve(OraclePaying *oracle)
{
    const Candidate *hot;
    uint8_t to;

    if (oracle->down_end[0] <= oracle->down_at[0]) {
        return false;
    }
    hot = &g_array_index(oracle->down[0], Candidate, oracle->down_end[0] - 1);
    to = hot->g->target[hot->page];
    if (guest_tier(hot->g->guest, hot->page) != 0) {
        oracle->down_end[0]--;
        return true;
    }
    if (saved_ns(oracle, hot, 0, to) <= move_cost_ns(oracle) ||
        stops(guest_move(hot->g->guest, hot->page, to))) {
        return false;
    }
    oracle->down_end[0]--;
    return true;
}

static uint64_t oracle_paying_tick(Contender *contender, uint64_t now_ns)
{
    OraclePaying *oracle = (OraclePaying *)contender;
    bool going = true;

    if (oracle_set_follow(&oracle->set)) {
        find_candidates(oracle);
    }
    while (going && oracle->up_at < oracle->up->len) {
        going = move_hottest(oracle);
    }
    while (going) {
        going = relieve(oracle);
    }
    return now_ns + TICK_NS;
}

static size_t oracle_paying_metadata_bytes(const Contender *contender)
{
    return oracle_set_bytes(&((const OraclePaying *)contender)->set);
}

static void oracle_paying_destroy(Contender *contender)
{
    OraclePaying *oracle = (OraclePaying *)contender;

    g_array_unref(oracle->up);
    for (unsigned tier = 0; tier < SIM_MAX_TIERS; tier++) {
        g_array_unref(oracle->down[tier]);
    }
    oracle_set_clear(&oracle->set);
    g_free(oracle);
}

static Contender *oracle_paying_create(const char *text, Machine *machine, GError **errp)
{
    const Param none[] = {{NULL}};
    OraclePaying *oracle;

    if (!params_parse(text, none, errp)) {
        return NULL;
    }
    oracle = g_new0(OraclePaying, 1);
    oracle->contender.machine = machine;
    oracle->up = g_array_new(false, false, sizeof(Candidate));
    for (unsigned tier = 0; tier < SIM_MAX_TIERS; tier++) {
        oracle->down[tier] = g_array_new(false, false, sizeof(Candidate));
    }
    oracle_set_init(&oracle->set, machine);
    return &oracle->contender;
}

const ContenderClass oracle_paying_contender = {
    .name = "oracle-paying",
    .what = "knows all rates and how long they last: the best set, reached by moves that pay",
    .defaults = "",
    .oracle = true,
    .create = oracle_paying_create,
    .tick = oracle_paying_tick,
    .metadata_bytes = oracle_paying_metadata_bytes,
    .destroy = oracle_paying_destroy,
};
