/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request of virtio-tier, read and answered, without any device; where its memory lies in pieces.
 */
#include <glib.h>
#include <string.h>

#include "hint/request.h"

#define ALL (1u << VIRTIO_TIER_F_PIN | 1u << VIRTIO_TIER_F_QUERY | 1u << VIRTIO_TIER_F_EVENTS)

typedef struct Wire {
    struct virtio_tier_req head;
    struct virtio_tier_range ranges[4];
} Wire;

/* A request that is sound but for what is said of it here. */
typedef struct Case {
    const char *name;
    uint16_t type, flags;
    uint32_t n;
    size_t readable, writable;      /* bytes; 0: what it takes */
    uint32_t status;
} Case;

static const Case cases[] = {
    {"sound", VIRTIO_TIER_T_HOT, 0, 2, 0, 0, VIRTIO_TIER_S_OK},
    {"query", VIRTIO_TIER_T_QUERY, 0, 2, 0, 0, VIRTIO_TIER_S_OK},
    {"more-room-than-needed", VIRTIO_TIER_T_HOT, 0, 2, 0, 1000, VIRTIO_TIER_S_OK},
    {"unknown-type", 8, 0, 1, 0, 0, VIRTIO_TIER_S_UNSUPP},
    {"no-type", 0, 0, 1, 0, 0, VIRTIO_TIER_S_UNSUPP},
    {"flags", VIRTIO_TIER_T_HOT, 1, 1, 0, 0, VIRTIO_TIER_S_INVAL},
    {"no-ranges", VIRTIO_TIER_T_HOT, 0, 0, 0, 0, VIRTIO_TIER_S_INVAL},
    {"too-many-ranges", VIRTIO_TIER_T_HOT, 0, 1025, 80, 80, VIRTIO_TIER_S_INVAL},
    {"as-many-as-wrap", VIRTIO_TIER_T_HOT, 0, 0x10000001, 32, 80, VIRTIO_TIER_S_INVAL},
    {"a-byte-too-short", VIRTIO_TIER_T_HOT, 0, 2, 47, 0, VIRTIO_TIER_S_INVAL},
    {"a-byte-too-long", VIRTIO_TIER_T_HOT, 0, 2, 49, 0, VIRTIO_TIER_S_INVAL},
    {"header-cut", VIRTIO_TIER_T_HOT, 0, 2, 15, 0, VIRTIO_TIER_S_INVAL},
    {"nothing-but-a-header", VIRTIO_TIER_T_HOT, 0, 1, 16, 0, VIRTIO_TIER_S_INVAL},
    {"no-room-for-the-last-status", VIRTIO_TIER_T_HOT, 0, 2, 0, 23, VIRTIO_TIER_S_INVAL},
    {"no-room-for-the-last-result", VIRTIO_TIER_T_QUERY, 0, 2, 0, 16 + 2 * 56 - 1, VIRTIO_TIER_S_INVAL},
};

static Wire wire_of(const Case *c)
{
    Wire wire = { .head = { GUINT16_TO_LE(c->type), GUINT16_TO_LE(c->flags), GUINT32_TO_LE(c->n), GUINT64_TO_LE(77) } };

    for (size_t i = 0; i < G_N_ELEMENTS(wire.ranges); i++) {
        wire.ranges[i] = (struct virtio_tier_range) { GUINT64_TO_LE(i << 20), GUINT64_TO_LE(8192) };
    }
    return wire;
}

static void tells_what_is_wrong_with_a_request(gconstpointer data)
{
    const Case *c = data;
    Wire wire = wire_of(c);
    uint8_t answer[1024];
    const size_t entry = c->type == VIRTIO_TIER_T_QUERY ? sizeof(struct virtio_tier_result) : 4;
    const struct iovec out = { &wire, c->readable ? c->readable : 16 + (size_t)c->n * 16 };
    const struct iovec in = { answer, c->writable ? c->writable : 16 + c->n * entry };
    g_autofree HintRequest *request = g_new0(HintRequest, 1);
    struct virtio_tier_resp response;
    size_t written;

    g_assert_true(hint_request_parse(request, ALL, &out, 1, &in, 1));
    g_assert_cmpuint(request->status, ==, c->status);
    written = hint_request_answer(request, &in, 1);
    memcpy(&response, answer, sizeof(response));
    g_assert_cmpuint(GUINT32_FROM_LE(response.status), ==, c->status);
    if (c->status == VIRTIO_TIER_S_OK) {
        g_assert_cmpuint(GUINT64_FROM_LE(response.cookie), ==, 77);
        g_assert_cmpuint(written, ==, 16 + c->n * entry);
        g_assert_cmpuint(request->ranges[1].addr, ==, 1 << 20);
    } else {
        g_assert_cmpuint(request->n_ranges, ==, 0);
        g_assert_cmpuint(written, ==, 16);
    }
}

