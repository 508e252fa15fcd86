/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The baselines that go by hint faults and by samples ('tpp', 'numa-balancing', 'memtis', 'hemem'), and both
 * oracles, on guests small enough to tell by hand what they must do.
 */
#include <glib.h>

#include "contender-bed.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define PAGES 2048u
#define SCALE (1 / 1024.0) /* so that what is left free of 50 MB is a dozen pages */

static Bed begin(uint64_t fast, double scale)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {fast * SIM_PAGE, 4 * PAGES * SIM_PAGE},
        .scale = scale,
        .seed = 11,
        .costs = sim_costs_default,
    };

    return (Bed){.machine = machine_new(&config)};
}

static Guest *add_guest(Bed *bed, size_t pages, SimPlacement placement, double write_share, uint64_t floor,
                        uint64_t ceiling)
{
    const GuestConfig config = {.name = "guest",
                                .pages = pages,
                                .vcpus = 1,
                                .compute_ns = 100,
                                .placement = placement,
                                .write_share = write_share,
                                .floor_bytes = floor * SIM_PAGE,
                                .ceiling_bytes = ceiling * SIM_PAGE};

    return machine_add_guest(bed->machine, &config);
}

static uint64_t moved(const Bed *bed)
{
    MachineCounters counters;

    machine_counters(bed->machine, &counters);
    return counters.moved_bytes / SIM_PAGE;
}

/* --- hint faults --- */

static void tpp_promotes_on_the_second_fault_that_comes_soon(void)
{
    Bed bed = begin(512, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 16, 1000);
    contend(&bed, "tpp", NULL); /* 8 MB: one scan a second arms all */
    run_until(&bed, 900 * MS);
    g_assert_cmpuint(fast_pages(guest, 0, 16), ==, 0);
    run_until(&bed, 1500 * MS);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), ==, 16);
    g_assert_cmpuint(fast_pages(guest, 0, 16), ==, 16);
    end(&bed);
}

static void numa_balancing_promotes_on_the_first_fault_that_comes_soon(void)
{
    Bed bed = begin(512, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 16, 1000);
    contend(&bed, "numa-balancing", NULL);
    run_until(&bed, 500 * MS);
    g_assert_cmpuint(fast_pages(guest, 0, 16), ==, 16);
    end(&bed);
}

static void a_fault_that_comes_late_promotes_nothing(void)
{
    Bed bed = begin(512, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);
    GuestCounters counters;

    guest_set_rate(guest, 0, PAGES, 2); /* each half a second; the threshold is 10 ms */
    contend(&bed, "tpp", "hot-threshold-ms=10");
    run_until(&bed, 5 * SECOND);
    guest_counters(guest, &counters);
    g_assert_cmpuint(counters.faults, >, PAGES);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), <, PAGES / 50);
    end(&bed);
}

static void with_much_of_tier_0_free_one_fault_is_enough_however_late(void)
{
    Bed bed = begin(512, SCALE); /* 1 GiB is 256 pages then */
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 100, 2);
    contend(&bed, "tpp", "hot-threshold-ms=1 scan-max-mb-per-s=1000000");
    run_until(&bed, 4 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 0, 100), >, 90);
    end(&bed);
}

static void a_rate_limit_of_its_own_holds_each_second(void)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {512 * SIM_PAGE, 4 * PAGES * SIM_PAGE},
        .move_bytes_per_s = 20 * SIM_PAGE, /* half of it for promotions */
        .scale = 1,
        .seed = 11,
        .costs = sim_costs_default,
    };
    Bed bed = {.machine = machine_new(&config)};
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 200, 1000);
    machine_advance(bed.machine, 5 * SECOND); /* the machine's own limit has something saved */
    contend(&bed, "numa-balancing", NULL);
    run_until(&bed, 5900 * MS);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), ==, 10);
    end(&bed);
}

/* The faults that a guest with nothing in tier 0 takes from @from_s to @until_s. */
static uint64_t faults_between(Bed *bed, Guest *guest, uint64_t from_s, uint64_t until_s)
{
    GuestCounters before, after;

    run_until(bed, from_s * SECOND);
    guest_counters(guest, &before);
    run_until(bed, until_s * SECOND);
    guest_counters(guest, &after);
    return after.faults - before.faults;
}

