/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instance of a hotness unit: taken, told what to count, read, given back; and devices that misbehave.
 */
#include <limits.h>
#include <string.h>

#include "fake-chmu.h"
#include "sources/chmu-unit.h"

#define MS 1000000ull
#define GIB (1ull << 30)

typedef struct Bed {
    FakeChmu fake;
    ChmuRegs *regs;
    ChmuUnit *unit;
    ChmuList list;
    uint64_t now_ns, next_ns;
} Bed;

/* A device of 1 GiB, all of it in one region. */
static const ChmuWindow window = {.dpa_bytes = GIB, .hpa = 4 * GIB, .hpa_bytes = GIB, .ways = 1, .granularity = 256};

static void bed_init(Bed *bed)
{
    *bed = (Bed){.now_ns = 1000 * MS};
    fake_chmu_init(&bed->fake);
    bed->regs = fake_chmu_regs(&bed->fake);
}

static void bed_take(Bed *bed)
{
    g_autoptr(GError) err = NULL;

    bed->unit = chmu_unit_new(bed->regs, false, &err);
    g_assert_no_error(err);
}

static void bed_clear(Bed *bed)
{
    chmu_unit_free(bed->unit);
    chmu_regs_unmap(bed->regs);
}

static void bed_begin(Bed *bed, uint32_t threshold, uint64_t epoch_ns)
{
    const ChmuOrder order = {
        .setting = {.epoch_ns = epoch_ns, .threshold = threshold},
        .unit_bytes = 4096,
        .windows = &window,
        .n_windows = 1,
    };

    chmu_unit_begin(bed->unit, &order, bed->now_ns);
}

/* Until it is no longer busy, or waits until after @until_ns. */
static ChmuProgress bed_go(Bed *bed, uint64_t until_ns, GError **errp)
{
    ChmuProgress progress;

    while ((progress = chmu_unit_step(bed->unit, bed->now_ns, &bed->next_ns, &bed->list, errp)) == CHMU_UNIT_BUSY &&
           bed->next_ns <= until_ns) {
        bed->now_ns = MAX(bed->next_ns, bed->now_ns);
    }
    return progress;
}

/* An epoch has begun, and it counts. */
static void bed_count(Bed *bed, uint32_t threshold, uint64_t epoch_ns)
{
    g_autoptr(GError) err = NULL;

    bed_begin(bed, threshold, epoch_ns);
    g_assert_cmpint(bed_go(bed, bed->now_ns, &err), ==, CHMU_UNIT_BUSY);
    g_assert_no_error(err);
    g_assert_true(bed->fake.units[0].status & CHMU_STATUS_ENABLED);
}

/* What is wrong is told, in words that hold @text. */
static void expect_failure(Bed *bed, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(bed_go(bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_FAILED);
    g_assert_nonnull(err);
    if (!strstr(err->message, text)) {
        g_test_message("'%s' is not in: %s", text, err->message);
        g_test_fail();
    }
}

static void it_is_told_what_to_count(void)
{
    const FakeUnit *unit;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 33, 500 * MS);
    unit = &bed.fake.units[0];
    g_assert_cmpuint(chmu_get(unit->cfg0, CHMU_CFG0_WHAT), ==, CHMU_WHAT_BOTH);
    g_assert_cmpuint(chmu_get(unit->cfg0, CHMU_CFG0_THRESHOLD), ==, 33);
    g_assert_cmphex(unit->cfg0 & (CHMU_CFG0_OVERFLOW_INT | CHMU_CFG0_LEVEL_INT | CHMU_CFG0_RANDOM), ==, 0);
    g_assert_cmpuint(chmu_get(unit->cfg1, CHMU_CFG1_UNIT_SIZE), ==, 12);
    g_assert_cmpuint(chmu_get(unit->cfg1, CHMU_CFG1_DOWN_SAMPLING), ==, 0);
    g_assert_cmpuint(chmu_get(unit->cfg1, CHMU_CFG1_MODE), ==, CHMU_MODE_EPOCH);
    g_assert_cmpuint(chmu_epoch_ns((unsigned)chmu_get(unit->cfg1, CHMU_CFG1_EPOCH_SCALE),
                                   (unsigned)chmu_get(unit->cfg1, CHMU_CFG1_EPOCH_MULT)), ==, 500 * MS);
    g_assert_cmphex(unit->ranges[0], ==, 0xf);
    g_assert_cmphex(unit->ranges[1], ==, 0);
    g_assert_cmpuint(bed.next_ns, >=, bed.now_ns + 500 * MS);
    g_assert_cmpuint(bed.next_ns, <=, bed.now_ns + 510 * MS);
    bed_clear(&bed);
}

