/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon, as a process of its own, with the current user's rights: this process plays QEMU, and
 * the operator. No NUMA, KVM or privilege is needed: with one tier the daemon observes.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon-process.h"
#include "fake-qemu.h"

#define RAM_BYTES (8 << 20)

static void a_vm_is_observed_and_its_residency_told(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    gint64 resident = 0;

    for (int i = 0; i < 100 && resident != RAM_BYTES; i++) {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");
        JsonObject *tier = json_array_get_object_element(json_object_get_array_member(vm, "tiers"), 0);
        JsonArray *regions = json_object_get_array_member(vm, "regions");

        g_assert_true(json_object_get_boolean_member(vm, "connected"));
        g_assert_cmpint(json_object_get_int_member(vm, "pid"), ==, getpid());
        g_assert_cmpstr(json_object_get_string_member(vm, "mode"), ==, "observe");
        g_assert_nonnull(strstr(json_object_get_string_member(vm, "state_reason"), "one tier"));
        g_assert_cmpint(json_object_get_int_member(vm, "fast_size"), ==, 8 << 20);
        g_assert_cmpuint(json_array_get_length(regions), ==, 1);
        g_assert_cmpint(json_object_get_int_member(json_array_get_object_element(regions, 0), "size"), ==,
                        RAM_BYTES);
        resident = json_object_get_int_member(tier, "resident_bytes");
        g_usleep(50000);
    }
    g_assert_cmpint(resident, ==, RAM_BYTES);
    close(sock);
    daemon_await_flag(f, "a", "connected", false);
    fake_ram_free(&ram);
}

static void stats_come_each_epoch_and_a_new_state_once(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    const TierMsgFreeze freeze = { 0 };
    unsigned stats = 0, states = 0;

    fake_qemu_send(sock, TIER_MSG_FREEZE, &freeze, sizeof(freeze), NULL, 0);
    while (stats < 5) {
        union {
            TierMsgStats stats;
            TierMsgState state;
        } msg = { 0 };

        if (fake_qemu_receive(sock, false, &msg, sizeof(msg)) == TIER_MSG_STATS) {
            stats++;
            g_assert_cmpuint(msg.stats.moves_asked, ==, 0);
            g_assert_cmpuint(msg.stats.hit_ppm, ==, TIER_PPM_UNKNOWN);      /* nothing is tracked here */
        } else {
            states++;
            g_assert_cmpuint(msg.state.state & TIER_STATE_FROZEN, !=, 0);
            g_assert_nonnull(strstr(msg.state.text, "live migration"));
        }
    }
    g_assert_cmpuint(states, ==, 1);
    close(sock);
    fake_ram_free(&ram);
}

static void what_the_operator_sets_reaches_qemu_and_what_qemu_sets_later_wins(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    TierMsgConfig config = { 0 };
    uint32_t request;
    g_autoptr(JsonObject) answer = daemon_ask(
        f->control,
        "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"fast-size\":4194304,\"weight\":7,\"mode\":\"off\"},\"id\":3}");
    JsonObject *vm = json_object_get_object_member(answer, "return");

    g_assert_cmpint(json_object_get_int_member(answer, "id"), ==, 3);
    g_assert_cmpint(json_object_get_int_member(vm, "fast_size"), ==, 4 << 20);
    g_assert_cmpint(json_object_get_int_member(vm, "weight"), ==, 7);
    g_assert_cmpstr(json_object_get_string_member(vm, "mode"), ==, "off");
    do {
        request = fake_qemu_receive(sock, false, &config, sizeof(config));
    } while (request != TIER_MSG_CONFIG);
    g_assert_cmpuint(config.fast_size, ==, 4 << 20);
    g_assert_cmpuint(config.fast_min, ==, 1 << 20);
    g_assert_cmpuint(config.weight, ==, 7);
    g_assert_cmpuint(config.mode, ==, TIER_MODE_OFF);

    config = fake_qemu_config();
    config.weight = 300;
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, NULL), ==, 0);
    {
        g_autoptr(JsonObject) now = daemon_query_vm(f, "a");

        g_assert_cmpint(json_object_get_int_member(now, "weight"), ==, 300);
        g_assert_cmpint(json_object_get_int_member(now, "fast_size"), ==, 8 << 20);
    }
    close(sock);
    fake_ram_free(&ram);
}

