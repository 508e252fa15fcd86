/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balance of loaded tiers: which share of the accesses tier 0 may serve.
 *
 * Where others load tier 0's memory channels, an access to it may take as long as one to tier 1, or longer.
 * Then the best share of accesses to serve from tier 0 is not the largest, but the one at which both tiers
 * take equally long (Colloid, Vuppalapati and Agarwal, SOSP 2024). What that share is nobody knows; but which
 * tier is slower now can be measured, and says in which direction it lies. So a limit is kept on the share: a
 * step down with each plan while tier 0 is the slower one, a step up while it is the faster one again, until
 * it limits nothing. Steps grow while they go one way, and are halved with each turn; within 5 % of each
 * other (Colloid's default) tiers count as equally slow. So it settles rather than swings.
 */
#ifndef VHOST_TIER_CORE_BALANCE_H
#define VHOST_TIER_CORE_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Words of 8 bytes only: a trace keeps it as it is. */
typedef struct Balance {
    double limit;                   /* of the share of accesses that tier 0 serves; 1: no limit */
    double step;                    /* what the limit moved by last */
    int64_t direction;              /* in which it did: -1, 0 (not yet), 1 */
} Balance;

void balance_init(Balance *balance);
/*
 * Tier 0 takes @fast_ns for an access now, tier 1 @slow_ns, both above 0, and tier 0 serves @share of all
 * accesses; NaN where that is not known, which changes nothing. Once for each plan.
 */
void balance_update(Balance *balance, double fast_ns, double slow_ns, double share);
/* Whether values taken from outside can be used. */
bool balance_valid(const Balance *balance);

#endif /* VHOST_TIER_CORE_BALANCE_H */
