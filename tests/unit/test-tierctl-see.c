/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl explain, heatmap and predict against a fake daemon: what they ask, print, draw and refuse.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tierctl-run.h"

#define VM(mode) \
    "{\"name\": \"web1\", \"connected\": true, \"state\": [\"frozen\"], \"mode\": \"" mode "\", " \
    "\"threshold_per_s\": 450.0, \"tiers\": [{\"nodes\": \"0\", \"resident_bytes\": 1}, " \
    "{\"nodes\": \"2-3\", \"resident_bytes\": 1}], \"regions\": " \
    "[{\"id\": 1, \"name\": \"ram\", \"size\": 8388608, \"granule\": 4096, \"hva\": 1073741824}, " \
    "{\"id\": 4, \"name\": \"far\", \"size\": 4194304, \"granule\": 2097152, \"hva\": 4294967296}]}"

#define GRANULE(tier, reason) \
    "{\"offset\": 4194304, \"tier\": " tier ", \"rate_per_s\": 310.0, \"doubt_factor\": 1.5, \"observed_s\": 3.2, " \
    "\"seen_s_ago\": 0.4, \"moved_s_ago\": null, \"reason\": \"" reason "\", " \
    "\"sources_s_ago\": {\"rwp\": 0.4, \"da\\u001b[31m\": 600.0}}"

#define HEAT(length, extra, granules) \
    "{\"region\": 1, \"offset\": 4194304, \"length\": " length ", \"granule\": 4096, " extra \
    "\"tier_bytes\": [1048576, 3145728], \"absent_bytes\": 4096, \"unknown_bytes\": 0, \"seen_bytes\": 2097152, " \
    "\"per_s\": 12.5, \"reason_bytes\": {\"belongs\": 2097152, \"unseen\": 2097152, \"novel\": 7}, \"heat\": " \
    "[{\"from_per_s\": 0.0, \"tier_bytes\": [0, 0]}, {\"from_per_s\": 0.25, \"tier_bytes\": [0, 1048576]}, " \
    "{\"from_per_s\": 1024.0, \"tier_bytes\": [1048576, 0]}], \"granules\": [" granules "]}"

#define ONE(mode, tier, reason) \
    {"query-vm", .answer = VM(mode)}, {"query-heat", .answer = HEAT("4096", "", GRANULE(tier, reason))}, {0}

static void explains_one_page_in_words(void)
{
    static const FakeReply replies[] = {ONE("on", "1", "belongs")};
    g_auto(Run) run = tierctl_run(replies, "explain web1 ram:4M");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.out, ==,
                    "web1, region 1 'ram', offset 0x400000: 4.0 KiB at 0x40400000 of QEMU's\n"
                    "lies in     tier 1 (node 2-3)\n"
                    "heat        310 accesses/s, likely 207 to 465, from 3.20 s of observation\n"
                    "evidence    rwp 0.4 s ago, da?[31m 10 min ago\n"
                    "last move   never\n"
                    "why         it stays: for a place in tier 0 it would take 450 accesses/s now\n"
                    "            nothing moves now: QEMU asked for a pause (live migration)\n");
}

static void says_what_a_page_waits_for(void)
{
    static const struct {
        FakeReply replies[3];
        const char *says;
    } cases[] = {
        {{ONE("on", "0", "belongs")},
         "it stays in tier 0: it is hot enough, a place there takes 450 accesses/s"},
        {{ONE("on", "1", "planned")}, "it is about to be moved to tier 0"},
        {{ONE("on", "0", "planned")}, "moved out of tier 0, to make room"},
        {{ONE("observe", "1", "planned")}, "would be moved to tier 0, but in mode 'observe' nothing is"},
        {{ONE("on", "1", "unseen")}, "waits for evidence"},
        {{ONE("on", "1", "unsure")}, "waits for more evidence"},
        {{ONE("on", "1", "not-worth")}, "would cost more than it is expected to save"},
        {{ONE("on", "1", "limited")}, "max-bytes-per-s"},
        {{ONE("on", "1", "refused")}, "tried again after some seconds"},
        {{ONE("on", "1", "unmovable")}, "left alone for ten minutes"},
        {{ONE("on", "null", "absent")}, "there is no page"},
        {{ONE("on", "null", "unknown")}, "not been looked yet"},
        {{ONE("on", "1", "of a later version")}, "why         of a later version"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Run) run = tierctl_run(cases[i].replies, "explain web1 ram:4M");

        g_assert_cmpint(run.status, ==, 0);
        assert_holds(run.out, cases[i].says);
    }
}

