/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the QMP commands query-memory-tiers, memory-tier-set and
 * memory-tier-place.
 */
#include "qemu/osdep.h"

#include "memory-tier-test.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

#define MIB (1024 * 1024)

/* Residency */

static void assert_adds_up(QDict *backend)
{
    uint64_t sum = qdict_get_int(backend, "off-tier") +
                   qdict_get_int(backend, "unmapped") +
                   qdict_get_int(backend, "absent") +
                   tier_bytes(backend, 0, "resident");

    g_assert_cmpint(sum, ==, qdict_get_int(backend, "size"));
}

static void counts_memory_that_is_touched(void)
{
    QTestState *qts = start_ram("tiers.0=0");
    QDict *before = query_backend(qts), *after;

    assert_adds_up(before);
    qtest_memset(qts, 32 * MIB, 0x5a, 8 * MIB);
    after = query_backend(qts);
    assert_adds_up(after);
    g_assert_cmpint(tier_bytes(after, 0, "resident") -
                    tier_bytes(before, 0, "resident"), ==, 8 * MIB);
    qobject_unref(before);
    qobject_unref(after);
    qtest_quit(qts);
}

static void preallocated_memory_is_all_there(void)
{
    QTestState *qts = start_ram("tiers.0=0,prealloc=on");
    QDict *backend = query_backend(qts);

    g_assert_cmpint(tier_bytes(backend, 0, "resident"), ==, 64 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "absent"), ==, 0);
    qobject_unref(backend);
    qtest_quit(qts);
}

static void shows_all_backends_and_none(void)
{
    QTestState *qts = qtest_init("-M none");
    QDict *response;

    for (int n = 0; n < 3; n++) {
        response = qtest_qmp(qts, "{'execute': 'query-memory-tiers'}");
        g_assert_cmpint(qlist_size(qdict_get_qlist(response, "return")), ==, n);
        qobject_unref(response);
        qtest_qmp_assert_success(
            qts, "{'execute': 'object-add', 'arguments': {'qom-type':"
            "'memory-backend-tier', 'id': %s, 'size': 4096}}",
            (char []) { 'r', '0' + n, 0 });
    }
    qtest_quit(qts);
}

static void leaves_out_residency_where_it_is_not_wanted(void)
{
    QTestState *qts = start_ram("tiers.0=0");
    QDict *response = qtest_qmp(qts, "{'execute': 'query-memory-tiers',"
                                "'arguments': {'residency': false}}");
    QDict *backend = qobject_to(QDict, qlist_peek(
        qdict_get_qlist(response, "return")));
    QDict *tier = qobject_to(QDict, qlist_peek(
        qdict_get_qlist(backend, "tiers")));

    g_assert_false(qdict_haskey(tier, "resident"));
    g_assert_true(qdict_haskey(tier, "planned"));
    g_assert_false(qdict_haskey(backend, "absent"));
    g_assert_false(qdict_haskey(backend, "unmapped"));
    g_assert_false(qdict_haskey(backend, "off-tier"));
    qobject_unref(response);
    qtest_quit(qts);
}

/* memory-tier-set */

static void set_changes_what_is_named(void)
{
    QTestState *qts = start_two_tiers("fast-size=16M,fast-min=1M");
    QDict *backend;

    qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set', 'arguments':"
                             "{'id': 'ram', 'fast-size': 8388608,"
                             " 'mode': 'observe'}}");
    backend = query_backend(qts);
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 8 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "fast-min"), ==, MIB);
    g_assert_cmpint(qdict_get_int(backend, "weight"), ==, 100);
    g_assert_cmpstr(qdict_get_str(backend, "mode"), ==, "observe");
    /* The initial placement is history. */
    g_assert_cmpint(tier_bytes(backend, 0, "planned"), ==, 16 * MIB);
    qobject_unref(backend);
    qtest_quit(qts);
}

static void set_refuses_all_or_nothing(void)
{
    QTestState *qts = start_two_tiers("fast-size=16M,fast-min=1M");
    QDict *backend;

    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'weight': 7, "
                   "'fast-size': 65536}", "must be at most fast-size, 65536");
    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'slowdown': 2}",
                   "from 0 (no target) to 1");
    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'weight': 0}",
                   "it must be from 1 to 1000");
    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'fast-size': "
                   "67112960}", "at most the size, 67108864");
    assert_refused(qts, "memory-tier-set", "{'id': 'rom', 'weight': 7}",
                   "There is no memory-backend-tier 'rom'");
    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'size': 7}",
                   "'size' is unexpected");
    backend = query_backend(qts);
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 16 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "weight"), ==, 100);
    g_assert_false(qdict_haskey(backend, "slowdown"));
    qobject_unref(backend);
    qtest_quit(qts);
}

/* memory-tier-place */

