/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's name and its sockets; see host-sockets.h.
 */
#include "host-sockets.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "socket.h"
#include "tier-channel.h"

bool host_name_check(const char *name, GError **errp)
{
    const size_t len = strlen(name);
    bool ok = len > 0 && len < TIER_NAME_LEN && *name != '.' && g_utf8_validate(name, -1, NULL);

    for (const char *p = name; ok && *p; p = g_utf8_next_char(p)) {
        ok = *p != '/' && !g_unichar_iscntrl(g_utf8_get_char(p));
    }
    if (!ok) {
        g_autofree char *shown = g_strescape(name, NULL);

        g_set_error(
            errp, HOST_ERROR, HOST_ERROR_INVALID,
            "'%.80s' can be no VM's name: it must have 1 to %d bytes of UTF-8 without '/' and control characters, "
            "and not start with '.'",
            shown, TIER_NAME_LEN - 1);
    }
    return ok;
}

char *host_socket_path(const char *runtime_dir, const VmSpec *spec, GError **errp)
{
    g_autofree char *base = spec->directory ? g_strdup("memory.sock") : g_strdup_printf("vm-%s.sock", spec->name);
    g_autofree char *dir = NULL;
    g_autoptr(GError) err = NULL;

    if (spec->socket) {
        return g_strdup(spec->socket);
    }
    dir = socket_dir(runtime_dir, spec->directory, &err);
    if (!dir) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_INVALID, "VM '%s': %s", spec->name, err->message);
    }
    return dir ? g_build_filename(dir, base, NULL) : NULL;
}

char *host_hint_path(const VmSpec *spec, const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *stem = g_strndup(path, strlen(path) - (g_str_has_suffix(path, ".sock") ? strlen(".sock") : 0));

    return spec->directory && !spec->socket ? g_build_filename(dir, "hint.sock", NULL)
                                            : g_strconcat(stem, ".hint.sock", NULL);
}

bool host_sockets_listen(const VmSpec *spec, VmSocket *memory, VmSocket *hint, GError **errp)
{
    g_autoptr(GError) err = NULL;

    memory->fd = socket_listen(memory->path, spec->uid, spec->gid, &err);
    if (memory->fd >= 0 && hint->path) {
        hint->fd = socket_listen(hint->path, spec->uid, spec->gid, &err);
    }
    if (err) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_FAILED, "VM '%s': %s", spec->name, err->message);
        if (memory->fd >= 0) {
            close(memory->fd);
            g_unlink(memory->path);
        }
        return false;
    }
    return true;
}
