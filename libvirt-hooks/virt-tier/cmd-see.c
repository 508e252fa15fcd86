/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-tier show, status and list: what is set, what follows from it, and what has come of it.
 */
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/fields.h"
#include "libvirt-hooks/rewrite.h"
#include "libvirt-hooks/virt-tier/connection.h"
#include "libvirt-hooks/virt-tier/virt-tier.h"
#include "tierctl/output.h"
#include "tierctl/vm-view.h"

/* What tiering of a domain is in, by its XML. */
static const char *describe(const Domain *domain)
{
    g_autoptr(Settings) settings = NULL;

    if (!rewrite_settings(domain, &settings, NULL)) {
        return "invalid";
    }
    if (!settings) {
        return rewrite_has_command_line(domain) ? "invalid" : "no";
    }
    if (!rewrite_has_command_line(domain)) {
        return "stripped";
    }
    return rewrite_agrees(domain, settings, NULL) ? "yes" : "invalid";
}

static void show_setting(GString *text, const Settings *settings, SettingId id, uint64_t memory)
{
    static const struct {
        SettingId id;
        size_t offset;
    } amounts[] = {
        {SETTING_FAST_MIN, offsetof(Settings, fast_min)},
        {SETTING_FAST_MAX, offsetof(Settings, fast_max)},
        {SETTING_PIN_LIMIT, offsetof(Settings, pin_limit)},
    };

    g_string_append_printf(text, "%-12s %s", setting_name(id),
                           settings->text[id] ? settings->text[id] : setting_default(id));
    for (size_t i = 0; i < G_N_ELEMENTS(amounts); i++) {
        if (amounts[i].id == id) {
            const SettingsAmount *amount = (const void *)((const char *)settings + amounts[i].offset);
            g_autofree char *size = text_size(settings_bytes(settings, amount, memory));

            g_string_append_printf(text, "  = %s", size);
        }
    }
    g_string_append_printf(text, "%s\n", settings->text[id] ? "" : "  (default)");
}

static int run_show(const VirtTier *tool, const char *name)
{
    GError *error = NULL;
    g_autoptr(virConnect) connection = connection_open(tool->uri, &error);
    g_autoptr(virDomain) handle = connection ? connection_find(connection, name, &error) : NULL;
    g_autoptr(Domain) domain = handle ? connection_read(handle, VIR_DOMAIN_XML_INACTIVE, &error) : NULL;
    g_autoptr(Settings) settings = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *size = NULL, *dir = NULL;
    uint64_t memory;

    if (!domain || !rewrite_settings(domain, &settings, &error) || !domain_memory_bytes(domain, &memory, &error)) {
        return tool_fail(error);
    }
    if (!settings) {
        g_set_error(&error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "domain '%s' is not tiered: 'virt-tier enable' makes it so", name);
        return tool_fail(error);
    }
    size = text_size(memory);
    dir = rewrite_socket_dir(domain);
    g_string_append_printf(text, "%-12s %s\n%-12s %s\n", "domain", name, "memory", size);
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        show_setting(text, settings, id, memory);
    }
    g_string_append_printf(text, "%-12s %s\n", "sockets in", dir);
    if (!rewrite_agrees(domain, settings, &error)) {
        print_text(text->str);
        return tool_fail(error);
    }
    return print_text(text->str);
}

/* All domains of @connection, ended by NULL; freed with free_domains(). */
static virDomain **all_domains(virConnect *connection, unsigned flags, GError **errp)
{
    virDomain **domains = NULL;

    if (virConnectListAllDomains(connection, &domains, flags) < 0) {
        connection_failed(errp, "can't list libvirt's domains");
        return NULL;
    }
    return domains;
}

static void free_domains(virDomain **domains)
{
    for (virDomain **at = domains; *at; at++) {
        virDomainFree(*at);
    }
    free(domains);
}

