/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon and its VMs: many of them, one of several backends, and what is told of each. As in
 * test-daemon.c, this process plays QEMU and the operator.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"
#include "client/fields.h"
#include "daemon-process.h"
#include "fake-qemu.h"

#define RAM_BYTES  (8 << 20)
#define MANY_VMS   200
#define FAR_NODE   1023         /* that no test machine has */

/* How often the log says @text. */
static unsigned logged(Daemon *f, const char *text)
{
    g_autofree char *log = NULL;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(f->log, &log, NULL, NULL));
    for (const char *at = strstr(log, text); at; at = strstr(at + 1, text)) {
        n++;
    }
    return n;
}

static uint64_t resident_bytes(JsonObject *vm)
{
    return field_uint(element_object(field_array(vm, "tiers"), 0), "resident_bytes", 0);
}

/* Wait until VM 'a' has @regions regions, all of whose pages are known to lie in its one tier. */
static JsonObject *await_regions(Daemon *f, unsigned regions)
{
    for (int i = 0; i < 100; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        if (elements(field_array(vm, "regions")) == regions && resident_bytes(vm) == regions * RAM_BYTES) {
            return g_steal_pointer(&vm);
        }
        g_usleep(50000);
    }
    g_error("VM 'a' did not come to have %u regions that lie in tier 0", regions);
}

static void assert_another_process_is_refused(Daemon *f)
{
    int status;
    const pid_t pid = fork();

    if (pid == 0) {
        const int sock = fake_qemu_connect(f->socket_a);
        TierMsgStatus answer = { 0 };

        fake_qemu_receive(sock, true, &answer, sizeof(answer));
        _exit(answer.error == EBUSY && strstr(answer.text, "already has the socket") ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

/* A NUMA guest has a backend for each of its nodes. */
static void backends_of_one_process_add_up_to_one_vm(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = {fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_a, &rams[1])};
    g_autoptr(JsonObject) both = await_regions(f, 2);
    g_autoptr(JsonObject) one = NULL;
    JsonArray *regions = field_array(both, "regions");

    g_assert_cmpuint(field_uint(both, "fast_size", 0), ==, 2 * (8 << 20));
    g_assert_cmpuint(field_uint(both, "fast_min", 0), ==, 2 * (1 << 20));
    g_assert_cmpuint(field_uint(both, "weight", 0), ==, 100);
    g_assert_cmpuint(field_uint(element_object(regions, 0), "id", 0), !=,
                     field_uint(element_object(regions, 1), "id", 0));
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        TierMsgStats stats = { 0 };

        g_assert_cmpuint(field_uint(element_object(regions, (guint)i), "hva", 0), ==, (uintptr_t)rams[i].hva);
        g_assert_cmpuint(fake_qemu_receive(socks[i], false, &stats, sizeof(stats)), ==, TIER_MSG_STATS);
    }
    assert_another_process_is_refused(f);

    close(socks[0]);
    one = await_regions(f, 1);
    g_assert_cmpuint(field_uint(one, "fast_size", 0), ==, 8 << 20);
    g_assert_cmpuint(field_uint(element_object(field_array(one, "regions"), 0), "hva", 0), ==,
                     (uintptr_t)rams[1].hva);
    assert_another_process_is_refused(f);
    close(socks[1]);
    for (size_t i = 0; i < G_N_ELEMENTS(rams); i++) {
        fake_ram_free(&rams[i]);
    }
}

static void what_a_vm_cannot_fill_is_not_taken_from_others(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = {fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_b, &rams[1])};
    TierMsgConfig greedy = fake_qemu_config();
    uint64_t budgets[2] = { 0 };

    greedy.fast_min = greedy.fast_size = UINT64_MAX;
    greedy.weight = 1000;
    g_assert_cmpuint(fake_qemu_send_config(socks[0], &greedy, NULL), ==, 0);
    g_usleep(200000);           /* tier 0 is split anew within 20 ms */
    for (int i = 0; i < 100 && (budgets[0] != RAM_BYTES || budgets[1] != RAM_BYTES); i++) {
        g_autoptr(JsonObject) a = daemon_query_vm(f, "a");
        g_autoptr(JsonObject) b = daemon_query_vm(f, "b");

        budgets[0] = field_uint(a, "budget", 0);
        budgets[1] = field_uint(b, "budget", 0);
        g_usleep(50000);
    }
    g_assert_cmpuint(budgets[0], ==, RAM_BYTES);
    g_assert_cmpuint(budgets[1], ==, RAM_BYTES);
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        close(socks[i]);
        fake_ram_free(&rams[i]);
    }
}

