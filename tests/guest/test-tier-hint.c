/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tier-hint auto makes of what it saw: what is hot and cold of programs' memory; and where it finds that.
 */
#include <glib/gstdio.h>
#include <stdarg.h>

#include "damon-sysfs.h"
#include "programs.h"
#include "seen.h"

#define MIB (UINT64_C(1) << 20)
#define LOOKS 20u

static const SeenRule rule = {.hot_percent = 25, .cold_after_s = 60, .again_s = 120};

/* Two programs, 1 and 2, at 0..16 MiB and 4..8 MiB, last used at second 100. */
static Seen *small(const Seen *before)
{
    static const SeenRange ranges[] = {{1, 0, 16 * MIB}, {2, 4 * MIB, 8 * MIB}};
    g_autoptr(GArray) array = g_array_new(FALSE, FALSE, sizeof(SeenRange));

    g_array_append_vals(array, ranges, G_N_ELEMENTS(ranges));
    return seen_new(array, before, 100);
}

static void note(Seen *seen, uint64_t program, uint64_t start_mib, uint64_t end_mib, unsigned used, uint64_t now_s)
{
    seen_note(seen, &(SeenRange){program, start_mib * MIB, end_mib * MIB}, used, LOOKS, now_s);
}

/* What is told at @now_s, where so much is there: "hot PROGRAM:START-END ... cold ...", in MiB. */
static void assert_told_of(Seen *seen, uint64_t there_bytes, uint64_t now_s, const char *expected)
{
    g_autoptr(GArray) hot = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    g_autoptr(GArray) cold = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    const GArray *lists[] = {hot, cold};
    g_autoptr(GString) text = g_string_new(NULL);

    seen_tell(seen, &rule, there_bytes, now_s, hot, cold);
    for (unsigned l = 0; l < G_N_ELEMENTS(lists); l++) {
        for (guint i = 0; i < lists[l]->len; i++) {
            const SeenRange *range = &g_array_index(lists[l], SeenRange, i);

            g_string_append_printf(text, "%s%s%d:%d-%d", text->len ? " " : "",
                                   i   ? ""
                                   : l ? "cold "
                                       : "hot ",
                                   (int)range->space, (int)(range->start / MIB), (int)(range->end / MIB));
        }
    }
    g_assert_cmpstr(text->str, ==, expected);
}

/* All of it is there. */
static void assert_told(Seen *seen, uint64_t now_s, const char *expected)
{
    assert_told_of(seen, 20 * MIB, now_s, expected);
}

static void nothing_is_told_before_it_was_looked(void)
{
    g_autoptr(Seen) seen = small(NULL);

    assert_told(seen, 101, "");
    assert_told(seen, 159, "");
}

static void what_is_used_much_more_than_the_mean_is_hot(void)
{
    g_autoptr(Seen) seen = small(NULL);

    note(seen, 1, 0, 4, 20, 101);
    note(seen, 1, 4, 16, 2, 101);
    note(seen, 2, 4, 6, 2, 101);
    note(seen, 2, 6, 8, 20, 101);
    assert_told(seen, 101, "hot 1:0-4 2:6-8");
}

static void where_all_is_used_alike_nothing_is_hot(void)
{
    static const unsigned used[] = {1, 8, 20};

    for (unsigned i = 0; i < G_N_ELEMENTS(used); i++) {
        g_autoptr(Seen) seen = small(NULL);

        note(seen, 1, 0, 16, used[i], 101);
        note(seen, 2, 4, 8, used[i], 101);
        assert_told(seen, 101, "");
    }
}

static void what_is_seldom_used_is_not_hot_whatever_the_mean(void)
{
    g_autoptr(Seen) seen = small(NULL);

    note(seen, 1, 0, 2, 4, 101);
    note(seen, 1, 2, 16, 0, 101);
    note(seen, 2, 4, 8, 0, 101);
    assert_told(seen, 101, "");
    note(seen, 1, 0, 2, 5, 102);
    note(seen, 1, 2, 16, 0, 102);
    note(seen, 2, 4, 8, 0, 102);
    assert_told(seen, 102, "hot 1:0-2");
}

