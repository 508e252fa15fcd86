/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy on workloads in miniature, against what an oracle that knows all accesses would reach. Sampled
 * as the rwp source does.
 */
#include <glib.h>
#include <string.h>

#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)

static const PolicyConfig native = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

/* The lab: a host in software, where a page takes half a millisecond to move. */
static const PolicyConfig lab = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 120 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {50, 650}, .move_4k_ns = 500000, .move_2m_ns = 250000000},
};

/* Sixteen accesses behind each touch: moves pay for themselves at once, and only doubt holds them back. */
static const PolicyConfig cheap = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .touch_accesses = 16,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static const uint64_t short_intervals[] = {30 * MS, 0};
static const uint64_t mixed_intervals[] = {10 * MS, 30 * MS, 100 * MS, 0};

typedef struct Run {
    const char *name;
    const PolicyConfig *config;
    const uint64_t *intervals_ns;
    double sampled;             /* share of the pages watched in each of two rounds a second */
    double zipf;                /* of the oracle, after a minute: of pages that must save 1.5 ms some are left */
} Run;

static const Run runs[] = {
    {"native_short_intervals", &native, short_intervals, 0.5, 0.95},
    {"native_mixed_intervals", &native, mixed_intervals, 0.5, 0.95},
    {"native_few_samples", &native, short_intervals, 0.2, 0.95},
    {"cheap_short_intervals", &cheap, short_intervals, 0.5, 0.95},
    {"cheap_mixed_intervals", &cheap, mixed_intervals, 0.5, 0.95},
    {"lab_short_intervals", &lab, short_intervals, 0.5, 0.85},
    {"lab_mixed_intervals", &lab, mixed_intervals, 0.5, 0.85},
};

static double share_of_oracle(const Sim *sim)
{
    return sim_hit_ratio(sim) / sim_oracle(sim);
}

/* 28 MiB, 2 MiB of it hot: 210 accesses/s to a hot page, 1.8 to the others; 20 % fast. */
static Sim *gups(const Run *run, uint64_t seed)
{
    Sim *sim = sim_new(run->config, 7168, 0.2, seed);

    sim_gups(sim, 512, 0.9, 120000);
    return sim;
}

static void reaches_the_oracle_and_then_keeps_still(const void *data)
{
    const Run *run = data;
    g_autoptr(Sim) sim = gups(run, 77);

    g_assert_cmpfloat(share_of_oracle(sim), <, 0.4);
    sim_run(sim, 12, 2, run->sampled, run->intervals_ns);
    g_test_message("after 12 s: %.3f of the oracle", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.9);
    sim_run(sim, 8, 2, run->sampled, run->intervals_ns);
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.95);
    sim_reset_counts(sim);
    sim_run(sim, 40, 2, run->sampled, run->intervals_ns);
    g_test_message("after 60 s: %.3f; in the last 40 s %" G_GUINT64_FORMAT " pages moved, %" G_GUINT64_FORMAT
                   " undone",
                   share_of_oracle(sim), sim->moved_bytes / PAGE, sim->undone_bytes / PAGE);
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.95);
    g_assert_cmpuint(sim->undone_bytes * 50, <=, sim->moved_bytes + 50 * 8 * PAGE);  /* 2 %, and 8 pages */
    g_assert_cmpuint(sim->moved_bytes, <, 40ull * 48 * PAGE);       /* under 48 pages a second, of 7168 */
    g_assert_cmpfloat(sim->most_over_budget, <=, 0);
}

static void follows_a_hot_set_that_jumps(const void *data)
{
    const Run *run = data;
    g_autoptr(Sim) sim = gups(run, 78);

    sim_run(sim, 30, 2, run->sampled, run->intervals_ns);
    sim_gups(sim, 512, 0.9, 120000);
    g_assert_cmpfloat(share_of_oracle(sim), <, 0.4);
    sim_run(sim, 15, 2, run->sampled, run->intervals_ns);
    g_test_message("15 s after the jump: %.3f of the oracle", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.9);
    sim_run(sim, 15, 2, run->sampled, run->intervals_ns);
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.95);
    g_assert_cmpfloat(sim->most_over_budget, <=, 0);
}

