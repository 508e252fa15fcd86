/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time and cache misses of a QEMU.
 *
 * The CPU time is that of its process, from the process's own CPU clock; a vCPU's time in the guest is part of
 * it. Misses are counted by one hardware counter for each vCPU thread, in the guest as in the host. Threads are
 * known as vCPUs by the name that QEMU gives them ("CPU 0/KVM", with -name debug-threads=on, as libvirt has it);
 * where none has such a name all threads are counted. The kernel switches counters where there are more than
 * the CPU has, so a count is scaled by the share of time that it was on.
 */
#include "misses.h"

#include <errno.h>
#include <glib.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS    512              /* bounds the descriptors that one VM may cost */
#define LOOK_NS        10000000000ull   /* between two looks for threads */
#define SMOOTH_S       3.0              /* time over which rates are averaged */
#define VCPU_NAME      "CPU "

/* What read(2) of a counter gives, by its read_format. */
typedef struct Count {
    uint64_t value, enabled_ns, running_ns;
} Count;

typedef struct Counter {
    int fd;
    bool found;                 /* in the look that goes on */
    Count last;
} Counter;

struct Misses {
    pid_t pid;
    clockid_t clock;
    bool has_clock;
    GHashTable *counters;       /* thread number -> Counter */
    char *problem;              /* why there are none */
    uint64_t looked_ns, read_ns, cpu_ns;
    MissesRates rates;
};

static void counter_free(gpointer data)
{
    Counter *counter = data;

    close(counter->fd);
    g_free(counter);
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

static int counter_open(int tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_CACHE_MISSES,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };

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

/* Give all up: counts of some vCPUs only would be worse than none. */
static void give_up(Misses *misses, int error)
{
    misses->problem = open_problem(error);
    g_hash_table_remove_all(misses->counters);
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
    for (guint i = 0; i < threads->len; i++) {
        const int tid = g_array_index(threads, int, i);
        Counter *counter = g_hash_table_lookup(misses->counters, GINT_TO_POINTER(tid));

        if (!counter) {
            const int fd = counter_open(tid);

            if (fd < 0 && errno == ESRCH) {     /* has ended meanwhile */
                continue;
            }
            if (fd < 0) {
                give_up(misses, errno);
                return;
            }
            counter = g_new0(Counter, 1);
            counter->fd = fd;
            g_hash_table_insert(misses->counters, GINT_TO_POINTER(tid), counter);
        }
        counter->found = true;
    }
    g_hash_table_foreach_remove(misses->counters, was_not_found, NULL);
}

/* Misses since the last call. */
static double counter_step(Counter *counter)
{
    const Count last = counter->last;
    Count now;

    if (read(counter->fd, &now, sizeof(now)) != sizeof(now) || now.running_ns <= last.running_ns) {
        return 0;
    }
    counter->last = now;
    return (double)(now.value - last.value) * (double)(now.enabled_ns - last.enabled_ns) /
           (double)(now.running_ns - last.running_ns);
}

static double count_misses(Misses *misses)
{
    GHashTableIter iter;
    gpointer value;
    double sum = 0;

    g_hash_table_iter_init(&iter, misses->counters);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        sum += counter_step(value);
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

Misses *misses_new(pid_t pid)
{
    Misses *misses = g_new0(Misses, 1);

    misses->pid = pid;
    misses->has_clock = clock_getcpuclockid(pid, &misses->clock) == 0;
    misses->counters = g_hash_table_new_full(NULL, NULL, NULL, counter_free);
    misses->rates = (MissesRates) { .accesses_per_s = NAN, .busy = NAN };
    return misses;
}

void misses_free(Misses *misses)
{
    if (!misses) {
        return;
    }
    g_hash_table_unref(misses->counters);
    g_free(misses->problem);
    g_free(misses);
}

MissesRates misses_read(Misses *misses, uint64_t now_ns)
{
    const bool first = misses->read_ns == 0;
    const double seconds = (double)(now_ns - misses->read_ns) / 1e9;
    uint64_t cpu_ns = misses->cpu_ns;
    double count;

    if (!first && now_ns <= misses->read_ns) {
        return misses->rates;
    }
    if (!misses->problem && (first || now_ns - misses->looked_ns >= LOOK_NS)) {
        look_for_threads(misses);
        misses->looked_ns = now_ns;
    }
    count = count_misses(misses);
    if (!cpu_time(misses, &cpu_ns)) {
        misses->rates.busy = NAN;
    } else if (!first && cpu_ns >= misses->cpu_ns) {
        smooth(&misses->rates.busy, (double)(cpu_ns - misses->cpu_ns) / 1e9 / seconds, seconds);
    }
    if (misses->problem) {
        misses->rates.accesses_per_s = NAN;
    } else if (!first) {
        smooth(&misses->rates.accesses_per_s, count / seconds, seconds);
    }
    misses->rates.problem = misses->problem;
    misses->cpu_ns = cpu_ns;
    misses->read_ns = now_ns;
    return misses->rates;
}
