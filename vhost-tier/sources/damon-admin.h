/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON for many VMs: the host has one list of kdamonds, so one kdamond of ours watches all VMs, as its
 * targets.
 *
 * It is started with the first watch and given back with the last. Each watch that comes or goes restarts it,
 * since targets can't be changed while it runs on every kernel; DAMON then begins to refine its regions anew,
 * which takes about a second. Where it monitors physical memory only, it is also restarted for each turn
 * (damon-pages.h). All functions may be called from any thread.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_ADMIN_H
#define VHOST_TIER_SOURCES_DAMON_ADMIN_H

#include "damon-sysfs.h"
#include "damon-trace.h"
#include "vm/region.h"

typedef struct DamonWatch DamonWatch;

/*
 * Watch @regions (of Region, ascending by address, not empty, all of one process), which need to be valid
 * during the call only. NULL, with an error, when DAMON can't be had.
 */
DamonWatch *damon_watch_new(const GArray *regions, const DamonAttrs *attrs, GError **errp);
void damon_watch_free(DamonWatch *watch);

/*
 * What was found for this watch since the last call, into @found (of DamonFound, emptied first). False, with
 * an error, when the kdamond has ended.
 */
bool damon_watch_take(DamonWatch *watch, GArray *found, GError **errp);

/* Whether DAMON can be had for one of ours; takes and gives it back if it is not in use. */
bool damon_admin_try(DamonOps ops, GError **errp);

/*
 * Whether processes' pagemaps will be needed (for which capabilities must be kept), as DAMON monitors
 * physical memory only; false as well when it can't be had. To be called while it is not in use. @ops is as
 * for damon_ops_parse().
 */
bool damon_admin_needs_pagemaps(const char *ops);

/* CPU time of the kdamond since the daemon's start, and the number of watches that share it. */
uint64_t damon_admin_cpu_ns(unsigned *n_watches);

#endif /* VHOST_TIER_SOURCES_DAMON_ADMIN_H */