static void comes_near_the_oracle_on_zipf(const void *data)
{
    const Run *run = data;
    g_autoptr(Sim) sim = sim_new(run->config, 7168, 0.2, 81);

    sim_zipf(sim, 120000);
    g_assert_cmpfloat(share_of_oracle(sim), <, 0.5);
    sim_run(sim, 60, 2, run->sampled, run->intervals_ns);
    g_test_message("after 60 s: %.3f of the oracle", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, run->zipf);
    sim_reset_counts(sim);
    sim_run(sim, 60, 2, run->sampled, run->intervals_ns);
    g_assert_cmpuint(sim->moved_bytes, <, 60ull * 64 * PAGE);
}

/*
 * The scan, 256 pages on each second, is 20 % of all accesses: what it touches now is hotter than the hot
 * set, and useless soon.
 */
static void a_scan_does_not_flush_the_hot_set(const void *data)
{
    const Run *run = data;
    g_autoptr(Sim) sim = sim_new(run->config, 7168, 0.2, 82);
    double hits = 0;

    for (size_t second = 0; second < 60; second++) {
        sim_scan(sim, second * 256, 256, 60000);
        sim_run(sim, 1, 2, run->sampled, run->intervals_ns);
        hits += second >= 30 ? sim_hit_ratio(sim) / 30 : 0;
    }
    g_test_message("%.3f of all accesses hit; the hot set is 0.8", hits);
    g_assert_cmpfloat(hits, >, 0.78);
}

/* Each page of tier 0 has thirty others that may look hotter than it by chance. */
static void a_tiny_tier_0_does_not_churn(void)
{
    g_autoptr(Sim) sim = sim_new(&native, 16384, 0.03, 83);
    double hits = 0;

    sim_gups(sim, 1170, 0.9, 16384 * 20);
    sim_run(sim, 30, 2, 0.5, mixed_intervals);
    sim_reset_counts(sim);
    for (size_t second = 0; second < 60; second++) {
        sim_run(sim, 1, 2, 0.5, mixed_intervals);
        hits += share_of_oracle(sim) / 60;
    }
    g_test_message("%.3f of the oracle, %" G_GUINT64_FORMAT " pages moved in 60 s, %" G_GUINT64_FORMAT " undone",
                   hits, sim->moved_bytes / PAGE, sim->undone_bytes / PAGE);
    g_assert_cmpfloat(hits, >, 0.98);
    g_assert_cmpuint(sim->moved_bytes, <, 60 * 24 * PAGE);      /* 5 % of tier 0 a second */
    g_assert_cmpuint(sim->undone_bytes * 33, <=, sim->moved_bytes);
}

/* 512 pages on each second of 8192, 20 % of all accesses; tier 0 holds the hot set and not a page more. */
static void a_scan_past_a_full_tier_0_does_not_churn(void)
{
    g_autoptr(Sim) sim = sim_new(&native, 8192, 0.1, 84);
    double hits = 0;

    for (size_t second = 0; second < 120; second++) {
        sim_scan(sim, second * 512, 512, 8192 * 20);
        if (second == 60) {
            sim_reset_counts(sim);
        }
        sim_run(sim, 1, 2, 0.5, mixed_intervals);
        hits += second >= 60 ? sim_hit_ratio(sim) / 60 : 0;
    }
    g_test_message("%.3f hit, %" G_GUINT64_FORMAT " pages moved in 60 s, %" G_GUINT64_FORMAT " undone", hits,
                   sim->moved_bytes / PAGE, sim->undone_bytes / PAGE);
    g_assert_cmpfloat(hits, >, 0.78);
    g_assert_cmpuint(sim->moved_bytes, <, 60 * 40 * PAGE);      /* 5 % of tier 0 a second */
    g_assert_cmpuint(sim->undone_bytes * 33, <=, sim->moved_bytes + 33 * 8 * PAGE);
}

static void an_idle_guest_is_left_alone(void)
{
    g_autoptr(Sim) sim = sim_new(&native, 7168, 0.2, 79);

    sim_run(sim, 30, 2, 0.5, short_intervals);          /* not one access */
    g_assert_cmpuint(sim->moved_bytes, ==, 0);
}

/*
 * Two minutes in which only a thousandth of the accesses come, and those to other pages; then it works as
 * before.
 */
