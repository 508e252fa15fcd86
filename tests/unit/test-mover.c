/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NUMA mover: its judgement by tables, and what it does to a real process. What needs two tiers is
 * skipped where there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "movers/fail.h"
#include "movers/numa.h"
#include "movers/pinned.h"
#include "watched-child.h"

#define SECOND 1000000000ull
#define PAGES 1024
#define FOREVER UINT64_MAX
#define NO_NODE 1000 /* that no test machine has */

static Topology two_tiers(unsigned fast_node, unsigned slow_node)
{
    Topology topology = {.n_tiers = 2};

    topology.tiers[0].nodes[fast_node / 64] = 1ull << (fast_node % 64);
    topology.tiers[1].nodes[slow_node / 64] = 1ull << (slow_node % 64);
    return topology;
}

/* This host's, or NULL with the test skipped. */
static Topology *real_tiers(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Topology) topology = topology_discover("/sys", &err);

    if (!topology || topology->n_tiers < 2) {
        g_test_skip("this host has one memory tier");
        return NULL;
    }
    return g_steal_pointer(&topology);
}

static ChildPage upper_half_absent(size_t page)
{
    return page < PAGES / 2 ? CHILD_COLD : CHILD_ABSENT;
}

static ChildPage all_written(size_t page)
{
    return CHILD_WRITTEN;
}

static void plan(PolicyMove *moves, size_t n, uint8_t from, uint8_t to)
{
    for (size_t i = 0; i < n; i++) {
        moves[i] = (PolicyMove){.region = 3, .granule = i, .from = from, .to = to};
    }
}

static void reasons_follow_from_what_the_kernel_said(void)
{
    static const struct {
        int call_errno, status, found;
        bool moved;
        TierMoveFail why;
    } table[] = {
        /* nodes: 0 is tier 0, 1 is tier 1, 2 is of no tier; moves go from tier 0 to tier 1 */
        {0, 1, 1, true, 0},
        {ENOMEM, FAIL_STATUS_UNWRITTEN, 1, true, 0}, /* the call failed, but this page went before it did */
        {0, 1, 0, false, TIER_MOVE_FAIL_BUSY},       /* it said so, but the page is not there */
        {0, 1, 2, false, TIER_MOVE_FAIL_ELSEWHERE},  /* it fell back */
        {0, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_BUSY},
        {0, -EBUSY, 0, false, TIER_MOVE_FAIL_BUSY},
        {0, -EAGAIN, 0, false, TIER_MOVE_FAIL_BUSY},
        {0, -ENOMEM, 0, false, TIER_MOVE_FAIL_FULL},
        {ENOMEM, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_FULL},
        {0, -EACCES, 0, false, TIER_MOVE_FAIL_CPUSET},
        {EPERM, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_CPUSET},
        {EACCES, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_CPUSET},
        {ENODEV, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_CPUSET},
        {EINVAL, FAIL_STATUS_UNWRITTEN, 0, false, TIER_MOVE_FAIL_OTHER},
        {0, -ENOENT, -ENOENT, false, TIER_MOVE_FAIL_ABSENT},
        {0, 1, -EFAULT, false, TIER_MOVE_FAIL_ABSENT},
    };
    Topology topology = two_tiers(0, 1);

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        TierMoveFail why = TIER_MOVE_FAIL__MAX;
        bool moved = fail_judge(&topology, 0, 1, table[i].call_errno, table[i].status, table[i].found, &why);

        g_test_message("row %zu: %s", i, moved ? "moved" : mover_fail_name(why));
        g_assert_cmpint(moved, ==, table[i].moved);
        if (!moved) {
            g_assert_cmpint(why, ==, table[i].why);
        }
    }
    for (int reason = 0; reason < TIER_MOVE_FAIL__MAX; reason++) {
        g_assert_nonnull(mover_fail_name(reason));
    }
    g_assert_cmpstr(mover_fail_name(TIER_MOVE_FAIL__MAX), ==, "unknown");
}

