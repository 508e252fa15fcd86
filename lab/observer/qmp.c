/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's control channel; see qmp.h. Events that come while an answer is awaited are kept.
 */
#include "qmp.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/fields.h"

#define ANSWER_MS 10000

struct Qmp {
    int fd;
    GString *input;
    GQueue events;          /* JsonNode */
};

static char *take_line(Qmp *qmp)
{
    char *end = memchr(qmp->input->str, '\n', qmp->input->len), *line;

    if (!end) {
        return NULL;
    }
    line = g_strndup(qmp->input->str, (gsize)(end - qmp->input->str));
    g_string_erase(qmp->input, 0, end - qmp->input->str + 1);
    return line;
}

/* The next message, whatever it is. */
static JsonNode *receive(Qmp *qmp, gint64 until, GError **errp)
{
    g_autofree char *line = NULL;
    JsonNode *message;

    while (!(line = take_line(qmp))) {
        struct pollfd pfd = {.fd = qmp->fd, .events = POLLIN};
        gint64 left_ms = (until - g_get_monotonic_time()) / 1000;
        char buffer[4096];
        ssize_t n;

        if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) == 0) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "QEMU did not answer in time");
            return NULL;
        }
        n = recv(qmp->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (n > 0) {
            g_string_append_len(qmp->input, buffer, n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_CLOSED, "QEMU closed its control channel");
            return NULL;
        }
    }
    message = json_from_string(line, errp);
    if (message && !node_object(message)) {
        json_node_unref(message);
        message = NULL;
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "QEMU sent no JSON object: %s", line);
    }
    return message;
}

JsonNode *qmp_call(Qmp *qmp, const char *command, const char *arguments, GError **errp)
{
    gint64 until = g_get_monotonic_time() + ANSWER_MS * 1000;
    g_autofree char *line = arguments
        ? g_strdup_printf("{\"execute\": \"%s\", \"arguments\": %s}\n", command, arguments)
        : g_strdup_printf("{\"execute\": \"%s\"}\n", command);

    if (send(qmp->fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_CLOSED, "QEMU does not take the command '%s'", command);
        return NULL;
    }
    for (;;) {
        g_autoptr(JsonNode) message = receive(qmp, until, errp);
        JsonObject *object = node_object(message);

        if (!message) {
            g_prefix_error(errp, "QMP command '%s': ", command);
            return NULL;
        }
        if (field_string(object, "event")) {
            g_queue_push_tail(&qmp->events, g_steal_pointer(&message));
        } else if (field_object(object, "error")) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "QMP command '%s': %s", command,
                        field_string(field_object(object, "error"), "desc"));
            return NULL;
        } else if (json_object_has_member(object, "return")) {
            return json_node_ref(json_object_get_member(object, "return"));
        }
    }
}

JsonNode *qmp_event(Qmp *qmp, const char *name, unsigned timeout_ms, GError **errp)
{
    gint64 until = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    JsonNode *message;

    while ((message = g_queue_pop_head(&qmp->events)) || (message = receive(qmp, until, errp))) {
        if (g_strcmp0(field_string(node_object(message), "event"), name) == 0) {
            return message;
        }
        json_node_unref(message);
    }
    g_prefix_error(errp, "waiting for the event %s: ", name);
    return NULL;
}

Qmp *qmp_new(int fd, GError **errp)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);
    g_autoptr(JsonNode) greeting = NULL, agreed = NULL;

    qmp->fd = fd;
    qmp->input = g_string_new(NULL);
    g_queue_init(&qmp->events);
    greeting = receive(qmp, g_get_monotonic_time() + ANSWER_MS * 1000, errp);
    if (!greeting) {
        return NULL;
    }
    agreed = qmp_call(qmp, "qmp_capabilities", NULL, errp);
    return agreed ? g_steal_pointer(&qmp) : NULL;
}

void qmp_free(Qmp *qmp)
{
    if (qmp) {
        close(qmp->fd);
        g_queue_clear_full(&qmp->events, (GDestroyNotify)json_node_unref);
        g_string_free(qmp->input, TRUE);
        g_free(qmp);
    }
}