static void memory_that_is_not_there_does_not_count(void)
{
    static const SeenRange all = {1, 0, 64 * MIB};
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(SeenRange));
    g_autoptr(Seen) seen = NULL;

    g_array_append_val(ranges, all);
    seen = seen_new(ranges, NULL, 100);
    for (uint64_t now_s = 101; now_s <= 102; now_s++) {
        note(seen, 1, 0, 4, 20, now_s);
        note(seen, 1, 4, 64, 0, now_s);
        assert_told_of(seen, (now_s == 101 ? 4 : 64) * MIB, now_s, now_s == 101 ? "" : "hot 1:0-4");
    }
}

static void a_part_of_a_block_counts_in_part(void)
{
    g_autoptr(Seen) seen = small(NULL);

    note(seen, 1, 0, 1, 20, 101);
    note(seen, 1, 1, 2, 0, 101);
    note(seen, 1, 2, 3, 4, 101);
    note(seen, 1, 3, 16, 0, 101);
    assert_told(seen, 101, "hot 1:0-2");
}

static void the_same_is_told_again_after_some_time_only(void)
{
    g_autoptr(Seen) seen = small(NULL);

    for (uint64_t now_s = 101; now_s < 240; now_s++) {
        note(seen, 1, 0, 2, 20, now_s);
        note(seen, 1, 2, 16, 1, now_s);
        note(seen, 2, 4, 8, 1, now_s);
        assert_told(seen, now_s, now_s == 101 || now_s == 221 ? "hot 1:0-2" : "");
    }
}

static void what_was_hot_and_is_no_more_is_cold(void)
{
    g_autoptr(Seen) seen = small(NULL);

    note(seen, 1, 0, 2, 20, 101);
    note(seen, 1, 2, 16, 1, 101);
    assert_told(seen, 101, "hot 1:0-2");
    note(seen, 1, 0, 14, 1, 102);
    note(seen, 1, 14, 16, 20, 102);
    assert_told(seen, 102, "hot 1:14-16 cold 1:0-2");
    note(seen, 1, 0, 14, 1, 103);
    note(seen, 1, 14, 16, 20, 103);
    assert_told(seen, 103, "");
}

static void what_was_not_used_for_long_is_cold(void)
{
    g_autoptr(Seen) seen = small(NULL);

    note(seen, 1, 0, 16, 0, 130);
    note(seen, 2, 4, 6, 3, 130);
    assert_told(seen, 159, "");
    assert_told(seen, 160, "cold 1:0-16 2:6-8");
    assert_told(seen, 161, "");
    assert_told(seen, 190, "cold 2:4-6");
}

static void what_is_known_outlasts_a_change_of_programs(void)
{
    g_autoptr(Seen) before = small(NULL);
    g_autoptr(Seen) seen = NULL;

    note(before, 1, 0, 2, 20, 150);
    note(before, 1, 2, 16, 1, 150);
    assert_told(before, 150, "hot 1:0-2");
    seen = small(before);
    note(seen, 1, 0, 2, 20, 151);
    note(seen, 1, 2, 16, 1, 151);
    assert_told(seen, 160, "cold 2:4-8");
}

static void other_addresses_are_passed_over(void)
{
    g_autoptr(Seen) seen = small(NULL);

    seen_note(seen, &(SeenRange){3, 0, 16 * MIB}, 20, LOOKS, 101);
    seen_note(seen, &(SeenRange){2, 0, 4 * MIB}, 20, LOOKS, 101);
    seen_note(seen, &(SeenRange){1, 16 * MIB, UINT64_MAX}, 20, LOOKS, 101);
    seen_note(seen, &(SeenRange){1, UINT64_MAX - 1, UINT64_MAX}, 20, LOOKS, 101);
    assert_told(seen, 101, "");
}

/* Pairs of start and end in MiB follow. */
static void assert_ranges(const char *maps, guint n, ...)
{
    g_autoptr(GArray) ranges = programs_ranges(maps);
    va_list args;

    g_assert_cmpuint(ranges->len, ==, n);
    va_start(args, n);
    for (guint i = 0; i < n; i++) {
        const DamonRange *range = &g_array_index(ranges, DamonRange, i);

        g_assert_cmpuint(range->start / MIB, ==, va_arg(args, unsigned));
        g_assert_cmpuint(range->end / MIB, ==, va_arg(args, unsigned));
    }
    va_end(args);
}

