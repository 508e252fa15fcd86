/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: defaults, values, and errors that say where, what and what else.
 */
#include <string.h>

#include "conf.h"

static Config *parse(const char *text, GError **errp)
{
    return config_parse(text, strlen(text), "/etc/test.conf", errp);
}

static void an_empty_file_gives_the_defaults(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Config) config = parse("", &err);

    g_assert_no_error(err);
    g_assert_null(config->tiers);
    g_assert_cmpuint(config->epoch_ms, ==, 1000);
    g_assert_cmpuint(config->max_bytes_per_s, ==, 256 << 20);
    g_assert_cmpfloat(config->reserve.percent, ==, 5);
    g_assert_cmpfloat(config->overhead_share, ==, 0.01);
    g_assert_cmpuint(config->latencies[0], ==, 0);
}

static void a_file_that_is_not_there_is_an_error_only_where_it_was_named(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Config) config = config_load("/nonexistent/vhost-tier.conf", true, &err);

    g_assert_no_error(err);
    g_assert_nonnull(config);
    g_assert_null(config_load("/nonexistent/vhost-tier.conf", false, &err));
    g_assert_error(err, CONFIG_ERROR, CONFIG_ERROR_FILE);
    g_assert_nonnull(strstr(err->message, "/nonexistent/vhost-tier.conf"));
}

