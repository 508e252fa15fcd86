/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tiers under load: the limit on tier 0's share of the accesses, and the policy with it on a host in
 * miniature whose tier 0 gets slower the more of its bandwidth is used.
 */
#include <glib.h>
#include <math.h>

#include "core/balance.h"
#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)

/* --- the limit alone --- */

static void limits_nothing_while_tier_0_is_the_faster(void)
{
    Balance balance;

    balance_init(&balance);
    for (unsigned i = 0; i < 100; i++) {
        balance_update(&balance, 100, 250, 0.9);
    }
    g_assert_cmpfloat(balance.limit, ==, 1);
}

static void steps_down_from_the_share_that_there_is(void)
{
    Balance balance;

    balance_init(&balance);
    balance_update(&balance, 500, 250, 0.8);
    g_assert_cmpfloat(balance.limit, <, 0.8);
    g_assert_cmpfloat(balance.limit, >, 0.7);
}

static void takes_tiers_that_are_about_as_slow_for_balanced(void)
{
    Balance balance;
    double limit;

    balance_init(&balance);
    balance_update(&balance, 500, 250, 0.8);
    limit = balance.limit;
    for (unsigned i = 0; i < 100; i++) {
        balance_update(&balance, i % 2 ? 245 : 255, 250, limit);
    }
    g_assert_cmpfloat(balance.limit, ==, limit);
}

static void a_share_that_is_not_known_changes_nothing(void)
{
    Balance balance;

    balance_init(&balance);
    balance_update(&balance, 500, 250, NAN);
    g_assert_cmpfloat(balance.limit, ==, 1);
    g_assert_true(balance_valid(&balance));
}

/* A step down, a step up, and again: each half as long as the one before, down to the smallest. */
static void halves_its_steps_where_it_turns(void)
{
    Balance balance;
    double before, step = 1;

    balance_init(&balance);
    balance_update(&balance, 500, 250, 0.8);
    for (unsigned i = 0; i < 10; i++) {
        before = balance.limit;
        balance_update(&balance, i % 2 ? 500 : 100, 250, balance.limit);
        g_assert_cmpfloat(fabs(balance.limit - before), <=, step);
        step = fabs(balance.limit - before);
    }
    g_assert_cmpfloat(step, <, 0.005);
}

static void gives_all_back_when_the_load_is_gone(void)
{
    Balance balance;
    unsigned steps = 0;

    balance_init(&balance);
    for (unsigned i = 0; i < 100; i++) {
        balance_update(&balance, 500, 250, balance.limit);
        g_assert_true(balance_valid(&balance));
    }
    g_assert_cmpfloat(balance.limit, ==, 0);
    for (; balance.limit < 1; steps++) {
        balance_update(&balance, 100, 250, balance.limit);
    }
    g_assert_cmpuint(steps, <=, 16);
}

/* --- the policy under load --- */

static const PolicyConfig native = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

/*
 * A host whose tier 0 takes 100 ns idle and as much again for each eighth of its bandwidth in use; its
 * neighbours use @background of it, and this guest, with all its accesses in tier 0, half of it. Tier 1 takes
 * 250 to 300.
 */
static void measure(Sim *sim, double background, uint32_t *latency_ns)
{
    double share = sim_hit_ratio(sim);

    latency_ns[0] = (uint32_t)(100 * (1 + 8 * MAX(background + 0.5 * share - 0.5, 0)));
    latency_ns[1] = (uint32_t)(250 + 50 * (1 - share));
}

/* Run under @background for @seconds; returns the mean latency of an access over the last ten. */
static double run_under(Sim *sim, double background, unsigned seconds)
{
    static const uint64_t intervals_ns[] = {1 * MS, 10 * MS, 30 * MS, 0};
    PolicyConfig config = native;
    double mean_ns = 0;

    config.budget_bytes = sim->budget_bytes;
    for (unsigned second = 0; second < seconds; second++) {
        double share;

        measure(sim, background, config.costs.latency_ns);
        policy_configure(sim->policy, &config);
        sim_run(sim, 1, 2, 0.5, intervals_ns);
        share = sim_hit_ratio(sim);
        if (second + 10 >= seconds) {
            mean_ns += (share * config.costs.latency_ns[0] + (1 - share) * config.costs.latency_ns[1]) / 10;
        }
    }
    return mean_ns;
}

