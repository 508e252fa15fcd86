/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small client of the daemon's control socket; see client.h.
 */
#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/fields.h"

struct Client {
    int fd;
    char *path;
    char *version;
    gint64 last_id;
    unsigned timeout_ms;
    gint64 end;                 /* of all requests together, in microseconds of the monotonic clock */
    GByteArray *input;          /* received, not yet taken as a line */
};

G_DEFINE_QUARK(vhost-tier-client-error, client_error)

static gint64 deadline(const Client *client)
{
    return MIN(g_get_monotonic_time() + client->timeout_ms * G_GINT64_CONSTANT(1000), client->end);
}

/* Wait until the socket is ready for @events; false at the deadline (microseconds, monotonic). */
static bool wait_for(Client *client, short events, gint64 until, GError **errp)
{
    struct pollfd pfd = {.fd = client->fd, .events = events};

    for (;;) {
        gint64 left_ms = (until - g_get_monotonic_time() + 999) / 1000;
        int n = left_ms > 0 ? poll(&pfd, 1, (int)left_ms) : 0;

        if (n > 0) {
            return true;
        }
        if (n == 0) {
            g_set_error(
                errp, CLIENT_ERROR, CLIENT_ERROR_TIMEOUT,
                "vhost-tier at %s did not answer within %u s: it is stuck or overloaded; look at its log "
                "('journalctl -u vhost-tier') and restart it if need be (guests run on meanwhile)",
                client->path, client->timeout_ms / 1000);
            return false;
        }
        if (errno != EINTR) {
            g_set_error(errp, CLIENT_ERROR, CLIENT_ERROR_PROTOCOL, "waiting for vhost-tier at %s: %s",
                        client->path, g_strerror(errno));
            return false;
        }
    }
}

static bool broken(Client *client, const char *why, GError **errp)
{
    g_set_error(
        errp, CLIENT_ERROR, CLIENT_ERROR_PROTOCOL,
        "what listens at %s does not answer as vhost-tier does: %s; check --socket, and that both are of one version",
        client->path, why);
    return false;
}

static bool send_line(Client *client, const char *line, size_t length, gint64 until, GError **errp)
{
    while (length > 0) {
        ssize_t n;

        if (!wait_for(client, POLLOUT, until, errp)) {
            return false;
        }
        n = send(client->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            line += n;
            length -= (size_t)n;
        } else if (errno != EINTR && errno != EAGAIN) {
            return broken(client, g_strerror(errno), errp);
        }
    }
    return true;
}

/* Take the next line, without its newline, as a string of the caller's. */
static char *receive_line(Client *client, gint64 until, GError **errp)
{
    guint searched = 0;

    for (;;) {
        const guint8 *end = client->input->len > searched
            ? memchr(client->input->data + searched, '\n', client->input->len - searched) : NULL;
        guint8 buffer[65536];
        ssize_t n;

        searched = client->input->len;
        if (end) {
            size_t length = (size_t)(end - client->input->data);
            char *line = g_strndup((const char *)client->input->data, length);

            if (!g_utf8_validate_len((const char *)client->input->data, length, NULL)) {
                g_free(line);
                broken(client, "a line that is no UTF-8 text", errp);
                return NULL;
            }
            g_byte_array_remove_range(client->input, 0, (guint)length + 1);
            return line;
        }
        if (client->input->len >= CLIENT_MAX_ANSWER) {
            broken(client, "a line longer than 16 MiB", errp);
            return NULL;
        }
        if (!wait_for(client, POLLIN, until, errp)) {
            return NULL;
        }
        n = recv(client->fd, buffer, MIN(sizeof(buffer), CLIENT_MAX_ANSWER - client->input->len),
                 MSG_DONTWAIT);
        if (n > 0) {
            g_byte_array_append(client->input, buffer, (guint)n);
        } else if (n == 0) {
            broken(client, "it hung up", errp);
            return NULL;
        } else if (errno != EINTR && errno != EAGAIN) {
            broken(client, g_strerror(errno), errp);
            return NULL;
        }
    }
}

