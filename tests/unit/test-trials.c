/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trials and kinds: rates and their spread found again from what looks at granules of known rates would see, and the
 * curve that a policy draws from them.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/kinds.h"
#include "core/policy.h"
#include "core/slowdown.h"
#include "core/strata.h"
#include "rng.h"

#define MS 1000000ull
#define S (1000 * MS)
#define LOOKS 14                        /* 8 ms after the begin, then after twice as long each time */
#define PAGE 4096u

/* When a page that is accessed @per_s times a second is touched first, in nanoseconds. */
static double draw_touch_ns(Rng *rng, double per_s)
{
    return per_s > 0 ? -log(1 - rng_uniform(rng)) / per_s * 1e9 : INFINITY;
}

typedef void Look(void *opaque, uint64_t touched, uint64_t now_ns);

/* Look at 64 pages that are watched from @begun_ns on, as the watcher does. */
static void watch(Rng *rng, const double per_s[TRIALS_BLOCK], uint64_t begun_ns, Look *look, void *opaque)
{
    double touch_ns[TRIALS_BLOCK];
    uint64_t at_ns = 0, wait_ns = 8 * MS, before = 0;

    for (unsigned i = 0; i < TRIALS_BLOCK; i++) {
        touch_ns[i] = draw_touch_ns(rng, per_s[i]);
    }
    for (unsigned n = 0; n < LOOKS; n++, wait_ns *= 2) {
        uint64_t touched = 0;

        at_ns += wait_ns;
        for (unsigned i = 0; i < TRIALS_BLOCK; i++) {
            touched |= (uint64_t)(touch_ns[i] <= (double)at_ns) << i;
        }
        look(opaque, touched & ~before, begun_ns + at_ns);
        before = touched;
    }
}

static void look_at_first(void *opaque, uint64_t touched, uint64_t now_ns)
{
    trials_look(opaque, 1, touched, now_ns);
}

/* Blocks of 64 pages, each page of one rate of @rates, drawn evenly; all of stratum @stratum. */
static void try_rates_of(Trials *trials, uint8_t stratum, unsigned blocks, const double *rates, unsigned n,
                         uint64_t now_ns)
{
    uint8_t strata[TRIALS_BLOCK];
    Rng rng = {7 + stratum};

    memset(strata, stratum, sizeof(strata));
    for (unsigned block = 0; block < blocks; block++) {
        double per_s[TRIALS_BLOCK];

        for (unsigned i = 0; i < TRIALS_BLOCK; i++) {
            per_s[i] = rates[(unsigned)(rng_uniform(&rng) * n) % n];
        }
        trials_begin(trials, 1, UINT64_MAX, strata, 1, now_ns);
        watch(&rng, per_s, now_ns, look_at_first, trials);
    }
}

static void try_rates(Trials *trials, unsigned blocks, const double *rates, unsigned n)
{
    try_rates_of(trials, 5, blocks, rates, n, S);
}

/* What there is when stratum 5, and 9 unless that is 0, are estimated so. */
static void find(const Trials *trials, double expected, double expected_9, uint64_t now_ns, Kinds *kinds)
{
    const double all[TRIALS_STRATA] = {[5] = expected, [9] = expected_9};

    kinds_find(trials, all, now_ns, kinds);
}

static double mean_of(const Kinds *kinds, unsigned stratum)
{
    double sum = 0;

    for (size_t kind = 0; kind < kinds->n; kind++) {
        sum += kinds->share[stratum][kind] * kinds->per_s[kind];
    }
    return sum;
}

static void finds_a_rate_whatever_was_estimated(void)
{
    static const double rates[] = {0.5, 2, 30, 100};

    for (unsigned i = 0; i < G_N_ELEMENTS(rates); i++) {
        Trials *trials = trials_new();
        Kinds kinds;

        try_rates(trials, 40, &rates[i], 1);
        find(trials, rates[i] * 5, 0, S, &kinds);
        g_assert_cmpuint(kinds.n, ==, 1);
        g_assert_cmpfloat(fabs(log2(kinds.per_s[0] / rates[i])), <, 0.15);
        g_assert_cmpfloat(kinds.doubt[0], <, 0.1);
        g_assert_cmpfloat_with_epsilon(kinds.trials[5], 40.0 * TRIALS_BLOCK, 0.01);
        trials_free(trials);
    }
}