static Sim *busy_guest(void)
{
    Sim *sim = sim_new(&native, 8192, 0.3, 90);

    sim_gups(sim, 1024, 0.9, 8192 * 20);
    return sim;
}

static void shifts_hot_pages_out_until_the_tiers_are_equally_slow(void)
{
    g_autoptr(Sim) sim = busy_guest();
    uint32_t latency_ns[2];
    double before_ns, after_ns;

    run_under(sim, 0, 30);
    g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.9);
    measure(sim, 0.6, latency_ns);
    before_ns = sim_hit_ratio(sim) * latency_ns[0] + (1 - sim_hit_ratio(sim)) * latency_ns[1];
    after_ns = run_under(sim, 0.6, 60);
    measure(sim, 0.6, latency_ns);
    g_test_message("hit ratio %.3f, latencies %u and %u; mean %.0f ns, %.0f before", sim_hit_ratio(sim),
                   latency_ns[0], latency_ns[1], after_ns, before_ns);
    g_assert_cmpfloat(latency_ns[0], <, 1.1 * latency_ns[1]);
    g_assert_cmpfloat(latency_ns[0], >, 0.9 * latency_ns[1]);
    g_assert_cmpfloat(after_ns, <, 0.8 * before_ns);
}

static void keeps_still_once_it_is_balanced(void)
{
    g_autoptr(Sim) sim = busy_guest();
    double least = 1, most = 0;

    run_under(sim, 0, 30);
    run_under(sim, 0.6, 60);
    sim_reset_counts(sim);
    for (unsigned second = 0; second < 60; second++) {
        run_under(sim, 0.6, 1);
        least = MIN(least, sim_hit_ratio(sim));
        most = MAX(most, sim_hit_ratio(sim));
    }
    g_test_message("hit ratio %.3f to %.3f, %" G_GUINT64_FORMAT " pages moved", least, most,
                   sim->moved_bytes / PAGE);
    g_assert_cmpfloat(most - least, <, 0.1);
    g_assert_cmpuint(sim->moved_bytes, <, 60 * 16 * PAGE);
}

static void comes_back_when_the_load_goes(void)
{
    g_autoptr(Sim) sim = busy_guest();

    run_under(sim, 0, 30);
    run_under(sim, 0.6, 60);
    g_assert_cmpfloat(sim_hit_ratio(sim), <, 0.8);
    run_under(sim, 0, 30);
    g_test_message("hit ratio %.3f", sim_hit_ratio(sim));
    g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.9);
    g_assert_cmpfloat(sim->most_over_budget, <=, 0);
}

static void promotes_nothing_into_a_tier_0_that_is_the_slower(void)
{
    g_autoptr(Sim) sim = busy_guest();

    run_under(sim, 2, 60);              /* from the start */
    g_test_message("hit ratio %.3f", sim_hit_ratio(sim));
    g_assert_cmpfloat(sim_hit_ratio(sim), <, 0.1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/balance/" #name, name)
    ADD(limits_nothing_while_tier_0_is_the_faster);
    ADD(steps_down_from_the_share_that_there_is);
    ADD(takes_tiers_that_are_about_as_slow_for_balanced);
    ADD(a_share_that_is_not_known_changes_nothing);
    ADD(halves_its_steps_where_it_turns);
    ADD(gives_all_back_when_the_load_is_gone);
    ADD(shifts_hot_pages_out_until_the_tiers_are_equally_slow);
    ADD(keeps_still_once_it_is_balanced);
    ADD(comes_back_when_the_load_goes);
    ADD(promotes_nothing_into_a_tier_0_that_is_the_slower);
    return g_test_run();
}
