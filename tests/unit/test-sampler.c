/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sampling engine against simulated guests, whose pages are accessed at known rates: what it costs,
 * what it finds, how soon.
 */
#include <glib.h>
#include <math.h>

#include "core/policy.h"
#include "core/sampler.h"

#define MS 1000000ull
#define SECOND (1000 * MS)
#define BLOCK SAMPLER_BLOCK_GRANULES
#define START_NS (100 * SECOND)
#define STEP_NS (2 * MS)
#define REGION 1

/*
 * A guest: each page is accessed at random times, at its own rate, and the first access to an armed page
 * faults.
 */
typedef struct Guest {
    size_t n;
    double *per_s;
    bool *armed;
    bool *touched; /* since it was armed */
    bool *found;   /* some look found it touched within FOUND_NS */
    uint64_t faults;
    GRand *rand;
} Guest;

#define FOUND_NS (40 * MS)

typedef struct Run {
    Guest guest;
    SamplerBudget budget;
    Sampler *sampler;
    Policy *policy;
    uint64_t now_ns;
    uint64_t looks;
    double worst_second; /* share of guest time lost in the worst second */
} Run;

static void run_begin(Run *run, size_t n, double share, uint64_t fault_ns)
{
    PolicyConfig config = {
        .budget_bytes = n * 4096 / 5,
        .heat_half_life_ns = 30 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };

    *run = (Run){.now_ns = START_NS};
    run->guest = (Guest){
        .n = n,
        .per_s = g_new0(double, n),
        .armed = g_new0(bool, n),
        .touched = g_new0(bool, n),
        .found = g_new0(bool, n),
        .rand = g_rand_new_with_seed(7),
    };
    sampler_budget_init(&run->budget, share, fault_ns, START_NS);
    run->sampler = sampler_new(n, 1, &run->budget, 1);
    run->policy = policy_new(&config);
    g_assert_true(policy_region_add(run->policy, REGION, n * 4096, 4096, NULL));
}

static void run_end(Run *run)
{
    g_free(run->guest.per_s);
    g_free(run->guest.armed);
    g_free(run->guest.touched);
    g_free(run->guest.found);
    g_rand_free(run->guest.rand);
    sampler_free(run->sampler);
    policy_free(run->policy);
}

/* Let the guest run for a step. */
static void guest_step(Guest *guest, uint64_t step_ns)
{
    for (size_t i = 0; i < guest->n; i++) {
        if (guest->armed[i] && !guest->touched[i] &&
            g_rand_double(guest->rand) < -expm1(-guest->per_s[i] * step_ns / SECOND)) {
            guest->touched[i] = true;
            guest->faults++;
        }
    }
}

static void run_look(Run *run, size_t block)
{
    uint64_t since_ns, watched = sampler_watched(run->sampler, block, &since_ns), touched = 0;

    for (unsigned i = 0; i < sampler_block_size(run->sampler, block); i++) {
        uint64_t bit = 1ull << i;
        bool hit = run->guest.touched[block * BLOCK + i];

        if (!(watched & bit)) {
            continue;
        }
        touched |= hit ? bit : 0;
        run->guest.found[block * BLOCK + i] |= hit && run->now_ns - since_ns <= FOUND_NS;
        policy_evidence_bits(run->policy, POLICY_SOURCE_RWP, REGION, block * BLOCK + i, 1, &(uint64_t){hit},
                             run->now_ns - since_ns, run->now_ns);
    }
    sampler_looked(run->sampler, block, touched, run->now_ns);
    run->looks++;
}

static void score(void *opaque, size_t block, uint8_t *scores)
{
    Run *run = opaque;

    policy_uncertainty(run->policy, REGION, block * BLOCK, sampler_block_size(run->sampler, block),
                       run->now_ns, scores);
}

static void run_arm(Run *run, size_t block, uint64_t granules)
{
    uint64_t unused;

    if (sampler_watched(run->sampler, block, &unused)) {
        run_look(run, block);
    }
    for (unsigned i = 0; i < sampler_block_size(run->sampler, block); i++) {
        if (granules >> i & 1) {
            run->guest.armed[block * BLOCK + i] = true;
            run->guest.touched[block * BLOCK + i] = false;
        }
    }
    sampler_armed(run->sampler, block, granules, run->now_ns);
}

