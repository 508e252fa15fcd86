/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the CXL hotness monitoring unit of cxl-type3: where it is found, its
 * properties, and its registers. (What it counts: cxl-chmu-counting.c. The
 * hotlist: -hotlist.c. Resets, migration, true accesses: -lifetime.c. Random
 * sequences: -random.c.)
 */
#include "qemu/osdep.h"

#include "cxl-chmu-bed.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "cxl-chmu-test.h"
#include "qapi/error.h"
#include "qobject/qjson.h"

#define PAGE 4096ull

/* Finding it */

static void is_absent_unless_asked_for(void)
{
    ChmuBed *bed = bed_new_bare(BED_MEMORY_BYTES, "", "");

    bed_map(bed);
    g_assert_cmphex(bed->block, ==, 0);
    /* What a guest sees is as it was before there were such units. */
    g_assert_cmphex(bed->bar_bytes[0], ==, 0x10000);
    g_assert_cmphex(bed->bar_bytes[2], ==, 0x1000);
    g_assert_cmphex(bed->bar_bytes[4], ==, 0x1000);
    g_assert_cmphex(bed->bar_bytes[5], ==, 0);
    g_assert_cmpuint(bed->msix_vectors, ==, 8);
    bed_free(bed);
}

static void is_found_through_the_register_locator(void)
{
    static const char *const properties[] = {
        "", "chmu-instances=8", "chmu-instances=8,chmu-entries=65535",
        "chmu-entries=2",
    };
    static const unsigned instances[] = { 1, 8, 8, 1 };

    for (unsigned i = 0; i < ARRAY_SIZE(properties); i++) {
        ChmuBed *bed = bed_new(properties[i]);
        uint64_t bytes = bed->bar_bytes[bed->block_bar];

        g_assert_cmphex(bed->block, !=, 0);
        g_assert_cmphex(bed->block % 0x10000, ==, 0);
        g_assert_cmpuint(chmu_get(bed_block_read(bed, CHMU_COMMON_CAP0),
                                  CHMU_COMMON_CAP0_VERSION), ==, 1);
        g_assert_cmpuint(bed->instances, ==, instances[i]);
        g_assert_cmpuint(bed->instance_bytes, >=, CHMU_INSTANCE_REGISTERS);
        /* Bitmaps and hotlists are within the BAR, one after another. */
        for (unsigned n = 0; n < bed->instances; n++) {
            uint64_t bitmap = bed_address(bed, n, bed_read(bed, n,
                                          CHMU_BITMAP_OFFSET));
            uint64_t hotlist = bed_address(bed, n, bed_read(bed, n,
                                           CHMU_HOTLIST_OFFSET));
            uint64_t slots = chmu_get(bed_read(bed, n, CHMU_CAP0),
                                      CHMU_CAP0_ENTRIES);
            uint64_t end = hotlist + 8 * slots;

            g_assert_cmphex(bitmap, >=,
                            bed_address(bed, bed->instances, 0));
            g_assert_cmphex(hotlist, >=, bitmap + 8);
            g_assert_cmphex(end, <=, bed->block + bytes);
            if (n + 1 < bed->instances) {
                g_assert_cmphex(end, <=, bed_address(bed, n + 1, bed_read(
                                bed, n + 1, CHMU_BITMAP_OFFSET)));
            }
        }
        bed_free(bed);
    }
}

static void vectors_are_within_the_msix_table(void)
{
    ChmuBed *bed = bed_new("chmu-instances=8");

    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpuint(bed->vectors[i], <, bed->msix_vectors);
    }
    bed_free(bed);
}

/* Values after a reset */

static void assert_reset_values(ChmuBed *bed, unsigned instance)
{
    uint64_t bitmap = bed_read(bed, instance, CHMU_BITMAP_OFFSET);
    static const uint64_t zeros[] = {
        0x20, 0x28, 0x30, 0x38, CHMU_CFG0, CHMU_CFG1, CHMU_CFG2, 0x58,
        CHMU_HEAD,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(zeros); i++) {
        g_assert_cmphex(bed_read(bed, instance, zeros[i]), ==, 0);
    }
    g_assert_cmphex(bed_read(bed, instance, bitmap), ==, 0);
    g_assert_cmphex(bed_read(bed, instance, CHMU_STATUS) &
                    ~CHMU_STATUS_COUNTER_WIDTH, ==, 0);
}

