/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs and experiments: what is measured, and that it is the same each time.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "sim/costs.h"
#include "sim/experiment.h"
#include "sim/measure.h"
#include "sim/random.h"
#include "sim/report.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define GIB_PAGES ((size_t)1 << 18)

/* --- random numbers --- */

static void test_poisson_numbers_have_the_mean_and_variance_of_such(void)
{
    static const double means[] = {0.01, 0.7, 9.9, 10.1, 300, 2e6};
    const size_t n = 20000;
    SimRandom random;

    sim_random_init(&random, 3);
    for (size_t i = 0; i < G_N_ELEMENTS(means); i++) {
        double mean = means[i], sum = 0, squares = 0;

        for (size_t k = 0; k < n; k++) {
            double x = (double)sim_random_poisson(&random, mean) - mean;

            sum += x;
            squares += x * x;
        }
        g_assert_cmpfloat(fabs(sum / (double)n), <, 4 * sqrt(mean / (double)n));
        /* The variance of (x - mean)^2 is mean + 2 mean^2. */
        g_assert_cmpfloat(fabs(squares / (double)n - mean), <,
                          4 * sqrt((mean + 2 * mean * mean) / (double)n));
    }
    g_assert_cmpuint(sim_random_poisson(&random, 0), ==, 0);
    g_assert_cmpuint(sim_random_poisson(&random, -1), ==, 0);
    g_assert_cmpuint(sim_random_poisson(&random, NAN), ==, 0);
}

/* --- time to 90 % --- */

/* Points each 250 ms for @seconds, whose hit ratio is @hits(seconds since the start). */
static GArray *make_points(double seconds, double (*hits)(double s))
{
    GArray *points = g_array_new(false, false, sizeof(RunPoint));

    for (uint64_t ns = 250 * MS; (double)ns <= seconds * 1e9; ns += 250 * MS) {
        RunPoint point = {.now_ns = ns, .hit_ratio = hits((double)ns / 1e9)};

        g_array_append_val(points, point);
    }
    return points;
}

static double time_to_90(double seconds, double (*hits)(double s), double changed_s, double end_s)
{
    g_autoptr(GArray) points = make_points(seconds, hits);

    return measure_time_to_90((const RunPoint *)(void *)points->data, points->len,
                              (uint64_t)(changed_s * 1e9), (uint64_t)(end_s * 1e9));
}

/* 0.9, a change at 10 s: 0.1, and up by a tenth a second to 0.9 at 18 s. */
static double ramp(double s)
{
    return s <= 10 ? 0.9 : MIN(0.1 + (s - 10) / 10, 0.9);
}

static double flat(double s)
{
    return 0.5;
}

/* Comes to 0.9 at 12 s, falls back for a second at 13.5 s, and stays from 14.5 s on. */
static double falls_back(double s)
{
    return s <= 12 ? 0.1 : s > 13.5 && s <= 14.5 ? 0.1 : 0.9;
}

static double sinks(double s)
{
    return s <= 12 ? 0.9 : 0.2;
}

/* Idle in between. */
static double pauses(double s)
{
    return s > 11 && s <= 15 ? NAN : ramp(s);
}

static void test_time_to_90_is_when_the_mean_of_a_second_is_there(void)
{
    /*
     * Right after (at 10.25 s) it is 0.125, at last 0.9: the line is at 0.8225. The mean over a second lies
     * 0.0375 below the ramp, which is at 0.86 after 7.6 s; the next point is at 7.75 s.
     */
    g_assert_cmpfloat_with_epsilon(time_to_90(60, ramp, 10, 60), 7.75, 1e-9);
}

static void test_time_to_90_asks_to_stay_there(void)
{
    /* From 14.5 s on all is 0.9; the mean over a second is above 0.82 from 15.5 s on. */
    g_assert_cmpfloat_with_epsilon(time_to_90(60, falls_back, 10, 60), 5.5, 1e-9);
}

static void test_time_to_90_is_none_where_nothing_is_won_back(void)
{
    g_assert_true(isnan(time_to_90(60, flat, 10, 60)));
    g_assert_true(isnan(time_to_90(60, sinks, 10, 60)));
    g_assert_true(isnan(time_to_90(11, ramp, 10, 11)));
    g_assert_true(isnan(time_to_90(0, ramp, 10, 60)));
}

static void test_time_to_90_passes_over_idle_times(void)
{
    g_assert_cmpfloat(time_to_90(60, pauses, 10, 60), >, 5);
    g_assert_cmpfloat(time_to_90(60, pauses, 10, 60), <, 9);
}

/* --- runs --- */

