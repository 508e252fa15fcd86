/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes wrong, and what must not come of it: the guest runs on with its memory whole, nothing lingers,
 * and what could not be done is counted and named. (topology numa, newest kernel)
 */
#include <signal.h>
#include <string.h>

#include "bed.h"
#include "client/fields.h"
#include "cpuset.h"
#include "inspect.h"
#include "observer/hog.h"
#include "observer/setting.h"

#define CONFIG BED_COSTS BED_TRACKING
#define SLOWLY "max-bytes-per-s=2M\n" CONFIG /* of [host]: moving takes some seconds */
#define MOVES_WITHIN_S 40
#define HOG_LEAVES (2u << 20) /* of a node that is to be full: for the kernel, lest it kill for memory */

/* gups-hot for some seconds, and then idle for good, so that its memory can be looked at. */
#define BURST(seconds) "pattern=idle-burst period=" #seconds " idle=1000"

static bool nothing_is_armed(Bed *bed, void *opaque)
{
    uint64_t pages;
    bool watched;

    return inspect_armed(bed->guest, &pages, NULL) && pages == 0 &&
           inspect_watched(bed->guest, &watched, NULL) && !watched;
}

static void a_daemon_killed_while_it_moves_costs_the_guest_nothing(void)
{
    const int kdamonds = inspect_kdamonds();
    const uint64_t none = 0;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t visits, moved;
    int status;

    EXPECT_OK(bed_start(&bed, SLOWLY, BURST(16), 28, "fast-size=8M", &error), error);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, (void *)&none), "nothing was moved in %d s",
           MOVES_WITHIN_S);
    moved = bed_view(&bed).applied;
    EXPECT(bed_wait(&bed, 5, bed_has_moved, &moved), "it moved %" G_GUINT64_FORMAT " pages and no more",
           moved);
    EXPECT(!nothing_is_armed(&bed, NULL), "no page was armed: what is tested below could not fail");
    bed_daemon_end(&bed, SIGKILL);

    visits = inspect_visits(bed.guest);
    EXPECT(bed_wait(&bed, 5, nothing_is_armed, NULL),
           "pages are still armed 5 s after the daemon was killed");
    bed_sleep(2);
    EXPECT(inspect_visits(bed.guest) > visits, "the guest makes no visits after the daemon was killed");

    EXPECT_OK(bed_daemon(&bed, SLOWLY, &error), error);
    EXPECT_OK(daemon_wait_vm(bed.daemon, &error), error);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, (void *)&none), "the second daemon moves nothing");
    status = bed_daemon_end(&bed, SIGTERM);
    EXPECT(status == 0, "the second daemon ended with %d", status);
    EXPECT(nothing_is_armed(&bed, NULL), "the second daemon left pages armed when it was ended");
    EXPECT(inspect_kdamonds() == kdamonds, "%d kdamonds are left, %d were there before", inspect_kdamonds(),
           kdamonds);
    EXPECT_OK(inspect_integrity(bed.guest, 30, &error), error);
}

static void a_daemon_that_comes_late_is_welcome(void)
{
    const uint64_t none = 0;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_guest(&bed, "pattern=gups-hot", 28, "fast-size=8M", &error), error);
    EXPECT_OK(bed_daemon(&bed, CONFIG, &error), error);
    EXPECT_OK(daemon_wait_vm(bed.daemon, &error), error);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, (void *)&none), "nothing was moved in %d s",
           MOVES_WITHIN_S);
}

/* What a daemon holds that can leak. */
typedef struct Holdings {
    unsigned fds, threads;
    int kdamonds;
} Holdings;

static Holdings holdings(const Bed *bed)
{
    GPid pid = bed->daemon->process->pid;

    return (Holdings){inspect_entries(pid, "fd"), inspect_entries(pid, "task"), inspect_kdamonds()};
}

static bool disconnected_and_holds(Bed *bed, void *opaque)
{
    const Holdings *before = opaque, now = holdings(bed);

    return !bed_view(bed).connected && now.fds == before->fds && now.threads == before->threads &&
           now.kdamonds == before->kdamonds;
}