static void place_refuses_ranges_that_do_not_exist(void)
{
    static const struct {
        const char *arguments;
        const char *error;
    } cases[] = {
        { "'offset': 1, 'size': 4096, 'tier': 0", "multiples of the page" },
        { "'offset': 0, 'size': 4095, 'tier': 0", "multiples of the page" },
        { "'offset': 0, 'size': 0, 'tier': 0", "size not 0" },
        { "'offset': 67108864, 'size': 4096, 'tier': 0", "reach beyond" },
        { "'offset': 4096, 'size': 67108864, 'tier': 0", "reach beyond" },
        { "'offset': 4096, 'size': 18446744073709547520, 'tier': 0",
          "at most 1073741824" },
        { "'offset': 18446744073709547520, 'size': 8192, 'tier': 0",
          "reach beyond" },
        { "'offset': 0, 'size': 4096, 'tier': 2", "must be less than 2" },
    };
    QTestState *qts = start_two_tiers("");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *arguments = g_strdup_printf("{'id': 'ram', %s}",
                                                     cases[i].arguments);

        assert_refused(qts, "memory-tier-place", arguments, cases[i].error);
    }
    assert_refused(qts, "memory-tier-place", "{'id': 'rom', 'offset': 0, "
                   "'size': 4096, 'tier': 0}", "no memory-backend-tier 'rom'");
    qtest_quit(qts);
}

static QDict *place(QTestState *qts, uint64_t offset, uint64_t size, int tier)
{
    return qtest_qmp_assert_success_ref(
        qts, "{'execute': 'memory-tier-place', 'arguments': {'id': 'ram',"
        "'offset': %" PRIu64 ", 'size': %" PRIu64 ", 'tier': %d}}", offset,
        size, tier);
}

static void place_asks_only_for_pages_that_are_elsewhere(void)
{
    QTestState *qts = start_two_tiers("");
    QDict *moves;

    qtest_memset(qts, 32 * MIB, 0x5a, 4 * MIB);
    moves = place(qts, 0, 64 * MIB, 0);
    g_assert_cmpint(qdict_get_int(moves, "asked"), ==,
                    qdict_get_int(moves, "applied"));
    qobject_unref(moves);
    moves = place(qts, 0, 64 * MIB, 0);
    g_assert_cmpint(qdict_get_int(moves, "asked"), ==, 0);
    qobject_unref(moves);
    qtest_quit(qts);
}

static void place_reports_what_could_not_move(void)
{
    QTestState *qts;
    QDict *moves, *failed;

    if (g_file_test("/sys/devices/system/node/node1", G_FILE_TEST_EXISTS)) {
        g_test_skip("this host has a node 1, so pages do move");
        return;
    }
    qts = start_two_tiers("");
    qtest_memset(qts, 32 * MIB, 0x5a, 4 * MIB);
    moves = place(qts, 32 * MIB, 8 * MIB, 1);
    failed = qdict_get_qdict(moves, "failed");
    g_assert_cmpint(qdict_get_int(moves, "asked"), ==, 1024);
    g_assert_cmpint(qdict_get_int(moves, "applied"), ==, 0);
    g_assert_cmpint(qdict_get_int(failed, "cpuset"), ==, 1024);
    qobject_unref(moves);
    g_assert_cmpint(qtest_readb(qts, 36 * MIB - 1), ==, 0x5a);
    qtest_quit(qts);
}

static void place_moves_all_of_a_range(void)
{
    QTestState *qts;
    QDict *moves, *backend;

    if (!has_two_nodes()) {
        return;
    }
    qts = start_ram("tiers.0=0,tiers.1=1,placement=fast-first");
    qtest_memset(qts, 16 * MIB, 0x5a, 8 * MIB);
    for (int tier = 1; tier >= 0; tier--) {
        moves = place(qts, 16 * MIB, 8 * MIB, tier);
        g_assert_cmpint(qdict_get_int(moves, "asked"), ==, 2048);
        g_assert_cmpint(qdict_get_int(moves, "applied"), ==, 2048);
        qobject_unref(moves);
        backend = query_backend(qts);
        g_assert_cmpint(tier_bytes(backend, tier, "resident"), >=, 8 * MIB);
        qobject_unref(backend);
    }
    g_assert_cmpint(qtest_readb(qts, 24 * MIB - 1), ==, 0x5a);
    qtest_quit(qts);
}

void add_command_tests(void)
{
#define ADD(test) qtest_add_func("/memory-tier/commands/" #test, test)
    ADD(counts_memory_that_is_touched);
    ADD(preallocated_memory_is_all_there);
    ADD(shows_all_backends_and_none);
    ADD(leaves_out_residency_where_it_is_not_wanted);
    ADD(set_changes_what_is_named);
    ADD(set_refuses_all_or_nothing);
    ADD(place_refuses_ranges_that_do_not_exist);
    ADD(place_asks_only_for_pages_that_are_elsewhere);
    ADD(place_reports_what_could_not_move);
    ADD(place_moves_all_of_a_range);
#undef ADD
}
