/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner on maps small enough to draw, where the right plan is plain; its limits, and the thrash brake.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/policy.h"

#define SECOND 1000000000ull
#define REGION 1u
#define PAGE UINT64_C(4096)
#define HUGE_PAGE (2u << 20)
#define NOW (1000 * SECOND)

/*
 * An access saves 100 ns and heat lasts 10 s: 1 access/s is worth 1 us. A page costs 10 us to move: a rate
 * of 10 pays for one copy.
 */
static const PolicyConfig config = {
    .heat_half_life_ns = 3600 * SECOND,
    .heat_life_ns = 10 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 200, 400, 400}, .move_4k_ns = 10000, .move_2m_ns = 512 * 1000},
};

static uint8_t tier_of(char drawn)
{
    return drawn == '.' ? POLICY_TIER_ABSENT : drawn == '?' ? POLICY_TIER_UNKNOWN : drawn - '0';
}

/*
 * A region of as many pages as are drawn: each a tier, '.' absent or '?' unknown; known to be accessed at
 * @rates for long (none: 0).
 */
static Policy *draw_with(const PolicyConfig *own, const char *tiers, const double *rates)
{
    size_t n = strlen(tiers);
    Policy *policy = policy_new(own);

    g_assert_true(policy_region_add(policy, REGION, n * PAGE, PAGE, NULL));
    for (size_t i = 0; i < n; i++) {
        uint8_t tier = tier_of(tiers[i]);

        policy_place(policy, REGION, i, 1, &tier);
        if (rates && rates[i] > 0) {
            policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i, 1, rates[i], 1000 * SECOND, NOW);
        }
    }
    return policy;
}

static Policy *draw(uint64_t budget_pages, const char *tiers, const double *rates)
{
    PolicyConfig own = config;

    own.budget_bytes = budget_pages * PAGE;
    return draw_with(&own, tiers, rates);
}

/* The places after all moves of @plan, drawn as above. */
static char *carry_out(Policy *policy, const PolicyPlan *plan, const char *tiers, uint64_t now_ns)
{
    g_autofree PolicyMove *moves = g_memdup2(plan->moves, plan->n_moves * sizeof(*moves));
    char *after = g_strdup(tiers);
    size_t n_moves = plan->n_moves;

    for (size_t i = 0; i < n_moves; i++) {
        g_assert_cmpuint(moves[i].granule, <, strlen(tiers));
        g_assert_true(after[moves[i].granule] == '0' + moves[i].from);
        after[moves[i].granule] = '0' + moves[i].to;
        policy_moved(policy, &moves[i], POLICY_MOVED, now_ns);
    }
    return after;
}

typedef struct Drawing {
    const char *name;
    uint64_t budget_pages;
    const char *before;
    double rates[12];
    const char *after;
} Drawing;

static const Drawing drawings[] = {
    {"swaps_the_hottest_slow_for_the_coldest_fast", 3, "000111", {90, 1, 2, 70, 80, 3}, "011001"},
    {"leaves_a_right_placement_alone", 3, "000111", {90, 80, 70, 1, 2, 3}, "000111"},
    {"promotes_nothing_when_the_gain_is_below_the_cost", 1, "01", {5, 22}, "01"},
    {"promotes_when_the_gain_is_above_the_cost", 1, "01", {5, 40}, "10"},
    {"does_not_swap_equals", 2, "0011", {500, 500, 500, 500}, "0011"},
    {"pays_for_one_copy_only_where_there_is_room", 2, "01", {50, 13}, "00"},
    {"leaves_the_cool_where_they_are_though_there_is_room", 4, "0111", {50, 8, 1, 5}, "0111"},
    {"fills_room_hottest_first", 2, "01111", {50, 20, 40, 30, 60}, "01110"},
    {"demotes_the_coldest_when_over_budget", 2, "00000", {50, 1, 40, 2, 3}, "01011"},
    {"demotes_also_what_pays_to_keep", 1, "000", {500, 400, 300}, "011"},
    {"demotes_all_at_budget_0", 0, "0001", {50, 60, 70, 900}, "1111"},
    {"over_budget_and_wrongly_placed", 1, "0011", {1, 2, 900, 3}, "1101"},
    {"leaves_absent_granules_alone", 2, "..01", {900, 900, 5, 0}, "..01"},
    {"plans_nothing_where_all_are_absent", 2, "....", {900, 900, 900, 900}, "...."},
    {"plans_nothing_where_places_are_unknown", 2, "????", {900, 900, 900, 900}, "????"},
    {"absent_and_unknown_granules_use_no_budget", 2, ".?01", {9, 9, 50, 900}, ".?00"},
    {"promotes_nothing_without_evidence", 2, "1111", {0}, "1111"},
    {"a_granule_never_seen_gives_way_to_a_hot_one", 1, "01", {0, 900}, "10"},
    {"takes_the_lowest_address_among_equals", 2, "0011111", {1, 1, 500, 500, 500, 500, 500}, "1100111"},
    {"demotes_the_lowest_address_among_equals", 3, "000001", {7, 7, 7, 7, 7, 7}, "110001"},
};

