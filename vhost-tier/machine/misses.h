/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hard a process works its memory: CPU time used, and, where the kernel lets us count them, accesses that
 * missed the caches.
 */
#ifndef VHOST_TIER_MACHINE_MISSES_H
#define VHOST_TIER_MACHINE_MISSES_H

#include <stdint.h>
#include <sys/types.h>

#include "topology.h"

typedef struct Misses Misses;

typedef struct MissesRates {
    double accesses_per_s;      /* that missed the last cache, in guest mode, too; NaN: not counted, or not yet */
    /*
     * reads among them that the CPU's own node served, and that anything else did; what was fetched ahead is not in
     * these. NaN: not counted, or not yet
     */
    double near_per_s, far_per_s;
    double busy;                /* CPU seconds used a second, over all threads; NaN: not known, or not yet */
    double busy_now;            /* the same since the last read alone, in which so much time passed */
    uint64_t elapsed_ns;
    const char *problem;        /* why they are not counted; NULL: they are. Valid until the next read */
    const char *node_problem;   /* the same of near and far */
} MissesRates;

typedef enum MissesEvent {
    MISSES_ALL,
    MISSES_NEAR,
    MISSES_FAR,
    MISSES__MAX,
} MissesEvent;

/*
 * Opens a counter of @event for thread @tid, of which read(2) gives three u64: value, and the nanoseconds that it was
 * wanted and running for. -1 with errno where it can't be had.
 */
typedef int (*MissesOpen)(int tid, MissesEvent event);

/*
 * Watch the process @pid, which must live, and be held from being another one's number, until misses_free(). Near and
 * far are counted where they tell the tiers of @tiers apart (misses-nodes.h). Counters that can't be had are named by
 * misses_read(), and not asked for again.
 */
Misses *misses_new(pid_t pid, const Topology *tiers);
/* The same with counters and a /sys of a test's own. */
Misses *misses_new_of(pid_t pid, const Topology *tiers, const char *sysfs, MissesOpen open_counter);
void misses_free(Misses *misses);

/*
 * What it was lately, some seconds, as of @now_ns (monotonic, rising). To be called about once a second: looks
 * at each counter, and now and then for threads that have come or gone.
 */
MissesRates misses_read(Misses *misses, uint64_t now_ns);

#endif /* VHOST_TIER_MACHINE_MISSES_H */
