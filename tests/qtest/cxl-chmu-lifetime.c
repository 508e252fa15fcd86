/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the CXL hotness monitoring unit as a part of its device: true
 * accesses to memory, resets, migration, and what it costs.
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>

#include "cxl-chmu-bed.h"
#include "cxl-chmu-test.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

#define PAGE 4096ull

/* True accesses */

static void counts_what_reaches_the_memory(void)
{
    ChmuBed *bed = bed_new("chmu-instances=2");
    uint64_t window = bed_open_window(bed);
    QTestState *qts = bed->qts;

    bed_enable(bed, 0, &(ChmuSetup) { .what = CHMU_WHAT_READS });
    bed_enable(bed, 1, &(ChmuSetup) { .what = CHMU_WHAT_WRITES });
    for (unsigned i = 0; i < 10; i++) {
        qtest_writeq(qts, window + 3 * PAGE + 8 * i, 0x1111 * i);
    }
    for (unsigned i = 0; i < 10; i++) {
        g_assert_cmphex(qtest_readq(qts, window + 3 * PAGE + 8 * i), ==,
                        0x1111 * i);
        g_assert_cmphex(qtest_readl(qts, window + 3 * PAGE + 8 * i), ==,
                        0x1111 * i);
    }
    qtest_writeb(qts, window + 9 * PAGE - 1, 0x5a);
    qtest_writew(qts, window + BED_MEMORY_BYTES - 2, 0x1234);
    g_assert_cmphex(qtest_readb(qts, window + 9 * PAGE - 1), ==, 0x5a);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 3, 20 }, { 8, 1 } });
    bed_assert_listed(bed, 1, 3, (ChmuEntry[]) {
        { 3, 10 }, { 8, 1 }, { BED_MEMORY_BYTES / PAGE - 1, 1 } });
    bed_free(bed);
}

static void counts_an_access_of_two_units_in_both(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t window = bed_open_window(bed);

    bed_enable(bed, 0, &(ChmuSetup) { .unit_shift = 8 });
    qtest_writeq(bed->qts, window + 0x1000 - 4, 0x1122334455667788ull);
    g_assert_cmphex(qtest_readq(bed->qts, window + 0x1000 - 4), ==,
                    0x1122334455667788ull);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 2, (ChmuEntry[]) { { 0xf, 2 }, { 0x10, 2 } });
    bed_free(bed);
}

/* Behind the volatile memory lies the persistent one, by DPA. */
static void counts_by_dpa_in_both_of_two_backends(void)
{
    ChmuBed *bed = bed_new_with(
        "persistent-memdev=pmem,lsa=lsa",
        "-object memory-backend-ram,id=pmem,size=1G,reserve=off "
        "-object memory-backend-ram,id=lsa,size=1M");
    uint64_t window;

    bed->memory_bytes = 2 * BED_MEMORY_BYTES;
    window = bed_open_window(bed);
    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    qtest_writeq(bed->qts, window + 5 * PAGE, 1);
    qtest_writeq(bed->qts, window + BED_MEMORY_BYTES + 5 * PAGE, 2);
    qtest_writeq(bed->qts, window + 2 * BED_MEMORY_BYTES - 8, 3);
    g_assert_cmphex(qtest_readq(bed->qts, window + 5 * PAGE), ==, 1);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 3, (ChmuEntry[]) {
        { 5, 2 }, { BED_MEMORY_BYTES / PAGE + 5, 1 },
        { 2 * BED_MEMORY_BYTES / PAGE - 1, 1 } });
    bed_free(bed);
}

static void ignores_accesses_that_reach_nothing(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t window = bed_open_window(bed);

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    qtest_writeq(bed->qts, window + BED_MEMORY_BYTES, 1);
    qtest_writeq(bed->qts, window + 3 * BED_MEMORY_BYTES, 1);
    bed_step(bed, BED_EPOCH_NS);
    bed_assert_listed(bed, 0, 0, NULL);
    bed_free(bed);
}

