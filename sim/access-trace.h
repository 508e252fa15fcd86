/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of access traces in the plain format of docs/traces.md, that anyone can convert theirs to.
 *
 * A trace comes from anywhere: nothing of it is trusted. It is read line by line; every error names the file,
 * the line and what is wrong with it.
 */
#ifndef VHOST_TIER_SIM_ACCESS_TRACE_H
#define VHOST_TIER_SIM_ACCESS_TRACE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ACCESS_TRACE_ERROR access_trace_error_quark()
GQuark access_trace_error_quark(void);

typedef enum AccessTraceError {
    ACCESS_TRACE_ERROR_IO,              /* it can't be opened or read */
    ACCESS_TRACE_ERROR_MALFORMED,       /* no such trace, or a broken one */
} AccessTraceError;

#define ACCESS_TRACE_PAGE 4096u
#define ACCESS_TRACE_MAX_PAGES (UINT64_C(1) << 32)      /* in all regions together: 16 TiB */

typedef struct AccessRegion {
    char *name;
    uint64_t bytes;
    uint64_t first_page;            /* regions lie one behind the other, each in whole pages */
} AccessRegion;

typedef struct AccessRecord {
    uint64_t time_ns;               /* never less than that of the record before */
    uint64_t page;                  /* counted over all regions: below access_trace_pages() */
    uint64_t count;                 /* accesses, at least one */
    bool write;
} AccessRecord;

typedef enum AccessStep {
    ACCESS_STEP_RECORD,
    ACCESS_STEP_END,                /* the whole trace was read, and is sound */
    ACCESS_STEP_FAILED,
} AccessStep;

typedef struct AccessTrace AccessTrace;

/* Open a trace and read it up to its first record. NULL, with an error, where it is none. */
AccessTrace *access_trace_open(const char *path, GError **errp);
/* The same from a file that is open, which is closed in any case; @name is for messages. */
AccessTrace *access_trace_new(FILE *file, const char *name, GError **errp);
void access_trace_free(AccessTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccessTrace, access_trace_free)

size_t access_trace_regions(const AccessTrace *trace);
const AccessRegion *access_trace_region(const AccessTrace *trace, size_t index);
/* Of all regions together; at least one. */
uint64_t access_trace_pages(const AccessTrace *trace);

/* The next record. After the end, or a failure, not to be called again. */
AccessStep access_trace_next(AccessTrace *trace, AccessRecord *record, GError **errp);

#endif /* VHOST_TIER_SIM_ACCESS_TRACE_H */
