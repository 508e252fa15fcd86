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

#endif /* VHOST_TIER_SOCKET_H */
