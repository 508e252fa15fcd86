/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hint device: what messages of vhost-user do, and requests, events and state on their way. What it makes of rings
 * that break the rules is in test-hint-queue.c.
 */
#include <glib.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hint-bed.h"
#include "rng.h"

#define NEW_ADDRESS 0x7000000000ull

static void each_range_of_a_request_is_answered(HintBed *bed, gconstpointer data)
{
    const struct virtio_tier_range ranges[] = {
        { FAKE_GPA, 4096 }, { FAKE_GPA + 4096, 8192 }, { FAKE_GPA + 1, 4096 }, { FAKE_GPA, 0 },
        { UINT64_MAX - 4095, 8192 },
    };
    uint32_t statuses[5];
    struct virtio_tier_result results[5];

    g_assert_cmpuint(fake_frontend_request(bed->frontend, VIRTIO_TIER_T_COLD, ranges, 5, statuses, 4), ==,
                     VIRTIO_TIER_S_OK);
    g_assert_cmpuint(bed->type, ==, VIRTIO_TIER_T_COLD);
    for (int i = 0; i < 5; i++) {
        g_assert_cmpuint(statuses[i], ==, i < 2 ? VIRTIO_TIER_S_OK : VIRTIO_TIER_S_INVAL);
    }
    g_assert_cmpuint(fake_frontend_request(bed->frontend, VIRTIO_TIER_T_QUERY, ranges, 5, results, sizeof(results[0])),
                     ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(results[1].tier_bytes[1], ==, 8192);
    g_assert_cmpuint(results[1].accesses_per_s, ==, 1);
    g_assert_cmpuint(results[2].status, ==, VIRTIO_TIER_S_INVAL);
}

static void the_most_ranges_fit_and_one_more_does_not(HintBed *bed, gconstpointer data)
{
    g_autofree struct virtio_tier_range *ranges = g_new0(struct virtio_tier_range, VIRTIO_TIER_MAX_RANGES + 1);
    g_autofree uint32_t *statuses = g_new0(uint32_t, VIRTIO_TIER_MAX_RANGES + 1);

    for (int i = 0; i <= VIRTIO_TIER_MAX_RANGES; i++) {
        ranges[i] = (struct virtio_tier_range) { FAKE_GPA, 4096 };
    }
    g_assert_cmpuint(fake_frontend_request(bed->frontend, VIRTIO_TIER_T_HOT, ranges, VIRTIO_TIER_MAX_RANGES, statuses,
                                           4), ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(bed->n_ranges, ==, VIRTIO_TIER_MAX_RANGES);
    g_assert_cmpuint(fake_frontend_request(bed->frontend, VIRTIO_TIER_T_HOT, ranges, VIRTIO_TIER_MAX_RANGES + 1,
                                           statuses, 4), ==, VIRTIO_TIER_S_INVAL);
    g_assert_cmpuint(bed->malformed, ==, 1);
}

static void a_type_needs_its_feature(HintBed *bed, gconstpointer data)
{
    static const uint16_t types[] = { VIRTIO_TIER_T_PIN, VIRTIO_TIER_T_UNPIN, VIRTIO_TIER_T_QUERY, 0, 99 };
    const struct virtio_tier_range range = { FAKE_GPA, 4096 };
    struct virtio_tier_result result;

    fake_frontend_start(bed->frontend, 1ull << 32 | 1ull << VHOST_USER_F_PROTOCOL_FEATURES);
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_assert_cmpuint(fake_frontend_request(bed->frontend, types[i], &range, 1, &result, sizeof(result)), ==,
                         VIRTIO_TIER_S_UNSUPP);
    }
    hint_bed_assert_works(bed);
}

static void many_requests_are_served_in_order(HintBed *bed, gconstpointer data)
{
    for (int i = 0; i < 3000; i++) {
        hint_bed_assert_works(bed);
    }
    g_assert_cmpuint(bed->requests, ==, 3000);
    g_assert_cmpuint(fake_frontend_stop_queue(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 3000);
}

static void a_device_that_works_hard_rests_for_as_long(HintBed *bed, gconstpointer data)
{
    const gint64 start_us = g_get_monotonic_time();

    bed->work_us = 2000;
    for (int i = 0; i < 50; i++) {
        hint_bed_assert_works(bed);
    }
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 2 * 49 * 2000 - 4000);
}

static void a_flood_of_what_is_ignored_gets_a_ninth_of_the_time(HintBed *bed, gconstpointer data)
{
    const gint64 start_us = g_get_monotonic_time();

    bed->work_us = 2000;
    bed->status = VIRTIO_TIER_S_UNTRUSTED;
    for (int i = 0; i < 20; i++) {
        g_assert_cmpuint(fake_frontend_hint(bed->frontend, VIRTIO_TIER_T_HOT, 0, 4096), ==, VIRTIO_TIER_S_UNTRUSTED);
    }
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 9 * 19 * 2000 - 4000);
}

