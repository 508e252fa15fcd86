/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages among small ones: how they are planned, what evidence says of them, and when they are advised.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/block-advice.h"
#include "core/trace.h"

#define SECOND 1000000000ull
#define REGION 1u
#define PAGE UINT64_C(4096)
#define BLOCK 512u
#define NOW (1000 * SECOND)

/*
 * An access saves 100 ns and heat lasts 10 s: 1 access/s is worth 1 us. A page costs 10 us to move, a block
 * 512.
 */
static const PolicyConfig config = {
    .heat_half_life_ns = 3600 * SECOND,
    .heat_life_ns = 10 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 200, 400, 400}, .move_4k_ns = 10000, .move_2m_ns = 512 * 1000},
};

/* A region of blocks, each on the tier that is drawn, known to be accessed at @rates for each page. */
static Policy *draw(uint64_t budget_pages, const char *tiers, const double *rates)
{
    PolicyConfig own = config;
    size_t n = strlen(tiers);
    Policy *policy;

    own.budget_bytes = budget_pages * PAGE;
    policy = policy_new(&own);
    g_assert_true(policy_region_add(policy, REGION, n * BLOCK * PAGE, PAGE, NULL));
    for (size_t i = 0; i < n; i++) {
        uint8_t places[BLOCK];

        memset(places, tiers[i] - '0', sizeof(places));
        policy_place(policy, REGION, i * BLOCK, BLOCK, places);
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i * BLOCK, BLOCK, rates[i], 1000 * SECOND,
                             NOW);
    }
    return policy;
}

static double rate_of(const Policy *policy, size_t granule)
{
    PolicyGranule seen;

    g_assert_true(policy_granule(policy, REGION, granule, NOW, &seen));
    return seen.rate_per_s;
}

static void a_huge_page_moves_as_one(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "01", (double[]){1, 100});
    const PolicyPlan *plan;
    PolicyMove moves[2];
    PolicyStats stats;

    policy_block_set(policy, REGION, 0, true);
    policy_block_set(policy, REGION, BLOCK, true);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 2);
    memcpy(moves, plan->moves, sizeof(moves));
    g_assert_cmpuint(moves[0].granule, ==, 0);
    g_assert_cmpuint(moves[0].n, ==, BLOCK);
    g_assert_cmpuint(moves[0].to, ==, 1);
    g_assert_cmpuint(moves[1].granule, ==, BLOCK);
    g_assert_cmpuint(moves[1].n, ==, BLOCK);
    g_assert_cmpuint(moves[1].to, ==, 0);
    policy_moved(policy, &moves[0], POLICY_MOVED, NOW);
    policy_moved(policy, &moves[1], POLICY_MOVED, NOW);
    policy_stats(policy, &stats);
    g_assert_cmpuint(stats.granule_bytes[0], ==, BLOCK * PAGE);
    g_assert_cmpuint(stats.promoted_bytes, ==, BLOCK * PAGE);
    g_assert_cmpuint(stats.demoted_bytes, ==, BLOCK * PAGE);
    g_assert_cmpuint(policy_plan(policy, NOW + 20 * SECOND)->n_moves, ==, 0);
}

static void small_pages_of_the_same_heat_move_each_for_itself(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "01", (double[]){1, 100});
    const PolicyPlan *plan = policy_plan(policy, NOW);

    g_assert_cmpuint(plan->n_moves, ==, 2 * BLOCK);
    g_assert_cmpuint(plan->moves[0].n, ==, 1);
}

/* 511 pages at 1/s and one at 300: 1.6 a page. Its block is huge, and the pages in tier 0 are hotter: 3/s. */
static void a_huge_page_is_judged_by_its_mean(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "01", (double[]){3, 1});

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, BLOCK + 7, 1, 300, 100000 * SECOND, NOW);
    policy_block_set(policy, REGION, BLOCK, true);
    g_assert_cmpfloat_with_epsilon(rate_of(policy, BLOCK + 7), 1.6, 0.1);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
    policy_block_set(policy, REGION, BLOCK, false);
    g_assert_cmpfloat_with_epsilon(rate_of(policy, BLOCK + 7), 300, 10);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 2);
}

static void a_huge_victim_makes_room_for_small_pages(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "01", (double[]){1, 200});
    const PolicyPlan *plan;

    policy_block_set(policy, REGION, 0, true);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 1 + BLOCK);
    g_assert_cmpuint(plan->moves[0].n, ==, BLOCK);
    g_assert_cmpuint(plan->moves[0].to, ==, 1);
    g_assert_cmpuint(plan->moves[1].n, ==, 1);
}

