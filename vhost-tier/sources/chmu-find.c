/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding CHMUs: PCI devices of class 'CXL memory device', their configuration space, and who holds what of
 * their BARs.
 */
#include "chmu-find.h"

#include <string.h>

#include "machine/sysfs.h"

#define CLASS_CXL_MEMORY "0x050210" /* memory controller, CXL, with the memory device's programming interface */

/* PCI configuration space (PCI Express Base Specification 6.0, 7.5.1 and 7.6.3). */
#define CONFIG_COMMAND 0x04
#define COMMAND_MEMORY 0x2
#define CONFIG_HEADER_BYTES 64u     /* what is shown without CAP_SYS_ADMIN */
#define CONFIG_BYTES 4096u
#define EXT_FIRST 0x100u
#define EXT_DVSEC 0x0023u
#define EXT_STEPS ((CONFIG_BYTES - EXT_FIRST) / 4) /* so many capabilities there are at most */

/* CXL 3.2, 8.1.9: Register Locator DVSEC. */
#define DVSEC_VENDOR_CXL 0x1e98u
#define DVSEC_LOCATOR 8u
#define LOCATOR_ENTRIES 0x0cu
#define LOCATOR_ENTRY_BYTES 8u
#define BLOCK_CHMU 5u
#define BARS 6u

static bool cut_short(GError **errp, size_t at, size_t len)
{
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                "its PCI configuration space goes on at byte 0x%zx, and %zu bytes of it are shown%s", at, len,
                len <= CONFIG_HEADER_BYTES ? "; CAP_SYS_ADMIN is needed to read the rest" : "");
    return false;
}

/* The one place where a configuration space is read. */
static bool word_at(const uint8_t *config, size_t len, size_t at, uint32_t *word, GError **errp)
{
    if (at + sizeof(*word) > len) {
        return cut_short(errp, at, len);
    }
    memcpy(word, config + at, sizeof(*word));
    *word = GUINT32_FROM_LE(*word);
    return true;
}

/* The entries of the locator at @at, @bytes long. */
static bool read_locator(const uint8_t *config, size_t len, size_t at, uint32_t bytes, GArray *blocks,
                         GError **errp)
{
    for (size_t entry = LOCATOR_ENTRIES; entry + LOCATOR_ENTRY_BYTES <= bytes; entry += LOCATOR_ENTRY_BYTES) {
        uint32_t low = 0, high = 0;
        ChmuBlock block;

        if (!word_at(config, len, at + entry, &low, errp) || !word_at(config, len, at + entry + 4, &high, errp)) {
            return false;
        }
        if ((low >> 8 & 0xff) != BLOCK_CHMU) {
            continue;
        }
        block = (ChmuBlock){.bar = low & 7, .offset = (uint64_t)high << 32 | (low & 0xffff0000u)};
        if (block.bar >= BARS) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "its register locator puts a CHMU into BAR %u, which there is not", block.bar);
            return false;
        }
        g_array_append_val(blocks, block);
    }
    return true;
}

bool chmu_find_blocks(const uint8_t *config, size_t len, GArray *blocks, GError **errp)
{
    size_t at = EXT_FIRST;

    for (size_t steps = 0; at; steps++) {
        uint32_t head = 0, vendor = 0, id = 0;

        if (steps == EXT_STEPS) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "the list of capabilities in its PCI configuration space has no end");
            return false;
        }
        if (!word_at(config, len, at, &head, errp)) {
            return false;
        }
        if (head == 0 || head == UINT32_MAX) {
            break;
        }
        if ((head & 0xffff) == EXT_DVSEC) {
            if (!word_at(config, len, at + 4, &vendor, errp) || !word_at(config, len, at + 8, &id, errp)) {
                return false;
            }
            if ((vendor & 0xffff) == DVSEC_VENDOR_CXL && (id & 0xffff) == DVSEC_LOCATOR &&
                !read_locator(config, len, at, vendor >> 20, blocks, errp)) {
                return false;
            }
        }
        at = head >> 20 & ~3u;
        if (at && at < EXT_FIRST) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "the list of capabilities in its PCI configuration space leads to byte 0x%zx", at);
            return false;
        }
    }
    return true;
}

/* --- who holds it --- */

/* The two hexadecimal numbers that @text begins with, @between each other. */
static bool parse_range(const char *text, char between, uint64_t *start, uint64_t *end)
{
    char *at;

    *start = g_ascii_strtoull(text, &at, 16);
    if (at == text || *at != between) {
        return false;
    }
    text = at + 1;
    *end = g_ascii_strtoull(text, &at, 16);
    return at != text;
}

/* Where the BAR lies in physical memory: line @bar of the device's 'resource' file. */
static bool bar_range(const char *sysfs, const char *device, unsigned bar, uint64_t *start, uint64_t *end,
                      GError **errp)
{
    g_autofree char *text = sysfs_read(sysfs, errp, "bus/pci/devices/%s/resource", device);
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;

    if (!text) {
        return false;
    }
    if (g_strv_length(lines) <= bar || !parse_range(lines[bar], ' ', start, end) || *start == 0 || *end < *start) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "BAR %u of PCI device %s has no place in physical memory", bar, device);
        return false;
    }
    return true;
}