static void freezing_is_seen_and_ends(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    const TierMsgFreeze freeze = { .flags = TIER_FREEZE_DISARM }, thaw = { 0 };

    fake_qemu_send(sock, TIER_MSG_FREEZE, &freeze, sizeof(freeze), NULL, 0);
    g_assert_cmpuint(fake_qemu_status(sock, TIER_MSG_FREEZE, NULL), ==, 0);
    {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");
        JsonArray *state = json_object_get_array_member(vm, "state");
        bool frozen = false;

        for (guint i = 0; i < json_array_get_length(state); i++) {
            frozen = frozen || !strcmp(json_array_get_string_element(state, i), "frozen");
        }
        g_assert_true(frozen);
    }
    fake_qemu_send(sock, TIER_MSG_THAW, &thaw, sizeof(thaw), NULL, 0);
    g_assert_cmpuint(fake_qemu_status(sock, TIER_MSG_THAW, NULL), ==, 0);
    {
        g_autoptr(JsonObject) vm = daemon_query_vm(f, "a");

        g_assert_null(strstr(json_object_get_string_member(vm, "state_reason"), "pause"));
    }
    close(sock);
    fake_ram_free(&ram);
}

static void regions_that_are_not_the_peers_are_refused_and_the_vm_goes_on(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES), other = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    TierMsgRegionAdd region = fake_qemu_region(&ram);
    const TierMsgRegionDel del = { .id = 1 };
    char text[TIER_TEXT_LEN];
    unsigned fds;

    daemon_await_flag(f, "a", "connected", true);
    fds = daemon_fds(f);
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, &ram, text), ==, EEXIST);
    g_assert_nonnull(strstr(text, "there is a region 1 already"));
    region.id = 2;
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, &ram, text), ==, EEXIST);
    g_assert_nonnull(strstr(text, "overlaps"));
    region.hva = (uintptr_t)other.hva;
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, &ram, text), ==, EFAULT);
    g_assert_nonnull(strstr(text, "another file is mapped there"));
    g_assert_cmpuint(daemon_fds(f), ==, fds);
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, &other, text), ==, 0);

    fake_qemu_send(sock, TIER_MSG_REGION_DEL, &del, sizeof(del), NULL, 0);
    g_assert_cmpuint(fake_qemu_status(sock, TIER_MSG_REGION_DEL, text), ==, 0);
    fake_qemu_send(sock, TIER_MSG_REGION_DEL, &del, sizeof(del), NULL, 0);
    g_assert_cmpuint(fake_qemu_status(sock, TIER_MSG_REGION_DEL, text), ==, ENOENT);
    daemon_assert_log(f, "REGION_ADD refused");
    close(sock);
    fake_ram_free(&ram);
    fake_ram_free(&other);
}

static void a_vm_larger_than_allowed_is_refused(Daemon *f, gconstpointer data)
{
    FakeRam ram = { .size = 128 << 20 };
    const TierMsgConfig config = fake_qemu_config();
    const int sock = fake_qemu_connect(f->socket_a);
    char text[TIER_TEXT_LEN];
    TierMsgRegionAdd region;

    ram.memfd = memfd_create("big", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(ram.memfd, (off_t)ram.size), ==, 0);
    ram.hva = mmap(NULL, ram.size, PROT_READ | PROT_WRITE, MAP_SHARED, ram.memfd, 0);
    ram.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    region = fake_qemu_region(&ram);
    fake_qemu_hello(sock);
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, NULL), ==, 0);
    g_assert_cmpuint(fake_qemu_send_region(sock, &region, &ram, text), ==, E2BIG);
    g_assert_nonnull(strstr(text, "max-vm-size"));
    close(sock);
    fake_ram_free(&ram);
}

