/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter's split of tier 0: what each gets in cases worked out by hand.
 */
#include <glib.h>

#include "claims.h"
#include "rng.h"

#define MAX_CLAIMS 9

typedef struct Split {
    const char *name;
    uint64_t capacity_mib;
    size_t n;
    struct {
        uint64_t floor_mib, ceiling_mib;
        uint32_t weight;
        uint64_t budget_mib;
    } vms[MAX_CLAIMS];
} Split;

static const Split splits[] = {
    {"one_vm_gets_its_ceiling_where_there_is_enough", 1000, 1, {{0, 300, 100, 300}}},
    {"one_vm_gets_all_there_is", 200, 1, {{0, 300, 100, 200}}},
    {"equals_share_equally", 400, 2, {{0, 300, 100, 200}, {0, 300, 100, 200}}},
    {"weights_share_in_proportion", 400, 2, {{0, 400, 300, 300}, {0, 400, 100, 100}}},
    {"floors_come_before_weights", 400, 2, {{300, 400, 1, 304}, {0, 400, 24, 96}}},
    {"what_a_ceiling_leaves_goes_to_the_others",
     900,
     3,
     {{0, 100, 1, 100}, {0, 1000, 1, 400}, {0, 1000, 1, 400}}},
    {"nothing_is_held_back_nor_given_above_a_ceiling", 1000, 2, {{10, 200, 5, 200}, {0, 300, 1, 300}}},
    {"floors_beyond_the_capacity_are_cut_alike", 300, 2, {{400, 500, 1, 200}, {200, 500, 9, 100}}},
    {"a_floor_above_the_ceiling_is_the_ceiling", 1000, 2, {{500, 100, 1, 100}, {0, 900, 1, 900}}},
    {"weight_0_counts_as_1", 400, 2, {{0, 400, 0, 200}, {0, 400, 1, 200}}},
    {"no_capacity_no_budget", 0, 2, {{100, 400, 1, 0}, {0, 400, 1, 0}}},
    {"no_vms", 1000, 0, {{0}}},
};

static void splits_as_worked_out(const void *data)
{
    const Split *split = data;
    ArbiterClaim claims[MAX_CLAIMS] = {0};
    uint64_t budgets[MAX_CLAIMS] = {0};

    for (size_t i = 0; i < split->n; i++) {
        claims[i].floor_bytes = split->vms[i].floor_mib * MIB;
        claims[i].ceiling_bytes = split->vms[i].ceiling_mib * MIB;
        claims[i].weight = split->vms[i].weight;
    }
    arbiter_split(split->capacity_mib * MIB, claims, split->n, budgets);
    for (size_t i = 0; i < split->n; i++) {
        g_assert_cmpuint(budgets[i], <=, split->vms[i].budget_mib * MIB);
        g_assert_cmpuint(budgets[i] + 32ull * 4096, >=,
                         split->vms[i].budget_mib * MIB); /* a page a unit of weight */
    }
}

/* --- VMs of which something is known --- */

static double slowdown_of(const ArbiterClaim *claim, uint64_t budget)
{
    return slowdown_at(claim->curve, &claim->model, budget);
}

/* Within a page. */
static void assert_about(uint64_t bytes, uint64_t expected)
{
    g_assert_cmpuint(bytes, <=, expected + 4096);
    g_assert_cmpuint(bytes + 4096, >=, expected);
}

static void the_hotter_memory_is_served_first(void)
{
    const PolicyCurve hot = curve_hot(GIB, 300 * MIB, 0.9, 3e6), cool = curve_hot(GIB, 300 * MIB, 0.88, 3e6);
    const ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&cool, &busy) };
    uint64_t budgets[2];

    /* Each is entitled to 200 MiB, hot by its own measure, and one is not that much hotter than the other. */
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 200 * MIB);
    assert_about(budgets[1], 200 * MIB);
    /* 100 MiB over, by a third that needs none: for the hotter one. */
    {
        const PolicyCurve small = curve_flat(50 * MIB, 3e6);
        const ArbiterClaim three[] = { claims[0], claims[1], claim_of(&small, &busy) };
        uint64_t b[3];

        g_assert_true(arbiter_split(550 * MIB, three, 3, b));
        assert_about(b[0], 300 * MIB);      /* all that is hot in it */
        assert_about(b[1], 250 * MIB);
        assert_about(b[2], 0);              /* has nothing above its own average */
    }
}

