/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon and a VM that was added with limits, in a folder of its own. This process plays QEMU, which asks for
 * more than it may have, and the operator.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon-process.h"
#include "fake-qemu.h"

#define RAM_BYTES (8 << 20)
#define MIB       (G_GUINT64_CONSTANT(1) << 20)

/* What QEMU says of itself: more than the limits below in every respect. */
static const TierMsgConfig greedy = {
    .n_tiers = 1,
    .tier_nodes = { { 1 } },
    .fast_size = 8 * MIB,
    .fast_min = 4 * MIB,
    .weight = 1000,
    .mode = TIER_MODE_OBSERVE,
    .slowdown_ppm = 1000,
};

#define LIMITS "\"fast-size\":4194304,\"fast-min\":1048576,\"weight\":50,\"slowdown\":0.1,\"mode\":\"observe\""

static void make_folder(Daemon *f, const char *name, mode_t mode)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
    g_assert_cmpint(chmod(path, mode), ==, 0);
}

/* Add a VM 'vm' with limits; returns the path of its socket. */
static char *add_limited(Daemon *f)
{
    g_autoptr(JsonObject) answer = NULL;

    make_folder(f, "libvirt/11", 0750);
    answer = daemon_ask(f->control,
        "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"vm\",\"directory\":\"libvirt/11\"," LIMITS "}}");
    g_assert_true(json_object_has_member(answer, "return"));
    return g_strdup(field_string(field_object(answer, "return"), "socket"));
}

static int connect_greedy(const char *path, const FakeRam *ram)
{
    const TierMsgRegionAdd region = fake_qemu_region(ram);
    const int sock = fake_qemu_connect(path);

    g_assert_cmpint(sock, >=, 0);
    fake_qemu_hello(sock);
    g_assert_cmpuint(fake_qemu_send_config(sock, &greedy, NULL), ==, 0);
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, ram, NULL), ==, 0);
    return sock;
}

/* Wait until a number that query-vm tells is @value. */
static void await_number(Daemon *f, const char *key, uint64_t value)
{
    uint64_t last = 0;

    for (int i = 0; i < 100; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "vm");

        last = field_uint(vm, key, 0);
        if (last == value) {
            return;
        }
        g_usleep(50000);
    }
    g_error("'%s' is %" G_GUINT64_FORMAT ", and did not become %" G_GUINT64_FORMAT, key, last, value);
}

static void set(Daemon *f, const char *settings)
{
    g_autofree char *request =
        g_strdup_printf("{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"vm\",%s}}", settings);
    g_autoptr(JsonObject) answer = daemon_ask(f->control, request);

    g_assert_true(json_object_has_member(answer, "return"));
}

static void what_qemu_says_ends_at_the_limits(Daemon *f, gconstpointer data)
{
    g_autofree char *path = add_limited(f);
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = connect_greedy(path, &ram);
    g_autoptr(JsonObject) vm = NULL;
    TierMsgConfig told = { 0 };
    uint32_t request;
    unsigned seen = 0;

    await_number(f, "fast_size", 4 * MIB);
    vm = daemon_query_vm(f, "vm");
    g_assert_cmpuint(field_uint(vm, "fast_min", 0), ==, MIB);
    g_assert_cmpuint(field_uint(vm, "weight", 0), ==, 50);
    g_assert_cmpfloat(field_number(field_object(vm, "slowdown"), "target"), ==, 0.1);
    /* It does not help to say it again, and QEMU is told so. */
    fake_qemu_send(sock, TIER_MSG_CONFIG, &greedy, sizeof(greedy), NULL, 0);
    do {
        request = fake_qemu_receive(sock, false, &told, sizeof(told));
        g_assert_cmpuint(request, !=, 0);
    } while (request != TIER_MSG_CONFIG && seen++ < 100);
    g_assert_cmpuint(request, ==, TIER_MSG_CONFIG);
    g_assert_cmpuint(told.fast_size, ==, 4 * MIB);
    g_assert_cmpuint(told.fast_min, ==, MIB);
    g_assert_cmpuint(told.weight, ==, 50);
    g_assert_cmpuint(told.slowdown_ppm, ==, 100000);
    await_number(f, "fast_size", 4 * MIB);
    await_number(f, "weight", 50);
    close(sock);
    fake_ram_free(&ram);
}

static void an_operator_lifts_a_limit_for_the_next_daemon_too(Daemon *f, gconstpointer data)
{
    g_autofree char *path = add_limited(f);
    FakeRam ram = fake_ram_new(RAM_BYTES);
    int sock = connect_greedy(path, &ram);

    await_number(f, "fast_size", 4 * MIB);
    set(f, "\"fast-size\":6291456");
    await_number(f, "fast_size", 6 * MIB);
    close(sock);
    daemon_stop(f, SIGKILL);
    daemon_start(f);
    sock = connect_greedy(path, &ram);
    await_number(f, "fast_size", 6 * MIB);
    await_number(f, "weight", 50);
    close(sock);
    fake_ram_free(&ram);
}

