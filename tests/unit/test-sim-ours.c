/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own daemon in the simulator: what it must do on guests whose hot sets are known.
 */
#include <glib.h>
#include <string.h>

#include "sim/contender.h"
#include "sim/lab.h"
#include "sim/random.h"

#define SECOND 1000000000ull
#define PAGES  8192u
#define FAST   1638u                /* a fifth */
#define HOT    585u                 /* a fourteenth */
#define SCALE  (1 / 448.0)          /* of 14 GiB */

typedef struct Bed {
    Machine *machine;
    Guest *guest;
    Contender *contender;
    uint64_t next_ns;
    uint32_t *order;                /* pages in random order; the first HOT are hot */
} Bed;

static const ContenderClass *class_of(const char *name)
{
    g_autoptr(GError) err = NULL;
    const ContenderClass *class = contender_find(name, &err);

    g_assert_no_error(err);
    return class;
}

static Bed begin(const char *name, const char *params)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {FAST * SIM_PAGE, PAGES * SIM_PAGE},
        .move_bytes_per_s = (uint64_t)(200e6 * SCALE),
        .scale = SCALE,
        .seed = 9,
        .costs = sim_costs_default,
    };
    const GuestConfig guest = {
        .name = "guest", .pages = PAGES, .vcpus = 8 * SCALE, .compute_ns = 100, .placement = SIM_INTERLEAVE};
    g_autoptr(GError) err = NULL;
    SimRandom random;
    Bed bed = {.machine = machine_new(&config), .order = g_new(uint32_t, PAGES)};

    bed.guest = machine_add_guest(bed.machine, &guest);
    bed.contender = class_of(name)->create(params, bed.machine, &err);
    g_assert_no_error(err);
    bed.contender->class = class_of(name);
    sim_random_init(&random, 3);
    for (uint32_t i = 0; i < PAGES; i++) {
        uint32_t at = (uint32_t)sim_random_below(&random, i + 1);

        bed.order[i] = bed.order[at];
        bed.order[at] = i;
    }
    return bed;
}

static void end(Bed *bed)
{
    bed->contender->class->destroy(bed->contender);
    machine_free(bed->machine);
    g_free(bed->order);
}

/* Nine of ten accesses go to the HOT pages from @first of the order. */
static void set_hot(Bed *bed, size_t first)
{
    const double all = 8 * SCALE * 1e9 / 200;

    guest_set_rate(bed->guest, 0, PAGES, (float)(0.1 * all / (PAGES - HOT)));
    for (size_t i = first; i < first + HOT; i++) {
        guest_set_rate(bed->guest, bed->order[i], 1, (float)(0.9 * all / HOT));
    }
}

static void run_for(Bed *bed, double seconds)
{
    uint64_t until_ns = machine_now_ns(bed->machine) + (uint64_t)(seconds * SECOND);

    while (bed->next_ns <= until_ns) {
        machine_advance(bed->machine, bed->next_ns);
        bed->next_ns = bed->contender->class->tick(bed->contender, bed->next_ns);
    }
    machine_advance(bed->machine, until_ns);
}

/* The share of the HOT pages from @first of the order that are in DRAM. */
static double hot_in_dram(const Bed *bed, size_t first)
{
    size_t fast = 0;

    for (size_t i = first; i < first + HOT; i++) {
        fast += guest_tier(bed->guest, bed->order[i]) == 0;
    }
    return (double)fast / HOT;
}

static void finds_a_hot_set_with_a_hotness_unit_and_without(void)
{
    const struct {
        const char *name;
        double seconds, share;
    } cases[] = {{"vhost-tier", 20, 0.98}, {"vhost-tier-bits", 60, 0.85}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Bed bed = begin(cases[i].name, NULL);

        set_hot(&bed, 0);
        run_for(&bed, cases[i].seconds);
        g_test_message("%s: %.3f of the hot pages in DRAM", cases[i].name, hot_in_dram(&bed, 0));
        g_assert_cmpfloat(hot_in_dram(&bed, 0), >, cases[i].share);
        end(&bed);
    }
}

static void follows_a_hot_set_that_moves(void)
{
    Bed bed = begin("vhost-tier", NULL);

    set_hot(&bed, 0);
    run_for(&bed, 30);
    set_hot(&bed, HOT);
    run_for(&bed, 20);
    g_assert_cmpfloat(hot_in_dram(&bed, HOT), >, 0.95);
    end(&bed);
}

static void costs_the_guest_no_more_than_its_share_and_the_moves(void)
{
    Bed bed = begin("vhost-tier", NULL);
    GuestCounters before, after;
    double stolen;

    set_hot(&bed, 0);
    run_for(&bed, 60);
    guest_counters(bed.guest, &before);
    g_assert_cmpfloat(before.stolen_ns / before.wall_ns / (8 * SCALE), <, 0.02);
    run_for(&bed, 60);
    guest_counters(bed.guest, &after);
    stolen = (after.stolen_ns - before.stolen_ns) / (after.wall_ns - before.wall_ns) / (8 * SCALE);
    g_assert_cmpfloat(stolen, <, 0.015);
    end(&bed);
}

