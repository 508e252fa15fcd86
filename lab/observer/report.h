/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the runs of the comparison came to: side by side for people, and as JSON.
 */
#ifndef LAB_OBSERVER_REPORT_H
#define LAB_OBSERVER_REPORT_H

#include "run.h"

typedef enum ReportRun {
    REPORT_NONE = 1,
    REPORT_NUMA_BALANCING = 2,
    REPORT_DAMON = 4,
    REPORT_ACCESS_BITS = 8,
    REPORT_VHOST_TIER = 16,
} ReportRun;

typedef struct Report {
    RunResult none, numa_balancing, damon, access_bits, vhost_tier;
    unsigned made;              /* bit REPORT_*: which of them were made */
} Report;

/* Those that were made side by side, and one line that tells the result. */
void report_print(const RunParams *params, const Report *report);
/* Write the JSON to @path; what is not known, or was not run, is null. */
bool report_write(const RunParams *params, const Report *report, const char *path, GError **errp);

#endif /* LAB_OBSERVER_REPORT_H */
