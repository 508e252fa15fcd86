/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's memory as tiers of NUMA nodes, from sysfs.
 *
 * Where from: Documentation/ABI/stable/sysfs-devices-node (meminfo, cpulist, accessN/initiators/) and
 * Documentation/ABI/testing/sysfs-kernel-mm-memory-tiers of Linux.
 */
#include "topology.h"

#include <errno.h>
#include <string.h>

#include "sysfs.h"

/* Nodes belong to one tier as long as their latency is less than this times that of the tier's fastest. */
#define SAME_TIER_LATENCY_RATIO 1.25

typedef struct NodeInfo {
    unsigned node;
    uint64_t total_bytes;
    uint32_t latency_ns; /* of a read by the nearest CPU; 0: not known */
    uint32_t bandwidth_mbps;
    bool has_cpu;
    unsigned rank; /* of its tier; equal ranks are one tier, smaller is faster */
} NodeInfo;

static void nodes_add(uint64_t *nodes, unsigned node)
{
    nodes[node / 64] |= 1ull << (node % 64);
}

static bool nodes_have(const uint64_t *nodes, unsigned node)
{
    return node < TIER_MAX_NODES && (nodes[node / 64] >> (node % 64) & 1);
}

bool node_list_parse(const char *text, uint64_t *nodes, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    memset(nodes, 0, TIER_NODE_WORDS * sizeof(*nodes));
    for (char **part = parts; *part; part++) {
        g_auto(GStrv) ends = g_strsplit(g_strstrip(*part), "-", 2);
        guint64 first = 0, last = 0;

        if (!ends[0] || !g_ascii_string_to_unsigned(ends[0], 10, 0, TIER_MAX_NODES - 1, &first, NULL) ||
            (ends[1] && !g_ascii_string_to_unsigned(ends[1], 10, first, TIER_MAX_NODES - 1, &last, NULL))) {
            g_set_error(
                errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                "'%s' is no list of NUMA nodes: '%s' should be a number from 0 to %d or a range such as 0-3",
                text, *part, TIER_MAX_NODES - 1);
            return false;
        }
        for (guint64 node = first; node <= (ends[1] ? last : first); node++) {
            nodes_add(nodes, node);
        }
    }
    return true;
}

char *node_list_format(const uint64_t *nodes)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        unsigned last = node;

        if (!nodes_have(nodes, node)) {
            continue;
        }
        while (nodes_have(nodes, last + 1)) {
            last++;
        }
        g_string_append_printf(text, "%s%u", text->len ? "," : "", node);
        if (last > node) {
            g_string_append_printf(text, "-%u", last);
        }
        node = last;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The bytes of one line of a node's meminfo, such as "Node 0 MemTotal:  4942036 kB". */
static bool meminfo_field(const char *meminfo, const char *field, uint64_t *bytes)
{
    g_autofree char *label = g_strdup_printf(" %s:", field);
    const char *at = strstr(meminfo, label);
    char *end;
    guint64 kib;

    if (!at) {
        return false;
    }
    errno = 0;
    kib = g_ascii_strtoull(at + strlen(label), &end, 10);
    if (errno || end == at + strlen(label) || kib > G_MAXUINT64 / 1024) {
        return false;
    }
    *bytes = kib * 1024;
    return true;
}

bool topology_node_memory(const char *sysfs, unsigned node, uint64_t *total_bytes, uint64_t *free_bytes)
{
    g_autofree char *meminfo = sysfs_read(sysfs, NULL, "devices/system/node/node%u/meminfo", node);

    return meminfo && meminfo_field(meminfo, "MemTotal", total_bytes) &&
           meminfo_field(meminfo, "MemFree", free_bytes);
}

/*
 * A figure of the HMAT's, as seen from the nearest CPU (access class 1), else from the nearest initiator of
 * any kind.
 */
static uint32_t hmat_figure(const char *sysfs, unsigned node, const char *name)
{
    for (int class = 1; class >= 0; class --) {
        uint64_t value;

        if (sysfs_read_u64(sysfs, &value, NULL, "devices/system/node/node%u/access%d/initiators/%s", node,
                           class, name) &&
            value <= UINT32_MAX) {
            return value;
        }
    }
    return 0;
}

/*
 * All nodes that have memory, ascending; an array of NodeInfo. NULL, with an error, when sysfs lists no
 * nodes.
 */
