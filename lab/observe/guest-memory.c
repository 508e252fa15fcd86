/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workload guest's memory as seen from its host: see guest-memory.h. */
#include "guest-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool transfer(const GuestMemory *memory, uint64_t addr, void *data, size_t len, bool to_guest, GError **errp)
{
    ssize_t done = to_guest ? pwrite(memory->fd, data, len, (off_t)(memory->hva + addr))
                            : pread(memory->fd, data, len, (off_t)(memory->hva + addr));

    if (done == (ssize_t)len) {
        return true;
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot %s %zu bytes at guest address 0x%" PRIx64 " of process %d: %s",
                to_guest ? "write" : "read", len, addr, memory->pid, done < 0 ? g_strerror(errno) : "it has ended");
    return false;
}

bool guest_memory_header(const GuestMemory *memory, GuestHeader *header, GError **errp)
{
    if (!transfer(memory, GUEST_HEADER_ADDR, header, sizeof(*header), false, errp)) {
        return false;
    }
    header->pattern[sizeof(header->pattern) - 1] = '\0';
    if (header->magic != GUEST_MAGIC || header->version != GUEST_VERSION || header->pages > GUEST_MAX_PAGES ||
        GUEST_BASE_ADDR + (uint64_t)header->pages * GUEST_PAGE_BYTES > memory->size) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "process %d runs no workload guest of version %u (yet)",
                    memory->pid, GUEST_VERSION);
        return false;
    }
    return true;
}

bool guest_memory_counts(const GuestMemory *memory, const GuestHeader *header, uint32_t *counts, GError **errp)
{
    return transfer(memory, GUEST_COUNTS_ADDR, counts, header->pages * sizeof(*counts), false, errp);
}

bool guest_memory_ring(const GuestMemory *memory, uint32_t passes, GError **errp)
{
    return transfer(memory, GUEST_HEADER_ADDR + offsetof(GuestHeader, doorbell), &passes, sizeof(passes), true, errp);
}

bool guest_memory_nodes(const GuestMemory *memory, int *nodes, GError **errp)
{
    size_t pages = memory->size / GUEST_PAGE_BYTES;
    g_autofree void **addrs = g_new(void *, pages);

    for (size_t i = 0; i < pages; i++) {
        addrs[i] = (void *)(uintptr_t)(memory->hva + i * GUEST_PAGE_BYTES);
        nodes[i] = -ENOENT;
    }
    if (syscall(SYS_move_pages, memory->pid, pages, addrs, NULL, nodes, 0) < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot ask where the pages of process %d are: move_pages: %s",
                    memory->pid, g_strerror(errno));
        return false;
    }
    return true;
}

/* A range of mappings of one memfd without a hole, from its start on. */
typedef struct Range {
    uint64_t start, end;
    uint64_t inode;
} Range;

/* Steps over spaces and one word. */
static const char *skip_word(const char *text)
{
    text += strspn(text, " ");
    return text + strcspn(text, " ");
}

/* The mapping of a line of /proc/PID/maps, "start-end perms offset device inode name"; false when it is none of a memfd. */
static bool parse_memfd_line(const char *line, Range *range, uint64_t *offset)
{
    char *rest;

    range->start = g_ascii_strtoull(line, &rest, 16);
    if (*rest != '-') {
        return false;
    }
    range->end = g_ascii_strtoull(rest + 1, &rest, 16);
    *offset = g_ascii_strtoull(skip_word(rest), &rest, 16);
    range->inode = g_ascii_strtoull(skip_word(rest), &rest, 10);
    return g_str_has_prefix(rest + strspn(rest, " "), "/memfd:");
}

/* The memfd mappings of @maps, with those that continue each other as one (a policy by stripes makes a mapping of each). */
static GArray *memfd_ranges(const char *maps)
{
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    GArray *ranges = g_array_new(false, false, sizeof(Range));

    for (char **line = lines; *line; line++) {
        Range range, *last = ranges->len ? &g_array_index(ranges, Range, ranges->len - 1) : NULL;
        uint64_t offset;

        if (!parse_memfd_line(*line, &range, &offset)) {
            continue;
        }
        if (last && last->inode == range.inode && last->end == range.start && offset == range.start - last->start) {
            last->end = range.end;
        } else if (offset == 0) {
            g_array_append_val(ranges, range);
        }
    }
    return ranges;
}

bool guest_memory_open(GuestMemory *memory, pid_t pid, GError **errp)
{
    g_autofree char *maps_path = g_strdup_printf("/proc/%d/maps", pid);
    g_autofree char *mem_path = g_strdup_printf("/proc/%d/mem", pid);
    g_autofree char *maps = NULL;
    GuestHeader header;

    memory->pid = pid;
    memory->fd = -1;
    if (!g_file_get_contents(maps_path, &maps, NULL, errp)) {
        return false;
    }
    g_autoptr(GArray) ranges = memfd_ranges(maps);

    memory->fd = open(mem_path, O_RDWR | O_CLOEXEC);
    if (memory->fd < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "cannot open %s: %s: run this as root", mem_path,
                    g_strerror(errno));
        return false;
    }
    for (guint i = 0; i < ranges->len; i++) {
        Range *range = &g_array_index(ranges, Range, i);

        memory->hva = range->start;
        memory->size = range->end - range->start;
        if (memory->size > GUEST_BASE_ADDR && guest_memory_header(memory, &header, NULL)) {
            return true;
        }
    }
    guest_memory_close(memory);
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "process %d has no memfd that holds a workload guest: is its first line on the serial port?", pid);
    return false;
}

void guest_memory_close(GuestMemory *memory)
{
    if (memory->fd >= 0) {
        close(memory->fd);
    }
    memory->fd = -1;
}
