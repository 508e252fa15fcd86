/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the pages of a backend are, and moving them by hand.
 *
 * Theory of operation
 *
 * move_pages(2) without target nodes tells where pages are, some thousands a
 * call, so that no call holds a lock of the kernel for long. It sees pages
 * through QEMU's page tables only, where accesses of KVM's and QEMU's own put
 * them. A page may exist and not be there: swapped out, or part of a huge page
 * whose mapping the kernel has dropped because it is tracked or was just
 * collapsed. Such are told from holes by what the file has allocated.
 *
 * A move is not believed but looked at: the kernel may return success for a
 * page that went elsewhere, and after one page that can't move it may leave
 * out the rest. So each round asks where the pages are and moves those that
 * are not where they should be.
 */
#include "qemu/osdep.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "memory-tier.h"

/* Pages in one system call */
#define BATCH 4096
/* References that come and go hinder a move: worth trying again, not forever */
#define MOVE_ROUNDS 3
/* Not an errno: the kernel did not tell */
#define STATUS_UNKNOWN INT_MIN

static long ask_or_move(unsigned long n, void *const *pages, const int *nodes,
                        int *status, int flags)
{
    return syscall(SYS_move_pages, 0, n, pages, nodes, status, flags);
}

/* Where @n pages are: a node, or a negative errno. */
static void where(unsigned long n, void *const *pages, int *status)
{
    for (unsigned long i = 0; i < n; i++) {
        status[i] = STATUS_UNKNOWN;
    }
    /* Where it fails as a whole (no NUMA, say), nothing is known. */
    ask_or_move(n, pages, NULL, status, 0);
}

static int tier_of(const Topology *topology, int status)
{
    return status < 0 ? -1 : topology_tier_of_node(topology, status);
}

void tier_pages_query(const TierPages *pages, TierResidency *residency)
{
    g_autofree void **addr = g_new(void *, BATCH);
    g_autofree int *status = g_new(int, BATCH);
    uint64_t n_pages = pages->size / pages->page_size;
    uint64_t present = 0, allocated;
    struct stat st;

    *residency = (TierResidency) {};
    for (uint64_t first = 0; first < n_pages; first += BATCH) {
        unsigned long n = MIN(BATCH, n_pages - first);

        for (unsigned long i = 0; i < n; i++) {
            addr[i] = (char *)pages->hva + (first + i) * pages->page_size;
        }
        where(n, addr, status);
        for (unsigned long i = 0; i < n; i++) {
            int tier = tier_of(pages->topology, status[i]);

            if (tier >= 0) {
                residency->tiers[tier] += pages->page_size;
            } else if (status[i] >= 0) {
                residency->off_tier += pages->page_size;
            }
            present += status[i] >= 0 ? pages->page_size : 0;
        }
    }
    allocated = fstat(pages->memfd, &st) ? present : st.st_blocks * 512ull;
    allocated = MIN(MAX(allocated, present), pages->size);
    residency->unmapped = allocated - present;
    residency->absent = pages->size - allocated;
}

/*
 * Why a page stayed: its own status, or else what the call as a whole failed
 * with. EACCES means another thing in each: that other processes map the page,
 * which takes MPOL_MF_MOVE_ALL, or that the cpuset forbids the target.
 */
static TierMoveFail reason_of(int status, int call)
{
    if (status == STATUS_UNKNOWN) {
        switch (call) {
        case -EACCES:
        case -EPERM:
        case -ENODEV:
            return TIER_MOVE_FAIL_CPUSET;
        default:
            status = call;
        }
    }
    switch (status) {
    case -ENOMEM:
        return TIER_MOVE_FAIL_FULL;
    case -ENOENT:
    case -EFAULT:
        return TIER_MOVE_FAIL_ABSENT;
    case -EBUSY:
    case -EAGAIN:
        return TIER_MOVE_FAIL_BUSY;
    default:
        /* A node, or nothing at all: the kernel gave up before this page */
        return status >= 0 || status == STATUS_UNKNOWN ? TIER_MOVE_FAIL_BUSY
                                                       : TIER_MOVE_FAIL_OTHER;
    }
}