static void what_stays_busy_is_pinned_after_some_tries_and_some_time(void)
{
    Pinned *pinned = pinned_new();

    for (int i = 0; i < 3 * PINNED_TRIES; i++) { /* many tries at once are one moment */
        g_assert_false(pinned_busy(pinned, 1, 7, SECOND));
    }
    g_assert_true(pinned_busy(pinned, 1, 7, SECOND + PINNED_AGE_NS));
    g_assert_false(pinned_busy(pinned, 1, 7, SECOND + PINNED_AGE_NS)); /* judged anew */

    for (int i = 0; i < PINNED_TRIES - 1; i++) {
        g_assert_false(pinned_busy(pinned, 1, 8, i * PINNED_AGE_NS));
    }
    pinned_forget(pinned, 1, 8);
    g_assert_false(pinned_busy(pinned, 1, 8, 100 * PINNED_AGE_NS));
    g_assert_false(pinned_busy(pinned, 2, 7, 100 * PINNED_AGE_NS));
    pinned_free(pinned);
}

static void the_memory_of_busy_granules_is_bounded(void)
{
    Pinned *pinned = pinned_new();
    uint32_t last = 2 * PINNED_MAX_GRANULES;

    for (uint32_t i = 0; i <= last; i++) {
        g_assert_false(pinned_busy(pinned, 1, i, SECOND));
    }
    for (int i = 0; i < 2 * PINNED_TRIES; i++) { /* one too many to be remembered */
        g_assert_false(pinned_busy(pinned, 1, last, SECOND + i * PINNED_AGE_NS));
    }
    for (int i = 0; i < PINNED_TRIES - 1; i++) { /* much later the stale ones make room */
        g_assert_false(pinned_busy(pinned, 1, last, (1000 + i) * SECOND));
    }
    g_assert_true(pinned_busy(pinned, 1, last, 1100 * SECOND));
    pinned_free(pinned);
}

static void where_tells_present_pages_from_absent_ones(void)
{
    Topology topology = two_tiers(0, NO_NODE);
    g_autoptr(Mover) mover = mover_new(&topology);
    g_autoptr(GError) err = NULL;
    uint8_t tiers[PAGES];
    Child child;

    child_start(&child, PAGES, upper_half_absent, false);
    g_assert_true(mover_where(mover, &child.region, 0, PAGES, tiers, &err));
    for (size_t i = 0; i < PAGES; i++) {
        g_assert_cmpuint(tiers[i] == POLICY_TIER_ABSENT, ==, i >= PAGES / 2);
    }
    g_assert_false(mover_where(mover, &child.region, 1, PAGES, tiers, &err));
    g_assert_nonnull(strstr(err->message, "outside the region"));
    g_clear_error(&err);
    child_kill(&child);
    g_assert_false(mover_where(mover, &child.region, 0, 1, tiers, &err));
    g_assert_nonnull(strstr(err->message, "move_pages"));
}

static void a_page_that_is_there_already_counts_as_moved(void)
{
    Topology topology = two_tiers(0, NO_NODE);
    g_autoptr(Mover) mover = mover_new(&topology);
    PolicyMove moves[8];
    PolicyOutcome outcomes[8];
    MoverStats stats;
    uint8_t tier;
    Child child;

    child_start(&child, PAGES, all_written, false);
    g_assert_true(mover_where(mover, &child.region, 0, 1, &tier, NULL));
    if (tier != 0) {
        g_test_skip("the child's memory is not on node 0");
        child_end(&child);
        return;
    }
    plan(moves, 8, 1, 0);
    g_assert_cmpuint(mover_move(mover, &child.region, moves, 8, FOREVER, outcomes), ==, 8);
    for (int i = 0; i < 8; i++) {
        g_assert_cmpint(outcomes[i], ==, POLICY_MOVED);
    }
    mover_stats(mover, &stats);
    g_assert_cmpuint(stats.asked, ==, 8);
    g_assert_cmpuint(stats.applied, ==, 8);
    child_end(&child);
}

