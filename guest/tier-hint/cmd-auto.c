/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint auto: hints of hot and cold memory from what DAMON sees in this guest.
 *
 * Theory of operation: DAMON looks at the programs that have most of the memory, by their addresses, some regions at
 * a time, and says of each in how many of its looks it was used. By addresses of programs, since there neighbours are
 * alike, while in physical memory a hot table lies strewn among all else. What is worth telling of it (seen.h) is
 * told once an interval, as the physical memory that it is in by then. Once a minute it is seen which programs there
 * are, and what DAMON's thread and we cost; where it is more than allowed, DAMON looks more seldom. DAMON has one
 * user at a time: one that is at work is left alone, DAMON_STAT, which only collects statistics, is switched off for
 * as long, and all is given back at the end, or, where we were killed, by the next start.
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "auto.h"
#include "command.h"
#include "damon-sysfs.h"
#include "damon-trace.h"
#include "pages.h"
#include "programs.h"
#include "seen.h"
#include "machine/sysfs.h"

#define SYSFS "/sys"
#define DAMON SYSFS "/kernel/mm/damon/admin"
#define MIN_SAMPLE_US 50000u
#define MAX_SAMPLE_US 3200000u
#define MOST_PROGRAMS 16u
#define LEAST_PART 64u /* of all memory a program has at least one part in so many */
#define LOOK_AGAIN_S 60u

typedef struct Auto {
    /* settings */
    int interval_s, hot_percent, cold_after_s;
    double max_cpu_percent;
    /* state */
    int fd, lock;
    bool claimed;
    GMainLoop *loop;
    DamonOps ops;
    GArray *programs;  /* of DamonTarget */
    uint64_t looked_s; /* when it was last looked for them */
    Seen *seen;
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
    g_clear_pointer(&a->seen, seen_free);
    g_clear_pointer(&a->programs, g_array_unref);
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
    return UINT64_C(1) * a->sample_us * AUTO_LOOKS;
}

/* CPU time of this process and of the kdamond, whose first field of schedstat that is. */
static uint64_t cost_ns(const Auto *a)
{
    g_autofree char *text = sysfs_read("/proc", NULL, "%d/schedstat", (int)a->kdamond);

    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + (text ? g_ascii_strtoull(text, NULL, 10) : 0);
}

/* Whether one of the programs has ended since it was looked for them. */
static bool any_ended(const Auto *a)
{
    for (guint i = 0; i < a->programs->len; i++) {
        if (kill(g_array_index(a->programs, DamonTarget, i).pid, 0) < 0 && errno == ESRCH) {
            return true;
        }
    }
    return false;
}

/* Start DAMON on the programs that there are, if there are any. */
static bool damon_start(Auto *a, GError **errp)
{
    const DamonAttrs attrs = {
        .ops = a->ops,
        .sample_us = a->sample_us,
        .aggr_us = aggregation_us(a),
        .max_regions = AUTO_MAX_REGIONS,
    };
    g_autoptr(GError) err = NULL;

    a->kdamond = 0;
    if (a->programs->len == 0) {
        return true;
    }
    a->kdamond = damon_sysfs_start(SYSFS, &attrs, &g_array_index(a->programs, DamonTarget, 0), a->programs->len, &err);
    if (!a->kdamond && any_ended(a)) {
        /* It is looked for programs again at the next tick. */
        g_array_set_size(a->programs, 0);
        return true;
    }
    if (!a->kdamond) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    if (!damon_trace_follow(a->trace, a->kdamond, errp)) {
        return false;
    }
    a->cpu_ns = cost_ns(a);
    a->cpu_at_ns = clock_ns(CLOCK_MONOTONIC);
    return true;
}

static bool damon_restart(Auto *a, GError **errp)
{
    return (!a->kdamond || damon_sysfs_stop(SYSFS, errp)) && damon_start(a, errp);
}

static bool same_ranges(const GArray *a, const GArray *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(DamonRange)) == 0);
}

static bool same_programs(const GArray *a, const GArray *b)
{
    bool same = a->len == b->len;

    for (guint i = 0; same && i < a->len; i++) {
        const DamonTarget *left = &g_array_index(a, DamonTarget, i), *right = &g_array_index(b, DamonTarget, i);

        same = left->pid == right->pid && same_ranges(left->ranges, right->ranges);
    }
    return same;
}

/* All ranges of all programs. */
static GArray *ranges_of(const GArray *programs)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(SeenRange));

    for (guint i = 0; i < programs->len; i++) {
        const DamonTarget *program = &g_array_index(programs, DamonTarget, i);

        for (guint r = 0; r < program->ranges->len; r++) {
            const DamonRange *range = &g_array_index(program->ranges, DamonRange, r);
            const SeenRange seen = {.space = (uint64_t)program->pid, .start = range->start, .end = range->end};

            g_array_append_val(all, seen);
        }
    }
    return all;
}

