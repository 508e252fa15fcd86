/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine, against what can be worked out by hand. What is random is compared within four standard
 * deviations, at fixed seeds.
 */
#include <glib.h>
#include <math.h>

#include "sim/machine-impl.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGES 4096u

static const MachineConfig small_config = {
    .n_tiers = 2,
    .capacity_bytes = {(uint64_t)PAGES * SIM_PAGE, (uint64_t)PAGES * SIM_PAGE},
    .scale = 1,
    .seed = 1,
    .costs = {.latency_ns = {100, 250}, .loaded_max = 6.25, .fault_ns = 2000, .move_4k_ns = 3000, .shootdown_ns = 2000,
              .move_2m_ns = 250000, .sample_ns = 300},
};

/* Without a TLB, bandwidth or limit of moves; @fast pages of tier 0. */
static Machine *small_machine(size_t fast)
{
    MachineConfig config = small_config;

    config.capacity_bytes[0] = fast * SIM_PAGE;
    return machine_new(&config);
}

/* One vCPU that takes 100 ns besides memory for each access; half of them are writes. */
static Guest *small_guest(Machine *machine, size_t pages, SimPlacement placement)
{
    GuestConfig config = {
        .name = "guest", .pages = pages, .vcpus = 1, .compute_ns = 100, .write_share = 0.5, .placement = placement};

    return machine_add_guest(machine, &config);
}

static void assert_near(double value, double expected, double sigma)
{
    if (fabs(value - expected) > 4 * sigma) {
        g_error("%g is not %g, give or take 4 times %g", value, expected, sigma);
    }
}

/* @n of @tries, each of which had the chance @p. */
static void assert_share(size_t n, size_t tries, double p)
{
    assert_near((double)n, p * (double)tries, sqrt(p * (1 - p) * (double)tries));
}

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
    machine_set_background(machine, 0, 8e9);        /* half of a quarter of 64 GB/s */
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

    config.costs.bandwidth[0] = 640e6;              /* ten million accesses a second */
    machine = machine_new(&config);
    guest = small_guest(machine, 100, SIM_FAST_FIRST);
    guest_set_rate(guest, 0, 100, 100000);          /* would take it all */
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
    g_assert_cmpfloat_with_epsilon(guest_accesses(guest), 700 * 200 / (100 + (500 * 100 + 200 * 250) / 700.0), 1e-6);
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

/* --- access bits --- */

static void test_an_access_bit_is_set_as_often_as_there_is_an_access(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    size_t set = 0, again = 0;

    guest_set_rate(guest, 0, PAGES, 5);
    for (size_t page = 0; page < PAGES; page++) {
        g_assert_false(guest_young(guest, page));
    }
    machine_advance(machine, 100 * MS);
    for (size_t page = 0; page < PAGES; page++) {
        set += guest_young(guest, page);
        again += guest_young(guest, page);
    }
    assert_share(set, PAGES, 1 - exp(-0.5));
    g_assert_cmpuint(again, ==, 0);
}

static void test_an_access_bit_counts_all_rates_that_there_were(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    size_t set = 0;

    guest_set_rate(guest, 0, PAGES, 3);
    machine_advance(machine, 100 * MS);
    guest_set_rate(guest, 0, PAGES, 1);
    machine_advance(machine, 300 * MS);
    guest_set_rate(guest, 0, PAGES, 0);
    machine_advance(machine, SECOND);
    for (size_t page = 0; page < PAGES; page++) {
        set += guest_young(guest, page);
    }
    assert_share(set, PAGES, 1 - exp(-0.3 - 0.2));
}

static void test_a_block_is_young_if_any_of_its_pages_is(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);

    guest_set_rate(guest, 512, 1, 1000);
    machine_advance(machine, 100 * MS);
    g_assert_false(guest_young_block(guest, 0));
    g_assert_true(guest_young_block(guest, 1));
    g_assert_false(guest_young_block(guest, 1));
    g_assert_false(guest_young(guest, 512));
}