static void a_unit_that_is_off_leaves_memory_alone(void)
{
    ChmuBed *bed = bed_new("");
    uint64_t window = bed_open_window(bed);

    qtest_writeq(bed->qts, window + PAGE, 0x1234);
    g_assert_cmphex(qtest_readq(bed->qts, window + PAGE), ==, 0x1234);
    g_assert_cmpuint(bed_count(bed, 0, "requests"), ==, 0);
    bed_free(bed);
}

/* Resets */

static void assert_as_new(ChmuBed *bed)
{
    uint64_t bitmap = bed_read(bed, 0, CHMU_BITMAP_OFFSET);
    uint64_t hotlist = bed_read(bed, 0, CHMU_HOTLIST_OFFSET);

    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS), ==, 16ull << 32);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG0), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG1), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_CFG2), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, CHMU_HEAD), ==, 0);
    g_assert_cmphex(bed_read(bed, 0, bitmap), ==, 0);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(bed_read(bed, 0, hotlist + 8 * i), ==, 0);
    }
    g_assert_cmpuint(bed_count(bed, 0, "requests"), ==, 0);
    bed_access(bed, 0, 3, false);
    bed_step(bed, BED_EPOCH_NS);
    g_assert_cmphex(bed_read(bed, 0, CHMU_HEAD), ==, 0);
}

static void a_system_reset_makes_it_as_new(void)
{
    ChmuBed *bed = bed_new("chmu-entries=8");

    bed_enable(bed, 0, &(ChmuSetup) {
        .notify = 1, .flags = CHMU_CFG0_LEVEL_INT });
    for (unsigned i = 0; i < 10; i++) {
        bed_access(bed, i * PAGE, 1, false);
    }
    bed_step(bed, BED_EPOCH_NS);
    bed_access(bed, 0, 1, false);
    qtest_system_reset(bed->qts);
    bed_map(bed);
    assert_as_new(bed);
    bed_free(bed);
}

static void a_reset_ends_an_operation_in_progress(void)
{
    ChmuBed *bed = bed_new("chmu-entries=8");
    uint64_t cfg0 = bed_configure(bed, 0, &(ChmuSetup) { 0 });

    bed_write(bed, 0, CHMU_CFG0, cfg0 | CHMU_CFG0_ENABLE);
    qtest_system_reset(bed->qts);
    bed_map(bed);
    bed_step(bed, NS_PER_MS);
    assert_as_new(bed);
    bed_free(bed);
}

static void can_be_unplugged_while_it_counts(void)
{
    ChmuBed *bed = bed_new("chmu-instances=2");
    QDict *response;

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    bed_access(bed, 0, 10, false);
    bed_write(bed, 1, CHMU_CFG0, bed_configure(bed, 1, &(ChmuSetup) { 0 }) |
              CHMU_CFG0_ENABLE);
    bed_unplug(bed);
    bed_step(bed, 10 * BED_EPOCH_NS);       /* no timer is left */
    response = qtest_qmp(bed->qts, "{'execute': 'query-cxl-chmu'}");
    g_assert_true(qlist_empty(qdict_get_qlist(response, "return")));
    qobject_unref(response);
    bed_free(bed);
}

/* What users see */

static void assert_refused(ChmuBed *bed, const char *command,
                           const char *arguments, const char *error)
{
    g_autofree char *text = g_strdup_printf(
        "{'execute': '%s', 'arguments': {%s}}", command, arguments);
    QDict *refusal = qtest_qmp_assert_failure_ref(
        bed->qts, "%p", qobject_from_json(text, &error_abort));

    g_assert_nonnull(strstr(qdict_get_str(refusal, "desc"), error));
    qobject_unref(refusal);
}

