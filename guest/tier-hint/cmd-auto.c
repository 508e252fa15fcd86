/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint auto: hints of hot and cold memory from what DAMON sees in this guest.
 *
 * Theory of operation: DAMON looks at all RAM of the guest by physical address, some regions at a time, and says of
 * each in how many of its looks it was used. That is kept by blocks of 2 MiB. Once an interval the blocks that were
 * used in many looks are told as HOT, those that were not used for long as COLD. What DAMON's thread and we cost is
 * measured; where it is more than allowed, DAMON looks more seldom. DAMON has one user at a time: one that is at work
 * is left alone, DAMON_STAT, which only collects statistics, is switched off for as long, and all is given back at the
 * end, or, where we were killed, by the next start.
 */
#include <glib-unix.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "command.h"
#include "damon-sysfs.h"
#include "damon-trace.h"
#include "iomem.h"
#include "sysfs.h"

#define SYSFS "/sys"
#define DAMON SYSFS "/kernel/mm/damon/admin"
#define LOOKS 20u /* of an aggregation */
#define MAX_REGIONS 500u
#define MIN_SAMPLE_US 50000u
#define MAX_SAMPLE_US 3200000u

typedef struct Auto {
    /* settings */
    int interval_s, hot_percent, cold_after_s;
    double max_cpu_percent;
    /* state */
    int fd, lock;
    bool claimed;
    GMainLoop *loop;
    GArray *ram; /* of DamonRange */
    Blocks *blocks;
    DamonTrace *trace;
    uint32_t sample_us;
    pid_t kdamond;
    uint64_t cpu_ns, cpu_at_ns;              /* what we and the kdamond had cost, and when */
    unsigned status[VIRTIO_TIER_T_COLD + 1]; /* of the last hints of each type: a change is told */
    GError *error;
} Auto;

static void auto_clear(Auto *a)
{
    if (a->kdamond) {
        damon_sysfs_stop(SYSFS, NULL);
    }
    damon_trace_close(a->trace);
    if (a->claimed) {
        damon_sysfs_release(SYSFS);
    }
    g_clear_pointer(&a->blocks, blocks_free);
    g_clear_pointer(&a->ram, g_array_unref);
    g_clear_pointer(&a->loop, g_main_loop_unref);
    close(a->lock);
    close(a->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Auto, auto_clear)

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t now_s(void)
{
    return clock_ns(CLOCK_BOOTTIME) / 1000000000;
}

/* DAMON tells once in so long what was used. */
static uint64_t aggregation_us(const Auto *a)
{
    return UINT64_C(1) * a->sample_us * LOOKS;
}

/* CPU time of this process and of the kdamond, whose first field of schedstat that is. */
static uint64_t cost_ns(const Auto *a)
{
    g_autofree char *text = sysfs_read("/proc", NULL, "%d/schedstat", (int)a->kdamond);

    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + (text ? g_ascii_strtoull(text, NULL, 10) : 0);
}

/* Start DAMON on the RAM that there is now. */
static bool damon_start(Auto *a, GError **errp)
{
    const DamonAttrs attrs = {
        .ops = DAMON_OPS_PADDR,
        .sample_us = a->sample_us,
        .aggr_us = aggregation_us(a),
        .max_regions = MAX_REGIONS,
    };
    const DamonTarget target = {.ranges = a->ram};

    a->kdamond = damon_sysfs_start(SYSFS, &attrs, &target, 1, errp);
    if (!a->kdamond || !damon_trace_follow(a->trace, a->kdamond, errp)) {
        return false;
    }
    a->cpu_ns = cost_ns(a);
    a->cpu_at_ns = clock_ns(CLOCK_MONOTONIC);
    return true;
}

static bool damon_restart(Auto *a, GError **errp)
{
    return damon_sysfs_stop(SYSFS, errp) && damon_start(a, errp);
}

static bool same_ranges(const GArray *a, const GArray *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(DamonRange)) == 0);
}

