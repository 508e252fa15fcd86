/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carrying out a plan; move-run.h has the rules.
 */
#include "move-run.h"

#include <stdlib.h>
#include <string.h>

#define SHARE 0.6           /* of the time until the next plan, in which one may be carried out */

/* Demotions first, then by region; within that, the plan's order. */
static int compare(const void *left, const void *right)
{
    const PolicyMove *const *a = left, *const *b = right;

    if (move_is_demotion(*a) != move_is_demotion(*b)) {
        return move_is_demotion(*a) ? -1 : 1;
    }
    if ((*a)->region != (*b)->region) {
        return (*a)->region < (*b)->region ? -1 : 1;
    }
    return *a < *b ? -1 : *a > *b;
}

void move_run_begin(MoveRun *run, const PolicyPlan *plan, uint64_t now_ns, uint64_t pause_ns)
{
    g_autofree const PolicyMove **sorted = g_new(const PolicyMove *, plan->n_moves);

    for (size_t i = 0; i < plan->n_moves; i++) {
        sorted[i] = &plan->moves[i];
    }
    if (plan->n_moves > 0) {
        qsort(sorted, plan->n_moves, sizeof(*sorted), compare);
    }
    run->moves = g_renew(PolicyMove, run->moves, plan->n_moves);
    for (size_t i = 0; i < plan->n_moves; i++) {
        run->moves[i] = *sorted[i];
    }
    run->n = plan->n_moves;
    run->at = 0;
    run->end_ns = now_ns + (plan->asked ? pause_ns : (uint64_t)(SHARE * (double)pause_ns));
}

void move_run_forget(MoveRun *run)
{
    run->n = run->at = 0;
}

void move_run_clear(MoveRun *run)
{
    g_clear_pointer(&run->moves, g_free);
    move_run_forget(run);
}

size_t move_run_next(const MoveRun *run, size_t max, uint32_t granule_bytes, uint64_t fast_bytes,
                     uint64_t budget_bytes)
{
    const PolicyMove *first = &run->moves[run->at];
    uint64_t room = budget_bytes > fast_bytes ? budget_bytes - fast_bytes : 0;
    size_t n = 0;

    max = MIN(max, run->n - run->at);
    while (n < max && first[n].region == first->region && move_is_demotion(&first[n]) == move_is_demotion(first)) {
        uint64_t bytes = (uint64_t)move_granules(&first[n]) * granule_bytes;

        if (!move_is_demotion(first) && bytes > room) {
            break;
        }
        room -= MIN(room, bytes);
        n++;
    }
    return n;
}
