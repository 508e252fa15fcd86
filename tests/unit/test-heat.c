/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The estimate of access rates: logarithms, access bits of pages whose true rate is known, changes, age,
 * and odd arguments.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/heat.h"
#include "rng.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define REGION 1u

static const PolicyConfig config = {
    .budget_bytes = 1 << 20,
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static Policy *policy_of(size_t n)
{
    Policy *policy = policy_new(&config);

    g_assert_true(policy_region_add(policy, REGION, n * 4096, 4096, NULL));
    return policy;
}

static void observe(Policy *policy, bool accessed, uint64_t interval_ns, uint64_t now_ns)
{
    uint64_t bits = accessed;

    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 0, 1, &bits, interval_ns, now_ns);
}

static double rate_of(const Policy *policy, uint64_t now_ns)
{
    PolicyGranule granule;

    g_assert_true(policy_granule(policy, REGION, 0, now_ns, &granule));
    return granule.rate_per_s;
}

static void assert_near(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected))) {
        g_test_message("%g is not within %g of %g", value, relative, expected);
        g_test_fail();
    }
}

static void logarithms_agree_with_the_c_librarys(void)
{
    static LogTables tables;

    log2_tables_init(&tables);
    for (int i = 0; i < 154; i++) {
        double x = 1e-9 * pow(1.37, i); /* up to 1e12 */

        g_assert_cmpint(ABS(log2_of(x) - lround(log2(x) * LOG2_ONE)), <=, 1);
        assert_near(log2_value(log2_of(x)), x, 0.0005);
        for (int j = 0; j < 29; j++) {
            double y = 1e-9 * pow(5.3, j);

            assert_near(log2_value(log2_add(&tables, log2_of(x), log2_of(y))), x + y, 0.002);
        }
        if (x > 1e-5) {
            assert_near(log2_value(log2_hits(&tables, log2_of(x))), -x / expm1(-x), 0.002);
        }
    }
    g_assert_cmpint(log2_of(0), ==, LOG2_ZERO);
    g_assert_cmpint(log2_of(-1), ==, LOG2_ZERO);
    g_assert_cmpint(log2_of(NAN), ==, LOG2_ZERO);
    g_assert_cmpint(log2_of(INFINITY), ==, 255 * LOG2_ONE);
}

/*
 * The mean of the logarithm over many pages, each seen 200 times: the estimate has no memory beyond some
 * observations.
 */
static double learned_rate(double true_per_s, uint64_t interval_ns, uint64_t seed)
{
    const size_t n = 640;
    g_autoptr(Policy) policy = policy_of(n);
    Rng rng = {.state = seed};
    double sum = 0;

    for (uint64_t round = 1; round <= 200; round++) {
        uint64_t bits[10] = {0};

        for (size_t i = 0; i < n; i++) {
            if (rng_chance(&rng, 1 - exp(-true_per_s * interval_ns / SECOND))) {
                bits[i / 64] |= 1ull << (i % 64);
            }
        }
        policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 0, n, bits, interval_ns, round * 250 * MS);
    }
    for (size_t i = 0; i < n; i++) {
        PolicyGranule granule;

        g_assert_true(policy_granule(policy, REGION, i, 51 * SECOND, &granule));
        sum += log2(granule.rate_per_s);
    }
    return exp2(sum / n);
}

static void finds_the_rate_that_the_interval_can_tell(void)
{
    static const double rates[] = {0.5, 2, 8, 30};

    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        uint64_t interval_ns = 0.5 / rates[i] * SECOND;     /* hit 39 % of the time */
        double learned = learned_rate(rates[i], interval_ns, 1000 + i);

        g_test_message("true %g, learned %g", rates[i], learned);
        g_assert_cmpfloat(learned, >, rates[i] / 1.5);
        g_assert_cmpfloat(learned, <, rates[i] * 2);
    }
}

static void finds_a_low_rate_with_short_intervals(void)
{
    double learned = learned_rate(2, 20 * MS, 5);           /* hit 4 % of the time */

    g_test_message("learned %g", learned);
    g_assert_cmpfloat(learned, >, 0.8);
    g_assert_cmpfloat(learned, <, 5);
}

