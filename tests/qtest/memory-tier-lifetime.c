/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what memory-backend-tier's memory channel lives through: daemons
 * that come late, go and come back, live migration, and the real daemon where
 * the variable VHOST_TIER_DAEMON names it.
 */
#include "qemu/osdep.h"

#include "memory-tier-peer.h"
#include "memory-tier-test.h"
#include "qobject/qdict.h"

#define MIB (1024 * 1024)

/* Daemons that come and go */

static void waits_for_a_late_daemon(void)
{
    Peer *peer = peer_new();
    QTestState *qts = start_qemu(peer, "");
    QDict *event;

    wait_daemon(qts, "connected", false);
    qtest_memset(qts, 32 * MIB, 0x5a, MIB);
    peer_listen(peer);
    peer_connect(peer);
    event = wait_event(qts, true);
    qobject_unref(event);
    stop_qemu(qts, peer);
}

static void outlives_the_daemon(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    QDict *event;
    int fds;

    fds = count_fds(qts);
    for (int i = 0; i < 3; i++) {
        event = wait_event(qts, true);
        qobject_unref(event);
        peer_close(peer);
        event = wait_event(qts, false);
        g_assert_nonnull(strstr(qdict_get_str(event, "reason"),
                                "closed the connection"));
        qobject_unref(event);
        qtest_memset(qts, 32 * MIB, i, MIB);
        peer_connect(peer);
        wait_daemon(qts, "connected", true);
    }
    assert_fds(qts, fds);
    stop_qemu(qts, peer);
}

static void tells_a_new_daemon_the_present_settings(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    PeerMsg config, region;

    peer_close(peer);
    wait_daemon(qts, "connected", false);
    qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set', 'arguments':"
                             "{'id': 'ram', 'weight': 9}}");
    peer_greet(peer, 0);
    peer_take_region(peer, &config, &region);
    g_assert_cmpint(config.config.weight, ==, 9);
    peer_msg_clear(&region);
    stop_qemu(qts, peer);
}

static void says_when_the_backend_goes(void)
{
    Peer *peer = peer_new();
    QTestState *qts;
    PeerMsg msg;
    int fds;

    peer_listen(peer);
    qts = qtest_initf("-M none -chardev socket,id=tier,path=%s,reconnect-ms=50",
                      peer->path);
    peer_accept(peer);
    fds = count_fds(qts);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'memory-backend-tier', 'id': 'ram',"
                             "'size': 4194304, 'chardev': 'tier'}}");
    peer_recv(peer, TIER_MSG_HELLO, &msg);
    peer_close(peer);
    peer_connect(peer);
    wait_daemon(qts, "connected", true);
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             "'arguments': {'id': 'ram'}}");
    peer_recv(peer, TIER_MSG_REGION_DEL, &msg);
    g_assert_cmpint(msg.region_del.id, ==, 0);
    peer_wait_closed(peer);
    peer_accept(peer);          /* by the chardev, which is idle again */
    assert_fds(qts, fds);
    stop_qemu(qts, peer);
}

/* Migration */

static void pauses_around_migration(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    g_autofree char *uri = g_strdup_printf("file:%s/stream", peer->dir);
    g_autofree char *file = g_build_filename(peer->dir, "stream", NULL);
    PeerMsg msg;

    qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments':"
                             "{'uri': %s}}", uri);
    peer_recv(peer, TIER_MSG_FREEZE, &msg);
    g_assert_cmphex(msg.freeze.flags, ==, TIER_FREEZE_DISARM);
    peer_answer(peer, TIER_MSG_FREEZE, 0, "");
    peer_recv(peer, TIER_MSG_THAW, &msg);
    peer_answer(peer, TIER_MSG_THAW, 0, "");
    qtest_quit(qts);
    unlink(file);
    peer_free(peer);
}

static const char *migration_status(QTestState *qts)
{
    static const char *const ends[] = { "completed", "failed", "cancelled" };

    for (int i = 0; i < 1000; i++) {
        QDict *info = qtest_qmp_assert_success_ref(
            qts, "{'execute': 'query-migrate'}");
        const char *status = qdict_get_try_str(info, "status") ?: "";
        const char *end = NULL;

        for (unsigned n = 0; n < ARRAY_SIZE(ends); n++) {
            end = g_str_equal(status, ends[n]) ? ends[n] : end;
        }
        qobject_unref(info);
        if (end) {
            return end;
        }
        g_usleep(20000);
    }
    g_assert_not_reached();
}

