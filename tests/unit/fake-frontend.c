/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer of the hint device as QEMU and a guest's driver are one.
 */
#include "fake-frontend.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_MS      5000
#define QUEUE_BYTES  0x10000u
#define AVAIL_OFFSET 0x4000u
#define USED_OFFSET  0x8000u
#define EVENT_OFFSET 0x30000u
#define RESPONSE_AT  (FAKE_BUFFERS + 0x10000u)

static void *at(const FakeFrontend *f, uint64_t offset)
{
    return (uint8_t *)f->ram->hva + offset;
}

FakeFrontend *fake_frontend_new(int sock, const FakeRam *ram)
{
    const struct timeval timeout = { .tv_sec = 10 };
    FakeFrontend *f = g_new0(FakeFrontend, 1);

    g_assert_cmpint(sock, >=, 0);
    g_assert_cmpuint(ram->size, >=, FAKE_OWN_BYTES);
    g_assert_cmpint(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), ==, 0);
    *f = (FakeFrontend) { .sock = sock, .backend = -1, .ram = ram };
    memset(ram->hva, 0, FAKE_OWN_BYTES);
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        f->queues[i] = (FakeQueue) {
            .desc = at(f, i * QUEUE_BYTES), .avail = at(f, i * QUEUE_BYTES + AVAIL_OFFSET),
            .used = at(f, i * QUEUE_BYTES + USED_OFFSET), .kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
            .call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        };
    }
    return f;
}

void fake_frontend_free(FakeFrontend *f)
{
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        close(f->queues[i].kick);
        close(f->queues[i].call);
        close(f->queues[i].err);
    }
    if (f->backend >= 0) {
        close(f->backend);
    }
    close(f->sock);
    g_free(f);
}

void fake_frontend_send(const FakeFrontend *f, int request, uint32_t flags, const void *payload, uint32_t size,
                        const int *fds, size_t n_fds)
{
    const uint32_t header[] = { (uint32_t)request, 1 | flags, size };
    struct iovec iov[] = { { (void *)header, sizeof(header) }, { (void *)payload, size } };
    char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (n_fds > 0) {
        struct cmsghdr *head;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
    }
    /* Where the device has ended the connection, that is found when an answer is waited for. */
    sendmsg(f->sock, &msg, MSG_NOSIGNAL);
}

int fake_frontend_receive(const FakeFrontend *f, int request, void *payload, uint32_t size)
{
    uint32_t header[3];

    if (recv(f->sock, header, sizeof(header), MSG_WAITALL) != sizeof(header)) {
        return -1;
    }
    g_assert_cmpint((int)header[0], ==, request);
    g_assert_cmpuint(header[1], ==, 1 | VHOST_USER_REPLY_MASK);
    g_assert_cmpuint(header[2], <=, size);
    if (header[2] > 0) {
        g_assert_cmpint(recv(f->sock, payload, header[2], MSG_WAITALL), ==, (ssize_t)header[2]);
    }
    return (int)header[2];
}

uint64_t fake_frontend_ask(const FakeFrontend *f, int request, const void *payload, uint32_t size, const int *fds,
                           size_t n_fds)
{
    uint64_t answer;

    fake_frontend_send(f, request, VHOST_USER_NEED_REPLY_MASK, payload, size, fds, n_fds);
    return fake_frontend_receive(f, request, &answer, sizeof(answer)) == sizeof(answer) ? answer : UINT64_MAX;
}

uint64_t fake_frontend_ask_u64(const FakeFrontend *f, int request, uint64_t value)
{
    return fake_frontend_ask(f, request, &value, sizeof(value), NULL, 0);
}

uint64_t fake_frontend_get(const FakeFrontend *f, int request)
{
    return fake_frontend_ask(f, request, NULL, 0, NULL, 0);
}

VhostUserMemory fake_frontend_memory(const FakeFrontend *f)
{
    return (VhostUserMemory) {
        .nregions = 1,
        .regions = { { .guest_phys_addr = FAKE_GPA, .memory_size = f->ram->size,
                       .userspace_addr = (uintptr_t)f->ram->hva } },
    };
}

struct vhost_vring_addr fake_frontend_addr(const FakeFrontend *f, unsigned index)
{
    return (struct vhost_vring_addr) {
        .index = index,
        .desc_user_addr = (uintptr_t)f->queues[index].desc,
        .avail_user_addr = (uintptr_t)f->queues[index].avail,
        .used_user_addr = (uintptr_t)f->queues[index].used,
        .log_guest_addr = FAKE_GPA + index * QUEUE_BYTES + USED_OFFSET,
    };
}

void fake_frontend_start_queue(FakeFrontend *f, unsigned index, uint16_t base)
{
    const struct vhost_vring_state num = { index, FAKE_QUEUE_SIZE }, first = { index, base }, on = { index, 1 };
    const struct vhost_vring_addr addr = fake_frontend_addr(f, index);
    const FakeQueue *queue = &f->queues[index];
    const uint64_t number = index;

    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_BASE, &first, sizeof(first), NULL, 0), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_ERR, &number, 8, &queue->err, 1), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_KICK, &number, 8, &queue->kick, 1), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_CALL, &number, 8, &queue->call, 1), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0), ==, 0);
}

uint16_t fake_frontend_stop_queue(FakeFrontend *f, unsigned index)
{
    const struct vhost_vring_state which = { index, 0 };
    struct vhost_vring_state next;

    fake_frontend_send(f, VHOST_USER_GET_VRING_BASE, 0, &which, sizeof(which), NULL, 0);
    g_assert_cmpint(fake_frontend_receive(f, VHOST_USER_GET_VRING_BASE, &next, sizeof(next)), ==, sizeof(next));
    return (uint16_t)next.num;
}

