/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan that is being carried out, a part at a time.
 *
 * It is carried out sorted by direction, since alternating directions cost a host many times more: first the
 * demotions that make room, then the promotions, and of those never more than there really is room for below
 * the budget, whatever failed before. What is not done when its time is over is dropped: the next plan starts
 * from where pages are. A part of the time until then is left for watching, unless the guest waits for some of it.
 */
#ifndef VHOST_TIER_CORE_MOVE_RUN_H
#define VHOST_TIER_CORE_MOVE_RUN_H

#include "policy.h"

typedef struct MoveRun {
    PolicyMove *moves;      /* owned; NULL at first */
    size_t n, at;           /* those before 'at' are done */
    uint64_t end_ns;        /* not carried on after that */
} MoveRun;

/* Begin with @plan, sorted, at @now_ns; the next one is due @pause_ns later. */
void move_run_begin(MoveRun *run, const PolicyPlan *plan, uint64_t now_ns, uint64_t pause_ns);
/* Nothing is left to be done. */
void move_run_forget(MoveRun *run);
void move_run_clear(MoveRun *run);

static inline bool move_run_going(const MoveRun *run)
{
    return run->at < run->n;
}

static inline bool move_is_demotion(const PolicyMove *move)
{
    return move->to > move->from;
}

/* Of how many granules it is. */
static inline uint32_t move_granules(const PolicyMove *move)
{
    return MAX(move->n, 1);
}

/*
 * How many of the next moves, @max at most, go together: one region, one direction, and within the room for
 * promotions, which is what @fast_bytes in tier 0 leave of @budget_bytes. Granules are of @granule_bytes. Only
 * while there are moves to be done; 0: there is no room, the run is at its end.
 */
size_t move_run_next(const MoveRun *run, size_t max, uint32_t granule_bytes, uint64_t fast_bytes,
                     uint64_t budget_bytes);

#endif /* VHOST_TIER_CORE_MOVE_RUN_H */
