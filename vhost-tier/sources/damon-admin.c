/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one kdamond that all VMs share.
 */
#include "damon-admin.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "damon-pages.h"
#include "machine/sysfs.h"

#define SYSFS "/sys"

/*
 * What one watch holds at most between two damon_watch_take(): of a VM that is stuck the newest is dropped.
 */
#define PENDING_MAX 65536

/* Of physical memory, a turn monitors at most so much, and takes so long. */
#define TURN_RUNS 16384u
#define TURN_PAGES (1u << 18)
#define TURN_AGGREGATIONS 20

struct DamonWatch {
    DamonTarget target;
    int pidfd;       /* the region's */
    int pagemap;     /* -1 unless physical memory is monitored */
    bool gone;       /* the process has ended, as its pagemap says */
    GArray *pending; /* of DamonFound */
};

static GMutex lock;        /* of all that follows */
static GPtrArray *watches; /* of DamonWatch; NULL while DAMON is not ours */
static GPtrArray *followed; /* those that the kdamond has as targets; the index is the target's number */
static DamonAttrs current_attrs;
static DamonTrace *trace; /* NULL while DAMON is not ours */
static pid_t kdamond;     /* 0 while it does not run */
static gint64 drained_us;
static uint64_t ended_cpu_ns; /* of kdamonds that have ended */

/* Where physical memory is monitored: */
static GArray *turn_runs;     /* the pages of this turn, of DamonRun, */
static GArray *turn_extents;  /* and what is monitored for them, of DamonRange */
static gint64 turn_end_us;
static guint next_watch;      /* where the next turn begins */
static uint64_t next_virtual;

/* On-CPU nanoseconds: the first field of schedstat. */
static uint64_t thread_cpu_ns(pid_t tid)
{
    g_autofree char *text = tid ? sysfs_read("/proc", NULL, "%d/schedstat", (int)tid) : NULL;

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static void stop_kdamond(void)
{
    g_autoptr(GError) err = NULL;

    ended_cpu_ns += thread_cpu_ns(kdamond);
    kdamond = 0;
    if (!damon_sysfs_stop(SYSFS, &err)) {
        g_message("can't stop DAMON: %s", err->message);
    }
}

static bool start_kdamond(const DamonTarget *targets, size_t n, GError **errp)
{
    kdamond = damon_sysfs_start(SYSFS, &current_attrs, targets, n, errp);
    if (kdamond && !damon_trace_follow(trace, kdamond, errp)) {
        stop_kdamond();
    }
    return kdamond != 0;
}

/* Find out where the pages of the next turn lie, as far as it comes. */
static void read_pages(GArray *runs)
{
    size_t pages = TURN_PAGES;

    for (; next_watch < watches->len; next_watch++, next_virtual = 0) {
        DamonWatch *watch = g_ptr_array_index(watches, next_watch);

        for (guint i = 0; i < watch->target.ranges->len && !watch->gone; i++) {
            const DamonRange *range = &g_array_index(watch->target.ranges, DamonRange, i);

            next_virtual = MAX(next_virtual, range->start);
            watch->gone = !damon_pages_read(watch->pagemap, next_watch, &next_virtual, range->end, TURN_RUNS,
                                            &pages, runs);
            if (next_virtual < range->end && !watch->gone) {
                return;
            }
        }
    }
    next_watch = 0;
}

/* The next turn is to begin after the last, by target and address, of @runs. */
static void go_back_to(const GArray *runs)
{
    next_watch = 0;
    next_virtual = 0;
    for (guint i = 0; i < runs->len; i++) {
        const DamonRun *run = &g_array_index(runs, DamonRun, i);

        if (run->target > next_watch || (run->target == next_watch && run->virtual >= next_virtual)) {
            next_watch = (guint)run->target;
            next_virtual = run->virtual + run->bytes;
        }
    }
}

static bool same_extents(const GArray *a, const GArray *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(DamonRange)) == 0);
}