static GArray *nodes_with_memory(const char *sysfs, GError **errp)
{
    g_autofree char *folder = g_build_filename(sysfs, "devices/system/node", NULL);
    g_autoptr(GArray) nodes = g_array_new(FALSE, TRUE, sizeof(NodeInfo));
    g_autofree char *online = sysfs_read(sysfs, errp, "devices/system/node/online");
    uint64_t set[TIER_NODE_WORDS];

    if (!online || !node_list_parse(online, set, errp)) {
        g_prefix_error(errp, "no NUMA nodes found (is sysfs mounted, and the kernel built with NUMA?): ");
        return NULL;
    }
    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        g_autofree char *cpus = NULL;
        NodeInfo info = {.node = node};
        uint64_t unused;

        if (!nodes_have(set, node) || !topology_node_memory(sysfs, node, &info.total_bytes, &unused) ||
            info.total_bytes == 0) {
            continue;
        }
        cpus = sysfs_read(sysfs, NULL, "devices/system/node/node%u/cpulist", node);
        info.has_cpu = cpus && cpus[0];
        info.latency_ns = hmat_figure(sysfs, node, "read_latency");
        info.bandwidth_mbps = hmat_figure(sysfs, node, "read_bandwidth");
        g_array_append_val(nodes, info);
    }
    if (nodes->len == 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no NUMA node with memory under %s", folder);
        return NULL;
    }
    return g_steal_pointer(&nodes);
}

static bool ranks_differ(const GArray *nodes)
{
    for (guint i = 1; i < nodes->len; i++) {
        if (g_array_index(nodes, NodeInfo, i).rank != g_array_index(nodes, NodeInfo, 0).rank) {
            return true;
        }
    }
    return false;
}

/*
 * Rank by the kernel's memory tiers: memory_tierN holds nodes of abstract distance N * 2^7.., so a smaller N
 * is faster. False when they don't tell the nodes apart, or leave one out.
 */
static bool rank_by_memory_tiers(const char *sysfs, GArray *nodes)
{
    g_autofree char *folder = g_build_filename(sysfs, "devices/virtual/memory_tiering", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint ranked = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *list = NULL;
        uint64_t set[TIER_NODE_WORDS];
        guint64 number;

        if (!g_str_has_prefix(name, "memory_tier") ||
            !g_ascii_string_to_unsigned(name + strlen("memory_tier"), 10, 0, UINT32_MAX, &number, NULL)) {
            continue;
        }
        list = sysfs_read(sysfs, NULL, "devices/virtual/memory_tiering/%s/nodelist", name);
        if (!list || !node_list_parse(list, set, NULL)) {
            g_message("%s/%s/nodelist does not hold a list of nodes: ignored", folder, name);
            continue;
        }
        for (guint i = 0; i < nodes->len; i++) {
            NodeInfo *info = &g_array_index(nodes, NodeInfo, i);

            if (nodes_have(set, info->node)) {
                info->rank = number;
                ranked++;
            }
        }
    }
    return ranked == nodes->len && ranks_differ(nodes);
}

static int by_latency(const void *a, const void *b)
{
    const NodeInfo *x = a, *y = b;

    return x->latency_ns != y->latency_ns ? (x->latency_ns > y->latency_ns) - (x->latency_ns < y->latency_ns)
                                          : (x->node > y->node) - (x->node < y->node);
}

/*
 * Rank by the HMAT's read latency: a clear step begins a new tier. False when a node's is not known, or there
 * is no step.
 */
static bool rank_by_hmat(GArray *nodes)
{
    uint32_t fastest = 0;
    unsigned rank = 0;

    g_array_sort(nodes, by_latency);
    for (guint i = 0; i < nodes->len; i++) {
        NodeInfo *info = &g_array_index(nodes, NodeInfo, i);

        if (info->latency_ns == 0) {
            return false;
        }
        if (fastest && info->latency_ns >= fastest * SAME_TIER_LATENCY_RATIO) {
            rank++;
        }
        if (!fastest || rank != g_array_index(nodes, NodeInfo, i - 1).rank) {
            fastest = info->latency_ns;
        }
        info->rank = rank;
    }
    return ranks_differ(nodes);
}

/* Nodes without CPUs are the slower tier. False when there are none, or no others. */
static bool rank_by_cpus(GArray *nodes)
{
    for (guint i = 0; i < nodes->len; i++) {
        NodeInfo *info = &g_array_index(nodes, NodeInfo, i);

        info->rank = info->has_cpu ? 0 : 1;
    }
    return ranks_differ(nodes);
}