static void takes_estimates_for_what_they_are_without_trials(void)
{
    Trials *trials = trials_new();
    Kinds kinds;

    find(trials, 42, 1, S, &kinds);
    g_assert_cmpuint(kinds.n, ==, 2);
    g_assert_cmpfloat(mean_of(&kinds, 5), ==, 42);
    g_assert_cmpfloat(mean_of(&kinds, 9), ==, 1);
    g_assert_cmpfloat(kinds.trials[5], ==, 0);
    g_assert_cmpfloat(kinds.doubt[0], ==, TRIALS_DOUBT_BEFORE);
    trials_free(trials);
}

static void tells_what_differs_from_what_is_alike(void)
{
    static const double rates[] = {0.5, 1, 2, 4, 8, 16}, alike = 5, expected[] = {[5] = 5};
    static const double doubts[] = {[5] = TRIALS_DOUBT_BEFORE};
    StratumFit fits[6];

    for (unsigned differ = 0; differ < 2; differ++) {
        Trials *trials = trials_new();

        try_rates(trials, 60, differ ? rates : &alike, differ ? G_N_ELEMENTS(rates) : 1);
        strata_fit(trials, 0, G_N_ELEMENTS(fits), expected, doubts, S, fits);
        g_assert_cmpfloat(fabs(log2(fits[5].per_s / (differ ? 5.25 : 5))), <, 0.25);
        g_assert_true(differ ? fits[5].shape <= 2 : fits[5].shape >= 16);
        trials_free(trials);
    }
}

static void a_continuum_is_of_many_kinds(void)
{
    static const double rates[] = {1, 8, 64};
    Trials *trials = trials_new();
    Kinds kinds;

    try_rates_of(trials, 5, 20, &rates[0], 1, S);
    try_rates_of(trials, 7, 20, &rates[1], 1, S);
    try_rates_of(trials, 9, 20, &rates[2], 1, S);
    kinds_find(trials, (const double[TRIALS_STRATA]){[5] = 1, [7] = 10, [9] = 100}, S, &kinds);
    g_assert_cmpuint(kinds.n, ==, 3);
    trials_free(trials);
}

static void finds_what_is_hot_among_what_is_cold(void)
{
    static const double rates[] = {1, 1, 1, 1, 1, 1, 1, 100};
    Trials *trials = trials_new();
    Kinds kinds;

    try_rates_of(trials, 5, 40, rates, G_N_ELEMENTS(rates), S);
    try_rates_of(trials, 9, 4, &rates[7], 1, S);
    find(trials, 5, 50, S, &kinds);
    g_assert_cmpuint(kinds.n, ==, 2);
    g_assert_cmpfloat(fabs(log2(kinds.per_s[0])), <, 0.2);
    g_assert_cmpfloat(fabs(log2(kinds.per_s[1] / 100)), <, 0.3);
    g_assert_cmpfloat_with_epsilon(kinds.share[5][1], 1.0 / 8, 0.03);
    trials_free(trials);
}

static void strata_that_are_alike_are_of_one_kind(void)
{
    static const double rate = 3;
    Trials *trials = trials_new();
    Kinds kinds;

    try_rates_of(trials, 5, 20, &rate, 1, S);
    try_rates_of(trials, 9, 20, &rate, 1, S);
    find(trials, 1, 10, S, &kinds);
    g_assert_cmpuint(kinds.n, ==, 1);
    g_assert_cmpfloat(fabs(log2(kinds.per_s[0] / rate)), <, 0.15);
    trials_free(trials);
}

static void what_was_not_tried_is_not_taken_for_what_was_estimated_far_from_it(void)
{
    static const double rate = 1;
    Trials *trials = trials_new();
    Kinds kinds;

    try_rates(trials, 20, &rate, 1);
    find(trials, 2, 1000, S, &kinds);
    g_assert_cmpuint(kinds.n, ==, 2);
    g_assert_cmpfloat(mean_of(&kinds, 9), >, 30);
    trials_free(trials);
}

