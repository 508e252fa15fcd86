/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long heat lasts in a VM: from how well what was known foretells what is seen.
 *
 * Theory of operation
 *
 * Each access bit puts what is known of its granule to the test: the estimate foretells it to be set with some
 * chance p. Had the granule changed its ways since, that chance would be that of any granule, q: the share of
 * all bits of such intervals that are set. If a share x of what is known no longer holds, the mean of (bit - p)
 * is x * (q - p), so x is estimated by
 *
 *     sum of (bit - p) * (q - p)  /  sum of (q - p)^2
 *
 * over all bits; those that can't tell (p near q) weigh nothing, and one page, however surprising, weighs little
 * among many. p allows for what is not known (it is that of a gamma-distributed rate), so that ignorance does
 * not look like change.
 *
 * Once the sum of weights suffices, x is judged. Well above what chance makes of it the VM's heat has jumped, and
 * the time for which it has been steady begins anew. A little above, half of that time is taken back: heat creeps.
 * Otherwise it grows by the time that passed. From it follow:
 * - for how many accesses the past counts: STEADY_ACCESSES, and twice as many each time it has been steady for
 *   twice as long (in steps of STEADY_GROWS_S), up to STEADY_ACCESSES_MAX;
 * - how reluctant estimates are to believe that a page has changed (heat.h);
 * - the half-life of what is known: half that time, if that is longer than configured;
 * - the life of heat, which a move may pay back in: what has lasted long will last as long again (Lindy's law), so
 *   that time, too, if it is longer than configured.
 */
#ifndef VHOST_TIER_CORE_STEADY_H
#define VHOST_TIER_CORE_STEADY_H

#include <stdbool.h>

#include "logmath.h"

#define STEADY_GROWS_S 8.0
#define STEADY_ACCESSES 4
#define STEADY_ACCESSES_MAX 256
#define STEADY_MAX_S 3600.0
#define STEADY_LEVELS 24                /* intervals from 2^-12 s, by octaves */

/* Words of 8 bytes only: a trace keeps it as it is. */
typedef struct Steady {
    double surprise, weight;            /* the sums above, since 'judged_s' */
    double set[STEADY_LEVELS];          /* of the bits of such intervals: those set, */
    double all[STEADY_LEVELS];          /* and all, lately */
    double judged_s;                    /* time of the last judgement, or of the first evidence; 0: none yet */
    double steady_s;                    /* how long heat has been steady */
} Steady;

/* Whether values taken from outside can be used. */
bool steady_valid(const Steady *steady);

/* The chance q for an interval of 2^@interval seconds. */
double steady_share(const Steady *steady, Log2 interval);
/* Of @n bits of such intervals @set were set; @surprise and @weight are their sums. */
void steady_count(Steady *steady, Log2 interval, double set, double n, double surprise, double weight);
/* Judge what was counted up to @now_s, if it suffices. Whether heat that had been steady is found to have jumped. */
bool steady_judge(Steady *steady, double now_s);

/* It is found by other means to have jumped: what was counted is void, as is the time for which it was steady. */
void steady_jumped(Steady *steady, double now_s);

/* For how many accesses the past counts. */
double steady_accesses(const Steady *steady);

#endif /* VHOST_TIER_CORE_STEADY_H */
