/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon finds of its host at start.
 */
#include "facts.h"

#include <string.h>
#include <unistd.h>

#include "machine/costs.h"
#include "machine/interference.h"
#include "sandbox.h"

#define MIN_RESERVE_BYTES (G_GUINT64_CONSTANT(256) << 20)

/*
 * What the host keeps of tier 0: as configured; a share is at least 256 MiB, but never more than a
 * quarter of a small host's.
 */
static uint64_t reserve_bytes(const ConfigAmount *reserve, uint64_t total)
{
    uint64_t share;

    if (reserve->bytes || reserve->percent <= 0) {
        return MIN(reserve->bytes, total);
    }
    share = (uint64_t)((double)total * reserve->percent / 100);
    return MIN(MAX(share, MIN_RESERVE_BYTES), MAX(share, total / 4));
}

static uint64_t host_bytes(const Topology *topology)
{
    const uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t sum = 0;

    for (uint32_t t = 0; t < topology->n_tiers; t++) {
        sum += topology->tiers[t].total_bytes;
    }
    return MAX(sum, all);
}

static void find_capacity(Facts *facts)
{
    const Config *config = facts->config;
    const uint64_t total = facts->topology->tiers[0].total_bytes ? facts->topology->tiers[0].total_bytes
                                                                 : host_bytes(facts->topology);

    facts->capacity_bytes = config->fast_capacity ? config->fast_capacity
                                                  : total - reserve_bytes(&config->reserve, total);
    facts->max_vm_bytes = config->max_vm_size ? config->max_vm_size : 2 * host_bytes(facts->topology);
}

static bool enabled(const Config *config, const SourceClass *class)
{
    return !config->sources || g_strv_contains((const char *const *)config->sources, class->name);
}

static void find_sources(Facts *facts)
{
    while (source_classes[facts->n_sources]) {
        facts->n_sources++;
    }
    g_assert(facts->n_sources <= 32);   /* VmRegion.tracked has a bit for each */
    facts->sources = g_new0(FactSource, facts->n_sources);
    for (size_t i = 0; i < facts->n_sources; i++) {
        FactSource *source = &facts->sources[i];
        g_autoptr(GError) err = NULL;

        source->class = source_classes[i];
        if (!enabled(facts->config, source->class)) {
            source->problem = g_strdup("not among those that the configuration enables ([sources] enable)");
        } else if (!source->class->probe(&err)) {
            source->problem = g_strdup(err->message);
        } else {
            source->usable = true;
        }
        g_message("source %s: %s", source->class->name, source->usable ? "usable" : source->problem);
    }
}

static bool check_source_names(const Config *config, GError **errp)
{
    for (char **name = config->sources; name && *name; name++) {
        g_autoptr(GString) known = g_string_new(NULL);
        bool found = false;

        for (size_t i = 0; source_classes[i]; i++) {
            found = found || !strcmp(source_classes[i]->name, *name);
            g_string_append_printf(known, "%s%s", i ? ", " : "", source_classes[i]->name);
        }
        if (!found) {
            g_set_error(errp, CONFIG_ERROR, CONFIG_ERROR_VALUE,
                        "configuration: [sources] enable=%s: there is no such source; there are: %s", *name,
                        known->str);
            return false;
        }
    }
    return true;
}

/* Measured, unless the configuration knows better. */
static void find_costs(Facts *facts)
{
    const Config *config = facts->config;
    Costs found = { 0 };

    costs_measure(facts->topology, &found);
    facts->costs = found.policy;
    facts->costs_measured = found.moves_from == COSTS_MEASURED && found.latency_from == COSTS_MEASURED &&
                            !config->latency_ns && !config->move_4k_ns && !config->move_2m_ns;
    for (uint32_t t = 0; t < POLICY_MAX_TIERS; t++) {
        facts->costs.latency_ns[t] = config->latencies[t] ? config->latencies[t] : facts->costs.latency_ns[t];
    }
    facts->costs.move_4k_ns = config->move_4k_ns ? (uint32_t)config->move_4k_ns : facts->costs.move_4k_ns;
    facts->costs.move_2m_ns = config->move_2m_ns ? (uint32_t)config->move_2m_ns : facts->costs.move_2m_ns;
    facts->costs.huge_walk_ns = (uint32_t)config->huge_walk_ns;
    g_message("costs: latencies %s, moves %s: %u ns a page of 4 KiB, %u ns a page of 2 MiB",
              config->latency_ns ? "configured" : costs_origin_name(found.latency_from),
              config->move_4k_ns || config->move_2m_ns ? "configured" : costs_origin_name(found.moves_from),
              facts->costs.move_4k_ns, facts->costs.move_2m_ns);
}

