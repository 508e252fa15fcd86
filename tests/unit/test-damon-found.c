/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What DAMON found: its reading from trace buffers, and its translation from physical addresses.
 */
#include <string.h>

#include "sources/damon-pages.h"
#include "sources/damon-trace.h"

/* As of Linux 6.12. */
static const char format_text[] = "name: damon_aggregated\nID: 571\nformat:\n"
                                  "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
                                  "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
                                  "\tfield:unsigned long target_id;\toffset:8;\tsize:8;\tsigned:0;\n"
                                  "\tfield:unsigned int nr_regions;\toffset:16;\tsize:4;\tsigned:0;\n"
                                  "\tfield:unsigned long start;\toffset:24;\tsize:8;\tsigned:0;\n"
                                  "\tfield:unsigned long end;\toffset:32;\tsize:8;\tsigned:0;\n"
                                  "\tfield:unsigned int nr_accesses;\toffset:40;\tsize:4;\tsigned:0;\n"
                                  "\tfield:unsigned int age;\toffset:44;\tsize:4;\tsigned:0;\n\n"
                                  "print fmt: \"target_id=%lu\", REC->target_id\n";

static void records_are_read_by_the_events_format(void)
{
    struct {
        uint16_t type;
        uint16_t pad;
        int32_t pid;
        uint64_t target_id;
        uint32_t nr_regions;
        uint32_t pad2;
        uint64_t start, end;
        uint32_t nr_accesses, age;
    } raw = {.target_id = 2,
             .nr_regions = 9,
             .start = 0x7f0000001000,
             .end = 0x7f0000009000,
             .nr_accesses = 17,
             .age = 3};
    DamonFormat format;
    DamonFound found;

    g_assert_true(damon_format_parse(format_text, &format, NULL));
    g_assert_cmpuint(format.id, ==, 571);
    g_assert_true(damon_format_read(&format, &raw, sizeof(raw), &found));
    g_assert_cmpuint(found.target, ==, 2);
    g_assert_cmphex(found.start, ==, 0x7f0000001000);
    g_assert_cmphex(found.end, ==, 0x7f0000009000);
    g_assert_cmpuint(found.nr_accesses, ==, 17);
    g_assert_false(damon_format_read(&format, &raw, 43, &found));
    g_assert_false(damon_format_read(&format, &raw, 0, &found));
}

static void an_odd_format_is_refused(void)
{
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"target_id;", "other_id;"},
        {"size:8;", "size:16;"},
        {"offset:40;", "offset:4000;"},
        {"ID: 571", "ID: x"},
        {"field:unsigned long start", "field:unsigned long restart"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_auto(GStrv) parts = g_strsplit(format_text, changes[i].from, -1);
        g_autofree char *text = g_strjoinv(changes[i].to, parts);
        g_autoptr(GError) err = NULL;
        DamonFormat format;

        g_assert_false(damon_format_parse(text, &format, &err));
        g_assert_nonnull(err);
    }
}

static void collect(const DamonFound *found, void *opaque)
{
    g_array_append_val((GArray *)opaque, *found);
}

/* Append an event's head, and @length bytes of a record of number @id, of which @start is a field. */
static size_t put_event(char *page, size_t at, uint32_t head, uint32_t word, uint16_t id, uint64_t start,
                        size_t length)
{
    memcpy(page + at, &head, sizeof(head));
    at += sizeof(head);
    if ((head & 31) == 0 || (head & 31) >= 29) {
        memcpy(page + at, &word, sizeof(word));
        at += sizeof(word);
    }
    memset(page + at, 0, length);
    if (length >= 32) {
        memcpy(page + at, &id, sizeof(id));
        memcpy(page + at + 24, &start, sizeof(start));
    }
    return at + length;
}

static void a_page_of_a_trace_buffer_is_read_event_by_event(void)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    char page[4096] = {0};
    uint64_t commit;
    size_t at = 16;
    DamonFormat format;

    g_assert_true(damon_format_parse(format_text, &format, NULL));
    at = put_event(page, at, 12 | 7 << 5, 0, 571, 0x1000, 48);   /* 12 words */
    at = put_event(page, at, 30 | 9 << 5, 1, 0, 0, 0);           /* time */
    at = put_event(page, at, 12, 0, 570, 0x2000, 48);            /* another event */
    at = put_event(page, at, 29 | 1 << 5, 12, 0, 0, 8);          /* discarded: 12 bytes after the head */
    at = put_event(page, at, 0, 52, 571, 0x3000, 48);            /* its length in a word of its own */
    commit = at - 16;
    put_event(page, at, 12, 0, 571, 0x4000, 48);                 /* not committed */
    commit |= 1ull << 31;                                        /* some were lost before */
    memcpy(page + 8, &commit, sizeof(commit));
    damon_format_read_page(&format, page, sizeof(page), collect, found);
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmphex(g_array_index(found, DamonFound, 0).start, ==, 0x1000);
    g_assert_cmphex(g_array_index(found, DamonFound, 1).start, ==, 0x3000);
}

