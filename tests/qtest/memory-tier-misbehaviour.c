/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of memory-backend-tier's memory channel against daemons that misbehave:
 * each is disconnected, the reason is shown, nothing leaks, the guest runs on,
 * and a daemon that behaves is taken again.
 */
#include "qemu/osdep.h"

#include "memory-tier-peer.h"
#include "memory-tier-test.h"

typedef struct Bad {
    const char *name;
    bool greeted;               /* sent after the handshake, or instead of it */
    TierMsgHeader header;
    size_t size;                /* of payload, all of byte 'fill' */
    uint8_t fill;
    const char *problem;
} Bad;

#define V TIER_CHANNEL_VERSION
#define R TIER_MSG_REPLY

static const Bad bad[] = {
    { "garbage", false, { 0x21212121, 0x21212121, 0x21212121, 0x21212121 },
      0, 0, "disconnecting the daemon: it sent" },
    { "garbage later", true, { 0x21212121, 0x21212120 | V, 0, 0 },
      0, 0, "reserved bits" },
    { "wrong version", false, { TIER_MSG_HELLO, 2 | R, sizeof(TierMsgHello) },
      0, 0, "speaks version 2" },
    { "no version", true, { TIER_MSG_STATS, 0, sizeof(TierMsgStats) },
      0, 0, "speaks version 0" },
    { "wrong version inside", false,
      { TIER_MSG_HELLO, V | R, sizeof(TierMsgHello) }, sizeof(TierMsgHello), 7,
      "greets in version 117901063" },
    { "reserved field", true,
      { TIER_MSG_STATS, V, sizeof(TierMsgStats), 1 }, 0, 0, "reserved" },
    { "unknown request", true, { 99, V, 8 }, 0, 0, "request 99" },
    { "request 0", true, { 0, V, 8 }, 0, 0, "request 0" },
    { "a request that only QEMU makes", true,
      { TIER_MSG_REGION_ADD, V, sizeof(TierMsgRegionAdd) }, 0, 0,
      "request 3, which is unknown" },
    { "answer to nothing", true,
      { TIER_MSG_CONFIG, V | R, sizeof(TierMsgStatus) }, sizeof(TierMsgStatus),
      0, "answered request 2 where 0 was due" },
    { "answer to something else", false,
      { TIER_MSG_THAW, V | R, sizeof(TierMsgStatus) }, sizeof(TierMsgStatus),
      0, "answered request 6 where 1 was due" },
    { "request before greeting", false,
      { TIER_MSG_STATS, V, sizeof(TierMsgStats) }, sizeof(TierMsgStats), 0,
      "before it greeted" },
    { "oversized", true, { TIER_MSG_STATS, V, 0xffffffff }, 0, 0,
      "with 4294967295 bytes" },
    { "one byte too much", true,
      { TIER_MSG_STATE, V, sizeof(TierMsgState) + 1 }, 0, 0,
      "265 bytes, where 264" },
    { "empty answer", true, { TIER_MSG_CONFIG, V | R, 0 }, 0, 0,
      "with 0 bytes, where 264" },
    { "empty", true, { TIER_MSG_STATS, V, 0 }, 0, 0, "with 0 bytes" },
    { "unknown state", true, { TIER_MSG_STATE, V, sizeof(TierMsgState) },
      sizeof(TierMsgState), 0xff, "a state that is unknown" },
    { "share above 1", true, { TIER_MSG_STATS, V, sizeof(TierMsgStats) },
      sizeof(TierMsgStats), 0xff, "a share of more than 1" },
    { "hints that were not agreed on", true,
      { TIER_MSG_HINTS, V, sizeof(TierMsgHints) }, sizeof(TierMsgHints), 0,
      "which was not agreed on" },
    { "unknown mode", true, { TIER_MSG_CONFIG, V, sizeof(TierMsgConfig) },
      sizeof(TierMsgConfig), 0xff, "mode 4294967295" },
    { "weight 0", true, { TIER_MSG_CONFIG, V, sizeof(TierMsgConfig) },
      sizeof(TierMsgConfig), 0, "weight' doesn't take value '0'" },
};

