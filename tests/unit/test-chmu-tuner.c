/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tuner of a hotness monitoring unit: it keeps the hotlist neither empty nor overflowing.
 */
#include <glib.h>

#include "core/chmu-tuner.h"
#include "rng.h"

static const ChmuLimits limits = {
    .epoch_min_ns = 100000, .epoch_max_ns = 100000000000, .hotlist_entries = 1000, .counter_max = 65535};

/*
 * Run @epochs epochs over units accessed @per_s times a second, the i-th half as often as the i/2-th;
 * returns in how many of the last ten epochs the list was overfull, and its mean fill there.
 */
static unsigned run(ChmuSetting *setting, size_t units, double per_s, unsigned epochs, double *fill)
{
    g_autofree uint32_t *counts = g_new(uint32_t, limits.hotlist_entries);
    unsigned overflows = 0;

    *fill = 0;
    for (unsigned epoch = 0; epoch < epochs; epoch++) {
        size_t n = 0;
        bool overflowed = false;

        for (size_t i = 0; i < units; i++) {
            double count = MIN(per_s / (double)(i + 1) * (double)setting->epoch_ns / 1e9, limits.counter_max);

            if (count >= setting->threshold) {
                overflowed |= n == limits.hotlist_entries;
                if (n < limits.hotlist_entries) {
                    counts[n++] = (uint32_t)count;
                }
            }
        }
        if (epoch + 10 >= epochs) {
            overflows += overflowed;
            *fill += (double)n / limits.hotlist_entries / 10;
        }
        *setting = chmu_tuner_next(&limits, setting, counts, n, overflowed);
    }
    return overflows;
}

static void begins_within_the_limits(void)
{
    const ChmuLimits narrow = {
        .epoch_min_ns = 10, .epoch_max_ns = 1000, .hotlist_entries = 1, .counter_max = 7};
    ChmuSetting setting = chmu_tuner_start(&narrow);

    g_assert_cmpuint(setting.epoch_ns, ==, 1000);
    g_assert_cmpuint(setting.threshold, ==, 7);
}

static void fills_the_list_without_overflow(void)
{
    const double rates[] = {1e4, 1e5, 1e7};

    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        ChmuSetting setting = chmu_tuner_start(&limits);
        double fill;

        g_assert_cmpuint(run(&setting, 100000, rates[i], 40, &fill), ==, 0);
        g_assert_cmpfloat(fill, >, 0.5);
        g_assert_cmpfloat(fill, <, 1);
    }
}

static void comes_back_when_the_load_changes(void)
{
    ChmuSetting setting = chmu_tuner_start(&limits);
    double fill;

    run(&setting, 100000, 1e7, 40, &fill);
    g_assert_cmpuint(run(&setting, 100000, 1e4, 40, &fill), ==, 0);
    g_assert_cmpfloat(fill, >, 0.2);
    g_assert_cmpuint(run(&setting, 100000, 1e7, 40, &fill), ==, 0);
    g_assert_cmpfloat(fill, >, 0.2);
}

/* 200 of 1,000 entries are used, with 6 counts each: a longer epoch makes them worth more. */
static void a_longer_epoch_keeps_the_rate_of_the_threshold(void)
{
    const ChmuSetting setting = {.epoch_ns = 100000000, .threshold = 6};
    uint32_t counts[200];
    ChmuSetting next;

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        counts[i] = 6;
    }
    next = chmu_tuner_next(&limits, &setting, counts, G_N_ELEMENTS(counts), false);
    g_assert_cmpuint(next.epoch_ns, ==, 200000000);
    g_assert_cmpuint(next.threshold, ==, 6); /* halved for the list, doubled with the epoch */
}

/*
 * 5,000 units are alike, with 150 counts or so, some with more and some with less: between a threshold
 * that lists all and one that lists none there is one that fills the list.
 */
static void finds_the_threshold_among_units_that_are_alike(void)
{
    ChmuSetting setting = {.epoch_ns = 500000000, .threshold = 16};
    g_autofree uint32_t *counts = g_new(uint32_t, limits.hotlist_entries);
    unsigned good = 0;

    for (unsigned epoch = 0; epoch < 40; epoch++) {
        size_t n = 0, listed = 0;

        for (size_t i = 0; i < 5000; i++) {
            uint32_t count = (uint32_t)((100 + i % 101) * (setting.epoch_ns / 500000000.0));

            if (count >= setting.threshold && n++ < limits.hotlist_entries) {
                counts[listed++] = count;
            }
        }
        good += epoch >= 20 && listed > 500 && n <= limits.hotlist_entries;
        setting = chmu_tuner_next(&limits, &setting, counts, listed, n > listed);
    }
    g_assert_cmpuint(good, >=, 15);
}

