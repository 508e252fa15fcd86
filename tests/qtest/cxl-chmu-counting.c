/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what a CXL hotness monitoring unit counts: which accesses, in which
 * units of memory, for how long, and how many of them.
 */
#include "qemu/osdep.h"

#include "cxl-chmu-bed.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "cxl-chmu-test.h"

#define PAGE 4096ull

static void lists_the_units_from_the_threshold_on(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 10 });
    bed_access(bed, 3 * PAGE, 9, false);
    bed_access(bed, 5 * PAGE, 10, false);
    bed_access(bed, 7 * PAGE, 4, false);
    bed_access(bed, 7 * PAGE + 64, 4, true);
    bed_access(bed, 8 * PAGE - 8, 3, true);
    bed_assert_listed(bed, 0, 0, NULL);     /* not before the epoch ends */
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 5, 10 }, { 7, 11 } });
    bed_free(bed);
}

static void begins_anew_with_each_epoch(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 3 });
    bed_access(bed, 0, 2, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_access(bed, 0, 2, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_access(bed, 0, 3, false);
    bed_step(bed, 5 * BED_EPOCH_NS);        /* listed once, not five times */
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 3 } });
    g_assert_cmpuint(bed_count(bed, 0, "epochs"), ==, 7);
    bed_free(bed);
}

static void an_epoch_ends_when_it_has_to(void)
{
    static const struct {
        unsigned scale, mult;
        uint64_t ns;
    } cases[] = {
        { CHMU_SCALE_100US, 1, 100 * NS_PER_US },
        { CHMU_SCALE_100US, 4095, 409500 * NS_PER_US },
        { CHMU_SCALE_1MS, 7, 7 * NS_PER_MS },
        { CHMU_SCALE_10MS, 3, 30 * NS_PER_MS },
        { CHMU_SCALE_100MS, 2, 200 * NS_PER_MS },
        { CHMU_SCALE_1S, 1, NS_PER_S },
        { CHMU_SCALE_1S, 100, 100 * NS_PER_S },
    };
    ChmuBed *bed = bed_new("");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        bed_enable(bed, 0, &(ChmuSetup) {
            .scale = cases[i].scale, .mult = cases[i].mult });
        for (unsigned epoch = 0; epoch < 3; epoch++) {
            bed_access(bed, PAGE, 1, false);
            bed_step(bed, cases[i].ns - 1);
            bed_access(bed, PAGE, 1, false);
            bed_assert_listed(bed, 0, 0, NULL);
            bed_step(bed, 1);
            bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, 2 } });
        }
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

static void a_counter_saturates(void)
{
    ChmuBed *bed = bed_new("chmu-counter-width=4");

    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 15 });
    bed_access(bed, 0, 14, false);
    bed_access(bed, PAGE, 15, false);
    bed_access(bed, 2 * PAGE, 16, false);
    bed_access(bed, 3 * PAGE, 1000, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 3, (ChmuEntry[]) {
        { 1, 15 }, { 2, 15 }, { 3, 15 } });
    bed_disable(bed, 0);
    bed_free(bed);
}

static void a_threshold_above_saturation_is_never_reached(void)
{
    static const unsigned modes[] = { CHMU_MODE_EPOCH, CHMU_MODE_ALWAYS_ON };
    ChmuBed *bed = bed_new("chmu-counter-width=4");

    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        bed_enable(bed, 0, &(ChmuSetup) {
            .mode = modes[i], .threshold = 16 });
        bed_access(bed, 0, 1000, false);
        bed_step(bed, BED_EPOCH_NS);
        bed_assert_listed(bed, 0, 0, NULL);
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

static void threshold_0_is_as_1(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t cfg0 = bed_configure(bed, 0, &(ChmuSetup) { 0 });

    cfg0 &= ~CHMU_CFG0_THRESHOLD;
    bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE);
    bed_wait(bed, 0);
    bed_access(bed, 9 * PAGE, 1, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 9, 1 } });
    bed_free(bed);
}

static void counts_reads_writes_or_both(void)
{
    static const struct {
        unsigned what, count;
    } cases[] = {
        { CHMU_WHAT_NONTEE_READS, 2 },
        { CHMU_WHAT_NONTEE_WRITES, 3 },
        { CHMU_WHAT_NONTEE_BOTH, 5 },
        { CHMU_WHAT_READS, 2 },
        { CHMU_WHAT_WRITES, 3 },
        { CHMU_WHAT_BOTH, 5 },
    };
    ChmuBed *bed = bed_new("");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        bed_enable(bed, 0, &(ChmuSetup) { .what = cases[i].what });
        bed_access(bed, PAGE, 2, false);
        bed_access(bed, PAGE, 3, true);
        bed_step(bed, BED_EPOCH_NS);
        bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, cases[i].count } });
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