static void test_the_tlb_holds_as_many_pages_as_it_has_entries(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;

    config.costs.tlb_entries = 1024;
    machine = machine_new(&config);
    guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    /* All alike: 4096 * (1 - e^-rT) = 1024. */
    guest_set_rate(guest, 0, PAGES, 100);
    g_assert_cmpfloat_with_epsilon(tlb_stay_s(guest), -log(0.75) / 100, 1e-6);
    /* All that are used fit. */
    guest_set_rate(guest, 0, PAGES - 1000, 0);
    machine_advance(machine, SECOND);
    g_assert_true(isinf(tlb_stay_s(guest)));
}

static void test_a_page_in_the_tlb_sets_its_bit_when_it_was_lost(void)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;
    size_t set = 0;

    config.costs.tlb_entries = 1024;
    config.costs.tlb_flush_ns = 10 * MS;
    machine = machine_new(&config);
    guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    guest_set_rate(guest, 0, 500, 1e5);
    for (unsigned look = 0; look < 10; look++) {
        machine_advance(machine, machine_now_ns(machine) + 5 * MS);
        for (size_t page = 0; page < 500; page++) {
            set += guest_young(guest, page) && look > 0;
        }
    }
    assert_share(set, 500 * 9, 1 - exp(-0.5));
}

/* --- armed pages --- */

static void test_the_touch_of_an_armed_page_is_one_fault(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    GuestCounters counters;
    uint64_t touched_ns = 0;

    guest_set_rate(guest, 0, 1, 1e6);
    g_assert_false(guest_touched(guest, 0, NULL));
    machine_advance(machine, SECOND);
    guest_arm(guest, 0);
    guest_arm(guest, 0);
    guest_arm(guest, 1);
    g_assert_true(guest_armed(guest, 0));
    machine_advance(machine, 2 * SECOND);
    g_assert_false(guest_armed(guest, 0));
    g_assert_true(guest_touched(guest, 0, &touched_ns));
    g_assert_cmpuint(touched_ns, >=, SECOND);
    g_assert_cmpuint(touched_ns, <, SECOND + MS);
    g_assert_true(guest_touched(guest, 0, NULL));
    g_assert_true(guest_armed(guest, 1));
    g_assert_false(guest_touched(guest, 1, NULL));
    guest_counters(guest, &counters);
    g_assert_cmpuint(counters.faults, ==, 1);
    g_assert_cmpfloat_with_epsilon(counters.stolen_ns, 2000, 1e-6);
    guest_arm(guest, 0);
    g_assert_false(guest_touched(guest, 0, NULL));
}

static void test_touches_come_after_times_that_fit_the_rate(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    size_t touched = 0;
    double sum_s = 0, mean_s = (1 - 2 / M_E) / (1 - 1 / M_E);      /* of those below 1, at rate 1 */

    guest_set_rate(guest, 0, PAGES, 1);
    for (size_t page = 0; page < PAGES; page++) {
        guest_arm(guest, page);
    }
    machine_advance(machine, SECOND);
    for (size_t page = 0; page < PAGES; page++) {
        uint64_t touched_ns;

        if (guest_touched(guest, page, &touched_ns)) {
            touched++;
            sum_s += (double)touched_ns / 1e9;
        }
    }
    assert_share(touched, PAGES, 1 - 1 / M_E);
    assert_near(sum_s / (double)touched, mean_s, 0.29 / sqrt((double)touched));
}

static void test_a_change_of_rate_changes_when_an_armed_page_is_touched(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    size_t touched = 0;

    guest_set_rate(guest, 0, PAGES, 0.1f);
    for (size_t page = 0; page < PAGES; page++) {
        guest_arm(guest, page);
    }
    machine_advance(machine, SECOND);
    for (int i = 0; i < 20; i++) {      /* leaves much that is out of date */
        guest_set_rate(guest, 0, PAGES, 5 + (float)i);
    }
    guest_set_rate(guest, 0, PAGES, 2);
    machine_advance(machine, SECOND + 200 * MS);
    for (size_t page = 0; page < PAGES; page++) {
        touched += guest_touched(guest, page, NULL);
    }
    assert_share(touched, PAGES, 1 - exp(-0.1 - 0.4));
}