static void a_burst_after_idling_finds_what_was_hot_in_place(void)
{
    g_autoptr(Sim) sim = sim_new(&cheap, 16384, 0.05, 85);
    g_autofree double *busy = NULL;
    double before;

    sim_gups(sim, 1170, 0.9, 16384 * 20);
    sim_run(sim, 60, 2, 0.5, mixed_intervals);
    before = sim_hit_ratio(sim);
    busy = g_memdup2(sim->rate, sim->n * sizeof(*busy));
    for (size_t i = 0; i < sim->n; i++) {
        sim->rate[i] = busy[(i * 7919 + 13) % sim->n] / 1000;
    }
    sim_reset_counts(sim);
    sim_run(sim, 120, 2, 0.5, mixed_intervals);
    g_test_message("%" G_GUINT64_FORMAT " pages moved while idle", sim->moved_bytes / PAGE);
    g_assert_cmpuint(sim->moved_bytes, <, 120 * 5 * PAGE);      /* some half a percent of tier 0 a second */
    memcpy(sim->rate, busy, sim->n * sizeof(*busy));
    g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.98 * before);
    sim_reset_counts(sim);
    for (size_t second = 0; second < 10; second++) {
        sim_run(sim, 1, 2, 0.5, mixed_intervals);
        g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.98 * before);
    }
    g_test_message("%" G_GUINT64_FORMAT " pages moved in the first 10 s of the burst", sim->moved_bytes / PAGE);
    g_assert_cmpuint(sim->moved_bytes, <, 10 * 41 * PAGE);      /* 5 % of tier 0 a second */
}

/* Idling is not the same as doing less for good, nor as doing something else. */
static void a_guest_that_does_less_for_good_is_learned_anew(void)
{
    g_autoptr(Sim) sim = sim_new(&cheap, 8192, 0.2, 86);

    sim_gups(sim, 512, 0.9, 8192 * 100);
    sim_run(sim, 60, 2, 0.5, mixed_intervals);
    sim_gups(sim, 512, 0.9, 8192 * 5);                          /* elsewhere, and a twentieth */
    sim_run(sim, 180, 2, 0.5, mixed_intervals);
    g_test_message("%.3f of the oracle after three minutes", share_of_oracle(sim));
    g_assert_cmpfloat(share_of_oracle(sim), >, 0.9);
}

static void an_even_guest_is_hardly_disturbed_where_moves_are_dear(void)
{
    g_autoptr(Sim) sim = sim_new(&lab, 7168, 0.2, 80);

    sim_gups(sim, 0, 0, 7168 * 4);                      /* 4 accesses/s to each page */
    sim_run(sim, 10, 2, 0.5, short_intervals);
    sim_reset_counts(sim);
    sim_run(sim, 30, 2, 0.5, short_intervals);
    g_test_message("%" G_GUINT64_FORMAT " pages moved in 30 s", sim->moved_bytes / PAGE);
    g_assert_cmpuint(sim->moved_bytes, <, 30 * 20 * PAGE);      /* chance: 20 pages a second, of 7168 */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        g_autofree char *hot =
            g_strdup_printf("/workloads/gups_hot/reaches_the_oracle_and_then_keeps_still/%s", runs[i].name);
        g_autofree char *move =
            g_strdup_printf("/workloads/gups_move/follows_a_hot_set_that_jumps/%s", runs[i].name);

        g_test_add_data_func(hot, &runs[i], reaches_the_oracle_and_then_keeps_still);
        g_autofree char *zipf = g_strdup_printf("/workloads/zipf/comes_near_the_oracle/%s", runs[i].name);
        g_autofree char *scan =
            g_strdup_printf("/workloads/scan/does_not_flush_the_hot_set/%s", runs[i].name);

        g_test_add_data_func(move, &runs[i], follows_a_hot_set_that_jumps);
        g_test_add_data_func(zipf, &runs[i], comes_near_the_oracle_on_zipf);
        g_test_add_data_func(scan, &runs[i], a_scan_does_not_flush_the_hot_set);
    }
    g_test_add_func("/workloads/a_tiny_tier_0_does_not_churn", a_tiny_tier_0_does_not_churn);
    g_test_add_func("/workloads/a_scan_past_a_full_tier_0_does_not_churn",
                    a_scan_past_a_full_tier_0_does_not_churn);
    g_test_add_func("/workloads/an_idle_guest_is_left_alone", an_idle_guest_is_left_alone);
    g_test_add_func("/workloads/a_burst_after_idling_finds_what_was_hot_in_place",
                    a_burst_after_idling_finds_what_was_hot_in_place);
    g_test_add_func("/workloads/a_guest_that_does_less_for_good_is_learned_anew",
                    a_guest_that_does_less_for_good_is_learned_anew);
    g_test_add_func("/workloads/an_even_guest_is_hardly_disturbed_where_moves_are_dear",
                    an_even_guest_is_hardly_disturbed_where_moves_are_dear);
    return g_test_run();
}
