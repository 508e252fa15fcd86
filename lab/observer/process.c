/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that the observer starts; see process.h.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>

#define LOG_TAIL 800    /* bytes of its output that an error shows */

/* In the child, between fork and exec: system calls only. @cpu is the CPU plus one. */
static void in_child(gpointer cpu)
{
    cpu_set_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cpu) {
        CPU_ZERO(&set);
        CPU_SET(GPOINTER_TO_INT(cpu) - 1, &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
}

Process *process_start(const char *name, char **argv, int cpu, int fd, const char *log, GError **errp)
{
    const int sources[] = {fd}, targets[] = {3};
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    Process *process;
    GPid pid;
    bool started;

    if (out < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot write %s: %s", log, g_strerror(errno));
        return NULL;
    }
    started = g_spawn_async_with_pipes_and_fds(
        NULL, (const char *const *)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, in_child,
        GINT_TO_POINTER(cpu + 1), -1, out, out, sources, targets, fd >= 0, &pid, NULL, NULL, NULL, errp);
    close(out);
    if (!started) {
        g_prefix_error(errp, "cannot start %s: ", name);
        return NULL;
    }
    process = g_new0(Process, 1);
    process->name = g_strdup(name);
    process->log = g_strdup(log);
    process->pid = pid;
    return process;
}

void process_free(Process *process)
{
    if (process) {
        process_stop(process, SIGKILL);
        g_free(process->name);
        g_free(process->log);
        g_free(process);
    }
}

static char *log_tail(const Process *process)
{
    char *text = NULL, *tail;
    gsize length = 0;

    if (!g_file_get_contents(process->log, &text, &length, NULL)) {
        return g_strdup("");
    }
    tail = g_utf8_make_valid(length > LOG_TAIL ? text + length - LOG_TAIL : text, -1);
    g_free(text);
    return tail;
}

bool process_check(Process *process, GError **errp)
{
    g_autofree char *tail = NULL;
    int status;

    if (process->pid && waitpid(process->pid, &status, WNOHANG) == 0) {
        return true;
    }
    tail = log_tail(process);
    if (!process->pid) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s has ended", process->name);
    } else if (WIFEXITED(status)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s ended with exit code %d; its last words: %s",
                    process->name, WEXITSTATUS(status), tail);
    } else {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s was ended by signal %d (%s); its last words: %s",
                    process->name, WTERMSIG(status), strsignal(WTERMSIG(status)), tail);
    }
    process->pid = 0;
    return false;
}

int process_stop(Process *process, int signal)
{
    gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    int status = 0;

    if (!process->pid) {
        return 0;
    }
    kill(process->pid, signal);
    while (waitpid(process->pid, &status, WNOHANG) == 0) {
        if (g_get_monotonic_time() > until) {
            kill(process->pid, SIGKILL);
        }
        g_usleep(10 * 1000);
    }
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* CPU time from /proc/PID/stat, where its name begins with @prefix. */
static uint64_t stat_cpu_ns(const char *pid, const char *prefix)
{
    g_autofree char *path = g_build_filename("/proc", pid, "stat", NULL), *text = NULL;
    /* behind the name, which may hold spaces: state is the first, utime the 12th */
    g_auto(GStrv) fields = NULL;
    const char *name, *rest;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return 0;
    }
    name = strchr(text, '(');
    rest = strrchr(text, ')');
    if (!name || !rest || !g_str_has_prefix(name + 1, prefix) || rest[1] != ' ') {
        return 0;
    }
    fields = g_strsplit(rest + 2, " ", -1);
    if (g_strv_length(fields) < 13) {
        return 0;
    }
    return (g_ascii_strtoull(fields[11], NULL, 10) + g_ascii_strtoull(fields[12], NULL, 10)) *
           (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t process_cpu_ns(GPid pid)
{
    g_autoptr(GDir) proc = NULL;
    const char *name;
    uint64_t sum = 0;

    if (pid) {
        g_autofree char *text = g_strdup_printf("%d", pid);

        return stat_cpu_ns(text, "");
    }
    proc = g_dir_open("/proc", 0, NULL);
    while (proc && (name = g_dir_read_name(proc))) {
        if (g_ascii_isdigit(*name)) {
            sum += stat_cpu_ns(name, "kdamond");
        }
    }
    return sum;
}
