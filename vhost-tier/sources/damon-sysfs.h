/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON's sysfs interface (Documentation/admin-guide/mm/damon/usage.rst of Linux): one kdamond of ours, its
 * targets, on and off.
 *
 * The list of kdamonds is one for the whole host, and writing its length destroys what is in it. So a list
 * that another user made is never touched. Ours carries a mark, in a field that DAMON does not use as we set
 * it up (the interval of watermarks whose metric is 'none'), so that a daemon knows what an earlier one,
 * which was killed, left behind, and what it had switched off for it.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_SYSFS_H
#define VHOST_TIER_SOURCES_DAMON_SYSFS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct DamonRange {
    uint64_t start, end; /* in the address space of the target's process */
} DamonRange;

/* What DAMON monitors by. */
typedef enum DamonOps {
    DAMON_OPS_AUTO,   /* the first of these that the kernel has */
    DAMON_OPS_FVADDR, /* given addresses of processes */
    DAMON_OPS_VADDR,  /* addresses of processes, which are given here too, and never found anew */
    DAMON_OPS_PADDR,  /* physical addresses */
} DamonOps;

typedef struct DamonTarget {
    pid_t pid;      /* 0: the addresses are physical */
    GArray *ranges; /* of DamonRange, ascending, not overlapping */
} DamonTarget;

typedef struct DamonAttrs {
    DamonOps ops;
    uint64_t sample_us;
    uint64_t aggr_us;
    uint32_t max_regions; /* of all targets together */
} DamonAttrs;

/*
 * Whether DAMON is there and free, or held by what a daemon of ours left. Changes nothing. @sysfs is "/sys",
 * or a test's tree.
 */
bool damon_sysfs_usable(const char *sysfs, GError **errp);

/* "auto" (or NULL), "fvaddr", "vaddr" or "paddr"; false for anything else. */
bool damon_ops_parse(const char *name, DamonOps *ops);

/*
 * Make the list ours, removing what a daemon of ours left, and see that this kernel's DAMON monitors by
 * *@ops. If that was DAMON_OPS_AUTO, it is what to use after that.
 */
bool damon_sysfs_claim(const char *sysfs, DamonOps *ops, GError **errp);

/*
 * Set the kdamond up anew for these targets, and start it. It must not run. Returns its thread's id, or 0
 * with an error.
 */
pid_t damon_sysfs_start(const char *sysfs, const DamonAttrs *attrs, const DamonTarget *targets, size_t n,
                        GError **errp);

/* Whether it runs: it ends by itself when all targets' processes have. */
bool damon_sysfs_running(const char *sysfs);

/* Stop the kdamond, if it is ours; it can be started again. */
bool damon_sysfs_stop(const char *sysfs, GError **errp);

/* Give the list back, empty as it was, and switch on again what was switched off. */
void damon_sysfs_release(const char *sysfs);

#endif /* VHOST_TIER_SOURCES_DAMON_SYSFS_H */
