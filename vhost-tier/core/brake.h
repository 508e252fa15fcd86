/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thrash brake: how much of what was moved in the last ten seconds undid an earlier move, and by how
 * much a gain must therefore exceed its cost.
 *
 * Heat that changes faster than moves pay back makes a planner swap the same pages to and fro. While more
 * than 5 % of the bytes moved undo a move of the last ten seconds the margin doubles every five seconds, up
 * to BRAKE_MARGIN_MAX; below 2 % it halves again, down to 1. So it does while what was undone is less than a
 * 64th of tier 0: of little that moves at all a large part may be undone by chance, and a brake that goes on
 * for it would hold up what comes next. What a trusted guest asked for (hints.h) counts as moved, but not as undone: it
 * knows of changes that no one else can, and who asks for the same pages to and fro loses that trust.
 */
#ifndef VHOST_TIER_CORE_BRAKE_H
#define VHOST_TIER_CORE_BRAKE_H

#include <stdbool.h>
#include <stdint.h>

#define BRAKE_WINDOW_EPOCHS 40u     /* ten seconds */
#define BRAKE_MARGIN_MAX 32.0

/* Words of 8 bytes only: a trace keeps it as it is. */
typedef struct Brake {
    uint64_t epoch;                 /* the newest slot's */
    uint64_t moved[BRAKE_WINDOW_EPOCHS];    /* bytes, by epoch modulo the window */
    uint64_t undone[BRAKE_WINDOW_EPOCHS];
    uint64_t checked;               /* epoch when the margin was last looked at and changed */
    double margin;
} Brake;

void brake_init(Brake *brake);
/* Count a move of @bytes at @epoch, which must not run backwards. */
void brake_count(Brake *brake, uint64_t epoch, uint64_t bytes, bool undoes);
/* Adapt the margin to what happened up to @epoch, to a tier 0 of @budget_bytes. */
void brake_update(Brake *brake, uint64_t epoch, uint64_t budget_bytes);
/*
 * Share of the bytes moved in the ten seconds up to the last call of the above that undid an earlier move;
 * 0 if none moved.
 */
double brake_undone_share(const Brake *brake);
/* Whether values taken from outside can be used. */
bool brake_valid(const Brake *brake);

#endif /* VHOST_TIER_CORE_BRAKE_H */