static void what_an_epoch_lists_is_read_once_and_sorted(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed.fake.units[0].head = bed.fake.units[0].tail = 13;       /* the ring goes round */
    bed_count(&bed, 2, 100 * MS);
    fake_chmu_list(&bed.fake.units[0], 70000, 65535);
    fake_chmu_list(&bed.fake.units[0], 5, 9);
    fake_chmu_list(&bed.fake.units[0], 5, 5);                   /* of a second epoch: we came late */
    fake_chmu_list(&bed.fake.units[0], 0, 3);
    g_assert_cmpint(bed_go(&bed, bed.now_ns + 99 * MS, &err), ==, CHMU_UNIT_BUSY);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_no_error(err);
    g_assert_cmpuint(bed.list.n, ==, 3);
    g_assert_cmpuint(bed.list.counts[0].unit, ==, 0);
    g_assert_cmpuint(bed.list.counts[0].count, ==, 3);
    g_assert_cmpuint(bed.list.counts[1].unit, ==, 5);
    g_assert_cmpuint(bed.list.counts[1].count, ==, 7);
    g_assert_cmpuint(bed.list.counts[2].unit, ==, 70000);
    g_assert_cmpuint(bed.list.counts[2].count, ==, 65535);
    g_assert_cmpuint(bed.list.epoch_ns, ==, 100 * MS);
    g_assert_cmpuint(bed.list.threshold, ==, 2);
    g_assert_cmpuint(bed.list.nonsense, ==, 0);
    g_assert_false(bed.list.overflowed);
    g_assert_cmpuint(bed.fake.units[0].head, ==, bed.fake.units[0].tail);
    g_assert_cmpuint(chmu_unit_limits(bed.unit)->counter_max, ==, 65535);
    bed_clear(&bed);
}

static void what_was_listed_before_an_epoch_is_not_taken_for_its_own(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed.fake.units[0].status |= CHMU_STATUS_OVERFLOW;
    fake_chmu_list(&bed.fake.units[0], 1, 1000);
    bed_count(&bed, 2, 100 * MS);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmpuint(bed.list.n, ==, 0);
    g_assert_false(bed.list.overflowed);
    bed_clear(&bed);
}

static void an_overflow_is_told_and_ends_with_the_epoch(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    for (unsigned i = 0; i < FAKE_CHMU_ENTRIES; i++) {
        fake_chmu_list(&bed.fake.units[0], i, 10);
    }
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmpuint(bed.list.n, ==, FAKE_CHMU_ENTRIES - 1);
    g_assert_true(bed.list.overflowed);
    bed_count(&bed, 4, 100 * MS);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg0, CHMU_CFG0_THRESHOLD), ==, 4);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_false(bed.list.overflowed);
    bed_clear(&bed);
}

static void a_count_of_nothing_is_left_out(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    fake_chmu_list(&bed.fake.units[0], 7, 0);
    fake_chmu_list(&bed.fake.units[0], 8, 2);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmpuint(bed.list.n, ==, 1);
    g_assert_cmpuint(bed.list.nonsense, ==, 1);
    bed_clear(&bed);
}

static void counts_that_are_sampled_stand_for_more(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed.fake.units[0].cap1 &= ~chmu_put(CHMU_CAP1_DOWN_SAMPLING, 0x3);  /* 4 and 8 are left */
    bed_take(&bed);
    bed_count(&bed, 33, 100 * MS);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg0, CHMU_CFG0_THRESHOLD), ==, 8);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg1, CHMU_CFG1_DOWN_SAMPLING), ==, 2);
    fake_chmu_list(&bed.fake.units[0], 7, 10);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmpuint(bed.list.counts[0].count, ==, 40);
    g_assert_cmpuint(bed.list.threshold, ==, 32);
    g_assert_cmpuint(chmu_unit_limits(bed.unit)->counter_max, ==, 4 * 65535);
    bed_clear(&bed);
}

