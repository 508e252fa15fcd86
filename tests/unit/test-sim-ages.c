/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The baselines that go by ages and by DAMON's regions ('memtierd', 'damon'), on guests small enough to tell by
 * hand what they must do.
 */
#include <glib.h>

#include "contender-bed.h"

#define MS     1000000ull
#define SECOND 1000000000ull
#define FAST   512u
#define PAGES  2048u

static Bed begin(const char *name, const char *params, SimPlacement placement)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {FAST * SIM_PAGE, PAGES * SIM_PAGE},
        .scale = 1,
        .seed = 9,
        .costs = sim_costs_default,
    };
    const GuestConfig guest = {
        .name = "guest", .pages = PAGES, .vcpus = 1, .compute_ns = 100, .placement = placement};
    Bed bed = {.machine = machine_new(&config)};

    bed.guest = machine_add_guest(bed.machine, &guest);
    contend(&bed, name, params);
    return bed;
}

/*
 * Rounds are at 0, 5, 10 s and so on. A page accessed since the start shows in those at 5, 10 and 15 s (whatever
 * the first one, which tells of the time before, says): three in a row, and is promoted after that.
 */
static void memtierd_promotes_what_was_active_in_three_rounds(void)
{
    Bed bed = begin("memtierd", NULL, SIM_SLOW);

    guest_set_rate(bed.guest, 100, 50, 1000);
    run_until(&bed, 9 * SECOND);
    g_assert_cmpuint(fast_pages(bed.guest, 0, PAGES), ==, 0);
    run_until(&bed, 16 * SECOND);
    g_assert_cmpuint(fast_pages(bed.guest, 100, 50), ==, 50);
    g_assert_cmpuint(fast_pages(bed.guest, 0, PAGES), ==, 50);
    end(&bed);
}

/* Not accessed for more than 15 s: the round at 15 s is the fourth without an access, and so more than three ago. */
static void memtierd_demotes_what_was_idle_for_long_enough(void)
{
    Bed bed = begin("memtierd", NULL, SIM_FAST_FIRST);

    guest_set_rate(bed.guest, 0, 10, 1000);
    run_until(&bed, 9 * SECOND);
    g_assert_cmpuint(fast_pages(bed.guest, 0, FAST), ==, FAST);
    run_until(&bed, 26 * SECOND);
    g_assert_cmpuint(fast_pages(bed.guest, 0, FAST), ==, 10);
    end(&bed);
}

static void memtierd_moves_no_faster_than_its_bandwidth(void)
{
    Bed bed = begin("memtierd", "bandwidth-mb-per-s=0.1 idle-duration-ms=0", SIM_FAST_FIRST);
    MachineCounters counters;

    run_until(&bed, 20 * SECOND);
    machine_counters(bed.machine, &counters);
    g_assert_cmpuint(counters.moved_bytes, >, 1000000);
    g_assert_cmpuint(counters.moved_bytes, <=, 2000000 + SIM_PAGE);
    end(&bed);
}

static void damon_promotes_a_hot_range_and_makes_room_for_it(void)
{
    Bed bed = begin("damon", NULL, SIM_FAST_FIRST);

    guest_set_rate(bed.guest, 1024, 256, 5000);
    run_until(&bed, 60 * SECOND);
    g_assert_cmpuint(fast_pages(bed.guest, 1024, 256), >, 220);
    end(&bed);
}

static void damon_keeps_to_its_quota(void)
{
    Bed bed = begin("damon", "quota-mb-per-s=0.1", SIM_SLOW);
    MachineCounters counters;

    guest_set_rate(bed.guest, 1024, 256, 5000);
    run_until(&bed, 5 * SECOND);
    machine_counters(bed.machine, &counters);
    g_assert_cmpuint(counters.moved_bytes, >, 0);
    g_assert_cmpuint(counters.moved_bytes, <=, 600000);
    end(&bed);
}

static void damon_leaves_an_idle_guest_in_place(void)
{
    Bed bed = begin("damon", NULL, SIM_SLOW);
    MachineCounters counters;

    run_until(&bed, 20 * SECOND);
    machine_counters(bed.machine, &counters);
    g_assert_cmpuint(counters.moved_bytes, ==, 0);
    end(&bed);
}

static void a_wrong_parameter_is_refused(void)
{
    const char *const wrong[] = {"interval-ms=0", "interval-ms=nan", "colour=1", "interval-ms"};
    Bed bed = begin("memtierd", NULL, SIM_SLOW);

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(bed.contender->class->create(wrong[i], bed.machine, &err));
        g_assert_nonnull(err);
    }
    end(&bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/memtierd/promotes_what_was_active_in_three_rounds",
                    memtierd_promotes_what_was_active_in_three_rounds);
    g_test_add_func("/sim/memtierd/demotes_what_was_idle_for_long_enough",
                    memtierd_demotes_what_was_idle_for_long_enough);
    g_test_add_func("/sim/memtierd/moves_no_faster_than_its_bandwidth", memtierd_moves_no_faster_than_its_bandwidth);
    g_test_add_func("/sim/memtierd/a_wrong_parameter_is_refused", a_wrong_parameter_is_refused);
    g_test_add_func("/sim/damon/promotes_a_hot_range_and_makes_room_for_it",
                    damon_promotes_a_hot_range_and_makes_room_for_it);
    g_test_add_func("/sim/damon/keeps_to_its_quota", damon_keeps_to_its_quota);
    g_test_add_func("/sim/damon/leaves_an_idle_guest_in_place", damon_leaves_an_idle_guest_in_place);
    return g_test_run();
}
