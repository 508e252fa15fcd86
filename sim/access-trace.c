/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of access traces: lines into fields, fields into records.
 */
#include "access-trace.h"

#include <errno.h>
#include <string.h>

#define HEADER_WORD "tier-access-trace"
#define VERSION 1u
#define MAX_LINE 4096               /* bytes with the line's end */
#define MAX_FIELDS 5
#define MAX_NAME 64
#define MAX_REGIONS 65536u
#define MAX_COUNT (UINT64_C(1) << 50)

G_DEFINE_QUARK(access-trace-error-quark, access_trace_error)

/* The line that is being looked at. */
typedef struct Line {
    char text[MAX_LINE + 1];        /* cut into fields */
    char *fields[MAX_FIELDS];
    size_t n_fields;
} Line;

struct AccessTrace {
    FILE *file;
    char *name;
    uint64_t line_number;
    Line line;                      /* after opening: the first record's, or 'end' */
    bool line_waits;                /* it was not dealt with yet */
    GArray *regions;                /* AccessRegion */
    GHashTable *by_name;            /* name, owned by 'regions' -> index + 1 */
    uint64_t pages;
    uint64_t records;
    uint64_t last_ns;
};

static bool fail(const AccessTrace *trace, GError **errp, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Set an error that names the line; false. */
static bool fail(const AccessTrace *trace, GError **errp, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(errp, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_MALFORMED, "%s, line %" G_GUINT64_FORMAT ": %s",
                trace->name, trace->line_number, what);
    return false;
}

/* Cut a line into fields; one too many counts, so that it is noticed. */
static void cut(Line *line)
{
    char *at = line->text;

    line->n_fields = 0;
    while (*(at += strspn(at, " \t")) != '\0') {
        if (line->n_fields < MAX_FIELDS) {
            line->fields[line->n_fields] = at;
        }
        line->n_fields++;
        at += strcspn(at, " \t");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
}

/*
 * Read the next line that is neither empty nor a comment, as fields; false with an error, or at the file's
 * end with none.
 */
static bool next_line(AccessTrace *trace, GError **errp)
{
    Line *line = &trace->line;

    do {
        size_t len;

        trace->line_number++;
        if (!fgets(line->text, MAX_LINE, trace->file)) {
            if (ferror(trace->file)) {
                g_set_error(errp, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_IO,
                            "%s, line %" G_GUINT64_FORMAT ": can't be read: %s", trace->name,
                            trace->line_number, g_strerror(errno));
            }
            return false;
        }
        len = strlen(line->text);
        if (len == 0 || line->text[len - 1] != '\n') {
            return fail(trace, errp,
                        len < MAX_LINE - 1 && feof(trace->file)
                            ? "it breaks off; the trace is truncated, record or copy it anew"
                            : "it is longer than 4094 bytes, or holds a zero byte: is this a text?");
        }
        line->text[--len] = '\0';
        if (len > 0 && line->text[len - 1] == '\r') {
            line->text[--len] = '\0';
        }
        if (!g_utf8_validate(line->text, (gssize)len, NULL)) {
            return fail(trace, errp, "it is not UTF-8");
        }
        cut(line);
    } while (line->n_fields == 0 || line->fields[0][0] == '#');
    return true;
}

static unsigned digit(char c)
{
    int value = g_ascii_xdigit_value(c);

    return value < 0 ? 16 : (unsigned)value;
}

/* A number without a sign, decimal, or hexadecimal after '0x', from @min to @max. */
static bool take_number(const AccessTrace *trace, const char *what, const char *text, uint64_t min,
                        uint64_t max, uint64_t *value, GError **errp)
{
    unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    const char *at = base == 16 ? text + 2 : text;
    bool fits = *at != '\0';

    *value = 0;
    for (; *at != '\0' && fits; at++) {
        unsigned d = digit(*at);

        fits = d < base && *value <= (UINT64_MAX - d) / base;
        *value = *value * base + d;
    }
    if (!fits || *value < min || *value > max) {
        return fail(trace, errp,
                    "%s '%s' is not a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                    " (decimal, or hexadecimal with 0x)",
                    what, text, min, max);
    }
    return true;
}

static bool take_header(AccessTrace *trace, GError **errp)
{
    const Line *line = &trace->line;
    g_autoptr(GError) err = NULL;
    uint64_t version;

    if (!next_line(trace, &err)) {
        if (err) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
        return fail(trace, errp, "the file is empty; an access trace begins with '" HEADER_WORD " 1'");
    }
    if (line->n_fields != 2 || !g_str_equal(line->fields[0], HEADER_WORD)) {
        return fail(trace, errp, "this is no access trace; one begins with '" HEADER_WORD " 1'");
    }
    if (!take_number(trace, "the version", line->fields[1], 0, UINT64_MAX, &version, errp)) {
        return false;
    }
    return version == VERSION ||
           fail(trace, errp,
                "version %" G_GUINT64_FORMAT " can't be read, only version %u; convert the trace", version,
                VERSION);
}

static bool name_is_sound(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+-");

    return len > 0 && len <= MAX_NAME && name[len] == '\0';
}

static bool take_region(AccessTrace *trace, GError **errp)
{
    const Line *line = &trace->line;
    AccessRegion region = {.first_page = trace->pages};
    uint64_t pages;

    if (line->n_fields != 3) {
        return fail(trace, errp, "a region is 'region NAME SIZE'");
    }
    if (!name_is_sound(line->fields[1])) {
        return fail(trace, errp, "'%s' can't be a region's name: up to 64 letters, digits and any of ._:+-",
                    line->fields[1]);
    }
    if (g_hash_table_contains(trace->by_name, line->fields[1])) {
        return fail(trace, errp, "there is a region '%s' already", line->fields[1]);
    }
    if (trace->regions->len == MAX_REGIONS) {
        return fail(trace, errp, "there are more than %u regions", MAX_REGIONS);
    }
    if (!take_number(trace, "the region's size", line->fields[2], 1,
                     ACCESS_TRACE_MAX_PAGES * ACCESS_TRACE_PAGE, &region.bytes, errp)) {
        return false;
    }
    pages = (region.bytes - 1) / ACCESS_TRACE_PAGE + 1;
    if (pages > ACCESS_TRACE_MAX_PAGES - trace->pages) {
        return fail(trace, errp, "with region '%s' all regions exceed 16 TiB", line->fields[1]);
    }
    region.name = g_strdup(line->fields[1]);
    trace->pages += pages;
    g_array_append_val(trace->regions, region);
    g_hash_table_insert(trace->by_name, region.name, GUINT_TO_POINTER(trace->regions->len));
    return true;
}

/* Read all regions; the line after them waits. */
static bool take_regions(AccessTrace *trace, GError **errp)
{
    g_autoptr(GError) err = NULL;

    while (next_line(trace, &err)) {
        if (!g_str_equal(trace->line.fields[0], "region")) {
            trace->line_waits = true;
            return trace->regions->len > 0 ||
                   fail(trace, errp, "there is no region before it; write 'region NAME SIZE' first");
        }
        if (!take_region(trace, errp)) {
            return false;
        }
    }
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    return fail(trace, errp, "the trace is truncated: its last line must be 'end RECORDS'");
}

static void clear_region(void *region)
{
    g_free(((AccessRegion *)region)->name);
}

AccessTrace *access_trace_new(FILE *file, const char *name, GError **errp)
{
    g_autoptr(AccessTrace) trace = g_new0(AccessTrace, 1);

    trace->file = file;
    trace->name = g_strdup(name);
    trace->regions = g_array_new(FALSE, FALSE, sizeof(AccessRegion));
    g_array_set_clear_func(trace->regions, clear_region);
    trace->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    if (!take_header(trace, errp) || !take_regions(trace, errp)) {
        return NULL;
    }
    return g_steal_pointer(&trace);
}

AccessTrace *access_trace_open(const char *path, GError **errp)
{
    FILE *file = fopen(path, "re");

    if (!file) {
        g_set_error(errp, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_IO, "the trace '%s' can't be opened: %s",
                    path, g_strerror(errno));
        return NULL;
    }
    return access_trace_new(file, path, errp);
}

void access_trace_free(AccessTrace *trace)
{
    fclose(trace->file);
    g_free(trace->name);
    g_hash_table_unref(trace->by_name);
    g_array_unref(trace->regions);
    g_free(trace);
}

size_t access_trace_regions(const AccessTrace *trace)
{
    return trace->regions->len;
}

const AccessRegion *access_trace_region(const AccessTrace *trace, size_t index)
{
    return &g_array_index(trace->regions, AccessRegion, index);
}

uint64_t access_trace_pages(const AccessTrace *trace)
{
    return trace->pages;
}

static bool take_record(AccessTrace *trace, AccessRecord *record, GError **errp)
{
    char *const *fields = trace->line.fields;
    const AccessRegion *region;
    uint64_t offset;
    guint index;

    if (trace->line.n_fields != 5) {
        return fail(trace, errp,
                    "a record is 'TIME_NS REGION OFFSET COUNT r|w', and the last line 'end RECORDS'");
    }
    if (!take_number(trace, "the time", fields[0], 0, INT64_MAX, &record->time_ns, errp)) {
        return false;
    }
    if (record->time_ns < trace->last_ns) {
        return fail(trace, errp,
                    "the time %" G_GUINT64_FORMAT " lies before the last record's, %" G_GUINT64_FORMAT
                    "; sort the records by time",
                    record->time_ns, trace->last_ns);
    }
    index = GPOINTER_TO_UINT(g_hash_table_lookup(trace->by_name, fields[1]));
    if (index == 0) {
        return fail(trace, errp, "there is no region '%s'", fields[1]);
    }
    region = access_trace_region(trace, index - 1);
    if (!take_number(trace, "the offset", fields[2], 0, region->bytes - 1, &offset, errp) ||
        !take_number(trace, "the count", fields[3], 1, MAX_COUNT, &record->count, errp)) {
        return false;
    }
    if (!g_str_equal(fields[4], "r") && !g_str_equal(fields[4], "w")) {
        return fail(trace, errp, "'%s' is neither r nor w", fields[4]);
    }
    record->page = region->first_page + offset / ACCESS_TRACE_PAGE;
    record->write = fields[4][0] == 'w';
    trace->last_ns = record->time_ns;
    trace->records++;
    return true;
}

/* The last line was read: it must tell the number of records, and be the last. */
static bool take_end(AccessTrace *trace, GError **errp)
{
    g_autoptr(GError) err = NULL;
    uint64_t records;

    if (trace->line.n_fields != 2) {
        return fail(trace, errp, "the last line is 'end RECORDS', with the number of records");
    }
    if (!take_number(trace, "the number of records", trace->line.fields[1], 0, UINT64_MAX, &records, errp)) {
        return false;
    }
    if (records != trace->records) {
        return fail(trace, errp,
                    "there should be %" G_GUINT64_FORMAT " records, there are %" G_GUINT64_FORMAT
                    ": some were lost; record or copy the trace anew",
                    records, trace->records);
    }
    if (next_line(trace, &err)) {
        return fail(trace, errp, "there is more after 'end'");
    }
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    return true;
}

AccessStep access_trace_next(AccessTrace *trace, AccessRecord *record, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (!trace->line_waits && !next_line(trace, &err)) {
        if (err) {
            g_propagate_error(errp, g_steal_pointer(&err));
        } else {
            fail(trace, errp, "the trace is truncated: its last line must be 'end RECORDS'");
        }
        return ACCESS_STEP_FAILED;
    }
    trace->line_waits = false;
    if (g_str_equal(trace->line.fields[0], "end")) {
        return take_end(trace, errp) ? ACCESS_STEP_END : ACCESS_STEP_FAILED;
    }
    return take_record(trace, record, errp) ? ACCESS_STEP_RECORD : ACCESS_STEP_FAILED;
}
