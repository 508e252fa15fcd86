/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a read from a tier's memory takes that misses the caches, as this moment's load lets it.
 *
 * On each node of the tier lies a chain of pointers through some pages, in random order, of which a part is followed:
 * each read needs the one before it, so that nothing is done ahead. What was read is flushed from the caches, so a
 * chain of 256 KiB does where one that no cache can hold would take a good part of a GiB.
 */
#ifndef VHOST_TIER_MACHINE_CHASE_H
#define VHOST_TIER_MACHINE_CHASE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "topology.h"

typedef struct Chase Chase;

/*
 * Chains on those nodes of @tier that have pages for us. NULL, with an error, when none has, or this is no processor
 * whose caches we know how to flush. A full node is not made to give up what others have.
 */
Chase *chase_new(const TopologyTier *tier, GError **errp);
void chase_free(Chase *chase);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chase, chase_free)

/*
 * Whether all chains still lie where they were made: a node that goes offline has its pages moved elsewhere. Looks at a
 * few pages of each, with each call at the next.
 */
bool chase_in_place(Chase *chase);

/*
 * Nanoseconds that a read takes: on each node the median of CHASE_PARTS short runs, so that one in which we were
 * preempted does not count; of the nodes, the mean. At least 1. Takes CHASE_READS reads a node and as many flushes,
 * some 50 us.
 */
uint32_t chase_ns(Chase *chase);

#define CHASE_PARTS 9
#define CHASE_PART_READS 32
#define CHASE_READS (CHASE_PARTS * CHASE_PART_READS)

#endif /* VHOST_TIER_MACHINE_CHASE_H */
