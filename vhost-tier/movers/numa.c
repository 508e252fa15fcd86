/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NUMA mover.
 *
 * Theory of operation
 *
 * A plan comes as granules, grouped by direction. It is cut into batches of one direction; a batch is queried
 * first (what is there already, or gone, is not asked for), then moved, then queried again, and only the
 * second query decides what was applied. This is because move_pages(2) can't be taken at its word:
 *   - on partial failure it returns the number of pages that stayed behind and writes no status at all for
 *     some or all,
 *   - one page that fails may end the call for all after it, so what is left over is tried a second time,
 *   - the kernel may fall back to another node, and tell of success. What stays busy over several plans is
 *     pinned (pinned.h), and said to be POLICY_UNMOVABLE.
 *
 * MPOL_MF_MOVE_ALL is needed as the pages are mapped by more than one process (vhost-user back ends map them,
 * too); it needs CAP_SYS_NICE. Batches are sized by what a page was seen to cost, so that one takes about
 * BATCH_NS: under an emulated CXL device a page takes a hundred times as long as on real memory. But each call
 * has every CPU of the host drain its lists first, which on a busy host takes longer than the pages do: too small
 * a batch would look dear by that, and stay small.
 *
 * Where a node had no page left, as many as could have moved, and the others are refused without asking for
 * FULL_NS: each try has the kernel look for memory, with pages of the guest's taken from it meanwhile.
 */
#include "numa.h"

#include <errno.h>
#include <numaif.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "core/move-run.h"
#include "fail.h"
#include "pinned.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1, asm-generic/mman-common.h */
#endif

#define PAGE_BYTES 4096u
#define HUGE_BYTES (2u << 20)
#define BATCH_NS 20000000ull
#define BATCH_MIN_PAGES 64u
#define BATCH_MAX_PAGES 1024u
#define FULL_NS 1000000000ull
#define HUGE_WEIGHT 50u /* a 2 MiB page takes about as long as so many of 4 KiB */
#define TRIES 2

struct Mover {
    Topology topology;
    MoverStats stats;
    Pinned *pinned;
    uint64_t page_ns; /* what moving one page took lately; 0: not known yet */
    uint64_t full_until_ns[TIER_MAX_TIERS]; /* found full lately: not asked before that time */
    guint weight;      /* of one batch: what it takes, in pages of 4 KiB; */
    GArray *addresses; /* scratch of it: void *, */
    GArray *owners;    /* the index of the move that each page belongs to, */
    GArray *targets;   /* int: the node it shall go to, */
    GArray *status;    /* int: as move_pages() writes it, */
    GArray *found;     /* and int: where a query finds it */
};

/* What came of one move of a batch, page by page. */
typedef struct MoveTally {
    unsigned pages;
    unsigned present;
    unsigned applied;
    bool failed;
    TierMoveFail why; /* of the last page that failed */
} MoveTally;

static bool process_ended(const Region *region)
{
    struct pollfd poll_fd = {.fd = region->pidfd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) > 0;
}

Mover *mover_new(const Topology *topology)
{
    Mover *mover = g_new0(Mover, 1);

    mover->topology = *topology;
    mover->topology.origin = NULL;
    mover->pinned = pinned_new();
    mover->addresses = g_array_new(FALSE, FALSE, sizeof(void *));
    mover->owners = g_array_new(FALSE, FALSE, sizeof(guint));
    mover->targets = g_array_new(FALSE, FALSE, sizeof(int));
    mover->status = g_array_new(FALSE, FALSE, sizeof(int));
    mover->found = g_array_new(FALSE, FALSE, sizeof(int));
    return mover;
}

void mover_free(Mover *mover)
{
    if (!mover) {
        return;
    }
    pinned_free(mover->pinned);
    g_array_unref(mover->addresses);
    g_array_unref(mover->owners);
    g_array_unref(mover->targets);
    g_array_unref(mover->status);
    g_array_unref(mover->found);
    g_free(mover);
}

void mover_stats(const Mover *mover, MoverStats *stats)
{
    *stats = mover->stats;
}

/*
 * Bytes from one address of what moves as one, of @bytes, to the next that is asked for. One address does for a
 * huge page: of hugetlbfs, or one that was collapsed (where the kernel has split that since, but one page of it
 * moves; the next look at where pages are shows it).
 */
static uint32_t step_bytes(const Region *region, uint64_t bytes)
{
    return bytes > region->granule_bytes ? (uint32_t)bytes
                                         : CLAMP(region->page_size, PAGE_BYTES, region->granule_bytes);
}

