/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of CSV (RFC 4180) for each run.
 */
#include "report.h"

#include <math.h>
#include <string.h>

static void append_text(GString *text, const char *value)
{
    if (!strpbrk(value, ",\"\r\n")) {
        g_string_append(text, value);
        return;
    }
    g_string_append_c(text, '"');
    for (const char *p = value; *p; p++) {
        g_string_append_printf(text, *p == '"' ? "\"\"" : "%c", *p);
    }
    g_string_append_c(text, '"');
}

/* Nothing for what is no number. */
static void append_number(GString *text, double value)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_c(text, ',');
    if (!isnan(value)) {
        g_string_append(text, g_ascii_formatd(buf, sizeof(buf), "%.9g", value));
    }
}

static void append_run(GString *text, const Experiment *experiment, size_t row, size_t share,
                       size_t contender, size_t seed, bool timing)
{
    const RunResult *result = experiment_result(experiment, row, share, contender, seed);

    append_text(text, experiment_row(experiment, row)->name);
    g_string_append_c(text, ',');
    append_text(text, experiment_share(experiment, share)->name);
    append_number(text, experiment_share(experiment, share)->share);
    g_string_append_c(text, ',');
    append_text(text, experiment_contender(experiment, contender)->label);
    g_string_append_printf(text, ",%" G_GUINT64_FORMAT, experiment->options.seed + seed);
    append_number(text, result->hit_ratio);
    append_number(text, result->slowdown);
    append_number(text, result->time_to_90_s);
    append_number(text, result->undone_share);
    append_number(text, result->moved_bytes_per_s);
    append_number(text, result->overhead_share);
    append_number(text, result->host_cpu_share);
    append_number(text, result->host_move_share);
    append_number(text, result->metadata_per_granule);
    if (timing) {
        append_number(text, result->planner_ns_per_granule);
    }
    g_string_append(text, "\r\n");
}

char *report_csv(const Experiment *experiment, bool timing)
{
    GString *text =
        g_string_new("row,share,fast_share,contender,seed,hit_ratio,slowdown,time_to_90_s,undone_share,"
                     "moved_bytes_per_s,overhead_share,host_cpu_share,host_move_share,metadata_bytes_per_page");

    g_string_append(text, timing ? ",planner_ns_per_page_s\r\n" : "\r\n");
    for (size_t row = 0; row < experiment->rows->len; row++) {
        for (size_t share = 0; share < experiment->shares->len; share++) {
            for (size_t contender = 0; contender < experiment->contenders->len; contender++) {
                for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
                    append_run(text, experiment, row, share, contender, seed, timing);
                }
            }
        }
    }
    return g_string_free(text, FALSE);
}