static void counts_by_units_of_each_size(void)
{
    ChmuBed *bed = bed_new("");

    for (unsigned shift = 8; shift <= 21; shift++) {
        uint64_t unit = 1ull << shift;

        bed_enable(bed, 0, &(ChmuSetup) { .unit_shift = shift });
        bed_access(bed, 5 * unit - 64, 1, false);
        bed_access(bed, 5 * unit, 2, false);
        bed_access(bed, 6 * unit - 1, 3, true);
        bed_access(bed, BED_MEMORY_BYTES - 8, 4, false);
        bed_step(bed, BED_EPOCH_NS);
        bed_assert_listed(bed, 0, 3, (ChmuEntry[]) {
            { 4, 1 }, { 5, 5 }, { BED_MEMORY_BYTES / unit - 1, 4 } });
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

static void counts_only_in_the_ranges_that_are_set(void)
{
    const uint64_t range = CHMU_RANGE_BYTES;
    ChmuBed *bed = bed_new("");

    for (unsigned skipped = 0; skipped < 4; skipped++) {
        ChmuEntry expected[8];
        unsigned n = 0;

        bed_enable(bed, 0, &(ChmuSetup) { .no_ranges = 1ull << skipped });
        for (unsigned i = 0; i < 4; i++) {
            bed_access(bed, i * range, 2, false);
            bed_access(bed, (i + 1) * range - 8, 3, false);
            if (i != skipped) {
                expected[n++] = (ChmuEntry) { i * range / PAGE, 2 };
                expected[n++] = (ChmuEntry) { (i + 1) * range / PAGE - 1, 3 };
            }
        }
        bed_step(bed, BED_EPOCH_NS);
        bed_assert_listed(bed, 0, n, expected);
        bed_disable(bed, 0);
    }
    bed_enable(bed, 0, &(ChmuSetup) { .no_ranges = UINT64_MAX });
    bed_access(bed, 0, 2, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_free(bed);
}

static void an_access_is_a_request_for_each_line(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) { .unit_shift = 8 });
    bed_access_bytes(bed, 0x1000, 8, 1, false);
    bed_access_bytes(bed, 0x2000 - 4, 8, 1, false);     /* two units */
    bed_access_bytes(bed, 0x3000 + 60, 8, 3, true);     /* two lines of one */
    bed_access_bytes(bed, 0x4000, 64, 1, false);
    bed_access_bytes(bed, 0x5000 + 63, 1, 1, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 6, (ChmuEntry[]) {
        { 0x10, 1 }, { 0x1f, 1 }, { 0x20, 1 }, { 0x30, 6 }, { 0x40, 1 },
        { 0x50, 1 } });
    bed_free(bed);
}

static void always_on_lists_at_once_and_begins_anew(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .threshold = 10 });
    bed_access(bed, 4 * PAGE, 9, false);
    bed_step(bed, 1000 * NS_PER_S);         /* there are no epochs */
    bed_assert_listed(bed, 0, 0, NULL);
    bed_access(bed, 4 * PAGE, 1, false);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 4, 10 } });
    bed_access(bed, 4 * PAGE, 25, false);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 4, 10 }, { 4, 10 } });
    bed_access(bed, 4 * PAGE, 5, false);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 4, 10 } });
    bed_free(bed);
}

static void down_sampling_counts_one_in_so_many(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t cap1 = bed_read(bed, 0, CHMU_CAP1);
    unsigned offered = chmu_get(cap1, CHMU_CAP1_DOWN_SAMPLING);

    g_assert_cmphex(offered & 3, ==, 3);
    for (unsigned n = 0; n < 16; n++) {
        if (!(offered >> n & 1)) {
            continue;
        }
        bed_enable(bed, 0, &(ChmuSetup) { .sampling = n });
        for (unsigned i = 0; i < 5; i++) {
            bed_access(bed, PAGE, 1u << n, false);
        }
        bed_step(bed, BED_EPOCH_NS);
        bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, 5 } });
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

/*
 * 65536 requests of which each is counted with probability 1/16 make 4096,
 * give or take 62 (one standard deviation); 5 of them are a chance of one in
 * 1.7 million. Without chance it would be 4096 on the dot.
 */