static void a_queue_goes_on_where_it_was_stopped(HintBed *bed, gconstpointer data)
{
    uint16_t next;

    hint_bed_assert_works(bed);
    next = fake_frontend_stop_queue(bed->frontend, VIRTIO_TIER_Q_HINT);
    g_assert_cmpuint(next, ==, 1);
    fake_frontend_start_queue(bed->frontend, VIRTIO_TIER_Q_HINT, next);
    hint_bed_assert_works(bed);
    g_assert_cmpuint(bed->started, ==, 2);
    g_assert_cmpuint(bed->started_before, ==, 1);
    g_assert_cmpuint(bed->resets, ==, 0);
}

static void a_reset_is_told_and_stops_the_queues(HintBed *bed, gconstpointer data)
{
    const FakeDesc desc = { FAKE_BUFFERS, 16, 0 };

    hint_bed_assert_works(bed);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_RESET_DEVICE), ==, 0);
    g_assert_cmpuint(bed->resets, ==, 1);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, FAKE_SET_STATUS, 0), ==, 0);
    g_assert_cmpuint(bed->requests, ==, 1);
}

/* --- messages --- */

static void a_status_is_kept(HintBed *bed, gconstpointer data)
{
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, FAKE_SET_STATUS, 0xf), ==, 0);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_GET_STATUS), ==, 0xf);
}

static void the_configuration_can_be_read_in_part(HintBed *bed, gconstpointer data)
{
    static const uint32_t pieces[][2] = { { 0, 48 }, { 8, 8 }, { 40, 216 }, { 0, 0 } };
    struct virtio_tier_config config = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
        VhostUserConfig asked = { .offset = pieces[i][0], .size = pieces[i][1] }, answer;

        fake_frontend_send(bed->frontend, VHOST_USER_GET_CONFIG, 0, &asked, VHOST_USER_CONFIG_HDR_SIZE + asked.size,
                           NULL, 0);
        g_assert_cmpint(fake_frontend_receive(bed->frontend, VHOST_USER_GET_CONFIG, &answer, sizeof(answer)), ==,
                        (int)(VHOST_USER_CONFIG_HDR_SIZE + asked.size));
        if (asked.offset < sizeof(config)) {
            memcpy((uint8_t *)&config + asked.offset, answer.region, MIN(asked.size, sizeof(config) - asked.offset));
        }
    }
    g_assert_cmpuint(config.fast_budget, ==, HINT_BED_FAST_BUDGET);
    g_assert_cmpuint(config.granule, ==, HINT_BED_GRANULE);
    g_assert_cmpuint(config.n_tiers, ==, 2);
}

static void a_configuration_of_no_such_size_is_refused(HintBed *bed, gconstpointer data)
{
    static const uint32_t sizes[][3] = {
        { 0, 257, 256 }, { 250, 7, 7 }, { UINT32_MAX, 1, 1 }, { 0, 48, 47 }, { 0, 4, 8 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const VhostUserConfig asked = { .offset = sizes[i][0], .size = sizes[i][1] };
        const uint32_t bytes = VHOST_USER_CONFIG_HDR_SIZE + sizes[i][2];
        VhostUserConfig answer;

        fake_frontend_send(bed->frontend, VHOST_USER_GET_CONFIG, 0, &asked, bytes, NULL, 0);
        g_assert_cmpint(fake_frontend_receive(bed->frontend, VHOST_USER_GET_CONFIG, &answer, sizeof(answer)), ==, 0);
        g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_SET_CONFIG, &asked, bytes, NULL, 0), !=, 0);
    }
}