static char *setting_text(const Settings *settings, SettingId id)
{
    return g_strdup(!settings ? NULL : settings->text[id] ? settings->text[id] : setting_default(id));
}

static int run_list(const VirtTier *tool, const char *unused)
{
    static const char *const headings[] = {"DOMAIN",    "STATE",   "TIERED", "MODE", ">FAST-MIN",
                                           ">FAST-MAX", ">WEIGHT", "HINTS",  NULL};
    GError *error = NULL;
    g_autoptr(virConnect) connection = connection_open(tool->uri, &error);
    g_autoptr(Table) table = table_new(headings);
    virDomain **domains = connection ? all_domains(connection, 0, &error) : NULL;
    g_autofree char *text = NULL;

    if (!domains) {
        return tool_fail(error);
    }
    for (virDomain **at = domains; *at; at++) {
        g_autoptr(Domain) domain =
            connection_read(*at, virDomainIsPersistent(*at) == 1 ? VIR_DOMAIN_XML_INACTIVE : 0, NULL);
        g_autoptr(Settings) settings = NULL;

        if (!domain) {          /* it has gone meanwhile */
            continue;
        }
        (void)rewrite_settings(domain, &settings, NULL);
        table_take(table, g_strdup(virDomainGetName(*at)));
        table_take(table, g_strdup(connection_is_running(*at) ? "running" : "shut off"));
        table_take(table, g_strdup(describe(domain)));
        table_take(table, setting_text(settings, SETTING_MODE));
        table_take(table, setting_text(settings, SETTING_FAST_MIN));
        table_take(table, setting_text(settings, SETTING_FAST_MAX));
        table_take(table, setting_text(settings, SETTING_WEIGHT));
        table_take(table, setting_text(settings, SETTING_HINTS));
    }
    free_domains(domains);
    text = table_format(table);
    return print_text(text);
}

/* What the daemon tells of the domain; NULL with an error. Freed with json_node_unref(). */
static JsonNode *ask_daemon(const VirtTier *tool, const Domain *domain, GError **errp)
{
    g_autoptr(Client) client = client_connect(tool->socket, errp);
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autofree char *vm = domain_vm_name(domain);

    json_object_set_string_member(arguments, "name", vm);
    return client ? client_call(client, "query-vm", arguments, errp) : NULL;
}

static void status_row(Table *table, const char *name, JsonObject *vm)
{
    g_autofree char *promoted = text_size(field_uint(field_object(vm, "moves"), "promoted_bytes", UINT64_MAX));
    g_autofree char *demoted = text_size(field_uint(field_object(vm, "moves"), "demoted_bytes", UINT64_MAX));

    table_take(table, g_strdup(name));
    table_take(table, vm_state(vm));
    table_take(table, view_string(vm, "mode"));
    table_take(table, text_size(field_uint(vm, "budget", UINT64_MAX)));
    table_take(table, text_size(vm_resident(vm, 0)));
    table_take(table, text_size(vm_resident_below(vm, 1)));
    table_take(table, text_share(field_number(vm, "hit_ratio")));
    table_take(table, text_share(field_number(field_object(vm, "slowdown"), "now")));
    table_take(table, g_strdup_printf("%s up, %s down", promoted, demoted));
}

/* One row; where there is nothing to tell, the reason. False with an error where the daemon did not answer. */
static bool status_of(const VirtTier *tool, virDomain *handle, Table *table, GError **errp)
{
    g_autoptr(Domain) domain = connection_read(handle, 0, errp);
    g_autoptr(Settings) settings = NULL;
    g_autoptr(JsonNode) vm = NULL;

    if (!domain || !rewrite_settings(domain, &settings, errp)) {
        return false;
    }
    if (!settings || !rewrite_has_command_line(domain)) {
        return true;
    }
    vm = ask_daemon(tool, domain, errp);
    if (!vm) {
        return false;
    }
    status_row(table, virDomainGetName(handle), node_object(vm));
    return true;
}