/* The RAM, and blocks for it; memory may have been plugged or unplugged. Returns whether it is other than it was. */
static bool look_for_ram(Auto *a)
{
    g_autofree char *text = sysfs_read("/proc", NULL, "iomem");
    g_autoptr(GArray) ram = text ? iomem_ram(text) : NULL;

    if (!ram || (a->ram && same_ranges(ram, a->ram))) {
        return false;
    }
    g_clear_pointer(&a->ram, g_array_unref);
    g_clear_pointer(&a->blocks, blocks_free);
    a->ram = g_steal_pointer(&ram);
    a->blocks = blocks_new(a->ram, now_s());
    return true;
}

static void note(const DamonFound *found, void *opaque)
{
    Auto *a = opaque;

    blocks_note(a->blocks, found->start, found->end, found->nr_accesses * 100 / LOOKS, now_s());
}

/* Send hints of one type. What becomes of them is told when it changes; that the host does not answer is no reason to
 * end. */
static bool send_hints(Auto *a, unsigned type, const GArray *ranges, GError **errp)
{
    struct virtio_tier_uresult sum;
    g_autoptr(GError) err = NULL;

    if (ranges->len == 0) {
        return true;
    }
    if (!device_tell(a->fd, type, VIRTIO_TIER_CALL_PHYSICAL, (const struct virtio_tier_urange *)ranges->data,
                     ranges->len, &sum, &err)) {
        if (g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NODEV)) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
        sum.status = VIRTIO_TIER_S_IOERR;
    }
    if (sum.status != a->status[type]) {
        g_message("hints of %s memory are %s", type == VIRTIO_TIER_T_HOT ? "hot" : "cold",
                  err ? err->message : tier_hint_status(sum.status));
        a->status[type] = sum.status;
    }
    return true;
}

/* Have DAMON look more seldom where it costs too much, and oftener again where it costs far less than allowed. */
static bool keep_to_cost(Auto *a, GError **errp)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC), cost = cost_ns(a);
    double percent = 100.0 * (double)(cost - MIN(cost, a->cpu_ns)) / (double)MAX(now - a->cpu_at_ns, 1);
    uint32_t sample_us = a->sample_us;

    if (percent > a->max_cpu_percent) {
        sample_us = MIN(2 * sample_us, MAX_SAMPLE_US);
    } else if (percent < a->max_cpu_percent / 8) {
        sample_us = MAX(sample_us / 2, MIN_SAMPLE_US);
    }
    a->cpu_ns = cost;
    a->cpu_at_ns = now;
    if (sample_us == a->sample_us && damon_sysfs_running(SYSFS)) {
        return true;
    }
    a->sample_us = sample_us;
    return damon_restart(a, errp);
}

/* Not before DAMON has told twice of memory that was not used in between. */
static uint64_t cold_after_s(const Auto *a)
{
    return MAX((uint64_t)a->cold_after_s, (2 * aggregation_us(a) + 999999) / 1000000);
}

static bool tick(Auto *a, GError **errp)
{
    g_autoptr(GArray) hot = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));
    g_autoptr(GArray) cold = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));

    if (look_for_ram(a)) {
        return damon_restart(a, errp);
    }
    damon_trace_drain(a->trace, note, a);
    blocks_hot(a->blocks, (unsigned)a->hot_percent, hot);
    blocks_cold(a->blocks, cold_after_s(a), now_s(), cold);
    blocks_begin(a->blocks);
    return send_hints(a, VIRTIO_TIER_T_HOT, hot, errp) && send_hints(a, VIRTIO_TIER_T_COLD, cold, errp) &&
           keep_to_cost(a, errp);
}

