/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Advice on huge pages; block-advice.h has the theory.
 */
#include "block-advice.h"

/* What the pages that deserve it are worth in tier 0, in touches a second; and how many those are. */
static double deserving(const double *rates, double threshold, unsigned *n)
{
    double touches = 0;

    *n = 0;
    for (unsigned i = 0; i < BLOCK_GRANULES; i++) {
        if (rates[i] > threshold) {
            touches += rates[i] - threshold;
            *n += 1;
        }
    }
    return touches;
}

static double sum(const double *rates)
{
    double all = 0;

    for (unsigned i = 0; i < BLOCK_GRANULES; i++) {
        all += rates[i];
    }
    return all;
}

/*
 * What a huge page saves over the heat's life, in nanoseconds, where @per_s touches come to it in a second.
 */
static double saved_by_huge(const BlockTerms *terms, double per_s, bool moves_as_one, unsigned n_deserving)
{
    const PolicyCosts *costs = terms->costs;
    double looks = (double)(BLOCK_GRANULES - 1) * costs->look_ns * terms->life_s;
    double walks = per_s * costs->huge_walk_ns * terms->life_s;
    double copies = (double)n_deserving * costs->move_4k_ns - (moves_as_one ? costs->move_2m_ns : 0);

    return looks + walks + copies;
}

PolicyBlockAdvice block_advise(const BlockTerms *terms, const BlockRates *rates, bool huge)
{
    const double threshold = terms->threshold_per_s, worth = MAX(terms->worth_ns, 0);
    const double all = sum(rates->page), price = 2.0 * terms->costs->move_2m_ns;
    const double entry = threshold * BLOCK_GRANULES;
    unsigned n_deserving;
    double split, whole, saved;

    split = deserving(huge ? rates->page_low : rates->page, threshold, &n_deserving) * worth;
    whole = MAX((huge ? rates->block_high : all) - entry, 0) * worth;
    saved = saved_by_huge(terms, all, all > entry, n_deserving);
    if (huge) {
        return split - whole - saved > price ? POLICY_BLOCK_SPLIT : POLICY_BLOCK_KEEP;
    }
    return whole + saved - split > price ? POLICY_BLOCK_COLLAPSE : POLICY_BLOCK_KEEP;
}
