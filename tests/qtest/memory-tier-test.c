/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of memory-backend-tier: its properties, and what it does with memory.
 * (QMP commands: memory-tier-commands.c. The memory channel: -channel.c,
 * -lifetime.c and -misbehaviour.c.)
 *
 * Hosts with two kinds of memory are rare, so most tests give the backend a
 * made-up /sys, in which node 0 is as here and node 1 is memory without CPUs.
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>

#include "memory-tier-test.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

#define MIB (1024 * 1024)

static char *sysfs;             /* of the made-up host */

static G_GNUC_PRINTF(2, 3)
void write_file(const char *text, const char *format, ...)
{
    g_autofree char *path = NULL;
    g_autofree char *dir = NULL;
    va_list ap;

    va_start(ap, format);
    path = g_strdup_vprintf(format, ap);
    va_end(ap);
    dir = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void make_sysfs(void)
{
    static const char *const cpus[] = { "0-1\n", "\n" };

    sysfs = g_dir_make_tmp("memory-tier-sysfs-XXXXXX", NULL);
    g_assert_nonnull(sysfs);
    write_file("0-1\n", "%s/devices/system/node/online", sysfs);
    for (int node = 0; node < 2; node++) {
        g_autofree char *meminfo = g_strdup_printf(
            "Node %d MemTotal: 1048576 kB\nNode %d MemFree: 524288 kB\n", node,
            node);

        write_file(meminfo, "%s/devices/system/node/node%d/meminfo", sysfs,
                   node);
        write_file(cpus[node], "%s/devices/system/node/node%d/cpulist", sysfs,
                   node);
    }
}

static void remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *sub = g_build_filename(path, name, NULL);

        remove_tree(sub);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_remove(path);
}

QTestState *start_ram(const char *options)
{
    return qtest_initf("-nodefaults -M q35,memory-backend=ram -m 64M "
                       "-object memory-backend-tier,id=ram,size=64M%s%s",
                       options[0] ? "," : "", options);
}

QTestState *start_two_tiers(const char *options)
{
    g_autofree char *all = g_strdup_printf("x-sysfs=%s%s%s", sysfs,
                                           options[0] ? "," : "", options);

    return start_ram(all);
}

QDict *query_backend(QTestState *qts)
{
    QDict *response = qtest_qmp(qts, "{'execute': 'query-memory-tiers'}");
    QList *list = qdict_get_qlist(response, "return");
    QDict *backend;

    g_assert_nonnull(list);
    g_assert_cmpint(qlist_size(list), ==, 1);
    backend = qobject_to(QDict, qlist_peek(list));
    qobject_ref(backend);
    qobject_unref(response);
    return backend;
}

QDict *query_daemon(QTestState *qts)
{
    QDict *backend = query_backend(qts);
    QDict *daemon = qdict_get_qdict(backend, "daemon");

    g_assert_nonnull(daemon);
    qobject_ref(daemon);
    qobject_unref(backend);
    return daemon;
}

void wait_daemon(QTestState *qts, const char *key, bool value)
{
    for (int i = 0; i < 1000; i++) {
        QDict *daemon = query_daemon(qts);
        bool now = qdict_get_bool(daemon, key);

        qobject_unref(daemon);
        if (now == value) {
            return;
        }
        g_usleep(20000);
    }
    g_assert_not_reached();
}

void assert_refused(QTestState *qts, const char *command, const char *arguments,
                    const char *error)
{
    QDict *response = qtest_qmp(qts, "{'execute': %s, 'arguments': %p}",
                                command, qobject_from_json(arguments,
                                                           &error_abort));
    QDict *refusal = qdict_get_qdict(response, "error");

    if (!refusal || !strstr(qdict_get_str(refusal, "desc"), error)) {
        g_autoptr(GString) text = qobject_to_json(QOBJECT(response));

        g_test_message("%s %s: expected '%s', got %s", command, arguments,
                       error, text->str);
        g_test_fail();
    }
    qobject_unref(response);
}

