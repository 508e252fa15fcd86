/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's server: lines, arguments, answers, clients that misbehave. Commands are the
 * test's own.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control.h"
#include "fake-qemu.h"
#include "socket.h"

typedef struct Fixture {
    char *dir, *path;
    Control *control;
    int client;
    Call *later;                    /* of the command 'later', until it is answered */
} Fixture;

static void echo(Call *call, void *opaque)
{
    JsonObject *object = json_object_new();
    JsonNode *node;
    uint64_t number = 0;

    json_object_set_string_member(object, "text", call_string(call, "text"));
    json_object_set_boolean_member(object, "numbered", call_number(call, "number", &number));
    json_object_set_int_member(object, "number", (gint64)number);
    node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    call_return(call, node);
}

static void fails(Call *call, void *opaque)
{
    call_error(call, "NotFound", "no %s \"%s\"\n", "such", "thing");
}

static void later(Call *call, void *opaque)
{
    ((Fixture *)opaque)->later = call_ref(call);
}

static void large(Call *call, void *opaque)
{
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    JsonNode *node = json_node_init_string(json_node_alloc(), text);

    call_return(call, node);
}

static void endless(Call *call, void *opaque)
{
    g_autofree char *text = g_strnfill(CONTROL_MAX_ANSWER, 'x');

    call_return(call, json_node_init_string(json_node_alloc(), text));
}

static const ControlCommand test_commands[] = {
    { "echo", { { "text", CONTROL_STRING, true }, { "number", CONTROL_NUMBER, false } }, echo },
    { "fails", { { NULL } }, fails },
    { "later", { { NULL } }, later },
    { "large", { { NULL } }, large },
    { "endless", { { NULL } }, endless },
    { NULL },
};

/* Run the server until a line has come, or (NULL) the connection's end. */
static char *receive(int sock)
{
    g_autoptr(GString) line = g_string_new(NULL);
    const gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    char c;

    while (g_get_monotonic_time() < end) {
        const ssize_t n = recv(sock, &c, 1, MSG_DONTWAIT);

        if (n == 0) {
            return NULL;
        }
        if (n < 0) {
            g_main_context_iteration(NULL, FALSE);
            continue;
        }
        if (c == '\n') {
            return g_string_free(g_steal_pointer(&line), FALSE);
        }
        g_string_append_c(line, c);
    }
    g_error("nothing was answered");
}

static void send_line(int sock, const char *line)
{
    g_autofree char *text = g_strconcat(line, "\n", NULL);

    g_assert_cmpint(send(sock, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t)strlen(text));
}

static void assert_answer(int sock, const char *request, const char *answer)
{
    g_autofree char *line = NULL;

    send_line(sock, request);
    line = receive(sock);
    if (!line || !strstr(line, answer)) {
        g_error("%s\nanswered %s\nnot %s", request, line, answer);
    }
}