static void an_idle_vm_lends_all_but_its_floor_and_has_its_own_back_at_once(void)
{
    const PolicyCurve hot = curve_hot(GIB, 400 * MIB, 0.9, 3e6);
    ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&hot, &idle) };
    uint64_t budgets[2];

    claims[1].floor_bytes = 30 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[1], >=, 30 * MIB);
    g_assert_cmpuint(budgets[1], <, 32 * MIB);
    assert_about(budgets[0], 400 * MIB - budgets[1]);

    claims[0].held_bytes = budgets[0];
    claims[1].held_bytes = budgets[1];
    claims[1].model = slowdown_model(&hot, &busy);
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[1], 215 * MIB);    /* its floor, and half of what floors leave */
}

static void memory_that_nobody_gains_by_is_in_use_all_the_same(void)
{
    const PolicyCurve none = curve_flat(GIB, 0), hot = curve_hot(GIB, 100 * MIB, 1, 3e6);
    const ArbiterClaim claims[] = { claim_of(&none, &idle), claim_of(&hot, &busy) };
    uint64_t budgets[2];

    g_assert_true(arbiter_split(GIB, claims, 2, budgets));
    assert_about(budgets[0] + budgets[1], GIB);
    g_assert_true(arbiter_split(3 * GIB, claims, 2, budgets));
    assert_about(budgets[0], GIB);
    assert_about(budgets[1], GIB);
}

static void a_vm_not_known_yet_has_its_entitlement(void)
{
    const PolicyCurve hot = curve_hot(GIB, 400 * MIB, 0.9, 3e6), unseen = { .present_bytes = GIB };
    const ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&unseen, &busy) };
    uint64_t budgets[2];

    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 200 * MIB);
    assert_about(budgets[1], 200 * MIB);
}

/* Its curve is of its idling: as if it touched nothing often. */
static void a_vm_that_wakes_has_its_entitlement_whatever_its_curve_says(void)
{
    const PolicyCurve hot = curve_hot(GIB, 400 * MIB, 0.9, 3e6), alike = curve_flat(GIB, 3e6);
    ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&alike, &busy) };
    uint64_t budgets[2];

    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[1], <, 50 * MIB);
    claims[0].held_bytes = budgets[0];
    claims[1].held_bytes = budgets[1];
    claims[1].wakes = true;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[1], 200 * MIB);
    claims[1].ceiling_bytes = 100 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[1], 100 * MIB);
}

/* What of its time a VM saves by @more bytes rather than @less, above what so much of its average memory does. */
static double saved(const ArbiterClaim *claim, uint64_t less, uint64_t more)
{
    PolicyCurve curve;

    slowdown_doubted(claim->curve, &curve);
    return claim->model.worst * claim->model.work / MAX(claim->model.work, 1) *
           (slowdown_hit_ratio(&curve, more) - slowdown_hit_ratio(&curve, less) -
            (double)(more - less) / (double)curve.present_bytes);
}

/* Of its hot 300 MiB a VM is entitled to 200: what it has less than that must be worth more to the neighbour. */
static void a_neighbour_takes_of_what_is_a_vms_own_only_what_saves_it_more(void)
{
    const PolicyCurve victim = curve_hot(GIB, 300 * MIB, 0.8, 1e6);
    const SlowdownLoad slight = {1e6, 1, 1, 100, 250};
    Rng rng = { .state = 3 };
    unsigned taken = 0;

    for (int round = 0; round < 1000; round++) {
        const uint64_t hot = 1 + rng_next(&rng) % GIB;
        const double even = (double)hot / (double)(GIB + MIB);
        const PolicyCurve curve = curve_hot(GIB + MIB, hot, even + rng_uniform(&rng) * (1 - even), 1e9);
        const SlowdownLoad burns = {exp2(60 * rng_uniform(&rng)), exp2(20 * rng_uniform(&rng)),
                                    rng_uniform(&rng), 100, 250};
        const ArbiterClaim claims[] = { claim_of(&victim, &slight), claim_of(&curve, &burns) };
        uint64_t budgets[2];

        g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
        if (budgets[0] + 4096 < 200 * MIB) {
            g_assert_cmpfloat(saved(&claims[1], 200 * MIB, budgets[1]), >,
                              0.99 * ARBITER_OWN * saved(&claims[0], budgets[0], 200 * MIB));
            taken++;
        }
    }
    g_assert_cmpuint(taken, >, 10);
    g_assert_cmpuint(taken, <, 500);
}

