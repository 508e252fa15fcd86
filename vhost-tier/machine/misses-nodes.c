/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Near and far reads as accesses by tier; misses-nodes.h has the rules.
 */
#include "misses-nodes.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <string.h>

#include "sysfs.h"

#define FEW_PER_S 1000.0        /* misses that tell nothing: those of a guest that sleeps */
#define MOST      1.25          /* reads by node of all misses, at most; */
#define LEAST     (1 / 32.0)    /* at least: most may have been fetched ahead */
#define NEARLY    (1 / 64.0)    /* of a VM's memory is nothing */

/* The node that is the whole of a tier; -1: it has several. */
static int only_node(const TopologyTier *tier)
{
    int found = -1;

    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        if (tier->nodes[node / 64] >> (node % 64) & 1) {
            if (found >= 0) {
                return -1;
            }
            found = (int)node;
        }
    }
    return found;
}

/* Whether @tid runs nowhere but on @cpus; a thread that has ended does not matter. */
static bool keeps_to(int tid, const uint64_t *cpus)
{
    cpu_set_t allowed;

    if (sched_getaffinity(tid, sizeof(allowed), &allowed) < 0) {
        return errno == ESRCH;
    }
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && (cpu >= TIER_MAX_NODES || !(cpus[cpu / 64] >> (cpu % 64) & 1))) {
            return false;
        }
    }
    return true;
}

char *misses_nodes_problem(const char *sysfs, const Topology *tiers, const GArray *threads)
{
    const int node = only_node(&tiers->tiers[0]);
    uint64_t cpus[TIER_NODE_WORDS] = { 0 };
    g_autofree char *list = NULL;

    if (tiers->n_tiers < 2) {
        return g_strdup("there is one tier");
    }
    if (node < 0) {
        return g_strdup("tier 0 has several nodes, so that near and far do not tell tiers apart");
    }
    list = sysfs_read(sysfs, NULL, "devices/system/node/node%d/cpulist", node);
    if (!list || !*list || !node_list_parse(list, cpus, NULL)) {
        return g_strdup_printf("node %d of tier 0 has no CPUs, so that all reads are far", node);
    }
    for (guint i = 0; i < threads->len; i++) {
        if (!keeps_to(g_array_index(threads, int, i), cpus)) {
            return g_strdup_printf("vCPUs may run elsewhere than on the CPUs of node %d, where reads of tier 0 are "
                                   "far; bind them to %s", node, list);
        }
    }
    return NULL;
}

bool misses_by_tier(const MissesRates *rates, uint64_t fast_bytes, uint64_t slow_bytes, MissesByTier *by_tier,
                    const char **problem)
{
    const double all = rates->accesses_per_s, reads = rates->near_per_s + rates->far_per_s;
    const double slow_part = (double)slow_bytes / ((double)fast_bytes + (double)slow_bytes);
    double far_share;

    *problem = rates->node_problem;
    if (rates->node_problem || !(all >= FEW_PER_S) || isnan(reads)) {
        return false;
    }
    if (!(reads >= LEAST * all && reads <= MOST * all)) {
        *problem = "reads by node and cache misses do not add up, so that it is not these that the processor counts";
        return false;
    }
    far_share = rates->far_per_s / reads;
    if ((slow_part < NEARLY && far_share > 0.5) || (slow_part > 1 - NEARLY && far_share < 0.5)) {
        *problem = "reads by node do not fit where the VM's pages are, so that it is not these that the processor "
                   "counts";
        return false;
    }
    *by_tier = (MissesByTier) { .fast_per_s = all * (1 - far_share), .slow_per_s = all * far_share };
    return true;
}
