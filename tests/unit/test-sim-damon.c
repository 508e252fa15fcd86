/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator's DAMON and its hotness monitoring unit, on small guests whose accesses are known.
 */
#include <glib.h>

#include "sim/chmu.h"
#include "sim/damon.h"

#define MS    1000000ull
#define PAGES 4096u

static Machine *machine(double scale)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {1024 * SIM_PAGE, PAGES * SIM_PAGE},
        .scale = scale,
        .seed = 5,
        .costs = sim_costs_default,
    };

    return machine_new(&config);
}

static Guest *add_guest(Machine *machine, SimPlacement placement)
{
    const GuestConfig config = {
        .name = "guest", .pages = PAGES, .vcpus = 1, .compute_ns = 100, .placement = placement};

    return machine_add_guest(machine, &config);
}

/* The last aggregation, and whether its regions cover the guest once, in order. */
typedef struct Seen {
    GArray *regions;
    unsigned aggregations;
    size_t most;
} Seen;

static void on_aggregated(void *opaque, SimDamonRegion *regions, size_t n)
{
    Seen *seen = opaque;
    uint32_t at = 0;

    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(regions[i].first, ==, at);
        g_assert_cmpuint(regions[i].pages, >, 0);
        at += regions[i].pages;
    }
    g_assert_cmpuint(at, ==, PAGES);
    seen->most = MAX(seen->most, n);
    seen->aggregations++;
    g_array_set_size(seen->regions, 0);
    g_array_append_vals(seen->regions, regions, (guint)n);
}

/* Watch a guest whose pages 1024..1535 are accessed @hot_per_s times a second and the others never, for 20 s. */
static void watch(Seen *seen, double hot_per_s, unsigned *max, double *host_ns)
{
    g_autoptr(Machine) host = machine(1);
    Guest *guest = add_guest(host, SIM_FAST_FIRST);
    SimDamon *damon = sim_damon_new(host, guest, &sim_damon_attrs_default, on_aggregated, seen);
    MachineCounters counters;

    seen->regions = g_array_new(false, false, sizeof(SimDamonRegion));
    guest_set_rate(guest, 1024, 512, (float)hot_per_s);
    for (uint64_t now_ns = 0; now_ns < 20000 * MS;) {
        machine_advance(host, now_ns);
        now_ns = sim_damon_tick(damon, now_ns);
    }
    *max = sim_damon_max_accesses(damon);
    machine_counters(host, &counters);
    *host_ns = counters.host_ns;
    sim_damon_free(damon);
}

/*
 * Of the pages of regions seen accessed in a fifth of the samples (the TLB hides most of them), the share that lies in
 * 1024..1535, and how many they are.
 */
static double precision(const Seen *seen, unsigned max, unsigned *pages)
{
    unsigned hot = 0;

    *pages = 0;
    for (guint i = 0; i < seen->regions->len; i++) {
        const SimDamonRegion *region = &g_array_index(seen->regions, SimDamonRegion, i);
        uint32_t from = MAX(region->first, 1024), to = MIN(region->first + region->pages, 1536);

        if (region->nr_accesses * 5 >= max) {
            *pages += region->pages;
            hot += to > from ? to - from : 0;
        }
    }
    return *pages ? (double)hot / *pages : 0;
}

static void finds_a_hot_range(void)
{
    Seen seen = {0};
    unsigned max, pages;
    double host_ns;

    watch(&seen, 10000, &max, &host_ns);
    g_assert_cmpuint(max, ==, 20);
    g_assert_cmpuint(seen.aggregations, >=, 195);
    g_assert_cmpfloat(precision(&seen, max, &pages), >, 0.9);
    g_assert_cmpuint(pages, >, 300);
    g_assert_cmpuint(pages, <, 600);
    g_array_unref(seen.regions);
}

static void keeps_to_its_number_of_regions(void)
{
    Seen seen = {0};
    unsigned max;
    double host_ns;

    watch(&seen, 50, &max, &host_ns);
    g_assert_cmpuint(seen.most, <=, sim_damon_attrs_default.max_regions);
    g_assert_cmpuint(seen.most, >=, sim_damon_attrs_default.min_regions);
    g_array_unref(seen.regions);
}

static void pays_for_each_test_of_an_access_bit(void)
{
    Seen seen = {0};
    unsigned max;
    double host_ns;

    watch(&seen, 10000, &max, &host_ns);
    /* 4,000 samples of ten regions at least, each cleared and tested. */
    g_assert_cmpfloat(host_ns, >=, 4000.0 * 10 * 2 * sim_costs_default.abit_ns * 0.99);
    g_array_unref(seen.regions);
}

