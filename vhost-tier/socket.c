/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening Unix sockets: made, or taken over from a daemon that is gone.
 */
#include "socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static void set_error(GError **errp, const char *path, const char *what)
{
    const int err = errno;

    g_set_error(errp, G_IO_ERROR, (gint)g_io_error_from_errno(err), "%s: %s: %s", path, what,
                g_strerror(err));
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Connect to the socket there, as a look whether somebody listens: 0, or an errno. */
static int probe(const struct sockaddr_un *addr)
{
    const int fd = new_socket();
    int err = 0;

    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
        err = errno;
    }
    close(fd);
    return err;
}

/*
 * The same where the socket was given to another user, to whom alone it is open: without
 * CAP_DAC_OVERRIDE, which the daemon gives up, it must be ours for that moment.
 */
static int probe_as_owner(const char *path, const struct sockaddr_un *addr, const struct stat *st)
{
    int err = probe(addr);

    if (err == EACCES && lchown(path, geteuid(), (gid_t)-1) == 0) {
        err = probe(addr);
        if (err != ECONNREFUSED && lchown(path, st->st_uid, (gid_t)-1) < 0) {
            g_warning("%s: cannot give the socket back to user %u: %s", path, st->st_uid, g_strerror(errno));
        }
    }
    return err;
}

/* Remove what is left of a daemon that is gone; false when it is not a left-over. */
static bool remove_stale(const char *path, const struct sockaddr_un *addr, GError **errp)
{
    struct stat st;
    int err;

    if (g_lstat(path, &st) < 0) {
        set_error(errp, path, "cannot look at what is there");
        return false;
    }
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "%s: there is a file that is no socket; remove it or choose another path", path);
        return false;
    }
    err = probe_as_owner(path, addr, &st);
    if (err == 0 || err == EAGAIN) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                    "%s: another process listens there already (is the daemon running twice?)", path);
        return false;
    }
    if (err != ECONNREFUSED) {
        g_set_error(errp, G_IO_ERROR, (gint)g_io_error_from_errno(err),
                    "%s: cannot tell whether another process listens there: %s; if none does, remove the file",
                    path, g_strerror(err));
        return false;
    }
    if (g_unlink(path) < 0) {
        set_error(errp, path, "cannot remove the socket of a daemon that is gone");
        return false;
    }
    return true;
}

int socket_listen(const char *path, uid_t uid, gid_t gid, GError **errp)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    const size_t len = strlen(path);
    int fd;

    if (len >= sizeof(addr.sun_path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "%s: a socket's path has at most %zu bytes, this has %zu; choose a shorter one", path,
                    sizeof(addr.sun_path) - 1, len);
        return -1;
    }
    memcpy(addr.sun_path, path, len);
    fd = new_socket();
    if (fd < 0) {
        set_error(errp, path, "socket");
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno != EADDRINUSE) {
            set_error(errp, path, "cannot make the socket");
            close(fd);
            return -1;
        }
        if (!remove_stale(path, &addr, errp)) {
            close(fd);
            return -1;
        }
        if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
            set_error(errp, path, "cannot make the socket");
            close(fd);
            return -1;
        }
    }
    /* Nobody can connect before listen(2), so owner and mode are right from the first connection on. */
    if (chmod(path, 0660) < 0) {
        set_error(errp, path, "cannot set the socket's mode");
    } else if (lchown(path, uid, gid) < 0) {
        set_error(errp, path, "cannot give the socket to its owner");
    } else if (listen(fd, BACKLOG) < 0) {
        set_error(errp, path, "listen");
    } else {
        return fd;
    }
    close(fd);
    g_unlink(path);
    return -1;
}

/* That a folder is the daemon's user's, and no other's to write in. */
static bool private_check(const char *path, GError **errp)
{
    struct stat st;

    if (g_lstat(path, &st) < 0) {
        set_error(errp, path, "can be no folder for sockets; make it first");
        return false;
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "%s: can be no folder for sockets: it must be a folder, belong to user %u, and be writable to no other",
                    path, geteuid());
        return false;
    }
    return true;
}

char *socket_dir(const char *base, const char *below, GError **errp)
{
    g_autofree char *path = g_strdup(base);
    g_auto(GStrv) parts = g_strsplit(below ? below : "", "/", -1);

    for (char **part = parts; *part; part++) {
        g_autofree char *parent = g_steal_pointer(&path);

        if (!**part || **part == '.') {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME,
                        "'%s' is no folder below %s: give it without '/' at its ends and without '.' or '..'", below, base);
            return NULL;
        }
        path = g_build_filename(parent, *part, NULL);
        if (!private_check(path, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&path);
}