/*
 * Who holds a part of the BAR from @first to @last: the name of a range of /proc/iomem within the one that is
 * named after @device, below a BAR of its that holds @first. NULL: nobody.
 */
static char *holder(const char *proc, const char *device, uint64_t first, uint64_t last)
{
    g_autofree char *text = sysfs_read(proc, NULL, "iomem");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    size_t bar_depth = SIZE_MAX;    /* of the BAR's own line, while below it */

    for (char **line = lines; *line; line++) {
        const size_t depth = strspn(*line, " ");
        const char *name = strstr(*line, " : ");
        uint64_t start, end;

        if (!name || !parse_range(*line + depth, '-', &start, &end)) {
            continue;
        }
        if (bar_depth != SIZE_MAX && depth > bar_depth) {
            if (start <= last && end >= first) {
                return g_strdup(name + 3);
            }
        } else {
            bar_depth = start <= first && end >= last && !strcmp(name + 3, device) ? depth : SIZE_MAX;
        }
    }
    return NULL;
}

/* Why the block can't be used as things are; NULL: it can, as far as can be seen from outside. */
static char *problem_of(const char *sysfs, const char *proc, const ChmuPlace *place, const uint8_t *config)
{
    g_autofree char *link = g_strdup_printf("%s/bus/pci/devices/%s/driver", sysfs, place->device);
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *driver = target ? g_path_get_basename(target) : NULL;
    g_autofree char *held = NULL;
    g_autoptr(GError) err = NULL;
    uint64_t start, end;

    if (driver && strcmp(driver, "cxl_pci") != 0) {
        return g_strdup_printf("driver %s has the device; unbind it, or have cxl_pci take it", driver);
    }
    if (!(config[CONFIG_COMMAND] & COMMAND_MEMORY)) {
        return g_strdup("its registers are switched off: no driver has enabled the device; load cxl_pci");
    }
    if (!bar_range(sysfs, place->device, place->bar, &start, &end, &err)) {
        return g_strdup(err->message);
    }
    if (place->offset > end - start) {
        return g_strdup_printf("its register locator names byte 0x%" G_GINT64_MODIFIER "x of BAR %u, which ends before",
                               place->offset, place->bar);
    }
    held = holder(proc, place->device, start + place->offset, start + place->offset);
    if (held) {
        return g_strdup_printf("its registers are claimed already, by '%s' in /proc/iomem: a driver uses it; "
                               "unload that to leave it to this daemon", held);
    }
    return NULL;
}

/* --- all of the host --- */

static void place_free(gpointer data)
{
    ChmuPlace *place = data;

    g_free(place->device);
    g_free(place->problem);
    g_free(place);
}

static void add_place(GPtrArray *places, const char *device, const ChmuBlock *block, char *problem)
{
    ChmuPlace *place = g_new0(ChmuPlace, 1);

    place->device = g_strdup(device);
    place->problem = problem;
    if (block) {
        place->bar = block->bar;
        place->offset = block->offset;
    }
    g_ptr_array_add(places, place);
}

/* The CHMUs of one device, if it has any; one that can't be read counts as one that can't be used. */
static void look_at(const char *sysfs, const char *proc, const char *device, GPtrArray *places)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices/%s/config", sysfs, device);
    g_autofree char *config = NULL;
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(ChmuBlock));
    g_autoptr(GError) err = NULL;
    gsize len;

    if (!g_file_get_contents(path, &config, &len, &err) ||
        !chmu_find_blocks((const uint8_t *)config, len, blocks, &err)) {
        add_place(places, device, NULL, g_strdup(err->message));
        return;
    }
    for (guint i = 0; i < blocks->len; i++) {
        ChmuPlace *place;

        add_place(places, device, &g_array_index(blocks, ChmuBlock, i), NULL);
        place = g_ptr_array_index(places, places->len - 1);
        place->problem = problem_of(sysfs, proc, place, (const uint8_t *)config);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of all PCI devices, in order. */
static GPtrArray *pci_devices(const char *sysfs)
{
    g_autofree char *path = g_strdup_printf("%s/bus/pci/devices", sysfs);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

GPtrArray *chmu_find(const char *sysfs, const char *proc, GError **errp)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(place_free);
    g_autoptr(GPtrArray) names = pci_devices(sysfs);
    unsigned n = 0;

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *class = sysfs_read(sysfs, NULL, "bus/pci/devices/%s/class", name);

        if (class && !strcmp(class, CLASS_CXL_MEMORY)) {
            n++;
            look_at(sysfs, proc, name, places);
        }
    }
    if (places->len == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "none of this host's CXL memory devices (%u) has a hotness monitoring unit (CXL 3.2)", n);
        return NULL;
    }
    return g_steal_pointer(&places);
}
