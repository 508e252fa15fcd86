/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of memory-backend-tier's memory channel, against a daemon that does
 * what it should (memory-tier-peer.c): the handshake, and what both sides tell
 * each other.
 */
#include "qemu/osdep.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "memory-tier-peer.h"
#include "memory-tier-test.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"

#define MIB (1024 * 1024)

QTestState *start_qemu(Peer *peer, const char *more)
{
    return qtest_initf("-nodefaults -M q35,memory-backend=ram -m 64M "
                       "-name guest=web1 "
                       "-chardev socket,id=tier,path=%s,reconnect-ms=50 "
                       "-object memory-backend-tier,id=ram,size=64M,tiers.0=0,"
                       "fast-size=16M,fast-min=4M,weight=300,chardev=tier %s",
                       peer->path, more);
}

QTestState *start_connected(Peer **peer, const char *more)
{
    QTestState *qts;

    *peer = peer_new();
    peer_listen(*peer);
    qts = start_qemu(*peer, more);
    peer_connect(*peer);
    wait_daemon(qts, "connected", true);
    return qts;
}

void stop_qemu(QTestState *qts, Peer *peer)
{
    qtest_quit(qts);
    peer_free(peer);
}

QDict *wait_event(QTestState *qts, bool connected)
{
    for (;;) {
        QDict *event = qtest_qmp_eventwait_ref(qts,
                                               "MEMORY_TIER_STATE_CHANGED");
        QDict *data = qdict_get_qdict(event, "data");

        qobject_ref(data);
        qobject_unref(event);
        if (qdict_get_bool(data, "connected") == connected) {
            return data;
        }
        qobject_unref(data);
    }
}

void assert_problem(QTestState *qts, const char *text)
{
    QDict *daemon = query_daemon(qts);

    g_assert_nonnull(strstr(qdict_get_str(daemon, "problem"), text));
    qobject_unref(daemon);
}

int count_fds(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    GDir *dir = g_dir_open(path, 0, NULL);
    int n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir)) {
        n++;
    }
    g_dir_close(dir);
    return n;
}

void assert_fds(QTestState *qts, int n)
{
    for (int i = 0; i < 500 && count_fds(qts) != n; i++) {
        g_usleep(10000);
    }
    g_assert_cmpint(count_fds(qts), ==, n);
}

/* The handshake */

static void greets_with_its_names(void)
{
    Peer *peer = peer_new();
    QTestState *qts;
    PeerMsg msg;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    peer_accept(peer);
    peer_recv(peer, TIER_MSG_HELLO, &msg);
    g_assert_cmpstr(msg.hello.vm, ==, "web1");
    g_assert_cmpstr(msg.hello.backend, ==, "ram");
    g_assert_true(msg.hello.features & TIER_F_FREEZE);
    /* Not before the daemon has greeted back */
    g_assert_false(peer_has_input(peer, 200));
    stop_qemu(qts, peer);
}

static void tells_its_settings(void)
{
    Peer *peer = peer_new();
    PeerMsg config, region;
    QTestState *qts;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    peer_greet(peer, 0);
    peer_take_region(peer, &config, &region);
    g_assert_cmpint(config.config.fast_size, ==, 16 * MIB);
    g_assert_cmpint(config.config.fast_min, ==, 4 * MIB);
    g_assert_cmpint(config.config.weight, ==, 300);
    g_assert_cmpint(config.config.mode, ==, TIER_MODE_OBSERVE);
    g_assert_cmpint(config.config.hugepages, ==, TIER_HUGEPAGES_OFF);
    g_assert_cmpint(config.config.n_tiers, ==, 1);
    g_assert_cmphex(config.config.tier_nodes[0][0], ==, 1);
    peer_msg_clear(&region);
    stop_qemu(qts, peer);
}

/* The range [hva, hva + size) is one mapping of QEMU's of just this file. */
static void assert_one_mapping(QTestState *qts, const TierMsgRegionAdd *region,
                               ino_t ino)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", qtest_pid(qts));
    g_autofree char *range = g_strdup_printf(
        "%" PRIx64 "-%" PRIx64 " rw-s", region->hva,
        region->hva + region->size);
    g_autofree char *inode = g_strdup_printf(" %ju ", (uintmax_t)ino);
    g_autofree char *text = NULL;
    char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, range);
    g_assert_nonnull(line);
    *strchrnul(line, '\n') = 0;
    g_assert_nonnull(strstr(line, inode));
}

