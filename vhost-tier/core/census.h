/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The census: one pass over the heat maps that counts bytes by heat, and how each granule is judged in it.
 */
#ifndef VHOST_TIER_CORE_CENSUS_H
#define VHOST_TIER_CORE_CENSUS_H

#include "hints.h"

#define CENSUS_ORIGIN (-44 * LOG2_ONE)
#define CENSUS_SHIFT 7                      /* a bucket is 1/8 octave */
#define CENSUS_BUCKETS (96 * LOG2_ONE >> CENSUS_SHIFT)
#define CENSUS_PAGE 4096u                   /* heat is compared per page of this size */

/* What a planner may do with a granule. */
typedef enum Role {
    ROLE_NONE,                              /* not present, place unknown, or refused not long ago */
    ROLE_CANDIDATE,                         /* for promotion */
    ROLE_VICTIM,                            /* for demotion */
} Role;

/* What the judgement of all granules of one map has in common. */
typedef struct Rules {
    const HeatModel *model;
    Log2 per_page;                          /* to be added to a granule's rate to make it one per page */
    Log2 slowness[POLICY_MAX_TIERS];        /* what a promotion from there saves, over one from tier 1 */
} Rules;

/* Bytes by heat per page. */
typedef struct Census {
    uint64_t fast[CENSUS_BUCKETS];          /* seen, on tier 0 */
    uint64_t slow[CENSUS_BUCKETS];          /* seen, on the others */
    uint64_t candidates[CENSUS_BUCKETS];    /* by what of their heat is believed */
    uint64_t victims[CENSUS_BUCKETS];       /* by the upper end */
    uint64_t fast_bytes;                    /* all that lies on tier 0 */
    uint64_t slow_bytes;                    /* all that lies on the others */
} Census;

void rules_init(Rules *rules, const PolicyConfig *config, const HeatModel *model, const HeatMap *map);
void census_take(Census *census, const PolicyConfig *config, const HeatModel *model, HeatMap *const *maps,
                 size_t n_maps);

/*
 * What the census shows. All NaN or 0 where nothing was seen yet. The ratios are NaN, too, as long as most of
 * tier 0 or most of the others was not seen yet: of what is not seen nothing is counted, so they would be
 * those of the rest.
 */
typedef struct CensusView {
    uint64_t seen_bytes;
    double hit_ratio;
    double ideal_hit_ratio;
    double threshold_per_s;                 /* per page; 0: all fits */
    Log2 median;                            /* log2 of a typical page's rate; 0 where nothing was seen */
} CensusView;

/*
 * What heat_set_crowd() wants to know, from the estimates as they are: what chance makes of those that are known from
 * little counts as if they truly differed, so that one of them is easily believed, and the less the more is known.
 * False when nothing was seen outside tier 0.
 */
bool census_crowd(const Census *census, Log2 *mean, Log2 *shape);

void census_view(const Census *census, uint64_t budget_bytes, CensusView *view);

/*
 * The mean rates per page of what was seen, parted in two: of the hottest, @bytes of them or half of all where that is
 * less, and of the rest; and the share of all that the hottest are. False where there are not both.
 */
bool census_part(const Census *census, uint64_t bytes, Log2 *hottest, Log2 *rest, double *share);

static inline unsigned census_bucket(Log2 heat)
{
    return CLAMP((heat - CENSUS_ORIGIN) >> CENSUS_SHIFT, 0, CENSUS_BUCKETS - 1);
}

/* The middle of a bucket, which stands for all in it; */
static inline Log2 census_middle(unsigned bucket)
{
    return CENSUS_ORIGIN + (Log2)(bucket << CENSUS_SHIFT) + (1 << (CENSUS_SHIFT - 1));
}

/* its lower end. */
static inline Log2 census_heat(unsigned bucket)
{
    return CENSUS_ORIGIN + (Log2)(bucket << CENSUS_SHIFT);
}

/* Heat per page by the estimate as it is, for granules that lie on a tier. */
static inline Log2 census_estimate(const Rules *rules, Heat heat)
{
    return heat_rate(rules->model, heat) + rules->per_page + rules->slowness[heat_tier(heat)];
}

/* By how much an estimate above the crowd's mean is not believed (heat_set_crowd()). */
static inline Log2 rules_disbelief(const Rules *rules, Heat heat)
{
    const HeatModel *model = rules->model;
    Log2 rate = heat_rate(model, heat) + rules->per_page;

    return rate > model->crowd_mean ? rate - heat_believed(model, rate, heat_known(model, heat)) : 0;
}

/*
 * What may be done with @heat, of a granule with such a mark (hints.h; 0: none), and (unless nothing) at which heat per
 * page it is judged: its estimate less, or more, the doubt, and what the hint makes of that. What a guest waits for is
 * not doubted for having been moved out lately, and where a move did not come off it is tried again with each plan.
 */
static inline Role census_judge(const Rules *rules, Heat heat, uint8_t mark, Log2 *judged)
{
    const HeatModel *model = rules->model;
    uint8_t tier = heat_tier(heat);
    const bool asked = tier != 0 && hint_wants_fast(hint_in_effect(&model->hint_terms, mark));
    Log2 doubt = 0;

    if (tier >= POLICY_MAX_TIERS || hint_forbids(&model->hint_terms, mark, tier)) {
        return ROLE_NONE;
    }
    switch (heat_last(heat)) {
    case HEAT_NEVER:
        break;
    case HEAT_PROMOTED:
    case HEAT_DEMOTED:
        doubt = heat_lately(heat, tier == 0 ? HEAT_PROMOTED : HEAT_DEMOTED) ? LOG2_ONE : 0;
        break;
    case HEAT_REFUSED:
        if (!asked) {
            return ROLE_NONE;
        }
        break;
    case HEAT_UNMOVABLE:
        return ROLE_NONE;
    }
    if (tier == 0) {
        *judged = census_estimate(rules, heat) + heat_width(model, heat) + doubt;
    } else {
        *judged = census_estimate(rules, heat) - rules_disbelief(rules, heat) - doubt;
    }
    *judged = hint_judged(&model->hint_terms, &model->tables, mark, *judged);
    return tier == 0 ? ROLE_VICTIM : ROLE_CANDIDATE;
}

#endif /* VHOST_TIER_CORE_CENSUS_H */
