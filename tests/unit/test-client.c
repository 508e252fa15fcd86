/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client of the control socket: what it refuses to believe, and how it tells; sizes as people write them.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "client/client.h"
#include "client/fields.h"
#include "client/size.h"
#include "fake-control.h"

static void reads_sizes_with_and_without_units(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"1K", 1024},
        {"512M", 512ull << 20},
        {"1.5G", 1536ull << 20},
        {"2t", 2ull << 40},
        {"4GiB", 4ull << 30},
        {"16MB", 16ull << 20},
        {"18446744073709551615", UINT64_MAX},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t bytes = 1;

        g_assert_true(size_parse(cases[i].text, &bytes, NULL));
        g_assert_cmpuint(bytes, ==, cases[i].bytes);
    }
}

static void refuses_what_is_no_size(void)
{
    static const char *const cases[] = {"",
                                        "G",
                                        "-1",
                                        "1X",
                                        "1.5",
                                        "1.G",
                                        ".5G",
                                        "1 G",
                                        "0x10",
                                        "1Gi",
                                        "18446744073709551616",
                                        "16777216T",
                                        "99999999999999999999999999T",
                                        "1GG",
                                        " 1"};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint64_t bytes;

        g_assert_false(size_parse(cases[i], &bytes, &error));
        g_assert_nonnull(strstr(error->message, "is no size"));
    }
}

