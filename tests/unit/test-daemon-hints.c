/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real daemon and its guests' hints: this process plays QEMU, its memory channel and its hint device, the guest's
 * driver, and the operator.
 */
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/fields.h"
#include "daemon-guest.h"

static void hints_come_to_the_policy_and_are_shown(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 8192), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_COLD, SPOT + 65536, 4096), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_WILLNEED, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_FREE, SPOT + 131072, 4096), ==, VIRTIO_TIER_S_OK);
    hints_await_ranges(d, "a", "hot", "taken", 1);
    hints_await_ranges(d, "a", "hot", "bytes", 8192);
    hints_await_ranges(d, "a", "cold", "taken", 1);
    hints_await_ranges(d, "a", "willneed", "taken", 1);
    hints_await_ranges(d, "a", "free", "taken", 1);
    hints_await_figure(d, "a", "free_bytes", 4096);
    hints_await_figure(d, "a", "devices", 1);
    guest_free(guest);
    hints_await_figure(d, "a", "devices", 0);
}

static void a_range_outside_of_memory_is_told_so(Daemon *d, gconstpointer data)
{
    static const uint64_t addresses[] = { 0, FAKE_GPA - 4096, FAKE_GPA + RAM_BYTES, FAKE_GPA + RAM_BYTES - 4096,
                                          ~0xfffull - 0x3000 };
    Guest *guest = guest_new(d, "a", d->socket_a);

    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
        const struct virtio_tier_range range = { addresses[i], 8192 };
        uint32_t status;
        struct virtio_tier_result result;

        g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_HOT, &range, 1, &status, 4), ==,
                         VIRTIO_TIER_S_OK);
        g_assert_cmpuint(status, ==, VIRTIO_TIER_S_NOT_RAM);
        g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_QUERY, &range, 1, &result, sizeof(result)), ==,
                         VIRTIO_TIER_S_OK);
        g_assert_cmpuint(result.status, ==, VIRTIO_TIER_S_NOT_RAM);
    }
    hints_await_ranges(d, "a", "hot", "not_there", G_N_ELEMENTS(addresses));
    hints_await_ranges(d, "a", "hot", "taken", 0);
    guest_free(guest);
}

static void pins_have_a_limit_and_end_with_reset(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 65536);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, FAKE_OWN_BYTES, 14 << 20), ==, VIRTIO_TIER_S_LIMIT);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_UNPIN, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 61440);
    g_assert_cmpuint(fake_frontend_get(guest->f, FAKE_RESET_DEVICE), ==, 0);
    hints_await_figure(d, "a", "pinned_bytes", 0);
    hints_await_ranges(d, "a", "pin", "over_limit", 1);
    guest_free(guest);
}

static void a_query_tells_where_memory_lies(Daemon *d, gconstpointer data)
{
    const struct virtio_tier_range asked[] = { { FAKE_GPA + SPOT, 65536 }, { FAKE_GPA, RAM_BYTES } };
    struct virtio_tier_result results[2];
    Guest *guest = guest_new(d, "a", d->socket_a);

    for (int i = 0; i < 100; i++) {
        g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_QUERY, asked, 2, results, sizeof(results[0])),
                         ==, VIRTIO_TIER_S_OK);
        if (results[1].tier_bytes[0] == RAM_BYTES) {
            break;
        }
        g_usleep(50000);
    }
    /* All of it was touched, and the fake QEMU has one tier. */
    g_assert_cmpuint(results[0].tier_bytes[0], ==, 65536);
    g_assert_cmpuint(results[1].tier_bytes[0], ==, RAM_BYTES);
    g_assert_cmpuint(results[1].other_bytes, ==, 0);
    guest_free(guest);
}