static void has_its_reset_values(void)
{
    ChmuBed *bed = bed_new("");

    g_assert_cmphex(bed_block_read(bed, CHMU_COMMON_CAP0), ==, 0x101);
    g_assert_cmphex(bed_block_read(bed, CHMU_COMMON_CAP1) & ~0xffffull, ==, 0);
    /* 4096 slots; 1 x 100 us to 100 x 1 s; all that can be tracked; global */
    g_assert_cmphex(bed_read(bed, 0, CHMU_CAP0) & ~CHMU_CAP0_MSI, ==,
                    0x1000001106453f30ull);
    /* overlap, random, both modes; 2^0 to 2^15; 256 bytes to 2 MiB */
    g_assert_cmphex(bed_read(bed, 0, CHMU_CAP1), ==, 0x000fffff00003fffull);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS), ==, 16ull << 32);
    assert_reset_values(bed, 0);
    bed_free(bed);
}

static void capabilities_follow_properties(void)
{
    ChmuBed *bed = bed_new(
        "chmu-instances=2,chmu-entries=100,chmu-counter-width=8,"
        "chmu-unit-sizes=0x210,chmu-down-sampling=0x11,chmu-epoch-mode=off,"
        "chmu-random=off,chmu-overflow-int=off");

    for (unsigned i = 0; i < 2; i++) {
        uint64_t cap0 = bed_read(bed, i, CHMU_CAP0);
        uint64_t cap1 = bed_read(bed, i, CHMU_CAP1);

        g_assert_cmpuint(chmu_get(cap0, CHMU_CAP0_ENTRIES), ==, 100);
        g_assert_cmphex(cap0 & CHMU_CAP0_OVERFLOW_INT, ==, 0);
        g_assert_cmphex(cap0 & CHMU_CAP0_LEVEL_INT, !=, 0);
        g_assert_cmphex(chmu_get(cap1, CHMU_CAP1_UNIT_SIZES), ==, 0x210);
        g_assert_cmphex(chmu_get(cap1, CHMU_CAP1_DOWN_SAMPLING), ==, 0x11);
        g_assert_cmphex(cap1 & (CHMU_CAP1_EPOCH_MODE | CHMU_CAP1_RANDOM), ==,
                        0);
        g_assert_cmphex(cap1 & CHMU_CAP1_ALWAYS_ON_MODE, !=, 0);
        g_assert_cmphex(bed_read(bed, i, CHMU_STATUS), ==, 8ull << 32);
        assert_reset_values(bed, i);
    }
    bed_free(bed);
}

static void refuses_properties_that_can_not_be(void)
{
    static const struct {
        const char *properties, *error;
    } cases[] = {
        { "'chmu-instances': 0", "chmu-instances" },
        { "'chmu-instances': 9", "chmu-instances" },
        { "'chmu-entries': 0", "it must be 2 to 65535" },
        { "'chmu-entries': 1", "chmu-entries" },
        { "'chmu-entries': 65536", "chmu-entries" },
        { "'chmu-counter-width': 0", "chmu-counter-width" },
        { "'chmu-counter-width': 33", "chmu-counter-width" },
        { "'chmu-counters': 0", "chmu-counters" },
        { "'chmu-unit-sizes': 0", "chmu-unit-sizes" },
        { "'chmu-unit-sizes': 16384", "chmu-unit-sizes" },
        { "'chmu-down-sampling': 0", "chmu-down-sampling" },
        { "'chmu-epoch-mode': false, 'chmu-always-on-mode': false",
          "chmu-epoch-mode" },
    };

    QTestState *qts = qtest_init(
        "-nodefaults -M q35,cxl=on -device pxb-cxl,id=cxl.0,bus=pcie.0,"
        "bus_nr=52 -device cxl-rp,id=rp0,bus=cxl.0,chassis=0,slot=0");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        /* A backend can't be used again, even by a device that failed. */
        g_autofree char *mem = g_strdup_printf("mem%u", i);
        g_autofree char *arguments = g_strdup_printf(
            "{'driver': 'cxl-type3', 'id': 'mem0', 'bus': 'rp0', "
            "'volatile-memdev': '%s', 'chmu': true, %s}", mem,
            cases[i].properties);
        QDict *error;

        qtest_qmp_assert_success(
            qts, "{'execute': 'object-add', 'arguments': {'qom-type': "
            "'memory-backend-ram', 'id': %s, 'size': 268435456}}", mem);
        error = qtest_qmp_assert_failure_ref(
            qts, "{'execute': 'device_add', 'arguments': %p}",
            qobject_from_json(arguments, &error_abort));
        g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                                cases[i].error));
        qobject_unref(error);
    }
    qtest_quit(qts);
}

