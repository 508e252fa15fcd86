/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs that have most of the memory, and at which addresses.
 */
#ifndef TIER_HINT_PROGRAMS_H
#define TIER_HINT_PROGRAMS_H

#include <glib.h>
#include <stdint.h>

/*
 * The addresses that a process uses, by the text of its /proc/PID/maps, in whole blocks of 2 MiB, as DamonRange: what
 * lies in neighbouring blocks is one. What is only reserved, and where less than a block is used, is left out. To be
 * freed.
 */
GArray *programs_ranges(const char *maps);

/*
 * Of the processes in @proc ("/proc", or a test's folder) those with @least_bytes of memory or more, the largest
 * first, at most @most, as DamonTarget. To be freed.
 */
GArray *programs_find(const char *proc, uint64_t least_bytes, guint most);

/* The memory that @programs (of DamonTarget) have now, in bytes. */
uint64_t programs_bytes(const char *proc, const GArray *programs);

#endif /* TIER_HINT_PROGRAMS_H */