static void makes_way_for_a_background_snapshot(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    g_autofree char *uri = g_strdup_printf("file:%s/stream", peer->dir);
    g_autofree char *file = g_build_filename(peer->dir, "stream", NULL);
    PeerMsg config, region, msg;
    uint64_t features;
    QDict *response;

    response = qtest_qmp(qts, "{'execute': 'migrate-set-capabilities',"
                         "'arguments': {'capabilities': [{'capability':"
                         "'background-snapshot', 'state': true}]}}");
    peer_close(peer);
    features = peer_greet(peer, UINT64_MAX);
    peer_take_region(peer, &config, &region);
    if (qdict_haskey(response, "error") ||
        !(features & (TIER_F_WP | TIER_F_RWP))) {
        g_test_skip("this host has no background snapshots, or no tracking");
    } else {
        peer_track(&region, features);
        qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments':"
                                 "{'uri': %s}}", uri);
        peer_recv(peer, TIER_MSG_FREEZE, &msg);
        g_assert_cmpstr(migration_status(qts), ==, "completed");
        peer_wait_closed(peer);
        assert_problem(qts, "a background snapshot ended its tracking");
        peer_msg_clear(&region);
        peer_greet(peer, features);
        peer_take_region(peer, &config, &region);
        peer_track(&region, features);
    }
    peer_msg_clear(&region);
    qobject_unref(response);
    qtest_quit(qts);
    unlink(file);
    peer_free(peer);
}

static void pauses_until_an_incoming_guest_runs(void)
{
    Peer *peer = peer_new(), *source_peer;
    QTestState *source = start_connected(&source_peer, "");
    g_autofree char *uri = g_strdup_printf("file:%s/stream", peer->dir);
    g_autofree char *file = g_build_filename(peer->dir, "stream", NULL);
    QTestState *qts;
    PeerMsg msg;

    qtest_qmp_assert_success(source, "{'execute': 'migrate', 'arguments':"
                             "{'uri': %s}}", uri);
    peer_recv(source_peer, TIER_MSG_FREEZE, &msg);
    peer_recv(source_peer, TIER_MSG_THAW, &msg);
    stop_qemu(source, source_peer);

    peer_listen(peer);
    qts = start_qemu(peer, "-incoming defer");
    peer_greet(peer, TIER_F_FREEZE);
    peer_recv(peer, TIER_MSG_CONFIG, &msg);
    peer_recv(peer, TIER_MSG_FREEZE, &msg);     /* before there is memory */
    g_assert_cmphex(msg.freeze.flags, ==, TIER_FREEZE_DISARM);
    peer_recv(peer, TIER_MSG_REGION_ADD, &msg);
    peer_msg_clear(&msg);
    g_assert_false(peer_has_input(peer, 200));
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             "'arguments': {'uri': %s}}", uri);
    peer_recv(peer, TIER_MSG_THAW, &msg);
    qtest_quit(qts);
    unlink(file);
    peer_free(peer);
}

static int64_t postcopy_bytes(QTestState *source)
{
    QDict *info = qtest_qmp_assert_success_ref(
        source, "{'execute': 'query-migrate'}");
    int64_t bytes = qdict_get_int(qdict_get_qdict(info, "ram"),
                                  "postcopy-bytes");

    qobject_unref(info);
    return bytes;
}

static bool set_postcopy(QTestState *qts)
{
    QDict *response = qtest_qmp(qts, "{'execute': 'migrate-set-capabilities',"
                                "'arguments': {'capabilities': [{'capability':"
                                "'postcopy-ram', 'state': true}]}}");
    bool ok = qdict_haskey(response, "return");

    qobject_unref(response);
    return ok;
}

static void pauses_until_postcopy_has_brought_all(void)
{
    Peer *peer = peer_new(), *source_peer;
    QTestState *source = start_connected(&source_peer, ""), *qts;
    g_autofree char *uri = g_strdup_printf("unix:%s/stream", peer->dir);
    g_autofree char *file = g_build_filename(peer->dir, "stream", NULL);
    PeerMsg msg;

    peer_listen(peer);
    qts = start_qemu(peer, "-incoming defer");
    peer_greet(peer, UINT64_MAX);
    peer_recv(peer, TIER_MSG_CONFIG, &msg);
    peer_recv(peer, TIER_MSG_FREEZE, &msg);
    peer_recv(peer, TIER_MSG_REGION_ADD, &msg);
    peer_msg_clear(&msg);
    if (!set_postcopy(source) || !set_postcopy(qts)) {
        g_test_skip("this host has no postcopy");
    } else {
        qtest_memset(source, 16 * MIB, 0x5a, 32 * MIB);
        /* Slow, so that most is left for after the switch */
        qtest_qmp_assert_success(source, "{'execute':"
                                 "'migrate-set-parameters', 'arguments':"
                                 "{'max-bandwidth': 1048576}}");
        qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                                 "'arguments': {'uri': %s}}", uri);
        qtest_qmp_assert_success(source, "{'execute': 'migrate', 'arguments':"
                                 "{'uri': %s}}", uri);
        peer_recv(source_peer, TIER_MSG_FREEZE, &msg);
        qtest_qmp_assert_success(source,
                                 "{'execute': 'migrate-start-postcopy'}");
        g_assert_cmpstr(migration_status(source), ==, "completed");
        g_assert_cmpint(postcopy_bytes(source), >, 0);
        peer_recv(peer, TIER_MSG_THAW, &msg);
        g_assert_cmpstr(migration_status(qts), ==, "completed");
        g_assert_cmpint(qtest_readb(qts, 48 * MIB - 1), ==, 0x5a);
    }
    stop_qemu(source, source_peer);
    qtest_quit(qts);
    unlink(file);
    peer_free(peer);
}

