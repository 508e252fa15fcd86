/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hard a process works its memory, as the daemon measures it: real children that spin, sleep, end.
 */
#include <glib.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "machine/misses.h"

#define BUFFER_BYTES (256u << 20)       /* larger than any cache */
#define STEP_US      200000

static const Topology one_tier = {.n_tiers = 1};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Touch a line of a page chosen at random, again and again. */
static void touch_forever(void)
{
    volatile uint8_t *buffer =
        mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t at = 1;

    for (;;) {
        at = at * 6364136223846793005u + 1442695040888963407u;
        buffer[at >> 36]++;
    }
}

static void sleep_forever(void)
{
    for (;;) {
        pause();
    }
}

static pid_t child_run(void (*body)(void))
{
    const pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body();
        _exit(0);
    }
    return pid;
}

static void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* What is told of @pid after a second or so. */
static MissesRates watch(Misses *misses)
{
    MissesRates rates = misses_read(misses, now_ns());

    g_assert_true(isnan(rates.busy));           /* one look tells no rate */
    g_assert_true(isnan(rates.accesses_per_s));
    for (int i = 0; i < 5; i++) {
        g_usleep(STEP_US);
        rates = misses_read(misses, now_ns());
    }
    return rates;
}

static void a_spinning_process_is_busy_and_a_sleeping_one_is_not(void)
{
    const pid_t spins = child_run(touch_forever), sleeps = child_run(sleep_forever);
    Misses *busy = misses_new(spins, &one_tier), *idle = misses_new(sleeps, &one_tier);
    MissesRates rates = watch(busy);

    g_assert_cmpfloat(rates.busy, >, 0.05);     /* others may want the CPU, too */
    g_assert_cmpfloat(rates.busy, <, 1.1);
    rates = watch(idle);
    g_assert_cmpfloat(rates.busy, <, 0.02);
    misses_free(busy);
    misses_free(idle);
    child_kill(spins);
    child_kill(sleeps);
}

static void misses_are_counted_or_it_is_said_why_not(void)
{
    const pid_t touches = child_run(touch_forever);
    Misses *misses = misses_new(touches, &one_tier);
    const MissesRates rates = watch(misses);

    if (rates.problem) {
        g_assert_true(isnan(rates.accesses_per_s));
        g_assert_cmpuint(g_utf8_strlen(rates.problem, -1), >, 20);
        g_test_skip(rates.problem);
    } else {
        g_assert_cmpfloat(rates.accesses_per_s, >, 1e4);
        g_assert_cmpfloat(rates.accesses_per_s, <, 1e9);
    }
    misses_free(misses);
    child_kill(touches);
}

static void a_process_that_has_ended_is_not_known_to_be_busy(void)
{
    const pid_t pid = child_run(touch_forever);
    Misses *misses = misses_new(pid, &one_tier);
    MissesRates rates = watch(misses);

    g_assert_false(isnan(rates.busy));
    child_kill(pid);
    rates = misses_read(misses, now_ns());
    g_assert_true(isnan(rates.busy));
    misses_free(misses);
}

static void a_process_that_stops_is_known_to_at_once(void)
{
    const pid_t pid = child_run(touch_forever);
    Misses *misses = misses_new(pid, &one_tier);
    MissesRates rates = watch(misses);

    g_assert_cmpfloat(rates.busy_now, >, 0);
    kill(pid, SIGSTOP);
    misses_read(misses, now_ns());
    g_usleep(STEP_US);
    rates = misses_read(misses, now_ns());
    g_assert_cmpfloat(rates.busy_now, <, rates.busy / 2);
    g_assert_cmpuint(rates.elapsed_ns, >=, STEP_US * 1000u);
    misses_free(misses);
    child_kill(pid);
}

static void time_that_stands_still_changes_nothing(void)
{
    Misses *misses = misses_new(getpid(), &one_tier);
    const uint64_t start = now_ns();
    MissesRates rates;

    misses_read(misses, start);
    g_usleep(STEP_US);
    rates = misses_read(misses, start + 1000u * STEP_US);
    g_assert_false(isnan(rates.busy));
    g_assert_cmpfloat(misses_read(misses, start + 1000u * STEP_US).busy, ==, rates.busy);
    g_assert_cmpfloat(misses_read(misses, start).busy, ==, rates.busy);
    misses_free(misses);
}

#define ADD(func) g_test_add_func("/misses/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(a_spinning_process_is_busy_and_a_sleeping_one_is_not);
    ADD(misses_are_counted_or_it_is_said_why_not);
    ADD(a_process_that_has_ended_is_not_known_to_be_busy);
    ADD(a_process_that_stops_is_known_to_at_once);
    ADD(time_that_stands_still_changes_nothing);
    return g_test_run();
}