static void plans_as_drawn(const void *data)
{
    const Drawing *drawing = data;
    g_autoptr(Policy) policy = draw(drawing->budget_pages, drawing->before, drawing->rates);
    g_autofree char *after = carry_out(policy, policy_plan(policy, NOW), drawing->before, NOW);
    g_autofree char *later = NULL;

    g_assert_cmpstr(after, ==, drawing->after);
    later = carry_out(policy, policy_plan(policy, NOW + 20 * SECOND), after, NOW + 20 * SECOND);
    g_assert_cmpstr(later, ==, drawing->after);
}

static void demotes_first_and_promotes_hottest_first(void)
{
    static const double rates[] = {1, 3, 2, 70, 90, 80};
    static const uint32_t order[] = {0, 2, 1, 4, 5, 3};
    g_autoptr(Policy) policy = draw(3, "000111", rates);
    const PolicyPlan *plan = policy_plan(policy, NOW);

    g_assert_cmpuint(plan->n_moves, ==, 6);
    for (size_t i = 0; i < 6; i++) {
        g_assert_cmpuint(plan->moves[i].granule, ==, order[i]);
        g_assert_cmpuint(plan->moves[i].to, ==, i < 3 ? 1 : 0);
        g_assert_true((plan->moves[i].gain_per_s > 0) == (i >= 3));
    }
    g_assert_false(plan->throttled);
    g_assert_false(plan->thrashing);
}

static void a_shred_of_evidence_does_not_evict_what_is_known(void)
{
    g_autoptr(Policy) policy = draw(1, "01", (double[]){300, 0});
    uint64_t hit = 1;

    /* says 500 a second */
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 1, 1, &hit, 2000000, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
}

static void unmovable_granules_are_left_out_and_stay_in_the_budget(void)
{
    g_autoptr(Policy) policy = draw(1, "011", (double[]){1, 900, 800});
    PolicyMove refused = {.region = REGION, .granule = 0, .from = 0, .to = 1};
    PolicyGranule granule;

    policy_moved(policy, &refused, POLICY_UNMOVABLE, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
    g_assert_true(policy_granule(policy, REGION, 0, NOW, &granule));
    g_assert_true(granule.unmovable);
    g_assert_cmpuint(policy_plan(policy, NOW + 300 * SECOND)->n_moves, ==, 0);
    g_assert_cmpuint(policy_plan(policy, NOW + 700 * SECOND)->n_moves, ==, 2);
    g_assert_true(policy_granule(policy, REGION, 0, NOW + 700 * SECOND, &granule));
    g_assert_false(granule.unmovable);
}

static void plans_nothing_where_all_are_unmovable(void)
{
    g_autoptr(Policy) policy = draw(1, "0111", (double[]){1, 900, 800, 700});

    for (uint32_t i = 0; i < 4; i++) {
        PolicyMove refused = {.region = REGION, .granule = i, .from = i == 0 ? 0 : 1, .to = i == 0 ? 1 : 0};

        policy_moved(policy, &refused, POLICY_UNMOVABLE, NOW);
    }
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
}

static void what_did_not_move_is_tried_again_after_a_pause(void)
{
    g_autoptr(Policy) policy = draw(2, "01", (double[]){50, 900});
    const PolicyPlan *plan = policy_plan(policy, NOW);
    PolicyMove move;

    g_assert_cmpuint(plan->n_moves, ==, 1);
    move = plan->moves[0];
    policy_moved(policy, &move, POLICY_NOT_MOVED, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW + SECOND)->n_moves, ==, 0);
    g_assert_cmpuint(policy_plan(policy, NOW + 7 * SECOND)->n_moves, ==, 1);
}

