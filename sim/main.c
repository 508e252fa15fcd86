/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-sim: the simulator's command line.
 */
#include "cli.h"

typedef struct Command {
    CliCommand head;
    int (*run)(char **args); /* as many as its head's 'arguments' names */
} Command;

static const Command commands[] = {
    {{"run", NULL, "Run rows of the table, and show what came of them", NULL, cli_run_options}, cli_run},
    {{"lab", NULL, "Simulate the lab's guest, and compare with what was measured in the lab", NULL, cli_lab_options},
     cli_lab},
    {{"results", "DIR", "Run the whole table and write DIR/results.md with its pictures", NULL, cli_results_options},
     cli_results},
    {{"hints", NULL, "Show what hints do, of honest guests and of liars", NULL, cli_hints_options}, cli_hints},
    {{"replay", "TRACE", "Run what 'tierctl record' wrote on this core, and say whether its plans are the same"},
     cli_replay},
    {{"list", NULL, "Show the rows, contenders, workloads and costs that there are"}, cli_list},
    {{0}},
};

int sim_usage(GError *error)
{
    g_autoptr(GError) own = error;

    return cli_usage("tier-sim", NULL, "%s", own->message);
}

int sim_fail(GError *error)
{
    g_printerr("tier-sim: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const void *const tables[] = {commands};
    const CliProgram program = {
        .name = "tier-sim",
        .summary = "Measure how memory is placed in tiers, by simulation.",
        .exit_codes = "0 done, 1 it failed, 2 usage",
        .tables = tables,
        .n_tables = G_N_ELEMENTS(tables),
        .row_bytes = sizeof(Command),
    };
    const Command *command;
    char **args;
    int code;

    command = (const Command *)cli_parse(&program, NULL, argc, argv, &args, &code);
    return command ? command->run(args) : code;
}