static void what_was_seen_long_ago_counts_less(void)
{
    static const double before = 100, after = 1;
    Trials *trials = trials_new();
    const uint64_t later = S + 10 * TRIALS_HALF_LIFE_NS;
    Kinds kinds;

    try_rates(trials, 20, &before, 1);
    try_rates_of(trials, 5, 20, &after, 1, later);
    find(trials, 10, 0, later + S, &kinds);
    g_assert_cmpfloat(fabs(log2(mean_of(&kinds, 5))), <, 0.3);
    trials_free(trials);
}

static void what_was_not_tried_is_not_taken_for_what_is_estimated_anyhow(void)
{
    static const double cold = 0.5, hot = 100;
    Trials *trials = trials_new();
    double all[TRIALS_STRATA] = {[1] = 1.0 / 64, [10] = 0.5};
    Kinds kinds;

    try_rates_of(trials, 10, 20, &cold, 1, S);
    for (uint8_t stratum = 11; stratum < 21; stratum++) {
        all[stratum] = exp2(stratum - 11);
        try_rates_of(trials, stratum, 20, &hot, 1, S);
    }
    kinds_find(trials, all, S, &kinds);
    g_assert_cmpfloat(mean_of(&kinds, 1), <, 1);
    trials_free(trials);
}

static void what_the_first_look_found_is_not_taken_for_what_was_not_tried(void)
{
    static const double rate = 25;
    Trials *trials = trials_new();
    double all[TRIALS_STRATA] = {[25] = 40000};
    Kinds kinds;

    for (uint8_t stratum = 6; stratum < 16; stratum++) {
        all[stratum] = exp2(stratum - 10);
        try_rates_of(trials, stratum, 10, &rate, 1, S);
    }
    kinds_find(trials, all, S, &kinds);
    g_assert_cmpfloat(fabs(log2(mean_of(&kinds, 10) / rate)), <, 0.3);
    g_assert_cmpfloat(mean_of(&kinds, 25), >, 1000);
    trials_free(trials);
}

/* Of stratum 5, which is estimated at 10: blocks whose pages have the rate @before, then heat changes, then @after. */
static void find_after_a_change(double before, double after, unsigned blocks_after, Kinds *kinds)
{
    Trials *trials = trials_new();

    try_rates(trials, 20, &before, 1);
    trials_changed(trials);
    try_rates(trials, blocks_after, &after, 1);
    trials_check(trials, S);
    find(trials, 10, 0, S, kinds);
    trials_free(trials);
}

static void what_was_seen_before_a_change_counts_until_it_is_contradicted(void)
{
    Kinds kinds;

    find_after_a_change(30, 30, 5, &kinds);
    g_assert_cmpfloat_with_epsilon(kinds.trials[5], 25.0 * TRIALS_BLOCK, 0.01);
    find_after_a_change(30, 1, 5, &kinds);
    g_assert_cmpfloat_with_epsilon(kinds.trials[5], 5.0 * TRIALS_BLOCK, 0.01);
    g_assert_cmpfloat(fabs(log2(mean_of(&kinds, 5))), <, 0.3);
    find_after_a_change(30, 1, 0, &kinds);
    g_assert_cmpfloat_with_epsilon(kinds.trials[5], 20.0 * TRIALS_BLOCK, 0.01);
}

static void survives_times_of_any_order(void)
{
    Trials *trials = trials_new();
    const uint8_t strata[TRIALS_BLOCK] = {0};
    Kinds kinds;

    trials_begin(trials, 1, UINT64_MAX, strata, 1, UINT64_MAX / 2);
    trials_look(trials, 1, 1, S);                   /* before it began: ignored */
    trials_look(trials, 2, 1, UINT64_MAX / 2 + S);  /* nobody watches that */
    trials_begin(trials, 2, 0, strata, 1, S);       /* nothing to be watched */
    for (uint64_t block = 10; block < 10 + 2 * TRIALS_OPEN_MAX; block++) {
        trials_begin(trials, block, UINT64_MAX, strata, 512, UINT64_MAX / 2 + block);
        trials_look(trials, block, UINT64_MAX, UINT64_MAX / 2 + block * S);
    }
    find(trials, 1, 0, 0, &kinds);
    g_assert_true(isfinite(mean_of(&kinds, 5)));
    trials_end(trials, UINT64_MAX);
    trials_free(trials);
}

