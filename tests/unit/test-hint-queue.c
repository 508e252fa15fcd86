/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queues of the hint device that break the rules: the queue is told to be broken and served no more until it is started
 * anew; the connection, and the other queue, go on.
 */
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hint-bed.h"

static FakeQueue *hints(HintBed *bed)
{
    return &bed->frontend->queues[VIRTIO_TIER_Q_HINT];
}

/* Make the chain that begins with descriptor @head available. */
static void make_available(FakeQueue *queue, uint16_t head)
{
    queue->avail->ring[queue->avail->idx % FAKE_QUEUE_SIZE] = head;
    __atomic_store_n(&queue->avail->idx, (uint16_t)(queue->avail->idx + 1), __ATOMIC_SEQ_CST);
    eventfd_write(queue->kick, 1);
}

static void index_far_ahead(HintBed *bed)
{
    hints(bed)->avail->idx = FAKE_QUEUE_SIZE + 1;
    eventfd_write(hints(bed)->kick, 1);
}

static void index_behind(HintBed *bed)
{
    hints(bed)->avail->idx = UINT16_MAX;
    eventfd_write(hints(bed)->kick, 1);
}

static void head_outside(HintBed *bed)
{
    make_available(hints(bed), FAKE_QUEUE_SIZE);
}

static void next_outside(HintBed *bed)
{
    hints(bed)->desc[0] = (struct vring_desc) { FAKE_GPA + FAKE_BUFFERS, 16, VRING_DESC_F_NEXT, FAKE_QUEUE_SIZE };
    make_available(hints(bed), 0);
}

static void loop(HintBed *bed)
{
    for (uint16_t i = 0; i < FAKE_QUEUE_SIZE; i++) {
        hints(bed)->desc[i] = (struct vring_desc) { FAKE_GPA + FAKE_BUFFERS, 16, VRING_DESC_F_NEXT,
                                                    (uint16_t)((i + 1) % FAKE_QUEUE_SIZE) };
    }
    make_available(hints(bed), 0);
}

static void write_before_read(HintBed *bed)
{
    const FakeDesc descs[] = { { FAKE_BUFFERS, 64, VRING_DESC_F_WRITE }, { FAKE_BUFFERS + 4096, 32, 0 } };

    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, descs, 2);
}

static void of_no_length(HintBed *bed)
{
    const FakeDesc desc = { FAKE_BUFFERS, 0, 0 };

    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
}

static void outside_memory(HintBed *bed)
{
    const FakeDesc desc = { bed->ram.size, 4096, 0 };

    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
}

static void beyond_the_end_of_memory(HintBed *bed)
{
    const FakeDesc desc = { bed->ram.size - 4096, 8192, 0 };

    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
}

static void address_that_wraps(HintBed *bed)
{
    hints(bed)->desc[0] = (struct vring_desc) { UINT64_MAX - 15, 4096, 0, 0 };
    make_available(hints(bed), 0);
}

/* A table of @n descriptors, of @bytes bytes as its descriptor says; each leads to the next, the last to the first. */
static void indirect(HintBed *bed, uint32_t n, uint32_t bytes)
{
    struct vring_desc *table = (struct vring_desc *)((uint8_t *)bed->ram.hva + FAKE_BUFFERS);
    const FakeDesc desc = { FAKE_BUFFERS, bytes, VRING_DESC_F_INDIRECT };

    for (uint32_t i = 0; i < n; i++) {
        table[i] = (struct vring_desc) { FAKE_GPA + FAKE_BUFFERS + 0x10000, 16, VRING_DESC_F_NEXT,
                                         (uint16_t)((i + 1) % n) };
    }
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
}

static void indirect_loop(HintBed *bed)
{
    indirect(bed, 4, 4 * sizeof(struct vring_desc));
}

static void indirect_of_odd_length(HintBed *bed)
{
    indirect(bed, 4, 4 * sizeof(struct vring_desc) - 1);
}

static void indirect_of_no_length(HintBed *bed)
{
    indirect(bed, 1, 0);
}

static void indirect_without_end(HintBed *bed)
{
    indirect(bed, 16, 0xfffffff0);
}

