/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes in bytes as people write and read them; see size.h.
 */
#include "client/size.h"

#include <gio/gio.h>
#include <string.h>

static const char units[] = "KMGT";

static bool refuse(const char *text, GError **errp)
{
    g_set_error(
        errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "'%s' is no size: write bytes, or a number with K, M, G or T, as in 512M or 1.5G (below 16 EiB)",
        text);
    return false;
}

bool size_parse(const char *text, uint64_t *bytes, GError **errp)
{
    const char *p = text;
    unsigned __int128 whole = 0, fraction = 0, scale = 1, total;
    unsigned shift = 0;

    if (!g_ascii_isdigit(*p)) {
        return refuse(text, errp);
    }
    for (; g_ascii_isdigit(*p); p++) {
        whole = whole * 10 + (unsigned)(*p - '0');
        if (whole > UINT64_MAX) {
            return refuse(text, errp);
        }
    }
    if (*p == '.') {
        for (p++; g_ascii_isdigit(*p); p++) {
            if (scale < 1000000000) {   /* further digits are below a byte */
                fraction = fraction * 10 + (unsigned)(*p - '0');
                scale *= 10;
            }
        }
        if (scale == 1) {
            return refuse(text, errp);
        }
    }
    if (*p && strchr(units, g_ascii_toupper(*p))) {
        shift = 10 * (unsigned)(strchr(units, g_ascii_toupper(*p)) - units + 1);
        p++;
        if (g_str_equal(p, "iB") || g_str_equal(p, "B")) {
            p += strlen(p);
        }
    }
    total = (whole << shift) + (fraction << shift) / scale;
    if (*p || total > UINT64_MAX || (scale > 1 && shift == 0)) {
        return refuse(text, errp);
    }
    *bytes = (uint64_t)total;
    return true;
}

char *size_format(uint64_t bytes)
{
    double value = (double)bytes;
    size_t unit = 0;

    if (bytes < 1024) {
        return g_strdup_printf("%u B", (unsigned)bytes);
    }
    for (value /= 1024; value >= 1023.5 && units[unit + 1]; unit++) {
        value /= 1024;
    }
    return g_strdup_printf(value < 9.95 ? "%.1f %ciB" : "%.0f %ciB", value, units[unit]);
}