static uint64_t move_bytes(const Region *region, const PolicyMove *move)
{
    return (uint64_t)move_granules(move) * region->granule_bytes;
}

/* The node of @tier with most free memory, or -1 where it has none at all. */
static int roomiest_node(const Mover *mover, unsigned tier)
{
    uint64_t most = 0;
    int best = -1;

    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        uint64_t total, available;

        if (!(mover->topology.tiers[tier].nodes[node / 64] >> (node % 64) & 1)) {
            continue;
        }
        if (!topology_node_memory("/sys", node, &total, &available)) {
            available = 0;
        }
        if (best < 0 || available > most) {
            best = node;
            most = available;
        }
    }
    return best;
}

static void batch_clear(Mover *mover)
{
    g_array_set_size(mover->addresses, 0);
    g_array_set_size(mover->owners, 0);
    mover->weight = 0;
}

/* Add the @bytes that begin with @granule. */
static void batch_add(Mover *mover, const Region *region, uint32_t granule, uint64_t bytes, guint owner)
{
    const uint64_t start = region->hva + (uint64_t)granule * region->granule_bytes;
    const uint32_t step = step_bytes(region, bytes);

    for (uint64_t offset = 0; offset < bytes; offset += step) {
        void *address = (void *)(uintptr_t)(start + offset);

        g_array_append_val(mover->addresses, address);
        g_array_append_val(mover->owners, owner);
        mover->weight += step > PAGE_BYTES ? HUGE_WEIGHT : 1;
    }
}

/* Fill mover->found with the node, or the negative errno, of each page of the batch. 0, or an errno. */
static int batch_query(Mover *mover, const Region *region)
{
    guint n = mover->addresses->len;
    int *found;

    g_array_set_size(mover->found, n);
    found = (int *)mover->found->data;
    for (guint i = 0; i < n; i++) {
        found[i] = -ENOENT;
    }
    return syscall(SYS_move_pages, region->pid, n, mover->addresses->data, NULL, found, 0) < 0 ? errno : 0;
}

/*
 * Ask for those pages of the batch that are present and not on tier @to yet. Their statuses are in
 * mover->status after it, that of all others is FAIL_STATUS_UNWRITTEN. Returns the call's errno, or 0.
 */
static int batch_move(Mover *mover, const Region *region, unsigned to, guint *asked)
{
    const int *found = (const int *)mover->found->data;
    g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(void *));
    g_autoptr(GArray) slots = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) status = g_array_new(FALSE, FALSE, sizeof(int));
    int node = roomiest_node(mover, to), unwritten = FAIL_STATUS_UNWRITTEN, err = 0;

    g_array_set_size(mover->status, 0);
    g_array_set_size(mover->targets, 0);
    for (guint i = 0; i < mover->addresses->len; i++) {
        g_array_append_val(mover->status, unwritten);
        if (found[i] >= 0 && topology_tier_of_node(&mover->topology, found[i]) != (int)to) {
            g_array_append_val(addresses, g_array_index(mover->addresses, void *, i));
            g_array_append_val(slots, i);
            g_array_append_val(mover->targets, node);
            g_array_append_val(status, unwritten);
        }
    }
    *asked = slots->len;
    if (slots->len == 0) {
        return 0;
    }
    if (node < 0) {
        return ENODEV;
    }
    if (syscall(SYS_move_pages, region->pid, slots->len, addresses->data, mover->targets->data, status->data,
                MPOL_MF_MOVE_ALL) < 0) {
        err = errno;
    }
    for (guint k = 0; k < slots->len; k++) {
        g_array_index(mover->status, int, g_array_index(slots, guint, k)) = g_array_index(status, int, k);
    }
    return err;
}

/* Sum up what became of the batch's pages, per move. */
static void batch_tally(Mover *mover, const PolicyMove *moves, int call_errno, MoveTally *tally)
{
    for (guint i = 0; i < mover->addresses->len; i++) {
        guint owner = g_array_index(mover->owners, guint, i);
        int found = g_array_index(mover->found, int, i);
        MoveTally *t = &tally[owner];
        TierMoveFail why;

        t->pages++;
        t->present += found >= 0;
        if (fail_judge(&mover->topology, moves[owner].from, moves[owner].to, call_errno,
                       g_array_index(mover->status, int, i), found, &why)) {
            t->applied++;
        } else if (found >= 0) {
            t->failed = true;
            t->why = why;
        }
    }
}

