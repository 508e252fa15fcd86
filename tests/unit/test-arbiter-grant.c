/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving what the arbiter has decided on, as others leave it, and how fast each moves meanwhile.
 */
#include <glib.h>
#include <math.h>

#include "core/arbiter.h"
#include "rng.h"

#define MAX_VMS 6
#define MIB (1ull << 20)

static uint64_t random_bytes(Rng *rng)
{
    return rng_next(rng) >> (rng_next(rng) % 64);
}

static void more_is_given_as_others_leave_it(void)
{
    const uint64_t budgets[] = { 100 * MIB, 300 * MIB }, before[] = { 300 * MIB, 100 * MIB };
    uint64_t held[] = { 300 * MIB, 100 * MIB }, granted[2];

    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[0], ==, 100 * MIB);        /* less at once */
    g_assert_cmpuint(granted[1], ==, 100 * MIB);
    held[0] = 180 * MIB;
    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[1], ==, 220 * MIB);
    held[0] = 100 * MIB;
    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[1], ==, 300 * MIB);
}

static void what_does_not_suffice_is_shared_by_what_is_lacking(void)
{
    const uint64_t budgets[] = { 0, 100 * MIB, 200 * MIB }, before[] = { 300 * MIB, 0, 0 };
    const uint64_t held[] = { 270 * MIB, 0, 0 };
    uint64_t granted[3];

    arbiter_grant(300 * MIB, budgets, before, held, 3, granted);
    g_assert_cmpuint(granted[0], ==, 0);
    g_assert_cmpuint(granted[1], ==, 10 * MIB);
    g_assert_cmpuint(granted[2], ==, 20 * MIB);
}

static void what_is_granted_never_exceeds_what_is_left(void)
{
    Rng rng = { .state = 21 };

    for (int round = 0; round < 20000; round++) {
        const uint64_t capacity = random_bytes(&rng);
        uint64_t budgets[MAX_VMS], before[MAX_VMS], held[MAX_VMS], granted[MAX_VMS], left = capacity;
        const size_t n = 1 + rng_next(&rng) % MAX_VMS;
        unsigned __int128 at_first = 0, at_last = 0;

        for (size_t i = 0; i < n; i++) {
            budgets[i] = (left ? rng_next(&rng) % left : 0) / 4096 * 4096;
            left -= budgets[i];
            before[i] = random_bytes(&rng);
            held[i] = random_bytes(&rng);
            at_first += MAX(MIN(before[i], budgets[i]), held[i]);
        }
        arbiter_grant(capacity, budgets, before, held, n, granted);
        for (size_t i = 0; i < n; i++) {
            g_assert_cmpuint(granted[i], <=, budgets[i]);
            at_last += MAX(granted[i], held[i]);
        }
        g_assert_true(at_last <= MAX(at_first, (unsigned __int128)capacity));
    }
}

/* --- how fast --- */

#define LIMIT (200 * MIB)

/* A mover that planned @mib, of @gain_per_s for each, and wanted far more. */
static ArbiterMover hurried(uint64_t mib, double gain_per_s)
{
    return (ArbiterMover){
        .planned_bytes = mib * MIB, .planned_gain_per_s = gain_per_s * (double)mib, .wanted_bytes = 1000 * LIMIT};
}

static void equal_plans_move_by_weight(void)
{
    const ArbiterClaim claims[] = {{.weight = 300}, {.weight = 100}};
    const ArbiterMover movers[] = {hurried(10, 1), hurried(20, 1)};
    uint64_t rates[2], granted[2] = {0};

    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(rates[0] / MIB, >=, 149);
    g_assert_cmpuint(rates[1] / MIB, >=, 49);
    arbiter_pace(0, claims, movers, 2, rates, granted);
    g_assert_cmpuint(rates[0] + rates[1], ==, 0);       /* no limit */
}

static void what_one_does_not_move_goes_to_others(void)
{
    const ArbiterClaim claims[] = {{.weight = 1}, {.weight = 1}, {.weight = 1}};
    ArbiterMover movers[] = {
        hurried(1, 1), {.planned_bytes = 10 * MIB, .planned_gain_per_s = 10, .wanted_bytes = 10 * MIB}, {0}};
    uint64_t rates[3], granted[3] = {0};

    arbiter_pace(LIMIT, claims, movers, 3, rates, granted);
    g_assert_cmpuint(rates[0] / MIB, >=, 179);
    g_assert_cmpuint(rates[1] / MIB, >=, 19);           /* twice its plan */
    movers[0].wanted_bytes = movers[0].planned_bytes;
    arbiter_pace(LIMIT, claims, movers, 3, rates, granted);
    g_assert_cmpuint(rates[2] / MIB, >=, 50);           /* it may begin at once */
}

/* One that had no rate planned nothing. What it lacks is not much, and that is all it gets. */
static void who_is_cut_short_gets_what_it_lacks_and_no_more(void)
{
    const ArbiterClaim claims[] = {{.weight = 100}, {.weight = 1}};
    const ArbiterMover movers[] = {{.wanted_bytes = 5 * MIB}, hurried(10, 1)};
    uint64_t rates[2], granted[2] = {0};

    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(rates[0] / MIB, ==, 10);
    g_assert_cmpuint(rates[1] / MIB, >=, 189);
}

static void hot_memory_is_put_in_place_before_what_is_nearly_as_good_is_mended(void)
{
    const ArbiterClaim claims[] = {{.weight = 1}, {.weight = 1}};
    const ArbiterMover movers[] = {hurried(10, 1000), hurried(10, 1)};
    uint64_t rates[2], granted[2] = {0};

    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(rates[0] / MIB, >=, 148);
    g_assert_cmpuint(rates[1] / MIB, >=, 48);
}