/* Begin the next turn. Where the same memory is to be monitored, the kdamond goes on. */
static bool next_turn(GError **errp)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    bool same;
    guint n;

    read_pages(runs);
    n = runs->len;
    /* DAMON splits regions to find hot ones while it has no more than half of the number that it may have. */
    damon_runs_fit(runs, current_attrs.max_regions / 2, extents);
    if (runs->len < n) {
        go_back_to(runs);
    }
    g_debug("DAMON's turn: %u of %u runs of pages, %u extents", runs->len, n, extents->len);
    turn_end_us = g_get_monotonic_time();
    if (runs->len) {
        turn_end_us += (gint64)current_attrs.aggr_us * TURN_AGGREGATIONS;
    }
    same = kdamond && same_extents(turn_extents, extents);
    g_array_unref(turn_runs);
    turn_runs = g_steal_pointer(&runs);
    g_array_unref(turn_extents);
    turn_extents = g_steal_pointer(&extents);
    if (same) {
        return true;
    }
    stop_kdamond();
    return turn_extents->len == 0 || start_kdamond(&(DamonTarget){.ranges = turn_extents}, 1, errp);
}

static bool process_ended(const DamonWatch *watch)
{
    struct pollfd end = {.fd = watch->pidfd, .events = POLLIN};

    return poll(&end, 1, 0) > 0;
}

/* Watch what there is to be watched now. */
static bool restart(GError **errp)
{
    g_autofree DamonTarget *targets = g_new(DamonTarget, watches->len);

    stop_kdamond();
    g_ptr_array_set_size(followed, 0);
    if (current_attrs.ops == DAMON_OPS_PADDR) {
        next_watch = 0; /* there may be fewer, or others */
        next_virtual = 0;
        return next_turn(errp);
    }
    /* DAMON takes no list with a process in it that has ended, and that VM's end may not be known yet. */
    for (guint i = 0; i < watches->len; i++) {
        DamonWatch *watch = g_ptr_array_index(watches, i);

        watch->gone = process_ended(watch);
        if (!watch->gone) {
            targets[followed->len] = watch->target;
            g_ptr_array_add(followed, watch);
        }
    }
    return followed->len == 0 || start_kdamond(targets, followed->len, errp);
}

/* Make DAMON ours, if it is not yet. */
static bool take_damon(DamonOps ops, GError **errp)
{
    if (watches) {
        return true;
    }
    if (!damon_sysfs_claim(SYSFS, &ops, errp)) {
        return false;
    }
    if ((ops == DAMON_OPS_PADDR && !damon_pages_usable(errp)) || !(trace = damon_trace_open(SYSFS, errp))) {
        damon_sysfs_release(SYSFS);
        return false;
    }
    current_attrs.ops = ops;
    watches = g_ptr_array_new();
    followed = g_ptr_array_new();
    turn_runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    turn_extents = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    return true;
}

static void give_back_if_unused(void)
{
    if (watches && watches->len == 0) {
        damon_trace_close(g_steal_pointer(&trace));
        damon_sysfs_release(SYSFS);
        g_clear_pointer(&watches, g_ptr_array_unref);
        g_clear_pointer(&followed, g_ptr_array_unref);
        g_clear_pointer(&turn_runs, g_array_unref);
        g_clear_pointer(&turn_extents, g_array_unref);
    }
}

static void watch_unref(DamonWatch *watch)
{
    if (watch->pagemap >= 0) {
        close(watch->pagemap);
    }
    g_array_unref(watch->target.ranges);
    g_array_unref(watch->pending);
    g_free(watch);
}

/* A watch that nobody has yet; NULL with an error when its pages' places can't be had, but are needed. */
static DamonWatch *watch_make(const GArray *regions, GError **errp)
{
    const Region *first = &g_array_index(regions, Region, 0);
    DamonWatch *watch;
    int pagemap = -1;

    if (current_attrs.ops == DAMON_OPS_PADDR) {
        pagemap = damon_pages_open(first->pid, first->pidfd, errp);
        if (pagemap < 0) {
            return NULL;
        }
    }
    watch = g_new0(DamonWatch, 1);
    watch->pidfd = first->pidfd;
    watch->pagemap = pagemap;
    watch->target = (DamonTarget){.pid = first->pid, .ranges = g_array_new(FALSE, FALSE, sizeof(DamonRange))};
    watch->pending = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    for (guint i = 0; i < regions->len; i++) {
        const Region *region = &g_array_index(regions, Region, i);
        DamonRange range = {.start = region->hva, .end = region->hva + region->size};

        g_array_append_val(watch->target.ranges, range);
    }
    return watch;
}