static void what_is_gone_frees_its_budget(void)
{
    g_autoptr(Policy) policy = draw(1, "01", (double[]){900, 800});
    PolicyMove gone = {.region = REGION, .granule = 0, .from = 0, .to = 1};
    PolicyStats stats;

    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
    policy_moved(policy, &gone, POLICY_GONE, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 1);
    policy_stats(policy, &stats);
    g_assert_cmpuint(stats.granule_bytes[0], ==, 0);
    g_assert_cmpuint(stats.absent_bytes, ==, PAGE);
}

static void bytes_per_second_cut_a_plan_short(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;

    own.budget_bytes = 3 * PAGE;
    own.max_bytes_per_s = 4 * PAGE;
    policy = draw_with(&own, "000111", (double[]){1, 2, 3, 700, 800, 900});
    plan = policy_plan(policy, NOW);                    /* the first: a second's worth */
    g_assert_cmpuint(plan->n_moves, ==, 4);
    g_assert_true(plan->throttled);
    g_assert_cmpuint(plan->moves[0].granule, ==, 0);
    g_assert_cmpuint(plan->moves[1].granule, ==, 1);
    g_assert_cmpuint(plan->moves[2].granule, ==, 5);
    g_assert_cmpuint(plan->moves[3].granule, ==, 4);
    plan = policy_plan(policy, NOW);                    /* no time passed */
    g_assert_cmpuint(plan->n_moves, ==, 0);
    g_assert_true(plan->throttled);
    g_assert_cmpuint(plan->wanted_bytes, ==, 6 * PAGE); /* nothing was moved: all of it is still to be done */
    plan = policy_plan(policy, NOW + SECOND / 2);
    g_assert_cmpuint(plan->n_moves, ==, 2);
    plan = policy_plan(policy, NOW + 100 * SECOND);     /* two seconds' worth is kept, not a hundred */
    g_assert_cmpuint(plan->n_moves, ==, 6);
    g_assert_false(plan->throttled);
    g_assert_cmpuint(plan->wanted_bytes, ==, 6 * PAGE);
}

static void what_leaves_for_the_budget_is_not_what_a_plan_wants(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;

    own.budget_bytes = 3 * PAGE;
    policy = draw_with(&own, "000011", (double[]){900, 800, 700, 2, 1, 600});
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 1);
    g_assert_cmpuint(plan->bytes, ==, PAGE);
    g_assert_cmpuint(plan->wanted_bytes, ==, 0);
}

static void plans_follow_sooner_where_there_is_more_to_do(void)
{
    const double rates[] = {1, 1, 1, 900, 900, 900};
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    own.budget_bytes = 3 * PAGE;
    policy = draw_with(&own, "000111", rates);
    policy_plan(policy, NOW);                           /* all is new */
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, 0), ==, SECOND / 4);
    policy_plan(policy, NOW + 20 * SECOND);
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, 0), ==, SECOND);
    own.budget_bytes = 2 * PAGE;
    policy_configure(policy, &own);
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, 0), ==, SECOND / 4);
    own.max_bytes_per_s = PAGE / 2;                     /* lets one swap pass, then holds up the others */
    policy_configure(policy, &own);
    policy_plan(policy, NOW + 40 * SECOND);
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, 0), ==, SECOND / 4);
}

static void plans_that_take_long_are_rare(void)
{
    g_autoptr(Policy) policy = draw(3, "000111", NULL);

    policy_plan(policy, NOW);
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, SECOND), ==, 10 * SECOND);    /* a tenth of a CPU, */
    policy_plan(policy, NOW + 20 * SECOND);
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, SECOND), ==, 50 * SECOND);    /* and two per cent */
    /* One that took long by accident does not put off the next for hours. */
    g_assert_cmpuint(policy_plan_pause_ns(policy, SECOND, 100 * SECOND), ==, 60 * SECOND);
}

static void is_not_throttled_where_the_limit_does_not_matter(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;

    own.budget_bytes = PAGE;
    own.max_bytes_per_s = 2 * PAGE;
    policy = draw_with(&own, "0111", (double[]){1, 900, 1, 1});
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 2);
    g_assert_false(plan->throttled);
}

