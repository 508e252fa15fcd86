/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hard a process works its memory: CPU time used, and, where the kernel lets us count them, accesses that
 * missed the caches.
 */
#ifndef VHOST_TIER_MISSES_H
#define VHOST_TIER_MISSES_H

#include <stdint.h>
#include <sys/types.h>

typedef struct Misses Misses;

typedef struct MissesRates {
    double accesses_per_s;      /* that missed the last cache, in guest mode, too; NaN: not counted, or not yet */
    double busy;                /* CPU seconds used a second, over all threads; NaN: not known, or not yet */
    const char *problem;        /* why they are not counted; NULL: they are. Valid until the next read */
} MissesRates;

/*
 * Watch the process @pid, which must live, and be held from being another one's number, until misses_free().
 * Counters that can't be had are named by misses_read(), and not asked for again.
 */
Misses *misses_new(pid_t pid);
void misses_free(Misses *misses);

/*
 * What it was lately, some seconds, as of @now_ns (monotonic, rising). To be called about once a second: looks
 * at each counter, and now and then for threads that have come or gone.
 */
MissesRates misses_read(Misses *misses, uint64_t now_ns);

#endif /* VHOST_TIER_MISSES_H */
