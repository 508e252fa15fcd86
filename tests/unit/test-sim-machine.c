/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine, against what can be worked out by hand: time, load, placement, moves, phases.
 */
#include "small-machine.h"

/* --- work and time --- */

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

static void test_stolen_time_slows_the_guest_down(void)
{
    g_autoptr(Machine) machine = small_machine(4);
    Guest *guest = small_guest(machine, 4, SIM_FAST_FIRST);
    GuestCounters counters;

    guest_set_rate(guest, 0, 4, 1000);
    guest_charge(guest, 0.25 * SECOND);
    machine_advance(machine, SECOND);
    guest_counters(guest, &counters);
    g_assert_cmpfloat_with_epsilon(counters.work_ns, 0.75 * SECOND, 1);
    g_assert_cmpfloat_with_epsilon(counters.stolen_ns, 0.25 * SECOND, 1);
    g_assert_cmpfloat_with_epsilon(counters.wall_ns, SECOND, 1);
}

static void test_an_idle_guest_does_nothing_and_takes_no_time(void)
{
    g_autoptr(Machine) machine = small_machine(4);
    Guest *guest = small_guest(machine, 4, SIM_FAST_FIRST);

    guest_set_rate(guest, 0, 4, 1000);
    guest_set_idle(guest, true);
    machine_advance(machine, SECOND);
    g_assert_cmpfloat(guest_accesses(guest), ==, 0);
    g_assert_cmpfloat(guest_busy_ns(guest), ==, 0);
    guest_set_idle(guest, false);
    machine_advance(machine, 2 * SECOND);
    g_assert_cmpfloat_with_epsilon(guest_accesses(guest), 4000, 1e-6);
}

static void test_load_by_others_raises_latency_by_the_formula(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;

    config.costs.bandwidth[0] = 64e9;
    config.scale = 0.25;
    machine = machine_new(&config);
    machine_set_background(machine, 0, 8e9); /* half of a quarter of 64 GB/s */
    machine_advance(machine, SECOND);
    g_assert_cmpfloat_with_epsilon(machine_latency_ns(machine, 0), 100 * (1 + 0.25 / 0.5 / 4), 0.02);
    g_assert_cmpfloat_with_epsilon(machine_latency_ns(machine, 1), 250, 1e-9);
    machine_set_background(machine, 0, 64e9);
    machine_advance(machine, 2 * SECOND);
    g_assert_cmpfloat_with_epsilon(machine_latency_ns(machine, 0), 625, 0.02);
}

static void test_load_and_latency_agree(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;
    double latency, per_s;

    config.costs.bandwidth[0] = 640e6; /* ten million accesses a second */
    machine = machine_new(&config);
    guest = small_guest(machine, 100, SIM_FAST_FIRST);
    guest_set_rate(guest, 0, 100, 100000); /* would take it all */
    machine_advance(machine, SECOND);
    latency = machine_latency_ns(machine, 0);
    per_s = 1e7 * 200 / (100 + latency);
    g_assert_cmpfloat_with_epsilon(guest_accesses(guest), per_s, per_s * 1e-3);
    g_assert_cmpfloat_with_epsilon(latency, 100 * sim_load_factor(&config.costs, per_s * 64 / 640e6), 0.1);
}

/* --- placement --- */

static size_t count_fast(const Guest *guest, size_t first, size_t n)
{
    size_t fast = 0;

    for (size_t page = first; page < first + n; page++) {
        fast += guest_tier(guest, page) == 0;
    }
    return fast;
}

static void test_interleaving_spreads_stripes_by_the_share(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;

    config.interleave_share = 0.25;
    machine = machine_new(&config);
    guest = small_guest(machine, PAGES, SIM_INTERLEAVE);
    for (size_t page = 0; page < PAGES; page += 256) {
        g_assert_cmpuint(count_fast(guest, page, 256), ==, 64);
        g_assert_cmpuint(count_fast(guest, page + 192, 64), ==, 64);
    }
    g_assert_cmpuint(guest_resident_bytes(guest, 0), ==, PAGES / 4 * SIM_PAGE);
    g_assert_cmpuint(machine_free_bytes(machine, 0), ==, PAGES / 4 * 3 * SIM_PAGE);
}

static void test_first_touch_fills_tier_0_by_address(void)
{
    g_autoptr(Machine) machine = small_machine(100);
    Guest *guest = small_guest(machine, 300, SIM_FAST_FIRST);

    g_assert_cmpuint(count_fast(guest, 0, 100), ==, 100);
    g_assert_cmpuint(count_fast(guest, 100, 200), ==, 0);
}

