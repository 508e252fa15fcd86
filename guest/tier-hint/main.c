/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tier-hint: tells the host about memory of this guest. Here: finding the command; what each does is in cmd-*.c.
 */
#include <locale.h>
#include <stdio.h>

#include "cli/cli.h"
#include "command.h"
#include "config.h"

static const void *const tables[] = {tell_commands, see_commands, auto_commands};
static const CliProgram program = {
    .name = "tier-hint",
    .tables = tables,
    .n_tables = G_N_ELEMENTS(tables),
    .row_bytes = sizeof(Command),
};

static void print_help(void)
{
    g_autofree char *commands = cli_list_commands(&program);

    printf("Usage: tier-hint [--device PATH] COMMAND [ARGUMENT...]\n\nTell the host about memory of this guest.\n\n%s\n"
           "Exit codes: 0 done, 1 it failed or the host did not take all of it, 2 usage. See tier-hint(1).\n",
           commands);
}

static int run(char **args, GError **errp)
{
    const Command *command = args[0] ? (const Command *)cli_find_command(&program, args[0]) : NULL;
    int n = args[0] ? (int)g_strv_length(args + 1) : 0;

    if (!command) {
        g_set_error(errp, USAGE_ERROR, 0, "there is no command '%s'", args[0] ? args[0] : "");
        return 2;
    }
    if (n < command->min_args || n > command->max_args) {
        g_set_error(errp, USAGE_ERROR, 0, "usage: tier-hint %s %s", command->head.name,
                    command->head.arguments ? command->head.arguments : "");
        return 2;
    }
    return command->run(command, args + 1, errp);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    char **args = argv + 1;
    int code;

    setlocale(LC_ALL, "");
    if (args[0] && g_str_equal(args[0], "--help")) {
        print_help();
        return 0;
    }
    if (args[0] && g_str_equal(args[0], "--version")) {
        puts("tier-hint " VHOST_TIER_VERSION);
        return 0;
    }
    if (args[0] && args[1] && g_str_equal(args[0], "--device")) {
        device_choose(args[1]);
        args += 2;
    }
    code = run(args, &err);
    if (err) {
        fprintf(stderr, "tier-hint: %s%s\n", err->message, code == 2 ? "; see tier-hint --help" : "");
    }
    return code;
}
