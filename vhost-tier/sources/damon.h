/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'damon': access frequencies of address ranges, by Linux's DAMON on QEMU's address space.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_H
#define VHOST_TIER_SOURCES_DAMON_H

#include "source.h"

extern const SourceClass damon_source_class;

/*
 * The rate that a DAMON region tells of: of @max samples of @sample_ns, each of one page chosen at random,
 * @hits found the page accessed within it. With accesses at random times the share of hits is 1 - exp(-rate *
 * sample). A full count is taken as half a hit less than full, since it has no rate of its own. Accesses per
 * second and page.
 */
double damon_rate_per_s(unsigned hits, unsigned max, uint64_t sample_ns);

#endif /* VHOST_TIER_SOURCES_DAMON_H */
