/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hints are worth: an honest guest gains by them, and one that lies gains nothing and loses little.
 */
#include <glib.h>
#include <math.h>

#include "core/hint-audit.h"
#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)
#define GRANULES 4096u
#define HOT 256u
#define FAST 0.125
#define ACCESSES_PER_S 40000.0

static const PolicyConfig on = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .hints = true,
    .pin_limit_bytes = GRANULES * PAGE / 80,    /* a tenth of the budget */
    .max_bytes_per_s = 200 * PAGE,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

/* What a source with a budget gives: each block is looked at every five seconds. */
static const uint64_t intervals[] = {20 * MS, 100 * MS, 0};
#define SAMPLED 0.1

static double trust_of(const Sim *sim)
{
    PolicyHintStats stats;

    policy_hint_stats(sim->policy, &stats);
    return stats.trust;
}

static bool is_hot(const Sim *sim, size_t granule)
{
    return sim->rate[granule] > ACCESSES_PER_S / GRANULES;
}

typedef void Guest(Sim *sim);

/* Say it of each granule that is hot, or is not. */
static void say(Sim *sim, PolicyHint hint, bool of_hot)
{
    for (size_t i = 0; i < sim->n; i++) {
        if (is_hot(sim, i) == of_hot) {
            policy_hint(sim->policy, hint, SIM_REGION, i, 1, sim->now_ns + i);
        }
    }
}

static void silent(Sim *sim)
{
}

static void honest(Sim *sim)
{
    say(sim, POLICY_HINT_COLD, false);
    say(sim, POLICY_HINT_HOT, true);
}

static void honest_of_what_is_hot(Sim *sim)
{
    say(sim, POLICY_HINT_HOT, true);
}

static void calls_all_hot(Sim *sim)
{
    policy_hint(sim->policy, POLICY_HINT_HOT, SIM_REGION, 0, sim->n, sim->now_ns);
}

static void swaps(Sim *sim)
{
    say(sim, POLICY_HINT_HOT, false);
    say(sim, POLICY_HINT_COLD, true);
}

static void frees_what_is_hot(Sim *sim)
{
    say(sim, POLICY_HINT_FREE, true);
}

static void pins_all(Sim *sim)
{
    for (size_t i = 0; i < sim->n; i++) {
        policy_hint(sim->policy, POLICY_HINT_PIN, SIM_REGION, i, 1, sim->now_ns + i);
    }
}

/* Says the truth of what is cold, and lies about what is hot. */
static void mixes(Sim *sim)
{
    say(sim, POLICY_HINT_COLD, false);
    for (size_t i = 0; i < sim->n; i += 4) {
        if (!is_hot(sim, i)) {
            policy_hint(sim->policy, POLICY_HINT_HOT, SIM_REGION, i, 1, sim->now_ns + i);
        }
    }
}

/* Has what is cold promoted, and takes it back before anybody looks. */
static void withdraws(Sim *sim)
{
    static const PolicyHint hints[] = {POLICY_HINT_HOT, POLICY_HINT_COLD};

    for (unsigned pass = 0; pass < G_N_ELEMENTS(hints); pass++) {
        for (size_t i = 0; i < sim->n; i += 4) {
            if (!is_hot(sim, i)) {
                policy_hint(sim->policy, hints[pass], SIM_REGION, i, 1, sim->now_ns);
            }
        }
        sim->now_ns += 100 * MS;
        sim_plan(sim);
    }
}

/* The same with pins. */
static void pins_and_unpins(Sim *sim)
{
    static const PolicyHint hints[] = {POLICY_HINT_PIN, POLICY_HINT_UNPIN};

    for (unsigned pass = 0; pass < G_N_ELEMENTS(hints); pass++) {
        for (size_t i = sim->now_ns / SECOND % 4; i < sim->n; i += 4) {
            if (!is_hot(sim, i)) {
                policy_hint(sim->policy, hints[pass], SIM_REGION, i, 1, sim->now_ns);
            }
        }
        sim->now_ns += 100 * MS;
        sim_plan(sim);
    }
}

static void floods(Sim *sim)
{
    Rng rng = {.state = sim->now_ns};   /* its own, so that all else is as without hints */

    for (unsigned i = 0; i < 2000; i++) {
        const size_t first = rng_next(&rng) % sim->n, n = rng_next(&rng) % 256 + 1;

        policy_hint(sim->policy, rng_next(&rng) % POLICY_HINT__MAX, SIM_REGION, first, MIN(n, sim->n - first),
                    sim->now_ns + i);
    }
}