/* What was seen of stratum 5: @weight of granules, all told alike. */
static void assert_seen(const Trials *trials, double weight, double from_s, double until_s)
{
    TrialsSeen seen[TRIALS_SEEN_MAX];

    g_assert_cmpuint(trials_seen(trials, 5, S, seen), ==, weight > 0);
    if (weight > 0) {
        g_assert_cmpfloat_with_epsilon(seen[0].weight, weight, 1e-6);
        g_assert_cmpfloat_with_epsilon(seen[0].from_s, from_s, 1e-6);
        g_assert_cmpfloat_with_epsilon(seen[0].until_s, until_s, 1e-6);
    }
}

/* A block is watched from 1 s on, looked at after 0.1 and 0.5 s, and never touched; then the trial ends. */
static void assert_untouched(uint64_t until_ns, double weight, double from_s)
{
    uint8_t strata[TRIALS_BLOCK];
    Trials *trials = trials_new();

    memset(strata, 5, sizeof(strata));
    trials_begin(trials, 1, UINT64_MAX, strata, 1, S);
    trials_look(trials, 1, 0, S + 100 * MS);
    trials_look(trials, 1, 0, S + 500 * MS);
    trials_end(trials, until_ns);
    trials_look(trials, 1, UINT64_MAX, S + 600 * MS);   /* nobody watches that any more */
    assert_seen(trials, weight, from_s, 0);
    trials_free(trials);
}

static void what_was_not_touched_while_nobody_was_at_work_tells_nothing(void)
{
    assert_untouched(UINT64_MAX, TRIALS_BLOCK, 0.5);
    assert_untouched(S + 500 * MS, TRIALS_BLOCK, 0.5);
    assert_untouched(S + 200 * MS, TRIALS_BLOCK, 0.2);
    assert_untouched(S + 20 * MS, TRIALS_BLOCK, 0.02);
    assert_untouched(S, 0, 0);
    assert_untouched(0, 0, 0);
}

/* --- strata --- */

/* Where few were watched, two that contradict the others do not decide what all are like. */
static void strays_do_not_decide(void)
{
    static const double hot = 100;
    const double expected[TRIALS_STRATA / 2] = {[5] = 80, [10] = 100};
    const double doubts[TRIALS_STRATA / 2] = {[5] = 2, [10] = 2};
    uint8_t strata[TRIALS_BLOCK];
    StratumFit fits[TRIALS_STRATA / 2];
    Trials *trials = trials_new();

    try_rates_of(trials, 10, 20, &hot, 1, S);           /* what is estimated alike is alike */
    memset(strata, 5, sizeof(strata));
    trials_begin(trials, 1, 0x3fff, strata, 1, S);
    trials_look(trials, 1, 0x003f, S + 8 * MS);
    trials_look(trials, 1, 0x01c0, S + 24 * MS);
    trials_look(trials, 1, 0x0e00, S + 56 * MS);
    trials_look(trials, 1, 0, S + 1000 * MS);
    strata_fit(trials, 0, TRIALS_STRATA / 2, expected, doubts, S, fits);
    g_assert_cmpfloat(fits[5].per_s, >, 40);
    g_assert_cmpfloat(fits[5].shape, >=, 16);            /* nor does it look as if all differed */
    trials_free(trials);
}

