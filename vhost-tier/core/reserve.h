/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room in tier 0 that is kept free for heat that is expected to jump: how much that is worth to the planner.
 *
 * Theory of operation
 *
 * When heat jumps, what is hot then waits while it is moved in at the limit of bytes per second. Each copy out that
 * need not be made first, as there is room, brings all that is moved in after it forward by the time of a copy, as long
 * as that goes on without a pause (the busy period of a queue). So a free page is worth as many touches a second as go
 * to all that is moved in, times that time, times the jumps a second: more than those to a page that is cold. The next
 * free page is worth less by what the first brings in; room for more than is moved in is worth nothing.
 *
 * All of it is measured. It is a jump when next to nothing had waited for a while, then heat was found to have changed,
 * and what is moved in comes to a quarter of all touches or more. What a larger budget has room for does not count, nor
 * what moves when a VM begins or wakes. The next jump is expected to move as much as the last two did on average, and
 * to come after as long a time as there was between these (after the first: as nothing had waited before it), or as
 * has passed since, if that is longer: room is given back as jumps fail to come.
 */
#ifndef VHOST_TIER_CORE_RESERVE_H
#define VHOST_TIER_CORE_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

/* What is moved into tier 0. */
typedef struct Influx {
    double per_s;                   /* touches a second, less those to what leaves for it */
    double bytes;
} Influx;

/* Words of 8 bytes only: a trace keeps it as it is. All zero at first. Times in seconds on the policy's clock. */
typedef struct Reserve {
    double waited_s;                /* when a good deal waited last; 0: nothing is known yet */
    double began_s;                 /* when that began; */
    double calm_s;                  /* for how long nothing had before it; 0: since the VM began */
    Influx moved;                   /* what was moved in since then */
    uint64_t budget_bytes;          /* as of the last plan */
    uint64_t given_bytes;           /* room that larger budgets gave, as yet unused */
    double jumped_s;                /* when what the last jump moved began to wait; 0: there was none */
    double gap_s;                   /* time from the jump before to the last; after the first, 'calm_s' */
    Influx last;                    /* what the last jump moved, */
    Influx before;                  /* and the one before; of no bytes: there was none */
} Reserve;

/* One plan. */
typedef struct ReservePlan {
    double now_s;
    bool idle;                      /* the VM idles */
    double changed_s;               /* heat was found to have changed then; 0: never */
    double all_per_s;               /* all touches a second, */
    double waiting_per_s;           /* those to what would be moved in were there no limit, as Influx has them, */
    Influx planned;                 /* and what is moved in */
    uint64_t budget_bytes;
    uint64_t room_bytes;            /* free before it, within the budget */
} ReservePlan;

/* Whether values taken from outside can be used. */
bool reserve_valid(const Reserve *reserve);

/* Learn from a plan. */
void reserve_note(Reserve *reserve, const ReservePlan *plan);

/*
 * What the first free page is worth at @now_s, in touches a second, where a page takes @copy_s to copy. Fills *@bytes
 * with what a jump moves in: room beyond is worth nothing, and within it the less the more is free, in proportion.
 */
double reserve_per_s(const Reserve *reserve, double copy_s, double now_s, uint64_t *bytes);

#endif /* VHOST_TIER_CORE_RESERVE_H */
