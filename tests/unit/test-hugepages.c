/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which blocks of a VM are made huge: with a policy that knows what is hot, and the mover at work on a real
 * process. What is checked is what was tried, and, where the kernel can, what the process has mapped.
 */
#include <string.h>

#include "vm/impl.h"
#include "watched-child.h"

#define SECOND    G_GUINT64_CONSTANT(1000000000)
#define PAGE      4096u
#define PER_BLOCK 512u
#define BLOCK     (PER_BLOCK * PAGE)

/* What the blocks are; only the first is to become huge. */
enum { HOT, HOT_BUT_FOR_ONE_SLOW_PAGE, HOT_BUT_FOR_ONE_ABSENT_PAGE, COLD, HOT_IN_THE_SLOW_TIER, BLOCKS };

typedef struct Fixture {
    Child child;
    Topology topology;
    Backend backend;
    VmRegion region;
    Vm vm;
    uint64_t now_ns;
} Fixture;

static ChildPage all_written(size_t page)
{
    return CHILD_WRITTEN;
}

static void place(Fixture *f, size_t first, size_t n, uint8_t tier)
{
    g_autofree uint8_t *tiers = g_malloc(n);

    memset(tiers, tier, n);
    policy_place(f->vm.policy, f->child.region.id, first, n, tiers);
}

static void heat(Fixture *f, size_t block, double per_s)
{
    policy_evidence_rate(f->vm.policy, POLICY_SOURCE_CHMU, f->child.region.id, block * PER_BLOCK, PER_BLOCK,
                         per_s, 1000 * SECOND, f->now_ns);
}

static Policy *new_policy(const Fixture *f)
{
    const PolicyConfig config = {
        .budget_bytes = 4 * BLOCK,
        .heat_half_life_ns = 3600 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };
    Policy *policy = policy_new(&config);

    g_assert_true(policy_region_add(policy, f->child.region.id, f->child.region.size, PAGE, NULL));
    return policy;
}

static void set_up(Fixture *f, gconstpointer data)
{
    child_start(&f->child, BLOCKS * PER_BLOCK, all_written, false);
    f->topology = (Topology) { .n_tiers = 2, .tiers = { { .nodes = { 1 } }, { .nodes = { 2 } } } };
    f->backend = (Backend) { .vm = &f->vm, .mover = mover_new(&f->topology) };
    f->backend.config.hugepages = TIER_HUGEPAGES_COLLAPSE;
    f->region = (VmRegion) { .region = f->child.region, .backend = &f->backend };
    f->vm = (Vm) { .name = (char *)"huge", .regions = g_ptr_array_new(), .policy = new_policy(f) };
    g_ptr_array_add(f->vm.regions, &f->region);
    f->now_ns = clock_ns();

    place(f, 0, BLOCKS * PER_BLOCK, 0);
    place(f, HOT_BUT_FOR_ONE_SLOW_PAGE * PER_BLOCK + 7, 1, 1);
    place(f, HOT_BUT_FOR_ONE_ABSENT_PAGE * PER_BLOCK, 1, POLICY_TIER_ABSENT);
    place(f, HOT_IN_THE_SLOW_TIER * PER_BLOCK, PER_BLOCK, 1);
    for (size_t block = 0; block < BLOCKS; block++) {
        heat(f, block, block == COLD ? 0.001 : 10000);
    }
    policy_plan(f->vm.policy, f->now_ns);       /* which finds the threshold */
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->region.collapsed);
    policy_free(f->vm.policy);
    mover_free(f->backend.mover);
    g_ptr_array_unref(f->vm.regions);
    child_end(&f->child);
}

static uint64_t collapsed_blocks(const Fixture *f)
{
    MoverStats stats;

    mover_stats(f->backend.mover, &stats);
    return stats.collapsed_blocks;
}

/* Whether this kernel makes blocks of a memfd huge; tried on a block that the tests leave alone. */
static bool kernel_can(Fixture *f)
{
    g_autoptr(Mover) mover = mover_new(&f->topology);
    Child other;
    bool can;

    child_start(&other, PER_BLOCK, all_written, false);
    can = mover_collapse(mover, &other.region, 0, NULL);
    child_end(&other);
    return can;
}

static void only_a_hot_block_that_is_wholly_fast_becomes_huge(Fixture *f, gconstpointer data)
{
    hugepages_collapse(&f->vm, clock_ns());
    for (size_t block = 0; block < BLOCKS; block++) {
        g_assert_cmpint(f->region.collapsed[block] != 0, ==, block == HOT);
    }
    if (!kernel_can(f)) {
        g_test_skip("this kernel makes no huge pages of a memfd");
        return;
    }
    g_assert_cmpuint(collapsed_blocks(f), ==, 1);
    g_assert_cmpuint(child_huge_bytes(&f->child), ==, BLOCK);
}

static void a_block_is_tried_again_only_after_something_of_it_moved(Fixture *f, gconstpointer data)
{
    hugepages_collapse(&f->vm, clock_ns());
    memset(f->region.collapsed, 1, BLOCKS);
    hugepages_moved(&f->region, &(PolicyMove){.granule = COLD * PER_BLOCK + 3, .n = 1});
    for (size_t block = 0; block < BLOCKS; block++) {
        g_assert_cmpuint(f->region.collapsed[block], ==, block != COLD);
    }
    heat(f, COLD, 1000000);
    hugepages_collapse(&f->vm, clock_ns());
    g_assert_cmpuint(f->region.collapsed[COLD], !=, 0);
}

static void nothing_becomes_huge_unasked(Fixture *f, gconstpointer data)
{
    f->backend.config.hugepages = TIER_HUGEPAGES_OFF;
    hugepages_collapse(&f->vm, clock_ns());
    g_assert_null(f->region.collapsed);
    g_assert_cmpuint(collapsed_blocks(f), ==, 0);
    g_assert_cmpuint(child_huge_bytes(&f->child), ==, 0);
}

#define ADD(func) g_test_add("/hugepages/" #func, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(only_a_hot_block_that_is_wholly_fast_becomes_huge);
    ADD(a_block_is_tried_again_only_after_something_of_it_moved);
    ADD(nothing_becomes_huge_unasked);
    return g_test_run();
}