/* The first threshold must be one that it can reach. */
static void how_far_it_counts_is_known_before_it_does(void)
{
    static const uint32_t cases[][2] = {{4, 15}, {FAKE_CHMU_WIDTH, 65535}, {40, UINT32_MAX}, {0, 65535}, {49, 65535}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Bed bed;

        bed_init(&bed);
        bed.fake.units[0].status = chmu_put(CHMU_STATUS_COUNTER_WIDTH, cases[i][0]);
        bed_take(&bed);
        g_assert_cmpuint(chmu_unit_limits(bed.unit)->counter_max, ==, cases[i][1]);
        bed_clear(&bed);
    }
}

static void it_is_given_back_as_it_was(void)
{
    FakeUnit before;
    Bed bed;

    bed_init(&bed);
    bed.fake.units[0].cfg0 = chmu_put(CHMU_CFG0_THRESHOLD, 77);
    bed.fake.units[0].cfg1 = chmu_put(CHMU_CFG1_UNIT_SIZE, 21);
    bed.fake.units[0].cfg2 = 12;
    bed.fake.units[0].ranges[1] = 0x1234;
    before = bed.fake.units[0];
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    g_assert_cmphex(bed.fake.units[0].ranges[1], ==, 0);
    g_clear_pointer(&bed.unit, chmu_unit_free);
    g_assert_cmphex(bed.fake.units[0].status & CHMU_STATUS_ENABLED, ==, 0);
    g_assert_cmphex(bed.fake.units[0].cfg0, ==, before.cfg0);
    g_assert_cmphex(bed.fake.units[0].cfg1, ==, before.cfg1);
    g_assert_cmphex(bed.fake.units[0].cfg2, ==, before.cfg2);
    g_assert_cmphex(bed.fake.units[0].ranges[0], ==, before.ranges[0]);
    g_assert_cmphex(bed.fake.units[0].ranges[1], ==, before.ranges[1]);
    bed_clear(&bed);
}

static void one_that_was_only_taken_is_not_touched(void)
{
    FakeUnit before;
    Bed bed;

    bed_init(&bed);
    fake_chmu_list(&bed.fake.units[0], 3, 3);
    before = bed.fake.units[0];
    bed_take(&bed);
    g_clear_pointer(&bed.unit, chmu_unit_free);
    g_assert_cmpmem(&before, sizeof(before), &bed.fake.units[0], sizeof(before));
    bed_clear(&bed);
}

/* Somebody has enabled @unit for himself. */
static void enable_for_another(FakeUnit *unit)
{
    unit->cfg0 = CHMU_CFG0_ENABLE | chmu_put(CHMU_CFG0_THRESHOLD, 5) | chmu_put(CHMU_CFG0_WHAT, CHMU_WHAT_READS);
    unit->cfg1 = chmu_put(CHMU_CFG1_UNIT_SIZE, 16);
    unit->status |= CHMU_STATUS_ENABLED;
}

static void one_that_another_has_enabled_is_left_alone(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    enable_for_another(&bed.fake.units[0]);
    bed_take(&bed);
    bed_begin(&bed, 2, 100 * MS);
    g_assert_cmpint(bed_go(&bed, bed.now_ns, &err), ==, CHMU_UNIT_BUSY);
    g_assert_cmpuint(bed.fake.units[1].enabled, ==, 1);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg0, CHMU_CFG0_THRESHOLD), ==, 5);
    g_clear_pointer(&bed.unit, chmu_unit_free);

    enable_for_another(&bed.fake.units[1]);
    g_assert_null(chmu_unit_new(bed.regs, false, &err));
    g_assert_nonnull(strstr(err->message, "chmu-take"));
    bed_clear(&bed);
}

