/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter: water is poured over all VMs, each as wide as its weight and standing on its floor, until it
 * is used up.
 *
 * The level is found by bisection over one function, demand(); a claim that weighs marginal heat only
 * changes that function.
 */
#include "arbiter.h"

#include <glib.h>

#define PAGE 4096u

static uint64_t claim_floor(const ArbiterClaim *claim)
{
    return MIN(claim->floor_bytes, claim->ceiling_bytes);
}

/* What a VM holds at @level bytes per unit of weight. */
static uint64_t demand(const ArbiterClaim *claim, uint64_t level)
{
    unsigned __int128 wish = (unsigned __int128)level * MAX(claim->weight, 1) + claim_floor(claim);

    return MIN(wish, claim->ceiling_bytes);
}

static unsigned __int128 total_demand(const ArbiterClaim *claims, size_t n, uint64_t level)
{
    unsigned __int128 total = 0;

    for (size_t i = 0; i < n; i++) {
        total += demand(&claims[i], level);
    }
    return total;
}

void arbiter_split(uint64_t capacity_bytes, const ArbiterClaim *claims, size_t n, uint64_t *budgets_bytes)
{
    unsigned __int128 floors = total_demand(claims, n, 0);
    uint64_t low = 0, high = capacity_bytes;

    if (floors > capacity_bytes) {
        for (size_t i = 0; i < n; i++) {
            /*
             * The product of two 64-bit numbers, divided by a sum that is not less than either floor: fits.
             */
            unsigned __int128 cut = (unsigned __int128)claim_floor(&claims[i]) * capacity_bytes / floors;

            budgets_bytes[i] = (uint64_t)cut / PAGE * PAGE;
        }
        return;
    }
    while (low < high) {        /* the highest level whose demand fits */
        uint64_t level = low + (high - low) / 2 + (high - low) % 2;

        if (total_demand(claims, n, level) <= capacity_bytes) {
            low = level;
        } else {
            high = level - 1;
        }
    }
    for (size_t i = 0; i < n; i++) {
        budgets_bytes[i] = demand(&claims[i], low) / PAGE * PAGE;
    }
}
