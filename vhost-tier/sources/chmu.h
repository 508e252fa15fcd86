/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'chmu': exact counts of accesses, by the hotness units of CXL memory devices.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_H
#define VHOST_TIER_SOURCES_CHMU_H

#include "chmu-host.h"
#include "source.h"

extern const SourceClass chmu_source_class;

/* The same source, with the units of @host, which must outlive it, in place of this host's; for tests. */
Source *chmu_start_with(ChmuHost *host, const SourceParams *params, Policy *policy);

#endif /* VHOST_TIER_SOURCES_CHMU_H */
