/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long heat lasts: what is known of steady heat grows, and is given up at once when heat jumps.
 */
#include <glib.h>
#include <math.h>

#include "core/policy-internal.h"
#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)
#define GRANULES 7168u

static const PolicyConfig config = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static const uint64_t intervals[] = {10 * MS, 30 * MS, 100 * MS, 0};

static HeatModel *model_of(const Sim *sim)
{
    return &sim->policy->model;
}

/* Run for @seconds; where @fixed, the past counts for four accesses all the time. */
static void run(Sim *sim, unsigned seconds, bool fixed)
{
    for (unsigned i = 0; i < seconds; i++) {
        if (fixed) {
            model_of(sim)->steady.steady_s = 0;
        }
        sim_run(sim, 1, 2, 0.5, intervals);
    }
}

/* The mean distance of the logarithm of the rates known from that of the true ones, of pages above @least_per_s. */
static double error_above(const Sim *sim, double least_per_s)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < sim->n; i++) {
        PolicyGranule granule;

        g_assert_true(policy_granule(sim->policy, SIM_REGION, i, sim->now_ns, &granule));
        if (sim->rate[i] >= least_per_s) {
            sum += fabs(log(granule.rate_per_s / sim->rate[i]));
            n++;
        }
    }
    g_assert_cmpuint(n, >, 100);
    return sum / n;
}

static void steady_rates_get_known_to_a_tenth(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 81);
    g_autoptr(Sim) fixed = sim_new(&config, GRANULES, 0.2, 81);
    double error, error_fixed;

    sim_zipf(sim, 120000);
    sim_zipf(fixed, 120000);
    run(sim, 900, false);
    run(fixed, 900, true);
    error = error_above(sim, 10);
    error_fixed = error_above(fixed, 10);
    g_test_message("%.3f off; %.3f where the past counts for four accesses", error, error_fixed);
    g_assert_cmpfloat(error, <, 0.1);
    g_assert_cmpfloat(error, <, error_fixed / 3);
    g_assert_cmpfloat(heat_life_s(model_of(sim)), >, 600);
}

/* Seconds until 90 % of what the oracle hits is hit, after heat jumped that was steady for five minutes. */
static unsigned seconds_to_recover(bool fixed)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 78);
    unsigned seconds = 0;

    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 300, fixed);
    sim_gups(sim, 512, 0.9, 120000);
    while (sim_hit_ratio(sim) < 0.9 * sim_oracle(sim)) {
        run(sim, 1, fixed);
        g_assert_cmpuint(++seconds, <, 60);
    }
    return seconds;
}

static void finds_a_hot_set_that_jumped_as_fast_as_ever(void)
{
    unsigned grown = seconds_to_recover(false), fixed = seconds_to_recover(true);

    g_test_message("%u s; %u s where the past counts for four accesses", grown, fixed);
    g_assert_cmpuint(grown, <=, fixed + 1);
}

static void memory_falls_within_two_seconds_of_a_jump(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 79);

    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 120, false);
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), >, 40);
    g_assert_cmpfloat(heat_life_s(model_of(sim)), >, 100);
    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 2, false);
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), <, 5);
    g_assert_cmpfloat(heat_life_s(model_of(sim)), ==, 60);
}

static void tells_of_a_jump_of_steady_heat_once(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 85);
    uint64_t jumped_ns, told_ns;

    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 60, false);
    jumped_ns = sim->now_ns;
    g_assert_cmpuint(policy_changed_ns(sim->policy), <, jumped_ns - 40 * SECOND);
    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 3, false);
    told_ns = policy_changed_ns(sim->policy);
    g_assert_cmpuint(told_ns, >, jumped_ns);
    run(sim, 40, false);
    g_assert_cmpuint(policy_changed_ns(sim->policy), ==, told_ns);
}

static void time_before_the_first_evidence_is_no_steadiness(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 86);

    sim->now_ns += 86400 * SECOND;      /* a host that has been up for a day */
    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 20, false);
    g_assert_cmpfloat(model_of(sim)->steady.steady_s, >, 0);
    g_assert_cmpfloat(model_of(sim)->steady.steady_s, <=, 20);
}

static void what_a_source_finds_to_have_jumped_is_not_remembered(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 86);

    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 60, false);
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), >, 20);
    policy_heat_moved(sim->policy, sim->now_ns);
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), ==, STEADY_ACCESSES);
    g_assert_cmpuint(policy_changed_ns(sim->policy), >, sim->now_ns - SECOND);
    g_assert_cmpuint(policy_plan_pause_ns(sim->policy, SECOND, 0), ==, SECOND / 4);
}

static void one_page_that_changes_all_the_time_shortens_nothing(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 80);

    sim_gups(sim, 512, 0.9, 120000);
    for (unsigned second = 0; second < 120; second++) {
        sim->rate[5] = second % 4 < 2 ? 1000 : 0;
        run(sim, 1, false);
    }
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), >, 40);
}

