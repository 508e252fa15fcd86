/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time and cache misses of a QEMU, and which of these its CPUs' own node served.
 *
 * The CPU time is that of its process, from the process's own CPU clock; a vCPU's time in the guest is part of
 * it. Misses are counted by one hardware counter for each vCPU thread, in the guest as in the host. Threads are
 * known as vCPUs by the name that QEMU gives them ("CPU 0/KVM", with -name debug-threads=on, as libvirt has it);
 * where none has such a name all threads are counted. The kernel switches counters where there are more than
 * the CPU has, so a count is scaled by the share of time that it was on.
 *
 * Near and far are the kernel's events of reads beyond the last cache by node. Of the processors that Linux knows them
 * of, Intel's count reads of the near node as accesses and others as misses (from Haswell on, arch/x86/events/intel);
 * other makers' older ones count all reads as accesses, and newer ones have neither, so only Intel's are used.
 */
#include "misses.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "misses-nodes.h"

#define MAX_THREADS    512              /* bounds the descriptors that one VM may cost */
#define LOOK_NS        10000000000ull   /* between two looks for threads */
#define SMOOTH_S       3.0              /* time over which rates are averaged */
#define VCPU_NAME      "CPU "

/* What read(2) of a counter gives, by its read_format. */
typedef struct Count {
    uint64_t value, enabled_ns, running_ns;
} Count;

/* Of one thread. */
typedef struct Counter {
    int fds[MISSES__MAX];       /* -1: none */
    bool found;                 /* in the look that goes on */
    Count last[MISSES__MAX];
} Counter;

struct Misses {
    pid_t pid;
    clockid_t clock;
    bool has_clock;
    const Topology *tiers;
    const char *sysfs;
    MissesOpen open;
    GHashTable *counters;       /* thread number -> Counter */
    char *problem;              /* why there are none */
    char *node_refused;         /* why there are none of near and far: for good */
    char *node_problem;         /* why they would tell nothing of tiers, as of the last look for threads */
    uint64_t looked_ns, read_ns, cpu_ns;
    MissesRates rates;
};

static void counter_close(Counter *counter, MissesEvent event)
{
    if (counter->fds[event] >= 0) {
        close(counter->fds[event]);
        counter->fds[event] = -1;
    }
}

static void counter_free(gpointer data)
{
    for (MissesEvent event = 0; event < MISSES__MAX; event++) {
        counter_close(data, event);
    }
    g_free(data);
}

/* --- threads --- */

static bool is_vcpu(pid_t pid, const char *tid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%s/comm", (int)pid, tid);
    g_autofree char *name = NULL;

    return g_file_get_contents(path, &name, NULL, NULL) && g_str_has_prefix(name, VCPU_NAME);
}

/* Numbers of the threads to be counted, at most MAX_THREADS; empty when the process has ended. */
static GArray *threads_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GArray) vcpus = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(int));
    const char *name;

    while (dir && (name = g_dir_read_name(dir)) && all->len < MAX_THREADS) {
        const int tid = (int)g_ascii_strtoll(name, NULL, 10);

        g_array_append_val(all, tid);
        if (is_vcpu(pid, name)) {
            g_array_append_val(vcpus, tid);
        }
    }
    return vcpus->len > 0 ? g_steal_pointer(&vcpus) : g_steal_pointer(&all);
}

/* --- counters --- */

/* Whether near and far are what they are called; see above. */
static bool nodes_are_known(void)
{
#if defined(__x86_64__)
    unsigned level, b, c, d;

    return __get_cpuid(0, &level, &b, &c, &d) && b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
           d == signature_INTEL_edx;
#else
    return false;
#endif
}

static uint64_t reads_of_nodes(uint64_t result)
{
    return PERF_COUNT_HW_CACHE_NODE | PERF_COUNT_HW_CACHE_OP_READ << 8 | result << 16;
}