static void test_the_hottest_pages_fill_tier_0(void)
{
    g_autoptr(Machine) machine = small_machine(100);
    Guest *guest = small_guest(machine, 300, SIM_HOTTEST_FAST);

    guest_set_rate(guest, 0, 300, 1);
    guest_set_rate(guest, 150, 100, 5);
    machine_advance(machine, 0);
    g_assert_cmpuint(count_fast(guest, 150, 100), ==, 100);
    machine_advance(machine, SECOND);
    g_assert_cmpfloat_with_epsilon(guest_accesses(guest), 700 * 200 / (100 + (500 * 100 + 200 * 250) / 700.0),
                                   1e-6);
}

static void test_a_guest_that_goes_leaves_its_memory(void)
{
    g_autoptr(Machine) machine = small_machine(100);
    Guest *first = small_guest(machine, 80, SIM_FAST_FIRST);
    uint64_t generation = machine_generation(machine);
    Guest *second;

    g_assert_cmpuint(guest_id(first), ==, 0);
    machine_remove_guest(machine, first);
    g_assert_cmpuint(machine_generation(machine), !=, generation);
    g_assert_cmpuint(machine_guests(machine), ==, 0);
    g_assert_cmpuint(machine_free_bytes(machine, 0), ==, 100 * SIM_PAGE);
    second = small_guest(machine, 80, SIM_FAST_FIRST);
    g_assert_cmpuint(guest_id(second), ==, 1);
}

static void test_an_absent_page_takes_no_room_and_no_access(void)
{
    g_autoptr(Machine) machine = small_machine(100);
    Guest *guest = small_guest(machine, 100, SIM_FAST_FIRST);

    guest_set_rate(guest, 0, 100, 10);
    guest_arm(guest, 10);
    guest_set_present(guest, 0, 50, false);
    guest_set_rate(guest, 0, 1, 7);
    g_assert_cmpuint(machine_free_bytes(machine, 0), ==, 50 * SIM_PAGE);
    g_assert_cmpuint(guest_tier(guest, 0), ==, SIM_ABSENT);
    g_assert_cmpfloat(guest_rate(guest, 0), ==, 0);
    g_assert_false(guest_armed(guest, 10));
    g_assert_cmpint(guest_move(guest, 0, 1), ==, MOVE_ABSENT);
    machine_advance(machine, SECOND);
    g_assert_cmpfloat_with_epsilon(guest_accesses(guest), 500, 1e-6);
    guest_set_present(guest, 0, 50, true);
    g_assert_cmpuint(guest_tier(guest, 0), ==, 0);
    g_assert_cmpuint(machine_free_bytes(machine, 0), ==, 0);
}

/* --- moves --- */

static void test_a_move_costs_a_copy_a_shootdown_and_the_wait(void)
{
    g_autoptr(Machine) machine = small_machine(100);
    Guest *guest = small_guest(machine, 200, SIM_FAST_FIRST);
    MachineCounters host;
    GuestCounters counters;

    g_assert_cmpint(guest_move(guest, 150, 1), ==, MOVE_THERE);
    g_assert_cmpint(guest_move(guest, 150, 0), ==, MOVE_NO_ROOM);
    g_assert_cmpint(guest_move(guest, 0, 1), ==, MOVE_DONE);
    g_assert_cmpint(guest_move(guest, 150, 0), ==, MOVE_DONE);
    machine_counters(machine, &host);
    g_assert_cmpfloat(host.host_ns, ==, 6000);
    g_assert_cmpuint(host.moved_bytes, ==, 2 * SIM_PAGE);
    machine_advance(machine, SECOND);
    guest_counters(guest, &counters);
    g_assert_cmpfloat_with_epsilon(counters.stolen_ns, 4000, 1e-6);
    g_assert_cmpuint(counters.promoted_pages, ==, 1);
    g_assert_cmpuint(counters.demoted_pages, ==, 1);
    /* Accessed each 3 us on average, it is waited for: 3000 * (1 - (1 - e^-1)) = 1104 ns. */
    guest_set_rate(guest, 150, 1, 1e9f / 3000);
    g_assert_cmpint(guest_move(guest, 150, 1), ==, MOVE_DONE);
    machine_advance(machine, 2 * SECOND);
    guest_counters(guest, &counters);
    g_assert_cmpfloat_with_epsilon(counters.stolen_ns, 6000 + 3000 / M_E, 0.01);
}

