/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter: how much of the host's tier 0 each VM gets.
 *
 * Theory of operation
 *
 * A VM is known by what its owner asks for (floor, ceiling, weight, perhaps a target of slowdown), by its curve
 * of accesses over memory, and by how much it has to lose (slowdown.h). Budgets rise from nothing in stages;
 * a stage raises each VM to a bound of its own as far as there is room, and none takes back what one before it
 * gave.
 *   1. The floors. Floors that exceed the capacity are all cut by the same factor.
 *   2. What is a VM's own, within its entitlement: its share, by weight, of what floors leave. Of that it gets what
 *      its target asks for, or else what one water level for the whole host gives it (stage 4). Of whom nothing is
 *      known yet gets the entitlement in whole, and so does who wakes: what is known of it is of before.
 *   3. Targets that are larger than that, by weight.
 *   4. The water level: memory that is hotter than its VM's own average, at what a byte of it saves, as a share of
 *      the VM's time, above what a byte of its average does, times the weight; the best first. Within its own
 *      entitlement each byte counts ARBITER_OWN times as much. A VM with a target takes no part: its owner has
 *      said what is enough.
 *   5. What is left, by weight, up to what is present and then up to the ceilings. So idle memory is in use, and
 *      each VM's cooler memory has a fair part, not one by rank.
 *
 * What this promises. No VM gets less than its floor. Of what is hotter than its own average, a VM loses to
 * neighbours, within its entitlement, only what saves them ARBITER_OWN times as much, weighed; so what is lent is
 * idle or matters little to its owner, and is its own again at the next call once it matters. Curves are taken
 * less what doubt makes of them (slowdown_doubted()): else noise would look like hot memory. A VM that touches
 * all it has, however fast, has no memory above its average: it gets its floor and its part of what is left, as
 * the cooler memory of others does, and takes nothing that is another's own. One that burns time to touch some of
 * its memory fast bids with nothing but the share of its time that it may lose, which the ratio of latencies
 * bounds: no rate buys more, and the more memory it claims so, the less a byte of it counts.
 *
 * An idle VM lends all but its floor: weights count in full only for those who could lose ARBITER_IDLE of a CPU
 * by having all memory slow, and by less in proportion for others.
 *
 * Hysteresis comes from costs. Memory that a VM holds is valued in stage 4 at what moving it to another costs,
 * over the time that heat is expected to last, on top of what it saves, and that counts a quarter more. And everything
 * stays as it is, where that is allowed and uses all, unless those who would have more gain, beyond what the moves
 * cost, clearly more than the others lose; or one lacks so much of what is its own that estimates do not waver by it,
 * and gains more than the moves cost: that comes back whatever others lose. Curves of VMs that are alike at the margin
 * waver by more than moves cost; without 'clearly', memory would go back and forth between them with each call.
 *
 * The order of the claims does not matter, and for what it gave before it gives the same again.
 * O(n log n) for n VMs, a constant number of points each.
 */
#ifndef VHOST_TIER_CORE_ARBITER_H
#define VHOST_TIER_CORE_ARBITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slowdown.h"

/* In CPUs: who can't lose as much by having all memory slow counts as idle, by degrees. */
#define ARBITER_IDLE 0.01

/*
 * How many times as much a byte counts within a VM's entitlement as beyond it. More would be safer for those whose heat
 * is spread thin, and keep memory that others need far more: where tier 0 is a 17th of all, 2 costs the tenants of
 * docs/results.md three more of a hundred hits, and what has no limit, 15.
 */
#define ARBITER_OWN 1.25

/* What one VM claims. All but the first three may be left zero: a VM of which nothing is known. */
typedef struct ArbiterClaim {
    uint64_t floor_bytes;       /* it gets at least this; above the ceiling counts as the ceiling */
    uint64_t ceiling_bytes;     /* and at most this */
    uint32_t weight;            /* its share of what floors leave, relative to the others'; counts as 1 to 65536 */
    bool wakes;                 /* it has just begun to work again (idleness.h) */
    bool has_target;
    uint64_t target_bytes;      /* what the target of slowdown asks for (slowdown_size()); UINT64_MAX: not known */
    uint64_t held_bytes;        /* its budget now; 0: none yet */
    const PolicyCurve *curve;   /* policy_curve_today(). NULL, or not slowdown_known(): nothing is known. Not owned */
    Slowdown model;             /* slowdown_model(); only with a curve */
    /*
     * to take a byte from one VM and give it to another: both copies, divided by the seconds that heat is
     * expected to last
     */
    double move_ns_per_byte;
} ArbiterClaim;

/*
 * Split @capacity_bytes between @n VMs, into @budgets_bytes, as above. Budgets are multiples of 4 KiB (rounded
 * down), their sum is never above the capacity, none is above its ceiling, nor below its floor unless floors had
 * to be cut: then it returns false.
 */
bool arbiter_split(uint64_t capacity_bytes, const ArbiterClaim *claims, size_t n, uint64_t *budgets_bytes);

/*
 * What of @budgets_bytes can be given now, into @granted_bytes, where memory has yet to be left by others: a VM
 * that is to have less has that at once, and one that is to have more gets it as far as, with what all others hold
 * or were granted before, the capacity allows; where it does not suffice, all get the same part of what they lack.
 * @before_bytes: what was granted last. @held_bytes: what the VM has in tier 0 and moves out of it when told to;
 * 0 where it does not.
 */
void arbiter_grant(uint64_t capacity_bytes, const uint64_t *budgets_bytes, const uint64_t *before_bytes,
                   const uint64_t *held_bytes, size_t n, uint64_t *granted_bytes);

/* How one VM moves its memory. */
typedef struct ArbiterMover {
    uint64_t planned_bytes;     /* its last plan: of all its moves; 0: it moves nothing */
    double planned_gain_per_s;  /* nanoseconds that they save a second */
    uint64_t wanted_bytes;      /* what that would have moved at any rate, besides what was above the budget */
    uint64_t held_bytes;        /* in tier 0, as for arbiter_grant() */
} ArbiterMover;

/*
 * How fast each VM may move memory until the next call a second later, into @bytes_per_s, of the @limit_bytes_per_s
 * that all may together (0: no limit, and none for each): half of it by weight, half by weight times what a byte of
 * its plan saves, as a share of its time; what one does not want goes to others. So who has hot memory to put in place
 * is served before those who only mend what is nearly as good; and whatever a VM makes of its heat, half of what
 * others want is theirs. @claims and @movers are of the same VMs, in the same order.
 *
 * And how soon each leaves what it is not to have any more: of @granted_bytes, as arbiter_grant() left them, that of a
 * VM that holds more is raised, as far as its rate does not suffice for that. Up to half of the rate is kept for what
 * it wants to put in place: else the VM that has to leave the most would be the last to have its hot memory fast.
 */
void arbiter_pace(uint64_t limit_bytes_per_s, const ArbiterClaim *claims, const ArbiterMover *movers, size_t n,
                  uint64_t *bytes_per_s, uint64_t *granted_bytes);

/* The sum of all floors, each no higher than its ceiling, as arbiter_split() compares it; UINT64_MAX if more. */
uint64_t arbiter_floors(const ArbiterClaim *claims, size_t n);

#endif /* VHOST_TIER_CORE_ARBITER_H */
