/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-tier looks up on this host; see host.h.
 */
#include "libvirt-hooks/virt-tier/host.h"

#include <stdlib.h>
#include <string.h>

#include "libvirt-hooks/virt-tier/virt-tier.h"

bool host_check_connection(virConnect *connection, GError **errp)
{
    const char *type = virConnectGetType(connection);
    char *uri = virConnectGetURI(connection);
    bool session = uri && strstr(uri, "/session");

    free(uri);
    if (g_strcmp0(type, "QEMU") != 0) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_FAILED,
                    "this libvirt drives '%s', and only QEMU's domains can be tiered: use --connect qemu:///system", type ? type : "?");
        return false;
    }
    if (session) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_FAILED,
                    "a user's own libvirt (session) runs no hooks, which tiered domains need: use --connect qemu:///system");
        return false;
    }
    return true;
}

bool host_check_settings(virConnect *connection, const Settings *settings, GError **errp)
{
    return !connection_is_local(connection) || settings_check_host(settings, "/sys", errp);
}

void host_check_emulator(virConnect *connection, const char *emulator)
{
    static const char name[] = "memory-backend-tier";
    g_autoptr(GMappedFile) file =
        emulator && connection_is_local(connection) ? g_mapped_file_new(emulator, FALSE, NULL) : NULL;

    if (file && g_mapped_file_get_contents(file) &&
        !memmem(g_mapped_file_get_contents(file), g_mapped_file_get_length(file), name, sizeof(name) - 1)) {
        tool_note(
            "%s seems to have no memory-backend-tier, without which the domain will not start: name vhost-tier's QEMU with "
            "--emulator PATH",
            emulator);
    }
}