uint64_t tier_bytes(QDict *backend, int tier, const char *key)
{
    const QListEntry *entry = qlist_first(qdict_get_qlist(backend, "tiers"));

    while (tier-- > 0) {
        entry = qlist_next(entry);
    }
    return qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)), key);
}

/* Properties */

static void refuses_what_properties_do_not_allow(void)
{
    static const struct {
        const char *properties;
        const char *error;
    } cases[] = {
        { "'weight': 0", "weight' doesn't take value '0': it must be from 1" },
        { "'weight': 1001", "doesn't take value '1001'" },
        { "'slowdown': 1.5", "slowdown' doesn't take value '1.5': it must be" },
        { "'slowdown': -0.1", "slowdown' doesn't take value '-0.1'" },
        { "'fast-size': 67112960", "must be at most the size, 67108864" },
        { "'fast-size': 4097", "'4097': it must be a multiple of the page" },
        { "'fast-min': 4097", "fast-min' doesn't take value '4097'" },
        { "'fast-size': 4096, 'fast-min': 8192", "at most fast-size, 4096" },
        { "'share': false", "share' doesn't take value 'off'" },
        { "'policy': 'bind', 'host-nodes': [0]", "are given by 'tiers'" },
        { "'policy': 'preferred'", "are given by 'tiers'" },
        { "'tiers': []", "0 tiers are named; 1 to 4 are allowed" },
        { "'tiers': ['']", "tiers' doesn't take an empty list" },
        { "'tiers': ['0x']", "'0x' is no list of NUMA nodes" },
        { "'tiers': ['1-0']", "is no list of NUMA nodes" },
        { "'tiers': ['0', '0']", "node 0 belongs to tier 0 already" },
        { "'tiers': ['0', '900']", "node 900 does not exist" },
        { "'tiers': ['5000']", "a number from 0 to 1023" },
        { "'tiers': ['0', '0', '0', '0', '0']", "5 tiers are named" },
        { "'tiers': '0'", "'tiers', expected: array" },
        { "'placement': 'nowhere'", "does not accept value 'nowhere'" },
        { "'hugepages': 'on'", "does not accept value 'on'" },
        { "'mode': 'auto'", "does not accept value 'auto'" },
        { "'chardev': 'none'", "there is no chardev 'none'" },
        { "'chardev': 'null'", "chardev 'null' can't be used" },
        { "'chardev': 'server'", "chardev 'server' can't be used" },
        { "'chardev': 'tcp'", "chardev 'tcp' can't be used" },
    };
    g_autofree char *path = g_build_filename(sysfs, "server", NULL);
    QTestState *qts = qtest_initf(
        "-M none -chardev null,id=null "
        "-chardev socket,id=server,path=%s,server=on,wait=off "
        "-chardev socket,id=tcp,host=127.0.0.1,port=1,reconnect-ms=60000",
        path);

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *arguments = g_strdup_printf(
            "{'qom-type': 'memory-backend-tier', 'id': 'ram', "
            "'size': 67108864, %s}", cases[i].properties);

        assert_refused(qts, "object-add", arguments, cases[i].error);
    }
    /* Nothing is left of them. */
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'memory-backend-tier', 'id': 'ram',"
                             "'size': 67108864}}");
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             "'arguments': {'id': 'ram'}}");
    qtest_quit(qts);
}

static void refuses_hugetlb_sizes_that_are_no_multiple(void)
{
    QTestState *qts = qtest_init("-M none");

    assert_refused(qts, "object-add",
                   "{'qom-type': 'memory-backend-tier', 'id': 'ram', "
                   "'size': 67112960, 'hugepages': 'hugetlb'}",
                   "must be a multiple of the page size, 2097152");
    qtest_quit(qts);
}

static void says_how_many_huge_pages_are_missing(void)
{
    QTestState *qts = qtest_init("-M none");

    /* A TiB of them: no test host has so many. */
    assert_refused(qts, "object-add",
                   "{'qom-type': 'memory-backend-tier', 'id': 'ram', "
                   "'size': 1099511627776, 'hugepages': 'hugetlb'}",
                   "takes 524288 free huge pages of 2 MiB");
    qtest_quit(qts);
}

