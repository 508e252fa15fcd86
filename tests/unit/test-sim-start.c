/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that is tiered from its start: it fills its memory, then goes to work. Costs are the lab's.
 */
#include "contender-bed.h"
#include "sim/lab.h"
#include "sim/random.h"

#define SECOND   1000000000ull
#define PAGES    7168u
#define FAST     1536u
#define HOT      512u
#define HOT_RATE 0.9                /* share of accesses that go to the hot pages */
#define LONG_UP  86400u             /* seconds for which the host has been up */
#define STEP_NS  (SECOND / 20)
#define MOST_S   60.0

static void begin_machine(Bed *bed)
{
    MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {FAST * SIM_PAGE, PAGES * SIM_PAGE},
        .scale = 1,
        .seed = 9,
    };
    const GuestConfig guest = {
        .name = "guest", .pages = PAGES, .vcpus = 1, .compute_ns = 311, .placement = SIM_INTERLEAVE};
    RunOptions options;

    lab_run_options(&options);
    config.costs = options.costs;
    *bed = (Bed){.machine = machine_new(&config)};
    machine_advance(bed->machine, LONG_UP * SECOND);
    bed->guest = machine_add_guest(bed->machine, &guest);
}

/* The guest's pages come one after the other, in @seconds. */
static void fill(Bed *bed, double seconds)
{
    const uint64_t from_ns = machine_now_ns(bed->machine), steps = (uint64_t)(seconds * SECOND) / STEP_NS;

    for (uint64_t i = 0; i < steps; i++) {
        const size_t first = PAGES * i / steps;

        guest_set_present(bed->guest, first, PAGES * (i + 1) / steps - first, true);
        run_until(bed, from_ns + (i + 1) * STEP_NS);
    }
}

static void go_to_work(Bed *bed, size_t *hot)
{
    const double all = 1e9 / (311 + 400);
    SimRandom random;

    sim_random_init(&random, 3);
    guest_set_rate(bed->guest, 0, PAGES, (float)((1 - HOT_RATE) * all / (PAGES - HOT)));
    for (size_t i = 0; i < HOT; i++) {
        hot[i] = i * (PAGES / HOT) + sim_random_below(&random, PAGES / HOT);
        guest_set_rate(bed->guest, hot[i], 1, (float)(HOT_RATE * all / HOT));
    }
}

/* How long it takes from now until @share of the hot pages are in DRAM. */
static double seconds_to(Bed *bed, const size_t *hot, double share)
{
    const uint64_t from_ns = machine_now_ns(bed->machine);
    double seconds = 0;
    size_t fast = 0;

    while (fast < share * HOT && seconds < MOST_S) {
        run_until(bed, machine_now_ns(bed->machine) + STEP_NS);
        seconds = (double)(machine_now_ns(bed->machine) - from_ns) / SECOND;
        fast = 0;
        for (size_t i = 0; i < HOT; i++) {
            fast += guest_tier(bed->guest, hot[i]) == 0;
        }
        if (g_test_verbose()) {
            g_test_message("%.2f s: %.3f", seconds, (double)fast / HOT);
        }
    }
    return seconds;
}

/* The time that a guest's start takes which is tiered from its first page on, and fills its memory in @fill_s. */
static double start_seconds(double fill_s)
{
    size_t hot[HOT];
    double seconds;
    Bed bed;

    begin_machine(&bed);
    if (fill_s > 0) {
        guest_set_present(bed.guest, 0, PAGES, false);
    }
    contend(&bed, "vhost-tier-bits", "overhead-percent=25");
    fill(&bed, fill_s);
    go_to_work(&bed, hot);
    seconds = seconds_to(&bed, hot, 0.9);
    end(&bed);
    return seconds;
}

static void a_guest_that_is_watched_while_it_fills_its_memory_is_tiered_as_soon_as_another(void)
{
    const double fills_s[] = {1, 4, 12};
    const double at_work = start_seconds(0);

    for (size_t i = 0; i < G_N_ELEMENTS(fills_s); i++) {
        const double seconds = start_seconds(fills_s[i]);

        g_test_message("watched from when it works %.2f s; filled in %g s, %.2f s", at_work, fills_s[i], seconds);
        g_assert_cmpfloat(seconds, <, 1.5 * at_work);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim-start/a_guest_that_is_watched_while_it_fills_its_memory_is_tiered_as_soon_as_another",
                    a_guest_that_is_watched_while_it_fills_its_memory_is_tiered_as_soon_as_another);
    return g_test_run();
}