static void one_that_may_be_taken_goes_on_for_the_other_afterwards(void)
{
    g_autoptr(GError) err = NULL;
    FakeUnit before;
    Bed bed;

    bed_init(&bed);
    enable_for_another(&bed.fake.units[0]);
    before = bed.fake.units[0];
    bed.unit = chmu_unit_new(bed.regs, true, &err);
    g_assert_no_error(err);
    bed_count(&bed, 2, 100 * MS);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg0, CHMU_CFG0_THRESHOLD), ==, 2);
    g_clear_pointer(&bed.unit, chmu_unit_free);
    g_assert_cmphex(bed.fake.units[0].cfg0, ==, before.cfg0);
    g_assert_cmphex(bed.fake.units[0].cfg1, ==, before.cfg1);
    g_assert_cmpuint(bed.fake.units[0].enabled, ==, 2);
    bed_clear(&bed);
}

/* It was told to disable itself, and nothing else yet; and it may be done with that, or not, by the end. */
static void one_that_is_being_taken_goes_on_for_the_other_too(void)
{
    static const unsigned still_busy[] = {0, 30};

    for (size_t i = 0; i < G_N_ELEMENTS(still_busy); i++) {
        FakeUnit before;
        Bed bed;

        bed_init(&bed);
        enable_for_another(&bed.fake.units[0]);
        before = bed.fake.units[0];
        bed.unit = chmu_unit_new(bed.regs, true, NULL);
        bed.fake.slowness = 40;
        bed_begin(&bed, 2, 100 * MS);
        g_assert_cmpint(bed_go(&bed, bed.now_ns, NULL), ==, CHMU_UNIT_BUSY);
        g_assert_false(bed.fake.units[0].cfg0 & CHMU_CFG0_ENABLE);
        bed.fake.slowness = 0;
        bed.fake.units[0].busy = still_busy[i];
        g_clear_pointer(&bed.unit, chmu_unit_free);
        g_assert_true(bed.fake.units[0].status & CHMU_STATUS_ENABLED);
        g_assert_cmphex(bed.fake.units[0].cfg0, ==, before.cfg0);
        bed_clear(&bed);
    }
}

static void one_that_a_killed_daemon_left_is_taken_again(void)
{
    Bed bed, dead;

    bed_init(&dead);
    bed_take(&dead);
    bed_count(&dead, 2, 100 * MS);
    bed_init(&bed);
    bed.fake = dead.fake;
    bed_take(&bed);
    bed_count(&bed, 3, 100 * MS);
    g_assert_cmpuint(chmu_get(bed.fake.units[0].cfg0, CHMU_CFG0_THRESHOLD), ==, 3);
    g_clear_pointer(&bed.unit, chmu_unit_free);
    g_assert_cmphex(bed.fake.units[0].status & CHMU_STATUS_ENABLED, ==, 0);
    g_assert_cmphex(bed.fake.units[0].cfg2, ==, 0);
    bed_clear(&bed);
    bed_clear(&dead);
}

static void operations_that_take_their_time_are_waited_for(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed.fake.slowness = 40;
    bed_take(&bed);
    bed_begin(&bed, 2, 100 * MS);
    g_assert_cmpint(bed_go(&bed, bed.now_ns, &err), ==, CHMU_UNIT_BUSY);
    g_assert_cmpuint(bed.fake.units[0].enabled, ==, 0);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_no_error(err);
    bed_begin(&bed, 4, 100 * MS);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmpuint(bed.fake.units[0].enabled, ==, 2);
    g_assert_cmpuint(bed.list.threshold, ==, 4);
    bed_clear(&bed);
}

static void a_device_that_stalls_is_given_up_and_tried_again(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed.fake.slowness = UINT_MAX;
    bed_take(&bed);
    bed_begin(&bed, 2, 100 * MS);
    expect_failure(&bed, "stalled");
    g_assert_cmpuint(bed.now_ns, <, 3000 * MS);
    bed.fake.slowness = bed.fake.units[0].busy = 0;
    bed_begin(&bed, 2, 100 * MS);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    bed_clear(&bed);
}

static void a_device_that_is_gone_is_told_from_one_that_works(void)
{
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    bed.fake.gone = true;
    expect_failure(&bed, "all ones");
    bed_begin(&bed, 2, 100 * MS);
    expect_failure(&bed, "all ones");
    bed_clear(&bed);
}

static void a_device_that_is_gone_is_not_taken(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed.fake.gone = true;
    g_assert_null(chmu_unit_new(bed.regs, true, &err));
    g_assert_nonnull(strstr(err->message, "all ones"));
    bed_clear(&bed);
}

