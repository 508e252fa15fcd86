/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-tier enable, set and disable: what changes a domain.
 */
#include "client/client.h"
#include "libvirt-hooks/daemon-limits.h"
#include "libvirt-hooks/rewrite.h"
#include "libvirt-hooks/virt-tier/connection.h"
#include "libvirt-hooks/virt-tier/host.h"
#include "libvirt-hooks/virt-tier/virt-tier.h"
#include "tierctl/output.h"

/* A domain that is being changed. */
typedef struct Job {
    const VirtTier *tool;
    virConnect *connection;
    virDomain *handle;
    Domain *domain;             /* as it is defined */
    Settings *settings;         /* those that it has; NULL: none */
} Job;

static void job_clear(Job *job)
{
    g_clear_pointer(&job->settings, settings_free);
    g_clear_pointer(&job->domain, domain_free);
    g_clear_pointer(&job->handle, virDomainFree);
    g_clear_pointer(&job->connection, virConnectClose);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static bool job_open(Job *job, const VirtTier *tool, const char *name, GError **errp)
{
    job->tool = tool;
    job->connection = connection_open(tool->uri, errp);
    if (!job->connection || !host_check_connection(job->connection, errp)) {
        return false;
    }
    job->handle = connection_find(job->connection, name, errp);
    if (!job->handle) {
        return false;
    }
    if (virDomainIsPersistent(job->handle) != 1) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_FAILED,
                    "domain '%s' is transient, so there is no definition to change: define it ('virsh define'), or write the settings into "
                    "the XML that it is created from ('virt-tier check FILE' shows them)", name);
        return false;
    }
    job->domain =
        connection_read(job->handle, VIR_DOMAIN_XML_INACTIVE | (tool->dry_run ? 0 : VIR_DOMAIN_XML_SECURE), errp);
    return job->domain && rewrite_settings(job->domain, &job->settings, errp);
}

/* Define the domain as it is now, or print it. */
static int job_finish(const Job *job, const char *done)
{
    GError *error = NULL;

    if (job->tool->dry_run) {
        g_autofree char *xml = domain_format(job->domain);

        return print_text(xml);
    }
    if (!connection_define(job->connection, job->domain, &error)) {
        return tool_fail(error);
    }
    if (virDomainHasManagedSaveImage(job->handle, 0) == 1) {
        tool_note("it has a saved state, from which it goes on as it was; the change counts from the start after that "
                  "('virsh managedsave-remove' drops the saved state)");
    }
    return tool_say("%s: %s", domain_name(job->domain), done);
}

static int run_enable(const VirtTier *tool, const char *name)
{
    g_autoptr(Settings) settings = settings_new();
    g_autofree char *emulator = NULL;
    g_auto(Job) job = {0};
    GError *error = NULL;

    if (!tool_settings(tool, settings, &error) || !job_open(&job, tool, name, &error)) {
        return tool_fail(error);
    }
    if (job.settings) {
        g_set_error(&error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "domain '%s' has tier settings already: 'virt-tier set' changes them, 'virt-tier show' shows them", name);
        return tool_fail(error);
    }
    if (!host_check_settings(job.connection, settings, &error) || !rewrite_enable(job.domain, settings, &error)) {
        return tool_fail(error);
    }
    emulator = domain_emulator(job.domain);
    host_check_emulator(job.connection, emulator);
    return job_finish(&job, connection_is_running(job.handle)
                                ? "tiered from its next start on (shut it down and start it again)"
                                : "tiered from its next start on");
}

/* What can change while the domain runs; all else takes a restart. */
static const SettingId live_settings[] = {
    SETTING_REQUIRED, SETTING_MODE,     SETTING_FAST_MIN,  SETTING_FAST_MAX,
    SETTING_WEIGHT,   SETTING_SLOWDOWN, SETTING_PIN_LIMIT, SETTING_SOURCES,
};

/*
 * Whether @id of a running domain with the settings @running is to change. '--live' leaves those that are not given as
 * they were set before; a pin limit for hints that come with the next start comes with them.
 */
static bool goes_live(const VirtTier *tool, const Settings *running, SettingId id)
{
    if (tool->live) {
        return tool->settings[id] != NULL;
    }
    return id != SETTING_PIN_LIMIT || running->hints;
}

/* Tell the daemon. */
static bool set_in_daemon(const Job *job, const Domain *running, const Settings *settings, uint64_t memory,
                          GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autofree char *vm = domain_vm_name(running);
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(Client) client = client_connect(job->tool->socket, errp);

    if (!client) {
        return false;
    }
    json_object_set_string_member(arguments, "name", vm);
    limits_add(settings, memory, arguments);
    answer = client_call(client, "vm-set", arguments, errp);
    return answer != NULL;
}

/* Have libvirt keep them with the running domain, for a restart of its daemon, and for migration. */
static bool set_in_libvirt(const Job *job, const Settings *settings, GError **errp)
{
    g_autofree char *xml = settings_to_text(settings);

    if (virDomainSetMetadata(job->handle, VIR_DOMAIN_METADATA_ELEMENT, xml, "tier", TIER_NS, VIR_DOMAIN_AFFECT_LIVE) <
        0) {
        return connection_failed(errp, "libvirt does not keep the new settings with the running domain");
    }
    return true;
}

