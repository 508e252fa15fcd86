/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workloads: what a guest accesses. A workload sets the rates of its guest's pages, and changes them as time
 * passes. Each is in a file of its own in workloads/, named for a row of docs/results.md's table.
 */
#ifndef VHOST_TIER_SIM_WORKLOAD_H
#define VHOST_TIER_SIM_WORKLOAD_H

#include "machine.h"

typedef struct Workload Workload;
typedef struct WorkloadClass WorkloadClass;

struct WorkloadClass {
    const char *name;
    const char *what;               /* one line, with its source */
    /*
     * @params: 'key=value' pairs, or NULL; unknown keys and values out of range are errors that name them. The
     * workload sets its guest's first rates at once. @seed is its own.
     */
    Workload *(*create)(const char *params, Guest *guest, uint64_t seed, GError **errp);
    /* Change rates as of @now_ns; returns when to be called next (UINT64_MAX: never). */
    uint64_t (*tick)(Workload *workload, uint64_t now_ns);
    void (*destroy)(Workload *workload);
};

struct Workload {
    const WorkloadClass *class;
    Guest *guest;
    uint64_t changed_ns;            /* when its hot set last changed to one that lasts: 'time to 90 %' counts
                                       from here; 0: never */
    const uint32_t *order;          /* the guest's pages in the order of its program's addresses; NULL: the same */
};

extern const WorkloadClass *const workload_classes[];   /* NULL-terminated */
const WorkloadClass *workload_find(const char *name, GError **errp);

#endif /* VHOST_TIER_SIM_WORKLOAD_H */