static void a_programs_addresses_are_in_whole_blocks(void)
{
    assert_ranges("00400000-00500000 r-xp 00000000 08:01 123 /usr/bin/program\n"
                  "00600000-00900000 rw-p 00000000 00:00 0 [heap]\n"
                  "10100000-10200000 rw-p 00000000 00:00 0\n"
                  "20000000-30000000 ---p 00000000 00:00 0\n"
                  "40100000-40800000 rw-s 00000000 00:01 99 /dev/shm/a file with blanks\n"
                  "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
                  2, 4, 10, 1024 + 0, 1024 + 8);
}

static void nonsense_has_no_addresses(void)
{
    assert_ranges("", 0);
    assert_ranges("nonsense\n-\n5-\n900000-100000 rw-p\n\n", 0);
    assert_ranges("00800000-01000000 rw-p\n00000000-00800000 rw-p\n00c00000-02000000 rw-p", 1, 8, 16);
}

static void add_process(const char *proc, const char *pid, const char *statm)
{
    g_autofree char *dir = g_build_filename(proc, pid, NULL);
    g_autofree char *statm_path = g_build_filename(dir, "statm", NULL);
    g_autofree char *maps_path = g_build_filename(dir, "maps", NULL);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(statm_path, statm, -1, NULL));
    g_assert_true(g_file_set_contents(maps_path, "00400000-00800000 rw-p 00000000 00:00 0\n", -1, NULL));
}

static void remove_process(const char *proc, const char *pid)
{
    static const char *const files[] = {"statm", "maps", NULL};
    g_autofree char *dir = g_build_filename(proc, pid, NULL);

    for (const char *const *file = files; *file; file++) {
        g_autofree char *path = g_build_filename(dir, *file, NULL);

        g_remove(path);
    }
    g_rmdir(dir);
}

static void the_largest_programs_are_found(void)
{
    g_autofree char *proc = g_dir_make_tmp("tier-hint-XXXXXX", NULL);
    static const char *const processes[][2] = {
        {"10", "9000 1000 0"}, {"11", "9000 3000 0"},   {"12", "90000 10 0"},
        {"13", "9000 2000 0"}, {"self", "9000 9000 0"},
    };
    g_autoptr(GArray) found = NULL;
    uint64_t bytes;

    for (unsigned i = 0; i < G_N_ELEMENTS(processes); i++) {
        add_process(proc, processes[i][0], processes[i][1]);
    }
    found = programs_find(proc, UINT64_C(500) * 4096, 2);
    bytes = programs_bytes(proc, found);
    for (unsigned i = 0; i < G_N_ELEMENTS(processes); i++) {
        remove_process(proc, processes[i][0]);
    }
    g_rmdir(proc);
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmpint(g_array_index(found, DamonTarget, 0).pid, ==, 11);
    g_assert_cmpint(g_array_index(found, DamonTarget, 1).pid, ==, 13);
    g_assert_cmpuint(g_array_index(found, DamonTarget, 0).ranges->len, ==, 1);
    g_assert_cmpuint(bytes, ==, UINT64_C(5000) * 4096);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/tier-hint/" #name, name)
    ADD(nothing_is_told_before_it_was_looked);
    ADD(what_is_used_much_more_than_the_mean_is_hot);
    ADD(where_all_is_used_alike_nothing_is_hot);
    ADD(what_is_seldom_used_is_not_hot_whatever_the_mean);
    ADD(memory_that_is_not_there_does_not_count);
    ADD(a_part_of_a_block_counts_in_part);
    ADD(the_same_is_told_again_after_some_time_only);
    ADD(what_was_hot_and_is_no_more_is_cold);
    ADD(what_was_not_used_for_long_is_cold);
    ADD(what_is_known_outlasts_a_change_of_programs);
    ADD(other_addresses_are_passed_over);
    ADD(a_programs_addresses_are_in_whole_blocks);
    ADD(nonsense_has_no_addresses);
    ADD(the_largest_programs_are_found);
    return g_test_run();
}
