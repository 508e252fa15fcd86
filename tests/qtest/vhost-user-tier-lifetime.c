/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what vhost-user-tier lives through: daemons that come late, go and
 * come back; resets, stops and unplugging; live migration.
 */
#include "qemu/osdep.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "qemu/bswap.h"
#include "vhost-user-tier-bed.h"

#define F_DEVICE_STATE (1ull << 19)     /* of vhost-user's protocol */

/* Leave @n requests in the hint queue; their heads follow each other by 2. */
static void add_requests(Bed *bed, unsigned n)
{
    struct virtio_tier_range range = { cpu_to_le64(BED_FREE),
                                       cpu_to_le64(4096) };

    for (unsigned i = 0; i < n; i++) {
        bed_add(bed, VIRTIO_TIER_Q_HINT,
                bed_request(bed, VIRTIO_TIER_T_HOT, &range, 1).descs, 2);
    }
}

static void wait_requests(Bed *bed, uint16_t head, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bed_wait_used(bed, VIRTIO_TIER_Q_HINT, (head + 2 * i) %
                                               BED_QUEUE_SIZE);
    }
}

static void assert_serves(Bed *bed)
{
    g_assert_cmpuint(bed_hint(bed, VIRTIO_TIER_T_HOT, BED_FREE, 4096), ==,
                     VIRTIO_TIER_S_OK);
}

/* A daemon comes, and serves the driver. */
static void start(Peer *peer, Bed *bed)
{
    peer_listen(peer);
    bed_drive_all(bed);
    assert_serves(bed);
}

/* Daemons that come and go */

static void a_late_daemon_finds_what_waits(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    bed_drive_all(bed);
    add_requests(bed, 3);
    g_assert_false(bed_has_used(bed, VIRTIO_TIER_Q_HINT));
    peer_listen(peer);
    wait_requests(bed, 0, 3);
}

static void outlives_the_daemon(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    bed_drive_all(bed);
    for (unsigned i = 0; i < 4; i++) {
        assert_serves(bed);
        peer_die(peer);
        bed_wait_bool(bed, "connected", false);
        bed_wait_problem(bed, "closed the connection");
        peer_listen(peer);
        bed_wait_bool(bed, "serving", true);
    }
    assert_serves(bed);
}

static void a_new_daemon_finds_what_the_last_left(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    bed_drive_all(bed);
    add_requests(bed, 2);
    wait_requests(bed, 0, 2);
    peer_hold(peer, true);
    add_requests(bed, 3);
    peer_die(peer);
    bed_wait_bool(bed, "connected", false);
    add_requests(bed, 1);
    peer_listen(peer);
    bed_wait_bool(bed, "serving", true);
    g_assert_false(bed_has_used(bed, VIRTIO_TIER_Q_HINT));
    peer_hold(peer, false);
    wait_requests(bed, 4, 4);
}

static void a_daemon_may_go_while_there_is_no_driver(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    for (unsigned i = 0; i < 3; i++) {
        peer_listen(peer);
        bed_wait_bool(bed, "connected", true);
        peer_die(peer);
        bed_wait_bool(bed, "connected", false);
    }
    bed_drive_all(bed);
    peer_listen(peer);
    assert_serves(bed);
}

/* Resets and stops */

static void tells_of_a_reset(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");
    unsigned resets;

    start(peer, bed);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    bed_reset(bed);
    peer_wait(peer, VU_RESET_DEVICE, resets + 1);
    bed_drive_all(bed);
    assert_serves(bed);

    /* One that happens while there is no daemon is told to the next. */
    peer_die(peer);
    bed_wait_bool(bed, "connected", false);
    bed_reset(bed);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    peer_listen(peer);
    peer_wait(peer, VU_RESET_DEVICE, resets + 1);

    /* But only once. */
    bed_drive_all(bed);
    assert_serves(bed);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    peer_die(peer);
    bed_wait_bool(bed, "connected", false);
    peer_listen(peer);
    assert_serves(bed);
    g_assert_cmpuint(peer_seen(peer, VU_RESET_DEVICE), ==, resets);
}

/* The watch ends the wait for it, and the next daemon is told. */
static void a_reset_that_meets_a_hung_daemon_is_told_to_the_next(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");
    unsigned resets;

    start(peer, bed);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    peer_misbehaves(peer, VU_GET_VRING_BASE, FAULT_SILENCE);
    bed_reset(bed);
    peer_misbehaves(peer, VU_GET_VRING_BASE, FAULT_NONE);
    peer_wait(peer, VU_RESET_DEVICE, resets + 1);
    bed_drive_all(bed);
    assert_serves(bed);
}