/* The JSON library recurses on nesting, so that is bounded before it sees the text. */
static bool nested_too_deeply(const char *line)
{
    unsigned depth = 0;
    bool in_string = false;

    for (; *line; line++) {
        if (in_string) {
            if (*line == '\\' && line[1]) {
                line++;
            } else if (*line == '"') {
                in_string = false;
            }
        } else if (*line == '"') {
            in_string = true;
        } else if (*line == '{' || *line == '[') {
            if (++depth > CLIENT_MAX_DEPTH) {
                return true;
            }
        } else if ((*line == '}' || *line == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* The next line as a JSON object; freed with json_node_unref(). */
static JsonNode *receive_object(Client *client, gint64 until, GError **errp)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    g_autofree char *line = receive_line(client, until, errp);

    if (!line) {
        return NULL;
    }
    if (nested_too_deeply(line)) {
        broken(client, "JSON nested too deeply", errp);
        return NULL;
    }
    if (!json_parser_load_from_data(parser, line, -1, &error)) {
        broken(client, error->message, errp);
        return NULL;
    }
    if (!node_object(json_parser_get_root(parser))) {
        broken(client, "a line that is no JSON object", errp);
        return NULL;
    }
    return json_parser_steal_root(parser);
}

/* Say why connect() failed and what helps. */
static void explain_connect(const char *path, int error, GError **errp)
{
    if (error == EACCES || error == EPERM) {
        struct stat st;
        struct group *group = stat(path, &st) == 0 ? getgrgid(st.st_gid) : NULL;

        g_set_error(errp, CLIENT_ERROR, CLIENT_ERROR_DENIED,
                    "not allowed to talk to vhost-tier at %s: run this as root%s%s%s", path,
                    group && st.st_gid != 0 ? ", or become a member of the group '" : "",
                    group && st.st_gid != 0 ? group->gr_name : "",
                    group && st.st_gid != 0 ? "' and log in again"
                                            : ", or name a group with 'control-group' in vhost-tier.conf");
        return;
    }
    g_set_error(errp, CLIENT_ERROR, CLIENT_ERROR_UNREACHABLE,
                "cannot reach vhost-tier at %s: %s; %s", path, g_strerror(error),
                error == ENOENT || error == ECONNREFUSED || error == ENOTDIR
                    ? "the daemon does not run: start it with 'systemctl start vhost-tier', "
                      "or name its socket with --socket PATH"
                    : "look at the daemon's log ('journalctl -u vhost-tier')");
}

static bool open_socket(Client *client, gint64 until, GError **errp)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(client->path) >= sizeof(address.sun_path)) {
        g_set_error(
            errp, CLIENT_ERROR, CLIENT_ERROR_UNREACHABLE,
            "the socket's path %s is longer than the %zu bytes that a socket may have: give a shorter one",
            client->path, sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, client->path, strlen(client->path));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0) {
        explain_connect(client->path, errno, errp);
        return false;
    }
    while (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        /* EAGAIN: the daemon has not yet taken those who came before */
        if (errno != EAGAIN && errno != EINTR) {
            explain_connect(client->path, errno, errp);
            return false;
        }
        if (g_get_monotonic_time() >= until) {
            return wait_for(client, 0, until, errp);
        }
        g_usleep(10000);
    }
    return true;
}

static Client *connect_to(const char *path, unsigned timeout_ms, gint64 end, GError **errp)
{
    g_autoptr(Client) client = g_new0(Client, 1);
    g_autoptr(JsonNode) greeting = NULL;
    JsonObject *about;
    gint64 until;

    client->timeout_ms = timeout_ms;
    client->end = end;
    client->fd = -1;
    until = deadline(client);
    client->path = g_strdup(path ? path : CLIENT_DEFAULT_SOCKET);
    client->input = g_byte_array_new();
    if (!open_socket(client, until, errp)) {
        return NULL;
    }
    greeting = receive_object(client, until, errp);
    if (!greeting) {
        return NULL;
    }
    about = field_object(node_object(greeting), "vhost-tier");
    if (!about) {
        broken(client, "no greeting of vhost-tier's", errp);
        return NULL;
    }
    client->version = g_strdup(field_string(about, "version") ? field_string(about, "version") : "unknown");
    return g_steal_pointer(&client);
}

Client *client_connect(const char *path, GError **errp)
{
    return connect_to(path, CLIENT_TIMEOUT_MS, G_MAXINT64, errp);
}

Client *client_connect_within(const char *path, unsigned ms, GError **errp)
{
    return connect_to(path, ms, g_get_monotonic_time() + ms * G_GINT64_CONSTANT(1000), errp);
}

void client_free(Client *client)
{
    if (client) {
        if (client->fd >= 0) {
            close(client->fd);
        }
        g_byte_array_unref(client->input);
        g_free(client->path);
        g_free(client->version);
        g_free(client);
    }
}

const char *client_daemon_version(const Client *client)
{
    return client->version;
}

static ClientError error_class(const char *name)
{
    static const struct {
        const char *name;
        ClientError code;
    } classes[] = {
        {"CommandNotFound", CLIENT_ERROR_COMMAND_NOT_FOUND},
        {"InvalidArgument", CLIENT_ERROR_INVALID_ARGUMENT},
        {"NotFound", CLIENT_ERROR_NOT_FOUND},
        {"Exists", CLIENT_ERROR_EXISTS},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (g_strcmp0(name, classes[i].name) == 0) {
            return classes[i].code;
        }
    }
    return CLIENT_ERROR_GENERIC;
}

static char *request_line(const char *command, JsonObject *arguments, gint64 id)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *request = json_object_new();
    g_autofree char *text = NULL;

    json_object_set_string_member(request, "execute", command);
    if (arguments) {
        json_object_set_object_member(request, "arguments", json_object_ref(arguments));
    }
    json_object_set_int_member(request, "id", id);
    json_node_take_object(root, request);
    text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}

JsonNode *client_call(Client *client, const char *command, JsonObject *arguments, GError **errp)
{
    gint64 until = deadline(client), id = ++client->last_id;
    g_autofree char *line = request_line(command, arguments, id);
    g_autoptr(JsonNode) answer = NULL;
    JsonObject *object, *error;

    if (strlen(line) > CLIENT_MAX_LINE) {
        g_set_error(errp, CLIENT_ERROR, CLIENT_ERROR_INVALID_ARGUMENT,
                    "the request '%s' is longer than 64 KiB: shorten its arguments", command);
        return NULL;
    }
    if (!send_line(client, line, strlen(line), until, errp)) {
        return NULL;
    }
    answer = receive_object(client, until, errp);
    if (!answer) {
        return NULL;
    }
    object = node_object(answer);
    if (field_uint(object, "id", 0) != (guint64)id) {
        broken(client, "an answer to something that was not asked", errp);
        return NULL;
    }
    error = field_object(object, "error");
    if (error) {
        const char *desc = field_string(error, "desc");

        g_set_error(errp, CLIENT_ERROR, (int)error_class(field_string(error, "class")), "%s",
                    desc ? desc : "the daemon refused, and gave no reason; look at its log");
        return NULL;
    }
    if (!json_object_has_member(object, "return")) {
        broken(client, "an answer with neither 'return' nor 'error'", errp);
        return NULL;
    }
    return json_node_ref(json_object_get_member(object, "return"));
}