/* Access rules */

static void configuration_can_be_written_while_disabled(void)
{
    static const struct {
        uint64_t offset, writable;
    } cases[] = {
        { CHMU_CFG0, CHMU_CFG0_WHAT | CHMU_CFG0_RANDOM |
          CHMU_CFG0_OVERFLOW_INT | CHMU_CFG0_LEVEL_INT |
          CHMU_CFG0_THRESHOLD },
        { CHMU_CFG1, UINT64_MAX },
        { CHMU_CFG2, CHMU_CFG2_NOTIFY },
    };
    const uint64_t begins = CHMU_CFG0_ENABLE | CHMU_CFG0_RESET;
    ChmuBed *bed = bed_new("");
    uint64_t bitmap = bed_read(bed, 0, CHMU_BITMAP_OFFSET);

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t value = 1ull << bit;

            if (cases[i].offset == CHMU_CFG0 && (value & begins)) {
                continue;
            }
            bed_write(bed, 0, cases[i].offset, value);
            g_assert_cmphex(bed_read(bed, 0, cases[i].offset), ==,
                            value & cases[i].writable);
            bed_write(bed, 0, cases[i].offset, 0);
        }
    }
    /* Four bits of the bitmap stand for memory that is there. */
    bed_write(bed, 0, bitmap, UINT64_MAX);
    g_assert_cmphex(bed_read(bed, 0, bitmap), ==, 0xf);
    bed_free(bed);
}

static void all_else_is_read_only(void)
{
    static const uint64_t offsets[] = {
        CHMU_CAP0, CHMU_CAP1, CHMU_BITMAP_OFFSET, CHMU_HOTLIST_OFFSET, 0x20,
        0x28, 0x30, 0x38, 0x58, CHMU_STATUS, CHMU_HEAD,
    };
    ChmuBed *bed = bed_new("");

    for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
        uint64_t before = bed_read(bed, 0, offsets[i]);

        bed_write(bed, 0, offsets[i], ~before);
        g_assert_cmphex(bed_read(bed, 0, offsets[i]), ==, before);
        bed_write(bed, 0, offsets[i], 0);
        g_assert_cmphex(bed_read(bed, 0, offsets[i]), ==, before);
    }
    for (uint64_t offset = 0; offset < CHMU_INSTANCES; offset += 8) {
        uint64_t before = bed_block_read(bed, offset);

        qtest_writeq(bed->qts, bed->block + offset, ~before);
        g_assert_cmphex(bed_block_read(bed, offset), ==, before);
    }
    bed_free(bed);
}

static void parts_of_registers_can_be_accessed(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t cfg1 = bed_address(bed, 0, CHMU_CFG1);
    uint64_t cap0 = bed_read(bed, 0, CHMU_CAP0);

    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(qtest_readb(bed->qts,
                                    bed_address(bed, 0, CHMU_CAP0 + i)),
                        ==, cap0 >> 8 * i & 0xff);
    }
    g_assert_cmphex(qtest_readl(bed->qts, bed_address(bed, 0, CHMU_CAP0 + 4)),
                    ==, cap0 >> 32);
    qtest_writel(bed->qts, cfg1, 0x11223344);
    g_assert_cmphex(qtest_readq(bed->qts, cfg1), ==, 0x11223344);
    qtest_writel(bed->qts, cfg1 + 4, 0x55667788);
    g_assert_cmphex(qtest_readq(bed->qts, cfg1), ==, 0x5566778811223344ull);
    qtest_writew(bed->qts, cfg1 + 2, 0xaabb);
    g_assert_cmphex(qtest_readq(bed->qts, cfg1), ==, 0x55667788aabb3344ull);
    qtest_writeb(bed->qts, cfg1 + 7, 0xcc);
    g_assert_cmphex(qtest_readq(bed->qts, cfg1), ==, 0xcc667788aabb3344ull);
    bed_free(bed);
}

