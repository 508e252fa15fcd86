/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of a CXL hotness monitoring unit's hotlist: the ring and its two ends,
 * what tells that it fills, and interrupts.
 */
#include "qemu/osdep.h"

#include "cxl-chmu-bed.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "cxl-chmu-test.h"

#define PAGE 4096ull
#define SLOTS 8                 /* of a small hotlist; one stays empty */
#define SMALL "chmu-entries=8"

/* An epoch in which @n units from @first on are accessed. */
static void heat(ChmuBed *bed, unsigned instance, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bed_access(bed, (first + i) * PAGE, 1, false);
    }
    bed_step(bed, BED_EPOCH_NS);
}

static void assert_ends(ChmuBed *bed, unsigned head, unsigned tail)
{
    g_assert_cmphex(bed_read(bed, 0, CHMU_HEAD), ==, head | tail << 16);
}

static void write_head(ChmuBed *bed, unsigned head)
{
    qtest_writew(bed->qts, bed_address(bed, 0, CHMU_HEAD), head);
}

static bool is_set(ChmuBed *bed, uint64_t bit)
{
    return bed_read(bed, 0, CHMU_STATUS) & bit;
}

static void clear(ChmuBed *bed, uint64_t bits)
{
    bed_write(bed, 0, CHMU_STATUS, bits);
}

/* The ring */

static void holds_one_entry_less_than_slots(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    heat(bed, 0, 0, SLOTS - 1);
    assert_ends(bed, 0, SLOTS - 1);
    g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
    bed_assert_listed(bed, 0, SLOTS - 1, (ChmuEntry[]) {
        { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 1 }, { 6, 1 }
    });
    bed_free(bed);
}

static void overflows_when_it_is_full(void)
{
    ChmuBed *bed = bed_new(SMALL);
    g_autoptr(GArray) entries = NULL;

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    heat(bed, 0, 0, SLOTS);
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    assert_ends(bed, 0, SLOTS - 1);
    g_assert_cmpuint(bed_count(bed, 0, "dropped"), ==, 1);
    heat(bed, 0, 100, 3);       /* what is listed stays as it is */
    assert_ends(bed, 0, SLOTS - 1);
    g_assert_cmpuint(bed_count(bed, 0, "dropped"), ==, 4);
    entries = bed_drain(bed, 0);
    g_assert_cmpuint(entries->len, ==, SLOTS - 1);
    for (unsigned i = 0; i < entries->len; i++) {
        g_assert_cmpuint(g_array_index(entries, ChmuEntry, i).unit, <, SLOTS);
        g_assert_cmpuint(g_array_index(entries, ChmuEntry, i).count, ==, 1);
    }
    /* Read empty, it takes entries again; the bit stays until cleared. */
    heat(bed, 0, 200, 2);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 200, 1 }, { 201, 1 } });
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    clear(bed, CHMU_STATUS_OVERFLOW);
    g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
    bed_free(bed);
}

static void always_on_overflows_when_it_is_full(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .threshold = 2 });
    bed_access(bed, PAGE, 2 * (SLOTS - 1), false);
    g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
    bed_access(bed, PAGE, 1, false);
    g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
    bed_access(bed, PAGE, 1, false);
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    assert_ends(bed, 0, SLOTS - 1);
    bed_free(bed);
}

static void goes_round(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    for (unsigned i = 0; i < 3 * SLOTS; i++) {
        assert_ends(bed, i * 5 % SLOTS, i * 5 % SLOTS);
        heat(bed, 0, 10 * i, 5);
        bed_assert_listed(bed, 0, 5, (ChmuEntry[]) {
            { 10 * i, 1 }, { 10 * i + 1, 1 }, { 10 * i + 2, 1 },
            { 10 * i + 3, 1 }, { 10 * i + 4, 1 } });
    }
    g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
    bed_free(bed);
}

static void fills_what_a_head_behind_has_freed(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    heat(bed, 0, 0, SLOTS - 1);
    write_head(bed, 3);
    heat(bed, 0, 100, 4);       /* three find room */
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    assert_ends(bed, 3, 2);
    g_assert_cmpuint(bed_count(bed, 0, "dropped"), ==, 1);
    write_head(bed, 2);
    assert_ends(bed, 2, 2);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_free(bed);
}