static void send_bad(Peer *peer, const Bad *b)
{
    size_t size = sizeof(b->header) + b->size;
    g_autofree uint8_t *message = g_malloc(size);

    memset(message, b->fill, size);
    memcpy(message, &b->header, sizeof(b->header));
    peer_send(peer, message, size);
}

static void disconnects_a_daemon_that_sends_nonsense(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    int fds = count_fds(qts);
    PeerMsg msg;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_test_message("%s", bad[i].name);
        if (!bad[i].greeted) {
            peer_close(peer);
            wait_daemon(qts, "connected", false);
            peer_accept(peer);
            peer_recv(peer, TIER_MSG_HELLO, &msg);
        }
        send_bad(peer, &bad[i]);
        peer_wait_closed(peer);
        wait_daemon(qts, "connected", false);
        assert_problem(qts, bad[i].problem);
        /* And goes on with one that has come to its senses. */
        peer_connect(peer);
        wait_daemon(qts, "connected", true);
        assert_fds(qts, fds);
    }
    stop_qemu(qts, peer);
}

static void disconnects_a_daemon_that_has_unknown_features(void)
{
    Peer *peer = peer_new();
    TierMsgHello hello = { .version = TIER_CHANNEL_VERSION,
                           .features = 1ull << 63 };
    QTestState *qts;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    peer_accept(peer);
    peer_send_msg(peer, TIER_MSG_HELLO, TIER_MSG_REPLY, &hello, sizeof(hello));
    peer_wait_closed(peer);
    assert_problem(qts, "features that were not offered (0x8000000000000000");
    stop_qemu(qts, peer);
}

static void shows_why_it_was_not_welcome(void)
{
    Peer *peer = peer_new();
    QTestState *qts;

    peer_listen(peer);
    qts = start_qemu(peer, "");
    peer_accept(peer);
    peer_answer(peer, TIER_MSG_HELLO, EBUSY, "pid 77 has this socket");
    peer_wait_closed(peer);
    assert_problem(qts, "refused the greeting: pid 77 has this socket");
    stop_qemu(qts, peer);
}

static void disconnects_a_daemon_whose_text_has_no_end(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgState state = { .state = TIER_STATE_BLIND };

    memset(state.text, 'x', sizeof(state.text));
    peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    peer_wait_closed(peer);
    assert_problem(qts, "the state's reason that it sent is no text");
    stop_qemu(qts, peer);
}

static void disconnects_a_daemon_whose_text_is_not_printable(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgState state = { .state = TIER_STATE_BLIND, .text = "red \033[31m" };

    peer_send_msg(peer, TIER_MSG_STATE, 0, &state, sizeof(state));
    peer_wait_closed(peer);
    assert_problem(qts, "the state's reason that it sent is no text");
    stop_qemu(qts, peer);
}

static void takes_no_descriptors(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    TierMsgHeader header = { TIER_MSG_STATS, V, sizeof(TierMsgStats) };
    int fds = count_fds(qts);

    peer_send_fd(peer, &header, sizeof(header), STDERR_FILENO);
    peer_wait_closed(peer);
    assert_problem(qts, "file descriptors");
    peer_connect(peer);
    wait_daemon(qts, "connected", true);
    assert_fds(qts, fds);
    stop_qemu(qts, peer);
}

static void survives_half_a_message(void)
{
    const TierMsgHeader header = { TIER_MSG_STATS, V, sizeof(TierMsgStats) };
    const uint8_t zeroes[sizeof(TierMsgStats)] = {};
    static const size_t parts[] = { 1, 15, 16, 17, 16 + 100 };
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        peer_send(peer, &header, MIN(parts[i], sizeof(header)));
        if (parts[i] > sizeof(header)) {
            peer_send(peer, zeroes, parts[i] - sizeof(header));
        }
        peer_close(peer);
        peer_connect(peer);
        wait_daemon(qts, "connected", true);
    }
    stop_qemu(qts, peer);
}