static void too_many_ranges_are_dropped_and_the_guest_is_told(Daemon *d, gconstpointer data)
{
    struct virtio_tier_range many[256];
    uint32_t statuses[256], dropped = 0;
    struct virtio_tier_event event;
    Guest *guest = guest_new(d, "a", d->socket_a);

    for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
        many[i] = (struct virtio_tier_range) { FAKE_GPA + SPOT + i * 4096, 4096 };
    }
    fake_frontend_give_event_buffer(guest->f);
    g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_HOT, many, 256, statuses, 4), ==, VIRTIO_TIER_S_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
        dropped += statuses[i] == VIRTIO_TIER_S_RATE;
    }
    g_assert_cmpuint(statuses[0], ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(dropped, >, 100);
    g_assert_cmpuint(dropped, <=, 156);
    g_assert_true(fake_frontend_await_event(guest->f, &event));
    while (event.type != VIRTIO_TIER_E_HINTS_IGNORED) {
        fake_frontend_give_event_buffer(guest->f);
        g_assert_true(fake_frontend_await_event(guest->f, &event));
    }
    g_assert_cmpuint(event.reason, ==, VIRTIO_TIER_R_RATE);
    g_assert_cmpuint(event.value, ==, dropped);
    hints_await_figure(d, "a", "dropped_rate", dropped);
    guest_free(guest);
}

static void hints_are_off_without_a_memory_channel(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_alone();

    guest_connect_hints(guest, d->socket_a);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OFF);
    /* And count from when there is one. */
    guest_connect_memory(guest, d, "a", d->socket_a);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    guest_free(guest);
}

static void the_operator_switches_hints_on_and_off(Daemon *d, gconstpointer data)
{
    static const char on[] =
        "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"hints\":\"on\",\"pin-limit\":4096}}";
    static const char off[] = "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"hints\":\"off\"}}";
    Guest *guest = guest_new(d, "a", d->socket_a);
    g_autoptr(JsonObject) first = NULL, second = NULL;
    TierMsgConfig config = fake_qemu_config();

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OFF);
    first = daemon_ask(d->control, on);
    g_assert_true(json_object_has_member(first, "return"));
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT + 4096, 4096), ==, VIRTIO_TIER_S_LIMIT);
    hints_await_figure(d, "a", "pin_limit", 4096);
    /* What QEMU sets anew undoes what the operator set of the same, and hints are not QEMU's to set. */
    g_assert_cmpuint(fake_qemu_send_config(guest->channel, &config, NULL), ==, 0);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    second = daemon_ask(d->control, off);
    g_assert_true(json_object_has_member(second, "return"));
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OFF);
    hints_await_figure(d, "a", "pinned_bytes", 0);
    daemon_assert_error(d, "{\"execute\":\"vm-set\",\"arguments\":{\"name\":\"a\",\"hints\":\"maybe\"}}",
                        "InvalidArgument", "none of on, off");
    guest_free(guest);
}

static void hints_of_another_process_do_not_count(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);
    g_autofree char *path = guest_hint_socket(d->socket_a);
    int status;
    pid_t pid;

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    pid = fork();
    if (pid == 0) {
        FakeFrontend *other = fake_frontend_new(fake_qemu_connect(path), &guest->ram);
        bool off;

        fake_frontend_start(other, FAKE_ALL_FEATURES);
        off = fake_frontend_hint(other, VIRTIO_TIER_T_HOT, SPOT, 4096) == VIRTIO_TIER_S_OFF;
        _exit(off && fake_frontend_get(other, FAKE_RESET_DEVICE) == 0 ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    hints_await_ranges(d, "a", "hot", "taken", 0);
    hints_await_ranges(d, "a", "hot", "off", 1);
    /* Nor does the reset of its device, after which that went. */
    hints_await_figure(d, "a", "devices", 1);
    g_assert_cmpuint(hints_figure(d, "a", "pinned_bytes"), ==, 65536);
    guest_free(guest);
}

static void a_guest_that_breaks_everything_harms_no_other(Daemon *d, gconstpointer data)
{
    Guest *good = guest_new(d, "b", d->socket_b);

    for (int i = 0; i < 20; i++) {
        Guest *bad = guest_alone();

        guest_connect_hints(bad, d->socket_a);
        switch (i % 4) {
        case 0:
            bad->f->queues[VIRTIO_TIER_Q_HINT].avail->idx = 9999;
            eventfd_write(bad->f->queues[VIRTIO_TIER_Q_HINT].kick, 1);
            g_assert_cmpint(fake_frontend_await(bad->f, VIRTIO_TIER_Q_HINT), ==, -1);
            break;
        case 1:
            fake_frontend_send(bad->f, 1000, 0, NULL, 0, NULL, 0);
            break;
        case 2:
            g_assert_cmpint(ftruncate(bad->ram.memfd, 0), ==, 0);
            eventfd_write(bad->f->queues[VIRTIO_TIER_Q_HINT].kick, 1);
            break;
        default:
            g_assert_cmpint(write(bad->f->sock, "garbage, garbage", 16), ==, 16);
            break;
        }
        g_assert_cmpuint(guest_hint(good, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
        guest_free(bad);
    }
    hints_await_ranges(d, "b", "hot", "taken", 20);
    hints_await_figure(d, "a", "devices", 0);
    guest_free(good);
}

static void devices_of_one_guest_share_what_they_pin(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);
    FakeFrontend *first = guest->f;

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT, 65536), ==, VIRTIO_TIER_S_OK);
    fake_frontend_stop_queue(first, VIRTIO_TIER_Q_HINT);
    fake_frontend_stop_queue(first, VIRTIO_TIER_Q_EVENT);
    guest_connect_hints(guest, d->socket_a);
    hints_await_figure(d, "a", "devices", 2);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_UNPIN, SPOT, 32768), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 32768);
    fake_frontend_free(first);
    hints_await_figure(d, "a", "devices", 1);
    g_assert_cmpuint(hints_figure(d, "a", "pinned_bytes"), ==, 32768);
    g_assert_cmpuint(fake_frontend_get(guest->f, FAKE_RESET_DEVICE), ==, 0);
    hints_await_figure(d, "a", "pinned_bytes", 0);
    guest_free(guest);
}

