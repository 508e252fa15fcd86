/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run of the comparison: the same guest from the same placement with the same DRAM, tiered by nobody, by
 * the kernel's NUMA balancing, by DAMON's schemes, by vhost-tier with access bits alone, or by vhost-tier with all
 * that there is; and what became of it.
 */
#ifndef LAB_OBSERVER_RUN_H
#define LAB_OBSERVER_RUN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What all runs have in common. The guest's working area is 'footprint_bytes'; it may hold 'budget_bytes' of
 * node 0, which is RUN_FAST_SHARE of the footprint and RUN_OTHER_BYTES for what it has besides (firmware, its
 * code, its table of counts: about 250 pages). Every run begins with every fifth page of the working area,
 * and all pages besides, on node 0, the rest on node 1.
 */
typedef struct RunParams {
    const char *qemu, *workload, *daemon;   /* programs */
    const char *pattern;                    /* of the workload, and any options but mb= */
    const char *accel;
    const char *folder;                     /* for sockets and logs */
    uint64_t footprint_bytes;
    unsigned before_s;                      /* observed before tiering is switched on; at least 1 */
    unsigned seconds;                       /* and after; at least 3 */
} RunParams;

#define RUN_FAST_SHARE  0.2
#define RUN_OTHER_BYTES (1u << 20)

uint64_t run_budget(const RunParams *params);

/*
 * NaN: not known. Hit ratios are true ones unless they say 'estimated'; "after" is the last third of the
 * time.
 */
typedef struct RunResult {
    double hit_before, hit_after;
    /* best static placement of the budget, over the time after tiering was switched on */
    double oracle;
    double estimated;           /* by the daemon, in the time of hit_after */
    double accesses_before, accesses_after; /* a second */
    /* from switching on, to 90 % of the way from hit_before to hit_after; NaN: no way was made */
    double seconds_to_90;
    double undone_share;        /* of what was moved after that: back again within 10 s */
    double cpu_share;           /* of one CPU, by the daemon and kdamond, from switching on */
    uint64_t moved_bytes;       /* by the daemon's count; without one, as seen */
    uint64_t fast_bytes;        /* of the guest's memory on node 0 at the end */
} RunResult;

/* Each prints a table as it goes. False with an error when it could not be carried out. */
bool run_none(const RunParams *params, RunResult *result, GError **errp);
bool run_numa_balancing(const RunParams *params, RunResult *result, GError **errp);
bool run_damon(const RunParams *params, RunResult *result, GError **errp);
bool run_access_bits(const RunParams *params, RunResult *result, GError **errp);
bool run_vhost_tier(const RunParams *params, RunResult *result, GError **errp);

#endif /* LAB_OBSERVER_RUN_H */
