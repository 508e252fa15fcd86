/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kdamond found, read from the tracepoint damon:damon_aggregated: one event per region and
 * aggregation. It costs about 2 us a region, where reading sysfs's tried_regions costs 40 to 160.
 *
 * The events come through an instance of tracefs of our own, that is, buffers that nobody else uses
 * (Documentation/trace/ftrace.rst of Linux, 'Instances'). It needs to be root's, and no capability. (perf's
 * buffers want CAP_PERFMON, and where kernel.perf_event_paranoid is 3, as on Debian, CAP_SYS_ADMIN.)
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
    uint64_t bytes;       /* of the DAMON region that this is, or is a part of */
    uint32_t nr_accesses; /* samples of the aggregation that found an access in that region */
} DamonFound;

/* Where the event's fields lie in its record, as its 'format' file says. */
typedef struct DamonFormat {
    uint64_t id;
    struct {
        uint32_t offset, size;
    } target, start, end, nr_accesses;
} DamonFormat;

typedef void DamonEach(const DamonFound *found, void *opaque);

/*
 * Parse the text of the format file; false, with an error, when a field is missing or of a size that can't
 * be.
 */
bool damon_format_parse(const char *text, DamonFormat *format, GError **errp);
/* Read one raw record; false when it is too short. */
bool damon_format_read(const DamonFormat *format, const void *raw, size_t size, DamonFound *found);
/*
 * Call @each for all such events in a page of a trace buffer, as read from trace_pipe_raw: its layout is that
 * of events/header_page and events/header_event, the same on all kernels of 64 bits.
 */
void damon_format_read_page(const DamonFormat *format, const void *page, size_t size, DamonEach *each,
                            void *opaque);

typedef struct DamonTrace DamonTrace;

/* Make the instance, in place of one that a killed daemon left; it is removed by damon_trace_close(). */
DamonTrace *damon_trace_open(const char *sysfs, GError **errp);
void damon_trace_close(DamonTrace *trace);
/* From now on follow the kdamond of thread @tid, and no other; what was found before is dropped. */
bool damon_trace_follow(DamonTrace *trace, pid_t tid, GError **errp);
/* Call @each for all that was found since the last call. What did not fit into the buffers is lost. */
void damon_trace_drain(DamonTrace *trace, DamonEach *each, void *opaque);

#endif /* VHOST_TIER_SOURCES_DAMON_TRACE_H */
