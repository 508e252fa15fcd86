/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy tells of itself: the curve of accesses over memory, why a granule stays where it is, who told of
 * it, and when it moved.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/policy.h"

#define SECOND 1000000000ull
#define PAGE UINT64_C(4096)
#define HUGE_PAGE (2u << 20)
#define REGION 1u
#define NOW (1000 * SECOND)

/* An access saves 100 ns and heat lasts 10 s: 1 access/s is worth 1 us. A page costs 10 us to move. */
static const PolicyConfig config = {
    .budget_bytes = PAGE,
    .heat_half_life_ns = 3600 * SECOND,
    .heat_life_ns = 10 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 200}, .move_4k_ns = 10000, .move_2m_ns = 512 * 1000},
};

/* Pages on the @tiers drawn ('.': absent, '?': unknown), known to be accessed at @rates for long (0: never seen). */
static Policy *draw(const PolicyConfig *own, const char *tiers, const double *rates)
{
    size_t n = strlen(tiers);
    Policy *policy = policy_new(own);

    g_assert_true(policy_region_add(policy, REGION, n * PAGE, PAGE, NULL));
    for (size_t i = 0; i < n; i++) {
        uint8_t tier = tiers[i] == '.'   ? POLICY_TIER_ABSENT
                       : tiers[i] == '?' ? POLICY_TIER_UNKNOWN
                                         : tiers[i] - '0';

        policy_place(policy, REGION, i, 1, &tier);
        if (rates[i] > 0) {
            policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i, 1, rates[i], 1000 * SECOND, NOW);
        }
    }
    return policy;
}

static PolicyGranule granule_at(const Policy *policy, size_t granule, uint64_t now_ns)
{
    PolicyGranule out;

    g_assert_true(policy_granule(policy, REGION, granule, now_ns, &out));
    return out;
}

/* Rates are counted by 1/8 octave: 5 % off at most, and 1 % by rounding. */
static void assert_near(double value, double expected)
{
    g_assert_cmpfloat(fabs(value - expected), <=, 0.06 * expected);
}

static void the_curve_sums_what_was_seen_hottest_first(void)
{
    g_autoptr(Policy) policy = draw(&config, "1001.1", (double[]){8, 1, 64, 8, 500, 0});
    PolicyCurve curve;

    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.n, ==, 0);
    policy_plan(policy, NOW);
    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.present_bytes, ==, 5 * PAGE);
    g_assert_cmpuint(curve.n, >=, 3);
    g_assert_cmpuint(curve.points[0].bytes, ==, PAGE);
    assert_near(curve.points[0].per_s, 64);
    g_assert_cmpuint(curve.points[curve.n - 2].bytes, ==, 3 * PAGE);
    assert_near(curve.points[curve.n - 2].per_s, 64 + 8 + 8);
    g_assert_cmpuint(curve.points[curve.n - 1].bytes, ==, 4 * PAGE);
    assert_near(curve.points[curve.n - 1].per_s, 64 + 8 + 8 + 1);
}

static void the_curve_counts_a_huge_granule_by_its_bytes(void)
{
    g_autoptr(Policy) policy = draw(&config, "1", (double[]){64});
    uint8_t tier = 0;
    PolicyCurve curve;

    g_assert_true(policy_region_add(policy, 2, HUGE_PAGE, HUGE_PAGE, NULL));
    policy_place(policy, 2, 0, 1, &tier);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 2, 0, 1, 512, 1000 * SECOND, NOW);     /* 1 for each page of it */
    policy_plan(policy, NOW);
    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.n, ==, 2);
    g_assert_cmpuint(curve.points[0].bytes, ==, PAGE);
    g_assert_cmpuint(curve.points[1].bytes, ==, PAGE + HUGE_PAGE);
    assert_near(curve.points[1].per_s, 64 + 512);
}

