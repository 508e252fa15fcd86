/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VMs are told that accesses cost: what was found at start, what is measured now, by the tiers as they name them.
 */
#include <string.h>

#include "facts.h"

#define MEASURED_WITHIN_MS 20000
#define ABSURD_NS          1000000u

/* Facts of this host's own tiers, with @text for a configuration. */
typedef struct Fixture {
    Config *config;
    Facts facts;
} Fixture;

static void set_up(Fixture *f, gconstpointer text)
{
    g_autoptr(GError) err = NULL;

    f->config = config_parse(text, strlen(text), "test", &err);
    g_assert_no_error(err);
    f->facts = (Facts) {
        .config = f->config,
        .topology = topology_discover("/sys", &err),
        .costs = { .latency_ns = { ABSURD_NS, 2 * ABSURD_NS, 3 * ABSURD_NS, 4 * ABSURD_NS }, .move_4k_ns = 7 },
    };
    g_assert_no_error(err);
    facts_watch_latencies(&f->facts);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    latency_watch_stop(f->facts.latencies);
    topology_free(f->facts.topology);
    config_free(f->config);
}

static void assert_start_holds(Fixture *f, const char *reason)
{
    g_autofree char *not_watched = facts_not_watched(&f->facts);
    PolicyCosts costs;

    g_assert_null(f->facts.latencies);
    g_assert_nonnull(strstr(not_watched, reason));
    facts_costs_of(&f->facts, f->facts.topology, &costs);
    g_assert_cmpmem(&costs, sizeof(costs), &f->facts.costs, sizeof(costs));
}

static void with_latencies_configured_these_hold(Fixture *f, gconstpointer data)
{
    assert_start_holds(f, "latency-ns");
}

static void with_watching_switched_off_what_was_found_at_start_holds(Fixture *f, gconstpointer data)
{
    assert_start_holds(f, "watch-latency=no");
}

/* A VM may name tiers in another order than the host has them, or ones that it has not. */
static void a_vms_tiers_are_found_by_their_nodes(Fixture *f, gconstpointer data)
{
    Topology *host = g_new0(Topology, 1), vm = { .n_tiers = 2 };
    PolicyCosts costs;

    topology_free(f->facts.topology);
    f->facts.topology = host;
    host->n_tiers = 3;
    host->tiers[0].nodes[0] = 1;
    host->tiers[1].nodes[0] = 2;
    host->tiers[2].nodes[0] = 12;       /* 2 and 3 */
    vm.tiers[0].nodes[0] = 2;
    vm.tiers[1].nodes[0] = 8;
    facts_costs_of(&f->facts, &vm, &costs);
    g_assert_cmpuint(costs.latency_ns[0], ==, 2 * ABSURD_NS);
    g_assert_cmpuint(costs.latency_ns[1], ==, 3 * ABSURD_NS);
    vm.tiers[1].nodes[0] = 64;
    facts_costs_of(&f->facts, &vm, &costs);
    g_assert_cmpuint(costs.latency_ns[1], ==, 2 * ABSURD_NS);
    g_assert_cmpuint(costs.move_4k_ns, ==, 7);
}

static void what_is_measured_replaces_what_was_found_at_start(Fixture *f, gconstpointer data)
{
    g_autofree char *problem = NULL;
    PolicyCosts costs;
    LatencyView view;

    facts_costs_of(&f->facts, f->facts.topology, &costs);
    g_assert_cmpuint(costs.latency_ns[0], ==, ABSURD_NS);
    for (int ms = 0; ms < MEASURED_WITHIN_MS && (ms == 0 || problem); ms += 50) {
        g_free(problem);
        g_usleep(50000);
        problem = facts_not_watched(&f->facts);
    }
    if (problem) {
        g_test_skip(problem);
        return;
    }
    facts_costs_of(&f->facts, f->facts.topology, &costs);
    facts_latencies(&f->facts, &view);
    g_assert_cmpuint(costs.latency_ns[0], <, ABSURD_NS);
    g_assert_cmpuint(costs.latency_ns[0], >, 0);
    g_assert_cmpuint(view.idle_ns[0], >, 0);
    g_assert_cmpuint(costs.move_4k_ns, ==, 7);
}

#define ADD(func, config) g_test_add("/facts/" #func, Fixture, config, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(with_latencies_configured_these_hold, "[costs]\nlatency-ns=1;2\n");
    ADD(with_watching_switched_off_what_was_found_at_start_holds, "[costs]\nwatch-latency=no\n");
    ADD(a_vms_tiers_are_found_by_their_nodes, "[costs]\nwatch-latency=no\n");
    ADD(what_is_measured_replaces_what_was_found_at_start, "");
    return g_test_run();
}
