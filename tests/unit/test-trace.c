/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces: a replay gives the recorded plans; a writer ends at its limit; and no trace, however broken, does
 * harm.
 */
#include <glib.h>
#include <string.h>

#include "core/trace.h"
#include "rng.h"
#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)
#define MAX_GRANULES 65536u

static const PolicyConfig config = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .max_bytes_per_s = 64 * PAGE,
    .hints = true,
    .pin_limit_bytes = 32 * PAGE,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static const uint64_t intervals[] = {20 * MS, 100 * MS, 0};

static bool append(void *opaque, const void *data, size_t len)
{
    g_byte_array_append(opaque, data, len);
    return true;
}

/* What a guest says, true or not; some of it is refused. */
static void speak(Sim *sim, uint64_t seed)
{
    Rng rng = {.state = seed};

    for (unsigned i = 0; i < 60; i++) {
        const size_t first = rng_next(&rng) % sim->n, n = rng_next(&rng) % 24;

        policy_hint(sim->policy, i % POLICY_HINT__MAX, SIM_REGION, first, n, sim->now_ns);
    }
}

/* All kinds of calls: regions come and go, the configuration changes, moves fail. */
static void exercise(Sim *sim)
{
    const PolicyOutcome outcomes[] = {POLICY_NOT_MOVED, POLICY_UNMOVABLE, POLICY_GONE};
    PolicyConfig other = config;
    uint8_t tier = 1;

    sim_run(sim, 4, 2, 0.5, intervals);
    speak(sim, 7);
    policy_hint_trust_set(sim->policy, 0.8);
    policy_heat_moved(sim->policy, sim->now_ns);
    g_assert_true(policy_region_add(sim->policy, 1, 8 << 20, 2 << 20, NULL));
    policy_place(sim->policy, 1, 1, 1, &tier);
    policy_evidence_rate(sim->policy, POLICY_SOURCE_CHMU, 1, 1, 1, 100000, SECOND, sim->now_ns);
    for (uint32_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        PolicyMove move = {.region = 1, .granule = i, .from = 1, .to = 0};

        policy_moved(sim->policy, &move, outcomes[i], sim->now_ns);
    }
    policy_region_del(sim->policy, 1);
    other.budget_bytes = sim->budget_bytes / 2;
    policy_configure(sim->policy, &other);
    sim->budget_bytes = other.budget_bytes;
    speak(sim, 9);
    sim_run(sim, 4, 2, 0.5, intervals);
}

/* A trace of a policy that had lived for @before seconds when recording began. */
static GByteArray *recorded(double before, uint64_t limit, TraceEnd *end)
{
    g_autoptr(Sim) sim = sim_new(&config, 512, 0.25, 31);
    GByteArray *bytes = g_byte_array_new();
    g_autoptr(TraceWriter) writer = NULL;

    sim_gups(sim, 40, 0.9, 8000);
    sim_run(sim, before, 2, 0.5, intervals);
    if (before > 0) {
        policy_hint_trust_set(sim->policy, 1);
        speak(sim, 5);
        sim_run(sim, 3, 2, 0.5, intervals);
    }
    writer = trace_writer_new(append, bytes, limit);
    policy_record(sim->policy, writer);
    exercise(sim);
    policy_record(sim->policy, NULL);
    sim_run(sim, 1, 2, 0.5, intervals);
    g_assert_cmpuint(trace_writer_bytes(writer), ==, bytes->len);
    *end = trace_writer_end(writer);
    return bytes;
}

static void replays_to_the_same_plans(double before)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(before, UINT64_MAX, &end);
    g_auto(TraceReplay) replay = {0};
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(end, ==, TRACE_OPEN);
    g_assert_true(trace_replay(bytes->data, bytes->len, MAX_GRANULES, &replay, &err));
    g_assert_no_error(err);
    g_assert_cmpstr(replay.difference, ==, NULL);
    g_assert_cmpuint(replay.plans, ==, 8);
    g_assert_cmpuint(replay.moves, >, 40);
    g_assert_cmpuint(replay.end_ns - replay.start_ns, >=, 7 * SECOND);
}