static void other_areas_are_scanned_instead_of_the_guest_from_the_third_pass_on(void)
{
    static const char *const params[] = {"period-adapted=0", "period-adapted=0 other-areas=16"};

    for (int others = 0; others <= 1; others++) {
        Bed bed = begin(512, 1);
        Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

        guest_set_rate(guest, 0, PAGES, 1000);
        guest_set_pinned(guest, 0, PAGES, true); /* nothing moves: each pass is a fault for each page */
        contend(&bed, "numa-balancing", params[others]);
        g_assert_cmpuint(faults_between(&bed, guest, 0, 3), ==, 3 * PAGES);
        g_assert_cmpuint(faults_between(&bed, guest, 3, 19), ==, others ? 0 : 16 * PAGES);
        g_assert_cmpuint(faults_between(&bed, guest, 19, 20), ==, PAGES);
        end(&bed);
    }
}

static void the_period_doubles_with_each_pass_that_promotes(void)
{
    Bed bed = begin(PAGES, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    contend(&bed, "numa-balancing", "demote-free-percent=0.01");
    for (size_t s = 0; s < 20; s++) { /* so that each pass finds something to promote */
        run_until(&bed, s * SECOND);
        guest_set_rate(guest, s * 50, 50, 1000);
    }
    /* The period is 2, 4, 8 s and so on: passes at 0, 2, 6 and 14 s, the next after 20. */
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), ==, 15 * 50);
    end(&bed);
}

static void a_pass_takes_a_minute_at_most(void)
{
    /* 126 GiB: 504 windows of 256 MB, which would take as many seconds at the period of the beginning. */
    Bed bed = begin(512, 1 / 8192.0);
    Guest *guest = add_guest(&bed, 126 * 32, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 126 * 32, 10);
    contend(&bed, "numa-balancing", NULL);
    g_assert_cmpuint(faults_between(&bed, guest, 10, 80), >, 126 * 32 - 512);
    end(&bed);
}

static void promotions_take_the_time_of_the_threads_that_fault(void)
{
    MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {4 * PAGES * SIM_PAGE, 4 * PAGES * SIM_PAGE},
        .scale = 1,
        .seed = 11,
        .costs = sim_costs_default,
    };
    Bed bed;
    Guest *guest;
    GuestCounters counters;

    config.costs.move_4k_ns = 1000000;
    bed = (Bed){.machine = machine_new(&config)};
    guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);
    guest_set_rate(guest, 0, 1000, 1000);
    contend(&bed, "numa-balancing", NULL);
    run_until(&bed, 500 * MS); /* one vCPU: 500 of 1 ms */
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), <=, 500);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), >=, 480);
    run_until(&bed, 3 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), ==, 1000);
    guest_counters(guest, &counters);
    g_assert_cmpfloat(counters.stolen_ns, >=, 1e9);
    end(&bed);
}

static void demotions_take_the_time_of_one_thread(void)
{
    MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {1000 * SIM_PAGE, 4 * PAGES * SIM_PAGE},
        .scale = 1,
        .seed = 11,
        .costs = sim_costs_default,
    };
    Bed bed;
    Guest *guest;

    config.costs.move_4k_ns = 1000000;
    bed = (Bed){.machine = machine_new(&config)};
    guest = add_guest(&bed, 1000, SIM_FAST_FIRST, 0, 0, 0);
    machine_advance(bed.machine, SECOND);
    contend(&bed, "tpp", "demote-free-percent=50");
    run_until(&bed, SECOND + 200 * MS);
    g_assert_cmpuint(fast_pages(guest, 0, 1000), <=, 1000 - 150);
    g_assert_cmpuint(fast_pages(guest, 0, 1000), >=, 1000 - 250); /* to a batch of 32 */
    end(&bed);
}

static void reclaim_demotes_what_was_not_accessed_and_leaves_the_rest(void)
{
    Bed bed = begin(512, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_FAST_FIRST, 0, 0, 0);

    guest_set_rate(guest, 0, 256, 1000); /* half of tier 0 */
    machine_advance(bed.machine, SECOND);
    contend(&bed, "tpp", NULL);
    run_until(&bed, 3 * SECOND);
    g_assert_cmpuint(machine_free_bytes(bed.machine, 0) / SIM_PAGE, >=, 10); /* 2 % */
    g_assert_cmpuint(fast_pages(guest, 0, 256), ==, 256);
    g_assert_cmpuint(fast_pages(guest, 256, 256), >=, 200); /* and no more than that */
    end(&bed);
}

