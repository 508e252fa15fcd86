/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logarithms and powers: as near to the C library's as a double can tell.
 */
#include <glib.h>
#include <math.h>

#include "core/logmath.h"

static void gives_every_power_to_within_two_roundings(void)
{
    for (Log2 x = LOG2_ZERO; x <= -LOG2_ZERO; x++) {
        const double expected = exp2((double)x / LOG2_ONE);

        g_assert_cmpfloat(fabs(log2_value(x) / expected - 1), <=, 1e-15);
    }
}

static void rises_with_every_step(void)
{
    for (Log2 x = LOG2_ZERO; x < -LOG2_ZERO; x++) {
        g_assert_cmpfloat(log2_value(x), <, log2_value(x + 1));
    }
}

static void takes_what_lies_beyond_for_the_nearest(void)
{
    g_assert_cmpfloat(log2_value(LOG2_ZERO - 1), ==, 0x1p-256);
    g_assert_cmpfloat(log2_value(-LOG2_ZERO + 1), ==, 0x1p256);
}

static void finds_the_logarithm_of_every_power(void)
{
    for (Log2 x = -254 * LOG2_ONE; x <= 254 * LOG2_ONE; x++) {
        g_assert_cmpint(log2_of(log2_value(x)), ==, x);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/logmath/gives_every_power_to_within_two_roundings", gives_every_power_to_within_two_roundings);
    g_test_add_func("/logmath/rises_with_every_step", rises_with_every_step);
    g_test_add_func("/logmath/takes_what_lies_beyond_for_the_nearest", takes_what_lies_beyond_for_the_nearest);
    g_test_add_func("/logmath/finds_the_logarithm_of_every_power", finds_the_logarithm_of_every_power);
    return g_test_run();
}
