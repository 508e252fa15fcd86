/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The truth of a placement, from exact visit counts: the share of accesses that the fast tier served, and the best possible. Pure. */
#ifndef LAB_TRUTH_H
#define LAB_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The share (0..1) of visits to pages of the fast tier, of those between two readings of the counts, modulo 2^32 each. Where
 * a page changed its tier meanwhile, half of its visits are taken for fast. NaN without any visit.
 */
double truth_hit_ratio(const uint32_t *before, const uint32_t *after, const bool *fast_before, const bool *fast_after,
                       size_t pages);
/*
 * The same share if the @fast_pages most visited pages were in the fast tier all along. The counts should cover many visits to
 * a page (a whole phase), else luck is taken for heat.
 */
double truth_oracle(const uint32_t *before, const uint32_t *after, size_t pages, size_t fast_pages);

#endif /* LAB_TRUTH_H */
