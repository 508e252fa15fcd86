/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initial placement: which part of guest RAM prefers which tier, before it is
 * first touched.
 *
 * Theory of operation
 *
 * A memory policy that is set on a shared mapping of a memfd is kept with the
 * file, and holds for every process that makes a page of it, KVM on behalf of
 * the guest included. So it is set through a mapping of its own, which is
 * unmapped again: on the mapping that the guest uses, each stripe would become
 * a VMA. The kernel allows a process only some 65,000 of those, so that mapping
 * covers a part of the file at a time.
 *
 * The policy is a preference: where the nodes are full, the kernel takes the
 * next nearest, and the guest does not notice.
 */
#include "qemu/osdep.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "memory-tier.h"
#include "qapi/error.h"
#include "qemu/units.h"

/* Bytes mapped at a time: 512 stripes */
#define WINDOW_BYTES (1 * GiB)

/*
 * Whether stripe @i of @n is one of the @fast that prefer the fastest tier.
 * These are spread evenly, as Bresenham draws a line of slope fast / n, and
 * begin with the first one: firmware and kernel lie low. What is mapped is
 * less than 2^53 bytes, so this does not overflow.
 */
static bool stripe_is_fast(uint64_t i, uint64_t fast, uint64_t n)
{
    return DIV_ROUND_UP((i + 1) * fast, n) > DIV_ROUND_UP(i * fast, n);
}

static uint64_t interleaved_run(const TierPlan *plan, uint64_t offset,
                                unsigned *tier)
{
    uint64_t n = DIV_ROUND_UP(plan->size, TIER_STRIPE_BYTES);
    uint64_t fast = MIN(n, (plan->fast_size + TIER_STRIPE_BYTES / 2) /
                           TIER_STRIPE_BYTES);
    uint64_t first = offset / TIER_STRIPE_BYTES, end = first + 1;
    bool is_fast = stripe_is_fast(first, fast, n);

    while (end < n && stripe_is_fast(end, fast, n) == is_fast) {
        end++;
    }
    *tier = is_fast ? 0 : 1;
    return MIN(plan->size, end * TIER_STRIPE_BYTES) - offset;
}

uint64_t tier_plan_run(const TierPlan *plan, uint64_t offset, unsigned *tier)
{
    *tier = plan->n_tiers == 1 ? 0 : 1;
    if (plan->n_tiers == 1) {
        return plan->size - offset;
    }
    switch (plan->placement) {
    case MEMORY_TIER_PLACEMENT_INTERLEAVE:
        return interleaved_run(plan, offset, tier);
    case MEMORY_TIER_PLACEMENT_FAST_FIRST:
        if (offset < plan->fast_size) {
            *tier = 0;
            return plan->fast_size - offset;
        }
        return plan->size - offset;
    case MEMORY_TIER_PLACEMENT_SLOW_FIRST:
        return plan->size - offset;
    default:
        g_assert_not_reached();
    }
}

uint64_t tier_plan_fast_bytes(const TierPlan *plan)
{
    uint64_t bytes = 0, run;
    unsigned tier;

    for (uint64_t offset = 0; offset < plan->size; offset += run) {
        run = tier_plan_run(plan, offset, &tier);
        bytes += tier == 0 ? run : 0;
    }
    return bytes;
}

/*
 * Prefer @nodes for a mapping. With several nodes that takes Linux 5.15 (the
 * nearest with free memory is taken); an older one gets the first of them.
 */
static int prefer_nodes(void *addr, uint64_t size, const uint64_t *nodes)
{
    int rc = syscall(SYS_mbind, addr, size, MPOL_PREFERRED_MANY, nodes,
                     TIER_MAX_NODES + 1, 0);

    if (rc && errno == EINVAL) {
        rc = syscall(SYS_mbind, addr, size, MPOL_PREFERRED, nodes,
                     TIER_MAX_NODES + 1, 0);
    }
    return rc;
}

/* Bind the runs of one window of the file, which is mapped at @map. */
static bool bind_window(const TierPlan *plan, void *map, uint64_t start,
                        uint64_t end, uint64_t sets[2][TIER_NODE_WORDS],
                        Error **errp)
{
    uint64_t run;
    unsigned tier;

    for (uint64_t offset = start; offset < end; offset += run) {
        run = MIN(tier_plan_run(plan, offset, &tier), end - offset);
        if (prefer_nodes(map + (offset - start), run, sets[tier])) {
            g_autofree char *nodes = node_list_format(sets[tier]);

            error_setg_errno(errp, errno, "the kernel does not let memory "
                             "prefer the NUMA nodes %s", nodes);
            error_append_hint(errp, "Check that they exist and that QEMU's "
                              "cpuset (cpuset.mems) allows them.\n");
            return false;
        }
    }
    return true;
}

bool tier_placement_bind(const TierPlan *plan, const Topology *topology,
                         int memfd, Error **errp)
{
    uint64_t sets[2][TIER_NODE_WORDS] = {};

    if (topology->n_tiers == 1) {
        return true;
    }
    for (unsigned tier = 0; tier < topology->n_tiers; tier++) {
        for (unsigned word = 0; word < TIER_NODE_WORDS; word++) {
            sets[MIN(tier, 1)][word] |= topology->tiers[tier].nodes[word];
        }
    }
    for (uint64_t start = 0; start < plan->size; start += WINDOW_BYTES) {
        uint64_t end = MIN(plan->size, start + WINDOW_BYTES);
        void *map = mmap(NULL, end - start, PROT_NONE,
                         MAP_SHARED | MAP_NORESERVE, memfd, start);
        bool ok;

        if (map == MAP_FAILED) {
            error_setg_errno(errp, errno, "can't map %" PRIu64 " bytes of "
                             "guest memory to place them", end - start);
            return false;
        }
        ok = bind_window(plan, map, start, end, sets, errp);
        munmap(map, end - start);
        if (!ok) {
            return false;
        }
    }
    return true;
}
