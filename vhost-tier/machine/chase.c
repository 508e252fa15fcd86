/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains of pointers through the memory of a tier; chase.h says what for.
 */
#include "chase.h"

#include <gio/gio.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#include <errno.h>
#include <numaif.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"

#define PAGE_BYTES 4096ul
#define PAGES 64u
#define BYTES (PAGES * PAGE_BYTES)
#define LOOK_PAGES 8u /* in one look for where they are */
#define LINE_BYTES 128ul /* two cache lines: processors fetch them in pairs */
#define LINES (BYTES / LINE_BYTES)

/* One node's. */
typedef struct Chain {
    char *memory;
    unsigned node;
    unsigned looked;                /* pages, all in all */
    void **at;                      /* the next read */
} Chain;

struct Chase {
    GArray *chains;                 /* of Chain; at least one */
};

static void chain_clear(gpointer data)
{
    munmap(((Chain *)data)->memory, BYTES);
}

/* Link all lines into one cycle in a fixed random order (Sattolo's shuffle), none of them in a cache. */
static void link_lines(Chain *chain)
{
    unsigned order[LINES];
    uint32_t random = 1;

    for (unsigned i = 0; i < LINES; i++) {
        order[i] = i;
    }
    for (unsigned i = LINES - 1; i > 0; i--) {
        unsigned j, swap;

        random = random * 1664525u + 1013904223u;
        j = (random >> 8) % i;
        swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (unsigned i = 0; i < LINES; i++) {
        void **line = (void **)(chain->memory + order[i] * LINE_BYTES);

        *line = chain->memory + order[(i + 1) % LINES] * LINE_BYTES;
        _mm_clflush(line);
    }
    _mm_mfence();
    chain->at = (void **)chain->memory;
}

/* Whether the next LOOK_PAGES are where they should be. */
static bool pages_in_place(Chain *chain)
{
    void *pages[LOOK_PAGES];
    int status[LOOK_PAGES] = {0};
    bool there;

    for (unsigned i = 0; i < LOOK_PAGES; i++) {
        pages[i] = chain->memory + chain->looked++ % PAGES * PAGE_BYTES;
    }
    there = move_pages(0, LOOK_PAGES, pages, NULL, status, 0) == 0;
    for (unsigned i = 0; there && i < LOOK_PAGES; i++) {
        there = status[i] == (int)chain->node;
    }
    return there;
}

static bool all_in_place(Chain *chain)
{
    bool there = true;

    for (unsigned i = 0; there && i < PAGES; i += LOOK_PAGES) {
        there = pages_in_place(chain);
    }
    return there;
}

/*
 * A chain on @node. The node is preferred, not demanded: where it is full, pages come from elsewhere, and that is
 * found out, where a demand would have the kernel write others' pages out or end a process.
 */
static bool chain_make(Chain *chain, unsigned node, GError **errp)
{
    uint64_t mask[TIER_NODE_WORDS] = {0};

    *chain = (Chain){.node = node};
    chain->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chain->memory == MAP_FAILED) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "no memory to measure with: mmap: %s",
                    g_strerror(errno));
        return false;
    }
    mask[node / 64] = 1ull << node % 64;
    /* The kernel takes one bit less than it is told. */
    if (mbind(chain->memory, BYTES, MPOL_PREFERRED, (const unsigned long *)mask, TIER_MAX_NODES + 1, 0) < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "node %u's memory can't be had (mbind: %s): it is offline, or the daemon's cpuset leaves it out", node,
                    g_strerror(errno));
        chain_clear(chain);
        return false;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        chain->memory[i * PAGE_BYTES] = 1;
    }
    if (!all_in_place(chain)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "node %u has no %lu KiB free, or the daemon's cpuset leaves it out", node, BYTES >> 10);
        chain_clear(chain);
        return false;
    }
    link_lines(chain);
    return true;
}

Chase *chase_new(const TopologyTier *tier, GError **errp)
{
    g_autoptr(Chase) chase = g_new0(Chase, 1);
    g_autoptr(GError) first = NULL;

    chase->chains = g_array_new(FALSE, FALSE, sizeof(Chain));
    g_array_set_clear_func(chase->chains, chain_clear);
    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        Chain chain;

        if (!(tier->nodes[node / 64] >> (node % 64) & 1)) {
            continue;
        }
        if (chain_make(&chain, node, first ? NULL : &first)) {
            g_array_append_val(chase->chains, chain);
        }
    }
    if (chase->chains->len > 0) {
        return g_steal_pointer(&chase);
    }
    if (first) {
        g_propagate_error(errp, g_steal_pointer(&first));
    } else {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "the tier has no nodes");
    }
    return NULL;
}

void chase_free(Chase *chase)
{
    if (chase) {
        g_array_unref(chase->chains);
        g_free(chase);
    }
}

bool chase_in_place(Chase *chase)
{
    for (guint i = 0; i < chase->chains->len; i++) {
        if (!pages_in_place(&g_array_index(chase->chains, Chain, i))) {
            return false;
        }
    }
    return true;
}

/* Follow a part of the chain, then flush it. */
static uint32_t part_ns(Chain *chain)
{
    void **line = chain->at;
    void *volatile *at = (void *volatile *)line;
    const uint64_t begin_ns = clock_ns();
    uint64_t took_ns;

    for (unsigned i = 0; i < CHASE_PART_READS; i++) {
        at = *at;
    }
    took_ns = clock_ns() - begin_ns;
    chain->at = (void **)at;
    for (unsigned i = 0; i < CHASE_PART_READS; i++) {
        void **next = *line;

        _mm_clflush(line);
        line = next;
    }
    _mm_mfence();
    return (uint32_t)MIN((took_ns + CHASE_PART_READS / 2) / CHASE_PART_READS, UINT32_MAX);
}

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/*
 * Have the translations of all pages at hand, and the processor awake: after a second of other work neither is, and
 * that is not the memory's to answer for.
 */
static void warm_up(const Chain *chain)
{
    for (unsigned i = 0; i < PAGES; i++) {
        const volatile char *page = chain->memory + i * PAGE_BYTES;

        (void)*page;
        _mm_clflush((const void *)page);
    }
    _mm_mfence();
}

static uint32_t chain_ns(Chain *chain)
{
    uint32_t parts_ns[CHASE_PARTS];

    warm_up(chain);
    for (unsigned i = 0; i < CHASE_PARTS; i++) {
        parts_ns[i] = part_ns(chain);
    }
    qsort(parts_ns, CHASE_PARTS, sizeof(parts_ns[0]), by_size);
    return parts_ns[CHASE_PARTS / 2];
}

uint32_t chase_ns(Chase *chase)
{
    const guint n = MAX(chase->chains->len, 1);
    uint64_t sum = 0;

    for (guint i = 0; i < chase->chains->len; i++) {
        sum += chain_ns(&g_array_index(chase->chains, Chain, i));
    }
    return (uint32_t)MAX(sum / n, 1);
}

#else

Chase *chase_new(const TopologyTier *tier, GError **errp)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "latencies are measured on x86-64 only: elsewhere a program can't flush a line from the caches");
    return NULL;
}

void chase_free(Chase *chase)
{
}

bool chase_in_place(Chase *chase)
{
    return false;
}

uint32_t chase_ns(Chase *chase)
{
    return 1;
}

#endif