static void sums_up_a_range(void)
{
    static const FakeReply replies[] = {
        {"query-vm", .answer = VM("on")},
        {"query-heat", .answer = HEAT("4194304", "", GRANULE("1", "unseen") "," GRANULE("0", "belongs"))},
        {0},
    };
    g_auto(Run) run = tierctl_run(replies, "explain web1 ram:4M+4M");
    g_auto(Run) verbose = tierctl_run(replies, "explain web1 ram:4M+4M --verbose --granules 2");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.out, ==,
                    "web1, region 1 'ram', offset 0x400000: 4.0 MiB in pages of 4.0 KiB at 0x40400000 of QEMU's\n"
                    "   1.0 MiB  in tier 0 (node 0)\n"
                    "   3.0 MiB  in tier 1 (node 2-3)\n"
                    "   4.0 KiB  nowhere: no pages, or not looked for yet\n"
                    "\n"
                    "why\n"
                    "   2.0 MiB  lie where they should\n"
                    "   2.0 MiB  wait for evidence: no source has told of them yet\n"
                    "\n"
                    "ACCESSES/S A PAGE   TIER 0   OTHERS\n"
                    "    1024 and more  1.0 MiB      0 B  ##########\n"
                    "    0.25 and more      0 B  1.0 MiB  ##########\n"
                    "     not seen yet        -  2.0 MiB  ####################\n");
    assert_holds(verbose.asked, "\"detail\":2}");
    assert_holds(verbose.out, "0x400000     1         310    x1.5  0.4 s ago  never  unseen\n");
    assert_holds(verbose.out, "0x400000     0         310    x1.5  0.4 s ago  never  belongs\n");
}

static void asks_on_until_all_of_a_range_was_told(void)
{
    static const FakeReply replies[] = {
        {"query-vm", .answer = VM("on")},
        {"query-heat", .answer = HEAT("1048576", "\"next\": 5242880, \"left\": 1048576, ", "")},
        {0},
    };
    g_auto(Run) run = tierctl_run(replies, "explain web1 1:4M+2M");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.asked, "\"region\":1,\"offset\":4194304,\"length\":2097152");
    assert_holds(run.asked, "\"region\":1,\"offset\":5242880,\"length\":1048576");
    assert_holds(run.out, "2.0 MiB  in tier 0");
}

