/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel and the guest say; see inspect.h.
 */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "observer/placement.h"

#define PAGEMAP_UFFD (G_GUINT64_CONSTANT(1) << 57) /* Documentation/admin-guide/mm/pagemap.rst */
#define KDAMONDS "/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"

unsigned inspect_entries(GPid pid, const char *what)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, what);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;

    while (dir && g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

static size_t ram_pages(const Guest *guest)
{
    return guest->ram_bytes / GUEST_PAGE_BYTES;
}

bool inspect_armed(const Guest *guest, uint64_t *pages, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", guest->process->pid);
    const size_t n = ram_pages(guest), bytes = n * sizeof(uint64_t);
    g_autofree uint64_t *entries = g_new0(uint64_t, n);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got =
        fd < 0 ? -1 : pread(fd, entries, bytes, (off_t)(guest->hva / GUEST_PAGE_BYTES * sizeof(*entries)));
    int err = errno;

    if (fd >= 0) {
        close(fd);
    }
    if (got != (ssize_t)bytes) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "reading %s: %s", path,
                    got < 0 ? g_strerror(err) : "short");
        return false;
    }
    *pages = 0;
    for (size_t i = 0; i < n; i++) {
        *pages += (entries[i] & PAGEMAP_UFFD) != 0;
    }
    return true;
}

/* The lines of a file of QEMU's in /proc. */
static GStrv proc_lines(const Guest *guest, const char *name, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", guest->process->pid, name), *text = NULL;

    return g_file_get_contents(path, &text, NULL, errp) ? g_strsplit(text, "\n", -1) : NULL;
}

bool inspect_watched(const Guest *guest, bool *watched, GError **errp)
{
    g_auto(GStrv) lines = proc_lines(guest, "smaps", errp);
    g_autofree char *begin = g_strdup_printf("%" G_GINT64_MODIFIER "x-", guest->hva);
    bool inside = false;

    if (!lines) {
        return false;
    }
    for (char **l = lines; *l; l++) {
        inside = inside || g_str_has_prefix(*l, begin);
        if (inside && g_str_has_prefix(*l, "VmFlags:")) {
            *watched = strstr(*l, " um") || strstr(*l, " uw") || strstr(*l, " ur");
            return true;
        }
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "QEMU has no mapping that begins at %s", begin);
    return false;
}

/* Whether a line of maps or numa_maps is one of the memory backend's memfd. */
static bool is_ram(const char *line)
{
    return strstr(line, "memfd:") != NULL;
}

unsigned inspect_mappings(const Guest *guest)
{
    g_auto(GStrv) lines = proc_lines(guest, "maps", NULL);
    unsigned n = 0;

    for (char **l = lines; l && *l; l++) {
        n += is_ram(*l);
    }
    return n;
}

bool inspect_numa_maps(const Guest *guest, uint64_t bytes[2], GError **errp)
{
    g_auto(GStrv) lines = proc_lines(guest, "numa_maps", errp);

    bytes[0] = bytes[1] = 0;
    for (char **l = lines; l && *l; l++) {
        g_auto(GStrv) words = is_ram(*l) ? g_strsplit(*l, " ", -1) : NULL;

        for (char **w = words; w && *w; w++) {
            for (unsigned node = 0; node < 2; node++) {
                const char key[] = {'N', (char)('0' + node), '=', '\0'};

                if (g_str_has_prefix(*w, key)) {
                    bytes[node] += g_ascii_strtoull(*w + strlen(key), NULL, 10) * GUEST_PAGE_BYTES;
                }
            }
        }
    }
    return lines != NULL;
}

int8_t *inspect_nodes(const Guest *guest, GError **errp)
{
    g_autofree int8_t *nodes = g_new(int8_t, ram_pages(guest));

    return placement_query(guest->process->pid, guest->hva, ram_pages(guest), nodes, errp)
               ? g_steal_pointer(&nodes)
               : NULL;
}

int inspect_kdamonds(void)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(KDAMONDS, &text, NULL, NULL) ? (int)g_ascii_strtoll(text, NULL, 10) : -1;
}

uint64_t inspect_visits(const Guest *guest)
{
    GuestHeader header;

    return guest_read(guest, GUEST_HEADER_ADDR, &header, sizeof(header), NULL) ? header.visits : 0;
}

static bool wait_idle(const Guest *guest, unsigned seconds, GuestHeader *header, GError **errp)
{
    gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;

    do {
        if (!guest_read(guest, GUEST_HEADER_ADDR, header, sizeof(*header), errp)) {
            return false;
        }
        if (header->state == GUEST_IDLE) {
            return true;
        }
        g_usleep(50000);
    } while (g_get_monotonic_time() < until);
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                "the guest was not idle after %u s: it is in state %u at second %u", seconds, header->state,
                header->second);
    return false;
}

/* Whether @value is @page doubled any number of times, modulo 2^32. */
static bool is_doubled(uint32_t value, uint32_t page)
{
    for (unsigned n = 0; n < 32; n++) {
        if (value == page << n) {
            return true;
        }
    }
    return value == 0;
}

static bool check_contents(const Guest *guest, GError **errp)
{
    for (uint32_t page = 0; page < guest->header.pages; page++) {
        uint32_t word;

        if (!guest_read(guest, GUEST_BASE_ADDR + (uint64_t)page * GUEST_PAGE_BYTES, &word, sizeof(word),
                        errp)) {
            return false;
        }
        if (!is_doubled(word, page)) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "page %u begins with 0x%x", page, word);
            return false;
        }
    }
    return true;
}

bool inspect_integrity(const Guest *guest, unsigned seconds, GError **errp)
{
    g_autofree uint32_t *counts = g_new(uint32_t, guest->header.pages);
    GuestHeader header;
    uint64_t sum = 0;

    if (!wait_idle(guest, seconds, &header, errp) || !guest_counts(guest, counts, errp)) {
        return false;
    }
    for (uint32_t i = 0; i < guest->header.pages; i++) {
        sum += counts[i];
    }
    if (sum != header.visits || sum == 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the guest made %" G_GUINT64_FORMAT " visits, its pages count %" G_GUINT64_FORMAT,
                    header.visits, sum);
        return false;
    }
    return check_contents(guest, errp);
}