static int counter_open(int tid, MissesEvent event)
{
    struct perf_event_attr attr = {
        .type = event == MISSES_ALL ? PERF_TYPE_HARDWARE : PERF_TYPE_HW_CACHE,
        .size = sizeof(attr),
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };

    switch (event) {
    case MISSES_NEAR:
        attr.config = reads_of_nodes(PERF_COUNT_HW_CACHE_RESULT_ACCESS);
        break;
    case MISSES_FAR:
        attr.config = reads_of_nodes(PERF_COUNT_HW_CACHE_RESULT_MISS);
        break;
    default:
        attr.config = PERF_COUNT_HW_CACHE_MISSES;
        break;
    }
    if (event != MISSES_ALL && !nodes_are_known()) {
        errno = ENOENT;
        return -1;
    }
    return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static char *open_problem(int error)
{
    switch (error) {
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
        return g_strdup("this CPU has no counter of cache misses that the kernel knows, as in a virtual machine; the "
                        "estimate from heat is used");
    case EACCES:
    case EPERM:
        return g_strdup("the daemon may not count cache misses: it lacks CAP_PERFMON; run it as root or from its "
                        "systemd unit, or lower kernel.perf_event_paranoid");
    case EMFILE:
    case ENFILE:
        return g_strdup("there are too few descriptors for a counter of each vCPU; raise LimitNOFILE of the daemon's "
                        "systemd unit");
    default:
        return g_strdup_printf("cannot count cache misses (perf_event_open: %s); the estimate from heat is used",
                               g_strerror(error));
    }
}

static gboolean was_not_found(gpointer key, gpointer value, gpointer data)
{
    return !((Counter *)value)->found;
}

/* Counts of some vCPUs only would be worse than none. */
static void give_up_nodes(Misses *misses, int error)
{
    GHashTableIter iter;
    gpointer value;

    misses->node_refused = g_strdup_printf("this CPU has no counters of reads by node that the kernel knows (%s)",
                                           g_strerror(error));
    g_hash_table_iter_init(&iter, misses->counters);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        counter_close(value, MISSES_NEAR);
        counter_close(value, MISSES_FAR);
    }
}

static void give_up(Misses *misses, int error)
{
    misses->problem = open_problem(error);
    g_hash_table_remove_all(misses->counters);
}

/* Begin to count a thread; unless it has ended meanwhile, or no thread can be counted. */
static void add_thread(Misses *misses, int tid)
{
    const int fd = misses->open(tid, MISSES_ALL);
    Counter *counter;

    if (fd < 0) {
        if (errno != ESRCH) {
            give_up(misses, errno);
        }
        return;
    }
    counter = g_new0(Counter, 1);
    *counter = (Counter) { .fds = { fd, -1, -1 }, .found = true };
    g_hash_table_insert(misses->counters, GINT_TO_POINTER(tid), counter);
    for (MissesEvent event = MISSES_NEAR; event < MISSES__MAX && !misses->node_refused; event++) {
        counter->fds[event] = misses->open(tid, event);
        if (counter->fds[event] < 0 && errno != ESRCH) {
            give_up_nodes(misses, errno);
        }
    }
}

/* Have a counter for each thread there is now, and none for those that there are no more. */
static void look_for_threads(Misses *misses)
{
    g_autoptr(GArray) threads = threads_of(misses->pid);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, misses->counters);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ((Counter *)value)->found = false;
    }
    for (guint i = 0; i < threads->len && !misses->problem; i++) {
        const int tid = g_array_index(threads, int, i);
        Counter *counter = g_hash_table_lookup(misses->counters, GINT_TO_POINTER(tid));

        if (counter) {
            counter->found = true;
        } else {
            add_thread(misses, tid);
        }
    }
    g_hash_table_foreach_remove(misses->counters, was_not_found, NULL);
    g_free(misses->node_problem);
    misses->node_problem = misses_nodes_problem(misses->sysfs, misses->tiers, threads);
}

/* Misses since the last call. */
static double counter_step(Counter *counter, MissesEvent event)
{
    const Count last = counter->last[event];
    Count now;

    if (counter->fds[event] < 0 || read(counter->fds[event], &now, sizeof(now)) != sizeof(now) ||
        now.running_ns <= last.running_ns) {
        return 0;
    }
    counter->last[event] = now;
    return (double)(now.value - last.value) * (double)(now.enabled_ns - last.enabled_ns) /
           (double)(now.running_ns - last.running_ns);
}

