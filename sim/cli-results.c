/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim results: the whole table, as DIR/results.md and DIR/results/.
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "cli.h"
#include "plot/plot.h"
#include "report.h"
#include "results.h"

#define OURS "vhost-tier"
#define HOSTILE_SEEDS 8u            /* one burst of one neighbour goes by chance: what it means takes several */

static char **option_append, **option_rows;
static int option_seeds = 1, option_scale = 128;

const GOptionEntry cli_results_options[] = {
    {"row", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_rows, "Only this row; may be repeated", "ROW"},
    {"seeds", 0, 0, G_OPTION_ARG_INT, &option_seeds, "Run each with so many seeds (default: 1)", "N"},
    {"scale", 0, 0, G_OPTION_ARG_INT, &option_scale, "Scale the machine by 1/N (default: 128)", "N"},
    {"append", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_append,
     "Put this Markdown at the end of the page; may be repeated", "FILE"},
    G_OPTION_ENTRY_NULL,
};

/* Pictures: of a row, over the shares or (where one is given) over time. */
static const struct {
    const char *file, *row, *share;
} pictures[] = {
    {"gups-hot.svg", "gups-hot-14", NULL},     {"ycsb.svg", "ycsb-b", NULL},
    {"scan-hot.svg", "scan-hot", NULL},        {"tenants.svg", "tenants-5", NULL},
    {"gups-move.svg", "gups-move-60s", "20%"}, {"phases.svg", "phases", "20%"},
};

static size_t find_share(const Experiment *experiment, const char *name)
{
    size_t share = 0;

    while (share < experiment->shares->len && !g_str_equal(experiment_share(experiment, share)->name, name)) {
        share++;
    }
    return share;
}

/* Draw those of whose row there is one; their names. */
static GPtrArray *draw(const Experiment *experiment, const char *folder, GError **errp)
{
    g_autoptr(GPtrArray) drawn = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(pictures); i++) {
        size_t row = experiment_find_row(experiment, pictures[i].row);
        size_t share = pictures[i].share ? find_share(experiment, pictures[i].share) : 0;
        g_autofree char *path = g_build_filename(folder, pictures[i].file, NULL);
        g_autoptr(Plot) plot = NULL;

        if (row == experiment->rows->len || share == experiment->shares->len) {
            continue;
        }
        plot = pictures[i].share ? report_plot_time(experiment, row, share)
                                 : report_plot_shares(experiment, row);
        if (!plot_write(plot, path, errp)) {
            return NULL;
        }
        g_ptr_array_add(drawn, (void *)pictures[i].file);
    }
    g_ptr_array_add(drawn, NULL);
    return g_steal_pointer(&drawn);
}

static bool append_files(GString *page, GError **errp)
{
    for (char **path = option_append; path && *path; path++) {
        g_autofree char *text = NULL;

        if (!g_file_get_contents(*path, &text, NULL, errp)) {
            return false;
        }
        g_string_append_printf(page, "\n%s", text);
    }
    return true;
}

/* The rows of the hostile VM once more, with seeds enough to tell them apart; NULL with an error. */
static Experiment *run_hostile(const Experiment *experiment, GError **errp)
{
    static const char *const rows[] = {RESULTS_HOSTILE, RESULTS_HONEST};
    g_autoptr(Experiment) hostile = experiment_new();

    hostile->options = experiment->options;
    hostile->n_seeds = MAX(experiment->n_seeds, HOSTILE_SEEDS);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (experiment_find_row(experiment, rows[i]) < experiment->rows->len &&
            !experiment_add_row(hostile, rows[i], errp)) {
            return NULL;
        }
    }
    if (!experiment_add_contender(hostile, OURS, errp)) {
        return NULL;
    }
    if (hostile->rows->len == G_N_ELEMENTS(rows)) {
        experiment_add_rest(hostile);
        if (!experiment_run(hostile, 0, true, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&hostile);
}

static bool write_all(const Experiment *experiment, const Experiment *hostile, const char *folder, GError **errp)
{
    g_autofree char *inner = g_build_filename(folder, "results", NULL);
    g_autofree char *table = g_build_filename(inner, "table.csv", NULL);
    g_autofree char *page = g_build_filename(folder, "results.md", NULL);
    g_autofree char *csv = report_csv(experiment, false);
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) drawn = draw(experiment, inner, errp);
    g_autoptr(GString) whole = g_string_new(NULL);

    if (!drawn) {
        return false;
    }
    text = results_text(experiment, hostile, OURS, (const char *const *)(void *)drawn->pdata);
    g_string_append(whole, text);
    return append_files(whole, errp) && g_file_set_contents(table, csv, -1, errp) &&
           g_file_set_contents(page, whole->str, -1, errp);
}

static bool check_options(Experiment *experiment, GError **errp)
{
    if (option_seeds < 1 || option_seeds > 1000 || option_scale < 1 || option_scale > 10000) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--seeds %d, --scale %d: seeds must be from 1 to 1000, the scale from 1 to 10000",
                    option_seeds, option_scale);
        return false;
    }
    for (char **row = option_rows; row && *row; row++) {
        if (!experiment_add_row(experiment, *row, errp)) {
            return false;
        }
    }
    for (char **path = option_append; path && *path; path++) {
        if (g_access(*path, R_OK) != 0) {
            g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--append: '%s' can't be read",
                        *path);
            return false;
        }
    }
    experiment->n_seeds = (size_t)option_seeds;
    experiment->options.scale = 1.0 / option_scale;
    return true;
}

int cli_results(char **args)
{
    g_autoptr(Experiment) experiment = experiment_new();
    g_autoptr(Experiment) hostile = NULL;
    g_autofree char *inner = g_build_filename(args[0], "results", NULL);
    GError *error = NULL;

    if (!check_options(experiment, &error)) {
        return sim_usage(error);
    }
    if (g_mkdir_with_parents(inner, 0777) != 0 || g_access(inner, W_OK) != 0) {
        return sim_usage(
            g_error_new(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "'%s' can't be made or written to", inner));
    }
    experiment_add_rest(experiment);
    if (!experiment_run(experiment, 0, true, &error) || !(hostile = run_hostile(experiment, &error)) ||
        !write_all(experiment, hostile, args[0], &error)) {
        return sim_fail(error);
    }
    return EXIT_OK;
}