static void hands_over_its_memory(void)
{
    Peer *peer = peer_new();
    PeerMsg config, region;
    const TierMsgRegionAdd *add = &region.region_add;
    g_autofree char *link = NULL;
    g_autofree char *pagemap = NULL;
    QTestState *qts;
    uint64_t features;
    struct stat st;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    features = peer_greet(peer, UINT64_MAX);
    peer_take_region(peer, &config, &region);

    g_assert_cmpint(add->size, ==, 64 * MIB);
    g_assert_cmphex(add->hva % (2 * MIB), ==, 0);   /* can be huge pages */
    g_assert_cmpint(add->fd_offset, ==, 0);
    g_assert_cmpint(add->page_size, ==,
                    qemu_real_host_page_size());
    g_assert_cmpstr(add->name, ==, "ram");
    g_assert_cmpint(region.n_fds, >=, 2);

    g_assert_cmpint(fstat(region.fds[0], &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 64 * MIB);
    g_assert_cmphex(fcntl(region.fds[0], F_GET_SEALS) &
                    (F_SEAL_GROW | F_SEAL_SHRINK), ==,
                    F_SEAL_GROW | F_SEAL_SHRINK);
    assert_one_mapping(qts, add, st.st_ino);

    link = g_strdup_printf("/proc/self/fd/%d", region.fds[1]);
    pagemap = g_file_read_link(link, NULL);
    g_free(link);
    link = g_strdup_printf("/proc/%d/pagemap", qtest_pid(qts));
    g_assert_cmpstr(pagemap, ==, link);
    g_assert_cmpint(fcntl(region.fds[1], F_GETFL) & O_ACCMODE, ==, O_RDONLY);

    if (features & (TIER_F_RWP | TIER_F_WP)) {
        struct uffdio_api api = { .api = UFFD_API };

        g_assert_cmphex(add->flags, ==, TIER_REGION_UFFD);
        g_assert_cmpint(region.n_fds, ==, 3);
        /* Nobody has done this before us: it works but once. */
        g_assert_cmpint(ioctl(region.fds[2], UFFDIO_API, &api), ==, 0);
    } else {
        g_test_message("this kernel offers no tracking by userfaultfd");
        g_assert_cmphex(add->flags, ==, 0);
        g_assert_cmpint(region.n_fds, ==, 2);
    }
    peer_msg_clear(&region);
    stop_qemu(qts, peer);
}

/* The flags of the VMA at @hva, as in smaps: " uw " for one that is tracked. */
static char *vma_flags(QTestState *qts, uint64_t hva)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps", qtest_pid(qts));
    g_autofree char *start = g_strdup_printf("\n%" PRIx64 "-", hva);
    g_autofree char *text = NULL;
    char *flags;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    flags = strstr(text, start);
    g_assert_nonnull(flags);
    flags = strstr(flags, "VmFlags:");
    g_assert_nonnull(flags);
    return g_strndup(flags, strcspn(flags, "\n"));
}

static void tracking_ends_with_the_connection(void)
{
    Peer *peer = peer_new();
    PeerMsg config, region;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    const char *flag;
    uint64_t features;
    QTestState *qts;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    features = peer_greet(peer, TIER_F_WP | TIER_F_RWP);
    if (!features) {
        g_test_skip("this kernel offers no tracking by userfaultfd");
        stop_qemu(qts, peer);
        return;
    }
    peer_take_region(peer, &config, &region);
    flag = peer_track(&region, features);
    before = vma_flags(qts, region.region_add.hva);
    g_assert_nonnull(strstr(before, flag));
    peer_msg_clear(&region);
    peer_close(peer);
    wait_daemon(qts, "connected", false);
    after = vma_flags(qts, region.region_add.hva);
    g_assert_null(strstr(after, flag));
    stop_qemu(qts, peer);
}

