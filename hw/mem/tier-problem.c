/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Problems with a daemon, kept and logged at a bounded rate.
 */
#include "qemu/osdep.h"

#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "tier-problem.h"

/* No more are logged in one interval; QMP has all. */
#define MAX_WARNINGS      5
#define WARN_INTERVAL_MS  60000

void tier_problem_set(TierProblem *problem, const char *who, const char *text)
{
    int64_t now_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    g_free(problem->text);
    problem->text = g_strdup(text);
    if (now_ms >= problem->interval_end_ms) {
        problem->interval_end_ms = now_ms + WARN_INTERVAL_MS;
        problem->warnings = 0;
    }
    if (problem->warnings++ < MAX_WARNINGS) {
        warn_report("%s: %s", who, text);
    }
}

void tier_problem_clear(TierProblem *problem)
{
    g_clear_pointer(&problem->text, g_free);
}