static void a_slow_caller_gets_plans_that_it_can_finish(void)
{
    const uint64_t n = 4096;
    g_autofree char *tiers = g_strnfill(n, '1');
    g_autofree double *rates = g_new(double, n);
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;

    memset(tiers, '0', n / 2);
    for (size_t i = 0; i < n; i++) {
        rates[i] = i < n / 2 ? 1 : 900;
    }
    policy = draw(n / 2, tiers, rates);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, n);
    for (size_t i = 0; i < 200; i++) {
        policy_moved(policy, &plan->moves[i], POLICY_MOVED, NOW);
    }
    plan = policy_plan(policy, NOW + SECOND);
    g_assert_cmpuint(plan->n_moves, ==, 200);           /* into the room that was made, all of it */
    g_assert_cmpuint(plan->moves[0].to, ==, 0);
    g_assert_cmpuint(plan->moves[199].to, ==, 0);
    for (size_t i = 0; i < 200; i++) {
        policy_moved(policy, &plan->moves[i], POLICY_MOVED, NOW);
    }
    plan = policy_plan(policy, NOW + 2 * SECOND);
    g_assert_cmpuint(plan->n_moves, ==, 250);
}

static void one_tier_is_only_watched(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    PolicyStats stats;

    own.n_tiers = 1;
    policy = draw_with(&own, "0000", (double[]){1, 2, 3, 900});     /* over its budget of 0 */
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
    policy_stats(policy, &stats);
    g_assert_cmpfloat(stats.hit_ratio, ==, 1);
}

static void of_three_tiers_the_slowest_gains_most(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    g_autofree char *after = NULL;

    own.n_tiers = 3;
    own.budget_bytes = 2 * PAGE;
    policy = draw_with(&own, "0012", (double[]){1, 500, 300, 299});
    after = carry_out(policy, policy_plan(policy, NOW), "0012", NOW);
    g_assert_cmpstr(after, ==, "1010");
}

static void a_tier_as_fast_as_the_first_is_no_reason_to_move(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    own.costs.latency_ns[1] = own.costs.latency_ns[0];
    own.budget_bytes = PAGE;
    policy = draw_with(&own, "01", (double[]){1, 90000});
    g_assert_cmpuint(policy_plan(policy, NOW)->n_moves, ==, 0);
}

static void huge_granules_are_weighed_by_the_byte(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;
    uint8_t slow = 1;

    own.budget_bytes = HUGE_PAGE;
    policy = draw_with(&own, "0", (double[]){900});
    g_assert_true(policy_region_add(policy, 2, 2 * HUGE_PAGE, HUGE_PAGE, NULL));
    policy_place(policy, 2, 0, 1, &slow);
    policy_place(policy, 2, 1, 1, &slow);
    /* 100 a page */
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 2, 0, 1, 512 * 100, 1000 * SECOND, NOW);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 0);             /* there is no room for it without the hotter page */
    own.budget_bytes = HUGE_PAGE + PAGE;
    policy_configure(policy, &own);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 1);
    g_assert_cmpuint(plan->moves[0].region, ==, 2);
}

static void a_huge_victim_makes_room_for_many_pages(void)
{
    PolicyConfig own = config;
    g_autofree char *tiers = g_strnfill(600, '1');
    g_autofree double *rates = g_new(double, 600);
    g_autoptr(Policy) policy = NULL;
    const PolicyPlan *plan;
    uint8_t fast = 0;

    own.budget_bytes = HUGE_PAGE;
    for (size_t i = 0; i < 600; i++) {
        rates[i] = 900;
    }
    policy = draw_with(&own, tiers, rates);
    g_assert_true(policy_region_add(policy, 2, HUGE_PAGE, HUGE_PAGE, NULL));
    policy_place(policy, 2, 0, 1, &fast);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 2, 0, 1, 512, 1000 * SECOND, NOW);
    plan = policy_plan(policy, NOW);
    g_assert_cmpuint(plan->n_moves, ==, 1 + 512);
    g_assert_cmpuint(plan->moves[0].region, ==, 2);
    g_assert_cmpuint(plan->moves[0].to, ==, 1);
}

static void tells_hit_ratio_ideal_and_threshold(void)
{
    g_autoptr(Policy) policy = draw(2, "00111", (double[]){100, 50, 400, 100, 350});
    PolicyStats stats;

    policy_stats(policy, &stats);
    g_assert_true(isnan(stats.hit_ratio));
    policy_plan(policy, NOW);
    policy_stats(policy, &stats);
    g_assert_cmpfloat_with_epsilon(stats.hit_ratio, 0.15, 0.01);
    g_assert_cmpfloat_with_epsilon(stats.ideal_hit_ratio, 0.75, 0.01);
    g_assert_cmpfloat_with_epsilon(stats.threshold_per_s, 100, 10);
    g_assert_cmpuint(stats.granule_bytes[0], ==, 2 * PAGE);
    g_assert_cmpuint(stats.granule_bytes[1], ==, 3 * PAGE);
}

