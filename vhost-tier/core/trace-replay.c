/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replaying traces. A trace comes from anywhere: all that is read of it comes through reader_take(), which
 * checks that it is there.
 */
#include <string.h>

#include "trace-internal.h"

/* The part of the trace that is being read: all of it, or one record's payload. */
typedef struct Reader {
    const char *buf;
    size_t len;
    size_t at;
    uint64_t offset;                    /* of 'buf' in the trace, for messages */
} Reader;

typedef struct Replay {
    TraceReplay *result;
    Policy *policy;                     /* NULL before the first record */
    uint64_t max_granules;
    uint64_t granules;                  /* in all regions there are */
    GByteArray *copy;                   /* of an array that must be aligned */
} Replay;

/*
 * The next @n items of @size bytes, of which there may be fewer, as told by an error that names @what; or
 * NULL. Not aligned.
 */
static const void *reader_take(Reader *reader, const char *what, uint64_t n, size_t size, GError **errp)
{
    const char *data = reader->buf + reader->at;
    size_t left = reader->len - reader->at;

    if (n > left / size) {
        g_set_error(errp, TRACE_ERROR, TRACE_ERROR_MALFORMED,
                    "trace, offset %" G_GUINT64_FORMAT ": %s of %" G_GUINT64_FORMAT
                    " times %zu bytes expected, %zu bytes left",
                    reader->offset + reader->at, what, n, size, left);
        return NULL;
    }
    reader->at += n * size;
    return data;
}

static bool reader_get(Reader *reader, const char *what, void *out, size_t size, GError **errp)
{
    const void *data = reader_take(reader, what, 1, size, errp);

    if (data) {
        memcpy(out, data, size);
    }
    return data != NULL;
}

static bool malformed(const Reader *reader, GError **errp, const char *what, uint64_t value)
{
    g_set_error(errp, TRACE_ERROR, TRACE_ERROR_MALFORMED,
                "trace, offset %" G_GUINT64_FORMAT ": %s (%" G_GUINT64_FORMAT ")",
                reader->offset + reader->at, what, value);
    return false;
}

/* Keep the time that the trace covers. */
static void saw_time(Replay *replay, uint64_t now_ns)
{
    replay->result->end_ns = MAX(replay->result->end_ns, now_ns);
}

static bool do_state(Replay *replay, Reader *reader, GError **errp)
{
    TraceState state;

    if (!reader_get(reader, "the policy's state", &state, sizeof(state), errp) ||
        !policy_config_check(&state.config, errp)) {
        return false;
    }
    replay->policy = policy_new(&state.config);
    replay->result->start_ns = replay->result->end_ns = state.state.now_ns;
    return policy_load_state(replay->policy, &state.state, errp);
}

static bool do_config(Replay *replay, Reader *reader, GError **errp)
{
    PolicyConfig config;

    if (!reader_get(reader, "a configuration", &config, sizeof(config), errp) ||
        !policy_config_check(&config, errp)) {
        return false;
    }
    policy_configure(replay->policy, &config);
    return true;
}

/* What a region counts as, against the limit. */
static uint64_t granules_of(const TraceRegion *region)
{
    if (region->granule_bytes == 0) {
        return 0;
    }
    return region->size / region->granule_bytes * (region->granule_bytes > 4096 ? TRACE_LARGE_GRANULE : 1);
}

static bool do_region_add(Replay *replay, Reader *reader, GError **errp)
{
    TraceRegion region;
    uint64_t granules;

    if (!reader_get(reader, "a region", &region, sizeof(region), errp)) {
        return false;
    }
    granules = granules_of(&region);
    if (granules > replay->max_granules - replay->granules) {
        g_set_error(errp, TRACE_ERROR, TRACE_ERROR_TOO_LARGE,
                    "trace, region %u: with its %" G_GUINT64_FORMAT
                    " granules the maps exceed the limit of %" G_GUINT64_FORMAT
                    " granules (4 bytes each); raise the limit if the trace is to be trusted",
                    region.id, granules, replay->max_granules);
        return false;
    }
    if (!policy_region_add(replay->policy, region.id, region.size, region.granule_bytes, errp)) {
        return false;
    }
    replay->granules += granules;
    return true;
}