typedef struct BadRing {
    const char *name;
    void (*make)(HintBed *bed);
} BadRing;

static const BadRing bad_rings[] = {
    {"index-far-ahead", index_far_ahead},
    {"index-behind", index_behind},
    {"head-outside", head_outside},
    {"next-outside", next_outside},
    {"loop", loop},
    {"write-before-read", write_before_read},
    {"of-no-length", of_no_length},
    {"outside-memory", outside_memory},
    {"beyond-the-end-of-memory", beyond_the_end_of_memory},
    {"address-that-wraps", address_that_wraps},
    {"indirect-loop", indirect_loop},
    {"indirect-of-odd-length", indirect_of_odd_length},
    {"indirect-of-no-length", indirect_of_no_length},
    {"indirect-without-end", indirect_without_end},
};

static void event(HintBed *bed)
{
    hint_device_event(bed->device, VIRTIO_TIER_E_BUDGET, VIRTIO_TIER_R_NONE, 1);
}

static void a_broken_queue_is_told_and_can_be_started_anew(HintBed *bed, gconstpointer data)
{
    struct pollfd broken = { hints(bed)->err, POLLIN, 0 };
    struct virtio_tier_event sent;
    eventfd_t count;

    ((const BadRing *)data)->make(bed);
    g_assert_cmpint(poll(&broken, 1, 5000), ==, 1);
    eventfd_read(broken.fd, &count);
    g_assert_cmpuint(bed->requests, ==, 0);
    /* It is told once, and not served by another kick. */
    eventfd_write(hints(bed)->kick, 1);
    g_assert_cmpint(poll(&broken, 1, 50), ==, 0);
    hint_bed_call(bed, event);
    fake_frontend_give_event_buffer(bed->frontend);
    g_assert_true(fake_frontend_await_event(bed->frontend, &sent));

    fake_frontend_stop_queue(bed->frontend, VIRTIO_TIER_Q_HINT);
    hints(bed)->avail->idx = hints(bed)->used->idx;
    fake_frontend_start_queue(bed->frontend, VIRTIO_TIER_Q_HINT, hints(bed)->used->idx);
    hint_bed_assert_works(bed);
}

/* --- chains that are allowed, or that their request makes up for --- */

static void a_chain_may_be_of_many_parts(HintBed *bed, gconstpointer data)
{
    const struct virtio_tier_req request = { .type = VIRTIO_TIER_T_HOT, .n_ranges = 1, .cookie = 5 };
    const struct virtio_tier_range range = { FAKE_GPA, 4096 };
    uint8_t *bytes = (uint8_t *)bed->ram.hva + FAKE_BUFFERS;
    struct virtio_tier_resp response;
    FakeDesc descs[32 + 20];

    memcpy(bytes, &request, sizeof(request));
    memcpy(bytes + sizeof(request), &range, sizeof(range));
    for (size_t i = 0; i < 32; i++) {
        descs[i] = (FakeDesc) { FAKE_BUFFERS + i, 1, 0 };
    }
    for (size_t i = 0; i < 20; i++) {
        descs[32 + i] = (FakeDesc) { FAKE_BUFFERS + 4096 + i, 1, VRING_DESC_F_WRITE };
    }
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, descs, G_N_ELEMENTS(descs));
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 20);
    memcpy(&response, bytes + 4096, sizeof(response));
    g_assert_cmpuint(response.status, ==, VIRTIO_TIER_S_OK);
    g_assert_cmpuint(response.cookie, ==, 5);
}