static void hundreds_of_vms_are_listed(Daemon *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "control.sock", NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(Client) client = client_connect(path, &err);
    g_autoptr(JsonNode) list = NULL;
    g_autofree char *text = NULL;

    g_assert_no_error(err);
    for (int i = 0; i < MANY_VMS; i++) {
        g_autofree char *request =
            g_strdup_printf("{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"vm-%d\"}}", i);
        g_autoptr(JsonObject) added = daemon_ask(f->control, request);

        g_assert_true(json_object_has_member(added, "return"));
    }
    list = client_call(client, "query-vms", NULL, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(elements(node_array(list)), ==, MANY_VMS + 2);
    text = json_to_string(list, FALSE);
    g_assert_cmpuint(strlen(text), >, CLIENT_MAX_LINE);
}

static void a_qemu_that_ends_as_it_should_is_told_as_such(Daemon *f, gconstpointer data)
{
    const TierMsgRegionDel del = { .id = 1 };
    FakeRam ram = fake_ram_new(RAM_BYTES);

    for (unsigned i = 1; i <= 5; i++) {
        const int sock = fake_qemu_backend(f->socket_a, &ram);

        fake_qemu_send(sock, TIER_MSG_REGION_DEL, &del, sizeof(del), NULL, 0);
        close(sock);
        daemon_await_flag(f, "a", "connected", false);
        g_assert_cmpuint(logged(f, "ends: closed by QEMU"), ==, i);
    }
    g_assert_cmpuint(logged(f, "does not read"), ==, 0);
    fake_ram_free(&ram);
}

/* What of a connection's end is told must tell what came first: all was read, something was not. */
static void how_a_connection_ended_is_told(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    int sock = fake_qemu_backend(f->socket_a, &ram);
    TierMsgStats stats;

    g_assert_cmpuint(fake_qemu_receive(sock, false, &stats, sizeof(stats)), !=, 0);
    shutdown(sock, SHUT_WR);
    daemon_await_flag(f, "a", "connected", false);
    close(sock);
    g_assert_cmpuint(logged(f, "ends: closed by QEMU (end of file)"), ==, 1);

    sock = fake_qemu_backend(f->socket_a, &ram);
    g_assert_cmpint(g_poll(&(GPollFD){.fd = sock, .events = G_IO_IN}, 1, 10000), ==, 1);    /* STATS, not read */
    close(sock);
    daemon_await_flag(f, "a", "connected", false);
    /* The kernel forgets the first where something was sent just then. */
    g_assert_cmpuint(logged(f, "ECONNRESET") + logged(f, "EPIPE"), ==, 1);
    g_assert_cmpuint(logged(f, "end of file"), ==, 1);
    fake_ram_free(&ram);
}

/* Memory of a node that the process may not use: for a one-tier VM the daemon takes QEMU's word on nodes. */
static void what_keeps_pages_from_moving_is_told_and_logged_once(Daemon *f, gconstpointer data)
{
    const int sock = fake_qemu_connect(f->socket_a);
    TierMsgConfig config = fake_qemu_config();
    JsonObject *first = NULL;

    config.tier_nodes[0][FAR_NODE / 64] |= 1ull << FAR_NODE % 64;
    fake_qemu_hello(sock);
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, NULL), ==, 0);
    for (int i = 0; i < 100 && !first; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        first = element_object(field_array(vm, "interference"), 0);
        if (first) {
            g_assert_nonnull(strstr(field_string(first, "what"), "not 1023 of tier 0"));
            g_assert_nonnull(strstr(field_string(first, "remedy"), "cpuset.mems"));
        }
        g_usleep(50000);
    }
    g_assert_nonnull(first);
    {
        g_autoptr(JsonObject) answer = daemon_ask(f->control, "{\"execute\":\"query-host\"}");
        g_autofree char *text = json_to_string(json_object_get_member(answer, "return"), FALSE);

        g_assert_nonnull(strstr(text, "VM 'a': the cpuset of process"));
    }
    for (int i = 0; i < 5; i++) {
        TierMsgStats stats;

        g_assert_cmpuint(fake_qemu_receive(sock, false, &stats, sizeof(stats)), !=, 0);
    }
    g_assert_cmpuint(logged(f, "not 1023 of tier 0"), ==, 1);
    close(sock);
    daemon_await_flag(f, "a", "connected", false);
    {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        g_assert_cmpuint(elements(field_array(vm, "interference")), ==, 0);
    }
}

#define ADD(func) g_test_add("/daemon-vms/" #func, Daemon, NULL, daemon_set_up, func, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(backends_of_one_process_add_up_to_one_vm);
    ADD(what_a_vm_cannot_fill_is_not_taken_from_others);
    ADD(hundreds_of_vms_are_listed);
    ADD(a_qemu_that_ends_as_it_should_is_told_as_such);
    ADD(how_a_connection_ended_is_told);
    ADD(what_keeps_pages_from_moving_is_told_and_logged_once);
    return g_test_run();
}