DamonWatch *damon_watch_new(const GArray *regions, const DamonAttrs *attrs, GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    DamonWatch *watch;
    DamonOps ops;

    if (!take_damon(attrs->ops, errp)) {
        return NULL;
    }
    ops = current_attrs.ops;
    watch = watch_make(regions, errp);
    if (watch) {
        current_attrs = *attrs;
        current_attrs.ops = ops;
        g_ptr_array_add(watches, watch);
        if (restart(errp)) {
            return watch;
        }
        g_ptr_array_remove(watches, watch);
        watch_unref(watch);
        if (watches->len) {
            restart(NULL); /* the others go on; if not, damon_watch_take() says so */
        }
    }
    give_back_if_unused();
    return NULL;
}

void damon_watch_free(DamonWatch *watch)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    g_autoptr(GError) err = NULL;

    if (!watch) {
        return;
    }
    stop_kdamond();
    g_ptr_array_remove(watches, watch);
    watch_unref(watch);
    if (watches->len && !restart(&err)) {
        g_message("can't go on with DAMON for the other VMs: %s", err->message);
    }
    give_back_if_unused();
}

static void dispatch(const DamonFound *found, void *to)
{
    GPtrArray *by_number = to;

    if (found->target < by_number->len) {
        DamonWatch *watch = g_ptr_array_index(by_number, found->target);

        if (watch->pending->len < PENDING_MAX) {
            g_array_append_val(watch->pending, *found);
        }
    }
}

static void dispatch_physical(const DamonFound *found, void *opaque)
{
    damon_runs_translate(turn_runs, found, dispatch, opaque);
}

/* Hand out what was found since the last time, for all watches, and go on to the next turn when it is due. */
static void drain(void)
{
    gint64 now_us = g_get_monotonic_time();
    bool physical = current_attrs.ops == DAMON_OPS_PADDR;
    g_autoptr(GError) err = NULL;

    if (now_us - drained_us < (gint64)current_attrs.aggr_us / 2) {
        return; /* each watch asks, but there is one kdamond, and a buffer for each CPU */
    }
    drained_us = now_us;
    damon_trace_drain(trace, physical ? dispatch_physical : dispatch, physical ? watches : followed);
    if (physical && now_us >= turn_end_us && !next_turn(&err)) {
        g_message("DAMON can't go on: %s", err->message);
    }
}

/* Whether what should run for this watch does. */
static bool is_watched(const DamonWatch *watch)
{
    if (watch->gone) {
        return false;
    }
    return kdamond ? damon_sysfs_running(SYSFS)
                   : current_attrs.ops == DAMON_OPS_PADDR && turn_extents->len == 0;
}

bool damon_watch_take(DamonWatch *watch, GArray *found, GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);

    drain();
    g_array_set_size(found, 0);
    g_array_append_vals(found, watch->pending->data, watch->pending->len);
    g_array_set_size(watch->pending, 0);
    if (found->len == 0 && !is_watched(watch)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "DAMON's thread has ended: its targets have, or another user stopped it");
        return false;
    }
    return true;
}

bool damon_admin_try(DamonOps ops, GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    bool taken = take_damon(ops, errp);

    give_back_if_unused();
    return taken;
}

bool damon_admin_needs_pagemaps(const char *ops)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    DamonOps wanted;

    if (!damon_ops_parse(ops, &wanted) || !take_damon(wanted, NULL)) {
        return false;
    }
    wanted = current_attrs.ops;
    give_back_if_unused();
    return wanted == DAMON_OPS_PADDR;
}

uint64_t damon_admin_cpu_ns(unsigned *n_watches)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);

    *n_watches = watches ? watches->len : 0;
    return ended_cpu_ns + thread_cpu_ns(kdamond);
}