static void a_device_that_was_reset_is_found_to_be(void)
{
    g_autoptr(GError) err = NULL;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    fake_chmu_init(&bed.fake);
    expect_failure(&bed, "has stopped");
    bed_begin(&bed, 2, 100 * MS);
    g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
    g_assert_cmphex(bed.fake.units[0].ranges[0], ==, 0xf);
    bed_clear(&bed);
}

static void who_takes_it_meanwhile_keeps_it(void)
{
    FakeUnit theirs;
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    bed.fake.units[0].cfg2 = 0;
    enable_for_another(&bed.fake.units[0]);
    theirs = bed.fake.units[0];
    expect_failure(&bed, "somebody else");
    bed_begin(&bed, 2, 100 * MS);
    expect_failure(&bed, "somebody else");
    g_clear_pointer(&bed.unit, chmu_unit_free);
    g_assert_cmpmem(&theirs, sizeof(theirs), &bed.fake.units[0], sizeof(theirs));
    bed_clear(&bed);
}

static void a_hotlist_out_of_bounds_is_refused(void)
{
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed_count(&bed, 2, 100 * MS);
    bed.fake.units[0].tail = FAKE_CHMU_ENTRIES;
    expect_failure(&bed, "hotlist");
    bed_clear(&bed);
}

static void a_device_that_refuses_what_it_offers_is_named(void)
{
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    bed.fake.refuses = true;
    bed_begin(&bed, 2, 100 * MS);
    expect_failure(&bed, "does not do what it offers");
    bed.fake.refuses = false;
    bed.fake.units[0].status &= ~CHMU_STATUS_COUNTER_WIDTH;
    bed_begin(&bed, 2, 100 * MS);
    expect_failure(&bed, "counters of 0 bits");
    bed_clear(&bed);
}

static void memory_beyond_the_bitmap_is_refused(void)
{
    const ChmuWindow far = {.dpa = 256 * GIB, .dpa_bytes = GIB, .hpa_bytes = GIB, .ways = 1, .granularity = 256};
    const ChmuOrder order = {
        .setting = {.epoch_ns = MS, .threshold = 1}, .unit_bytes = 4096, .windows = &far, .n_windows = 1};
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    chmu_unit_begin(bed.unit, &order, bed.now_ns);
    expect_failure(&bed, "range bitmap");
    g_assert_cmpuint(bed.fake.units[0].enabled, ==, 0);
    bed_clear(&bed);
}

static void sizes_of_units_are_those_that_it_has(void)
{
    Bed bed;

    bed_init(&bed);
    bed.fake.units[0].cap1 &= ~CHMU_CAP1_UNIT_SIZES;
    bed.fake.units[0].cap1 |= 1u << 3 | 1u << 13;               /* 2 KiB and 2 MiB */
    bed_take(&bed);
    g_assert_cmpuint(chmu_unit_size(bed.unit, 4096), ==, 2048);
    g_assert_cmpuint(chmu_unit_size(bed.unit, 2 << 20), ==, 2 << 20);
    g_assert_cmpuint(chmu_unit_size(bed.unit, 256), ==, 2048);
    bed_clear(&bed);
}

static void epochs_are_as_near_as_registers_hold(void)
{
    static const struct {
        uint64_t asked_ns, got_ns;
    } cases[] = {
        {1, 100000},                            /* the shortest */
        {123456789, 123500000},
        {409500000, 409500000},
        {409600000, 410000000},                 /* 4096 steps of 100 us do not fit */
        {5000 * MS, 5000 * MS},
        {UINT64_MAX, 100000 * MS},
    };
    Bed bed;

    bed_init(&bed);
    bed_take(&bed);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        bed_begin(&bed, 1, cases[i].asked_ns);
        g_assert_cmpint(bed_go(&bed, UINT64_MAX - 1, &err), ==, CHMU_UNIT_LISTED);
        g_assert_cmpuint(bed.list.epoch_ns, ==, cases[i].got_ns);
    }
    bed_clear(&bed);
}

