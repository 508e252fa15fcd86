/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the trace reader. With clang's -fsanitize=fuzzer the entry point is all that is needed; built with
 * FUZZ_MAIN it has inputs of its own for fuzz-main.c: a recorded trace, mutated.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "core/trace.h"
#include "fuzz.h"

#define MAX_GRANULES 4096u
#define MAX_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(TraceReplay) replay = {0};
    g_autoptr(GError) err = NULL;

    if (size <= MAX_BYTES && !trace_replay(data, size, MAX_GRANULES, &replay, &err)) {
        g_assert_nonnull(err);
    }
    return 0;
}

#ifdef FUZZ_MAIN

#define SECOND 1000000000ull
#define PAGE 4096ull
#define REGION 7u
#define GRANULES 96u

static bool append(void *opaque, const void *data, size_t len)
{
    g_byte_array_append(opaque, data, len);
    return true;
}

/* A short trace with every type of record. */
static GByteArray *make_seed(Rng *rng)
{
    static const PolicyConfig config = {
        .budget_bytes = 30 * PAGE,
        .max_bytes_per_s = 40 * PAGE,
        .heat_half_life_ns = 30 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 3,
        .hints = true,
        .pin_limit_bytes = 15 * PAGE,
        .costs = {.latency_ns = {100, 250, 400}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    GByteArray *bytes = g_byte_array_new();
    g_autoptr(TraceWriter) writer = trace_writer_new(append, bytes, MAX_BYTES);
    g_autoptr(Policy) policy = policy_new(&config);
    uint8_t tiers[GRANULES];

    g_assert_true(policy_region_add(policy, REGION, GRANULES * PAGE, PAGE, NULL));
    policy_evidence_rate(policy, POLICY_SOURCE_DAMON, REGION, 0, 64, 50, SECOND / 100, SECOND);
    policy_hint(policy, POLICY_HINT_PIN, REGION, 90, 3, SECOND);
    policy_hint(policy, POLICY_HINT_HOT, REGION, 20, 30, SECOND);
    policy_record(policy, writer);
    policy_configure(policy, &config);
    g_assert_true(policy_region_add(policy, 1, 2 << 20, 2 << 20, NULL));
    for (size_t i = 0; i < GRANULES; i++) {
        tiers[i] = rng_next(rng) % 3;
    }
    policy_place(policy, REGION, 0, GRANULES, tiers);
    for (uint64_t second = 2; second < 8; second++) {
        uint64_t bits[2] = {rng_next(rng), rng_next(rng)};
        const PolicyPlan *plan;

        policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, 0, GRANULES, bits, SECOND / 50,
                             second * SECOND);
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 1, 0, 1, 9000, SECOND, second * SECOND);
        policy_hint(policy, rng_next(rng) % POLICY_HINT__MAX, REGION, rng_next(rng) % GRANULES, 8, second * SECOND);
        plan = policy_plan(policy, second * SECOND);
        for (size_t i = 0; i < plan->n_moves; i++) {
            policy_moved(policy, &plan->moves[i], rng_next(rng) % 4, second * SECOND);
        }
    }
    policy_region_del(policy, 1);
    return bytes;
}

/* One change: a bit, a byte, an interesting number, a piece repeated, or the end cut off. */
static void mutate(GByteArray *bytes, Rng *rng)
{
    static const uint64_t numbers[] = {
        0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
        0xffffffffffffffff, 0x7ff8000000000000, 0x7ff0000000000000,
    };
    size_t at = rng_next(rng) % bytes->len, left = bytes->len - at;
    uint64_t number = numbers[rng_next(rng) % G_N_ELEMENTS(numbers)];

    switch (rng_next(rng) % 8) {
    case 0:
    case 1:
        bytes->data[at] ^= 1u << rng_next(rng) % 8;
        break;
    case 2:
        bytes->data[at] = rng_next(rng);
        break;
    case 3:
    case 4:
        at -= at % 4;
        memcpy(bytes->data + at, &number, MIN(4, bytes->len - at));
        break;
    case 5:
        at -= at % 8;
        memcpy(bytes->data + at, &number, MIN(8, bytes->len - at));
        break;
    case 6: {
        size_t from = rng_next(rng) % bytes->len;

        memmove(bytes->data + at, bytes->data + from, rng_next(rng) % MIN(left, bytes->len - from));
        break;
    }
    case 7:
        if (left < bytes->len / 4) {
            g_byte_array_set_size(bytes, at + 1);
        }
        break;
    }
}

GByteArray *fuzz_input(Rng *rng, uint64_t round)
{
    static GByteArray *trace;
    GByteArray *bytes = g_byte_array_new();

    if (!trace) {
        g_auto(TraceReplay) whole = {0};

        trace = make_seed(rng);
        g_assert_true(trace_replay(trace->data, trace->len, MAX_GRANULES, &whole, NULL));
        g_assert_null(whole.difference);
    }
    g_byte_array_append(bytes, trace->data, trace->len);
    for (uint64_t changes = rng_next(rng) % 6; changes < 6; changes++) {
        mutate(bytes, rng);
    }
    return bytes;
}

#endif /* FUZZ_MAIN */
