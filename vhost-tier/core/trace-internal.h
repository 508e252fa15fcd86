/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing trace records: between the policy, which calls these from its door, and the writer.
 */
#ifndef VHOST_TIER_CORE_TRACE_INTERNAL_H
#define VHOST_TIER_CORE_TRACE_INTERNAL_H

#include "policy-internal.h"
#include "trace.h"

typedef struct TraceState {
    PolicyConfig config;
    PolicyState state;
} TraceState;

/* Write a record of @head and @tail, or, where that would pass the limit, end the trace. */
void trace_write(TraceWriter *writer, TraceType type, const void *head, size_t head_len, const void *tail,
                 size_t tail_len);
/* Write all that @policy is. */
void trace_write_snapshot(TraceWriter *writer, const Policy *policy);

#endif /* VHOST_TIER_CORE_TRACE_INTERNAL_H */
