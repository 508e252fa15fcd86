/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a VM idles, by the CPU time that it uses.
 *
 * Which pages are touched tells the same (activity.h), but later, and takes a while to be sure of it. What is measured
 * until then as if the VM were at work would say that its memory had cooled. CPU time tells with the next look at it: a
 * VM that uses less than half of what it uses when it works has stopped, for a while at least. What it uses when it
 * works is learned within seconds, and forgotten in minutes: who does less for good is at work again then.
 *
 * A VM that begins to work again wakes for a while: what is known of its heat is of before, faded by the time that it
 * idled, and what it does now was not seen yet. Who idles for a moment only does not.
 */
#ifndef VHOST_TIER_CORE_IDLENESS_H
#define VHOST_TIER_CORE_IDLENESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero at first. */
typedef struct Idleness {
    double usual;       /* CPUs in use while it works, lately */
    double idled_s;     /* for how long it idles, or did when it did last; */
    double awake_s;     /* and for how long it has worked since */
} Idleness;

/*
 * The VM used @busy CPUs in the @elapsed_ns since the last call. Returns whether it idles: not where @busy is no number
 * or no time has passed, of which nothing is learned.
 */
bool idleness_note(Idleness *idleness, double busy, uint64_t elapsed_ns);

/*
 * When a VM that is found to idle at @now_ns began to at the earliest, where it is looked at about each @elapsed_ns:
 * when it had worked for half of the time between the two looks before.
 */
static inline uint64_t idleness_since_ns(uint64_t now_ns, uint64_t elapsed_ns)
{
    return now_ns - MIN(elapsed_ns + elapsed_ns / 2, now_ns);
}

/* Whether it has idled for a while, and worked since for less than that: 10 s at most. */
bool idleness_wakes(const Idleness *idleness);

#endif /* VHOST_TIER_CORE_IDLENESS_H */
