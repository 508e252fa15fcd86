/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of subcommands: its tables of them, what its --help says of them, and how its command line is read.
 * What tierctl, virt-tier, tier-hint and tier-sim share.
 */
#ifndef VHOST_TIER_CLI_CLI_H
#define VHOST_TIER_CLI_CLI_H

#include <glib.h>

/* Exit codes */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

/* What every subcommand has. Each program's rows begin with it, and have beside it what carries the subcommand out. */
typedef struct CliCommand {
    const char *name;
    /* As in "VM FILE"; NULL: none. One word each; in brackets, "[DOMAIN]", what may be left out. */
    const char *arguments;
    const char *summary;
    const char *description;     /* below the options in --help; NULL: nothing */
    const GOptionEntry *options; /* that it alone takes; NULL: none */
} CliCommand;

typedef struct CliProgram {
    const char *name;
    const char *summary;
    const char *exit_codes;    /* for --help */
    const void *const *tables; /* of rows that begin with a CliCommand; each ends with a row without a name */
    size_t n_tables;
    size_t row_bytes;
    /*
     * Add what may stand before the subcommand (@command is NULL), or after it, beside its 'options' and --help;
     * @tool is what the caller gave cli_parse(). NULL: nothing.
     */
    void (*add_options)(GOptionContext *context, const CliCommand *command, void *tool);
} CliProgram;

/* The subcommand of that name, which is the beginning of its row; NULL: there is none. */
const CliCommand *cli_find_command(const CliProgram *program, const char *name);

/* All subcommands with their arguments and summaries, one a line; freed with g_free(). */
char *cli_list_commands(const CliProgram *program);

/*
 * Read a command line (@argc and @argv as main() has them), and set the locale. Returns the subcommand, and its
 * arguments, ended by NULL, in *@args; NULL where all is done, or the command line is not as it should be (which is
 * said): then *@code is the exit code. --help ends the program.
 */
const CliCommand *cli_parse(const CliProgram *program, void *tool, int argc, char **argv, char ***args, int *code);

/*
 * Tell, on standard error, what is wrong with the command line, of @command or, where that is NULL, before one, and
 * where help is; returns EXIT_USAGE.
 */
int cli_usage(const char *program, const char *command, const char *format, ...) G_GNUC_PRINTF(3, 4);

#endif /* VHOST_TIER_CLI_CLI_H */
