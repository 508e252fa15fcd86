/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the readers that make a workload of a trace: of access traces and of recorded ones. With clang's
 * -fsanitize=fuzzer the entry point is all that is needed; built with FUZZ_MAIN it has inputs of its own
 * for fuzz-main.c: traces, mutated.
 */
#include <glib.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/trace.h"
#include "fuzz.h"
#include "workloads/series.h"

#define MAX_PAGES 4096u
#define MAX_BYTES 65536u

/* What the series promises to those who play it. */
static void check_series(const RateSeries *series)
{
    uint64_t then_ns = 0;

    g_assert_cmpuint(series->pages, >, 0);
    g_assert_cmpuint(series->pages, <=, MAX_PAGES);
    g_assert_cmpuint(series->end_ns, <=, 2 * RATE_SERIES_MAX_NS);
    for (guint i = 0; i < series->steps->len; i++) {
        const RateStep *step = &g_array_index(series->steps, RateStep, i);

        g_assert_cmpuint(step->at_ns, >=, then_ns);
        g_assert_cmpuint(step->begin, <=, step->end);
        g_assert_cmpuint(step->end, <=, series->changes->len);
        then_ns = step->at_ns;
    }
    for (guint i = 0; i < series->changes->len; i++) {
        const RateChange *change = &g_array_index(series->changes, RateChange, i);

        g_assert_cmpuint(change->page, <, series->pages);
        g_assert_true(change->per_s >= 0 && change->per_s < INFINITY);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(RateSeries) series = NULL;
    g_autoptr(GError) err = NULL;
    bool recorded;

    g_assert_cmpint(fd, >=, 0);
    if (size <= MAX_BYTES) {
        g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
        series = rate_series_of_file(path, MAX_PAGES, &recorded, &err);
        g_assert_true((err != NULL) == (series == NULL));
    }
    if (series) {
        check_series(series);
    }
    close(fd);
    return 0;
}

#ifdef FUZZ_MAIN

#define SECOND 1000000000ull

static const char access_trace[] =
    "tier-access-trace 1\n# comment\nregion ram 8000\nregion rom 0x1000\n"
    "1000 ram 0x1f3f 7 r\n1000\tram 0  3 w\n505000000 rom 4095 10 r\n100000000000 ram 4096 1 w\nend 4\n";

static bool append(void *opaque, const void *data, size_t len)
{
    g_byte_array_append(opaque, data, len);
    return true;
}

/* A recorded trace with evidence of both kinds, of granules of both sizes. */
static GByteArray *record(Rng *rng)
{
    static const PolicyConfig config = {
        .budget_bytes = 1 << 20,
        .heat_half_life_ns = 30 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    GByteArray *bytes = g_byte_array_new();
    g_autoptr(TraceWriter) writer = trace_writer_new(append, bytes, MAX_BYTES);
    g_autoptr(Policy) policy = policy_new(&config);

    policy_record(policy, writer);
    g_assert_true(policy_region_add(policy, 1, 96 * SIM_PAGE, SIM_PAGE, NULL));
    g_assert_true(policy_region_add(policy, 2, 4 << 20, 2 << 20, NULL));
    for (uint64_t second = 1; second < 8; second++) {
        uint64_t bits[2] = {rng_next(rng), rng_next(rng)};

        policy_evidence_bits(policy, POLICY_SOURCE_RWP, 1, 0, 96, bits, SECOND / 50, second * SECOND);
        policy_evidence_rate(policy, POLICY_SOURCE_CHMU, 2, 0, 2, 9000, SECOND, second * SECOND);
    }
    policy_record(policy, NULL);
    return bytes;
}

/* One change: a bit, a byte (of a text: one that matters), eight bytes, a piece repeated, the end cut off. */
static void mutate(GByteArray *bytes, Rng *rng)
{
    static const char marks[] = " \t\n#-.019xaern\xff";
    static const uint64_t numbers[] = {
        0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, 0x7ff8000000000000,
        0x7ff0000000000000,
    };
    size_t at = rng_next(rng) % bytes->len, from = rng_next(rng) % bytes->len;

    switch (rng_next(rng) % 6) {
    case 0:
        bytes->data[at] ^= 1u << rng_next(rng) % 8;
        break;
    case 1:
    case 2:
        bytes->data[at] = marks[rng_next(rng) % sizeof(marks)];
        break;
    case 3:
        at -= at % 8;
        memcpy(bytes->data + at, &numbers[rng_next(rng) % G_N_ELEMENTS(numbers)], MIN(8, bytes->len - at));
        break;
    case 4:
        memmove(bytes->data + at, bytes->data + from,
                rng_next(rng) % MIN(bytes->len - at, bytes->len - from));
        break;
    case 5:
        if (rng_chance(rng, 0.2)) {
            g_byte_array_set_size(bytes, at + 1);
        }
        break;
    }
}

GByteArray *fuzz_input(Rng *rng, uint64_t round)
{
    static GByteArray *recorded;
    GByteArray *bytes = g_byte_array_new();

    recorded = recorded ? recorded : record(rng);
    if (round % 2) {
        g_byte_array_append(bytes, recorded->data, recorded->len);
    } else {
        g_byte_array_append(bytes, (const uint8_t *)access_trace, sizeof(access_trace) - 1);
    }
    for (uint64_t changes = round < 2 ? 0 : rng_next(rng) % 6; changes > 0; changes--) {
        mutate(bytes, rng);
    }
    return bytes;
}

#endif /* FUZZ_MAIN */