static void test_only_writes_touch_what_is_armed_for_writes(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    size_t touched = 0;

    guest_set_rate(guest, 0, PAGES, 1);
    for (size_t page = 0; page < PAGES; page++) {
        guest_arm_writes(guest, page);
    }
    machine_advance(machine, SECOND);
    for (size_t page = 0; page < PAGES; page++) {
        touched += guest_touched(guest, page, NULL);
    }
    assert_share(touched, PAGES, 1 - exp(-0.5));
}

static void test_faults_are_told_in_order(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    uint32_t pages[64];
    uint64_t times_ns[64], last_ns = 0;
    size_t n, all = 0;

    guest_set_rate(guest, 0, 100, 1000);
    g_assert_cmpuint(guest_faults(guest, pages, times_ns, 64), ==, 0);
    for (size_t page = 0; page < 200; page++) {
        guest_arm(guest, page);
    }
    machine_advance(machine, SECOND);
    while ((n = guest_faults(guest, pages, times_ns, 64)) > 0) {
        for (size_t i = 0; i < n; i++) {
            uint64_t touched_ns = 0;

            g_assert_true(guest_faulted(guest, pages[i], &touched_ns));
            g_assert_cmpuint(touched_ns, ==, times_ns[i]);
            g_assert_cmpuint(touched_ns, >=, last_ns);
            last_ns = touched_ns;
        }
        all += n;
    }
    g_assert_cmpuint(all, ==, 100);
}

/* --- samples and counts --- */

static void test_samples_fall_on_pages_by_their_rates(void)
{
    g_autoptr(Machine) machine = small_machine(1000);
    Guest *guest = small_guest(machine, 3000, SIM_FAST_FIRST);
    g_autofree uint32_t *pages = g_new(uint32_t, 100000);
    size_t n, hot = 0;
    GuestCounters counters;

    guest_set_rate(guest, 0, 3000, 100);
    guest_set_rate(guest, 700, 1, 300000);
    machine_advance(machine, SECOND);
    n = guest_samples(guest, 100, -1, pages, 100000);
    assert_near((double)n, guest_accesses(guest) / 100, sqrt(guest_accesses(guest) / 100));
    for (size_t i = 0; i < n; i++) {
        hot += pages[i] == 700;
    }
    assert_share(hot, n, 300000 / (300000 + 2999 * 100.0));
    guest_counters(guest, &counters);
    g_assert_cmpuint(counters.samples, ==, n);
    g_assert_cmpuint(guest_samples(guest, 100, -1, pages, 100000), ==, 0);
}

static void test_samples_of_one_tier_are_of_that_alone(void)
{
    g_autoptr(Machine) machine = small_machine(1000);
    Guest *guest = small_guest(machine, 3000, SIM_FAST_FIRST);
    g_autofree uint32_t *pages = g_new(uint32_t, 100000);
    size_t n;

    guest_set_rate(guest, 0, 3000, 100);
    machine_advance(machine, SECOND);
    n = guest_samples(guest, 10, 1, pages, 100000);
    assert_near((double)n, guest_accesses(guest) / 10 * 2 / 3, sqrt(guest_accesses(guest) / 10 * 2 / 3));
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(pages[i], >=, 1000);
    }
}

static void test_samples_of_the_past_have_the_rates_of_the_past(void)
{
    g_autoptr(Machine) machine = small_machine(1000);
    Guest *guest = small_guest(machine, 1000, SIM_FAST_FIRST);
    g_autofree uint32_t *pages = g_new(uint32_t, 100000);
    size_t n, early = 0;

    guest_samples(guest, 100, -1, pages, 0);
    guest_set_rate(guest, 0, 1, 300000);
    machine_advance(machine, SECOND);
    guest_set_rate(guest, 0, 1, 0);
    guest_set_rate(guest, 999, 1, 100000);
    machine_advance(machine, 2 * SECOND);
    n = guest_samples(guest, 100, -1, pages, 100000);
    for (size_t i = 0; i < n; i++) {
        early += pages[i] == 0;
    }
    assert_near((double)n, 4000, sqrt(4000));
    assert_share(early, n, 0.75);
}