static const ScenarioGuest small_guests[] = {
    {.config = {.name = "first",
                .pages = GIB_PAGES,
                .vcpus = 2,
                .compute_ns = 100,
                .write_share = 0.5,
                .placement = SIM_INTERLEAVE,
                .weight = 1},
     .workload = "gups",
     .params = "hot=0.1 move_s=15"},
    {.config = {.name = "second",
                .pages = GIB_PAGES / 2,
                .vcpus = 1,
                .compute_ns = 100,
                .placement = SIM_INTERLEAVE,
                .floor_bytes = 256 << 20,
                .weight = 1},
     .workload = "zipf",
     .from_ns = 5 * SECOND,
     .until_ns = 25 * SECOND},
    {.config = {.name = "third",
                .pages = GIB_PAGES / 2,
                .vcpus = 1,
                .compute_ns = 100,
                .placement = SIM_INTERLEAVE,
                .weight = 1},
     .workload = "touch-all",
     .from_ns = 25 * SECOND,
     .hostile = true},
};

static const Scenario small = {
    .name = "small",
    .what = "for tests",
    .guests = small_guests,
    .n_guests = 3,
    .duration_ns = 30 * SECOND,
    .steady_from_ns = 10 * SECOND,
    .changes = true,
};

static void test_a_static_placement_is_measured_as_it_is(void)
{
    g_auto(RunResult) result = {0};
    g_autoptr(GError) error = NULL;
    RunOptions options;
    const RunGuest *guests;

    run_options_default(&options);
    options.fast_share = 0.25;
    g_assert_true(run_scenario(&small, "interleave", NULL, &options, &result, &error));
    g_assert_no_error(error);
    /* A quarter of the pages, at random to a workload that does not care where they are. */
    g_assert_cmpfloat_with_epsilon(result.hit_ratio, 0.25, 0.1);
    g_assert_cmpfloat_with_epsilon(result.slowdown, (1 - result.hit_ratio) * 150 / 200, 0.02);
    g_assert_cmpfloat(result.moved_bytes_per_s, ==, 0);
    g_assert_cmpfloat(result.undone_share, ==, 0);
    g_assert_cmpfloat(result.overhead_share, ==, 0);
    g_assert_cmpfloat(result.host_cpu_share, ==, 0);
    g_assert_cmpuint(result.points->len, ==, 120);
    g_assert_cmpuint(result.guests->len, ==, 3);
    guests = (const RunGuest *)(void *)result.guests->data;
    g_assert_cmpstr(guests[1].name, ==, "second");
    g_assert_cmpfloat_with_epsilon(guests[0].fast_bytes, 0.25 * (1u << 30), 1 << 20);
    g_assert_cmpfloat_with_epsilon(guests[1].fast_bytes, 0.25 * (1u << 29), 1 << 20);
    g_assert_cmpfloat(guests[1].below_floor_share, ==, 1); /* its floor is half of it */
    g_assert_cmpfloat(guests[0].below_floor_share, ==, 0);
}

static void test_an_oracle_knows(void)
{
    g_auto(RunResult) result = {0};
    g_autoptr(GError) error = NULL;
    Scenario alone = small;
    RunOptions options;

    alone.n_guests = 1;
    run_options_default(&options);
    options.fast_share = 0.2;
    g_assert_true(run_scenario(&alone, "oracle-static", NULL, &options, &result, &error));
    g_assert_no_error(error);
    /* 90 % on a tenth of memory; of the rest, a ninth. */
    g_assert_cmpfloat_with_epsilon(result.hit_ratio, 0.9 + 0.1 / 9, 1e-3);
}

static void test_a_bad_parameter_is_an_error_that_names_it(void)
{
    RunOptions options;
    static const struct {
        const char *contender, *params, *message;
    } cases[] = {
        {"no-such", NULL, "no-such"},
        {"hemem", "no_such=1", "no_such"},
        {"memtis", "no_such", "no_such"},
        {"tpp", "=", "parameter ''"},
    };

    run_options_default(&options);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        RunResult result = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(run_scenario(&small, cases[i].contender, cases[i].params, &options, &result, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, cases[i].message));
        g_assert_null(result.points);
    }
}

/* --- experiments --- */

static Experiment *small_experiment(void)
{
    Experiment *experiment = experiment_new();

    g_ptr_array_add(experiment->rows, (void *)&small);
    g_assert_true(experiment_add_share(experiment, "1:3", NULL));
    for (size_t i = 0; contender_classes[i]; i++) {
        g_assert_true(experiment_add_contender(experiment, contender_classes[i]->name, NULL));
    }
    experiment->n_seeds = 2;
    experiment->options.scale = 1 / 256.0;
    return experiment;
}