/* As the source's tick does it. */
static void run_for(Run *run, uint64_t duration_ns)
{
    uint64_t end_ns = run->now_ns + duration_ns, second_ns = run->now_ns, second_faults = run->guest.faults;
    uint64_t granules;
    double worth;
    size_t block;

    while (run->now_ns < end_ns) {
        run->now_ns += STEP_NS;
        guest_step(&run->guest, STEP_NS);
        sampler_budget_refill(&run->budget, run->now_ns);
        while ((block = sampler_due(run->sampler, run->now_ns)) != SAMPLER_NONE) {
            run_look(run, block);
        }
        while (sampler_budget_allows(&run->budget) &&
               (block = sampler_pick(run->sampler, score, run, run->now_ns, &granules, &worth)) !=
                   SAMPLER_NONE &&
               worth >= sampler_budget_price(&run->budget)) {
            run_arm(run, block, granules);
        }
        if (run->now_ns >= second_ns + SECOND) {
            run->worst_second =
                MAX(run->worst_second, (run->guest.faults - second_faults) * (double)run->budget.fault_ns /
                                           (run->now_ns - second_ns));
            second_ns = run->now_ns;
            second_faults = run->guest.faults;
        }
    }
}

/* The lab's guest: 28 MiB, of which 512 pages, strewn about, are hot. */
static void set_gups_hot(Run *run)
{
    for (size_t i = 0; i < run->guest.n; i++) {
        run->guest.per_s[i] = i * 2654435761u % 14 == 0 ? 165 : 1.5;
    }
}

static void the_budget_is_held_but_for_what_was_saved(void)
{
    Run run;
    double share;

    run_begin(&run, 7168, 0.02, 41000);
    set_gups_hot(&run);
    run_for(&run, 30 * SECOND);
    share = (double)run.guest.faults * run.budget.fault_ns / (30 * SECOND);
    g_test_message("lost %.4f of guest time, %.4f in the worst second", share, run.worst_second);
    g_assert_cmpfloat(share, <=, 0.02 * (30 + (double)SAMPLER_SAVED_NS / SECOND) / 30);
    g_assert_cmpfloat(share, >=, 0.010);
    g_assert_cmpfloat(run.worst_second, <=, SAMPLER_BURST_MAX * 1.5);
    run_end(&run);
}

static void a_guest_of_many_cpus_may_be_looked_at_as_much_faster(void)
{
    SamplerBudget one, eight;

    sampler_budget_init(&one, 0.01, 2000, START_NS);
    sampler_budget_init(&eight, 0.01, 2000, START_NS);
    sampler_budget_set_cpus(&eight, 8);
    sampler_budget_set_cpus(&eight, NAN);
    sampler_budget_set_cpus(&eight, 0);
    for (uint64_t now_ns = START_NS; now_ns <= START_NS + 10 * SECOND; now_ns += 10 * MS) {
        sampler_budget_refill(&one, now_ns);
        sampler_budget_refill(&eight, now_ns);
    }
    g_assert_cmpfloat_with_epsilon(eight.tokens_ns, 8 * one.tokens_ns, 1);
    g_assert_cmpfloat_with_epsilon(eight.burst_ns, 8 * one.burst_ns, 1);
    g_assert_cmpfloat(sampler_budget_price(&eight), ==, sampler_budget_price(&one));
}

static void little_is_spent_where_all_is_known(void)
{
    Run run;
    uint64_t faults;

    run_begin(&run, 7168, 0.02, 41000);
    set_gups_hot(&run);
    for (int i = 0; i < 120; i++) {
        run_for(&run, SECOND);
        policy_plan(run.policy, run.now_ns);
    }
    faults = run.guest.faults;
    run_for(&run, 30 * SECOND);
    g_test_message("lost %.4f of guest time", (run.guest.faults - faults) * 41000.0 / (30 * SECOND));
    g_assert_cmpfloat((run.guest.faults - faults) * 41000.0 / (30 * SECOND), <=, 0.015);
    run_end(&run);
}

static void hot_pages_are_found_as_soon_as_the_budget_allows(void)
{
    Run run;
    size_t hot = 0, found = 0;

    run_begin(&run, 7168, 0.05, 41000);
    set_gups_hot(&run);
    run_for(&run, 8 * SECOND);
    for (size_t i = 0; i < run.guest.n; i++) {
        hot += run.guest.per_s[i] > 100;
        found += run.guest.per_s[i] > 100 && run.guest.found[i];
    }
    g_test_message("%zu of %zu hot pages found in 8 s", found, hot);
    g_assert_cmpuint(found * 100, >=, hot * 98);
    run_end(&run);
}