static void may_be_reset_in_the_middle_of_a_request(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    peer_listen(peer);
    bed_drive_all(bed);
    bed_wait_bool(bed, "serving", true);
    for (unsigned i = 0; i < 5; i++) {
        peer_hold(peer, true);
        add_requests(bed, i + 1);
        bed_reset(bed);
        g_assert_false(bed_query_bool(bed, "serving"));
        peer_hold(peer, false);
        bed_drive_all(bed);
        assert_serves(bed);
    }
}

static void a_stop_of_the_machine_is_no_reset(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");
    unsigned resets;

    start(peer, bed);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    qtest_qmp_assert_success(bed->qts, "{'execute': 'stop'}");
    g_assert_false(bed_query_bool(bed, "serving"));
    add_requests(bed, 1);
    g_usleep(50000);
    g_assert_false(bed_has_used(bed, VIRTIO_TIER_Q_HINT));
    qtest_qmp_assert_success(bed->qts, "{'execute': 'cont'}");
    wait_requests(bed, 2, 1);
    g_assert_cmpuint(peer_seen(peer, VU_RESET_DEVICE), ==, resets);
}

/* A daemon that comes back while the machine is stopped must not serve. */
static void nothing_is_served_while_the_machine_is_stopped(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    bed_drive_all(bed);
    add_requests(bed, 1);
    qtest_qmp_assert_success(bed->qts, "{'execute': 'stop'}");
    peer_listen(peer);
    bed_wait_bool(bed, "connected", true);
    g_assert_false(bed_query_bool(bed, "serving"));
    g_assert_cmpuint(peer_seen(peer, VU_SET_VRING_ENABLE), ==, 0);
    qtest_qmp_assert_success(bed->qts, "{'execute': 'cont'}");
    wait_requests(bed, 0, 1);
}

/* Unplugging */

static void unplug_and_plug(Bed *bed)
{
    bed_undrive(bed);
    qtest_qmp_device_del_send(bed->qts, "tier0");
    /* The guest's part, by ACPI */
    qtest_outl(bed->qts, 0xae08, 1 << 4);
    qtest_qmp_eventwait(bed->qts, "DEVICE_DELETED");
    qtest_qmp_device_add(bed->qts, "vhost-user-tier-pci", "tier0",
                         "{'chardev': 'hint0', 'addr': '04'}");
}

static void can_be_unplugged_with_requests_in_flight(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");
    unsigned resets;

    start(peer, bed);
    peer_hold(peer, true);
    add_requests(bed, 3);
    resets = peer_seen(peer, VU_RESET_DEVICE);
    unplug_and_plug(bed);
    peer_wait(peer, VU_RESET_DEVICE, resets + 1);   /* so that pins end */
    peer_hold(peer, false);
    bed_drive_all(bed);
    assert_serves(bed);
}

/* A socket in the daemon's place that answers nobody, and whom it keeps. */
typedef struct Mute {
    int listener, first;
} Mute;

static void mute_listen(Mute *mute, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    g_assert_cmpint(g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)), <,
                    sizeof(addr.sun_path));
    mute->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mute->first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(mute->listener, (void *)&addr, sizeof(addr)), ==, 0);
    /* Room for one: who connects after it waits */
    g_assert_cmpint(listen(mute->listener, 0), ==, 0);
    g_assert_cmpint(connect(mute->first, (void *)&addr, sizeof(addr)), ==, 0);
}

static void mute_end(Mute *mute, const char *path)
{
    unlink(path);
    close(mute->first);
    close(mute->listener);
}

static void can_be_unplugged_while_it_connects(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");
    Mute mute;

    bed_drive_all(bed);
    mute_listen(&mute, peer_path(peer));
    g_usleep(500 * 1000);       /* ten times as long as until it tries again */
    unplug_and_plug(bed);
    mute_end(&mute, peer_path(peer));
    start(peer, bed);
    assert_serves(bed);
}

static void can_be_unplugged_without_a_daemon(void)
{
    g_autoptr(Peer) peer = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(peer), "");

    bed_drive_all(bed);
    add_requests(bed, 2);
    unplug_and_plug(bed);
    bed_drive_all(bed);
    add_requests(bed, 2);
    peer_listen(peer);
    wait_requests(bed, 0, 2);
    peer_die(peer);             /* and while a daemon is just lost */
    unplug_and_plug(bed);
    start(peer, bed);
}

/* Live migration */

static char *status_of(QTestState *qts)
{
    QDict *info = qtest_qmp_assert_success_ref(qts,
                                               "{'execute': 'query-migrate'}");
    char *status = g_strdup(qdict_get_try_str(info, "status"));

    qobject_unref(info);
    return status;
}