static void tell_config(HintBed *bed)
{
    g_assert_true(hint_device_config_changed(bed->device));
}

static void a_change_of_configuration_is_told(HintBed *bed, gconstpointer data)
{
    uint32_t header[3];

    hint_bed_call(bed, tell_config);
    g_assert_cmpint(recv(bed->frontend->backend, header, sizeof(header), MSG_WAITALL), ==, sizeof(header));
    g_assert_cmpuint(header[0], ==, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG);
    g_assert_cmpuint(header[2], ==, 0);
}

/* A message that is refused, and (where no answer is asked for) ends the connection. */
typedef struct BadMessage {
    const char *name;
    int request;
    uint32_t size;
    uint64_t payload[6];
    bool with_fd;                   /* of a file that is no eventfd and no memory */
} BadMessage;

#define STATE(index, num) ((uint64_t)(num) << 32 | (index))

static const BadMessage bad_messages[] = {
    {"unknown", 77, 8, { 0 }},
    {"none", VHOST_USER_NONE, 0, { 0 }},
    {"negative", -5, 0, { 0 }},
    {"postcopy", VHOST_USER_POSTCOPY_ADVISE, 0, { 0 }},
    {"inflight", VHOST_USER_GET_INFLIGHT_FD, 24, { 1ull << 40, 0, 0x0100ffff }},
    {"shared-object", VHOST_USER_GET_SHARED_OBJECT, 16, { 0 }},
    {"in-band-kick", VHOST_USER_VRING_KICK, 8, { STATE(0, 0) }},
    {"short", VHOST_USER_SET_FEATURES, 4, { 0 }},
    {"long", VHOST_USER_SET_FEATURES, 16, { 0 }},
    {"descriptor-too-many", VHOST_USER_SET_FEATURES, 8, { 1ull << 32 }, true},
    {"features-not-offered", VHOST_USER_SET_FEATURES, 8, { ~0ull }},
    {"features-of-old", VHOST_USER_SET_FEATURES, 8, { 0 }},
    {"protocol-features-not-offered", VHOST_USER_SET_PROTOCOL_FEATURES, 8, { ~0ull }},
    {"queue-of-no-length", VHOST_USER_SET_VRING_NUM, 8, { STATE(0, 0) }},
    {"queue-too-long", VHOST_USER_SET_VRING_NUM, 8, { STATE(0, 2048) }},
    {"queue-of-odd-length", VHOST_USER_SET_VRING_NUM, 8, { STATE(0, 100) }},
    {"queue-number", VHOST_USER_SET_VRING_NUM, 8, { STATE(2, 128) }},
    {"queue-number-of-base", VHOST_USER_SET_VRING_BASE, 8, { STATE(UINT32_MAX, 0) }},
    {"queue-number-of-enable", VHOST_USER_SET_VRING_ENABLE, 8, { STATE(2, 1) }},
    {"queue-number-of-kick", VHOST_USER_SET_VRING_KICK, 8, { 2 }, true},
    {"ring-outside", VHOST_USER_SET_VRING_ADDR, 40, { 0, NEW_ADDRESS, NEW_ADDRESS, NEW_ADDRESS, 0 }},
    {"kick-that-is-no-eventfd", VHOST_USER_SET_VRING_KICK, 8, { 0 }, true},
    {"call-that-is-no-eventfd", VHOST_USER_SET_VRING_CALL, 8, { 0 }, true},
    {"error-that-is-no-eventfd", VHOST_USER_SET_VRING_ERR, 8, { 0 }, true},
    {"no-kick", VHOST_USER_SET_VRING_KICK, 8, { VHOST_USER_VRING_NOFD_MASK }},
    {"log-that-is-no-memory", VHOST_USER_SET_LOG_BASE, 16, { 4096, 0 }, true},
    {"log-without-descriptor", VHOST_USER_SET_LOG_BASE, 16, { 4096, 0 }},
    {"table-of-nothing", VHOST_USER_SET_MEM_TABLE, 4, { 0 }},
    {"table-of-too-many", VHOST_USER_SET_MEM_TABLE, 40, { 9, 0x1000, 0x1000, 0x1000, 0 }, true},
    {"table-unaligned", VHOST_USER_SET_MEM_TABLE, 40, { 1, 0x1001, 0x1000, 0x1000, 0 }, true},
    {"table-that-lacks-entries", VHOST_USER_SET_MEM_TABLE, 8, { 1 }, true},
    {"memory-of-no-size", VHOST_USER_ADD_MEM_REG, 40, { 0, 0x1000, 0, NEW_ADDRESS, 0 }, true},
    {"memory-unaligned", VHOST_USER_ADD_MEM_REG, 40, { 0, 0x1001, 0x1000, NEW_ADDRESS, 0 }, true},
    {"memory-that-wraps", VHOST_USER_ADD_MEM_REG, 40, { 0, ~0xfffull, 0x2000, NEW_ADDRESS, 0 }, true},
    {"memory-that-wraps-in-qemu", VHOST_USER_ADD_MEM_REG, 40, { 0, 0x1000, 0x2000, ~0xfffull, 0 }, true},
    {"memory-that-overlaps", VHOST_USER_ADD_MEM_REG, 40, { 0, FAKE_GPA, 0x1000, NEW_ADDRESS, 0 }, true},
    {"memory-without-descriptor", VHOST_USER_ADD_MEM_REG, 40, { 0, 0x1000, 0x1000, NEW_ADDRESS, 0 }},
    {"memory-that-is-not-there", VHOST_USER_REM_MEM_REG, 40, { 0, 0x1000, 0x1000, NEW_ADDRESS, 0 }},
    {"state-of-no-pipe", FAKE_SET_DEVICE_STATE_FD, 8, { 0 }, true},
    {"state-in-no-direction", FAKE_SET_DEVICE_STATE_FD, 8, { 2 }, true},
    {"no-state", FAKE_CHECK_DEVICE_STATE, 0, { 0 }},
};