/* A guest whose hot set jumps at first and then each @jump_s, and that speaks each second; after a minute. */
static Sim *after_a_minute(const PolicyConfig *config, Guest *guest, unsigned jump_s)
{
    Sim *sim = sim_new(config, GRANULES, FAST, 5);

    sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
    sim_run(sim, 20, 2, SAMPLED, intervals);
    for (unsigned second = 0; second < 60; second++) {
        if (second % jump_s == 0) {
            sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
        }
        guest(sim);
        sim_run(sim, 1, 2, SAMPLED, intervals);
    }
    return sim;
}

static void trust_starts_in_the_middle(void)
{
    g_autoptr(Sim) sim = sim_new(&on, GRANULES, FAST, 5);

    g_assert_cmpfloat(trust_of(sim), ==, HINT_TRUST_START);
}

static void trust_that_was_told_is_kept(void)
{
    g_autoptr(Sim) sim = sim_new(&on, GRANULES, FAST, 5);

    for (unsigned i = 0; i <= 20; i++) {
        policy_hint_trust_set(sim->policy, i / 20.0);
        g_assert_cmpfloat(fabs(trust_of(sim) - i / 20.0), <, 0.012);
    }
    policy_hint_trust_set(sim->policy, 0.5);
    policy_hint_trust_set(sim->policy, NAN);
    policy_hint_trust_set(sim->policy, 2);
    g_assert_cmpfloat(fabs(trust_of(sim) - 0.5), <, 0.012);
}

static const struct Case {
    const char *name;
    Guest *guest;
    double least, most;             /* of trust */
    unsigned jump_s;
} cases[] = {
    {"honest", honest, 0.8, 1, 20},
    {"honest_of_what_is_hot", honest_of_what_is_hot, 0.8, 1, 60},
    {"calls_all_hot", calls_all_hot, 0, 0.1, 20},
    {"swaps", swaps, 0, 0.1, 20},
    {"frees_what_is_hot", frees_what_is_hot, 0, 0.1, 20},
    {"pins_all", pins_all, 0, 0.2, 20},
    {"mixes", mixes, 0, 0.25, 20},
    {"withdraws", withdraws, 0, 0.25, 20},
    {"pins_and_unpins", pins_and_unpins, 0, 0.25, 20},
    {"floods", floods, 0, 0.25, 20},
};

static void trust_follows_evidence(const void *data)
{
    const struct Case *a = data;
    g_autoptr(Sim) sim = after_a_minute(&on, a->guest, a->jump_s);

    g_test_message("trust %.3f", trust_of(sim));
    g_assert_cmpfloat(trust_of(sim), >=, a->least);
    g_assert_cmpfloat(trust_of(sim), <=, a->most);
}

static void a_liar_loses_little(const void *data)
{
    const struct Case *a = data;
    const unsigned jumps[] = {20, 120};

    for (unsigned i = 0; i < G_N_ELEMENTS(jumps); i++) {
        g_autoptr(Sim) sim = after_a_minute(&on, a->guest, jumps[i]);
        g_autoptr(Sim) quiet = after_a_minute(&on, silent, jumps[i]);

        g_test_message("jumps each %u s: hit ratio %.3f, without hints %.3f", jumps[i], sim_hit_ratio(sim),
                       sim_hit_ratio(quiet));
        g_assert_cmpfloat(sim_hit_ratio(sim), >=, 0.95 * sim_hit_ratio(quiet));
    }
}

/* Seconds after a jump until 90 % of the best are reached. */
static double seconds_to_90(Guest *guest)
{
    g_autoptr(Sim) sim = after_a_minute(&on, guest, 20);
    double seconds = 0;

    sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
    while (sim_hit_ratio(sim) < 0.9 * sim_oracle(sim)) {
        guest(sim);
        sim_run(sim, 1, 2, SAMPLED, intervals);
        seconds++;
        g_assert_cmpfloat(seconds, <, 200);
    }
    return seconds;
}

static void an_honest_guest_is_followed_at_least_twice_as_fast(void)
{
    const double with = seconds_to_90(honest), without = seconds_to_90(silent);

    g_test_message("%.0f s with hints, %.0f s without", with, without);
    g_assert_cmpfloat(with, <=, without / 2);
}

static void who_repeats_what_is_known_gains_little(void)
{
    g_autoptr(Sim) sim = sim_new(&on, GRANULES, FAST, 5);
    PolicyHintStats stats;

    sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
    sim_run(sim, 60, 2, 0.5, intervals);
    for (unsigned i = 0; i < 30; i++) {
        honest(sim);
        sim_run(sim, 1, 2, SAMPLED, intervals);
    }
    policy_hint_stats(sim->policy, &stats);
    g_test_message("%" G_GUINT64_FORMAT " checked, trust %.3f", stats.checked, stats.trust);
    g_assert_cmpuint(stats.checked, >, 30);
    g_assert_cmpfloat((double)stats.right, >, 0.9 * (double)stats.checked);
    g_assert_cmpfloat(stats.trust, <, 0.8);
}