static void tier_add_node(TopologyTier *tier, const NodeInfo *info)
{
    nodes_add(tier->nodes, info->node);
    tier->total_bytes += info->total_bytes;
    tier->bandwidth_mbps += info->bandwidth_mbps;
    if (info->latency_ns && (!tier->latency_ns || info->latency_ns < tier->latency_ns)) {
        tier->latency_ns = info->latency_ns;
    }
}

static int by_rank(const void *a, const void *b)
{
    const NodeInfo *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

static Topology *topology_of_ranks(GArray *nodes, const char *origin)
{
    Topology *topology = g_new0(Topology, 1);

    g_array_sort(nodes, by_rank);
    for (guint i = 0; i < nodes->len; i++) {
        const NodeInfo *info = &g_array_index(nodes, NodeInfo, i);
        bool first_of_tier = i == 0 || info->rank != g_array_index(nodes, NodeInfo, i - 1).rank;

        if (first_of_tier && topology->n_tiers < TIER_MAX_TIERS) {
            topology->n_tiers++;
        }
        tier_add_node(&topology->tiers[topology->n_tiers - 1], info);
    }
    topology->origin = g_strdup(origin);
    return topology;
}

Topology *topology_discover(const char *sysfs, GError **errp)
{
    g_autoptr(GArray) nodes = nodes_with_memory(sysfs, errp);

    if (!nodes) {
        return NULL;
    }
    if (rank_by_memory_tiers(sysfs, nodes)) {
        return topology_of_ranks(nodes, "memory tiers");
    }
    if (rank_by_hmat(nodes)) {
        return topology_of_ranks(nodes, "HMAT");
    }
    if (rank_by_cpus(nodes)) {
        return topology_of_ranks(nodes, "nodes without CPUs");
    }
    return topology_of_ranks(nodes, nodes->len == 1 ? "one node" : "one tier");
}

/* Give the nodes of @list the rank @rank. UINT_MAX marks a node that has none yet. */
static bool rank_by_list(GArray *nodes, const char *list, unsigned rank, GError **errp)
{
    uint64_t set[TIER_NODE_WORDS];

    if (!node_list_parse(list, set, errp)) {
        return false;
    }
    if (!list[strspn(list, " ")]) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "tier %u names no NUMA node", rank);
        return false;
    }
    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        NodeInfo *info = NULL;

        if (!nodes_have(set, node)) {
            continue;
        }
        for (guint i = 0; i < nodes->len && !info; i++) {
            if (g_array_index(nodes, NodeInfo, i).node == node) {
                info = &g_array_index(nodes, NodeInfo, i);
            }
        }
        if (!info) {
            g_set_error(
                errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                "tier %u ('%s'): NUMA node %u does not exist or has no memory; 'numactl -H' lists those that do",
                rank, list, node);
            return false;
        }
        if (info->rank != UINT_MAX) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "tier %u ('%s'): NUMA node %u belongs to tier %u already; tiers must not overlap",
                        rank, list, node, info->rank);
            return false;
        }
        info->rank = rank;
    }
    return true;
}

Topology *topology_from_config(const char *sysfs, const char *const *tiers, GError **errp)
{
    g_autoptr(GArray) nodes = nodes_with_memory(sysfs, errp);
    unsigned n_tiers = tiers ? g_strv_length((char **)tiers) : 0;

    if (!nodes) {
        return NULL;
    }
    if (n_tiers < 1 || n_tiers > TIER_MAX_TIERS) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%u tiers are named; 1 to %d are allowed",
                    n_tiers, TIER_MAX_TIERS);
        return NULL;
    }
    for (guint i = 0; i < nodes->len; i++) {
        g_array_index(nodes, NodeInfo, i).rank = UINT_MAX;
    }
    for (unsigned rank = 0; rank < n_tiers; rank++) {
        if (!rank_by_list(nodes, tiers[rank], rank, errp)) {
            return NULL;
        }
    }
    for (guint i = nodes->len; i > 0; i--) {
        if (g_array_index(nodes, NodeInfo, i - 1).rank == UINT_MAX) {
            g_array_remove_index(nodes, i - 1);
        }
    }
    return topology_of_ranks(nodes, "configuration");
}

void topology_free(Topology *topology)
{
    if (topology) {
        g_free(topology->origin);
        g_free(topology);
    }
}

int topology_tier_of_node(const Topology *topology, unsigned node)
{
    for (unsigned tier = 0; tier < topology->n_tiers; tier++) {
        if (nodes_have(topology->tiers[tier].nodes, node)) {
            return tier;
        }
    }
    return -1;
}
