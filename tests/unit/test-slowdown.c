/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slowdown from a curve of accesses and back, in cases worked out by hand, and how predictions are checked.
 */
#include <glib.h>
#include <string.h>

#include "core/slowdown.h"
#include "curves.h"
#include "rng.h"

#define MIB (1ull << 20)
#define S 1000000000ull
#define ALMOST 1e-9

/* One vCPU, 2 million accesses a second to a hot fourth and 1 million to the rest; 100 and 250 ns. */
static const SlowdownLoad load = {
    .accesses_per_s = 3e6, .busy = 1, .hit_ratio = 1, .fast_ns = 100, .slow_ns = 250,
};

static PolicyCurve two_slopes(void)
{
    return curve_hot(400 * MIB, 100 * MIB, 2.0 / 3, 3e6);
}

static void hit_ratio_follows_the_curve(void)
{
    const PolicyCurve curve = two_slopes();

    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, 0), 0, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, 50 * MIB), 1.0 / 3, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, 100 * MIB), 2.0 / 3, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, 250 * MIB), 5.0 / 6, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, 400 * MIB), 1, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_hit_ratio(&curve, UINT64_MAX), 1, ALMOST);
}

static void slowdown_is_stalls_over_work(void)
{
    const PolicyCurve curve = two_slopes();
    const Slowdown model = slowdown_model(&curve, &load);

    /* All fast now, so all of the second is work: 3e6 * 150 ns = 0.45. */
    g_assert_cmpfloat_with_epsilon(model.work, 1, ALMOST);
    g_assert_cmpfloat_with_epsilon(model.worst, 0.45, ALMOST);
    g_assert_cmpfloat_with_epsilon(slowdown_at(&curve, &model, 100 * MIB), 0.15, ALMOST);
}

static void what_is_lost_now_is_no_work(void)
{
    const PolicyCurve curve = two_slopes();
    SlowdownLoad half = load;
    Slowdown model;

    half.hit_ratio = 0.5;
    model = slowdown_model(&curve, &half);
    g_assert_cmpfloat_with_epsilon(model.work, 1 - 3e6 * 0.5 * 150e-9, ALMOST);
    g_assert_cmpfloat_with_epsilon(model.worst, 0.45 / 0.775, ALMOST);
}

static void accesses_are_those_of_the_curve_where_none_were_measured(void)
{
    const PolicyCurve curve = two_slopes();
    SlowdownLoad bare = { .hit_ratio = NAN, .fast_ns = 100, .slow_ns = 250 };

    g_assert_cmpfloat_with_epsilon(slowdown_model(&curve, &bare).worst, 0.45, ALMOST);
    bare.accesses_per_s = NAN;
    bare.busy = 2;
    g_assert_cmpfloat_with_epsilon(slowdown_model(&curve, &bare).worst, 0.225, ALMOST);
}

static void no_rate_makes_it_worse_than_the_latencies_do(void)
{
    const PolicyCurve curve = curve_flat(MIB, 1e15);
    SlowdownLoad wild = load;

    wild.accesses_per_s = 1e18;
    for (int quarter = 0; quarter <= 4; quarter++) {
        Slowdown model;

        wild.hit_ratio = quarter / 4.0;
        model = slowdown_model(&curve, &wild);
        g_assert_cmpfloat_with_epsilon(model.worst, 1.5, 1e-6);
        g_assert_cmpfloat(model.work, >, 0);
    }
}

static void nothing_is_lost_where_the_slow_tier_is_no_slower(void)
{
    const PolicyCurve curve = two_slopes();
    SlowdownLoad inverted = load;
    Slowdown model;

    inverted.slow_ns = 80;
    model = slowdown_model(&curve, &inverted);
    g_assert_cmpfloat(model.worst, ==, 0);
    g_assert_cmpuint(slowdown_size(&curve, &model, 0), ==, 0);
}

