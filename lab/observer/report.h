/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the runs of the comparison came to: side by side for people, and as JSON.
 */
#ifndef LAB_OBSERVER_REPORT_H
#define LAB_OBSERVER_REPORT_H

#include "run.h"

typedef struct Report {
    RunResult none, numa_balancing, vhost_tier;
} Report;

/* The three side by side, and one line that tells the result. */
void report_print(const RunParams *params, const Report *report);
/* Write the JSON to @path; what is not known is null. */
bool report_write(const RunParams *params, const Report *report, const char *path, GError **errp);

#endif /* LAB_OBSERVER_REPORT_H */