static void wait_migrated(QTestState *qts)
{
    gint64 end = g_get_monotonic_time() + BED_TIMEOUT_MS * 1000;

    for (;;) {
        g_autofree char *status = status_of(qts);

        if (!g_strcmp0(status, "completed")) {
            return;
        }
        g_assert_cmpstr(status, !=, "failed");
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
}

static void save(Bed *bed, const char *file)
{
    g_autofree char *uri = g_strdup_printf("file:%s", file);

    qtest_qmp_assert_success(bed->qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    wait_migrated(bed->qts);
}

/* A new bed of what was saved, with the driver that @old had */
static Bed *load(Peer *peer, const char *file, Bed *old)
{
    g_autofree char *more = g_strdup_printf("-incoming file:%s", file);
    Bed *bed = bed_new(peer_path(peer), more);

    wait_migrated(bed->qts);
    bed_take_over(bed, old);
    return bed;
}

static void assert_state(Peer *peer, uint8_t fill, size_t size)
{
    GByteArray *loaded;

    peer_wait(peer, VU_CHECK_DEVICE_STATE, 1);
    loaded = peer_loaded(peer);
    g_assert_nonnull(loaded);
    g_assert_cmpuint(loaded->len, ==, size);
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(loaded->data[i], ==, fill);
    }
    g_byte_array_unref(loaded);
}

static void what_the_daemon_knows_goes_along(void)
{
    static const size_t sizes[] = { 1, 300, 64 << 10, 1 << 20 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autoptr(Peer) from = peer_new(), to = peer_new();
        g_autoptr(Bed) bed = bed_new(peer_path(from), ""), next = NULL;
        char *file = bed_make_file("vm");

        peer_set_state(from, 0x40 + i, sizes[i]);
        peer_listen(to);
        start(from, bed);
        save(bed, file);
        next = load(to, file, bed);
        assert_state(to, 0x40 + i, sizes[i]);
        bed_wait_bool(next, "serving", true);
        g_assert_cmphex(peer_features(to) & 7, ==, 7);
        assert_serves(next);
        bed_remove_file(file);
    }
}

static void what_comes_along_waits_for_a_daemon(void)
{
    g_autoptr(Peer) from = peer_new(), to = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(from), ""), next = NULL;
    char *file = bed_make_file("vm");

    peer_set_state(from, 0x77, 1000);
    start(from, bed);
    save(bed, file);
    next = load(to, file, bed);
    add_requests(next, 1);
    peer_listen(to);
    assert_state(to, 0x77, 1000);
    wait_requests(next, 2, 1);
    peer_die(to);               /* the daemon after that has no part in it */
    peer_listen(to);
    assert_serves(next);
    g_assert_cmpuint(peer_seen(to, VU_SET_DEVICE_STATE_FD), ==, 1);
    bed_remove_file(file);
}

/* It goes on, and stays where it is, until there is a daemon to take it. */
static void what_waits_for_a_daemon_is_saved_again(void)
{
    g_autoptr(Peer) from = peer_new(), between = peer_new(), to = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(from), ""), stop = NULL, next = NULL;
    char *file = bed_make_file("vm"), *file_again = bed_make_file("again");

    peer_set_state(from, 0x66, 1000);
    start(from, bed);
    save(bed, file);
    stop = load(between, file, bed);
    save(stop, file_again);
    next = load(to, file_again, stop);
    peer_listen(between);
    peer_listen(to);
    assert_state(between, 0x66, 1000);
    assert_state(to, 0x66, 1000);
    assert_serves(next);
    bed_remove_file(file_again);
    bed_remove_file(file);
}

/* Requests that wait go along in the guest's memory. */
static void migrates_without_a_daemon(void)
{
    g_autoptr(Peer) from = peer_new(), to = peer_new();
    g_autoptr(Bed) bed = bed_new(peer_path(from), ""), next = NULL;
    char *file = bed_make_file("vm");

    bed_drive_all(bed);
    add_requests(bed, 2);
    save(bed, file);
    peer_listen(to);
    next = load(to, file, bed);
    wait_requests(next, 0, 2);
    bed_remove_file(file);
}