/* Turn a tally into the outcome that the policy is told, and into the counters that users see. */
static PolicyOutcome settle(Mover *mover, const Region *region, const PolicyMove *move,
                            const MoveTally *tally, uint64_t now_ns)
{
    uint64_t scale = step_bytes(region, move_bytes(region, move)) / PAGE_BYTES;
    TierMoveFail why = tally->why;

    mover->stats.asked += tally->pages * scale;
    mover->stats.applied += tally->applied * scale;
    mover->stats.failed[TIER_MOVE_FAIL_ABSENT] += (tally->pages - tally->present) * scale;
    if (!tally->failed) {
        pinned_forget(mover->pinned, region->id, move->granule);
        return tally->present ? POLICY_MOVED : POLICY_GONE;
    }
    if (why == TIER_MOVE_FAIL_BUSY && pinned_busy(mover->pinned, region->id, move->granule, now_ns)) {
        why = TIER_MOVE_FAIL_PINNED;
    }
    mover->stats.failed[why] += (tally->present - tally->applied) * scale;
    return why == TIER_MOVE_FAIL_PINNED ? POLICY_UNMOVABLE : POLICY_NOT_MOVED;
}

/* Note what a page costs, so that the next batch takes about BATCH_NS. */
static void learn_cost(Mover *mover, uint64_t took_ns, guint pages)
{
    uint64_t page_ns = took_ns / pages;

    mover->page_ns = mover->page_ns ? (3 * mover->page_ns + page_ns) / 4 : page_ns;
}

static guint batch_pages(const Mover *mover)
{
    return mover->page_ns ? CLAMP(BATCH_NS / mover->page_ns, BATCH_MIN_PAGES, BATCH_MAX_PAGES)
                          : BATCH_MIN_PAGES;
}

/* Carry out moves [0, n), all of one direction; fills @outcomes. False when the process has ended. */
static bool move_batch(Mover *mover, const Region *region, const PolicyMove *moves, size_t n,
                       PolicyOutcome *outcomes)
{
    g_autofree MoveTally *tally = g_new0(MoveTally, n);
    uint64_t begin_ns = clock_ns();
    guint asked = 0, asked_first = 0;
    int err = batch_query(mover, region), call_errno = 0;

    for (int i = 0; i < TRIES && err == 0; i++) {
        call_errno = process_ended(region) ? ESRCH : batch_move(mover, region, moves[0].to, &asked);
        asked_first = i == 0 ? asked : asked_first;
        err = asked || call_errno ? batch_query(mover, region) : 0;
        if (call_errno != 0 && call_errno != EBUSY && call_errno != EAGAIN) {
            break;
        }
    }
    if (err == ESRCH || call_errno == ESRCH) {
        return false;
    }
    if (err) { /* not even a query is allowed: then nothing was moved */
        g_array_set_size(mover->status, mover->addresses->len);
        g_array_set_size(mover->found, mover->addresses->len);
        for (guint i = 0; i < mover->addresses->len; i++) {
            g_array_index(mover->status, int, i) = -err;
            g_array_index(mover->found, int, i) = -err;
        }
    }
    batch_tally(mover, moves, call_errno, tally);
    for (size_t i = 0; i < n; i++) {
        if (err) {
            tally[i].present = tally[i].pages;
            tally[i].failed = true;
            tally[i].why = fail_from_errno(-err);
        }
        outcomes[i] = settle(mover, region, &moves[i], &tally[i], begin_ns);
    }
    if (asked_first) {
        learn_cost(mover, clock_ns() - begin_ns, asked_first * mover->weight / mover->addresses->len);
    }
    if (call_errno == ENOMEM) {
        mover->full_until_ns[moves[0].to] = clock_ns() + FULL_NS;
    }
    return true;
}

static bool same_direction(const PolicyMove *a, const PolicyMove *b)
{
    return a->from == b->from && a->to == b->to;
}

/* The moves from @moves on that make up one batch. */
static size_t batch_take(Mover *mover, const Region *region, const PolicyMove *moves, size_t n)
{
    guint most = batch_pages(mover);
    size_t taken = 0;

    batch_clear(mover);
    while (taken < n && same_direction(&moves[taken], &moves[0]) &&
           (taken == 0 || mover->weight < most)) {
        batch_add(mover, region, moves[taken].granule, move_bytes(region, &moves[taken]), taken);
        taken++;
    }
    return taken;
}

