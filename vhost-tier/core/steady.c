/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long heat lasts; steady.h has the theory.
 */
#include "steady.h"

#include <glib.h>

#define JUMP_WEIGHT 64.0                /* suffices to see a jump: x is then known to within 0.06 or so, */
#define CREEP_WEIGHT 256.0              /* and for a judgement, within 0.03 */
#define JUDGE_AFTER_S 0.5
#define CREEP 0.08                      /* x above which heat creeps, */
#define JUMP 0.25                       /* and above which it has jumped, */
#define JUMPED_AFTER_S 4.0              /* of steadiness; before that it has not settled since the last jump */
#define CHANCE 1.0                      /* on top of what chance makes it where the past counts for one access */
#define SHARE_BITS 4096.0               /* the share of bits that are set is that of so many, or twice */

static bool within(double value, double least, double most)
{
    return value >= least && value <= most;     /* no number is not */
}

bool steady_valid(const Steady *steady)
{
    for (unsigned i = 0; i < STEADY_LEVELS; i++) {
        if (!within(steady->all[i], 0, 0x1p62) || !within(steady->set[i], 0, steady->all[i])) {
            return false;
        }
    }
    return within(steady->surprise, -0x1p62, 0x1p62) && within(steady->weight, 0, 0x1p62) &&
           within(steady->judged_s, 0, 0x1p40) && within(steady->steady_s, 0, STEADY_MAX_S);
}

static unsigned level_of(Log2 interval)
{
    return CLAMP(interval / LOG2_ONE + 12, 0, STEADY_LEVELS - 1);
}

double steady_share(const Steady *steady, Log2 interval)
{
    unsigned level = level_of(interval);

    return (steady->set[level] + 0.5) / (steady->all[level] + 1);
}

void steady_count(Steady *steady, Log2 interval, double set, double n, double surprise, double weight)
{
    unsigned level = level_of(interval);
    double fade;

    steady->set[level] += set;
    steady->all[level] += n;
    fade = steady->all[level] > 2 * SHARE_BITS ? SHARE_BITS / steady->all[level] : 1;
    steady->set[level] *= fade;
    steady->all[level] *= fade;
    steady->surprise += surprise;
    steady->weight += weight;
}

/* What was counted has been judged. */
static void judged(Steady *steady, double now_s)
{
    steady->judged_s = now_s;
    steady->surprise = 0;
    steady->weight = 0;
}

void steady_jumped(Steady *steady, double now_s)
{
    steady->steady_s = 0;
    judged(steady, now_s);
}

bool steady_judge(Steady *steady, double now_s)
{
    double elapsed_s = now_s - steady->judged_s, changed;
    bool jumped = false;

    if (steady->judged_s == 0) {
        steady->judged_s = now_s;       /* what clock this is: nothing was seen before */
        return false;
    }
    if (elapsed_s < JUDGE_AFTER_S || steady->weight < JUMP_WEIGHT) {
        return false;
    }
    changed = steady->surprise / steady->weight - CHANCE / steady_accesses(steady);
    if (changed > JUMP) {
        jumped = steady->steady_s >= JUMPED_AFTER_S;
        steady->steady_s = 0;
    } else if (steady->weight < CREEP_WEIGHT) {
        return false;
    } else if (changed > CREEP) {
        steady->steady_s /= 2;
    } else {
        steady->steady_s = MIN(steady->steady_s + elapsed_s, STEADY_MAX_S);
    }
    judged(steady, now_s);
    return jumped;
}

double steady_accesses(const Steady *steady)
{
    return MIN(STEADY_ACCESSES * (1 + steady->steady_s / STEADY_GROWS_S), STEADY_ACCESSES_MAX);
}