static void keeps_tracking_to_itself_where_it_is_not_wanted(void)
{
    Peer *peer = peer_new();
    PeerMsg config, region;
    QTestState *qts;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    g_assert_cmphex(peer_greet(peer, TIER_F_FREEZE), ==, TIER_F_FREEZE);
    peer_take_region(peer, &config, &region);
    g_assert_cmphex(region.region_add.flags, ==, 0);
    g_assert_cmpint(region.n_fds, ==, 2);
    peer_msg_clear(&region);
    stop_qemu(qts, peer);
}

static void shows_the_daemon(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    QDict *daemon = query_daemon(qts);
    QList *features = qdict_get_qlist(daemon, "features");

    g_assert_cmpstr(qdict_get_str(daemon, "chardev"), ==, "tier");
    g_assert_cmpstr(qdict_get_str(daemon, "version"), ==, "0.1-test");
    g_assert_cmpstr(qdict_get_str(daemon, "vm"), ==, "test-vm");
    g_assert_cmpint(qlist_size(features), ==, 1);
    g_assert_cmpstr(qstring_get_str(qobject_to(QString, qlist_peek(features))),
                    ==, "freeze");
    g_assert_false(qdict_haskey(daemon, "problem"));
    g_assert_false(qdict_haskey(daemon, "stats"));
    qobject_unref(daemon);
    stop_qemu(qts, peer);
}

static void refuses_a_chardev_that_is_taken(void)
{
    Peer *peer = peer_new();
    QTestState *qts = start_qemu(peer, "");

    assert_refused(qts, "object-add", "{'qom-type': 'memory-backend-tier', "
                   "'id': 'ram1', 'size': 4096, 'chardev': 'tier'}",
                   "chardev 'tier' is already in use");
    stop_qemu(qts, peer);
}

/* What both sides tell each other */

static void tells_what_memory_tier_set_changed(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    PeerMsg msg;

    qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set', 'arguments':"
                             "{'id': 'ram', 'weight': 7, 'slowdown': 0.05,"
                             " 'mode': 'off'}}");
    peer_recv(peer, TIER_MSG_CONFIG, &msg);
    g_assert_cmpint(msg.config.weight, ==, 7);
    g_assert_cmpint(msg.config.slowdown_ppm, ==, 50000);
    g_assert_cmpint(msg.config.mode, ==, TIER_MODE_OFF);
    g_assert_cmpint(msg.config.fast_size, ==, 16 * MIB);
    stop_qemu(qts, peer);
}

static void shows_why_the_daemon_refused(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    PeerMsg msg;

    qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set', 'arguments':"
                             "{'id': 'ram', 'weight': 7}}");
    peer_recv(peer, TIER_MSG_CONFIG, &msg);
    peer_answer(peer, TIER_MSG_CONFIG, EINVAL, "not on a Sunday");
    for (int i = 0; i < 500; i++) {
        QDict *daemon = query_daemon(qts);
        bool there = qdict_haskey(daemon, "problem");

        qobject_unref(daemon);
        if (there) {
            break;
        }
        g_usleep(10000);
    }
    assert_problem(qts, "refused the settings: not on a Sunday");
    stop_qemu(qts, peer);
}

static TierMsgConfig good_config(void)
{
    return (TierMsgConfig) {
        .fast_size = 8 * MIB,
        .fast_min = 2 * MIB,
        .weight = 50,
        .slowdown_ppm = 125000,
        .mode = TIER_MODE_OFF,
        .n_tiers = 1,
    };
}

static void takes_over_what_the_operator_set(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgConfig config = good_config();
    TierMsgState state = { .state = TIER_STATE_BLIND };
    QDict *backend, *event;

    peer_send_msg(peer, TIER_MSG_CONFIG, 0, &config, sizeof(config));
    peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    do {
        event = wait_event(qts, true);
        if (qlist_size(qdict_get_qlist(event, "states")) == 1) {
            break;
        }
        qobject_unref(event);
    } while (true);
    qobject_unref(event);
    backend = query_backend(qts);
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 8 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "fast-min"), ==, 2 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "weight"), ==, 50);
    g_assert_cmpfloat(qdict_get_double(backend, "slowdown"), ==, 0.125);
    g_assert_cmpstr(qdict_get_str(backend, "mode"), ==, "off");
    qobject_unref(backend);
    stop_qemu(qts, peer);
}