/* Against a rate that was counted one granule that was watched says little, and many say more. */
static void what_was_counted_takes_more_trials_to_be_doubted(void)
{
    const double expected[TRIALS_STRATA / 2] = {[5] = 64}, guessed[TRIALS_STRATA / 2] = {[5] = 2};
    const double counted[TRIALS_STRATA / 2] = {[5] = 0.5};
    uint8_t strata[TRIALS_BLOCK];
    StratumFit fits[TRIALS_STRATA / 2];
    Trials *trials = trials_new();
    double guess;

    memset(strata, 5, sizeof(strata));
    trials_begin(trials, 1, 1, strata, 1, S);
    trials_look(trials, 1, 0, S + 300 * MS);
    strata_fit(trials, 0, TRIALS_STRATA / 2, expected, guessed, S, fits);
    guess = fits[5].per_s;
    strata_fit(trials, 0, TRIALS_STRATA / 2, expected, counted, S, fits);
    g_assert_cmpfloat(guess, <, 16);
    g_assert_cmpfloat(fits[5].per_s, >, 24);
    g_assert_cmpfloat(fits[5].doubt, <, 0.6);
    try_rates_of(trials, 5, 8, (double[]){4}, 1, S);
    strata_fit(trials, 0, TRIALS_STRATA / 2, expected, counted, S, fits);
    g_assert_cmpfloat(fits[5].per_s, <, 6);
    trials_free(trials);
}

/* --- the curve --- */

typedef struct Tried {
    Policy *policy;
    size_t first;
} Tried;

static void look_at_policy(void *opaque, uint64_t touched, uint64_t now_ns)
{
    const Tried *tried = opaque;

    policy_trial_look(tried->policy, 1, tried->first, touched, now_ns);
}

static const PolicyConfig config = {
    .budget_bytes = 1024 * PAGE, .heat_half_life_ns = 30 * S, .heat_life_ns = 60 * S, .n_tiers = 2, .touch_accesses = 1,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 300000},
};

#define PAGES 4096u

/*
 * A policy that takes all pages, of which the first quarter is in tier 0, for as hot as @estimates say by their
 * number modulo 4, while they are accessed as @fast and, outside tier 0, @slow say; and that has tried all blocks,
 * unless that is NULL.
 */
static Policy *policy_of(const double estimates[4], const double *fast, const double *slow)
{
    Policy *policy = policy_new(&config);
    g_autofree uint8_t *tiers = g_new(uint8_t, PAGES);
    double per_s[TRIALS_BLOCK];
    Rng rng = {11};

    g_assert_true(policy_region_add(policy, 1, (uint64_t)PAGES * PAGE, PAGE, NULL));
    for (size_t i = 0; i < PAGES; i++) {
        tiers[i] = i >= PAGES / 4;
    }
    policy_place(policy, 1, 0, PAGES, tiers);
    for (size_t i = 0; i < PAGES; i++) {
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 1, i, 1, estimates[i % 4], 100 * S, S);
    }
    policy_plan(policy, S);
    for (size_t first = 0; fast && first < PAGES; first += TRIALS_BLOCK) {
        Tried here = {policy, first};

        for (size_t i = 0; i < TRIALS_BLOCK; i++) {
            per_s[i] = (first < PAGES / 4 ? fast : slow)[i % 4];
        }
        policy_trial_begin(policy, 1, first, UINT64_MAX, 2 * S);
        watch(&rng, per_s, 2 * S, look_at_policy, &here);
    }
    policy_plan(policy, 20 * S);
    return policy;
}

static void assert_concave(const PolicyCurve *curve)
{
    double slope = INFINITY, bytes = 0, per_s = 0;

    for (size_t i = 0; i < curve->n; i++) {
        const double here = (curve->points[i].per_s - per_s) / ((double)curve->points[i].bytes - bytes);

        g_assert_cmpfloat(here, <=, slope * 1.000001);
        slope = here;
        bytes = (double)curve->points[i].bytes;
        per_s = curve->points[i].per_s;
    }
}

static void the_curve_is_that_of_the_estimates_without_trials(void)
{
    static const double rates[4] = {1, 2, 4, 8};
    g_autoptr(Policy) policy = policy_of(rates, NULL, NULL);
    PolicyCurve curve;

    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.points[curve.n - 1].bytes, ==, (uint64_t)PAGES * PAGE);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, PAGES * PAGE / 4), 8.0 / 15, 0.02);
    assert_concave(&curve);
}

