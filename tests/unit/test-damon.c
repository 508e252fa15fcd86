/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'damon': its use of DAMON's sysfs against a tree of plain files, and, where this host's DAMON
 * is free, all of it on a process whose accesses are known.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/damon-rate.h"
#include "source-run.h"
#include "sources/damon-sysfs.h"
#include "sources/damon.h"
#include "machine/sysfs.h"
#include "tree.h"
#include "watched-child.h"

#define SECOND 1000000000ull
#define ADMIN "kernel/mm/damon/admin/kdamonds"
#define CONTEXT ADMIN "/0/contexts/0"
#define MARK_FILE CONTEXT "/schemes/0/watermarks/interval_us"
#define STAT "module/damon_stat/parameters/enabled"

/* A tree of plain files: what is written stays, and nothing else happens. */
static char *fake_new(void)
{
    static const char *const files[][2] = {
        {ADMIN "/nr_kdamonds", "0"},
        {ADMIN "/0/state", "off"},
        {ADMIN "/0/pid", "4321"},
        {ADMIN "/0/contexts/nr_contexts", ""},
        {CONTEXT "/avail_operations", "vaddr\nfvaddr\npaddr\n"},
        {CONTEXT "/operations", "paddr"},
        {CONTEXT "/monitoring_attrs/intervals/sample_us", ""},
        {CONTEXT "/monitoring_attrs/intervals/aggr_us", ""},
        {CONTEXT "/monitoring_attrs/intervals/update_us", ""},
        {CONTEXT "/monitoring_attrs/nr_regions/min", ""},
        {CONTEXT "/monitoring_attrs/nr_regions/max", ""},
        {CONTEXT "/schemes/nr_schemes", ""},
        {CONTEXT "/schemes/0/action", ""},
        {MARK_FILE, "5000000"},
        {CONTEXT "/targets/nr_targets", ""},
        {CONTEXT "/targets/0/pid_target", ""},
        {CONTEXT "/targets/0/regions/nr_regions", ""},
        {CONTEXT "/targets/0/regions/0/start", ""},
        {CONTEXT "/targets/0/regions/0/end", ""},
        {CONTEXT "/targets/0/regions/1/start", ""},
        {CONTEXT "/targets/0/regions/1/end", ""},
        {CONTEXT "/targets/1/pid_target", ""},
        {CONTEXT "/targets/1/regions/nr_regions", ""},
        {CONTEXT "/targets/1/regions/0/start", ""},
        {CONTEXT "/targets/1/regions/0/end", ""},
        {STAT, "N"},
    };
    char *root = g_dir_make_tmp("vhost-tier-damon-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(root, files[i][0], NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        g_assert_no_errno(g_mkdir_with_parents(folder, 0700));
        g_assert_true(g_file_set_contents(path, files[i][1], -1, NULL));
    }
    return root;
}

static void fake_free(char *root)
{
    remove_tree(root);
    g_free(root);
}

static bool claim(const char *sysfs, GError **errp)
{
    DamonOps ops = DAMON_OPS_AUTO;

    return damon_sysfs_claim(sysfs, &ops, errp);
}

static void fake_write(const char *root, const char *file, const char *text)
{
    g_assert_true(sysfs_write(root, text, NULL, "%s", file));
}

static void assert_file(const char *root, const char *file, const char *expected)
{
    g_autofree char *text = sysfs_read(root, NULL, "%s", file);

    g_assert_cmpstr(text, ==, expected);
}

static void a_free_list_is_taken_and_given_back(void)
{
    char *root = fake_new();
    g_autoptr(GError) err = NULL;

    g_assert_true(damon_sysfs_usable(root, &err));
    assert_file(root, ADMIN "/nr_kdamonds", "0");
    g_assert_true(claim(root, &err));
    g_assert_no_error(err);
    assert_file(root, ADMIN "/nr_kdamonds", "1");
    assert_file(root, CONTEXT "/schemes/0/action", "stat");
    g_assert_true(damon_sysfs_usable(root, &err));
    damon_sysfs_release(root);
    assert_file(root, ADMIN "/nr_kdamonds", "0");
    assert_file(root, STAT, "N");
    fake_free(root);
}

