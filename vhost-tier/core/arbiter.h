/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter: how much of the host's tier 0 each VM gets.
 */
#ifndef VHOST_TIER_CORE_ARBITER_H
#define VHOST_TIER_CORE_ARBITER_H

#include <stddef.h>
#include <stdint.h>

/* What one VM claims. */
typedef struct ArbiterClaim {
    uint64_t floor_bytes;       /* it gets at least this; above the ceiling counts as the ceiling */
    uint64_t ceiling_bytes;     /* and at most this */
    uint32_t weight;            /* its share of what floors leave, relative to the others'; 0 counts as 1 */
} ArbiterClaim;

/*
 * Split @capacity_bytes between @n VMs, into @budgets_bytes: floors first, the rest by weight up to the
 * ceilings, and what a ceiling leaves goes to the others, until all are at their ceilings or the capacity
 * is used up. Floors that exceed the capacity are all cut by the same factor. Budgets are multiples of 4
 * KiB (rounded down); the order of claims does not matter otherwise.
 */
void arbiter_split(uint64_t capacity_bytes, const ArbiterClaim *claims, size_t n, uint64_t *budgets_bytes);

#endif /* VHOST_TIER_CORE_ARBITER_H */