static void tiers_that_the_host_has_not_are_refused(Daemon *f, gconstpointer data)
{
    TierMsgConfig config = fake_qemu_config();
    const int sock = fake_qemu_connect(f->socket_a);
    char text[TIER_TEXT_LEN];

    fake_qemu_hello(sock);
    config.n_tiers = 2;
    config.tier_nodes[1][15] = 1ull << 63;
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, text), ==, EINVAL);
    g_assert_nonnull(strstr(text, "do not fit this host"));
    close(sock);
}

static void a_malformed_message_ends_only_its_connection(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const unsigned fds = daemon_fds(f);
    const int good = fake_qemu_backend(f->socket_a, &ram);
    const int bad = fake_qemu_connect(f->socket_b);
    uint8_t garbage[64];

    memset(garbage, 0xa5, sizeof(garbage));
    g_assert_cmpint(send(bad, garbage, sizeof(garbage), MSG_NOSIGNAL), ==, sizeof(garbage));
    fake_qemu_await_end(bad);
    daemon_assert_log(f, "VM 'b': the channel to process");
    daemon_assert_log(f, "malformed message: reserved bits are set in the header");
    daemon_await_flag(f, "b", "connected", false);
    daemon_await_flag(f, "a", "connected", true);
    close(bad);
    close(good);
    daemon_await_fds(f, fds);
    fake_ram_free(&ram);
}

static void descriptors_that_do_not_belong_are_closed(Daemon *f, gconstpointer data)
{
    const unsigned before = daemon_fds(f);
    const TierMsgHello hello = { .version = TIER_CHANNEL_VERSION };
    const int sock = fake_qemu_connect(f->socket_a);
    const int fds[] = { sock, sock, sock, sock, sock, sock };

    fake_qemu_send(sock, TIER_MSG_HELLO, &hello, sizeof(hello), fds, G_N_ELEMENTS(fds));
    fake_qemu_await_end(sock);
    close(sock);
    daemon_await_fds(f, before);
    daemon_assert_log(f, "malformed message");
}