static char *run_to_json(unsigned threads)
{
    g_autoptr(Experiment) experiment = small_experiment();
    g_autoptr(GError) error = NULL;

    g_assert_true(experiment_run(experiment, threads, false, &error));
    g_assert_no_error(error);
    return report_json(experiment, true, false);
}

static void test_the_same_seed_gives_the_same_whatever_the_threads(void)
{
    g_autofree char *one = run_to_json(1);
    g_autofree char *again = run_to_json(1);
    g_autofree char *four = run_to_json(4);

    g_assert_cmpstr(one, ==, again);
    g_assert_cmpstr(one, ==, four);
    g_assert_cmpuint(strlen(one), >, 10000);
}

static void test_bad_parameters_are_found_before_anything_runs(void)
{
    g_autoptr(Experiment) experiment = experiment_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(experiment_add_contender(experiment, "interleave", NULL));
    g_assert_true(experiment_add_contender(experiment, "memtis:no_such=1", NULL));
    experiment_add_rest(experiment); /* would take long */
    g_assert_false(experiment_run(experiment, 0, false, &error));
    g_assert_nonnull(strstr(error->message, "contender 'memtis:no_such=1'"));
    g_assert_null(experiment->results);
}

static void test_another_seed_gives_something_else(void)
{
    g_autoptr(Experiment) experiment = small_experiment();
    size_t oracle = experiment_find(experiment, "oracle-static");
    double one, other;

    g_assert_true(experiment_run(experiment, 0, false, NULL));
    one = experiment_result(experiment, 0, 0, 0, 0)->hit_ratio;
    other = experiment_result(experiment, 0, 0, 0, 1)->hit_ratio;
    g_assert_cmpfloat(one, !=, other);
    g_assert_cmpfloat_with_epsilon(experiment_mean(experiment, 0, 0, 0).hit_ratio, (one + other) / 2, 1e-12);
    g_assert_cmpuint(oracle, <, experiment->contenders->len);
    g_assert_cmpuint(experiment_find(experiment, "no-such"), ==, experiment->contenders->len);
}

static void test_reports_have_a_line_for_each_run(void)
{
    g_autoptr(Experiment) experiment = small_experiment();
    g_autofree char *csv = NULL, *table = NULL, *folder = NULL, *png = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = NULL;
    g_autofree char *picture = NULL;
    gsize length = 0;

    g_assert_true(experiment_run(experiment, 0, false, NULL));
    csv = report_csv(experiment, true);
    lines = g_strsplit(csv, "\r\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 2 + 2 * experiment->contenders->len);
    g_assert_true(g_str_has_prefix(lines[1], "small,1:3,0.25,"));
    table = report_table(experiment, true);
    for (size_t i = 0; contender_classes[i]; i++) {
        g_assert_nonnull(strstr(table, contender_classes[i]->name));
    }
    folder = g_dir_make_tmp("tier-sim-XXXXXX", NULL);
    png = g_build_filename(folder, "plot.png", NULL);
    g_assert_true(report_plot(experiment, png, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(png, &picture, &length, NULL));
    g_assert_cmpmem(picture, 4, "\x89PNG", 4);
    g_assert_cmpint(g_remove(png), ==, 0);
    g_assert_cmpint(g_remove(folder), ==, 0);
}

static void test_shares_are_read_as_they_are_meant(void)
{
    static const char *const bad[] = {"",      "1",    "1:",   ":1",   "0:1",  "1:0",   "-1:2",
                                      "20",    "20%%", "0%",   "101%", "nan%", "inf:1", "1:inf",
                                      "1:2:3", " ",    "1 :2", "1:2 ", "0x"};
    g_autoptr(Experiment) experiment = experiment_new();

    g_assert_true(experiment_add_share(experiment, "1:4", NULL));
    g_assert_true(experiment_add_share(experiment, "20%", NULL));
    g_assert_true(experiment_add_share(experiment, "100%", NULL));
    g_assert_cmpfloat(experiment_share(experiment, 0)->share, ==, 0.2);
    g_assert_cmpfloat(experiment_share(experiment, 1)->share, ==, 0.2);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(experiment_add_share(experiment, bad[i], &error));
        g_assert_nonnull(error);
    }
    g_assert_cmpuint(experiment->shares->len, ==, 3);
}

static void test_costs_are_changed_by_name_or_not_at_all(void)
{
    static const char *const bad[] = {"no_such=1", "cxl_ns",     "cxl_ns=",     "cxl_ns=nan",
                                      "cxl_ns=-1", "cxl_ns=1e9", "cxl_ns=300x", "cxl_ns=300,dram_ns=0"};
    SimCosts costs = sim_costs_default;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(sim_costs_parse(&costs, bad[i], &error));
        g_assert_nonnull(error);
        g_assert_cmpmem(&costs, sizeof(costs), &sim_costs_default, sizeof(costs));
    }
    g_assert_true(sim_costs_parse(&costs, "cxl_ns=300, cxl_bytes_per_s=3e10", NULL));
    g_assert_cmpuint(costs.latency_ns[1], ==, 300);
    g_assert_cmpfloat(costs.bandwidth[1], ==, 3e10);
    g_assert_cmpuint(costs.latency_ns[0], ==, sim_costs_default.latency_ns[0]);
}