static void a_range_is_judged_by_itself(void)
{
    static const struct {
        uint64_t addr, len;
        uint32_t status;
    } ranges[] = {
        { 0, 4096, VIRTIO_TIER_S_OK }, { 0, 0, VIRTIO_TIER_S_INVAL }, { 1, 4096, VIRTIO_TIER_S_INVAL },
        { 4096, 4095, VIRTIO_TIER_S_INVAL }, { UINT64_MAX - 4095, 4096, VIRTIO_TIER_S_INVAL },
        { UINT64_MAX - 8191, 4096, VIRTIO_TIER_S_OK }, { 4096, UINT64_MAX - 4095, VIRTIO_TIER_S_INVAL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
        Wire wire = wire_of(&cases[0]);
        uint8_t answer[24];
        const struct iovec out = { &wire, 48 }, in = { answer, sizeof(answer) };
        g_autofree HintRequest *request = g_new0(HintRequest, 1);

        wire.ranges[1] = (struct virtio_tier_range) { GUINT64_TO_LE(ranges[i].addr), GUINT64_TO_LE(ranges[i].len) };
        g_assert_true(hint_request_parse(request, ALL, &out, 1, &in, 1));
        g_assert_cmpuint(request->status, ==, VIRTIO_TIER_S_OK);
        g_assert_cmpuint(request->ranges[0].status, ==, VIRTIO_TIER_S_OK);
        g_assert_cmpuint(request->ranges[1].status, ==, ranges[i].status);
    }
}

static void no_answer_is_written_where_there_is_no_room(void)
{
    Wire wire = wire_of(&cases[0]);
    uint8_t answer[16];
    const struct iovec out = { &wire, 48 }, in = { answer, 15 };
    g_autofree HintRequest *request = g_new0(HintRequest, 1);

    g_assert_false(hint_request_parse(request, ALL, &out, 1, &in, 1));
    g_assert_false(hint_request_parse(request, ALL, &out, 1, NULL, 0));
    g_assert_cmpuint(request->status, !=, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(request->n_ranges, ==, 0);
}

/* Each byte in a piece of its own, with empty pieces in between. */
static size_t shatter(void *bytes, size_t n, struct iovec *iov)
{
    for (size_t i = 0; i < n; i++) {
        iov[2 * i] = (struct iovec) { (uint8_t *)bytes + i, 1 };
        iov[2 * i + 1] = (struct iovec) { bytes, 0 };
    }
    return 2 * n;
}

static void memory_may_lie_in_pieces(void)
{
    Wire wire = wire_of(&cases[1]);
    uint8_t answer[16 + 2 * 56];
    struct iovec out[2 * sizeof(wire)], in[2 * sizeof(answer)];
    const size_t n_out = shatter(&wire, 48, out), n_in = shatter(answer, sizeof(answer), in);
    g_autofree HintRequest *request = g_new0(HintRequest, 1);
    struct virtio_tier_result result;

    g_assert_true(hint_request_parse(request, ALL, out, n_out, in, n_in));
    g_assert_cmpuint(request->status, ==, VIRTIO_TIER_S_OK);
    request->ranges[1].tier_bytes[3] = 0x1122334455667788;
    request->ranges[1].accesses_per_s = 9;
    g_assert_cmpuint(hint_request_answer(request, in, n_in), ==, sizeof(answer));
    memcpy(&result, answer + 16 + 56, sizeof(result));
    g_assert_cmpuint(GUINT64_FROM_LE(result.tier_bytes[3]), ==, 0x1122334455667788);
    g_assert_cmpuint(GUINT64_FROM_LE(result.accesses_per_s), ==, 9);
    g_assert_cmpuint(result.reserved, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/hint-request/tells_what_is_wrong_with_a_request/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], tells_what_is_wrong_with_a_request);
    }
    g_test_add_func("/hint-request/a_range_is_judged_by_itself", a_range_is_judged_by_itself);
    g_test_add_func("/hint-request/no_answer_is_written_where_there_is_no_room",
                    no_answer_is_written_where_there_is_no_room);
    g_test_add_func("/hint-request/memory_may_lie_in_pieces", memory_may_lie_in_pieces);
    return g_test_run();
}