static void a_second_process_is_refused(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    g_autofree char *expected = g_strdup_printf("process %d already has the socket of VM 'a'", (int)getpid());
    int status;
    pid_t pid;

    pid = fork();
    if (pid == 0) {
        const int second = fake_qemu_connect(f->socket_a);
        TierMsgStatus answer = { 0 };

        fake_qemu_receive(second, true, &answer, sizeof(answer));
        _exit(answer.error == EBUSY && strstr(answer.text, "already has the socket") ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    daemon_assert_log(f, expected);
    daemon_await_flag(f, "a", "connected", true);
    close(sock);
    fake_ram_free(&ram);
}

static void a_peer_that_never_reads_loses_its_connection_only(Daemon *f, gconstpointer data)
{
    const int sock = fake_qemu_connect(f->socket_a);
    const TierMsgConfig config = fake_qemu_config();
    struct { TierMsgHeader header; TierMsgConfig config; } message = {
        { TIER_MSG_CONFIG, TIER_CHANNEL_VERSION, sizeof(config), 0 }, config,
    };
    int sent = 0;

    fake_qemu_hello(sock);
    while (sent < 100000 && send(sock, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message)) {
        sent++;
    }
    g_assert_cmpint(sent, <, 100000);
    daemon_assert_log(f, "QEMU does not read what is sent to it");
    daemon_await_flag(f, "a", "connected", false);
    close(sock);
}

static void a_killed_qemu_leaves_nothing_behind(Daemon *f, gconstpointer data)
{
    const unsigned before = daemon_fds(f);
    int status;
    const pid_t pid = fork();

    if (pid == 0) {
        FakeRam ram = fake_ram_new(RAM_BYTES);

        fake_qemu_backend(f->socket_a, &ram);
        pause();
    }
    daemon_await_flag(f, "a", "connected", true);
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    daemon_await_flag(f, "a", "connected", false);
    daemon_await_fds(f, before);
}

static void a_daemon_that_was_killed_takes_its_sockets_back(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    int sock = fake_qemu_backend(f->socket_a, &ram);

    {
        g_autoptr(JsonObject) added = daemon_ask(f->control,
            "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"added\"}}");

        g_assert_true(json_object_has_member(added, "return"));
    }
    if (geteuid() == 0) {       /* others can't give sockets away */
        g_autoptr(JsonObject) given = daemon_ask(f->control,
            "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"given\",\"uid\":65534,\"gid\":65534}}");

        g_assert_true(json_object_has_member(given, "return"));
    }
    g_assert_cmpint(WTERMSIG(daemon_stop(f, SIGKILL)), ==, SIGKILL);
    fake_qemu_await_end(sock);
    close(sock);
    g_assert_true(g_file_test(f->socket_a, G_FILE_TEST_EXISTS));

    daemon_start(f);
    sock = fake_qemu_backend(f->socket_a, &ram);
    daemon_await_flag(f, "a", "connected", true);
    daemon_await_flag(f, "added", "connected", false);
    if (geteuid() == 0) {
        g_autofree char *path = g_build_filename(f->dir, "vm-given.sock", NULL);
        struct stat st;

        daemon_await_flag(f, "given", "connected", false);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, 65534);
    }
    close(sock);
    fake_ram_free(&ram);
}

static void the_end_removes_every_socket(Daemon *f, gconstpointer data)
{
    g_autofree char *control = g_build_filename(f->dir, "control.sock", NULL);
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);

    g_assert_cmpint(daemon_stop(f, SIGTERM), ==, 0);
    fake_qemu_await_end(sock);
    g_assert_false(g_file_test(f->socket_a, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(f->socket_b, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(control, G_FILE_TEST_EXISTS));
    close(sock);
    fake_ram_free(&ram);
}

static void vms_come_and_go_by_the_control_socket(Daemon *f, gconstpointer data)
{
    const unsigned before = daemon_fds(f);
    g_autoptr(JsonObject) answer = daemon_ask(f->control,
        "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"web 1\"}}");
    const char *path =
        json_object_get_string_member(json_object_get_object_member(answer, "return"), "socket");
    int sock;

    g_assert_true(g_str_has_prefix(path, f->dir));
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"web 1\"}}", "Exists",
                        "'web 1' already");
    sock = fake_qemu_connect(path);
    fake_qemu_hello(sock);
    {
        g_autoptr(JsonObject) deleted = daemon_ask(f->control,
            "{\"execute\":\"vm-del\",\"arguments\":{\"name\":\"web 1\"}}");

        g_assert_true(json_object_has_member(deleted, "return"));
    }
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    daemon_assert_error(f, "{\"execute\":\"query-vm\",\"arguments\":{\"name\":\"web 1\"}}", "NotFound",
                        "tierctl list");
    close(sock);
    daemon_await_fds(f, before);
}

static void wrong_requests_are_told_what_is_right(Daemon *f, gconstpointer data)
{
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"../x\"}}", "InvalidArgument",
                        "without '/'");
    daemon_assert_error(f, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"x\",\"uid\":4294967295}}",
                        "InvalidArgument", "uid");
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\"}}", "InvalidArgument",
                        "nothing to set");
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"mode\":\"fast\"}}",
                        "InvalidArgument", "on, observe, off");
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"weight\":0}}",
                        "InvalidArgument", "1 to 1000");
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"slowdown\":1.5}}",
                        "InvalidArgument", "'slowdown' must be a number from 0 to 1");
    daemon_assert_error(f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"slowdown\":\"5%\"}}",
                        "InvalidArgument", "'slowdown' must be a number from 0 to 1");
    daemon_assert_error(
        f, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"fast-size\":1,\"fast-min\":2}}",
        "InvalidArgument", "fast-min 2 would be larger than fast-size 1");
    daemon_assert_error(f, "{\"execute\":\"trace-start\",\"arguments\":{\"name\":\"a\",\"file\":\"/etc/x\"}}",
                        "InvalidArgument", "trace-dir");
    daemon_assert_error(f, "{\"execute\":\"trace-stop\",\"arguments\":{\"name\":\"a\"}}", "GenericError",
                        "no trace");
}

