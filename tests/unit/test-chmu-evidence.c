/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hotness unit lists, and does not, as evidence.
 */
#include <math.h>

#include "core/chmu-evidence.h"

#define SECOND 1000000000ull
#define REGION 1u
#define GRANULES 64u
#define UNIT0 (7ull << 32)          /* the number of granule 0 */

static Policy *make_policy(void)
{
    const PolicyConfig config = {
        .budget_bytes = GRANULES / 4 * 4096,
        .heat_half_life_ns = 30 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    Policy *policy = policy_new(&config);
    uint8_t tiers[GRANULES];

    g_assert_true(policy_region_add(policy, REGION, GRANULES * 4096, 4096, NULL));
    for (unsigned i = 0; i < GRANULES; i++) {
        tiers[i] = i < GRANULES / 4 ? 0 : 1;
    }
    policy_place(policy, REGION, 0, GRANULES, tiers);
    return policy;
}

/* Tier 1 is watched. */
static bool in_tier_1(void *opaque, size_t granule)
{
    return granule >= GRANULES / 4;
}

static double rate(const Policy *policy, size_t granule)
{
    double per_s;

    policy_rates(policy, REGION, granule, 1, &per_s);
    return per_s;
}

static void rates_of_what_is_listed_are_known_after_some_epochs(void)
{
    g_autoptr(Policy) policy = make_policy();
    const ChmuCount counts[] = {{UNIT0 + 20, 800}, {UNIT0 + 21, 8000}, {UNIT0 + 22, 64}};
    const double per_s[] = {1600, 16000, 0};
    const ChmuListing listing = {.counts = counts, .per_s = per_s, .n = 3, .first_unit = UNIT0,
                                 .epoch_ns = SECOND / 2, .accesses_per_touch = 16};
    ChmuNews news = {0};

    for (unsigned i = 1; i <= 10; i++) {
        g_assert_cmpuint(chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, i * SECOND / 2), ==, 2);
    }
    g_assert_cmpfloat_with_epsilon(rate(policy, 20), 100, 10);
    g_assert_cmpfloat_with_epsilon(rate(policy, 21), 1000, 50);
    g_assert_cmpfloat(rate(policy, 22), ==, -1);
    g_assert_cmpfloat(rate(policy, 23), ==, -1);
}

static void hot_is_told_from_hotter(void)
{
    g_autoptr(Policy) policy = make_policy();
    ChmuCount counts[GRANULES - 16];
    double per_s[GRANULES - 16];
    const ChmuListing listing = {.counts = counts, .per_s = per_s, .n = G_N_ELEMENTS(counts), .first_unit = UNIT0,
                                 .epoch_ns = SECOND, .accesses_per_touch = 1};
    ChmuNews news = {0};

    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {       /* 1.2 times hotter each */
        per_s[i] = 100 * pow(1.2, i);
        counts[i] = (ChmuCount){UNIT0 + 16 + i, (uint32_t)per_s[i]};
    }
    chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, SECOND);
    for (unsigned i = 17; i < GRANULES; i++) {
        g_assert_cmpfloat(rate(policy, i), >, rate(policy, i - 1));
    }
}

static void what_is_not_listed_was_colder_where_it_is_watched(void)
{
    g_autoptr(Policy) policy = make_policy();
    const ChmuCount counts[] = {{UNIT0 + 30, 5000}};
    const double per_s[] = {5000};
    ChmuListing listing = {.counts = counts, .per_s = per_s, .n = 1, .first_unit = UNIT0, .epoch_ns = SECOND,
                           .accesses_per_touch = 1, .limit_per_s = 10, .below = 20, .below_end = 40};
    ChmuNews news = {0};
    double before;

    policy_evidence_rate(policy, POLICY_SOURCE_RWP, REGION, 0, GRANULES, 1000, SECOND, SECOND);
    before = rate(policy, 19);
    for (unsigned i = 1; i <= 20; i++) {
        const size_t given = chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, (1 + i) * SECOND);

        g_assert_cmpuint(given, ==, 20);                        /* 20 to 39, one of which is listed */
    }
    g_assert_cmpfloat(rate(policy, 20), <, 40);
    g_assert_cmpfloat(rate(policy, 39), <, 40);
    g_assert_cmpfloat(rate(policy, 30), >, 3000);
    g_assert_cmpfloat_with_epsilon(rate(policy, 19), before, 20); /* before the slice, */
    g_assert_cmpfloat_with_epsilon(rate(policy, 40), before, 20); /* after it, */
    listing.below = 0;
    listing.below_end = 16;
    listing.n = 0;
    g_assert_cmpuint(chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, 30 * SECOND), ==, 0);
    g_assert_cmpfloat_with_epsilon(rate(policy, 5), before, 20);  /* and not watched */
}

