/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon and what outlives a connection of its guests' hints: state that goes to another host, pins without a
 * memory channel, a daemon that was started anew. This process plays QEMU and the guest's driver.
 */
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon-guest.h"

/* The state that a device would take along. */
static size_t state_out(const FakeFrontend *f, char *bytes, size_t max)
{
    const uint32_t payload[] = { 0, 0 };
    size_t n = 0;
    ssize_t got;
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    g_assert_cmpuint(fake_frontend_ask(f, FAKE_SET_DEVICE_STATE_FD, payload, sizeof(payload), &fds[1], 1), ==,
                     VHOST_USER_VRING_NOFD_MASK);
    close(fds[1]);
    while ((got = read(fds[0], bytes + n, max - n)) > 0) {
        n += (size_t)got;
    }
    g_assert_cmpuint(fake_frontend_get(f, FAKE_CHECK_DEVICE_STATE), ==, 0);
    close(fds[0]);
    return n;
}

static uint64_t state_in(const FakeFrontend *f, const char *bytes, size_t n)
{
    const uint32_t payload[] = { 1, 0 };
    uint64_t answer;
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    fake_frontend_ask(f, FAKE_SET_DEVICE_STATE_FD, payload, sizeof(payload), &fds[0], 1);
    g_assert_cmpint(write(fds[1], bytes, n), ==, (ssize_t)n);
    close(fds[0]);
    close(fds[1]);
    answer = fake_frontend_get(f, FAKE_CHECK_DEVICE_STATE);
    return answer;
}

static void a_state_that_nobody_reads_ends_nothing(Daemon *d, gconstpointer data)
{
    const uint32_t payload[] = { 0, 0 };
    Guest *guest = guest_new(d, "a", d->socket_a);
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    close(fds[0]);
    fake_frontend_ask(guest->f, FAKE_SET_DEVICE_STATE_FD, payload, sizeof(payload), &fds[1], 1);
    close(fds[1]);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(fake_frontend_get(guest->f, FAKE_CHECK_DEVICE_STATE), !=, 0);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    guest_free(guest);
}

static void pins_and_trust_move_to_another_host(Daemon *d, gconstpointer data)
{
    Guest *source = guest_new(d, "a", d->socket_a);
    Guest *target = guest_alone();
    char bytes[4096];
    size_t n;

    g_assert_cmpuint(guest_hint(source, VIRTIO_TIER_T_PIN, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    n = state_out(source->f, bytes, sizeof(bytes));
    g_assert_cmpuint(n, ==, 32);
    /* At the destination the device may be there before its memory is. */
    guest_connect_hints(target, d->socket_b);
    g_assert_cmpuint(state_in(target->f, bytes, n), ==, 0);
    guest_connect_memory(target, d, "b", d->socket_b);
    hints_await_figure(d, "b", "pinned_bytes", 65536);
    bytes[0]++;
    g_assert_cmpuint(state_in(target->f, bytes, n), !=, 0);
    g_assert_cmpuint(state_in(target->f, bytes, 5), !=, 0);
    guest_free(source);
    guest_free(target);
}

static void pins_outlive_the_memory_channel(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 65536);
    close(guest->channel);
    daemon_await_flag(d, "a", "connected", false);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 65536), ==, VIRTIO_TIER_S_OFF);
    guest_connect_memory(guest, d, "a", d->socket_a);
    hints_await_figure(d, "a", "pinned_bytes", 65536);
    /* But no other guest gets them. */
    guest_free(guest);
    hints_await_figure(d, "a", "devices", 0);
    guest = guest_new(d, "a", d->socket_a);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    hints_await_ranges(d, "a", "hot", "taken", 1);
    g_assert_cmpuint(hints_figure(d, "a", "pinned_bytes"), ==, 0);
    guest_free(guest);
}

static void a_daemon_that_was_started_anew_tells_the_guest(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);
    struct virtio_tier_event event;
    uint16_t next;

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    next = guest->f->queues[VIRTIO_TIER_Q_HINT].used->idx;
    daemon_stop(d, SIGKILL);
    daemon_start(d);
    close(guest->channel);
    close(guest->f->sock);
    guest->channel = fake_qemu_backend(d->socket_a, &guest->ram);
    guest->f->sock = guest_hint_connect(d->socket_a);
    {
        const VhostUserMemory memory = fake_frontend_memory(guest->f);

        g_assert_cmpuint(fake_frontend_ask_u64(guest->f, VHOST_USER_SET_FEATURES, FAKE_ALL_FEATURES), ==, 0);
        g_assert_cmpuint(fake_frontend_ask(guest->f, VHOST_USER_SET_MEM_TABLE, &memory, 8 + sizeof(memory.regions[0]),
                                           &guest->ram.memfd, 1), ==, 0);
        fake_frontend_start_queue(guest->f, VIRTIO_TIER_Q_EVENT, guest->f->queues[VIRTIO_TIER_Q_EVENT].used->idx);
        fake_frontend_start_queue(guest->f, VIRTIO_TIER_Q_HINT, next);
    }
    do {
        fake_frontend_give_event_buffer(guest->f);
        g_assert_true(fake_frontend_await_event(guest->f, &event));
    } while (event.type != VIRTIO_TIER_E_PINS_DROPPED);
    g_assert_cmpuint(event.reason, ==, VIRTIO_TIER_R_RESTART);
    g_assert_cmpuint(event.value, ==, 0);
    guest_await_budget(d, "a");
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    guest_free(guest);
}

#define ADD(name, config) g_test_add("/daemon-hint-lives/" #name, Daemon, config, daemon_set_up, name, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD(a_state_that_nobody_reads_ends_nothing, NO_LIMITS);
    ADD(pins_and_trust_move_to_another_host, NO_LIMITS);
    ADD(pins_outlive_the_memory_channel, NO_LIMITS);
    ADD(a_daemon_that_was_started_anew_tells_the_guest, NO_LIMITS);
    return g_test_run();
}