static void fits_what_the_operator_set(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgConfig config = good_config();
    QDict *backend;

    config.fast_size = UINT64_MAX;
    config.fast_min = 2 * MIB + 1;
    config.mode = TIER_MODE_ON;         /* with one tier */
    peer_send_msg(peer, TIER_MSG_CONFIG, 0, &config, sizeof(config));
    for (int i = 0; i < 500; i++) {
        backend = query_backend(qts);
        if (qdict_get_int(backend, "weight") == 50) {
            break;
        }
        qobject_unref(backend);
        g_usleep(10000);
        g_assert_cmpint(i, <, 499);
    }
    g_assert_cmpint(qdict_get_int(backend, "fast-size"), ==, 64 * MIB);
    g_assert_cmpint(qdict_get_int(backend, "fast-min"), ==, 2 * MIB);
    g_assert_cmpstr(qdict_get_str(backend, "mode"), ==, "observe");
    qobject_unref(backend);
    stop_qemu(qts, peer);
}

static void shows_what_the_daemon_tells(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgStats stats = {
        .moves_asked = 10,
        .moves_applied = 7,
        .moves_failed = {
            [TIER_MOVE_FAIL_BUSY] = 2,
            [TIER_MOVE_FAIL_FULL] = 1,
        },
        .promoted_bytes = 4 * 4096,
        .demoted_bytes = 3 * 4096,
        .undone_bytes = 4096,
        .budget_bytes = 16 * MIB,
        .hit_ppm = 950000,
        .tracking_ppm = 1234,
    };
    TierMsgState state = { .state = TIER_STATE_THROTTLED | TIER_STATE_BLIND,
                           .text = "too much at once" };
    QDict *event = wait_event(qts, true), *daemon, *told;

    qobject_unref(event);
    peer_send_msg(peer, TIER_MSG_STATS, 0, &stats, sizeof(stats));
    peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    event = wait_event(qts, true);
    g_assert_cmpstr(qdict_get_str(event, "id"), ==, "ram");
    g_assert_cmpstr(qdict_get_str(event, "reason"), ==, "too much at once");
    g_assert_cmpint(qlist_size(qdict_get_qlist(event, "states")), ==, 2);
    qobject_unref(event);

    daemon = query_daemon(qts);
    told = qdict_get_qdict(daemon, "stats");
    g_assert_cmpint(qdict_get_int(told, "hit-ppm"), ==, 950000);
    g_assert_cmpint(qdict_get_int(told, "tracking-ppm"), ==, 1234);
    g_assert_cmpint(qdict_get_int(told, "promoted-bytes"), ==, 4 * 4096);
    g_assert_cmpint(qdict_get_int(told, "budget"), ==, 16 * MIB);
    told = qdict_get_qdict(told, "moves");
    g_assert_cmpint(qdict_get_int(told, "asked"), ==, 10);
    g_assert_cmpint(qdict_get_int(told, "applied"), ==, 7);
    told = qdict_get_qdict(told, "failed");
    g_assert_cmpint(qdict_get_int(told, "busy"), ==, 2);
    g_assert_cmpint(qdict_get_int(told, "full"), ==, 1);
    qobject_unref(daemon);
    stop_qemu(qts, peer);
}