static void a_vm_that_touches_all_it_has_takes_nothing_that_is_anothers_own(void)
{
    const PolicyCurve victim = curve_hot(GIB, 300 * MIB, 0.8, 1e6), all = curve_flat(8 * GIB, 1e15);
    const SlowdownLoad slight = {1e6, 1, 1, 100, 250}, burns = {1e15, 64, 0, 100, 250};
    ArbiterClaim claims[] = { claim_of(&victim, &slight), claim_of(&all, &burns) };
    uint64_t budgets[2];

    claims[1].weight *= 4;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 300 * MIB);    /* and has what else is hot in it besides */
    assert_about(budgets[1], 100 * MIB);
}

/* So the host's memory is where it saves most: 300 MiB of the one save fifteen times as much a byte as 3 GiB. */
static void heat_that_is_dense_is_served_before_heat_that_is_spread(void)
{
    const PolicyCurve dense = curve_hot(4 * GIB, 300 * MIB, 0.9, 3e6), spread = curve_hot(8 * GIB, 3 * GIB, 0.9, 3e6);
    ArbiterClaim claims[] = { claim_of(&dense, &busy), claim_of(&spread, &busy) };
    uint64_t budgets[2];

    claims[1].floor_bytes = 50 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 300 * MIB);
    assert_about(budgets[1], 100 * MIB);
    g_assert_true(arbiter_split(340 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 290 * MIB);
    assert_about(budgets[1], 50 * MIB);     /* never less than its floor */
}

static void no_rate_buys_more_than_the_latencies_allow(void)
{
    const PolicyCurve zipf = curve_zipf(GIB, 3e6), taker = curve_hot(GIB, 500 * MIB, 0.95, 1e7);
    const SlowdownLoad absurd = {1e15, 1, 1, 100, 250};
    uint64_t budgets[2], more[2];

    {
        const ArbiterClaim claims[] = { claim_of(&zipf, &busy), claim_of(&taker, &waits) };
        const ArbiterClaim absurd_claims[] = { claims[0], claim_of(&taker, &absurd) };

        g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
        g_assert_true(arbiter_split(400 * MIB, absurd_claims, 2, more));
    }
    assert_about(more[1], budgets[1]);
}

/* A VM whose memory is all alike, as estimates from four accesses each show it: they vary by a factor of two. */
static PolicyCurve curve_noise(uint64_t bytes, double per_s)
{
    PolicyCurve curve = { .n = 16, .present_bytes = bytes };
    double sum = 0;

    for (size_t i = 0; i < curve.n; i++) {      /* quantiles of a normal distribution of log2, nearly */
        const double p = ((double)i + 0.5) / (double)curve.n;

        sum += exp2(0.72 * log(1 / p - 1) / 1.7);
        curve.points[i].bytes = bytes / curve.n * (i + 1);
        curve.points[i].per_s = sum;
    }
    for (size_t i = 0; i < curve.n; i++) {
        curve.points[i].per_s *= per_s / sum;
    }
    return curve;
}

static void noise_is_not_taken_for_heat(void)
{
    const PolicyCurve zipf = curve_zipf(GIB, 3e6), noise = curve_noise(GIB, 1e7), flat = curve_flat(GIB, 1e7);
    const ArbiterClaim noisy[] = { claim_of(&zipf, &busy), claim_of(&noise, &waits) };
    const ArbiterClaim plain[] = { claim_of(&zipf, &busy), claim_of(&flat, &waits) };
    uint64_t budgets[2], expected[2];

    g_assert_true(arbiter_split(400 * MIB, noisy, 2, budgets));
    g_assert_true(arbiter_split(400 * MIB, plain, 2, expected));
    assert_about(budgets[1], expected[1]);
}

/* --- targets --- */

static void a_target_gets_the_smallest_size_that_keeps_it(void)
{
    const PolicyCurve zipf = curve_zipf(GIB, 3e6), hot = curve_hot(4 * GIB, 2 * GIB, 0.95, 3e6);
    ArbiterClaim claims[] = { claim_of(&zipf, &busy), claim_of(&hot, &busy) };
    uint64_t budgets[2];

    set_target(&claims[0], 0.05);
    g_assert_cmpuint(claims[0].target_bytes, <, 500 * MIB);
    g_assert_true(arbiter_split(GIB, claims, 2, budgets));
    assert_about(budgets[0], claims[0].target_bytes);
    g_assert_cmpfloat(slowdown_of(&claims[0], budgets[0]), <=, 0.05);
    assert_about(budgets[1], GIB - budgets[0]);
}

