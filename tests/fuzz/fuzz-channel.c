/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the memory channel's rules. Input: for each read a byte of how many bytes came (and in its two
 * high bits how many descriptors), then those bytes. With clang's -fsanitize=fuzzer the entry point is
 * all that is needed; built with FUZZ_MAIN it has inputs of its own for fuzz-main.c: a whole
 * conversation, mutated.
 */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "fuzz.h"

#define MAX_BYTES 65536u

/* Handlers see nothing that the rules do not promise. */
static bool fuzz_hello(void *opaque, const TierMsgHello *msg, GError **errp)
{
    g_assert_true(channel_text_ok(msg->vm, sizeof(msg->vm)) &&
                  channel_text_ok(msg->backend, sizeof(msg->backend)));
    return true;
}

static bool fuzz_config(void *opaque, const TierMsgConfig *msg, GError **errp)
{
    g_assert_cmpuint(msg->n_tiers, >=, 1);
    g_assert_cmpuint(msg->n_tiers, <=, TIER_MAX_TIERS);
    g_assert_cmpuint(msg->fast_min, <=, msg->fast_size);
    return true;
}

static bool fuzz_region_add(void *opaque, const TierMsgRegionAdd *msg, int fds[TIER_MSG_MAX_FDS],
                            GError **errp)
{
    g_assert_cmpuint(msg->size, >, 0);
    g_assert_cmpuint(msg->hva + msg->size, >, msg->hva);
    g_assert_cmpuint(msg->fd_offset + msg->size, >, msg->fd_offset);
    g_assert_true(fds[0] >= 0 && fds[1] >= 0 && (fds[2] >= 0) == !!(msg->flags & TIER_REGION_UFFD));
    /* Some are taken, as a region's are, some are left, as a refused region's are. */
    if (msg->id & 1) {
        g_set_error(errp, CHANNEL_ERROR, 5, "refused");
        return false;
    }
    close(g_steal_fd(&fds[0]));
    return true;
}

static bool fuzz_region_del(void *opaque, uint32_t id, GError **errp)
{
    return true;
}

static bool fuzz_freeze(void *opaque, uint32_t flags, GError **errp)
{
    g_assert_cmpuint(flags & ~TIER_FREEZE_DISARM, ==, 0);
    return true;
}

static bool fuzz_thaw(void *opaque, GError **errp)
{
    return true;
}

static const ChannelOps ops = {
    fuzz_hello, fuzz_config, fuzz_region_add, fuzz_region_del, fuzz_freeze, fuzz_thaw,
};

static size_t open_some(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(fds[i], >=, 0);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int first_free = dup(2);
    ChannelVerdict verdict = CHANNEL_MORE;
    Channel channel;
    int after;

    close(first_free);
    channel_init(&channel);
    while (size > 1 && size <= MAX_BYTES && verdict != CHANNEL_MALFORMED) {
        g_autoptr(GError) err = NULL;
        size_t space, n;
        uint8_t *to = channel_space(&channel, &space);
        int fds[3];

        g_assert_true(space > 0 && space <= TIER_MSG_MAX_PAYLOAD);
        n = MIN(MIN(space, size - 1), (size_t)(data[0] & 0x3f) * 16 + 1);
        memcpy(to, data + 1, n);
        verdict = channel_received(&channel, n, fds, open_some(fds, data[0] >> 6), &ops, NULL, &err);
        g_assert_true((err != NULL) == (verdict == CHANNEL_REFUSED || verdict == CHANNEL_MALFORMED));
        data += 1 + n;
        size -= 1 + n;
    }
    channel_clear(&channel);
    /* The lowest free descriptor is the one that it was: none is left open. */
    after = dup(2);
    g_assert_cmpint(after, ==, first_free);
    close(after);
    return 0;
}

#ifdef FUZZ_MAIN

static void add_message(GByteArray *bytes, TierRequest request, const void *payload, uint32_t size,
                        uint8_t n_fds)
{
    const TierMsgHeader header = { request, TIER_CHANNEL_VERSION, size, 0 };
    const uint8_t *at = payload;
    uint8_t head = (uint8_t)(n_fds << 6 | 0x3f);

    g_byte_array_append(bytes, &head, 1);
    g_byte_array_append(bytes, (const uint8_t *)&header, sizeof(header));
    head = 0x3f;
    g_byte_array_append(bytes, &head, 1);
    g_byte_array_append(bytes, at, size);
}

/* A conversation with a message of every kind. */
static GByteArray *make_seed(void)
{
    const TierMsgHello hello = { .version = TIER_CHANNEL_VERSION, .vm = "vm", .backend = "b" };
    const TierMsgConfig config = { .fast_size = 1 << 20, .weight = 1, .n_tiers = 1, .tier_nodes = { { 1 } } };
    const TierMsgRegionAdd region = { .hva = 4096, .size = 8192, .page_size = 4096, .name = "r" };
    const TierMsgRegionDel del = { 0 };
    const TierMsgFreeze freeze = { .flags = TIER_FREEZE_DISARM }, thaw = { 0 };
    GByteArray *bytes = g_byte_array_new();

    add_message(bytes, TIER_MSG_HELLO, &hello, sizeof(hello), 0);
    add_message(bytes, TIER_MSG_CONFIG, &config, sizeof(config), 0);
    add_message(bytes, TIER_MSG_REGION_ADD, &region, sizeof(region), 2);
    add_message(bytes, TIER_MSG_FREEZE, &freeze, sizeof(freeze), 0);
    add_message(bytes, TIER_MSG_THAW, &thaw, sizeof(thaw), 0);
    add_message(bytes, TIER_MSG_REGION_DEL, &del, sizeof(del), 0);
    return bytes;
}

GByteArray *fuzz_input(Rng *rng, uint64_t round)
{
    GByteArray *bytes = make_seed();

    for (uint64_t n = round == 0 ? 0 : rng_next(rng) % 8; n > 0; n--) {
        /* Most of what matters lies in the headers, so small values are likelier than others. */
        bytes->data[rng_next(rng) % bytes->len] =
            (uint8_t)(rng_chance(rng, 0.5) ? rng_next(rng) % 9 : rng_next(rng));
    }
    if (round > 0 && rng_chance(rng, 0.2)) {
        g_byte_array_set_size(bytes, (guint)(rng_next(rng) % bytes->len));
    }
    return bytes;
}

#endif /* FUZZ_MAIN */