static gboolean on_tick(gpointer opaque)
{
    Auto *a = opaque;

    if (tick(a, &a->error)) {
        return G_SOURCE_CONTINUE;
    }
    g_main_loop_quit(a->loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_signal(gpointer opaque)
{
    g_main_loop_quit(((Auto *)opaque)->loop);
    return G_SOURCE_CONTINUE;
}

static bool parse_options(Auto *a, char **args, GError **errp)
{
    const GOptionEntry entries[] = {
        {"interval", 'i', 0, G_OPTION_ARG_INT, &a->interval_s, "seconds between batches of hints (10)", "S"},
        {"hot", 0, 0, G_OPTION_ARG_INT, &a->hot_percent,
         "memory that is used in this share of DAMON's looks is hot (25)", "PERCENT"},
        {"cold-after", 0, 0, G_OPTION_ARG_INT, &a->cold_after_s, "memory that is not used for so long is cold (120)",
         "S"},
        {"max-cpu", 0, 0, G_OPTION_ARG_DOUBLE, &a->max_cpu_percent, "what it may cost, of one CPU (1)", "PERCENT"},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_auto(GStrv) copy = NULL;
    g_autoptr(GError) err = NULL;

    g_ptr_array_add(argv, (char *)"tier-hint auto");
    for (char **arg = args; *arg; arg++) {
        g_ptr_array_add(argv, *arg);
    }
    g_ptr_array_add(argv, NULL);
    copy = g_strdupv((char **)argv->pdata);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context,
                                 "Tell the host which memory DAMON finds hot and cold in this guest, until a signal.");
    if (!g_option_context_parse_strv(context, &copy, &err)) {
        g_set_error(errp, USAGE_ERROR, 0, "%s", err->message);
        return false;
    }
    if (copy[1] || a->interval_s < 1 || a->interval_s > 3600 || a->hot_percent < 1 || a->hot_percent > 100 ||
        a->cold_after_s < 1 || !(a->max_cpu_percent > 0 && a->max_cpu_percent <= 100)) {
        g_set_error(
            errp, USAGE_ERROR, 0,
            "--interval is 1 to 3600, --hot 1 to 100, --cold-after 1 or more, --max-cpu above 0 up to 100, and nothing "
            "else");
        return false;
    }
    return true;
}

/* One of us at a time, or each would take the other's kdamond for one that was left behind. */
static bool lock_damon(Auto *a, GError **errp)
{
    a->lock = open(DAMON, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->lock >= 0 && flock(a->lock, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "can't use DAMON (" DAMON "): %s",
                a->lock < 0 ? "this kernel lacks CONFIG_DAMON_SYSFS" : "another 'tier-hint auto' is at work");
    return false;
}

static bool begin(Auto *a, GError **errp)
{
    DamonOps ops = DAMON_OPS_PADDR;

    a->fd = device_open(errp);
    if (a->fd < 0) {
        return false;
    }
    look_for_ram(a);
    if (!a->ram || a->ram->len == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_PERM,
                    "/proc/iomem does not tell where RAM is: CAP_SYS_ADMIN is needed");
        return false;
    }
    if (!lock_damon(a, errp) || !damon_sysfs_claim(SYSFS, &ops, errp)) {
        return false;
    }
    a->claimed = true;
    a->trace = damon_trace_open(SYSFS, errp);
    return a->trace && damon_start(a, errp);
}

static int run_auto(const Command *command, char **args, GError **errp)
{
    g_auto(Auto) a = {
        .interval_s = 10,
        .hot_percent = 25,
        .cold_after_s = 120,
        .max_cpu_percent = 1,
        .fd = -1,
        .lock = -1,
        .sample_us = 4 * MIN_SAMPLE_US,
    };

    if (!parse_options(&a, args, errp)) {
        return 2;
    }
    if (!begin(&a, errp)) {
        return 1;
    }
    a.loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, on_signal, &a);
    g_unix_signal_add(SIGINT, on_signal, &a);
    g_timeout_add_seconds((guint)a.interval_s, on_tick, &a);
    g_main_loop_run(a.loop);
    if (a.error) {
        g_propagate_error(errp, a.error);
        return 1;
    }
    return 0;
}

const Command auto_commands[] = {
    {{"auto", "[OPTION...]", "tell what DAMON finds hot and cold in this guest"}, 0, 16, run_auto, 0},
    {{0}},
};