static void reclaim_takes_from_guests_in_proportion(void)
{
    Bed bed = begin(1000, 1);
    Guest *large = add_guest(&bed, 900, SIM_FAST_FIRST, 0, 0, 0);
    Guest *small = add_guest(&bed, 100, SIM_FAST_FIRST, 0, 0, 0);
    size_t of_large, of_small;

    machine_advance(bed.machine, SECOND);
    contend(&bed, "tpp", "demote-free-percent=50");
    run_until(&bed, 3 * SECOND);
    of_large = 900 - fast_pages(large, 0, 900);
    of_small = 100 - fast_pages(small, 0, 100);
    g_assert_cmpuint(of_large + of_small, >=, 500);
    g_assert_cmpuint(of_small, >=, 32);
    g_assert_cmpuint(of_small, <=, 64); /* to a batch of 32 */
    end(&bed);
}

/* --- samples --- */

static void memtis_fills_tier_0_with_the_hot_set(void)
{
    Bed bed = begin(128, SCALE);
    Guest *guest = add_guest(&bed, PAGES, SIM_FAST_FIRST, 0, 0, 0);

    guest_set_rate(guest, 0, PAGES, 10);
    guest_set_rate(guest, 1000, 100, 2000);
    contend(&bed, "memtis", NULL);
    run_until(&bed, 5 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 1000, 100), >=, 98);
    g_assert_cmpuint(machine_free_bytes(bed.machine, 0) / SIM_PAGE, >=, 12); /* 50 MB, to scale */
    end(&bed);
}

static void memtis_raises_its_threshold_until_the_hot_set_fits(void)
{
    Bed bed = begin(128, SCALE);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    /* All are sampled; those of the highest bins are a quarter of tier 0, the next ones do not fit. */
    guest_set_rate(guest, 0, PAGES, 100);
    guest_set_rate(guest, 500, 32, 6400);
    contend(&bed, "memtis", NULL);
    run_until(&bed, 10 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 500, 32), ==, 32);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), <=, 128 - 12);
    end(&bed);
}

static void memtis_cools_so_that_a_new_hot_set_replaces_the_old(void)
{
    Bed bed = begin(128, SCALE);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 0, 100, 4000);
    contend(&bed, "memtis", NULL);
    run_until(&bed, 20 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 0, 100), ==, 100);
    guest_set_rate(guest, 0, 100, 0);
    guest_set_rate(guest, 1000, 100, 4000);
    run_until(&bed, 30 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 1000, 100), >=, 95);
    end(&bed);
}

static void memtis_samples_less_when_that_takes_too_much_of_a_cpu(void)
{
    Bed bed = begin(128, SCALE);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);
    GuestCounters before, after, later;

    /* 1/1024 of 1 GHz of accesses is 1.5 CPUs' worth of samples. */
    guest_set_rate(guest, 0, PAGES, 1e6f / PAGES);
    contend(&bed, "memtis", NULL);
    run_until(&bed, 10 * SECOND);
    guest_counters(guest, &before);
    run_until(&bed, 60 * SECOND);
    guest_counters(guest, &after);
    run_until(&bed, 70 * SECOND);
    guest_counters(guest, &later);
    g_assert_cmpfloat((double)(later.samples - after.samples), <, 0.6 * (double)before.samples);
    g_assert_cmpfloat((double)(later.samples - after.samples), >, 0.1 * (double)before.samples);
    end(&bed);
}

static void hemem_promotes_what_has_eight_loads(void)
{
    Bed bed = begin(512, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 7, 1, 100);
    contend(&bed, "hemem", "sample-period=1 pages=1");
    run_until(&bed, 10 * MS); /* one access is to be expected */
    g_assert_cmpuint(fast_pages(guest, 7, 1), ==, 0);
    run_until(&bed, SECOND);
    g_assert_cmpuint(fast_pages(guest, 7, 1), ==, 1);
    g_assert_cmpuint(fast_pages(guest, 0, PAGES), ==, 1);
    end(&bed);
}

static void hemem_counts_stores_apart(void)
{
    for (int enough = 0; enough <= 1; enough++) {
        Bed bed = begin(512, 1);
        Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 1, 0, 0);

        guest_set_rate(guest, 7, 1, 100);
        contend(&bed, "hemem",
                enough ? "sample-period=1 pages=1 hot-loads=10000"
                       : "sample-period=1 pages=1 hot-stores=10000");
        run_until(&bed, SECOND);
        g_assert_cmpuint(fast_pages(guest, 7, 1), ==, (size_t)enough);
        end(&bed);
    }
}

