/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process's memory lies, by its pagemap.
 */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "tier-hint.h"

#define ENTRIES_AT_ONCE 4096u

/* Fields of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst of Linux). */
#define ENTRY_PFN ((UINT64_C(1) << 55) - 1)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

static void add_page(GArray *ranges, uint64_t addr)
{
    struct virtio_tier_urange page = {.addr = addr, .len = PAGE_BYTES};
    struct virtio_tier_urange *last =
        ranges->len ? &g_array_index(ranges, struct virtio_tier_urange, ranges->len - 1) : NULL;

    if (last && last->addr + last->len == addr) {
        last->len += PAGE_BYTES;
    } else {
        g_array_append_val(ranges, page);
    }
}

/*
 * The physical ranges of the pages of [@start, @end) in @pagemap whose entries have all of @wanted and none of
 * @unwanted. Returns false with an error when the kernel does not tell.
 */
static bool find_pages(int pagemap, uint64_t start, uint64_t end, uint64_t wanted, uint64_t unwanted, GArray *ranges,
                       GError **errp)
{
    g_autofree uint64_t *entries = g_new(uint64_t, ENTRIES_AT_ONCE);

    for (uint64_t at = start; at < end;) {
        size_t n = MIN((end - at) / PAGE_BYTES, ENTRIES_AT_ONCE);
        ssize_t got = pread(pagemap, entries, n * sizeof(*entries), (off_t)(at / PAGE_BYTES * sizeof(*entries)));

        if (got < (ssize_t)sizeof(*entries)) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "there is no address 0x%" PRIx64 " in that process, or it has ended", at);
            return false;
        }
        n = (size_t)got / sizeof(*entries);
        for (size_t i = 0; i < n; i++) {
            if ((entries[i] & wanted) != wanted || entries[i] & unwanted) {
                continue;
            }
            if (!(entries[i] & ENTRY_PFN)) {
                g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_PERM,
                            "the kernel does not show where its pages are: CAP_SYS_ADMIN is needed");
                return false;
            }
            add_page(ranges, (entries[i] & ENTRY_PFN) * PAGE_BYTES);
        }
        at += n * PAGE_BYTES;
    }
    return true;
}

bool pages_find(int pid, uint64_t start, uint64_t end, bool own, GArray *ranges, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", pid);
    int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    bool ok;

    if (pagemap < 0) {
        int code = errno;

        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(code), "can't see the memory of process %d: %s", pid,
                    code == ENOENT ? "there is no such process" : g_strerror(code));
        return false;
    }
    ok = find_pages(pagemap, start, end, ENTRY_PRESENT | (own ? ENTRY_EXCLUSIVE : 0), own ? ENTRY_FILE : 0, ranges,
                    errp);
    close(pagemap);
    return ok;
}