static void nonsense_stays_finite(void)
{
    static const double nonsense[] = { NAN, INFINITY, -INFINITY, -1, 0, 1e300, 5e-324 };
    PolicyCurve curve = two_slopes();

    for (size_t a = 0; a < G_N_ELEMENTS(nonsense); a++) {
        for (size_t b = 0; b < G_N_ELEMENTS(nonsense); b++) {
            for (size_t h = 0; h < G_N_ELEMENTS(nonsense); h++) {
                const SlowdownLoad wild = { nonsense[a], nonsense[b], nonsense[h], 0, UINT32_MAX };
                const Slowdown model = slowdown_model(&curve, &wild);

                g_assert_true(isfinite(model.worst) && model.worst >= 0);
                g_assert_true(isfinite(model.work) && model.work >= 0);
                g_assert_cmpuint(slowdown_size(&curve, &model, nonsense[h]), <=, 400 * MIB);
            }
        }
    }
}

static void size_is_the_smallest_that_keeps_the_target(void)
{
    Rng rng = { .state = 7 };

    for (int round = 0; round < 2000; round++) {
        const uint64_t bytes = (1 + rng_next(&rng) % 100000) * 4096;
        const PolicyCurve curve = round % 2 ? curve_zipf(bytes + 16 * MIB, 1e6) :
            curve_hot(bytes + 4096, 1 + rng_next(&rng) % bytes, 0.9, 1e6);
        const Slowdown model = slowdown_model(&curve, &load);
        const double target = (double)(rng_next(&rng) % 1000) / 2000;
        const uint64_t size = slowdown_size(&curve, &model, target);

        g_assert_cmpuint(size % 4096, ==, 0);
        g_assert_cmpfloat(slowdown_at(&curve, &model, size), <=, target + ALMOST);
        if (size >= 4096) {
            g_assert_cmpfloat(slowdown_at(&curve, &model, size - 4096), >, target - ALMOST);
        }
    }
}

static void a_target_that_is_always_kept_needs_nothing(void)
{
    const PolicyCurve curve = two_slopes();
    const Slowdown model = slowdown_model(&curve, &load);

    g_assert_cmpuint(slowdown_size(&curve, &model, 0.45), ==, 0);
    g_assert_cmpuint(slowdown_size(&curve, &model, 0.15), ==, 100 * MIB);
    g_assert_cmpuint(slowdown_size(&curve, &model, 0), ==, 400 * MIB);
}

static void nothing_is_foretold_of_what_was_not_seen(void)
{
    PolicyCurve curve = { .present_bytes = 400 * MIB };
    const Slowdown model = slowdown_model(&curve, &load);

    g_assert_false(slowdown_known(NULL));
    g_assert_false(slowdown_known(&curve));
    g_assert_true(isnan(slowdown_hit_ratio(&curve, MIB)));
    g_assert_true(isnan(slowdown_at(&curve, &model, MIB)));
    g_assert_cmpuint(slowdown_size(&curve, &model, 0.1), ==, UINT64_MAX);

    curve = curve_flat(199 * MIB, 1e6);     /* less than half of what is present */
    curve.present_bytes = 400 * MIB;
    g_assert_false(slowdown_known(&curve));
    curve.points[0].bytes = 200 * MIB;
    g_assert_true(slowdown_known(&curve));
}

static void a_vm_without_accesses_loses_nothing(void)
{
    const PolicyCurve curve = curve_flat(400 * MIB, 0);
    const SlowdownLoad idle = { .busy = 0.001, .hit_ratio = 0.5, .fast_ns = 100, .slow_ns = 250 };
    const Slowdown model = slowdown_model(&curve, &idle);

    g_assert_cmpfloat(model.worst, ==, 0);
    g_assert_cmpfloat(slowdown_at(&curve, &model, 0), ==, 0);
    g_assert_cmpuint(slowdown_size(&curve, &model, 0.01), ==, 0);
}

static void doubt_is_taken_out_of_a_curve_and_nothing_else(void)
{
    const PolicyCurve faint = curve_hot(400 * MIB, 200 * MIB, 0.7, 3e6);    /* 1.2 octaves between its halves */
    const PolicyCurve clear = curve_hot(400 * MIB, 200 * MIB, 0.99, 3e6);   /* 6.6 */
    PolicyCurve out;

    slowdown_doubted(&faint, &out);
    g_assert_cmpfloat_with_epsilon(out.points[0].per_s, 1.5e6, 0.05e6);
    g_assert_cmpfloat_with_epsilon(out.points[1].per_s, 3e6, 1);
    slowdown_doubted(&clear, &out);
    g_assert_cmpfloat(out.points[0].per_s, >, 0.98 * 3e6);
    g_assert_cmpfloat(out.points[0].per_s, <, 0.99 * 3e6);
    g_assert_cmpfloat_with_epsilon(out.points[1].per_s, 3e6, 1);
    g_assert_cmpuint(out.points[0].bytes, ==, 200 * MIB);
}