static void hemem_moves_whole_blocks(void)
{
    Bed bed = begin(1024, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_INTERLEAVE, 0, 0, 0);

    guest_set_rate(guest, 1024, 512, 100);
    contend(&bed, "hemem", NULL);
    run_until(&bed, 5 * SECOND);
    g_assert_cmpuint(fast_pages(guest, 1024, 512), ==, 512);
    end(&bed);
}

static void hemem_cools_so_that_the_once_hot_make_room(void)
{
    Bed bed = begin(1, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 3, 1, 100);
    contend(&bed, "hemem", "sample-period=1 pages=1");
    run_until(&bed, SECOND);
    g_assert_cmpuint(guest_tier(guest, 3), ==, 0);
    guest_set_rate(guest, 3, 1, 0);
    guest_set_rate(guest, 9, 1, 100);
    run_until(&bed, 3 * SECOND);
    g_assert_cmpuint(guest_tier(guest, 3), ==, 1);
    g_assert_cmpuint(guest_tier(guest, 9), ==, 0);
    end(&bed);
}

static void hemem_stops_when_nothing_in_tier_0_is_cold(void)
{
    Bed bed = begin(1, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    guest_set_rate(guest, 3, 1, 100);
    contend(&bed, "hemem", "sample-period=1 pages=1 cooling-samples=10000");
    run_until(&bed, SECOND);
    guest_set_rate(guest, 9, 1, 200);
    run_until(&bed, 5 * SECOND);
    g_assert_cmpuint(guest_tier(guest, 3), ==, 0);
    g_assert_cmpuint(moved(&bed), ==, 1);
    end(&bed);
}

static void baselines_stand_guests_that_come_and_go(void)
{
    for (size_t i = 0; contender_classes[i]; i++) {
        Bed bed = begin(512, SCALE);
        Guest *first = add_guest(&bed, 1000, SIM_INTERLEAVE, 0.5, 10, 0), *second;

        guest_set_rate(first, 0, 100, 1000);
        contend(&bed, contender_classes[i]->name, NULL);
        run_until(&bed, SECOND);
        second = add_guest(&bed, 1000, SIM_INTERLEAVE, 0.5, 10, 0);
        guest_set_rate(second, 0, 100, 1000);
        guest_set_present(second, 200, 100, false);
        guest_set_pinned(second, 50, 10, true);
        run_until(&bed, 2 * SECOND);
        guest_set_present(second, 200, 100, true);
        machine_remove_guest(bed.machine, first);
        run_until(&bed, 4 * SECOND);
        machine_remove_guest(bed.machine, second);
        run_until(&bed, 5 * SECOND);
        end(&bed);
    }
}

static void parameters_that_there_are_not_are_refused(void)
{
    static const char *const names[] = {"interleave", "tpp",           "numa-balancing", "memtis",
                                        "hemem",      "oracle-static", "oracle-paying"};
    Bed bed = begin(512, 1);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) err = NULL;
        const ContenderClass *class = contender_find(names[i], &err);

        g_assert_no_error(err);
        g_assert_null(class->create("warp=9", bed.machine, &err));
        g_assert_nonnull(strstr(err->message, "warp"));
    }
    machine_free(bed.machine);
}

/* --- oracles --- */

static void the_static_oracle_places_the_hottest_at_once_and_for_free(void)
{
    Bed bed = begin(100, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_INTERLEAVE, 0, 0, 0);

    for (size_t i = 0; i < PAGES; i++) {
        guest_set_rate(guest, i, 1, (float)(i % 997));
    }
    contend(&bed, "oracle-static", NULL);
    run_until(&bed, 0);
    for (size_t i = 0; i < PAGES; i++) { /* 100 of 2048 with 997 rates: the two pages each of 50 rates */
        g_assert_cmpuint(guest_tier(guest, i), ==, i % 997 >= 997 - 50 ? 0 : 1);
    }
    guest_set_rate(guest, 5, 1, 5000);
    run_until(&bed, 10 * MS);
    g_assert_cmpuint(guest_tier(guest, 5), ==, 0);
    g_assert_cmpuint(moved(&bed), ==, 0);
    end(&bed);
}