static void orders_saturated_pages_above_those_that_are_not(void)
{
    double hot = learned_rate(200, 50 * MS, 7);             /* hit always: at least so many */

    g_test_message("learned %g", hot);
    g_assert_cmpfloat(hot, >, 1 / 0.05);
    g_assert_cmpfloat(hot, <, 400);
    g_assert_cmpfloat(hot, >, 2 * learned_rate(10, 50 * MS, 8));
}

static void a_saturated_bit_adds_nothing_to_what_is_known(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    double before;

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 1000, SECOND, SECOND);
    before = rate_of(policy, SECOND);
    for (int i = 0; i < 20; i++) {
        observe(policy, true, SECOND, SECOND);
    }
    assert_near(rate_of(policy, SECOND), before, 0.02);
}

static void believes_a_jump_after_three_hits(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    double cold;
    uint64_t now_ns = SECOND;

    for (int i = 0; i < 100; i++, now_ns += 250 * MS) {
        observe(policy, i % 16 == 15, 50 * MS, now_ns);
    }
    cold = rate_of(policy, now_ns);
    g_assert_cmpfloat(cold, <, 4);
    for (int i = 0; i < 3; i++, now_ns += 250 * MS) {
        observe(policy, true, 50 * MS, now_ns);
    }
    g_assert_cmpfloat(rate_of(policy, now_ns), >, 4 * cold);
    g_assert_cmpfloat(rate_of(policy, now_ns), >, 10);
}

static void one_chance_hit_does_not_make_a_cold_page_hot(void)
{
    g_autoptr(Policy) policy = policy_of(1);

    for (int i = 0; i < 100; i++) {
        observe(policy, i % 16 == 0, 50 * MS, SECOND + i * 250 * MS);
    }
    observe(policy, true, 50 * MS, 30 * SECOND);
    g_assert_cmpfloat(rate_of(policy, 30 * SECOND), <, 6);
}

static void a_page_that_turned_cold_cools_within_some_observations(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    double hot;

    for (int i = 0; i < 30; i++) {
        observe(policy, true, 50 * MS, SECOND + i * 250 * MS);
    }
    hot = rate_of(policy, 10 * SECOND);
    for (int i = 0; i < 8; i++) {
        observe(policy, false, 50 * MS, 10 * SECOND + i * 250 * MS);
    }
    g_assert_cmpfloat(rate_of(policy, 12 * SECOND), <, hot / 3);
}

static void short_misses_do_not_forget_what_long_intervals_told(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    double before;

    for (int i = 0; i < 20; i++) {
        observe(policy, i % 2, SECOND, SECOND + i * SECOND);
    }
    before = rate_of(policy, 21 * SECOND);
    for (int i = 0; i < 10; i++) {
        observe(policy, false, 5 * MS, 21 * SECOND);
    }
    assert_near(rate_of(policy, 21 * SECOND), before, 0.1);
}

static void coarse_evidence_does_not_overrule_exact(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    double exact;

    for (int i = 0; i < 20; i++) {
        observe(policy, false, 100 * MS, SECOND + i * 100 * MS);
    }
    exact = rate_of(policy, 3 * SECOND);
    g_assert_cmpfloat(exact, <, 1);
    policy_evidence_rate(policy, POLICY_SOURCE_DAMON, REGION, 0, 1, 100, 100 * MS / 512, 3 * SECOND);
    g_assert_cmpfloat(rate_of(policy, 3 * SECOND), <, exact + 0.05);
}

static void a_coarse_first_look_counts_where_nothing_else_is_known(void)
{
    g_autoptr(Policy) policy = policy_of(1);

    for (int i = 0; i < 10; i++) {
        policy_evidence_rate(policy, POLICY_SOURCE_DAMON, REGION, 0, 1, 100, 100 * MS / 512,
                             SECOND + i * 100 * MS);
    }
    assert_near(rate_of(policy, 2 * SECOND), 90, 0.15);
}