static void a_target_above_the_entitlement_takes_only_what_matters_little_to_others(void)
{
    const PolicyCurve hot = curve_hot(GIB, 700 * MIB, 0.99, 3e6), other = curve_hot(GIB, 200 * MIB, 0.9, 3e6);
    ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&other, &busy) };
    uint64_t budgets[2];

    set_target(&claims[0], 0.005);
    g_assert_cmpuint(claims[0].target_bytes, >, 690 * MIB);
    g_assert_true(arbiter_split(GIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], >=, claims[0].target_bytes / 4096 * 4096);
    g_assert_cmpuint(budgets[1] + 4096, >=, 200 * MIB);

    g_assert_true(arbiter_split(800 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 600 * MIB);    /* not kept: the other's hot 200 MiB are its own */
    assert_about(budgets[1], 200 * MIB);
}

static void a_target_that_cannot_be_judged_yet_is_as_none(void)
{
    const PolicyCurve unseen = { .present_bytes = GIB };
    ArbiterClaim claims[] = { claim_of(&unseen, &busy), claim_of(&unseen, &busy) };
    uint64_t budgets[2];

    set_target(&claims[0], 0.01);
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 200 * MIB);
    assert_about(budgets[1], 200 * MIB);
}

/* --- hysteresis --- */

static void what_is_held_stays_where_the_gain_is_below_the_cost(void)
{
    const PolicyCurve hot = curve_hot(GIB, 500 * MIB, 0.9, 3e6), hotter = curve_hot(GIB, 500 * MIB, 0.91, 3e6);
    ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&hot, &busy) };
    uint64_t budgets[2], first[2];

    g_assert_true(arbiter_split(600 * MIB, claims, 2, first));
    claims[0].held_bytes = first[0] - 40 * MIB;
    claims[1].held_bytes = first[1] + 40 * MIB;
    claims[0].move_ns_per_byte = claims[1].move_ns_per_byte = 1e6;
    claims[0].curve = &hotter;
    g_assert_true(arbiter_split(600 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], ==, claims[0].held_bytes);
    g_assert_cmpuint(budgets[1], ==, claims[1].held_bytes);

    claims[0].move_ns_per_byte = claims[1].move_ns_per_byte = MOVE_NS_PER_BYTE;
    g_assert_true(arbiter_split(600 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], >=, first[0]);
}

/* On both sides of the margin memory is nearly alike: what one gains the other loses, and moves cost. */
static void what_wavers_stays(void)
{
    const PolicyCurve zipf = curve_zipf(GIB, 3e6);
    ArbiterClaim claims[] = { claim_of(&zipf, &busy), claim_of(&zipf, &busy) };
    uint64_t first[2], budgets[2];

    g_assert_true(arbiter_split(120 * MIB, claims, 2, first));
    claims[0].held_bytes = first[0] - 3 * MIB;
    claims[1].held_bytes = first[1] + 3 * MIB;
    g_assert_true(arbiter_split(120 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], ==, claims[0].held_bytes);
    claims[0].held_bytes = first[0] - 15 * MIB;     /* that much is a lack: it has back what is worth the moves */
    claims[1].held_bytes = first[1] + 15 * MIB;
    g_assert_true(arbiter_split(120 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], >=, first[0] - 10 * MIB);
    g_assert_cmpuint(budgets[0], <=, first[0]);
}