static void the_curve_has_few_points_and_its_slope_falls(void)
{
    const size_t n = 200;
    g_autofree char *tiers = g_strnfill(n, '1');
    g_autofree double *rates = g_new(double, n);
    g_autoptr(Policy) policy = NULL;
    double slope = INFINITY, sum = 0;
    PolicyCurve curve;

    for (size_t i = 0; i < n; i++) {
        rates[i] = 0.01 * pow(1.1, i);
        sum += rates[i];
    }
    policy = draw(&config, tiers, rates);
    policy_plan(policy, NOW);
    policy_curve(policy, &curve);
    g_assert_cmpuint(curve.n, <=, POLICY_CURVE_POINTS);
    g_assert_cmpuint(curve.n, >, POLICY_CURVE_POINTS / 2);
    g_assert_cmpuint(curve.points[curve.n - 1].bytes, ==, n * PAGE);
    assert_near(curve.points[curve.n - 1].per_s, sum);
    for (size_t i = 0; i < curve.n; i++) {
        uint64_t bytes = curve.points[i].bytes - (i ? curve.points[i - 1].bytes : 0);
        double per_s = curve.points[i].per_s - (i ? curve.points[i - 1].per_s : 0);

        g_assert_cmpuint(bytes, >, 0);
        g_assert_cmpfloat(per_s / bytes, <, slope);
        slope = per_s / bytes;
    }
}

typedef struct Reasons {
    const char *name;
    const char *tiers;
    double rates[4];
    uint64_t max_bytes_per_s;
    PolicyReason expected[4];
} Reasons;

/* A swap costs some 30 us, so 30 accesses/s; the budget is one page. */
static const Reasons reasons[] = {
    {"hot_in_tier_0_and_cold_elsewhere", "01", {900, 1}, 0, {POLICY_REASON_BELONGS, POLICY_REASON_BELONGS}},
    {"both_wrong", "01", {1, 900}, 0, {POLICY_REASON_PLANNED, POLICY_REASON_PLANNED}},
    {"not_worth_the_copies", "01", {900, 1400}, 0, {POLICY_REASON_BELONGS, POLICY_REASON_NOT_WORTH}},
    {"no_evidence", "01", {900, 0}, 0, {POLICY_REASON_BELONGS, POLICY_REASON_UNSEEN}},
    {"nowhere", ".?1", {0, 0, 1}, 0, {POLICY_REASON_ABSENT, POLICY_REASON_UNKNOWN, POLICY_REASON_NOT_WORTH}},
};

static void tells_why_a_granule_stays(const void *data)
{
    const Reasons *row = data;
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    /* dear enough that half as hot again does not pay */
    own.costs.move_4k_ns = strcmp(row->name, "not_worth_the_copies") == 0 ? 1000000 : own.costs.move_4k_ns;
    policy = draw(&own, row->tiers, row->rates);
    policy_plan(policy, NOW);
    for (size_t i = 0; i < strlen(row->tiers); i++) {
        g_test_message("granule %zu", i);
        g_assert_cmpint(granule_at(policy, i, NOW).reason, ==, row->expected[i]);
    }
}

static void what_is_not_surely_hotter_is_unsure(void)
{
    /* of a crowd in which the others are cold */
    g_autoptr(Policy) policy = draw(&config, "01111111", (double[]){30, 0, 1, 1, 1, 1, 1, 1});
    uint64_t set = 1;

    policy_plan(policy, NOW);
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 1, 1, &set, SECOND / 100, NOW);    /* some 40/s */
    policy_plan(policy, NOW);
    g_assert_cmpint(granule_at(policy, 1, NOW).reason, ==, POLICY_REASON_UNSURE);
}

