/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory channel's rules: what is a message, what is refused, what ends the connection, and who
 * closes descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"

/* What the handlers were called with. */
typedef struct Seen {
    unsigned hello, config, region_add, region_del, freeze, thaw;
    uint32_t region, flags;
    bool refuse;
    bool take_fds;
    int taken[TIER_MSG_MAX_FDS];
} Seen;

static bool seen_hello(void *opaque, const TierMsgHello *msg, GError **errp)
{
    ((Seen *)opaque)->hello++;
    return true;
}

static bool seen_config(void *opaque, const TierMsgConfig *msg, GError **errp)
{
    ((Seen *)opaque)->config++;
    return true;
}

static bool seen_region_add(void *opaque, const TierMsgRegionAdd *msg, int fds[TIER_MSG_MAX_FDS],
                            GError **errp)
{
    Seen *seen = opaque;

    seen->region_add++;
    seen->region = msg->id;
    if (seen->refuse) {
        g_set_error(errp, CHANNEL_ERROR, EFAULT, "not mapped");
        return false;
    }
    for (size_t i = 0; seen->take_fds && i < TIER_MSG_MAX_FDS; i++) {
        seen->taken[i] = g_steal_fd(&fds[i]);
    }
    return true;
}

static bool seen_region_del(void *opaque, uint32_t id, GError **errp)
{
    ((Seen *)opaque)->region_del++;
    return true;
}

static bool seen_freeze(void *opaque, uint32_t flags, GError **errp)
{
    ((Seen *)opaque)->freeze++;
    ((Seen *)opaque)->flags = flags;
    return true;
}

static bool seen_thaw(void *opaque, GError **errp)
{
    ((Seen *)opaque)->thaw++;
    return true;
}

static const ChannelOps ops = {
    seen_hello, seen_config, seen_region_add, seen_region_del, seen_freeze, seen_thaw,
};

static unsigned open_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

typedef struct Message {
    TierMsgHeader header;
    union {
        TierMsgHello hello;
        TierMsgConfig config;
        TierMsgRegionAdd region_add;
        TierMsgRegionDel region_del;
        TierMsgFreeze freeze;
    } u;
    size_t n_fds;
} Message;

static Message message(TierRequest request)
{
    Message m = { .header = { .request = request, .flags = TIER_CHANNEL_VERSION } };

    switch (request) {
    case TIER_MSG_HELLO:
        m.header.size = sizeof(m.u.hello);
        m.u.hello = (TierMsgHello) { .version = TIER_CHANNEL_VERSION, .vm = "guest", .backend = "tier0" };
        break;
    case TIER_MSG_CONFIG:
        m.header.size = sizeof(m.u.config);
        m.u.config = (TierMsgConfig) {
            .fast_size = 1 << 20, .weight = 100, .mode = TIER_MODE_ON, .n_tiers = 2,
            .tier_nodes = { { 1 }, { 2 } },
        };
        break;
    case TIER_MSG_REGION_ADD:
        m.header.size = sizeof(m.u.region_add);
        m.u.region_add = (TierMsgRegionAdd) {
            .id = 7, .hva = 0x7f0000000000, .size = 64 << 20, .page_size = 4096, .name = "ram",
        };
        m.n_fds = 2;
        break;
    case TIER_MSG_REGION_DEL:
        m.header.size = sizeof(m.u.region_del);
        m.u.region_del.id = 7;
        break;
    case TIER_MSG_FREEZE:
    case TIER_MSG_THAW:
        m.header.size = sizeof(m.u.freeze);
        break;
    default:
        break;
    }
    return m;
}

/*
 * Give the message to the channel in pieces of @step bytes at most; the descriptors (of /dev/null) come
 * with the first.
 */
