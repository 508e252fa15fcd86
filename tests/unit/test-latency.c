/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Latencies watched: what of them others are told, what watching costs, and that this machine's memory is measured.
 */
#include <glib.h>
#include <string.h>
#include <sys/resource.h>

#include "machine/chase.h"
#include "machine/latency-filter.h"
#include "machine/latency-watch.h"

static const uint32_t at_start_ns[TIER_MAX_TIERS] = {100, 250, 400, 600};

/* So many rounds of these latencies; whether the last one changed what is used. */
static bool feed(LatencyFilter *filter, unsigned rounds, uint32_t fast_ns, uint32_t slow_ns)
{
    bool changed = false;

    for (unsigned i = 0; i < rounds; i++) {
        changed = latency_filter_add(filter, (uint32_t[]){fast_ns, slow_ns});
    }
    return changed;
}

static void assert_used(const LatencyFilter *filter, uint32_t fast_ns, uint32_t slow_ns)
{
    g_assert_cmpuint(filter->used_ns[0], ==, fast_ns);
    g_assert_cmpuint(filter->used_ns[1], ==, slow_ns);
}

static LatencyFilter new_filter(void)
{
    LatencyFilter filter;

    latency_filter_init(&filter, 2, at_start_ns);
    return filter;
}

static void what_was_known_at_start_holds_until_enough_was_measured(void)
{
    LatencyFilter filter = new_filter();

    assert_used(&filter, 100, 250);
    g_assert_false(feed(&filter, LATENCY_RECENT - 1, 80, 300));
    assert_used(&filter, 100, 250);
    g_assert_false(latency_filter_sees_tiers(&filter));
    g_assert_true(feed(&filter, 1, 80, 300));
    assert_used(&filter, 80, 300);
    g_assert_cmpuint(filter.used_ns[2], ==, 400);   /* tiers that the host has not, but a VM may name */
    g_assert_true(latency_filter_sees_tiers(&filter));
}

static void less_than_noise_changes_nothing(void)
{
    LatencyFilter filter = new_filter();

    for (unsigned i = 0; i < 100; i++) {
        g_assert_false(feed(&filter, 1, i % 2 ? 91 : 109, i % 3 ? 230 : 274));
    }
    assert_used(&filter, 100, 250);
}

static void one_round_that_was_held_up_changes_nothing(void)
{
    LatencyFilter filter = new_filter();

    feed(&filter, LATENCY_RECENT, 100, 250);
    for (unsigned i = 0; i < 20; i++) {
        g_assert_false(feed(&filter, 1, 100000, 1));
        g_assert_false(feed(&filter, LATENCY_RECENT - 1, 100, 250));
    }
    assert_used(&filter, 100, 250);
}

static void load_is_told_of_soon_and_so_is_its_end(void)
{
    LatencyFilter filter = new_filter();

    feed(&filter, LATENCY_RECENT, 100, 250);
    feed(&filter, LATENCY_RECENT / 2 + 1, 400, 260);
    assert_used(&filter, 400, 260);         /* slower than tier 1: this is what it is for */
    g_assert_true(latency_filter_sees_tiers(&filter));
    g_assert_cmpuint(filter.idle_ns[0], ==, 100);
    g_assert_cmpuint(filter.idle_ns[1], ==, 250);
    feed(&filter, LATENCY_RECENT / 2 + 1, 100, 250);
    assert_used(&filter, 100, 250);
}

static void tiers_that_are_alike_without_load_are_not_what_was_measured(void)
{
    LatencyFilter filter = new_filter();

    g_assert_false(feed(&filter, 50, 40, 42));
    g_assert_false(feed(&filter, 50, 5, 7));
    assert_used(&filter, 100, 250);
    g_assert_cmpuint(filter.now_ns[0], ==, 5);  /* but can be looked at */
}

static void tiers_that_turn_out_alike_have_what_was_known_at_start(void)
{
    LatencyFilter filter = new_filter();

    feed(&filter, LATENCY_RECENT, 100, 300);
    g_assert_true(feed(&filter, LATENCY_RECENT / 2 + 1, 400, 600));
    assert_used(&filter, 400, 600);
    g_assert_true(feed(&filter, LATENCY_RECENT / 2 + 1, 90, 95));
    assert_used(&filter, 100, 250);
    g_assert_false(feed(&filter, 1, 90, 95));
}

static void load_at_start_is_seen_once_it_ends(void)
{
    LatencyFilter filter = new_filter();

    feed(&filter, 50, 400, 300);
    assert_used(&filter, 100, 250);
    feed(&filter, LATENCY_RECENT, 90, 300);
    assert_used(&filter, 90, 300);
    feed(&filter, LATENCY_RECENT, 400, 300);
    assert_used(&filter, 400, 300);
}

static void a_tier_that_is_lost_has_what_was_known_at_start(void)
{
    LatencyFilter filter = new_filter();

    feed(&filter, LATENCY_RECENT, 400, 600);
    assert_used(&filter, 400, 600);
    g_assert_true(latency_filter_lose(&filter));
    assert_used(&filter, 100, 250);
    g_assert_false(latency_filter_lose(&filter));
    g_assert_cmpuint(filter.now_ns[0], ==, 0);
    g_assert_cmpuint(filter.idle_ns[0], ==, 0);     /* it may be other memory that is found next */
    g_assert_false(feed(&filter, LATENCY_RECENT - 1, 400, 600));
    g_assert_true(feed(&filter, 1, 400, 600));
}