static bool do_region_del(Replay *replay, Reader *reader, GError **errp)
{
    TraceRegion region;
    const HeatMap *map;

    if (!reader_get(reader, "a region", &region, sizeof(region), errp)) {
        return false;
    }
    map = policy_find_map(replay->policy, region.id);
    if (map) {
        region.granule_bytes = map->granule_bytes;
        region.size = map->n * map->granule_bytes;
        replay->granules -= granules_of(&region);
        policy_region_del(replay->policy, region.id);
    }
    return true;
}

static bool do_heat(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const void *estimates, *states;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    estimates = reader_take(reader, "estimates", range.n, sizeof(uint16_t), errp);
    if (!estimates) {
        return false;
    }
    states = reader_take(reader, "states", range.n, sizeof(uint8_t), errp);
    return states && policy_load_heat(replay->policy, range.region, range.source != 0, range.first, range.n,
                                      estimates, states, errp);
}

static bool do_blocks(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const void *blocks;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    blocks = reader_take(reader, "blocks", range.n, sizeof(HeatBlock), errp);
    return blocks && policy_load_blocks(replay->policy, range.region, range.source != 0, range.first, range.n,
                                        blocks, errp);
}

static bool do_block_set(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    policy_block_set(replay->policy, range.region, range.first, range.n != 0);
    return true;
}

/* A range and its access bits, these aligned in @copy. */
static bool take_bits(Reader *reader, TraceRange *range, GByteArray *copy, GError **errp)
{
    uint64_t n_words;
    const void *bits;

    if (!reader_get(reader, "a range", range, sizeof(*range), errp)) {
        return false;
    }
    n_words = range->n / 64 + (range->n % 64 != 0);
    bits = reader_take(reader, "access bits", n_words, sizeof(uint64_t), errp);
    if (!bits) {
        return false;
    }
    g_byte_array_set_size(copy, 0);
    g_byte_array_append(copy, bits, n_words * sizeof(uint64_t));
    return true;
}

static bool do_bits(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;

    if (!take_bits(reader, &range, replay->copy, errp)) {
        return false;
    }
    policy_evidence_bits(replay->policy, range.source, range.region, range.first, range.n,
                         (const uint64_t *)(const void *)replay->copy->data, range.interval_ns, range.now_ns);
    saw_time(replay, range.now_ns);
    return true;
}

/* policy_evidence_rate() or policy_evidence_below(). */
typedef void EvidenceOfRate(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n, double per_s,
                            uint64_t exposure_ns, uint64_t now_ns);

static bool give_rate(Replay *replay, Reader *reader, EvidenceOfRate *give, GError **errp)
{
    TraceRange range;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    give(replay->policy, range.source, range.region, range.first, range.n, range.per_s, range.interval_ns,
         range.now_ns);
    saw_time(replay, range.now_ns);
    return true;
}

static bool do_rate(Replay *replay, Reader *reader, GError **errp)
{
    return give_rate(replay, reader, policy_evidence_rate, errp);
}

static bool do_below(Replay *replay, Reader *reader, GError **errp)
{
    return give_rate(replay, reader, policy_evidence_below, errp);
}

static bool do_hint(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;

    if (!reader_get(reader, "a hint", &range, sizeof(range), errp)) {
        return false;
    }
    policy_hint(replay->policy, range.source, range.region, range.first, range.n, range.now_ns);
    saw_time(replay, range.now_ns);
    return true;
}

static bool do_jump(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;

    if (!reader_get(reader, "a jump", &range, sizeof(range), errp)) {
        return false;
    }
    policy_heat_moved(replay->policy, range.now_ns);
    saw_time(replay, range.now_ns);
    return true;
}

static bool do_trust(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;

    if (!reader_get(reader, "a trust", &range, sizeof(range), errp)) {
        return false;
    }
    policy_hint_trust_set(replay->policy, range.per_s);
    return true;
}

static bool do_marks(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const uint8_t *marks;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    marks = reader_take(reader, "marks", range.n, 1, errp);
    return marks && policy_load_marks(replay->policy, range.region, range.source != 0, range.first, range.n, marks,
                                      errp);
}

static bool do_samples(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const void *samples;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    samples = reader_take(reader, "samples", range.n, sizeof(HintSample), errp);
    return samples && policy_load_samples(replay->policy, range.first, range.n, samples, errp);
}

static bool do_pins(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const void *pins;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    pins = reader_take(reader, "pins", range.n, sizeof(HintPin), errp);
    if (pins) {
        policy_load_pins(replay->policy, range.n, pins);
    }
    return pins != NULL;
}