static void a_bad_message_is_refused_and_changes_nothing(HintBed *bed, gconstpointer data)
{
    const BadMessage *bad = data;
    const int fd = STDERR_FILENO;

    g_assert_cmpuint(fake_frontend_ask(bed->frontend, bad->request, bad->payload, bad->size, &fd, bad->with_fd), !=, 0);
    hint_bed_assert_works(bed);
}

static void a_bad_message_without_an_answer_ends_the_connection(HintBed *bed, gconstpointer data)
{
    const struct vhost_vring_state num = { 0, 3 };

    fake_frontend_send(bed->frontend, VHOST_USER_SET_VRING_NUM, 0, &num, sizeof(num), NULL, 0);
    hint_bed_assert_gone(bed);
    hint_bed_connect(bed);
    fake_frontend_start(bed->frontend, FAKE_ALL_FEATURES);
    hint_bed_assert_works(bed);
}

static void a_header_that_makes_no_sense_ends_the_connection(HintBed *bed, gconstpointer data)
{
    static const uint32_t headers[][3] = {
        { VHOST_USER_GET_FEATURES, 0, 0 }, { VHOST_USER_GET_FEATURES, 1 | VHOST_USER_REPLY_MASK, 0 },
        { VHOST_USER_SET_FEATURES, 1, 100000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
        g_assert_cmpint(send(bed->frontend->sock, headers[i], sizeof(headers[i]), MSG_NOSIGNAL), ==,
                        sizeof(headers[i]));
        hint_bed_assert_gone(bed);
        hint_bed_connect(bed);
    }
}

static void a_message_may_come_in_pieces(HintBed *bed, gconstpointer data)
{
    const uint32_t message[] = { FAKE_SET_STATUS, 1 | VHOST_USER_NEED_REPLY_MASK, 8, 7, 0 };
    uint64_t answer;

    for (size_t i = 0; i < sizeof(message); i++) {
        g_assert_cmpint(send(bed->frontend->sock, (const char *)message + i, 1, MSG_NOSIGNAL), ==, 1);
        g_usleep(200);
    }
    g_assert_cmpint(fake_frontend_receive(bed->frontend, FAKE_SET_STATUS, &answer, sizeof(answer)), ==, sizeof(answer));
    g_assert_cmpuint(answer, ==, 0);
}

static void a_peer_that_goes_in_the_middle_of_a_message_is_forgotten(HintBed *bed, gconstpointer data)
{
    const uint32_t header[] = { VHOST_USER_SET_FEATURES, 1, 8 };

    g_assert_cmpint(send(bed->frontend->sock, header, sizeof(header), MSG_NOSIGNAL), ==, sizeof(header));
    shutdown(bed->frontend->sock, SHUT_RDWR);
    hint_bed_assert_gone(bed);
}

static void a_peer_that_reads_no_answers_is_let_go(HintBed *bed, gconstpointer data)
{
    for (int i = 0; i < 100000 && !g_atomic_int_get(&bed->gone); i++) {
        const uint32_t header[] = { VHOST_USER_GET_FEATURES, 1, 0 };

        if (send(bed->frontend->sock, header, sizeof(header), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    hint_bed_assert_gone(bed);
}

static void random_messages_do_no_harm(HintBed *bed, gconstpointer data)
{
    const uint64_t interesting[] = { 0, 1, 2, 256, 4096, FAKE_GPA, (uintptr_t)bed->ram.hva, bed->ram.size, ~0ull,
                                     1ull << 32, 1ull << 30, 1ull << 63, 0xfffff000 };
    Rng rng = { 12345 };

    for (int i = 0; i < 5000; i++) {
        const int fds[] = { bed->ram.memfd, bed->frontend->queues[0].kick, STDERR_FILENO };
        uint64_t payload[33];
        const int request = (int)(rng_next(&rng) % 45);
        const uint32_t sizes[] = { 0, 8, 16, 40, 12, 60 };
        const uint32_t size = sizes[rng_next(&rng) % G_N_ELEMENTS(sizes)];

        if (g_atomic_int_get(&bed->gone)) {
            hint_bed_connect(bed);
        }
        for (size_t n = 0; n < G_N_ELEMENTS(payload); n++) {
            payload[n] = interesting[rng_next(&rng) % G_N_ELEMENTS(interesting)];
        }
        fake_frontend_send(bed->frontend, request, rng_next(&rng) % 4 ? VHOST_USER_NEED_REPLY_MASK : 0, payload, size,
                           &fds[rng_next(&rng) % 3], rng_next(&rng) % 2);
        if (i % 8 == 7) {
            char answers[4096];

            recv(bed->frontend->sock, answers, sizeof(answers), MSG_DONTWAIT);
        }
    }
    shutdown(bed->frontend->sock, SHUT_RDWR);
    hint_bed_assert_gone(bed);
    hint_bed_connect(bed);
    fake_frontend_start(bed->frontend, FAKE_ALL_FEATURES);
    hint_bed_assert_works(bed);
}

/* --- memory --- */

static void memory_that_comes_back_is_found_again(HintBed *bed, gconstpointer data)
{
    VhostUserMemRegMsg msg = { .region = fake_frontend_memory(bed->frontend).regions[0] };
    const FakeDesc desc = { FAKE_BUFFERS, 16, 0 };

    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_REM_MEM_REG, &msg, sizeof(msg), NULL, 0), ==, 0);
    g_assert_cmpuint(hint_device_memory(bed->device)->len, ==, 0);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, FAKE_SET_STATUS, 0), ==, 0);
    g_assert_cmpuint(bed->requests, ==, 0);
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_ADD_MEM_REG, &msg, sizeof(msg), &bed->ram.memfd, 1),
                     ==, 0);
    /* What was made available in the meantime is served now: a chain without room for an answer. */
    eventfd_write(bed->frontend->queues[VIRTIO_TIER_Q_HINT].kick, 1);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 0);
    hint_bed_assert_works(bed);
}