/* Any page of it tells of all; that bits of the others are clear says nothing against it. */
static void a_touch_of_any_page_is_one_of_the_block(void)
{
    g_autoptr(Policy) policy = draw(0, "11", (double[]){0.01, 0.01});
    uint64_t bits[BLOCK / 64] = {[3] = 1ull << 17};
    double before;

    policy_block_set(policy, REGION, 0, true);
    before = rate_of(policy, 0);
    for (unsigned i = 0; i < 20; i++) {
        policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 0, BLOCK, bits, SECOND / 10, NOW);
        policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, BLOCK, BLOCK, bits, SECOND / 10, NOW);
    }
    g_assert_cmpfloat(rate_of(policy, 0), >, before);
    g_assert_cmpfloat(rate_of(policy, 0), ==, rate_of(policy, 511));        /* all alike */
    g_assert_cmpfloat(rate_of(policy, 3 * 64 + 17) * BLOCK, >, 5);      /* touched each time */
    g_assert_cmpfloat(rate_of(policy, BLOCK), <, rate_of(policy, BLOCK + 3 * 64 + 17));
}

static void evidence_that_begins_within_a_block_is_cut_at_its_end(void)
{
    g_autoptr(Policy) policy = draw(0, "111", (double[]){1, 1, 1});
    uint64_t bits[BLOCK / 64 + 1] = {0};

    policy_block_set(policy, REGION, BLOCK, true);
    bits[500 / 64] |= 1ull << (500 % 64);                                   /* granule 510 + 500 */
    for (unsigned i = 0; i < 20; i++) {
        policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 510, BLOCK + 4, bits, SECOND / 1000, NOW);
    }
    g_assert_cmpfloat(rate_of(policy, BLOCK) * BLOCK, >, 500);
    g_assert_cmpfloat(rate_of(policy, 511), <, 2);
    g_assert_cmpfloat(rate_of(policy, 2 * BLOCK), <, 2);
}

static void one_that_lies_on_two_tiers_is_left_alone(void)
{
    g_autoptr(Policy) policy = draw(4 * BLOCK, "1", (double[]){100});
    uint8_t fast = 0;

    policy_block_set(policy, REGION, 0, true);
    policy_place(policy, REGION, 5, 1, &fast);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
    policy_block_set(policy, REGION, 0, false);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, BLOCK - 1);
}

static void what_is_no_block_is_ignored(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "01", (double[]){1, 100});

    policy_block_set(policy, REGION, 1, true);
    policy_block_set(policy, REGION, 2 * BLOCK, true);
    policy_block_set(policy, REGION, SIZE_MAX & ~511ull, true);
    policy_block_set(policy, REGION + 1, 0, true);
    g_assert_true(policy_region_add(policy, 2, BLOCK * BLOCK * PAGE, BLOCK * PAGE, NULL));
    policy_block_set(policy, 2, 0, true);               /* its granules are that large as it is */
    g_assert_cmpint(policy_block_advice(policy, REGION, 1), ==, POLICY_BLOCK_KEEP);
    g_assert_cmpint(policy_block_advice(policy, 2, 0), ==, POLICY_BLOCK_KEEP);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 2 * BLOCK);
}

static bool keep(void *opaque, const void *data, size_t len)
{
    g_byte_array_append(opaque, data, len);
    return true;
}

static void a_trace_replays_with_huge_pages_from_before_and_after_it_began(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(TraceWriter) writer = trace_writer_new(keep, bytes, 64 << 20);
    g_autoptr(Policy) policy = draw(BLOCK, "0111", (double[]){1, 100, 5, 300});
    g_auto(TraceReplay) replay = {0};
    g_autoptr(GError) err = NULL;
    uint64_t bits[BLOCK / 64] = {1};
    const PolicyPlan *plan;

    policy_block_set(policy, REGION, BLOCK, true);
    policy_record(policy, writer);
    policy_block_set(policy, REGION, 0, true);
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, BLOCK, BLOCK, bits, SECOND, NOW);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, >, 0);
    policy_moved(policy, &plan->moves[0], POLICY_MOVED, NOW);
    policy_block_set(policy, REGION, 0, false);
    policy_plan(policy, NOW + SECOND);
    policy_record(policy, NULL);
    g_assert_true(trace_replay(bytes->data, bytes->len, 1 << 20, &replay, &err));
    g_assert_no_error(err);
    g_assert_cmpstr(replay.difference, ==, NULL);
    g_assert_cmpuint(replay.plans, ==, 2);
}

/* --- advice --- */

/* A touch a second in tier 0 is worth 100 ns * 10 s = 1 us; two copies of a block cost 1024 us. */
static BlockTerms terms(double threshold_per_s)
{
    return (BlockTerms){.threshold_per_s = threshold_per_s, .worth_ns = 1000, .life_s = 10,
                        .costs = &config.costs};
}

/* @n pages at @hot, the others at @cold, all known exactly. */
static void fill(BlockRates *rates, unsigned n, double hot, double cold)
{
    rates->block_high = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        rates->page[i] = rates->page_low[i] = i < n ? hot : cold;
        rates->block_high += rates->page[i];
    }
}

/*
 * All at 50, threshold 10: 512 * 40 us either way; but 512 copies of 10 us against one of 512 us: 4608 us
 * saved, more than 1024.
 */
