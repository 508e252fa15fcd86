/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an access to each tier takes now, under whatever load there is: measured once a second, for as long as the
 * daemon runs.
 *
 * Theory of operation
 *
 * Memory channels that are loaded answer later, and those of tier 0 are what all VMs and the host load most. Where its
 * latency comes to that of tier 1, promoting more makes all slower (core/balance.h); nobody can tell but by measuring.
 *
 * A thread follows a chain of pointers through some pages of each tier (chase.h), LATENCY_EVERY_NS apart, and never so
 * often that it would take more than LATENCY_COST of a CPU: on an emulated host, where it takes a thousand times
 * longer, it measures as much more seldom. What it finds goes through latency-filter.h; each VM looks at the outcome
 * when it plans (facts_costs_of()). A read is what it costs a CPU that happens to run the thread; VMs that are bound to
 * another socket may see something else.
 *
 * Where the pages of a tier can't be had (it is full, offline, or left out of the daemon's cpuset) or have been taken
 * elsewhere, latencies are those that were known at start until they can, which is tried every LATENCY_RETRY_NS.
 */
#ifndef VHOST_TIER_MACHINE_LATENCY_WATCH_H
#define VHOST_TIER_MACHINE_LATENCY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "latency-filter.h"
#include "topology.h"

#define LATENCY_EVERY_NS 1000000000ull
#define LATENCY_COST     (1 / 2000.0)           /* of a CPU, at most */
#define LATENCY_RETRY_NS 60000000000ull

typedef struct LatencyWatch LatencyWatch;

/* What is known at some moment. */
typedef struct LatencyView {
    uint32_t used_ns[TIER_MAX_TIERS];           /* what to go by */
    uint32_t now_ns[TIER_MAX_TIERS];            /* as measured lately; 0: not */
    uint32_t idle_ns[TIER_MAX_TIERS];           /* the least that it was; 0: not known */
    bool sees_tiers;                            /* as latency_filter_sees_tiers() */
} LatencyView;

/*
 * Watch the tiers of @topology, which must outlive it; until it is known better their latencies are taken for
 * @start_ns (TIER_MAX_TIERS of them). Does not fail: what can't be measured is told by latency_watch_problem().
 */
LatencyWatch *latency_watch_start(const Topology *topology, const uint32_t *start_ns);
/* Ends the thread and frees all; NULL is ignored. */
void latency_watch_stop(LatencyWatch *watch);

/* Both from any thread. */
void latency_watch_see(LatencyWatch *watch, LatencyView *view);
/* Why 'used_ns' is not what is measured, to be freed; NULL: it is. */
char *latency_watch_problem(LatencyWatch *watch);

/* How long to pause after a round that took @took_ns of a CPU. */
uint64_t latency_watch_pause_ns(uint64_t took_ns);

#endif /* VHOST_TIER_MACHINE_LATENCY_WATCH_H */