/* However little of all it is: noise does not make a tenth of memory four octaves hotter than the rest. */
static void a_few_that_are_far_hotter_are_not_doubted(void)
{
    const PolicyCurve few = curve_hot(400 * MIB, 40 * MIB, 0.64, 3e6);
    PolicyCurve out;

    slowdown_doubted(&few, &out);
    g_assert_cmpfloat(out.points[0].per_s, >, 0.5 * 3e6);
}

static void doubt_of_memory_without_accesses_is_none(void)
{
    const PolicyCurve half = curve_hot(400 * MIB, 200 * MIB, 1, 3e6), none = curve_flat(400 * MIB, 0);
    PolicyCurve out;

    slowdown_doubted(&half, &out);
    g_assert_cmpfloat_with_epsilon(out.points[0].per_s, 3e6, 1);
    slowdown_doubted(&none, &out);
    g_assert_cmpfloat(out.points[0].per_s, ==, 0);
}

static void predictions_are_checked_once_pages_had_time_to_move(void)
{
    SlowdownTrack track = { 0 };

    g_assert_false(slowdown_check(&track, 0.3, 100 * S));       /* nothing was foretold */
    slowdown_foretell(&track, MIB, 0.10, 100 * S);
    g_assert_false(slowdown_check(&track, 0.3, 109 * S));       /* too early */
    g_assert_false(slowdown_check(&track, NAN, 111 * S));       /* nothing was measured */
    g_assert_cmpuint(track.checks, ==, 0);
    g_assert_true(slowdown_check(&track, 0.12, 111 * S));
    g_assert_cmpfloat_with_epsilon(track.error, 0.02, ALMOST);
    g_assert_false(slowdown_check(&track, 0.9, 112 * S));       /* was checked already */
    slowdown_foretell(&track, MIB, 0.10, 112 * S);
    g_assert_true(slowdown_check(&track, 0.06, 122 * S));
    g_assert_cmpuint(track.checks, ==, 2);
    g_assert_cmpfloat_with_epsilon(track.error, 0.03, ALMOST);
    slowdown_foretell(&track, MIB, NAN, 130 * S);               /* no prediction, no check */
    g_assert_false(slowdown_check(&track, 0.5, 150 * S));
}

static void old_errors_fade(void)
{
    SlowdownTrack track = { 0 };

    for (int i = 0; i < 1000; i++) {
        slowdown_foretell(&track, MIB, 0, 0);
        g_assert_true(slowdown_check(&track, i < 10, 11 * S));
    }
    g_assert_cmpfloat(track.error, <, 0.01);
}

#define ADD(func) g_test_add_func("/slowdown/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(hit_ratio_follows_the_curve);
    ADD(slowdown_is_stalls_over_work);
    ADD(what_is_lost_now_is_no_work);
    ADD(accesses_are_those_of_the_curve_where_none_were_measured);
    ADD(no_rate_makes_it_worse_than_the_latencies_do);
    ADD(nothing_is_lost_where_the_slow_tier_is_no_slower);
    ADD(nonsense_stays_finite);
    ADD(size_is_the_smallest_that_keeps_the_target);
    ADD(a_target_that_is_always_kept_needs_nothing);
    ADD(nothing_is_foretold_of_what_was_not_seen);
    ADD(a_vm_without_accesses_loses_nothing);
    ADD(doubt_is_taken_out_of_a_curve_and_nothing_else);
    ADD(a_few_that_are_far_hotter_are_not_doubted);
    ADD(doubt_of_memory_without_accesses_is_none);
    ADD(predictions_are_checked_once_pages_had_time_to_move);
    ADD(old_errors_fade);
    return g_test_run();
}
