/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-tier check: what would be done to a domain, and everything that is in the way.
 */
#include <stdio.h>
#include <string.h>

#include "libvirt-hooks/problems.h"
#include "libvirt-hooks/rewrite.h"
#include "libvirt-hooks/virt-tier/connection.h"
#include "libvirt-hooks/virt-tier/host.h"
#include "libvirt-hooks/virt-tier/virt-tier.h"
#include "tierctl/output.h"

/* Stands in a file's domain for the UUID that libvirt gives it when it is defined. */
#define NO_UUID "00000000-0000-0000-0000-000000000000"

/* A domain's XML out of a file, or, for "-", what is fed in. */
static Domain *read_file(const char *path, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char buffer[65536];
    size_t n;

    if (!file) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_NOT_FOUND, "can't read '%s': %m", path);
        return NULL;
    }
    do {
        n = fread(buffer, 1, sizeof(buffer), file);
        g_string_append_len(text, buffer, (gssize)n);
    } while (n > 0 && text->len <= DOMAIN_MAX_BYTES);
    if (file != stdin) {
        (void)fclose(file);
    }
    return domain_parse(text->str, text->len, errp);
}

/* What the domain is to be checked with: its own settings, and over them those of the command line. */
static Settings *wanted_settings(const VirtTier *tool, const Domain *domain, GError **errp)
{
    g_autoptr(Settings) settings = NULL;

    if (!rewrite_settings(domain, &settings, errp)) {
        return NULL;
    }
    if (!settings) {
        settings = settings_new();
    }
    return tool_settings(tool, settings, errp) ? g_steal_pointer(&settings) : NULL;
}

/* Print one problem, and count it. */
static void found(unsigned *problems, const char *text)
{
    tool_say("problem: %s", text);
    ++*problems;
}

/* Take the problem that @error (cleared) is of. */
static void found_error(unsigned *problems, GError **error)
{
    found(problems, (*error)->message);
    g_clear_error(error);
}

static unsigned find_problems(const Domain *domain, const Settings *settings, bool local, bool as_given)
{
    g_autoptr(GPtrArray) texts = problems_find(domain, settings);
    g_autoptr(GError) error = NULL;
    unsigned problems = 0;
    uint64_t memory;

    for (guint i = 0; i < texts->len; i++) {
        found(&problems, g_ptr_array_index(texts, i));
    }
    if (!domain_memory_bytes(domain, &memory, &error) || !settings_check(settings, memory, &error) ||
        (as_given && rewrite_has_command_line(domain) && !rewrite_agrees(domain, settings, &error))) {
        found_error(&problems, &error);
    }
    if (local && !settings_check_host(settings, "/sys", &error)) {
        found_error(&problems, &error);
    }
    return problems;
}

/* Print what enabling would add. */
static int print_plan(Domain *domain, const Settings *settings)
{
    g_autofree char *metadata = settings_to_text(settings);
    g_auto(GStrv) arguments = rewrite_arguments(domain, settings, NULL);
    g_autoptr(GString) text = g_string_new("Settings, under <metadata> in the namespace " TIER_NS ":\n");

    g_string_append_printf(text, "%sQEMU is given, by <qemu:commandline>:\n", metadata);
    for (char **option = arguments; option && option[0] && option[1]; option += 2) {
        g_string_append_printf(text, "  %s %s\n", option[0], option[1]);
    }
    if (settings->text[SETTING_EMULATOR]) {
        g_autofree char *old = domain_emulator(domain);

        g_string_append_printf(text, "<emulator>: %s, in the place of %s\n", settings->text[SETTING_EMULATOR],
                               old ? old : "none");
    }
    return print_text(text->str);
}

/* A file's domain may have no UUID yet; the sockets' paths are then shown with a stand-in. */
static void stand_in_uuid(Domain **domain)
{
    if (!domain_uuid(*domain)) {
        g_autofree char *xml = NULL;
        xmlNode *uuid = xmlNewNode(NULL, BAD_CAST "uuid");

        xmlAddChild(uuid, xmlNewText(BAD_CAST NO_UUID));
        node_insert(domain_root(*domain), NULL, uuid);
        xml = domain_format(*domain);
        g_clear_pointer(domain, domain_free);
        *domain = domain_parse(xml, strlen(xml), NULL);
    }
}

static bool is_file(const char *text)
{
    return strcmp(text, "-") == 0 || strchr(text, '/') || g_file_test(text, G_FILE_TEST_IS_REGULAR);
}

static bool settings_were_given(const VirtTier *tool)
{
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        if (tool->settings[id]) {
            return true;
        }
    }
    return false;
}

static int run_check(const VirtTier *tool, const char *what)
{
    g_autoptr(virConnect) connection = NULL;
    g_autoptr(Settings) settings = NULL;
    g_autoptr(Domain) domain = NULL;
    GError *error = NULL;
    unsigned problems;
    bool local = true;

    if (is_file(what)) {
        domain = read_file(what, &error);
    } else {
        g_autoptr(virDomain) handle = NULL;

        connection = connection_open(tool->uri, &error);
        handle = connection ? connection_find(connection, what, &error) : NULL;
        domain = handle ? connection_read(handle, VIR_DOMAIN_XML_INACTIVE, &error) : NULL;
        local = connection && connection_is_local(connection);
    }
    settings = domain ? wanted_settings(tool, domain, &error) : NULL;
    if (!settings) {
        return tool_fail(error);
    }
    problems = find_problems(domain, settings, local, !settings_were_given(tool));
    if (connection) {
        const char *chosen = settings->text[SETTING_EMULATOR];
        g_autofree char *given = domain_emulator(domain);

        host_check_emulator(connection, chosen ? chosen : given);
    }
    if (problems > 0) {
        tool_say("%s: %u problem%s", domain_name(domain), problems, problems == 1 ? "" : "s");
        return EXIT_FAILED;
    }
    tool_say("%s: nothing is in the way", domain_name(domain));
    stand_in_uuid(&domain);
    return print_plan(domain, settings);
}

const Command check_commands[] = {
    {{"check", "FILE|DOMAIN", "Say what would be done to a domain, and everything that is in the way.",
      "FILE is a domain's XML, known by a '/' in its name or by being there; '-' reads what is fed in. Nothing is changed.\n"
      "Settings given as options are checked in the place of the domain's own."},
     COMMAND_SETTINGS,
     run_check},
    {{0}},
};