static void a_killed_qemu_leaves_nothing_in_the_daemon(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    Holdings before, with, after;

    EXPECT_OK(bed_daemon(&bed, CONFIG, &error), error);
    before = holdings(&bed);
    for (int round = 0; round < 2; round++) {
        EXPECT_OK(bed_guest(&bed, "pattern=gups-hot", 12, "fast-size=4M", &error), error);
        EXPECT_OK(daemon_wait_vm(bed.daemon, &error), error);
        with = holdings(&bed);
        EXPECT(
            with.fds > before.fds && with.kdamonds > before.kdamonds,
            "with a guest it has %u descriptors and %d kdamonds, without %u and %d: the test could not fail",
            with.fds, with.kdamonds, before.fds, before.kdamonds);
        g_clear_pointer(&bed.guest, guest_free); /* kills it */
        bed_wait(&bed, 8, disconnected_and_holds, &before);
        after = holdings(&bed);
        EXPECT(disconnected_and_holds(&bed, &before),
               "round %d: %s; descriptors %u, before %u; threads %u, before %u; kdamonds %d, before %d",
               round, bed_view(&bed).connected ? "still connected" : "disconnected", after.fds, before.fds,
               after.threads, before.threads, after.kdamonds, before.kdamonds);
    }
}

static bool node_was_full(Bed *bed, void *opaque)
{
    return bed_view(bed).full > 0;
}

/* What 'tierctl show' says contains @text. */
static bool is_shown(const Bed *bed, const char *text)
{
    g_autofree char *socket = g_build_filename(bed->folder, "control.sock", NULL), *output = NULL;
    char *argv[] = {(char *)"tierctl", (char *)"--socket", socket, (char *)"show", (char *)DAEMON_VM, NULL};

    return g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, NULL, NULL) &&
           strstr(output, text);
}

/*
 * Node @node is full when @backend's guest is to move there; once there is room, it moves. The kernel's
 * reserve is made as small as this host is, else the guest would find room in it; so are its lists of free pages
 * per CPU. They grow to 8 MiB, and count as neither free nor taken: what fills a node up to the last 2 MiB is
 * then killed for want of memory as soon as it is continued on another CPU.
 */
static void full_node(unsigned node, const char *backend, const char *fast_size)
{
    g_autofree char *arguments =
        g_strdup_printf("{\"id\": \"ram\", \"mode\": \"on\", \"fast-size\": %s}", fast_size);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) set = NULL;
    g_autoptr(Setting) reserve = setting_new("/proc/sys/vm/min_free_kbytes", "4096", NULL);
    g_autoptr(Setting) lists = setting_new("/proc/sys/vm/percpu_pagelist_high_fraction", "512", NULL);
    g_autoptr(Hog) hog = hog_new(node);
    g_auto(Bed) bed = {0};
    uint64_t moved;

    EXPECT(reserve && lists, "the kernel's reserve, or its lists of free pages, could not be changed");
    EXPECT_OK(bed_start(&bed, CONFIG, BURST(15), 28, backend, &error), error);
    EXPECT_OK(hog_hold(hog, 0, HOG_LEAVES, &error), error);
    set = qmp_call(bed.guest->qmp, "memory-tier-set", arguments, &error);
    EXPECT(set, "%s", error->message);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, node_was_full, NULL), "no page was counted as 'node full' in %d s",
           MOVES_WITHIN_S);
    EXPECT(is_shown(&bed, "node full"), "'tierctl show' does not tell that the node is full");
    g_clear_pointer(&hog, hog_free);
    hog = hog_new(node);
    moved = bed_view(&bed).applied;
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, &moved), "nothing moves now that there is room");
    EXPECT_OK(inspect_integrity(bed.guest, 40, &error), error);
}

static void a_full_fast_node_is_counted_and_shown(void)
{
    full_node(0, "placement=slow-first,fast-size=16M,mode=off", "16777216");
}

static void a_full_slow_node_is_counted_and_shown(void)
{
    full_node(1, "placement=fast-first,fast-size=36M,mode=off", "4194304");
}

static bool was_not_allowed(Bed *bed, void *opaque)
{
    return bed_view(bed).not_allowed > 0;
}

