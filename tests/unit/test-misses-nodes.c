/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses counted by tier, with counters of this test's own (few machines that run tests have any): what is counted,
 * when that tells tiers apart, and what is foretold from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "machine/misses-nodes.h"
#include "vm/outlook.h"
#include "tree.h"

#define S   1000000000ull
#define MIB ((uint64_t)1 << 20)

/* --- counters of one's own: what is written into a pipe is what the next read(2) gives --- */

static int pipes[MISSES__MAX];          /* to write to; -1: not opened */
static int refused[MISSES__MAX];        /* with this errno; 0: not */

static int fake_open(int tid, MissesEvent event)
{
    int ends[2];

    if (refused[event]) {
        errno = refused[event];
        return -1;
    }
    g_assert_cmpint(pipes[event], ==, -1);      /* one thread only */
    g_assert_cmpint(pipe2(ends, O_NONBLOCK), ==, 0);
    pipes[event] = ends[1];
    return ends[0];
}

/* A count so far, of which the counter ran for @ran of the seconds that it was wanted for. */
static void count_to(MissesEvent event, uint64_t value, uint64_t wanted_s, double ran_s)
{
    const uint64_t count[] = {value, wanted_s * S, (uint64_t)(ran_s * (double)S)};

    if (pipes[event] >= 0) {
        g_assert_true(write(pipes[event], count, sizeof(count)) == sizeof(count) || errno == EPIPE);
    }
}

typedef struct Fixture {
    char *sysfs;
    Topology tiers;         /* nodes 0 and 1; node 1 has no CPUs */
    Misses *misses;
} Fixture;

/* @data: the CPUs of node 0; NULL: all that there may be. */
static void set_up(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = NULL, *path = NULL;

    f->sysfs = g_dir_make_tmp("vhost-tier-misses-XXXXXX", NULL);
    folder = g_build_filename(f->sysfs, "devices/system/node/node0", NULL);
    path = g_build_filename(folder, "cpulist", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, data ? data : "0-1023\n", -1, NULL));
    f->tiers = (Topology){.n_tiers = 2};
    f->tiers.tiers[0].nodes[0] = 1;
    f->tiers.tiers[1].nodes[0] = 2;
    for (int event = 0; event < MISSES__MAX; event++) {
        refused[event] = 0;
        pipes[event] = -1;
    }
    prctl(PR_SET_NAME, "CPU 0/KVM");
}

static void tear_down(Fixture *f, gconstpointer data)
{
    misses_free(f->misses);
    for (int event = 0; event < MISSES__MAX; event++) {
        if (pipes[event] >= 0) {
            close(pipes[event]);
        }
    }
    remove_tree(f->sysfs);
    g_free(f->sysfs);
}

/* The rates after a second in which so much was counted; what counters ran for @ran of it counts for all of it. */
static MissesRates rates_of(Fixture *f, uint64_t all, uint64_t near, uint64_t far, double ran)
{
    const uint64_t counts[MISSES__MAX] = {[MISSES_ALL] = all, [MISSES_NEAR] = near, [MISSES_FAR] = far};

    f->misses = misses_new_of(getpid(), &f->tiers, f->sysfs, fake_open);
    misses_read(f->misses, S);
    for (int event = 0; event < MISSES__MAX; event++) {
        count_to(event, counts[event], 1, ran);
    }
    return misses_read(f->misses, 2 * S);
}

static void near_and_far_reads_are_counted(Fixture *f, gconstpointer data)
{
    const MissesRates rates = rates_of(f, 1000000, 600000, 150000, 1);

    g_assert_null(rates.problem);
    g_assert_null(rates.node_problem);
    g_assert_cmpfloat_with_epsilon(rates.accesses_per_s, 1e6, 1);
    g_assert_cmpfloat_with_epsilon(rates.near_per_s, 6e5, 1);
    g_assert_cmpfloat_with_epsilon(rates.far_per_s, 1.5e5, 1);
}

static void counters_that_take_turns_are_scaled(Fixture *f, gconstpointer data)
{
    const MissesRates rates = rates_of(f, 250000, 150000, 50000, 0.25);

    g_assert_cmpfloat_with_epsilon(rates.accesses_per_s, 1e6, 1);
    g_assert_cmpfloat_with_epsilon(rates.near_per_s, 6e5, 1);
    g_assert_cmpfloat_with_epsilon(rates.far_per_s, 2e5, 1);
}

static void without_counters_by_node_all_misses_are_counted_still(Fixture *f, gconstpointer data)
{
    MissesRates rates;

    refused[MISSES_FAR] = ENOENT;
    rates = rates_of(f, 1000000, 0, 0, 1);
    g_assert_null(rates.problem);
    g_assert_nonnull(strstr(rates.node_problem, "no counters of reads by node"));
    g_assert_cmpfloat_with_epsilon(rates.accesses_per_s, 1e6, 1);
    g_assert_true(isnan(rates.near_per_s));
    g_assert_true(isnan(rates.far_per_s));
}