static void trust_that_was_lost_comes_back_slowly(void)
{
    g_autoptr(Sim) sim = after_a_minute(&on, swaps, 20);
    unsigned seconds = 0;

    g_assert_cmpint(policy_hint(sim->policy, POLICY_HINT_HOT, SIM_REGION, 0, 1, sim->now_ns), ==,
                    POLICY_HINT_UNTRUSTED);
    while (trust_of(sim) < 0.5 && seconds < 1000) {
        if (seconds % 10 == 0) {
            sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
        }
        honest(sim);
        sim_run(sim, 1, 2, SAMPLED, intervals);
        seconds++;

    }
    g_test_message("after %u s", seconds);
    g_assert_cmpuint(seconds, >=, 10);
    g_assert_cmpuint(seconds, <, 400);
}

static void pins_of_one_who_is_not_trusted_end(void)
{
    g_autoptr(Sim) sim = after_a_minute(&on, pins_all, 20);
    PolicyHintStats stats;

    policy_hint_stats(sim->policy, &stats);
    g_assert_cmpuint(stats.pinned_bytes, ==, 0);
    g_assert_cmpuint(stats.pinned_dropped_bytes, ==, on.pin_limit_bytes / PAGE * PAGE);
    g_assert_cmpint(policy_hint(sim->policy, POLICY_HINT_PIN, SIM_REGION, 0, 1, sim->now_ns), ==,
                    POLICY_HINT_UNTRUSTED);
}

/* The ratio's signs, and that a test of none can't be decided by one look at a page that chance may have touched. */
static void evidence_speaks_for_what_is_likelier(void)
{
    const HintAudit audit = {.hot_rate = 6 * LOG2_ONE, .cold_rate = -LOG2_ONE, .hot_share = 0.1};
    const HintAudit alike = {.hot_rate = LOG2_ONE, .cold_rate = LOG2_ONE / 2, .hot_share = 0.1};
    LogTables tables;

    log2_tables_init(&tables);
    for (Log2 interval = -10 * LOG2_ONE; interval < 6 * LOG2_ONE; interval += LOG2_ONE) {
        const Log2 set = hint_ratio_of_bit(&audit, &tables, 4096, interval, true);
        const Log2 none = hint_ratio_of_bit(&audit, &tables, 4096, interval, false);

        g_assert_cmpint(set, >=, 0);
        g_assert_cmpint(none, <=, 0);
        g_assert_cmpint(MAX(set, -none), <, HINT_SURE);
        g_assert_cmpint(hint_ratio_of_bit(&alike, &tables, 4096, interval, true), ==, 0);
    }
    g_assert_cmpint(hint_ratio_of_count(&audit, 4096, 64, 0), >, LOG2_ONE);
    g_assert_cmpint(hint_ratio_of_count(&audit, 4096, 0.5, 0), <, -LOG2_ONE);
}

static void samples_that_are_out_of_bounds_are_refused(void)
{
    const int64_t ratios[] = {INT64_MIN, INT64_MAX, HINT_SURE + 1, -HINT_SURE - 1};
    HintSample sample = {.ratio = -HINT_SURE};

    g_assert_true(hint_sample_valid(&sample));
    for (unsigned i = 0; i < G_N_ELEMENTS(ratios); i++) {
        sample.ratio = ratios[i];
        g_assert_false(hint_sample_valid(&sample));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/hint-audit/" #name, name)
    ADD(trust_starts_in_the_middle);
    ADD(trust_that_was_told_is_kept);
    ADD(an_honest_guest_is_followed_at_least_twice_as_fast);
    ADD(who_repeats_what_is_known_gains_little);
    ADD(trust_that_was_lost_comes_back_slowly);
    ADD(pins_of_one_who_is_not_trusted_end);
    ADD(evidence_speaks_for_what_is_likelier);
    ADD(samples_that_are_out_of_bounds_are_refused);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *trust = g_strdup_printf("/hint-audit/trust_follows_evidence/%s", cases[i].name);
        g_autofree char *loss = g_strdup_printf("/hint-audit/a_liar_loses_little/%s", cases[i].name);

        g_test_add_data_func(trust, &cases[i], trust_follows_evidence);
        g_test_add_data_func(loss, &cases[i], a_liar_loses_little);
    }
    return g_test_run();
}