/* A plan's move that can't be asked for at all: a bug of ours, but nothing that may reach past the region. */
static bool move_is_sane(const Mover *mover, const Region *region, const PolicyMove *move)
{
    uint64_t n_granules = region->size / region->granule_bytes;

    return move->granule < n_granules && move_granules(move) <= n_granules - move->granule &&
           move->to < mover->topology.n_tiers;
}

size_t mover_move(Mover *mover, const Region *region, const PolicyMove *moves, size_t n, uint64_t deadline_ns,
                  PolicyOutcome *outcomes)
{
    size_t done = 0;
    uint64_t now_ns;

    while (done < n && (now_ns = clock_ns()) < deadline_ns) {
        size_t sane = 0, taken;

        while (done + sane < n && move_is_sane(mover, region, &moves[done + sane])) {
            sane++;
        }
        if (sane == 0 || now_ns < mover->full_until_ns[moves[done].to]) {
            TierMoveFail why = sane == 0 ? TIER_MOVE_FAIL_OTHER : TIER_MOVE_FAIL_FULL;

            mover->stats.asked += move_bytes(region, &moves[done]) / PAGE_BYTES;
            mover->stats.failed[why] += move_bytes(region, &moves[done]) / PAGE_BYTES;
            outcomes[done++] = POLICY_NOT_MOVED;
            continue;
        }
        taken = batch_take(mover, region, moves + done, sane);
        if (process_ended(region) || !move_batch(mover, region, moves + done, taken, outcomes + done)) {
            for (; done < n; done++) {
                outcomes[done] = POLICY_GONE;
            }
            return n;
        }
        done += taken;
    }
    return done;
}

/* The tier of a granule whose pages were found as given: that of most pages that are present. */
static uint8_t tier_of_pages(const Mover *mover, const int *found, guint n)
{
    guint count[TIER_MAX_TIERS] = {0}, unknown = 0, best = 0;

    for (guint i = 0; i < n; i++) {
        int tier = found[i] < 0 ? -1 : topology_tier_of_node(&mover->topology, found[i]);

        if (tier >= 0) {
            count[tier]++;
        } else {
            unknown += found[i] >= 0;
        }
    }
    for (guint tier = 1; tier < TIER_MAX_TIERS; tier++) {
        best = count[tier] > count[best] ? tier : best;
    }
    return count[best] ? best : unknown ? POLICY_TIER_UNKNOWN : POLICY_TIER_ABSENT;
}

bool mover_where(Mover *mover, const Region *region, size_t first, size_t n, uint8_t *tiers, GError **errp)
{
    guint per_granule = region->granule_bytes / step_bytes(region, region->granule_bytes);
    size_t n_granules = region->size / region->granule_bytes;

    if (first > n_granules || n > n_granules - first) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "granules %zu..%zu lie outside the region's %zu",
                    first, first + n, n_granules);
        return false;
    }
    for (size_t at = 0, taken; at < n; at += taken) {
        int err;

        batch_clear(mover);
        for (taken = 0; at + taken < n && (taken == 0 || mover->addresses->len < BATCH_MAX_PAGES); taken++) {
            batch_add(mover, region, first + at + taken, region->granule_bytes, taken);
        }
        err = process_ended(region) ? ESRCH : batch_query(mover, region);
        if (err) {
            g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(err),
                        "can't ask where pages of process %d are (move_pages): %s%s", (int)region->pid,
                        g_strerror(err), err == EPERM ? "; the daemon needs CAP_SYS_PTRACE" : "");
            return false;
        }
        for (size_t i = 0; i < taken; i++) {
            tiers[at + i] =
                tier_of_pages(mover, &g_array_index(mover->found, int, i *per_granule), per_granule);
        }
    }
    return true;
}

bool mover_collapse(Mover *mover, const Region *region, size_t block, GError **errp)
{
    uint64_t address = region->hva + block * HUGE_BYTES;
    struct iovec range = {.iov_base = (void *)(uintptr_t)address, .iov_len = HUGE_BYTES};
    const char *why = NULL;

    if (block >= region->size / HUGE_BYTES) {
        why = "it lies outside the region";
    } else if (address % HUGE_BYTES) {
        why = "the region does not begin on a 2 MiB boundary of QEMU's address space";
    } else if (syscall(SYS_process_madvise, region->pidfd, &range, 1ul, MADV_COLLAPSE, 0u) < 0) {
        why = errno == EPERM ? "the daemon needs CAP_SYS_NICE and CAP_SYS_PTRACE" : g_strerror(errno);
    }
    if (why) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "can't make 2 MiB block %zu huge: %s", block,
                    why);
        return false;
    }
    mover->stats.collapsed_blocks++;
    return true;
}
