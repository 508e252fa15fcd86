/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tiers out of sysfs trees, in tests/unit/sysfs/: each is cut down to the files that topology.c reads.
 */
#include <string.h>

#include "machine/topology.h"

static Topology *discover(const char *tree)
{
    g_autofree char *sysfs = g_test_build_filename(G_TEST_DIST, "sysfs", tree, NULL);
    g_autoptr(GError) err = NULL;
    Topology *topology = topology_discover(sysfs, &err);

    g_assert_no_error(err);
    return topology;
}

static void assert_nodes(const Topology *topology, unsigned tier, const char *expected)
{
    g_autofree char *nodes = node_list_format(topology->tiers[tier].nodes);

    g_assert_cmpuint(topology->n_tiers, >, tier);
    g_assert_cmpstr(nodes, ==, expected);
}

static void one_node_is_one_tier(void)
{
    g_autoptr(Topology) topology = discover("one-node");

    g_assert_cmpuint(topology->n_tiers, ==, 1);
    assert_nodes(topology, 0, "0");
    g_assert_cmpuint(topology->tiers[0].total_bytes, ==, 4826ull << 20);
    g_assert_cmpstr(topology->origin, ==, "one node");
}

static void alike_nodes_are_one_tier(void)
{
    g_autoptr(Topology) topology = discover("two-nodes-one-tier");

    g_assert_cmpuint(topology->n_tiers, ==, 1);
    assert_nodes(topology, 0, "0-1");
    g_assert_cmpstr(topology->origin, ==, "one tier");
}

static void memory_tiers_come_first_and_bring_the_hmats_figures(void)
{
    g_autoptr(Topology) topology = discover("two-memory-tiers");

    g_assert_cmpstr(topology->origin, ==, "memory tiers");
    g_assert_cmpuint(topology->n_tiers, ==, 2);
    assert_nodes(topology, 0, "0-1");
    assert_nodes(topology, 1, "2"); /* node 3 has no memory */
    g_assert_cmpuint(topology->tiers[0].latency_ns, ==, 90);
    g_assert_cmpuint(topology->tiers[0].bandwidth_mbps, ==, 230000);
    g_assert_cmpuint(topology->tiers[1].latency_ns, ==, 260);
    g_assert_cmpuint(topology->tiers[1].total_bytes, ==, 32768ull << 20);
    g_assert_cmpint(topology_tier_of_node(topology, 1), ==, 0);
    g_assert_cmpint(topology_tier_of_node(topology, 2), ==, 1);
    g_assert_cmpint(topology_tier_of_node(topology, 3), ==, -1);
    g_assert_cmpint(topology_tier_of_node(topology, 100000), ==, -1);
}

static void latencies_tell_nodes_apart_that_share_a_memory_tier(void)
{
    g_autoptr(Topology) topology = discover("hmat");

    g_assert_cmpstr(topology->origin, ==, "HMAT");
    g_assert_cmpuint(topology->n_tiers, ==, 2);
    assert_nodes(topology, 0, "0-1"); /* 100 and 110 ns: no clear step */
    assert_nodes(topology, 1, "2");
}

static void a_node_without_cpus_is_the_slower_tier(void)
{
    g_autoptr(Topology) topology = discover("node-without-cpus");

    g_assert_cmpstr(topology->origin, ==, "nodes without CPUs");
    assert_nodes(topology, 0, "0");
    assert_nodes(topology, 1, "1");
}

static void cxl_memory_is_tier_1(void)
{
    g_autoptr(Topology) topology = discover("cxl");

    g_assert_cmpstr(topology->origin, ==, "memory tiers");
    assert_nodes(topology, 0, "0");
    assert_nodes(topology, 1, "1");
    g_assert_cmpuint(topology->tiers[1].latency_ns, ==, 0);
}

static void what_exceeds_four_tiers_joins_the_last(void)
{
    g_autoptr(Topology) topology = discover("many-tiers");

    g_assert_cmpuint(topology->n_tiers, ==, TIER_MAX_TIERS);
    assert_nodes(topology, 0, "0");
    assert_nodes(topology, 3, "3-5");
}

static void broken_files_leave_what_can_be_read(void)
{
    g_autoptr(Topology) topology = NULL;

    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*nodelist does not hold a list of nodes*");
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*nodelist does not hold a list of nodes*");
    topology = discover("broken");
    g_test_assert_expected_messages();
    g_assert_cmpstr(topology->origin, ==, "nodes without CPUs");
    assert_nodes(topology, 0, "0");
    assert_nodes(topology, 1, "3"); /* 1 has no meminfo, 2's is garbage */
    g_assert_cmpuint(topology->tiers[1].latency_ns, ==, 0);
}