static void hot_all_over_is_collapsed(void)
{
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    fill(&rates, BLOCK, 50, 0);
    g_assert_cmpint(block_advise(&at_ten, &rates, false), ==, POLICY_BLOCK_COLLAPSE);
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
}

/*
 * One page at 5000, the others at 0, threshold 10: one page is worth 4990 us; the block 5000 - 5120 < 0,
 * nothing. The huge page saves nothing but -10 us less one copy: 4990 - 10 > 1024.
 */
static void one_hot_page_among_cold_is_split_off(void)
{
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    fill(&rates, 1, 5000, 0);
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_SPLIT);
    g_assert_cmpint(block_advise(&at_ten, &rates, false), ==, POLICY_BLOCK_KEEP);
}

/* One page at 1000 is worth 990 us: not the 1024 that it costs to be wrong. At 1100, 1090 - 10: it is. */
static void a_gain_below_the_price_changes_nothing(void)
{
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    fill(&rates, 1, 1000, 0);
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
    fill(&rates, 1, 1100, 0);
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_SPLIT);
}

/*
 * Looks: 511 * 30 ns * 10 s = 153 us; walks: 1100 touches/s * 10 s * 30 ns = 330 us. Together more than 1090
 * - 1024.
 */
static void what_a_huge_page_saves_speaks_for_it(void)
{
    PolicyCosts costs = config.costs;
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    at_ten.costs = &costs;
    fill(&rates, 1, 1100, 0);
    costs.look_ns = 30;
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
    costs.look_ns = 0;
    costs.huge_walk_ns = 30;
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
}

/* Half of it at 100, half at 0, threshold 10: 256 * 90 us split; 25600 - 5120 = 20480 us whole. */
static void half_hot_is_left_as_it_is_either_way(void)
{
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    fill(&rates, BLOCK / 2, 100, 0);
    g_assert_cmpint(block_advise(&at_ten, &rates, false), ==, POLICY_BLOCK_KEEP);
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
}

static void doubt_leaves_a_huge_page_whole(void)
{
    BlockTerms at_ten = terms(10);
    BlockRates rates;

    fill(&rates, 1, 5000, 0);
    rates.page_low[0] = 500;
    g_assert_cmpint(block_advise(&at_ten, &rates, true), ==, POLICY_BLOCK_KEEP);
}

/*
 * Whatever the rates: what has just been collapsed is not split, nor the other way, while they stay as they
 * are.
 */
static void advice_does_not_flap(void)
{
    for (unsigned n = 0; n <= BLOCK; n += 16) {
        for (int step = 0; step < 54; step++) {
            double hot = pow(1.3, step);
            BlockTerms at_ten = terms(10);
            BlockRates rates;

            fill(&rates, n, hot, 1);
            g_assert_false(block_advise(&at_ten, &rates, false) == POLICY_BLOCK_COLLAPSE &&
                           block_advise(&at_ten, &rates, true) == POLICY_BLOCK_SPLIT);
        }
    }
}

static void the_policy_advises_by_what_it_knows(void)
{
    g_autoptr(Policy) policy = draw(BLOCK, "0011", (double[]){200, 100, 5, 5});

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 3 * BLOCK + 9, 1, 90000, 10000 * SECOND, NOW);
    policy_block_set(policy, REGION, 2 * BLOCK, true);
    policy_block_set(policy, REGION, 3 * BLOCK, true);
    policy_plan(policy, NOW);
    g_assert_cmpint(policy_block_advice(policy, REGION, 0), ==, POLICY_BLOCK_COLLAPSE);
    g_assert_cmpint(policy_block_advice(policy, REGION, 2 * BLOCK), ==, POLICY_BLOCK_KEEP);
    g_assert_cmpint(policy_block_advice(policy, REGION, 3 * BLOCK), ==, POLICY_BLOCK_SPLIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/blocks/" #name, name)
    ADD(a_huge_page_moves_as_one);
    ADD(small_pages_of_the_same_heat_move_each_for_itself);
    ADD(a_huge_page_is_judged_by_its_mean);
    ADD(a_huge_victim_makes_room_for_small_pages);
    ADD(a_touch_of_any_page_is_one_of_the_block);
    ADD(evidence_that_begins_within_a_block_is_cut_at_its_end);
    ADD(one_that_lies_on_two_tiers_is_left_alone);
    ADD(what_is_no_block_is_ignored);
    ADD(a_trace_replays_with_huge_pages_from_before_and_after_it_began);
    ADD(hot_all_over_is_collapsed);
    ADD(one_hot_page_among_cold_is_split_off);
    ADD(a_gain_below_the_price_changes_nothing);
    ADD(what_a_huge_page_saves_speaks_for_it);
    ADD(half_hot_is_left_as_it_is_either_way);
    ADD(doubt_leaves_a_huge_page_whole);
    ADD(advice_does_not_flap);
    ADD(the_policy_advises_by_what_it_knows);
    return g_test_run();
}
