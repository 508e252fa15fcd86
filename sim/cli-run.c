/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim run and list.
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "costs.h"
#include "plot/plot.h"
#include "report.h"
#include "scenario-trace.h"

static char **option_rows, **option_traces, **option_shares, **option_contenders, **option_costs;
static char *option_scale, *option_move_rate, *option_json, *option_csv, *option_plot;
static gint64 option_seed = 1;
static int option_seeds = 1, option_threads, option_tiers = 2;
static gboolean option_series, option_timing, option_quiet;

const GOptionEntry cli_run_options[] = {
    {"row", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_rows, "Row to run; may be repeated (default: all)",
     "ROW"},
    {"trace", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_traces,
     "Instead of rows: an access trace, or what 'tierctl record' wrote, at full scale; may be repeated",
     "FILE"},
    {"share", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_shares,
     "Tier 0 as FAST:SLOW or percentage; may be repeated (default: 1:1 to 1:16, and 20%)", "SHARE"},
    {"contender", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_contenders,
     "Contender, with parameters; may be repeated (default: all)", "NAME[:KEY=VALUE,...]"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &option_seed, "First seed (default: 1)", "N"},
    {"seeds", 0, 0, G_OPTION_ARG_INT, &option_seeds, "Run each with so many seeds (default: 1)", "N"},
    {"scale", 0, 0, G_OPTION_ARG_STRING, &option_scale, "Scale of the machine (default: 1/64)", "1/N"},
    {"move-rate", 0, 0, G_OPTION_ARG_STRING, &option_move_rate,
     "Bytes a second that may be moved, at full size; 0: no limit (default: 200M)", "SIZE"},
    {"tiers", 0, 0, G_OPTION_ARG_INT, &option_tiers, "Tiers of memory (default: 2)", "2..4"},
    {"cost", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_costs, "Change the cost model; may be repeated",
     "KEY=VALUE,..."},
    {"json", 0, 0, G_OPTION_ARG_FILENAME, &option_json, "Write all numbers as JSON", "FILE"},
    {"csv", 0, 0, G_OPTION_ARG_FILENAME, &option_csv, "Write a line for each run as CSV", "FILE"},
    {"plot", 0, 0, G_OPTION_ARG_FILENAME, &option_plot, "Draw a picture", "FILE.png|FILE.svg"},
    {"series", 0, 0, G_OPTION_ARG_NONE, &option_series, "Put the points over time into the JSON", NULL},
    {"timing", 0, 0, G_OPTION_ARG_NONE, &option_timing, "Show what contenders take of this computer's CPU",
     NULL},
    {"threads", 0, 0, G_OPTION_ARG_INT, &option_threads, "Threads (default: one for each core)", "N"},
    {"quiet", 0, 0, G_OPTION_ARG_NONE, &option_quiet, "Do not tell of progress", NULL},
    G_OPTION_ENTRY_NULL,
};

static bool wrong(GError **errp, const char *option, const char *value, const char *allowed)
{
    g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: '%s' is not allowed; it must be %s",
                option, value, allowed);
    return false;
}

static bool read_integer(const char *option, gint64 value, gint64 min, gint64 max, const char *allowed,
                         GError **errp)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    return (value >= min && value <= max) || wrong(errp, option, text, allowed);
}

/* "1/64", or "0.1". */
static bool read_scale(const char *text, double *scale, GError **errp)
{
    char *end = NULL;

    *scale = g_ascii_strtod(text, &end);
    if (end != text && *end == '/') {
        const char *below = end + 1;

        *scale /= g_ascii_strtod(below, &end);
        end = end == below ? (char *)"?" : end;
    }
    if (end == text || *end || !(*scale >= 1e-4 && *scale <= 1)) {
        return wrong(errp, "scale", text, "1, or 1/N with N up to 10000");
    }
    return true;
}

/* "200M", "1G", "0". */
static bool read_rate(const char *text, uint64_t *bytes_per_s, GError **errp)
{
    static const char suffixes[] = "KMGT";
    char *end = NULL;
    double value = g_ascii_strtod(text, &end), unit = 1;

    for (size_t i = 0; end != text && suffixes[i]; i++) {
        if (*end == suffixes[i]) {
            unit = ldexp(1, 10 * ((int)i + 1));
            end++;
            break;
        }
    }
    if (end == text || *end || !(value >= 0 && value * unit <= 1e15)) {
        return wrong(errp, "move-rate", text,
                     "bytes, with K, M, G or T for powers of 1024, up to 10^15; 0: no limit");
    }
    *bytes_per_s = (uint64_t)(value * unit);
    return true;
}

/* Add each of @texts by @add. */
static bool add_all(Experiment *experiment, char **texts, const char *option,
                    bool (*add)(Experiment *experiment, const char *text, GError **errp), GError **errp)
{
    for (char **text = texts; text && *text; text++) {
        if (!add(experiment, *text, errp)) {
            g_prefix_error(errp, "--%s: ", option);
            return false;
        }
    }
    return true;
}

static bool read_costs(SimCosts *costs, GError **errp)
{
    for (char **text = option_costs; text && *text; text++) {
        if (!sim_costs_parse(costs, *text, errp)) {
            g_prefix_error(errp, "--cost: ");
            return false;
        }
    }
    return true;
}