/* A range as large as all memory is taken once, and overdraws the limit. */
static void a_large_range_counts_as_several(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);
    unsigned taken = 0;

    for (int i = 0; i < 30; i++) {
        taken += guest_hint(guest, VIRTIO_TIER_T_COLD, 0, RAM_BYTES) == VIRTIO_TIER_S_OK;
    }
    /* 100 a second, and 16 each; the machine may be slow. */
    g_assert_cmpuint(taken, >=, 6);
    g_assert_cmpuint(taken, <=, 20);
    guest_free(guest);
}

/* What means no work costs one. */
static void a_range_that_is_not_there_counts_once_however_long_it_is(Daemon *d, gconstpointer data)
{
    const struct virtio_tier_range vast = { 0, UINT64_C(1) << 62 };
    Guest *guest = guest_alone();
    uint32_t status;

    guest_connect_hints(guest, d->socket_a);
    g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_HOT, &vast, 1, &status, 4), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(status, ==, VIRTIO_TIER_S_OFF);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OFF);
    guest_connect_memory(guest, d, "a", d->socket_a);
    g_assert_cmpuint(fake_frontend_request(guest->f, VIRTIO_TIER_T_HOT, &vast, 1, &status, 4), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(status, ==, VIRTIO_TIER_S_NOT_RAM);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    guest_free(guest);
}

static void a_query_counts_by_what_it_looks_at(Daemon *d, gconstpointer data)
{
    const struct virtio_tier_range asked = { FAKE_GPA, RAM_BYTES };
    Guest *guest = guest_new(d, "a", d->socket_a);
    struct virtio_tier_result result;
    unsigned taken = 0;

    for (int i = 0; i < 30; i++) {
        fake_frontend_request(guest->f, VIRTIO_TIER_T_QUERY, &asked, 1, &result, sizeof(result));
        taken += result.status == VIRTIO_TIER_S_OK;
    }
    g_assert_cmpuint(taken, >=, 6);
    g_assert_cmpuint(taken, <=, 20);
    guest_free(guest);
}

static void a_pin_that_is_refused_leaves_others_as_they_are(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_alone();
    const TierMsgConfig config = fake_qemu_config();
    TierMsgRegionAdd region = fake_qemu_region(&guest->ram);

    /* Two regions: the guest's RAM is one stretch for it, and two for the daemon. */
    guest->channel = fake_qemu_connect(d->socket_a);
    fake_qemu_hello(guest->channel);
    g_assert_cmpuint(fake_qemu_send_config(guest->channel, &config, NULL), ==, 0);
    for (region.size /= 2; region.id <= 2; region.id++) {
        g_assert_cmpuint(fake_qemu_send_region(guest->channel, &region, &guest->ram, NULL), ==, 0);
        region.hva += region.size;
        region.fd_offset += region.size;
    }
    guest_await_budget(d, "a");
    guest_connect_hints(guest, d->socket_a);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT - 65536, 65536), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 65536);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT - (1 << 20), 13 << 20), ==, VIRTIO_TIER_S_LIMIT);
    hints_await_ranges(d, "a", "pin", "over_limit", 1);
    g_assert_cmpuint(hints_figure(d, "a", "pinned_bytes"), ==, 65536);
    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_PIN, SPOT - 131072, 262144), ==, VIRTIO_TIER_S_OK);
    hints_await_figure(d, "a", "pinned_bytes", 262144);
    guest_free(guest);
}