/* Beyond what is anybody's own, memory changes hands for what is clearly hotter, not for what a curve has it today. */
static void what_is_lent_stays_until_another_is_clearly_hotter(void)
{
    const PolicyCurve hot = curve_hot(GIB, 300 * MIB, 0.9, 3e6), cool = curve_hot(GIB, 300 * MIB, 0.85, 3e6);
    const PolicyCurve cold = curve_hot(GIB, 300 * MIB, 0.6, 3e6), small = curve_flat(50 * MIB, 3e6);
    ArbiterClaim claims[] = { claim_of(&hot, &busy), claim_of(&cool, &busy), claim_of(&small, &busy) };
    uint64_t budgets[3];

    claims[0].held_bytes = 250 * MIB;   /* it would have 300, and the other 250 */
    claims[1].held_bytes = 300 * MIB;
    g_assert_true(arbiter_split(550 * MIB, claims, 3, budgets));
    g_assert_cmpuint(budgets[0], ==, claims[0].held_bytes);
    g_assert_cmpuint(budgets[1], ==, claims[1].held_bytes);
    claims[1].curve = &cold;
    g_assert_true(arbiter_split(550 * MIB, claims, 3, budgets));
    assert_about(budgets[0], 300 * MIB);
}

/* What one VM must have at once is no occasion for others to exchange what is nearly alike. */
static void what_another_needs_moves_nothing_else(void)
{
    const PolicyCurve hot = curve_hot(GIB, 300 * MIB, 0.9, 3e6), cool = curve_hot(GIB, 300 * MIB, 0.85, 3e6);
    const PolicyCurve small = curve_flat(50 * MIB, 3e6), woken = curve_flat(60 * MIB, 3e6);
    ArbiterClaim claims[] = {
        claim_of(&hot, &busy), claim_of(&cool, &busy), claim_of(&small, &busy), claim_of(&woken, &busy)};
    uint64_t budgets[4];

    claims[0].held_bytes = 250 * MIB;
    claims[1].held_bytes = 300 * MIB;
    claims[3].wakes = true;
    g_assert_true(arbiter_split(610 * MIB, claims, 4, budgets));
    assert_about(budgets[3], 60 * MIB);
    assert_about(budgets[0], 250 * MIB);
    assert_about(budgets[1], 300 * MIB);
}

static void what_is_held_does_not_stay_above_a_new_ceiling_or_below_a_new_floor(void)
{
    const PolicyCurve none = curve_flat(GIB, 0);
    ArbiterClaim claims[] = { claim_of(&none, &idle), claim_of(&none, &idle) };
    uint64_t budgets[2];

    claims[0].held_bytes = claims[1].held_bytes = 200 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], ==, 200 * MIB);
    claims[0].ceiling_bytes = 100 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    assert_about(budgets[0], 100 * MIB);
    assert_about(budgets[1], 300 * MIB);
    claims[0].ceiling_bytes = GIB;
    claims[0].floor_bytes = 250 * MIB;
    g_assert_true(arbiter_split(400 * MIB, claims, 2, budgets));
    g_assert_cmpuint(budgets[0], >=, 250 * MIB);
    g_assert_true(arbiter_split(260 * MIB, claims, 2, budgets));    /* the tier has become smaller */
    g_assert_cmpuint(budgets[0] + budgets[1], <=, 260 * MIB);
    g_assert_false(arbiter_split(200 * MIB, claims, 2, budgets));
}

/* --- a host of tenants --- */

typedef struct Tenants {
    PolicyCurve curves[MAX_CLAIMS];
    ArbiterClaim claims[MAX_CLAIMS];
    size_t n;
} Tenants;

static void add_tenant(Tenants *t, PolicyCurve curve, const SlowdownLoad *load)
{
    t->curves[t->n] = curve;
    t->claims[t->n] = claim_of(&t->curves[t->n], load);
    t->claims[t->n].weight = 1;
    t->n++;
}

/* Of nine, like those of docs/results.md; the last is what @last makes of it. */
static void tenants_init(Tenants *t, PolicyCurve last, const SlowdownLoad *load)
{
    *t = (Tenants) { 0 };
    add_tenant(t, curve_hot(14 * GIB, GIB, 0.9, 1e7), &waits);
    add_tenant(t, curve_hot(18 * GIB, 5 * GIB, 0.9, 1e7), &waits);
    add_tenant(t, curve_zipf(14 * GIB, 3e6), &busy);
    add_tenant(t, curve_hot(14 * GIB, 1434 * MIB, 0.8, 3e6), &busy);
    add_tenant(t, curve_hot(14 * GIB, GIB, 0.9, 1e7), &idle);
    add_tenant(t, curve_zipf(28 * GIB, 3e6), &busy);
    add_tenant(t, curve_hot(42 * GIB, 3 * GIB, 0.9, 1e7), &waits);
    add_tenant(t, curve_hot(14 * GIB, 7 * GIB, 0.9, 3e6), &busy);
    add_tenant(t, last, load);
}