/* A 32-bit host writes the threshold, and then the half with ENABLE. */
static void is_enabled_by_32_bit_accesses(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t cfg0 = bed_configure(bed, 0, &(ChmuSetup) { .threshold = 7 });

    qtest_writel(bed->qts, bed_address(bed, 0, CHMU_CFG0 + 4), cfg0 >> 32);
    qtest_writel(bed->qts, bed_address(bed, 0, CHMU_CFG0),
                 cfg0 | CHMU_CFG0_ENABLE);
    g_assert_cmphex(bed_wait(bed, 0) & CHMU_STATUS_ENABLED, !=, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, cfg0 | CHMU_CFG0_ENABLE);
    bed_access(bed, 0, 6, false);
    bed_access(bed, PAGE, 7, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 1, 7 } });
    bed_free(bed);
}

static void configuration_stays_while_enabled(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t bitmap = bed_read(bed, 0, CHMU_BITMAP_OFFSET);
    uint64_t cfg0, cfg1;

    bed_enable(bed, 0, &(ChmuSetup) { .threshold = 3, .notify = 5 });
    cfg0 = bed_read(bed, 0, CHMU_CFG0);
    cfg1 = bed_read(bed, 0, CHMU_CFG1);
    bed_write(bed, 0, CHMU_CFG0, CHMU_CFG0_ENABLE);
    bed_write(bed, 0, CHMU_CFG1, ~cfg1);
    bed_write(bed, 0, CHMU_CFG2, 77);
    bed_write(bed, 0, bitmap, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, cfg0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG1), ==, cfg1);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG2), ==, 5);
    g_assert_cmphex(bed_read(bed, 0, bitmap), ==, 0xf);
    bed_free(bed);
}

static unsigned operation(ChmuBed *bed)
{
    return chmu_get(bed_read(bed, 0, CHMU_STATUS), CHMU_STATUS_OPERATION);
}

static bool enabled(ChmuBed *bed)
{
    return bed_read(bed, 0, CHMU_STATUS) & CHMU_STATUS_ENABLED;
}

static void operations_take_their_time(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t bitmap = bed_read(bed, 0, CHMU_BITMAP_OFFSET);
    uint64_t cfg0 = bed_configure(bed, 0, &(ChmuSetup) { 0 }), cfg1;

    bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE);
    cfg1 = bed_read(bed, 0, CHMU_CFG1);
    g_assert_cmpuint(operation(bed), ==, CHMU_OP_ENABLE);
    g_assert_false(enabled(bed));
    /* Nothing else is taken meanwhile. */
    bed_write(bed, 0, CHMU_CFG0, 0);
    bed_write(bed, 0, CHMU_CFG0, CHMU_CFG0_RESET);
    bed_write(bed, 0, CHMU_CFG1, ~cfg1);
    bed_write(bed, 0, CHMU_CFG2, 5);
    bed_write(bed, 0, bitmap, 0);
    g_assert_cmpuint(operation(bed), ==, CHMU_OP_ENABLE);
    bed_wait(bed, 0);
    g_assert_true(enabled(bed));
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, cfg0 | CHMU_CFG0_ENABLE);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG1), ==, cfg1);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG2), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, bitmap), ==, 0xf);

    bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE | CHMU_CFG0_RESET);
    g_assert_cmpuint(operation(bed), ==, CHMU_OP_RESET);
    bed_wait(bed, 0);
    g_assert_true(enabled(bed));
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, cfg0 | CHMU_CFG0_ENABLE);

    /* With a change of ENABLE, RESET is ignored. */
    bed_access(bed, 0, 1, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_RESET);
    g_assert_cmpuint(operation(bed), ==, CHMU_OP_DISABLE);
    bed_wait(bed, 0);
    g_assert_false(enabled(bed));
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 1 } });
    bed_free(bed);
}

