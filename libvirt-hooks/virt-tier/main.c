/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-tier: makes libvirt domains tiered, and ordinary again. Here: what its subcommands have in common; what each
 * does is in cmd-*.c.
 */
#include "libvirt-hooks/virt-tier/virt-tier.h"

#include "client/client.h"
#include "libvirt-hooks/domain.h"
#include "tierctl/output.h"

static const void *const tables[] = {change_commands, see_commands, check_commands};

static void virt_tier_clear(VirtTier *tool)
{
    g_free(tool->uri);
    g_free(tool->socket);
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        g_free(tool->settings[id]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VirtTier, virt_tier_clear)

bool tool_settings(const VirtTier *tool, Settings *settings, GError **errp)
{
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        const char *text = tool->settings[id];

        if (text && g_str_equal(text, "default")) {
            settings_clear(settings, id);
        } else if (text && !settings_set(settings, id, text, errp)) {
            g_prefix_error(errp, "--");
            return false;
        }
    }
    return true;
}

/* Each line by itself, so that nothing in it can steer the terminal. */
static void tell(const char *prefix, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *clean = text_clean(*line);

        g_printerr("%s%s\n", prefix, clean);
    }
}

int tool_fail(GError *error)
{
    tell("virt-tier: ", error->message);
    g_error_free(error);
    return EXIT_FAILED;
}

int tool_say(const char *format, ...)
{
    g_autofree char *text = NULL, *clean = NULL, *line = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    clean = text_clean(text);
    line = g_strconcat(clean, "\n", NULL);
    return print_text(line);
}

void tool_note(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    tell("virt-tier: note: ", text);
}

static void add_common_options(GOptionContext *context, VirtTier *tool)
{
    const GOptionEntry entries[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &tool->uri, "The libvirt to talk to, as virsh has it", "URI"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &tool->socket,
         "The daemon's control socket (" CLIENT_DEFAULT_SOCKET ")", "PATH"},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

static void add_command_options(GOptionContext *context, CommandOptions options, VirtTier *tool)
{
    const GOptionEntry dry_run[] = {
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &tool->dry_run,
         "Print the XML that would be defined, and define nothing", NULL},
        G_OPTION_ENTRY_NULL,
    };
    const GOptionEntry where[] = {
        {"live", 0, 0, G_OPTION_ARG_NONE, &tool->live, "Change the running domain only", NULL},
        {"config", 0, 0, G_OPTION_ARG_NONE, &tool->config, "Change the domain's definition only", NULL},
        G_OPTION_ENTRY_NULL,
    };

    if (options & COMMAND_DRY_RUN) {
        g_option_context_add_main_entries(context, dry_run, NULL);
    }
    if (options & COMMAND_WHERE) {
        g_option_context_add_main_entries(context, where, NULL);
    }
    for (SettingId id = 0; options & COMMAND_SETTINGS && id < N_SETTINGS; id++) {
        const GOptionEntry setting[] = {
            {setting_name(id), 0, 0, G_OPTION_ARG_STRING, &tool->settings[id], setting_allowed(id), "VALUE"},
            G_OPTION_ENTRY_NULL,
        };

        g_option_context_add_main_entries(context, setting, NULL);
    }
}

static void add_options(GOptionContext *context, const CliCommand *command, void *tool)
{
    if (command) {
        add_command_options(context, ((const Command *)command)->options, tool);
    }
    add_common_options(context, tool);
}

int main(int argc, char **argv)
{
    const CliProgram program = {
        .name = "virt-tier",
        .summary = "Makes libvirt domains tiered, and ordinary again.",
        .exit_codes = "0 done, 1 the request failed or problems were found, 2 usage",
        .tables = tables,
        .n_tables = G_N_ELEMENTS(tables),
        .row_bytes = sizeof(Command),
        .add_options = add_options,
    };
    g_auto(VirtTier) tool = {0};
    const Command *command;
    char **args;
    int code;

    command = (const Command *)cli_parse(&program, &tool, argc, argv, &args, &code);
    if (!command) {
        return code;
    }
    if (tool.live && tool.config) {
        return cli_usage(program.name, command->head.name,
                         "--live and --config are each 'that alone': without both, both are changed");
    }
    return command->run(&tool, args[0]);
}