static void the_policy_tells_hot_pages_from_cold_ones(void)
{
    Run run;
    size_t wrong = 0;

    run_begin(&run, 7168, 0.05, 41000);
    set_gups_hot(&run);
    run_for(&run, 20 * SECOND);
    for (size_t i = 0; i < run.guest.n; i++) {
        PolicyGranule granule;

        g_assert_true(policy_granule(run.policy, REGION, i, run.now_ns, &granule));
        wrong += (granule.rate_per_s > 16) != (run.guest.per_s[i] > 16);
    }
    g_test_message("%zu of %zu pages on the wrong side", wrong, run.guest.n);
    g_assert_cmpuint(wrong, <=, run.guest.n * 3 / 100);
    run_end(&run);
}

static void idle_memory_is_watched_whole_at_hardly_any_cost(void)
{
    Run run;
    size_t armed = 0;

    run_begin(&run, 65536, 0.01, 4000); /* 256 MiB; paying for each page in advance, it would take 26 s */
    run_for(&run, 12 * SECOND);
    for (size_t i = 0; i < run.guest.n; i++) {
        armed += run.guest.armed[i];
    }
    g_test_message("%zu of %zu pages armed", armed, run.guest.n);
    g_assert_cmpuint(armed, ==, run.guest.n);
    g_assert_cmpuint(run.guest.faults, ==, 0);
    run_end(&run);
}

/* All of an idle guest is armed; it wakes up when so much is saved; what that costs is told after 1.2 s. */
static void wake_up(Run *run, double saved_ns)
{
    run_begin(run, 7168, 0.02, 41000);
    run_for(run, 20 * SECOND);
    run->budget.tokens_ns = saved_ns;
    for (size_t i = 0; i < run->guest.n; i++) {
        run->guest.per_s[i] = 50;
    }
    run_for(run, 1200 * MS);
    g_assert_cmpuint(run->guest.faults, >=, run->guest.n);
}

static void a_guest_that_wakes_up_is_looked_at_at_once_out_of_what_was_saved(void)
{
    Run run;
    uint64_t faults;

    wake_up(&run, 1.2 * SECOND);
    faults = run.guest.faults;
    run_for(&run, SECOND);
    g_assert_cmpuint(run.guest.faults - faults, >, 500);
    run_end(&run);
}

static void a_guest_that_wakes_up_costs_a_debt_that_is_paid_off_where_nothing_was_saved(void)
{
    Run run;
    uint64_t faults;

    wake_up(&run, 0.1 * SECOND);
    g_assert_cmpfloat(run.budget.tokens_ns, <, -0.1 * SECOND);
    g_assert_cmpuint(sampler_budget_ready_ns(&run.budget, run.now_ns), >, run.now_ns + SECOND);
    faults = run.guest.faults;
    run_for(&run, 3 * SECOND);
    g_assert_cmpuint(run.guest.faults - faults, ==, 0);
    run_for(&run, 15 * SECOND);
    g_assert_cmpuint(run.guest.faults - faults, >, 0);
    run_end(&run);
}

static void every_block_is_armed_in_the_end(void)
{
    Run run;
    size_t armed = 0;

    run_begin(&run, 200 * BLOCK + 3, 0.02, 4000);
    for (size_t i = 0; i < run.guest.n; i++) {
        run.guest.per_s[i] = i < 50 * BLOCK ? 1000 : 0.01; /* these want attention all the time */
    }
    run_for(&run, 30 * SECOND);
    for (size_t i = 0; i < run.guest.n; i++) {
        armed += run.guest.armed[i];
    }
    g_assert_cmpuint(armed, ==, run.guest.n);
    run_end(&run);
}

static void no_share_means_nothing_is_armed(void)
{
    Run run;
    uint64_t unused;

    run_begin(&run, 1024, 0, 4000);
    run_for(&run, 2 * SECOND);
    for (size_t block = 0; block < sampler_blocks(run.sampler); block++) {
        g_assert_cmpuint(sampler_watched(run.sampler, block, &unused), ==, 0);
    }
    g_assert_cmpuint(sampler_budget_ready_ns(&run.budget, run.now_ns), >, run.now_ns);
    run_end(&run);
}

