/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing traces.
 */
#include "trace-internal.h"

#include <string.h>

#define HEAT_CHUNK 4096u                /* granules, or blocks, in a record */

/*
 * Structures are written as they lie in memory: no padding, and the byte order of the only machines that we
 * run on.
 */
G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);
G_STATIC_ASSERT(sizeof(PolicyCosts) == (POLICY_MAX_TIERS + 4) * sizeof(uint32_t));
G_STATIC_ASSERT(sizeof(PolicyConfig) == 7 * sizeof(uint64_t) + sizeof(PolicyCosts));
G_STATIC_ASSERT(sizeof(PolicyMove) == 16);
G_STATIC_ASSERT(sizeof(PlannerState) == 25 * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(Brake) == (3 + 2 * BRAKE_WINDOW_EPOCHS) * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(PolicyState) ==
                (4 + POLICY_SOURCE__MAX) * sizeof(uint64_t) + sizeof(HeatState) + sizeof(PlannerState) +
                    sizeof(Brake) + sizeof(Activity) + sizeof(HintState));
G_STATIC_ASSERT(sizeof(HintState) ==
                sizeof(HintAudit) + (POLICY_HINT__MAX * (POLICY_HINT_FATE__MAX + 1) + 4) * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(HintAudit) == 11 * sizeof(uint64_t) && sizeof(HintSample) == 5 * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(Activity) == 5 * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(HeatState) == (7 + 4 + 2 * STEADY_LEVELS) * sizeof(uint64_t));
G_STATIC_ASSERT(sizeof(TraceState) == sizeof(PolicyConfig) + sizeof(PolicyState));
G_STATIC_ASSERT(sizeof(TraceRange) == 48 && sizeof(TraceMoved) == 32 && sizeof(TracePlan) == 24);

G_DEFINE_QUARK(trace-error-quark, trace_error)

struct TraceWriter {
    TraceWrite write;
    void *opaque;
    uint64_t limit_bytes;
    uint64_t bytes;
    uint64_t records;
    TraceEnd end;
};

static void put(TraceWriter *writer, const void *data, size_t len)
{
    if (len == 0 || writer->end != TRACE_OPEN) {
        return;
    }
    if (!writer->write(writer->opaque, data, len)) {
        writer->end = TRACE_FAILED;
        return;
    }
    writer->bytes += len;
}

TraceWriter *trace_writer_new(TraceWrite write, void *opaque, uint64_t limit_bytes)
{
    TraceWriter *writer = g_new0(TraceWriter, 1);
    TraceHeader header = {.magic = TRACE_MAGIC, .version = TRACE_VERSION};

    writer->write = write;
    writer->opaque = opaque;
    writer->limit_bytes = limit_bytes;
    if (limit_bytes < sizeof(header)) {
        writer->end = TRACE_FULL;
    }
    put(writer, &header, sizeof(header));
    return writer;
}

void trace_writer_free(TraceWriter *writer)
{
    g_free(writer);
}

uint64_t trace_writer_bytes(const TraceWriter *writer)
{
    return writer->bytes;
}

uint64_t trace_writer_records(const TraceWriter *writer)
{
    return writer->records;
}

TraceEnd trace_writer_end(const TraceWriter *writer)
{
    return writer->end;
}

void trace_write(TraceWriter *writer, TraceType type, const void *head, size_t head_len, const void *tail,
                 size_t tail_len)
{
    TraceRecord record = {.type = type};
    uint64_t length = (uint64_t)head_len + tail_len;

    if (writer->end != TRACE_OPEN) {
        return;
    }
    if (length > G_MAXUINT32 || length + sizeof(record) > writer->limit_bytes - writer->bytes) {
        writer->end = TRACE_FULL;
        return;
    }
    record.length = length;
    put(writer, &record, sizeof(record));
    put(writer, head, head_len);
    put(writer, tail, tail_len);
    writer->records++;
}

static bool all_zero(const void *data, size_t len)
{
    const uint8_t *bytes = data;

    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void write_heat(TraceWriter *writer, const HeatMap *map, GByteArray *tail)
{
    for (size_t first = 0; first < map->n && writer->end == TRACE_OPEN; first += HEAT_CHUNK) {
        TraceRange range = {.source = map->fine != NULL, .region = map->id, .first = first,
                            .n = MIN(HEAT_CHUNK, map->n - first)};
        size_t estimates_len = range.n * sizeof(*map->estimates);

        if (all_zero(&map->estimates[first], estimates_len) && all_zero(&map->states[first], range.n)) {
            continue;
        }
        g_byte_array_set_size(tail, 0);
        g_byte_array_append(tail, (const guint8 *)&map->estimates[first], estimates_len);
        g_byte_array_append(tail, &map->states[first], range.n);
        trace_write(writer, TRACE_HEAT, &range, sizeof(range), tail->data, tail->len);
    }
}

static void write_blocks(TraceWriter *writer, const HeatMap *map)
{
    for (size_t first = 0; first < map->n_blocks && writer->end == TRACE_OPEN; first += HEAT_CHUNK) {
        TraceRange range = {.source = map->fine != NULL, .region = map->id, .first = first,
                            .n = MIN(HEAT_CHUNK, map->n_blocks - first)};
        size_t len = range.n * sizeof(*map->blocks);

        if (!all_zero(&map->blocks[first], len)) {
            trace_write(writer, TRACE_BLOCKS, &range, sizeof(range), &map->blocks[first], len);
        }
    }
}

static void write_marks(TraceWriter *writer, const HeatMap *map)
{
    for (size_t first = 0; map->hints && first < map->n && writer->end == TRACE_OPEN; first += HEAT_CHUNK) {
        TraceRange range = {.source = map->fine != NULL, .region = map->id, .first = first,
                            .n = MIN(HEAT_CHUNK, map->n - first)};

        if (!all_zero(&map->hints->marks[first], range.n)) {
            trace_write(writer, TRACE_MARKS, &range, sizeof(range), &map->hints->marks[first], range.n);
        }
    }
}

static void write_hints(TraceWriter *writer, const Hints *hints)
{
    TraceRange range = {.n = HINT_SAMPLES};

    if (!hints->samples) {
        return;
    }
    trace_write(writer, TRACE_SAMPLES, &range, sizeof(range), hints->samples, range.n * sizeof(*hints->samples));
    for (guint first = 0; first < hints->pins->len && writer->end == TRACE_OPEN; first += HEAT_CHUNK) {
        range = (TraceRange){.first = first, .n = MIN(HEAT_CHUNK, hints->pins->len - first)};
        trace_write(writer, TRACE_PINS, &range, sizeof(range), &g_array_index(hints->pins, HintPin, first),
                    range.n * sizeof(HintPin));
    }
}

static void write_map(TraceWriter *writer, const HeatMap *map)
{
    g_autoptr(GByteArray) scratch = g_byte_array_new();
    TraceRegion region = {.id = map->id, .granule_bytes = map->granule_bytes,
                          .size = map->n * map->granule_bytes};

    if (!map->fine) {
        trace_write(writer, TRACE_REGION_ADD, &region, sizeof(region), NULL, 0);
    }
    write_heat(writer, map, scratch);
    write_blocks(writer, map);
    write_marks(writer, map);
}

void trace_write_snapshot(TraceWriter *writer, const Policy *policy)
{
    TraceState state = {.config = policy->config};

    policy_save_state(policy, &state.state);
    trace_write(writer, TRACE_STATE, &state, sizeof(state), NULL, 0);
    for (guint i = 0; i < policy->maps->len; i++) {
        write_map(writer, g_ptr_array_index(policy->maps, i));
    }
    write_hints(writer, &policy->hints);
}