static void refuses_accesses_that_can_not_be(void)
{
    static const struct {
        const char *arguments, *error;
    } cases[] = {
        { "'path': '/machine/peripheral/rp0', 'address': 0", "no cxl-type3" },
        { "'path': '/nowhere', 'address': 0", "no cxl-type3" },
        { "'path': '" BED_DEVICE "', 'address': 1073741824", "one or more" },
        { "'path': '" BED_DEVICE "', 'address': 1073741817", "one or more" },
        { "'path': '" BED_DEVICE "', 'address': 18446744073709551615",
          "one or more" },
        { "'path': '" BED_DEVICE "', 'address': 0, 'length': 0",
          "one or more" },
        { "'path': '" BED_DEVICE "', 'address': 1, 'length': "
          "18446744073709551615", "one or more" },
        { "'path': '" BED_DEVICE "', 'address': 0, 'count': 0",
          "there must be" },
        { "'path': '" BED_DEVICE "', 'address': 0, 'length': 1073741824, "
          "'count': 4294967295", "there must be" },
    };
    ChmuBed *bed = bed_new("");

    bed_enable(bed, 0, &(ChmuSetup) { 0 });
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_refused(bed, "cxl-chmu-access", cases[i].arguments,
                       cases[i].error);
    }
    assert_refused(bed, "query-cxl-chmu", "'path': '/nowhere'",
                   "no cxl-type3");
    g_assert_cmpuint(bed_count(bed, 0, "requests"), ==, 0);
    bed_free(bed);
}

static void a_device_without_the_unit_has_nothing_to_tell(void)
{
    ChmuBed *bed = bed_new_bare(BED_MEMORY_BYTES, "", "");
    g_autofree char *text = qtest_hmp(bed->qts, "info cxl-chmu");

    g_assert_cmpstr(text, ==, "");
    assert_refused(bed, "query-cxl-chmu", "'path': '" BED_DEVICE "'",
                   "chmu=on");
    assert_refused(bed, "cxl-chmu-access",
                   "'path': '" BED_DEVICE "', 'address': 0", "chmu=on");
    bed_free(bed);
}

static void the_monitor_shows_each_instance(void)
{
    ChmuBed *bed = bed_new("chmu-instances=2");
    g_autofree char *text = NULL;

    bed_enable(bed, 1, &(ChmuSetup) { .threshold = 77, .unit_shift = 16 });
    bed_access(bed, 0, 5, false);
    text = qtest_hmp(bed->qts, "info cxl-chmu");
    g_assert_nonnull(strstr(text, BED_DEVICE));
    g_assert_nonnull(strstr(text, "instance 0: disabled"));
    g_assert_nonnull(strstr(text, "instance 1: enabled"));
    g_assert_nonnull(strstr(text, "units of 65536 bytes"));
    g_assert_nonnull(strstr(text, "threshold 77"));
    g_assert_nonnull(strstr(text, "counted 5,"));
    bed_free(bed);
}

/* Migration */

static void wait_migration(QTestState *qts)
{
    for (unsigned i = 0; i < 3000; i++) {
        QDict *info = qtest_qmp_assert_success_ref(
            qts, "{'execute': 'query-migrate'}");
        bool completed = g_str_equal(qdict_get_try_str(info, "status") ?: "",
                                     "completed");

        qobject_unref(info);
        if (completed) {
            return;
        }
        g_usleep(10000);
    }
    g_assert_not_reached();
}

/*
 * Move what runs in @from to a new QEMU with these @properties. What a guest
 * would bring along does not migrate here: a qtest's clock, which is set, and
 * the device's PCI state, which is mapped anew.
 */
