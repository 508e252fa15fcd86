/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well hit ratios are foretold is kept as it was.
 */
#include "vm/prediction.h"

#include <glib.h>
#include <math.h>

#include "core/slowdown.h"

#define MIB (1ull << 20)
#define SECOND 1000000000ull

static void holds_what_was_promised_against_what_came(void)
{
    PredictionLog log = {0};

    g_assert_true(isnan(prediction_error(&log)));
    prediction_note(&log, SECOND, true, 8 * MIB, 0.9, 0.5);
    prediction_note(&log, 5 * SECOND, true, 8 * MIB, 0.95, 0.7);
    g_assert_cmpuint(log.n, ==, 0);
    prediction_note(&log, SECOND + SLOWDOWN_SETTLE_NS, true, 8 * MIB, 0.91, 0.88);
    g_assert_cmpuint(log.n, ==, 1);
    g_assert_cmpfloat(log.kept[0].predicted, ==, 0.9);
    g_assert_cmpfloat(log.kept[0].measured, ==, 0.88);
    g_assert_cmpfloat_with_epsilon(prediction_error(&log), 0.02, 1e-9);
    g_assert_cmpfloat(log.open.predicted, ==, 0.91);
}

static void a_change_of_size_begins_anew_and_small_ones_do_not(void)
{
    PredictionLog log = {0};

    prediction_note(&log, SECOND, true, 8 * MIB, 0.9, 0.9);
    prediction_note(&log, 9 * SECOND, true, 16 * MIB, 0.97, 0.9);
    prediction_note(&log, 12 * SECOND, true, 16 * MIB + 4096, 0.97, 0.9);
    g_assert_cmpuint(log.n, ==, 0);
    prediction_note(&log, 19 * SECOND, true, 16 * MIB - 4096, 0.98, 0.96);
    g_assert_cmpuint(log.n, ==, 1);
    g_assert_cmpuint(log.kept[0].bytes, ==, 16 * MIB);
    g_assert_cmpfloat_with_epsilon(prediction_error(&log), 0.01, 1e-9);
}

static void while_nothing_is_moved_the_curve_is_held_against_itself(void)
{
    PredictionLog log = {0};

    prediction_note(&log, SECOND, false, 8 * MIB, 0.9, 0.2);
    prediction_note(&log, SECOND + SLOWDOWN_SETTLE_NS, false, 8 * MIB, 0.8, 0.2);
    g_assert_cmpuint(log.n, ==, 1);
    g_assert_false(log.kept[0].placed);
    g_assert_cmpfloat(log.kept[0].measured, ==, 0.8);
}

static void what_is_not_known_is_waited_for(void)
{
    PredictionLog log = {0};

    prediction_note(&log, SECOND, true, 8 * MIB, NAN, NAN);
    g_assert_cmpuint(log.open.made_ns, ==, 0);
    prediction_note(&log, 2 * SECOND, true, 8 * MIB, 0.9, NAN);
    prediction_note(&log, 60 * SECOND, true, 8 * MIB, 0.9, NAN);
    g_assert_cmpuint(log.n, ==, 0);
    prediction_note(&log, 61 * SECOND, true, 8 * MIB, 0.9, 0.89);
    g_assert_cmpuint(log.n, ==, 1);
}

static void only_the_last_are_kept(void)
{
    PredictionLog log = {0};

    for (unsigned i = 0; i <= 3 * PREDICTION_KEPT; i++) {
        prediction_note(&log, SECOND + i * SLOWDOWN_SETTLE_NS, true, MIB, i < 2 * PREDICTION_KEPT ? 0.5 : 0.9,
                        0.9);
    }
    g_assert_cmpuint(log.n, ==, 3 * PREDICTION_KEPT);
    g_assert_cmpfloat(prediction_error(&log), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/prediction/" #test, test)
    ADD(holds_what_was_promised_against_what_came);
    ADD(a_change_of_size_begins_anew_and_small_ones_do_not);
    ADD(while_nothing_is_moved_the_curve_is_held_against_itself);
    ADD(what_is_not_known_is_waited_for);
    ADD(only_the_last_are_kept);
    return g_test_run();
}
