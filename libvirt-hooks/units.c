/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes with libvirt's units; see units.h.
 */
#include "libvirt-hooks/units.h"

#include <glib.h>
#include <string.h>

/* How many bytes a unit has; 0: there is no such unit. */
static uint64_t unit_bytes(const char *unit)
{
    static const char prefixes[] = "kmgtpe";
    const char *prefix;
    uint64_t base, bytes = 1;

    if (!g_ascii_strcasecmp(unit, "b") || !g_ascii_strcasecmp(unit, "byte") || !g_ascii_strcasecmp(unit, "bytes")) {
        return 1;
    }
    prefix = *unit ? strchr(prefixes, g_ascii_tolower(*unit)) : NULL;
    if (!prefix) {
        return 0;
    }
    if (!unit[1] || !g_ascii_strcasecmp(unit + 1, "ib")) {
        base = 1024;
    } else if (!g_ascii_strcasecmp(unit + 1, "b")) {
        base = 1000;
    } else {
        return 0;
    }
    for (const char *p = prefixes; p <= prefix; p++) {
        bytes *= base;
    }
    return bytes;
}

bool units_parse(const char *number, const char *unit, uint64_t *bytes)
{
    uint64_t count, each = unit_bytes(unit);

    return each > 0 && g_ascii_isdigit(*number) &&
           g_ascii_string_to_unsigned(number, 10, 0, UINT64_MAX, &count, NULL) &&
           !__builtin_mul_overflow(count, each, bytes);
}
