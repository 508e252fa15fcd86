/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watcher and policy together, on a guest in miniature whose pages are armed: each tells, for one fault, when
 * it is next touched. Where the watcher looks is up to the policy's uncertainty, and what the policy learns
 * is up to that.
 */
#include <glib.h>
#include <math.h>

#include "core/watcher.h"
#include "sim.h"

#define SECOND UINT64_C(1000000000)
#define TICK_NS (2 * SECOND / 1000)

/* What the lab measures, with a fault of 50 us. */
static const PolicyConfig lab = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .touch_accesses = 16,
    .costs = {.latency_ns = {50, 650}, .move_4k_ns = 500000, .move_2m_ns = 250000000},
};

typedef struct Tracked {
    Sim *sim;
    Watcher *watcher;
    double *touch_ns;               /* when an armed page is touched next */
} Tracked;

static uint64_t host_now_ns(void *opaque)
{
    return ((Tracked *)opaque)->sim->now_ns;
}

static void draw_touch(Tracked *tracked, size_t page)
{
    double wait_s = -log(1 - rng_uniform(&tracked->sim->rng)) / tracked->sim->rate[page];

    tracked->touch_ns[page] = (double)tracked->sim->now_ns + wait_s * SECOND;
}

static WatchResult host_look(void *region, size_t first, unsigned n, uint64_t *touched)
{
    const Tracked *tracked = region;

    *touched = 0;
    for (size_t i = 0; i < n; i++) {
        *touched |= (uint64_t)(tracked->touch_ns[first + i] <= (double)tracked->sim->now_ns) << i;
    }
    return WATCH_OK;
}

static WatchResult host_arm(void *region, size_t first, size_t n, bool armed)
{
    for (size_t i = 0; i < n; i++) {
        draw_touch(region, first + i);
    }
    return WATCH_OK;
}

static const WatcherHost host = {.now_ns = host_now_ns, .look = host_look, .arm = host_arm};

static void tracked_init(Tracked *tracked, Sim *sim, double share)
{
    tracked->sim = sim;
    tracked->touch_ns = g_new0(double, sim->n);
    tracked->watcher = watcher_new(&host, tracked, POLICY_SOURCE_RWP, sim->policy, share, 50000);
    watcher_region_add(tracked->watcher, SIM_REGION, sim->n, 1, tracked);
}

static void tracked_clear(Tracked *tracked)
{
    watcher_free(tracked->watcher);
    g_free(tracked->touch_ns);
}

static void run(Tracked *tracked, uint64_t seconds)
{
    Sim *sim = tracked->sim;

    for (uint64_t tick = 1; tick <= seconds * SECOND / TICK_NS; tick++) {
        sim->now_ns += TICK_NS;
        watcher_tick(tracked->watcher, sim->now_ns);
        if (tick % (SECOND / TICK_NS) == 0) {
            sim_plan(sim);
        }
    }
}

static double share_of_oracle(const Sim *sim)
{
    return sim_hit_ratio(sim) / sim_oracle(sim);
}

/* Returns what share of the oracle's it has 30 s after a jump. */
static double find_and_follow(uint64_t seed)
{
    g_autoptr(Sim) sim = sim_new(&lab, 7168, 0.2, seed);
    Tracked tracked;
    double share;

    sim_gups(sim, 512, 0.9, 120000);
    tracked_init(&tracked, sim, 0.05);
    run(&tracked, 15);
    g_test_message("after 15 s: %.3f of the oracle", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.9);
    run(&tracked, 15);
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.95);
    sim_reset_counts(sim);
    run(&tracked, 30);
    g_test_message("after 60 s: %.3f; in the last 30 s %" G_GUINT64_FORMAT " pages moved, %" G_GUINT64_FORMAT
                   " undone",
                   share_of_oracle(sim), sim->moved_bytes / 4096, sim->undone_bytes / 4096);
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.95);
    g_assert_cmpuint(sim->undone_bytes * 20, <=, sim->moved_bytes);
    sim_gups(sim, 512, 0.9, 120000);
    for (size_t i = 0; i < sim->n; i++) {
        draw_touch(&tracked, i);
    }
    run(&tracked, 30);
    share = share_of_oracle(sim);
    g_test_message("30 s after a jump: %.3f", share);
    tracked_clear(&tracked);
    return share;
}

/*
 * How long the way back takes is a matter of where looks happen to fall first: of 32 seeds one in seven had less than
 * 0.85 after 30 s, and all had 0.93 or 0.94 on average. So it is the mean that counts.
 */
static void finds_and_follows_a_hot_set_at_five_percent(void)
{
    const unsigned seeds = 8;
    double sum = 0;

    for (uint64_t seed = 91; seed < 91 + seeds; seed++) {
        const double share = find_and_follow(seed);

        g_assert_cmpfloat(share, >, 0.6);
        sum += share;
    }
    g_assert_cmpfloat(sum / seeds, >, 0.85);
}

static void finds_a_hot_set_at_one_percent_too(void)
{
    g_autoptr(Sim) sim = sim_new(&lab, 7168, 0.2, 92);
    Tracked tracked;

    sim_gups(sim, 512, 0.9, 120000);
    tracked_init(&tracked, sim, 0.01);
    run(&tracked, 60);
    g_test_message("after 60 s: %.3f of the oracle", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.9);
    tracked_clear(&tracked);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tracking/finds_and_follows_a_hot_set_at_five_percent",
                    finds_and_follows_a_hot_set_at_five_percent);
    g_test_add_func("/tracking/finds_a_hot_set_at_one_percent_too", finds_a_hot_set_at_one_percent_too);
    return g_test_run();
}