static void memory_that_can_not_be_mapped_is_remembered_all_the_same(HintBed *bed, gconstpointer data)
{
    const VhostUserMemRegMsg small = { .region = { 0x1000, 64 << 20, NEW_ADDRESS, 0 } };
    const VhostUserMemRegMsg file = { .region = { 0x10000000, 4096, NEW_ADDRESS + (64 << 20), 0 } };
    g_autofree char *path = NULL;
    const int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_ADD_MEM_REG, &small, sizeof(small), &bed->ram.memfd,
                                       1), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_ADD_MEM_REG, &file, sizeof(file), &fd, 1), ==, 0);
    g_assert_cmpuint(hint_device_memory(bed->device)->len, ==, 3);
    hint_bed_assert_works(bed);
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_REM_MEM_REG, &small, sizeof(small), NULL, 0), ==, 0);
    hint_bed_assert_works(bed);
    close(fd);
    unlink(path);
}

static void memory_that_goes_away_ends_the_connection_alone(HintBed *bed, gconstpointer data)
{
    const FakeDesc descs[] = { { FAKE_BUFFERS, 32, 0 }, { bed->ram.size - 4096, 64, VRING_DESC_F_WRITE } };

    hint_bed_assert_works(bed);
    /* The rings stay, where an answer goes does not. */
    g_assert_cmpint(ftruncate(bed->ram.memfd, (off_t)bed->ram.size - 8192), ==, 0);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, descs, 2);
    hint_bed_assert_gone(bed);
    g_assert_cmpint(ftruncate(bed->ram.memfd, (off_t)bed->ram.size), ==, 0);
    hint_bed_connect(bed);
    fake_frontend_start(bed->frontend, FAKE_ALL_FEATURES);
    hint_bed_assert_works(bed);
}

