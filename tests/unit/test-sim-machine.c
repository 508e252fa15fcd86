/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine, against what can be worked out by hand.
 */
#include <glib.h>
#include <math.h>

#include "machine.h"

#define SECOND 1000000000ull

/* Two tiers of @fast and 4096 pages, without limits of bandwidth or of moves. */
static Machine *small_machine(size_t fast)
{
    MachineConfig config = {.n_tiers = 2, .scale = 1, .seed = 1, .costs = sim_costs_default};

    config.capacity_bytes[0] = fast * SIM_PAGE;
    config.capacity_bytes[1] = (uint64_t)4096 * SIM_PAGE;
    config.costs.bandwidth[0] = config.costs.bandwidth[1] = 0;
    return machine_new(&config);
}

static Guest *small_guest(Machine *machine, size_t pages, SimPlacement placement)
{
    GuestConfig config = {
        .name = "guest", .pages = pages, .vcpus = 1, .compute_ns = 100, .write_share = 0.5, .placement = placement};

    return machine_add_guest(machine, &config);
}

static void test_hit_ratio_and_speed_follow_from_the_placement(void)
{
    g_autoptr(Machine) machine = small_machine(1);
    Guest *guest = small_guest(machine, 4, SIM_FAST_FIRST);
    GuestCounters counters;

    /* One page of four takes 70 % of the accesses: (100 + 100) / (100 + 0.7 * 100 + 0.3 * 250) = 0.8163. */
    guest_set_rate(guest, 0, 1, 7000);
    guest_set_rate(guest, 1, 3, 1000);
    machine_advance(machine, 10 * SECOND);
    guest_counters(guest, &counters);
    g_assert_cmpfloat_with_epsilon(counters.fast_accesses / counters.accesses, 0.7, 1e-9);
    g_assert_cmpfloat_with_epsilon(counters.work_ns / counters.wall_ns, 200.0 / 245, 1e-9);
    g_assert_cmpfloat_with_epsilon(counters.accesses, 10000 * 10 * 200.0 / 245, 1e-3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim-machine/hit-ratio-and-speed-follow-from-the-placement",
                    test_hit_ratio_and_speed_follow_from_the_placement);
    return g_test_run();
}
