/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON for many VMs: the host has one list of kdamonds, so one kdamond of ours watches all VMs, as its
 * targets.
 *
 * It is started with the first watch and given back with the last. Each watch that comes or goes restarts it,
 * since targets can't be changed while it runs on every kernel; DAMON then begins to refine its regions anew,
 * which takes about a second. All functions may be called from any thread.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_ADMIN_H
#define VHOST_TIER_SOURCES_DAMON_ADMIN_H

#include "damon-sysfs.h"
#include "damon-trace.h"

typedef struct DamonWatch DamonWatch;

/*
 * Watch @ranges (of DamonRange, ascending; a reference is taken) of process @pid. NULL, with an error, when
 * DAMON can't be had.
 */
DamonWatch *damon_watch_new(pid_t pid, GArray *ranges, const DamonAttrs *attrs, GError **errp);
void damon_watch_free(DamonWatch *watch);

/*
 * What was found for this watch since the last call, into @found (of DamonFound, emptied first). False, with
 * an error, when the kdamond has ended.
 */
bool damon_watch_take(DamonWatch *watch, GArray *found, GError **errp);

/* Whether DAMON can be had for one of ours; takes and gives it back if it is not in use. */
bool damon_admin_try(GError **errp);

/* CPU time of the kdamond since the daemon's start, and the number of watches that share it. */
uint64_t damon_admin_cpu_ns(unsigned *n_watches);

#endif /* VHOST_TIER_SOURCES_DAMON_ADMIN_H */