static void replays_from_the_first_call(void)
{
    replays_to_the_same_plans(0);
}

static void replays_from_the_middle_of_a_life(void)
{
    replays_to_the_same_plans(20);
}

static void two_recordings_of_the_same_calls_are_equal(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) one = recorded(5, UINT64_MAX, &end);
    g_autoptr(GByteArray) other = recorded(5, UINT64_MAX, &end);

    g_assert_cmpmem(one->data, one->len, other->data, other->len);
}

/* Find the first record of @type; its payload begins 8 bytes on. */
static size_t find_record(const GByteArray *bytes, TraceType type)
{
    TraceRecord record;

    for (size_t at = sizeof(TraceHeader); at < bytes->len; at += sizeof(record) + record.length) {
        memcpy(&record, bytes->data + at, sizeof(record));
        if (record.type == type) {
            return at;
        }
    }
    g_assert_not_reached();
}

static void a_plan_that_differs_is_told(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, UINT64_MAX, &end);
    g_auto(TraceReplay) replay = {0};
    size_t at = find_record(bytes, TRACE_PLAN) + sizeof(TraceRecord) + sizeof(TracePlan);

    bytes->data[at + offsetof(PolicyMove, granule)] ^= 1;
    g_assert_true(trace_replay(bytes->data, bytes->len, MAX_GRANULES, &replay, NULL));
    g_assert_nonnull(replay.difference);
    g_assert_nonnull(strstr(replay.difference, "plan 1 "));
    g_assert_nonnull(strstr(replay.difference, "move 0 was"));
    g_assert_cmpuint(replay.plans, ==, 8);              /* it went on */
}

static void other_evidence_gives_other_plans(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, UINT64_MAX, &end);
    g_auto(TraceReplay) replay = {0};
    size_t at = find_record(bytes, TRACE_BITS) + sizeof(TraceRecord) + sizeof(TraceRange);
    uint64_t flipped;

    memcpy(&flipped, bytes->data + at, sizeof(flipped));
    flipped = ~flipped;
    memcpy(bytes->data + at, &flipped, sizeof(flipped));
    g_assert_true(trace_replay(bytes->data, bytes->len, MAX_GRANULES, &replay, NULL));
    g_assert_nonnull(replay.difference);
}

static void ends_whole_at_its_limit(void)
{
    for (uint64_t limit = 0; limit < 10000; limit += 499) {
        TraceEnd end;
        g_autoptr(GByteArray) bytes = recorded(0, limit, &end);
        g_auto(TraceReplay) replay = {0};
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(end, ==, TRACE_FULL);
        g_assert_cmpuint(bytes->len, <=, limit);
        if (bytes->len) {
            g_assert_true(trace_replay(bytes->data, bytes->len, MAX_GRANULES, &replay, &err));
            g_assert_no_error(err);
            g_assert_cmpstr(replay.difference, ==, NULL);
        }
    }
}

static bool write_twice(void *opaque, const void *data, size_t len)
{
    return (*(int *)opaque)++ < 2;
}

static void a_write_that_fails_ends_the_trace_and_not_the_policy(void)
{
    g_autoptr(Sim) sim = sim_new(&config, 512, 0.25, 31);
    int writes = 0;
    g_autoptr(TraceWriter) writer = trace_writer_new(write_twice, &writes, UINT64_MAX);

    policy_record(sim->policy, writer);
    exercise(sim);
    g_assert_cmpint(trace_writer_end(writer), ==, TRACE_FAILED);
    g_assert_cmpint(writes, ==, 3);
    g_assert_cmpuint(trace_writer_records(writer), ==, 1);
}

