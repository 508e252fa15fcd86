/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where this machine's RAM is. A line is 'START-END : WHAT', indented where it is part of another. Firmware may say
 * that RAM begins or ends within a page: only whole pages count.
 */
#include "iomem.h"

#include <stdio.h>
#include <string.h>

#include "damon-sysfs.h"

#define PAGE_BYTES UINT64_C(4096)

GArray *iomem_ram(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(DamonRange));

    for (char **line = lines; *line; line++) {
        char *end = NULL;
        DamonRange range = {.start = g_ascii_strtoull(*line, &end, 16)};
        uint64_t last = *end == '-' ? g_ascii_strtoull(end + 1, &end, 16) : 0;

        /* To who lacks CAP_SYS_ADMIN all addresses are shown as 0. */
        if (**line == ' ' || strcmp(end, " : System RAM") != 0 || last <= range.start || last == UINT64_MAX) {
            continue;
        }
        range.end = (last + 1) / PAGE_BYTES * PAGE_BYTES;
        range.start = (range.start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        if (range.end > range.start) {
            g_array_append_val(ranges, range);
        }
    }
    return ranges;
}