static bool do_place(Replay *replay, Reader *reader, GError **errp)
{
    TraceRange range;
    const uint8_t *tiers;

    if (!reader_get(reader, "a range", &range, sizeof(range), errp)) {
        return false;
    }
    tiers = reader_take(reader, "places", range.n, 1, errp);
    if (tiers) {
        policy_place(replay->policy, range.region, range.first, range.n, tiers);
    }
    return tiers != NULL;
}

static bool do_moved(Replay *replay, Reader *reader, GError **errp)
{
    TraceMoved moved;

    if (!reader_get(reader, "a move", &moved, sizeof(moved), errp)) {
        return false;
    }
    if (moved.outcome > POLICY_GONE) {
        return malformed(reader, errp, "no such outcome of a move", moved.outcome);
    }
    policy_moved(replay->policy, &moved.move, moved.outcome, moved.now_ns);
    saw_time(replay, moved.now_ns);
    return true;
}

static char *describe_move(const PolicyMove *move)
{
    return g_strdup_printf("region %u granule %u from tier %u to %u, gain %.9g ns/s", move->region,
                           move->granule, move->from, move->to, (double)move->gain_per_s);
}

/* How the replayed plan differs from the recorded one, whose moves are at @moves; NULL when it does not. */
static char *compare_plan(const PolicyPlan *plan, const TracePlan *recorded, const char *moves)
{
    for (size_t i = 0; i < MIN(plan->n_moves, recorded->n_moves); i++) {
        PolicyMove move;

        memcpy(&move, moves + i * sizeof(move), sizeof(move));
        /* Bit for bit, the float too: that is what is promised. No padding (trace.c). */
        if (memcmp(&move, &plan->moves[i], sizeof(move)) != 0) { /* NOLINT(*-memory-comparison,cert-*) */
            g_autofree char *was = describe_move(&move);
            g_autofree char *is = describe_move(&plan->moves[i]);

            return g_strdup_printf("move %zu was '%s', is '%s'", i, was, is);
        }
    }
    if (plan->n_moves != recorded->n_moves) {
        return g_strdup_printf("it had %" G_GUINT64_FORMAT " moves, has %zu", recorded->n_moves,
                               plan->n_moves);
    }
    if (plan->throttled != recorded->throttled || plan->thrashing != recorded->thrashing) {
        return g_strdup("the moves are the same, 'throttled' or 'thrashing' is not");
    }
    return NULL;
}

static bool do_plan(Replay *replay, Reader *reader, GError **errp)
{
    TraceReplay *result = replay->result;
    g_autofree char *difference = NULL;
    const PolicyPlan *plan;
    TracePlan recorded;
    const char *moves;

    if (!reader_get(reader, "a plan", &recorded, sizeof(recorded), errp)) {
        return false;
    }
    moves = reader_take(reader, "moves", recorded.n_moves, sizeof(PolicyMove), errp);
    if (!moves) {
        return false;
    }
    plan = policy_plan(replay->policy, recorded.now_ns);
    saw_time(replay, recorded.now_ns);
    result->plans++;
    result->moves += plan->n_moves;
    difference = compare_plan(plan, &recorded, moves);
    if (difference && !result->difference) {
        result->difference = g_strdup_printf("plan %" G_GUINT64_FORMAT " (offset %" G_GUINT64_FORMAT "): %s",
                                             result->plans, reader->offset, difference);
    }
    return true;
}

typedef bool (*RecordHandler)(Replay *replay, Reader *reader, GError **errp);

static const RecordHandler record_handlers[] = {
    [TRACE_STATE] = do_state,
    [TRACE_CONFIG] = do_config,
    [TRACE_REGION_ADD] = do_region_add,
    [TRACE_REGION_DEL] = do_region_del,
    [TRACE_HEAT] = do_heat,
    [TRACE_BITS] = do_bits,
    [TRACE_RATE] = do_rate,
    [TRACE_PLACE] = do_place,
    [TRACE_MOVED] = do_moved,
    [TRACE_PLAN] = do_plan,
    [TRACE_BLOCKS] = do_blocks,
    [TRACE_BLOCK_SET] = do_block_set,
    [TRACE_BELOW] = do_below,
    [TRACE_HINT] = do_hint,
    [TRACE_TRUST] = do_trust,
    [TRACE_MARKS] = do_marks,
    [TRACE_SAMPLES] = do_samples,
    [TRACE_PINS] = do_pins,
    [TRACE_JUMP] = do_jump,
};