static ChmuBed *migrate(ChmuBed *from, const char *properties)
{
    g_autofree char *dir = g_dir_make_tmp("cxl-chmu-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s/stream", dir);
    g_autofree char *file = g_build_filename(dir, "stream", NULL);
    g_autofree char *all = g_strdup_printf("chmu=on,%s", properties);
    ChmuBed *to = bed_new_bare(BED_MEMORY_BYTES, all, "-incoming defer");

    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", uri);
    wait_migration(from->qts);
    bed_step(to, from->now_ns);
    qtest_qmp_assert_success(to->qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    wait_migration(to->qts);
    bed_map(to);
    g_unlink(file);
    g_rmdir(dir);
    return to;
}

static void migrates_in_the_middle_of_an_epoch(void)
{
    const char *properties = "chmu-instances=3,chmu-entries=16";
    ChmuBed *from = bed_new(properties), *to;
    uint64_t before[3][14];

    bed_enable(from, 0, &(ChmuSetup) { .threshold = 5, .notify = 2 });
    bed_enable(from, 1, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .threshold = 4, .unit_shift = 21 });
    bed_access(from, 7 * PAGE, 9, false);
    bed_step(from, BED_EPOCH_NS);       /* 0: one entry, 1: two */
    bed_access(from, 8 * PAGE, 3, true);
    bed_step(from, BED_EPOCH_NS / 4);
    /* Instance 2 is moved while it is being enabled. */
    bed_write(from, 2, CHMU_CFG0, bed_configure(from, 2, &(ChmuSetup) { 0 }) |
              CHMU_CFG0_ENABLE);
    for (unsigned n = 0; n < 3; n++) {
        for (unsigned i = 0; i < ARRAY_SIZE(before[n]); i++) {
            before[n][i] = bed_read(from, n, 8 * i);
        }
    }

    to = migrate(from, properties);
    bed_free(from);
    for (unsigned n = 0; n < 3; n++) {
        for (unsigned i = 0; i < ARRAY_SIZE(before[n]); i++) {
            g_assert_cmphex(bed_read(to, n, 8 * i), ==, before[n][i]);
        }
    }
    /* Counts go on from where they were, and the epoch ends when it would. */
    bed_access(to, 8 * PAGE, 2, false);
    bed_wait(to, 2);
    bed_access(to, 9 * PAGE, 1, false);
    g_assert_cmphex(bed_read(to, 2, CHMU_STATUS) & CHMU_STATUS_ENABLED, !=, 0);
    bed_step(to, BED_EPOCH_NS);
    bed_assert_listed(to, 0, 2, (ChmuEntry[]) { { 7, 9 }, { 8, 5 } });
    bed_assert_listed(to, 2, 1, (ChmuEntry[]) { { 9, 1 } });
    /* 9 + 3 + 2 + 1 accesses to the same 2 MiB */
    bed_assert_listed(to, 1, 3, (ChmuEntry[]) { { 0, 4 }, { 0, 4 }, { 0, 4 } });
    bed_free(to);
}

static void random_down_sampling_goes_on_the_same_after_migration(void)
{
    ChmuSetup setup = {
        .mode = CHMU_MODE_ALWAYS_ON, .sampling = 3, .unit_shift = 8,
        .flags = CHMU_CFG0_RANDOM,
    };
    g_autoptr(GArray) there = NULL, here = NULL;
    ChmuBed *from = bed_new("chmu-seed=7"), *to;

    bed_enable(from, 0, &setup);
    bed_access(from, 0, 1000, false);
    to = migrate(from, "chmu-seed=8");
    for (unsigned i = 0; i < 200; i++) {
        bed_access(to, 256 * i, 1, false);
    }
    there = bed_drain(to, 0);
    bed_free(to);
    qtest_qmp_assert_success(from->qts, "{'execute': 'cont'}");
    for (unsigned i = 0; i < 200; i++) {
        bed_access(from, 256 * i, 1, false);
    }
    here = bed_drain(from, 0);
    bed_free(from);
    g_assert_cmpuint(here->len, ==, there->len);
    g_assert_cmpint(memcmp(here->data, there->data,
                           here->len * sizeof(ChmuEntry)), ==, 0);
}

static void migrates_what_waits_to_be_counted(void)
{
    ChmuBed *from = bed_new(""), *to;
    uint64_t window = bed_open_window(from);

    bed_enable(from, 0, &(ChmuSetup) { 0 });
    for (unsigned i = 0; i < 5; i++) {
        qtest_writeb(from->qts, window + 3 * PAGE, i);
    }
    to = migrate(from, "chmu-entries=4096");
    bed_free(from);
    bed_access(to, 3 * PAGE, 2, false);
    bed_step(to, BED_EPOCH_NS);
    bed_assert_listed(to, 0, 1, (ChmuEntry[]) { { 3, 7 } });
    bed_free(to);
}