static void tells_no_hit_ratio_before_either_tier_was_seen_for_the_most_part(void)
{
    static const struct {
        size_t fast_seen, slow_seen;
        bool known;
    } cases[] = {{0, 0, false}, {4, 0, false}, {0, 8, false}, {2, 3, false},
                 {1, 8, false}, {2, 4, true},  {4, 8, true}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Policy) policy = policy_new(&config);
        uint8_t tiers[12] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
        PolicyStats stats;

        g_assert_true(policy_region_add(policy, REGION, sizeof(tiers) * PAGE, PAGE, NULL));
        policy_place(policy, REGION, 0, sizeof(tiers), tiers);
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, cases[i].fast_seen, 100, SECOND, NOW);
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 4, cases[i].slow_seen, 1, SECOND, NOW);
        policy_plan(policy, NOW);
        policy_stats(policy, &stats);
        g_assert_cmpint(!isnan(stats.hit_ratio), ==, cases[i].known);
        g_assert_cmpint(!isnan(stats.ideal_hit_ratio), ==, cases[i].known);
    }
}

static void asks_for_evidence_where_the_decision_is_in_doubt(void)
{
    g_autoptr(Policy) policy = draw(2, "0011.", (double[]){0, 100, 0, 0, 0});
    uint64_t bits = 0;
    uint8_t score[6] = {9, 9, 9, 9, 9, 9};

    /* Eight accesses each. */
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 0, 1, 80000, SECOND / 10000, NOW);
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, 2, 1, 80, SECOND / 10, NOW);
    policy_plan(policy, NOW);
    policy_uncertainty(policy, REGION, 0, 6, NOW, score);
    g_assert_cmpuint(score[3], ==, 255);                /* never seen */
    g_assert_cmpuint(score[4], ==, 0);                  /* absent */
    g_assert_cmpuint(score[5], ==, 0);                  /* no such granule */
    g_assert_cmpuint(score[2], >, 4 * score[0]);        /* near the threshold, and far from it */
    g_assert_cmpuint(score[2], >, 4 * score[1]);        /* near it, and known well or not */
    policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 3, 1, &bits, 10000000, NOW);
    policy_uncertainty(policy, REGION, 3, 1, NOW, score);
    g_assert_cmpuint(score[0], >, 20);                  /* seen, but hardly */
    g_assert_cmpuint(score[0], <, 255);
}

static void what_is_watched_by_others_is_not_asked_about_but_where_they_see_nothing(void)
{
    g_autoptr(Policy) policy = draw(2, "0011.", (double[]){0, 0, 0, 0, 0});
    uint8_t score[5];

    for (size_t i = 0; i < 4; i++) {                    /* eighty accesses each, 40 to 2560 a second */
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i, 1, 40 << 2 * i, 2 * SECOND >> 2 * i, NOW);
    }
    policy_plan(policy, NOW);
    policy_cover(policy, 1u << 1);
    policy_uncertainty(policy, REGION, 0, 5, NOW, score);
    g_assert_cmpuint(score[0], >, 0);
    g_assert_cmpuint(score[2], ==, 0);
    g_assert_cmpuint(score[3], ==, 0);
    policy_cover_above(policy, 1000);                   /* of tier 1 they see the hotter one alone */
    policy_uncertainty(policy, REGION, 0, 5, NOW, score);
    g_assert_cmpuint(score[2], >, 0);
    g_assert_cmpuint(score[3], ==, 0);
    g_assert_cmpuint(score[4], ==, 0);                  /* absent all the same */
    policy_cover_above(policy, 0);
    policy_uncertainty(policy, REGION, 0, 5, NOW, score);
    g_assert_cmpuint(score[2], ==, 0);
}

/* Heat that flips every second: what was promoted is cold at once. */
static void flip(Policy *policy, uint64_t *now_ns, unsigned seconds, char *places, size_t n)
{
    for (unsigned second = 0; second < seconds; second++, *now_ns += SECOND) {
        const PolicyPlan *plan;

        for (size_t i = 0; i < n; i++) {
            bool hot = (i % 2 == 0) == (second % 2 == 0);

            policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i, 1, hot ? 4000 : 0, 100 * SECOND,
                                 *now_ns);
        }
        plan = policy_plan(policy, *now_ns);
        g_autofree char *after = carry_out(policy, plan, places, *now_ns);
        memcpy(places, after, n);
    }
}