static void a_cpuset_that_forbids_the_fast_node_is_counted_and_named(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t moved;

    if (!cpuset_allow("1")) {
        g_test_skip("this kernel has no cpuset in cgroup v2");
        return;
    }
    EXPECT_OK(
        bed_start(&bed, CONFIG, "pattern=gups-hot", 28, "placement=slow-first,fast-size=8M,mode=off", &error),
        error);
    EXPECT_OK(cpuset_join(bed.guest->process->pid, &error), error);
    EXPECT_OK(daemon_set_mode(bed.daemon, "on", &error), error);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, was_not_allowed, NULL),
           "no page was counted as 'not allowed' in %d s", MOVES_WITHIN_S);
    EXPECT(bed_interference(&bed, "cpuset"), "'query-host' does not name the cpuset");
    EXPECT(is_shown(&bed, "not allowed"), "'tierctl show' does not tell that the node is not allowed");
    EXPECT(cpuset_allow("0-1"), "the cpuset could not be widened");
    moved = bed_view(&bed).applied;
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, &moved), "nothing moves now that it is allowed");
    EXPECT(!bed_interference(&bed, "cpuset"), "the cpuset is still named after it was widened");
}

static void a_second_qemu_on_a_socket_is_refused_and_the_first_is_not_disturbed(void)
{
    g_autofree char *second_pid = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) second = NULL;
    g_auto(Bed) bed = {0};
    VmView before, after;
    uint64_t visits;

    EXPECT_OK(bed_start(&bed, SLOWLY, "pattern=gups-hot", 28, "fast-size=8M", &error), error);
    before = bed_view(&bed);
    visits = inspect_visits(bed.guest);
    second = bed_other_guest(&bed, "second", "pattern=gups-hot", 4, "fast-size=2M", &error);
    EXPECT(second, "the second guest did not start: %s", error->message);
    second_pid = g_strdup_printf("process %d", second->process->pid);
    bed_sleep(2);
    EXPECT(bed_logged(&bed, "refused", second_pid), "the log does not tell why %s was refused", second_pid);
    EXPECT(process_check(second->process, &error), "the second guest does not run on: %s", error->message);
    after = bed_view(&bed);
    EXPECT(after.connected && after.pid == before.pid && after.pid == (uint64_t)bed.guest->process->pid,
           "the VM was of process %" G_GUINT64_FORMAT ", is %s of %" G_GUINT64_FORMAT, before.pid,
           after.connected ? "connected" : "disconnected", after.pid);
    EXPECT(bed_wait(&bed, MOVES_WITHIN_S, bed_has_moved, &before.applied),
           "the first guest's memory moves no more");
    EXPECT(inspect_visits(bed.guest) > visits, "the first guest makes no visits");
}

static void what_else_moves_memory_is_named(void)
{
    static const struct {
        const char *path, *value, *named;
    } settings[] = {
        {"/proc/sys/kernel/numa_balancing", "2", "numa_balancing is 2"},
        {"/sys/kernel/mm/numa/demotion_enabled", "1", "demotion is enabled"},
    };
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_daemon(&bed, CONFIG, &error), error);
    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
        Setting *setting;

        EXPECT(!bed_interference(&bed, settings[i].named), "'%s' is named before it is so",
               settings[i].named);
        setting = setting_new(settings[i].path, settings[i].value, &error);
        EXPECT(setting, "%s", error->message);
        if (!bed_interference(&bed, settings[i].named)) {
            g_test_fail_printf("'%s' is not named", settings[i].named);
        }
        setting_free(setting);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/" #name, name)
    ADD(a_daemon_killed_while_it_moves_costs_the_guest_nothing);
    ADD(a_daemon_that_comes_late_is_welcome);
    ADD(a_killed_qemu_leaves_nothing_in_the_daemon);
    ADD(a_full_fast_node_is_counted_and_shown);
    ADD(a_full_slow_node_is_counted_and_shown);
    ADD(a_cpuset_that_forbids_the_fast_node_is_counted_and_named);
    ADD(a_second_qemu_on_a_socket_is_refused_and_the_first_is_not_disturbed);
    ADD(what_else_moves_memory_is_named);
    return g_test_run();
}
