/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tierctl: the command line of vhost-tier. Here: what its subcommands have in common; what each does is in cmd-*.c.
 */
#include "tierctl/tierctl.h"

#include <glib.h>

static const void *const tables[] = {query_commands,   top_commands,    explain_commands, heatmap_commands,
                                     predict_commands, change_commands, trace_commands};

static void tierctl_clear(Tierctl *ctl)
{
    g_free(ctl->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tierctl, tierctl_clear)

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

/* Options that may stand before and after the subcommand. */
static void add_options(GOptionContext *context, const CliCommand *command, void *tool)
{
    Tierctl *ctl = tool;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print what the daemon returned, as JSON", NULL},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket,
         "The daemon's control socket (" CLIENT_DEFAULT_SOCKET ")", "PATH"},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

int main(int argc, char **argv)
{
    const CliProgram program = {
        .name = "tierctl",
        .summary = "Watch and steer how vhost-tier places guests' memory.",
        .exit_codes = "0 done, 1 the request failed, 2 usage",
        .tables = tables,
        .n_tables = G_N_ELEMENTS(tables),
        .row_bytes = sizeof(Command),
        .add_options = add_options,
    };
    g_auto(Tierctl) ctl = {0};
    const Command *command;
    char **args;
    int code;

    command = (const Command *)cli_parse(&program, &ctl, argc, argv, &args, &code);
    return command ? command->run(&ctl, args) : code;
}
