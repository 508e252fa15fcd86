/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measuring what memory and moves cost.
 *
 * Latency: a chain of pointers through a few pages of the tier, in random order, is followed after its lines were flushed from the
 * caches; so a few pages do, where a chain larger than the caches would take long to set up. All is bounded in time as well, since an
 * emulated host is a thousand times slower.
 */
#include "costs.h"

#include <errno.h>
#include <numaif.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define PAGE_BYTES   4096u
#define CHASE_PAGES  8u
#define LINE_BYTES   128u       /* two cache lines: processors fetch them in pairs */
#define CHASE_LINES  (CHASE_PAGES * PAGE_BYTES / LINE_BYTES)
#define CHASE_ROUNDS 8
#define MOVE_PAGES   64u
#define TIME_BOX_NS  20000000ull /* for each latency */

static const PolicyCosts defaults = {
    .latency_ns = {100, 250, 400, 600},
    .move_4k_ns = 5000,
    .move_2m_ns = 250000,
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* @pages of memory on one node of a tier, touched; NULL when none can be had there. */
static char *map_on_tier(const Topology *topology, unsigned tier, unsigned pages, int *node)
{
    size_t size = (size_t)pages * PAGE_BYTES;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *first = memory;

    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (mbind(memory, size, MPOL_BIND, (const unsigned long *)topology->tiers[tier].nodes, TIER_MAX_NODES, 0) == 0) {
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

#if defined(__x86_64__)
/* Link CHASE_LINES lines into one cycle in a fixed random order (Sattolo's shuffle). */
static void link_lines(char *memory)
{
    unsigned order[CHASE_LINES];
    uint32_t random = 1;

    for (unsigned i = 0; i < CHASE_LINES; i++) {
        order[i] = i;
    }
    for (unsigned i = CHASE_LINES - 1; i > 0; i--) {
        unsigned j, swap;

        random = random * 1664525u + 1013904223u;
        j = (random >> 8) % i;
        swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (unsigned i = 0; i < CHASE_LINES; i++) {
        void **line = (void **)(memory + order[i] * LINE_BYTES);

        *line = memory + order[(i + 1) % CHASE_LINES] * LINE_BYTES;
    }
}

static uint64_t chase_ns(char *memory)
{
    void *volatile *at = (void *volatile *)memory;
    uint64_t begin_ns;

    for (unsigned i = 0; i < CHASE_LINES; i++) {
        _mm_clflush(memory + i * LINE_BYTES);
    }
    _mm_mfence();
    begin_ns = clock_ns();
    for (unsigned i = 0; i < CHASE_LINES; i++) {
        at = *at;
    }
    return (clock_ns() - begin_ns) / CHASE_LINES;
}

static uint32_t measure_latency(const Topology *topology, unsigned tier)
{
    uint64_t begin_ns = clock_ns(), best = UINT64_MAX;
    int node;
    char *memory = map_on_tier(topology, tier, CHASE_PAGES, &node);

    if (!memory) {
        return 0;
    }
    link_lines(memory);
    for (int round = 0; round < CHASE_ROUNDS && (round == 0 || clock_ns() < begin_ns + TIME_BOX_NS); round++) {
        best = MIN(best, chase_ns(memory));
    }
    munmap(memory, CHASE_PAGES * PAGE_BYTES);
    return CLAMP(best, 1, UINT32_MAX);
}
#else
static uint32_t measure_latency(const Topology *topology, unsigned tier)
{
    return 0;   /* no portable way to flush a line */
}
#endif

/* Move @n pages of our own to a node; false unless all came to be there. */
static bool move_own(char *memory, unsigned n, int node)
{
    void *pages[MOVE_PAGES] = {NULL};
    int nodes[MOVE_PAGES] = {0}, status[MOVE_PAGES] = {0};

    for (unsigned i = 0; i < n; i++) {
        pages[i] = memory + i * PAGE_BYTES;
        nodes[i] = node;
        status[i] = -EBUSY;
    }
    if (move_pages(0, n, pages, nodes, status, MPOL_MF_MOVE) != 0) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (status[i] != node) {
            return false;
        }
    }
    return true;
}

/* Move @n of our pages to @there and back: how long that took, or 0 when they did not get there. */
static uint64_t there_and_back_ns(char *memory, unsigned n, int there, int back)
{
    uint64_t begin_ns = clock_ns();

    return move_own(memory, n, there) && move_own(memory, n, back) ? clock_ns() - begin_ns : 0;
}

/*
 * What moving a page between tiers 0 and 1 takes, the mean of both ways; 0 when it can't be tried. Pages are moved in large batches, so
 * what a call takes of itself (it drains the lists of all CPUs) is not a page's: taken is the difference between a batch and
 * a single page.
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
    return all_ns > one_ns && one_ns ? MIN((all_ns - one_ns) / (2 * (MOVE_PAGES - 1)), UINT32_MAX) : 0;
}

void costs_measure(const Topology *topology, Costs *costs)
{
    uint64_t page_ns = measure_move(topology);

    *costs = (Costs){.policy = defaults, .latency_from = COSTS_MEASURED};
    for (unsigned tier = 0; tier < topology->n_tiers && tier < POLICY_MAX_TIERS; tier++) {
        uint32_t ns = measure_latency(topology, tier);
        CostsOrigin from = COSTS_MEASURED;

        if (ns == 0) {
            ns = topology->tiers[tier].latency_ns;
            from = ns ? COSTS_HMAT : COSTS_DEFAULT;
        }
        if (ns) {
            costs->policy.latency_ns[tier] = ns;
        }
        costs->latency_from = MIN(costs->latency_from, from);
    }
    if (page_ns) {
        /* A huge page is copied much faster than as many small ones: by the ratio that the defaults have. */
        costs->policy.move_4k_ns = page_ns;
        costs->policy.move_2m_ns = MIN(page_ns * (defaults.move_2m_ns / defaults.move_4k_ns), UINT32_MAX);
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
