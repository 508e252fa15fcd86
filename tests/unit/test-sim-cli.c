/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim as its users meet it: what it takes and refuses, and what it writes.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* Run it with @words, in @folder; what it wrote to stdout and stderr. Returns its exit code. */
static int tier_sim(const char *folder, const char *words, char **out, char **err)
{
    g_autofree char *line = g_strdup_printf("%s %s", g_getenv("TIER_SIM"), words);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_sync(folder, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error);
    g_assert_no_error(error);
    if (g_spawn_check_wait_status(status, &error)) {
        return 0;
    }
    g_assert_true(error->domain == G_SPAWN_EXIT_ERROR);
    return error->code;
}

static char *make_folder(void)
{
    char *folder = g_dir_make_tmp("tier-sim-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

static void remove_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_cmpint(g_remove(path), ==, 0);
}

static void test_bad_input_is_named_with_what_is_allowed(void)
{
    static const struct {
        const char *words, *messages[3];
    } cases[] = {
        {"no-such", {"no-such"}},
        {"run extra", {"tier-sim run"}},
        {"run --no-such", {"--no-such"}},
        {"run --row no-such", {"--row", "no-such", "gups-hot-14"}},
        {"run --share 5", {"--share", "'5'", "1:4"}},
        {"run --share nan%", {"--share", "nan%"}},
        {"run --contender no-such", {"--contender", "no-such", "hemem"}},
        {"run --contender hemem:no_such=1", {"hemem:no_such=1", "no_such"}},
        {"run --contender hemem:sample-period=-1", {"sample-period", "-1"}},
        {"run --contender hemem:sample-period=nan", {"sample-period", "nan"}},
        {"run --seed -1", {"--seed", "-1"}},
        {"run --seeds 0", {"--seeds", "0"}},
        {"run --tiers 5", {"--tiers", "5", "2, 3 or 4"}},
        {"run --scale 2", {"--scale", "'2'"}},
        {"run --scale 1/0", {"--scale", "'1/0'"}},
        {"run --scale 1/", {"--scale", "'1/'"}},
        {"run --move-rate -1", {"--move-rate", "-1"}},
        {"run --move-rate 5X", {"--move-rate", "5X"}},
        {"run --move-rate 99999999T", {"--move-rate", "99999999T"}},
        {"run --cost no_such=1", {"--cost", "no_such", "cxl_ns"}},
        {"run --cost cxl_ns=0", {"--cost", "cxl_ns", "from 1"}},
        {"run --json no/such/file", {"--json", "no/such/file"}},
        {"run --plot plot.gif", {"plot.gif", "svg"}},
        {"run --trace no-such", {"--trace", "no-such"}},
        {"run --trace no-such --row ycsb-a", {"--trace", "--row"}},
        {"hints --scale 0", {"--scale", "10000"}},
        {"replay", {"TRACE"}},
        {"replay no-such", {"no-such"}},
        {"results", {"DIR"}},
        {"results --seeds 0 .", {"--seeds"}},
        {"results --append no-such .", {"--append", "no-such"}},
    };
    g_autofree char *folder = make_folder();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *out = NULL, *err = NULL;
        int code = tier_sim(folder, cases[i].words, &out, &err);

        if (code != 2 || !g_str_has_prefix(err, "tier-sim")) {
            g_error("'%s' gave exit code %d and '%s'", cases[i].words, code, err);
        }
        for (size_t k = 0; k < G_N_ELEMENTS(cases[i].messages) && cases[i].messages[k]; k++) {
            if (!strstr(err, cases[i].messages[k])) {
                g_error("'%s' said '%s', without '%s'", cases[i].words, err, cases[i].messages[k]);
            }
        }
        g_assert_cmpstr(out, ==, "");
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* nothing was left */
}

#define SMALL \
    "run --quiet --row memtierd-e2e --share 1:1 --contender vhost-tier --contender interleave --scale 1/64 "

static void test_a_run_writes_what_was_asked_for(void)
{
    g_autofree char *folder = make_folder(), *out = NULL, *err = NULL, *again = NULL, *json = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonArray *runs;

    g_assert_cmpint(tier_sim(folder, SMALL "--json a.json --csv a.csv --plot a.svg --series", &out, &err), ==,
                    0);
    g_assert_cmpstr(err, ==, "");
    g_assert_nonnull(strstr(out, "memtierd-e2e, tier 0 1:1"));
    json = g_build_filename(folder, "a.json", NULL);
    g_assert_true(json_parser_load_from_file(parser, json, NULL));
    runs = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)), "runs");
    g_assert_cmpuint(json_array_get_length(runs), ==, 2);
    g_assert_cmpuint(
        json_array_get_length(json_object_get_array_member(json_array_get_object_element(runs, 0), "points")),
        >, 100);
    g_clear_pointer(&err, g_free);
    g_assert_cmpint(tier_sim(folder, SMALL "--threads 1", &again, &err), ==, 0);
    g_assert_cmpstr(out, ==, again);
    remove_file(folder, "a.json");
    remove_file(folder, "a.csv");
    remove_file(folder, "a.svg");
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_an_access_trace_runs_as_a_row(void)
{
    g_autofree char *folder = make_folder(), *out = NULL, *err = NULL;
    g_autofree char *path = g_build_filename(folder, "small.trace", NULL);
    g_autoptr(GString) text = g_string_new("tier-access-trace 1\nregion ram 1048576\n");

    for (unsigned i = 0; i < 2000; i++) {
        g_string_append_printf(text, "%u000000 ram 0x%x 10 r\n", i * 5, i % 16 * 4096);
    }
    g_string_append(text, "end 2000\n");
    g_assert_true(g_file_set_contents(path, text->str, -1, NULL));
    g_assert_cmpint(
        tier_sim(folder, "run --quiet --trace small.trace --share 20% --contender oracle-static", &out, &err),
        ==, 0);
    g_assert_nonnull(strstr(out, "oracle-static            100.00"));
    remove_file(folder, "small.trace");
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_lists_name_all_there_is(void)
{
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint(tier_sim(NULL, "list", &out, &err), ==, 0);
    g_assert_nonnull(strstr(out, "gups-hot-14"));
    g_assert_nonnull(strstr(out, "oracle-paying"));
    g_assert_nonnull(strstr(out, "touch-all"));
    g_assert_nonnull(strstr(out, "tlb_entries"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/sim-cli/" name, function)
    ADD("bad-input-is-named-with-what-is-allowed", test_bad_input_is_named_with_what_is_allowed);
    ADD("a-run-writes-what-was-asked-for", test_a_run_writes_what_was_asked_for);
    ADD("an-access-trace-runs-as-a-row", test_an_access_trace_runs_as_a_row);
    ADD("lists-name-all-there-is", test_lists_name_all_there_is);
#undef ADD
    return g_test_run();
}