static void what_another_user_has_is_never_touched(void)
{
    static const char *const lists[] = {"1", "2"};

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        char *root = fake_new();
        g_autoptr(GError) err = NULL;

        fake_write(root, ADMIN "/nr_kdamonds", lists[i]);
        fake_write(root, ADMIN "/0/state", "on");
        fake_write(root, STAT, "Y");
        g_assert_false(damon_sysfs_usable(root, &err));
        g_assert_nonnull(strstr(err->message, "another user has DAMON"));
        g_clear_error(&err);
        g_assert_false(claim(root, &err));
        g_clear_error(&err);
        g_assert_cmpint(damon_sysfs_start(root, &(DamonAttrs){.sample_us = 1, .aggr_us = 1}, NULL, 0, &err),
                        ==, 0);
        g_assert_true(damon_sysfs_stop(root, NULL));
        damon_sysfs_release(root);
        assert_file(root, ADMIN "/nr_kdamonds", lists[i]);
        assert_file(root, ADMIN "/0/state", "on");
        assert_file(root, MARK_FILE, "5000000");
        assert_file(root, STAT, "Y");
        fake_free(root);
    }
}

static void damon_stat_is_held_and_restored(void)
{
    char *root = fake_new();

    fake_write(root, STAT, "Y");
    g_assert_true(claim(root, NULL));
    assert_file(root, STAT, "N");
    damon_sysfs_release(root);
    assert_file(root, STAT, "Y");
    fake_free(root);
}

static void what_a_killed_daemon_left_is_removed(void)
{
    char *root = fake_new();

    fake_write(root, STAT, "Y");
    g_assert_true(claim(root, NULL));
    fake_write(root, ADMIN "/0/state", "on"); /* and killed */

    g_assert_true(damon_sysfs_usable(root, NULL));
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "removing the kdamond*");
    g_assert_true(claim(root, NULL));
    g_test_assert_expected_messages();
    assert_file(root, ADMIN "/0/state", "off");
    assert_file(root, STAT, "N");
    damon_sysfs_release(root);
    assert_file(root, ADMIN "/nr_kdamonds", "0");
    assert_file(root, STAT, "Y");
    fake_free(root);
}

static void without_operations_or_a_file_all_is_given_back(void)
{
    char *root = fake_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *action = g_build_filename(root, CONTEXT "/schemes/0/action", NULL);

    fake_write(root, STAT, "Y");
    fake_write(root, CONTEXT "/avail_operations", "other\n");
    g_assert_false(claim(root, &err));
    g_assert_nonnull(strstr(err->message, "CONFIG_DAMON_VADDR"));
    assert_file(root, ADMIN "/nr_kdamonds", "0");
    assert_file(root, STAT, "Y");
    g_clear_error(&err);

    g_assert_no_errno(g_remove(action));
    g_assert_false(claim(root, &err));
    g_assert_nonnull(strstr(err->message, "action"));
    assert_file(root, ADMIN "/nr_kdamonds", "0");
    assert_file(root, STAT, "Y");
    g_clear_error(&err);

    g_assert_false(damon_sysfs_usable("/nonexistent", &err));
    g_assert_nonnull(strstr(err->message, "CONFIG_DAMON_SYSFS"));
    fake_free(root);
}

static void operations_are_the_best_there_is_or_those_asked_for(void)
{
    static const struct {
        const char *offered;
        DamonOps asked, chosen; /* DAMON_OPS_AUTO: refused */
    } cases[] = {
        {"vaddr\nfvaddr\npaddr\n", DAMON_OPS_AUTO, DAMON_OPS_FVADDR},
        {"vaddr\npaddr\n", DAMON_OPS_AUTO, DAMON_OPS_VADDR},
        {"paddr\n", DAMON_OPS_AUTO, DAMON_OPS_PADDR},
        {"vaddr\nfvaddr\npaddr\n", DAMON_OPS_PADDR, DAMON_OPS_PADDR},
        {"fvaddr\n", DAMON_OPS_VADDR, DAMON_OPS_AUTO},
        {"paddr\n", DAMON_OPS_FVADDR, DAMON_OPS_AUTO},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *root = fake_new();
        DamonOps ops = cases[i].asked;
        bool claimed;

        fake_write(root, CONTEXT "/avail_operations", cases[i].offered);
        claimed = damon_sysfs_claim(root, &ops, NULL);
        g_assert_cmpint(claimed, ==, cases[i].chosen != DAMON_OPS_AUTO);
        if (claimed) {
            g_assert_cmpint(ops, ==, cases[i].chosen);
            damon_sysfs_release(root);
        }
        assert_file(root, ADMIN "/nr_kdamonds", "0");
        fake_free(root);
    }
}

