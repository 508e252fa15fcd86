/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy consists of, for those who save it and load it (trace.c).
 */
#ifndef VHOST_TIER_CORE_POLICY_INTERNAL_H
#define VHOST_TIER_CORE_POLICY_INTERNAL_H

#include "activity.h"
#include "brake.h"
#include "hints.h"
#include "planner.h"
#include "makeup.h"
#include "strata.h"

/* All of a policy that is neither configuration nor map. Words of 8 bytes only: a trace keeps it as it is. */
typedef struct PolicyState {
    uint64_t now_ns;
    HeatState heat;                 /* valid only in a saved state */
    PlannerState planner;
    Brake brake;
    Activity activity;
    HintState hints;
    uint64_t evidence[POLICY_SOURCE__MAX];
    uint64_t promoted_bytes, demoted_bytes, undone_bytes;
} PolicyState;

struct Policy {
    PolicyConfig config;
    PolicyState state;
    HeatModel model;
    GPtrArray *maps;                /* HeatMap, by id */
    Planner *planner;
    ActivityTable activity_table;
    PolicyPlan plan;
    Hints hints;
    Trials *trials;
    bool idle;                      /* see policy_idles() */
    uint64_t busy_ns;               /* time that passed while the VM did not idle: the trials' clock */
    uint64_t trials_from_ns;        /* heat last changed then, as far as they know */
    uint64_t checked_ns;            /* whether they say more was looked at then */
    StratumFit fits[TRIALS_STRATA]; /* what they said, */
    Kinds kinds;
    bool few_kinds;                 /* memory is of these */
    uint64_t fitted_ns;             /* at this time of their clock, */
    double fitted_trials;           /* when there were so many */
    double counted[2];              /* see policy_counted() */
    GHashTable *planned;            /* its granules, once asked for: policy-view.c; empty before */
    uint32_t covered;               /* tiers, see policy_cover() */
    Log2 covered_above;             /* log2 of the rate above which; LOG2_ZERO: all */
    uint64_t first_plan_ns;         /* 0: none yet */
    uint64_t planned_budget_bytes;  /* what the last plan had */
    TraceWriter *trace;             /* NULL while nothing is recorded */
};

static inline HeatMap *const *policy_maps(const Policy *policy)
{
    return (HeatMap *const *)policy->maps->pdata;
}

HeatMap *policy_find_map(const Policy *policy, uint32_t id);
/*
 * The map of @region, with @n cut to the granules that there are from @first; NULL when there is nothing to
 * do.
 */
HeatMap *policy_find_range(const Policy *policy, uint32_t region, size_t first, size_t *n);

/* Time passes; a clock that runs backwards stands still. */
void policy_advance(Policy *policy, uint64_t now_ns);
/* Whether what has that rate is watched in whole in each of these tiers: policy_cover(), policy_cover_above(). */
static inline bool policy_covers(const Policy *policy, uint32_t tiers, Log2 rate)
{
    return (policy->covered & tiers) == tiers && rate >= policy->covered_above;
}

/* 'busy_ns' as of @now_ns. */
uint64_t policy_busy_ns(const Policy *policy, uint64_t now_ns);
/* What hints count for in the plan that is about to be made; */
void policy_weigh_hints(Policy *policy);
/* what they are held against, as that plan saw it. */
void policy_note_census(Policy *policy);
/* The configuration has changed: what the guest may not have any more ends. */
void policy_limit_hints(Policy *policy);
/* Whether a guest that is trusted asks for a granule, of a fine map or a coarse one, to be promoted, or demoted. */
bool policy_asked_for(const Policy *policy, const HeatMap *map, size_t granule, bool promotion);
/* Whether it asks for one of @plan's promotions. */
bool policy_plan_asked_for(const Policy *policy, const PolicyPlan *plan);
/* See what trials say, from time to time, after a plan. */
void policy_fit_trials(Policy *policy);

void policy_save_state(const Policy *policy, PolicyState *state);
/* Fails, and changes nothing, when @state can't be used. */
bool policy_load_state(Policy *policy, const PolicyState *state, GError **errp);
/*
 * Replace what is known of the @n granules from @first, of the fine or the coarse map, by the @estimates and
 * @states of as many Heat. Fails as above. Nothing here need be aligned.
 */
bool policy_load_heat(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n,
                      const void *estimates, const uint8_t *states, GError **errp);
/* And the @n blocks from @first by the HeatBlock at @blocks. */
bool policy_load_blocks(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n,
                        const void *blocks, GError **errp);
/* And what the guest said: the marks of granules; samples (all from anywhere, @samples need not be aligned); pins. */
bool policy_load_marks(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n, const uint8_t *marks,
                       GError **errp);
bool policy_load_samples(Policy *policy, uint64_t first, uint64_t n, const void *samples, GError **errp);
void policy_load_pins(Policy *policy, uint64_t n, const void *pins);
/* See to it that @map, of 4 KiB granules, has a coarse one (blocks.h). */
bool policy_add_coarse(Policy *policy, HeatMap *map, GError **errp);

#endif /* VHOST_TIER_CORE_POLICY_INTERNAL_H */
