/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding subcommands, and reading the command lines of programs that have them.
 */
#include "cli/cli.h"

#include <locale.h>
#include <stdbool.h>
#include <string.h>

#include "config.h"

/* The row after @row, in the order of the tables; the first where that is NULL; NULL after the last. */
static const CliCommand *next_command(const CliProgram *program, size_t *table, const CliCommand *row)
{
    row = row ? (const void *)((const char *)row + program->row_bytes) : program->tables[*table];
    while (!row->name) {
        if (++*table == program->n_tables) {
            return NULL;
        }
        row = program->tables[*table];
    }
    return row;
}

const CliCommand *cli_find_command(const CliProgram *program, const char *name)
{
    const CliCommand *c = NULL;
    size_t table = 0;

    while ((c = next_command(program, &table, c)) && !g_str_equal(c->name, name)) {
    }
    return c;
}

static char *command_form(const CliCommand *command)
{
    return g_strjoin(" ", command->name, command->arguments, NULL);
}

char *cli_list_commands(const CliProgram *program)
{
    GString *text = g_string_new("Commands:\n");
    const CliCommand *c = NULL;
    size_t table = 0;
    int width = 0;

    while ((c = next_command(program, &table, c))) {
        g_autofree char *form = command_form(c);

        width = MAX(width, (int)strlen(form));
    }
    table = 0;
    while ((c = next_command(program, &table, c))) {
        g_autofree char *form = command_form(c);

        g_string_append_printf(text, "  %-*s  %s\n", width, form, c->summary);
    }
    return g_string_free(text, FALSE);
}

int cli_usage(const char *program, const char *command, const char *format, ...)
{
    g_autofree char *form = g_strjoin(" ", program, command, NULL);
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_printerr("%s: %s; see '%s --help'\n", form, text, form);
    return EXIT_USAGE;
}

/* Read what stands before the subcommand; true where that has been found, false with the exit code. */
static bool parse_program(const CliProgram *program, void *tool, int *argc, char ***argv, int *code)
{
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autofree char *commands = cli_list_commands(program);
    g_autofree char *description = g_strdup_printf("%s\n'%s COMMAND --help' tells more of each. Exit codes: %s.",
                                                   commands, program->name, program->exit_codes);
    g_autoptr(GError) error = NULL;
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };

    g_set_prgname(program->name);
    g_option_context_set_summary(context, program->summary);
    g_option_context_set_description(context, description);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (program->add_options) {
        program->add_options(context, NULL, tool);
    }
    if (!g_option_context_parse(context, argc, argv, &error)) {
        *code = cli_usage(program->name, NULL, "%s", error->message);
        return false;
    }
    if (version) {
        g_print("%s %s\n", program->name, VHOST_TIER_VERSION);
        *code = EXIT_OK;
        return false;
    }
    if (*argc < 2) {
        *code = cli_usage(program->name, NULL, "no command was given");
        return false;
    }
    return true;
}

/* Whether @given arguments are as many as @command takes; false with the exit code. */
static bool check_arguments(const CliProgram *program, const CliCommand *command, char **given, int *code)
{
    g_auto(GStrv) wanted = g_strsplit(command->arguments ? command->arguments : "", " ", -1);
    const guint n_given = g_strv_length(given), n_wanted = g_strv_length(wanted);

    if (n_given < n_wanted && wanted[n_given][0] != '[') {
        *code = cli_usage(program->name, command->name, "%s is missing", wanted[n_given]);
        return false;
    }
    if (n_given > n_wanted) {
        *code = cli_usage(program->name, command->name, "unexpected argument '%s'", given[n_wanted]);
        return false;
    }
    return true;
}

/* Read a subcommand's options, and what it is given; false with the exit code. */
static bool parse_command(const CliProgram *program, const CliCommand *command, void *tool, int argc, char **argv,
                          char ***args, int *code)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree char *form = command_form(command);
    g_autofree char *prgname = g_strdup_printf("%s %s", program->name, form);
    g_autoptr(GError) error = NULL;

    g_set_prgname(prgname);
    g_option_context_set_summary(context, command->summary);
    g_option_context_set_description(context, command->description);
    if (command->options) {
        g_option_context_add_main_entries(context, command->options, NULL);
    }
    if (program->add_options) {
        program->add_options(context, command, tool);
    }
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        *code = cli_usage(program->name, command->name, "%s", error->message);
        return false;
    }
    *args = argv + 1;
    if (argc > 1 && g_str_equal(argv[1], "--")) {
        (*args)++;
    }
    return check_arguments(program, command, *args, code);
}

const CliCommand *cli_parse(const CliProgram *program, void *tool, int argc, char **argv, char ***args, int *code)
{
    const CliCommand *command;

    setlocale(LC_ALL, "");
    if (!parse_program(program, tool, &argc, &argv, code)) {
        return NULL;
    }
    command = cli_find_command(program, argv[1]);
    if (!command) {
        *code = cli_usage(program->name, NULL, "there is no command '%s'", argv[1]);
        return NULL;
    }
    return parse_command(program, command, tool, argc - 1, argv + 1, args, code) ? command : NULL;
}