static void finds_the_region_of_an_address(void)
{
    static const FakeReply replies[] = {ONE("on", "1", "belongs")};
    static const struct {
        const char *address, *asked;
    } cases[] = {
        {"ram:0x1000", "\"region\":1,\"offset\":4096,\"length\":1,"},
        {"4:2M+1M", "\"region\":4,\"offset\":2097152,\"length\":1048576,"},
        {"far:", "\"region\":4,\"offset\":0,\"length\":4194304,"},
        {"hva:0x40001000", "\"region\":1,\"offset\":4096,\"length\":1,"},
        {"hva:4294967296+2M", "\"region\":4,\"offset\":0,\"length\":2097152,"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *line = g_strdup_printf("explain web1 %s", cases[i].address);
        g_auto(Run) run = tierctl_run(replies, line);

        g_assert_cmpint(run.status, ==, 0);
        assert_holds(run.asked, cases[i].asked);
    }
}

static void tells_which_regions_there_are_of_an_address_that_lies_in_none(void)
{
    static const FakeReply replies[] = {ONE("on", "1", "belongs")};
    static const struct {
        const char *address, *says;
    } cases[] = {
        {"none:0", "there is no such region"},
        {"7:0", "there is no such region"},
        {"0", "there are several regions: write REGION:OFFSET"},
        {"ram:8M", "0x800000+0x1 reaches beyond the region's end"},
        {"ram:4M+0xffffffffffffffff", "reaches beyond the region's end"},
        {"hva:0x1000", "no region of the VM lies at that address"},
        {"hva:0x40800000", "no region of the VM lies at that address"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *line = g_strdup_printf("explain web1 %s", cases[i].address);
        g_auto(Run) run = tierctl_run(replies, line);

        g_assert_cmpint(run.status, ==, 1);
        assert_holds(run.err, cases[i].says);
        assert_holds(run.err, "1 'ram' (0x800000 bytes), 4 'far' (0x400000 bytes)");
        g_assert_null(strstr(run.asked, "query-heat"));
    }
}

static void refuses_what_cannot_be_meant_and_asks_nothing(void)
{
    static const FakeReply replies[] = {{0}};
    static const char *const lines[] = {
        "explain web1 x", "explain web1 -1", "explain web1 0x", "explain web1 :5", "explain web1 ram:5+0",
        "explain web1 ram:5+", "explain web1 hva:", "explain web1 0x1ffffffffffffffff", "explain web1 1 --granules 1025",
        "heatmap web1 --seconds -1", "heatmap web1 --seconds 3601", "heatmap web1 -o a.gif", "predict web1 -o png",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(Run) run = tierctl_run(replies, lines[i]);

        g_assert_cmpint(run.status, ==, 2);
        g_assert_cmpstr(run.asked, ==, "");
        assert_holds(run.err, "--help'");
    }
}

/* Four pieces of 2 MiB: hot in tier 0, warm and half and half, cold in tier 1, and nothing. */
#define HEATMAP \
    "{\"bytes\": 8388608, \"bucket_bytes\": 2097152, \"stride\": 4, \"regions\": [], \"tier_bytes\": " \
    "[[2097152, 1048576, 0, 0], [0, 1048576, 2097152, 0]], \"absent_bytes\": [0, 0, 0, 2097152], " \
    "\"seen_bytes\": [2097152, 2097152, 2097152, 0], \"per_s\": [512000.0, 5120.0, 0.0, 0.0]}"

static const FakeReply heatmap_replies[] = {{"query-heatmap", .answer = HEATMAP}, {0}};

static void shows_memory_in_letters_where_there_is_no_terminal(void)
{
    g_auto(Run) run = tierctl_run(heatmap_replies, "heatmap web1");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);
    const char *row = lines[1] + 11;

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.asked, "{\"name\":\"web1\",\"buckets\":");
    g_assert_cmpstr(lines[0], ==,
                    "accesses/s a page, by address; a piece is 2.0 MiB, of which one page in 4 was looked at");
    g_assert_cmpuint(strlen(row), ==, 69);
    g_assert_cmpuint(strspn(row, "#"), ==, 69);
    g_assert_cmpuint(strspn(lines[7] + 11, "."), ==, 69);
    g_assert_cmpuint(strspn(lines[12] + 11, " "), ==, 69);
    g_assert_cmpstr(lines[13], ==, "10.0 .:-=+*%@# 1000, blank: not known");
    g_assert_cmpstr(lines[15], ==, "tier");
    g_assert_cmpuint(strspn(lines[16] + 11, "F"), ==, 69);
    g_assert_cmpuint(strspn(lines[19] + 11, "+"), ==, 69);
    g_assert_cmpuint(strspn(lines[22] + 11, "s"), ==, 69);
    g_assert_null(strchr(run.out, '\033'));
}

