/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages of hot memory: with hugepages=collapse, blocks of 2 MiB that lie in tier 0 in whole and are hot
 * are made into huge pages, a bounded number an epoch, each once until something of it has moved.
 */
#include "vm-impl.h"

#define COLLAPSE_NS   (20 * G_GUINT64_CONSTANT(1000000))    /* an epoch */
#define COLLAPSE_LOOK 64                                    /* blocks looked at an epoch */
#define BLOCK_BYTES   ((size_t)2 * 1024 * 1024)

/* Whether every granule of a block lies in tier 0 and is hotter than what would have to give way. */
static bool block_is_hot(const Vm *vm, const VmRegion *region, size_t block, double threshold_per_s,
                         uint64_t now_ns)
{
    const size_t per_block = BLOCK_BYTES / region->region.granule_bytes;
    double rate = 0;

    for (size_t i = 0; i < per_block; i++) {
        PolicyGranule granule;

        if (!policy_granule(vm->policy, region->region.id, block * per_block + i, now_ns, &granule) ||
            granule.tier != 0) {
            return false;
        }
        rate += granule.rate_per_s;
    }
    return rate > 0 && rate >= threshold_per_s * (double)per_block;
}

/* Make hot blocks that lie in tier 0 in whole into huge pages. */
static void collapse(Vm *vm, VmRegion *region, const PolicyStats *stats, uint64_t now_ns)
{
    const size_t blocks = (size_t)(region->region.size / BLOCK_BYTES);

    if (blocks == 0 || region->region.hva % BLOCK_BYTES) {
        return;
    }
    if (!region->collapsed) {
        region->collapsed = g_try_malloc0(blocks + 1);
    }
    for (int i = 0; region->collapsed && i < COLLAPSE_LOOK && clock_ns() < now_ns + COLLAPSE_NS; i++) {
        const size_t block = region->collapse_at++ % blocks;
        g_autoptr(GError) err = NULL;

        if (region->collapsed[block] || !block_is_hot(vm, region, block, stats->threshold_per_s, now_ns)) {
            continue;
        }
        /* Tried once, until something of it moves: what the kernel refuses now it would refuse again. */
        region->collapsed[block] = 1;
        if (!mover_collapse(region->backend->mover, &region->region, block, &err)) {
            g_debug("VM '%s': block %zu of region %u stays small: %s", vm->name, block, region->region.id,
                    err->message);
        }
    }
}

void hugepages_collapse(Vm *vm, uint64_t now_ns)
{
    PolicyStats stats;

    policy_stats(vm->policy, &stats);
    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->backend->config.hugepages == TIER_HUGEPAGES_COLLAPSE &&
            region->region.granule_bytes == 4096) {
            collapse(vm, region, &stats, now_ns);
        }
    }
}

void hugepages_moved(VmRegion *region, size_t granule)
{
    if (region->collapsed) {
        region->collapsed[(uint64_t)granule * region->region.granule_bytes / BLOCK_BYTES] = 0;
    }
}
