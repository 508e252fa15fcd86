/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a block of 2 MiB should be one huge page: what its place in tier 0 is worth as one, and page by
 * page.
 *
 * Theory of operation
 *
 * A place in tier 0 is worth it for a page that is touched more often than the threshold, which is what the
 * pages that must make room for it are worth. As one, all pages of a block go there or none: the block is
 * worth max(sum(rate - threshold), 0). Page by page only those that deserve it go: sum(max(rate - threshold,
 * 0)). The latter is never less, and equal where all pages are used alike: the difference is what the skew
 * costs, in touches a second, and times the latencies' difference and the heat's life, in nanoseconds.
 *
 * Against that stands what a huge page saves in the same time: 511 of 512 looks at access bits, once a
 * second; the shorter page walks; and one move of 2 MiB instead of so many of 4 KiB as deserve one.
 *
 * A change must gain more than the copy of a whole block costs that it may take, and than another to take it
 * back: so a block near the balance stays as it is. Doubt is for leaving a huge page whole: a split takes the
 * lower ends of the pages' rates and the upper one of the block's. (What chance makes of rates that are in
 * truth alike looks like skew, so collapsing is on the careful side by itself.)
 */
#ifndef VHOST_TIER_CORE_BLOCK_ADVICE_H
#define VHOST_TIER_CORE_BLOCK_ADVICE_H

#include "blocks.h"

typedef struct BlockTerms {
    double threshold_per_s;             /* of a page; */
    double worth_ns;                    /* of a touch a second in tier 0, over the heat's life; <= 0: none */
    double life_s;
    const PolicyCosts *costs;
} BlockTerms;

/* What is known of a block, in touches a second. */
typedef struct BlockRates {
    double page[BLOCK_GRANULES];        /* estimates */
    double page_low[BLOCK_GRANULES];    /* and their lower ends */
    double block_high;                  /* the upper end of their sum */
} BlockRates;

PolicyBlockAdvice block_advise(const BlockTerms *terms, const BlockRates *rates, bool huge);

#endif /* VHOST_TIER_CORE_BLOCK_ADVICE_H */
