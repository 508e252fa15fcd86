/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one clock that all of the daemon's times are of.
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

#endif /* VHOST_TIER_CLOCK_H */