/* The real daemon */

/* Start it, for the VM of @peer, whose folder and path are all that is used. */
static GPid start_daemon(Peer *peer, const char *binary)
{
    g_autofree char *vm = g_strdup_printf("name=web1,socket=%s", peer->path);
    g_autofree char *config = g_build_filename(peer->dir, "conf", NULL);
    const char *argv[] = { binary, "--runtime-dir", peer->dir, "--config",
                           config, "--vm", vm, NULL };
    g_autoptr(GError) err = NULL;
    GPid pid;

    /* No DAMON: the host has only one, and it may be in use. */
    g_assert_true(g_file_set_contents(config, "[host]\nepoch-ms=100\n"
                                      "[sources]\nenable=rwp;wp\n", -1, NULL));
    g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                  NULL, &pid, &err);
    g_assert_no_error(err);
    return pid;
}

static int end_daemon(GPid pid, int signal)
{
    int status;

    g_assert_cmpint(kill(pid, signal), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static void wait_stats(QTestState *qts)
{
    for (int i = 0; i < 500; i++) {
        QDict *daemon = query_daemon(qts);
        bool there = qdict_haskey(daemon, "stats");

        g_assert_false(qdict_haskey(daemon, "problem"));
        qobject_unref(daemon);
        if (there) {
            return;
        }
        g_usleep(20000);
    }
    g_assert_not_reached();
}

static void works_with_the_real_daemon(void)
{
    const char *binary = getenv("VHOST_TIER_DAEMON");
    static const char *const left[] = { "conf", "control.sock", "socket" };
    Peer *peer;
    QTestState *qts;
    QDict *daemon;
    GPid pid;

    if (!binary) {
        g_test_skip("VHOST_TIER_DAEMON does not name the daemon's program");
        return;
    }
    peer = peer_new();
    pid = start_daemon(peer, binary);
    qts = start_qemu(peer, "");
    wait_daemon(qts, "connected", true);
    daemon = query_daemon(qts);
    g_assert_cmpstr(qdict_get_str(daemon, "vm"), ==, "web1");
    qobject_unref(daemon);
    qtest_memset(qts, 32 * MIB, 0x5a, 8 * MIB);
    wait_stats(qts);
    qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set', 'arguments':"
                             "{'id': 'ram', 'weight': 7}}");

    end_daemon(pid, SIGKILL);
    wait_daemon(qts, "connected", false);
    pid = start_daemon(peer, binary);
    wait_daemon(qts, "connected", true);
    wait_stats(qts);

    g_assert_cmpint(end_daemon(pid, SIGTERM), ==, 0);
    wait_daemon(qts, "connected", false);
    g_assert_cmpint(qtest_readb(qts, 40 * MIB - 1), ==, 0x5a);
    for (unsigned i = 0; i < ARRAY_SIZE(left); i++) {
        g_autofree char *path = g_build_filename(peer->dir, left[i], NULL);

        unlink(path);
    }
    stop_qemu(qts, peer);
}

void add_lifetime_tests(void)
{
#define ADD(test) qtest_add_func("/memory-tier/lifetime/" #test, test)
    ADD(waits_for_a_late_daemon);
    ADD(outlives_the_daemon);
    ADD(tells_a_new_daemon_the_present_settings);
    ADD(says_when_the_backend_goes);
    ADD(pauses_around_migration);
    ADD(makes_way_for_a_background_snapshot);
    ADD(pauses_until_an_incoming_guest_runs);
    ADD(pauses_until_postcopy_has_brought_all);
    ADD(works_with_the_real_daemon);
#undef ADD
}
