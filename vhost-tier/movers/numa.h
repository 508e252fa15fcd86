/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NUMA mover: carries out a plan with move_pages(2) on QEMU's process, checks where each page really
 * landed, and reports that. It also answers where pages are now.
 */
#ifndef VHOST_TIER_MOVERS_NUMA_H
#define VHOST_TIER_MOVERS_NUMA_H

#include <glib.h>

#include "core/policy.h"
#include "vm/region.h"
#include "machine/topology.h"

/* What became of the pages asked for; pages are of 4 KiB, also where the granule is larger. */
typedef struct MoverStats {
    uint64_t asked;
    uint64_t applied;
    uint64_t failed[TIER_MOVE_FAIL__MAX];
    uint64_t collapsed_blocks; /* 2 MiB blocks that became huge pages */
} MoverStats;

typedef struct Mover Mover;

/* A mover between the tiers of @topology (copied). */
Mover *mover_new(const Topology *topology);
void mover_free(Mover *mover);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mover, mover_free)

/*
 * Move, in batches and in the plan's order, until done or @deadline_ns (monotonic). Fills @outcomes (one for
 * each move tried) and returns how many moves were tried. Reads no page of the guest's. A process that has
 * ended gives POLICY_GONE.
 */
size_t mover_move(Mover *mover, const Region *region, const PolicyMove *moves, size_t n, uint64_t deadline_ns,
                  PolicyOutcome *outcomes);

/*
 * Where the @n granules from @first are: a tier, POLICY_TIER_ABSENT, or POLICY_TIER_UNKNOWN on a node of no
 * tier. False when the process can't be asked, with the reason.
 */
bool mover_where(Mover *mover, const Region *region, size_t first, size_t n, uint8_t *tiers, GError **errp);

/*
 * Make 2 MiB block @block of the region huge (MADV_COLLAPSE); false, with the reason, when the kernel would
 * not.
 */
bool mover_collapse(Mover *mover, const Region *region, size_t block, GError **errp);

void mover_stats(const Mover *mover, MoverStats *stats);

/* Name of a reason as users see it ("node full"), with the remedy or NULL. */
const char *mover_fail_name(TierMoveFail reason);
const char *mover_fail_remedy(TierMoveFail reason);

#endif /* VHOST_TIER_MOVERS_NUMA_H */