/* Change what can be changed of the running domain. False on error; *@changed tells whether there was anything. */
static bool set_live(const Job *job, const Settings *wanted, bool *changed, GError **errp)
{
    g_autoptr(Domain) running = connection_read(job->handle, 0, errp);
    g_autoptr(Settings) settings = NULL;
    uint64_t memory;

    *changed = false;
    if (!running || !rewrite_settings(running, &settings, errp) || !domain_memory_bytes(running, &memory, errp)) {
        return false;
    }
    if (!settings || !rewrite_has_command_line(running)) {
        tool_note("it runs untiered, as it was started: the settings count from its next start on");
        return true;
    }
    if (!connection_is_local(job->connection)) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_FAILED,
                    "it runs on another host, whose daemon can't be reached from here: run 'virt-tier set --live' there");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(live_settings); i++) {
        SettingId id = live_settings[i];

        if (!goes_live(job->tool, settings, id)) {
            continue;
        }
        settings_clear(settings, id);
        if (wanted->text[id]) {
            settings_set(settings, id, wanted->text[id], NULL);
        }
    }
    *changed = true;
    return settings_check(settings, memory, errp) && set_in_daemon(job, running, settings, memory, errp) &&
           set_in_libvirt(job, settings, errp);
}

/* Whether anything is to change that the running domain can't take. */
static bool needs_restart(const VirtTier *tool)
{
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        bool live = false;

        for (size_t i = 0; i < G_N_ELEMENTS(live_settings); i++) {
            live |= live_settings[i] == id;
        }
        if (tool->settings[id] && !live) {
            return true;
        }
    }
    return false;
}

/* The settings that are to be: those that the domain has, with those given in their place. */
static Settings *merged_settings(const Job *job, const char *name, GError **errp)
{
    g_autoptr(Settings) settings = NULL;

    if (!job->settings) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "domain '%s' is not tiered: 'virt-tier enable' makes it so", name);
        return NULL;
    }
    settings = settings_copy(job->settings);
    if (!tool_settings(job->tool, settings, errp) || !host_check_settings(job->connection, settings, errp)) {
        return NULL;
    }
    return g_steal_pointer(&settings);
}

/* Define it anew; EXIT_OK also where that is not wanted. */
static int set_config(const Job *job, const Settings *settings)
{
    GError *error = NULL;

    if (job->tool->live) {
        return EXIT_OK;
    }
    return rewrite_enable(job->domain, settings, &error) ? job_finish(job, "settings defined") : tool_fail(error);
}

static int run_set(const VirtTier *tool, const char *name)
{
    g_autoptr(Settings) settings = NULL;
    g_auto(Job) job = {0};
    GError *error = NULL;
    bool changed;
    int result;

    if (tool->live && needs_restart(tool)) {
        return cli_usage(
            "virt-tier", "set",
            "while a domain runs, all but placement, granule, hugepages, tiers, hints and emulator can change: leave out --live");
    }
    if (!job_open(&job, tool, name, &error)) {
        return tool_fail(error);
    }
    settings = merged_settings(&job, name, &error);
    if (!settings) {
        return tool_fail(error);
    }
    if (tool->live && !connection_is_running(job.handle)) {
        g_set_error(&error, CONNECTION_ERROR, CONNECTION_ERROR_FAILED, "domain '%s' does not run: leave out --live",
                    name);
        return tool_fail(error);
    }
    result = set_config(&job, settings);
    if (result != EXIT_OK || tool->dry_run || tool->config || !connection_is_running(job.handle)) {
        return result;
    }
    if (!set_live(&job, settings, &changed, &error)) {
        g_prefix_error(&error,
                       "%sthe running domain is not changed: ", tool->live ? "" : "the definition is changed, but ");
        return tool_fail(error);
    }
    if (changed) {
        return tool_say("%s: settings in force%s", name,
                        needs_restart(tool) ? "; some of them from its next start on" : "");
    }
    return EXIT_OK;
}

static int run_disable(const VirtTier *tool, const char *name)
{
    g_auto(Job) job = {0};
    GError *error = NULL;

    /* Settings that can't be read are no reason to keep them. */
    if (!job_open(&job, tool, name, &error) &&
        !(job.domain && g_error_matches(error, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS))) {
        return tool_fail(error);
    }
    if (!job.settings && !error && !rewrite_has_command_line(job.domain)) {
        return tool_say("%s: not tiered; nothing to do", name);
    }
    g_clear_error(&error);
    rewrite_disable(job.domain);
    return job_finish(&job, connection_is_running(job.handle) ? "ordinary from its next start on" : "ordinary again");
}

#define DEFAULT_WORD "The word 'default' as VALUE takes a setting back to its default."

const Command change_commands[] = {
    {{"enable", "DOMAIN", "Make a domain tiered from its next start on."},
     COMMAND_SETTINGS | COMMAND_DRY_RUN,
     run_enable},
    {{"set", "DOMAIN", "Change the settings of a tiered domain, and those in force where it runs.",
      DEFAULT_WORD "\nWithout any setting the command line is written anew, as after a change of <memory>."},
     COMMAND_SETTINGS | COMMAND_DRY_RUN | COMMAND_WHERE,
     run_set},
    {{"disable", "DOMAIN", "Make it as it was before 'enable'."}, COMMAND_DRY_RUN, run_disable},
    {{0}},
};
