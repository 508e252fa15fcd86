/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon splits tier 0: VMs that come and go, floors, targets, a VM that is frozen. As in
 * test-daemon.c, this process plays QEMU and the operator.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon-process.h"
#include "fake-qemu.h"

#define MIB        (1ull << 20)
#define RAM_BYTES  (8 * MIB)    /* of each VM; its floor is 1 MiB */
#define LOOKS      100          /* of 50 ms: what is lent comes back within seconds */

#define CAPACITY_12M "[host]\nfast-capacity=12M\n"
#define CAPACITY_6M  "[host]\nfast-capacity=6M\n"

static uint64_t budget(Daemon *f, const char *name)
{
    g_autoptr(JsonObject) vm = daemon_query_vm(f, name);

    return field_uint(vm, "budget", 0);
}

static void await_budget(Daemon *f, const char *name, uint64_t bytes)
{
    for (int i = 0; i < LOOKS; i++) {
        if (budget(f, name) == bytes) {
            return;
        }
        g_usleep(50000);
    }
    g_error("the budget of VM '%s' is %" G_GUINT64_FORMAT " and did not become %" G_GUINT64_FORMAT, name,
            budget(f, name), bytes);
}

static void set_config(int sock, uint64_t fast_min, uint32_t slowdown_ppm)
{
    TierMsgConfig config = fake_qemu_config();

    config.fast_min = fast_min;
    config.slowdown_ppm = slowdown_ppm;
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, NULL), ==, 0);
}

static void vms_that_come_and_go_share_what_there_is(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    int socks[2];

    socks[0] = fake_qemu_backend(f->socket_a, &rams[0]);
    await_budget(f, "a", 8 * MIB);
    socks[1] = fake_qemu_backend(f->socket_b, &rams[1]);
    await_budget(f, "a", 6 * MIB);
    await_budget(f, "b", 6 * MIB);
    close(socks[0]);
    await_budget(f, "b", 8 * MIB);
    socks[0] = fake_qemu_backend(f->socket_a, &rams[0]);
    await_budget(f, "a", 6 * MIB);
    await_budget(f, "b", 6 * MIB);
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        close(socks[i]);
        fake_ram_free(&rams[i]);
    }
}

static void a_frozen_vm_keeps_what_it_has(Daemon *f, gconstpointer data)
{
    const TierMsgFreeze freeze = { 0 };
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = { fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_b, &rams[1]) };

    await_budget(f, "a", 6 * MIB);
    await_budget(f, "b", 6 * MIB);
    fake_qemu_send(socks[0], TIER_MSG_FREEZE, &freeze, sizeof(freeze), NULL, 0);
    g_assert_cmpuint(fake_qemu_status(socks[0], TIER_MSG_FREEZE, NULL), ==, 0);
    close(socks[1]);
    daemon_await_flag(f, "b", "connected", false);
    g_usleep(1500000);          /* the split is made anew at least once a second */
    g_assert_cmpuint(budget(f, "a"), ==, 6 * MIB);
    fake_qemu_send(socks[0], TIER_MSG_THAW, &freeze, sizeof(freeze), NULL, 0);
    await_budget(f, "a", 8 * MIB);
    close(socks[0]);
    for (size_t i = 0; i < G_N_ELEMENTS(rams); i++) {
        fake_ram_free(&rams[i]);
    }
}

static void a_floor_that_cannot_be_is_refused(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = { fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_b, &rams[1]) };
    g_autoptr(JsonObject) fits = NULL;

    await_budget(f, "a", 3 * MIB);
    await_budget(f, "b", 3 * MIB);
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"fast-min\":5242881}}",
                        "InvalidArgument", "6291456 bytes of tier 0 are shared out, and other VMs' floors take 1048576");
    g_assert_cmpuint(budget(f, "a"), ==, 3 * MIB);
    fits = daemon_ask(f->control, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"fast-min\":5242880}}");
    g_assert_true(json_object_has_member(fits, "return"));
    await_budget(f, "a", 5 * MIB);
    await_budget(f, "b", 1 * MIB);
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        close(socks[i]);
        fake_ram_free(&rams[i]);
    }
}

static uint64_t floor_set(Daemon *f, const char *name, uint64_t bytes)
{
    g_autofree char *request =
        g_strdup_printf("{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"%s\",\"weight\":300,\"fast-min\":%"
                        G_GUINT64_FORMAT "}}", name, bytes);
    g_autoptr(JsonObject) answer = daemon_ask(f->control, request);

    g_assert_true(json_object_has_member(answer, "return"));
    return field_uint(json_object_get_object_member(answer, "return"), "fast_min", 0);
}

