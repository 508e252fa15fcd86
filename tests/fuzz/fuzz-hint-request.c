/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the parser of virtio-tier's requests. Input: a byte of features, bytes of how many pieces the readable part
 * lies in and of how large the writable part is, then the readable part. With clang's -fsanitize=fuzzer the entry point
 * is all that is needed; built with FUZZ_MAIN it has inputs of its own for fuzz-main.c: sound requests, mutated.
 */
#include <glib.h>
#include <string.h>

#include "fuzz.h"
#include "hint/request.h"

#define HEAD_BYTES   4u
#define MAX_BYTES    (HEAD_BYTES + 16 + 16 * (VIRTIO_TIER_MAX_RANGES + 1))
#define MAX_WRITABLE (16 + 56 * VIRTIO_TIER_MAX_RANGES + 1)
#define MAX_PIECES   16u

/* Nothing but what a caller may rely on. */
static void check(const HintRequest *request, uint64_t features)
{
    if (request->status != VIRTIO_TIER_S_OK) {
        g_assert_cmpuint(request->n_ranges, ==, 0);
        return;
    }
    g_assert_cmpuint(request->n_ranges, >=, 1);
    g_assert_cmpuint(request->n_ranges, <=, VIRTIO_TIER_MAX_RANGES);
    g_assert_true(request->type >= VIRTIO_TIER_T_HOT && request->type <= VIRTIO_TIER_T_QUERY);
    g_assert_true(request->type != VIRTIO_TIER_T_QUERY || features & 1u << VIRTIO_TIER_F_QUERY);
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        const HintRange *range = &request->ranges[i];

        if (range->status == VIRTIO_TIER_S_OK) {
            g_assert_true(range->len > 0 && (range->addr | range->len) % 4096 == 0);
            g_assert_cmpuint(range->addr + range->len, >, range->addr);
        } else {
            g_assert_cmpuint(range->status, ==, VIRTIO_TIER_S_INVAL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iovec out[MAX_PIECES], in = { NULL, 0 };
    g_autofree HintRequest *request = NULL;
    g_autofree uint8_t *readable = NULL, *writable = NULL;
    size_t n_out, left, written;

    if (size < HEAD_BYTES || size > MAX_BYTES) {
        return 0;
    }
    /* Of just that size each, so that a sanitizer sees what is beyond. */
    left = size - HEAD_BYTES;
    readable = g_malloc(left + 1);
    memcpy(readable, data + HEAD_BYTES, left);
    n_out = 1 + data[1] % MAX_PIECES;
    for (size_t i = 0, at = 0; i < n_out; i++) {
        const size_t n = i + 1 == n_out ? left - at : (left - at) / (n_out - i);

        out[i] = (struct iovec) { readable + at, n };
        at += n;
    }
    in.iov_len = (size_t)(data[2] | data[3] << 8) % MAX_WRITABLE;
    writable = g_malloc(in.iov_len);
    in.iov_base = writable;
    request = g_new0(HintRequest, 1);
    if (!hint_request_parse(request, data[0], out, n_out, &in, 1)) {
        g_assert_cmpuint(in.iov_len, <, sizeof(struct virtio_tier_resp));
        return 0;
    }
    check(request, data[0]);
    written = hint_request_answer(request, &in, 1);
    g_assert_cmpuint(written, <=, in.iov_len);
    return 0;
}

#ifdef FUZZ_MAIN

/* A sound request of @n ranges. */
static GByteArray *make_seed(uint32_t n, uint16_t type)
{
    const uint32_t room = 16 + n * (type == VIRTIO_TIER_T_QUERY ? 56 : 4);
    const uint8_t head[HEAD_BYTES] = { 7, 2, (uint8_t)room, (uint8_t)(room >> 8) };
    const struct virtio_tier_req req = { .type = GUINT16_TO_LE(type), .n_ranges = GUINT32_TO_LE(n) };
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, head, sizeof(head));
    g_byte_array_append(bytes, (const uint8_t *)&req, sizeof(req));
    for (uint32_t i = 0; i < n; i++) {
        const struct virtio_tier_range range = { GUINT64_TO_LE((uint64_t)i << 20), GUINT64_TO_LE(8192) };

        g_byte_array_append(bytes, (const uint8_t *)&range, sizeof(range));
    }
    return bytes;
}

GByteArray *fuzz_input(Rng *rng, uint64_t round)
{
    GByteArray *bytes = make_seed(1 + (uint32_t)(rng_next(rng) % 40), (uint16_t)(1 + rng_next(rng) % 7));

    for (uint64_t n = rng_next(rng) % 6; n > 0; n--) {
        /* Most of what matters lies in the header. */
        const size_t at = rng_next(rng) % (rng_chance(rng, 0.7) ? 20 : bytes->len);

        bytes->data[at] = (uint8_t)(rng_chance(rng, 0.5) ? rng_next(rng) % 9 : rng_next(rng));
    }
    if (rng_chance(rng, 0.2)) {
        g_byte_array_set_size(bytes, (guint)(rng_next(rng) % bytes->len));
    }
    return bytes;
}

#endif /* FUZZ_MAIN */