/* Each second one hot page in 25 changes places with another. */
static void heat_that_creeps_is_not_remembered_for_long(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 82);
    double hits = 0;

    sim_gups(sim, 512, 0.9, 120000);
    for (unsigned second = 0; second < 200; second++) {
        for (unsigned i = 0; i < 20;) {
            size_t hot = rng_next(&sim->rng) % sim->n, cold = rng_next(&sim->rng) % sim->n;

            if (sim->rate[hot] > sim->rate[cold]) {
                double rate = sim->rate[hot];

                sim->rate[hot] = sim->rate[cold];
                sim->rate[cold] = rate;
                i++;
            }
        }
        run(sim, 1, false);
        hits += second >= 100 ? sim_hit_ratio(sim) / sim_oracle(sim) / 100 : 0;
    }
    g_test_message("%.3f of the oracle; the past counts for %.0f accesses", hits,
                   steady_accesses(&model_of(sim)->steady));
    g_assert_cmpfloat(steady_accesses(&model_of(sim)->steady), <, 32);
    g_assert_cmpfloat(hits, >, 0.85);
}

static void half_life_grows_with_what_has_been_steady(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 83);
    int64_t at_first = model_of(sim)->decay;

    sim_gups(sim, 512, 0.9, 120000);
    run(sim, 30, false);
    g_assert_cmpint(model_of(sim)->decay, ==, at_first);            /* as configured */
    run(sim, 270, false);
    g_assert_cmpint(model_of(sim)->decay, <, at_first / 3);
}

/* A clear bit after a millisecond, of a page thought to be accessed 2000 times a second, must count. */
static void short_looks_tell_rates_above_what_long_ones_can(void)
{
    static const uint64_t looks[] = {1 * MS, 2 * MS, 4 * MS, 8 * MS, 3 * MS, 1 * MS, 0};
    g_autoptr(Sim) sim = sim_new(&config, 1024, 0.2, 84);
    double mean[2] = {0};

    for (size_t i = 0; i < sim->n; i++) {
        sim->rate[i] = i % 2 ? 2000 : 250;
    }
    sim_run(sim, 60, 8, 1, looks);
    for (size_t i = 0; i < sim->n; i++) {
        PolicyGranule granule;

        g_assert_true(policy_granule(sim->policy, SIM_REGION, i, sim->now_ns, &granule));
        mean[i % 2] += log(granule.rate_per_s) / (sim->n / 2.0);
    }
    g_test_message("%.0f and %.0f; true are 250 and 2000", exp(mean[0]), exp(mean[1]));
    g_assert_cmpfloat(fabs(mean[0] - log(250)), <, 0.2);
    g_assert_cmpfloat(fabs(mean[1] - log(2000)), <, 0.35);
}

static void a_saved_state_knows_when_heat_changed(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, 0.2, 87);
    g_autoptr(Policy) other = policy_new(&config);
    g_autoptr(GError) err = NULL;
    PolicyState state;

    policy_heat_moved(sim->policy, 77 * SECOND);
    policy_save_state(sim->policy, &state);
    g_assert_true(policy_load_state(other, &state, &err));
    g_assert_no_error(err);
    g_assert_cmpuint(policy_changed_ns(other), ==, 77 * SECOND);
    state.heat.jumped++;
    g_assert_false(policy_load_state(other, &state, &err));
    g_assert_error(err, POLICY_ERROR, POLICY_ERROR_INVALID);
}

static void saved_values_out_of_range_are_refused(void)
{
    const Steady good = {.set = {1}, .all = {2}, .weight = 3, .surprise = -1, .judged_s = 4, .steady_s = 5};
    const double bad[] = {NAN, INFINITY, -INFINITY, -1, 1e30};

    g_assert_true(steady_valid(&good));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Steady weight = good, judged = good, steady = good, set = good, all = good, surprise = good;

        weight.weight = judged.judged_s = steady.steady_s = set.set[0] = all.all[0] = bad[i];
        surprise.surprise = isfinite(bad[i]) ? 1e30 : bad[i];
        g_assert_false(steady_valid(&weight));
        g_assert_false(steady_valid(&judged));
        g_assert_false(steady_valid(&steady));
        g_assert_false(steady_valid(&set));
        g_assert_false(steady_valid(&all));
        g_assert_false(steady_valid(&surprise));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/steady/" #name, name)
    ADD(steady_rates_get_known_to_a_tenth);
    ADD(finds_a_hot_set_that_jumped_as_fast_as_ever);
    ADD(memory_falls_within_two_seconds_of_a_jump);
    ADD(what_a_source_finds_to_have_jumped_is_not_remembered);
    ADD(tells_of_a_jump_of_steady_heat_once);
    ADD(time_before_the_first_evidence_is_no_steadiness);
    ADD(one_page_that_changes_all_the_time_shortens_nothing);
    ADD(heat_that_creeps_is_not_remembered_for_long);
    ADD(half_life_grows_with_what_has_been_steady);
    ADD(short_looks_tell_rates_above_what_long_ones_can);
    ADD(a_saved_state_knows_when_heat_changed);
    ADD(saved_values_out_of_range_are_refused);
    return g_test_run();
}
