/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: clients, lines, answers.
 *
 * Theory of operation
 *
 * A client is in one of three states: reading (no call, nothing to write), busy (a call has not been
 * answered), writing (an answer has not been taken in whole). Only in the first is its socket read. So a
 * client costs at most one line and one answer of memory, whatever it does; and a client that pipelines
 * gets its answers in order.
 *
 * A call outlives its client and the other way round: whoever is last frees it.
 */
#include "control.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"

#define MAX_OPENED 256          /* objects and lists in a line: the parser recurses into each */

typedef struct Client {
    Control *control;
    int sock;
    GByteArray *in, *out;
    guint watch;                /* of the socket, for reading or writing; 0: busy */
    Call *call;                 /* being carried out; NULL */
    bool ending;                /* close when 'out' is written */
} Client;

struct Call {
    int refs;
    Client *client;             /* NULL: it is gone, or was answered */
    JsonNode *request;          /* owns 'args' and 'id' */
    JsonObject *args;           /* or NULL */
    JsonNode *id;               /* or NULL */
    guint timeout;
};

struct Control {
    int listen_fd;
    guint watch;
    const ControlCommand *commands;
    void *opaque;
    GPtrArray *clients;
};

static void client_next(Client *client);

/* --- calls --- */

Call *call_ref(Call *call)
{
    call->refs++;
    return call;
}

void call_unref(Call *call)
{
    if (--call->refs == 0) {
        g_clear_handle_id(&call->timeout, g_source_remove);
        g_clear_pointer(&call->request, json_node_unref);
        g_free(call);
    }
}

const char *call_string(const Call *call, const char *name)
{
    return call->args && json_object_has_member(call->args, name) ?
        json_object_get_string_member(call->args, name) : NULL;
}

bool call_number(const Call *call, const char *name, uint64_t *number)
{
    if (!call->args || !json_object_has_member(call->args, name)) {
        return false;
    }
    *number = (uint64_t)json_object_get_int_member(call->args, name);
    return true;
}

JsonObject *call_arguments(const Call *call)
{
    return call->args;
}

/* Queue @object as a line; false, and nothing is queued, when it would be too long. */
static bool client_send(Client *client, JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    g_autofree char *text = json_to_string(node, FALSE);
    const size_t len = strlen(text);

    if (len >= CONTROL_MAX_ANSWER) {
        return false;
    }
    g_byte_array_append(client->out, (const guint8 *)text, (guint)len);
    g_byte_array_append(client->out, (const guint8 *)"\n", 1);
    return true;
}

/* Send {@key: @value} as the answer and go on with the client's next request. */
static void call_answer(Call *call, const char *key, JsonNode *value)
{
    Client *client = call->client;
    g_autoptr(JsonObject) answer = json_object_new();

    json_object_set_member(answer, key, value);
    if (!client) {
        return;
    }
    if (call->id) {
        json_object_set_member(answer, "id", json_node_copy(call->id));
    }
    if (!client_send(client, answer)) {
        call_error(call, "GenericError", "the answer would have more than %u bytes; ask for less at a time",
                   CONTROL_MAX_ANSWER);
        return;
    }
    call->client = NULL;
    client->call = NULL;
    client_next(client);
    call_unref(call);
}

void call_return(Call *call, JsonNode *value)
{
    if (!value) {
        JsonObject *empty = json_object_new();

        value = json_node_init_object(json_node_alloc(), empty);
        json_object_unref(empty);
    }
    call_answer(call, "return", value);
}

void call_error(Call *call, const char *class, const char *format, ...)
{
    JsonNode *node = json_node_alloc();
    g_autoptr(JsonObject) error = json_object_new();
    g_autofree char *desc = NULL;
    g_autofree char *valid = NULL;
    va_list ap;

    va_start(ap, format);
    desc = g_strdup_vprintf(format, ap);
    va_end(ap);
    valid = g_utf8_make_valid(desc, -1);
    json_object_set_string_member(error, "class", class);
    json_object_set_string_member(error, "desc", valid);
    call_answer(call, "error", json_node_init_object(node, error));
}