static void a_page_of_garbage_is_read_within_its_bounds(void)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    DamonFormat format;

    g_assert_true(damon_format_parse(format_text, &format, NULL));
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = (size_t)g_test_rand_int_range(0, 256);
        g_autofree uint8_t *page = g_malloc(size ? size : 1); /* so that a sanitizer sees its end */

        for (size_t i = 0; i < size; i++) {
            page[i] = (uint8_t)g_test_rand_int();
        }
        damon_format_read_page(&format, page, size, collect, found);
    }
}

#define PAGE 4096ull

static void add_pages(GArray *runs, uint64_t target, uint64_t page, uint64_t pfn, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        damon_runs_add(runs, target, (page + i) * PAGE, (pfn + i) * PAGE, PAGE);
    }
}

static void scattered_pages_become_few_extents(void)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(DamonRange));

    add_pages(runs, 0, 100, 5000, 8);
    add_pages(runs, 0, 108, 4992, 8); /* below the first: one extent */
    add_pages(runs, 1, 100, 5010, 8); /* a gap of 2 pages, 24 of our own: joined */
    add_pages(runs, 1, 108, 5022, 8); /* a gap of 4, 6 in all, 32 of our own: not */
    g_assert_cmpuint(runs->len, ==, 4);
    damon_runs_fit(runs, 10, extents);
    g_assert_cmpuint(runs->len, ==, 4);
    g_assert_cmpuint(extents->len, ==, 2);
    g_assert_cmphex(g_array_index(extents, DamonRange, 0).start, ==, 4992 * PAGE);
    g_assert_cmphex(g_array_index(extents, DamonRange, 0).end, ==, 5018 * PAGE);
    g_assert_cmphex(g_array_index(extents, DamonRange, 1).start, ==, 5022 * PAGE);
    g_assert_cmphex(g_array_index(extents, DamonRange, 1).end, ==, 5030 * PAGE);
}

static void more_extents_than_can_be_are_left_for_another_turn(void)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(DamonRange));

    for (unsigned i = 0; i < 1000; i++) {
        add_pages(runs, 0, i, 100000 - 10 * i, 1);
    }
    damon_runs_fit(runs, 300, extents);
    g_assert_cmpuint(runs->len, ==, 250); /* the beginning in the target's memory, though it lies highest */
    g_assert_cmpuint(extents->len, ==, 250);
    g_assert_cmphex(g_array_index(runs, DamonRun, 249).virtual, ==, 0);
    g_assert_cmphex(g_array_index(runs, DamonRun, 0).virtual, ==, 249 * PAGE);
}

static void what_is_found_is_told_of_own_pages_only(void)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DamonRun));
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(DamonRange));
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    DamonFound found = {.start = 5004 * PAGE, .end = 5012 * PAGE, .bytes = 8 * PAGE, .nr_accesses = 7};
    const DamonFound *part;

    add_pages(runs, 0, 100, 5000, 8);
    add_pages(runs, 3, 900, 5010, 8);
    damon_runs_fit(runs, 10, extents);
    damon_runs_translate(runs, &found, collect, parts);
    g_assert_cmpuint(parts->len, ==, 2);
    part = &g_array_index(parts, DamonFound, 0);
    g_assert_cmpuint(part->target, ==, 0);
    g_assert_cmphex(part->start, ==, 104 * PAGE);
    g_assert_cmphex(part->end, ==, 108 * PAGE);
    g_assert_cmpuint(part->bytes, ==, 8 * PAGE);
    g_assert_cmpuint(part->nr_accesses, ==, 7);
    part = &g_array_index(parts, DamonFound, 1);
    g_assert_cmpuint(part->target, ==, 3);
    g_assert_cmphex(part->start, ==, 900 * PAGE);
    g_assert_cmphex(part->end, ==, 902 * PAGE);
    found = (DamonFound){.start = 6000 * PAGE, .end = 7000 * PAGE};
    g_array_set_size(parts, 0);
    damon_runs_translate(runs, &found, collect, parts);
    g_assert_cmpuint(parts->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/damon-found/" #name, name)
    ADD(records_are_read_by_the_events_format);
    ADD(an_odd_format_is_refused);
    ADD(a_page_of_a_trace_buffer_is_read_event_by_event);
    ADD(a_page_of_garbage_is_read_within_its_bounds);
    ADD(scattered_pages_become_few_extents);
    ADD(more_extents_than_can_be_are_left_for_another_turn);
    ADD(what_is_found_is_told_of_own_pages_only);
    return g_test_run();
}
