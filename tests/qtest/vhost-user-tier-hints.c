/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of vhost-user-tier with the real daemon: what a guest asks for over a
 * real virtqueue, and what becomes of it.
 */
#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "vhost-user-tier-daemon.h"

/* Take events until one of that type and reason comes; returns its value. */
static uint64_t wait_event(Bed *bed, uint32_t type, uint32_t reason)
{
    struct virtio_tier_event event;
    BedDesc desc = { bed->queues[VIRTIO_TIER_Q_EVENT].buffers, sizeof(event),
                     VRING_DESC_F_WRITE };

    do {
        uint16_t head = bed_add(bed, VIRTIO_TIER_Q_EVENT, &desc, 1);

        g_assert_cmpuint(bed_wait_used(bed, VIRTIO_TIER_Q_EVENT, head), ==,
                         sizeof(event));
        qtest_memread(bed->qts, desc.addr, &event, sizeof(event));
    } while (le32_to_cpu(event.type) != type ||
             le32_to_cpu(event.reason) != reason);
    return le64_to_cpu(event.value);
}

/* What is right */

static void takes_every_kind_of_hint(void)
{
    static const uint16_t kinds[] = {
        VIRTIO_TIER_T_HOT, VIRTIO_TIER_T_COLD, VIRTIO_TIER_T_WILLNEED,
        VIRTIO_TIER_T_FREE, VIRTIO_TIER_T_PIN, VIRTIO_TIER_T_UNPIN,
    };
    g_autoptr(Daemon) daemon = daemon_new();
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_assert_cmpuint(bed_hint(bed, kinds[i], BED_FREE + i * MIB, MIB), ==,
                         VIRTIO_TIER_S_OK);
    }
    daemon_wait_figure(bed, "hot", "taken", 1);
    daemon_wait_figure(bed, "hot", "bytes", MIB);
    daemon_wait_figure(bed, "pin", "taken", 1);
    daemon_wait_figure(bed, NULL, "pinned-bytes", MIB);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_UNPIN, BED_FREE + 4 * MIB,
                              MIB), ==, VIRTIO_TIER_S_OK);
    daemon_wait_figure(bed, NULL, "pinned-bytes", 0);
}

static void tells_where_memory_is(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    struct virtio_tier_range ranges[2] = {
        { cpu_to_le64(BED_FREE), cpu_to_le64(4 * MIB) },
        { cpu_to_le64(BED_RAM_BYTES), cpu_to_le64(4096) },
    };
    struct virtio_tier_result results[2];
    struct virtio_tier_resp resp;
    uint64_t bytes = 0;
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    bed_send(bed, VIRTIO_TIER_T_QUERY, ranges, 2, &resp, results,
             sizeof(results));
    g_assert_cmpuint(le32_to_cpu(resp.status), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(le32_to_cpu(results[0].status), ==, VIRTIO_TIER_S_OK);
    for (unsigned i = 0; i < VIRTIO_TIER_MAX_TIERS; i++) {
        bytes += le64_to_cpu(results[0].tier_bytes[i]);
    }
    g_assert_cmpuint(bytes + le64_to_cpu(results[0].other_bytes), ==, 4 * MIB);
    g_assert_cmpuint(le32_to_cpu(results[1].status), ==,
                     VIRTIO_TIER_S_NOT_RAM);
}

static void pins_up_to_its_limit(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    struct virtio_tier_config config;
    uint64_t limit;
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    bed_read_config(bed, &config);
    limit = le64_to_cpu(config.pin_limit);
    g_assert_cmpuint(limit, >, 2 * MIB);
    g_assert_cmpuint(limit, <, 16 * MIB);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_PIN, BED_FREE, limit + 4096),
                     ==, VIRTIO_TIER_S_LIMIT);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_PIN, BED_FREE, limit), ==,
                     VIRTIO_TIER_S_OK);
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_PIN, BED_FREE + limit, 4096),
                     ==, VIRTIO_TIER_S_LIMIT);
    daemon_wait_figure(bed, NULL, "pinned-bytes", limit);
    daemon_wait_figure(bed, "pin", "over-limit", 2);
    bed_reset(bed);
    daemon_wait_figure(bed, NULL, "pinned-bytes", 0);
}

static void tells_of_a_new_budget(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    struct virtio_tier_config config;
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    qtest_qmp_assert_success(bed->qts, "{'execute': 'memory-tier-set', "
                             "'arguments': {'id': 'ram', "
                             "'fast-size': 33554432}}");
    while (wait_event(bed, VIRTIO_TIER_E_BUDGET, VIRTIO_TIER_R_NONE) !=
           32 * MIB) {
        g_usleep(1000);         /* an earlier budget */
    }
    do {
        qvirtio_wait_config_isr(&bed->dev->vdev, BED_TIMEOUT_MS * 1000);
        bed_read_config(bed, &config);
    } while (le64_to_cpu(config.fast_budget) != 32 * MIB);
}

