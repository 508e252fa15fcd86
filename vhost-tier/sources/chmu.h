/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'chmu': exact counts of accesses, by the hotness units of CXL memory devices.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_H
#define VHOST_TIER_SOURCES_CHMU_H

#include "chmu-host.h"
#include "source.h"

extern const SourceClass chmu_source_class;

/* A process's pagemap with the places of its pages, to be closed: damon_pages_open(). -1 with an error. */
typedef int ChmuPagemap(pid_t pid, int pidfd, GError **errp);

/*
 * The same source, with the units of @host, which must outlive it, in place of this host's, and pagemaps from
 * @pagemap; for tests.
 */
Source *chmu_start_with(ChmuHost *host, ChmuPagemap *pagemap, const SourceParams *params, Policy *policy);

#endif /* VHOST_TIER_SOURCES_CHMU_H */