static void head_goes_only_where_entries_are(void)
{
    static const struct {
        unsigned write, head;
    } cases[] = {
        { 6, 3 },               /* beyond the tail, which is at 5 */
        { 2, 3 },               /* back */
        { SLOTS, 3 },
        { 0xffff, 3 },
        { SLOTS + 4, 3 },
        { 4, 4 },
        { 5, 5 },
        { 4, 5 },
        { 6, 5 },
    };
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    heat(bed, 0, 0, 5);
    write_head(bed, 3);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        write_head(bed, cases[i].write);
        assert_ends(bed, cases[i].head, 5);
    }
    bed_free(bed);
}

static void software_can_write_neither_tail_nor_entries(void)
{
    ChmuBed *bed = bed_new(SMALL);
    uint64_t hotlist = bed_read(bed, 0, CHMU_HOTLIST_OFFSET);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    heat(bed, 0, 0, 3);
    qtest_writew(bed->qts, bed_address(bed, 0, CHMU_TAIL), 5);
    assert_ends(bed, 0, 3);
    bed_write(bed, 0, CHMU_HEAD, 6 << 16 | 1);
    assert_ends(bed, 1, 3);
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t entry = bed_read(bed, 0, hotlist + i * 8);

        bed_write(bed, 0, hotlist + i * 8, ~entry);
        g_assert_cmphex(bed_read(bed, 0, hotlist + i * 8), ==, entry);
    }
    bed_free(bed);
}

static void the_longest_hotlist_and_the_shortest_work(void)
{
    static const unsigned lengths[] = { 2, 3, 65535 };

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_autofree char *properties = g_strdup_printf("chmu-entries=%u",
                                                      lengths[i]);
        ChmuBed *bed = bed_new(properties);

        g_assert_cmpuint(chmu_get(bed_read(bed, 0, CHMU_CAP0),
                                  CHMU_CAP0_ENTRIES), ==, lengths[i]);
        bed_enable(bed, 0, &(ChmuSetup) {
            .mode = CHMU_MODE_ALWAYS_ON });
        for (unsigned round = 0; round < 3; round++) {
            uint64_t ends;

            bed_access(bed, PAGE, lengths[i] - 1, false);
            g_assert_false(is_set(bed, CHMU_STATUS_OVERFLOW));
            bed_access(bed, PAGE, 1, false);
            g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
            clear(bed, CHMU_STATUS_OVERFLOW);
            ends = bed_read(bed, 0, CHMU_HEAD);
            write_head(bed, chmu_get(ends, CHMU_HEAD_TAIL_TAIL));
        }
        bed_free(bed);
    }
}

static void resetting_empties_it_and_begins_an_epoch(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 2 });
    heat(bed, 0, 0, SLOTS);
    write_head(bed, 2);
    bed_access(bed, 50 * PAGE, 1, false);
    bed_step(bed, BED_EPOCH_NS / 2);
    bed_write(bed, 0, CHMU_CFG0, bed_read(bed, 0, CHMU_CFG0) |
              CHMU_CFG0_RESET);
    g_assert_cmphex(bed_wait(bed, 0) &
                    (CHMU_STATUS_ENABLED | CHMU_STATUS_OVERFLOW |
                     CHMU_STATUS_LEVEL), ==, CHMU_STATUS_ENABLED);
    assert_ends(bed, 0, 0);
    bed_access(bed, 60 * PAGE, 1, false);
    bed_step(bed, BED_EPOCH_NS - 1);
    assert_ends(bed, 0, 0);
    bed_step(bed, 1);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 60, 1 } });
    bed_free(bed);
}

/* LEVEL */

static void level_tells_that_so_many_entries_are_there(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 3 });
    heat(bed, 0, 0, 2);
    g_assert_false(is_set(bed, CHMU_STATUS_LEVEL));
    heat(bed, 0, 10, 1);
    g_assert_true(is_set(bed, CHMU_STATUS_LEVEL));
    /* It tells of the rise: cleared, it stays so while there are more. */
    clear(bed, CHMU_STATUS_LEVEL);
    heat(bed, 0, 20, 1);
    g_assert_false(is_set(bed, CHMU_STATUS_LEVEL));
    write_head(bed, 2);
    heat(bed, 0, 30, 2);
    g_assert_true(is_set(bed, CHMU_STATUS_LEVEL));
    bed_free(bed);
}

