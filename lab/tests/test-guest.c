/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pure parts of the workload guest, built for this machine: its command line, randomness and access
 * patterns.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "guest/guest-abi.h"
#include "guest/options.h"
#include "guest/pattern.h"

#define PAGES  7168u        /* 28 MiB */
#define VISITS 2000000u

static Options parse(const char *cmdline)
{
    Options options;
    OptionsError error;

    g_assert_true(options_parse(&options, cmdline, &error));
    return options;
}

static void assert_refused(const char *cmdline, const char *token)
{
    Options options;
    OptionsError error;

    g_assert_false(options_parse(&options, cmdline, &error));
    g_assert_cmpstr(error.token, ==, token);
}

/* Counts of VISITS visits by @cmdline from second @second on; free with g_free(). */
static uint32_t *counts_of(const char *cmdline, uint32_t second, Pattern *pattern, Options *options)
{
    uint32_t *counts = g_new0(uint32_t, PAGES);

    *options = parse(cmdline);
    pattern_init(pattern, options, PAGES);
    pattern_second(pattern, second);
    for (uint32_t i = 0; i < VISITS; i++) {
        uint32_t page = pattern_next(pattern);

        g_assert_cmpuint(page, <, PAGES);
        counts[page]++;
    }
    return counts;
}

static int by_count(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* The share of visits to the @n pages that were visited most. */
static double top_share(const uint32_t *counts, uint32_t n)
{
    g_autofree uint32_t *sorted = g_memdup2(counts, PAGES * sizeof(*counts));
    uint64_t top = 0;

    qsort(sorted, PAGES, sizeof(*sorted), by_count);
    for (uint32_t i = 0; i < n; i++) {
        top += sorted[i];
    }
    return (double)top / VISITS;
}

static void test_empty_command_line_is_gups_hot_with_its_published_ratios(void)
{
    Options o = parse("");

    g_assert_cmpuint(o.pattern, ==, PATTERN_GUPS_HOT);
    g_assert_cmpuint(o.hot_of, ==, (uint64_t)14 * o.hot);
    g_assert_cmpuint(o.share, ==, 90);
    g_assert_cmpuint(o.mb, ==, 28);
    g_assert_cmpuint(o.burst, ==, 16);
}

static void test_values_of_the_command_line_win_over_the_patterns_own(void)
{
    Options o = parse(" share=50  pattern=scan-hot hot=1/4 period=3 ");

    g_assert_cmpuint(o.pattern, ==, PATTERN_SCAN_HOT);
    g_assert_cmpuint(o.share, ==, 50);
    g_assert_cmpuint(o.hot, ==, 1);
    g_assert_cmpuint(o.hot_of, ==, 4);
    g_assert_cmpuint(o.period, ==, 3);
    g_assert_cmpuint(parse("share=0").share, ==, 0);
    g_assert_cmpuint(parse("hot=20").hot_of, ==, 100);
}

static void test_refuses_what_it_does_not_understand_and_names_it(void)
{
    assert_refused("pattern=gups", "pattern=gups");
    assert_refused("hints=true", "hints=true");
    assert_refused("mb=28 pattern", "pattern");
    assert_refused("speed=9", "speed=9");
    assert_refused("mb=", "mb=");
    assert_refused("mb=0", "mb=0");
    assert_refused("mb=897", "mb=897");
    assert_refused("mb=-1", "mb=-1");
    assert_refused("mb=28k", "mb=28k");
    assert_refused("seed=4294967296", "seed=4294967296");
    assert_refused("hot=0", "hot=0");
    assert_refused("hot=2/1", "hot=2/1");
    assert_refused("hot=1/", "hot=1/");
    assert_refused("hot=1/0", "hot=1/0");
    assert_refused("share=101", "share=101");
}

static void test_a_refused_token_of_any_length_is_cut_to_fit(void)
{
    g_autofree char *huge = g_strnfill(5000, 'x');
    Options options;
    OptionsError error;

    g_assert_false(options_parse(&options, huge, &error));
    g_assert_cmpuint(strlen(error.token), ==, sizeof(error.token) - 1);
}

static void test_a_permutation_reaches_every_number_once(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 14, 512, 1000, 7168, 8192, 8193, 100000};

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        g_autofree uint8_t *seen = g_new0(uint8_t, sizes[s]);
        Random random;
        Permutation p;

        random_seed(&random, (uint32_t)s);
        permutation_init(&p, sizes[s], &random);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            uint32_t to = permutation_at(&p, i);

            g_assert_cmpuint(to, <, sizes[s]);
            g_assert_cmpuint(seen[to]++, ==, 0);
        }
    }
}

