/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's decoders, as Linux tells of them (Documentation/ABI/testing/sysfs-bus-cxl).
 */
#include "chmu-decode.h"

#include <limits.h>
#include <string.h>

#include "chmu-cedt.h"
#include "machine/sysfs.h"

#define BUS "bus/cxl/devices"
#define WAYS_MAX 16u                    /* CXL 3.2, 8.2.4.20.7: 1, 2, 4, 8, 16, 3, 6, 12 */
#define GRANULARITY_MIN 256u
#define GRANULARITY_MAX 16384u
#define NO_ADDRESS UINT64_MAX           /* a region that was made, but has no memory of the host's yet */

/* Device memory of one window that a region has in a row before that of the next device. */
static uint64_t chunk(const ChmuWindow *window)
{
    return window->ways > 1 ? window->granularity : window->dpa_bytes;
}

/* From the region's beginning. */
static uint64_t place_of(const ChmuWindow *window, uint64_t byte)
{
    return (byte / chunk(window) * window->ways + window->position) * chunk(window) + byte % chunk(window);
}

bool chmu_decode(const ChmuWindow *windows, size_t n, uint64_t dpa, uint64_t bytes, ChmuSpan *span)
{
    for (size_t i = 0; i < n; i++) {
        const ChmuWindow *window = &windows[i];
        uint64_t first, last;

        if (dpa < window->dpa || dpa - window->dpa >= window->dpa_bytes || bytes == 0 ||
            bytes > window->dpa_bytes - (dpa - window->dpa)) {
            continue;
        }
        first = place_of(window, dpa - window->dpa);
        last = place_of(window, dpa - window->dpa + bytes - 1);
        *span = (ChmuSpan){.hpa = window->hpa + first, .bytes = last - first + 1, .window = window};
        return true;
    }
    return false;
}

bool chmu_decode_owns(const ChmuWindow *windows, size_t n, uint64_t hpa, uint64_t bytes)
{
    for (size_t i = 0; i < n; i++) {
        const ChmuWindow *window = &windows[i];
        uint64_t first, last;           /* chunks */

        if (hpa < window->hpa || hpa - window->hpa >= window->hpa_bytes) {
            continue;
        }
        first = (hpa - window->hpa) / chunk(window);
        last = (hpa - window->hpa + bytes - 1) / chunk(window);
        /* how far it is from the first to the device's next */
        if ((window->position + window->ways - first % window->ways) % window->ways <= last - first) {
            return true;
        }
    }
    return false;
}

/* --- what the kernel tells --- */

/* A number as these files have it, mostly in hexadecimal. */
static bool read_number(const char *sysfs, const char *device, const char *file, uint64_t *value, GError **errp)
{
    g_autofree char *text = sysfs_read(sysfs, errp, BUS "/%s/%s", device, file);
    char *end;

    if (!text) {
        return false;
    }
    *value = g_ascii_strtoull(text, &end, 0);
    if (end == text || *end) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s/%s/%s holds '%.40s' where a number is expected",
                    BUS, device, file, text);
        return false;
    }
    return true;
}

/* Whether the region's bytes are where the formula says; if not, an error. */
static bool is_modulo(const char *sysfs, const char *region, const ChmuWindow *window, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/firmware/acpi/tables/CEDT", sysfs);
    g_autofree char *table = NULL;
    gsize len = 0;

    if (window->ways > 1 && g_file_get_contents(path, &table, &len, NULL) &&
        chmu_cedt_uses_xor((const uint8_t *)table, len, window->hpa)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "%s is spread over host bridges by XOR of address bits (CEDT), which can't be translated; have "
                    "the firmware interleave by modulo, or not at all", region);
        return false;
    }
    return true;
}

