/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a domain that is about to start is as its settings say: the last moment at which its user can be told.
 */
#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/problems.h"
#include "libvirt-hooks/rewrite.h"

bool check_domain(const Domain *domain, const Settings *settings, GError **errp)
{
    g_autoptr(GPtrArray) problems = problems_find(domain, settings);
    uint64_t memory;

    if (!domain_memory_bytes(domain, &memory, errp) || !settings_check(settings, memory, errp)) {
        return false;
    }
    if (problems->len > 0) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT, "%s", (const char *)g_ptr_array_index(problems, 0));
        return false;
    }
    if (!rewrite_has_command_line(domain) && !settings->required) {
        hook_warn(
            "'%s' starts with ordinary memory: its <qemu:commandline> has nothing of <tier:memory>'s; 'virt-tier set DOMAIN' "
            "writes it",
            domain_name(domain));
        return true;
    }
    return settings_check_host(settings, "/sys", errp) && rewrite_agrees(domain, settings, errp);
}