void fake_frontend_start(FakeFrontend *f, uint64_t features)
{
    const VhostUserMemory memory = fake_frontend_memory(f);
    int pair[2];

    g_assert_cmpuint(fake_frontend_get(f, VHOST_USER_GET_FEATURES) & features, ==, features);
    g_assert_cmpuint(fake_frontend_ask_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES,
                                           fake_frontend_get(f, VHOST_USER_GET_PROTOCOL_FEATURES)), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1), ==, 0);
    f->backend = pair[0];
    close(pair[1]);
    g_assert_cmpuint(fake_frontend_ask_u64(f, VHOST_USER_SET_FEATURES, features), ==, 0);
    g_assert_cmpuint(fake_frontend_ask(f, VHOST_USER_SET_MEM_TABLE, &memory, 8 + sizeof(memory.regions[0]),
                                       &f->ram->memfd, 1), ==, 0);
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        fake_frontend_start_queue(f, i, 0);
    }
}

void fake_frontend_chain(FakeFrontend *f, unsigned index, uint16_t head, const FakeDesc *descs, size_t n)
{
    FakeQueue *queue = &f->queues[index];
    const uint16_t next = queue->avail->idx;

    for (size_t i = 0; i < n; i++) {
        queue->desc[(head + i) % FAKE_QUEUE_SIZE] = (struct vring_desc) {
            .addr = FAKE_GPA + descs[i].offset, .len = descs[i].len,
            .flags = descs[i].flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
            .next = (uint16_t)((head + i + 1) % FAKE_QUEUE_SIZE),
        };
    }
    queue->avail->ring[next % FAKE_QUEUE_SIZE] = head;
    __atomic_store_n(&queue->avail->idx, (uint16_t)(next + 1), __ATOMIC_SEQ_CST);
    eventfd_write(queue->kick, 1);
}

int fake_frontend_await(FakeFrontend *f, unsigned index)
{
    FakeQueue *queue = &f->queues[index];
    struct pollfd fds[] = { { queue->call, POLLIN, 0 }, { queue->err, POLLIN, 0 } };
    eventfd_t count;

    while (__atomic_load_n(&queue->used->idx, __ATOMIC_SEQ_CST) == queue->seen) {
        if (poll(fds, 2, WAIT_MS) <= 0 || fds[1].revents) {
            return -1;
        }
        eventfd_read(queue->call, &count);
    }
    return (int)queue->used->ring[queue->seen++ % FAKE_QUEUE_SIZE].len;
}

uint32_t fake_frontend_request(FakeFrontend *f, uint16_t type, const struct virtio_tier_range *ranges, uint32_t n,
                               void *answer, size_t entry)
{
    const struct virtio_tier_req head = { .type = type, .n_ranges = n, .cookie = 0xfeedbeef };
    const FakeDesc descs[] = {
        { FAKE_BUFFERS, sizeof(head) + n * (uint32_t)sizeof(*ranges), 0 },
        { RESPONSE_AT, (uint32_t)sizeof(struct virtio_tier_resp) + n * (uint32_t)entry, VRING_DESC_F_WRITE },
    };
    struct virtio_tier_resp response;
    int written;

    memcpy(at(f, FAKE_BUFFERS), &head, sizeof(head));
    memcpy(at(f, FAKE_BUFFERS + sizeof(head)), ranges, n * sizeof(*ranges));
    fake_frontend_chain(f, VIRTIO_TIER_Q_HINT, 0, descs, 2);
    written = fake_frontend_await(f, VIRTIO_TIER_Q_HINT);
    if (written < (int)sizeof(response)) {
        return UINT32_MAX;
    }
    memcpy(&response, at(f, RESPONSE_AT), sizeof(response));
    g_assert_cmpuint(response.cookie, ==, head.cookie);
    g_assert_cmpuint((unsigned)written, ==, sizeof(response) + response.n_ranges * entry);
    if (response.status == VIRTIO_TIER_S_OK) {
        g_assert_cmpuint(response.n_ranges, ==, n);
        memcpy(answer, at(f, RESPONSE_AT + sizeof(response)), n * entry);
    } else {
        g_assert_cmpuint(response.n_ranges, ==, 0);
    }
    return response.status;
}

uint32_t fake_frontend_hint(FakeFrontend *f, uint16_t type, uint64_t offset, uint64_t len)
{
    const struct virtio_tier_range range = { FAKE_GPA + offset, len };
    uint32_t status = UINT32_MAX;
    const uint32_t whole = fake_frontend_request(f, type, &range, 1, &status, sizeof(status));

    g_assert_cmpuint(whole, ==, VIRTIO_TIER_S_OK);
    return status;
}

void fake_frontend_give_event_buffer(FakeFrontend *f)
{
    const FakeDesc desc = { EVENT_OFFSET, sizeof(struct virtio_tier_event), VRING_DESC_F_WRITE };

    fake_frontend_chain(f, VIRTIO_TIER_Q_EVENT, 0, &desc, 1);
}

bool fake_frontend_await_event(FakeFrontend *f, struct virtio_tier_event *event)
{
    if (fake_frontend_await(f, VIRTIO_TIER_Q_EVENT) != sizeof(*event)) {
        return false;
    }
    memcpy(event, at(f, EVENT_OFFSET), sizeof(*event));
    return true;
}
