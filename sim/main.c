/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim: the simulator's command line.
 */
#include <locale.h>
#include <string.h>

#include "cli.h"
#include "config.h"

static const SimCommand commands[] = {
    {"run", NULL, "Run rows of the table, and show what came of them", cli_run_options, cli_run},
    {"lab", NULL, "Simulate the lab's guest, and compare with what was measured in the lab", cli_lab_options,
     cli_lab},
    {"results", "DIR", "Run the whole table and write DIR/results.md with its pictures", cli_results_options,
     cli_results},
    {"hints", NULL, "Show what hints do, of honest guests and of liars", cli_hints_options, cli_hints},
    {"replay", "TRACE",
     "Run what 'tierctl record' wrote on this core, and say whether its plans are the same", NULL,
     cli_replay},
    {"list", NULL, "Show the rows, contenders, workloads and costs that there are", NULL, cli_list},
    {NULL},
};

int cli_usage(GError *error)
{
    g_printerr("tier-sim: %s\n", error->message);
    g_error_free(error);
    return EXIT_USAGE;
}

int cli_fail(GError *error)
{
    g_printerr("tier-sim: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILED;
}

static const SimCommand *find(const char *name)
{
    for (const SimCommand *command = commands; command->name; command++) {
        if (g_str_equal(command->name, name)) {
            return command;
        }
    }
    return NULL;
}

static int run(const SimCommand *command, int argc, char **argv)
{
    g_autofree char *form = g_strjoin(" ", command->name, command->arguments, NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(command->arguments);
    g_auto(GStrv) wanted = g_strsplit(command->arguments ? command->arguments : "", " ", -1);
    g_autofree char *program = g_strdup_printf("tier-sim %s", command->name);
    GError *error = NULL;

    g_set_prgname(program);
    g_option_context_set_summary(context, command->summary);
    if (command->options) {
        g_option_context_add_main_entries(context, command->options, NULL);
    }
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return cli_usage(error);
    }
    if ((guint)argc - 1 != g_strv_length(wanted)) {
        return cli_usage(g_error_new(G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                                     "the form is 'tier-sim %s'; see --help", form));
    }
    return command->run(argv + 1);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autoptr(GString) list = g_string_new("Commands:\n");
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    const SimCommand *command;
    GError *error = NULL;

    setlocale(LC_ALL, "");
    g_set_prgname("tier-sim");
    for (command = commands; command->name; command++) {
        g_autofree char *form = g_strjoin(" ", command->name, command->arguments, NULL);

        g_string_append_printf(list, "  %-18s %s\n", form, command->summary);
    }
    g_string_append(list,
                    "\n'tier-sim COMMAND --help' tells more. Exit codes: 0 done, 1 it failed, 2 usage.");
    g_option_context_set_summary(context, "Measure how memory is placed in tiers, by simulation.");
    g_option_context_set_description(context, list->str);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return cli_usage(error);
    }
    if (version) {
        g_print("tier-sim %s\n", VHOST_TIER_VERSION);
        return EXIT_OK;
    }
    command = argc > 1 ? find(argv[1]) : NULL;
    if (!command) {
        return cli_usage(g_error_new(G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                                     argc > 1 ? "there is no command '%s'; see --help"
                                              : "no command was given%s; see --help",
                                     argc > 1 ? argv[1] : ""));
    }
    return run(command, argc - 1, argv + 1);
}
