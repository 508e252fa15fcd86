/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the trace reader. With clang's -fsanitize=fuzzer the entry point is all that is needed; built with
 * FUZZ_MAIN it brings its own main(), which mutates a recorded trace for a number of rounds (first
 * argument) from a seed (second), with any compiler.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/trace.h"

#define MAX_GRANULES 4096u
#define MAX_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#include "rng.h"

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

int main(int argc, char **argv)
{
    uint64_t rounds = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 1000;
    uint64_t seed = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 10) : 1;
    Rng rng = {.state = seed ? seed : 1};
    g_autoptr(GByteArray) trace = make_seed(&rng);
    g_auto(TraceReplay) whole = {0};

    g_assert_true(trace_replay(trace->data, trace->len, MAX_GRANULES, &whole, NULL));
    g_assert_null(whole.difference);
    for (uint64_t round = 0; round < rounds; round++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autofree uint8_t *exact = NULL;

        g_byte_array_append(bytes, trace->data, trace->len);
        for (uint64_t changes = rng_next(&rng) % 6; changes < 6; changes++) {
            mutate(bytes, &rng);
        }
        exact = g_memdup2(bytes->data, bytes->len);     /* so that a read beyond the end is seen */
        LLVMFuzzerTestOneInput(exact, bytes->len);
    }
    printf("%" G_GUINT64_FORMAT " mutated traces of %u bytes, seed %" G_GUINT64_FORMAT ": no harm done\n",
           rounds, trace->len, seed);
    return 0;
}

#endif /* FUZZ_MAIN */
