/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one kdamond that all VMs share.
 */
#include "damon-admin.h"

#include "sysfs.h"

#define SYSFS "/sys"

/*
 * What one watch holds at most between two damon_watch_take(): of a VM that is stuck the newest is dropped.
 */
#define PENDING_MAX 65536

struct DamonWatch {
    DamonTarget target;
    GArray *pending; /* of DamonFound */
};

static GMutex lock;        /* of all that follows */
static GPtrArray *watches; /* of DamonWatch; the index is the target's number; NULL while DAMON is not ours */
static DamonAttrs current_attrs;
static DamonTrace *trace; /* NULL while the kdamond does not run */
static pid_t kdamond;
static uint64_t ended_cpu_ns; /* of kdamonds that have ended */

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
    damon_trace_close(trace);
    trace = NULL;
    if (!damon_sysfs_stop(SYSFS, &err)) {
        g_message("can't stop DAMON: %s", err->message);
    }
}

/* Start the kdamond with all watches as targets. */
static bool start_kdamond(GError **errp)
{
    g_autofree DamonTarget *targets = g_new(DamonTarget, watches->len);

    for (guint i = 0; i < watches->len; i++) {
        targets[i] = ((DamonWatch *)g_ptr_array_index(watches, i))->target;
    }
    kdamond = damon_sysfs_start(SYSFS, &current_attrs, targets, watches->len, errp);
    if (kdamond) {
        trace = damon_trace_open(SYSFS, kdamond, errp);
    }
    if (!trace) {
        stop_kdamond();
    }
    return trace != NULL;
}

static void give_back_if_unused(void)
{
    if (watches && watches->len == 0) {
        damon_sysfs_release(SYSFS);
        g_clear_pointer(&watches, g_ptr_array_unref);
    }
}

static void watch_unref(DamonWatch *watch)
{
    g_array_unref(watch->target.ranges);
    g_array_unref(watch->pending);
    g_free(watch);
}

DamonWatch *damon_watch_new(pid_t pid, GArray *ranges, const DamonAttrs *attrs, GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    DamonWatch *watch;

    if (!watches) {
        if (!damon_sysfs_claim(SYSFS, errp)) {
            return NULL;
        }
        watches = g_ptr_array_new();
    }
    watch = g_new0(DamonWatch, 1);
    watch->target = (DamonTarget){.pid = pid, .ranges = g_array_ref(ranges)};
    watch->pending = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    current_attrs = *attrs;
    stop_kdamond();
    g_ptr_array_add(watches, watch);
    if (start_kdamond(errp)) {
        return watch;
    }
    g_ptr_array_remove(watches, watch);
    watch_unref(watch);
    if (watches->len) {
        start_kdamond(NULL); /* the others go on; if not, damon_watch_take() says so */
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
    if (watches->len && !start_kdamond(&err)) {
        g_message("can't go on with DAMON for the other VMs: %s", err->message);
    }
    give_back_if_unused();
}

static void dispatch(const DamonFound *found, void *opaque)
{
    if (found->target < watches->len) {
        DamonWatch *watch = g_ptr_array_index(watches, found->target);

        if (watch->pending->len < PENDING_MAX) {
            g_array_append_val(watch->pending, *found);
        }
    }
}

bool damon_watch_take(DamonWatch *watch, GArray *found, GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);

    g_array_set_size(found, 0);
    if (trace) {
        damon_trace_drain(trace, dispatch, NULL);
    }
    g_array_append_vals(found, watch->pending->data, watch->pending->len);
    g_array_set_size(watch->pending, 0);
    if (found->len == 0 && (!trace || !damon_sysfs_running(SYSFS))) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "DAMON's thread has ended: its targets have, or another user stopped it");
        return false;
    }
    return true;
}

bool damon_admin_try(GError **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);

    if (!watches) {
        if (!damon_sysfs_claim(SYSFS, errp)) {
            return false;
        }
        damon_sysfs_release(SYSFS);
    }
    return true;
}

uint64_t damon_admin_cpu_ns(unsigned *n_watches)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);

    *n_watches = watches ? watches->len : 0;
    return ended_cpu_ns + thread_cpu_ns(kdamond);
}
