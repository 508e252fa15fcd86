/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kdamond found, read from the tracepoint damon:damon_aggregated: one event per region and
 * aggregation, in a ring buffer of perf's. It costs about 2 us a region, where reading sysfs's tried_regions
 * costs 40 to 160.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_TRACE_H
#define VHOST_TIER_SOURCES_DAMON_TRACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct DamonFound {
    uint64_t target;      /* its index in the list that the kdamond was started with */
    uint64_t start, end;  /* addresses */
    uint32_t nr_accesses; /* samples of the aggregation that found an access */
} DamonFound;

/* Where the event's fields lie in its record, as its 'format' file says. */
typedef struct DamonFormat {
    uint64_t id;
    struct {
        uint32_t offset, size;
    } target, start, end, nr_accesses;
} DamonFormat;

/*
 * Parse the text of the format file; false, with an error, when a field is missing or of a size that can't
 * be.
 */
bool damon_format_parse(const char *text, DamonFormat *format, GError **errp);
/* Read one raw record; false when it is too short. */
bool damon_format_read(const DamonFormat *format, const void *raw, size_t size, DamonFound *found);

typedef struct DamonTrace DamonTrace;

/* Follow the kdamond of thread @tid. Needs tracefs, and CAP_PERFMON. */
DamonTrace *damon_trace_open(const char *sysfs, pid_t tid, GError **errp);
void damon_trace_close(DamonTrace *trace);
/*
 * Call @each for all that was found since the last call. Returns the number of events that were lost as the
 * buffer was full.
 */
uint64_t damon_trace_drain(DamonTrace *trace, void (*each)(const DamonFound *found, void *opaque),
                           void *opaque);

#endif /* VHOST_TIER_SOURCES_DAMON_TRACE_H */
