/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How likely what trials saw is, and the rate that makes it the likeliest.
 */
#ifndef VHOST_TIER_CORE_LIKELY_H
#define VHOST_TIER_CORE_LIKELY_H

#include "trials.h"

/*
 * The chance that a page is untouched for @seconds, of pages whose rates have the mean @per_s and are spread as in a
 * gamma distribution of @shape (Lomax); infinite: they are all alike.
 */
double likely_untouched(double per_s, double shape, double seconds);

/* Any function of a number that has but one hill. */
typedef double LikelyHill(const void *opaque, double at);

/* Where between @low and @high it is the highest, give or take @precision: by golden sections. */
double likely_most(LikelyHill *hill, const void *opaque, double low, double high, double precision);

#endif /* VHOST_TIER_CORE_LIKELY_H */