static void the_brake_goes_on_when_moves_are_undone_and_off_when_they_last(void)
{
    const size_t n = 64;
    g_autofree char *places = g_strnfill(n, '1');
    g_autoptr(Policy) policy = NULL;
    uint64_t now_ns = NOW;
    PolicyStats stats;

    memset(places, '0', n / 2);
    policy = draw(n / 2, places, NULL);
    flip(policy, &now_ns, 30, places, n);
    policy_stats(policy, &stats);
    g_assert_cmpfloat(stats.undone_share, >, 0.05);
    g_assert_cmpuint(stats.undone_bytes, >, 0);
    g_assert_cmpfloat(stats.margin, >, 1);
    g_assert_cmpfloat(stats.margin, <=, 32);
    g_assert_true(policy_plan(policy, now_ns)->thrashing);

    for (unsigned second = 0; second < 60; second++) {
        now_ns += SECOND;
        policy_plan(policy, now_ns);                    /* nothing more is carried out */
    }
    policy_stats(policy, &stats);
    g_assert_cmpfloat(stats.margin, ==, 1);
    g_assert_cmpfloat(stats.undone_share, ==, 0);
    g_assert_false(policy_plan(policy, now_ns)->thrashing);
}

static void the_brake_makes_small_gains_wait(void)
{
    const size_t n = 64;
    g_autofree char *places = g_strnfill(n, '1');
    g_autoptr(Policy) policy = NULL;
    PolicyConfig own = config;
    uint64_t now_ns = NOW;
    const PolicyPlan *plan;

    memset(places, '0', n / 2);
    policy = draw(n / 2, places, NULL);
    flip(policy, &now_ns, 30, places, n);
    own.budget_bytes = (n / 2 + 1) * PAGE;              /* room for one more */
    policy_configure(policy, &own);
    for (size_t i = 0; i < n; i++) {
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, i, 1, places[i] == '0' ? 900 : 15,
                             10000 * SECOND, now_ns);
    }
    plan = policy_plan(policy, now_ns);
    g_assert_true(plan->thrashing);
    g_assert_cmpuint(plan->n_moves, ==, 0);
    for (unsigned second = 0; second < 60; second++) {
        now_ns += SECOND;
        plan = policy_plan(policy, now_ns);
    }
    g_assert_false(plan->thrashing);
    g_assert_cmpuint(plan->n_moves, ==, 1);             /* the free room is worth a copy again */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(drawings); i++) {
        g_autofree char *path = g_strdup_printf("/planner/%s", drawings[i].name);

        g_test_add_data_func(path, &drawings[i], plans_as_drawn);
    }
#define ADD(name) g_test_add_func("/planner/" #name, name)
    ADD(demotes_first_and_promotes_hottest_first);
    ADD(a_shred_of_evidence_does_not_evict_what_is_known);
    ADD(unmovable_granules_are_left_out_and_stay_in_the_budget);
    ADD(plans_nothing_where_all_are_unmovable);
    ADD(what_did_not_move_is_tried_again_after_a_pause);
    ADD(what_is_gone_frees_its_budget);
    ADD(bytes_per_second_cut_a_plan_short);
    ADD(what_leaves_for_the_budget_is_not_what_a_plan_wants);
    ADD(plans_follow_sooner_where_there_is_more_to_do);
    ADD(plans_that_take_long_are_rare);
    ADD(is_not_throttled_where_the_limit_does_not_matter);
    ADD(a_slow_caller_gets_plans_that_it_can_finish);
    ADD(one_tier_is_only_watched);
    ADD(of_three_tiers_the_slowest_gains_most);
    ADD(a_tier_as_fast_as_the_first_is_no_reason_to_move);
    ADD(huge_granules_are_weighed_by_the_byte);
    ADD(a_huge_victim_makes_room_for_many_pages);
    ADD(tells_hit_ratio_ideal_and_threshold);
    ADD(tells_no_hit_ratio_before_either_tier_was_seen_for_the_most_part);
    ADD(asks_for_evidence_where_the_decision_is_in_doubt);
    ADD(what_is_watched_by_others_is_not_asked_about_but_where_they_see_nothing);
    ADD(the_brake_goes_on_when_moves_are_undone_and_off_when_they_last);
    ADD(the_brake_makes_small_gains_wait);
    return g_test_run();
}