static double count(Misses *misses, MissesEvent event)
{
    GHashTableIter iter;
    gpointer value;
    double sum = 0;

    g_hash_table_iter_init(&iter, misses->counters);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        sum += counter_step(value, event);
    }
    return sum;
}

/* --- both --- */

static bool cpu_time(const Misses *misses, uint64_t *ns)
{
    struct timespec time;

    if (!misses->has_clock || clock_gettime(misses->clock, &time) < 0) {
        return false;
    }
    *ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    return true;
}

/* An average over SMOOTH_S that begins with what is first measured. */
static void smooth(double *average, double sample, double seconds)
{
    *average = isnan(*average) ? sample : *average + (sample - *average) * seconds / (seconds + SMOOTH_S);
}

Misses *misses_new_of(pid_t pid, const Topology *tiers, const char *sysfs, MissesOpen open_counter)
{
    Misses *misses = g_new0(Misses, 1);

    misses->pid = pid;
    misses->tiers = tiers;
    misses->sysfs = sysfs;
    misses->open = open_counter;
    misses->has_clock = clock_getcpuclockid(pid, &misses->clock) == 0;
    misses->counters = g_hash_table_new_full(NULL, NULL, NULL, counter_free);
    misses->rates = (MissesRates) { .accesses_per_s = NAN, .near_per_s = NAN, .far_per_s = NAN, .busy = NAN,
                                      .busy_now = NAN };
    return misses;
}

Misses *misses_new(pid_t pid, const Topology *tiers)
{
    return misses_new_of(pid, tiers, "/sys", counter_open);
}

void misses_free(Misses *misses)
{
    if (!misses) {
        return;
    }
    g_hash_table_unref(misses->counters);
    g_free(misses->problem);
    g_free(misses->node_refused);
    g_free(misses->node_problem);
    g_free(misses);
}

/* What was counted in @seconds since the last call; the first tells nothing. */
static void read_counters(Misses *misses, bool first, double seconds)
{
    double *const rates[MISSES__MAX] = {
        [MISSES_ALL] = &misses->rates.accesses_per_s,
        [MISSES_NEAR] = &misses->rates.near_per_s,
        [MISSES_FAR] = &misses->rates.far_per_s,
    };
    MissesRates *now = &misses->rates;

    now->problem = misses->problem;
    now->node_problem = misses->problem        ? misses->problem
                        : misses->node_refused ? misses->node_refused
                                               : misses->node_problem;
    for (MissesEvent event = 0; event < MISSES__MAX; event++) {
        const double n = count(misses, event);

        if (event == MISSES_ALL ? now->problem : now->node_problem) {
            *rates[event] = NAN;
        } else if (!first) {
            smooth(rates[event], n / seconds, seconds);
        }
    }
}

MissesRates misses_read(Misses *misses, uint64_t now_ns)
{
    const bool first = misses->read_ns == 0;
    const double seconds = (double)(now_ns - misses->read_ns) / 1e9;
    uint64_t cpu_ns = misses->cpu_ns;

    if (!first && now_ns <= misses->read_ns) {
        return misses->rates;
    }
    if (!misses->problem && (first || now_ns - misses->looked_ns >= LOOK_NS)) {
        look_for_threads(misses);
        misses->looked_ns = now_ns;
    }
    read_counters(misses, first, seconds);
    misses->rates.busy_now = NAN;
    misses->rates.elapsed_ns = first ? 0 : now_ns - misses->read_ns;
    if (!cpu_time(misses, &cpu_ns)) {
        misses->rates.busy = NAN;
    } else if (!first && cpu_ns >= misses->cpu_ns) {
        misses->rates.busy_now = (double)(cpu_ns - misses->cpu_ns) / 1e9 / seconds;
        smooth(&misses->rates.busy, misses->rates.busy_now, seconds);
    }
    misses->cpu_ns = cpu_ns;
    misses->read_ns = now_ns;
    return misses->rates;
}