static void a_trace_is_recorded_where_traces_belong(Daemon *f, gconstpointer data)
{
    FakeRam ram = fake_ram_new(RAM_BYTES);
    const int sock = fake_qemu_backend(f->socket_a, &ram);
    g_autofree char *file = g_build_filename(f->dir, "traces", "t1", NULL);
    g_autofree char *up =
        g_strdup_printf("{\"execute\":\"trace-start\",\"arguments\":{\"name\":\"a\",\"file\":"
                        "\"%s/traces/../t1\"}}",
                        f->dir);
    g_autofree char *request =
        g_strdup_printf("{\"execute\":\"trace-start\",\"arguments\":{\"name\":\"a\",\"file\":"
                        "\"%s\"}}",
                        file);
    g_autoptr(JsonObject) started = daemon_ask(f->control, request);
    GStatBuf st;

    g_assert_true(json_object_has_member(started, "return"));
    daemon_assert_error(f, up, "InvalidArgument", "traces are made in");
    daemon_assert_error(f, request, "Exists", "cannot make the trace");
    g_usleep(400000);
    {
        g_autoptr(JsonObject) stopped = daemon_ask(f->control,
            "{\"execute\":\"trace-stop\",\"arguments\":{\"name\":\"a\"}}");
        JsonObject *result = json_object_get_object_member(stopped, "return");

        g_assert_cmpstr(json_object_get_string_member(result, "file"), ==, file);
        g_assert_cmpint(g_stat(file, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 0777, ==, 0600);
        g_assert_cmpint(json_object_get_int_member(result, "bytes"), ==, st.st_size);
        g_assert_cmpint(json_object_get_int_member(result, "records"), >, 0);
    }
    close(sock);
    fake_ram_free(&ram);
}

static void a_second_daemon_finds_the_place_taken(Daemon *f, gconstpointer data)
{
    const char *argv[] = {
        g_getenv("VHOST_TIER_DAEMON"), "--runtime-dir", f->dir, "--config", f->config, NULL};
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    int status;

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &text, &status, &err));
    g_assert_false(g_spawn_check_wait_status(status, NULL));
    g_assert_nonnull(strstr(text, "another process listens there already"));
    daemon_await_flag(f, "a", "connected", false);
}

/* The daemon ends at once here, as the VM's socket is taken; the directory was made before. */
static void a_runtime_directory_that_it_makes_lets_other_users_in(Daemon *f, gconstpointer data)
{
    g_autofree char *dir = g_build_filename(f->dir, "made", NULL);
    g_autofree char *vm = g_strdup_printf("--vm=name=a,socket=%s", f->socket_a);
    const char *argv[] = {
        g_getenv("VHOST_TIER_DAEMON"), "--runtime-dir", dir, "--config", f->config, vm, NULL};
    g_autofree char *text = NULL;
    struct stat st;

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "another process listens there already"));
    g_assert_cmpint(stat(dir, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0755);
}

#define ADD(func) g_test_add("/daemon/" #func, Daemon, NULL, daemon_set_up, func, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(a_vm_is_observed_and_its_residency_told);
    ADD(stats_come_each_epoch_and_a_new_state_once);
    ADD(what_the_operator_sets_reaches_qemu_and_what_qemu_sets_later_wins);
    ADD(freezing_is_seen_and_ends);
    ADD(regions_that_are_not_the_peers_are_refused_and_the_vm_goes_on);
    ADD(a_vm_larger_than_allowed_is_refused);
    ADD(tiers_that_the_host_has_not_are_refused);
    ADD(a_malformed_message_ends_only_its_connection);
    ADD(descriptors_that_do_not_belong_are_closed);
    ADD(a_second_process_is_refused);
    ADD(a_peer_that_never_reads_loses_its_connection_only);
    ADD(a_killed_qemu_leaves_nothing_behind);
    ADD(a_daemon_that_was_killed_takes_its_sockets_back);
    ADD(the_end_removes_every_socket);
    ADD(vms_come_and_go_by_the_control_socket);
    ADD(wrong_requests_are_told_what_is_right);
    ADD(a_trace_is_recorded_where_traces_belong);
    ADD(a_second_daemon_finds_the_place_taken);
    ADD(a_runtime_directory_that_it_makes_lets_other_users_in);
    return g_test_run();
}