static void warn_of_interference(void)
{
    g_autoptr(GPtrArray) found = interference_of_host("/sys", "/proc");

    for (guint i = 0; i < found->len; i++) {
        const Interference *item = g_ptr_array_index(found, i);

        g_warning("%s; %s", item->what, item->remedy);
    }
}

Facts *facts_find(const Config *config, GError **errp)
{
    g_autoptr(Facts) facts = g_new0(Facts, 1);

    facts->config = config;
    facts->topology = config->tiers ? topology_from_config("/sys", (const char *const *)config->tiers, errp)
                                    : topology_discover("/sys", errp);
    if (!facts->topology || !check_source_names(config, errp)) {
        return NULL;
    }
    for (uint32_t t = 0; t < facts->topology->n_tiers; t++) {
        g_autofree char *nodes = node_list_format(facts->topology->tiers[t].nodes);

        g_message("tier %u: nodes %s, %" G_GUINT64_FORMAT " MiB (found by: %s)", t, nodes,
                  facts->topology->tiers[t].total_bytes >> 20, facts->topology->origin);
    }
    if (facts->topology->n_tiers < 2) {
        g_message(
            "there is one tier of memory, so nothing can move: VMs are observed only; tiers can be named in the "
            "configuration ([host] tiers)");
    }
    find_capacity(facts);
    find_sources(facts);
    find_costs(facts);
    warn_of_interference();
    facts->cannot_move = sandbox_cannot_move();
    if (facts->cannot_move) {
        g_warning("%s", facts->cannot_move);
    }
    return g_steal_pointer(&facts);
}

void facts_free(Facts *facts)
{
    if (!facts) {
        return;
    }
    for (size_t i = 0; i < facts->n_sources; i++) {
        g_free(facts->sources[i].problem);
    }
    g_free(facts->sources);
    latency_watch_stop(facts->latencies);
    g_clear_pointer(&facts->topology, topology_free);
    g_free(facts->cannot_move);
    g_free(facts);
}

static unsigned first_node(const uint64_t *nodes)
{
    unsigned node = 0;

    while (node < TIER_MAX_NODES && !(nodes[node / 64] >> (node % 64) & 1)) {
        node++;
    }
    return node;
}

void facts_watch_latencies(Facts *facts)
{
    if (facts->config->watch_latency && !facts->config->latency_ns) {
        facts->latencies = latency_watch_start(facts->topology, facts->costs.latency_ns);
    }
}

void facts_latencies(const Facts *facts, LatencyView *view)
{
    if (facts->latencies) {
        latency_watch_see(facts->latencies, view);
        return;
    }
    *view = (LatencyView) { 0 };
    memcpy(view->used_ns, facts->costs.latency_ns, sizeof(view->used_ns));
}

char *facts_not_watched(const Facts *facts)
{
    if (facts->latencies) {
        return latency_watch_problem(facts->latencies);
    }
    return g_strdup(facts->config->latency_ns ? "the configuration has them ([costs] latency-ns)"
                                              : "the configuration has switched that off ([costs] watch-latency=no)");
}

void facts_latencies_of(const Facts *facts, const Topology *topology, LatencyView *view)
{
    LatencyView host;

    facts_latencies(facts, &host);
    *view = host;
    for (uint32_t t = 0; t < topology->n_tiers; t++) {
        const int found = topology_tier_of_node(facts->topology, first_node(topology->tiers[t].nodes));
        const uint32_t tier = found >= 0 ? (uint32_t)found : t;

        view->used_ns[t] = host.used_ns[tier];
        view->now_ns[t] = host.now_ns[tier];
        view->idle_ns[t] = host.idle_ns[tier];
    }
}

void facts_costs_of(const Facts *facts, const Topology *topology, PolicyCosts *costs)
{
    LatencyView view;

    *costs = facts->costs;
    facts_latencies_of(facts, topology, &view);
    memcpy(costs->latency_ns, view.used_ns, sizeof(costs->latency_ns));
}