/* Sum of the slowdowns of the first eight. */
static double neighbours_slowdown(const Tenants *t, const uint64_t *budgets)
{
    double sum = 0;

    for (size_t i = 0; i + 1 < t->n; i++) {
        sum += slowdown_of(&t->claims[i], budgets[i]);
    }
    return sum;
}

static void tenants_lose_less_than_with_equal_shares(void)
{
    static const unsigned shares[] = { 4, 5, 9, 17 };

    for (size_t s = 0; s < G_N_ELEMENTS(shares); s++) {
        const uint64_t capacity = 172 * GIB / shares[s];
        uint64_t budgets[MAX_CLAIMS], equal[MAX_CLAIMS];
        double ours, theirs;
        Tenants t;

        tenants_init(&t, curve_flat(14 * GIB, 1e7), &waits);
        for (size_t i = 0; i < t.n; i++) {
            equal[i] = MIN(capacity / t.n, t.curves[i].present_bytes);
        }
        g_assert_true(arbiter_split(capacity, t.claims, t.n, budgets));
        ours = neighbours_slowdown(&t, budgets);
        theirs = neighbours_slowdown(&t, equal);
        g_test_message("fast share 1/%u: %.3f against %.3f", shares[s], ours, theirs);
        g_assert_cmpfloat(ours, <, 0.8 * theirs);
    }
}

/* Against the same VM doing its honest work. */
static void a_vm_that_touches_all_it_has_does_not_change_its_neighbours(void)
{
    static const unsigned shares[] = { 2, 3, 5, 9, 17 };

    for (size_t s = 0; s < G_N_ELEMENTS(shares); s++) {
        const SlowdownLoad burns = {1e15, 64, 0, 100, 250};
        const uint64_t capacity = 172 * GIB / shares[s];
        uint64_t before[MAX_CLAIMS], after[MAX_CLAIMS];
        Tenants honest, hostile;

        tenants_init(&honest, curve_zipf(14 * GIB, 3e6), &busy);
        tenants_init(&hostile, curve_flat(14 * GIB, 1e15), &burns);
        g_assert_true(arbiter_split(capacity, honest.claims, honest.n, before));
        g_assert_true(arbiter_split(capacity, hostile.claims, hostile.n, after));
        for (size_t i = 0; i + 1 < honest.n; i++) {
            g_assert_cmpfloat(slowdown_of(&honest.claims[i], after[i]), <,
                              slowdown_of(&honest.claims[i], before[i]) + 0.01);
        }
    }
}

#define ADD(func) g_test_add_func("/arbiter/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(splits); i++) {
        g_autofree char *path = g_strdup_printf("/arbiter/%s", splits[i].name);

        g_test_add_data_func(path, &splits[i], splits_as_worked_out);
    }
    ADD(the_hotter_memory_is_served_first);
    ADD(an_idle_vm_lends_all_but_its_floor_and_has_its_own_back_at_once);
    ADD(memory_that_nobody_gains_by_is_in_use_all_the_same);
    ADD(a_vm_not_known_yet_has_its_entitlement);
    ADD(a_vm_that_wakes_has_its_entitlement_whatever_its_curve_says);
    ADD(a_neighbour_takes_of_what_is_a_vms_own_only_what_saves_it_more);
    ADD(a_vm_that_touches_all_it_has_takes_nothing_that_is_anothers_own);
    ADD(heat_that_is_dense_is_served_before_heat_that_is_spread);
    ADD(no_rate_buys_more_than_the_latencies_allow);
    ADD(noise_is_not_taken_for_heat);
    ADD(a_target_gets_the_smallest_size_that_keeps_it);
    ADD(a_target_above_the_entitlement_takes_only_what_matters_little_to_others);
    ADD(a_target_that_cannot_be_judged_yet_is_as_none);
    ADD(what_is_held_stays_where_the_gain_is_below_the_cost);
    ADD(what_wavers_stays);
    ADD(what_is_lent_stays_until_another_is_clearly_hotter);
    ADD(what_another_needs_moves_nothing_else);
    ADD(what_is_held_does_not_stay_above_a_new_ceiling_or_below_a_new_floor);
    ADD(tenants_lose_less_than_with_equal_shares);
    ADD(a_vm_that_touches_all_it_has_does_not_change_its_neighbours);
    return g_test_run();
}
