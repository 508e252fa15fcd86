/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a count of near and far reads tells of tiers: where it tells them apart at all, and what accesses to each tier
 * follow from it.
 *
 * Near is the memory of the node that the reading CPU belongs to, far is all else. So they tell tier 0 from the others
 * where tier 0 is one node, and the VM runs on that node's CPUs alone; a slower tier's nodes then are far, whether they
 * have CPUs or not. With two sockets and DRAM on both in tier 0, reads of tier 0 are near or far by chance.
 *
 * Near and far leave out what was fetched ahead, so it is their shares that count; how many accesses there are is what
 * all misses say. Where the two don't fit each other, or where pages are, the processor counts something else, and
 * they are not used.
 */
#ifndef VHOST_TIER_MACHINE_MISSES_NODES_H
#define VHOST_TIER_MACHINE_MISSES_NODES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "misses.h"
#include "topology.h"

/*
 * Why near and far don't tell tiers apart for the @threads (of int) of a VM whose tiers are @tiers, to be freed; NULL:
 * they do. Nodes' CPUs are looked up under @sysfs.
 */
char *misses_nodes_problem(const char *sysfs, const Topology *tiers, const GArray *threads);

/* Accesses a second that miss the caches, to tier 0 and to the others. */
typedef struct MissesByTier {
    double fast_per_s, slow_per_s;
} MissesByTier;

/*
 * What @rates come to for a VM that has @fast_bytes in tier 0 and @slow_bytes elsewhere. False where they tell nothing;
 * then *@problem, which may be NULL for "not yet", says why, and is valid as long as those of @rates.
 */
bool misses_by_tier(const MissesRates *rates, uint64_t fast_bytes, uint64_t slow_bytes, MissesByTier *by_tier,
                    const char **problem);

#endif /* VHOST_TIER_MACHINE_MISSES_NODES_H */
