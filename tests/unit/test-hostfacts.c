/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's memory costs, and what interferes with placing it.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/costs.h"
#include "machine/interference.h"
#include "machine/sysfs.h"
#include "tree.h"

#define NR_KDAMONDS "kernel/mm/damon/admin/kdamonds/nr_kdamonds"

typedef struct File {
    const char *path, *text;
} File;

static char *tree_new(const File *files, size_t n)
{
    char *root = g_dir_make_tmp("vhost-tier-facts-XXXXXX", NULL);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_build_filename(root, files[i].path, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        g_assert_no_errno(g_mkdir_with_parents(folder, 0700));
        g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
    }
    return root;
}

/*
 * Whether what these files tell is found to interfere, and the text says @what; NULL: nothing is to be found.
 */
static void assert_host(const File *files, size_t n, const char *what)
{
    char *root = tree_new(files, n);
    g_autoptr(GPtrArray) found = interference_of_host(root, root);

    if (!what) {
        g_assert_cmpuint(found->len, ==, 0);
    } else {
        const Interference *first = g_ptr_array_index(found, 0);

        g_assert_cmpuint(found->len, ==, 1);
        g_assert_nonnull(strstr(first->what, what));
        g_assert_cmpuint(strlen(first->remedy), >, 0);
    }
    remove_tree(root);
    g_free(root);
}

static void each_mover_of_the_hosts_is_named(void)
{
    assert_host((File[]){{"sys/kernel/numa_balancing", "2\n"}}, 1, "numa_balancing is 2");
    assert_host((File[]){{"sys/kernel/numa_balancing", "1\n"}}, 1, "numa_balancing is 1");
    assert_host((File[]){{"kernel/mm/numa/demotion_enabled", "true\n"}}, 1, "demotion is enabled");
    assert_host((File[]){{"module/damon_lru_sort/parameters/enabled", "Y\n"}}, 1, "damon_lru_sort");
    assert_host((File[]){{"module/damon_reclaim/parameters/enabled", "Y\n"}}, 1, "damon_reclaim");
    assert_host((File[]){{NR_KDAMONDS, "1\n"},
                         {"kernel/mm/damon/admin/kdamonds/0/contexts/0/schemes/0/action", "migrate_cold\n"}},
                2, "the first's action is 'migrate_cold'");
    assert_host((File[]){{NR_KDAMONDS, "3\n"}}, 1, "3 kdamonds");
}

static void a_quiet_host_has_no_interference(void)
{
    static const File quiet[] = {
        {"sys/kernel/numa_balancing", "0\n"},
        {"kernel/mm/numa/demotion_enabled", "false\n"},
        {NR_KDAMONDS, "0\n"},
        {"module/damon_reclaim/parameters/enabled", "N\n"},
        {"module/damon_stat/parameters/enabled", "Y\n"},
    };

    assert_host(quiet, G_N_ELEMENTS(quiet), NULL);
    assert_host(NULL, 0, NULL);
    assert_host((File[]){{"sys/kernel/numa_balancing", "what\n"}}, 1, NULL);
}

static void a_cpuset_that_leaves_a_tier_out_is_named(void)
{
    static const File files[] = {
        {"10/status", "Name:\tqemu\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t1\n"},
        {"11/status", "Name:\tqemu\nMems_allowed_list:\t0-1\n"},
        {"12/status", "Name:\tqemu\n"},
    };
    char *root = tree_new(files, G_N_ELEMENTS(files));
    Topology topology = {.n_tiers = 2};
    const int found_of[] = {1, 0, 0, 0};

    topology.tiers[0].nodes[0] = 1;
    topology.tiers[1].nodes[0] = 2;
    for (int i = 0; i < 4; i++) { /* 13 does not exist */
        g_autoptr(GPtrArray) found = interference_of_process(root, &topology, 10 + i);

        g_assert_cmpuint(found->len, ==, found_of[i]);
        if (found->len) {
            const Interference *first = g_ptr_array_index(found, 0);

            g_assert_nonnull(strstr(first->what, "process 10 allows nodes 0 only, not 1 of tier 1"));
        }
    }
    remove_tree(root);
    g_free(root);
}