static bool logged(const uint8_t *log, uint64_t gpa)
{
    return log[gpa / 4096 / 8] & 1u << gpa / 4096 % 8;
}

static void pages_that_are_written_are_logged_where_that_is_asked_for(HintBed *bed, gconstpointer data)
{
    const uint64_t end = FAKE_GPA + bed->ram.size;
    const VhostUserLog log = { .mmap_size = (end / 4096 / 8 + 4096) & ~UINT64_C(4095) };
    const int fd = memfd_create("log", MFD_CLOEXEC);
    struct vhost_vring_addr addr = fake_frontend_addr(bed->frontend, VIRTIO_TIER_Q_HINT);
    uint64_t answer;
    uint8_t *bits;

    g_assert_cmpint(ftruncate(fd, (off_t)log.mmap_size), ==, 0);
    bits = mmap(NULL, log.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    fake_frontend_send(bed->frontend, VHOST_USER_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1);
    g_assert_cmpint(fake_frontend_receive(bed->frontend, VHOST_USER_SET_LOG_BASE, &answer, sizeof(answer)), ==, 8);
    g_assert_cmpuint(answer, ==, 0);
    hint_bed_assert_works(bed);
    g_assert_false(logged(bits, addr.log_guest_addr));
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, VHOST_USER_SET_FEATURES,
                                           FAKE_ALL_FEATURES | 1ull << VHOST_F_LOG_ALL), ==, 0);
    addr.flags = 1u << VHOST_VRING_F_LOG;
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), ==, 0);
    hint_bed_assert_works(bed);
    g_assert_true(logged(bits, addr.log_guest_addr));
    g_assert_true(logged(bits, FAKE_GPA + FAKE_BUFFERS + 0x10000));
    g_assert_false(logged(bits, FAKE_GPA + FAKE_BUFFERS));
    g_assert_false(logged(bits, end - 4096));
    munmap(bits, log.mmap_size);
    close(fd);
}

static void a_log_that_is_too_small_is_written_as_far_as_it_goes(HintBed *bed, gconstpointer data)
{
    const VhostUserLog log = { .mmap_size = 4096 };
    const int fd = memfd_create("log", MFD_CLOEXEC);
    uint64_t answer;

    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    fake_frontend_send(bed->frontend, VHOST_USER_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1);
    fake_frontend_receive(bed->frontend, VHOST_USER_SET_LOG_BASE, &answer, sizeof(answer));
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, VHOST_USER_SET_FEATURES,
                                           FAKE_ALL_FEATURES | 1ull << VHOST_F_LOG_ALL), ==, 0);
    hint_bed_assert_works(bed);
    close(fd);
}

/* --- events --- */

static void send_three(HintBed *bed)
{
    hint_device_event(bed->device, VIRTIO_TIER_E_BUDGET, VIRTIO_TIER_R_NONE, 1);
    hint_device_event(bed->device, VIRTIO_TIER_E_BUDGET, VIRTIO_TIER_R_NONE, 2);
    hint_device_event(bed->device, VIRTIO_TIER_E_HINTS_IGNORED, VIRTIO_TIER_R_RATE, 10);
    hint_device_event(bed->device, VIRTIO_TIER_E_HINTS_IGNORED, VIRTIO_TIER_R_RATE, 20);
}