static void level_is_never_set_without_a_number(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 0 });
    heat(bed, 0, 0, SLOTS);
    g_assert_false(is_set(bed, CHMU_STATUS_LEVEL));
    bed_free(bed);
}

static void status_bits_are_cleared_one_by_one(void)
{
    const uint64_t both = CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL;
    ChmuBed *bed = bed_new(SMALL);

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 1 });
    heat(bed, 0, 0, SLOTS);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & both, ==, both);
    clear(bed, 0);
    clear(bed, ~both);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & both, ==, both);
    clear(bed, CHMU_STATUS_LEVEL);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & both, ==,
                    CHMU_STATUS_OVERFLOW);
    clear(bed, both);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & both, ==, 0);
    bed_free(bed);
}

/* Interrupts */

static ChmuBed *bed_new_armed(void)
{
    ChmuBed *bed = bed_new(SMALL);

    bed_arm_interrupt(bed, 0);
    return bed;
}

static void interrupts_when_the_list_overflows(void)
{
    ChmuBed *bed = bed_new_armed();

    bed_enable(bed, 0, &(ChmuSetup) {
        .notify = 1, .flags = CHMU_CFG0_OVERFLOW_INT });
    heat(bed, 0, 0, SLOTS - 1);
    g_assert_false(bed_take_interrupt(bed, 0));
    heat(bed, 0, 20, 1);
    g_assert_true(bed_take_interrupt(bed, 0));
    heat(bed, 0, 20, 1);        /* not again while the bit is set */
    g_assert_false(bed_take_interrupt(bed, 0));
    clear(bed, CHMU_STATUS_OVERFLOW);
    g_assert_false(bed_take_interrupt(bed, 0));
    heat(bed, 0, 20, 1);
    g_assert_true(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

static void interrupts_when_the_list_has_filled_so_far(void)
{
    ChmuBed *bed = bed_new_armed();

    bed_enable(bed, 0, &(ChmuSetup) {
        .notify = 3, .flags = CHMU_CFG0_LEVEL_INT });
    heat(bed, 0, 0, 2);
    g_assert_false(bed_take_interrupt(bed, 0));
    heat(bed, 0, 10, 2);
    g_assert_true(bed_take_interrupt(bed, 0));
    write_head(bed, 4);
    heat(bed, 0, 20, 3);        /* not again while the bit is set */
    g_assert_false(bed_take_interrupt(bed, 0));
    clear(bed, CHMU_STATUS_LEVEL);
    write_head(bed, 7);
    heat(bed, 0, 30, SLOTS);    /* overflows, too, but is not to tell */
    g_assert_true(bed_take_interrupt(bed, 0));
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    clear(bed, CHMU_STATUS_OVERFLOW);
    heat(bed, 0, 40, 1);
    g_assert_false(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

static void does_not_interrupt_unasked(void)
{
    ChmuBed *bed = bed_new_armed();

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 1 });
    heat(bed, 0, 0, SLOTS);
    g_assert_true(is_set(bed, CHMU_STATUS_OVERFLOW));
    g_assert_true(is_set(bed, CHMU_STATUS_LEVEL));
    g_assert_false(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

static void each_instance_interrupts_by_its_vector(void)
{
    ChmuBed *bed = bed_new("chmu-instances=3,chmu-entries=2");

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < i; k++) {
            g_assert_cmpuint(bed->vectors[k], !=, bed->vectors[i]);
        }
        bed_arm_interrupt(bed, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        bed_enable(bed, i, &(ChmuSetup) {
            .notify = 1, .flags = CHMU_CFG0_LEVEL_INT });
        bed_access(bed, 0, 1, false);
        bed_step(bed, BED_EPOCH_NS);
        for (unsigned k = 0; k < 3; k++) {
            g_assert_cmpint(bed_take_interrupt(bed, k), ==, k == i);
        }
        bed_disable(bed, i);
    }
    bed_free(bed);
}

static void a_masked_interrupt_waits(void)
{
    ChmuBed *bed = bed_new_armed();

    bed_mask_interrupt(bed, 0, true);
    bed_enable(bed, 0, &(ChmuSetup) {
        .notify = 1, .flags = CHMU_CFG0_LEVEL_INT });
    heat(bed, 0, 0, 1);
    g_assert_false(bed_take_interrupt(bed, 0));
    bed_mask_interrupt(bed, 0, false);
    g_assert_true(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

/* What would be sent to a stopped machine might not be migrated with it. */
static void an_interrupt_waits_while_the_machine_is_stopped(void)
{
    ChmuBed *bed = bed_new_armed();

    bed_enable(bed, 0, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .notify = 1,
        .flags = CHMU_CFG0_LEVEL_INT });
    qtest_qmp_assert_success(bed->qts, "{'execute': 'stop'}");
    bed_access(bed, 0, 1, false);
    g_assert_true(is_set(bed, CHMU_STATUS_LEVEL));
    g_assert_false(bed_take_interrupt(bed, 0));
    qtest_qmp_assert_success(bed->qts, "{'execute': 'cont'}");
    qtest_qmp_assert_success(bed->qts, "{'execute': 'query-status'}");
    g_assert_true(bed_take_interrupt(bed, 0));
    bed_free(bed);
}

/*
 * The message of an interrupt is a request like any other; here it is one that
 * has the table of counters grow. What was being counted is not to suffer.
 */
static void an_interrupt_may_go_to_the_memory_that_is_counted(void)
{
    ChmuBed *bed = bed_new(SMALL);
    uint64_t window = bed_open_window(bed);

    for (unsigned units = 1; units <= 1024; units *= 2) {
        uint64_t far = 2 * units;

        bed_aim_interrupt(bed, 0, window + far * PAGE);
        bed_enable(bed, 0, &(ChmuSetup) {
            .mode = CHMU_MODE_ALWAYS_ON, .threshold = 2, .notify = 1,
            .flags = CHMU_CFG0_LEVEL_INT });
        for (unsigned i = 0; i < units; i++) {
            bed_access(bed, i * PAGE, 1, false);
        }
        bed_access(bed, 0, 1, false);
        bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 2 } });
        bed_access(bed, 0, 1, false);
        bed_assert_listed(bed, 0, 0, NULL);
        bed_access(bed, far * PAGE, 1, false);
        bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { far, 2 } });
        bed_disable(bed, 0);
        clear(bed, CHMU_STATUS_LEVEL);
    }
    bed_free(bed);
}