static void follows_counted_rates_both_ways(void)
{
    g_autoptr(Policy) policy = policy_of(1);

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 3, SECOND, SECOND);
    for (int i = 0; i < 3; i++) {
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 5000, SECOND, 2 * SECOND + i * SECOND);
    }
    assert_near(rate_of(policy, 5 * SECOND), 5000, 0.1);
    for (int i = 0; i < 3; i++) {
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 0, SECOND, 5 * SECOND + i * SECOND);
    }
    g_assert_cmpfloat(rate_of(policy, 8 * SECOND), <, 3);
}

static void confidence_halves_each_half_life_and_the_rate_stays(void)
{
    g_autoptr(Policy) policy = policy_of(1);
    PolicyGranule fresh, old;

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 10, 4 * SECOND, 10 * SECOND);
    g_assert_true(policy_granule(policy, REGION, 0, 10 * SECOND, &fresh));
    g_assert_true(policy_granule(policy, REGION, 0, 70 * SECOND, &old));
    assert_near(old.confidence_s, fresh.confidence_s / 4, 0.03);
    assert_near(old.rate_per_s, fresh.rate_per_s, 0.001);
    g_assert_cmpuint(fresh.seen_ns, ==, 10 * SECOND);
}

static void ages_do_not_wrap_in_a_week_without_evidence(void)
{
    g_autoptr(Policy) policy = policy_of(2);
    PolicyGranule granule;
    double before;

    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 10, 4 * SECOND, 10 * SECOND);
    g_assert_true(policy_granule(policy, REGION, 0, 10 * SECOND, &granule));
    before = granule.confidence_s;
    for (uint64_t hour = 1; hour <= 7 * 24; hour++) {
        policy_plan(policy, hour * 3600 * SECOND);
        g_assert_true(policy_granule(policy, REGION, 0, hour * 3600 * SECOND, &granule));
        g_assert_cmpfloat(granule.confidence_s, <, before / 1e6);
        g_assert_cmpuint(granule.seen_ns, >, 0);
    }
    policy_plan(policy, 400ull * 24 * 3600 * SECOND);
    g_assert_true(policy_granule(policy, REGION, 0, 0, &granule));
    g_assert_cmpfloat(granule.confidence_s, <, before / 1e6);
    g_assert_true(policy_granule(policy, REGION, 1, 0, &granule));
    g_assert_cmpuint(granule.seen_ns, ==, 0);
}

static void ignores_what_makes_no_sense(void)
{
    g_autoptr(Policy) policy = policy_of(100);
    uint64_t bits[2] = {~0ull, ~0ull};
    uint8_t tiers[100];
    PolicyStats stats;
    PolicyMove move = {.region = REGION, .granule = 100, .from = 1, .to = 0};

    memset(tiers, 5, sizeof(tiers));
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, 99, 0, 100, bits, SECOND, SECOND);
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 100, 1, bits, SECOND, SECOND);
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, SIZE_MAX, 10, bits, SECOND, SECOND);
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 0, 100, bits, 0, SECOND);
    policy_evidence_bits(policy, POLICY_SOURCE__MAX, REGION, 0, 100, bits, SECOND, SECOND);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 100, NAN, SECOND, SECOND);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 100, -1, SECOND, SECOND);
    policy_place(policy, REGION, 0, 100, tiers);
    policy_moved(policy, &move, POLICY_MOVED, SECOND);
    policy_stats(policy, &stats);
    g_assert_true(isnan(stats.hit_ratio));
    for (size_t i = 0; i < POLICY_SOURCE__MAX; i++) {
        g_assert_cmpuint(stats.evidence[i], ==, 0);
    }
    g_assert_cmpuint(stats.promoted_bytes + stats.granule_bytes[0] + stats.granule_bytes[1], ==, 0);

    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 90, 100, bits, SECOND, SECOND); /* cut to ten */
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, INFINITY, UINT64_MAX, UINT64_MAX);
    policy_stats(policy, &stats);
    g_assert_cmpuint(stats.evidence[POLICY_SOURCE_RWP], ==, 10);
    g_assert_true(isfinite(rate_of(policy, UINT64_MAX)));
}

