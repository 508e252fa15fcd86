/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a region of DAMON's tells; see damon-rate.h.
 */
#include "damon-rate.h"

#include <glib.h>
#include <math.h>

double damon_rate_per_s(unsigned hits, unsigned max, uint64_t sample_ns)
{
    double share = MIN((double)hits, max - 0.5) / max;

    return -log1p(-share) / (sample_ns / 1e9);
}

uint64_t damon_exposure_ns(uint64_t aggr_ns, uint64_t pages)
{
    return MAX(aggr_ns / MAX(pages, 1), 1);
}
