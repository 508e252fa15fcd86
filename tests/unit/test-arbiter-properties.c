/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter's split of tier 0: what must hold whatever is claimed, and how long it takes.
 */
#include <glib.h>

#include "claims.h"
#include "rng.h"

#define MAX_CLAIMS 9

static uint64_t random_bytes(Rng *rng)
{
    return rng_next(rng) >> (rng_next(rng) % 64);
}

static PolicyCurve random_curve(Rng *rng)
{
    const uint64_t bytes = (random_bytes(rng) >> 4 | 1ull << 28) & ~4095ull;
    const double per_s = exp2(60 * rng_uniform(rng) - 10);

    switch (rng_next(rng) % 4) {
    case 0:
        return curve_flat(bytes, per_s);
    case 1:
        return curve_zipf(bytes, per_s);
    case 2:
        return curve_hot(bytes, 1 + rng_next(rng) % (bytes / 2), 0.5 + rng_uniform(rng) / 2, per_s);
    default:
        return curve_flat(bytes, 0);
    }
}

static ArbiterClaim random_claim(Rng *rng, PolicyCurve *curve)
{
    const SlowdownLoad load = {exp2(80 * rng_uniform(rng) - 20), exp2(20 * rng_uniform(rng) - 10),
                               rng_uniform(rng), 100, 250};
    ArbiterClaim claim = { random_bytes(rng), random_bytes(rng), (uint32_t)random_bytes(rng) };

    *curve = random_curve(rng);
    if (rng_chance(rng, 0.8)) {
        claim.curve = curve;
        claim.model = slowdown_model(curve, &load);
        claim.move_ns_per_byte = exp2(20 * rng_uniform(rng) - 15);
        if (rng_chance(rng, 0.2)) {
            set_target(&claim, rng_uniform(rng));
        }
    }
    return claim;
}

static void assert_promises(uint64_t capacity, const ArbiterClaim *claims, size_t n, const uint64_t *budgets,
                            bool whole)
{
    unsigned __int128 floors = 0, ceilings = 0, given = 0;

    for (size_t i = 0; i < n; i++) {
        floors += MIN(claims[i].floor_bytes, claims[i].ceiling_bytes);
        ceilings += claims[i].ceiling_bytes;
    }
    g_assert_true(whole == (floors <= capacity));
    for (size_t i = 0; i < n; i++) {
        const uint64_t floor = MIN(claims[i].floor_bytes, claims[i].ceiling_bytes);

        given += budgets[i];
        g_assert_cmpuint(budgets[i] % 4096, ==, 0);
        g_assert_cmpuint(budgets[i], <=, claims[i].ceiling_bytes);
        if (whole) {
            g_assert_cmpuint(budgets[i], >=, floor / 4096 * 4096);
        }
    }
    g_assert_true(given <= capacity);
    if (ceilings <= capacity) {
        /* A page for rounding, one for what is held. */
        g_assert_true(given + (unsigned __int128)n * 8192 >= ceilings);
    }
}

/* The claims in another order get the same, and what was given is given again. */
static void assert_order_free_and_settled(uint64_t capacity, ArbiterClaim *claims, size_t n,
                                          const uint64_t *budgets)
{
    ArbiterClaim turned[MAX_CLAIMS];
    uint64_t again[MAX_CLAIMS];

    for (size_t i = 0; i < n; i++) {
        turned[(i + n / 2) % n] = claims[i];
    }
    arbiter_split(capacity, turned, n, again);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(again[(i + n / 2) % n], ==, budgets[i]);
        claims[i].held_bytes = budgets[i];
    }
    arbiter_split(capacity, claims, n, again);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(again[i], ==, budgets[i]);
    }
}

static void holds_its_promises_whatever_is_claimed(void)
{
    Rng rng = { .state = 42 };

    for (int round = 0; round < 20000; round++) {
        PolicyCurve curves[MAX_CLAIMS];
        ArbiterClaim claims[MAX_CLAIMS];
        uint64_t budgets[MAX_CLAIMS], capacity = random_bytes(&rng);
        size_t n = 1 + rng_next(&rng) % MAX_CLAIMS;
        bool whole;

        for (size_t i = 0; i < n; i++) {
            claims[i] = random_claim(&rng, &curves[i]);
        }
        whole = arbiter_split(capacity, claims, n, budgets);
        assert_promises(capacity, claims, n, budgets, whole);
        assert_order_free_and_settled(capacity, claims, n, budgets);
        for (size_t i = 0; i < n; i++) {
            claims[i].held_bytes = random_bytes(&rng);
        }
        whole = arbiter_split(capacity, claims, n, budgets);
        assert_promises(capacity, claims, n, budgets, whole);
    }
}

