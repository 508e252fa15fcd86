/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of an experiment, on results that were made up: two rows at two shares.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "sim/judge.h"
#include "sim/results.h"

enum { OURS, EQUAL, TPP, PAYING, N_CONTENDERS };

static const char *const contenders[] = {"vhost-tier", "interleave", "tpp", "oracle-paying"};

static const ScenarioGuest guests[] = {
    {.config = {.name = "one", .floor_bytes = 1}},
    {.config = {.name = "two"}},
    {.config = {.name = "bad"}, .hostile = true},
};

static const Scenario rows[] = {
    {.name = "tenants-9", .what = "for tests", .guests = guests, .n_guests = 3, .changes = true},
    {.name = "tenants-9-honest", .what = "for tests", .guests = guests, .n_guests = 3},
};

/* Hit ratios by row, share and contender. */
static const double hits[2][2][N_CONTENDERS] = {
    {{0.88, 0.50, 0.80, 0.90}, {0.70, 0.20, 0.74, 0.76}},
    {{0.60, 0.60, 0.62, 0.61}, {0.40, 0.10, 0.30, 0.40}},
};

static RunResult *at(Experiment *experiment, size_t row, size_t share, size_t contender)
{
    return (RunResult *)experiment_result(experiment, row, share, contender, 0);
}

static void fill(Experiment *experiment, size_t row, size_t share, size_t contender)
{
    RunResult *result = at(experiment, row, share, contender);

    *result = (RunResult){
        .hit_ratio = hits[row][share][contender],
        .slowdown = 1 - hits[row][share][contender],
        .time_to_90_s = NAN,
        .points = g_array_new(false, false, sizeof(RunPoint)),
        .guests = g_array_new(false, false, sizeof(RunGuest)),
        .predictions = g_array_new(false, false, sizeof(RunPrediction)),
    };
    for (size_t i = 0; i < 3; i++) {
        RunGuest guest = {.name = guests[i].config.name, .slowdown = 0.1 * (double)(i + 1)};

        g_array_append_val(result->guests, guest);
    }
}

static Experiment *made_up(void)
{
    Experiment *experiment = experiment_new();

    for (size_t row = 0; row < G_N_ELEMENTS(rows); row++) {
        g_ptr_array_add(experiment->rows, (void *)&rows[row]);
    }
    g_assert_true(experiment_add_share(experiment, "1:1", NULL));
    g_assert_true(experiment_add_share(experiment, "1:4", NULL));
    for (size_t i = 0; i < N_CONTENDERS; i++) {
        g_assert_true(experiment_add_contender(experiment, contenders[i], NULL));
    }
    experiment->results = g_new0(RunResult, 2 * 2 * N_CONTENDERS);
    for (size_t row = 0; row < 2; row++) {
        for (size_t share = 0; share < 2; share++) {
            for (size_t i = 0; i < N_CONTENDERS; i++) {
                fill(experiment, row, share, i);
            }
        }
    }
    return experiment;
}

static void test_the_lag_is_what_hits_lack_of_the_oracles(void)
{
    g_autoptr(Experiment) experiment = made_up();
    JudgeWorst worst = judge_worst_lag(experiment, OURS);

    g_assert_cmpfloat_with_epsilon(judge_lag(experiment, 0, 0, OURS), 0.02, 1e-12);
    g_assert_cmpfloat_with_epsilon(judge_row_lag(experiment, 0, OURS), 0.04, 1e-12);
    g_assert_cmpfloat_with_epsilon(judge_mean_lag(experiment, OURS), (0.02 + 0.06 + 0.01 + 0) / 4, 1e-12);
    g_assert_cmpfloat_with_epsilon(worst.value, 0.06, 1e-12);
    g_assert_cmpuint(worst.row, ==, 0);
    g_assert_cmpuint(worst.share, ==, 1);
}

static void test_more_hits_are_ahead_unless_they_make_the_guest_slower(void)
{
    g_autoptr(Experiment) experiment = made_up();

    g_assert_cmpfloat_with_epsilon(judge_lag(experiment, 1, 0, TPP), -0.01, 1e-12);
    at(experiment, 1, 0, TPP)->slowdown = 0.5; /* the oracle's is 0.39 */
    g_assert_cmpfloat_with_epsilon(judge_lag(experiment, 1, 0, TPP), 0.01, 1e-12);
}

