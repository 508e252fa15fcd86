/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The true hit ratio and the oracle's, against small placements worked out by hand. */
#include <glib.h>
#include <math.h>

#include "observe/truth.h"

static const uint32_t zero[4];

static void test_hit_ratio_is_the_share_of_visits_to_fast_pages(void)
{
    const uint32_t after[4] = {60, 30, 10, 0};
    const bool fast[4] = {true, false, true, true};

    g_assert_cmpfloat_with_epsilon(truth_hit_ratio(zero, after, fast, fast, 4), 0.7, 1e-9);
}

static void test_a_page_that_moved_counts_half(void)
{
    const uint32_t after[4] = {60, 40, 0, 0};
    const bool before[4] = {false, true, false, false}, now[4] = {true, false, false, false};

    g_assert_cmpfloat_with_epsilon(truth_hit_ratio(zero, after, before, now, 4), 0.5, 1e-9);
}

static void test_only_visits_since_the_first_reading_count(void)
{
    const uint32_t before[4] = {1000, 0, 0, 0}, after[4] = {1001, 3, 0, 0};
    const bool fast[4] = {true, false, false, false};

    g_assert_cmpfloat_with_epsilon(truth_hit_ratio(before, after, fast, fast, 4), 0.25, 1e-9);
}

static void test_counts_that_wrap_are_differences_still(void)
{
    const uint32_t before[4] = {UINT32_MAX - 4, 0, 0, 0}, after[4] = {5, 10, 0, 0};
    const bool fast[4] = {true, false, false, false};

    g_assert_cmpfloat_with_epsilon(truth_hit_ratio(before, after, fast, fast, 4), 0.5, 1e-9);
    g_assert_cmpfloat_with_epsilon(truth_oracle(before, after, 4, 1), 0.5, 1e-9);
}

static void test_oracle_takes_the_most_visited_pages(void)
{
    const uint32_t after[4] = {10, 50, 30, 10};

    g_assert_cmpfloat_with_epsilon(truth_oracle(zero, after, 4, 0), 0, 1e-9);
    g_assert_cmpfloat_with_epsilon(truth_oracle(zero, after, 4, 1), 0.5, 1e-9);
    g_assert_cmpfloat_with_epsilon(truth_oracle(zero, after, 4, 2), 0.8, 1e-9);
    g_assert_cmpfloat_with_epsilon(truth_oracle(zero, after, 4, 99), 1, 1e-9);
}

static void test_there_is_no_ratio_without_visits(void)
{
    const bool fast[4] = {true, true, true, true};

    g_assert_true(isnan(truth_hit_ratio(zero, zero, fast, fast, 4)));
    g_assert_true(isnan(truth_oracle(zero, zero, 4, 2)));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/truth/" #name, test_##name)
    TEST(hit_ratio_is_the_share_of_visits_to_fast_pages);
    TEST(a_page_that_moved_counts_half);
    TEST(only_visits_since_the_first_reading_count);
    TEST(counts_that_wrap_are_differences_still);
    TEST(oracle_takes_the_most_visited_pages);
    TEST(there_is_no_ratio_without_visits);
    return g_test_run();
}
