/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of whose memory one part is used all the time, the rest now and then.
 *
 * hot-part MIB HOT_MIB: each SIGUSR1 makes the next HOT_MIB the hot part. A line in standard output says, for each,
 * in which physical memory it is: ADDR+LEN, separated by blanks.
 *
 * It shares its CPU with a process that wakes now and then, as others do: a program that is alone on its CPU keeps
 * its translations, under emulation all of them and for ever, so that its access bits, which DAMON clears without a
 * flush, stay clear.
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"
#include "tier-hint.h"

#define MIB (UINT64_C(1) << 20)
#define COLD_PAGES_PER_S 500u
#define WAKE_US 10000

static volatile sig_atomic_t jumps;

static void on_signal(int number)
{
    jumps++;
}

static void print_where(const char *memory, uint64_t bytes)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(struct virtio_tier_urange));

    if (!pages_find(getpid(), (uintptr_t)memory, (uintptr_t)memory + bytes, false, ranges, NULL)) {
        exit(1);
    }
    for (guint i = 0; i < ranges->len; i++) {
        const struct virtio_tier_urange *range = &g_array_index(ranges, struct virtio_tier_urange, i);

        printf("%s0x%" PRIx64 "+0x%" PRIx64, i ? " " : "", (uint64_t)range->addr, (uint64_t)range->len);
    }
    putchar('\n');
    fflush(stdout);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void touch(volatile char *memory, uint64_t from, uint64_t bytes)
{
    for (uint64_t at = from; at < from + bytes; at += PAGE_BYTES) {
        memory[at]++;
    }
}

static void share_the_cpu(void)
{
    cpu_set_t first;

    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_setaffinity(0, sizeof(first), &first) < 0) {
        exit(1);
    }
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() != 1) {
            usleep(WAKE_US);
        }
        _exit(0);
    }
}

int main(int argc, char **argv)
{
    const uint64_t bytes = argc == 3 ? strtoull(argv[1], NULL, 10) * MIB : 0;
    const uint64_t hot_bytes = argc == 3 ? strtoull(argv[2], NULL, 10) * MIB : 0;
    uint64_t hot = 0, cold = 0, began_ms = now_ms(), touched = 0;
    sig_atomic_t seen = 0;
    char *memory;

    if (hot_bytes == 0 || bytes < 2 * hot_bytes) {
        return 2;
    }
    share_the_cpu();
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return 1;
    }
    memset(memory, 1, bytes);
    signal(SIGUSR1, on_signal);
    print_where(memory, hot_bytes);
    while (true) {
        touch(memory, hot, hot_bytes);
        for (; touched < (now_ms() - began_ms) * COLD_PAGES_PER_S / 1000; touched++) {
            cold = (cold + 61 * PAGE_BYTES) % bytes;
            touch(memory, cold, PAGE_BYTES);
        }
        if (seen != jumps) {
            seen++;
            hot = hot + 2 * hot_bytes <= bytes ? hot + hot_bytes : 0;
            print_where(memory + hot, hot_bytes);
        }
    }
}