static void qemu_is_told_the_figures(Daemon *d, gconstpointer data)
{
    Guest *guest = guest_new(d, "a", d->socket_a);
    TierMsgHints figures = { 0 };

    g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
    for (int i = 0; i < 1000 && figures.ranges[TIER_HINT_HOT][TIER_HINT_TAKEN] == 0; i++) {
        TierMsgHints msg;
        const uint32_t request = fake_qemu_receive(guest->channel, false, &msg, sizeof(msg));

        g_assert_cmpuint(request, !=, 0);
        figures = request == TIER_MSG_HINTS ? msg : figures;
    }
    g_assert_cmpuint(figures.ranges[TIER_HINT_HOT][TIER_HINT_TAKEN], ==, 1);
    g_assert_cmpuint(figures.bytes[TIER_HINT_HOT], ==, 4096);
    g_assert_cmpuint(figures.trust_ppm, <=, TIER_PPM_ONE);
    guest_free(guest);
}

static void a_vm_that_is_added_has_a_socket_for_hints(Daemon *d, gconstpointer data)
{
    g_autoptr(JsonObject) added = daemon_ask(d->control, "{\"execute\":\"vm-add\",\"arguments\":{\"name\":\"c\"}}");
    g_autofree char *socket = g_strdup(field_string(field_object(added, "return"), "hint_socket"));
    g_autofree char *expected = g_build_filename(d->dir, "vm-c.hint.sock", NULL);
    g_autoptr(JsonObject) removed = NULL;

    g_assert_cmpstr(socket, ==, expected);
    close(fake_qemu_connect(socket));
    removed = daemon_ask(d->control, "{\"execute\":\"vm-del\",\"arguments\":{\"name\":\"c\"}}");
    g_assert_true(json_object_has_member(removed, "return"));
    g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

static void no_descriptor_is_left_behind(Daemon *d, gconstpointer data)
{
    const unsigned before = daemon_fds(d);

    for (int i = 0; i < 5; i++) {
        Guest *guest = guest_new(d, "a", d->socket_a);

        g_assert_cmpuint(guest_hint(guest, VIRTIO_TIER_T_HOT, SPOT, 4096), ==, VIRTIO_TIER_S_OK);
        guest_free(guest);
    }
    daemon_await_fds(d, before);
}

#define ADD(name, config) g_test_add("/daemon-hints/" #name, Daemon, config, daemon_set_up, name, daemon_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD(hints_come_to_the_policy_and_are_shown, NO_LIMITS);
    ADD(a_range_outside_of_memory_is_told_so, NO_LIMITS);
    ADD(pins_have_a_limit_and_end_with_reset, NO_LIMITS);
    ADD(a_query_tells_where_memory_lies, NO_LIMITS);
    ADD(too_many_ranges_are_dropped_and_the_guest_is_told, FEW_RANGES);
    ADD(hints_are_off_without_a_memory_channel, NO_LIMITS);
    ADD(the_operator_switches_hints_on_and_off, HINTS_OFF);
    ADD(hints_of_another_process_do_not_count, NO_LIMITS);
    ADD(a_guest_that_breaks_everything_harms_no_other, NO_LIMITS);
    ADD(devices_of_one_guest_share_what_they_pin, NO_LIMITS);
    ADD(a_large_range_counts_as_several, FEW_RANGES);
    ADD(a_range_that_is_not_there_counts_once_however_long_it_is, NO_LIMITS);
    ADD(a_query_counts_by_what_it_looks_at, FEW_RANGES);
    ADD(a_pin_that_is_refused_leaves_others_as_they_are, NO_LIMITS);
    ADD(qemu_is_told_the_figures, NO_LIMITS);
    ADD(a_vm_that_is_added_has_a_socket_for_hints, NO_LIMITS);
    ADD(no_descriptor_is_left_behind, NO_LIMITS);
    return g_test_run();
}
