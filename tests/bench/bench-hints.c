/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's hints cost the daemon: its CPU time at 100,000 ranges a second through one queue, in requests of
 * several sizes, and how long a request takes there and back, against one that asks for nothing. The real daemon; this
 * process plays QEMU and the guest. Fails where the daemon takes more than half a core.
 *
 * The unit of all figures of time is the microsecond; a share of 1 is one core.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "daemon-process.h"
#include "fake-frontend.h"

#define RAM_BYTES    (48u << 20)
#define RANGES_PER_S 100000u
#define RUN_NS       2000000000ull
#define TICK_NS      10000000ull    /* requests are given in bursts, so many a second */
#define LIMIT        0.5
#define ROUNDS       2000
#define BATCH        64u            /* chains that are under way at a time */
#define CHAIN_BYTES  0x8000u
#define RESPONSE     0x6000u

static FakeRam ram;
static FakeFrontend *f;

/* The daemon's CPU time, in nanoseconds. */
static uint64_t cpu_ns(const Daemon *d)
{
    struct timespec now;
    clockid_t clock;

    g_assert_cmpint(clock_getcpuclockid((pid_t)d->pid, &clock), ==, 0);
    g_assert_cmpint(clock_gettime(clock, &now), ==, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Write request @i of @n ranges of 4 KiB, from @spot on, and its descriptors; returns its first. */
static uint16_t write_request(unsigned i, uint32_t n, uint16_t type, uint64_t spot)
{
    const uint64_t offset = (4u << 20) + (uint64_t)i * CHAIN_BYTES;
    struct virtio_tier_req *request = (struct virtio_tier_req *)((uint8_t *)ram.hva + offset);
    struct virtio_tier_range *ranges = (struct virtio_tier_range *)(request + 1);
    struct vring_desc *desc = &f->queues[VIRTIO_TIER_Q_HINT].desc[(size_t)2 * i];

    *request = (struct virtio_tier_req) { .type = type, .n_ranges = n };
    for (uint32_t r = 0; r < n; r++) {
        ranges[r] = (struct virtio_tier_range) { FAKE_GPA + (16u << 20) + (spot + r) * 4096 % (32u << 20), 4096 };
    }
    desc[0] = (struct vring_desc) { FAKE_GPA + offset, 16 + n * 16, VRING_DESC_F_NEXT, (uint16_t)(2 * i + 1) };
    desc[1] = (struct vring_desc) { FAKE_GPA + offset + RESPONSE, 16 + n * 4, VRING_DESC_F_WRITE, 0 };
    return (uint16_t)(2 * i);
}

/* Make @n requests available at once, of @each ranges, and wait for all of them. */
static void batch(unsigned n, uint32_t each, uint16_t type, uint64_t spot)
{
    FakeQueue *queue = &f->queues[VIRTIO_TIER_Q_HINT];
    const uint16_t next = queue->avail->idx;

    for (unsigned i = 0; i < n; i++) {
        queue->avail->ring[(next + i) % FAKE_QUEUE_SIZE] = write_request(i, each, type, spot + (uint64_t)i * each);
    }
    __atomic_store_n(&queue->avail->idx, (uint16_t)(next + n), __ATOMIC_SEQ_CST);
    eventfd_write(queue->kick, 1);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(fake_frontend_await(f, VIRTIO_TIER_Q_HINT), >, 0);
    }
}

/* Microseconds that one request takes there and back. */
static double round_trip_us(uint32_t n, uint16_t type)
{
    const uint64_t start_ns = clock_ns();

    for (unsigned i = 0; i < ROUNDS; i++) {
        batch(1, n, type, (uint64_t)i * n);
    }
    return (double)(clock_ns() - start_ns) / 1e3 / ROUNDS;
}

/* The daemon's share of a core at RANGES_PER_S, in requests of @each ranges. */
static double share_at_rate(const Daemon *d, uint32_t each, uint64_t *given)
{
    const uint64_t start_ns = clock_ns(), before_ns = cpu_ns(d);
    uint64_t now_ns = start_ns;

    *given = 0;
    while (now_ns - start_ns < RUN_NS) {
        const uint64_t due = (now_ns - start_ns + TICK_NS) * RANGES_PER_S / 1000000000u;

        while (*given < due) {
            const unsigned n = (unsigned)MIN(BATCH, (due - *given + each - 1) / each);

            batch(n, each, VIRTIO_TIER_T_HOT, *given);
            *given += (uint64_t)n * each;
        }
        g_usleep((gulong)(TICK_NS / 1000));
        now_ns = clock_ns();
    }
    return (double)(cpu_ns(d) - before_ns) / (double)(now_ns - start_ns);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 1, 16, 256, 1024 };
    Daemon d = { 0 };
    g_autofree char *path = NULL;
    uint64_t given, idle_ns;
    double empty_us, idle;
    bool ok = true;
    int channel;

    signal(SIGPIPE, SIG_IGN);
    daemon_set_up(&d, "[hints]\nmax-ranges-per-s=0\n");
    path = g_build_filename(d.dir, "a.hint.sock", NULL);
    ram = fake_ram_new(RAM_BYTES);
    channel = fake_qemu_backend(d.socket_a, &ram);
    f = fake_frontend_new(fake_qemu_connect(path), &ram);
    fake_frontend_start(f, FAKE_ALL_FEATURES);
    g_usleep(500000);

    idle_ns = cpu_ns(&d);
    g_usleep(1000000);
    idle = (double)(cpu_ns(&d) - idle_ns) / 1e9;
    empty_us = round_trip_us(1, 99);
    printf("a request of no known type: %.1f us there and back; the daemon without requests: %.3f of a core\n",
           empty_us, idle);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const double us = round_trip_us(sizes[i], VIRTIO_TIER_T_HOT), share = share_at_rate(&d, sizes[i], &given);

        printf("%4u ranges a request: %.1f us (%.2f of the empty one's); at %.0f ranges a second: %.3f of a core\n",
               sizes[i], us, us / empty_us, (double)given / ((double)RUN_NS / 1e9), share);
        ok = ok && share < LIMIT;
    }
    fake_frontend_free(f);
    close(channel);
    fake_ram_free(&ram);
    daemon_tear_down(&d, NULL);
    printf("%s\n", ok ? "ok" : "the daemon takes more than half a core");
    return ok ? 0 : 1;
}
