/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim hints: what hints do, as a section of docs/results.md.
 */
#include "cli.h"
#include "hint-table.h"

static int option_scale = 256, option_seed = 1;

const GOptionEntry cli_hints_options[] = {
    {"scale", 0, 0, G_OPTION_ARG_INT, &option_scale, "Scale the machine by 1/N (default: 256)", "N"},
    {"seed", 0, 0, G_OPTION_ARG_INT, &option_seed, "First seed of the runs (default: 1)", "N"},
    G_OPTION_ENTRY_NULL,
};

int cli_hints(char **args G_GNUC_UNUSED)
{
    g_autofree char *text = NULL;
    RunOptions options;
    GError *error = NULL;

    if (option_scale < 1 || option_scale > 10000) {
        return sim_usage(
            g_error_new(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--scale %d: must be from 1 to 10000", option_scale));
    }
    run_options_default(&options);
    options.scale = 1.0 / option_scale;
    options.seed = (uint64_t)option_seed;
    text = hint_table_text(&options, &error);
    if (!text) {
        return sim_fail(error);
    }
    g_print("%s", text);
    return EXIT_OK;
}