static void resetting_works_while_disabled(void)
{
    ChmuBed *bed = bed_new("chmu-entries=2");

    bed_enable(bed, 0, &(ChmuSetup) { .notify = 1, .threshold = 2 });
    bed_access(bed, 0, 2, false);
    bed_access(bed, PAGE, 2, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_disable(bed, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_HEAD), ==, 1 << 16);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) &
                    (CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL), ==,
                    CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL);
    bed_write(bed, 0, CHMU_CFG0, CHMU_CFG0_RESET | 3);
    g_assert_cmpuint(operation(bed), ==, CHMU_OP_RESET);
    g_assert_cmphex(bed_wait(bed, 0), ==, 16ull << 32);
    g_assert_cmphex(bed_read(bed, 0, CHMU_HEAD), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, 3);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG2), ==, 1);
    bed_free(bed);
}

static void can_not_be_enabled_for_what_it_does_not_offer(void)
{
    static const ChmuSetup cases[] = {
        { .what = 7 },
        { .what = 255 },
        { .unit_shift = 1 },
        { .unit_shift = 11 },
        { .unit_shift = 13 },
        { .unit_shift = 40 },
        { .unit_shift = 44 },           /* 12, modulo 32 */
        { .unit_shift = 256 + 12 },
        { .sampling = 1 },
        { .sampling = 16 },
        { .sampling = 255 },
        { .mode = CHMU_MODE_ALWAYS_ON },
        { .mode = 2 },
        { .flags = CHMU_CFG0_RANDOM },
        { .flags = CHMU_CFG0_OVERFLOW_INT },
        { .flags = CHMU_CFG0_LEVEL_INT },
        { .scale = CHMU_SCALE_1S, .mult = 101 },
        { .scale = CHMU_SCALE_1S, .mult = 4095 },
        { .scale = 6 },
        { .scale = 15 },
    };
    ChmuBed *bed = bed_new(
        "chmu-unit-sizes=0x10,chmu-down-sampling=1,chmu-always-on-mode=off,"
        "chmu-random=off,chmu-overflow-int=off,chmu-level-int=off");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t cfg0 = bed_configure(bed, 0, &cases[i]);

        bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE);
        g_assert_cmphex(bed_wait(bed, 0) & CHMU_STATUS_ENABLED, ==, 0);
        g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, cfg0);
        bed_access(bed, 0, 1, false);
    }
    /* Fields that are 0 stand for something else in a ChmuSetup. */
    bed_configure(bed, 0, &(ChmuSetup) { 0 });
    bed_write(bed, 0, CHMU_CFG0, CHMU_CFG0_ENABLE);
    g_assert_cmphex(bed_wait(bed, 0) & CHMU_STATUS_ENABLED, ==, 0);
    bed_write(bed, 0, CHMU_CFG1, chmu_put(CHMU_CFG1_UNIT_SIZE, 12));
    bed_write(bed, 0, CHMU_CFG0, CHMU_CFG0_ENABLE | CHMU_WHAT_BOTH);
    g_assert_cmphex(bed_wait(bed, 0) & CHMU_STATUS_ENABLED, ==, 0);
    /* And after all that it still can be. */
    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    bed_free(bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("cxl-chmu/find/absent", is_absent_unless_asked_for);
    qtest_add_func("cxl-chmu/find/locator",
                   is_found_through_the_register_locator);
    qtest_add_func("cxl-chmu/find/vectors", vectors_are_within_the_msix_table);
    qtest_add_func("cxl-chmu/properties/capabilities",
                   capabilities_follow_properties);
    qtest_add_func("cxl-chmu/properties/refused",
                   refuses_properties_that_can_not_be);
    qtest_add_func("cxl-chmu/registers/reset-values", has_its_reset_values);
    qtest_add_func("cxl-chmu/registers/writable",
                   configuration_can_be_written_while_disabled);
    qtest_add_func("cxl-chmu/registers/read-only", all_else_is_read_only);
    qtest_add_func("cxl-chmu/registers/parts",
                   parts_of_registers_can_be_accessed);
    qtest_add_func("cxl-chmu/registers/32-bit", is_enabled_by_32_bit_accesses);
    qtest_add_func("cxl-chmu/registers/enabled",
                   configuration_stays_while_enabled);
    qtest_add_func("cxl-chmu/registers/operations",
                   operations_take_their_time);
    qtest_add_func("cxl-chmu/registers/reset", resetting_works_while_disabled);
    qtest_add_func("cxl-chmu/registers/not-offered",
                   can_not_be_enabled_for_what_it_does_not_offer);
    add_counting_tests();
    add_hotlist_tests();
    add_lifetime_tests();
    add_random_tests();
    return g_test_run();
}