void add_hotlist_tests(void)
{
    qtest_add_func("cxl-chmu/hotlist/slots", holds_one_entry_less_than_slots);
    qtest_add_func("cxl-chmu/hotlist/overflow", overflows_when_it_is_full);
    qtest_add_func("cxl-chmu/hotlist/always-on-overflow",
                   always_on_overflows_when_it_is_full);
    qtest_add_func("cxl-chmu/hotlist/round", goes_round);
    qtest_add_func("cxl-chmu/hotlist/head-behind",
                   fills_what_a_head_behind_has_freed);
    qtest_add_func("cxl-chmu/hotlist/head", head_goes_only_where_entries_are);
    qtest_add_func("cxl-chmu/hotlist/read-only",
                   software_can_write_neither_tail_nor_entries);
    qtest_add_func("cxl-chmu/hotlist/lengths",
                   the_longest_hotlist_and_the_shortest_work);
    qtest_add_func("cxl-chmu/hotlist/reset",
                   resetting_empties_it_and_begins_an_epoch);
    qtest_add_func("cxl-chmu/hotlist/level",
                   level_tells_that_so_many_entries_are_there);
    qtest_add_func("cxl-chmu/hotlist/no-level",
                   level_is_never_set_without_a_number);
    qtest_add_func("cxl-chmu/hotlist/clear",
                   status_bits_are_cleared_one_by_one);
    qtest_add_func("cxl-chmu/hotlist/overflow-interrupt",
                   interrupts_when_the_list_overflows);
    qtest_add_func("cxl-chmu/hotlist/level-interrupt",
                   interrupts_when_the_list_has_filled_so_far);
    qtest_add_func("cxl-chmu/hotlist/no-interrupt",
                   does_not_interrupt_unasked);
    qtest_add_func("cxl-chmu/hotlist/vectors",
                   each_instance_interrupts_by_its_vector);
    qtest_add_func("cxl-chmu/hotlist/masked-interrupt",
                   a_masked_interrupt_waits);
    qtest_add_func("cxl-chmu/hotlist/interrupt-while-stopped",
                   an_interrupt_waits_while_the_machine_is_stopped);
    qtest_add_func("cxl-chmu/hotlist/interrupt-counted",
                   an_interrupt_may_go_to_the_memory_that_is_counted);
}
