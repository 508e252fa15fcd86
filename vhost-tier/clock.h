/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clocks that the daemon's times are of: one for when, and one for what something takes.
 */
#ifndef VHOST_TIER_CLOCK_H
#define VHOST_TIER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Now, in nanoseconds of the monotonic clock (g_get_monotonic_time()'s, too). */
static inline uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What this thread has taken of a CPU, in nanoseconds: time in which others had it does not count. */
static inline uint64_t clock_thread_cpu_ns(void)
{
    struct timespec taken;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &taken);
    return (uint64_t)taken.tv_sec * 1000000000u + (uint64_t)taken.tv_nsec;
}

#endif /* VHOST_TIER_CLOCK_H */