static void shows_memory_in_colours_as_wide_as_the_terminal(void)
{
    g_auto(Run) run = tierctl_run_in_terminal(heatmap_replies, "heatmap web1", 60);
    g_auto(GStrv) lines = g_strsplit(run.out, "\r\n", -1);
    unsigned cells = 0;

    g_assert_cmpint(run.status, ==, 0);
    for (const char *at = strstr(lines[1], "\xe2\x96\x80"); at; at = strstr(at + 1, "\xe2\x96\x80")) {
        cells++;
    }
    g_assert_cmpuint(cells, ==, 60 - 11);
    assert_holds(lines[1], "\033[38;5;230;48;5;230m");
    assert_holds(lines[12], "\033[38;5;238;48;5;238m");
    assert_holds(lines[1], "\033[0m");
}

static void watches_memory_over_time(void)
{
    g_auto(Run) run = tierctl_run(heatmap_replies, "heatmap web1 --seconds 2");
    g_auto(Run) json = tierctl_run(heatmap_replies, "heatmap web1 --seconds 2 --json");
    g_auto(GStrv) asked = g_strsplit(run.asked, "\n", -1);
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);
    g_auto(GStrv) objects = g_strsplit(json.out, "\n", -1);

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpuint(g_strv_length(asked), ==, 3);
    assert_holds(lines[0], "(upwards) over time");
    g_assert_cmpuint(strspn(lines[12] + 11, "#"), ==, 69);     /* the lowest addresses are at the bottom */
    g_assert_cmpuint(strspn(lines[1] + 11, " "), ==, 69);
    g_assert_cmpuint(g_strv_length(objects), ==, 3);
    g_assert_cmpstr(objects[0], ==, objects[1]);
}

#define PREDICTION \
    "{\"present_bytes\": 33554432, \"seen_bytes\": 30000000, \"accesses_per_s\": 1e6, \"hit_ratio\": 0.81, " \
    "\"slowdown\": 0.042, \"sizes\": [{\"fast_size\": 16777216, \"hit_ratio\": 0.95, \"slowdown\": 0.01}, " \
    "{\"fast_size\": 8388608, \"hit_ratio\": 0.8, \"slowdown\": 0.04, \"name\": \"now\"}, " \
    "{\"fast_size\": 8388612, \"hit_ratio\": 0.8, \"slowdown\": 0.04, \"name\": \"bud\\nget\"}, " \
    "{\"fast_size\": 33554432, \"hit_ratio\": 1.0, \"slowdown\": 0.0}], \"curve\": [" \
    "{\"fast_size\": 0, \"hit_ratio\": 0.0, \"slowdown\": 0.2}, " \
    "{\"fast_size\": 8388608, \"hit_ratio\": 0.8, \"slowdown\": 0.04}, " \
    "{\"fast_size\": 30000000, \"hit_ratio\": 1.0, \"slowdown\": 0.0}], \"checked\": [{\"made_s_ago\": 20.0, " \
    "\"checked_s_ago\": 10.0, \"fast_size\": 8388608, \"predicted\": 0.8, \"measured\": 0.79, \"placed\": true}], " \
    "\"error\": 0.01, \"slowdown_error\": null}"

static const FakeReply prediction_replies[] = {{"query-prediction", .answer = PREDICTION}, {0}};

static void predicts_in_a_table_by_size(void)
{
    g_auto(Run) run = tierctl_run(prediction_replies, "predict web1");
    g_auto(Run) verbose = tierctl_run(prediction_replies, "predict web1 --verbose");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.out, ==,
                    "of 32 MiB, 29 MiB seen; now: hit ratio 81.0 %, slowdown 4.2 %\n"
                    "\n"
                    "   FAST   OF ALL      HIT  SLOWDOWN\n"
                    "8.0 MiB   25.0 %   80.0 %     4.0 %  now, bud?get\n"
                    " 16 MiB   50.0 %   95.0 %     1.0 %\n"
                    " 32 MiB  100.0 %  100.0 %     0.0 %\n"
                    "\n"
                    "mean error lately: hit ratio 1.00 points, slowdown not known yet\n");
    assert_holds(verbose.out, "20 s ago  8.0 MiB     80.0 %  79.0 %  measured where pages lay\n");
}