static void no_heat_takes_more_than_half_of_what_others_want(void)
{
    static const double absurd[] = {1e300, INFINITY, NAN, -1e300};

    for (size_t i = 0; i < G_N_ELEMENTS(absurd); i++) {
        const ArbiterClaim claims[] = {{.weight = 1}, {.weight = 1}, {.weight = 1}, {.weight = 1}};
        const ArbiterMover movers[] = {hurried(1, absurd[i]), hurried(10, 1), hurried(10, 1), hurried(10, 1)};
        uint64_t rates[4], granted[4] = {0};

        arbiter_pace(LIMIT, claims, movers, 4, rates, granted);
        for (size_t v = 1; v < 4; v++) {
            g_assert_cmpuint(rates[v] / MIB, >=, 24);
        }
    }
}

static void who_leaves_memory_has_half_its_rate_for_what_it_keeps(void)
{
    const ArbiterClaim claims[] = {{.weight = 1}, {.weight = 1}};
    ArbiterMover movers[] = {hurried(10, 1), hurried(10, 1)};
    uint64_t rates[2], granted[] = {300 * MIB, 500 * MIB};

    movers[0].held_bytes = 1000 * MIB;
    movers[1].held_bytes = 400 * MIB;
    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(granted[0], <=, 951 * MIB);
    g_assert_cmpuint(granted[0], >=, 950 * MIB);
    g_assert_cmpuint(granted[1], ==, 500 * MIB);        /* may grow: that is not held back */
    movers[0].held_bytes = 310 * MIB;
    granted[0] = 300 * MIB;
    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(granted[0], ==, 300 * MIB);
}

static void who_leaves_memory_and_wants_none_leaves_at_all_its_rate(void)
{
    const ArbiterClaim claims[] = {{.weight = 1}, {.weight = 1}};
    ArbiterMover movers[] = {{.held_bytes = 1000 * MIB}, {.wanted_bytes = 10 * MIB}};
    uint64_t rates[2], granted[] = {300 * MIB, 500 * MIB};

    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(rates[0] / MIB, >=, 179);
    g_assert_cmpuint(granted[0], <=, 821 * MIB);
    movers[0].wanted_bytes = 20 * MIB;                  /* twice that is kept for it */
    granted[0] = 300 * MIB;
    arbiter_pace(LIMIT, claims, movers, 2, rates, granted);
    g_assert_cmpuint(granted[0], >=, 860 * MIB);
    g_assert_cmpuint(granted[0], <=, 861 * MIB);
}

static void rates_never_exceed_the_limit_nor_grants_what_is_held(void)
{
    Rng rng = { .state = 22 };

    for (int round = 0; round < 20000; round++) {
        const uint64_t limit = random_bytes(&rng);
        const size_t n = 1 + rng_next(&rng) % MAX_VMS;
        ArbiterClaim claims[MAX_VMS] = {{0}};
        ArbiterMover movers[MAX_VMS];
        uint64_t rates[MAX_VMS], granted[MAX_VMS], before[MAX_VMS];
        unsigned __int128 sum = 0;

        for (size_t i = 0; i < n; i++) {
            claims[i].weight = (uint32_t)random_bytes(&rng);
            claims[i].model.work = exp2(20 * rng_uniform(&rng) - 10);
            movers[i] = (ArbiterMover){
                .planned_bytes = random_bytes(&rng),
                .planned_gain_per_s = exp2(80 * rng_uniform(&rng)) - 1e6,
                .wanted_bytes = random_bytes(&rng),
                .held_bytes = random_bytes(&rng),
            };
            before[i] = granted[i] = random_bytes(&rng);
        }
        arbiter_pace(limit, claims, movers, n, rates, granted);
        for (size_t i = 0; i < n; i++) {
            const uint64_t leaves = movers[i].held_bytes - MIN(movers[i].held_bytes, granted[i]);

            sum += rates[i];
            g_assert_true(limit == 0 || leaves <= rates[i] + 2ull * 4096);
            g_assert_true(granted[i] == before[i] || leaves + 2ull * 4096 >= rates[i] / 2);
            g_assert_true((rates[i] == 0) == (limit == 0));
            g_assert_cmpuint(granted[i], >=, before[i]);
            g_assert_cmpuint(granted[i], <=, MAX(before[i], movers[i].held_bytes));
        }
        g_assert_true(sum <= (unsigned __int128)limit + n);     /* a byte where nothing is left */
    }
}

#define ADD(func) g_test_add_func("/arbiter-grant/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(more_is_given_as_others_leave_it);
    ADD(what_does_not_suffice_is_shared_by_what_is_lacking);
    ADD(what_is_granted_never_exceeds_what_is_left);
    ADD(equal_plans_move_by_weight);
    ADD(what_one_does_not_move_goes_to_others);
    ADD(who_is_cut_short_gets_what_it_lacks_and_no_more);
    ADD(hot_memory_is_put_in_place_before_what_is_nearly_as_good_is_mended);
    ADD(no_heat_takes_more_than_half_of_what_others_want);
    ADD(who_leaves_memory_has_half_its_rate_for_what_it_keeps);
    ADD(who_leaves_memory_and_wants_none_leaves_at_all_its_rate);
    ADD(rates_never_exceed_the_limit_nor_grants_what_is_held);
    return g_test_run();
}