static void every_key_is_read(void)
{
    static const char text[] =
        "# comment\n"
        "[host]\ntiers=0-1; 2\nfast-capacity=64G\nreserve=2G\ncontrol-group=tier\nepoch-ms=500\nmax-bytes-per-s=1M\n"
        "max-vm-size=2T\ntrace-dir=/tmp/t\n"
        "[costs]\nlatency-ns=90;260\nmove-4k-ns=4000\nmove-2m-ns=200000\n"
        "[sources]\nenable=rwp;wp\noverhead-share=0.02\nfault-ns=2000\ndamon-sample-ms=10\ndamon-aggr-ms=200\n"
        "damon-max-regions=50\n"
        "[hints]\nenable=no\nmax-ranges-per-s=1000\npin-share=64M\n"
        "[policy]\ntouch-accesses=4\nheat-half-life-s=5\nheat-life-s=10.5\n";
    g_autoptr(GError) err = NULL;
    g_autoptr(Config) config = parse(text, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(config->tiers[0], ==, "0-1");
    g_assert_cmpstr(config->tiers[1], ==, "2");
    g_assert_cmpuint(config->fast_capacity, ==, 64ull << 30);
    g_assert_cmpuint(config->reserve.bytes, ==, 2ull << 30);
    g_assert_cmpstr(config->control_group, ==, "tier");
    g_assert_cmpuint(config->epoch_ms, ==, 500);
    g_assert_cmpuint(config->max_bytes_per_s, ==, 1 << 20);
    g_assert_cmpuint(config->max_vm_size, ==, 2ull << 40);
    g_assert_cmpstr(config->trace_dir, ==, "/tmp/t");
    g_assert_cmpuint(config->latencies[0], ==, 90);
    g_assert_cmpuint(config->latencies[1], ==, 260);
    g_assert_cmpuint(config->latencies[2], ==, 0);
    g_assert_cmpuint(config->move_4k_ns, ==, 4000);
    g_assert_cmpuint(config->move_2m_ns, ==, 200000);
    g_assert_cmpstr(config->sources[1], ==, "wp");
    g_assert_cmpfloat(config->overhead_share, ==, 0.02);
    g_assert_cmpuint(config->fault_ns, ==, 2000);
    g_assert_cmpuint(config->damon_sample_ms, ==, 10);
    g_assert_cmpuint(config->damon_aggr_ms, ==, 200);
    g_assert_cmpuint(config->damon_max_regions, ==, 50);
    g_assert_false(config->hints);
    g_assert_cmpuint(config->max_hint_ranges_per_s, ==, 1000);
    g_assert_cmpuint(config->pin_share.bytes, ==, 64 << 20);
    g_assert_cmpuint(config->touch_accesses, ==, 4);
    g_assert_cmpfloat(config->heat_half_life_s, ==, 5);
    g_assert_cmpfloat(config->heat_life_s, ==, 10.5);
}

typedef struct BadConfig {
    const char *name;
    const char *text;
    ConfigError code;
    const char *says[3];
} BadConfig;

static const BadConfig bad_configs[] = {
    {"unknown-group",
     "[hots]\n",
     CONFIG_ERROR_UNKNOWN,
     {"/etc/test.conf", "[hots]", "host, costs, sources, hints, policy"}},
    {"unknown-key",
     "[policy]\nheat=1\n",
     CONFIG_ERROR_UNKNOWN,
     {"'heat'", "[policy]", "touch-accesses, heat-half-life-s, heat-life-s"}},
    {"key-of-another-group", "[policy]\ntiers=0;1\n", CONFIG_ERROR_UNKNOWN, {"'tiers'", "[policy]"}},
    {"no-key-file", "tiers 0 1\n", CONFIG_ERROR_FILE, {"/etc/test.conf"}},
    {"size", "[host]\nfast-capacity=12Q\n", CONFIG_ERROR_VALUE, {"fast-capacity=12Q", "a size such as 64G"}},
    {"size-negative", "[host]\nfast-capacity=-1\n", CONFIG_ERROR_VALUE, {"fast-capacity=-1"}},
    {"size-overflow", "[host]\nfast-capacity=99999999999T\n", CONFIG_ERROR_VALUE, {"fast-capacity"}},
    {"damon-ops", "[sources]\ndamon-ops=fast\n", CONFIG_ERROR_VALUE,
     {"damon-ops=fast", "auto, fvaddr, vaddr or paddr"}},
    {"number-below", "[host]\nepoch-ms=1\n", CONFIG_ERROR_VALUE, {"epoch-ms=1 ", "50 to 60000"}},
    {"number-text", "[host]\nepoch-ms=fast\n", CONFIG_ERROR_VALUE, {"epoch-ms=fast"}},
    {"share-above",
     "[sources]\noverhead-share=2\n",
     CONFIG_ERROR_VALUE,
     {"overhead-share=2", "0.0001 to 0.5"}},
    {"share-nan", "[sources]\noverhead-share=nan\n", CONFIG_ERROR_VALUE, {"overhead-share=nan"}},
    {"reserve", "[host]\nreserve=95%\n", CONFIG_ERROR_VALUE, {"reserve=95%"}},
    {"half-life-below",
     "[policy]\nheat-half-life-s=0.2\n",
     CONFIG_ERROR_VALUE,
     {"heat-half-life-s=0.2", "0.25 to 86400"}},
    {"life-below", "[policy]\nheat-life-s=0.2\n", CONFIG_ERROR_VALUE, {"heat-life-s=0.2", "0.25 to 86400"}},
    {"empty-list-item", "[host]\ntiers=0;;1\n", CONFIG_ERROR_VALUE, {"tiers=0;;1", "node lists"}},
    {"empty-list", "[host]\ntiers=\n", CONFIG_ERROR_VALUE, {"tiers="}},
    {"latency", "[costs]\nlatency-ns=100;slow\n", CONFIG_ERROR_VALUE, {"latency-ns=slow"}},
    {"latency-zero", "[costs]\nlatency-ns=0\n", CONFIG_ERROR_VALUE, {"latency-ns=0"}},
    {"five-latencies", "[costs]\nlatency-ns=1;2;3;4;5\n", CONFIG_ERROR_VALUE, {"up to 4 numbers"}},
    {"aggregation-below-sampling",
     "[sources]\ndamon-sample-ms=200\ndamon-aggr-ms=100\n",
     CONFIG_ERROR_VALUE,
     {"damon-aggr-ms=100", "no less than damon-sample-ms"}},
    {"relative-trace-dir",
     "[host]\ntrace-dir=traces\n",
     CONFIG_ERROR_VALUE,
     {"trace-dir=traces", "an absolute path"}},
};

static void says_what_is_wrong_and_what_is_allowed(gconstpointer data)
{
    const BadConfig *bad = data;
    g_autoptr(GError) err = NULL;

    g_assert_null(parse(bad->text, &err));
    g_assert_error(err, CONFIG_ERROR, (int)bad->code);
    for (size_t i = 0; i < G_N_ELEMENTS(bad->says) && bad->says[i]; i++) {
        if (!strstr(err->message, bad->says[i])) {
            g_error("'%s' does not say '%s'", err->message, bad->says[i]);
        }
    }
}

static void sizes_have_units_of_1024(void)
{
    uint64_t bytes;

    g_assert_true(config_parse_size("0", &bytes));
    g_assert_cmpuint(bytes, ==, 0);
    g_assert_true(config_parse_size("3k", &bytes));
    g_assert_cmpuint(bytes, ==, 3072);
    g_assert_true(config_parse_size("1T", &bytes));
    g_assert_cmpuint(bytes, ==, 1ull << 40);
    g_assert_false(config_parse_size("", &bytes));
    g_assert_false(config_parse_size("K", &bytes));
    g_assert_false(config_parse_size("1KB", &bytes));
    g_assert_false(config_parse_size(" 1", &bytes));
    g_assert_false(config_parse_size("18446744073709551616", &bytes));
}

/*
 * What the file allows at either end, the policy takes: else a VM would be refused for what no error of ours
 * named.
 */
static void the_policy_takes_the_shortest_and_the_longest_times(void)
{
    static const char *const times[] = {"0.25", "86400"};

    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autofree char *text =
            g_strdup_printf("[policy]\nheat-half-life-s=%s\nheat-life-s=%s\n", times[i], times[i]);
        g_autoptr(GError) err = NULL;
        g_autoptr(Config) config = parse(text, &err);
        PolicyConfig policy = {.n_tiers = 1,
                               .costs = {.latency_ns = {100}, .move_4k_ns = 1, .move_2m_ns = 1}};

        g_assert_no_error(err);
        policy.heat_half_life_ns = (uint64_t)(config->heat_half_life_s * 1e9);
        policy.heat_life_ns = (uint64_t)(config->heat_life_s * 1e9);
        g_assert_true(policy_config_check(&policy, &err));
        g_assert_no_error(err);
    }
}

