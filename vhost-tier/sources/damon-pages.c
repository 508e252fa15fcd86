/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of processes in physical memory: /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 */
#include "damon-pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_PFN ((1ull << 55) - 1)
#define ENTRIES_AT_ONCE 1024u
#define GAP_SHARE 8 /* a gap may be this part of what it joins */

void damon_runs_add(GArray *runs, uint64_t target, uint64_t virtual, uint64_t physical, uint64_t bytes)
{
    DamonRun run = {.physical = physical, .virtual = virtual, .bytes = bytes, .target = target};

    if (runs->len) {
        DamonRun *last = &g_array_index(runs, DamonRun, runs->len - 1);

        if (last->target == target && last->virtual + last->bytes == virtual &&
            last->physical + last->bytes == physical) {
            last->bytes += bytes;
            return;
        }
    }
    g_array_append_val(runs, run);
}

static int by_place(const void *a, const void *b)
{
    const DamonRun *x = a, *y = b;

    return (x->physical > y->physical) - (x->physical < y->physical);
}

/* The extents of sorted @runs; false when there are more than @max. */
static bool find_extents(const GArray *runs, size_t max, GArray *extents)
{
    uint64_t own_bytes = 0; /* of the last extent, those that are no gap */

    g_array_set_size(extents, 0);
    for (guint i = 0; i < runs->len; i++) {
        const DamonRun *run = &g_array_index(runs, DamonRun, i);
        uint64_t end = run->physical + run->bytes;
        DamonRange *last = i ? &g_array_index(extents, DamonRange, extents->len - 1) : NULL;

        if (last && run->physical <= last->end) { /* it may be mapped twice */
            own_bytes += end > last->end ? end - last->end : 0;
            last->end = MAX(last->end, end);
        } else if (last && (last->end - last->start - own_bytes + run->physical - last->end) * GAP_SHARE <=
                               own_bytes + run->bytes) {
            own_bytes += run->bytes;
            last->end = end;
        } else if (extents->len == max) {
            return false;
        } else {
            DamonRange extent = {.start = run->physical, .end = end};

            own_bytes = run->bytes;
            g_array_append_val(extents, extent);
        }
    }
    return true;
}

void damon_runs_fit(GArray *runs, size_t max, GArray *extents)
{
    g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    guint n = runs->len;

    for (;;) {
        g_array_set_size(sorted, 0);
        g_array_append_vals(sorted, runs->data, n);
        g_array_sort(sorted, by_place);
        if (find_extents(sorted, MAX(max, 1), extents)) {
            break;
        }
        n /= 2;
    }
    g_array_set_size(runs, 0);
    g_array_append_vals(runs, sorted->data, n);
}

/* The first run that ends above @physical. Two runs never overlap but where a page is mapped twice. */
static guint first_above(const GArray *runs, uint64_t physical)
{
    guint low = 0, high = runs->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const DamonRun *run = &g_array_index(runs, DamonRun, middle);

        if (run->physical + run->bytes > physical) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void damon_runs_translate(const GArray *runs, const DamonFound *found, DamonEach *each, void *opaque)
{
    for (guint i = first_above(runs, found->start); i < runs->len; i++) {
        const DamonRun *run = &g_array_index(runs, DamonRun, i);
        uint64_t start = MAX(found->start, run->physical);
        uint64_t end = MIN(found->end, run->physical + run->bytes);
        DamonFound part = *found;

        if (run->physical >= found->end) {
            break;
        }
        if (start < end) {
            part.target = run->target;
            part.start = run->virtual + (start - run->physical);
            part.end = run->virtual + (end - run->physical);
            each(&part, opaque);
        }
    }
}

bool damon_pages_usable(GError **errp)
{
    const char here = 0; /* on a page that is there */
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        got = pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)&here / PAGE_BYTES * sizeof(entry)));
        close(fd);
    }
    if (got != sizeof(entry) || !(entry & ENTRY_PFN)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_PERM,
                    "DAMON monitors physical memory only here, and where a guest's pages lie in it "
                    "(/proc/PID/pagemap) is shown to CAP_SYS_ADMIN only: run the daemon with it, or use a "
                    "kernel with CONFIG_DAMON_VADDR");
        return false;
    }
    return true;
}

int damon_pages_open(pid_t pid, int pidfd, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)pid);
    struct pollfd alive = {.fd = pidfd, .events = POLLIN};
    int fd;

    if (!damon_pages_usable(errp)) {
        return -1;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "can't open %s to see where the guest's pages lie: %s; CAP_SYS_ADMIN, CAP_SYS_PTRACE "
                    "and, for a process that is not root's, CAP_DAC_READ_SEARCH are needed",
                    path, g_strerror(errno));
        return -1;
    }
    /* If the process has not ended by now, the number was its own when the file was opened. */
    if (poll(&alive, 1, 0) != 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "process %d has ended", (int)pid);
        close(fd);
        return -1;
    }
    return fd;
}

bool damon_pages_read(int pagemap, uint64_t target, uint64_t *virtual, uint64_t end, size_t max_runs,
                      size_t *pages, GArray *runs)
{
    uint64_t entries[ENTRIES_AT_ONCE];

    while (*virtual < end && *pages > 0 && runs->len < max_runs) {
        size_t n = MIN(MIN((end - *virtual) / PAGE_BYTES, ENTRIES_AT_ONCE), *pages);
        ssize_t got =
            pread(pagemap, entries, n * sizeof(*entries), (off_t)(*virtual / PAGE_BYTES * sizeof(*entries)));

        if (got < (ssize_t)sizeof(*entries)) {
            return false;
        }
        n = (size_t)got / sizeof(*entries);
        for (size_t i = 0; i < n; i++) {
            if (entries[i] & ENTRY_PRESENT) {
                damon_runs_add(runs, target, *virtual + i * PAGE_BYTES, (entries[i] & ENTRY_PFN) * PAGE_BYTES,
                               PAGE_BYTES);
            }
        }
        *virtual += n * PAGE_BYTES;
        *pages -= n;
    }
    return true;
}