static int new_client(Fixture *f)
{
    const int sock = fake_qemu_connect(f->path);
    g_autofree char *greeting = receive(sock);

    g_assert_true(g_str_has_prefix(greeting, "{\"vhost-tier\":{\"version\":\""));
    return sock;
}

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    int fd;

    f->dir = g_dir_make_tmp("vhost-tier-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "control.sock", NULL);
    fd = socket_listen(f->path, (uid_t)-1, (gid_t)-1, &err);
    g_assert_no_error(err);
    f->control = control_new(fd, test_commands, f);
    f->client = new_client(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    close(f->client);
    control_free(f->control);
    g_clear_pointer(&f->later, call_unref);
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

static void commands_get_their_arguments_and_ids_come_back(Fixture *f, gconstpointer data)
{
    assert_answer(f->client, "{\"execute\":\"echo\",\"arguments\":{\"text\":\"a\"}}",
                  "{\"return\":{\"text\":\"a\",\"numbered\":false,\"number\":0}}");
    assert_answer(
        f->client,
        "{\"execute\":\"echo\",\"arguments\":{\"text\":\"a\",\"number\":9007199254740993},\"id\":[1,\"x\"]}",
        "{\"return\":{\"text\":\"a\",\"numbered\":true,\"number\":9007199254740993},\"id\":[1,\"x\"]}");
    assert_answer(f->client, "{\"execute\":\"fails\",\"id\":7}",
                  "{\"error\":{\"class\":\"NotFound\",\"desc\":\"no such \\\"thing\\\"\\n\"},\"id\":7}");
}

typedef struct Wrong {
    const char *name, *request, *answer;
} Wrong;

static const Wrong wrong_requests[] = {
    {"no-json", "hello", "that is no JSON"},
    {"half-json", "{\"execute\":", "that is no JSON"},
    {"no-object", "[1]", "a request is an object"},
    {"no-command", "{}", "a request needs \\\"execute\\\""},
    {"command-no-string", "{\"execute\":1}", "a request needs \\\"execute\\\""},
    {"unknown-command", "{\"execute\":\"nope\"}",
     "\"CommandNotFound\",\"desc\":\"there is no command 'nope'; there are: echo"},
    {"unknown-member", "{\"execute\":\"fails\",\"argument\":{}}", "a request has nothing but"},
    {"arguments-no-object", "{\"execute\":\"fails\",\"arguments\":[]}",
     "\\\"arguments\\\" must be an object"},
    {"unknown-argument", "{\"execute\":\"echo\",\"arguments\":{\"text\":\"a\",\"nr\":1}}",
     "echo has no argument 'nr'; it takes: text, number (optional)"},
    {"missing-argument", "{\"execute\":\"echo\"}", "echo needs the argument 'text'"},
    {"wrong-type", "{\"execute\":\"echo\",\"arguments\":{\"text\":1}}", "'text' must be a string"},
    {"null", "{\"execute\":\"echo\",\"arguments\":{\"text\":null}}", "'text' must be a string"},
    {"negative", "{\"execute\":\"echo\",\"arguments\":{\"text\":\"a\",\"number\":-1}}",
     "'number' must be an integer"},
    {"fraction", "{\"execute\":\"echo\",\"arguments\":{\"text\":\"a\",\"number\":1.5}}",
     "'number' must be an integer"},
};

static void says_what_is_wrong_and_goes_on(Fixture *f, gconstpointer data)
{
    const Wrong *wrong = data;

    assert_answer(f->client, wrong->request, wrong->answer);
    assert_answer(f->client, "{\"execute\":\"echo\",\"arguments\":{\"text\":\"b\"}}", "\"text\":\"b\"");
}

static void deep_nesting_is_refused_before_it_is_parsed(Fixture *f, gconstpointer data)
{
    g_autofree char *deep = g_strnfill(60000, '[');

    g_autofree char *hidden = g_strconcat("/*\"*/", deep, NULL);

    assert_answer(f->client, deep, "more than 256 '{' and '['");
    assert_answer(f->client, hidden, "more than 256 '{' and '['");
    assert_answer(
        f->client,
        "{\"execute\":\"echo\",\"arguments\":{\"text\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}}",
        "\"return\"");
}

static void a_line_without_end_ends_the_connection(Fixture *f, gconstpointer data)
{
    g_autofree char *chunk = g_strnfill(4096, 'x');
    g_autofree char *line = NULL;

    for (size_t sent = 0; sent <= CONTROL_MAX_LINE + 4096; sent += 4096) {
        send(f->client, chunk, 4096, MSG_NOSIGNAL);
        g_main_context_iteration(NULL, FALSE);
    }
    line = receive(f->client);
    g_assert_nonnull(strstr(line, "a line has at most 65536 bytes"));
    g_assert_null(receive(f->client));
    close(f->client);
    f->client = new_client(f);
}

static void pipelined_requests_are_answered_in_order(Fixture *f, gconstpointer data)
{
    for (int i = 0; i < 100; i++) {
        g_autofree char *request =
            g_strdup_printf("{\"execute\":\"%s\",\"arguments\":{%s},\"id\":%d}", i % 3 ? "echo" : "fails",
                            i % 3 ? "\"text\":\"t\"" : "", i);

        send_line(f->client, request);
    }
    for (int i = 0; i < 100; i++) {
        g_autofree char *line = receive(f->client);
        g_autofree char *id = g_strdup_printf("\"id\":%d}", i);

        g_assert_true(g_str_has_suffix(line, id));
    }
}

static void a_slow_command_holds_up_its_own_client_only(Fixture *f, gconstpointer data)
{
    const int other = new_client(f);
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    send_line(f->client, "{\"execute\":\"later\",\"id\":1}");
    send_line(f->client, "{\"execute\":\"fails\",\"id\":2}");
    assert_answer(other, "{\"execute\":\"echo\",\"arguments\":{\"text\":\"quick\"}}", "quick");
    g_assert_nonnull(f->later);
    call_return(f->later, NULL);
    first = receive(f->client);
    second = receive(f->client);
    g_assert_cmpstr(first, ==, "{\"return\":{},\"id\":1}");
    g_assert_true(g_str_has_suffix(second, "\"id\":2}"));
    close(other);
}

static void a_command_that_never_answers_is_given_up(Fixture *f, gconstpointer data)
{
    assert_answer(f->client, "{\"execute\":\"later\"}", "no answer within 5 s");
    call_return(f->later, NULL);        /* too late: it is dropped */
    assert_answer(f->client, "{\"execute\":\"echo\",\"arguments\":{\"text\":\"c\"}}", "\"text\":\"c\"");
}

static void a_client_may_leave_while_its_command_runs(Fixture *f, gconstpointer data)
{
    const int other = new_client(f);

    send_line(other, "{\"execute\":\"later\"}");
    while (!f->later) {
        g_main_context_iteration(NULL, TRUE);
    }
    close(other);
    assert_answer(f->client, "{\"execute\":\"fails\"}", "NotFound");
    call_error(f->later, "GenericError", "nobody reads this");
}

static void a_client_that_does_not_read_holds_up_nobody(Fixture *f, gconstpointer data)
{
    const int other = new_client(f);

    for (int i = 0; i < 50; i++) {
        send_line(other, "{\"execute\":\"large\"}");
    }
    for (int i = 0; i < 1000; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    assert_answer(f->client, "{\"execute\":\"echo\",\"arguments\":{\"text\":\"d\"}}", "\"text\":\"d\"");
    close(other);
}

static void too_many_clients_are_turned_away(Fixture *f, gconstpointer data)
{
    int clients[CONTROL_MAX_CLIENTS];

    for (int i = 1; i < CONTROL_MAX_CLIENTS; i++) {
        clients[i] = new_client(f);
    }
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*64 clients are connected*");
    clients[0] = fake_qemu_connect(f->path);
    g_assert_null(receive(clients[0]));
    g_test_assert_expected_messages();
    for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
        close(clients[i]);
    }
    assert_answer(f->client, "{\"execute\":\"fails\"}", "NotFound");
}

static void a_stale_socket_is_taken_over_and_a_served_one_is_not(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "stale", NULL);
    g_autofree char *file = g_build_filename(f->dir, "file", NULL);
    g_autofree char *far = g_strnfill(200, 'x');
    g_autoptr(GError) err = NULL;
    int fd = socket_listen(path, (uid_t)-1, (gid_t)-1, &err);

    g_assert_cmpint(socket_listen(path, (uid_t)-1, (gid_t)-1, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "another process listens there already"));
    g_clear_error(&err);
    close(fd);
    fd = socket_listen(path, (uid_t)-1, (gid_t)-1, &err);
    g_assert_no_error(err);
    close(fd);
    g_unlink(path);

    g_assert_true(g_file_set_contents(file, "precious", -1, NULL));
    g_assert_cmpint(socket_listen(file, (uid_t)-1, (gid_t)-1, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "a file that is no socket"));
    g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
    g_clear_error(&err);
    g_unlink(file);

    g_assert_cmpint(socket_listen(far, (uid_t)-1, (gid_t)-1, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "at most 107 bytes, this has 200"));
}

static void an_answer_that_no_client_would_take_is_told_as_an_error(Fixture *f, gconstpointer data)
{
    assert_answer(f->client, "{\"execute\":\"endless\",\"id\":3}", "more than 16777216 bytes");
    assert_answer(f->client, "{\"execute\":\"fails\"}", "NotFound");
}

#define ADD(func) g_test_add("/control/" #func, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(commands_get_their_arguments_and_ids_come_back);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong_requests); i++) {
        g_autofree char *path =
            g_strdup_printf("/control/says_what_is_wrong_and_goes_on/%s", wrong_requests[i].name);

        g_test_add(path, Fixture, &wrong_requests[i], set_up, says_what_is_wrong_and_goes_on, tear_down);
    }
    ADD(deep_nesting_is_refused_before_it_is_parsed);
    ADD(a_line_without_end_ends_the_connection);
    ADD(pipelined_requests_are_answered_in_order);
    ADD(a_slow_command_holds_up_its_own_client_only);
    ADD(a_command_that_never_answers_is_given_up);
    ADD(a_client_may_leave_while_its_command_runs);
    ADD(a_client_that_does_not_read_holds_up_nobody);
    ADD(too_many_clients_are_turned_away);
    ADD(an_answer_that_no_client_would_take_is_told_as_an_error);
    ADD(a_stale_socket_is_taken_over_and_a_served_one_is_not);
    return g_test_run();
}
