/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table to read.
 */
#include "report.h"

#include <math.h>

/* @value in a column of eight, or a dash. */
static void append_number(GString *text, double value, int digits)
{
    if (isnan(value)) {
        g_string_append_printf(text, "%9s", "-");
    } else {
        g_string_append_printf(text, "%9.*f", digits, value);
    }
}

static void append_line(GString *text, const char *label, const RunResult *result, double oracle, bool timing)
{
    g_string_append_printf(text, "  %-22s", label);
    append_number(text, 100 * result->hit_ratio, 2);
    append_number(text, 100 * (oracle - result->hit_ratio), 2);
    append_number(text, result->time_to_90_s, 2);
    append_number(text, 100 * result->undone_share, 2);
    append_number(text, 100 * result->slowdown, 2);
    append_number(text, result->moved_bytes_per_s / 1e6, 2);
    append_number(text, 100 * result->overhead_share, 2);
    append_number(text, 100 * result->host_cpu_share, 2);
    append_number(text, result->metadata_per_granule, 2);
    if (timing) {
        append_number(text, result->planner_ns_per_granule, 2);
    }
    g_string_append_c(text, '\n');
}

static void append_guests(GString *text, const RunResult *result)
{
    for (guint i = 0; result->guests->len > 1 && i < result->guests->len; i++) {
        const RunGuest *guest = &g_array_index(result->guests, RunGuest, i);

        g_string_append_printf(text, "    %-20s", guest->name);
        append_number(text, 100 * guest->hit_ratio, 2);
        g_string_append_printf(text, "%27s", "");
        append_number(text, 100 * guest->slowdown, 2);
        g_string_append_printf(text, "  %6.2f GiB fast, %5.2f its floor, below it %.0f %% of the time\n",
                               guest->fast_bytes / (1 << 30), guest->floor_bytes / (1 << 30),
                               100 * guest->below_floor_share);
    }
}

char *report_table(const Experiment *experiment, bool timing)
{
    GString *text = g_string_new(NULL);
    size_t paying = experiment_find(experiment, "oracle-paying");

    for (size_t row = 0; row < experiment->rows->len; row++) {
        const Scenario *scenario = experiment_row(experiment, row);

        for (size_t share = 0; share < experiment->shares->len; share++) {
            double oracle = paying < experiment->contenders->len
                                ? experiment_mean(experiment, row, share, paying).hit_ratio
                                : NAN;

            g_string_append_printf(text, "%s, tier 0 %s: %s\n", scenario->name,
                                   experiment_share(experiment, share)->name, scenario->what);
            g_string_append_printf(text, "  %-22s%9s%9s%9s%9s%9s%9s%9s%9s%9s%s\n", "", "hit %", "off by",
                                   "90 % s", "undone %", "slower %", "MB/s", "guest %", "host %", "B/page",
                                   timing ? "  ns/page" : "");
            for (size_t i = 0; i < experiment->contenders->len; i++) {
                RunResult mean = experiment_mean(experiment, row, share, i);

                append_line(text, experiment_contender(experiment, i)->label, &mean, oracle, timing);
                append_guests(text, &mean);
            }
            g_string_append_c(text, '\n');
        }
    }
    return g_string_free(text, FALSE);
}