static void properties_are_fixed_once_memory_exists(void)
{
    QTestState *qts = start_ram("");

    assert_refused(qts, "qom-set", "{'path': '/objects/ram', "
                   "'property': 'weight', 'value': 5}", "memory-tier-set");
    assert_refused(qts, "qom-set", "{'path': '/objects/ram', "
                   "'property': 'placement', 'value': 'fast-first'}",
                   "can't be set once the memory exists");
    qtest_quit(qts);
}

static void one_tier_observes(void)
{
    QTestState *qts = start_ram("tiers.0=0");
    QDict *backend = query_backend(qts);

    g_assert_cmpstr(qdict_get_str(backend, "id"), ==, "ram");
    g_assert_cmpstr(qdict_get_str(backend, "mode"), ==, "observe");
    g_assert_cmpstr(qdict_get_str(backend, "tiers-origin"), ==, "property");
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 64 * MIB);
    g_assert_cmpint(tier_bytes(backend, 0, "planned"), ==, 64 * MIB);
    g_assert_false(qdict_haskey(backend, "daemon"));
    g_assert_false(qdict_haskey(backend, "placement-problem"));
    qobject_unref(backend);
    assert_refused(qts, "memory-tier-set", "{'id': 'ram', 'mode': 'on'}",
                   "with one tier nothing can move");
    qtest_quit(qts);
}

static void two_tiers_share_by_half_unless_told(void)
{
    QTestState *qts = start_two_tiers("");
    QDict *backend = query_backend(qts);

    g_assert_cmpstr(qdict_get_str(backend, "mode"), ==, "on");
    g_assert_cmpstr(qdict_get_str(backend, "tiers-origin"), ==,
                    "nodes without CPUs");
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 32 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "fast-min"), ==, 0);
    g_assert_cmpint(qdict_get_int(backend, "weight"), ==, 100);
    g_assert_cmpint(tier_bytes(backend, 1, "total"), ==, 1024 * MIB);
    g_assert_cmpint(tier_bytes(backend, 1, "free"), ==, 512 * MIB);
    qobject_unref(backend);
    qtest_quit(qts);
}

/* Placement */

static void plans_what_the_placement_says(void)
{
    static const struct {
        const char *options;
        uint64_t fast;
    } cases[] = {
        { "fast-size=16M", 16 * MIB },
        { "fast-size=13M", 14 * MIB },  /* in stripes of 2 MiB */
        { "fast-size=0", 0 },
        { "fast-size=64M", 64 * MIB },
        { "fast-size=13M,placement=fast-first", 13 * MIB },
        { "fast-size=16M,placement=slow-first", 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        QTestState *qts = start_two_tiers(cases[i].options);
        QDict *backend = query_backend(qts);

        g_assert_cmpint(tier_bytes(backend, 0, "planned"), ==, cases[i].fast);
        g_assert_cmpint(tier_bytes(backend, 1, "planned"), ==,
                        64 * MIB - cases[i].fast);
        qobject_unref(backend);
        qtest_quit(qts);
    }
}

/* What of /proc/PID/@file is about the backend's memory, a line each. */
static char **proc_lines(QTestState *qts, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", qtest_pid(qts),
                                            file);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GPtrArray *ours = g_ptr_array_new();

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_ptr_array_free(ours, true);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (strstr(*line, "memfd:memory-backend-tier")) {
            g_ptr_array_add(ours, g_strdup(*line));
        }
    }
    g_ptr_array_add(ours, NULL);
    return (char **)g_ptr_array_free(ours, false);
}