static void random_down_sampling_counts_so_many_by_chance(void)
{
    ChmuBed *bed = bed_new("chmu-counter-width=32");
    uint64_t counts[4];
    bool differ = false;

    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
        g_autoptr(GArray) entries = NULL;

        bed_enable(bed, 0, &(ChmuSetup) {
            .sampling = 4, .flags = CHMU_CFG0_RANDOM });
        bed_access(bed, PAGE, 65536, false);
        bed_step(bed, BED_EPOCH_NS);
        entries = bed_drain(bed, 0);
        g_assert_cmpuint(entries->len, ==, 1);
        counts[i] = g_array_index(entries, ChmuEntry, 0).count;
        g_assert_cmpuint(counts[i], >, 4096 - 5 * 62);
        g_assert_cmpuint(counts[i], <, 4096 + 5 * 62);
        differ = differ || counts[i] != counts[0];
        bed_disable(bed, 0);
    }
    g_assert_true(differ);
    bed_free(bed);
}

/*
 * What exact down-sampling gets wrong: accesses in step with it. Of two units
 * that are read in turn it counts one alone; chance counts both.
 */
static void random_down_sampling_is_not_fooled_by_a_rhythm(void)
{
    ChmuBed *bed = bed_new("");
    static const struct {
        uint64_t flags;
        unsigned units;
    } cases[] = { { 0, 1 }, { CHMU_CFG0_RANDOM, 2 } };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(GArray) entries = NULL;

        bed_enable(bed, 0, &(ChmuSetup) {
            .sampling = 1, .flags = cases[i].flags });
        for (unsigned n = 0; n < 100; n++) {
            bed_access(bed, (n % 2) * PAGE, 1, false);
        }
        bed_step(bed, BED_EPOCH_NS);
        entries = bed_drain(bed, 0);
        g_assert_cmpuint(entries->len, ==, cases[i].units);
        bed_disable(bed, 0);
    }
    bed_free(bed);
}

static void instances_count_by_their_own_settings(void)
{
    ChmuBed *bed = bed_new("chmu-instances=3");

    g_assert_cmpuint(bed->instances, ==, 3);
    bed_enable(bed, 0, &(ChmuSetup) { .what = CHMU_WHAT_READS });
    bed_enable(bed, 1, &(ChmuSetup) {
        .what = CHMU_WHAT_WRITES, .unit_shift = 8, .mult = 2 });
    bed_access(bed, PAGE, 5, false);
    bed_access(bed, PAGE + 256, 7, true);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, 5 } });
    bed_assert_listed(bed, 1, 0, NULL);
    bed_enable(bed, 2, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .threshold = 2 });
    bed_access(bed, PAGE + 256, 2, true);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_assert_listed(bed, 1, 1, (ChmuEntry[]) { { 0x11, 9 } });
    bed_assert_listed(bed, 2, 1, (ChmuEntry[]) { { 1, 2 } });
    bed_disable(bed, 1);
    bed_access(bed, PAGE, 5, true);
    bed_access(bed, PAGE, 1, false);
    bed_step(bed, 2 * BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, 1 } });
    bed_assert_listed(bed, 1, 0, NULL);
    bed_free(bed);
}

static void disabling_drops_what_the_epoch_has_counted(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 4 });
    bed_access(bed, 0, 4, false);
    bed_step(bed, BED_EPOCH_NS);            /* this stays in the list */
    bed_access(bed, PAGE, 3, false);
    bed_disable(bed, 0);
    bed_access(bed, PAGE, 10, false);
    bed_step(bed, 10 * BED_EPOCH_NS);
    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 4 });
    bed_access(bed, PAGE, 3, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 4 } });
    bed_free(bed);
}

static void an_epoch_begins_when_it_is_enabled(void)
{
    ChmuBed *bed = bed_new("");

    bed_step(bed, BED_EPOCH_NS / 2 + 17);
    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    bed_access(bed, 0, 1, false);
    bed_step(bed, BED_EPOCH_NS - 1);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_step(bed, 1);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 1 } });
    bed_free(bed);
}

static void tells_what_it_saw_and_what_it_counted(void)
{
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) {
        .what = CHMU_WHAT_READS, .threshold = 5, .no_ranges = 2 });
    bed_access(bed, 0, 7, false);
    bed_access(bed, PAGE, 3, false);
    bed_access(bed, 0, 11, true);                   /* filtered */
    bed_access(bed, CHMU_RANGE_BYTES, 13, false);   /* the same */
    bed_step(bed, BED_EPOCH_NS);
    g_assert_cmpuint(bed_count(bed, 0, "requests"), ==, 34);
    g_assert_cmpuint(bed_count(bed, 0, "counted"), ==, 10);
    g_assert_cmpuint(bed_count(bed, 0, "filtered"), ==, 24);
    g_assert_cmpuint(bed_count(bed, 0, "listed"), ==, 1);
    g_assert_cmpuint(bed_count(bed, 0, "dropped"), ==, 0);
    g_assert_cmpuint(bed_count(bed, 0, "epochs"), ==, 1);
    bed_free(bed);
}