static gboolean on_timeout(gpointer data)
{
    Call *call = data;

    call->timeout = 0;
    call_error(
        call, "GenericError",
        "no answer within %d s: the VM's thread is held up; the kernel's log and the daemon's may say by what",
        CONTROL_TIMEOUT_S);
    return G_SOURCE_REMOVE;
}

/* --- requests --- */

/*
 * Whether a line nests no deeper than the parser's recursion can bear. What opens an object or a list is
 * counted wherever it stands: where texts and comments begin and end is the parser's to know.
 */
static bool depth_ok(const char *text, size_t len)
{
    unsigned opened = 0;

    for (size_t i = 0; i < len; i++) {
        opened += text[i] == '{' || text[i] == '[';
    }
    return opened <= MAX_OPENED;
}

static char *arg_names(const ControlCommand *command)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (const ControlArg *arg = command->args; arg->name; arg++) {
        g_string_append_printf(names, "%s%s%s", names->len ? ", " : "", arg->name,
                               arg->required ? "" : " (optional)");
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static bool arg_ok(const ControlArg *arg, JsonNode *value)
{
    GType type;

    if (!JSON_NODE_HOLDS_VALUE(value)) {
        return false;
    }
    type = json_node_get_value_type(value);
    switch (arg->type) {
    case CONTROL_STRING:
        return type == G_TYPE_STRING;
    case CONTROL_NUMBER:
        return type == G_TYPE_INT64 && json_node_get_int(value) >= 0;
    case CONTROL_SHARE:
        return (type == G_TYPE_INT64 || type == G_TYPE_DOUBLE) && json_node_get_double(value) >= 0 &&
               json_node_get_double(value) <= 1;
    }
    g_assert_not_reached();
}

/* Check the arguments against the table; answers, and returns false, when they are wrong. */
static bool args_check(Call *call, const ControlCommand *command)
{
    g_autoptr(GList) given = call->args ? json_object_get_members(call->args) : NULL;

    for (GList *item = given; item; item = item->next) {
        const ControlArg *arg = command->args;
        g_autofree char *names = NULL;

        while (arg->name && strcmp(arg->name, item->data) != 0) {
            arg++;
        }
        if (!arg->name) {
            names = arg_names(command);
            call_error(call, "InvalidArgument", "%s has no argument '%s'; it takes: %s", command->name,
                       (const char *)item->data, *names ? names : "none");
            return false;
        }
        if (!arg_ok(arg, json_object_get_member(call->args, arg->name))) {
            static const char *const kinds[] = {
                [CONTROL_STRING] = "a string",
                [CONTROL_NUMBER] = "an integer of 0 or more",
                [CONTROL_SHARE] = "a number from 0 to 1",
            };

            call_error(call, "InvalidArgument", "%s: '%s' must be %s", command->name, arg->name,
                       kinds[arg->type]);
            return false;
        }
    }
    for (const ControlArg *arg = command->args; arg->name; arg++) {
        if (arg->required && (!call->args || !json_object_has_member(call->args, arg->name))) {
            call_error(call, "InvalidArgument", "%s needs the argument '%s'", command->name, arg->name);
            return false;
        }
    }
    return true;
}

static void command_run(Call *call, const char *name)
{
    Control *control = call->client->control;
    const ControlCommand *command = control->commands;

    while (command->name && strcmp(command->name, name) != 0) {
        command++;
    }
    if (!command->name) {
        g_autoptr(GString) names = g_string_new(NULL);

        for (command = control->commands; command->name; command++) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", command->name);
        }
        call_error(call, "CommandNotFound", "there is no command '%s'; there are: %s", name, names->str);
    } else if (args_check(call, command)) {
        command->run(call, control->opaque);
    }
}