static void predicts_nothing_from_nothing(void)
{
    static const FakeReply replies[] = {{"query-prediction", .answer = "{\"sizes\": []}"}, {0}};
    g_auto(Run) run = tierctl_run(replies, "predict web1");

    g_assert_cmpint(run.status, ==, 0);
    assert_holds(run.out, "nothing was seen of the VM's memory yet");
}

static void draws_pictures_of_both_kinds(void)
{
    static const struct {
        const FakeReply *replies;
        const char *line, *name, *begins;
    } cases[] = {
        {heatmap_replies, "heatmap web1 -o", "a.png", "\x89PNG"},
        {heatmap_replies, "heatmap web1 --seconds 2 -o", "b.png", "\x89PNG"},
        {heatmap_replies, "heatmap web1 --seconds 2 -o", "b.svg", "<?xml"},
        {prediction_replies, "predict web1 -o", "c.svg", "<?xml"},
        {prediction_replies, "predict web1 -o", "c.png", "\x89PNG"},
    };
    g_autofree char *dir = g_dir_make_tmp("tierctl-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_build_filename(dir, cases[i].name, NULL);
        g_autofree char *line = g_strdup_printf("%s %s", cases[i].line, path), *picture = NULL;
        g_auto(Run) run = tierctl_run(cases[i].replies, line);

        g_assert_cmpstr(strstr(run.err, "tierctl: "), ==, NULL);
        g_assert_cmpint(run.status, ==, 0);
        g_assert_true(g_file_get_contents(path, &picture, NULL, NULL));
        g_assert_true(g_str_has_prefix(picture, cases[i].begins));
        g_unlink(path);
    }
    g_rmdir(dir);
}

static void takes_nonsense_of_the_daemons_as_such(void)
{
    static const char *const answers[] = {
        "{}", "[]", "7", "{\"bytes\": -1, \"bucket_bytes\": 0, \"per_s\": [1]}",
        "{\"bytes\": 4096, \"bucket_bytes\": 4096, \"per_s\": [\"x\", null, {}], \"tier_bytes\": [1, null]}",
        "{\"sizes\": [7, {\"fast_size\": -4}], \"curve\": [null], \"checked\": [1], \"present_bytes\": \"x\"}",
        "{\"tier_bytes\": [[]], \"heat\": [3, {}], \"granules\": [null, {}], \"length\": -1, \"next\": 1, \"left\": 9}",
    };
    static const char *const lines[] = {"heatmap web1", "predict web1", "explain web1 ram:1M+1M --verbose"};

    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        const FakeReply replies[] = {{"query-vm", .answer = VM("on")}, {"query-heat", .answer = answers[i]},
                                     {"query-heatmap", .answer = answers[i]},
                                     {"query-prediction", .answer = answers[i]}, {0}};

        for (size_t l = 0; l < G_N_ELEMENTS(lines); l++) {
            g_auto(Run) run = tierctl_run(replies, lines[l]);

            g_assert_cmpint(run.status, <=, 1);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/tierctl-see/" #test, test)
    ADD(explains_one_page_in_words);
    ADD(says_what_a_page_waits_for);
    ADD(sums_up_a_range);
    ADD(asks_on_until_all_of_a_range_was_told);
    ADD(finds_the_region_of_an_address);
    ADD(tells_which_regions_there_are_of_an_address_that_lies_in_none);
    ADD(refuses_what_cannot_be_meant_and_asks_nothing);
    ADD(shows_memory_in_letters_where_there_is_no_terminal);
    ADD(shows_memory_in_colours_as_wide_as_the_terminal);
    ADD(watches_memory_over_time);
    ADD(predicts_in_a_table_by_size);
    ADD(predicts_nothing_from_nothing);
    ADD(draws_pictures_of_both_kinds);
    ADD(takes_nonsense_of_the_daemons_as_such);
    return g_test_run();
}