static void tells_what_the_rate_limit_drops(void)
{
    struct virtio_tier_range ranges[200];
    uint32_t statuses[ARRAY_SIZE(ranges)];
    struct virtio_tier_resp resp;
    unsigned dropped = 0;
    g_autoptr(Daemon) daemon = daemon_new_limited(100);
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        ranges[i].addr = cpu_to_le64(BED_FREE + i * 4096);
        ranges[i].len = cpu_to_le64(4096);
    }
    bed_send(bed, VIRTIO_TIER_T_HOT, ranges, ARRAY_SIZE(ranges), &resp,
             statuses, sizeof(statuses));
    g_assert_cmpuint(le32_to_cpu(resp.n_ranges), ==, ARRAY_SIZE(ranges));
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        dropped += le32_to_cpu(statuses[i]) == VIRTIO_TIER_S_RATE;
    }
    g_assert_cmpuint(dropped, >=, 90);
    g_assert_cmpuint(dropped, <, ARRAY_SIZE(ranges));
    daemon_wait_figure(bed, NULL, "dropped-rate", dropped);
    g_assert_cmpuint(wait_event(bed, VIRTIO_TIER_E_HINTS_IGNORED,
                                VIRTIO_TIER_R_RATE), ==, dropped);
}

/* What it lives through */

static void outlives_a_daemon_that_is_killed(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    g_autoptr(Bed) bed = NULL;

    if (!daemon) {
        return;
    }
    bed = daemon_start_driven(daemon, "one");
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_PIN, BED_FREE, MIB), ==,
                     VIRTIO_TIER_S_OK);
    daemon_end(daemon, SIGKILL);
    bed_wait_bool(bed, "connected", false);
    daemon_start(daemon);
    daemon_wait_on(bed);
    wait_event(bed, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_RESTART);
}

static int64_t migration_figure(Bed *bed, const char *key, bool *completed)
{
    QDict *info = qtest_qmp_assert_success_ref(
        bed->qts, "{'execute': 'query-migrate'}");
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t value = ram ? qdict_get_int(ram, key) : 0;

    *completed = !g_strcmp0(qdict_get_try_str(info, "status"), "completed");
    g_assert_cmpstr(qdict_get_try_str(info, "status"), !=, "failed");
    qobject_unref(info);
    return value;
}

static void wait_migrated(Bed *bed)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;
    bool completed;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
        migration_figure(bed, "transferred", &completed);
    } while (!completed);
}

/* What the daemon writes while memory is on its way is not left behind. */
static void answers_during_migration_arrive(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    char *file = bed_make_file("stream");
    g_autofree char *uri = g_strdup_printf("unix:%s", file);
    g_autofree char *incoming = g_strdup_printf("-incoming %s", uri);
    const uint64_t at = BED_RAM_BYTES / 4, size = 8 * MIB;
    g_autofree uint8_t *sent = g_malloc(size), *came = g_malloc(size);
    bool completed;
    g_autoptr(Bed) from = NULL, to = NULL;

    if (!daemon) {
        bed_remove_file(file);
        return;
    }
    from = daemon_start_driven(daemon, "one");
    to = daemon_start_vm(daemon, "two", incoming);
    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate-set-parameters',"
                             "'arguments': {'max-bandwidth': 4194304}}");
    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    /* The queues, which lie lower than all that was filled, have been sent. */
    while (migration_figure(from, "transferred", &completed) < MIB) {
        g_usleep(10000);
    }
    for (unsigned i = 0; i < 40; i++) {
        g_assert_false(bed_hint(from, VIRTIO_TIER_T_QUERY,
                                BED_FREE + i * 4096, 4096));
    }
    migration_figure(from, "transferred", &completed);
    g_assert_false(completed);
    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate-set-parameters',"
                             "'arguments': {'max-bandwidth': 0}}");
    wait_migrated(from);
    bed_take_over(to, from);
    qtest_memread(from->qts, at, sent, size);
    qtest_memread(to->qts, at, came, size);
    g_assert_true(!memcmp(sent, came, size));
    daemon_wait_on(to);
    bed_remove_file(file);
}

static void pins_migrate(void)
{
    g_autoptr(Daemon) daemon = daemon_new();
    char *file = bed_make_file("vm");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *incoming = g_strdup_printf("-incoming %s", uri);
    g_autoptr(Bed) from = NULL, to = NULL;

    if (!daemon) {
        bed_remove_file(file);
        return;
    }
    from = daemon_start_driven(daemon, "one");
    g_assert_cmpuint(bed_hint(from, VIRTIO_TIER_T_PIN, BED_FREE, MIB), ==,
                     VIRTIO_TIER_S_OK);
    g_assert_cmpuint(bed_hint(from, VIRTIO_TIER_T_PIN, BED_FREE + 8 * MIB,
                              MIB), ==, VIRTIO_TIER_S_OK);
    qtest_qmp_assert_success(from->qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    wait_migrated(from);
    to = daemon_start_vm(daemon, "two", incoming);
    daemon_wait_figure(to, NULL, "pinned-bytes", 2 * MIB);
    bed_remove_file(file);
}

void add_hint_tests(void)
{
#define ADD(test) qtest_add_func("/vhost-user-tier/hints/" #test, test)
    ADD(takes_every_kind_of_hint);
    ADD(tells_where_memory_is);
    ADD(pins_up_to_its_limit);
    ADD(tells_of_a_new_budget);
    ADD(tells_what_the_rate_limit_drops);
    ADD(outlives_a_daemon_that_is_killed);
    ADD(answers_during_migration_arrive);
    ADD(pins_migrate);
#undef ADD
}
