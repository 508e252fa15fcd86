/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Periods of a hotness unit that is always on: how long, from what threshold on, and what reports stand for.
 */
#include "core/chmu-history.h"
#include "core/chmu-long.h"

#define SECOND 1000000000ull

static const ChmuLimits limits = {
    .epoch_min_ns = 100000, .epoch_max_ns = 100000000000, .hotlist_entries = 1000, .counter_max = 65535};

/* The threshold that it comes to where each second's accesses would make @per_s reports at a threshold of 1. */
static uint32_t settles_at(const ChmuLimits *device, double per_s)
{
    ChmuSetting setting = chmu_long_start(device);
    uint32_t before = 0;

    for (unsigned period = 0; period < 10; period++) {
        const double reports = per_s / setting.threshold * (double)setting.epoch_ns / 1e9;
        const double room = (double)device->hotlist_entries * (double)setting.epoch_ns / CHMU_LONG_EMPTY_NS;

        before = setting.threshold;
        setting = chmu_long_next(device, &setting, (uint64_t)MIN(reports, room), reports > room);
    }
    g_assert_cmpuint(setting.threshold, ==, before);
    return before;
}

static void a_threshold_is_as_low_as_can_be_read(void)
{
    g_assert_cmpuint(settles_at(&limits, 0), ==, 2 * CHMU_BURST);
    g_assert_cmpuint(settles_at(&limits, 128 * 1900), ==, 128);
    g_assert_cmpuint(settles_at(&limits, 128 * 2100), ==, 256);
    g_assert_cmpuint(settles_at(&limits, 512 * 1900), ==, 512);
    g_assert_cmpuint(settles_at(&limits, 1e12), ==, 1024);
}

static void a_threshold_comes_down_again_when_there_is_room(void)
{
    ChmuSetting setting = {.threshold = 512, .epoch_ns = 128 * SECOND};

    setting = chmu_long_next(&limits, &setting, 128 * 900, false);
    g_assert_cmpuint(setting.threshold, ==, 512);       /* 1800 a second would be too near to the most */
    setting = chmu_long_next(&limits, &setting, 128 * 500, false);
    g_assert_cmpuint(setting.threshold, ==, 256);
    g_assert_cmpuint(setting.epoch_ns, ==, 64 * SECOND);
}

static void what_was_lost_doubles_the_threshold(void)
{
    const ChmuSetting setting = {.threshold = 128, .epoch_ns = 32 * SECOND};

    g_assert_cmpuint(chmu_long_next(&limits, &setting, 3, true).threshold, ==, 256);
}

static void counters_can_reach_the_threshold(void)
{
    ChmuLimits narrow = limits;
    ChmuSetting setting;

    narrow.counter_max = 15;
    setting = chmu_long_start(&narrow);
    g_assert_cmpuint(setting.threshold, ==, 8);
    g_assert_cmpuint(setting.epoch_ns, ==, 2 * SECOND);
    narrow.counter_max = 0;
    g_assert_cmpuint(chmu_long_start(&narrow).threshold, ==, 1);
}

static void reports_stand_for_the_middle_of_what_they_may_be(void)
{
    const ChmuSetting setting = {.threshold = 128, .epoch_ns = 32 * SECOND};

    g_assert_cmpfloat_with_epsilon(chmu_long_limit_per_s(&setting), 4, 1e-9);
    g_assert_cmpfloat_with_epsilon(chmu_long_per_s(&setting, 1, CHMU_BURST), 6, 1e-9);
    g_assert_cmpfloat_with_epsilon(chmu_long_per_s(&setting, 10, CHMU_BURST), 42, 1e-9);
}

static void what_one_reading_makes_is_not_believed(void)
{
    const ChmuSetting setting = {.threshold = 128, .epoch_ns = 32 * SECOND};

    g_assert_cmpfloat(chmu_long_per_s(&setting, 256, 512 * CHMU_BURST), ==, 0);
    g_assert_cmpfloat(chmu_long_per_s(&setting, 257, 512 * CHMU_BURST), >, 0);
}

/* After @n lists in which it was @crowded. */
static bool after(ChmuCrowd *crowd, unsigned n, bool crowded)
{
    for (unsigned i = 0; i < n; i++) {
        chmu_crowd_add(crowd, crowded);
    }
    return crowd->crowded;
}

static void who_is_crowded_now_and_then_is_not(void)
{
    ChmuCrowd crowd = {0};

    for (unsigned i = 0; i < 100; i++) {
        chmu_crowd_add(&crowd, i % 4 == 0);
        g_assert_false(crowd.crowded);
    }
}

static void who_is_crowded_stays_so_for_a_while(void)
{
    ChmuCrowd crowd = {0};

    g_assert_false(after(&crowd, 10, true));
    g_assert_true(after(&crowd, 2, true));
    g_assert_true(after(&crowd, 100, true));
    g_assert_true(after(&crowd, 20, false));
    g_assert_false(after(&crowd, 3, false));
    g_assert_false(after(&crowd, 4, true));     /* less than half of the last ones */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/chmu-long/" #name, name)
    ADD(a_threshold_is_as_low_as_can_be_read);
    ADD(a_threshold_comes_down_again_when_there_is_room);
    ADD(what_was_lost_doubles_the_threshold);
    ADD(counters_can_reach_the_threshold);
    ADD(reports_stand_for_the_middle_of_what_they_may_be);
    ADD(what_one_reading_makes_is_not_believed);
    ADD(who_is_crowded_now_and_then_is_not);
    ADD(who_is_crowded_stays_so_for_a_while);
#undef ADD
    return g_test_run();
}
