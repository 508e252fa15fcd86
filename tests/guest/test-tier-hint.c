/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tier-hint auto makes of what it saw: blocks of hot and cold memory; and where it finds the RAM.
 */
#include <stdarg.h>

#include "blocks.h"
#include "damon-sysfs.h"
#include "iomem.h"
#include "tier-hint.h"

#define MIB (UINT64_C(1) << 20)

static void append(GArray *ranges, uint64_t start, uint64_t end)
{
    DamonRange range = {.start = start, .end = end};

    g_array_append_val(ranges, range);
}

/* 0..5 MiB and 8..16 MiB, last used at second 100. */
static Blocks *small(void)
{
    g_autoptr(GArray) ram = g_array_new(FALSE, FALSE, sizeof(DamonRange));

    append(ram, 0, 5 * MIB);
    append(ram, 8 * MIB, 16 * MIB);
    return blocks_new(ram, 100);
}

/* @list holds @n ranges: pairs of start and length in MiB follow. It is freed. */
static void assert_ranges(GArray *list, guint n, ...)
{
    va_list args;

    g_assert_cmpuint(list->len, ==, n);
    va_start(args, n);
    for (guint i = 0; i < n; i++) {
        const struct virtio_tier_urange *range = &g_array_index(list, struct virtio_tier_urange, i);

        g_assert_cmpuint(range->addr, ==, (uint64_t)va_arg(args, int) * MIB);
        g_assert_cmpuint(range->len, ==, (uint64_t)va_arg(args, int) * MIB);
    }
    va_end(args);
    g_array_unref(list);
}

static GArray *hot(const Blocks *blocks, unsigned percent)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));

    blocks_hot(blocks, percent, list);
    return list;
}

static GArray *cold(const Blocks *blocks, uint64_t seconds, uint64_t now_s)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));

    blocks_cold(blocks, seconds, now_s, list);
    return list;
}

static void nothing_is_hot_or_cold_before_it_was_looked_at(void)
{
    g_autoptr(Blocks) blocks = small();

    assert_ranges(hot(blocks, 1), 0);
    assert_ranges(cold(blocks, 60, 159), 0);
    assert_ranges(cold(blocks, 1000, 159), 0);
}

static void neighbours_make_one_range_that_ends_with_the_ram(void)
{
    g_autoptr(Blocks) blocks = small();

    assert_ranges(cold(blocks, 60, 160), 2, 0, 5, 8, 8);
    blocks_note(blocks, 3 * MIB, 11 * MIB, 50, 160);
    assert_ranges(hot(blocks, 50), 2, 2, 3, 8, 4);
    assert_ranges(cold(blocks, 60, 160), 2, 0, 2, 12, 4);
}

static void the_hottest_part_of_a_block_counts(void)
{
    g_autoptr(Blocks) blocks = small();

    blocks_note(blocks, 8 * MIB, 8 * MIB + 4096, 80, 101);
    blocks_note(blocks, 8 * MIB + 4096, 10 * MIB, 10, 101);
    assert_ranges(hot(blocks, 81), 0);
    assert_ranges(hot(blocks, 80), 1, 8, 2);
    assert_ranges(hot(blocks, 10), 1, 8, 2);
}

static void heat_is_of_one_interval_and_use_is_remembered(void)
{
    g_autoptr(Blocks) blocks = small();

    blocks_note(blocks, 8 * MIB, 10 * MIB, 100, 200);
    blocks_begin(blocks);
    assert_ranges(hot(blocks, 1), 0);
    assert_ranges(cold(blocks, 60, 259), 2, 0, 5, 10, 6);
    assert_ranges(cold(blocks, 60, 260), 2, 0, 5, 8, 8);
}

static void what_was_never_found_used_stays_cold(void)
{
    g_autoptr(Blocks) blocks = small();

    blocks_note(blocks, 0, 16 * MIB, 0, 200);
    assert_ranges(hot(blocks, 1), 0);
    assert_ranges(cold(blocks, 60, 200), 2, 0, 5, 8, 8);
}

static void addresses_beyond_the_ram_are_passed_over(void)
{
    g_autoptr(Blocks) blocks = small();

    blocks_note(blocks, 15 * MIB, UINT64_MAX, 100, 200);
    blocks_note(blocks, UINT64_MAX - 1, UINT64_MAX, 100, 200);
    assert_ranges(hot(blocks, 1), 1, 14, 2);
}

static void ram_in_whole_pages_is_found_in_iomem(void)
{
    g_autoptr(GArray) ram = iomem_ram("00000000-00000fff : Reserved\n"
                                      "00001000-0009fbff : System RAM\n"
                                      "000a0000-000bffff : PCI Bus 0000:00\n"
                                      "000c0400-000c13ff : System RAM\n"
                                      "000ffc00-1fffffff : System RAM\n"
                                      "  01000000-01ffffff : Kernel code\n"
                                      "  02000000-02ffffff : System RAM\n"
                                      "100000000-17fffffff : System RAM (kmem)\n"
                                      "180000000-1ffffffff : System RAM");
    const DamonRange *ranges = (const DamonRange *)ram->data;

    g_assert_cmpuint(ram->len, ==, 3);
    g_assert_cmphex(ranges[0].start, ==, 0x1000);
    g_assert_cmphex(ranges[0].end, ==, 0x9f000);
    g_assert_cmphex(ranges[1].start, ==, 0x100000);
    g_assert_cmphex(ranges[1].end, ==, 0x20000000);
    g_assert_cmphex(ranges[2].start, ==, 0x180000000);
}

static void addresses_that_are_hidden_are_no_ram(void)
{
    g_autoptr(GArray) ram =
        iomem_ram("00000000-00000000 : System RAM\n\nnonsense\n-\n5 : System RAM\n9-5 : System RAM");

    g_assert_cmpuint(ram->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/tier-hint/" #name, name)
    ADD(nothing_is_hot_or_cold_before_it_was_looked_at);
    ADD(neighbours_make_one_range_that_ends_with_the_ram);
    ADD(the_hottest_part_of_a_block_counts);
    ADD(heat_is_of_one_interval_and_use_is_remembered);
    ADD(what_was_never_found_used_stays_cold);
    ADD(addresses_beyond_the_ram_are_passed_over);
    ADD(ram_in_whole_pages_is_found_in_iomem);
    ADD(addresses_that_are_hidden_are_no_ram);
    return g_test_run();
}