/* A region of constant accesses grows older; ages count aggregations. */
static void a_steady_region_ages(void)
{
    Seen seen = {0};
    unsigned max, oldest = 0;
    double host_ns;

    watch(&seen, 10000, &max, &host_ns);
    for (guint i = 0; i < seen.regions->len; i++) {
        oldest = MAX(oldest, g_array_index(seen.regions, SimDamonRegion, i).age);
    }
    g_assert_cmpuint(oldest, >, 50);
    g_array_unref(seen.regions);
}

/* --- the hotness monitoring unit --- */

static void lists_what_is_accessed_often_enough(void)
{
    g_autoptr(Machine) host = machine(1);
    Guest *guest = add_guest(host, SIM_SLOW);
    SimChmu *chmu = sim_chmu_new(host, SIM_CHMU_EPOCHS);
    const ChmuSetting setting = {.epoch_ns = 1000 * MS, .threshold = 50};
    const SimChmuEntry *entries;
    bool overflowed;
    size_t n;

    guest_set_rate(guest, 0, 100, 200);
    guest_set_rate(guest, 100, 100, 10);
    machine_advance(host, 500 * MS);    /* what came before an epoch does not count */
    sim_chmu_begin(chmu, &setting);
    g_assert_cmpuint(sim_chmu_due_ns(chmu), ==, 1500 * MS);
    machine_advance(host, 1500 * MS);
    n = sim_chmu_drain(chmu, &entries, &overflowed);
    g_assert_cmpuint(n, ==, 100);
    g_assert_false(overflowed);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(entries[i].page, ==, i);
        g_assert_cmpuint(entries[i].count, >=, 50);
        g_assert_cmpuint(entries[i].count, <, 200 + 6 * 15);
    }
    sim_chmu_free(chmu);
}

/* A unit that counts for a second, from 1 access on, while @n pages from @first on are accessed @per_s times each */
typedef struct Second {
    SimChmu *chmu;
    const SimChmuEntry *entries;
    size_t n;
    bool overflowed;
} Second;

static Second count_for_a_second(Machine *host, Guest *guest, size_t first, size_t n, float per_s)
{
    const ChmuSetting setting = {.epoch_ns = 1000 * MS, .threshold = 1};
    Second second = {.chmu = sim_chmu_new(host, SIM_CHMU_EPOCHS)};

    guest_set_rate(guest, first, n, per_s);
    sim_chmu_begin(second.chmu, &setting);
    machine_advance(host, 1000 * MS);
    second.n = sim_chmu_drain(second.chmu, &second.entries, &second.overflowed);
    return second;
}

static void sees_nothing_of_dram(void)
{
    g_autoptr(Machine) host = machine(1);
    Guest *guest = add_guest(host, SIM_FAST_FIRST);     /* pages 0..1023 are in DRAM */
    Second second = count_for_a_second(host, guest, 1000, 100, 1000);

    g_assert_cmpuint(second.n, ==, 76);
    g_assert_cmpuint(second.entries[0].page, ==, 1024);
    sim_chmu_free(second.chmu);
}

static void loses_what_its_hotlist_has_no_room_for(void)
{
    g_autoptr(Machine) host = machine(1 / 655.35);      /* room for 100 */
    Second second = count_for_a_second(host, add_guest(host, SIM_SLOW), 0, 101, 1000);

    g_assert_cmpuint(sim_chmu_limits(second.chmu)->hotlist_entries, ==, 100);
    g_assert_cmpuint(second.n, ==, 100);
    g_assert_true(second.overflowed);
    sim_chmu_free(second.chmu);
}

static void a_count_saturates(void)
{
    g_autoptr(Machine) host = machine(1);
    Second second = count_for_a_second(host, add_guest(host, SIM_SLOW), 7, 1, 1e6);

    g_assert_cmpuint(second.n, ==, 1);
    g_assert_cmpuint(second.entries[0].count, ==, 65535);
    sim_chmu_free(second.chmu);
}

/* Pages 0 to @n - 1 are accessed 100 times a second each, for ten seconds in which 64 accesses make a report. */
static uint64_t count_for_ten_seconds(Machine *host, Guest *guest, SimChmu *always, size_t n, bool *overflowed)
{
    const ChmuSetting setting = {.epoch_ns = 10000 * MS, .threshold = 64};
    const SimChmuEntry *entries;
    uint64_t reports = 0;

    guest_set_rate(guest, 0, n, 100);
    sim_chmu_begin(always, &setting);
    machine_advance(host, sim_chmu_due_ns(always));
    n = sim_chmu_drain(always, &entries, overflowed);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(entries[i].page, ==, i);
        reports += entries[i].count;
    }
    return reports;
}