static void a_trace_cut_anywhere_is_an_error_with_its_offset_or_ends_whole(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, 6000, &end);
    size_t whole = 0;

    for (size_t len = 0; len <= bytes->len; len++) {
        g_autofree uint8_t *copy =
            g_memdup2(bytes->data, len); /* its own block, so that a read beyond it is seen */
        g_auto(TraceReplay) replay = {0};
        g_autoptr(GError) err = NULL;

        if (trace_replay(copy, len, MAX_GRANULES, &replay, &err)) {
            g_assert_cmpstr(replay.difference, ==, NULL);
            whole++;
        } else {
            g_assert_error(err, TRACE_ERROR, TRACE_ERROR_MALFORMED);
            g_assert_nonnull(strstr(err->message, "offset"));
        }
    }
    g_assert_cmpuint(whole, >, 2);
    g_assert_cmpuint(whole, <, 100);
}

static void flipped_bits_do_no_harm(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, 12000, &end);
    Rng rng = {.state = 99};

    for (int round = 0; round < 4000; round++) {
        g_autofree uint8_t *copy = g_memdup2(bytes->data, bytes->len);
        g_auto(TraceReplay) replay = {0};
        g_autoptr(GError) err = NULL;

        for (uint64_t flips = rng_next(&rng) % 4; flips < 4; flips++) {
            copy[rng_next(&rng) % bytes->len] ^= 1u << rng_next(&rng) % 8;
        }
        if (!trace_replay(copy, bytes->len, MAX_GRANULES, &replay, &err)) {
            g_assert_nonnull(err);
        }
    }
}

/* What of the evidence in a trace was shown. */
typedef struct Shown {
    uint64_t bits, rates;
    uint64_t granules;          /* that any record is about */
    double last_per_s;
} Shown;

static void count_shown(void *opaque, const TraceRange *range, const uint64_t *bits)
{
    Shown *shown = opaque;

    if (bits) {
        shown->bits++;
        g_assert_cmpuint(range->source, <, POLICY_SOURCE__MAX);
        g_assert_cmpuint(range->interval_ns, >, 0);
    } else {
        shown->rates++;
        shown->last_per_s = range->per_s;
    }
    shown->granules += range->n;
}

static uint64_t count_records(const GByteArray *bytes, TraceType type)
{
    uint64_t n = 0;
    TraceRecord record;

    for (size_t at = sizeof(TraceHeader); at < bytes->len; at += sizeof(record) + record.length) {
        memcpy(&record, bytes->data + at, sizeof(record));
        n += record.type == type;
    }
    return n;
}

static void all_evidence_can_be_read(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, UINT64_MAX, &end);
    g_autoptr(GError) err = NULL;
    Shown shown = {0};

    g_assert_true(trace_foreach_evidence(bytes->data, bytes->len, count_shown, &shown, &err));
    g_assert_no_error(err);
    g_assert_cmpuint(shown.bits, ==, count_records(bytes, TRACE_BITS));
    g_assert_cmpuint(shown.rates, ==, count_records(bytes, TRACE_RATE));
    g_assert_cmpuint(shown.granules, >, 512);
    g_assert_cmpfloat(shown.last_per_s, ==, 100000);
}

static void evidence_of_a_broken_trace_is_an_error(void)
{
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(0, UINT64_MAX, &end);
    size_t at = find_record(bytes, TRACE_BITS) + sizeof(TraceRecord) + offsetof(TraceRange, n);
    g_autoptr(GError) err = NULL;
    Shown shown = {0};

    bytes->data[at + 4] = 1;            /* 2^32 granules more */
    g_assert_false(trace_foreach_evidence(bytes->data, bytes->len, count_shown, &shown, &err));
    g_assert_error(err, TRACE_ERROR, TRACE_ERROR_MALFORMED);
    g_assert_cmpuint(shown.bits, ==, 0);
}

typedef struct Broken {
    const char *name;
    TraceType type;             /* the first record of this type, or 0 for the header */
    size_t offset;              /* from its beginning */
    uint32_t value;             /* put there */
    const char *message;
} Broken;