static void the_static_oracle_keeps_floors_and_ceilings(void)
{
    Bed bed = begin(100, 1);
    Guest *hot = add_guest(&bed, 500, SIM_INTERLEAVE, 0, 0, 60);
    Guest *cold = add_guest(&bed, 500, SIM_INTERLEAVE, 0, 20, 0);
    Guest *warm = add_guest(&bed, 500, SIM_INTERLEAVE, 0, 0, 0);

    guest_set_rate(hot, 0, 500, 1000);
    guest_set_rate(warm, 0, 500, 10);
    guest_set_rate(cold, 0, 500, 1);
    contend(&bed, "oracle-static", NULL);
    run_until(&bed, 0);
    g_assert_cmpuint(fast_pages(hot, 0, 500), ==, 60);
    g_assert_cmpuint(fast_pages(cold, 0, 500), ==, 20);
    g_assert_cmpuint(fast_pages(warm, 0, 500), ==, 20);
    end(&bed);
}

static void an_idle_guest_lends_what_it_has_above_its_floor(void)
{
    Bed bed = begin(100, 1);
    Guest *busy = add_guest(&bed, 500, SIM_INTERLEAVE, 0, 0, 0);
    Guest *idle = add_guest(&bed, 500, SIM_INTERLEAVE, 0, 10, 0);

    guest_set_rate(busy, 0, 500, 10);
    guest_set_rate(idle, 0, 500, 1000);
    contend(&bed, "oracle-static", NULL);
    run_until(&bed, 0);
    g_assert_cmpuint(fast_pages(idle, 0, 500), ==, 100);
    guest_set_idle(idle, true);
    run_until(&bed, 10 * MS);
    g_assert_cmpuint(fast_pages(idle, 0, 500), ==, 10);
    g_assert_cmpuint(fast_pages(busy, 0, 500), ==, 90);
    end(&bed);
}

static void oracles_leave_a_loaded_dram_alone(void)
{
    static const char *const names[] = {"oracle-static", "oracle-paying"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Bed bed = begin(1024, 1);
        Guest *guest = add_guest(&bed, PAGES, SIM_INTERLEAVE, 0, 0, 0);

        guest_set_rate(guest, 0, PAGES, 1000);
        machine_set_background(bed.machine, 0, 0.99 * machine_config(bed.machine)->costs.bandwidth[0]);
        contend(&bed, names[i], NULL);
        run_until(&bed, SECOND); /* 100 ns grow to 625, more than CXL's 250 */
        g_assert_cmpuint(fast_pages(guest, 0, PAGES), <, 50);
        end(&bed);
    }
}

static void the_paying_oracle_moves_what_pays_until_its_phase_ends(void)
{
    /* A page saves 150 ns an access at about half of full speed; a move costs 5 us. */
    static const struct {
        uint64_t phase_ns;
        size_t expected;
    } cases[] = {{20 * MS, 0}, {10 * SECOND, 100}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Bed bed = begin(512, 1);
        Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

        guest_set_rate(guest, 300, 100, 100);
        guest_set_phase(guest, NULL, cases[i].phase_ns);
        contend(&bed, "oracle-paying", NULL);
        run_until(&bed, cases[i].phase_ns / 2);
        g_assert_cmpuint(fast_pages(guest, 300, 100), ==, cases[i].expected);
        g_assert_cmpuint(moved(&bed), ==, cases[i].expected);
        end(&bed);
    }
}

static void the_paying_oracle_counts_the_victims_loss(void)
{
    Bed bed = begin(100, 1);
    Guest *guest = add_guest(&bed, PAGES, SIM_FAST_FIRST, 0, 0, 0);

    guest_set_rate(guest, 0, 100, 100);  /* in tier 0 */
    guest_set_rate(guest, 500, 50, 101); /* hotter by one access a second, for a second */
    guest_set_rate(guest, 600, 1, 1000);
    guest_set_phase(guest, NULL, SECOND);
    contend(&bed, "oracle-paying", NULL);
    run_until(&bed, 500 * MS);
    g_assert_cmpuint(fast_pages(guest, 600, 1), ==, 1);
    g_assert_cmpuint(moved(&bed), ==, 2); /* that one and its victim */
    end(&bed);
}