static void test_the_best_baseline_is_neither_ours_nor_an_oracle(void)
{
    g_autoptr(Experiment) experiment = made_up();
    JudgeWorst behind = judge_worst_behind(experiment, OURS);

    g_assert_cmpuint(judge_best_baseline(experiment, 0), ==, TPP);
    g_assert_true(judge_is_ours(experiment, OURS));
    g_assert_false(judge_is_baseline(experiment, OURS));
    g_assert_false(judge_is_baseline(experiment, PAYING));
    /* Row 0: 0.04 against 0.06; row 1: 0.005 against 0.045. */
    g_assert_cmpfloat_with_epsilon(behind.value, -0.02, 1e-12);
    g_assert_cmpuint(behind.row, ==, 0);
}

static void test_a_baseline_is_quick_only_where_it_comes_near_the_oracle(void)
{
    g_autoptr(Experiment) experiment = made_up();

    at(experiment, 0, 0, EQUAL)->time_to_90_s = 1;
    at(experiment, 0, 1, EQUAL)->time_to_90_s = 1;
    g_assert_cmpuint(judge_quickest_baseline(experiment, 0), ==, N_CONTENDERS);
    at(experiment, 0, 0, TPP)->time_to_90_s = 100; /* 10 points behind the oracle */
    at(experiment, 0, 1, TPP)->time_to_90_s = 20;
    at(experiment, 0, 0, OURS)->time_to_90_s = 5;
    at(experiment, 0, 1, OURS)->time_to_90_s = 7;
    g_assert_cmpuint(judge_quickest_baseline(experiment, 0), ==, TPP);
    g_assert_cmpfloat_with_epsilon(judge_time_to_90(experiment, 0, TPP), 20, 1e-12);
    g_assert_cmpfloat_with_epsilon(judge_time_to_90(experiment, 0, OURS), 6, 1e-12);
}

static void test_hostile_guests_do_not_count(void)
{
    g_autoptr(Experiment) experiment = made_up();
    RunGuest *honest = &g_array_index(at(experiment, 1, 1, OURS)->guests, RunGuest, 0);
    RunGuest *hostile = &g_array_index(at(experiment, 1, 1, OURS)->guests, RunGuest, 2);
    JudgeDifference difference;

    hostile->below_floor_share = 1;
    hostile->slowdown = 5;
    g_assert_cmpfloat(judge_below_floor(experiment, 1, OURS), ==, 0);
    difference = judge_difference(experiment, 0, 1, OURS);
    g_assert_cmpfloat_with_epsilon(difference.mean, 0, 1e-12);
    g_assert_null(difference.guest);
    honest->below_floor_share = 0.5;
    honest->slowdown = 0.14; /* 0.1 in the other row */
    g_assert_cmpfloat(judge_below_floor(experiment, 1, OURS), ==, 0.5);
    difference = judge_difference(experiment, 0, 1, OURS);
    g_assert_cmpfloat(difference.worse, ==, 0);
    g_assert_cmpfloat_with_epsilon(difference.better, 0.04, 1e-12);
    g_assert_cmpfloat_with_epsilon(difference.mean, 0.04 / 4, 1e-12);
    difference = judge_difference(experiment, 1, 0, OURS);
    g_assert_cmpfloat_with_epsilon(difference.worse, 0.04, 1e-12);
    g_assert_cmpfloat(difference.better, ==, 0);
    g_assert_cmpstr(difference.guest, ==, "one");
    g_assert_cmpuint(difference.share, ==, 1);
}