static const char *request_check(Call *call, const char **name)
{
    JsonObject *object;

    if (!JSON_NODE_HOLDS_OBJECT(call->request)) {
        return "a request is an object";
    }
    object = json_node_get_object(call->request);
    call->id = json_object_get_member(object, "id");
    if (!json_object_has_member(object, "execute") ||
        json_node_get_value_type(json_object_get_member(object, "execute")) != G_TYPE_STRING) {
        return "a request needs \"execute\", the name of a command";
    }
    *name = json_object_get_string_member(object, "execute");
    if (json_object_has_member(object, "arguments")) {
        if (!JSON_NODE_HOLDS_OBJECT(json_object_get_member(object, "arguments"))) {
            return "\"arguments\" must be an object";
        }
        call->args = json_object_get_object_member(object, "arguments");
    }
    if (json_object_get_size(object) != 1u + (call->args != NULL) + (call->id != NULL)) {
        return "a request has nothing but \"execute\", \"arguments\" and \"id\"";
    }
    return NULL;
}

static void line_run(Client *client, const char *line, size_t len)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) err = NULL;
    Call *call = g_new0(Call, 1);
    const char *name = NULL, *wrong;

    call->refs = 2;             /* the client's and, until the end of this function, ours */
    call->client = client;
    client->call = call;
    if (!depth_ok(line, len)) {
        call_error(call, "InvalidArgument", "the request has more than %d '{' and '['", MAX_OPENED);
    } else if (!json_parser_load_from_data(parser, line, (gssize)len, &err) ||
               !json_parser_get_root(parser)) {
        call_error(call, "InvalidArgument", "that is no JSON: %s",
                   err ? err->message : "there is nothing in it");
    } else {
        call->request = json_parser_steal_root(parser);
        wrong = request_check(call, &name);
        if (wrong) {
            call_error(call, "InvalidArgument", "%s, such as {\"execute\": \"query-vms\"}", wrong);
        } else {
            command_run(call, name);
        }
    }
    if (call->client) {
        call->timeout = g_timeout_add_seconds(CONTROL_TIMEOUT_S, on_timeout, call);
    }
    call_unref(call);
}

/* --- clients --- */

static void client_free(Client *client)
{
    if (client->call) {
        client->call->client = NULL;
        g_clear_handle_id(&client->call->timeout, g_source_remove);
        call_unref(client->call);
    }
    g_clear_handle_id(&client->watch, g_source_remove);
    g_ptr_array_remove_fast(client->control->clients, client);
    g_byte_array_unref(client->in);
    g_byte_array_unref(client->out);
    close(client->sock);
    g_free(client);
}

static gboolean on_client_readable(int fd, GIOCondition condition, void *opaque);

/* Carry out the first whole line that was read; false when there is none. */
static bool client_run_line(Client *client)
{
    const guint8 *end = client->in->len ? memchr(client->in->data, '\n', client->in->len) : NULL;
    g_autofree char *line = NULL;
    size_t len;

    if (!end) {
        return false;
    }
    len = (size_t)(end - client->in->data);
    line = g_strndup((const char *)client->in->data, len);
    g_byte_array_remove_range(client->in, 0, (guint)len + 1);
    if (strspn(line, " \t\r") < len) {
        line_run(client, line, len);
    }
    return true;
}

