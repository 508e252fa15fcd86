/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lasts of the counts of a hotness unit, by hand.
 */
#include "core/chmu-history.h"

#define MS 1000000ull
#define EPOCH_NS (500 * MS)

/* One unit listed with @count (0: not listed) in the epoch that ends at @epoch; what is believed of it. */
static double add(ChmuHistory *history, unsigned epoch, uint32_t count)
{
    const ChmuCount counts[] = {{.unit = 7, .count = count}};
    double per_s = -1;

    chmu_history_add(history, counts, count > 0, EPOCH_NS, (epoch + 1) * EPOCH_NS, &per_s);
    return per_s;
}

static void what_a_scan_may_make_is_not_believed_at_once(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    g_assert_cmpfloat(add(history, 0, 64), ==, 0);
}

static void what_is_more_than_a_scan_is_believed_at_once(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    g_assert_cmpfloat(add(history, 0, 164), ==, 200);
}

static void a_burst_across_the_border_of_two_epochs_is_still_one(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    add(history, 0, 30);
    g_assert_cmpfloat(add(history, 1, 34), ==, 0);
}

static void what_comes_again_is_believed_in_full(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    add(history, 0, 20);
    add(history, 1, 0);
    g_assert_cmpfloat(add(history, 2, 20), ==, 40);
    g_assert_cmpfloat(add(history, 3, 10), ==, 20);
}

static void what_is_listed_all_the_time_is_believed_all_the_time(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    add(history, 0, 20);
    add(history, 1, 20);
    for (unsigned epoch = 2; epoch < 100; epoch++) {
        g_assert_cmpfloat(add(history, epoch, 20), ==, 40);
    }
}

static void what_was_listed_long_ago_is_forgotten(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();
    unsigned later = CHMU_LASTING_NS / EPOCH_NS + 1;

    add(history, 0, 20);
    g_assert_cmpfloat(add(history, later, 20), ==, 0);
    add(history, 2 * later, 0);
    g_assert_cmpuint(chmu_history_bytes(history), <=, 2 * 16);
    add(history, 2 * later + 1, 0);
    g_assert_cmpuint(chmu_history_bytes(history), ==, 0);
}

static void of_larger_units_one_reading_makes_more(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();

    chmu_history_set_burst(history, 512 * CHMU_BURST);
    g_assert_cmpfloat(add(history, 0, 512 * 64), ==, 0);
    add(history, 1, 0);
    g_assert_cmpfloat(add(history, 2, 1000), ==, 2000);
}

static void units_are_told_apart(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();
    const ChmuCount first[] = {{1, 20}, {3, 20}, {9, 20}}, then[] = {{2, 20}, {3, 30}, {8, 20}, {9, 100}};
    double per_s[4];

    chmu_history_add(history, first, 3, EPOCH_NS, EPOCH_NS, per_s);
    chmu_history_add(history, then, 4, EPOCH_NS, 5 * EPOCH_NS, per_s);
    g_assert_cmpfloat(per_s[0], ==, 0);
    g_assert_cmpfloat(per_s[1], ==, 60);
    g_assert_cmpfloat(per_s[2], ==, 0);
    g_assert_cmpfloat(per_s[3], ==, 200);
    g_assert_cmpuint(chmu_history_bytes(history), ==, 5 * 16);
}

/* As a device may have it that lists a unit before and after it was cleared. */
static void a_unit_may_be_listed_twice_in_an_epoch(void)
{
    g_autoptr(ChmuHistory) history = chmu_history_new();
    const ChmuCount twice[] = {{1, 20}, {3, 20}, {3, 100}, {9, 20}};
    double per_s[4];

    for (unsigned epoch = 1; epoch <= 9; epoch += 4) {
        chmu_history_add(history, twice, G_N_ELEMENTS(twice), EPOCH_NS, epoch * EPOCH_NS, per_s);
    }
    g_assert_cmpfloat(per_s[0], ==, 40);
    g_assert_cmpfloat(per_s[2], ==, 200);
    g_assert_cmpfloat(per_s[3], ==, 40);
    g_assert_cmpuint(chmu_history_bytes(history), ==, 4 * 16);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu-history/what_a_scan_may_make_is_not_believed_at_once",
                    what_a_scan_may_make_is_not_believed_at_once);
    g_test_add_func("/chmu-history/what_is_more_than_a_scan_is_believed_at_once",
                    what_is_more_than_a_scan_is_believed_at_once);
    g_test_add_func("/chmu-history/a_burst_across_the_border_of_two_epochs_is_still_one",
                    a_burst_across_the_border_of_two_epochs_is_still_one);
    g_test_add_func("/chmu-history/what_comes_again_is_believed_in_full",
                    what_comes_again_is_believed_in_full);
    g_test_add_func("/chmu-history/what_is_listed_all_the_time_is_believed_all_the_time",
                    what_is_listed_all_the_time_is_believed_all_the_time);
    g_test_add_func("/chmu-history/what_was_listed_long_ago_is_forgotten",
                    what_was_listed_long_ago_is_forgotten);
    g_test_add_func("/chmu-history/of_larger_units_one_reading_makes_more", of_larger_units_one_reading_makes_more);
    g_test_add_func("/chmu-history/units_are_told_apart", units_are_told_apart);
    g_test_add_func("/chmu-history/a_unit_may_be_listed_twice_in_an_epoch", a_unit_may_be_listed_twice_in_an_epoch);
    return g_test_run();
}