static void test_it_is_known_when_a_page_was_moved(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_SLOW);

    g_assert_false(guest_moved_since(guest, 7, 0));
    machine_advance(machine, SECOND);
    g_assert_cmpint(guest_move(guest, 7, 0), ==, MOVE_DONE);
    g_assert_true(guest_moved_since(guest, 7, SECOND));
    g_assert_false(guest_moved_since(guest, 7, SECOND + 1));
    g_assert_false(guest_moved_since(guest, 8, 0));
}

static void test_a_block_moves_at_the_cost_of_one(void)
{
    g_autoptr(Machine) machine = small_machine(1024);
    Guest *guest = small_guest(machine, 2000, SIM_FAST_FIRST);
    MachineCounters host;

    g_assert_cmpint(guest_move(guest, 5, 1), ==, MOVE_DONE);
    g_assert_cmpint(guest_move_block(guest, 0, 1), ==, MOVE_DONE);
    g_assert_cmpint(guest_move_block(guest, 0, 1), ==, MOVE_THERE);
    machine_counters(machine, &host);
    g_assert_cmpfloat(host.host_ns, ==, 3000 + 250000);
    g_assert_cmpuint(host.moved_bytes, ==, 512 * SIM_PAGE);
    g_assert_cmpint(guest_move_block(guest, 2, 0), ==, MOVE_DONE);
    g_assert_cmpint(guest_move_block(guest, 0, 0), ==, MOVE_NO_ROOM);
    g_assert_cmpint(guest_move_block(guest, 3, 0), ==, MOVE_ABSENT); /* there are but 464 pages of it */
}

static void test_moves_keep_to_the_limit(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;
    size_t moved = 0;

    config.move_bytes_per_s = 1 << 20;
    machine = machine_new(&config);
    guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    g_assert_cmpint(guest_move(guest, 0, 1), ==, MOVE_LIMITED);
    for (unsigned tick = 1; tick <= 100; tick++) {
        machine_advance(machine, tick * 100 * MS);
        while (moved < PAGES && guest_move(guest, moved, 1) == MOVE_DONE) {
            moved++;
        }
        g_assert_cmpuint(moved * SIM_PAGE, <=, tick * (1 << 20) / 10);
    }
    g_assert_cmpuint(moved, >=, 10 * 256 - 1); /* but for rounding */
    machine_advance(machine, 1000 * SECOND);
    g_assert_cmpuint(machine_move_allowance(machine), ==, 4 << 20);
}

static void test_a_pinned_page_does_not_move(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);

    guest_set_pinned(guest, 5, 1, true);
    guest_arm(guest, 5);
    g_assert_cmpint(guest_move(guest, 5, 1), ==, MOVE_PINNED);
    g_assert_cmpint(guest_move_block(guest, 0, 1), ==, MOVE_PINNED);
    g_assert_false(guest_place_free(guest, 5, 1));
    guest_set_pinned(guest, 5, 1, false);
    g_assert_cmpint(guest_move(guest, 5, 1), ==, MOVE_DONE);
}

static void test_what_goes_back_within_ten_seconds_is_undone(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    GuestCounters counters;

    guest_move(guest, 0, 1);
    guest_move(guest, 1, 1);
    machine_advance(machine, 10 * SECOND);
    guest_move(guest, 0, 0);
    machine_advance(machine, 10 * SECOND + 1);
    guest_move(guest, 1, 0);
    guest_counters(guest, &counters);
    g_assert_cmpuint(counters.undone_pages, ==, 1);
}

/* --- phases --- */

static void test_a_phase_lasts_as_long_as_was_said(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, 2, SIM_FAST_FIRST);
    const float mean[] = {3, 4};
    uint64_t phase;

    guest_set_rate(guest, 0, 2, 1);
    phase = guest_phase(guest);
    guest_set_rate(guest, 0, 2, 2);
    g_assert_cmpuint(guest_phase(guest), >, phase);
    g_assert_cmpfloat(guest_phase_rates(guest)[0], ==, 2);
    guest_set_phase(guest, mean, SECOND);
    phase = guest_phase(guest);
    guest_set_rate(guest, 0, 1, 8);
    g_assert_cmpuint(guest_phase(guest), ==, phase);
    g_assert_cmpfloat(guest_phase_rates(guest)[0], ==, 3);
    machine_advance(machine, SECOND);
    guest_set_rate(guest, 0, 1, 9);
    g_assert_cmpuint(guest_phase(guest), >, phase);
    g_assert_cmpfloat(guest_phase_rates(guest)[0], ==, 9);
    g_assert_cmpuint(guest_phase_until_ns(guest), ==, UINT64_MAX);
}