static void a_limit_speaks_only_against_what_was_taken_for_hotter(void)
{
    g_autoptr(Policy) policy = draw(&config, "11", (double[]){900, 1});
    double cold = granule_at(policy, 1, NOW).rate_per_s;

    for (unsigned i = 0; i < 5; i++) {
        policy_evidence_below(policy, POLICY_SOURCE_CHMU, REGION, 0, 2, 8, 2 * SECOND, NOW);
    }
    g_assert_cmpfloat(granule_at(policy, 0, NOW).rate_per_s, <, 8);
    g_assert_cmpfloat(granule_at(policy, 0, NOW).rate_per_s, >, 4);
    g_assert_cmpfloat(granule_at(policy, 1, NOW).rate_per_s, ==, cold);
    /* no limit, and no time: no evidence */
    policy_evidence_below(policy, POLICY_SOURCE_CHMU, REGION, 0, 2, NAN, 2 * SECOND, NOW);
    policy_evidence_below(policy, POLICY_SOURCE_CHMU, REGION, 0, 2, 0.001, 0, NOW);
    g_assert_cmpfloat(granule_at(policy, 1, NOW).rate_per_s, ==, cold);
}

static void what_waits_for_bytes_per_second_is_limited(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    own.budget_bytes = 2 * PAGE;
    own.max_bytes_per_s = 2 * PAGE;     /* one swap */
    policy = draw(&own, "0011", (double[]){1, 1, 900, 3600});
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 2);
    g_assert_cmpint(granule_at(policy, 3, NOW).reason, ==, POLICY_REASON_PLANNED);
    g_assert_cmpint(granule_at(policy, 2, NOW).reason, ==, POLICY_REASON_LIMITED);
}

static void what_was_refused_says_so_until_it_is_tried_again(void)
{
    g_autoptr(Policy) policy = draw(&config, "01", (double[]){1, 900});
    PolicyMove move = policy_plan(policy, NOW)->moves[1];

    g_assert_cmpuint(move.granule, ==, 1);
    policy_moved(policy, &move, POLICY_NOT_MOVED, NOW);
    g_assert_cmpint(granule_at(policy, 1, NOW).reason, ==, POLICY_REASON_REFUSED);
    policy_plan(policy, NOW + 7 * SECOND);
    g_assert_cmpint(granule_at(policy, 1, NOW + 7 * SECOND).reason, ==, POLICY_REASON_PLANNED);
    policy_moved(policy, &move, POLICY_UNMOVABLE, NOW + 7 * SECOND);
    g_assert_cmpint(granule_at(policy, 1, NOW + 7 * SECOND).reason, ==, POLICY_REASON_UNMOVABLE);
}

static void tells_when_each_source_saw_its_block(void)
{
    const size_t n = 1024;
    g_autofree char *tiers = g_strnfill(n, '1');
    g_autofree double *rates = g_new0(double, n);
    g_autoptr(Policy) policy = draw(&config, tiers, rates);
    uint64_t bit = 1;
    PolicyGranule granule;

    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 511, 1, &bit, SECOND, 10 * SECOND);
    policy_evidence_rate(policy, POLICY_SOURCE_DAMON, REGION, 510, 3, 5, SECOND, 20 * SECOND);
    granule = granule_at(policy, 0, NOW);
    g_assert_cmpuint(granule.source_seen_ns[POLICY_SOURCE_RWP], ==, 10 * SECOND);
    g_assert_cmpuint(granule.source_seen_ns[POLICY_SOURCE_DAMON], ==, 20 * SECOND);
    g_assert_cmpuint(granule.source_seen_ns[POLICY_SOURCE_CHMU], ==, 0);
    g_assert_cmpuint(granule.seen_ns, ==, 0);           /* itself it was not */
    g_assert_cmpuint(granule_at(policy, 511, NOW).seen_ns, ==, 20 * SECOND);
    granule = granule_at(policy, 1023, NOW);            /* the next block */
    g_assert_cmpuint(granule.source_seen_ns[POLICY_SOURCE_RWP], ==, 0);
    g_assert_cmpuint(granule.source_seen_ns[POLICY_SOURCE_DAMON], ==, 20 * SECOND);
}