/* It comes once, where the machine goes on. */
static void migrates_with_an_interrupt_pending(void)
{
    ChmuBed *from = bed_new(""), *to;

    bed_arm_interrupt(from, 0);
    bed_enable(from, 0, &(ChmuSetup) {
        .mode = CHMU_MODE_ALWAYS_ON, .notify = 1,
        .flags = CHMU_CFG0_LEVEL_INT });
    qtest_qmp_assert_success(from->qts, "{'execute': 'stop'}");
    bed_access(from, 0, 1, false);
    to = migrate(from, "chmu-entries=4096");
    g_assert_false(bed_take_interrupt(from, 0));
    bed_free(from);
    bed_arm_interrupt(to, 0);
    g_assert_cmphex(bed_read(to, 0, CHMU_STATUS) & CHMU_STATUS_LEVEL, !=, 0);
    g_assert_false(bed_take_interrupt(to, 0));
    for (unsigned i = 0; i < 2; i++) {
        qtest_qmp_assert_success(to->qts, "{'execute': 'cont'}");
        qtest_qmp_assert_success(to->qts, "{'execute': 'query-status'}");
        g_assert_cmpint(bed_take_interrupt(to, 0), ==, i == 0);
        qtest_qmp_assert_success(to->qts, "{'execute': 'stop'}");
    }
    bed_free(to);
}

/* What the destination's QEMU says when it refuses the stream */
static void refuses_the_state_of_another_unit(void)
{
    static const struct {
        const char *properties, *status;
    } cases[] = {
        { "chmu-instances=2", "failed" },
        { "chmu-entries=100", "failed" },
        { "chmu-counter-width=8", "failed" },
        { "chmu-unit-sizes=0x1", "failed" },
        { "chmu-counters=1", "failed" },
        { "chmu-seed=99", "completed" },
    };
    g_autofree char *dir = g_dir_make_tmp("cxl-chmu-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s/stream", dir);
    g_autofree char *file = g_build_filename(dir, "stream", NULL);
    ChmuBed *from = bed_new("");

    bed_enable(from, 0, &(ChmuSetup) { 0 });
    bed_access(from, 0, 1, false);
    bed_access(from, PAGE, 1, false);
    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", uri);
    wait_migration(from->qts);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *all = g_strdup_printf("chmu=on,%s",
                                               cases[i].properties);
        ChmuBed *to = bed_new_bare(BED_MEMORY_BYTES, all, "-incoming defer");
        const char *status = NULL;

        qtest_qmp_assert_success(
            to->qts, "{'execute': 'migrate-incoming', 'arguments': "
            "{'uri': %s, 'exit-on-error': false}}", uri);
        while (!status) {
            QDict *info = qtest_qmp_assert_success_ref(
                to->qts, "{'execute': 'query-migrate'}");
            const char *now = qdict_get_try_str(info, "status") ?: "";

            if (g_str_equal(now, "failed") || g_str_equal(now, "completed")) {
                status = now[0] == 'f' ? "failed" : "completed";
            }
            qobject_unref(info);
        }
        g_assert_cmpstr(status, ==, cases[i].status);
        bed_free(to);
    }
    bed_free(from);
    g_unlink(file);
    g_rmdir(dir);
}

/* What it costs */

/* Kilobytes of QEMU's own memory that are there */
static int64_t resident_kib(ChmuBed *bed)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            qtest_pid(bed->qts));
    g_autofree char *text = NULL;
    char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "RssAnon:");
    g_assert_nonnull(line);
    return g_ascii_strtoll(line + strlen("RssAnon:"), NULL, 10);
}

/*
 * 64 MiB that are touched all over a TiB, in units of 256 bytes: the most that
 * 64 MiB can be.
 */
