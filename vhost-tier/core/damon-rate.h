/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a region of DAMON's tells, as evidence of a rate.
 */
#ifndef VHOST_TIER_CORE_DAMON_RATE_H
#define VHOST_TIER_CORE_DAMON_RATE_H

#include "policy.h"

/*
 * The rate that a DAMON region tells of: of @max samples of @sample_ns, each of one page chosen at
 * random, @hits found the page accessed within it. With accesses at random times the share of hits is 1 -
 * exp(-rate * sample). A full count is taken as half a hit less than full, since it has no rate of its
 * own. Accesses per second and page.
 */
double damon_rate_per_s(unsigned hits, unsigned max, uint64_t sample_ns);

/*
 * How long each page of a region of @pages was observed in an aggregation of @aggr_ns, in which one page
 * at a time spoke for all: at least 1 ns.
 */
uint64_t damon_exposure_ns(uint64_t aggr_ns, uint64_t pages);

/*
 * Give @policy as evidence that the @n granules from @first of its region @region, of @granule_bytes
 * each, were accessed @per_s times a second on average, by a DAMON region that tells of @pages pages at
 * once.
 *
 * What is said of many pages says little of one that differs from them, and saying it again makes it no
 * truer. So where another source looks at single pages (in a block of 2 MiB, within DAMON_OTHERS_NS) it
 * is left out.
 */
#define DAMON_OTHERS_NS 60000000000ull
void damon_report(Policy *policy, uint32_t region, size_t first, size_t n, uint32_t granule_bytes,
                  double per_s, uint64_t pages, uint64_t aggr_ns, uint64_t now_ns);

#endif /* VHOST_TIER_CORE_DAMON_RATE_H */