static void a_node_that_can_not_be_used_is_told_by_reason(void)
{
    Topology topology = two_tiers(0, NO_NODE);
    g_autoptr(Mover) mover = mover_new(&topology);
    PolicyMove moves[PAGES];
    PolicyOutcome outcomes[PAGES];
    MoverStats stats;
    Child child;

    child_start(&child, PAGES, upper_half_absent, false);
    plan(moves, PAGES, 0, 1);
    moves[3].granule = PAGES; /* outside */
    moves[4].to = 3;          /* no such tier */
    g_assert_cmpuint(mover_move(mover, &child.region, moves, PAGES, FOREVER, outcomes), ==, PAGES);
    for (size_t i = 0; i < PAGES; i++) {
        g_assert_cmpint(outcomes[i], ==, i < PAGES / 2 ? POLICY_NOT_MOVED : POLICY_GONE);
    }
    mover_stats(mover, &stats);
    g_assert_cmpuint(stats.asked, ==, PAGES);
    g_assert_cmpuint(stats.applied, ==, 0);
    g_assert_cmpuint(stats.failed[TIER_MOVE_FAIL_CPUSET], ==, PAGES / 2 - 2);
    g_assert_cmpuint(stats.failed[TIER_MOVE_FAIL_ABSENT], ==, PAGES / 2);
    g_assert_cmpuint(stats.failed[TIER_MOVE_FAIL_OTHER], ==, 2);
    child_end(&child);
}

static void nothing_is_tried_after_the_deadline_or_the_processs_end(void)
{
    Topology topology = two_tiers(0, NO_NODE);
    g_autoptr(Mover) mover = mover_new(&topology);
    PolicyMove moves[8];
    PolicyOutcome outcomes[8];
    Child child;

    child_start(&child, PAGES, all_written, false);
    plan(moves, 8, 0, 1);
    g_assert_cmpuint(mover_move(mover, &child.region, moves, 8, 0, outcomes), ==, 0);
    child_kill(&child);
    g_assert_cmpuint(mover_move(mover, &child.region, moves, 8, FOREVER, outcomes), ==, 8);
    for (int i = 0; i < 8; i++) {
        g_assert_cmpint(outcomes[i], ==, POLICY_GONE);
    }
}

/* Also where shmem's huge pages are set to 'never'. A kernel built without them can't, and says so. */
static void a_block_becomes_huge_or_the_reason_is_told(void)
{
    Topology topology = two_tiers(0, NO_NODE);
    g_autoptr(Mover) mover = mover_new(&topology);
    g_autoptr(GError) err = NULL;
    MoverStats stats;
    Child child;

    child_start(&child, PAGES, all_written, false);
    if (mover_collapse(mover, &child.region, 1, &err)) {
        mover_stats(mover, &stats);
        g_assert_cmpuint(stats.collapsed_blocks, ==, 1);
        g_assert_cmpuint(child_huge_bytes(&child), ==, 2 << 20);
    } else {
        g_assert_nonnull(strstr(err->message, "can't make 2 MiB block 1 huge"));
        g_assert_cmpuint(child_huge_bytes(&child), ==, 0);
        g_test_skip(err->message);
        g_clear_error(&err);
    }
    g_assert_false(mover_collapse(mover, &child.region, PAGES / 512, &err));
    g_assert_nonnull(strstr(err->message, "outside the region"));
    child_end(&child);
}

/* Move all pages of the child, and see that they are where the mover says. */
static void move_all(Mover *mover, Child *child, uint8_t from, uint8_t to)
{
    g_autofree PolicyMove *moves = g_new0(PolicyMove, PAGES);
    g_autofree PolicyOutcome *outcomes = g_new0(PolicyOutcome, PAGES);
    g_autofree uint8_t *tiers = g_new0(uint8_t, PAGES);

    plan(moves, PAGES, from, to);
    g_assert_cmpuint(mover_move(mover, &child->region, moves, PAGES, FOREVER, outcomes), ==, PAGES);
    g_assert_true(mover_where(mover, &child->region, 0, PAGES, tiers, NULL));
    for (size_t i = 0; i < PAGES; i++) {
        g_assert_cmpint(outcomes[i], ==, POLICY_MOVED);
        g_assert_cmpuint(tiers[i], ==, to);
    }
}

static void pages_of_a_running_process_move_both_ways(void)
{
    g_autoptr(Topology) topology = real_tiers();
    g_autoptr(Mover) mover = NULL;
    MoverStats stats;
    Child child;

    if (!topology) {
        return;
    }
    mover = mover_new(topology);
    child_start(&child, PAGES, all_written, false);
    move_all(mover, &child, 0, 1);
    move_all(mover, &child, 1, 0);
    move_all(mover, &child, 0, 1);
    mover_stats(mover, &stats);
    g_assert_cmpuint(stats.asked, ==, 3 * PAGES);
    g_assert_cmpuint(stats.applied, ==, 3 * PAGES);
    child_end(&child);
}