static void the_example_is_right(void)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "vhost-tier", "vhost-tier.conf", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GString) active = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(Config) config = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, &err));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        /* Every '#key=value' of the example must be one that is allowed. */
        g_string_append_printf(active, "%s\n", g_str_has_prefix(*line, "#") && strchr(*line, '=') &&
                               !g_str_has_prefix(*line, "# ") ? *line + 1 : *line);
    }
    config = parse(active->str, &err);
    g_assert_no_error(err);
    g_assert_nonnull(config);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/an_empty_file_gives_the_defaults", an_empty_file_gives_the_defaults);
    g_test_add_func("/config/a_file_that_is_not_there_is_an_error_only_where_it_was_named",
                    a_file_that_is_not_there_is_an_error_only_where_it_was_named);
    g_test_add_func("/config/every_key_is_read", every_key_is_read);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_configs); i++) {
        g_autofree char *path =
            g_strdup_printf("/config/says_what_is_wrong_and_what_is_allowed/%s", bad_configs[i].name);

        g_test_add_data_func(path, &bad_configs[i], says_what_is_wrong_and_what_is_allowed);
    }
    g_test_add_func("/config/sizes_have_units_of_1024", sizes_have_units_of_1024);
    g_test_add_func("/config/the_policy_takes_the_shortest_and_the_longest_times",
                    the_policy_takes_the_shortest_and_the_longest_times);
    g_test_add_func("/config/the_example_is_right", the_example_is_right);
    return g_test_run();
}
