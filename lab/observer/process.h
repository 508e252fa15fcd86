/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that the observer starts: pinned to a CPU, its output in a file, and never outliving the
 * observer.
 */
#ifndef LAB_OBSERVER_PROCESS_H
#define LAB_OBSERVER_PROCESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Process {
    char *name;             /* for messages */
    char *log;              /* path of what it printed; appended to */
    GPid pid;               /* 0: it has ended and was waited for */
} Process;

/*
 * Start @argv on CPU @cpu (-1: any) with its output appended to @log. @fd, unless -1, becomes its descriptor
 * 3. Returns NULL, with an error, when it could not be started; process_free() kills and frees it.
 */
Process *process_start(const char *name, char **argv, int cpu, int fd, const char *log, GError **errp);
void process_free(Process *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

/* False when it has ended, with an error that tells how, and the end of its output. */
bool process_check(Process *process, GError **errp);

/*
 * Send @signal and wait, at most 10 s, for its end, then kill it. Returns its exit code, or 128 + the signal
 * that ended it.
 */
int process_stop(Process *process, int signal);

/*
 * CPU time that process @pid (0: all kernel threads named "kdamond...") has used, in nanoseconds; 0 when it
 * has ended.
 */
uint64_t process_cpu_ns(GPid pid);

#endif /* LAB_OBSERVER_PROCESS_H */
