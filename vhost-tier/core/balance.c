/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balance of loaded tiers; balance.h has the theory.
 */
#include "balance.h"

#include <glib.h>
#include <math.h>

#define DEAD_BAND 0.05
#define STEP_FIRST (1.0 / 32)
#define STEP_MIN (1.0 / 256)
#define STEP_MAX (1.0 / 8)

void balance_init(Balance *balance)
{
    *balance = (Balance){.limit = 1, .step = STEP_FIRST};
}

/* The step to take in @direction after the last one. */
static double next_step(const Balance *balance, int64_t direction)
{
    if (balance->direction == 0) {
        return STEP_FIRST;
    }
    return balance->direction == direction ? MIN(balance->step * 2, STEP_MAX)
                                           : MAX(balance->step / 2, STEP_MIN);
}

void balance_update(Balance *balance, double fast_ns, double slow_ns, double share)
{
    double apart = (fast_ns - slow_ns) / MAX(fast_ns, slow_ns);
    int64_t direction = apart > 0 ? -1 : 1;

    if (isnan(share) || (direction > 0 && balance->limit >= 1)) {
        return;
    }
    if (fabs(apart) <= DEAD_BAND) {
        balance->step = STEP_MIN;   /* it has settled: what comes next begins with small steps */
        return;
    }
    balance->step = next_step(balance, direction);
    balance->direction = direction;
    if (direction < 0) {
        balance->limit = MAX(MIN(balance->limit, share) - balance->step, 0);
    } else if (balance->limit + balance->step < 1) {
        balance->limit += balance->step;
    } else {
        balance_init(balance);
    }
}

bool balance_valid(const Balance *balance)
{
    return balance->limit >= 0 && balance->limit <= 1 && balance->step >= STEP_MIN &&
           balance->step <= STEP_MAX && balance->direction >= -1 && balance->direction <= 1;
}