static gboolean on_client_writable(int fd, GIOCondition condition, void *opaque)
{
    Client *client = opaque;
    ssize_t n = send(client->sock, client->out->data, client->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    client->watch = 0;
    if (n < 0) {
        client_free(client);
        return G_SOURCE_REMOVE;
    }
    g_byte_array_remove_range(client->out, 0, (guint)n);
    if (client->out->len == 0 && client->ending) {
        client_free(client);
    } else {
        client_next(client);
    }
    return G_SOURCE_REMOVE;
}

/* Lines are run from the main loop, one a turn, so that neither a burst of them nor their answers nest. */
static gboolean on_turn(gpointer data)
{
    Client *client = data;

    client->watch = 0;
    if (client_run_line(client)) {
        /* Without a call there was an answer at once, or nothing to answer. */
        if (!client->call && client->watch == 0) {
            client_next(client);
        }
    } else {
        client->watch = g_unix_fd_add(client->sock, G_IO_IN, on_client_readable, client);
    }
    return G_SOURCE_REMOVE;
}

/*
 * What a client that is not busy does next: take its answer, else have a line that it sent carried out,
 * else be read.
 */
static void client_next(Client *client)
{
    g_clear_handle_id(&client->watch, g_source_remove);
    if (client->out->len > 0) {
        client->watch = g_unix_fd_add(client->sock, G_IO_OUT, on_client_writable, client);
    } else {
        client->watch = g_idle_add_full(G_PRIORITY_DEFAULT, on_turn, client, NULL);
    }
}

static gboolean on_client_readable(int fd, GIOCondition condition, void *opaque)
{
    Client *client = opaque;
    guint8 buf[4096];
    ssize_t n = recv(client->sock, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    client->watch = 0;
    if (n <= 0) {
        client_free(client);
        return G_SOURCE_REMOVE;
    }
    g_byte_array_append(client->in, buf, (guint)n);
    if (client->in->len > CONTROL_MAX_LINE && !memchr(client->in->data, '\n', CONTROL_MAX_LINE)) {
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autofree char *text = g_strdup_printf("{\"error\":{\"class\":\"InvalidArgument\",\"desc\":"
                                                "\"a line has at most %u bytes\"}}", CONTROL_MAX_LINE);

        json_parser_load_from_data(parser, text, -1, NULL);
        client_send(client, json_node_get_object(json_parser_get_root(parser)));
        client->ending = true;
    }
    client_next(client);
    return G_SOURCE_REMOVE;
}

static void client_greet(Client *client)
{
    g_autoptr(JsonObject) greeting = json_object_new();
    JsonObject *daemon = json_object_new();

    json_object_set_string_member(daemon, "version", VHOST_TIER_VERSION);
    json_object_set_int_member(daemon, "pid", getpid());
    json_object_set_object_member(greeting, "vhost-tier", daemon);
    client_send(client, greeting);
    client_next(client);
}

static gboolean on_connection(int fd, GIOCondition condition, void *opaque)
{
    Control *control = opaque;
    int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    Client *client;

    if (sock < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            g_warning("control socket: cannot accept a connection: %s", g_strerror(errno));
            /* Out of descriptors, say: the socket stays readable, so don't spin on it. */
            g_usleep(10000);
        }
        return G_SOURCE_CONTINUE;
    }
    if (control->clients->len >= CONTROL_MAX_CLIENTS) {
        g_warning("control socket: %d clients are connected, one more is turned away", CONTROL_MAX_CLIENTS);
        close(sock);
        return G_SOURCE_CONTINUE;
    }
    client = g_new0(Client, 1);
    client->control = control;
    client->sock = sock;
    client->in = g_byte_array_new();
    client->out = g_byte_array_new();
    g_ptr_array_add(control->clients, client);
    client_greet(client);
    return G_SOURCE_CONTINUE;
}

Control *control_new(int listen_fd, const ControlCommand *commands, void *opaque)
{
    Control *control = g_new0(Control, 1);

    control->listen_fd = listen_fd;
    control->commands = commands;
    control->opaque = opaque;
    control->clients = g_ptr_array_new();
    control->watch = g_unix_fd_add(listen_fd, G_IO_IN, on_connection, control);
    return control;
}

void control_free(Control *control)
{
    if (!control) {
        return;
    }
    for (guint i = control->clients->len; i-- > 0;) {
        client_free(g_ptr_array_index(control->clients, i));
    }
    g_ptr_array_unref(control->clients);
    g_source_remove(control->watch);
    close(control->listen_fd);
    g_free(control);
}