static void test_a_device_counts_each_access_once(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);
    double sum = 0;

    guest_set_rate(guest, 0, 1000, 20);
    machine_advance(machine, SECOND);
    guest_set_rate(guest, 0, 1000, 30);
    machine_advance(machine, 2 * SECOND);
    for (size_t page = 0; page < 1000; page++) {
        sum += (double)guest_device_count(guest, page);
        g_assert_cmpuint(guest_device_count(guest, page), ==, 0);
    }
    assert_near(sum, 50000, sqrt(50000));
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
    g_assert_cmpint(guest_move_block(guest, 3, 0), ==, MOVE_ABSENT);    /* there are but 464 pages of it */
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
    g_assert_cmpuint(moved, >=, 10 * 256 - 1);      /* but for rounding */
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
        size_t page = sim_random_below(&random, 3000), n = sim_random_below(&random, MIN(20, 3000 - page) + 1);

        switch (sim_random_below(&random, 6)) {
        case 0: guest_set_rate(guest, page, n, (float)(1000 * sim_random_uniform(&random))); break;
        case 1: guest_move(guest, page % 3000, (unsigned)sim_random_below(&random, 2)); break;
        case 2: guest_set_present(guest, page, n, sim_random_below(&random, 2)); break;
        case 3: guest_place_free(guest, page, (unsigned)sim_random_below(&random, 2)); break;
        case 4: guest_arm(guest, page); break;
        default: machine_advance(machine, machine_now_ns(machine) + sim_random_below(&random, MS)); break;
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
    ADD("an-access-bit-is-set-as-often-as-there-is-an-access",
        test_an_access_bit_is_set_as_often_as_there_is_an_access);
    ADD("an-access-bit-counts-all-rates-that-there-were", test_an_access_bit_counts_all_rates_that_there_were);
    ADD("a-block-is-young-if-any-of-its-pages-is", test_a_block_is_young_if_any_of_its_pages_is);
    ADD("the-tlb-holds-as-many-pages-as-it-has-entries", test_the_tlb_holds_as_many_pages_as_it_has_entries);
    ADD("a-page-in-the-tlb-sets-its-bit-when-it-was-lost", test_a_page_in_the_tlb_sets_its_bit_when_it_was_lost);
    ADD("the-touch-of-an-armed-page-is-one-fault", test_the_touch_of_an_armed_page_is_one_fault);
    ADD("touches-come-after-times-that-fit-the-rate", test_touches_come_after_times_that_fit_the_rate);
    ADD("a-change-of-rate-changes-when-an-armed-page-is-touched",
        test_a_change_of_rate_changes_when_an_armed_page_is_touched);
    ADD("only-writes-touch-what-is-armed-for-writes", test_only_writes_touch_what_is_armed_for_writes);
    ADD("faults-are-told-in-order", test_faults_are_told_in_order);
    ADD("samples-fall-on-pages-by-their-rates", test_samples_fall_on_pages_by_their_rates);
    ADD("samples-of-one-tier-are-of-that-alone", test_samples_of_one_tier_are_of_that_alone);
    ADD("samples-of-the-past-have-the-rates-of-the-past", test_samples_of_the_past_have_the_rates_of_the_past);
    ADD("a-device-counts-each-access-once", test_a_device_counts_each_access_once);
    ADD("a-move-costs-a-copy-a-shootdown-and-the-wait", test_a_move_costs_a_copy_a_shootdown_and_the_wait);
    ADD("a-block-moves-at-the-cost-of-one", test_a_block_moves_at_the_cost_of_one);
    ADD("moves-keep-to-the-limit", test_moves_keep_to_the_limit);
    ADD("a-pinned-page-does-not-move", test_a_pinned_page_does_not_move);
    ADD("what-goes-back-within-ten-seconds-is-undone", test_what_goes_back_within_ten_seconds_is_undone);
    ADD("a-phase-lasts-as-long-as-was-said", test_a_phase_lasts_as_long_as_was_said);
    ADD("sums-stay-right-whatever-happens", test_sums_stay_right_whatever_happens);
#undef ADD
    return g_test_run();
}