static void refuses_regions_that_do_not_fit_with_the_reason(void)
{
    static const struct {
        uint32_t id;
        uint64_t size;
        uint32_t granule_bytes;
        int code;
    } cases[] = {
        {REGION, 4096, 4096, POLICY_ERROR_EXISTS},       {2, 0, 4096, POLICY_ERROR_INVALID},
        {2, 4097, 4096, POLICY_ERROR_INVALID},           {2, 4096, 2 << 20, POLICY_ERROR_INVALID},
        {2, 1ull << 50, 4096, POLICY_ERROR_INVALID},     {2, 65536, 65536, POLICY_ERROR_INVALID},
        {2, 4096, 0, POLICY_ERROR_INVALID},
    };
    g_autoptr(Policy) policy = policy_of(1);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(policy_region_add(policy, cases[i].id, cases[i].size, cases[i].granule_bytes, &err));
        g_assert_error(err, POLICY_ERROR, cases[i].code);
        g_assert_nonnull(strstr(err->message, "region"));
    }
    g_assert_true(policy_region_add(policy, 2, 4 << 20, 2 << 20, NULL));
    policy_region_del(policy, 2);
    policy_region_del(policy, 2);
    g_assert_true(policy_region_add(policy, 2, 4096, 4096, NULL));
}

static void refuses_configurations_that_name_the_field(void)
{
    static const struct {
        const char *field;
        size_t offset;
        uint32_t value;
    } cases[] = {
        {"n_tiers", offsetof(PolicyConfig, n_tiers), 0},
        {"n_tiers", offsetof(PolicyConfig, n_tiers), 5},
        {"touch_accesses", offsetof(PolicyConfig, touch_accesses), 65537},
        {"heat_half_life_ns", offsetof(PolicyConfig, heat_half_life_ns) + 4, UINT32_MAX},
        {"heat_life_ns", offsetof(PolicyConfig, heat_life_ns) + 4, UINT32_MAX},
        {"latency_ns", offsetof(PolicyConfig, costs.latency_ns) + 4, 0},
        {"move_4k_ns", offsetof(PolicyConfig, costs.move_4k_ns), 0},
        {"move_2m_ns", offsetof(PolicyConfig, costs.move_2m_ns), 0},
    };

    g_assert_true(policy_config_check(&config, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        PolicyConfig bad = config;

        memcpy((char *)&bad + cases[i].offset, &cases[i].value, sizeof(cases[i].value));
        g_assert_false(policy_config_check(&bad, &err));
        g_assert_error(err, POLICY_ERROR, POLICY_ERROR_INVALID);
        g_assert_nonnull(strstr(err->message, cases[i].field));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/heat/" #name, name)
    ADD(logarithms_agree_with_the_c_librarys);
    ADD(finds_the_rate_that_the_interval_can_tell);
    ADD(finds_a_low_rate_with_short_intervals);
    ADD(orders_saturated_pages_above_those_that_are_not);
    ADD(a_saturated_bit_adds_nothing_to_what_is_known);
    ADD(believes_a_jump_after_three_hits);
    ADD(one_chance_hit_does_not_make_a_cold_page_hot);
    ADD(a_page_that_turned_cold_cools_within_some_observations);
    ADD(short_misses_do_not_forget_what_long_intervals_told);
    ADD(coarse_evidence_does_not_overrule_exact);
    ADD(a_coarse_first_look_counts_where_nothing_else_is_known);
    ADD(follows_counted_rates_both_ways);
    ADD(confidence_halves_each_half_life_and_the_rate_stays);
    ADD(ages_do_not_wrap_in_a_week_without_evidence);
    ADD(ignores_what_makes_no_sense);
    ADD(refuses_regions_that_do_not_fit_with_the_reason);
    ADD(refuses_configurations_that_name_the_field);
    return g_test_run();
}