/* --- size --- */

/* A tebibyte of several VMs, in three tiers, under all contenders: they run, and no page is lost. */
static void test_a_tebibyte_in_three_tiers_runs(void)
{
    static const ScenarioGuest guests[] = {
        {.config = {.name = "large",
                    .pages = 768 * GIB_PAGES,
                    .vcpus = 64,
                    .compute_ns = 100,
                    .placement = SIM_INTERLEAVE,
                    .weight = 2},
         .workload = "gups",
         .params = "hot=0.05 extent_pages=512"},
        {.config = {.name = "small",
                    .pages = 128 * GIB_PAGES,
                    .vcpus = 16,
                    .compute_ns = 100,
                    .placement = SIM_FAST_FIRST,
                    .weight = 1},
         .workload = "zipf"},
        {.config = {.name = "slow",
                    .pages = 128 * GIB_PAGES,
                    .vcpus = 16,
                    .compute_ns = 100,
                    .placement = SIM_SLOW,
                    .weight = 1},
         .workload = "scan-hot"},
    };
    static const Scenario row = {
        .name = "tebibyte",
        .what = "for tests",
        .guests = guests,
        .n_guests = 3,
        .duration_ns = 4 * SECOND,
        .steady_from_ns = 2 * SECOND,
    };
    g_autoptr(Experiment) experiment = experiment_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(experiment->rows, (void *)&row);
    experiment->options.scale = 1 / 512.0;
    experiment->options.n_tiers = 3;
    g_assert_true(experiment_add_share(experiment, "1:8", NULL));
    experiment_add_rest(experiment);
    g_assert_true(experiment_run(experiment, 0, false, &error));
    g_assert_no_error(error);
    for (size_t i = 0; i < experiment->contenders->len; i++) {
        const RunResult *result = experiment_result(experiment, 0, 0, i, 0);

        g_assert_cmpfloat(result->hit_ratio, >, 0);
        g_assert_cmpfloat(result->hit_ratio, <=, 1);
        g_assert_cmpfloat(result->slowdown, >, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/sim-run/" name, function)
    ADD("poisson-numbers-have-the-mean-and-variance-of-such",
        test_poisson_numbers_have_the_mean_and_variance_of_such);
    ADD("time-to-90-is-when-the-mean-of-a-second-is-there",
        test_time_to_90_is_when_the_mean_of_a_second_is_there);
    ADD("time-to-90-asks-to-stay-there", test_time_to_90_asks_to_stay_there);
    ADD("time-to-90-is-none-where-nothing-is-won-back", test_time_to_90_is_none_where_nothing_is_won_back);
    ADD("time-to-90-passes-over-idle-times", test_time_to_90_passes_over_idle_times);
    ADD("a-static-placement-is-measured-as-it-is", test_a_static_placement_is_measured_as_it_is);
    ADD("an-oracle-knows", test_an_oracle_knows);
    ADD("a-bad-parameter-is-an-error-that-names-it", test_a_bad_parameter_is_an_error_that_names_it);
    ADD("the-same-seed-gives-the-same-whatever-the-threads",
        test_the_same_seed_gives_the_same_whatever_the_threads);
    ADD("bad-parameters-are-found-before-anything-runs", test_bad_parameters_are_found_before_anything_runs);
    ADD("another-seed-gives-something-else", test_another_seed_gives_something_else);
    ADD("reports-have-a-line-for-each-run", test_reports_have_a_line_for_each_run);
    ADD("shares-are-read-as-they-are-meant", test_shares_are_read_as_they_are_meant);
    ADD("costs-are-changed-by-name-or-not-at-all", test_costs_are_changed_by_name_or_not_at_all);
    ADD("a-tebibyte-in-three-tiers-runs", test_a_tebibyte_in_three_tiers_runs);
#undef ADD
    return g_test_run();
}
