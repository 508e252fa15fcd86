/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs and their addresses, by /proc (proc(5)).
 */
#include "programs.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "damon-sysfs.h"
#include "seen.h"
#include "machine/sysfs.h"

#define ADDRESSES_END (UINT64_C(1) << 56) /* what lies above is the kernel's */

typedef struct Program {
    pid_t pid;
    uint64_t bytes;
} Program;

/* One line of maps: false where there is no memory of the program's. */
static bool parse_line(const char *line, DamonRange *mapping)
{
    char *end;

    mapping->start = g_ascii_strtoull(line, &end, 16);
    if (end == line || *end != '-') {
        return false;
    }
    line = end + 1;
    mapping->end = g_ascii_strtoull(line, &end, 16);
    return end != line && mapping->start < mapping->end && mapping->end < ADDRESSES_END &&
           !g_str_has_prefix(end, " ---");
}

/* The last range is complete; it goes where too little of it is used. */
static void end_range(GArray *ranges, uint64_t used)
{
    if (ranges->len && used < SEEN_BLOCK_BYTES) {
        g_array_set_size(ranges, ranges->len - 1);
    }
}

GArray *programs_ranges(const char *maps)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    uint64_t used = 0, after = 0;
    DamonRange mapping;

    for (char **line = lines; *line; line++) {
        DamonRange block;

        if (!parse_line(*line, &mapping) || mapping.start < after) {
            continue;
        }
        after = mapping.end;
        block.start = mapping.start / SEEN_BLOCK_BYTES * SEEN_BLOCK_BYTES;
        block.end = (mapping.end + SEEN_BLOCK_BYTES - 1) / SEEN_BLOCK_BYTES * SEEN_BLOCK_BYTES;
        if (ranges->len && block.start <= g_array_index(ranges, DamonRange, ranges->len - 1).end) {
            g_array_index(ranges, DamonRange, ranges->len - 1).end = block.end;
        } else {
            end_range(ranges, used);
            g_array_append_val(ranges, block);
            used = 0;
        }
        used += mapping.end - mapping.start;
    }
    end_range(ranges, used);
    return ranges;
}

/* Bytes of memory of a process: the second number of statm, in pages. */
static uint64_t bytes_of(const char *proc, pid_t pid)
{
    g_autofree char *text = sysfs_read(proc, NULL, "%d/statm", (int)pid);
    char *rest;

    if (!text) {
        return 0;
    }
    g_ascii_strtoull(text, &rest, 10);
    return g_ascii_strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static gint largest_first(gconstpointer a, gconstpointer b)
{
    const Program *left = a, *right = b;

    if (left->bytes != right->bytes) {
        return left->bytes < right->bytes ? 1 : -1;
    }
    return left->pid < right->pid ? -1 : 1;
}

static void clear_target(gpointer target)
{
    g_array_unref(((DamonTarget *)target)->ranges);
}

/* The processes that have so much, in no order. */
static GArray *list(const char *proc, uint64_t least_bytes)
{
    GArray *programs = g_array_new(FALSE, FALSE, sizeof(Program));
    g_autoptr(GDir) dir = g_dir_open(proc, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        Program program = {.pid = (pid_t)g_ascii_strtoll(name, NULL, 10)};

        program.bytes = program.pid > 0 && program.pid != getpid() ? bytes_of(proc, program.pid) : 0;
        if (program.bytes >= MAX(least_bytes, 1)) {
            g_array_append_val(programs, program);
        }
    }
    return programs;
}

GArray *programs_find(const char *proc, uint64_t least_bytes, guint most)
{
    GArray *targets = g_array_new(FALSE, FALSE, sizeof(DamonTarget));
    g_autoptr(GArray) programs = list(proc, least_bytes);

    g_array_set_clear_func(targets, clear_target);
    g_array_sort(programs, largest_first);
    for (guint i = 0; i < programs->len && targets->len < most; i++) {
        const Program *program = &g_array_index(programs, Program, i);
        g_autofree char *maps = sysfs_read(proc, NULL, "%d/maps", (int)program->pid);
        DamonTarget target = {.pid = program->pid, .ranges = programs_ranges(maps ? maps : "")};

        if (target.ranges->len == 0) {
            g_array_unref(target.ranges);
            continue;
        }
        g_array_append_val(targets, target);
    }
    return targets;
}

uint64_t programs_bytes(const char *proc, const GArray *programs)
{
    uint64_t bytes = 0;

    for (guint i = 0; i < programs->len; i++) {
        bytes += bytes_of(proc, g_array_index(programs, DamonTarget, i).pid);
    }
    return bytes;
}
