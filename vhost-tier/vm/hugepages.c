/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages of hot memory: with hugepages=collapse, blocks of 2 MiB that lie in tier 0 in whole are made
 * into huge pages where the policy finds them to be used evenly enough (core/block-advice.h), a bounded
 * number an epoch.
 *
 * A block that was collapsed is planned, and moves, as one from then on. The way back is not ours to go: the
 * kernel has no call that splits a huge page of shared memory in another process, and moves such a page in
 * whole whatever part of it is asked for, so POLICY_BLOCK_SPLIT is not acted upon. It may split one by
 * itself; that is seen by its pages being on several tiers, and then they are small ones again.
 */
#include "impl.h"

#define COLLAPSE_NS   (20 * G_GUINT64_CONSTANT(1000000))    /* an epoch */
#define COLLAPSE_LOOK 64                                    /* blocks looked at an epoch */
#define BLOCK_BYTES   ((size_t)2 * 1024 * 1024)

/* What became of a block, in VmRegion's 'collapsed'. */
enum {
    BLOCK_SMALL,
    BLOCK_TRIED,            /* the kernel would not; not tried again until something of it moves */
    BLOCK_HUGE,
};

static size_t per_block(const VmRegion *region)
{
    return BLOCK_BYTES / region->region.granule_bytes;
}

/* The tier that every granule of a block lies on, or POLICY_TIER_UNKNOWN. */
static uint8_t tier_of_block(const Vm *vm, const VmRegion *region, size_t block, uint64_t now_ns)
{
    uint8_t tier = POLICY_TIER_UNKNOWN;

    for (size_t i = 0; i < per_block(region); i++) {
        PolicyGranule granule;

        if (!policy_granule(vm->policy, region->region.id, block * per_block(region) + i, now_ns, &granule) ||
            (i > 0 && granule.tier != tier)) {
            return POLICY_TIER_UNKNOWN;
        }
        tier = granule.tier;
    }
    return tier;
}

/* Collapse the block if that is advised; what the kernel refuses now it would refuse again. */
static void try_block(Vm *vm, VmRegion *region, size_t block, uint64_t now_ns)
{
    const size_t first = block * per_block(region);
    g_autoptr(GError) err = NULL;

    if (policy_block_advice(vm->policy, region->region.id, first) != POLICY_BLOCK_COLLAPSE ||
        tier_of_block(vm, region, block, now_ns) != 0) {
        return;
    }
    if (!mover_collapse(region->backend->mover, &region->region, block, &err)) {
        region->collapsed[block] = BLOCK_TRIED;
        g_debug("VM '%s': block %zu of region %u stays small: %s", vm->name, block, region->region.id,
                err->message);
        return;
    }
    region->collapsed[block] = BLOCK_HUGE;
    policy_block_set(vm->policy, region->region.id, first, true);
}

static void look_at_block(Vm *vm, VmRegion *region, size_t block, uint64_t now_ns)
{
    if (region->collapsed[block] == BLOCK_SMALL) {
        try_block(vm, region, block, now_ns);
    } else if (region->collapsed[block] == BLOCK_HUGE &&
               tier_of_block(vm, region, block, now_ns) >= POLICY_MAX_TIERS) {
        region->collapsed[block] = BLOCK_SMALL;
        policy_block_set(vm->policy, region->region.id, block * per_block(region), false);
    }
}

/* Look at the next blocks of a region. */
static void look_around(Vm *vm, VmRegion *region, uint64_t now_ns)
{
    const size_t blocks = (size_t)(region->region.size / BLOCK_BYTES);

    if (blocks == 0 || region->region.hva % BLOCK_BYTES) {
        return;
    }
    if (!region->collapsed) {
        region->collapsed = g_try_malloc0(blocks + 1);
    }
    for (int i = 0; region->collapsed && i < COLLAPSE_LOOK && clock_ns() < now_ns + COLLAPSE_NS; i++) {
        look_at_block(vm, region, region->collapse_at++ % blocks, now_ns);
    }
}

void hugepages_collapse(Vm *vm, uint64_t now_ns)
{
    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->backend->config.hugepages == TIER_HUGEPAGES_COLLAPSE &&
            region->region.granule_bytes == 4096) {
            look_around(vm, region, now_ns);
        }
    }
}

void hugepages_moved(VmRegion *region, const PolicyMove *move)
{
    if (region->collapsed && move->n <= 1) {
        region->collapsed[move->granule / per_block(region)] = BLOCK_SMALL;
    }
}
