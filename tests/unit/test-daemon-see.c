/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon asked about a VM's memory: one page, a range, all of it, and other sizes of fast memory.
 */
#include <string.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon-process.h"
#include "fake-qemu.h"

#define RAM_BYTES (8 << 20)

#define ASK(command, arguments) \
    "{\"execute\":\"" command "\",\"arguments\":{\"name\":\"a\"" arguments "}}"

static JsonObject *ask(Daemon *f, const char *request)
{
    g_autoptr(JsonObject) answer = daemon_ask(f->control, request);

    if (!json_object_has_member(answer, "return")) {
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), answer);
        g_autofree char *text = json_to_string(node, FALSE);

        g_error("%s answered %s", request, text);
    }
    return json_object_ref(json_object_get_object_member(answer, "return"));
}

/* Connect a QEMU and wait until it is known where all its pages lie. */
static int connect_qemu(Daemon *f, const FakeRam *ram)
{
    const int sock = fake_qemu_backend(f->socket_a, ram);

    for (int i = 0; i < 100; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        if (field_uint(element_object(field_array(vm, "tiers"), 0), "resident_bytes", 0) == RAM_BYTES) {
            return sock;
        }
        g_usleep(50000);
    }
    g_error("it did not come to be known where the VM's pages lie");
}

static void tells_of_a_page_and_of_a_range(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = connect_qemu(f, &ram);
    g_autoptr(JsonObject) page = ask(f, ASK("query-heat", ",\"offset\":4097,\"detail\":5"));
    g_autoptr(JsonObject) all = ask(f, ASK("query-heat", ",\"offset\":0,\"length\":8388608"));
    JsonObject *granule = element_object(field_array(page, "granules"), 0);

    g_assert_cmpuint(field_uint(page, "offset", 0), ==, 4096);
    g_assert_cmpuint(field_uint(granule, "offset", 0), ==, 4096);
    g_assert_cmpuint(field_uint(granule, "tier", 9), ==, 0);
    g_assert_nonnull(field_string(granule, "reason"));
    g_assert_cmpuint(element_uint(field_array(all, "tier_bytes"), 0), ==, RAM_BYTES);
    g_assert_cmpuint(elements(field_array(all, "granules")), ==, 0);
    close(sock);
    fake_ram_free(&ram);
}

static void maps_all_memory(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = connect_qemu(f, &ram);
    g_autoptr(JsonObject) map = ask(f, ASK("query-heatmap", ",\"buckets\":16"));
    JsonArray *fast = element_array(field_array(map, "tier_bytes"), 0);
    uint64_t sum = 0;

    g_assert_cmpuint(elements(fast), ==, 16);
    for (guint i = 0; i < elements(fast); i++) {
        sum += element_uint(fast, i);
    }
    g_assert_cmpuint(sum, ==, RAM_BYTES);
    close(sock);
    fake_ram_free(&ram);
}

static void predicts_from_what_was_seen(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    g_autoptr(JsonObject) before = ask(f, ASK("query-prediction", ""));
    const int sock = connect_qemu(f, &ram);
    g_autoptr(JsonObject) after = ask(f, ASK("query-prediction", ""));

    g_assert_cmpuint(elements(field_array(before, "sizes")), ==, 0);
    g_assert_true(json_object_get_null_member(before, "error"));
    for (guint i = 1; i < elements(field_array(after, "curve")); i++) {
        JsonObject *less = element_object(field_array(after, "curve"), i - 1);
        JsonObject *more = element_object(field_array(after, "curve"), i);

        g_assert_cmpfloat(field_number(less, "hit_ratio"), <=, field_number(more, "hit_ratio"));
        g_assert_cmpfloat(field_number(less, "slowdown"), >=, field_number(more, "slowdown"));
    }
    close(sock);
    fake_ram_free(&ram);
}

static void refuses_what_there_is_not(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    int sock;

    daemon_assert_error(f, ASK("query-heat", ""), "GenericError", "VM 'a' is not connected");
    daemon_assert_error(f, ASK("query-heatmap", ""), "GenericError", "VM 'a' is not connected");
    sock = connect_qemu(f, &ram);
    daemon_assert_error(f, ASK("query-heat", ",\"offset\":8388608"), "InvalidArgument",
                        "reach beyond region");
    daemon_assert_error(f, ASK("query-heat", ",\"length\":9223372036854775807"), "InvalidArgument",
                        "reach beyond region");
    daemon_assert_error(f, ASK("query-heat", ",\"region\":77"), "InvalidArgument", "has no region 77");
    daemon_assert_error(f, ASK("query-heat", ",\"region\":4294967297"), "InvalidArgument",
                        "region 4294967297");
    daemon_assert_error(f, ASK("query-heat", ",\"detail\":1025"), "InvalidArgument",
                        "detail 1025 is not in 0 to 1024");
    daemon_assert_error(f, ASK("query-heatmap", ",\"buckets\":0"), "InvalidArgument", "buckets 0");
    daemon_assert_error(f, ASK("query-heatmap", ",\"buckets\":4097"), "InvalidArgument", "buckets 4097");
    daemon_assert_error(f, "{\"execute\":\"query-prediction\",\"arguments\":{\"name\":\"none\"}}", "NotFound",
                        "none");
    close(sock);
    fake_ram_free(&ram);
}

static void a_qemu_that_ends_while_it_is_asked_about_is_told_as_such(Daemon *f, gconstpointer data)
{
    for (int i = 0; i < 10; i++) {
        FakeRam ram = fake_ram_new(RAM_BYTES);
        const int sock = connect_qemu(f, &ram);
        g_autoptr(JsonObject) answer = NULL;

        close(sock);
        answer = daemon_ask(f->control, ASK("query-heatmap", ",\"buckets\":4096"));
        g_assert_true(json_object_has_member(answer, "return") || json_object_has_member(answer, "error"));
        daemon_await_flag(f, "a", "connected", false);
        fake_ram_free(&ram);
    }
}

#define ADD(func) g_test_add("/daemon-see/" #func, Daemon, NULL, daemon_set_up, func, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(tells_of_a_page_and_of_a_range);
    ADD(maps_all_memory);
    ADD(predicts_from_what_was_seen);
    ADD(refuses_what_there_is_not);
    ADD(a_qemu_that_ends_while_it_is_asked_about_is_told_as_such);
    return g_test_run();
}