static void without_any_counters_nothing_is_known_by_node(Fixture *f, gconstpointer data)
{
    MissesRates rates;

    refused[MISSES_ALL] = EACCES;
    rates = rates_of(f, 0, 0, 0, 1);
    g_assert_nonnull(strstr(rates.problem, "CAP_PERFMON"));
    g_assert_cmpstr(rates.node_problem, ==, rates.problem);
    g_assert_true(isnan(rates.near_per_s));
}

static void vcpus_that_may_leave_the_node_count_nothing_by_tier(Fixture *f, gconstpointer data)
{
    const MissesRates rates = rates_of(f, 1000000, 600000, 150000, 1);

    g_assert_nonnull(strstr(rates.node_problem, "may run elsewhere"));
    g_assert_true(isnan(rates.near_per_s));
    g_assert_false(isnan(rates.accesses_per_s));
}

static void tiers_that_near_and_far_do_not_tell_apart_are_named(Fixture *f, gconstpointer data)
{
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(int));
    g_autofree char *fits = misses_nodes_problem(f->sysfs, &f->tiers, none);
    g_autofree char *several = NULL, *no_cpus = NULL, *one = NULL;

    g_assert_null(fits);
    f->tiers.tiers[0].nodes[0] = 5;
    several = misses_nodes_problem(f->sysfs, &f->tiers, none);
    g_assert_nonnull(strstr(several, "several nodes"));
    f->tiers.tiers[0].nodes[0] = 4;
    no_cpus = misses_nodes_problem(f->sysfs, &f->tiers, none);
    g_assert_nonnull(strstr(no_cpus, "has no CPUs"));
    f->tiers.n_tiers = 1;
    one = misses_nodes_problem(f->sysfs, &f->tiers, none);
    g_assert_nonnull(strstr(one, "one tier"));
}

/* --- what counts come to --- */

/* Whether these counts tell of tiers, of a VM that has so many MiB in each. */
static bool tells(double all, double near, double far, uint64_t fast_mib, uint64_t slow_mib, MissesByTier *by_tier)
{
    const MissesRates rates = {.accesses_per_s = all, .near_per_s = near, .far_per_s = far};
    const char *problem = "unset";
    const bool does = misses_by_tier(&rates, fast_mib * MIB, slow_mib * MIB, by_tier, &problem);

    g_assert_true(does ? !problem : problem == NULL || strlen(problem) > 20);
    return does;
}

static void all_misses_are_shared_out_as_reads_by_node_are(void)
{
    MissesByTier by_tier;

    g_assert_true(tells(1e6, 3e5, 1e5, 100, 100, &by_tier));
    g_assert_cmpfloat_with_epsilon(by_tier.fast_per_s, 7.5e5, 1e-3);
    g_assert_cmpfloat_with_epsilon(by_tier.slow_per_s, 2.5e5, 1e-3);
}

static void counts_that_do_not_add_up_are_not_used(void)
{
    MissesByTier by_tier;

    g_assert_false(tells(1e6, 9e5, 5e5, 100, 100, &by_tier));   /* more reads by node than misses */
    g_assert_false(tells(1e6, 1e3, 1e3, 100, 100, &by_tier));
    g_assert_false(tells(1e6, 0, 0, 100, 100, &by_tier));
    g_assert_false(tells(100, 50, 50, 100, 100, &by_tier));     /* a guest that sleeps */
    g_assert_false(tells(1e6, NAN, NAN, 100, 100, &by_tier));
    g_assert_false(tells(NAN, 1e6, 1e6, 100, 100, &by_tier));
}

static void counts_that_do_not_fit_where_pages_are_are_not_used(void)
{
    MissesByTier by_tier;

    g_assert_false(tells(1e6, 1e5, 7e5, 1000, 1, &by_tier));
    g_assert_true(tells(1e6, 7e5, 1e5, 1000, 1, &by_tier));
    g_assert_false(tells(1e6, 7e5, 1e5, 1, 1000, &by_tier));
    g_assert_true(tells(1e6, 1e5, 7e5, 1, 1000, &by_tier));
    g_assert_true(tells(1e6, 1e5, 7e5, 900, 100, &by_tier));
}

/* --- the outlook --- */

/* 400 MiB, of which 100 take nine tenths of the accesses. */
static const PolicyCurve curve = {
    .n = 2, .present_bytes = 400 * MIB, .points = {{100 * MIB, 9e6}, {400 * MIB, 1e7}}};