static void pages_that_are_alike_make_a_straight_curve_whatever_was_estimated(void)
{
    static const double estimates[4] = {1, 2, 4, 8}, truth[4] = {3, 3, 3, 3};
    g_autoptr(Policy) policy = policy_of(estimates, truth, truth);
    PolicyCurve curve;

    policy_curve(policy, &curve);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, PAGES * PAGE / 4), 0.25, 0.03);
    g_assert_cmpfloat_with_epsilon(slowdown_total(&curve), 3.0 * PAGES, 0.1 * PAGES);
    assert_concave(&curve);
}

/* Of pages that are estimated alike, none is taken for hotter than another, whatever trials say of their spread. */
static void what_is_estimated_alike_counts_alike_today(void)
{
    static const double estimates[4] = {3, 3, 3, 3}, truth[4] = {1, 1, 1, 30};
    g_autoptr(Policy) policy = policy_of(estimates, truth, truth);
    PolicyCurve curve, today;

    policy_counted(policy, 33.0 * PAGES / 16, 33.0 * PAGES * 3 / 16);
    policy_curve(policy, &curve);
    policy_curve_today(policy, &today);
    g_assert_cmpfloat(slowdown_hit_ratio(&curve, PAGES * PAGE / 4), >, 0.4);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&today, PAGES * PAGE / 4), 0.25, 0.03);
    g_assert_cmpfloat_with_epsilon(slowdown_total(&today), slowdown_total(&curve), slowdown_total(&curve) / 1e6);
    g_assert_cmpuint(today.points[today.n - 1].bytes, ==, (uint64_t)PAGES * PAGE);
    assert_concave(&today);
}

static void what_is_told_apart_makes_a_difference_today(void)
{
    static const double rates[4] = {1, 2, 4, 64};
    g_autoptr(Policy) policy = policy_of(rates, rates, rates);
    PolicyCurve today;

    policy_curve_today(policy, &today);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&today, PAGES * PAGE / 4), 64.0 / 71, 0.05);
    assert_concave(&today);
}

/* Outside tier 0 a unit counts what is accessed four times a second or more. One trial says otherwise. */
static double total_with_a_doubtful_trial(uint32_t covered, double above)
{
    static const double rates[4] = {8, 8, 8, 64};
    g_autoptr(Policy) policy = policy_of(rates, NULL, NULL);
    PolicyCurve curve;

    policy_cover(policy, covered);
    policy_cover_above(policy, above);
    policy_trial_begin(policy, 1, PAGES / 2, 1u << 3, 20 * S);
    policy_trial_look(policy, 1, PAGES / 2, 0, 20 * S + 300 * MS);
    policy_plan(policy, 40 * S);
    policy_curve(policy, &curve);
    return slowdown_total(&curve);
}

static void what_a_unit_counts_is_doubted_less(void)
{
    const double hot = 64.0 * PAGES / 4 * 3 / 4, doubted = total_with_a_doubtful_trial(0, 4);

    g_assert_cmpfloat(total_with_a_doubtful_trial(1u << 1, 4), >, doubted + hot / 4);
    g_assert_cmpfloat_with_epsilon(total_with_a_doubtful_trial(1u << 1, 100), doubted, hot / 100);
}

/* A VM that is found to idle may have for a while: what it did not touch since then tells nothing. */
static void what_was_not_touched_since_a_vm_may_idle_tells_nothing(void)
{
    static const double rates[4] = {64, 64, 64, 64};
    g_autoptr(Policy) policy = policy_of(rates, NULL, NULL);
    PolicyCurve curve;

    for (size_t first = 0; first < PAGES; first += TRIALS_BLOCK) {
        policy_trial_begin(policy, 1, first, UINT64_MAX, 20 * S);
        policy_trial_look(policy, 1, first, 0, 20 * S + 700 * MS);
    }
    policy_idles(policy, true, 20 * S);
    policy_idles(policy, false, 30 * S);
    policy_plan(policy, 40 * S);
    policy_curve(policy, &curve);
    g_assert_cmpfloat_with_epsilon(slowdown_total(&curve), 64.0 * PAGES, 10.0 * PAGES);
}