static void an_idle_device_ends_at_the_longest_epoch_and_the_lowest_threshold(void)
{
    ChmuSetting setting = chmu_tuner_start(&limits);
    double fill;

    run(&setting, 0, 0, 40, &fill);
    g_assert_cmpuint(setting.epoch_ns, ==, 500000000);
    g_assert_cmpuint(setting.threshold, ==, 1);
}

static void a_saturated_counter_shortens_the_epoch(void)
{
    const ChmuSetting setting = {.epoch_ns = 100000000, .threshold = 16};
    uint32_t counts[500] = {65535};

    g_assert_cmpuint(chmu_tuner_next(&limits, &setting, counts, G_N_ELEMENTS(counts), false).epoch_ns, ==,
                     50000000);
}

/*
 * A hot set has come: the list is full of units with 60 counts where 3 were expected to fill it. Half the time tells
 * them from the rest, too, and the next list is of others.
 */
static void a_list_full_of_what_is_far_hotter_shortens_the_epoch(void)
{
    const ChmuSetting setting = {.epoch_ns = 500000000, .threshold = 3};
    g_autofree uint32_t *counts = g_new(uint32_t, limits.hotlist_entries);
    ChmuSetting next;

    for (size_t i = 0; i < limits.hotlist_entries; i++) {
        counts[i] = i % 8 ? 60 : 4;
    }
    next = chmu_tuner_next(&limits, &setting, counts, limits.hotlist_entries, true);
    g_assert_cmpuint(next.epoch_ns, ==, 250000000);
    g_assert_cmpuint(next.threshold, ==, 8);
    next = chmu_tuner_next(&limits, &setting, counts, limits.hotlist_entries * 4 / 5, false);
    g_assert_cmpuint(next.epoch_ns, ==, 500000000);         /* there was room for all */
    for (size_t i = 0; i < limits.hotlist_entries; i++) {
        counts[i] = i % 8 ? 10 : 60;
    }
    next = chmu_tuner_next(&limits, &setting, counts, limits.hotlist_entries, true);
    g_assert_cmpuint(next.epoch_ns, ==, 500000000);         /* most is much as expected: a higher threshold does */
    g_assert_cmpuint(next.threshold, >, setting.threshold);
}

/* Whatever a device reports, the setting stays within what it can do. */
static void never_leaves_the_limits(void)
{
    Rng rng = {.state = 7};
    ChmuSetting setting = chmu_tuner_start(&limits);
    g_autofree uint32_t *counts = g_new(uint32_t, limits.hotlist_entries);

    for (unsigned i = 0; i < 2000; i++) {
        size_t n = rng_next(&rng) % (limits.hotlist_entries + 1);

        for (size_t j = 0; j < n; j++) {
            counts[j] = (uint32_t)rng_next(&rng);
        }
        setting = chmu_tuner_next(&limits, &setting, counts, n, rng_chance(&rng, 0.5));
        g_assert_cmpuint(setting.epoch_ns, >=, limits.epoch_min_ns);
        g_assert_cmpuint(setting.epoch_ns, <=, limits.epoch_max_ns);
        g_assert_cmpuint(setting.threshold, >=, 1);
        g_assert_cmpuint(setting.threshold, <=, limits.counter_max);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu-tuner/begins_within_the_limits", begins_within_the_limits);
    g_test_add_func("/chmu-tuner/fills_the_list_without_overflow", fills_the_list_without_overflow);
    g_test_add_func("/chmu-tuner/comes_back_when_the_load_changes", comes_back_when_the_load_changes);
    g_test_add_func("/chmu-tuner/a_longer_epoch_keeps_the_rate_of_the_threshold",
                    a_longer_epoch_keeps_the_rate_of_the_threshold);
    g_test_add_func("/chmu-tuner/finds_the_threshold_among_units_that_are_alike",
                    finds_the_threshold_among_units_that_are_alike);
    g_test_add_func("/chmu-tuner/an_idle_device_ends_at_the_longest_epoch_and_the_lowest_threshold",
                    an_idle_device_ends_at_the_longest_epoch_and_the_lowest_threshold);
    g_test_add_func("/chmu-tuner/a_list_full_of_what_is_far_hotter_shortens_the_epoch",
                    a_list_full_of_what_is_far_hotter_shortens_the_epoch);
    g_test_add_func("/chmu-tuner/a_saturated_counter_shortens_the_epoch",
                    a_saturated_counter_shortens_the_epoch);
    g_test_add_func("/chmu-tuner/never_leaves_the_limits", never_leaves_the_limits);
    return g_test_run();
}