/* See which programs there are; returns whether they are others than before, or elsewhere. */
static bool look_for_programs(Auto *a)
{
    const uint64_t all_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE_BYTES;
    g_autoptr(GArray) programs = programs_find("/proc", all_bytes / LEAST_PART, MOST_PROGRAMS);
    g_autoptr(GArray) ranges = ranges_of(programs);
    Seen *seen;

    a->looked_s = now_s();
    if (a->programs && same_programs(a->programs, programs)) {
        return false;
    }
    seen = seen_new(ranges, a->seen, now_s());
    g_clear_pointer(&a->seen, seen_free);
    g_clear_pointer(&a->programs, g_array_unref);
    a->seen = seen;
    a->programs = g_steal_pointer(&programs);
    return true;
}

static void note(const DamonFound *found, void *opaque)
{
    const Auto *a = opaque;

    if (found->target < a->programs->len) {
        const SeenRange range = {
            .space = (uint64_t)g_array_index(a->programs, DamonTarget, found->target).pid,
            .start = found->start,
            .end = found->end,
        };

        seen_note(a->seen, &range, found->nr_accesses, AUTO_LOOKS, now_s());
    }
}

/* The physical memory of @told (of SeenRange); @own: as for pages_find(). Programs that have ended have none. */
static GArray *physical(const GArray *told, bool own)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));

    for (guint i = 0; i < told->len; i++) {
        const SeenRange *range = &g_array_index(told, SeenRange, i);

        pages_find((int)range->space, range->start, range->end, own, ranges, NULL);
    }
    return ranges;
}

/*
 * Send hints of one type; what others may use is not called cold. What becomes of them is told when it changes; that
 * the host does not answer is no reason to end.
 */
static bool send_hints(Auto *a, unsigned type, const GArray *told, GError **errp)
{
    g_autoptr(GArray) ranges = physical(told, type == VIRTIO_TIER_T_COLD);
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

/*
 * How often DAMON is to look: more seldom where it costs too much, and oftener again where it costs far less than
 * allowed. Returns whether that is other than before.
 */
static bool keep_to_cost(Auto *a)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC), cost = cost_ns(a);
    const double percent = 100.0 * (double)(cost - MIN(cost, a->cpu_ns)) / (double)MAX(now - a->cpu_at_ns, 1);
    const uint32_t before_us = a->sample_us;

    if (percent > a->max_cpu_percent) {
        a->sample_us = MIN(2 * a->sample_us, MAX_SAMPLE_US);
    } else if (percent < a->max_cpu_percent / 8) {
        a->sample_us = MAX(a->sample_us / 2, MIN_SAMPLE_US);
    }
    a->cpu_ns = cost;
    a->cpu_at_ns = now;
    return a->sample_us != before_us;
}

/* See to it that DAMON looks at the programs that there are, as often as it may: a restart has it begin anew. */
static bool keep_watching(Auto *a, GError **errp)
{
    const bool runs = a->kdamond && damon_sysfs_running(SYSFS);
    bool changed;

    if (runs && now_s() - a->looked_s < LOOK_AGAIN_S) {
        return true;
    }
    changed = runs && keep_to_cost(a);
    changed |= look_for_programs(a);
    return changed || (!runs && a->programs->len > 0) ? damon_restart(a, errp) : true;
}

/* Not before DAMON has told twice of memory that was not used in between. */
static uint64_t cold_after_s(const Auto *a)
{
    return MAX((uint64_t)a->cold_after_s, (2 * aggregation_us(a) + 999999) / 1000000);
}

static bool tick(Auto *a, GError **errp)
{
    const SeenRule rule = {
        .hot_percent = (unsigned)a->hot_percent, .cold_after_s = cold_after_s(a), .again_s = AUTO_AGAIN_S};
    g_autoptr(GArray) hot = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    g_autoptr(GArray) cold = g_array_new(FALSE, FALSE, sizeof(SeenRange));

    damon_trace_drain(a->trace, note, a);
    seen_tell(a->seen, &rule, programs_bytes("/proc", a->programs), now_s(), hot, cold);
    return send_hints(a, VIRTIO_TIER_T_HOT, hot, errp) && send_hints(a, VIRTIO_TIER_T_COLD, cold, errp) &&
           keep_watching(a, errp);
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
        {"interval", 'i', 0, G_OPTION_ARG_INT, &a->interval_s, "seconds between batches of hints (4)", "S"},
        {"hot", 0, 0, G_OPTION_ARG_INT, &a->hot_percent, "memory that fewer of DAMON's looks find used is not hot (25)",
         "PERCENT"},
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
    a->fd = device_open(errp);
    if (a->fd < 0 || !lock_damon(a, errp) || !damon_sysfs_claim(SYSFS, &a->ops, errp)) {
        return false;
    }
    a->claimed = true;
    if (a->ops == DAMON_OPS_PADDR) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "this kernel's DAMON can't look at programs: it lacks CONFIG_DAMON_VADDR");
        return false;
    }
    look_for_programs(a);
    a->trace = damon_trace_open(SYSFS, errp);
    return a->trace && damon_start(a, errp);
}

static int run_auto(const Command *command, char **args, GError **errp)
{
    g_auto(Auto) a = {
        .interval_s = AUTO_INTERVAL_S,
        .hot_percent = AUTO_HOT_PERCENT,
        .cold_after_s = AUTO_COLD_AFTER_S,
        .max_cpu_percent = 1,
        .fd = -1,
        .lock = -1,
        .sample_us = AUTO_SAMPLE_MS * 1000,
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
