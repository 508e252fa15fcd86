/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner: which granules should change tier now.
 *
 * Theory of operation
 *
 * A move to tier 0 saves, in each second, the granule's accesses (its rate, times touch_accesses) times the
 * difference of the tiers' latencies, and is expected to do so for heat_life. It is planned where that
 * exceeds the cost of the copy; where tier 0 has no room within the budget, only where it exceeds what the
 * coldest granules there lose by leaving and the cost of their copies too: out, and one day back. All of it
 * times a margin, 1 in calm (brake.h). Hysteresis needs no rule of its own: swapping equals never pays.
 *
 * Rates are uncertain (heat.h). A candidate is judged by what is to be believed of its rate, given what the others
 * are like that lie outside tier 0 (heat_believed()): where all are alike, one that seems to stand out mostly does so
 * by chance; a victim by the upper end of what its rate may be: a shred of evidence evicts nothing that is known to be
 * hot. A granule that was moved less than ten seconds ago is moved back only if the case is twice as strong.
 *
 * One pass over the map counts bytes by heat (a census); the census says down to which heat candidates, and
 * up to which heat victims, can be part of this plan; a second pass gathers just those, and they are sorted
 * and paired. Granules of several sizes are compared by heat per 4 KiB, and room is sold by the byte.
 *
 * Where heat has jumped before, and copies wait for the limit of bytes a second, free room has a price of its own
 * (reserve.h): pages of tier 0 that are worth less leave it while nothing else is to be moved, and what is to be
 * promoted into the room must be worth more. Copies that make room take no more of the limit than is left over: half of
 * what of it may be saved up is kept for what comes when heat jumps.
 *
 * Latencies may be those of the moment, under load. Where tier 0 is no faster than tier 1 nothing is
 * promoted; where it is slower, the hottest granules are moved out until it serves no more of the accesses
 * than balance.h says, as far as that pays for the copies.
 *
 * Of more than two tiers, tier 0 is filled from all others, and victims go to tier 1; what lies further
 * down stays there until it is hot enough for tier 0.
 */
#ifndef VHOST_TIER_CORE_PLANNER_H
#define VHOST_TIER_CORE_PLANNER_H

#include "balance.h"
#include "census.h"
#include "reserve.h"

/* The largest plan, both directions together; at 5 us a page it takes two thirds of a second. */
#define PLANNER_MAX_BYTES (512ull << 20)

/* What the planner keeps from one plan to the next. Words of 8 bytes only: a trace keeps it as it is. */
typedef struct PlannerState {
    uint64_t plan_ns;               /* time of the last plan; 0: none yet */
    double tokens;                  /* bytes that max_bytes_per_s allows now */
    uint64_t pace_bytes;            /* what a plan may hold, from what the caller managed of earlier ones */
    uint64_t planned_moves;         /* in the last plan */
    uint64_t reported_moves;        /* of those, since */
    uint64_t reported_bytes;
    double hit_ratio;               /* PolicyStats has these; NaN: not known */
    double ideal_hit_ratio;
    double threshold_per_s;         /* per 4 KiB */
    Balance balance;
    Reserve reserve;
} PlannerState;

/* Scratch memory of a planner. */
typedef struct Planner Planner;

void planner_state_init(PlannerState *state);
/* Whether values taken from outside can be used. */
bool planner_state_valid(const PlannerState *state);

Planner *planner_new(void);
void planner_free(Planner *planner);

/*
 * Plan at @now_ns, for which @model must have been advanced, asking @margin times the costs. Updates @state
 * and the model's prior. @plan's moves are the planner's until the next call.
 */
void planner_run(Planner *planner, PlannerState *state, const PolicyConfig *config, HeatModel *model,
                 HeatMap *const *maps, size_t n_maps, double margin, uint64_t now_ns, PolicyPlan *plan);

/*
 * What the last plan saw; down to which bucket of that the hottest fill the budget; and whether what a plan
 * may hold cut it short.
 */
const Census *planner_census(const Planner *planner);
unsigned planner_edge(const Planner *planner);
bool planner_cut_short(const Planner *planner);

/* Count what the caller reports of the last plan. */
void planner_reported(PlannerState *state, uint64_t bytes);

#endif /* VHOST_TIER_CORE_PLANNER_H */