static void heat_where_none_was_known_is_news_once(void)
{
    g_autoptr(Policy) policy = make_policy();
    const ChmuCount counts[] = {{UNIT0 + 30, 5000}};
    const double per_s[] = {5000};
    const ChmuListing listing = {.counts = counts, .per_s = per_s, .n = 1, .first_unit = UNIT0, .epoch_ns = SECOND,
                                 .accesses_per_touch = 1};
    ChmuNews news = {0};

    policy_evidence_rate(policy, POLICY_SOURCE_RWP, REGION, 0, GRANULES, 10, 100 * SECOND, SECOND);
    chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, 2 * SECOND);
    g_assert_true(chmu_evidence_news(&news, 5640, SECOND));
    g_assert_false(chmu_evidence_news(&news, 5640, SECOND));
    for (unsigned i = 0; i < 5; i++) {                          /* now it is known */
        chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, (3 + i) * SECOND);
        chmu_evidence_news(&news, 5640, SECOND);
    }
    g_assert_false(chmu_evidence_news(&news, 5640, SECOND));
}

static void a_little_new_heat_is_no_news(void)
{
    g_autoptr(Policy) policy = make_policy();
    const ChmuCount counts[] = {{UNIT0 + 30, 500}};
    const double per_s[] = {500};
    const ChmuListing listing = {.counts = counts, .per_s = per_s, .n = 1, .first_unit = UNIT0, .epoch_ns = SECOND,
                                 .accesses_per_touch = 1};
    ChmuNews news = {0};

    chmu_evidence_give(&news, policy, REGION, &listing, in_tier_1, NULL, 2 * SECOND);
    g_assert_false(chmu_evidence_news(&news, 5640, SECOND));
}

/* Where others fill the list, a VM's other sources are asked about what is too cool to be listed. */
static void whose_list_others_fill_looks_elsewhere(void)
{
    g_autoptr(Policy) policy = make_policy();
    ChmuListing listing = {.first_unit = UNIT0, .epoch_ns = SECOND, .accesses_per_touch = 2, .limit_per_s = 1000,
                           .crowded = true};
    uint8_t score[2];

    g_assert_false(chmu_crowded(100, 100, 1));
    g_assert_false(chmu_crowded(0, 0, 1));
    g_assert_false(chmu_crowded(40, 100, 2));   /* some have more than others */
    g_assert_true(chmu_crowded(4, 100, 9));

    policy_evidence_rate(policy, POLICY_SOURCE_RWP, REGION, 0, GRANULES, 100, SECOND / 20, SECOND);
    policy_evidence_rate(policy, POLICY_SOURCE_RWP, REGION, 31, 1, 2000, SECOND, SECOND);
    policy_plan(policy, SECOND);
    policy_cover(policy, 1u << 1);
    policy_cover_above(policy, chmu_evidence_sees_above(&listing));
    policy_uncertainty(policy, REGION, 30, 2, 2 * SECOND, score);
    g_assert_cmpuint(score[0], >, 0);
    g_assert_cmpuint(score[1], ==, 0);          /* above 500 touches a second: the unit would list it */
    listing.limit_per_s = 0;                    /* it lists as much as it can, and says nothing of the rest */
    policy_cover_above(policy, chmu_evidence_sees_above(&listing));
    policy_uncertainty(policy, REGION, 30, 2, 2 * SECOND, score);
    g_assert_cmpuint(score[1], >, 0);
    listing.crowded = false;
    policy_cover_above(policy, chmu_evidence_sees_above(&listing));
    policy_uncertainty(policy, REGION, 30, 2, 2 * SECOND, score);
    g_assert_cmpuint(score[0], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu/evidence/rates_of_what_is_listed_are_known_after_some_epochs",
                    rates_of_what_is_listed_are_known_after_some_epochs);
    g_test_add_func("/chmu/evidence/hot_is_told_from_hotter", hot_is_told_from_hotter);
    g_test_add_func("/chmu/evidence/what_is_not_listed_was_colder_where_it_is_watched",
                    what_is_not_listed_was_colder_where_it_is_watched);
    g_test_add_func("/chmu/evidence/heat_where_none_was_known_is_news_once", heat_where_none_was_known_is_news_once);
    g_test_add_func("/chmu/evidence/a_little_new_heat_is_no_news", a_little_new_heat_is_no_news);
    g_test_add_func("/chmu/evidence/whose_list_others_fill_looks_elsewhere", whose_list_others_fill_looks_elsewhere);
    return g_test_run();
}