static void shows_what_became_of_hints(void)
{
    Peer *peer = peer_new();
    TierMsgHints hints = {
        .pinned_bytes = 3 * 4096,
        .trust_ppm = TIER_PPM_ONE,
        .dropped_rate = 17,
    };
    QTestState *qts;
    QDict *daemon, *told;
    PeerMsg config, region;

    hints.ranges[TIER_HINT_COLD][TIER_HINT_TAKEN] = 5;
    hints.ranges[TIER_HINT_PIN][TIER_HINT_OVER_LIMIT] = 6;
    hints.bytes[TIER_HINT_COLD] = 5 * 4096;
    peer_listen(peer);
    qts = start_qemu(peer, "");
    g_assert_true(peer_greet(peer, TIER_F_HINTS) & TIER_F_HINTS);
    peer_take_region(peer, &config, &region);
    peer_msg_clear(&region);
    peer_send_msg(peer, TIER_MSG_HINTS, 0, &hints, sizeof(hints));
    do {
        daemon = query_daemon(qts);
        told = qdict_get_qdict(daemon, "hints");
        if (!told) {
            qobject_unref(daemon);
            g_usleep(10000);
        }
    } while (!told);
    g_assert_cmpint(qdict_get_int(told, "pinned-bytes"), ==, 3 * 4096);
    g_assert_cmpint(qdict_get_int(told, "trust-ppm"), ==, TIER_PPM_ONE);
    g_assert_cmpint(qdict_get_int(told, "dropped-rate"), ==, 17);
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(told, "pin"), "over-limit"),
                    ==, 6);
    told = qdict_get_qdict(told, "cold");
    g_assert_cmpint(qdict_get_int(told, "taken"), ==, 5);
    g_assert_cmpint(qdict_get_int(told, "bytes"), ==, 5 * 4096);
    qobject_unref(daemon);

    hints.trust_ppm = TIER_PPM_ONE + 1;
    peer_send_msg(peer, TIER_MSG_HINTS, 0, &hints, sizeof(hints));
    peer_wait_closed(peer);
    assert_problem(qts, "a trust of more than 1");
    stop_qemu(qts, peer);
}

static void leaves_out_a_hit_ratio_that_is_not_known(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgStats stats = { .hit_ppm = TIER_PPM_UNKNOWN, .tracking_ppm = 7 };
    TierMsgState state = { .state = TIER_STATE_BLIND, .text = "sees nothing" };
    QDict *event = wait_event(qts, true), *daemon, *told;

    qobject_unref(event);
    peer_send_msg(peer, TIER_MSG_STATS, 0, &stats, sizeof(stats));
    peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    event = wait_event(qts, true);
    qobject_unref(event);

    daemon = query_daemon(qts);
    told = qdict_get_qdict(daemon, "stats");
    g_assert_cmpint(qdict_get_int(told, "tracking-ppm"), ==, 7);
    g_assert_false(qdict_haskey(told, "hit-ppm"));
    qobject_unref(daemon);
    stop_qemu(qts, peer);
}

static void a_flood_of_states_is_a_trickle_of_events(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    gint64 start_us = g_get_monotonic_time(), most;
    int events = 0;
    QDict *data;

    for (int i = 0; i < 2000; i++) {
        TierMsgState state = { .state = i & 1 ? TIER_STATE_THROTTLED : 0 };

        if (i == 1999) {
            state.state = TIER_STATE_THRASHING;
        }
        peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    }
    do {
        const QListEntry *first;

        data = wait_event(qts, true);
        first = qlist_first(qdict_get_qlist(data, "states"));
        events++;
        if (first && g_str_equal(qstring_get_str(qobject_to(
                QString, qlist_entry_obj(first))), "thrashing")) {
            break;
        }
        qobject_unref(data);
    } while (true);
    qobject_unref(data);
    most = (g_get_monotonic_time() - start_us) / 100000 + 3;
    g_assert_cmpint(events, <=, most);
    stop_qemu(qts, peer);
}

void add_channel_tests(void)
{
#define ADD(test) qtest_add_func("/memory-tier/channel/" #test, test)
    ADD(greets_with_its_names);
    ADD(tells_its_settings);
    ADD(hands_over_its_memory);
    ADD(tracking_ends_with_the_connection);
    ADD(keeps_tracking_to_itself_where_it_is_not_wanted);
    ADD(shows_the_daemon);
    ADD(refuses_a_chardev_that_is_taken);
    ADD(tells_what_memory_tier_set_changed);
    ADD(shows_why_the_daemon_refused);
    ADD(takes_over_what_the_operator_set);
    ADD(fits_what_the_operator_set);
    ADD(shows_what_the_daemon_tells);
    ADD(shows_what_became_of_hints);
    ADD(leaves_out_a_hit_ratio_that_is_not_known);
    ADD(a_flood_of_states_is_a_trickle_of_events);
#undef ADD
}
