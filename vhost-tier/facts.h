/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon found of its host at start: tiers, costs, usable sources, permissions. Found once,
 * before privileges are dropped, then only read, by any thread. Latencies alone are watched on.
 */
#ifndef VHOST_TIER_FACTS_H
#define VHOST_TIER_FACTS_H

#include <glib.h>
#include <stdbool.h>

#include "conf.h"
#include "core/policy.h"
#include "machine/latency-watch.h"
#include "sources/source.h"
#include "machine/topology.h"

typedef struct FactSource {
    const SourceClass *class;
    bool usable;
    char *problem;              /* why not; NULL when usable */
} FactSource;

typedef struct Facts {
    const Config *config;       /* not owned */
    Topology *topology;
    PolicyCosts costs;          /* as found at start */
    bool costs_measured;        /* all of them, none configured or taken from elsewhere */
    LatencyWatch *latencies;    /* NULL: they are not watched */
    FactSource *sources;
    size_t n_sources;
    char *cannot_move;          /* why no page can be moved by this daemon, and the remedy; NULL: it can */
    uint64_t capacity_bytes;    /* of tier 0 that is shared out */
    uint64_t max_vm_bytes;
} Facts;

/*
 * Look at the host as @config says. Errors only for a configuration that the host does not fit (a node
 * that is not there); whatever else is missing is named in the result and the log, and the daemon does
 * what remains.
 */
Facts *facts_find(const Config *config, GError **errp);
void facts_free(Facts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Facts, facts_free)

/* Watch latencies from now on, unless the configuration has other ideas. Once, when privileges are dropped. */
void facts_watch_latencies(Facts *facts);
/* What is known of them now; of all tiers of the host. Without a watch: what was found at start, and nothing else. */
void facts_latencies(const Facts *facts, LatencyView *view);
/* Why they are not what is measured now, to be freed; NULL: they are. */
char *facts_not_watched(const Facts *facts);

/*
 * Latencies, and all costs as of now, as seen by a VM whose tiers are @topology: those of the host's tier that holds
 * each tier's first node.
 */
void facts_latencies_of(const Facts *facts, const Topology *topology, LatencyView *view);
void facts_costs_of(const Facts *facts, const Topology *topology, PolicyCosts *costs);

#endif /* VHOST_TIER_FACTS_H */