static bool read_position(const char *sysfs, const char *region, const char *decoder, ChmuWindow *window,
                          GError **errp)
{
    for (uint32_t i = 0; i < window->ways; i++) {
        g_autofree char *target = sysfs_read(sysfs, errp, BUS "/%s/target%u", region, i);

        if (!target) {
            return false;
        }
        if (!strcmp(target, decoder)) {
            window->position = i;
            return true;
        }
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s does not name %s among its targets", region, decoder);
    return false;
}

/* What decoder @decoder maps; *@mapped is false where it maps nothing. */
static bool read_window(const char *sysfs, const char *decoder, ChmuWindow *window, bool *mapped, GError **errp)
{
    g_autofree char *region = sysfs_read(sysfs, NULL, BUS "/%s/region", decoder);
    uint64_t ways, granularity;

    *window = (ChmuWindow){0};
    *mapped = region && *region;
    if (!*mapped) {
        return true;
    }
    if (!read_number(sysfs, region, "resource", &window->hpa, errp)) {
        return false;
    }
    if (window->hpa == NO_ADDRESS) {
        *mapped = false;
        return true;
    }
    if (!read_number(sysfs, decoder, "dpa_resource", &window->dpa, errp) ||
        !read_number(sysfs, decoder, "dpa_size", &window->dpa_bytes, errp) ||
        !read_number(sysfs, region, "size", &window->hpa_bytes, errp) ||
        !read_number(sysfs, region, "interleave_ways", &ways, errp) ||
        !read_number(sysfs, region, "interleave_granularity", &granularity, errp)) {
        return false;
    }
    if (ways < 1 || ways > WAYS_MAX || granularity < GRANULARITY_MIN || granularity > GRANULARITY_MAX ||
        granularity & (granularity - 1) || window->dpa_bytes == 0 || window->dpa_bytes % granularity ||
        window->dpa_bytes > UINT64_MAX / WAYS_MAX || window->dpa_bytes * ways != window->hpa_bytes ||
        window->dpa > UINT64_MAX - window->dpa_bytes || window->hpa > UINT64_MAX - window->hpa_bytes) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s of 0x%" G_GINT64_MODIFIER "x bytes, %s of 0x%" G_GINT64_MODIFIER "x bytes, %"
                    G_GINT64_MODIFIER "u ways of %" G_GINT64_MODIFIER "u bytes do not fit together",
                    region, window->hpa_bytes, decoder, window->dpa_bytes, ways, granularity);
        return false;
    }
    window->ways = (uint32_t)ways;
    window->granularity = (uint32_t)granularity;
    return is_modulo(sysfs, region, window, errp) && read_position(sysfs, region, decoder, window, errp);
}

/* The number of the endpoint port whose memory device is PCI device @device's; -1: it has none. */
static int endpoint_of(const char *sysfs, const char *device)
{
    g_autofree char *path = g_strdup_printf("%s/" BUS, sysfs);
    g_autofree char *within = g_strdup_printf("/%s/mem", device);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *link = g_strdup_printf("%s/%s/uport", path, name);
        g_autofree char *uport = NULL;
        guint64 number;

        if (!g_str_has_prefix(name, "endpoint") ||
            !g_ascii_string_to_unsigned(name + strlen("endpoint"), 10, 0, INT_MAX, &number, NULL)) {
            continue;
        }
        uport = g_file_read_link(link, NULL);
        if (uport && strstr(uport, within)) {
            return (int)number;
        }
    }
    return -1;
}

GArray *chmu_decode_read(const char *sysfs, const char *device, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/" BUS, sysfs);
    const int endpoint = endpoint_of(sysfs, device);
    g_autofree char *prefix = g_strdup_printf("decoder%d.", endpoint);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GArray) windows = g_array_new(FALSE, FALSE, sizeof(ChmuWindow));
    const char *name;

    while (dir && endpoint >= 0 && (name = g_dir_read_name(dir))) {
        ChmuWindow window;
        bool mapped;

        if (!g_str_has_prefix(name, prefix)) {
            continue;
        }
        if (!read_window(sysfs, name, &window, &mapped, errp)) {
            return NULL;
        }
        if (mapped) {
            g_array_append_val(windows, window);
        }
    }
    if (windows->len == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "none of its memory is mapped: there is no CXL region with it; make one ('cxl create-region')");
        return NULL;
    }
    return g_steal_pointer(&windows);
}
