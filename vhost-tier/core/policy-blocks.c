/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages at the policy's door: which blocks are, and which should be.
 */
#include "block-advice.h"
#include "census.h"
#include "policy-internal.h"
#include "trace-internal.h"

/* The fine map of @region, where a block of it begins with @granule; else NULL. */
static HeatMap *find_block(const Policy *policy, uint32_t region, size_t granule)
{
    HeatMap *map = policy_find_map(policy, region);
    bool there_is = map && map->granule_bytes * BLOCK_GRANULES == HEAT_BLOCK_BYTES &&
                    granule % BLOCK_GRANULES == 0 && granule < map->n && map->n - granule >= BLOCK_GRANULES;

    return there_is ? map : NULL;
}

bool policy_add_coarse(Policy *policy, HeatMap *map, GError **errp)
{
    HeatMap *coarse = map->coarse;
    guint at;

    if (coarse) {
        return true;
    }
    coarse = blocks_new(map, errp);
    if (coarse) {
        g_assert(g_ptr_array_find(policy->maps, map, &at));
        g_ptr_array_insert(policy->maps, (gint)at + 1, coarse);
    }
    return coarse != NULL;
}

void policy_block_set(Policy *policy, uint32_t region, size_t first_granule, bool huge)
{
    TraceRange record = {.region = region, .first = first_granule, .n = huge};
    HeatMap *map = find_block(policy, region, first_granule);
    g_autoptr(GError) err = NULL;

    if (!map || huge == block_is_huge(map, first_granule)) {
        return;
    }
    if (policy->trace) {
        trace_write(policy->trace, TRACE_BLOCK_SET, &record, sizeof(record), NULL, 0);
    }
    if (policy_add_coarse(policy, map, &err)) {
        blocks_set(&policy->model, map, first_granule, huge);
    } else {
        g_warning("huge pages are planned as small ones: %s", err->message);
    }
}

/*
 * Fill @rates of the small pages that begin with @granule; false where one was not seen, or not all are on a
 * tier.
 */
static bool rates_of_pages(const HeatModel *model, const HeatMap *map, size_t granule, BlockRates *rates)
{
    const uint8_t tier = heat_tier(heat_at(map, granule));
    double all = 0;

    for (size_t i = 0; i < BLOCK_GRANULES; i++) {
        Heat heat = heat_at(map, granule + i);

        if (!heat_seen(heat) || heat_tier(heat) != tier) {
            return false;
        }
        rates->page[i] = log2_value(heat_rate(model, heat));
        rates->page_low[i] = log2_value(heat_rate(model, heat) - heat_width(model, heat));
        all += rates->page[i];
    }
    rates->block_high = all;
    return tier < POLICY_MAX_TIERS;
}

/*
 * The pages of a huge one: how they compare is known from them, how often they are touched together from the
 * whole.
 */
static bool rates_of_huge(const HeatModel *model, const HeatMap *map, size_t granule, BlockRates *rates)
{
    Heat whole = heat_at(map->coarse, granule >> BLOCK_SHIFT);
    double per_s = log2_value(heat_rate(model, whole)), all = 0;

    if (!heat_seen(whole) || !rates_of_pages(model, map, granule, rates)) {
        return false;
    }
    for (size_t i = 0; i < BLOCK_GRANULES; i++) {
        all += rates->page[i];
    }
    for (size_t i = 0; i < BLOCK_GRANULES; i++) {
        rates->page[i] *= per_s / all;
        rates->page_low[i] *= per_s / all;
    }
    rates->block_high = log2_value(heat_rate(model, whole) + heat_width(model, whole));
    return true;
}

PolicyBlockAdvice policy_block_advice(const Policy *policy, uint32_t region, size_t first_granule)
{
    const PolicyConfig *config = &policy->config;
    const PolicyCosts *costs = &config->costs;
    const HeatMap *map = find_block(policy, region, first_granule);
    BlockTerms terms = {.threshold_per_s = policy->state.planner.threshold_per_s, .costs = costs,
                        .life_s = (double)config->heat_life_ns / 1e9};
    BlockRates rates;
    bool huge, known;

    if (!map || config->n_tiers < 2) {
        return POLICY_BLOCK_KEEP;
    }
    terms.worth_ns = ((double)costs->latency_ns[1] - costs->latency_ns[0]) * MAX(config->touch_accesses, 1) *
                     terms.life_s;
    huge = block_is_huge(map, first_granule);
    known = huge ? rates_of_huge(&policy->model, map, first_granule, &rates)
                 : rates_of_pages(&policy->model, map, first_granule, &rates);
    return known ? block_advise(&terms, &rates, huge) : POLICY_BLOCK_KEEP;
}
