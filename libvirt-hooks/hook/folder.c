/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The private folder of a domain's sockets. It is root's, so that the daemon, which has given up its right to write
 * anywhere, can make sockets in it and the domain's QEMU can't; that may pass through it by its group. Under SELinux
 * the folder has the label of the domain's files, which keeps other domains of the same user out, and the sockets
 * inherit its type.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/rewrite.h"

static bool set_error(const char *path, const char *what, GError **errp)
{
    const int err = errno;

    g_set_error(errp, G_IO_ERROR, (gint)g_io_error_from_errno(err), "%s: cannot %s: %s", path, what, g_strerror(err));
    return false;
}

/* Owner, mode and label of the open folder @fd. */
static bool hand_over(int fd, const char *path, const Owner *owner, GError **errp)
{
    if (fchown(fd, geteuid(), owner->gid) < 0 || fchmod(fd, 0750) < 0) {
        return set_error(path, "give the folder of the domain's sockets to its group", errp);
    }
    if (owner->selinux && fsetxattr(fd, "security.selinux", owner->selinux, strlen(owner->selinux) + 1, 0) < 0) {
        return set_error(path, "label the folder of the domain's sockets for SELinux", errp);
    }
    return true;
}

bool folder_make(const char *path, const Owner *owner, GError **errp)
{
    g_autofree char *parent = g_path_get_dirname(path);
    bool done;
    int fd;

    /* Others' QEMUs pass through it, too. Umask and an earlier hook may have left another mode. */
    if ((g_mkdir(parent, 0755) < 0 && errno != EEXIST) || chmod(parent, 0755) < 0) {
        return set_error(parent, "make the folder of all domains' sockets", errp);
    }
    if (g_mkdir(path, 0700) < 0 && errno != EEXIST) {
        return set_error(path, "make the folder of the domain's sockets", errp);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return set_error(path, "open the folder of the domain's sockets", errp);
    }
    done = hand_over(fd, path, owner, errp);
    close(fd);
    return done;
}

void folder_remove(const char *path)
{
    static const char *const sockets[] = {REWRITE_MEMORY_SOCKET, REWRITE_HINT_SOCKET};

    for (size_t i = 0; i < G_N_ELEMENTS(sockets); i++) {
        g_autofree char *socket = g_build_filename(path, sockets[i], NULL);

        if (g_unlink(socket) < 0 && errno != ENOENT) {
            hook_warn("%s: cannot remove it: %s", socket, g_strerror(errno));
        }
    }
    if (g_rmdir(path) < 0 && errno != ENOENT) {
        hook_warn("%s: cannot remove the folder: %s", path, g_strerror(errno));
    }
}
