/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-tier: makes libvirt domains tiered, and ordinary again. Here: finding the subcommand and reading its options;
 * what each does is in cmd-*.c.
 */
#include "libvirt-hooks/virt-tier/virt-tier.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "config.h"
#include "libvirt-hooks/domain.h"
#include "tierctl/output.h"

static const Command *const groups[] = {change_commands, see_commands, check_commands};

static void virt_tier_clear(VirtTier *tool)
{
    g_free(tool->uri);
    g_free(tool->socket);
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        g_free(tool->settings[id]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VirtTier, virt_tier_clear)

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
        "\n'virt-tier COMMAND --help' tells more of each. Exit codes: 0 done, 1 the request failed or problems were found, 2 usage.");
    return g_string_free(text, FALSE);
}

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

int tool_usage(const char *command, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_printerr("virt-tier%s%s: %s; see 'virt-tier %s%s--help'\n", command ? " " : "", command ? command : "", text,
               command ? command : "", command ? " " : "");
    return EXIT_USAGE;
}

/* Options that may stand before and after the subcommand. */
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

static void add_command_options(GOptionContext *context, const Command *command, VirtTier *tool)
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

    if (command->options & COMMAND_DRY_RUN) {
        g_option_context_add_main_entries(context, dry_run, NULL);
    }
    if (command->options & COMMAND_WHERE) {
        g_option_context_add_main_entries(context, where, NULL);
    }
    for (SettingId id = 0; command->options & COMMAND_SETTINGS && id < N_SETTINGS; id++) {
        const GOptionEntry setting[] = {
            {setting_name(id), 0, 0, G_OPTION_ARG_STRING, &tool->settings[id], setting_allowed(id), "VALUE"},
            G_OPTION_ENTRY_NULL,
        };

        g_option_context_add_main_entries(context, setting, NULL);
    }
}

static int run_command(const Command *command, VirtTier *tool, int argc, char **argv)
{
    const char *form = command->arguments ? command->arguments : "";
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree char *program = g_strdup_printf("virt-tier %s%s%s", command->name, *form ? " " : "", form);
    g_autoptr(GError) error = NULL;
    int most = command->arguments ? 1 : 0;

    g_set_prgname(program);
    g_option_context_set_summary(context, command->summary);
    g_option_context_set_description(context, command->description);
    add_command_options(context, command, tool);
    add_common_options(context, tool);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return tool_usage(command->name, "%s", error->message);
    }
    if (argc > 1 && g_str_equal(argv[1], "--")) {
        argv++;
        argc--;
    }
    if (argc - 1 > most) {
        return tool_usage(command->name, "unexpected argument '%s'", argv[1 + most]);
    }
    if (argc == 1 && most == 1 && *form != '[') {
        return tool_usage(command->name, "%s is missing", form);
    }
    if (tool->live && tool->config) {
        return tool_usage(command->name, "--live and --config are each 'that alone': without both, both are changed");
    }
    return command->run(tool, argc > 1 ? argv[1] : NULL);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autofree char *commands = list_commands();
    g_autoptr(GError) error = NULL;
    gboolean version = FALSE;
    g_auto(VirtTier) tool = {0};
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    const Command *command;

    setlocale(LC_ALL, "");
    g_set_prgname("virt-tier");
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_summary(context, "Makes libvirt domains tiered, and ordinary again.");
    g_option_context_set_description(context, commands);
    g_option_context_add_main_entries(context, entries, NULL);
    add_common_options(context, &tool);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return tool_usage(NULL, "%s", error->message);
    }
    if (version) {
        printf("virt-tier %s\n", VHOST_TIER_VERSION);
        return EXIT_OK;
    }
    if (argc < 2) {
        return tool_usage(NULL, "no command given");
    }
    command = find_command(argv[1]);
    return command ? run_command(command, &tool, argc - 1, argv + 1)
                   : tool_usage(NULL, "there is no command '%s'", argv[1]);
}