static void events_wait_for_a_buffer_and_the_last_of_a_kind_counts(HintBed *bed, gconstpointer data)
{
    struct virtio_tier_event event;

    hint_bed_call(bed, send_three);
    fake_frontend_give_event_buffer(bed->frontend);
    g_assert_true(fake_frontend_await_event(bed->frontend, &event));
    g_assert_cmpuint(event.type, ==, VIRTIO_TIER_E_BUDGET);
    g_assert_cmpuint(event.value, ==, 2);
    g_assert_cmpuint(event.lost, ==, 2);
    fake_frontend_give_event_buffer(bed->frontend);
    g_assert_true(fake_frontend_await_event(bed->frontend, &event));
    g_assert_cmpuint(event.type, ==, VIRTIO_TIER_E_HINTS_IGNORED);
    g_assert_cmpuint(event.reason, ==, VIRTIO_TIER_R_RATE);
    g_assert_cmpuint(event.value, ==, 30);
    g_assert_cmpuint(event.lost, ==, 0);
}

static void a_buffer_too_small_for_an_event_comes_back_empty(HintBed *bed, gconstpointer data)
{
    const FakeDesc desc = { FAKE_BUFFERS, 8, VRING_DESC_F_WRITE };
    struct virtio_tier_event event;

    hint_bed_call(bed, send_three);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_EVENT, 0, &desc, 1);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_EVENT), ==, 0);
    fake_frontend_give_event_buffer(bed->frontend);
    g_assert_true(fake_frontend_await_event(bed->frontend, &event));
}

static void no_event_survives_a_reset(HintBed *bed, gconstpointer data)
{
    hint_bed_call(bed, send_three);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_RESET_DEVICE), ==, 0);
    fake_frontend_start_queue(bed->frontend, VIRTIO_TIER_Q_EVENT, 0);
    fake_frontend_give_event_buffer(bed->frontend);
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, FAKE_SET_STATUS, 0), ==, 0);
    g_assert_cmpuint(bed->frontend->queues[VIRTIO_TIER_Q_EVENT].used->idx, ==, 0);
}

/* --- state --- */

static uint64_t transfer_begin(HintBed *bed, uint32_t direction, int fd)
{
    const uint32_t payload[] = { direction, 0 };

    return fake_frontend_ask(bed->frontend, FAKE_SET_DEVICE_STATE_FD, payload, sizeof(payload), &fd, 1);
}

static void the_state_goes_out_through_a_pipe(HintBed *bed, gconstpointer data)
{
    char bytes[100];
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    g_assert_cmpuint(transfer_begin(bed, 0, fds[1]), ==, VHOST_USER_VRING_NOFD_MASK);
    close(fds[1]);
    g_assert_cmpint(read(fds[0], bytes, sizeof(bytes)), ==, strlen(HINT_BED_STATE));
    g_assert_cmpint(read(fds[0], bytes, sizeof(bytes)), ==, 0);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_CHECK_DEVICE_STATE), ==, 0);
    close(fds[0]);
}

static void the_state_comes_in_through_a_pipe(HintBed *bed, gconstpointer data)
{
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    g_assert_cmpuint(transfer_begin(bed, 1, fds[0]), ==, VHOST_USER_VRING_NOFD_MASK);
    close(fds[0]);
    for (int i = 0; i < 1000; i++) {
        g_assert_cmpint(write(fds[1], "0123456789abcdef", 16), ==, 16);
    }
    close(fds[1]);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_CHECK_DEVICE_STATE), ==, 0);
    g_assert_cmpuint(bed->loaded->len, ==, 16000);
}

static void a_state_that_has_no_end_or_no_beginning_is_refused(HintBed *bed, gconstpointer data)
{
    int fds[2];

    /* QEMU's end is still open. */
    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    transfer_begin(bed, 1, fds[0]);
    g_assert_cmpint(write(fds[1], "0123", 4), ==, 4);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_CHECK_DEVICE_STATE), !=, 0);
    close(fds[0]);
    close(fds[1]);
    /* Nothing was written. */
    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    transfer_begin(bed, 1, fds[0]);
    close(fds[0]);
    close(fds[1]);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_CHECK_DEVICE_STATE), !=, 0);
    g_assert_cmpuint(bed->loaded->len, ==, 0);
}

