/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tracepoint damon:damon_aggregated, through perf_event_open(2).
 */
#include "damon-trace.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sysfs.h"

#define EVENT "kernel/tracing/events/damon/damon_aggregated"
#define RING_PAGES 64u   /* a power of two: 256 KiB, some 4000 events */
#define RECORD_MAX 1024u /* no record of this event is larger */

struct DamonTrace {
    DamonFormat format;
    int fd;
    struct perf_event_mmap_page *control;
    const char *data;
    size_t page_bytes;
};

/* "field:unsigned long start;  offset:24;  size:8;  signed:0;" */
static bool parse_field(const char *text, const char *name, uint32_t *offset, uint32_t *size, GError **errp)
{
    g_autofree char *pattern = g_strdup_printf("field:[^;]*\\b%s;\\s*offset:(\\d+);\\s*size:(\\d+);", name);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *at = NULL;
    g_autofree char *bytes = NULL;
    guint64 values[2];

    if (!g_regex_match(regex, text, 0, &match)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the event damon_aggregated has no field '%s'",
                    name);
        return false;
    }
    at = g_match_info_fetch(match, 1);
    bytes = g_match_info_fetch(match, 2);
    if (!g_ascii_string_to_unsigned(at, 10, 0, RECORD_MAX, &values[0], NULL) ||
        !g_ascii_string_to_unsigned(bytes, 10, 1, sizeof(uint64_t), &values[1], NULL)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the event damon_aggregated has an odd field '%s'", name);
        return false;
    }
    *offset = values[0];
    *size = values[1];
    return true;
}

bool damon_format_parse(const char *text, DamonFormat *format, GError **errp)
{
    const char *id = strstr(text, "ID: ");

    format->id = id ? g_ascii_strtoull(id + strlen("ID: "), NULL, 10) : 0;
    if (format->id == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the event damon_aggregated has no ID");
        return false;
    }
    return parse_field(text, "target_id", &format->target.offset, &format->target.size, errp) &&
           parse_field(text, "start", &format->start.offset, &format->start.size, errp) &&
           parse_field(text, "end", &format->end.offset, &format->end.size, errp) &&
           parse_field(text, "nr_accesses", &format->nr_accesses.offset, &format->nr_accesses.size, errp);
}

/* A field of @size bytes in the host's (little-endian) order. */
static bool read_field(const void *raw, size_t raw_size, uint32_t offset, uint32_t size, uint64_t *value)
{
    if (offset > raw_size || size > raw_size - offset || size > sizeof(*value)) {
        return false;
    }
    *value = 0;
    memcpy(value, (const char *)raw + offset, size);
    *value = GUINT64_FROM_LE(*value);
    return true;
}

bool damon_format_read(const DamonFormat *format, const void *raw, size_t size, DamonFound *found)
{
    uint64_t nr_accesses;

    if (!read_field(raw, size, format->target.offset, format->target.size, &found->target) ||
        !read_field(raw, size, format->start.offset, format->start.size, &found->start) ||
        !read_field(raw, size, format->end.offset, format->end.size, &found->end) ||
        !read_field(raw, size, format->nr_accesses.offset, format->nr_accesses.size, &nr_accesses)) {
        return false;
    }
    found->nr_accesses = nr_accesses;
    return true;
}

DamonTrace *damon_trace_open(const char *sysfs, pid_t tid, GError **errp)
{
    g_autofree char *text = sysfs_read(sysfs, errp, EVENT "/format");
    struct perf_event_attr attr = {
        .type = PERF_TYPE_TRACEPOINT,
        .size = sizeof(attr),
        .sample_period = 1,
        .sample_type = PERF_SAMPLE_RAW,
    };
    size_t page_bytes = sysconf(_SC_PAGESIZE);
    DamonTrace *trace;
    DamonFormat format;
    void *ring;
    int fd;

    if (!text) {
        g_prefix_error(errp, "no tracepoint of DAMON's (mount -t tracefs tracefs /sys/kernel/tracing): ");
        return NULL;
    }
    if (!damon_format_parse(text, &format, errp)) {
        return NULL;
    }
    attr.config = format.id;
    fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "can't follow DAMON's tracepoint with perf_event_open: %s; CAP_PERFMON is needed",
                    g_strerror(errno));
        return NULL;
    }
    ring = mmap(NULL, (1 + RING_PAGES) * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "can't map perf's buffer of %zu bytes: %s", (1 + RING_PAGES) * page_bytes,
                    g_strerror(errno));
        close(fd);
        return NULL;
    }
    trace = g_new0(DamonTrace, 1);
    trace->format = format;
    trace->fd = fd;
    trace->control = ring;
    trace->data = (const char *)ring + page_bytes;
    trace->page_bytes = page_bytes;
    return trace;
}

void damon_trace_close(DamonTrace *trace)
{
    if (trace) {
        munmap(trace->control, (1 + RING_PAGES) * trace->page_bytes);
        close(trace->fd);
        g_free(trace);
    }
}

/* Copy @size bytes at position @at of the ring. */
static void ring_copy(const DamonTrace *trace, uint64_t at, void *to, size_t size)
{
    size_t ring_bytes = RING_PAGES * trace->page_bytes;
    size_t offset = at % ring_bytes;
    size_t first = MIN(size, ring_bytes - offset);

    memcpy(to, trace->data + offset, first);
    memcpy((char *)to + first, trace->data, size - first);
}

uint64_t damon_trace_drain(DamonTrace *trace, void (*each)(const DamonFound *found, void *opaque),
                           void *opaque)
{
    uint64_t head = __atomic_load_n(&trace->control->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = trace->control->data_tail, lost = 0;
    char record[RECORD_MAX];

    while (head - tail >= sizeof(struct perf_event_header)) {
        struct perf_event_header header;
        DamonFound found;
        uint32_t raw_size;
        uint64_t n_lost[2]; /* the event's id, and how many */

        ring_copy(trace, tail, &header, sizeof(header));
        if (header.size < sizeof(header) || header.size > head - tail) {
            tail = head; /* not of perf's making: begin anew */
            break;
        }
        if (header.size <= RECORD_MAX) {
            ring_copy(trace, tail, record, header.size);
            if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(header) + sizeof(raw_size)) {
                memcpy(&raw_size, record + sizeof(header), sizeof(raw_size));
                raw_size = MIN(raw_size, header.size - sizeof(header) - sizeof(raw_size));
                if (damon_format_read(&trace->format, record + sizeof(header) + sizeof(raw_size), raw_size,
                                      &found)) {
                    each(&found, opaque);
                }
            } else if (header.type == PERF_RECORD_LOST && header.size >= sizeof(header) + sizeof(n_lost)) {
                memcpy(n_lost, record + sizeof(header), sizeof(n_lost));
                lost += n_lost[1];
            }
        }
        tail += header.size;
    }
    __atomic_store_n(&trace->control->data_tail, tail, __ATOMIC_RELEASE);
    return lost;
}