/* Requests wait to be counted, as long as nobody can tell */

static void touch(ChmuBed *bed, uint64_t page, unsigned times)
{
    while (times--) {
        qtest_writeb(bed->qts, page, 1);
    }
}

static void what_waits_is_of_the_epoch_in_which_it_came(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t window = bed_open_window(bed);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    touch(bed, window + 3 * PAGE, 3);
    bed_step(bed, BED_EPOCH_NS);
    touch(bed, window + 3 * PAGE, 44);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 3, 3 }, { 3, 44 } });
    bed_free(bed);
}

static void what_waits_is_for_those_that_counted_when_it_came(void)
{
    ChmuBed *bed = bed_new("chmu-instances=2");
    uint64_t window = bed_open_window(bed);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    touch(bed, window, 5);
    bed_enable(bed, 1, &(ChmuSetup) { 0 });
    touch(bed, window, 2);
    bed_disable(bed, 0);
    touch(bed, window, 3);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 1, 1, (ChmuEntry[]) { { 0, 5 } });
    g_assert_cmpuint(bed_count(bed, 0, "counted"), ==, 7);
    bed_free(bed);
}

static void nothing_waits_for_an_instance_that_is_always_on(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t window = bed_open_window(bed);

    bed_arm_interrupt(bed, 0);
    bed_enable(bed, 0, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .threshold = 3, .notify = 1,
        .flags = CHMU_CFG0_LEVEL_INT });
    touch(bed, window, 2);
    bed_step(bed, 1);
    g_assert_false(bed_take_interrupt(bed, 0));
    touch(bed, window, 1);
    bed_step(bed, 1);
    g_assert_true(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

void add_counting_tests(void)
{
    qtest_add_func("cxl-chmu/counting/threshold",
                   lists_the_units_from_the_threshold_on);
    qtest_add_func("cxl-chmu/counting/epochs", begins_anew_with_each_epoch);
    qtest_add_func("cxl-chmu/counting/epoch-ends",
                   an_epoch_ends_when_it_has_to);
    qtest_add_func("cxl-chmu/counting/epoch-begins",
                   an_epoch_begins_when_it_is_enabled);
    qtest_add_func("cxl-chmu/counting/saturation", a_counter_saturates);
    qtest_add_func("cxl-chmu/counting/threshold-above-saturation",
                   a_threshold_above_saturation_is_never_reached);
    qtest_add_func("cxl-chmu/counting/threshold-0", threshold_0_is_as_1);
    qtest_add_func("cxl-chmu/counting/what", counts_reads_writes_or_both);
    qtest_add_func("cxl-chmu/counting/unit-sizes",
                   counts_by_units_of_each_size);
    qtest_add_func("cxl-chmu/counting/ranges",
                   counts_only_in_the_ranges_that_are_set);
    qtest_add_func("cxl-chmu/counting/lines",
                   an_access_is_a_request_for_each_line);
    qtest_add_func("cxl-chmu/counting/always-on",
                   always_on_lists_at_once_and_begins_anew);
    qtest_add_func("cxl-chmu/counting/down-sampling",
                   down_sampling_counts_one_in_so_many);
    qtest_add_func("cxl-chmu/counting/random-down-sampling",
                   random_down_sampling_counts_so_many_by_chance);
    qtest_add_func("cxl-chmu/counting/rhythm",
                   random_down_sampling_is_not_fooled_by_a_rhythm);
    qtest_add_func("cxl-chmu/counting/instances",
                   instances_count_by_their_own_settings);
    qtest_add_func("cxl-chmu/counting/disable",
                   disabling_drops_what_the_epoch_has_counted);
    qtest_add_func("cxl-chmu/counting/waiting-epoch",
                   what_waits_is_of_the_epoch_in_which_it_came);
    qtest_add_func("cxl-chmu/counting/waiting-instances",
                   what_waits_is_for_those_that_counted_when_it_came);
    qtest_add_func("cxl-chmu/counting/waiting-always-on",
                   nothing_waits_for_an_instance_that_is_always_on);
    qtest_add_func("cxl-chmu/counting/figures",
                   tells_what_it_saw_and_what_it_counted);
}
