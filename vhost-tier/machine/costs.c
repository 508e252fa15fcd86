/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measuring what memory (chase.h) and moves cost. All is bounded in time as well, since an emulated host is a thousand
 * times slower.
 */
#include "costs.h"

#include <errno.h>
#include <numaif.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chase.h"
#include "clock.h"
#include "latency-filter.h"

#define PAGE_BYTES 4096ul
#define CHASE_ROUNDS 8
#define MOVE_PAGES 64u
#define MOVE_TRIES 5
#define TIME_BOX_NS 20000000ull /* for each latency */

static const PolicyCosts defaults = {
    .latency_ns = {100, 250, 400, 600},
    .move_4k_ns = 5000,
    .move_2m_ns = 250000,
    .look_ns = 30, /* of a page table entry by KVM's lockless aging, Linux 6.15 and up */
};

/* @pages of memory on one node of a tier, touched; NULL when none can be had there. */
static char *map_on_tier(const Topology *topology, unsigned tier, unsigned pages, int *node)
{
    size_t size = (size_t)pages * PAGE_BYTES;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *first = memory;

    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (mbind(memory, size, MPOL_BIND, (const unsigned long *)topology->tiers[tier].nodes, TIER_MAX_NODES,
              0) == 0) {
        for (unsigned i = 0; i < pages; i++) {
            memory[i * PAGE_BYTES] = 1;
        }
        if (move_pages(0, 1, &first, NULL, node, 0) == 0 && *node >= 0 &&
            topology_tier_of_node(topology, *node) == (int)tier) {
            return memory;
        }
    }
    munmap(memory, size);
    return NULL;
}

/* The least of some rounds: as near as we can come to what it is without load. 0 when it can't be measured. */
static uint32_t measure_latency(const Topology *topology, unsigned tier)
{
    g_autoptr(Chase) chase = chase_new(&topology->tiers[tier], NULL);
    const uint64_t begin_ns = clock_ns();
    uint32_t best = UINT32_MAX;

    for (int round = 0; chase && round < CHASE_ROUNDS && (round == 0 || clock_ns() < begin_ns + TIME_BOX_NS); round++) {
        best = MIN(best, chase_ns(chase));
    }
    return chase ? best : 0;
}

/*
 * Move @n pages of our own to a node; false unless nearly all came to be there (some may be busy just then).
 */
static bool move_own(char *memory, unsigned n, int node)
{
    void *pages[MOVE_PAGES] = {NULL};
    int nodes[MOVE_PAGES] = {0}, status[MOVE_PAGES] = {0};
    unsigned there = 0;

    for (unsigned i = 0; i < n; i++) {
        pages[i] = memory + i * PAGE_BYTES;
        nodes[i] = node;
    }
    /* Where one stays behind it writes no status for others, so they are asked for. */
    if (move_pages(0, n, pages, nodes, status, MPOL_MF_MOVE) < 0 ||
        move_pages(0, n, pages, NULL, status, 0) < 0) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        there += status[i] == node;
    }
    return there >= n - n / 8;
}

/*
 * Move @n of our pages to @there and back: how long that took, or 0 when they did not get there. A page may
 * be busy for a moment, so it is tried a few times.
 */
static uint64_t there_and_back_ns(char *memory, unsigned n, int there, int back)
{
    for (int i = 0; i < MOVE_TRIES; i++) {
        uint64_t begin_ns = clock_ns();

        if (move_own(memory, n, there) && move_own(memory, n, back)) {
            return clock_ns() - begin_ns;
        }
        move_own(memory, n, back);
    }
    return 0;
}

/*
 * What moving a page between tiers 0 and 1 takes, the mean of both ways; 0 when it can't be tried. Pages are
 * moved in large batches, so what a call takes of itself (it drains the lists of all CPUs) is not a page's:
 * taken is the difference between a batch and a single page.
 */
static uint32_t measure_move(const Topology *topology)
{
    int fast, slow;
    char *memory, *other;
    uint64_t one_ns = 0, all_ns = 0;

    if (topology->n_tiers < 2) {
        return 0;
    }
    other = map_on_tier(topology, 1, 1, &slow);
    memory = map_on_tier(topology, 0, MOVE_PAGES, &fast);
    if (memory && other) {
        mbind(memory, MOVE_PAGES * PAGE_BYTES, MPOL_DEFAULT, NULL, 0, 0);
        /* The first call of all is slower than any later one. */
        if (there_and_back_ns(memory, 1, slow, fast)) {
            one_ns = there_and_back_ns(memory, 1, slow, fast);
            all_ns = there_and_back_ns(memory, MOVE_PAGES, slow, fast);
        }
    }
    if (memory) {
        munmap(memory, MOVE_PAGES * PAGE_BYTES);
    }
    if (other) {
        munmap(other, PAGE_BYTES);
    }
    return all_ns > one_ns && one_ns ? MIN((all_ns - one_ns) / (2ull * (MOVE_PAGES - 1)), UINT32_MAX) : 0;
}

/*
 * Measure all tiers' latencies into @latency_ns. False when one can't be measured, or no difference is seen
 * between tiers: then it was not the memory that was measured (an emulator has no caches to flush), and
 * others know better.
 */
static bool measure_latencies(const Topology *topology, uint32_t *latency_ns)
{
    for (unsigned tier = 0; tier < topology->n_tiers; tier++) {
        latency_ns[tier] = measure_latency(topology, tier);
        if (latency_ns[tier] == 0 || (tier > 0 && !latency_apart(latency_ns[tier - 1], latency_ns[tier]))) {
            return false;
        }
    }
    return true;
}

/* The HMAT's latencies; false when one is not known. */
static bool hmat_latencies(const Topology *topology, uint32_t *latency_ns)
{
    for (unsigned tier = 0; tier < topology->n_tiers; tier++) {
        latency_ns[tier] = topology->tiers[tier].latency_ns;
        if (latency_ns[tier] == 0) {
            return false;
        }
    }
    return true;
}

void costs_measure(const Topology *topology, Costs *costs)
{
    uint32_t page_ns = measure_move(topology), latency_ns[TIER_MAX_TIERS] = {0};

    *costs = (Costs){.policy = defaults};
    if (measure_latencies(topology, latency_ns)) {
        costs->latency_from = COSTS_MEASURED;
    } else if (hmat_latencies(topology, latency_ns)) {
        costs->latency_from = COSTS_HMAT;
    }
    if (costs->latency_from != COSTS_DEFAULT) {
        memcpy(costs->policy.latency_ns, latency_ns, topology->n_tiers * sizeof(latency_ns[0]));
    }
    if (page_ns) {
        /* A huge page is copied much faster than as many small ones: by the ratio that the defaults have. */
        costs->policy.move_4k_ns = page_ns;
        costs->policy.move_2m_ns =
            MIN((uint64_t)page_ns * (defaults.move_2m_ns / defaults.move_4k_ns), UINT32_MAX);
        costs->moves_from = COSTS_MEASURED;
    }
}

const char *costs_origin_name(CostsOrigin origin)
{
    switch (origin) {
    case COSTS_MEASURED:
        return "measured";
    case COSTS_HMAT:
        return "HMAT";
    default:
        return "default";
    }
}