static void floors_that_are_too_many_may_be_kept_and_lowered(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = { fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_b, &rams[1]) };

    set_config(socks[0], 8 * MIB, 0);
    set_config(socks[1], 4 * MIB, 0);
    await_budget(f, "a", 4 * MIB);
    g_assert_cmpuint(floor_set(f, "a", 8 * MIB), ==, 8 * MIB);
    g_assert_cmpuint(floor_set(f, "a", 7 * MIB), ==, 7 * MIB);
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"b\",\"fast-min\":5242880}}",
                        "InvalidArgument", "other VMs' floors take 6291456");
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        close(socks[i]);
        fake_ram_free(&rams[i]);
    }
}

static bool host_warns(Daemon *f)
{
    g_autoptr(JsonObject) answer = daemon_ask(f->control, "{\"execute\":\"query-host\"}");
    g_autofree char *text = json_to_string(json_object_get_member(answer, "return"), FALSE);

    return strstr(text, "floors of all VMs are 12 MiB together and 6 MiB of tier 0 are shared out");
}

static void floors_of_qemus_that_are_too_many_are_cut_and_told(Daemon *f, gconstpointer data)
{
    FakeRam rams[] = { fake_ram_new(RAM_BYTES), fake_ram_new(RAM_BYTES) };
    const int socks[] = { fake_qemu_backend(f->socket_a, &rams[0]), fake_qemu_backend(f->socket_b, &rams[1]) };

    g_assert_false(host_warns(f));
    set_config(socks[0], 8 * MIB, 0);
    set_config(socks[1], 4 * MIB, 0);
    await_budget(f, "a", 4 * MIB);
    await_budget(f, "b", 2 * MIB);
    g_assert_true(host_warns(f));
    daemon_assert_log(f, "the VMs' floors (fast-min) are 12 MiB together");
    set_config(socks[0], 0, 0);
    await_budget(f, "b", 5 * MIB);
    g_assert_false(host_warns(f));
    for (size_t i = 0; i < G_N_ELEMENTS(socks); i++) {
        close(socks[i]);
        fake_ram_free(&rams[i]);
    }
}

static double target(Daemon *f, const char *name)
{
    g_autoptr(JsonObject) vm = daemon_query_vm(f, name);

    return field_number(field_object(vm, "slowdown"), "target");
}

static void a_target_comes_from_qemu_or_the_operator(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    g_autoptr(JsonObject) set = NULL, unset = NULL;
    TierMsgConfig config = { 0 };

    g_assert_true(isnan(target(f, "a")));
    set_config(sock, 0, 30000);
    g_assert_cmpfloat_with_epsilon(target(f, "a"), 0.03, 1e-9);
    set = daemon_ask(f->control, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"slowdown\":0.05}}");
    g_assert_nonnull(set);
    g_assert_cmpfloat_with_epsilon(target(f, "a"), 0.05, 1e-9);
    while (fake_qemu_receive(sock, false, &config, sizeof(config)) != TIER_MSG_CONFIG) {
        ;
    }
    g_assert_cmpuint(config.slowdown_ppm, ==, 50000);
    unset = daemon_ask(f->control, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"slowdown\":0}}");
    g_assert_nonnull(unset);
    g_assert_true(isnan(target(f, "a")));
    close(sock);
    fake_ram_free(&ram);
}

static void how_busy_a_vm_is_is_measured(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    const gint64 end = g_get_monotonic_time() + 2 * G_TIME_SPAN_SECOND;
    double busy = NAN;

    while (g_get_monotonic_time() < end) {      /* this process is the QEMU: it spins */
        ;
    }
    for (int i = 0; i < LOOKS && !(busy > 0.1); i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        busy = field_number(field_object(vm, "slowdown"), "busy");
        g_usleep(1000);
    }
    g_assert_cmpfloat(busy, >, 0.1);
    g_assert_cmpfloat(busy, <, 1.5);
    close(sock);
    fake_ram_free(&ram);
}

#define ADD(func, config) g_test_add("/daemon-budgets/" #func, Daemon, config, daemon_set_up, func, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(vms_that_come_and_go_share_what_there_is, CAPACITY_12M);
    ADD(a_frozen_vm_keeps_what_it_has, CAPACITY_12M);
    ADD(a_floor_that_cannot_be_is_refused, CAPACITY_6M);
    ADD(floors_that_are_too_many_may_be_kept_and_lowered, CAPACITY_6M);
    ADD(floors_of_qemus_that_are_too_many_are_cut_and_told, CAPACITY_6M);
    ADD(a_target_comes_from_qemu_or_the_operator, NULL);
    ADD(how_busy_a_vm_is_is_measured, NULL);
    return g_test_run();
}
