/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request of virtio-tier: read, checked, answered.
 */
#include "request.h"

#include <glib.h>
#include <string.h>

#define PAGE_BYTES 4096u

/* The ABI is what others have compiled in. */
G_STATIC_ASSERT(sizeof(struct virtio_tier_req) == 16);
G_STATIC_ASSERT(sizeof(struct virtio_tier_range) == 16);
G_STATIC_ASSERT(sizeof(struct virtio_tier_resp) == 16);
G_STATIC_ASSERT(sizeof(struct virtio_tier_result) == 56);

/* A place in the parts of a chain, from which is read or to which is written. */
typedef struct Cursor {
    const struct iovec *iov;
    size_t n;
    size_t at;                      /* bytes of the first that are behind us */
} Cursor;

static size_t total_bytes(const struct iovec *iov, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += iov[i].iov_len;
    }
    return bytes;
}

/* The next stretch of at most @want bytes that lies in one piece; the caller knows that there is one. */
static void *cursor_next(Cursor *cursor, size_t want, size_t *n)
{
    void *at;

    while (cursor->at == cursor->iov->iov_len) {
        g_assert(cursor->n > 1);
        cursor->iov++;
        cursor->n--;
        cursor->at = 0;
    }
    *n = MIN(want, cursor->iov->iov_len - cursor->at);
    at = (uint8_t *)cursor->iov->iov_base + cursor->at;
    cursor->at += *n;
    return at;
}

static void take(Cursor *cursor, void *to, size_t bytes)
{
    while (bytes > 0) {
        size_t n;
        const void *from = cursor_next(cursor, bytes, &n);

        memcpy(to, from, n);
        to = (uint8_t *)to + n;
        bytes -= n;
    }
}

static void put(Cursor *cursor, const void *from, size_t bytes)
{
    while (bytes > 0) {
        size_t n;
        void *to = cursor_next(cursor, bytes, &n);

        memcpy(to, from, n);
        from = (const uint8_t *)from + n;
        bytes -= n;
    }
}

static bool type_supported(uint16_t type, uint64_t features)
{
    switch (type) {
    case VIRTIO_TIER_T_HOT:
    case VIRTIO_TIER_T_COLD:
    case VIRTIO_TIER_T_WILLNEED:
    case VIRTIO_TIER_T_FREE:
        return true;
    case VIRTIO_TIER_T_PIN:
    case VIRTIO_TIER_T_UNPIN:
        return features & 1u << VIRTIO_TIER_F_PIN;
    case VIRTIO_TIER_T_QUERY:
        return features & 1u << VIRTIO_TIER_F_QUERY;
    default:
        return false;
    }
}

static size_t entry_bytes(uint16_t type)
{
    return type == VIRTIO_TIER_T_QUERY ? sizeof(struct virtio_tier_result) : sizeof(uint32_t);
}

static void take_range(Cursor *cursor, HintRange *range)
{
    struct virtio_tier_range wire;
    bool ok;

    take(cursor, &wire, sizeof(wire));
    *range = (HintRange) { .addr = GUINT64_FROM_LE(wire.addr), .len = GUINT64_FROM_LE(wire.len) };
    ok = range->len > 0 && (range->addr | range->len) % PAGE_BYTES == 0 && range->addr <= UINT64_MAX - range->len;
    range->status = ok ? VIRTIO_TIER_S_OK : VIRTIO_TIER_S_INVAL;
}

bool hint_request_parse(HintRequest *request, uint64_t features, const struct iovec *out, size_t n_out,
                        const struct iovec *in, size_t n_in)
{
    const size_t readable = total_bytes(out, n_out), writable = total_bytes(in, n_in);
    Cursor cursor = { out, n_out, 0 };
    struct virtio_tier_req wire;
    size_t n;

    request->type = 0;
    request->status = VIRTIO_TIER_S_INVAL;
    request->cookie = 0;
    request->n_ranges = 0;
    if (writable < sizeof(struct virtio_tier_resp)) {
        return false;
    }
    if (readable < sizeof(wire)) {
        return true;
    }
    take(&cursor, &wire, sizeof(wire));
    request->type = GUINT16_FROM_LE(wire.type);
    request->cookie = GUINT64_FROM_LE(wire.cookie);
    n = GUINT32_FROM_LE(wire.n_ranges);
    if (!type_supported(request->type, features)) {
        request->status = VIRTIO_TIER_S_UNSUPP;
        return true;
    }
    if (wire.flags || n < 1 || n > VIRTIO_TIER_MAX_RANGES ||
        readable != sizeof(wire) + n * sizeof(struct virtio_tier_range) ||
        writable < sizeof(struct virtio_tier_resp) + n * entry_bytes(request->type)) {
        return true;
    }
    request->status = VIRTIO_TIER_S_OK;
    request->n_ranges = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        take_range(&cursor, &request->ranges[i]);
    }
    return true;
}

static void put_result(Cursor *cursor, const HintRange *range)
{
    struct virtio_tier_result wire = {
        .status = GUINT32_TO_LE(range->status),
        .other_bytes = GUINT64_TO_LE(range->other_bytes),
        .accesses_per_s = GUINT64_TO_LE(range->accesses_per_s),
    };

    for (size_t t = 0; t < VIRTIO_TIER_MAX_TIERS; t++) {
        wire.tier_bytes[t] = GUINT64_TO_LE(range->tier_bytes[t]);
    }
    put(cursor, &wire, sizeof(wire));
}

size_t hint_request_answer(const HintRequest *request, const struct iovec *in, size_t n_in)
{
    const struct virtio_tier_resp head = {
        .status = GUINT32_TO_LE(request->status),
        .n_ranges = GUINT32_TO_LE(request->n_ranges),
        .cookie = GUINT64_TO_LE(request->cookie),
    };
    Cursor cursor = { in, n_in, 0 };

    put(&cursor, &head, sizeof(head));
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        if (request->type == VIRTIO_TIER_T_QUERY) {
            put_result(&cursor, &request->ranges[i]);
        } else {
            const uint32_t status = GUINT32_TO_LE(request->ranges[i].status);

            put(&cursor, &status, sizeof(status));
        }
    }
    return sizeof(head) + request->n_ranges * entry_bytes(request->type);
}