static void sockets_lie_in_the_folder_that_was_made_for_them(Daemon *f, gconstpointer data)
{
    g_autofree char *path = add_limited(f);
    g_autofree char *expected = g_build_filename(f->dir, "libvirt/11/memory.sock", NULL);
    g_autoptr(JsonObject) deleted = NULL;

    g_assert_cmpstr(path, ==, expected);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    deleted = daemon_ask(f->control, "{\"execute\":\"vm-del\",\"arguments\":{\"name\":\"vm\"}}");
    g_assert_true(json_object_has_member(deleted, "return"));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* Who may talk to the daemon may not be root. */
static void folders_that_others_can_write_to_are_refused(Daemon *f, gconstpointer data)
{
    static const struct {
        const char *directory, *says;
    } wrong[] = {
        {"nowhere", "make it first"}, {"open", "writable to no other"}, {"link", "must be a folder"},
        {"open/below", "writable to no other"}, {"good/../good", "without '.'"}, {"/etc", "is no folder below"},
        {"good/", "without '/'"}, {".hidden", "without '.'"},
    };
    g_autofree char *link = g_build_filename(f->dir, "link", NULL);

    make_folder(f, "open", 0777);
    make_folder(f, "open/below", 0755);
    make_folder(f, "good", 0755);
    g_assert_cmpint(symlink("good", link), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *request = g_strdup_printf(
            "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"x\",\"directory\":\"%s\"}}", wrong[i].directory);

        daemon_assert_error(f, request, "InvalidArgument", wrong[i].says);
    }
}

static void limits_that_are_none_are_refused(Daemon *f, gconstpointer data)
{
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"x\",\"weight\":1001}}", "InvalidArgument",
                        "1 to 1000");
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"x\",\"mode\":\"fast\"}}",
                        "InvalidArgument", "on, observe, off");
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"x\",\"fast-size\":-1}}",
                        "InvalidArgument", "'fast-size'");
}

/* The register is the daemon's own, but a line that a crash has cut short must not cost the others. */
static void a_broken_line_of_the_register_costs_no_other_vm(Daemon *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "vms", NULL);

    daemon_stop(f, SIGTERM);
    g_assert_true(g_file_set_contents(path, "{\"name\": \"half\n{\"uid\": 3}\n[]\n"
                                      "{\"name\": \"good\", \"mode\": \"off\"}\n"
                                      "{\"name\": \"bad\", \"weight\": 5000}\n", -1, NULL));
    daemon_start(f);
    daemon_await_flag(f, "good", "connected", false);
    daemon_assert_error(f, "{\"execute\":\"query-vm\",\"arguments\":{\"name\":\"bad\"}}", "NotFound", "bad");
    daemon_assert_log(f, "makes no sense");
}

/* Whether query-vm says of a source that it may not watch the VM. */
static bool is_shut_out(Daemon *f, const char *name)
{
    g_autoptr(JsonObject) vm = daemon_query_vm(f, "vm");
    JsonArray *sources = field_array(vm, "sources");

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);
        const char *problem = field_string(source, "problem");

        if (g_strcmp0(field_string(source, "name"), name) == 0) {
            return problem && strstr(problem, "not among those that this VM may have");
        }
    }
    g_error("query-vm tells of no source '%s'", name);
}

static void await_shut_out(Daemon *f, const char *name, bool shut_out)
{
    for (int i = 0; i < 100 && is_shut_out(f, name) != shut_out; i++) {
        g_usleep(50000);
    }
    g_assert_cmpint(is_shut_out(f, name), ==, shut_out);
}

static void only_sources_that_are_allowed_watch(Daemon *f, gconstpointer data)
{
    g_autofree char *path = add_limited(f);
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = connect_greedy(path, &ram);
    g_autoptr(JsonObject) refused = NULL;

    await_shut_out(f, "damon", false);
    refused = daemon_ask(f->control,
                         "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"vm\",\"sources\":\"wp,pebs\"}}");
    g_assert_cmpstr(field_string(field_object(refused, "error"), "class"), ==, "InvalidArgument");
    set(f, "\"sources\":\"wp\"");
    await_shut_out(f, "damon", true);
    await_shut_out(f, "rwp", true);
    g_assert_false(is_shut_out(f, "wp"));
    set(f, "\"sources\":\"damon,rwp,wp,chmu\"");
    await_shut_out(f, "damon", false);
    close(sock);
    fake_ram_free(&ram);
}

#define TEST(function) g_test_add("/daemon-limits/" #function, Daemon, NULL, daemon_set_up, function, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(what_qemu_says_ends_at_the_limits);
    TEST(an_operator_lifts_a_limit_for_the_next_daemon_too);
    TEST(sockets_lie_in_the_folder_that_was_made_for_them);
    TEST(folders_that_others_can_write_to_are_refused);
    TEST(limits_that_are_none_are_refused);
    TEST(only_sources_that_are_allowed_watch);
    TEST(a_broken_line_of_the_register_costs_no_other_vm);
    return g_test_run();
}
