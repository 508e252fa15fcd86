/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run of the comparison; see run.h.
 */
#include "run.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon.h"
#include "damos.h"
#include "guest.h"
#include "hog.h"
#include "placement.h"
#include "setting.h"
#include "watch.h"

#define MIB          1048576.0
#define TOP_BYTES    (4u << 20)     /* of RAM above the working area: the firmware's tables are there */
#define HOG_PERIOD_US 200000
#define GUEST_CPU 1 /* the guest has a CPU for itself; what watches and moves shares the other */
#define OTHER_CPU    0
#define DAEMON_CONFIG "/etc/vhost-tier/vhost-tier.conf"
#define DAMOS_ROOM_BYTES (256u << 10) /* of node 0, that DAMON is to keep free beyond the kernel's reserve */

typedef struct Run {
    const RunParams *params;
    Daemon *daemon;         /* NULL: none */
    Guest *guest;
    Hog *hog;               /* NULL: none */
    Watch *watch;
    uint64_t daemon_moved;  /* as it last told */
} Run;

static void run_clear(Run *run)
{
    g_clear_pointer(&run->watch, watch_free);
    g_clear_pointer(&run->hog, hog_free);
    g_clear_pointer(&run->guest, guest_free);
    g_clear_pointer(&run->daemon, daemon_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

uint64_t run_budget(const RunParams *params)
{
    uint64_t fast = (uint64_t)((double)params->footprint_bytes * RUN_FAST_SHARE);

    return fast / GUEST_PAGE_BYTES * GUEST_PAGE_BYTES + RUN_OTHER_BYTES;
}

/* Bytes of the guest's RAM on node 0. */
static bool fast_bytes(const Run *run, uint64_t *bytes, GError **errp)
{
    size_t n = run->guest->ram_bytes / GUEST_PAGE_BYTES;
    g_autofree int8_t *nodes = g_new(int8_t, n);

    if (!placement_query(run->guest->process->pid, run->guest->hva, n, nodes, errp)) {
        return false;
    }
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        *bytes += nodes[i] == 0 ? GUEST_PAGE_BYTES : 0;
    }
    return true;
}

/* Put the guest's pages where each run begins. */
static bool place(const Run *run, GError **errp)
{
    size_t n = run->guest->ram_bytes / GUEST_PAGE_BYTES, first = GUEST_BASE_ADDR / GUEST_PAGE_BYTES;
    g_autofree int8_t *wanted = g_new0(int8_t, n);      /* node 0 */
    uint64_t fast;

    for (size_t i = 0; i < run->guest->header.pages; i++) {
        wanted[first + i] = i % (size_t)(1 / RUN_FAST_SHARE) != 0;
    }
    if (!placement_apply(run->guest->process->pid, run->guest->hva, n, wanted, errp) ||
        !fast_bytes(run, &fast, errp)) {
        return false;
    }
    if (fast > run_budget(run->params)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "the guest begins with %" G_GUINT64_FORMAT
                    " bytes on node 0, its budget is %" G_GUINT64_FORMAT " bytes: it has more pages "
                    "outside of its working area than RUN_OTHER_BYTES allows",
                    fast, run_budget(run->params));
        return false;
    }
    return true;
}

/* Start the guest on @backend and bring it to where each run begins. */
static bool start(Run *run, const char *backend, const char *chardev, GError **errp)
{
    const RunParams *p = run->params;
    g_autofree char *pattern = g_strdup_printf("%s mb=%u", p->pattern, (unsigned)(p->footprint_bytes >> 20));
    GuestParams guest = {
        .qemu = p->qemu,
        .workload = p->workload,
        .pattern = pattern,
        .accel = p->accel,
        .backend = backend,
        .chardev = chardev,
        .folder = p->folder,
        .ram_bytes = GUEST_BASE_ADDR + p->footprint_bytes + TOP_BYTES,
        .cpu = GUEST_CPU,
    };

    run->guest = guest_start(&guest, errp);
    return run->guest && place(run, errp);
}

static void print_heading(const char *what)
{
    printf("\n%s\n%6s %10s %10s %9s %9s %12s %10s\n", what, "time", "fast MiB", "slow MiB", "hit true",
           "estimated", "M accesses/s", "moved MiB");
    fflush(stdout);
}