/* Rows made of traces belong to @traces. */
static bool add_traces(Experiment *experiment, GPtrArray *traces, GError **errp)
{
    for (char **path = option_traces; path && *path; path++) {
        Scenario *row;

        if (option_rows) {
            return wrong(errp, "trace", *path, "given without --row");
        }
        if (option_scale && experiment->options.scale != 1) {
            return wrong(errp, "scale", option_scale, "1 for a trace");
        }
        row = scenario_of_trace(*path, errp);
        if (!row) {
            g_prefix_error(errp, "--trace: ");
            return false;
        }
        experiment->options.scale = 1;
        g_ptr_array_add(traces, row);
        g_ptr_array_add(experiment->rows, row);
    }
    return true;
}

/* Whether a file could be written there, asked before the work is done. */
static bool check_path(const char *option, const char *path, GError **errp)
{
    g_autofree char *folder = path ? g_path_get_dirname(path) : NULL;

    if (path && (!g_file_test(folder, G_FILE_TEST_IS_DIR) || g_access(folder, W_OK) != 0 ||
                 g_file_test(path, G_FILE_TEST_IS_DIR))) {
        return wrong(errp, option, path, "a file in a folder that can be written");
    }
    return true;
}

static bool read_options(Experiment *experiment, GPtrArray *traces, GError **errp)
{
    RunOptions *options = &experiment->options;
    static const char seeds[] = "from 0 to 1000000000", count[] = "from 1 to 1000";

    if (!read_integer("seed", option_seed, 0, 1000000000, seeds, errp) ||
        !read_integer("seeds", option_seeds, 1, 1000, count, errp) ||
        !read_integer("threads", option_threads, 0, 1000, "from 0 to 1000", errp) ||
        !read_integer("tiers", option_tiers, 2, SIM_MAX_TIERS, "2, 3 or 4", errp) ||
        (option_scale && !read_scale(option_scale, &options->scale, errp)) ||
        (option_move_rate && !read_rate(option_move_rate, &options->move_bytes_per_s, errp)) ||
        !read_costs(&options->costs, errp)) {
        return false;
    }
    options->seed = (uint64_t)option_seed;
    options->timing = option_timing;
    options->n_tiers = (uint32_t)option_tiers;
    experiment->n_seeds = (size_t)option_seeds;
    return add_all(experiment, option_rows, "row", experiment_add_row, errp) &&
           add_traces(experiment, traces, errp) &&
           add_all(experiment, option_shares, "share", experiment_add_share, errp) &&
           add_all(experiment, option_contenders, "contender", experiment_add_contender, errp) &&
           check_path("json", option_json, errp) && check_path("csv", option_csv, errp) &&
           check_path("plot", option_plot, errp) && (!option_plot || plot_check_path(option_plot, errp));
}

static bool write_reports(const Experiment *experiment, GError **errp)
{
    if (option_json) {
        g_autofree char *text = report_json(experiment, option_series, option_timing);

        if (!g_file_set_contents(option_json, text, -1, errp)) {
            return false;
        }
    }
    if (option_csv) {
        g_autofree char *text = report_csv(experiment, option_timing);

        if (!g_file_set_contents(option_csv, text, -1, errp)) {
            return false;
        }
    }
    return !option_plot || report_plot(experiment, option_plot, errp);
}

/* Print @text, which is freed; output may be a closed pipe or a full disk. */
static int print(char *text)
{
    bool good = fputs(text, stdout) >= 0 && fflush(stdout) == 0;

    g_free(text);
    return good ? EXIT_OK
                : sim_fail(g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_IO, "standard output can't be written"));
}

int cli_run(char **args)
{
    g_autoptr(GPtrArray) traces = g_ptr_array_new_with_free_func((GDestroyNotify)scenario_free);
    g_autoptr(Experiment) experiment = experiment_new();
    GError *error = NULL;

    if (!read_options(experiment, traces, &error)) {
        return sim_usage(error);
    }
    experiment_add_rest(experiment);
    if (option_plot && experiment->rows->len > PLOT_MAX_PANELS) {
        return sim_usage(g_error_new(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                                     "--plot: a picture shows at most %d rows, and these are %u; name some with --row",
                                     PLOT_MAX_PANELS, experiment->rows->len));
    }
    if (!experiment_run(experiment, (unsigned)option_threads, !option_quiet, &error)) {
        return sim_usage(error); /* what runs depend on is what the user gave */
    }
    if (!write_reports(experiment, &error)) {
        return sim_fail(error);
    }
    return print(report_table(experiment, option_timing));
}

int cli_list(char **args)
{
    GString *text = g_string_new("Rows:\n");
    g_autofree char *costs = sim_costs_list(&sim_costs_default);

    for (const Scenario *row = scenarios; row->name; row++) {
        g_string_append_printf(text, "  %-22s %s\n", row->name, row->what);
    }
    g_string_append(text, "\nContenders, and their parameters:\n");
    for (size_t i = 0; contender_classes[i]; i++) {
        g_string_append_printf(text, "  %-22s %s\n", contender_classes[i]->name, contender_classes[i]->what);
        if (contender_classes[i]->defaults && *contender_classes[i]->defaults) {
            g_string_append_printf(text, "  %-22s   %s\n", "", contender_classes[i]->defaults);
        }
    }
    g_string_append(text, "\nWorkloads:\n");
    for (size_t i = 0; workload_classes[i]; i++) {
        g_string_append_printf(text, "  %-22s %s\n", workload_classes[i]->name, workload_classes[i]->what);
    }
    g_string_append_printf(text, "\nCosts:\n%s", costs);
    return print(g_string_free(text, FALSE));
}