/* The next record's header, and its payload as a reader of its own. */
static bool take_record(Reader *reader, TraceRecord *record, Reader *payload, GError **errp)
{
    if (!reader_get(reader, "a record", record, sizeof(*record), errp)) {
        return false;
    }
    *payload = (Reader){.offset = reader->offset + reader->at, .len = record->length};
    payload->buf = reader_take(reader, "a record's payload", record->length, 1, errp);
    return payload->buf != NULL;
}

static bool do_record(Replay *replay, Reader *reader, GError **errp)
{
    uint64_t offset = reader->offset + reader->at;
    TraceRecord record;
    Reader payload;

    if (!take_record(reader, &record, &payload, errp)) {
        return false;
    }
    if (record.type >= G_N_ELEMENTS(record_handlers) || !record_handlers[record.type]) {
        return malformed(reader, errp, "no such type of record", record.type);
    }
    if ((record.type == TRACE_STATE) != (replay->policy == NULL)) {
        return malformed(reader, errp,
                         "the policy's state must be the first record, and no other; this is of type",
                         record.type);
    }
    if (!record_handlers[record.type](replay, &payload, errp)) {
        g_prefix_error(errp, "record %" G_GUINT64_FORMAT " at offset %" G_GUINT64_FORMAT ": ",
                       replay->result->records, offset);
        return false;
    }
    if (payload.at != payload.len) {
        return malformed(&payload, errp, "a record is longer than its type; bytes left",
                         payload.len - payload.at);
    }
    replay->result->records++;
    return true;
}

static bool do_header(Reader *reader, GError **errp)
{
    TraceHeader header;

    if (!reader_get(reader, "a header", &header, sizeof(header), errp)) {
        return false;
    }
    if (header.magic != TRACE_MAGIC) {
        return malformed(reader, errp, "this is no vhost-tier trace; it begins with", header.magic);
    }
    if (header.version != TRACE_VERSION) {
        return malformed(reader, errp,
                         "a trace of another version; only version " G_STRINGIFY(TRACE_VERSION)
                         " can be read, so record it anew", header.version);
    }
    return true;
}

bool trace_replay(const void *buf, size_t len, uint64_t max_granules, TraceReplay *result, GError **errp)
{
    Reader reader = {.buf = buf, .len = len};
    Replay replay = {.result = result, .max_granules = max_granules};
    bool ok;

    *result = (TraceReplay){0};
    replay.copy = g_byte_array_new();
    ok = do_header(&reader, errp);
    while (ok && reader.at < reader.len) {
        ok = do_record(&replay, &reader, errp);
    }
    policy_free(replay.policy);
    g_byte_array_unref(replay.copy);
    return ok;
}

bool trace_foreach_evidence(const void *buf, size_t len, TraceVisit visit, void *opaque, GError **errp)
{
    g_autoptr(GByteArray) bits = g_byte_array_new();
    Reader reader = {.buf = buf, .len = len};
    bool ok = do_header(&reader, errp);

    while (ok && reader.at < reader.len) {
        TraceRecord record;
        TraceRange range;
        Reader payload;

        ok = take_record(&reader, &record, &payload, errp);
        if (ok && record.type == TRACE_BITS) {
            ok = take_bits(&payload, &range, bits, errp);
            if (ok) {
                visit(opaque, &range, (const uint64_t *)(const void *)bits->data);
            }
        } else if (ok && record.type == TRACE_RATE) {
            ok = reader_get(&payload, "a range", &range, sizeof(range), errp);
            if (ok) {
                visit(opaque, &range, NULL);
            }
        }
    }
    return ok;
}

bool trace_foreach_region(const void *buf, size_t len, TraceVisitRegion visit, void *opaque, GError **errp)
{
    Reader reader = {.buf = buf, .len = len};
    bool ok = do_header(&reader, errp);

    while (ok && reader.at < reader.len) {
        TraceRecord record;
        TraceRegion region;
        Reader payload;

        ok = take_record(&reader, &record, &payload, errp);
        if (ok && record.type == TRACE_REGION_ADD) {
            ok = reader_get(&payload, "a region", &region, sizeof(region), errp);
            if (ok) {
                visit(opaque, &region);
            }
        }
    }
    return ok;
}

void trace_replay_clear(TraceReplay *replay)
{
    g_clear_pointer(&replay->difference, g_free);
}
