/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the simulated machine shows of accesses: access bits, armed pages, samples, counts.
 */
#include "small-machine.h"

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

/* Looks at 500 pages of a rate per second of work each 10 ms, in which there is one flush on average. */
static size_t set_after_flushes(double rate, double latency1_ns, unsigned looks)
{
    MachineConfig config = small_config;
    g_autoptr(Machine) machine = NULL;
    Guest *guest;
    size_t set = 0;

    config.costs.tlb_entries = 1024;
    config.costs.tlb_flush_ns = 10 * MS;
    config.costs.latency_ns[1] = (uint32_t)latency1_ns;
    machine = machine_new(&config);
    guest = small_guest(machine, PAGES, SIM_SLOW);
    guest_set_rate(guest, 0, 500, (float)rate);
    for (unsigned look = 0; look <= looks; look++) {
        machine_advance(machine, machine_now_ns(machine) + 10 * MS);
        for (size_t page = 0; page < 500; page++) {
            set += guest_young(guest, page) && look > 0;
        }
    }
    return set;
}

static void test_flushes_come_by_the_clock_however_slow_the_guest_is(void)
{
    /* Work takes 20 times as long as in DRAM: (100 + 3900) / 200. */
    assert_share(set_after_flushes(1e6, 3900, 10), 500 * 10, 1 - exp(-1));
}

static void test_a_flush_alone_sets_no_bit(void)
{
    /* In 10 ms one flush and 1.5 accesses: of the times with a flush, those with none after it do not count. */
    assert_share(set_after_flushes(150, 100, 10), 500 * 10, 1 - (1.5 * exp(-1) - exp(-1.5)) / 0.5);
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
    double sum_s = 0, mean_s = (1 - 2 / M_E) / (1 - 1 / M_E); /* of those below 1, at rate 1 */

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

static size_t pages_touched(Guest *guest)
{
    size_t touched = 0;

    for (size_t page = 0; page < PAGES; page++) {
        touched += guest_touched(guest, page, NULL);
    }
    return touched;
}

static void test_a_change_of_rate_changes_when_an_armed_page_is_touched(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);

    guest_set_rate(guest, 0, PAGES, 0.1f);
    for (size_t page = 0; page < PAGES; page++) {
        guest_arm(guest, page);
    }
    machine_advance(machine, SECOND);
    for (int i = 0; i < 20; i++) { /* leaves much that is out of date */
        guest_set_rate(guest, 0, PAGES, 5 + (float)i);
    }
    guest_set_rate(guest, 0, PAGES, 2);
    machine_advance(machine, SECOND + 200 * MS);
    assert_share(pages_touched(guest), PAGES, 1 - exp(-0.1 - 0.4));
}

static void test_only_writes_touch_what_is_armed_for_writes(void)
{
    g_autoptr(Machine) machine = small_machine(PAGES);
    Guest *guest = small_guest(machine, PAGES, SIM_FAST_FIRST);

    guest_set_rate(guest, 0, PAGES, 1);
    for (size_t page = 0; page < PAGES; page++) {
        guest_arm_writes(guest, page);
    }
    machine_advance(machine, SECOND);
    assert_share(pages_touched(guest), PAGES, 1 - exp(-0.5));
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
        sum += (double)guest_device_count(guest, page, 0);
        g_assert_cmpuint(guest_device_count(guest, page, 0), ==, 0);
    }
    assert_near(sum, 50000, sqrt(50000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/sim-evidence/" name, function)
    ADD("an-access-bit-is-set-as-often-as-there-is-an-access",
        test_an_access_bit_is_set_as_often_as_there_is_an_access);
    ADD("an-access-bit-counts-all-rates-that-there-were",
        test_an_access_bit_counts_all_rates_that_there_were);
    ADD("a-block-is-young-if-any-of-its-pages-is", test_a_block_is_young_if_any_of_its_pages_is);
    ADD("flushes-come-by-the-clock-however-slow-the-guest-is",
        test_flushes_come_by_the_clock_however_slow_the_guest_is);
    ADD("a-flush-alone-sets-no-bit", test_a_flush_alone_sets_no_bit);
    ADD("the-tlb-holds-as-many-pages-as-it-has-entries", test_the_tlb_holds_as_many_pages_as_it_has_entries);
    ADD("a-page-in-the-tlb-sets-its-bit-when-it-was-lost",
        test_a_page_in_the_tlb_sets_its_bit_when_it_was_lost);
    ADD("the-touch-of-an-armed-page-is-one-fault", test_the_touch_of_an_armed_page_is_one_fault);
    ADD("touches-come-after-times-that-fit-the-rate", test_touches_come_after_times_that_fit_the_rate);
    ADD("a-change-of-rate-changes-when-an-armed-page-is-touched",
        test_a_change_of_rate_changes_when_an_armed_page_is_touched);
    ADD("only-writes-touch-what-is-armed-for-writes", test_only_writes_touch_what_is_armed_for_writes);
    ADD("faults-are-told-in-order", test_faults_are_told_in_order);
    ADD("samples-fall-on-pages-by-their-rates", test_samples_fall_on_pages_by_their_rates);
    ADD("samples-of-one-tier-are-of-that-alone", test_samples_of_one_tier_are_of_that_alone);
    ADD("samples-of-the-past-have-the-rates-of-the-past",
        test_samples_of_the_past_have_the_rates_of_the_past);
    ADD("a-device-counts-each-access-once", test_a_device_counts_each_access_once);
#undef ADD
    return g_test_run();
}