static void capabilities_that_contradict_each_other_are_refused(void)
{
    static const struct {
        uint64_t clear0, set0, clear1, set1;
        const char *text;
    } cases[] = {
        {CHMU_CAP0_ENTRIES, 0, 0, 0, "hotlist"},
        {CHMU_CAP0_ENTRIES, 1ull << 48, 0, 0, "hotlist"},
        {0, CHMU_CAP0_ENTRIES, 0, 0, "hotlist"},                /* longer than its registers */
        {CHMU_CAP0_EPOCH_MIN_SCALE, 0, 0, 0, "epochs"},
        {CHMU_CAP0_EPOCH_MAX_MULT, 0, 0, 0, "epochs"},
        {0, 0, CHMU_CAP1_UNIT_SIZES, 0, "size"},
        {0, 0, CHMU_CAP1_DOWN_SAMPLING, 0, "down-sampling"},
        {0, 0, CHMU_CAP1_EPOCH_MODE, 0, "always-on"},
        {CHMU_CAP0_TRACKED, 1ull << (8 + CHMU_WHAT_WRITES - 1), 0, 0, "reads"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        Bed bed;

        bed_init(&bed);
        for (unsigned k = 0; k < FAKE_CHMU_INSTANCES; k++) {
            FakeUnit *unit = &bed.fake.units[k];

            unit->cap0 = (unit->cap0 & ~cases[i].clear0) | cases[i].set0;
            unit->cap1 = (unit->cap1 & ~cases[i].clear1) | cases[i].set1;
        }
        g_assert_null(chmu_unit_new(bed.regs, false, &err));
        if (!strstr(err->message, cases[i].text)) {
            g_test_message("case %zu: '%s' is not in: %s", i, cases[i].text, err->message);
            g_test_fail();
        }
        bed_clear(&bed);
    }
}

/* Registers that answer as they like, mostly with what they were last written, or a bit of it changed. */
static uint64_t wild_read(void *opaque, uint64_t at)
{
    const uint64_t *words = opaque;
    uint64_t value = words[at / 8];

    if (g_test_rand_int_range(0, 8) == 0) {
        value ^= 1ull << g_test_rand_int_range(0, 64);
    }
    return g_test_rand_int_range(0, 500) == 0 ? UINT64_MAX : value;
}

static void wild_write(void *opaque, uint64_t at, uint64_t value, unsigned size)
{
    uint64_t *words = opaque;

    words[at / 8] = value;
    if (at == CHMU_INSTANCES + CHMU_CFG0) {             /* it does as told, mostly, and lists something */
        const bool enable = value & CHMU_CFG0_ENABLE && g_test_rand_int_range(0, 8) > 0;

        words[(CHMU_INSTANCES + CHMU_STATUS) / 8] =
            chmu_put(CHMU_STATUS_COUNTER_WIDTH, 16) | (enable ? CHMU_STATUS_ENABLED : 0);
        words[(CHMU_INSTANCES + CHMU_HEAD) / 8] =
            chmu_put(CHMU_HEAD_TAIL_TAIL, (uint64_t)g_test_rand_int_range(0, FAKE_CHMU_ENTRIES));
    }
}

static void any_registers_are_survived(void)
{
    static const ChmuAccess access = {.read = wild_read, .write = wild_write};

    for (unsigned run = 0; run < 300; run++) {
        g_autofree uint64_t *words = g_new0(uint64_t, FAKE_CHMU_BYTES / 8);
        g_autoptr(ChmuRegs) regs = NULL;
        Bed bed;

        bed_init(&bed);
        for (size_t i = 0; i < FAKE_CHMU_BYTES / 8; i++) {      /* as the fake has it */
            words[i] = chmu_regs_read(bed.regs, i * 8);
        }
        chmu_regs_unmap(bed.regs);
        regs = chmu_regs_new(&access, words, FAKE_CHMU_BYTES, NULL);
        bed.regs = regs;
        bed.unit = regs ? chmu_unit_new(regs, true, NULL) : NULL;
        for (unsigned epoch = 0; bed.unit && epoch < 4; epoch++) {
            g_autoptr(GError) err = NULL;

            bed_begin(&bed, 16, MS);
            for (unsigned step = 0; step < 2000; step++) {
                const ChmuProgress progress =
                    chmu_unit_step(bed.unit, bed.now_ns, &bed.next_ns, &bed.list, &err);

                if (progress != CHMU_UNIT_BUSY) {
                    g_assert_true((progress == CHMU_UNIT_FAILED) == (err != NULL));
                    break;
                }
                bed.now_ns = MAX(bed.now_ns, bed.next_ns);
            }
        }
        if (bed.unit) {             /* so that nothing is waited for in giving it back */
            words[(CHMU_INSTANCES + CHMU_STATUS) / 8] = 0;
        }
        g_clear_pointer(&bed.unit, chmu_unit_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chmu/unit/it_is_told_what_to_count", it_is_told_what_to_count);
    g_test_add_func("/chmu/unit/what_an_epoch_lists_is_read_once_and_sorted",
                    what_an_epoch_lists_is_read_once_and_sorted);
    g_test_add_func("/chmu/unit/what_was_listed_before_an_epoch_is_not_taken_for_its_own",
                    what_was_listed_before_an_epoch_is_not_taken_for_its_own);
    g_test_add_func("/chmu/unit/an_overflow_is_told_and_ends_with_the_epoch",
                    an_overflow_is_told_and_ends_with_the_epoch);
    g_test_add_func("/chmu/unit/a_count_of_nothing_is_left_out", a_count_of_nothing_is_left_out);
    g_test_add_func("/chmu/unit/counts_that_are_sampled_stand_for_more", counts_that_are_sampled_stand_for_more);
    g_test_add_func("/chmu/unit/how_far_it_counts_is_known_before_it_does",
                    how_far_it_counts_is_known_before_it_does);
    g_test_add_func("/chmu/unit/it_is_given_back_as_it_was", it_is_given_back_as_it_was);
    g_test_add_func("/chmu/unit/one_that_was_only_taken_is_not_touched", one_that_was_only_taken_is_not_touched);
    g_test_add_func("/chmu/unit/one_that_another_has_enabled_is_left_alone",
                    one_that_another_has_enabled_is_left_alone);
    g_test_add_func("/chmu/unit/one_that_may_be_taken_goes_on_for_the_other_afterwards",
                    one_that_may_be_taken_goes_on_for_the_other_afterwards);
    g_test_add_func("/chmu/unit/one_that_is_being_taken_goes_on_for_the_other_too",
                    one_that_is_being_taken_goes_on_for_the_other_too);
    g_test_add_func("/chmu/unit/one_that_a_killed_daemon_left_is_taken_again",
                    one_that_a_killed_daemon_left_is_taken_again);
    g_test_add_func("/chmu/unit/operations_that_take_their_time_are_waited_for",
                    operations_that_take_their_time_are_waited_for);
    g_test_add_func("/chmu/unit/a_device_that_stalls_is_given_up_and_tried_again",
                    a_device_that_stalls_is_given_up_and_tried_again);
    g_test_add_func("/chmu/unit/a_device_that_is_gone_is_told_from_one_that_works",
                    a_device_that_is_gone_is_told_from_one_that_works);
    g_test_add_func("/chmu/unit/a_device_that_is_gone_is_not_taken", a_device_that_is_gone_is_not_taken);
    g_test_add_func("/chmu/unit/any_registers_are_survived", any_registers_are_survived);
    g_test_add_func("/chmu/unit/a_device_that_was_reset_is_found_to_be", a_device_that_was_reset_is_found_to_be);
    g_test_add_func("/chmu/unit/who_takes_it_meanwhile_keeps_it", who_takes_it_meanwhile_keeps_it);
    g_test_add_func("/chmu/unit/a_hotlist_out_of_bounds_is_refused", a_hotlist_out_of_bounds_is_refused);
    g_test_add_func("/chmu/unit/a_device_that_refuses_what_it_offers_is_named",
                    a_device_that_refuses_what_it_offers_is_named);
    g_test_add_func("/chmu/unit/memory_beyond_the_bitmap_is_refused", memory_beyond_the_bitmap_is_refused);
    g_test_add_func("/chmu/unit/sizes_of_units_are_those_that_it_has", sizes_of_units_are_those_that_it_has);
    g_test_add_func("/chmu/unit/epochs_are_as_near_as_registers_hold", epochs_are_as_near_as_registers_hold);
    g_test_add_func("/chmu/unit/capabilities_that_contradict_each_other_are_refused",
                    capabilities_that_contradict_each_other_are_refused);
    return g_test_run();
}