/* Hints are advice: a daemon that fails is no reason to fail a migration. */
static void migrates_with_daemons_that_fail(void)
{
    static const struct {
        unsigned request;
        PeerFault fault;
        size_t size;
        uint64_t lacks;         /* protocol features */
    } cases[] = {
        { 0, FAULT_NONE, 100, F_DEVICE_STATE },
        { VU_SET_DEVICE_STATE_FD, FAULT_CLOSE, 100 },
        { VU_SET_DEVICE_STATE_FD, FAULT_REFUSE, 100 },
        { VU_CHECK_DEVICE_STATE, FAULT_REFUSE, 100 },
        { VU_CHECK_DEVICE_STATE, FAULT_CLOSE, 100 },
        { 0, FAULT_NONE, (1 << 20) + 1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(Peer) from = peer_new(), to = peer_new();
        g_autoptr(Bed) bed = bed_new(peer_path(from), ""), next = NULL;
        char *file = bed_make_file("vm");

        peer_lacks(from, 0, cases[i].lacks);
        peer_set_state(from, 1, cases[i].size);
        peer_misbehaves(from, cases[i].request, cases[i].fault);
        peer_misbehaves(to, cases[i].request, cases[i].fault);
        peer_listen(to);
        start(from, bed);
        save(bed, file);
        next = load(to, file, bed);
        peer_misbehaves(to, cases[i].request, FAULT_NONE);
        assert_serves(next);
        bed_remove_file(file);
    }
}

static bool set_postcopy(Bed *bed)
{
    QDict *response = qtest_qmp(bed->qts, "{'execute': "
                                "'migrate-set-capabilities', 'arguments': "
                                "{'capabilities': [{'capability': "
                                "'postcopy-ram', 'state': true}]}}");
    bool ok = qdict_haskey(response, "return");

    qobject_unref(response);
    return ok;
}

/* A daemon that finds pages missing would find zeros there, and leave them. */
static void waits_until_postcopy_has_brought_all(void)
{
    g_autoptr(Peer) from = peer_new(), to = peer_new(), none = peer_new();
    char *file = bed_make_file("stream");
    g_autofree char *uri = g_strdup_printf("unix:%s", file);
    g_autoptr(Bed) bed = bed_new(peer_path(from), "");
    g_autoptr(Bed) able = bed_new(peer_path(none), "-incoming defer");
    g_autoptr(Bed) next = bed_new(peer_path(to), "-incoming defer");

    peer_set_state(from, 0x55, 100);
    peer_listen(to);
    start(from, bed);
    qtest_memset(bed->qts, BED_FREE, 0x5a, BED_RAM_BYTES - BED_FREE);
    if (!set_postcopy(able)) {
        g_test_skip("this host has no postcopy");
    } else {
        g_assert_true(set_postcopy(bed));
        g_assert_true(set_postcopy(next));
        qtest_qmp_assert_success(bed->qts, "{'execute': "
                                 "'migrate-set-parameters', 'arguments': "
                                 "{'max-bandwidth': 1048576}}");
        qtest_qmp_assert_success(next->qts, "{'execute': 'migrate-incoming', "
                                 "'arguments': {'uri': %s}}", uri);
        qtest_qmp_assert_success(bed->qts, "{'execute': 'migrate', "
                                 "'arguments': {'uri': %s}}", uri);
        assert_serves(bed);
        qtest_qmp_assert_success(bed->qts,
                                 "{'execute': 'migrate-start-postcopy'}");
        g_assert_cmpuint(peer_seen(to, VU_GET_FEATURES), ==, 0);
        wait_migrated(bed->qts);
        assert_state(to, 0x55, 100);
        bed_take_over(next, bed);
        assert_serves(next);
        g_assert_cmphex(qtest_readb(next->qts, BED_RAM_BYTES - 1), ==, 0x5a);
    }
    bed_remove_file(file);
}

void add_lifetime_tests(void)
{
#define ADD(test) qtest_add_func("/vhost-user-tier/lifetime/" #test, test)
    ADD(a_late_daemon_finds_what_waits);
    ADD(outlives_the_daemon);
    ADD(a_new_daemon_finds_what_the_last_left);
    ADD(a_daemon_may_go_while_there_is_no_driver);
    ADD(tells_of_a_reset);
    ADD(a_reset_that_meets_a_hung_daemon_is_told_to_the_next);
    ADD(may_be_reset_in_the_middle_of_a_request);
    ADD(a_stop_of_the_machine_is_no_reset);
    ADD(nothing_is_served_while_the_machine_is_stopped);
    ADD(can_be_unplugged_with_requests_in_flight);
    ADD(can_be_unplugged_while_it_connects);
    ADD(can_be_unplugged_without_a_daemon);
    ADD(what_the_daemon_knows_goes_along);
    ADD(what_comes_along_waits_for_a_daemon);
    ADD(what_waits_for_a_daemon_is_saved_again);
    ADD(migrates_without_a_daemon);
    ADD(migrates_with_daemons_that_fail);
    ADD(waits_until_postcopy_has_brought_all);
#undef ADD
}
