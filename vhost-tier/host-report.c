/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is told of the host: tiers, sources, costs, and what else is at work on this memory.
 */
#include "host-report.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "hint/device.h"
#include "machine/interference.h"

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* "Node 0 MemFree:  1234 kB" of a node's meminfo; 0 where the kernel tells nothing. */
static uint64_t node_free_bytes(unsigned node)
{
    g_autofree char *path = g_strdup_printf("/sys/devices/system/node/node%u/meminfo", node);
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(at = strstr(text, "MemFree:"))) {
        return 0;
    }
    return g_ascii_strtoull(at + strlen("MemFree:"), NULL, 10) * 1024;
}

static uint64_t free_bytes(const TopologyTier *tier)
{
    uint64_t sum = 0;

    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        if (tier->nodes[node / 64] >> (node % 64) & 1) {
            sum += node_free_bytes(node);
        }
    }
    return sum;
}

static JsonArray *tiers_json(const Facts *facts)
{
    const Topology *topology = facts->topology;
    JsonArray *list = json_array_new();
    LatencyView latencies;

    facts_latencies(facts, &latencies);
    for (uint32_t t = 0; t < topology->n_tiers; t++) {
        const TopologyTier *tier = &topology->tiers[t];
        g_autofree char *nodes = node_list_format(tier->nodes);
        JsonObject *entry = json_object_new();

        json_object_set_string_member(entry, "nodes", nodes);
        json_object_set_int_member(entry, "latency_ns", tier->latency_ns);
        json_object_set_int_member(entry, "idle_latency_ns", latencies.idle_ns[t]);
        json_object_set_int_member(entry, "loaded_latency_ns", latencies.now_ns[t]);
        json_object_set_int_member(entry, "bandwidth_mbps", tier->bandwidth_mbps);
        json_object_set_int_member(entry, "total_bytes", (gint64)tier->total_bytes);
        json_object_set_int_member(entry, "free_bytes", (gint64)free_bytes(tier));
        json_array_add_object_element(list, entry);
    }
    return list;
}

static void add_source(JsonArray *list, const char *name, const char *problem)
{
    JsonObject *entry = json_object_new();

    json_object_set_string_member(entry, "name", name);
    json_object_set_boolean_member(entry, "usable", !problem);
    if (problem) {
        json_object_set_string_member(entry, "problem", problem);
    } else {
        json_object_set_null_member(entry, "problem");
    }
    json_array_add_object_element(list, entry);
}

static JsonArray *sources_json(const Facts *facts)
{
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < facts->n_sources; i++) {
        add_source(list, facts->sources[i].class->name, facts->sources[i].problem);
    }
    /* What guests say is no source like the others, but like them there or not. */
    add_source(list, "hint", hint_device_unusable());
    return list;
}

/* Move what @from lists to the end of @to; takes @from. */
static void append_list(JsonArray *to, JsonArray *from)
{
    for (guint i = 0; i < json_array_get_length(from); i++) {
        json_array_add_element(to, json_array_dup_element(from, i));
    }
    json_array_unref(from);
}

/* Floors that are promised to VMs and can't all be kept. */
static Interference *floors_cut(const Host *host)
{
    Interference *item = g_new0(Interference, 1);

    item->what = g_strdup_printf("the floors of all VMs are %" G_GUINT64_FORMAT " MiB together and %" G_GUINT64_FORMAT
                                 " MiB of tier 0 are shared out, so all are cut by the same factor",
                                 host_floors_cut(host) >> 20, host_facts(host)->capacity_bytes >> 20);
    item->remedy = g_strdup("lower them: tierctl set VM --fast-min SIZE");
    return item;
}

/* What else moves memory of VMs, or forbids it: of the host looked at afresh, since anybody may change it. */
static JsonArray *all_interference(Host *host)
{
    g_autoptr(GPtrArray) of_host = interference_of_host("/sys", "/proc");
    g_autoptr(GPtrArray) vms = host_vms(host);
    JsonArray *list;

    if (host_floors_cut(host)) {
        g_ptr_array_add(of_host, floors_cut(host));
    }
    list = interference_json(of_host, NULL);
    for (guint i = 0; i < vms->len; i++) {
        Vm *vm = g_ptr_array_index(vms, i);
        g_autoptr(Snapshot) snapshot = vm_snapshot(vm);
        g_autofree char *prefix = g_strdup_printf("VM '%s': ", vm_name(vm));

        append_list(list, interference_json(snapshot->interference, prefix));
    }
    return list;
}

static JsonObject *costs_json(const Facts *facts)
{
    JsonObject *costs = json_object_new();
    JsonArray *latencies = json_array_new();
    g_autofree char *not_watched = facts_not_watched(facts);
    LatencyView view;

    facts_latencies(facts, &view);
    for (uint32_t t = 0; t < facts->topology->n_tiers; t++) {
        json_array_add_int_element(latencies, view.used_ns[t]);
    }
    json_object_set_array_member(costs, "latency_ns", latencies);
    json_object_set_int_member(costs, "move_4k_ns", facts->costs.move_4k_ns);
    json_object_set_int_member(costs, "move_2m_ns", facts->costs.move_2m_ns);
    json_object_set_boolean_member(costs, "measured", facts->costs_measured);
    json_object_set_boolean_member(costs, "watched", !not_watched);
    if (not_watched) {
        json_object_set_string_member(costs, "not_watched", not_watched);
    } else {
        json_object_set_null_member(costs, "not_watched");
    }
    return costs;
}

/*
 * CPU time of the daemon and of kernel threads that work for it, as a share of one CPU since the
 * daemon's start.
 */
static double cpu_share(Host *host)
{
    const double uptime_s = seconds(CLOCK_MONOTONIC) - host_start_s(host);
    const double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) + (double)host_helpers_cpu_ns(host) / 1e9;

    return uptime_s > 0 ? cpu_s / uptime_s : 0;
}

JsonObject *host_report(Host *host)
{
    const Facts *facts = host_facts(host);
    JsonObject *report = json_object_new();

    json_object_set_string_member(report, "version", VHOST_TIER_VERSION);
    json_object_set_double_member(report, "uptime_s", seconds(CLOCK_MONOTONIC) - host_start_s(host));
    json_object_set_double_member(report, "cpu_share", cpu_share(host));
    json_object_set_array_member(report, "tiers", tiers_json(facts));
    json_object_set_string_member(report, "tiers_origin", facts->topology->origin);
    json_object_set_array_member(report, "sources", sources_json(facts));
    json_object_set_object_member(report, "costs", costs_json(facts));
    json_object_set_array_member(report, "interference", all_interference(host));
    return report;
}