static Outlook new_outlook(bool counted)
{
    const SlowdownLoad load = {.accesses_per_s = 2e6, .busy = 1, .hit_ratio = 0.5, .fast_ns = 100, .slow_ns = 300};
    Outlook outlook = {.curve = curve, .model = slowdown_model(&curve, &load)};

    if (counted) {
        outlook.now = (Forecast){.accesses_per_s = 2e6, .hit_ratio = 0.5, .busy = 1,
                                 .tiers = {{.now_ns = 100}, {.now_ns = 300}}};
    }
    return outlook;
}

static void without_counts_the_estimate_from_heat_is_the_outlook(void)
{
    const Outlook outlook = new_outlook(false);
    const ForecastAt at = outlook_at(&outlook, 100 * MIB);

    g_assert_false(outlook_counted(&outlook));
    g_assert_cmpfloat_with_epsilon(at.hit_ratio, 0.9, 1e-9);
    g_assert_cmpfloat(at.slowdown, ==, slowdown_at(&curve, &outlook.model, 100 * MIB));
    g_assert_cmpuint(outlook_size(&outlook, 0.05), ==, slowdown_size(&curve, &outlook.model, 0.05));
}

/* Half a second of computing and accesses in tier 0, 0.2 s for the other half in tier 1: so 0.2 of 0.8 s is lost. */
static void with_counts_the_outlook_is_forecast_and_agrees_with_what_is_measured(void)
{
    const Outlook outlook = new_outlook(true);

    g_assert_true(outlook_counted(&outlook));
    g_assert_cmpfloat_with_epsilon(forecast_slowdown_now(&outlook.now), 0.25, 1e-9);
    g_assert_cmpfloat_with_epsilon(outlook_at(&outlook, 100 * MIB).slowdown, 0.05, 1e-9);
    g_assert_cmpfloat_with_epsilon(outlook_at(&outlook, 400 * MIB).slowdown, 0, 1e-9);
}

static void the_size_for_a_slowdown_is_the_smallest_that_keeps_it(void)
{
    const Outlook outlook = new_outlook(true);

    for (int percent = 1; percent < 50; percent += 3) {
        const double target = percent / 100.0;
        const uint64_t size = outlook_size(&outlook, target);

        g_assert_cmpuint(size % 4096, ==, 0);
        g_assert_cmpfloat(outlook_at(&outlook, size).slowdown, <=, target);
        g_assert_true(size == 0 || outlook_at(&outlook, size - 4096).slowdown > target);
    }
    g_assert_cmpuint(outlook_size(&outlook, 1e-12), ==, 400 * MIB);
}

static void a_slowdown_that_no_size_keeps_takes_all_that_was_seen(void)
{
    Outlook outlook = new_outlook(true);

    outlook.now.stolen = outlook.now.stolen_usually = 0.2;
    g_assert_cmpuint(outlook_size(&outlook, 0.1), ==, 400 * MIB);
    outlook.curve.n = 0;
    g_assert_cmpuint(outlook_size(&outlook, 0.1), ==, UINT64_MAX);
}

static void a_tier_under_load_slows_what_hits_it(void)
{
    Outlook outlook = new_outlook(true);

    /* All of it waits 100 ns longer for tier 0 than it would without load: that is lost, wherever pages are. */
    outlook.now.tiers[0] = (ForecastTier){.now_ns = 200, .idle_ns = 100};
    g_assert_cmpfloat(outlook_at(&outlook, 400 * MIB).slowdown, >, 0.2);
    g_assert_cmpfloat(outlook_at(&outlook, 400 * MIB).slowdown, <, forecast_slowdown_now(&outlook.now));
}

#define ADD_FIXTURE(func, cpus) g_test_add("/misses-nodes/" #func, Fixture, cpus, set_up, func, tear_down)
#define ADD(func) g_test_add_func("/misses-nodes/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);       /* of counters that were given up */
    ADD_FIXTURE(near_and_far_reads_are_counted, NULL);
    ADD_FIXTURE(counters_that_take_turns_are_scaled, NULL);
    ADD_FIXTURE(without_counters_by_node_all_misses_are_counted_still, NULL);
    ADD_FIXTURE(without_any_counters_nothing_is_known_by_node, NULL);
    ADD_FIXTURE(vcpus_that_may_leave_the_node_count_nothing_by_tier, "1023\n");
    ADD_FIXTURE(tiers_that_near_and_far_do_not_tell_apart_are_named, NULL);
    ADD(all_misses_are_shared_out_as_reads_by_node_are);
    ADD(counts_that_do_not_add_up_are_not_used);
    ADD(counts_that_do_not_fit_where_pages_are_are_not_used);
    ADD(without_counts_the_estimate_from_heat_is_the_outlook);
    ADD(with_counts_the_outlook_is_forecast_and_agrees_with_what_is_measured);
    ADD(the_size_for_a_slowdown_is_the_smallest_that_keeps_it);
    ADD(a_slowdown_that_no_size_keeps_takes_all_that_was_seen);
    ADD(a_tier_under_load_slows_what_hits_it);
    return g_test_run();
}