static void no_nodes_at_all_is_an_error(void)
{
    g_autofree char *sysfs = g_test_build_filename(G_TEST_DIST, "sysfs", "no-nodes", NULL);
    g_autoptr(GError) err = NULL;
    Topology *topology = topology_discover(sysfs, &err);

    g_assert_null(topology);
    g_assert_nonnull(strstr(err->message, "no NUMA nodes"));
    g_clear_error(&err);
    topology = topology_discover("/nonexistent", &err);
    g_assert_null(topology);
    g_assert_nonnull(err);
}

static void assert_config(const char *const *tiers, const char *complaint)
{
    g_autofree char *sysfs = g_test_build_filename(G_TEST_DIST, "sysfs", "two-memory-tiers", NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(Topology) topology = topology_from_config(sysfs, tiers, &err);

    if (!complaint) {
        g_assert_no_error(err);
        g_assert_cmpstr(topology->origin, ==, "configuration");
        return;
    }
    g_assert_null(topology);
    g_assert_nonnull(err);
    if (!strstr(err->message, complaint)) {
        g_error("'%s' does not say '%s'", err->message, complaint);
    }
}

static void the_configuration_overrules_and_is_checked(void)
{
    g_autofree char *sysfs = g_test_build_filename(G_TEST_DIST, "sysfs", "two-memory-tiers", NULL);
    g_autoptr(Topology) topology = topology_from_config(sysfs, (const char *const[]){"2", "0", NULL}, NULL);

    assert_nodes(topology, 0, "2");
    assert_nodes(topology, 1, "0");
    g_assert_cmpint(topology_tier_of_node(topology, 1), ==, -1);

    assert_config((const char *const[]){"0-1", "2", NULL}, NULL);
    assert_config((const char *const[]){"0-1", "1-2", NULL}, "must not overlap");
    assert_config((const char *const[]){"0", "3", NULL}, "does not exist or has no memory");
    assert_config((const char *const[]){"0", "9", NULL}, "node 9");
    assert_config((const char *const[]){"0", "two", NULL}, "is no list of NUMA nodes");
    assert_config((const char *const[]){"0", "", NULL}, "names no NUMA node");
    assert_config((const char *const[]){NULL}, "0 tiers");
    assert_config((const char *const[]){"0", "1", "2", "0", "1", NULL}, "5 tiers");
}

static void node_lists_are_read_and_written_as_the_kernel_does(void)
{
    static const char *const good[] = {"", "0", "0-3", "0-1,3,5-7", "63-64", "1023"};
    static const char *const bad[] = {"-",
                                      "1-",
                                      "-1",
                                      "3-1",
                                      "1024",
                                      "0-1024",
                                      "1,,2",
                                      "a",
                                      "0x1",
                                      "1 2",
                                      ",",
                                      "1-2-3",
                                      "99999999999999999999"};
    uint64_t nodes[TIER_NODE_WORDS];

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *again = NULL;

        g_assert_true(node_list_parse(good[i], nodes, NULL));
        again = node_list_format(nodes);
        g_assert_cmpstr(again, ==, good[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(node_list_parse(bad[i], nodes, &err));
        g_assert_nonnull(strstr(err->message, "is no list of NUMA nodes"));
    }
}

static void this_hosts_tiers_are_found(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Topology) topology = topology_discover("/sys", &err);

    if (!topology) {
        g_test_skip(err->message);
        return;
    }
    g_assert_cmpuint(topology->tiers[0].total_bytes, >, 0);
    g_test_message("%u tiers by %s", topology->n_tiers, topology->origin);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/topology/one_node_is_one_tier", one_node_is_one_tier);
    g_test_add_func("/topology/alike_nodes_are_one_tier", alike_nodes_are_one_tier);
    g_test_add_func("/topology/memory_tiers_come_first_and_bring_the_hmats_figures",
                    memory_tiers_come_first_and_bring_the_hmats_figures);
    g_test_add_func("/topology/latencies_tell_nodes_apart_that_share_a_memory_tier",
                    latencies_tell_nodes_apart_that_share_a_memory_tier);
    g_test_add_func("/topology/a_node_without_cpus_is_the_slower_tier",
                    a_node_without_cpus_is_the_slower_tier);
    g_test_add_func("/topology/cxl_memory_is_tier_1", cxl_memory_is_tier_1);
    g_test_add_func("/topology/what_exceeds_four_tiers_joins_the_last",
                    what_exceeds_four_tiers_joins_the_last);
    g_test_add_func("/topology/broken_files_leave_what_can_be_read", broken_files_leave_what_can_be_read);
    g_test_add_func("/topology/no_nodes_at_all_is_an_error", no_nodes_at_all_is_an_error);
    g_test_add_func("/topology/the_configuration_overrules_and_is_checked",
                    the_configuration_overrules_and_is_checked);
    g_test_add_func("/topology/node_lists_are_read_and_written_as_the_kernel_does",
                    node_lists_are_read_and_written_as_the_kernel_does);
    g_test_add_func("/topology/this_hosts_tiers_are_found", this_hosts_tiers_are_found);
    return g_test_run();
}