static void tells_when_it_moved_to_within_a_slot(void)
{
    g_autoptr(Policy) policy = draw(&config, "01", (double[]){1, 900});
    PolicyMove move = {.region = REGION, .granule = 1, .from = 1, .to = 0};

    g_assert_cmpuint(granule_at(policy, 1, NOW).moved_ns, ==, 0);
    policy_moved(policy, &move, POLICY_MOVED, NOW);
    for (uint64_t s = 0; s < 100; s += 3) {
        uint64_t moved_ns;

        policy_plan(policy, NOW + s * SECOND);
        moved_ns = granule_at(policy, 1, NOW + s * SECOND).moved_ns;
        g_assert_cmpuint(moved_ns, <=, NOW);
        g_assert_cmpuint(moved_ns + 7 * SECOND / 4, >, NOW);
    }
}

/* Moved at @start_ns, and back after @seconds. */
static uint64_t undone_after(uint64_t start_ns, uint64_t seconds)
{
    g_autoptr(Policy) policy = draw(&config, "01", (double[]){1, 900});
    PolicyMove there = {.region = REGION, .granule = 1, .from = 1, .to = 0};
    PolicyMove back = {.region = REGION, .granule = 1, .from = 0, .to = 1};
    PolicyStats stats;

    policy_moved(policy, &there, POLICY_MOVED, start_ns);
    for (uint64_t s = 1; s < seconds; s++) {
        policy_plan(policy, start_ns + s * SECOND);
    }
    policy_moved(policy, &back, POLICY_MOVED, start_ns + seconds * SECOND);
    policy_stats(policy, &stats);
    return stats.undone_bytes;
}

static void counts_as_undone_what_moves_back_within_ten_seconds(void)
{
    for (uint64_t start_ns = NOW; start_ns < NOW + 2 * SECOND; start_ns += SECOND / 4) {
        for (uint64_t seconds = 1; seconds < 40; seconds++) {
            if (seconds <= 10 || seconds > 12) {        /* or a slot of 1.75 s later */
                g_assert_cmpuint(undone_after(start_ns, seconds), ==, seconds <= 10 ? PAGE : 0);
            }
        }
    }
}

static void where_granules_are_is_as_told(void)
{
    static const uint8_t told[] = {0, 1, POLICY_TIER_ABSENT, POLICY_TIER_UNKNOWN};
    g_autoptr(Policy) policy = policy_new(&config);
    uint8_t tiers[6];

    g_assert_true(policy_region_add(policy, REGION, 4 * 4096, 4096, NULL));
    policy_place(policy, REGION, 0, 4, told);
    policy_where(policy, REGION, 0, 6, tiers);
    g_assert_cmpmem(tiers, 4, told, 4);
    g_assert_cmpuint(tiers[4], ==, POLICY_TIER_UNKNOWN);
    policy_where(policy, REGION, 2, 1, tiers);
    g_assert_cmpuint(tiers[0], ==, POLICY_TIER_ABSENT);
    policy_where(policy, REGION + 1, 0, 1, tiers);
    g_assert_cmpuint(tiers[0], ==, POLICY_TIER_UNKNOWN);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        g_autofree char *path = g_strdup_printf("/explain/tells_why_a_granule_stays/%s", reasons[i].name);

        g_test_add_data_func(path, &reasons[i], tells_why_a_granule_stays);
    }
#define ADD(name) g_test_add_func("/explain/" #name, name)
    ADD(the_curve_sums_what_was_seen_hottest_first);
    ADD(the_curve_counts_a_huge_granule_by_its_bytes);
    ADD(the_curve_has_few_points_and_its_slope_falls);
    ADD(what_is_not_surely_hotter_is_unsure);
    ADD(a_limit_speaks_only_against_what_was_taken_for_hotter);
    ADD(what_waits_for_bytes_per_second_is_limited);
    ADD(what_was_refused_says_so_until_it_is_tried_again);
    ADD(tells_when_each_source_saw_its_block);
    ADD(tells_when_it_moved_to_within_a_slot);
    ADD(counts_as_undone_what_moves_back_within_ten_seconds);
    ADD(where_granules_are_is_as_told);
    return g_test_run();
}