static int run_status(const VirtTier *tool, const char *name)
{
    static const char *const headings[] = {"DOMAIN", "STATE", "MODE",      ">BUDGET", ">FAST",
                                           ">SLOW",  ">HITS", ">SLOWDOWN", "MOVED",   NULL};
    GError *error = NULL;
    g_autoptr(virConnect) connection = connection_open(tool->uri, &error);
    g_autoptr(virDomain) one = connection && name ? connection_find(connection, name, &error) : NULL;
    g_autoptr(Table) table = table_new(headings);
    g_autofree char *text = NULL;
    int result = EXIT_OK;

    if (!connection || (name && !one)) {
        return tool_fail(error);
    }
    if (!connection_is_local(connection)) {
        tool_note(
            "that libvirt is on another host, and the figures are those of this host's daemon: run 'virt-tier status' there");
    }
    if (one) {
        if (!connection_is_running(one)) {
            g_set_error(&error, CONNECTION_ERROR, CONNECTION_ERROR_FAILED,
                        "domain '%s' does not run: there is nothing to tell", name);
            return tool_fail(error);
        }
        if (!status_of(tool, one, table, &error)) {
            return tool_fail(error);
        }
    } else {
        virDomain **domains = all_domains(connection, VIR_CONNECT_LIST_DOMAINS_ACTIVE, &error);

        if (!domains) {
            return tool_fail(error);
        }
        for (virDomain **at = domains; *at; at++) {
            GError *its = NULL;

            if (!status_of(tool, *at, table, &its)) {
                g_prefix_error(&its, "%s: ", virDomainGetName(*at));
                result = tool_fail(its);
            }
        }
        free_domains(domains);
    }
    text = table_format(table);
    return print_text(text) == EXIT_OK ? result : EXIT_FAILED;
}

static int run_plain(const VirtTier *tool, const char *name)
{
    GError *error = NULL;
    g_autoptr(virConnect) connection = connection_open(tool->uri, &error);
    g_autoptr(virDomain) handle = connection ? connection_find(connection, name, &error) : NULL;
    const unsigned flags = VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE;
    g_autoptr(Domain) domain = handle ? connection_read(handle, flags, &error) : NULL;
    g_autoptr(Settings) settings = NULL;
    g_autofree char *xml = NULL;

    if (!domain || !rewrite_settings(domain, &settings, &error)) {
        return tool_fail(error);
    }
    if (settings && settings->hints && rewrite_has_command_line(domain)) {
        g_set_error(&error, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT,
                    "domain '%s' has a virtio-tier device, which can't go while it runs: switch hints off ('virt-tier set %s --hints "
                    "off'), and start it anew", name, name);
        return tool_fail(error);
    }
    rewrite_strip(domain);
    xml = domain_format(domain);
    return print_text(xml);
}

const Command see_commands[] = {
    {{"show", "DOMAIN", "Show a domain's tier settings, and whether its command line follows from them."}, 0, run_show},
    {{"status", "[DOMAIN]", "Show where the memory of running tiered domains is, and what it costs them.",
      "BUDGET: fast memory that it may hold now; FAST, SLOW: where its memory is; HITS: accesses that hit fast memory;\n"
      "SLOWDOWN: time that it loses to slow memory. 'tierctl show' tells more."},
     0,
     run_status},
    {{"list", NULL, "List all domains, and whether they are tiered.",
      "TIERED: yes; no; stripped (settings, but ordinary memory, as on a host without vhost-tier); invalid ('virt-tier check DOMAIN' "
      "says why)."},
     0,
     run_list},
    {{"plain", "DOMAIN", "Print the XML with which a running domain can migrate to a host without vhost-tier.",
      "virt-tier plain DOMAIN >FILE; virsh migrate --live --persistent --xml FILE --persistent-xml FILE DOMAIN URI\n"
      "The settings go with it: a host with vhost-tier makes it tiered again. FILE has the domain's passwords, too."},
     0,
     run_plain},
    {{0}},
};