static void watching_costs_less_than_a_thousandth_of_a_cpu_however_slow_the_host(void)
{
    for (uint64_t took_ns = 1000; took_ns < 1000000000; took_ns *= 3) {
        const uint64_t pause_ns = latency_watch_pause_ns(took_ns);

        g_assert_cmpfloat((double)took_ns / (double)(took_ns + pause_ns), <, 0.001);
        g_assert_cmpuint(pause_ns, >=, LATENCY_EVERY_NS);
    }
}

/* --- measured --- */

/* NULL, and the test is skipped, where nothing can be measured. */
static Topology *real_topology(void)
{
    g_autoptr(GError) err = NULL;
    Topology *topology = topology_discover("/sys", &err);

    if (!topology) {
        g_test_skip(err->message);
    }
    return topology;
}

static void a_read_of_this_machines_memory_takes_what_memory_takes(void)
{
    g_autoptr(Topology) topology = real_topology();
    g_autoptr(GError) err = NULL;
    g_autoptr(Chase) chase = topology ? chase_new(&topology->tiers[0], &err) : NULL;
    uint32_t least_ns = UINT32_MAX, most_ns = 0;

    if (!chase) {
        g_test_skip(err ? err->message : "no tiers");
        return;
    }
    for (int i = 0; i < 200; i++) {         /* several times around the chain: what was read is out of the caches */
        const uint32_t ns = chase_ns(chase);

        least_ns = MIN(least_ns, ns);
        most_ns = MAX(most_ns, ns);
    }
    g_test_message("a read takes %u to %u ns", least_ns, most_ns);
    g_assert_true(chase_in_place(chase));
    g_assert_cmpuint(least_ns, >=, 1);
    g_assert_cmpuint(least_ns, <, 100000);
}

static void a_node_that_is_not_there_is_told_of(void)
{
    TopologyTier tier = {.nodes = {0}};
    g_autoptr(GError) err = NULL;

    tier.nodes[TIER_NODE_WORDS - 1] = 1ull << 63;
    g_assert_null(chase_new(&tier, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    g_assert_null(chase_new(&(TopologyTier){.nodes = {0}}, &err));
    g_assert_nonnull(err);
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

static void a_watch_finds_latencies_at_next_to_no_cost(void)
{
    static const uint32_t start_ns[TIER_MAX_TIERS] = {1, 2, 3, 4};
    g_autoptr(Topology) topology = real_topology();
    const uint64_t before_ns = cpu_ns();
    LatencyWatch *watch;
    LatencyView view;

    if (!topology) {
        return;
    }
    watch = latency_watch_start(topology, start_ns);
    for (int i = 0; i < 100; i++) {
        latency_watch_see(watch, &view);
        if (view.now_ns[0]) {
            break;
        }
        g_usleep(100000);
    }
    if (view.now_ns[0] == 0) {
        g_autofree char *problem = latency_watch_problem(watch);

        g_test_skip(problem);
    } else {
        const double seconds = LATENCY_RECENT - 1;

        g_test_message("tier 0 takes %u ns; the watch takes %.3f %% of a CPU", view.now_ns[0],
                       100 * (double)(cpu_ns() - before_ns) / 1e9 / seconds);
        g_assert_cmpuint(view.idle_ns[0], ==, view.now_ns[0]);
        g_assert_cmpuint(view.now_ns[0], <, 100000);
        g_assert_cmpfloat((double)(cpu_ns() - before_ns) / 1e9 / seconds, <, 0.01);
    }
    latency_watch_stop(watch);
}

static void a_watch_of_what_is_not_there_says_so_and_uses_what_was_known(void)
{
    static const uint32_t start_ns[TIER_MAX_TIERS] = {70, 170};
    Topology topology = {.n_tiers = 2};
    g_autofree char *problem = NULL;
    LatencyWatch *watch;
    LatencyView view;

    topology.tiers[0].nodes[TIER_NODE_WORDS - 1] = 1ull << 62;
    topology.tiers[1].nodes[TIER_NODE_WORDS - 1] = 1ull << 63;
    watch = latency_watch_start(&topology, start_ns);
    for (int i = 0; i < 100 && (!problem || !strstr(problem, "tier 0")); i++) {
        g_free(problem);
        g_usleep(20000);
        problem = latency_watch_problem(watch);
    }
    g_assert_nonnull(strstr(problem, "tier 0"));
    latency_watch_see(watch, &view);
    g_assert_cmpuint(view.used_ns[1], ==, 170);
    g_assert_cmpuint(view.now_ns[0], ==, 0);
    g_assert_false(view.sees_tiers);
    latency_watch_stop(watch);              /* does not wait for its pause of a minute */
}

#define ADD(func) g_test_add_func("/latency/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(what_was_known_at_start_holds_until_enough_was_measured);
    ADD(less_than_noise_changes_nothing);
    ADD(one_round_that_was_held_up_changes_nothing);
    ADD(load_is_told_of_soon_and_so_is_its_end);
    ADD(tiers_that_are_alike_without_load_are_not_what_was_measured);
    ADD(tiers_that_turn_out_alike_have_what_was_known_at_start);
    ADD(load_at_start_is_seen_once_it_ends);
    ADD(a_tier_that_is_lost_has_what_was_known_at_start);
    ADD(watching_costs_less_than_a_thousandth_of_a_cpu_however_slow_the_host);
    ADD(a_read_of_this_machines_memory_takes_what_memory_takes);
    ADD(a_node_that_is_not_there_is_told_of);
    ADD(a_watch_finds_latencies_at_next_to_no_cost);
    ADD(a_watch_of_what_is_not_there_says_so_and_uses_what_was_known);
    return g_test_run();
}
