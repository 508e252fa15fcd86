/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy consists of, for those who save it and load it (trace.c).
 */
#ifndef VHOST_TIER_CORE_POLICY_INTERNAL_H
#define VHOST_TIER_CORE_POLICY_INTERNAL_H

#include "brake.h"
#include "heat.h"
#include "planner.h"

/* All of a policy that is neither configuration nor map. Words of 8 bytes only: a trace keeps it as it is. */
typedef struct PolicyState {
    uint64_t now_ns;
    uint64_t swept;                 /* HeatModel's, as is 'prior'; both valid only in a saved state */
    int64_t prior;
    PlannerState planner;
    Brake brake;
    uint64_t evidence[POLICY_SOURCE__MAX];
    uint64_t promoted_bytes, demoted_bytes, undone_bytes;
} PolicyState;

struct Policy {
    PolicyConfig config;
    PolicyState state;
    HeatModel model;
    GPtrArray *maps;                /* HeatMap, by id */
    Planner *planner;
    PolicyPlan plan;
    TraceWriter *trace;             /* NULL while nothing is recorded */
};

HeatMap *policy_find_map(const Policy *policy, uint32_t id);

void policy_save_state(const Policy *policy, PolicyState *state);
/* Fails, and changes nothing, when @state can't be used. */
bool policy_load_state(Policy *policy, const PolicyState *state, GError **errp);
/*
 * Replace the @n granules from @first by the records at @granules, not necessarily aligned. Fails as above.
 */
bool policy_load_heat(Policy *policy, uint32_t region, uint64_t first, uint64_t n, const void *granules,
                      GError **errp);

#endif /* VHOST_TIER_CORE_POLICY_INTERNAL_H */