static void the_paying_oracle_keeps_the_limit_and_moves_the_hottest_first(void)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {2000 * SIM_PAGE, 4 * PAGES * SIM_PAGE},
        .move_bytes_per_s = 100 * SIM_PAGE,
        .scale = 1,
        .seed = 11,
        .costs = sim_costs_default,
    };
    Bed bed = {.machine = machine_new(&config)};
    Guest *guest = add_guest(&bed, PAGES, SIM_SLOW, 0, 0, 0);

    for (size_t i = 0; i < 2000; i++) {
        guest_set_rate(guest, i, 1, (float)(100 + i));
    }
    guest_set_phase(guest, NULL, 100 * SECOND);
    contend(&bed, "oracle-paying", NULL);
    run_until(&bed, 4 * SECOND);
    g_assert_cmpuint(moved(&bed), >=, 390);
    g_assert_cmpuint(moved(&bed), <=, 400);
    g_assert_cmpuint(fast_pages(guest, 2000 - 390, 390), ==, 390);
    end(&bed);
}

static void the_paying_oracle_takes_no_guest_below_its_floor_for_another(void)
{
    Bed bed = begin(100, 1);
    Guest *cold = add_guest(&bed, 500, SIM_SLOW, 0, 30, 0);
    Guest *warm = add_guest(&bed, 500, SIM_SLOW, 0, 0, 0);
    Guest *hot = add_guest(&bed, 500, SIM_SLOW, 0, 0, 0);

    for (size_t i = 0; i < 50; i++) {
        guest_place_free(cold, i, 0);
        guest_place_free(warm, i, 0);
    }
    guest_set_rate(cold, 200, 100, 0.001f); /* its hottest belong into tier 0, but are not worth a move */
    guest_set_rate(warm, 0, 50, 5);
    guest_set_rate(hot, 0, 40, 1000);
    guest_set_phase(cold, NULL, 2 * SECOND);
    contend(&bed, "oracle-paying", NULL);
    run_until(&bed, SECOND);
    g_assert_cmpuint(fast_pages(hot, 0, 40), ==, 40);
    g_assert_cmpuint(fast_pages(cold, 0, 500), ==, 30); /* not the coldest 40 pages went, but 20 of each */
    g_assert_cmpuint(fast_pages(warm, 0, 500), ==, 30);
    end(&bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/sim-baselines/" #name, name)
    TEST(tpp_promotes_on_the_second_fault_that_comes_soon);
    TEST(numa_balancing_promotes_on_the_first_fault_that_comes_soon);
    TEST(a_fault_that_comes_late_promotes_nothing);
    TEST(with_much_of_tier_0_free_one_fault_is_enough_however_late);
    TEST(a_rate_limit_of_its_own_holds_each_second);
    TEST(other_areas_are_scanned_instead_of_the_guest_from_the_third_pass_on);
    TEST(the_period_doubles_with_each_pass_that_promotes);
    TEST(a_pass_takes_a_minute_at_most);
    TEST(promotions_take_the_time_of_the_threads_that_fault);
    TEST(demotions_take_the_time_of_one_thread);
    TEST(reclaim_demotes_what_was_not_accessed_and_leaves_the_rest);
    TEST(reclaim_takes_from_guests_in_proportion);
    TEST(memtis_fills_tier_0_with_the_hot_set);
    TEST(memtis_raises_its_threshold_until_the_hot_set_fits);
    TEST(memtis_cools_so_that_a_new_hot_set_replaces_the_old);
    TEST(memtis_samples_less_when_that_takes_too_much_of_a_cpu);
    TEST(hemem_promotes_what_has_eight_loads);
    TEST(hemem_counts_stores_apart);
    TEST(hemem_moves_whole_blocks);
    TEST(hemem_cools_so_that_the_once_hot_make_room);
    TEST(hemem_stops_when_nothing_in_tier_0_is_cold);
    TEST(baselines_stand_guests_that_come_and_go);
    TEST(parameters_that_there_are_not_are_refused);
    TEST(the_static_oracle_places_the_hottest_at_once_and_for_free);
    TEST(the_static_oracle_keeps_floors_and_ceilings);
    TEST(an_idle_guest_lends_what_it_has_above_its_floor);
    TEST(oracles_leave_a_loaded_dram_alone);
    TEST(the_paying_oracle_moves_what_pays_until_its_phase_ends);
    TEST(the_paying_oracle_counts_the_victims_loss);
    TEST(the_paying_oracle_keeps_the_limit_and_moves_the_hottest_first);
    TEST(the_paying_oracle_takes_no_guest_below_its_floor_for_another);
    return g_test_run();
}