static void takes_memory_by_what_is_touched(void)
{
    const unsigned blocks = 64;
    ChmuBed *bed = bed_new_bare(TIB, "chmu=on", "");
    uint64_t touched = 0;
    int64_t before;

    bed_map(bed);
    before = resident_kib(bed);
    bed_enable(bed, 0, &(ChmuSetup) { .unit_shift = 8, .threshold = 2 });
    for (unsigned i = 0; i < blocks; i++) {
        bed_access_bytes(bed, i * (TIB / blocks), MIB, 1, false);
        touched += MIB;
    }
    g_assert_cmpuint(touched, ==, 64 * MIB);
    g_assert_cmpuint(bed_count(bed, 0, "requests"), ==,
                     touched / CHMU_LINE_BYTES);
    g_assert_cmpuint(bed_count(bed, 0, "uncounted"), ==, 0);
    g_assert_cmpuint(bed_bytes(bed), >, 256 * 1024 * 8);
    g_assert_cmpuint(bed_bytes(bed), <, 64 * MIB);
    g_assert_cmpint(resident_kib(bed) - before, <, 64 * 1024);
    bed_free(bed);
}

static void memory_stays_within_its_bound(void)
{
    ChmuBed *bed = bed_new("chmu-counters=1000,chmu-entries=4");

    bed_enable(bed, 0, &(ChmuSetup) { .unit_shift = 8, .threshold = 2 });
    bed_access_bytes(bed, 0, 1000 * 256, 1, false);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & CHMU_STATUS_OVERFLOW, ==,
                    0);
    /* No counter is left: what had one goes on, the rest is told of. */
    bed_access_bytes(bed, MIB, MIB, 1, false);
    g_assert_cmphex(bed_read(bed, 0, CHMU_STATUS) & CHMU_STATUS_OVERFLOW, !=,
                    0);
    g_assert_cmpuint(bed_count(bed, 0, "uncounted"), ==, MIB / 64);
    g_assert_cmpuint(bed_bytes(bed), <, 64 * 1024);
    bed_step(bed, BED_EPOCH_NS);
    /* A new epoch has all counters free. */
    bed_access_bytes(bed, MIB, 1000 * 256, 1, false);
    g_assert_cmpuint(bed_count(bed, 0, "uncounted"), ==, MIB / 64);
    bed_free(bed);
}

void add_lifetime_tests(void)
{
    qtest_add_func("cxl-chmu/window/counts", counts_what_reaches_the_memory);
    qtest_add_func("cxl-chmu/window/straddling",
                   counts_an_access_of_two_units_in_both);
    qtest_add_func("cxl-chmu/window/two-backends",
                   counts_by_dpa_in_both_of_two_backends);
    qtest_add_func("cxl-chmu/window/nothing",
                   ignores_accesses_that_reach_nothing);
    qtest_add_func("cxl-chmu/window/off",
                   a_unit_that_is_off_leaves_memory_alone);
    qtest_add_func("cxl-chmu/reset/system", a_system_reset_makes_it_as_new);
    qtest_add_func("cxl-chmu/reset/operation",
                   a_reset_ends_an_operation_in_progress);
    qtest_add_func("cxl-chmu/reset/unplug", can_be_unplugged_while_it_counts);
    qtest_add_func("cxl-chmu/monitor/access",
                   refuses_accesses_that_can_not_be);
    qtest_add_func("cxl-chmu/monitor/without",
                   a_device_without_the_unit_has_nothing_to_tell);
    qtest_add_func("cxl-chmu/monitor/info", the_monitor_shows_each_instance);
    qtest_add_func("cxl-chmu/migration/epoch",
                   migrates_in_the_middle_of_an_epoch);
    qtest_add_func("cxl-chmu/migration/random",
                   random_down_sampling_goes_on_the_same_after_migration);
    qtest_add_func("cxl-chmu/migration/waiting",
                   migrates_what_waits_to_be_counted);
    qtest_add_func("cxl-chmu/migration/interrupt",
                   migrates_with_an_interrupt_pending);
    qtest_add_func("cxl-chmu/migration/refused",
                   refuses_the_state_of_another_unit);
    qtest_add_func("cxl-chmu/memory/touched", takes_memory_by_what_is_touched);
    qtest_add_func("cxl-chmu/memory/bound", memory_stays_within_its_bound);
}
