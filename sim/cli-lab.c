/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim lab: the lab's rows simulated, beside what tier-observer measured.
 */
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "lab.h"

#define SEEDS      3
#define MAX_POINTS 3.0              /* that simulated and measured may lie apart */
#define MAX_RUNS   8

static char **option_measured;
static gboolean option_markdown;

const GOptionEntry cli_lab_options[] = {
    {"measured", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_measured,
     "JSON of tier-observer, with the pattern in it; may be repeated", "FILE"},
    {"markdown", 0, 0, G_OPTION_ARG_NONE, &option_markdown, "Print a table for docs", NULL},
    G_OPTION_ENTRY_NULL,
};

/* One row: hit ratios by the index of lab_contenders; NaN: not known. */
typedef struct LabRow {
    const Scenario *scenario;
    double simulated[MAX_RUNS], measured[MAX_RUNS];
} LabRow;

static double number(JsonObject *object, const char *key)
{
    JsonNode *node = object ? json_object_get_member(object, key) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : NAN;
}

static JsonObject *object(JsonObject *in, const char *key)
{
    JsonNode *node = in ? json_object_get_member(in, key) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* The row whose pattern a measurement has: "pattern=gups-hot" or with more options behind it. */
static LabRow *row_of(GArray *rows, const char *pattern)
{
    for (guint i = 0; pattern && i < rows->len; i++) {
        LabRow *row = &g_array_index(rows, LabRow, i);
        g_autofree char *prefix = g_strdup_printf("pattern=%s", row->scenario->name + strlen("lab-"));
        char after = g_str_has_prefix(pattern, prefix) ? pattern[strlen(prefix)] : '?';

        if (after == '\0' || after == ' ') {
            return row;
        }
    }
    return NULL;
}

static bool read_measured(const char *path, GArray *rows, GError **errp)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root;
    JsonObject *all;
    LabRow *row;

    if (!json_parser_load_from_file(parser, path, errp)) {
        return false;
    }
    root = json_parser_get_root(parser);
    all = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    row = row_of(rows, all ? json_object_get_string_member_with_default(all, "pattern", NULL) : NULL);
    if (!row) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: not a result of tier-observer for one of the lab's rows (its 'pattern' must be one of theirs)",
                    path);
        return false;
    }
    for (size_t i = 0; lab_contenders[i].observed; i++) {
        bool ours = g_str_equal(lab_contenders[i].observed, "vhost-tier");
        double hit_ratio = ours ? number(object(all, "hit_ratio"), "after")
                                : number(object(object(all, "baselines"), lab_contenders[i].observed), "hit_ratio");

        row->measured[i] = isnan(hit_ratio) ? row->measured[i] : hit_ratio;
    }
    return true;
}

static bool simulate(LabRow *row, GError **errp)
{
    for (size_t i = 0; lab_contenders[i].observed; i++) {
        row->simulated[i] = 0;
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            g_auto(RunResult) result = {0};
            RunOptions options;

            lab_run_options(&options);
            options.seed = seed;
            if (!run_scenario(row->scenario, lab_contenders[i].contender, lab_contenders[i].params, &options, &result,
                              errp)) {
                return false;
            }
            row->simulated[i] += result.hit_ratio / SEEDS;
        }
    }
    return true;
}

static void print_row(const LabRow *row, double *worst)
{
    const char *form = option_markdown ? "| %s | %s | %s | %.3f | %s |\n" : "%-14s %-18s %9s %10.3f %8s\n";

    for (size_t i = 0; lab_contenders[i].observed; i++) {
        double apart = 100 * (row->simulated[i] - row->measured[i]);
        g_autofree char *measured = isnan(apart) ? g_strdup("-") : g_strdup_printf("%.3f", row->measured[i]);
        g_autofree char *points = isnan(apart) ? g_strdup("-") : g_strdup_printf("%+.1f", apart);

        if (!isnan(apart) && g_str_equal(lab_contenders[i].observed, "vhost-tier")) {
            *worst = MAX(*worst, fabs(apart));
        }
        printf(form, row->scenario->name + strlen("lab-"), lab_contenders[i].title, measured, row->simulated[i],
               points);
    }
}

/* Whether of each two the one that is better (by more than may lie between two runs) is so in both worlds. */
static bool same_ranking(const LabRow *row)
{
    for (size_t i = 0; lab_contenders[i].observed; i++) {
        for (size_t k = 0; lab_contenders[k].observed; k++) {
            if (row->measured[i] > row->measured[k] + MAX_POINTS / 100 &&
                row->simulated[i] < row->simulated[k] - MAX_POINTS / 100) {
                return false;
            }
        }
    }
    return true;
}

static int show(GArray *rows)
{
    double worst = 0;
    bool ranked = true;

    if (option_markdown) {
        printf("| row | tiered by | lab | simulator | points apart |\n|---|---|---|---|---|\n");
    } else {
        printf("%-14s %-18s %9s %10s %8s\n", "row", "tiered by", "lab", "simulator", "points");
    }
    for (guint i = 0; i < rows->len; i++) {
        const LabRow *row = &g_array_index(rows, LabRow, i);

        print_row(row, &worst);
        ranked &= same_ranking(row);
    }
    if (option_measured) {
        printf("\nvhost-tier: at most %.1f points apart (allowed: %.0f); the ranking is %s.\n", worst, MAX_POINTS,
               ranked ? "the same" : "not the same");
    }
    return worst <= MAX_POINTS && ranked ? EXIT_OK : EXIT_FAILED;
}

int cli_lab(char **args G_GNUC_UNUSED)
{
    g_autoptr(GArray) rows = g_array_new(false, true, sizeof(LabRow));
    GError *error = NULL;

    for (const Scenario *scenario = lab_scenarios; scenario->name; scenario++) {
        LabRow row = {.scenario = scenario};

        for (size_t i = 0; i < MAX_RUNS; i++) {
            row.measured[i] = NAN;
        }
        g_array_append_val(rows, row);
    }
    for (char **path = option_measured; path && *path; path++) {
        if (!read_measured(*path, rows, &error)) {
            return sim_usage(error);
        }
    }
    for (guint i = 0; i < rows->len; i++) {
        if (!simulate(&g_array_index(rows, LabRow, i), &error)) {
            return sim_fail(error);
        }
    }
    return show(rows);
}
