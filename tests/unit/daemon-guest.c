/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest at the real daemon; see daemon-guest.h.
 */
#include "daemon-guest.h"

#include <string.h>
#include <unistd.h>

#include "client/fields.h"

char *guest_hint_socket(const char *socket)
{
    g_autofree char *stem = g_strndup(socket, strlen(socket) - strlen(".sock"));

    return g_strconcat(stem, ".hint.sock", NULL);
}

int guest_hint_connect(const char *socket)
{
    g_autofree char *path = guest_hint_socket(socket);

    return fake_qemu_connect(path);
}

uint64_t hints_figure(Daemon *d, const char *vm, const char *name)
{
    g_autoptr(JsonObject) answer = daemon_query_vm(d, vm);

    return field_uint(field_object(answer, "hints"), name, UINT64_MAX);
}

uint64_t hints_ranges(Daemon *d, const char *vm, const char *kind, const char *fate)
{
    g_autoptr(JsonObject) answer = daemon_query_vm(d, vm);

    return field_uint(field_object(field_object(field_object(answer, "hints"), "ranges"), kind), fate, UINT64_MAX);
}

/* Snapshots are made once an epoch, of 100 ms. */
void hints_await_ranges(Daemon *d, const char *vm, const char *kind, const char *fate, uint64_t expected)
{
    for (int i = 0; i < 100 && hints_ranges(d, vm, kind, fate) != expected; i++) {
        g_usleep(50000);
    }
    g_assert_cmpuint(hints_ranges(d, vm, kind, fate), ==, expected);
}

void hints_await_figure(Daemon *d, const char *vm, const char *name, uint64_t expected)
{
    for (int i = 0; i < 100 && hints_figure(d, vm, name) != expected; i++) {
        g_usleep(50000);
    }
    g_assert_cmpuint(hints_figure(d, vm, name), ==, expected);
}

void guest_await_budget(Daemon *d, const char *vm)
{
    for (int i = 0; i < 100; i++) {
        g_autoptr(JsonObject) answer = daemon_query_vm(d, vm);

        if (field_uint(answer, "budget", 0) > 0) {
            return;
        }
        g_usleep(50000);
    }
    g_error("VM '%s' got no budget", vm);
}

Guest *guest_alone(void)
{
    Guest *guest = g_new0(Guest, 1);

    *guest = (Guest) { .ram = fake_ram_new(RAM_BYTES), .channel = -1 };
    return guest;
}

void guest_connect_hints(Guest *guest, const char *socket)
{
    guest->f = fake_frontend_new(guest_hint_connect(socket), &guest->ram);
    fake_frontend_start(guest->f, FAKE_ALL_FEATURES);
}

void guest_connect_memory(Guest *guest, Daemon *d, const char *name, const char *socket)
{
    guest->channel = fake_qemu_backend(socket, &guest->ram);
    guest_await_budget(d, name);
}

Guest *guest_new(Daemon *d, const char *name, const char *socket)
{
    Guest *guest = guest_alone();

    guest_connect_memory(guest, d, name, socket);
    guest_connect_hints(guest, socket);
    return guest;
}

void guest_free(Guest *guest)
{
    fake_frontend_free(guest->f);
    if (guest->channel >= 0) {
        close(guest->channel);
    }
    fake_ram_free(&guest->ram);
    g_free(guest);
}

uint32_t guest_hint(Guest *guest, uint16_t type, uint64_t offset, uint64_t len)
{
    return fake_frontend_hint(guest->f, type, offset, len);
}