static void print_row(const Run *run, const TruthInterval *i)
{
    char estimated[16] = "-";

    if (!isnan(i->estimated)) {
        g_snprintf(estimated, sizeof(estimated), "%.3f", i->estimated);
    }
    printf("%5.0fs %10.2f %10.2f %9.3f %9s %12.2f %10.2f\n", i->to_s, (double)i->node_bytes[0] / MIB,
           (double)i->node_bytes[1] / MIB, truth_hit_ratio(i), estimated,
           truth_accesses_per_s(run->watch->truth, i) / 1e6, (double)i->moved_bytes / MIB);
    fflush(stdout);
}

static bool ask_daemon(Run *run, TruthInterval *interval, GError **errp)
{
    g_autoptr(JsonNode) answer = daemon_query(run->daemon, errp);
    JsonObject *vm = node_object(answer), *moves = field_object(vm, "moves");

    if (!answer) {
        return false;
    }
    interval->estimated = field_number(vm, "hit_ratio");
    run->daemon_moved = field_uint(moves, "promoted_bytes", 0) + field_uint(moves, "demoted_bytes", 0);
    return true;
}

/* Where node 0 is to be occupied but for the guest's budget, see to that. */
static bool keep_hog(const Run *run, GError **errp)
{
    uint64_t bytes;

    return !run->hog ||
           (fast_bytes(run, &bytes, errp) && hog_hold(run->hog, bytes, run_budget(run->params), errp));
}

/* Wait until @until (microseconds, monotonic). */
static bool wait_until(const Run *run, gint64 until, GError **errp)
{
    gint64 left;

    while ((left = until - g_get_monotonic_time()) > 0) {
        g_usleep((gulong)MIN(left, HOG_PERIOD_US));
        if (!keep_hog(run, errp)) {
            return false;
        }
    }
    return true;
}

/* Sample and print once a second. */
static bool observe(Run *run, unsigned seconds, GError **errp)
{
    gint64 next = g_get_monotonic_time();

    for (unsigned s = 0; s < seconds; s++) {
        TruthInterval *interval;

        next += G_USEC_PER_SEC;
        if (!wait_until(run, next, errp) || !process_check(run->guest->process, errp)) {
            return false;
        }
        interval = watch_sample(run->watch, errp);
        if (!interval || (run->daemon && !ask_daemon(run, interval, errp))) {
            return false;
        }
        print_row(run, interval);
    }
    return true;
}

/* The interval in which 90 % of the way was made; 'end' when none was. */
static guint interval_of_90(const Run *run, guint switched_on, guint end, const RunResult *result)
{
    double way = result->hit_after - result->hit_before;

    for (guint i = switched_on; i < end; i++) {
        TruthInterval one = truth_sum(run->watch->truth, i, i + 1);

        if (way > 0.05 && truth_hit_ratio(&one) >= result->hit_before + 0.9 * way) {
            return i;
        }
    }
    return end;
}

/* What came of it: intervals up to @switched_on are "before", those from @steady are "after". */
static void conclude(const Run *run, guint switched_on, guint steady, RunResult *result)
{
    guint end = truth_length(run->watch->truth), arrived;
    TruthInterval before = truth_sum(run->watch->truth, 0, switched_on);
    TruthInterval since = truth_sum(run->watch->truth, switched_on, end),
                  after = truth_sum(run->watch->truth, steady, end);

    result->hit_before = truth_hit_ratio(&before);
    result->hit_after = truth_hit_ratio(&after);
    result->oracle = truth_oracle(run->watch->truth, run_budget(run->params));
    result->estimated = after.estimated;
    result->accesses_before = truth_accesses_per_s(run->watch->truth, &before);
    result->accesses_after = truth_accesses_per_s(run->watch->truth, &after);
    result->moved_bytes = run->daemon ? run->daemon_moved : since.moved_bytes;
    result->fast_bytes = after.node_bytes[0];
    result->seconds_to_90 = result->undone_share = NAN;
    arrived = interval_of_90(run, switched_on, end, result);
    if (arrived + 1 < end) {
        TruthInterval way = truth_sum(run->watch->truth, switched_on, arrived + 1);
        TruthInterval rest = truth_sum(run->watch->truth, arrived + 1, end);

        result->seconds_to_90 = way.to_s - way.from_s;
        result->undone_share = rest.moved_bytes ? (double)rest.undone_bytes / (double)rest.moved_bytes : 0;
    }
}

