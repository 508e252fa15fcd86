/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random tests of the CXL hotness monitoring unit: long sequences of all that
 * can happen to it, compared with the model after each step, and writes by one
 * who means harm. The seed is g_test's (--seed).
 */
#include "qemu/osdep.h"

#include "cxl-chmu-bed.h"
#include "cxl-chmu-model.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "cxl-chmu-test.h"

#define INSTANCES 2
#define SLOTS 12
#define PROPERTIES "chmu-instances=2,chmu-entries=12,chmu-counter-width=6"

static unsigned below(unsigned n)
{
    return g_test_rand_int_range(0, n);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

static uint64_t random_bits(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
           (uint32_t)g_test_rand_int();
}

typedef struct Pair {
    ChmuBed *bed;
    uint64_t window;            /* where DPA 0 is in the machine's memory */
    ChmuModel *models[INSTANCES];
} Pair;

static void write_both(Pair *p, unsigned instance, uint64_t offset,
                       uint64_t value)
{
    bed_write(p->bed, instance, offset, value);
    model_write(p->models[instance], offset, value);
}

static void step_both(Pair *p, uint64_t ns)
{
    bed_step(p->bed, ns);
    for (unsigned i = 0; i < INSTANCES; i++) {
        model_run(p->models[i]);
    }
}

/* Let an operation end, while the other instance's time passes, too. */
static void wait_both(Pair *p, unsigned instance)
{
    uint64_t begin = p->bed->now_ns;

    bed_wait(p->bed, instance);
    if (p->bed->now_ns != begin) {
        for (unsigned i = 0; i < INSTANCES; i++) {
            model_run(p->models[i]);
        }
    }
}

/* What may be asked for, and now and then what may not. */
static void configure(Pair *p, unsigned instance)
{
    static const unsigned units[] = { 8, 12, 16, 21 };
    uint64_t bitmap = bed_read(p->bed, instance, CHMU_BITMAP_OFFSET);
    bool bad = one_in(8);

    write_both(p, instance, CHMU_CFG1,
               bad ? random_bits() :
               chmu_put(CHMU_CFG1_UNIT_SIZE, units[below(4)]) |
               chmu_put(CHMU_CFG1_DOWN_SAMPLING, one_in(3) ? below(4) : 0) |
               chmu_put(CHMU_CFG1_MODE, below(2)) |
               chmu_put(CHMU_CFG1_EPOCH_SCALE, CHMU_SCALE_100US + below(2)) |
               chmu_put(CHMU_CFG1_EPOCH_MULT, 1 + below(5)));
    write_both(p, instance, CHMU_CFG2, one_in(4) ? random_bits() :
               below(SLOTS + 1));
    for (unsigned i = 0; i < BED_MEMORY_BYTES / CHMU_RANGE_BYTES; i++) {
        uint64_t value = bed_read(p->bed, instance, bitmap);
        bool counted = !one_in(5);

        value = (value & ~(1ull << i)) | (uint64_t)counted << i;
        bed_write(p->bed, instance, bitmap, value);
        model_write_range(p->models[instance], i, counted);
    }
}

static uint64_t random_cfg0(void)
{
    uint64_t threshold = one_in(4) ? below(70) : below(8);

    return chmu_put(CHMU_CFG0_WHAT, one_in(16) ? below(9) : 1 + below(6)) |
           chmu_put(CHMU_CFG0_THRESHOLD, threshold) |
           (one_in(2) ? CHMU_CFG0_OVERFLOW_INT : 0) |
           (one_in(2) ? CHMU_CFG0_LEVEL_INT : 0) |
           (one_in(5) ? 0 : CHMU_CFG0_ENABLE) |
           (one_in(6) ? CHMU_CFG0_RESET : 0);
}

static void tell_models(Pair *p, uint64_t dpa, unsigned length, unsigned count,
                        bool is_write)
{
    for (unsigned i = 0; i < INSTANCES; i++) {
        model_access(p->models[i], dpa, length, count, is_write);
    }
}

/* A true access of 8 bytes, which waits to be counted */
static void access_memory(Pair *p, uint64_t dpa, bool is_write)
{
    if (is_write) {
        qtest_writeq(p->bed->qts, p->window + dpa, dpa);
    } else {
        qtest_readq(p->bed->qts, p->window + dpa);
    }
    tell_models(p, dpa, 8, 1, is_write);
}

/* Few units, so that some get hot; mostly around the ends of ranges. */
static void access_both(Pair *p)
{
    static const uint64_t places[] = {
        0, CHMU_RANGE_BYTES - 1024, CHMU_RANGE_BYTES, 2 * CHMU_RANGE_BYTES,
        BED_MEMORY_BYTES - 2048,
    };
    uint64_t dpa = places[below(ARRAY_SIZE(places))] + below(1000);
    unsigned length = one_in(4) ? 1 + below(1000) : 8;
    unsigned count = one_in(8) ? 1 + below(100) : 1 + below(4);
    bool is_write = one_in(2);

    if (length == 8 && one_in(2)) {
        while (count--) {
            access_memory(p, dpa, is_write);
        }
    } else {
        bed_access_bytes(p->bed, dpa, length, count, is_write);
        tell_models(p, dpa, length, count, is_write);
    }
}

static void one_step(Pair *p)
{
    static const uint64_t read_only[] = {
        CHMU_CAP0, CHMU_CAP1, CHMU_BITMAP_OFFSET, CHMU_HOTLIST_OFFSET, 0x20,
        0x38, 0x58,
    };
    unsigned instance = below(INSTANCES);
    uint64_t ends = bed_read(p->bed, instance, CHMU_HEAD);

    switch (below(16)) {
    case 0:
        configure(p, instance);
        break;
    case 1:
    case 2:
        write_both(p, instance, CHMU_CFG0, random_cfg0());
        wait_both(p, instance);
        break;
    case 3:
        write_both(p, instance, CHMU_STATUS, random_bits());
        break;
    case 4:
        write_both(p, instance, CHMU_HEAD, below(SLOTS + 2));
        break;
    case 5:
        write_both(p, instance, CHMU_HEAD,
                   chmu_get(ends, CHMU_HEAD_TAIL_TAIL));
        break;
    case 6:
        write_both(p, instance, read_only[below(ARRAY_SIZE(read_only))],
                   random_bits());
        break;
    case 7:
    case 8:
    case 9:
        step_both(p, one_in(4) ? below(10 * NS_PER_MS) :
                  100 * NS_PER_US * below(4));
        break;
    default:
        access_both(p);
        break;
    }
}

static void does_as_the_model_does(void)
{
    Pair p = { .bed = bed_new(PROPERTIES) };
    uint64_t listed = 0;

    p.window = bed_open_window(p.bed);
    for (unsigned i = 0; i < INSTANCES; i++) {
        p.models[i] = model_new(p.bed, i);
        bed_arm_interrupt(p.bed, i);
    }
    for (unsigned step = 0; step < 4000; step++) {
        one_step(&p);
        for (unsigned i = 0; i < INSTANCES; i++) {
            bool rang = bed_take_interrupt(p.bed, i);

            model_check(p.models[i]);
            g_assert_cmpint(rang, ==, model_take_interrupts(p.models[i]) > 0);
        }
    }
    for (unsigned i = 0; i < INSTANCES; i++) {
        listed += bed_count(p.bed, i, "listed");
        model_free(p.models[i]);
    }
    g_assert_cmpuint(listed, >, 100);       /* it was worth the while */
    bed_free(p.bed);
}

/* Hostile writes */

static void write_anything(ChmuBed *bed)
{
    uint64_t bytes = bed->bar_bytes[bed->block_bar];
    uint64_t offset, value;

    /* Mostly registers; the rest is bitmaps and hotlists */
    offset = one_in(4) ? random_bits() % bytes :
             CHMU_INSTANCES + below(bed->instances * bed->instance_bytes);
    switch (below(4)) {
    case 0:
        value = random_bits();
        break;
    case 1:
        value = 1ull << below(64);
        break;
    case 2:
        value = UINT64_MAX;
        break;
    default:
        value = below(32);
        break;
    }
    switch (below(4)) {
    case 0:
        qtest_writeb(bed->qts, bed->block + offset, value);
        break;
    case 1:
        qtest_writew(bed->qts, bed->block + (offset & ~1ull), value);
        break;
    case 2:
        qtest_writel(bed->qts, bed->block + (offset & ~3ull), value);
        break;
    default:
        qtest_writeq(bed->qts, bed->block + (offset & ~7ull), value);
        break;
    }
}

/* What holds of any instance, whatever was written to it */
static void assert_sane(ChmuBed *bed, unsigned instance)
{
    uint64_t slots = chmu_get(bed_read(bed, instance, CHMU_CAP0),
                              CHMU_CAP0_ENTRIES);
    uint64_t ends = bed_read(bed, instance, CHMU_HEAD);

    g_assert_cmpuint(chmu_get(ends, CHMU_HEAD_TAIL_HEAD), <, slots);
    g_assert_cmpuint(chmu_get(ends, CHMU_HEAD_TAIL_TAIL), <, slots);
    g_assert_cmpuint(chmu_get(bed_read(bed, instance, CHMU_STATUS),
                              CHMU_STATUS_OPERATION), <=, CHMU_OP_RESET);
}

static void fuzz(const char *properties, unsigned steps)
{
    ChmuBed *bed = bed_new(properties);
    uint64_t window = bed_open_window(bed);

    for (unsigned i = 0; i < bed->instances; i++) {
        bed_arm_interrupt(bed, i);
    }
    for (unsigned step = 0; step < steps; step++) {
        unsigned instance = below(bed->instances);
        uint64_t dpa = random_bits() % (BED_MEMORY_BYTES - 8);

        switch (below(8)) {
        case 0:
            /* With luck alone it would hardly ever be enabled. */
            bed_write(bed, instance, CHMU_CFG0, 0);
            bed_step(bed, 20 * NS_PER_US);
            bed_write(bed, instance, CHMU_CFG0, CHMU_CFG0_ENABLE |
                      bed_configure(bed, instance, &(ChmuSetup) {
                          .mode = below(2), .unit_shift = 8 + below(14),
                          .sampling = below(3), .notify = below(4),
                          .flags = random_bits() &
                                   (CHMU_CFG0_RANDOM | CHMU_CFG0_LEVEL_INT |
                                    CHMU_CFG0_OVERFLOW_INT) }));
            bed_step(bed, 20 * NS_PER_US);
            break;
        case 1:
            bed_access_bytes(bed, dpa, 8, 1 + below(100000), one_in(2));
            break;
        case 2:
            qtest_writeq(bed->qts, window + dpa, step);
            break;
        case 3:
            bed_step(bed, random_bits() % NS_PER_S);
            break;
        default:
            write_anything(bed);
            break;
        }
        assert_sane(bed, instance);
    }
    /* After a reset it works as ever. */
    qtest_system_reset(bed->qts);
    bed_map(bed);
    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    bed_access(bed, 0, 1, false);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 1, (ChmuEntry[]) { { 0, 1 } });
    bed_free(bed);
}

static void survives_whatever_is_written(void)
{
    fuzz("chmu-instances=8,chmu-entries=3,chmu-counters=50", 5000);
    fuzz("chmu-counter-width=1,chmu-entries=65535", 5000);
}

void add_random_tests(void)
{
    qtest_add_func("cxl-chmu/random/model", does_as_the_model_does);
    qtest_add_func("cxl-chmu/random/fuzz", survives_whatever_is_written);
}