static void a_scan_does_not_push_out_what_is_hot(void)
{
    Bed bed = begin("vhost-tier", NULL);
    const size_t window = PAGES / 100;

    set_hot(&bed, 0);
    run_for(&bed, 20);
    /* Each tenth of a second another hundredth of memory is read from end to end, 64 lines a page. */
    for (unsigned step = 0; step < 300; step++) {
        size_t first = step % 100 * window;

        guest_set_rate(bed.guest, first, window, 640);
        run_for(&bed, 0.1);
        set_hot(&bed, 0);
    }
    g_assert_cmpfloat(hot_in_dram(&bed, 0), >, 0.95);
    end(&bed);
}

static void pages_that_the_hotness_unit_counts_are_not_armed(void)
{
    Bed bed = begin("vhost-tier", NULL);
    size_t armed_fast = 0;

    set_hot(&bed, 0);
    run_for(&bed, 2);
    for (size_t page = 0; page < PAGES; page++) {
        g_assert_true(guest_tier(bed.guest, page) == 0 || !guest_armed(bed.guest, page));
        armed_fast += guest_armed(bed.guest, page);
    }
    g_assert_cmpuint(armed_fast, >, 0);
    end(&bed);
}

static void the_same_run_twice_is_the_same(void)
{
    const char *const names[] = {"vhost-tier", "vhost-tier-bits"};

    for (size_t n = 0; n < G_N_ELEMENTS(names); n++) {
        GuestCounters counters[2];

        for (unsigned i = 0; i < 2; i++) {
            Bed bed = begin(names[n], NULL);

            set_hot(&bed, 0);
            run_for(&bed, 8);
            guest_counters(bed.guest, &counters[i]);
            end(&bed);
        }
        g_assert_cmpmem(&counters[0], sizeof(counters[0]), &counters[1], sizeof(counters[1]));
    }
}

static void a_guest_that_comes_gets_its_floor_and_one_that_goes_is_forgotten(void)
{
    Bed bed = begin("vhost-tier", NULL);
    const GuestConfig late = {.name = "late", .pages = 256, .vcpus = 4 * SCALE, .compute_ns = 100,
                              .placement = SIM_SLOW, .floor_bytes = 200 * SIM_PAGE, .weight = 1};
    Guest *guest;

    set_hot(&bed, 0);
    run_for(&bed, 10);
    guest = machine_add_guest(bed.machine, &late);
    guest_set_rate(guest, 0, 256, 1000);
    run_for(&bed, 15);
    g_assert_cmpuint(guest_resident_bytes(guest, 0), >=, 190 * SIM_PAGE);
    machine_remove_guest(bed.machine, guest);
    run_for(&bed, 5);
    g_assert_cmpfloat(hot_in_dram(&bed, 0), >, 0.9);
    end(&bed);
}

static void bad_parameters_are_refused_by_name(void)
{
    Bed bed = begin("vhost-tier", NULL);
    const char *const bad[] = {"epoch-ms=0", "overhead-percent=-1", "heat-life-s=nan", "colour=red"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_auto(GStrv) words = g_strsplit(bad[i], "=", 2);

        g_assert_null(class_of("vhost-tier")->create(bad[i], bed.machine, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, words[0]));
    }
    end(&bed);
}

/* Or the lab would be held against a daemon that is configured otherwise. */
static void the_labs_rows_are_simulated_with_the_labs_configuration(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "..", "lab", "vhost-tier.conf", NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    const LabContender *ours = lab_contenders;
    g_autofree char *expected = NULL;
    RunOptions options;

    g_assert_true(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL));
    while (ours->observed && !g_str_equal(ours->observed, "vhost-tier")) {
        ours++;
    }
    expected = g_strdup_printf("overhead-percent=%g",
                               100 * g_key_file_get_double(file, "sources", "overhead-share", NULL));
    g_assert_cmpstr(ours->params, ==, expected);
    lab_run_options(&options);
    g_assert_cmpuint(options.costs.fault_ns, ==, g_key_file_get_uint64(file, "sources", "fault-ns", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim-ours/finds_a_hot_set_with_a_hotness_unit_and_without",
                    finds_a_hot_set_with_a_hotness_unit_and_without);
    g_test_add_func("/sim-ours/follows_a_hot_set_that_moves", follows_a_hot_set_that_moves);
    g_test_add_func("/sim-ours/costs_the_guest_no_more_than_its_share_and_the_moves",
                    costs_the_guest_no_more_than_its_share_and_the_moves);
    g_test_add_func("/sim-ours/a_scan_does_not_push_out_what_is_hot", a_scan_does_not_push_out_what_is_hot);
    g_test_add_func("/sim-ours/pages_that_the_hotness_unit_counts_are_not_armed",
                    pages_that_the_hotness_unit_counts_are_not_armed);
    g_test_add_func("/sim-ours/the_same_run_twice_is_the_same", the_same_run_twice_is_the_same);
    g_test_add_func("/sim-ours/a_guest_that_comes_gets_its_floor_and_one_that_goes_is_forgotten",
                    a_guest_that_comes_gets_its_floor_and_one_that_goes_is_forgotten);
    g_test_add_func("/sim-ours/bad_parameters_are_refused_by_name", bad_parameters_are_refused_by_name);
    g_test_add_func("/sim-ours/the_labs_rows_are_simulated_with_the_labs_configuration",
                    the_labs_rows_are_simulated_with_the_labs_configuration);
    return g_test_run();
}