static void operations_are_known_by_their_names(void)
{
    DamonOps ops;

    g_assert_true(damon_ops_parse(NULL, &ops) && ops == DAMON_OPS_AUTO);
    g_assert_true(damon_ops_parse("auto", &ops) && ops == DAMON_OPS_AUTO);
    g_assert_true(damon_ops_parse("vaddr", &ops) && ops == DAMON_OPS_VADDR);
    g_assert_true(damon_ops_parse("paddr", &ops) && ops == DAMON_OPS_PADDR);
    g_assert_false(damon_ops_parse("addr", &ops));
    g_assert_false(damon_ops_parse("", &ops));
}

static void physical_targets_have_no_process(void)
{
    char *root = fake_new();
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    DamonRange range = {0x100000, 0x300000};
    DamonAttrs attrs = {.ops = DAMON_OPS_PADDR, .sample_us = 5000, .aggr_us = 100000, .max_regions = 500};

    g_array_append_val(ranges, range);
    g_assert_true(claim(root, NULL));
    g_assert_cmpint(damon_sysfs_start(root, &attrs, &(DamonTarget){.ranges = ranges}, 1, NULL), ==, 4321);
    assert_file(root, CONTEXT "/operations", "paddr");
    assert_file(root, CONTEXT "/targets/0/pid_target", "");
    assert_file(root, CONTEXT "/targets/0/regions/0/start", "1048576");
    fake_free(root);
}

static void targets_are_written_as_given(void)
{
    char *root = fake_new();
    g_autoptr(GArray) two = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    DamonRange ranges[] = {{0x1000, 0x5000}, {0x7f0000000000, 0x7f0000200000}, {0x2000, 0x3000}};
    DamonAttrs attrs = {.ops = DAMON_OPS_FVADDR, .sample_us = 5000, .aggr_us = 100000, .max_regions = 500};
    DamonTarget targets[] = {{.pid = 100, .ranges = two}, {.pid = 200, .ranges = one}};
    g_autoptr(GError) err = NULL;

    g_array_append_vals(two, &ranges[0], 2);
    g_array_append_vals(one, &ranges[2], 1);
    g_assert_true(claim(root, NULL));
    g_assert_cmpint(damon_sysfs_start(root, &attrs, targets, 2, &err), ==, 4321);
    g_assert_no_error(err);
    assert_file(root, CONTEXT "/operations", "fvaddr");
    assert_file(root, CONTEXT "/monitoring_attrs/intervals/sample_us", "5000");
    assert_file(root, CONTEXT "/monitoring_attrs/intervals/aggr_us", "100000");
    assert_file(root, CONTEXT "/monitoring_attrs/nr_regions/max", "500");
    assert_file(root, CONTEXT "/targets/nr_targets", "2");
    assert_file(root, CONTEXT "/targets/0/pid_target", "100");
    assert_file(root, CONTEXT "/targets/0/regions/nr_regions", "2");
    assert_file(root, CONTEXT "/targets/0/regions/0/start", "4096");
    assert_file(root, CONTEXT "/targets/0/regions/1/end", "139637978824704");
    assert_file(root, CONTEXT "/targets/1/pid_target", "200");
    assert_file(root, CONTEXT "/targets/1/regions/0/end", "12288");
    g_assert_true(damon_sysfs_running(root));
    g_assert_true(damon_sysfs_stop(root, NULL));
    g_assert_false(damon_sysfs_running(root));
    fake_free(root);
}

static void the_share_of_hits_tells_the_rate(void)
{
    g_assert_cmpfloat(damon_rate_per_s(0, 20, 5000000), ==, 0);
    g_assert_cmpfloat_with_epsilon(damon_rate_per_s(10, 20, 5000000), log(2) / 0.005, 1e-9);
    g_assert_true(isfinite(damon_rate_per_s(20, 20, 5000000)));
    g_assert_true(isfinite(damon_rate_per_s(4000000, 20, 5000000)));
    for (unsigned hits = 1; hits <= 20; hits++) {
        g_assert_cmpfloat(damon_rate_per_s(hits, 20, 5000000), >, damon_rate_per_s(hits - 1, 20, 5000000));
    }
}

#define PAGES 4096
#define HOT_FIRST 1024
#define HOT_PAGES 768

static ChildPage hot_stretch(size_t page)
{
    return page >= HOT_FIRST && page < HOT_FIRST + HOT_PAGES ? CHILD_WRITTEN : CHILD_COLD;
}

static SourceParams real_params = {
    .overhead_share = 0.01,
    .damon_sample_ns = 20000000,
    .damon_aggr_ns = 400000000,
    .damon_max_regions = 400,
};