static void test_predictions_are_held_against_what_was_measured_there(void)
{
    g_autoptr(Experiment) experiment = made_up();
    double slowdown, hit_ratio;

    judge_predictions(experiment, 0, OURS, &slowdown, &hit_ratio);
    g_assert_true(isnan(slowdown));
    for (size_t from = 0; from < 2; from++) {
        for (size_t to = 0; to < 2; to++) {
            RunPrediction prediction = {experiment_share(experiment, to)->share, 0.75, 0.25};

            g_array_append_val(at(experiment, 0, from, OURS)->predictions, prediction);
        }
    }
    judge_predictions(experiment, 0, OURS, &slowdown, &hit_ratio);
    /* Measured are 0.12 and 0.30 of slowdown, 0.88 and 0.70 of hits. */
    g_assert_cmpfloat_with_epsilon(slowdown, (0.13 + 0.05) / 2, 1e-12);
    g_assert_cmpfloat_with_epsilon(hit_ratio, (0.13 + 0.05) / 2, 1e-12);
}

static void test_the_page_says_what_was_reached_and_what_was_not(void)
{
    static const char *const pictures[] = {"one.svg", NULL};
    static const char *const expected[] = {
        "| within 3 points of the oracle that pays, on average | 2.25 points behind | yes |",
        "| never more than 8 points behind it | at most 6.00 points (tenants-9 at 1:4) | yes |",
        "| ahead of every baseline, on average | the best, tpp, is 5.25 points behind the oracle | yes |",
        "| tenants-9: no VM below its floor | 0.0 % of the time at most | yes |",
        /* 0.21 on average against 0.65; 0.5 against 0.65. */
        "| tenants-9: slowdown of all at least 20 % lower than with equal shares | 21.0 % against 65.0 %: 68 % lower "
        "| yes |",
        "| tenants-9-honest: slowdown of all at least 20 % lower than with equal shares | 50.0 % against 65.0 %: 23 % "
        "lower | yes |",
        "| a hostile VM slows no neighbour down by 1 point, against an honest VM in its place | by 5.00 points at most "
        "(one at 1:1) | **no** |",
        "means over seeds from 1 on (1), are 1.25 points apart on average; some neighbour is faster beside the hostile "
        "VM by 0.00:",
        "neighbours are slower beside the hostile VM by up to 0.00 points.",
        "| tenants-9: 90 % of the new steady state in half the time of the quickest baseline | 6.0 s; tpp 10.0 s; the "
        "oracle that pays takes 5.5 s | **no** |",
        "| tenants-9: less than 3 % of moves undone within 10 s | 4.00 % | **no** |",
        "![one.svg](results/one.svg)",
    };
    g_autoptr(Experiment) experiment = made_up();
    g_autofree char *page = NULL;

    for (size_t share = 0; share < 2; share++) {
        at(experiment, 0, share, OURS)->time_to_90_s = 6;
        at(experiment, 0, share, TPP)->time_to_90_s = 10;
        at(experiment, 0, share, PAYING)->time_to_90_s = 5.5;
        at(experiment, 0, share, OURS)->undone_share = 0.04;
    }
    g_array_index(at(experiment, 0, 0, OURS)->guests, RunGuest, 0).slowdown = 0.15;
    page = results_text(experiment, experiment, "vhost-tier", pictures);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        if (!strstr(page, expected[i])) {
            g_error("'%s' is not in the page:\n%s", expected[i], page);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/sim-results/" name, function)
    ADD("the-lag-is-what-hits-lack-of-the-oracles", test_the_lag_is_what_hits_lack_of_the_oracles);
    ADD("more-hits-are-ahead-unless-they-make-the-guest-slower",
        test_more_hits_are_ahead_unless_they_make_the_guest_slower);
    ADD("the-best-baseline-is-neither-ours-nor-an-oracle",
        test_the_best_baseline_is_neither_ours_nor_an_oracle);
    ADD("a-baseline-is-quick-only-where-it-comes-near-the-oracle",
        test_a_baseline_is_quick_only_where_it_comes_near_the_oracle);
    ADD("hostile-guests-do-not-count", test_hostile_guests_do_not_count);
    ADD("predictions-are-held-against-what-was-measured-there",
        test_predictions_are_held_against_what_was_measured_there);
    ADD("the-page-says-what-was-reached-and-what-was-not",
        test_the_page_says_what_was_reached_and_what_was_not);
#undef ADD
    return g_test_run();
}
