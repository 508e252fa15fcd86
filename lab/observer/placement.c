/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which NUMA nodes another process's pages lie; see placement.h.
 */
#include "placement.h"

#include <errno.h>
#include <gio/gio.h>
#include <numaif.h>

#define PAGE   4096u
#define BATCH  512u     /* pages in one call */
#define TRIES  4u       /* a page in use at that moment moves at the next */

bool placement_query(pid_t pid, uint64_t address, size_t n, int8_t *nodes, GError **errp)
{
    for (size_t first = 0; first < n; first += BATCH) {
        size_t count = MIN(BATCH, n - first);
        void *pages[BATCH];
        int status[BATCH];

        for (size_t i = 0; i < count; i++) {
            pages[i] = (void *)(uintptr_t)(address + (first + i) * PAGE);
        }
        if (move_pages(pid, count, pages, NULL, status, 0) < 0) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "asking where pages of process %d lie: %s", pid,
                        g_strerror(errno));
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            nodes[first + i] =
                status[i] >= 0 && status[i] <= G_MAXINT8 ? (int8_t)status[i] : PLACEMENT_ABSENT;
        }
    }
    return true;
}

/* Move @count pages, all to @node; failures are seen by the next query. */
static void move_batch(pid_t pid, void **pages, size_t count, int node)
{
    int nodes[BATCH], status[BATCH];

    for (size_t i = 0; i < count; i++) {
        nodes[i] = node;
    }
    move_pages(pid, count, pages, nodes, status, MPOL_MF_MOVE_ALL);
}

/* One pass over pages that are to go to @node and lie elsewhere; returns how many those were. */
static size_t pass(pid_t pid, uint64_t address, size_t n, const int8_t *wanted, const int8_t *now,
                   int8_t node)
{
    void *pages[BATCH];
    size_t count = 0, all = 0;

    for (size_t i = 0; i < n; i++) {
        if (wanted[i] == node && now[i] != PLACEMENT_ABSENT && now[i] != node) {
            pages[count++] = (void *)(uintptr_t)(address + i * PAGE);
            all++;
        }
        if (count == BATCH || (i == n - 1 && count > 0)) {
            move_batch(pid, pages, count, node);
            count = 0;
        }
    }
    return all;
}

bool placement_apply(pid_t pid, uint64_t address, size_t n, const int8_t *wanted, GError **errp)
{
    g_autofree int8_t *now = g_new(int8_t, n);
    size_t left = 0;

    for (unsigned i = 0; i <= TRIES; i++) {
        if (!placement_query(pid, address, n, now, errp)) {
            return false;
        }
        left = pass(pid, address, n, wanted, now, 1) + pass(pid, address, n, wanted, now, 0);
        if (left == 0) {
            return true;
        }
    }
    if (left * 100 > n) {
        g_set_error(
            errp, G_IO_ERROR, G_IO_ERROR_FAILED,
            "%zu of %zu pages of process %d would not move between nodes 0 and 1: is the target node full, or the "
            "process's cpuset narrower?",
            left, n, pid);
        return false;
    }
    return true;
}