static const Broken brokens[] = {
    {"another_file", 0, 0, 0x464c457f, "no vhost-tier trace"},
    {"another_version", 0, 4, 1, "version " G_STRINGIFY(TRACE_VERSION)},
    {"unknown_type", TRACE_BITS, 0, 77, "no such type"},
    {"second_state", TRACE_BITS, 0, TRACE_STATE, "must be the first record"},
    {"no_state", TRACE_STATE, 0, TRACE_CONFIG, "must be the first record"},
    {"length_beyond_the_end", TRACE_BITS, 4, UINT32_MAX, "payload"},
    {"length_too_short", TRACE_REGION_ADD, 4, 8, "a region"},
    {"count_beyond_the_record", TRACE_BITS, 8 + offsetof(TraceRange, n), 1 << 20, "access bits"},
    {"count_that_overflows", TRACE_BITS, 8 + offsetof(TraceRange, n) + 4, UINT32_MAX, "access bits"},
    {"places_beyond_the_record", TRACE_PLACE, 8 + offsetof(TraceRange, n), 1 << 20, "places"},
    {"moves_beyond_the_record", TRACE_PLAN, 8 + offsetof(TracePlan, n_moves) + 4, 1 << 20, "moves"},
    {"no_such_outcome", TRACE_MOVED, 8 + offsetof(TraceMoved, outcome), 9, "outcome"},
    {"bad_configuration", TRACE_STATE, 8 + offsetof(PolicyConfig, n_tiers), 9, "n_tiers"},
    {"map_too_large", TRACE_REGION_ADD, 8 + offsetof(TraceRegion, size) + 4, 1, "limit"},
    {"no_such_mark", TRACE_MARKS, 8 + sizeof(TraceRange), 0x07070707, "no such kind"},
    {"marks_beyond_the_record", TRACE_MARKS, 8 + offsetof(TraceRange, n), 1 << 20, "marks"},
    {"marks_beyond_the_region", TRACE_MARKS, 8 + offsetof(TraceRange, first), 1 << 20, "no such granules"},
    {"no_such_claim", TRACE_SAMPLES, 8 + sizeof(TraceRange) + 8, 9, "samples"},
    {"samples_beyond_the_table", TRACE_SAMPLES, 8 + offsetof(TraceRange, first), 1 << 20, "samples"},
    {"pins_beyond_the_record", TRACE_PINS, 8 + offsetof(TraceRange, n), 1 << 20, "pins"},
    {"granules_of_no_size", TRACE_REGION_ADD, 8 + offsetof(TraceRegion, granule_bytes), 0, "granule"},
};

static void is_refused_with_the_reason(const void *data)
{
    const Broken *broken = data;
    TraceEnd end;
    g_autoptr(GByteArray) bytes = recorded(1, UINT64_MAX, &end);
    size_t at = broken->type ? find_record(bytes, broken->type) : 0;
    g_auto(TraceReplay) replay = {0};
    g_autoptr(GError) err = NULL;

    memcpy(bytes->data + at + broken->offset, &broken->value, sizeof(broken->value));
    g_assert_false(trace_replay(bytes->data, bytes->len, MAX_GRANULES, &replay, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, broken->message)) {
        g_test_message("'%s' does not say '%s'", err->message, broken->message);
        g_test_fail();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/trace/" #name, name)
    ADD(replays_from_the_first_call);
    ADD(replays_from_the_middle_of_a_life);
    ADD(two_recordings_of_the_same_calls_are_equal);
    ADD(a_plan_that_differs_is_told);
    ADD(other_evidence_gives_other_plans);
    ADD(ends_whole_at_its_limit);
    ADD(a_write_that_fails_ends_the_trace_and_not_the_policy);
    ADD(a_trace_cut_anywhere_is_an_error_with_its_offset_or_ends_whole);
    ADD(flipped_bits_do_no_harm);
    ADD(all_evidence_can_be_read);
    ADD(evidence_of_a_broken_trace_is_an_error);
    for (size_t i = 0; i < G_N_ELEMENTS(brokens); i++) {
        g_autofree char *path = g_strdup_printf("/trace/is_refused_with_the_reason/%s", brokens[i].name);

        g_test_add_data_func(path, &brokens[i], is_refused_with_the_reason);
    }
    return g_test_run();
}