static void a_chain_may_be_indirect(HintBed *bed, gconstpointer data)
{
    const struct virtio_tier_req request = { .type = VIRTIO_TIER_T_HOT, .n_ranges = 1 };
    const struct virtio_tier_range range = { FAKE_GPA, 4096 };
    uint8_t *bytes = (uint8_t *)bed->ram.hva + FAKE_BUFFERS;
    struct vring_desc *table = (struct vring_desc *)(bytes + 8192);
    const FakeDesc desc = { FAKE_BUFFERS + 8192, 2 * sizeof(*table), VRING_DESC_F_INDIRECT };

    memcpy(bytes, &request, sizeof(request));
    memcpy(bytes + sizeof(request), &range, sizeof(range));
    table[0] = (struct vring_desc) { FAKE_GPA + FAKE_BUFFERS, 32, VRING_DESC_F_NEXT, 1 };
    table[1] = (struct vring_desc) { FAKE_GPA + FAKE_BUFFERS + 4096, 20, VRING_DESC_F_WRITE, 0 };
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 7, &desc, 1);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 20);
    g_assert_cmpuint(bed->malformed, ==, 0);
}

static void a_chain_without_room_for_an_answer_comes_back_empty(HintBed *bed, gconstpointer data)
{
    const FakeDesc descs[] = { { FAKE_BUFFERS, 32, 0 }, { FAKE_BUFFERS + 4096, 15, VRING_DESC_F_WRITE } };

    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, descs, 2);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 0);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, descs, 1);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 0);
    g_assert_cmpuint(bed->malformed, ==, 2);
    hint_bed_assert_works(bed);
}

static void a_queue_that_is_disabled_waits(HintBed *bed, gconstpointer data)
{
    struct vhost_vring_state enable = { VIRTIO_TIER_Q_HINT, 0 };
    const FakeDesc desc = { FAKE_BUFFERS, 16, 0 };

    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_SET_VRING_ENABLE, &enable, sizeof(enable), NULL, 0),
                     ==, 0);
    fake_frontend_chain(bed->frontend, VIRTIO_TIER_Q_HINT, 0, &desc, 1);
    g_assert_cmpuint(fake_frontend_ask_u64(bed->frontend, FAKE_SET_STATUS, 0), ==, 0);
    g_assert_cmpuint(bed->requests, ==, 0);
    enable.num = 1;
    g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_SET_VRING_ENABLE, &enable, sizeof(enable), NULL, 0),
                     ==, 0);
    g_assert_cmpint(fake_frontend_await(bed->frontend, VIRTIO_TIER_Q_HINT), ==, 0);
}

static void rings_must_lie_in_memory_in_whole(HintBed *bed, gconstpointer data)
{
    const uint64_t ram = (uintptr_t)bed->ram.hva, end = ram + bed->ram.size;
    const struct vhost_vring_addr good = fake_frontend_addr(bed->frontend, VIRTIO_TIER_Q_HINT);

    for (int i = 0; i < 6; i++) {
        struct vhost_vring_addr addr = good;

        /* An end that is a little too near, and a beginning that is not aligned. */
        switch (i) {
        case 0: addr.desc_user_addr = end - FAKE_QUEUE_SIZE * 16 + 16; break;
        case 1: addr.avail_user_addr = end - FAKE_QUEUE_SIZE * 2 - 4; break;
        case 2: addr.used_user_addr = end - FAKE_QUEUE_SIZE * 8 - 4; break;
        case 3: addr.desc_user_addr = ram + 8; break;
        case 4: addr.avail_user_addr = ram + 1; break;
        default: addr.used_user_addr = ram + 2; break;
        }
        g_assert_cmpuint(fake_frontend_ask(bed->frontend, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), !=,
                         0);
    }
    hint_bed_assert_works(bed);
}

#define ADD(name) \
    g_test_add("/hint-queue/" #name, HintBed, NULL, hint_bed_set_up_started, name, hint_bed_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_rings); i++) {
        g_autofree char *path = g_strdup_printf("/hint-queue/a_broken_queue_is_told_and_can_be_started_anew/%s",
                                                bad_rings[i].name);

        g_test_add(path, HintBed, &bad_rings[i], hint_bed_set_up_started,
                   a_broken_queue_is_told_and_can_be_started_anew,
                   hint_bed_tear_down);
    }
    ADD(a_chain_may_be_of_many_parts);
    ADD(a_chain_may_be_indirect);
    ADD(a_chain_without_room_for_an_answer_comes_back_empty);
    ADD(a_queue_that_is_disabled_waits);
    ADD(rings_must_lie_in_memory_in_whole);
    return g_test_run();
}
