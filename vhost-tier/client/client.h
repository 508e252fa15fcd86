/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small client of the daemon's control socket (docs/control.md): one connection, one request at a time.
 *
 * The daemon is not trusted either: an answer is bounded in length, nesting and time before anything looks
 * into it, and fields are read through fields.h, which takes a missing field and one of the wrong type alike.
 */
#ifndef VHOST_TIER_CLIENT_CLIENT_H
#define VHOST_TIER_CLIENT_CLIENT_H

#include <glib.h>
#include <json-glib/json-glib.h>

#define CLIENT_DEFAULT_SOCKET "/run/vhost-tier/control.sock"
#define CLIENT_MAX_LINE       65536     /* bytes of a request, its newline included */
#define CLIENT_MAX_ANSWER     (16 << 20) /* bytes of an answer, its newline included */
#define CLIENT_MAX_DEPTH      32        /* nesting of an answer */
#define CLIENT_TIMEOUT_MS     5000      /* for the connection, and for each request with its answer */

typedef enum ClientError {
    CLIENT_ERROR_UNREACHABLE,           /* nobody listens there */
    CLIENT_ERROR_DENIED,                /* the socket's permissions forbid it */
    CLIENT_ERROR_TIMEOUT,
    CLIENT_ERROR_PROTOCOL,              /* the other end does not speak as docs/control.md says, or hung up */
    /* The daemon's own error classes */
    CLIENT_ERROR_COMMAND_NOT_FOUND,
    CLIENT_ERROR_INVALID_ARGUMENT,
    CLIENT_ERROR_NOT_FOUND,
    CLIENT_ERROR_EXISTS,
    CLIENT_ERROR_GENERIC,
} ClientError;

#define CLIENT_ERROR (client_error_quark())
GQuark client_error_quark(void);

typedef struct Client Client;

/*
 * Connect to the control socket at @path (NULL: CLIENT_DEFAULT_SOCKET) and take the daemon's greeting.
 * Returns a client, to be freed with client_free(), or NULL with an error of CLIENT_ERROR that names the
 * socket and the remedy.
 */
Client *client_connect(const char *path, GError **errp);
/* The same; the connection and all requests together may take no longer than @ms milliseconds. */
Client *client_connect_within(const char *path, unsigned ms, GError **errp);
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* The daemon's version, from its greeting; "unknown" where it told none. */
const char *client_daemon_version(const Client *client);

/*
 * Have the daemon carry out @command with @arguments (not consumed; NULL: none). Returns what it returned, to
 * be freed with json_node_unref(), or NULL with an error of CLIENT_ERROR: the daemon's own class and text, or
 * what went wrong on the way. After CLIENT_ERROR_TIMEOUT and CLIENT_ERROR_PROTOCOL the connection is of no
 * more use: free the client.
 */
JsonNode *client_call(Client *client, const char *command, JsonObject *arguments, GError **errp);

#endif /* VHOST_TIER_CLIENT_CLIENT_H */