/* Messages that are right but for some bytes, in pieces, and cut off. */
static void survives_random_messages(void)
{
    static const struct {
        TierRequest request;
        size_t size;
    } kinds[] = {
        { TIER_MSG_CONFIG, sizeof(TierMsgConfig) },
        { TIER_MSG_STATS, sizeof(TierMsgStats) },
        { TIER_MSG_STATE, sizeof(TierMsgState) },
    };
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    int fds = count_fds(qts);

    for (int i = 0; i < 100; i++) {
        int kind = g_test_rand_int_range(0, ARRAY_SIZE(kinds));
        size_t size = sizeof(TierMsgHeader) + kinds[kind].size;
        g_autofree uint8_t *message = g_malloc0(size);
        TierMsgHeader header = { kinds[kind].request, V, kinds[kind].size };

        memcpy(message, &header, sizeof(header));
        for (int n = g_test_rand_int_range(0, 4); n > 0; n--) {
            /* Half of them in the header */
            message[g_test_rand_int_range(0, n & 1 ? 16 : size)] =
                g_test_rand_int_range(0, 256);
        }
        for (int n = g_test_rand_int_range(1, 4); n > 0; n--) {
            send(peer->conn, message, g_test_rand_int_range(1, size + 1),
                 MSG_NOSIGNAL);
        }
        peer_close(peer);
        peer_connect(peer);
    }
    wait_daemon(qts, "connected", true);
    assert_fds(qts, fds);
    stop_qemu(qts, peer);
}

static void reads_messages_byte_by_byte(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    struct {
        TierMsgHeader header;
        TierMsgStats stats;
    } msg = { { TIER_MSG_STATS, V, sizeof(TierMsgStats) },
              { .hit_ppm = 123456 } };
    QDict *daemon, *stats;

    for (size_t i = 0; i < sizeof(msg); i++) {
        peer_send(peer, (uint8_t *)&msg + i, 1);
    }
    do {
        g_usleep(1000);
        daemon = query_daemon(qts);
        stats = qdict_get_qdict(daemon, "stats");
        if (stats) {
            g_assert_cmpint(qdict_get_int(stats, "hit-ppm"), ==, 123456);
        }
        qobject_unref(daemon);
    } while (!stats);
    stop_qemu(qts, peer);
}

static void set_weight_times(QTestState *qts, int n)
{
    for (int i = 0; i < n; i++) {
        qtest_qmp_assert_success(qts, "{'execute': 'memory-tier-set',"
                                 "'arguments': {'id': 'ram', 'weight': %d}}",
                                 1 + i % 1000);
    }
}

static void does_not_wait_for_answers(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");

    set_weight_times(qts, 80);
    peer_wait_closed(peer);
    assert_problem(qts, "it does not answer");
    peer_connect(peer);
    wait_daemon(qts, "connected", true);
    stop_qemu(qts, peer);
}

static bool is_connected(QTestState *qts)
{
    QDict *daemon = query_daemon(qts);
    bool connected = qdict_get_bool(daemon, "connected");

    qobject_unref(daemon);
    return connected;
}

static void does_not_wait_for_a_daemon_that_does_not_read(void)
{
    Peer *peer;
    QTestState *qts = start_connected(&peer, "");
    const struct {
        TierMsgHeader header;
        TierMsgStatus status;
    } answer = { { TIER_MSG_CONFIG, V | R, sizeof(TierMsgStatus) } };

    /* It answers, blindly, so that it is only its not reading that counts. */
    for (int i = 0; i < 5000 && is_connected(qts); i++) {
        set_weight_times(qts, 1);
        if (i >= 60) {
            send(peer->conn, &answer, sizeof(answer), MSG_NOSIGNAL);
        }
    }
    wait_daemon(qts, "connected", false);
    assert_problem(qts, "does not read what it is sent");
    peer_close(peer);
    peer_connect(peer);
    wait_daemon(qts, "connected", true);
    stop_qemu(qts, peer);
}

void add_misbehaviour_tests(void)
{
#define ADD(test) qtest_add_func("/memory-tier/misbehaviour/" #test, test)
    ADD(disconnects_a_daemon_that_sends_nonsense);
    ADD(disconnects_a_daemon_that_has_unknown_features);
    ADD(shows_why_it_was_not_welcome);
    ADD(disconnects_a_daemon_whose_text_has_no_end);
    ADD(disconnects_a_daemon_whose_text_is_not_printable);
    ADD(takes_no_descriptors);
    ADD(survives_half_a_message);
    ADD(survives_random_messages);
    ADD(reads_messages_byte_by_byte);
    ADD(does_not_wait_for_answers);
    ADD(does_not_wait_for_a_daemon_that_does_not_read);
#undef ADD
}