#define INSTANCE "/sys/kernel/tracing/instances/vhost-tier"

/* Nothing is left of us on this host. */
static void assert_all_given_back(void)
{
    assert_file("/sys", ADMIN "/nr_kdamonds", "0");
    g_assert_false(g_file_test(INSTANCE, G_FILE_TEST_EXISTS));
}

static bool real_damon_is_free(const char *ops)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Policy) policy = policy_new(
        &(PolicyConfig){.budget_bytes = 4096,
                        .heat_half_life_ns = SECOND,
                        .heat_life_ns = SECOND,
                        .n_tiers = 2,
                        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000}});
    Source *source;

    real_params.damon_ops = ops;
    source = damon_source_class.start(&real_params, policy, &err);
    if (!source) {
        g_test_skip(err->message);
        return false;
    }
    damon_source_class.stop(source);
    assert_all_given_back();
    return true;
}

typedef struct Ranked {
    double per_s;
    bool hot;
} Ranked;

static int hottest_first(const void *a, const void *b)
{
    double x = ((const Ranked *)a)->per_s, y = ((const Ranked *)b)->per_s;

    return (x < y) - (x > y);
}

/*
 * How many of the hot pages are among as many of the hottest as estimated, and a quarter more. Only the order
 * counts: DAMON does not flush TLBs, so it may see pages that are accessed 250 times a second in one sample
 * of twenty only.
 */
static size_t hot_pages_found(const Policy *policy, uint32_t region)
{
    g_autofree Ranked *ranked = g_new0(Ranked, PAGES);
    size_t found = 0;

    for (size_t i = 0; i < PAGES; i++) {
        PolicyGranule granule;

        g_assert_true(policy_granule(policy, region, i, g_get_monotonic_time() * 1000, &granule));
        ranked[i] = (Ranked){.per_s = granule.rate_per_s, .hot = hot_stretch(i) == CHILD_WRITTEN};
    }
    qsort(ranked, PAGES, sizeof(*ranked), hottest_first);
    for (size_t i = 0; i < HOT_PAGES + HOT_PAGES / 4; i++) {
        found += ranked[i].hot;
    }
    return found;
}

static void the_hot_set_of_a_process_is_found(const void *ops)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Policy) policy = NULL;
    size_t found;
    SourceHealth health;
    Source *source;
    Child child;

    if (!real_damon_is_free(ops)) {
        return;
    }
    child_start(&child, PAGES, hot_stretch, false);
    policy = source_run_policy(&child.region);
    source = damon_source_class.start(&real_params, policy, &err);
    g_assert_no_error(err);
    if (!damon_source_class.region_add(source, &child.region, &err)) {
        g_test_skip(err->message);
        damon_source_class.stop(source);
        child_end(&child);
        return;
    }
    source_run_for(source, 8000);
    found = hot_pages_found(policy, child.region.id);
    damon_source_class.health(source, &health);
    g_test_message("found %zu of %d hot pages; %" G_GUINT64_FORMAT " reports, kdamond %.3f s", found,
                   HOT_PAGES, health.reports, health.cpu_ns / 1e9);
    g_assert_cmpstr(health.problem, ==, NULL);
    g_assert_cmpuint(found * 10, >=, 9 * HOT_PAGES);

    child_kill(&child);
    source_run_for(source, 2000);
    damon_source_class.health(source, &health);
    g_assert_nonnull(health.problem);
    damon_source_class.stop(source);
    assert_all_given_back();
}

/* A VM's process, and what DAMON says of it */
typedef struct Watched {
    Child child;
    Policy *policy;
    Source *source;
} Watched;

static void watched_start(Watched *vm)
{
    g_autoptr(GError) err = NULL;

    child_start(&vm->child, PAGES, hot_stretch, false);
    vm->policy = source_run_policy(&vm->child.region);
    vm->source = damon_source_class.start(&real_params, vm->policy, &err);
    g_assert_no_error(err);
    damon_source_class.region_add(vm->source, &vm->child.region, &err);
    g_assert_no_error(err);
}

static void two_vms_share_the_kdamond(const void *ops)
{
    SourceHealth health;
    Watched vms[2];

    if (!real_damon_is_free(ops)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        watched_start(&vms[i]);
    }
    source_run_for(vms[0].source, 1500);
    for (int i = 1; i >= 0; i--) { /* the second goes first, and the first goes on */
        source_run_for(vms[i].source, 1500);
        damon_source_class.health(vms[i].source, &health);
        g_assert_cmpstr(health.problem, ==, NULL);
        g_assert_cmpuint(health.reports, >, PAGES);
        damon_source_class.stop(vms[i].source);
        policy_free(vms[i].policy);
        child_end(&vms[i].child);
    }
    assert_all_given_back();
}