/* The nodes of a tier, as a list that targets are dealt from in turn. */
static GArray *nodes_of(const Topology *topology, unsigned tier)
{
    GArray *nodes = g_array_new(false, false, sizeof(int));

    for (int node = 0; node < TIER_MAX_NODES; node++) {
        if (topology_tier_of_node(topology, node) == (int)tier) {
            g_array_append_val(nodes, node);
        }
    }
    return nodes;
}

typedef struct Batch {
    unsigned long n;
    void *addr[BATCH];
    int from[BATCH];            /* node at the start */
    int now[BATCH];             /* node, or a negative errno */
    TierMoveFail why[BATCH];    /* it stayed in the last attempt */
    /* What one call is given */
    void *moving[BATCH];
    unsigned index[BATCH];      /* of moving[i] in the above */
    int target[BATCH];
    int status[BATCH];
} Batch;

/* Move what is not on @tier; false when nothing was left to move. */
static bool move_round(Batch *b, const Topology *topology, unsigned tier,
                       const GArray *nodes)
{
    unsigned long n = 0;
    long rc;

    for (unsigned long i = 0; i < b->n; i++) {
        if (b->now[i] >= 0 && tier_of(topology, b->now[i]) != (int)tier) {
            b->moving[n] = b->addr[i];
            b->target[n] = g_array_index(nodes, int, i % nodes->len);
            b->status[n] = STATUS_UNKNOWN;
            b->index[n++] = i;
        }
    }
    if (n == 0) {
        return false;
    }
    /* Pages that the daemon or a vhost-user process maps, too, take ALL. */
    rc = ask_or_move(n, b->moving, b->target, b->status, MPOL_MF_MOVE_ALL);
    if (rc < 0 && errno == EPERM) {
        rc = ask_or_move(n, b->moving, b->target, b->status, MPOL_MF_MOVE);
    }
    rc = rc < 0 ? -errno : STATUS_UNKNOWN;
    for (unsigned long i = 0; i < n; i++) {
        b->why[b->index[i]] = reason_of(b->status[i], rc);
    }
    where(b->n, b->addr, b->now);
    return true;
}

static void batch_move(Batch *b, const Topology *topology, unsigned tier,
                       const GArray *nodes, TierMoves *moves)
{
    where(b->n, b->addr, b->from);
    memcpy(b->now, b->from, b->n * sizeof(b->now[0]));
    for (int round = 0; round < MOVE_ROUNDS; round++) {
        if (!move_round(b, topology, tier, nodes)) {
            break;
        }
    }
    for (unsigned long i = 0; i < b->n; i++) {
        if (b->from[i] < 0 || tier_of(topology, b->from[i]) == (int)tier) {
            continue;
        }
        moves->asked++;
        if (tier_of(topology, b->now[i]) == (int)tier) {
            moves->applied++;
        } else if (b->now[i] < 0) {
            moves->failed[TIER_MOVE_FAIL_ABSENT]++;
        } else if (b->now[i] != b->from[i]) {
            moves->failed[TIER_MOVE_FAIL_ELSEWHERE]++;
        } else {
            moves->failed[b->why[i]]++;
        }
    }
}

void tier_pages_move(const TierPages *pages, unsigned tier, TierMoves *moves)
{
    g_autofree Batch *b = g_new(Batch, 1);
    g_autoptr(GArray) nodes = nodes_of(pages->topology, tier);
    uint64_t n_pages = pages->size / pages->page_size;
    uint64_t unit = pages->page_size / 4096;

    *moves = (TierMoves) {};
    for (uint64_t first = 0; first < n_pages; first += BATCH) {
        b->n = MIN(BATCH, n_pages - first);
        for (unsigned long i = 0; i < b->n; i++) {
            b->addr[i] = (char *)pages->hva + (first + i) * pages->page_size;
        }
        batch_move(b, pages->topology, tier, nodes, moves);
    }
    moves->asked *= unit;
    moves->applied *= unit;
    for (int i = 0; i < TIER_MOVE_FAIL__MAX; i++) {
        moves->failed[i] *= unit;
    }
}