/* Of @n claims, none of which had anything before. */
static void random_claims(Rng *rng, ArbiterClaim *claims, PolicyCurve *curves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        claims[i] = random_claim(rng, &curves[i]);
        claims[i].ceiling_bytes = random_bytes(rng) >> 20;
        claims[i].floor_bytes = random_bytes(rng) >> 28;
        claims[i].weight = 1 + (uint32_t)(rng_next(rng) % 1000);
    }
}

static void more_to_share_leaves_nobody_with_less(void)
{
    Rng rng = { .state = 11 };

    for (int round = 0; round < 5000; round++) {
        PolicyCurve curves[MAX_CLAIMS];
        ArbiterClaim claims[MAX_CLAIMS];
        uint64_t little[MAX_CLAIMS], much[MAX_CLAIMS], capacity = random_bytes(&rng) >> 20;
        size_t n = 1 + rng_next(&rng) % MAX_CLAIMS;

        random_claims(&rng, claims, curves, n);
        if (!arbiter_split(capacity, claims, n, little)) {
            continue;
        }
        arbiter_split(capacity + random_bytes(&rng) / 1024 / 1024, claims, n, much);
        for (size_t i = 0; i < n; i++) {
            g_assert_cmpuint(much[i] + 16 * 4096, >=, little[i]);
        }
    }
}

static void more_weight_leaves_nobody_with_less_of_his_own(void)
{
    Rng rng = { .state = 12 };

    for (int round = 0; round < 5000; round++) {
        PolicyCurve curves[MAX_CLAIMS];
        ArbiterClaim claims[MAX_CLAIMS];
        uint64_t light[MAX_CLAIMS], heavy[MAX_CLAIMS], capacity = random_bytes(&rng) >> 20;
        size_t n = 1 + rng_next(&rng) % MAX_CLAIMS;

        random_claims(&rng, claims, curves, n);
        arbiter_split(capacity, claims, n, light);
        claims[0].weight += 1 + (uint32_t)(rng_next(&rng) % 1000);
        arbiter_split(capacity, claims, n, heavy);
        g_assert_cmpuint(heavy[0] + 16 * 4096, >=, light[0]);
    }
}

static void a_thousand_vms_are_split_in_no_time(void)
{
    enum { N = 1000 };
    g_autofree PolicyCurve *curves = g_new0(PolicyCurve, N);
    g_autofree ArbiterClaim *claims = g_new0(ArbiterClaim, N);
    g_autofree uint64_t *budgets = g_new0(uint64_t, N);
    Rng rng = { .state = 5 };
    unsigned __int128 given = 0;
    double seconds;

    for (size_t i = 0; i < N; i++) {
        curves[i] = curve_zipf((1 + rng_next(&rng) % 64) * GIB, 1e6 * rng_uniform(&rng));
        claims[i] = claim_of(&curves[i], &busy);
    }
    g_test_timer_start();
    g_assert_true(arbiter_split(1000 * GIB, claims, N, budgets));
    seconds = g_test_timer_elapsed();
    for (size_t i = 0; i < N; i++) {
        given += budgets[i];
    }
    g_assert_true(given <= 1000 * GIB && given + N * 8192 >= 1000 * GIB);
    g_test_message("%.1f ms", seconds * 1e3);
    g_assert_cmpfloat(seconds, <, 1);       /* measured: some 40 ms; sanitizers and busy machines have room */
}

#define ADD(func) g_test_add_func("/arbiter/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(holds_its_promises_whatever_is_claimed);
    ADD(more_to_share_leaves_nobody_with_less);
    ADD(more_weight_leaves_nobody_with_less_of_his_own);
    ADD(a_thousand_vms_are_split_in_no_time);
    return g_test_run();
}