static void looks_come_at_intervals_that_double_up_to_a_second(void)
{
    SamplerBudget budget;
    Sampler *sampler;
    uint64_t now_ns = START_NS, last_ns = 0;

    sampler_budget_init(&budget, 0.01, 1000, START_NS);
    sampler = sampler_new(BLOCK, 1, &budget, 1);
    g_assert_cmpuint(sampler_due_ns(sampler), ==, UINT64_MAX);
    sampler_armed(sampler, 0, UINT64_MAX, now_ns);
    for (int i = 0; i < 10; i++) {
        uint64_t due_ns = sampler_due_ns(sampler);

        g_assert_cmpuint(sampler_due(sampler, due_ns - 1), ==, SAMPLER_NONE);
        g_assert_cmpuint(sampler_due(sampler, due_ns), ==, 0);
        if (last_ns) {
            g_assert_cmpuint(due_ns - now_ns, ==, MIN(2 * last_ns, 1024 * MS));
        }
        last_ns = due_ns - now_ns;
        now_ns = due_ns;
        sampler_looked(sampler, 0, 0, now_ns);
    }
    sampler_free(sampler);
}

/* Looks at @n_blocks that are armed and never touched, in the tenth minute, a second. */
static double looks_per_s(size_t n_blocks, double allowed)
{
    SamplerBudget budget;
    Sampler *sampler;
    size_t looks = 0;

    sampler_budget_init(&budget, 0.01, 2000, START_NS);
    sampler_budget_set_looks(&budget, allowed);
    sampler = sampler_new(n_blocks * BLOCK, 1, &budget, 1);
    for (size_t block = 0; block < n_blocks; block++) {
        sampler_armed(sampler, block, UINT64_MAX, START_NS);
    }
    for (uint64_t now_ns = START_NS; now_ns < START_NS + 600 * SECOND; now_ns += 100 * MS) {
        size_t block;

        while ((block = sampler_due(sampler, now_ns)) != SAMPLER_NONE) {
            sampler_looked(sampler, block, 0, now_ns);
            looks += now_ns >= START_NS + 540 * SECOND;
        }
    }
    sampler_free(sampler);
    return looks / 60.0;
}

static void what_is_armed_for_long_is_looked_at_as_the_host_may(void)
{
    g_assert_cmpfloat(looks_per_s(50, 100), >=, 45);    /* each block once a second, */
    g_assert_cmpfloat(looks_per_s(400, 100), <=, 101);  /* or as often as may be, */
    g_assert_cmpfloat(looks_per_s(400, 100), >=, 40);   /* to within an octave */
}

static void what_was_touched_is_watched_no_more(void)
{
    SamplerBudget budget;
    Sampler *sampler;
    uint64_t since_ns;

    sampler_budget_init(&budget, 0.01, 1000, START_NS);
    sampler = sampler_new(BLOCK + 10, 1, &budget, 1);
    sampler_armed(sampler, 1, 0x3ff, START_NS);
    g_assert_cmphex(sampler_watched(sampler, 1, &since_ns), ==, 0x3ff); /* the last block is short */
    g_assert_cmpuint(since_ns, ==, START_NS);
    sampler_looked(sampler, 1, 0x5, START_NS + 10 * MS);
    g_assert_cmphex(sampler_watched(sampler, 1, &since_ns), ==, 0x3fa);
    g_assert_cmpuint(since_ns, ==, START_NS + 10 * MS);
    sampler_looked(sampler, 1, 0x3ff, START_NS + 20 * MS);
    g_assert_cmphex(sampler_watched(sampler, 1, &since_ns), ==, 0);
    g_assert_cmpuint(sampler_due_ns(sampler), ==, UINT64_MAX);
    g_assert_cmpuint(budget.lost_ns, ==, 11 * 1000); /* ten pages, and the arming */
    sampler_armed(sampler, 0, UINT64_MAX, START_NS + 30 * MS);
    sampler_reset(sampler);
    g_assert_cmphex(sampler_watched(sampler, 0, &since_ns), ==, 0);
    g_assert_cmpuint(sampler_due_ns(sampler), ==, UINT64_MAX);
    sampler_free(sampler);
}

