/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening Unix sockets.
 */
#ifndef VHOST_TIER_SOCKET_H
#define VHOST_TIER_SOCKET_H

#include <glib.h>
#include <sys/types.h>

/*
 * Listen at @path, mode 0660, owned by @uid and @gid (-1: as they come). A socket file that nobody
 * listens on any more is taken over; one that somebody does, or a file of another kind, is an error.
 * Returns the descriptor (non-blocking, close-on-exec), or -1. The caller removes the file at the end.
 */
int socket_listen(const char *path, uid_t uid, gid_t gid, GError **errp);

/*
 * The path of the folder @below (such as "libvirt/UUID"; NULL: itself) the folder @base, to be freed by the caller.
 * NULL, with an error, unless each part of it is a folder that belongs to this process's user and is writable to no
 * other: so who may only name it can't have files made where that user alone may make them.
 */
char *socket_dir(const char *base, const char *below, GError **errp);

#endif /* VHOST_TIER_SOCKET_H */
