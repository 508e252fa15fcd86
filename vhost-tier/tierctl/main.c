/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl: the command line of vhost-tier. Here: finding the subcommand and reading its options; what each
 * does is in cmd-*.c.
 */
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "tierctl/tierctl.h"

static const Command *const groups[] = {query_commands,   top_commands,     explain_commands, heatmap_commands,
                                       predict_commands, change_commands,  trace_commands};

static void tierctl_clear(Tierctl *ctl)
{
    g_free(ctl->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tierctl, tierctl_clear)

static const Command *find_command(const char *name)
{
    for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
        for (const Command *c = groups[g]; c->name; c++) {
            if (g_str_equal(c->name, name)) {
                return c;
            }
        }
    }
    return NULL;
}

static char *list_commands(void)
{
    GString *text = g_string_new("Commands:\n");

    for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
        for (const Command *c = groups[g]; c->name; c++) {
            g_autofree char *form = g_strjoin(" ", c->name, c->arguments, NULL);

            g_string_append_printf(text, "  %-18s %s\n", form, c->summary);
        }
    }
    g_string_append(
        text,
        "\n'tierctl COMMAND --help' tells more of each. Exit codes: 0 done, 1 the request failed, 2 usage.");
    return g_string_free(text, FALSE);
}

JsonNode *tierctl_call(const Tierctl *ctl, const char *command, JsonObject *arguments, GError **errp)
{
    g_autoptr(Client) client = client_connect(ctl->socket, errp);

    return client ? client_call(client, command, arguments, errp) : NULL;
}

JsonObject *tierctl_vm_arguments(const char *vm)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "name", vm);
    return arguments;
}

int tierctl_fail(GError *error)
{
    g_autofree char *text = g_utf8_make_valid(error->message, -1);

    /* The text may be the daemon's, which may quote a guest's: nothing in it may steer the terminal. */
    for (char *p = text; *p; p++) {
        if (g_ascii_iscntrl(*p)) {
            *p = ' ';
        }
    }
    g_printerr("tierctl: %s\n", text);
    g_error_free(error);
    return EXIT_FAILED;
}

int tierctl_usage(const char *command, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_printerr("tierctl%s%s: %s; see 'tierctl %s%s--help'\n", command ? " " : "", command ? command : "",
               text, command ? command : "", command ? " " : "");
    return EXIT_USAGE;
}

/* Options that may stand before and after the subcommand. */
static void add_common_options(GOptionContext *context, Tierctl *ctl)
{
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print what the daemon returned, as JSON", NULL},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket,
         "The daemon's control socket (" CLIENT_DEFAULT_SOCKET ")", "PATH"},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

static int run_command(const Command *command, Tierctl *ctl, int argc, char **argv)
{
    g_autofree char *form = g_strjoin(" ", command->name, command->arguments ? command->arguments : "", NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_auto(GStrv) wanted = g_strsplit(command->arguments ? command->arguments : "", " ", -1);
    g_autoptr(GError) error = NULL;
    g_autofree char *program = g_strdup_printf("tierctl %s", form);
    guint given;

    g_strchomp(program);
    g_set_prgname(program);
    g_option_context_set_summary(context, command->summary);
    g_option_context_set_description(context, command->description);
    if (command->options) {
        g_option_context_add_main_entries(context, command->options, NULL);
    }
    add_common_options(context, ctl);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return tierctl_usage(command->name, "%s", error->message);
    }
    if (argc > 1 && g_str_equal(argv[1], "--")) {
        argv++;
        argc--;
    }
    given = (guint)argc - 1;
    if (given < g_strv_length(wanted)) {
        return tierctl_usage(command->name, "%s is missing", wanted[given]);
    }
    if (given > g_strv_length(wanted)) {
        return tierctl_usage(command->name, "unexpected argument '%s'", argv[1 + g_strv_length(wanted)]);
    }
    return command->run(ctl, argv + 1);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autofree char *commands = list_commands();
    g_autoptr(GError) error = NULL;
    gboolean version = FALSE;
    g_auto(Tierctl) ctl = {0};
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    const Command *command;

    setlocale(LC_ALL, "");
    g_set_prgname("tierctl");
    g_option_context_set_summary(context, "Watch and steer how vhost-tier places guests' memory.");
    g_option_context_set_description(context, commands);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    add_common_options(context, &ctl);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return tierctl_usage(NULL, "%s", error->message);
    }
    if (version) {
        g_print("tierctl %s\n", VHOST_TIER_VERSION);
        return EXIT_OK;
    }
    if (argc < 2) {
        return tierctl_usage(NULL, "no command was given");
    }
    command = find_command(argv[1]);
    if (!command) {
        return tierctl_usage(NULL, "unknown command '%s'", argv[1]);
    }
    return run_command(command, &ctl, argc - 1, argv + 1);
}