static void kernel_prefers_the_fast_node_in_one_mapping(void)
{
    /* All of it in node 0, which is there, so that the kernel agrees */
    QTestState *qts = start_two_tiers("fast-size=64M");
    g_auto(GStrv) maps = proc_lines(qts, "maps");
    g_auto(GStrv) policies = proc_lines(qts, "numa_maps");
    QDict *backend = query_backend(qts);

    g_assert_cmpint(g_strv_length(maps), ==, 1);
    if (policies) {
        g_assert_false(qdict_haskey(backend, "placement-problem"));
        g_assert_cmpint(g_strv_length(policies), ==, 1);
        g_assert_nonnull(strstr(policies[0], " prefer"));
    } else {
        g_test_skip("this kernel has no NUMA");
    }
    qobject_unref(backend);
    qtest_quit(qts);
}

static void interleaving_begins_in_the_fast_tier(void)
{
    QTestState *qts;
    g_auto(GStrv) policies = NULL;

    qts = start_two_tiers("fast-size=2M");
    policies = proc_lines(qts, "numa_maps");
    /* numa_maps shows the policy of a mapping's first page */
    if (policies) {
        g_assert_nonnull(strstr(policies[0], " prefer"));
        g_assert_nonnull(strstr(policies[0], ":0 "));
    } else {
        g_test_skip("this kernel has no NUMA");
    }
    qtest_quit(qts);
}

static void runs_on_where_the_kernel_refuses_the_placement(void)
{
    QTestState *qts;
    QDict *backend;

    if (g_file_test("/sys/devices/system/node/node1", G_FILE_TEST_EXISTS)) {
        g_test_skip("this host has a node 1, so nothing is refused");
        return;
    }
    qts = start_two_tiers("placement=slow-first");
    backend = query_backend(qts);
    g_assert_nonnull(strstr(qdict_get_str(backend, "placement-problem"),
                            "prefer the NUMA nodes 1"));
    qobject_unref(backend);
    qtest_memset(qts, 32 * MIB, 0x5a, MIB);
    g_assert_cmpint(qtest_readb(qts, 33 * MIB - 1), ==, 0x5a);
    qtest_quit(qts);
}

/* On hosts with two nodes, such as the lab's */

bool has_two_nodes(void)
{
    if (!g_file_test("/sys/devices/system/node/node1", G_FILE_TEST_EXISTS)) {
        g_test_skip("this host has one NUMA node");
        return false;
    }
    return true;
}

static void memory_lands_where_it_was_planned(void)
{
    static const char *const options[] = {
        "fast-size=16M",
        "fast-size=14M",
        "fast-size=14M,placement=fast-first",
        "fast-size=16M,placement=slow-first",
    };

    if (!has_two_nodes()) {
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        g_autofree char *all = g_strdup_printf(
            "tiers.0=0,tiers.1=1,prealloc=on,%s", options[i]);
        QTestState *qts = start_ram(all);
        g_auto(GStrv) maps = proc_lines(qts, "maps");
        QDict *backend = query_backend(qts);

        g_assert_false(qdict_haskey(backend, "placement-problem"));
        g_assert_cmpint(g_strv_length(maps), ==, 1);
        for (int tier = 0; tier < 2; tier++) {
            g_assert_cmpint(tier_bytes(backend, tier, "resident"), ==,
                            tier_bytes(backend, tier, "planned"));
        }
        qobject_unref(backend);
        qtest_quit(qts);
    }
}

int main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    make_sysfs();

#define ADD(test) qtest_add_func("/memory-tier/" #test, test)
    ADD(refuses_what_properties_do_not_allow);
    ADD(refuses_hugetlb_sizes_that_are_no_multiple);
    ADD(says_how_many_huge_pages_are_missing);
    ADD(properties_are_fixed_once_memory_exists);
    ADD(one_tier_observes);
    ADD(two_tiers_share_by_half_unless_told);
    ADD(plans_what_the_placement_says);
    ADD(kernel_prefers_the_fast_node_in_one_mapping);
    ADD(interleaving_begins_in_the_fast_tier);
    ADD(runs_on_where_the_kernel_refuses_the_placement);
    ADD(memory_lands_where_it_was_planned);
#undef ADD
    add_command_tests();
    add_channel_tests();
    add_lifetime_tests();
    add_misbehaviour_tests();

    rc = g_test_run();
    remove_tree(sysfs);
    g_free(sysfs);
    return rc;
}
