/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo's figures as assertions, with margins for a machine that does other things, too: the hot memory of a KVM guest
 * comes from CXL to DRAM, soon, without going back and forth, and the guest is faster for it. (topology cxl, newest kernel)
 */
#include <math.h>
#include <sys/wait.h>

#include "bed.h"
#include "client/fields.h"

#define DEMO_SECONDS "30"
#define RESULT       "/run/demo.json"
#define OUTPUT_LINES 60

static JsonParser *result;      /* what the demo came to */

static JsonObject *all(void)
{
    return node_object(json_parser_get_root(result));
}

/* Print what the demo printed, for people. */
static void print_output(const char *output)
{
    g_auto(GStrv) lines = g_strsplit(output ? output : "", "\n", -1);
    guint n = g_strv_length(lines);

    for (guint i = n > OUTPUT_LINES ? n - OUTPUT_LINES : 0; i < n; i++) {
        g_test_message("%s", lines[i]);
    }
}

static void the_demo_runs_to_its_end(void)
{
    char *argv[] = {(char *)"tier-observer", (char *)"demo", (char *)"--seconds", (char *)DEMO_SECONDS,
                    (char *)"--json", (char *)RESULT, NULL};
    g_autofree char *output = NULL, *errors = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    EXPECT_OK(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status, &error), error);
    print_output(output);
    EXPECT(g_spawn_check_wait_status(status, NULL), "tier-observer demo: %s", errors);
    EXPECT_OK(json_parser_load_from_file(result, RESULT, &error), error);
    EXPECT(all(), "the demo's JSON is no object");
}

/* The number at @object's @key, which must be there. */
static double figure(const char *object, const char *key)
{
    return field_number(object ? field_object(all(), object) : all(), key);
}

static void the_hit_ratio_comes_close_to_the_oracles(void)
{
    double before = figure("hit_ratio", "before"), after = figure("hit_ratio", "after"),
           oracle = figure("hit_ratio", "oracle");

    g_test_message("hit ratio %.3f -> %.3f, oracle %.3f: %.3f of it (wanted 0.95)", before, after, oracle, after / oracle);
    EXPECT(after >= 0.92 * oracle, "hit ratio %.3f is less than 0.92 of the oracle's %.3f", after, oracle);
}

static void it_gets_there_soon(void)
{
    double seconds = figure(NULL, "seconds_to_90");

    g_test_message("90 %% of the way in %.1f s (wanted 15)", seconds);
    EXPECT(seconds <= 20, "it took %.1f s", seconds);
}

static void moves_are_not_undone(void)
{
    double share = figure(NULL, "undone_share");

    g_test_message("%.2f %% of what was moved in the steady state was undone within 10 s (wanted < 5)", share * 100);
    EXPECT(share < 0.08, "%.1f %% were undone", share * 100);
}

static void the_guest_is_faster_than_without(void)
{
    JsonObject *baselines = field_object(all(), "baselines");
    double none = field_number(field_object(baselines, "none"), "accesses_per_s"),
           balanced = field_number(field_object(baselines, "numa_balancing"), "accesses_per_s"),
           after = figure("accesses_per_s", "after");

    g_test_message("accesses/s: nobody tiers %.2f M, numa_balancing %.2f M, vhost-tier %.2f M: %.2f times (wanted 2)",
                   none / 1e6, balanced / 1e6, after / 1e6, after / none);
    EXPECT(after >= 2 * none, "%.2f M accesses/s are not twice the %.2f M without", after / 1e6, none / 1e6);
}

static void it_keeps_to_its_budget_and_estimates_well(void)
{
    double fast = figure(NULL, "fast_bytes"), budget = figure(NULL, "budget_bytes");
    double estimated = figure("hit_ratio", "estimated"), after = figure("hit_ratio", "after");

    g_test_message("%.2f MiB of DRAM, budget %.2f MiB; hit ratio %.3f, estimated %.3f; %.1f %% of a CPU", fast / 1048576,
                   budget / 1048576, after, estimated, figure(NULL, "daemon_cpu_share") * 100);
    EXPECT(fast <= budget, "it holds %.0f bytes of DRAM, %.0f are allowed", fast, budget);
    EXPECT(fabs(estimated - after) < 0.15, "the estimate %.3f is far from the truth %.3f", estimated, after);
}

int main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    result = json_parser_new();
#define ADD(name) g_test_add_func("/" #name, name)
    ADD(the_demo_runs_to_its_end);
    ADD(the_hit_ratio_comes_close_to_the_oracles);
    ADD(it_gets_there_soon);
    ADD(moves_are_not_undone);
    ADD(the_guest_is_faster_than_without);
    ADD(it_keeps_to_its_budget_and_estimates_well);
    rc = g_test_run();
    g_object_unref(result);
    return rc;
}