static void a_trial_is_known_as_such_until_it_is_touched_and_comes_seldom_where_nothing_was_saved(void)
{
    SamplerBudget budget;
    Sampler *sampler;
    uint64_t since_ns, granules;
    double without, saved;
    size_t block;

    sampler_budget_init(&budget, 0.01, 2000, 0);
    sampler_budget_refill(&budget, SECOND);
    g_assert_true(sampler_budget_draws(&budget));
    sampler = sampler_new(10 * BLOCK, 1, &budget, 1);
    block = sampler_draw(sampler, &granules);
    g_assert_cmpint(__builtin_popcountll(granules), ==, SAMPLER_DRAWN);
    sampler_armed(sampler, block, granules, SECOND);
    g_assert_cmphex(sampler_trial(sampler, block), ==, granules);
    sampler_looked(sampler, block, granules & -granules, SECOND + 8 * MS);
    granules &= granules - 1;
    g_assert_cmphex(sampler_trial(sampler, block), ==, granules);
    g_assert_cmphex(sampler_watched(sampler, block, &since_ns), ==, granules);
    sampler_free(sampler);
    while (sampler_budget_draws(&budget)) {
        budget.draw_ns -= 2000;
    }
    budget.tokens_ns = -1e9;
    without = budget.draw_ns;
    sampler_budget_refill(&budget, SECOND + 100 * MS);
    without = budget.draw_ns - without;
    budget.tokens_ns = 1e9;
    saved = budget.draw_ns;
    sampler_budget_refill(&budget, SECOND + 200 * MS);
    saved = budget.draw_ns - saved;
    g_assert_cmpfloat(without, >, 0);
    g_assert_cmpfloat(without, <, saved);
}

static void a_trial_ends_when_it_is_seldom_looked_at_and_its_granules_are_watched_on(void)
{
    SamplerBudget budget;
    Sampler *sampler;
    uint64_t now_ns = SECOND, since_ns, granules;
    size_t block;

    sampler_budget_init(&budget, 0.01, 2000, 0);
    sampler = sampler_new(10 * BLOCK, 1, &budget, 1);
    block = sampler_draw(sampler, &granules);
    sampler_armed(sampler, block, granules, now_ns);
    while (sampler_trial(sampler, block)) {
        now_ns = sampler_due_ns(sampler);
        g_assert_cmpuint(now_ns, <, 10 * SECOND);
        sampler_looked(sampler, block, 0, now_ns);
    }
    g_assert_cmpuint(now_ns, >, 2 * SECOND);
    g_assert_cmphex(sampler_watched(sampler, block, &since_ns), ==, granules);
    sampler_free(sampler);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sampler/the_budget_is_held_but_for_what_was_saved",
                    the_budget_is_held_but_for_what_was_saved);
    g_test_add_func("/sampler/a_guest_of_many_cpus_may_be_looked_at_as_much_faster",
                    a_guest_of_many_cpus_may_be_looked_at_as_much_faster);
    g_test_add_func("/sampler/little_is_spent_where_all_is_known", little_is_spent_where_all_is_known);
    g_test_add_func("/sampler/hot_pages_are_found_as_soon_as_the_budget_allows",
                    hot_pages_are_found_as_soon_as_the_budget_allows);
    g_test_add_func("/sampler/the_policy_tells_hot_pages_from_cold_ones",
                    the_policy_tells_hot_pages_from_cold_ones);
    g_test_add_func("/sampler/idle_memory_is_watched_whole_at_hardly_any_cost",
                    idle_memory_is_watched_whole_at_hardly_any_cost);
    g_test_add_func("/sampler/a_guest_that_wakes_up_is_looked_at_at_once_out_of_what_was_saved",
                    a_guest_that_wakes_up_is_looked_at_at_once_out_of_what_was_saved);
    g_test_add_func("/sampler/a_guest_that_wakes_up_costs_a_debt_that_is_paid_off_where_nothing_was_saved",
                    a_guest_that_wakes_up_costs_a_debt_that_is_paid_off_where_nothing_was_saved);
    g_test_add_func("/sampler/every_block_is_armed_in_the_end", every_block_is_armed_in_the_end);
    g_test_add_func("/sampler/no_share_means_nothing_is_armed", no_share_means_nothing_is_armed);
    g_test_add_func("/sampler/looks_come_at_intervals_that_double_up_to_a_second",
                    looks_come_at_intervals_that_double_up_to_a_second);
    g_test_add_func("/sampler/what_is_armed_for_long_is_looked_at_as_the_host_may",
                    what_is_armed_for_long_is_looked_at_as_the_host_may);
    g_test_add_func("/sampler/what_was_touched_is_watched_no_more", what_was_touched_is_watched_no_more);
    g_test_add_func("/sampler/a_trial_ends_when_it_is_seldom_looked_at_and_its_granules_are_watched_on",
                    a_trial_ends_when_it_is_seldom_looked_at_and_its_granules_are_watched_on);
    g_test_add_func("/sampler/a_trial_is_known_as_such_until_it_is_touched_and_comes_seldom_where_nothing_was_saved",
                    a_trial_is_known_as_such_until_it_is_touched_and_comes_seldom_where_nothing_was_saved);
    return g_test_run();
}