static void pages_that_are_held_stay_and_are_called_pinned_in_the_end(void)
{
    g_autoptr(Topology) topology = real_tiers();
    g_autoptr(Mover) mover = NULL;
    g_autofree PolicyMove *moves = g_new0(PolicyMove, PAGES);
    g_autofree PolicyOutcome *outcomes = g_new0(PolicyOutcome, PAGES);
    gint64 end_us = g_get_monotonic_time() + (gint64)((PINNED_AGE_NS + 3 * SECOND) / 1000);
    const size_t held = 16;
    struct iovec range = {.iov_len = held * 4096};
    MoverStats stats;
    Child child;
    int ends[2];
    bool first = true;

    if (!topology) {
        return;
    }
    mover = mover_new(topology);
    child_start(&child, PAGES, all_written, false);
    move_all(mover, &child, 1, 0);
    g_assert_no_errno(pipe(ends));
    range.iov_base = mmap(NULL, held * 4096, PROT_READ, MAP_SHARED, child.region.memfd, 0);
    g_assert_cmpint(vmsplice(ends[1], &range, 1, 0), ==, held * 4096);
    plan(moves, PAGES, 0, 1);
    while (g_get_monotonic_time() < end_us) {
        g_assert_cmpuint(mover_move(mover, &child.region, moves, PAGES, FOREVER, outcomes), ==, PAGES);
        for (size_t i = 0; i < PAGES; i++) {
            g_assert_true(i < held ? outcomes[i] == POLICY_NOT_MOVED || outcomes[i] == POLICY_UNMOVABLE
                                   : outcomes[i] == POLICY_MOVED);
        }
        g_assert_false(first && outcomes[0] == POLICY_UNMOVABLE);
        first = false;
        if (outcomes[0] == POLICY_UNMOVABLE) {
            break;
        }
        g_usleep(500000);
    }
    g_assert_cmpint(outcomes[0], ==, POLICY_UNMOVABLE);
    mover_stats(mover, &stats);
    g_assert_cmpuint(stats.failed[TIER_MOVE_FAIL_BUSY], >, 0);
    g_assert_cmpuint(stats.failed[TIER_MOVE_FAIL_PINNED], ==, held);

    close(ends[0]);
    close(ends[1]);
    munmap(range.iov_base, held * 4096);
    g_assert_cmpuint(mover_move(mover, &child.region, moves, held, FOREVER, outcomes), ==, held);
    for (size_t i = 0; i < held; i++) {
        g_assert_cmpint(outcomes[i], ==, POLICY_MOVED);
    }
    child_end(&child);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mover/reasons_follow_from_what_the_kernel_said",
                    reasons_follow_from_what_the_kernel_said);
    g_test_add_func("/mover/what_stays_busy_is_pinned_after_some_tries_and_some_time",
                    what_stays_busy_is_pinned_after_some_tries_and_some_time);
    g_test_add_func("/mover/the_memory_of_busy_granules_is_bounded", the_memory_of_busy_granules_is_bounded);
    g_test_add_func("/mover/where_tells_present_pages_from_absent_ones",
                    where_tells_present_pages_from_absent_ones);
    g_test_add_func("/mover/a_page_that_is_there_already_counts_as_moved",
                    a_page_that_is_there_already_counts_as_moved);
    g_test_add_func("/mover/a_node_that_can_not_be_used_is_told_by_reason",
                    a_node_that_can_not_be_used_is_told_by_reason);
    g_test_add_func("/mover/nothing_is_tried_after_the_deadline_or_the_processs_end",
                    nothing_is_tried_after_the_deadline_or_the_processs_end);
    g_test_add_func("/mover/a_block_becomes_huge_or_the_reason_is_told",
                    a_block_becomes_huge_or_the_reason_is_told);
    g_test_add_func("/mover/pages_of_a_running_process_move_both_ways",
                    pages_of_a_running_process_move_both_ways);
    g_test_add_func("/mover/pages_that_are_held_stay_and_are_called_pinned_in_the_end",
                    pages_that_are_held_stay_and_are_called_pinned_in_the_end);
    return g_test_run();
}