static void writes_sizes_short(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {5734, "5.6 KiB"},
        {28u << 20, "28 MiB"},
        {1048575, "1.0 MiB"},
        {UINT64_MAX, "16777216 TiB"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_format(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void returns_what_the_daemon_returned(void)
{
    static const FakeReply replies[] = {{"query-vm", .answer = "{\"name\": \"web1\", \"weight\": 7}"}, {0}};
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(Client) client = client_connect(fake_control_socket(fake), &error);
    g_autofree char *requests = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(client_daemon_version(client), ==, "0.1.0");
    json_object_set_string_member(arguments, "name", "web1");
    for (int i = 0; i < 2; i++) {
        g_autoptr(JsonNode) answer = client_call(client, "query-vm", arguments, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(field_uint(node_object(answer), "weight", 0), ==, 7);
    }
    requests = fake_control_requests(fake);
    g_assert_cmpstr(requests, ==, "{\"execute\":\"query-vm\",\"arguments\":{\"name\":\"web1\"},\"id\":1}\n"
                                  "{\"execute\":\"query-vm\",\"arguments\":{\"name\":\"web1\"},\"id\":2}\n");
}

static void tells_the_daemons_error_classes_apart(void)
{
    static const struct {
        const char *class;
        ClientError code;
    } cases[] = {
        {"CommandNotFound", CLIENT_ERROR_COMMAND_NOT_FOUND},
        {"InvalidArgument", CLIENT_ERROR_INVALID_ARGUMENT},
        {"NotFound", CLIENT_ERROR_NOT_FOUND},
        {"Exists", CLIENT_ERROR_EXISTS},
        {"GenericError", CLIENT_ERROR_GENERIC},
        {"NeverHeardOf", CLIENT_ERROR_GENERIC},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"class\": \"%s\", \"desc\": \"so it is\"}", cases[i].class);
        const FakeReply replies[] = {{"x", .answer = text, .refuse = TRUE}, {0}};
        g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
        g_autoptr(GError) error = NULL;
        g_autoptr(Client) client = client_connect(fake_control_socket(fake), NULL);

        g_assert_null(client_call(client, "x", NULL, &error));
        g_assert_error(error, CLIENT_ERROR, (int)cases[i].code);
        g_assert_cmpstr(error->message, ==, "so it is");
    }
}

static void names_the_remedy_when_no_daemon_runs(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(client_connect("/nonexistent/control.sock", &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(error->message, "/nonexistent/control.sock"));
    g_assert_nonnull(strstr(error->message, "systemctl start vhost-tier"));
}

static void refuses_a_path_that_no_socket_can_have(void)
{
    g_autofree char *path = g_strnfill(200, 'x');
    g_autoptr(GError) error = NULL;

    g_assert_null(client_connect(path, &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(error->message, "longer than"));
}

static void refuses_who_does_not_greet_as_vhost_tier(void)
{
    static const char *const greetings[] = {
        "SSH-2.0-OpenSSH\n",     "{}\n",   "[]\n", "{\"vhost-tier\": 1}\n", "\n", "{\"QMP\": {}}\n",
        "{\"vhost-tier\": {}\n", "\xff\n",
    };
    static const FakeReply replies[] = {{0}};

    for (size_t i = 0; i < G_N_ELEMENTS(greetings); i++) {
        g_autoptr(FakeControl) fake = fake_control_new(greetings[i], replies);
        g_autoptr(GError) error = NULL;

        g_assert_null(client_connect(fake_control_socket(fake), &error));
        g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_PROTOCOL);
        g_assert_nonnull(strstr(error->message, fake_control_socket(fake)));
    }
}

static void refuses_answers_that_break_the_protocol(void)
{
    g_autofree char *spaces = g_strnfill(CLIENT_MAX_ANSWER, ' ');
    g_autofree char *too_long = g_strconcat(spaces, "\n", NULL);
    g_autofree char *brackets = g_strnfill(60000, '[');
    g_autofree char *too_deep = g_strconcat("{\"return\": ", brackets, "\n", NULL);
    const struct {
        const char *raw, *reason;
    } cases[] = {
        {"", "hung up"},
        {"{\"return\": {}", "hung up"},
        {too_long, "longer than 16 MiB"},
        {too_deep, "nested too deeply"},
        {"hello\n", "vhost-tier does"},
        {"[1]\n", "no JSON object"},
        {"{\"return\": {}, \"id\": 2}\n", "not asked"},
        {"{\"return\": {}}\n", "not asked"},
        {"{\"return\": {}, \"id\": \"1\"}\n", "not asked"},
        {"{\"id\": 1}\n", "neither 'return' nor 'error'"},
        {"{\"return\": \"\xc3\x28\", \"id\": 1}\n", "no UTF-8"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const FakeReply replies[] = {{"x", .raw = cases[i].raw}, {0}};
        g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
        g_autoptr(GError) error = NULL;
        g_autoptr(Client) client = client_connect(fake_control_socket(fake), NULL);

        g_assert_null(client_call(client, "x", NULL, &error));
        g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_PROTOCOL);
        g_assert_nonnull(strstr(error->message, cases[i].reason));
    }
}

static void takes_an_answer_of_many_vms(void)
{
    g_autofree char *name = g_strnfill(CLIENT_MAX_ANSWER / 2, 'x');
    g_autofree char *answer = g_strdup_printf("[\"%s\", \"end\"]", name);
    const FakeReply replies[] = {{"x", .answer = answer}, {0}};
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_autoptr(GError) error = NULL;
    g_autoptr(Client) client = client_connect(fake_control_socket(fake), NULL);
    g_autoptr(JsonNode) got = client_call(client, "x", NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(elements(node_array(got)), ==, 2);
    g_assert_cmpstr(element_string(node_array(got), 1), ==, "end");
}

static void takes_brackets_in_strings_for_what_they_are(void)
{
    static const FakeReply replies[] = {
        {"x", .answer = "{\"s\": \"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{{{\"}"}, {0}};
    g_autoptr(FakeControl) fake = fake_control_new(NULL, replies);
    g_autoptr(GError) error = NULL;
    g_autoptr(Client) client = client_connect(fake_control_socket(fake), NULL);
    g_autoptr(JsonNode) answer = client_call(client, "x", NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(field_string(node_object(answer), "s"));
}

static void gives_up_on_a_daemon_that_does_not_answer(void)
{
    static const FakeReply replies[] = {{0}};
    g_autoptr(FakeControl) fake = fake_control_new("{\"vhost-tier\"", replies);     /* and never the rest */
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();

    g_assert_null(client_connect(fake_control_socket(fake), &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_TIMEOUT);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, (CLIENT_TIMEOUT_MS - 50) * 1000);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 4 * CLIENT_TIMEOUT_MS * 1000);
}

static void gives_up_when_the_time_for_all_is_over(void)
{
    static const FakeReply replies[] = {{0}};
    g_autoptr(FakeControl) fake = fake_control_new("{\"vhost-tier\"", replies);     /* and never the rest */
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();

    g_assert_null(client_connect_within(fake_control_socket(fake), 1000, &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_ERROR_TIMEOUT);
    g_assert_nonnull(strstr(error->message, "within 1 s"));
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 950 * 1000);
    g_assert_cmpint(g_get_monotonic_time() - start, <, CLIENT_TIMEOUT_MS * 1000);
}

static void reads_fields_of_the_wrong_type_as_absent(void)
{
    g_autoptr(JsonNode) node = json_from_string(
        "{\"n\": 5, \"d\": 0.5, \"s\": \"x\", \"neg\": -1, \"null\": null, \"a\": [1, {\"k\": \"v\"}, \"e\"], \"b\": true}",
        NULL);
    JsonObject *o = node_object(node);
    JsonArray *a = field_array(o, "a");

    g_assert_cmpuint(field_uint(o, "n", 9), ==, 5);
    g_assert_cmpuint(field_uint(o, "neg", 9), ==, 9);
    g_assert_cmpuint(field_uint(o, "s", 9), ==, 9);
    g_assert_cmpuint(field_uint(o, "d", 9), ==, 9);
    g_assert_cmpfloat(field_number(o, "d"), ==, 0.5);
    g_assert_cmpfloat(field_number(o, "n"), ==, 5);
    g_assert_true(field_number(o, "null") != field_number(o, "null"));      /* NaN */
    g_assert_cmpstr(field_string(o, "s"), ==, "x");
    g_assert_null(field_string(o, "n"));
    g_assert_null(field_object(o, "a"));
    g_assert_null(field_array(o, "s"));
    g_assert_null(field_string(NULL, "s"));
    g_assert_true(field_bool(o, "b"));
    g_assert_false(field_bool(o, "n"));
    g_assert_cmpuint(elements(a), ==, 3);
    g_assert_null(element_object(a, 0));
    g_assert_cmpstr(field_string(element_object(a, 1), "k"), ==, "v");
    g_assert_cmpstr(element_string(a, 2), ==, "e");
    g_assert_null(element_string(a, 3));
    g_assert_cmpuint(elements(NULL), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/client/" #test, test)
    ADD(reads_sizes_with_and_without_units);
    ADD(refuses_what_is_no_size);
    ADD(writes_sizes_short);
    ADD(returns_what_the_daemon_returned);
    ADD(tells_the_daemons_error_classes_apart);
    ADD(names_the_remedy_when_no_daemon_runs);
    ADD(refuses_a_path_that_no_socket_can_have);
    ADD(refuses_who_does_not_greet_as_vhost_tier);
    ADD(refuses_answers_that_break_the_protocol);
    ADD(takes_an_answer_of_many_vms);
    ADD(takes_brackets_in_strings_for_what_they_are);
    ADD(gives_up_on_a_daemon_that_does_not_answer);
    ADD(gives_up_when_the_time_for_all_is_over);
    ADD(reads_fields_of_the_wrong_type_as_absent);
    return g_test_run();
}
