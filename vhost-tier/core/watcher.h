/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching a VM's pages by arming them: the engine behind the sources 'rwp' and 'wp'. sampler.h decides
 * what to arm and when to look, the host arms and looks (WatcherHost), and what is seen goes to the
 * policy. Pure, as all of core/: the simulator gives it a simulated host.
 */
#ifndef VHOST_TIER_CORE_WATCHER_H
#define VHOST_TIER_CORE_WATCHER_H

#include "policy.h"
#include "sampler.h"

typedef enum WatchResult {
    WATCH_OK,
    WATCH_BUSY,     /* of arming alone: not now, try again later */
    WATCH_DEAD,     /* this region can't be watched any more; what was armed there is disarmed */
} WatchResult;

/*
 * What the host does for a watcher. @region is what watcher_region_add() was given; granules
 * first..first+n-1 lie within it.
 */
typedef struct WatcherHost {
    uint64_t (*now_ns)(void *opaque);
    /* Bit i of *@touched: granule first+i was touched since it was armed. @n <= 64. Never WATCH_BUSY. */
    WatchResult (*look)(void *region, size_t first, unsigned n, uint64_t *touched);
    /* Arm, or disarm, which is never WATCH_BUSY. */
    WatchResult (*arm)(void *region, size_t first, size_t n, bool armed);
} WatcherHost;

typedef struct Watcher Watcher;

/*
 * A watcher that reports as @source (POLICY_SOURCE_RWP; or POLICY_SOURCE_WP: touches are writes alone) to
 * @policy, and costs the guest at most @share of its time, at @fault_ns for the first touch of an armed
 * page. @host and @policy must outlive it; @opaque is for host->now_ns().
 */
Watcher *watcher_new(const WatcherHost *host, void *opaque, PolicySource source, Policy *policy,
                     double share, uint64_t fault_ns);
/* Disarms nothing: regions should be removed before. */
void watcher_free(Watcher *watcher);

/*
 * Watch the @n granules of the policy's region @id, each of which costs @faults_per_granule faults when
 * touched. @region is handed to host's functions.
 */
void watcher_region_add(Watcher *watcher, uint32_t id, size_t n, unsigned faults_per_granule, void *region);
/* Nothing of it may be armed any more, or it does not matter. */
void watcher_region_del(Watcher *watcher, uint32_t id);
/* It can't be watched any more, see WATCH_DEAD: it is left alone until it is removed. */
void watcher_region_dead(Watcher *watcher, uint32_t id);

/* The guest keeps so many CPUs busy: guest time passes so much faster. 1 at first. */
void watcher_set_cpus(Watcher *watcher, double cpus);

/* So many looks a second at what was looked at often, rather than SAMPLER_LOOKS_PER_S: for a host of another size. */
void watcher_set_looks(Watcher *watcher, double per_s);

/*
 * Look at what is due, arm what the budget allows; returns when to be called next. When the policy has found that heat
 * has changed (policy_changed_ns()) all is looked at again.
 */
uint64_t watcher_tick(Watcher *watcher, uint64_t now_ns);
/* While paused nothing is armed, and nothing reported. */
void watcher_pause(Watcher *watcher, bool paused);

/* Granule reports given, since the start; and the share of guest time that it cost in the last second. */
uint64_t watcher_reports(const Watcher *watcher);
double watcher_overhead_share(const Watcher *watcher);
/* Bytes that it takes. */
size_t watcher_bytes(const Watcher *watcher);

#endif /* VHOST_TIER_CORE_WATCHER_H */