static void test_gups_hot_sends_its_share_to_a_scattered_hot_set(void)
{
    Options o;
    Pattern p;
    g_autofree uint32_t *counts = counts_of("pattern=gups-hot", 0, &p, &o);
    uint32_t neighbours = 0;

    g_assert_cmpuint(p.hot_pages, ==, 512);
    g_assert_cmpfloat_with_epsilon(top_share(counts, 512), 0.9, 0.001);
    for (uint32_t page = 1; page < PAGES; page++) {
        neighbours += counts[page] > 1000 && counts[page - 1] > 1000;
    }
    /* By chance 512 / 14 = 37 hot pages have a hot one before them. */
    g_assert_cmpuint(neighbours, >, 15);
    g_assert_cmpuint(neighbours, <, 65);
}

static void test_gups_move_has_a_new_hot_set_each_period_and_not_before(void)
{
    Options o;
    Pattern p;
    g_autofree uint32_t *first = counts_of("pattern=gups-move period=5", 0, &p, &o);
    g_autofree uint32_t *same = counts_of("pattern=gups-move period=5", 4, &p, &o);
    g_autofree uint32_t *next = counts_of("pattern=gups-move period=5", 5, &p, &o);
    uint32_t kept = 0, stayed = 0;

    g_assert_cmpuint(p.phase, ==, 1);
    for (uint32_t page = 0; page < PAGES; page++) {
        stayed += first[page] > 1000 && same[page] > 1000;
        kept += first[page] > 1000 && next[page] > 1000;
    }
    g_assert_cmpuint(stayed, ==, 512);
    g_assert_cmpuint(kept, <, 70);
}

static void test_ycsb_zipf_follows_the_power_law(void)
{
    Options o;
    Pattern p;
    g_autofree uint32_t *counts = counts_of("pattern=ycsb-zipf", 0, &p, &o);
    double total = 0, sum = 0;

    for (uint32_t rank = 1; rank <= PAGES; rank++) {
        total += pow(rank, -0.99);
    }
    for (uint32_t rank = 1; rank <= PAGES; rank++) {
        double share = pow(rank, -0.99) / total;
        double counted = counts[permutation_at(&p.place, rank - 1)] / (double)VISITS;

        sum += share;
        if (rank <= 16) {
            g_assert_cmpfloat_with_epsilon(counted / share, 1, 0.03);
        }
        if (rank == 100 || rank == 1434) {
            g_assert_cmpfloat_with_epsilon(top_share(counts, rank), sum, 0.01);
        }
    }
}

static void test_zipf_reaches_every_rank_and_none_beyond(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 100};

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        uint32_t seen[100] = {0};
        Random random;
        Zipf zipf;

        random_seed(&random, 7);
        zipf_init(&zipf, sizes[s], 0.99);
        for (uint32_t i = 0; i < 100000; i++) {
            uint32_t rank = zipf_next(&zipf, &random);

            g_assert_cmpuint(rank, <, sizes[s]);
            seen[rank]++;
        }
        for (uint32_t rank = 0; rank < sizes[s]; rank++) {
            g_assert_cmpuint(seen[rank], >, 0);
        }
    }
}

static void test_scan_hot_sweeps_all_pages_evenly_beside_its_hot_set(void)
{
    Options o;
    Pattern p;
    g_autofree uint32_t *counts = counts_of("pattern=scan-hot", 0, &p, &o);
    uint32_t least = UINT32_MAX, cold_most = 0;

    g_assert_cmpfloat_with_epsilon(top_share(counts, PAGES / 10), 0.8 + 0.2 / 10, 0.002);
    for (uint32_t page = 0; page < PAGES; page++) {
        least = MIN(least, counts[page]);
        if (counts[page] < 500) {
            cold_most = MAX(cold_most, counts[page]);
        }
    }
    g_assert_cmpuint(cold_most - least, <=, 1);
}