static void a_state_of_more_than_a_mebibyte_is_refused(HintBed *bed, gconstpointer data)
{
    g_autofree char *piece = g_malloc0(65536);
    int fds[2];

    g_assert_true(g_unix_open_pipe(fds, FD_CLOEXEC, NULL));
    transfer_begin(bed, 1, fds[0]);
    close(fds[0]);
    for (int i = 0; i < 32; i++) {
        if (write(fds[1], piece, 65536) < 0) {
            break;
        }
    }
    close(fds[1]);
    g_assert_cmpuint(fake_frontend_get(bed->frontend, FAKE_CHECK_DEVICE_STATE), !=, 0);
    hint_bed_assert_works(bed);
}

#define ADD(name, set_up) g_test_add("/hint-device/" #name, HintBed, NULL, set_up, name, hint_bed_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD(each_range_of_a_request_is_answered, hint_bed_set_up_started);
    ADD(the_most_ranges_fit_and_one_more_does_not, hint_bed_set_up_started);
    ADD(a_type_needs_its_feature, hint_bed_set_up);
    ADD(many_requests_are_served_in_order, hint_bed_set_up_started);
    ADD(a_device_that_works_hard_rests_for_as_long, hint_bed_set_up_started);
    ADD(a_flood_of_what_is_ignored_gets_a_ninth_of_the_time, hint_bed_set_up_started);
    ADD(a_queue_goes_on_where_it_was_stopped, hint_bed_set_up_started);
    ADD(a_reset_is_told_and_stops_the_queues, hint_bed_set_up_started);
    ADD(a_status_is_kept, hint_bed_set_up);
    ADD(the_configuration_can_be_read_in_part, hint_bed_set_up);
    ADD(a_configuration_of_no_such_size_is_refused, hint_bed_set_up);
    ADD(a_change_of_configuration_is_told, hint_bed_set_up_started);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_messages); i++) {
        g_autofree char *path =
            g_strdup_printf("/hint-device/a_bad_message_is_refused_and_changes_nothing/%s", bad_messages[i].name);

        g_test_add(path, HintBed, &bad_messages[i], hint_bed_set_up_started,
                   a_bad_message_is_refused_and_changes_nothing,
                   hint_bed_tear_down);
    }
    ADD(a_bad_message_without_an_answer_ends_the_connection, hint_bed_set_up_started);
    ADD(a_header_that_makes_no_sense_ends_the_connection, hint_bed_set_up);
    ADD(a_message_may_come_in_pieces, hint_bed_set_up);
    ADD(a_peer_that_goes_in_the_middle_of_a_message_is_forgotten, hint_bed_set_up);
    ADD(a_peer_that_reads_no_answers_is_let_go, hint_bed_set_up);
    ADD(random_messages_do_no_harm, hint_bed_set_up);
    ADD(memory_that_comes_back_is_found_again, hint_bed_set_up_started);
    ADD(memory_that_can_not_be_mapped_is_remembered_all_the_same, hint_bed_set_up_started);
    ADD(memory_that_goes_away_ends_the_connection_alone, hint_bed_set_up_started);
    ADD(pages_that_are_written_are_logged_where_that_is_asked_for, hint_bed_set_up_started);
    ADD(a_log_that_is_too_small_is_written_as_far_as_it_goes, hint_bed_set_up_started);
    ADD(events_wait_for_a_buffer_and_the_last_of_a_kind_counts, hint_bed_set_up_started);
    ADD(a_buffer_too_small_for_an_event_comes_back_empty, hint_bed_set_up_started);
    ADD(no_event_survives_a_reset, hint_bed_set_up_started);
    ADD(the_state_goes_out_through_a_pipe, hint_bed_set_up);
    ADD(the_state_comes_in_through_a_pipe, hint_bed_set_up);
    ADD(a_state_that_has_no_end_or_no_beginning_is_refused, hint_bed_set_up);
    ADD(a_state_of_more_than_a_mebibyte_is_refused, hint_bed_set_up_started);
    return g_test_run();
}
