/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which memory the host has, as tiers of NUMA nodes, the fastest first.
 */
#ifndef VHOST_TIER_MACHINE_TOPOLOGY_H
#define VHOST_TIER_MACHINE_TOPOLOGY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "tier-channel.h"

typedef struct TopologyTier {
    uint64_t nodes[TIER_NODE_WORDS]; /* bit n: NUMA node n */
    uint32_t latency_ns;             /* of a read, from HMAT; 0: not known */
    uint32_t bandwidth_mbps;         /* of reads, from HMAT; 0: not known */
    uint64_t total_bytes;
} TopologyTier;

typedef struct Topology {
    uint32_t n_tiers; /* 1..TIER_MAX_TIERS; more are merged into the last */
    TopologyTier tiers[TIER_MAX_TIERS];
    /*
     * How it was found: "memory tiers", "HMAT", "nodes without CPUs", "configuration", "one node", "one
     * tier".
     */
    char *origin;
} Topology;

/*
 * Find the host's tiers under @sysfs ("/sys", or a recorded tree): the kernel's memory tiers where they tell
 * nodes apart, else HMAT latencies, else nodes without CPUs, else one tier. Nodes without memory are left
 * out. Never fails where /sys can be read; the caller frees it with topology_free().
 */
Topology *topology_discover(const char *sysfs, GError **errp);

/*
 * The tiers that the configuration names: @tiers is a list of node lists, the fastest first ("0-1", "2").
 * Errors: a list that does not parse, a node that does not exist or has no memory, tiers that overlap, too
 * many tiers.
 */
Topology *topology_from_config(const char *sysfs, const char *const *tiers, GError **errp);

void topology_free(Topology *topology);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Topology, topology_free)

/* The tier of a node, or -1. */
int topology_tier_of_node(const Topology *topology, unsigned node);

/* Bytes of memory that a node has, and has free, now; false when there is no such node. */
bool topology_node_memory(const char *sysfs, unsigned node, uint64_t *total_bytes, uint64_t *free_bytes);

/* Parse and print node lists as the kernel writes them ("0-3,8"). @nodes has TIER_NODE_WORDS words. */
bool node_list_parse(const char *text, uint64_t *nodes, GError **errp);
char *node_list_format(const uint64_t *nodes);

#endif /* VHOST_TIER_MACHINE_TOPOLOGY_H */
