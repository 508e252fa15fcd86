/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain that goes on here with the state that it had on another host, or in a file. Its command line was made
 * there: NUMA nodes may be others here, and the emulator may be one without vhost-tier. What a guest can see must
 * stay as it is, so memory keeps its name, and no device comes or goes.
 */
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/rewrite.h"

#define NOBODY          65534
#define EMULATOR_LATE_S 2
#define NOT_RUN         127     /* exit code of what could not be run, as that of a program without its libraries */

/* The emulator is asked without any right to do more than answer, and not for ever. */
static void restrain(gpointer data)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)) {
        _exit(NOT_RUN);
    }
    alarm(EMULATOR_LATE_S);
}

/*
 * Whether the emulator knows tiered memory: only its own "no" is one. False, with an error, where it can't be asked, or
 * has no answer.
 */
static bool ask_emulator(const char *path, bool *can, GError **errp)
{
    const char *argv[] = {path, "-object", "memory-backend-tier,help", NULL};
    int status = 0;

    if (!path) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML, "the domain has no <emulator>");
        return false;
    }
    if (!g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, restrain, NULL,
                      NULL, NULL, &status, errp)) {
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) == NOT_RUN) {
        g_spawn_check_wait_status(status, errp);
        return false;
    }
    *can = WEXITSTATUS(status) == 0;
    return true;
}

static bool refuse(const Domain *domain, const char *why, const char *remedy, GError **errp)
{
    g_autofree char *emulator = domain_emulator(domain);

    g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT,
                "this host's emulator '%s' knows no tiered memory (memory-backend-tier), and %s; install the QEMU of vhost-tier "
                "there, or %s", emulator ? emulator : "", why, remedy);
    return false;
}

/* Tiered elsewhere, ordinary here. */
static bool strip(Domain *domain, const Settings *settings, GError **errp)
{
    if (settings->required) {
        return refuse(domain, "its <tier:memory> says required='yes'",
                      "'virt-tier set DOMAIN --required no' on the host it is on now", errp);
    }
    if (rewrite_has_hint_device(domain)) {
        return refuse(domain, "the guest has a virtio-tier device, which can't go while it runs",
                      "switch hints off ('virt-tier set DOMAIN --hints off') and start the guest anew before it moves", errp);
    }
    rewrite_strip(domain);
    hook_warn("'%s' goes on with ordinary memory: its emulator here knows no tiered memory", domain_name(domain));
    return true;
}

/*
 * Tiered here, with the command line that its settings ask for. Of the tiers named in them there may be none like
 * them here.
 */
static bool enable(Domain *domain, const Settings *settings, GError **errp)
{
    g_autoptr(Settings) fit = settings_copy(settings);
    g_autoptr(GError) err = NULL;

    if (!settings_check_host(settings, "/sys", &err)) {
        if (settings->required || !settings->text[SETTING_TIERS]) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
        hook_warn("'%s' goes on with this host's own tiers: %s", domain_name(domain), err->message);
        settings_clear(fit, SETTING_TIERS);
    }
    if (!rewrite_has_hint_device(domain)) {
        settings_clear(fit, SETTING_HINTS);
        settings_clear(fit, SETTING_PIN_LIMIT);
    } else if (!fit->hints) {
        settings_set(fit, SETTING_HINTS, "on", NULL);
    }
    return rewrite_enable(domain, fit, errp);
}

/* Settings that were changed while it ran are not in the arguments that it was started with. */
static bool is_as_it_should_be(const Domain *domain, const Settings *settings)
{
    return rewrite_has_command_line(domain) && rewrite_agrees(domain, settings, NULL) &&
           settings_check_host(settings, "/sys", NULL);
}

bool incoming_fit(Domain *domain, const Settings *settings, bool *changed, GError **errp)
{
    const char *chosen = settings->text[SETTING_EMULATOR];
    g_autofree char *given = domain_emulator(domain);
    g_autoptr(GError) err = NULL;
    bool can;

    *changed = false;
    if (!ask_emulator(chosen ? chosen : given, &can, &err)) {
        hook_warn("'%s' goes on as it came, as there is no telling whether its emulator knows tiered memory: %s",
                  domain_name(domain), err->message);
        return true;
    }
    *changed = can ? !is_as_it_should_be(domain, settings) : rewrite_has_command_line(domain);
    if (!*changed) {
        return true;
    }
    return can ? enable(domain, settings, errp) : strip(domain, settings, errp);
}