static void the_curve_comes_to_what_is_counted(void)
{
    static const double rates[4] = {1, 1, 1, 100}, in_tier_0[4] = {1, 1, 1, 1000};
    g_autoptr(Policy) policy = policy_of(rates, in_tier_0, rates);
    PolicyCurve curve;
    const double hot = PAGES / 4.0, fast = 3 * hot / 4 + hot / 4 * 1000, slow = 3 * (3 * hot / 4 + hot / 4 * 100);

    /* Those of tier 0 are ten times as hot, which looks can't tell. */
    policy_counted(policy, fast, slow);
    policy_curve(policy, &curve);
    g_assert_cmpfloat_with_epsilon(slowdown_total(&curve), fast + slow, (fast + slow) / 1e6);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, PAGES * PAGE / 16), hot / 4 * 1000 / (fast + slow), 0.02);
    assert_concave(&curve);
}

static void trials_wait_until_estimates_have_settled(void)
{
    g_autoptr(Policy) policy = policy_new(&config);

    g_assert_false(policy_settled(policy));
    policy_plan(policy, 100 * S);
    g_assert_false(policy_settled(policy));
    policy_plan(policy, 111 * S);
    g_assert_true(policy_settled(policy));
    policy_heat_moved(policy, 112 * S);
    g_assert_false(policy_settled(policy));
    policy_plan(policy, 123 * S);
    g_assert_true(policy_settled(policy));
}

static void memory_that_was_never_seen_is_left_out(void)
{
    g_autoptr(Policy) policy = policy_new(&config);
    g_autofree uint8_t *tiers = g_new0(uint8_t, PAGES);
    PolicyCurve curve;

    g_assert_true(policy_region_add(policy, 1, (uint64_t)PAGES * PAGE, PAGE, NULL));
    policy_place(policy, 1, 0, PAGES, tiers);
    policy_plan(policy, S);
    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.n, ==, 0);
    policy_evidence_rate(policy, POLICY_SOURCE_RWP, 1, 0, 16, 3, S, S);
    policy_plan(policy, 2 * S);
    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.points[curve.n - 1].bytes, ==, 16 * PAGE);
    g_assert_false(slowdown_known(&curve));
}

#define ADD(test) g_test_add_func("/trials/" #test, test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(finds_a_rate_whatever_was_estimated);
    ADD(takes_estimates_for_what_they_are_without_trials);
    ADD(tells_what_differs_from_what_is_alike);
    ADD(a_continuum_is_of_many_kinds);
    ADD(finds_what_is_hot_among_what_is_cold);
    ADD(strata_that_are_alike_are_of_one_kind);
    ADD(what_was_not_tried_is_not_taken_for_what_was_estimated_far_from_it);
    ADD(what_was_not_tried_is_not_taken_for_what_is_estimated_anyhow);
    ADD(what_the_first_look_found_is_not_taken_for_what_was_not_tried);
    ADD(what_was_seen_long_ago_counts_less);
    ADD(what_was_seen_before_a_change_counts_until_it_is_contradicted);
    ADD(survives_times_of_any_order);
    ADD(what_was_not_touched_while_nobody_was_at_work_tells_nothing);
    ADD(strays_do_not_decide);
    ADD(what_was_counted_takes_more_trials_to_be_doubted);
    ADD(the_curve_is_that_of_the_estimates_without_trials);
    ADD(pages_that_are_alike_make_a_straight_curve_whatever_was_estimated);
    ADD(what_is_estimated_alike_counts_alike_today);
    ADD(what_is_told_apart_makes_a_difference_today);
    ADD(what_a_unit_counts_is_doubted_less);
    ADD(what_was_not_touched_since_a_vm_may_idle_tells_nothing);
    ADD(the_curve_comes_to_what_is_counted);
    ADD(trials_wait_until_estimates_have_settled);
    ADD(memory_that_was_never_seen_is_left_out);
    return g_test_run();
}
