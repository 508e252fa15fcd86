/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a region of DAMON's tells, as evidence of a rate.
 */
#ifndef VHOST_TIER_CORE_DAMON_RATE_H
#define VHOST_TIER_CORE_DAMON_RATE_H

#include <stdint.h>

/*
 * The rate that a DAMON region tells of: of @max samples of @sample_ns, each of one page chosen at random,
 * @hits found the page accessed within it. With accesses at random times the share of hits is 1 - exp(-rate *
 * sample). A full count is taken as half a hit less than full, since it has no rate of its own. Accesses per
 * second and page.
 */
double damon_rate_per_s(unsigned hits, unsigned max, uint64_t sample_ns);

/*
 * How long each page of a region of @pages was observed in an aggregation of @aggr_ns, in which one page at a
 * time spoke for all: at least 1 ns.
 */
uint64_t damon_exposure_ns(uint64_t aggr_ns, uint64_t pages);

#endif /* VHOST_TIER_CORE_DAMON_RATE_H */
