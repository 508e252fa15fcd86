/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces: every call that changes a policy, with its arguments, and each plan that came of it. A trace
 * replays to the same plans, bit for bit; that is how a decision made on one host is explained on another,
 * and how the simulator gets real input.
 *
 * Format (version 6, little-endian): the header, then records of {u32 type, u32 length of what follows,
 * payload}. A payload is one of the structures below, followed where it says so by an array. The first
 * record is the state of the policy when recording began, with the configuration; region, heat and block
 * records follow that rebuild its maps. A trace that ended at its limit ends after a whole record.
 *
 * A reader trusts nothing of it: a trace may come from anywhere.
 */
#ifndef VHOST_TIER_CORE_TRACE_H
#define VHOST_TIER_CORE_TRACE_H

#include "policy.h"

#define TRACE_MAGIC 0x52545456u         /* "VTTR" */
#define TRACE_VERSION 6

typedef enum TraceType {
    TRACE_STATE = 1,                    /* TraceState; the first record, and no other */
    TRACE_CONFIG,                       /* PolicyConfig */
    TRACE_REGION_ADD,                   /* TraceRegion */
    TRACE_REGION_DEL,                   /* TraceRegion, only 'id' */
    TRACE_HEAT,                         /* TraceRange, n * 2 and n * 1 bytes: 'estimate' and 'state' of n Heat; */
                                        /* those of huge blocks where 'source' is not 0 */
    TRACE_BITS,                         /* TraceRange, a bit for each granule in 64-bit words */
    TRACE_RATE,                         /* TraceRange */
    TRACE_PLACE,                        /* TraceRange, n * 1 byte: tiers */
    TRACE_MOVED,                        /* TraceMoved */
    TRACE_PLAN,                         /* TracePlan, n_moves * PolicyMove */
    TRACE_BLOCKS,                       /* TraceRange (of blocks of 2 MiB), n * HeatBlock (heat.h); 'source' as above */
    TRACE_BLOCK_SET,                    /* TraceRange: block at 'first' is huge (n = 1), or is not (n = 0) */
    TRACE_BELOW,                        /* TraceRange: 'per_s' is a limit */
    TRACE_HINT,                         /* TraceRange: 'source' is a PolicyHint */
    TRACE_TRUST,                        /* TraceRange: 'per_s' is what the guest's hints are worth */
    TRACE_MARKS,                        /* TraceRange, n * 1 byte: marks of hints (hints.h); 'source' as above */
    TRACE_SAMPLES,                      /* TraceRange, n * HintSample: from 'first' on (hint-audit.h) */
    TRACE_PINS,                         /* TraceRange, n * HintPin (hints.h) */
    TRACE_JUMP,                         /* TraceRange, only 'now_ns' */
} TraceType;

typedef struct TraceHeader {
    uint32_t magic;
    uint32_t version;
} TraceHeader;

typedef struct TraceRecord {
    uint32_t type;
    uint32_t length;
} TraceRecord;

typedef struct TraceRegion {
    uint32_t id;
    uint32_t granule_bytes;
    uint64_t size;
} TraceRegion;

typedef struct TraceRange {             /* fields that a type has no use for are 0 */
    uint32_t source;
    uint32_t region;
    uint64_t first;
    uint64_t n;
    double per_s;
    uint64_t interval_ns;               /* of access bits; exposure of a rate */
    uint64_t now_ns;
} TraceRange;

typedef struct TraceMoved {
    PolicyMove move;
    uint32_t outcome;
    uint32_t reserved;
    uint64_t now_ns;
} TraceMoved;

typedef struct TracePlan {
    uint64_t now_ns;
    uint64_t n_moves;
    uint32_t throttled;
    uint32_t thrashing;
} TracePlan;

#define TRACE_ERROR trace_error_quark()
GQuark trace_error_quark(void);

typedef enum TraceError {
    TRACE_ERROR_MALFORMED,              /* no trace, or a broken one */
    TRACE_ERROR_TOO_LARGE,              /* its maps exceed what the caller allows */
} TraceError;

/* Where a trace goes: write @len bytes, or return false, which ends the trace. */
typedef bool (*TraceWrite)(void *opaque, const void *data, size_t len);

typedef enum TraceEnd {
    TRACE_OPEN,
    TRACE_FULL,                         /* the limit was reached */
    TRACE_FAILED,                       /* TraceWrite returned false; the last record may be torn */
} TraceEnd;

/*
 * A writer of at most @limit_bytes, to be given to policy_record() and freed after it was taken from there.
 * Writes the header.
 */
TraceWriter *trace_writer_new(TraceWrite write, void *opaque, uint64_t limit_bytes);
void trace_writer_free(TraceWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TraceWriter, trace_writer_free)

/* Written so far; and whether, and why, it has ended by itself. */
uint64_t trace_writer_bytes(const TraceWriter *writer);
uint64_t trace_writer_records(const TraceWriter *writer);
TraceEnd trace_writer_end(const TraceWriter *writer);

/*
 * Given each TRACE_BITS and TRACE_RATE record in turn; @bits are those of TRACE_BITS (range->n of them), and
 * NULL for a rate. Both live until it returns. No field of @range was checked but 'n' of TRACE_BITS.
 */
typedef void (*TraceVisit)(void *opaque, const TraceRange *range, const uint64_t *bits);

/*
 * Show the evidence in the trace of @len bytes at @buf, without a policy. Returns false, with an error that
 * names the offset, on a trace that is malformed; what lay before that was shown.
 */
bool trace_foreach_evidence(const void *buf, size_t len, TraceVisit visit, void *opaque, GError **errp);

/* Given each region that the trace tells of, in turn, also those that end. Nothing of it was checked. */
typedef void (*TraceVisitRegion)(void *opaque, const TraceRegion *region);

/* Show the regions in a trace, as trace_foreach_evidence() does the evidence. */
bool trace_foreach_region(const void *buf, size_t len, TraceVisitRegion visit, void *opaque, GError **errp);

/* So many of 4 KiB take as much memory as a granule of 2 MiB. */
#define TRACE_LARGE_GRANULE 32u

/* What a replay found. */
typedef struct TraceReplay {
    uint64_t records;
    uint64_t plans;
    uint64_t moves;                     /* in all plans, as replayed */
    uint64_t start_ns, end_ns;          /* time that it covers */
    char *difference; /* NULL: all plans are the recorded ones; else where the first differs, and how */
} TraceReplay;

void trace_replay_clear(TraceReplay *replay);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TraceReplay, trace_replay_clear)

/*
 * Run the trace of @len bytes at @buf on a new policy and compare the plans; goes on after a difference.
 * Returns false, with an error that names the offset, on a trace that is malformed or whose maps have more
 * than @max_granules of 4 KiB (4 bytes each; one of 2 MiB counts as TRACE_LARGE_GRANULE); @replay then tells
 * how far it came. To be cleared in either case.
 */
bool trace_replay(const void *buf, size_t len, uint64_t max_granules, TraceReplay *replay, GError **errp);

#endif /* VHOST_TIER_CORE_TRACE_H */