static guint last_third(const RunParams *params)
{
    return params->before_s + params->seconds - MAX(params->seconds / 3, 1);
}

bool run_none(const RunParams *params, RunResult *result, GError **errp)
{
    g_auto(Run) run = {.params = params};

    print_heading("nobody tiers");
    if (!start(&run, "memory-backend-memfd,share=on", NULL, errp) ||
        !(run.watch = watch_new(run.guest, errp)) || !observe(&run, 2 * params->before_s, errp)) {
        return false;
    }
    conclude(&run, params->before_s, params->before_s, result);
    result->cpu_share = 0;
    return true;
}

/*
 * Have the kernel demote what is cold on node 0, as it would sooner or later: QEMU's heap, say. What of that
 * it did later would be DRAM for the guest beyond its budget. A kernel without this file does it later.
 */
static void demote_cold(void)
{
    int fd = open("/sys/devices/system/node/node0/reclaim", O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        return;
    }
    while (write(fd, "4M", 2) == 2) {       /* until it finds less than that */
    }
    close(fd);
}

/*
 * The kernel's reserve, and with it the steps in which it demotes, is made as small as this host is, and so are
 * the lists of free pages that each CPU keeps for itself: what is in those is on no account, but can be had.
 */
typedef struct SmallHost {
    Setting *reserve, *lists;
} SmallHost;

static bool small_host_begin(SmallHost *small, GError **errp)
{
    small->reserve = setting_new("/proc/sys/vm/min_free_kbytes", "4096", errp);
    small->lists = small->reserve ? setting_new("/proc/sys/vm/percpu_pagelist_high_fraction", "1000", errp) : NULL;
    return small->lists;
}

static void small_host_clear(SmallHost *small)
{
    g_clear_pointer(&small->lists, setting_free);
    g_clear_pointer(&small->reserve, setting_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SmallHost, small_host_clear)

/* What is free on node 0, whoever may have it. */
static bool node_free_bytes(uint64_t *bytes, GError **errp)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents("/sys/devices/system/node/node0/meminfo", &text, NULL, errp)) {
        return false;
    }
    at = strstr(text, "MemFree:");
    *bytes = at ? g_ascii_strtoull(at + strlen("MemFree:"), NULL, 10) << 10 : 0;
    return true;
}

/* Occupy node 0 but for the guest's budget. */
static bool occupy(Run *run, GError **errp)
{
    run->hog = hog_new(0);
    demote_cold();
    /* Demoting took of the guest's pages, too, and filling the node may: put them back. */
    return place(run, errp) && keep_hog(run, errp) && place(run, errp);
}

bool run_numa_balancing(const RunParams *params, RunResult *result, GError **errp)
{
    g_auto(Run) run = {.params = params};
    g_auto(SmallHost) small = {0};
    g_autoptr(Setting) balancing = NULL, demotion = NULL;

    print_heading("numa_balancing=2, demotion_enabled=1");
    if (!small_host_begin(&small, errp)) {
        return false;
    }
    demotion = setting_new("/sys/kernel/mm/numa/demotion_enabled", "1", errp);
    if (!demotion || !start(&run, "memory-backend-memfd,share=on", NULL, errp) || !occupy(&run, errp) ||
        !(run.watch = watch_new(run.guest, errp)) || !observe(&run, params->before_s, errp)) {
        return false;
    }
    printf("-- %.0f MiB of node 0 are occupied; numa_balancing=2 from here\n",
           (double)hog_bytes(run.hog) / MIB);
    fflush(stdout);
    truth_mark(run.watch->truth);
    balancing = setting_new("/proc/sys/kernel/numa_balancing", "2", errp);
    if (!balancing || !observe(&run, params->seconds, errp)) {
        return false;
    }
    conclude(&run, params->before_s, last_third(params), result);
    result->cpu_share = NAN;        /* in the kernel, on the guest's own CPU */
    return true;
}