static void what_this_host_costs_is_measured_quickly(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Topology) topology = topology_discover("/sys", &err);
    gint64 begin_us = g_get_monotonic_time();
    Costs costs;

    if (!topology) {
        g_test_skip(err->message);
        return;
    }
    costs_measure(topology, &costs);
    g_test_message("in %d ms: latencies %s: %u, %u ns; moves %s: %u ns, %u ns",
                   (int)((g_get_monotonic_time() - begin_us) / 1000), costs_origin_name(costs.latency_from),
                   costs.policy.latency_ns[0], costs.policy.latency_ns[1],
                   costs_origin_name(costs.moves_from), costs.policy.move_4k_ns, costs.policy.move_2m_ns);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 500000);
    g_assert_cmpuint(costs.policy.latency_ns[0], >, 0);
    g_assert_cmpuint(costs.policy.move_4k_ns, >, 0);
    if (topology->n_tiers > 1) {
        g_assert_cmpint(costs.moves_from, ==, COSTS_MEASURED);
        g_assert_cmpuint(costs.policy.latency_ns[1], >, costs.policy.latency_ns[0]);
    }
}

static void costs_fall_back_to_the_hmat_and_to_defaults(void)
{
    Topology topology = {.n_tiers = 3};
    Costs costs;

    topology.tiers[0].nodes[TIER_NODE_WORDS - 1] = 1ull << 62; /* nodes that no test machine has */
    topology.tiers[0].latency_ns = 80;
    topology.tiers[1].nodes[TIER_NODE_WORDS - 1] = 1ull << 61;
    topology.tiers[1].latency_ns = 310;
    topology.tiers[2].nodes[TIER_NODE_WORDS - 1] = 1ull << 60;
    costs_measure(&topology, &costs); /* of tier 2 nothing is known, and figures of two kinds don't mix */
    g_assert_cmpuint(costs.policy.latency_ns[0], ==, 100);
    g_assert_cmpuint(costs.policy.latency_ns[1], ==, 250);
    g_assert_cmpuint(costs.policy.latency_ns[2], ==, 400);
    g_assert_cmpint(costs.latency_from, ==, COSTS_DEFAULT);
    g_assert_cmpint(costs.moves_from, ==, COSTS_DEFAULT);
    g_assert_cmpuint(costs.policy.move_4k_ns, ==, 5000);
    g_assert_cmpuint(costs.policy.move_2m_ns, ==, 250000);
    topology.tiers[2].latency_ns = 500;
    costs_measure(&topology, &costs);
    g_assert_cmpint(costs.latency_from, ==, COSTS_HMAT);
    g_assert_cmpuint(costs.policy.latency_ns[0], ==, 80);
    g_assert_cmpuint(costs.policy.latency_ns[2], ==, 500);
    g_assert_cmpstr(costs_origin_name(costs.latency_from), ==, "HMAT");
}

static void small_files_are_checked(void)
{
    static const File files[] = {{"number", " 42\n"}, {"text", "a b\n"}, {"empty", ""}, {"negative", "-1\n"}};
    char *root = tree_new(files, G_N_ELEMENTS(files));
    g_autofree char *text = sysfs_read(root, NULL, "%s", "text");
    g_autoptr(GError) err = NULL;
    uint64_t value = 0;

    g_assert_cmpstr(text, ==, "a b");
    g_assert_true(sysfs_read_u64(root, &value, &err, "number"));
    g_assert_cmpuint(value, ==, 42);
    g_assert_false(sysfs_read_u64(root, &value, NULL, "empty"));
    g_assert_false(sysfs_read_u64(root, &value, NULL, "negative"));
    g_assert_false(sysfs_read_u64(root, &value, &err, "text"));
    g_assert_nonnull(strstr(err->message, "holds 'a b'"));
    g_clear_error(&err);
    g_assert_false(sysfs_write(root, "1", &err, "missing/file"));
    g_assert_error(err, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(err->message, "missing/file"));
    g_clear_error(&err);
    g_assert_true(sysfs_write(root, "7", &err, "num%s", "ber"));
    g_assert_true(sysfs_read_u64(root, &value, &err, "number"));
    g_assert_cmpuint(value, ==, 7);
    g_assert_null(sysfs_read("/", &err, "dev/zero")); /* has no end */
    g_assert_nonnull(err);
    remove_tree(root);
    g_free(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hostfacts/each_mover_of_the_hosts_is_named", each_mover_of_the_hosts_is_named);
    g_test_add_func("/hostfacts/a_quiet_host_has_no_interference", a_quiet_host_has_no_interference);
    g_test_add_func("/hostfacts/a_cpuset_that_leaves_a_tier_out_is_named",
                    a_cpuset_that_leaves_a_tier_out_is_named);
    g_test_add_func("/hostfacts/what_this_host_costs_is_measured_quickly",
                    what_this_host_costs_is_measured_quickly);
    g_test_add_func("/hostfacts/costs_fall_back_to_the_hmat_and_to_defaults",
                    costs_fall_back_to_the_hmat_and_to_defaults);
    g_test_add_func("/hostfacts/small_files_are_checked", small_files_are_checked);
    return g_test_run();
}