static void test_phases_take_three_patterns_in_turn(void)
{
    Options o = parse("pattern=phases period=10");
    Pattern p;

    pattern_init(&p, &o, PAGES);
    g_assert_cmpuint(p.active, ==, PATTERN_GUPS_HOT);
    pattern_second(&p, 10);
    g_assert_cmpuint(p.active, ==, PATTERN_YCSB_ZIPF);
    pattern_second(&p, 29);
    g_assert_cmpuint(p.active, ==, PATTERN_SCAN_HOT);
    g_assert_cmpuint(p.phase, ==, 2);
    pattern_second(&p, 30);
    g_assert_cmpuint(p.active, ==, PATTERN_GUPS_HOT);
}

static void test_idle_burst_is_idle_after_its_busy_period(void)
{
    static const struct { uint32_t second; bool idle; uint32_t phase; } at[] = {
        {0, false, 0}, {29, false, 0}, {30, true, 1}, {149, true, 1}, {150, false, 2}, {180, true, 3},
    };
    Options o = parse("pattern=idle-burst");
    Pattern p;

    pattern_init(&p, &o, PAGES);
    for (size_t i = 0; i < G_N_ELEMENTS(at); i++) {
        pattern_second(&p, at[i].second);
        g_assert_cmpint(p.idle, ==, at[i].idle);
        g_assert_cmpuint(p.phase, ==, at[i].phase);
    }
}

static void test_subpage_skew_has_one_hot_page_in_each_chosen_block(void)
{
    static const struct { const char *cmdline; uint32_t blocks; } cases[] = {
        {"pattern=subpage-skew blocks=5", 1},
        {"pattern=subpage-skew blocks=25", 4},
        {"pattern=subpage-skew blocks=100", 14},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Options o;
        Pattern p;
        g_autofree uint32_t *counts = counts_of(cases[i].cmdline, 0, &p, &o);
        uint32_t hot_blocks = 0;

        for (uint32_t block = 0; block < PAGES / 512; block++) {
            uint32_t hot = 0;

            for (uint32_t page = block * 512; page < (block + 1) * 512; page++) {
                hot += counts[page] > 10000;
            }
            g_assert_cmpuint(hot, <=, 1);
            hot_blocks += hot;
        }
        g_assert_cmpuint(hot_blocks, ==, cases[i].blocks);
    }
}

static void test_the_same_seed_gives_the_same_visits_and_another_gives_others(void)
{
    Options o1 = parse("seed=5"), o2 = parse("seed=5"), o3 = parse("seed=6");
    Pattern p1, p2, p3;
    uint32_t same = 0;

    pattern_init(&p1, &o1, PAGES);
    pattern_init(&p2, &o2, PAGES);
    pattern_init(&p3, &o3, PAGES);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t page = pattern_next(&p1);

        g_assert_cmpuint(page, ==, pattern_next(&p2));
        same += page == pattern_next(&p3);
    }
    g_assert_cmpuint(same, <, 20);
}

static void test_patterns_stay_in_bounds_in_the_smallest_areas(void)
{
    for (uint32_t kind = 0; kind < PATTERN_LIST; kind++) {
        for (uint32_t pages = 2; pages < 20; pages += 3) {
            Options o = parse("hot=100 period=1 idle=1");
            Pattern p;

            o.pattern = kind;
            pattern_init(&p, &o, pages);
            for (uint32_t i = 0; i < 1000; i++) {
                pattern_second(&p, i / 100);
                g_assert_cmpuint(pattern_next(&p), <, pages);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/guest/" #name, test_##name)
    TEST(empty_command_line_is_gups_hot_with_its_published_ratios);
    TEST(values_of_the_command_line_win_over_the_patterns_own);
    TEST(refuses_what_it_does_not_understand_and_names_it);
    TEST(a_refused_token_of_any_length_is_cut_to_fit);
    TEST(a_permutation_reaches_every_number_once);
    TEST(gups_hot_sends_its_share_to_a_scattered_hot_set);
    TEST(gups_move_has_a_new_hot_set_each_period_and_not_before);
    TEST(ycsb_zipf_follows_the_power_law);
    TEST(zipf_reaches_every_rank_and_none_beyond);
    TEST(scan_hot_sweeps_all_pages_evenly_beside_its_hot_set);
    TEST(phases_take_three_patterns_in_turn);
    TEST(idle_burst_is_idle_after_its_busy_period);
    TEST(subpage_skew_has_one_hot_page_in_each_chosen_block);
    TEST(the_same_seed_gives_the_same_visits_and_another_gives_others);
    TEST(patterns_stay_in_bounds_in_the_smallest_areas);
    return g_test_run();
}