/* A VM's thread may not know yet that its QEMU has ended when another VM comes. */
static void an_ended_process_does_not_blind_another(const void *ops)
{
    SourceHealth health;
    Watched vms[2];

    if (!real_damon_is_free(ops)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        watched_start(&vms[i]);
        if (i == 0) {
            child_kill(&vms[0].child);
        }
    }
    source_run_for(vms[1].source, 1500);
    damon_source_class.health(vms[1].source, &health);
    g_assert_cmpstr(health.problem, ==, NULL);
    g_assert_cmpuint(health.reports, >, PAGES);
    child_end(&vms[1].child); /* it has inherited what DAMON is read through */
    for (int i = 0; i < 2; i++) {
        damon_source_class.stop(vms[i].source);
        policy_free(vms[i].policy);
    }
    assert_all_given_back();
}

static void a_real_kdamond_of_a_killed_daemon_is_removed(const void *ops)
{
    g_autofree char *stat_before = sysfs_read("/sys", NULL, STAT);
    g_autoptr(GError) err = NULL;
    Child child;
    pid_t daemon;
    int status;

    if (!real_damon_is_free(ops)) {
        return;
    }
    child_start(&child, PAGES, hot_stretch, false);
    daemon = fork();
    if (daemon == 0) {
        Policy *policy = source_run_policy(&child.region);
        Source *source = damon_source_class.start(&real_params, policy, NULL);

        _exit(source && damon_source_class.region_add(source, &child.region, NULL) ? 0 : 1);
    }
    g_assert_cmpint(waitpid(daemon, &status, 0), ==, daemon);
    g_assert_cmpint(status, ==, 0);
    assert_file("/sys", ADMIN "/nr_kdamonds", "1");
    g_assert_true(damon_source_class.probe(&err));
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "removing the kdamond*");
    g_assert_true(claim("/sys", &err));
    g_test_assert_expected_messages();
    damon_sysfs_release("/sys");
    g_assert_true(real_damon_is_free(ops)); /* and takes away the instance of tracefs */
    assert_all_given_back();
    if (stat_before) {
        assert_file("/sys", STAT, stat_before);
    }
    child_end(&child);
}

int main(int argc, char **argv)
{
    static const char *const all_ops[] = {"fvaddr", "vaddr", "paddr"};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/damon/a_free_list_is_taken_and_given_back", a_free_list_is_taken_and_given_back);
    g_test_add_func("/damon/what_another_user_has_is_never_touched", what_another_user_has_is_never_touched);
    g_test_add_func("/damon/damon_stat_is_held_and_restored", damon_stat_is_held_and_restored);
    g_test_add_func("/damon/what_a_killed_daemon_left_is_removed", what_a_killed_daemon_left_is_removed);
    g_test_add_func("/damon/without_operations_or_a_file_all_is_given_back",
                    without_operations_or_a_file_all_is_given_back);
    g_test_add_func("/damon/targets_are_written_as_given", targets_are_written_as_given);
#define ADD(name) g_test_add_func("/damon/" #name, name)
    ADD(operations_are_the_best_there_is_or_those_asked_for);
    ADD(operations_are_known_by_their_names);
    ADD(physical_targets_have_no_process);
    g_test_add_func("/damon/the_share_of_hits_tells_the_rate", the_share_of_hits_tells_the_rate);
    for (size_t i = 0; i < G_N_ELEMENTS(all_ops); i++) {
        static const struct {
            const char *name;
            void (*run)(const void *ops);
        } real[] = {
            {"the_hot_set_of_a_process_is_found", the_hot_set_of_a_process_is_found},
            {"two_vms_share_the_kdamond", two_vms_share_the_kdamond},
            {"an_ended_process_does_not_blind_another", an_ended_process_does_not_blind_another},
            {"a_real_kdamond_of_a_killed_daemon_is_removed", a_real_kdamond_of_a_killed_daemon_is_removed},
        };

        for (size_t j = 0; j < G_N_ELEMENTS(real); j++) {
            g_autofree char *path = g_strdup_printf("/damon/%s/%s", all_ops[i], real[j].name);

            g_test_add_data_func(path, all_ops[i], real[j].run);
        }
    }
    return g_test_run();
}
