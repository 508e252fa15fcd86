/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tracepoint damon:damon_aggregated, through an instance of tracefs.
 */
#include "damon-trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/sysfs.h"

#define TRACING "kernel/tracing"
#define EVENT "events/damon/damon_aggregated"
/* One name for all: DAMON's list of kdamonds, too, can only be held by one daemon of a host. */
#ifndef DAMON_USER /* see damon-sysfs.c */
#define DAMON_USER "vhost-tier"
#endif
#define INSTANCE TRACING "/instances/" DAMON_USER
#define BUFFER_KB "256"  /* of each CPU: some 4000 events */
#define RECORD_MAX 1024u /* no record of this event is larger */

/* The head of a page, and of an event in it. */
#define PAGE_HEAD_BYTES 16u
#define COMMIT_MASK ((1u << 27) - 1)
#define EVENT_HEAD_BYTES sizeof(uint32_t)
#define TYPE_LONG 0u /* its length is in the word that follows */
#define TYPE_PADDING 29u
#define TYPE_TIME 30u /* and 31: a word follows */

struct DamonTrace {
    char *sysfs;
    DamonFormat format;
    GArray *fds; /* of each CPU's buffer */
    char *page;
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
    found->bytes = found->end - found->start;
    found->nr_accesses = nr_accesses;
    return true;
}

void damon_format_read_page(const DamonFormat *format, const void *page, size_t size, DamonEach *each,
                            void *opaque)
{
    const char *at = (const char *)page + PAGE_HEAD_BYTES;
    uint64_t commit;
    size_t left;

    if (size < PAGE_HEAD_BYTES) {
        return;
    }
    memcpy(&commit, (const char *)page + sizeof(uint64_t), sizeof(commit));
    left = MIN(commit & COMMIT_MASK, size - PAGE_HEAD_BYTES);
    while (left >= 2 * EVENT_HEAD_BYTES) {
        uint32_t head, word, type;
        size_t length, skip = EVENT_HEAD_BYTES;
        uint16_t id;
        DamonFound found;

        memcpy(&head, at, sizeof(head));
        memcpy(&word, at + EVENT_HEAD_BYTES, sizeof(word));
        type = head & 31;
        if (type == TYPE_LONG || (type == TYPE_PADDING && head >> 5)) {
            length = EVENT_HEAD_BYTES + (size_t)word;
            skip = 2 * EVENT_HEAD_BYTES;
        } else if (type == TYPE_PADDING) {
            return; /* nothing follows in this page */
        } else {
            length = EVENT_HEAD_BYTES + (type >= TYPE_TIME ? sizeof(word) : type * sizeof(word));
        }
        if (length < skip || length > left) {
            return; /* not of the kernel's making */
        }
        if (type < TYPE_PADDING && length - skip >= sizeof(id)) {
            memcpy(&id, at + skip, sizeof(id)); /* each record begins with its event's number */
            if (id == format->id && damon_format_read(format, at + skip, length - skip, &found)) {
                each(&found, opaque);
            }
        }
        at += length;
        left -= length;
    }
}

/* Open the buffers of all CPUs that there may be. */
static bool open_buffers(DamonTrace *trace, GError **errp)
{
    g_autofree char *folder = g_build_filename(trace->sysfs, INSTANCE "/per_cpu", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, errp);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, "trace_pipe_raw", NULL);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0) {
            g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno), "can't open %s: %s", path,
                        g_strerror(errno));
            return false;
        }
        g_array_append_val(trace->fds, fd);
    }
    return dir != NULL;
}

DamonTrace *damon_trace_open(const char *sysfs, GError **errp)
{
    g_autofree char *instance = g_build_filename(sysfs, INSTANCE, NULL);
    g_autofree char *text = sysfs_read(sysfs, errp, TRACING "/" EVENT "/format");
    DamonTrace *trace;
    DamonFormat format;

    if (!text) {
        g_prefix_error(errp, "no tracepoint of DAMON's (mount -t tracefs tracefs /sys/kernel/tracing): ");
        return NULL;
    }
    if (!damon_format_parse(text, &format, errp)) {
        return NULL;
    }
    if ((rmdir(instance) < 0 && errno != ENOENT) || mkdir(instance, 0700) < 0) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "can't make %s, from which what DAMON finds is read: %s; the daemon must be root's",
                    instance, g_strerror(errno));
        return NULL;
    }
    trace = g_new0(DamonTrace, 1);
    trace->sysfs = g_strdup(sysfs);
    trace->format = format;
    trace->fds = g_array_new(FALSE, FALSE, sizeof(int));
    trace->page_bytes = sysconf(_SC_PAGESIZE);
    trace->page = g_malloc(trace->page_bytes);
    if (!sysfs_write(sysfs, BUFFER_KB, errp, INSTANCE "/buffer_size_kb") || !open_buffers(trace, errp)) {
        damon_trace_close(trace);
        return NULL;
    }
    return trace;
}

void damon_trace_close(DamonTrace *trace)
{
    g_autofree char *instance = NULL;

    if (!trace) {
        return;
    }
    instance = g_build_filename(trace->sysfs, INSTANCE, NULL);
    for (guint i = 0; i < trace->fds->len; i++) {
        close(g_array_index(trace->fds, int, i));
    }
    if (rmdir(instance) < 0) {
        g_message("can't remove %s: %s", instance, g_strerror(errno));
    }
    g_array_unref(trace->fds);
    g_free(trace->page);
    g_free(trace->sysfs);
    g_free(trace);
}

static void drop(const DamonFound *found G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED)
{
}

bool damon_trace_follow(DamonTrace *trace, pid_t tid, GError **errp)
{
    g_autofree char *filter = g_strdup_printf("common_pid == %d", (int)tid);

    if (!sysfs_write(trace->sysfs, "0", errp, INSTANCE "/" EVENT "/enable")) {
        return false;
    }
    damon_trace_drain(trace, drop, NULL);
    return sysfs_write(trace->sysfs, filter, errp, INSTANCE "/" EVENT "/filter") &&
           sysfs_write(trace->sysfs, "1", errp, INSTANCE "/" EVENT "/enable");
}

void damon_trace_drain(DamonTrace *trace, DamonEach *each, void *opaque)
{
    for (guint i = 0; i < trace->fds->len; i++) {
        ssize_t got;

        /* A CPU's buffer that is empty, or whose CPU is not there, gives an error. */
        while ((got = read(g_array_index(trace->fds, int, i), trace->page, trace->page_bytes)) > 0) {
            damon_format_read_page(&trace->format, trace->page, (size_t)got, each, opaque);
        }
    }
}