static void an_instance_that_is_always_on_lists_again_and_again(void)
{
    g_autoptr(Machine) host = machine(1);
    Guest *guest = add_guest(host, SIM_SLOW);
    SimChmu *always = sim_chmu_new(host, SIM_CHMU_ALWAYS_ON);
    bool overflowed;
    const uint64_t reports = count_for_ten_seconds(host, guest, always, 100, &overflowed);

    /* What makes no whole report is lost: half of one of each page, on average; and Poisson's noise */
    g_assert_cmpfloat((double)reports * 64, <, guest_accesses(guest) * 1.02);
    g_assert_cmpfloat((double)reports * 64, >, guest_accesses(guest) * 0.98 - 100 * 64);
    g_assert_cmpuint(reports, >, 2 * 100);
    g_assert_false(overflowed);
    sim_chmu_stop(always);
    g_assert_cmpuint(sim_chmu_due_ns(always), ==, UINT64_MAX);
    sim_chmu_free(always);
}

static void an_instance_that_is_always_on_loses_what_is_too_much(void)
{
    g_autoptr(Machine) host = machine(1e-4);    /* room for 16, each tenth of a second */
    SimChmu *always = sim_chmu_new(host, SIM_CHMU_ALWAYS_ON);
    Guest *guest = add_guest(host, SIM_SLOW);
    bool overflowed;

    g_assert_cmpuint(count_for_ten_seconds(host, guest, always, 100, &overflowed), <=, 1600);
    g_assert_false(overflowed);
    count_for_ten_seconds(host, guest, always, 1000, &overflowed);
    g_assert_true(overflowed);
    sim_chmu_free(always);
}

static void instances_count_independently(void)
{
    g_autoptr(Machine) host = machine(1);
    Guest *guest = add_guest(host, SIM_SLOW);
    SimChmu *epochs = sim_chmu_new(host, SIM_CHMU_EPOCHS), *always = sim_chmu_new(host, SIM_CHMU_ALWAYS_ON);
    const ChmuSetting setting = {.epoch_ns = 5000 * MS, .threshold = 64};
    const SimChmuEntry *entries;
    bool overflowed;

    guest_set_rate(guest, 0, 1, 2000);
    sim_chmu_begin(always, &setting);
    machine_advance(host, 4000 * MS);
    sim_chmu_begin(epochs, &setting);
    machine_advance(host, 5000 * MS);
    g_assert_cmpuint(sim_chmu_drain(epochs, &entries, &overflowed), ==, 1);
    g_assert_cmpfloat_with_epsilon(entries[0].count, guest_accesses(guest) / 5, guest_accesses(guest) / 20);
    g_assert_cmpuint(sim_chmu_drain(always, &entries, &overflowed), ==, 1);
    g_assert_cmpfloat_with_epsilon(entries[0].count * 64.0, guest_accesses(guest), guest_accesses(guest) / 10);
    sim_chmu_free(epochs);
    sim_chmu_free(always);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/damon/finds_a_hot_range", finds_a_hot_range);
    g_test_add_func("/sim/damon/keeps_to_its_number_of_regions", keeps_to_its_number_of_regions);
    g_test_add_func("/sim/damon/pays_for_each_test_of_an_access_bit", pays_for_each_test_of_an_access_bit);
    g_test_add_func("/sim/damon/a_steady_region_ages", a_steady_region_ages);
    g_test_add_func("/sim/chmu/lists_what_is_accessed_often_enough", lists_what_is_accessed_often_enough);
    g_test_add_func("/sim/chmu/sees_nothing_of_dram", sees_nothing_of_dram);
    g_test_add_func("/sim/chmu/loses_what_its_hotlist_has_no_room_for", loses_what_its_hotlist_has_no_room_for);
    g_test_add_func("/sim/chmu/a_count_saturates", a_count_saturates);
    g_test_add_func("/sim/chmu/an_instance_that_is_always_on_lists_again_and_again",
                    an_instance_that_is_always_on_lists_again_and_again);
    g_test_add_func("/sim/chmu/an_instance_that_is_always_on_loses_what_is_too_much",
                    an_instance_that_is_always_on_loses_what_is_too_much);
    g_test_add_func("/sim/chmu/instances_count_independently", instances_count_independently);
    return g_test_run();
}
