/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Best guesses of values that were estimated with noise.
 */
#include <glib.h>
#include <math.h>

#include "core/denoise.h"

#define N DENOISE_MAX

/* A normal distribution's quantiles about @mean, @n of them, with the standard deviation 1. */
static void add_noise(double mean, double *estimate, double *weight, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double at = ((double)i + 0.5) / (double)n;
        double low = -8, high = 8;

        while (high - low > 1e-9) {
            const double middle = (low + high) / 2;

            *(erfc(-middle / M_SQRT2) / 2 < at ? &low : &high) = middle;
        }
        estimate[i] = mean + low;
        weight[i] = 1;
    }
}

static double spread(const double *values, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += values[i];
        squares += values[i] * values[i];
    }
    return sqrt(MAX(squares / (double)n - sum * sum / (double)(n * n), 0));
}

static void what_is_all_noise_is_all_alike(void)
{
    double estimate[N], weight[N], guess[N];

    add_noise(5, estimate, weight, N);
    denoise(estimate, weight, N, 1, guess);
    g_assert_cmpfloat(spread(guess, N), <, 0.25);
    g_assert_cmpfloat_with_epsilon(guess[N / 2], 5, 0.1);
}

static void what_differs_by_more_than_noise_keeps_that(void)
{
    double estimate[N], weight[N], guess[N];

    add_noise(5, estimate, weight, N);
    for (size_t i = 0; i < N; i++) {
        estimate[i] = 5 + 3 * (estimate[i] - 5);
    }
    denoise(estimate, weight, N, 1, guess);
    g_assert_cmpfloat_with_epsilon(spread(guess, N), spread(estimate, N) * (1 - 1 / 9.0), 0.15);
}

/* Each is of one sort or of the other; none is drawn towards what lies between. */
static void of_two_sorts_each_stays_where_it_is(void)
{
    double estimate[N], weight[N], guess[N];

    add_noise(0, estimate, weight, N / 2);
    add_noise(10, &estimate[N / 2], &weight[N / 2], N / 2);
    for (size_t i = N / 2; i < N; i++) {
        weight[i] = 0.1;                /* however few they are */
    }
    denoise(estimate, weight, N, 1, guess);
    g_assert_cmpfloat_with_epsilon(guess[N / 4], 0, 0.15);
    g_assert_cmpfloat_with_epsilon(guess[N * 3 / 4], 10, 0.15);
    g_assert_cmpfloat(spread(guess, N / 2), <, 0.25);
}

static void what_was_estimated_higher_is_not_guessed_lower(void)
{
    for (unsigned round = 0; round < 100; round++) {
        const size_t n = (size_t)g_test_rand_int_range(1, N + 1);
        double estimate[N], weight[N], guess[N];

        for (size_t i = 0; i < n; i++) {
            estimate[i] = (i > 0 ? estimate[i - 1] : -10) + g_test_rand_double_range(0, round % 7);
            weight[i] = exp2(g_test_rand_double_range(-30, 0));
        }
        denoise(estimate, weight, n, 1.04, guess);
        for (size_t i = 0; i < n; i++) {
            g_assert_cmpfloat(guess[i], >=, estimate[0] - 1e-4);
            g_assert_cmpfloat(guess[i], <=, estimate[n - 1] + 1e-4);
            g_assert_true(i == 0 || guess[i] >= guess[i - 1] - 1e-4);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/denoise/" #name, name)
    ADD(what_is_all_noise_is_all_alike);
    ADD(what_differs_by_more_than_noise_keeps_that);
    ADD(of_two_sorts_each_stays_where_it_is);
    ADD(what_was_estimated_higher_is_not_guessed_lower);
#undef ADD
    return g_test_run();
}