static ChannelVerdict feed(Channel *channel, const Message *m, size_t step, Seen *seen, GError **errp)
{
    g_autofree uint8_t *bytes = g_malloc0(sizeof(TierMsgHeader) + m->header.size);
    const size_t total = sizeof(TierMsgHeader) + m->header.size;
    ChannelVerdict verdict = CHANNEL_MORE;
    int fds[8];

    memcpy(bytes, &m->header, sizeof(m->header));
    memcpy(bytes + sizeof(m->header), &m->u, MIN(sizeof(m->u), (size_t)m->header.size));
    for (size_t i = 0; i < m->n_fds; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    for (size_t at = 0; at < total && verdict == CHANNEL_MORE;) {
        size_t space, n;
        uint8_t *to = channel_space(channel, &space);

        n = MIN(MIN(space, step), total - at);
        g_assert_cmpuint(n, >, 0);
        memcpy(to, bytes + at, n);
        verdict = channel_received(channel, n, fds, at == 0 ? m->n_fds : 0, &ops, seen, errp);
        at += n;
    }
    return verdict;
}

static void assert_done(Channel *channel, TierRequest request, Seen *seen)
{
    g_autoptr(GError) err = NULL;
    const Message m = message(request);
    ChannelVerdict verdict = feed(channel, &m, SIZE_MAX, seen, &err);

    g_assert_no_error(err);
    g_assert_cmpint(verdict, ==, CHANNEL_DONE);
}

static void configured_channel(Channel *channel, Seen *seen)
{
    channel_init(channel);
    assert_done(channel, TIER_MSG_HELLO, seen);
    assert_done(channel, TIER_MSG_CONFIG, seen);
}

static void a_whole_conversation_reaches_every_handler(void)
{
    const unsigned before = open_fds();
    Channel channel;
    Seen seen = { 0 };

    configured_channel(&channel, &seen);
    assert_done(&channel, TIER_MSG_REGION_ADD, &seen);
    assert_done(&channel, TIER_MSG_FREEZE, &seen);
    assert_done(&channel, TIER_MSG_THAW, &seen);
    assert_done(&channel, TIER_MSG_REGION_DEL, &seen);
    g_assert_cmpuint(seen.hello, ==, 1);
    g_assert_cmpuint(seen.config, ==, 1);
    g_assert_cmpuint(seen.region_add, ==, 1);
    g_assert_cmpuint(seen.region, ==, 7);
    g_assert_cmpuint(seen.freeze, ==, 1);
    g_assert_cmpuint(seen.thaw, ==, 1);
    g_assert_cmpuint(seen.region_del, ==, 1);
    channel_clear(&channel);
    g_assert_cmpuint(open_fds(), ==, before);
}

static void pieces_of_any_size_make_the_same_message(void)
{
    const Message m = message(TIER_MSG_REGION_ADD);

    for (size_t step = 1; step < 40; step++) {
        g_autoptr(GError) err = NULL;
        Channel channel;
        Seen seen = { 0 };

        configured_channel(&channel, &seen);
        g_assert_cmpint(feed(&channel, &m, step, &seen, &err), ==, CHANNEL_DONE);
        g_assert_no_error(err);
        g_assert_cmpuint(seen.region_add, ==, 1);
        channel_clear(&channel);
    }
}

static void space_never_reaches_into_the_next_message(void)
{
    const Message m = message(TIER_MSG_HELLO);
    Channel channel;
    Seen seen = { 0 };
    size_t space;

    channel_init(&channel);
    channel_space(&channel, &space);
    g_assert_cmpuint(space, ==, sizeof(TierMsgHeader));
    memcpy(channel_space(&channel, &space), &m.header, sizeof(m.header));
    g_assert_cmpint(channel_received(&channel, sizeof(m.header), NULL, 0, &ops, &seen, NULL), ==,
                    CHANNEL_MORE);
    channel_space(&channel, &space);
    g_assert_cmpuint(space, ==, sizeof(TierMsgHello));
    channel_clear(&channel);
}

static void a_handler_may_keep_descriptors(void)
{
    const unsigned before = open_fds();
    Channel channel;
    Seen seen = { .take_fds = true };

    configured_channel(&channel, &seen);
    assert_done(&channel, TIER_MSG_REGION_ADD, &seen);
    g_assert_cmpuint(open_fds(), ==, before + 2);
    g_assert_cmpint(fcntl(seen.taken[0], F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(seen.taken[2], ==, -1);
    close(seen.taken[0]);
    close(seen.taken[1]);
    channel_clear(&channel);
    g_assert_cmpuint(open_fds(), ==, before);
}

/* --- bad input: one table for what ends the connection, one for what is refused --- */

typedef struct Bad {
    const char *name;
    TierRequest request;
    void (*spoil)(Message *m);
    const char *reason;
    ChannelState state;             /* in which it is sent */
} Bad;

#define SPOIL(name, statement) \
    static void name(Message *m) \
    { \
        statement; \
    }

SPOIL(version_in_flags, m->header.flags = 2)
SPOIL(reply_flag, m->header.flags |= TIER_MSG_REPLY)
SPOIL(high_flag, m->header.flags |= 1u << 31)
SPOIL(reserved_word, m->header.reserved = 1)
SPOIL(short_payload, m->header.size -= 1)
SPOIL(long_payload, m->header.size += 1)
SPOIL(huge_payload, m->header.size = UINT32_MAX)
SPOIL(unknown_request, m->header.request = 99)
SPOIL(request_zero, m->header.request = 0)
SPOIL(huge_request, m->header.request = UINT32_MAX)
SPOIL(no_fds, m->n_fds = 0)
SPOIL(one_fd, m->n_fds = 1)
SPOIL(three_fds, m->n_fds = 3)
SPOIL(four_fds, m->n_fds = 4)
SPOIL(uffd_promised, m->u.region_add.flags = TIER_REGION_UFFD)
SPOIL(region_flags, m->u.region_add.flags = 2)
SPOIL(hello_reserved, m->u.hello.reserved = 1)
SPOIL(config_reserved, m->u.config.reserved = 1)
SPOIL(del_reserved, m->u.region_del.reserved = 1)
SPOIL(freeze_reserved, m->u.freeze.reserved = 1)
SPOIL(freeze_flags, m->u.freeze.flags = 2)
SPOIL(thaw_flags, m->u.freeze.flags = TIER_FREEZE_DISARM)
SPOIL(nothing, (void)m)

static const Bad malformed[] = {
    {"wrong-version", TIER_MSG_HELLO, version_in_flags, "version 2 in the header", CHANNEL_NEW},
    {"reply-flag", TIER_MSG_HELLO, reply_flag, "reserved bits are set in the header", CHANNEL_NEW},
    {"unknown-flag", TIER_MSG_HELLO, high_flag, "reserved bits are set in the header", CHANNEL_NEW},
    {"reserved-word", TIER_MSG_HELLO, reserved_word, "reserved bits are set in the header", CHANNEL_NEW},
    {"short", TIER_MSG_CONFIG, short_payload, "CONFIG with 551 bytes of payload, not 552", CHANNEL_GREETED},
    {"long", TIER_MSG_CONFIG, long_payload, "CONFIG with 553 bytes", CHANNEL_GREETED},
    {"oversized", TIER_MSG_HELLO, huge_payload, "HELLO with 4294967295 bytes", CHANNEL_NEW},
    {"unknown-request", TIER_MSG_THAW, unknown_request, "request 99 is nothing that QEMU may send",
     CHANNEL_NEW},
    {"request-0", TIER_MSG_THAW, request_zero, "request 0 is nothing", CHANNEL_NEW},
    {"request-max", TIER_MSG_THAW, huge_request, "request 4294967295 is nothing", CHANNEL_NEW},
    {"daemon's-own", TIER_MSG_STATS, nothing, "STATS is nothing that QEMU may send", CHANNEL_CONFIGURED},
    {"fds-missing", TIER_MSG_REGION_ADD, no_fds, "REGION_ADD with 0 descriptors", CHANNEL_CONFIGURED},
    {"one-fd", TIER_MSG_REGION_ADD, one_fd, "REGION_ADD with 1 descriptors", CHANNEL_CONFIGURED},
    {"too-many-fds", TIER_MSG_REGION_ADD, four_fds, "4 descriptors where 3", CHANNEL_CONFIGURED},
    {"uffd-missing", TIER_MSG_REGION_ADD, uffd_promised, "promise 3", CHANNEL_CONFIGURED},
    {"uffd-unannounced", TIER_MSG_REGION_ADD, three_fds, "promise 2", CHANNEL_CONFIGURED},
    {"fds-where-none-belong", TIER_MSG_HELLO, one_fd, "HELLO with 1 descriptors", CHANNEL_NEW},
    {"region-flags", TIER_MSG_REGION_ADD, region_flags, "reserved bits 0x2 are set in REGION_ADD",
     CHANNEL_CONFIGURED},
    {"hello-reserved", TIER_MSG_HELLO, hello_reserved, "reserved bits 0x1 are set in HELLO", CHANNEL_NEW},
    {"config-reserved", TIER_MSG_CONFIG, config_reserved, "CONFIG", CHANNEL_GREETED},
    {"del-reserved", TIER_MSG_REGION_DEL, del_reserved, "REGION_DEL", CHANNEL_CONFIGURED},
    {"freeze-reserved", TIER_MSG_FREEZE, freeze_reserved, "FREEZE", CHANNEL_CONFIGURED},
    {"freeze-flags", TIER_MSG_FREEZE, freeze_flags, "FREEZE", CHANNEL_CONFIGURED},
    {"thaw-flags", TIER_MSG_THAW, thaw_flags, "THAW", CHANNEL_CONFIGURED},
};

SPOIL(hello_version, m->u.hello.version = 9)
SPOIL(vm_endless, memset(m->u.hello.vm, 'x', TIER_NAME_LEN))
SPOIL(vm_not_utf8, strcpy(m->u.hello.vm, "\xff"))
SPOIL(backend_newline, strcpy(m->u.hello.backend, "a\nb"))
SPOIL(floor_above_ceiling, m->u.config.fast_min = 2 << 20)
SPOIL(weight_zero, m->u.config.weight = 0)
SPOIL(weight_large, m->u.config.weight = 1001)
SPOIL(slowdown_large, m->u.config.slowdown_ppm = 1000001)
SPOIL(mode_unknown, m->u.config.mode = 3)
SPOIL(hugepages_unknown, m->u.config.hugepages = 3)
SPOIL(no_tiers, m->u.config.n_tiers = 0)
SPOIL(many_tiers, m->u.config.n_tiers = 5)
SPOIL(odd_page_size, m->u.region_add.page_size = 8192)
SPOIL(gigantic_page_size, m->u.region_add.page_size = 1 << 30)
SPOIL(empty_region, m->u.region_add.size = 0)
SPOIL(unaligned_hva, m->u.region_add.hva += 1)
SPOIL(unaligned_size, m->u.region_add.size += 512)
SPOIL(unaligned_offset, m->u.region_add.fd_offset = 100)
SPOIL(huge_unaligned, m->u.region_add.page_size = 2 << 20; m->u.region_add.hva += 4096)
SPOIL(wraps, m->u.region_add.hva = ~0xfffull)
SPOIL(size_wraps, m->u.region_add.size = ~0xfffull)
SPOIL(offset_wraps, m->u.region_add.fd_offset = INT64_MAX & ~0xfffull)
SPOIL(region_name, memset(m->u.region_add.name, 'x', TIER_NAME_LEN))

static const Bad refused[] = {
    {"hello-version", TIER_MSG_HELLO, hello_version,
     "version 9 of the memory channel is not understood, only 1 is", CHANNEL_NEW},
    {"vm-not-terminated", TIER_MSG_HELLO, vm_endless, "the VM's name", CHANNEL_NEW},
    {"vm-not-utf8", TIER_MSG_HELLO, vm_not_utf8, "the VM's name", CHANNEL_NEW},
    {"control-character", TIER_MSG_HELLO, backend_newline, "the backend's name", CHANNEL_NEW},
    {"hello-twice", TIER_MSG_HELLO, nothing, "HELLO out of order", CHANNEL_GREETED},
    {"config-first", TIER_MSG_CONFIG, nothing, "HELLO comes first", CHANNEL_NEW},
    {"region-first", TIER_MSG_REGION_ADD, nothing, "HELLO comes first", CHANNEL_NEW},
    {"region-before-config", TIER_MSG_REGION_ADD, nothing, "CONFIG comes first", CHANNEL_GREETED},
    {"freeze-before-config", TIER_MSG_FREEZE, nothing, "CONFIG comes first", CHANNEL_GREETED},
    {"floor-above-ceiling", TIER_MSG_CONFIG, floor_above_ceiling,
     "fast-min 2097152 is larger than fast-size 1048576", CHANNEL_GREETED},
    {"weight-0", TIER_MSG_CONFIG, weight_zero, "weight 0 is not in 1 to 1000", CHANNEL_GREETED},
    {"weight-1001", TIER_MSG_CONFIG, weight_large, "weight 1001", CHANNEL_GREETED},
    {"slowdown-1000001", TIER_MSG_CONFIG, slowdown_large, "slowdown: 1000001 millionths", CHANNEL_GREETED},
    {"mode", TIER_MSG_CONFIG, mode_unknown, "mode 3", CHANNEL_GREETED},
    {"hugepages", TIER_MSG_CONFIG, hugepages_unknown, "hugepages 3", CHANNEL_GREETED},
    {"no-tiers", TIER_MSG_CONFIG, no_tiers, "0 tiers", CHANNEL_GREETED},
    {"5-tiers", TIER_MSG_CONFIG, many_tiers, "5 tiers: there must be 1 to 4", CHANNEL_GREETED},
    {"page-size", TIER_MSG_REGION_ADD, odd_page_size, "pages of 8192 bytes", CHANNEL_CONFIGURED},
    {"page-size-1g", TIER_MSG_REGION_ADD, gigantic_page_size, "pages of 1073741824 bytes",
     CHANNEL_CONFIGURED},
    {"empty", TIER_MSG_REGION_ADD, empty_region, "is empty or not aligned", CHANNEL_CONFIGURED},
    {"unaligned-hva", TIER_MSG_REGION_ADD, unaligned_hva, "not aligned", CHANNEL_CONFIGURED},
    {"unaligned-size", TIER_MSG_REGION_ADD, unaligned_size, "not aligned", CHANNEL_CONFIGURED},
    {"unaligned-offset", TIER_MSG_REGION_ADD, unaligned_offset, "not aligned", CHANNEL_CONFIGURED},
    {"huge-unaligned", TIER_MSG_REGION_ADD, huge_unaligned, "not aligned to its pages of 2097152",
     CHANNEL_CONFIGURED},
    {"address-wraps", TIER_MSG_REGION_ADD, wraps, "beyond the end", CHANNEL_CONFIGURED},
    {"size-wraps", TIER_MSG_REGION_ADD, size_wraps, "beyond the end", CHANNEL_CONFIGURED},
    {"offset-wraps", TIER_MSG_REGION_ADD, offset_wraps, "beyond the end", CHANNEL_CONFIGURED},
    {"region-name", TIER_MSG_REGION_ADD, region_name, "the region's name", CHANNEL_CONFIGURED},
};

static ChannelVerdict feed_bad(Channel *channel, const Bad *bad, Seen *seen, GError **errp)
{
    Message m = message(bad->request);

    channel_init(channel);
    if (bad->state >= CHANNEL_GREETED) {
        assert_done(channel, TIER_MSG_HELLO, seen);
    }
    if (bad->state >= CHANNEL_CONFIGURED) {
        assert_done(channel, TIER_MSG_CONFIG, seen);
    }
    bad->spoil(&m);
    *seen = (Seen) { 0 };
    if (m.header.size > TIER_MSG_MAX_PAYLOAD) {
        /* Its header is all that may ever be asked for. */
        size_t space;

        memcpy(channel_space(channel, &space), &m.header, sizeof(m.header));
        return channel_received(channel, sizeof(m.header), NULL, 0, &ops, seen, errp);
    }
    return feed(channel, &m, SIZE_MAX, seen, errp);
}

static void assert_bad(const Bad *bad, ChannelVerdict expected)
{
    const unsigned before = open_fds();
    g_autoptr(GError) err = NULL;
    Channel channel;
    Seen seen = { 0 };

    g_assert_cmpint(feed_bad(&channel, bad, &seen, &err), ==, expected);
    g_assert_nonnull(err);
    if (!strstr(err->message, bad->reason)) {
        g_error("%s: '%s' does not say '%s'", bad->name, err->message, bad->reason);
    }
    g_assert_cmpuint(seen.hello + seen.config + seen.region_add + seen.region_del + seen.freeze + seen.thaw,
                     ==, 0);
    channel_clear(&channel);
    g_assert_cmpuint(open_fds(), ==, before);
}

static void ends_the_connection(gconstpointer bad)
{
    assert_bad(bad, CHANNEL_MALFORMED);
}

static void is_refused_with_the_reason(gconstpointer bad)
{
    assert_bad(bad, CHANNEL_REFUSED);
}

static void a_refused_message_leaves_the_channel_usable(void)
{
    const unsigned before = open_fds();
    const Message m = message(TIER_MSG_REGION_ADD);
    g_autoptr(GError) err = NULL;
    Channel channel;
    Seen seen = { .refuse = true };

    configured_channel(&channel, &seen);
    g_assert_cmpint(feed(&channel, &m, SIZE_MAX, &seen, &err), ==, CHANNEL_REFUSED);
    g_assert_error(err, CHANNEL_ERROR, EFAULT);
    g_assert_cmpuint(channel_errno(err), ==, EFAULT);
    g_assert_cmpuint(open_fds(), ==, before);
    assert_done(&channel, TIER_MSG_FREEZE, &seen);
    channel_clear(&channel);
}

static void descriptors_in_the_middle_of_a_message_end_the_connection(void)
{
    const unsigned before = open_fds();
    const Message m = message(TIER_MSG_HELLO);
    g_autoptr(GError) err = NULL;
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    Channel channel;
    Seen seen = { 0 };
    size_t space;

    channel_init(&channel);
    memcpy(channel_space(&channel, &space), &m.header, sizeof(m.header));
    g_assert_cmpint(channel_received(&channel, 4, NULL, 0, &ops, &seen, &err), ==, CHANNEL_MORE);
    g_assert_cmpint(channel_received(&channel, 4, &fd, 1, &ops, &seen, &err), ==, CHANNEL_MALFORMED);
    g_assert_nonnull(strstr(err->message, "in the middle of a message"));
    channel_clear(&channel);
    g_assert_cmpuint(open_fds(), ==, before);
}

static void a_connection_that_ends_in_the_middle_leaks_nothing(void)
{
    const unsigned before = open_fds();
    const Message m = message(TIER_MSG_REGION_ADD);
    int fds[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC) };
    Channel channel;
    Seen seen = { 0 };
    size_t space;

    configured_channel(&channel, &seen);
    memcpy(channel_space(&channel, &space), &m.header, sizeof(m.header));
    g_assert_cmpint(channel_received(&channel, space, fds, 2, &ops, &seen, NULL), ==, CHANNEL_MORE);
    channel_clear(&channel);
    g_assert_cmpuint(open_fds(), ==, before);
}

static void text_is_cut_at_a_character(void)
{
    char field[8];

    memset(field, 'x', sizeof(field));
    channel_text_copy(field, sizeof(field), "abcdef\xc3\xa4");
    g_assert_cmpstr(field, ==, "abcdef");
    g_assert_true(field[7] == 0);
    channel_text_copy(field, sizeof(field), "abcde\xc3\xa4z");
    g_assert_cmpstr(field, ==, "abcde\xc3\xa4");
}

static void add_table(const char *prefix, const Bad *table, size_t n, GTestDataFunc func)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/channel/%s/%s", prefix, table[i].name);

        g_test_add_data_func(path, &table[i], func);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/channel/a_whole_conversation_reaches_every_handler",
                    a_whole_conversation_reaches_every_handler);
    g_test_add_func("/channel/pieces_of_any_size_make_the_same_message",
                    pieces_of_any_size_make_the_same_message);
    g_test_add_func("/channel/space_never_reaches_into_the_next_message",
                    space_never_reaches_into_the_next_message);
    g_test_add_func("/channel/a_handler_may_keep_descriptors", a_handler_may_keep_descriptors);
    add_table("ends_the_connection", malformed, G_N_ELEMENTS(malformed), ends_the_connection);
    add_table("is_refused_with_the_reason", refused, G_N_ELEMENTS(refused), is_refused_with_the_reason);
    g_test_add_func("/channel/a_refused_message_leaves_the_channel_usable",
                    a_refused_message_leaves_the_channel_usable);
    g_test_add_func("/channel/descriptors_in_the_middle_of_a_message_end_the_connection",
                    descriptors_in_the_middle_of_a_message_end_the_connection);
    g_test_add_func("/channel/a_connection_that_ends_in_the_middle_leaks_nothing",
                    a_connection_that_ends_in_the_middle_leaks_nothing);
    g_test_add_func("/channel/text_is_cut_at_a_character", text_is_cut_at_a_character);
    return g_test_run();
}