/* --- all together --- */

/* Whatever is done, sums are what adding up gives, and tiers hold what they may. */
static void test_sums_stay_right_whatever_happens(void)
{
    g_autoptr(Machine) machine = small_machine(1000);
    Guest *guest = small_guest(machine, 3000, SIM_INTERLEAVE);
    SimRandom random;
    double rates[2] = {0}, sum = 0;
    size_t pages[2] = {0};

    sim_random_init(&random, 7);
    for (unsigned i = 0; i < 20000; i++) {
        size_t page = sim_random_below(&random, 3000),
               n = sim_random_below(&random, MIN(20, 3000 - page) + 1);

        switch (sim_random_below(&random, 6)) {
        case 0:
            guest_set_rate(guest, page, n, (float)(1000 * sim_random_uniform(&random)));
            break;
        case 1:
            guest_move(guest, page % 3000, (unsigned)sim_random_below(&random, 2));
            break;
        case 2:
            guest_set_present(guest, page, n, sim_random_below(&random, 2));
            break;
        case 3:
            guest_place_free(guest, page, (unsigned)sim_random_below(&random, 2));
            break;
        case 4:
            guest_arm(guest, page);
            break;
        default:
            machine_advance(machine, machine_now_ns(machine) + sim_random_below(&random, MS));
            break;
        }
    }
    for (size_t page = 0; page < 3000; page++) {
        if (guest_tier(guest, page) != SIM_ABSENT) {
            pages[guest_tier(guest, page)]++;
            rates[guest_tier(guest, page)] += guest_rate(guest, page);
        } else {
            g_assert_false(guest_armed(guest, page));
        }
        sum += guest_expected(guest, page);
    }
    for (unsigned tier = 0; tier < 2; tier++) {
        g_assert_cmpuint(guest_resident_bytes(guest, tier), ==, pages[tier] * SIM_PAGE);
        g_assert_cmpuint(machine_free_bytes(machine, tier), ==,
                         machine_config(machine)->capacity_bytes[tier] - pages[tier] * SIM_PAGE);
        g_assert_cmpfloat_with_epsilon(guest->tier_rate[tier], rates[tier], 1e-6);
    }
    g_assert_cmpfloat_with_epsilon(sum / guest_accesses(guest), 1, 1e-9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/sim-machine/" name, function)
    ADD("hit-ratio-and-speed-follow-from-the-placement", test_hit_ratio_and_speed_follow_from_the_placement);
    ADD("stolen-time-slows-the-guest-down", test_stolen_time_slows_the_guest_down);
    ADD("an-idle-guest-does-nothing-and-takes-no-time", test_an_idle_guest_does_nothing_and_takes_no_time);
    ADD("load-by-others-raises-latency-by-the-formula", test_load_by_others_raises_latency_by_the_formula);
    ADD("load-and-latency-agree", test_load_and_latency_agree);
    ADD("interleaving-spreads-stripes-by-the-share", test_interleaving_spreads_stripes_by_the_share);
    ADD("first-touch-fills-tier-0-by-address", test_first_touch_fills_tier_0_by_address);
    ADD("the-hottest-pages-fill-tier-0", test_the_hottest_pages_fill_tier_0);
    ADD("a-guest-that-goes-leaves-its-memory", test_a_guest_that_goes_leaves_its_memory);
    ADD("an-absent-page-takes-no-room-and-no-access", test_an_absent_page_takes_no_room_and_no_access);
    ADD("a-move-costs-a-copy-a-shootdown-and-the-wait", test_a_move_costs_a_copy_a_shootdown_and_the_wait);
    ADD("it-is-known-when-a-page-was-moved", test_it_is_known_when_a_page_was_moved);
    ADD("a-block-moves-at-the-cost-of-one", test_a_block_moves_at_the_cost_of_one);
    ADD("moves-keep-to-the-limit", test_moves_keep_to_the_limit);
    ADD("a-pinned-page-does-not-move", test_a_pinned_page_does_not_move);
    ADD("what-goes-back-within-ten-seconds-is-undone", test_what_goes_back_within_ten_seconds_is_undone);
    ADD("a-phase-lasts-as-long-as-was-said", test_a_phase_lasts_as_long_as_was_said);
    ADD("sums-stay-right-whatever-happens", test_sums_stay_right_whatever_happens);
#undef ADD
    return g_test_run();
}