bool run_damon(const RunParams *params, RunResult *result, GError **errp)
{
    g_auto(Run) run = {.params = params};
    g_auto(SmallHost) small = {0};
    g_autoptr(Setting) demotion = NULL;
    g_autoptr(Damos) damos = NULL;
    uint64_t cpu_ns, unused;
    gint64 since;

    print_heading("DAMON's schemes migrate_hot and migrate_cold, demotion_enabled=1");
    if (!small_host_begin(&small, errp)) {
        return false;
    }
    demotion = setting_new("/sys/kernel/mm/numa/demotion_enabled", "1", errp);
    if (!demotion || !start(&run, "memory-backend-memfd,share=on", NULL, errp) ||
        !occupy(&run, errp) || !(run.watch = watch_new(run.guest, errp)) ||
        !observe(&run, params->before_s, errp) || !node_free_bytes(&unused, errp)) {
        return false;
    }
    printf("-- %.0f MiB of node 0 are occupied; the schemes run from here\n", (double)hog_bytes(run.hog) / MIB);
    fflush(stdout);
    truth_mark(run.watch->truth);
    since = g_get_monotonic_time();
    cpu_ns = process_cpu_ns(0);
    damos = damos_start(run.guest->process->pid, run.guest->hva + GUEST_BASE_ADDR, params->footprint_bytes,
                        unused + DAMOS_ROOM_BYTES, errp);
    if (!damos || !observe(&run, params->seconds, errp)) {
        return false;
    }
    cpu_ns = process_cpu_ns(0) - cpu_ns;
    conclude(&run, params->before_s, last_third(params), result);
    result->moved_bytes = damos_moved_bytes(damos);
    result->cpu_share = (double)cpu_ns / 1000 / (double)(g_get_monotonic_time() - since);
    return true;
}

static bool run_daemon(const RunParams *params, const char *config, RunResult *result, GError **errp)
{
    g_auto(Run) run = {.params = params};
    g_autofree char *chardev = NULL, *backend = NULL;
    uint64_t cpu_ns;
    gint64 since;

    run.daemon = daemon_start(params->daemon, params->folder, config, OTHER_CPU, errp);
    if (!run.daemon) {
        return false;
    }
    chardev = g_strdup_printf("socket,id=tier,path=%s,reconnect-ms=500", run.daemon->vm_socket);
    backend = g_strdup_printf("memory-backend-tier,mode=off,chardev=tier,fast-size=%" G_GUINT64_FORMAT,
                              run_budget(params));
    if (!start(&run, backend, chardev, errp) || !daemon_wait_vm(run.daemon, errp) ||
        !(run.watch = watch_new(run.guest, errp)) || !observe(&run, params->before_s, errp)) {
        return false;
    }
    printf("-- mode=on from here\n");
    fflush(stdout);
    truth_mark(run.watch->truth);
    since = g_get_monotonic_time();
    cpu_ns = process_cpu_ns(run.daemon->process->pid) + process_cpu_ns(0);
    if (!daemon_set_mode(run.daemon, "on", errp) || !observe(&run, params->seconds, errp)) {
        return false;
    }
    cpu_ns = process_cpu_ns(run.daemon->process->pid) + process_cpu_ns(0) - cpu_ns;
    conclude(&run, params->before_s, last_third(params), result);
    result->cpu_share = (double)cpu_ns / 1000 / (double)(g_get_monotonic_time() - since);
    return true;
}

bool run_vhost_tier(const RunParams *params, RunResult *result, GError **errp)
{
    print_heading("vhost-tier");
    return run_daemon(params, NULL, result, errp);
}

/* The daemon as it is configured here, but for its sources. */
bool run_access_bits(const RunParams *params, RunResult *result, GError **errp)
{
    g_autofree char *path = g_build_filename(params->folder, "access-bits.conf", NULL), *text = NULL, *bits = NULL;

    print_heading("vhost-tier with access bits alone");
    if (!g_file_get_contents(DAEMON_CONFIG, &text, NULL, errp)) {
        return false;
    }
    bits = g_strdup_printf("%s\n[sources]\nenable=damon;rwp\n", text);
    return g_file_set_contents(path, bits, -1, errp) && run_daemon(params, path, result, errp);
}
