/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan that is being carried out: in which order, how long, and within which room.
 */
#include <glib.h>

#include "core/move-run.h"

#define PAGE 4096u
#define MS UINT64_C(1000000)

static const PolicyMove moves[] = {
    {.region = 2, .granule = 1, .from = 1, .to = 0}, {.region = 1, .granule = 2, .from = 0, .to = 1},
    {.region = 1, .granule = 3, .from = 1, .to = 0}, {.region = 1, .granule = 4, .from = 1, .to = 0},
};

static void demotions_go_first_and_regions_together(void)
{
    static const uint32_t order[] = {2, 3, 4, 1};
    const PolicyPlan plan = {.moves = moves, .n_moves = G_N_ELEMENTS(moves)};
    MoveRun run = {0};

    move_run_begin(&run, &plan, 0, 100 * MS);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_cmpuint(run.moves[i].granule, ==, order[i]);
    }
    g_assert_cmpuint(move_run_next(&run, 10, PAGE, 0, 10 * PAGE), ==, 1);
    run.at = 1;
    g_assert_cmpuint(move_run_next(&run, 10, PAGE, 0, 10 * PAGE), ==, 2);
    g_assert_cmpuint(move_run_next(&run, 1, PAGE, 0, 10 * PAGE), ==, 1);
    move_run_clear(&run);
    g_assert_false(move_run_going(&run));
}

static void nothing_is_promoted_beyond_the_budget(void)
{
    const PolicyPlan plan = {.moves = &moves[2], .n_moves = 2};
    MoveRun run = {0};

    move_run_begin(&run, &plan, 0, 100 * MS);
    g_assert_cmpuint(move_run_next(&run, 10, PAGE, 5 * PAGE, 6 * PAGE), ==, 1);
    g_assert_cmpuint(move_run_next(&run, 10, PAGE, 6 * PAGE, 6 * PAGE), ==, 0);
    g_assert_cmpuint(move_run_next(&run, 10, PAGE, 7 * PAGE, 6 * PAGE), ==, 0);
    move_run_clear(&run);
}

static void time_is_left_for_watching_unless_the_guest_waits(void)
{
    PolicyPlan plan = {.moves = moves, .n_moves = 1};
    MoveRun run = {0};

    move_run_begin(&run, &plan, 7 * MS, 100 * MS);
    g_assert_cmpuint(run.end_ns, ==, 67 * MS);
    plan.asked = true;
    move_run_begin(&run, &plan, 7 * MS, 100 * MS);
    g_assert_cmpuint(run.end_ns, ==, 107 * MS);
    move_run_clear(&run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/move-run/demotions_go_first_and_regions_together", demotions_go_first_and_regions_together);
    g_test_add_func("/move-run/nothing_is_promoted_beyond_the_budget", nothing_is_promoted_beyond_the_budget);
    g_test_add_func("/move-run/time_is_left_for_watching_unless_the_guest_waits",
                    time_is_left_for_watching_unless_the_guest_waits);
    return g_test_run();
}
