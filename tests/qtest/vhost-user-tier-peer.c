/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A back end for tests: vhost-user, and what goes wrong with it.
 * (Its queues: vhost-user-tier-rings.c)
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vhost-user-tier-peer.h"
#include "vhost-user-tier-rings.h"
#include "hw/virtio/vhost-user.h"
#include "standard-headers/linux/vhost_types.h"
#include "standard-headers/linux/virtio_config.h"

#define FLAG_VERSION    0x1u
#define FLAG_REPLY      0x4u
#define FLAG_NEED_REPLY 0x8u
#define F_PROTOCOL      30
#define CONFIG_CHANGED  2       /* a request of the back end's */

#define MAX_FDS 8

/* Until the end of the block */
#define LOCK_PEER(peer) \
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = \
        g_mutex_locker_new(&(peer)->lock)

typedef struct Header {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
} Header;

typedef struct Msg {
    Header header;
    union {
        uint64_t u64;
        struct {
            uint32_t index;
            uint32_t num;
        } state;
        struct vhost_vring_addr addr;
        struct {
            uint32_t n;
            uint32_t padding;
            RingsRegion regions[MAX_FDS];
        } memory;
        struct {
            uint32_t offset;
            uint32_t size;
            uint32_t flags;
            uint8_t data[256];
        } QEMU_PACKED config;
        struct {
            uint32_t direction;
            uint32_t phase;
        } transfer;
        uint8_t bytes[4096];
    };
    int fds[MAX_FDS];           /* those that are taken are set to -1 */
    unsigned n_fds;
} Msg;

struct Peer {
    char *dir, *path;
    GThread *thread;
    int wake;                   /* an eventfd: look at what has changed */

    GMutex lock;                /* for all below */
    GCond changed;
    bool end;
    int listener, conn, backend_req;    /* -1: none */
    bool silent;
    Rings rings;
    PeerFault faults[VU__MAX];
    unsigned seen[VU__MAX];
    uint64_t features, protocol_features;       /* offered */
    uint64_t acked, acked_protocol;
    struct virtio_tier_config config;
    GByteArray *state, *loaded;
};

/* Answers */

static void send_bytes(Peer *peer, const void *data, size_t size)
{
    /* QEMU may have gone: then there is nobody to be answered. */
    if (send(peer->conn, data, size, MSG_NOSIGNAL) < 0) {
        g_test_message("an answer is lost: %s", strerror(errno));
    }
}

static void answer(Peer *peer, Msg *msg, size_t size)
{
    PeerFault fault = peer->faults[msg->header.request];
    uint8_t bytes[sizeof(Header) + sizeof(msg->bytes)] = {};
    Header header = {
        .request = msg->header.request + (fault == FAULT_OTHER),
        .flags = FLAG_VERSION | (fault == FAULT_FLAGS ? 0 : FLAG_REPLY),
        .size = fault == FAULT_HUGE ? UINT32_MAX
                                    : size + (fault == FAULT_LONG ? 8 : 0),
    };

    if (fault == FAULT_REFUSE) {
        memset(msg->bytes, 0xff, size);
    }
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), msg->bytes, size);
    send_bytes(peer, bytes,
               sizeof(header) + size + (fault == FAULT_LONG ? 8 : 0));
}

static void answer_u64(Peer *peer, Msg *msg, uint64_t value)
{
    msg->u64 = value;
    answer(peer, msg, sizeof(msg->u64));
}

static int take_fd(Msg *msg, unsigned i)
{
    int fd = -1;

    if (i < msg->n_fds) {
        fd = msg->fds[i];
        msg->fds[i] = -1;
    }
    return fd;
}

/* Requests. Those that answer return true. */

static bool on_get_features(Peer *peer, Msg *msg)
{
    answer_u64(peer, msg, peer->features);
    return true;
}

static bool on_set_features(Peer *peer, Msg *msg)
{
    peer->acked = msg->u64;
    return false;
}

static bool on_get_protocol_features(Peer *peer, Msg *msg)
{
    answer_u64(peer, msg, peer->protocol_features);
    return true;
}

static bool on_set_protocol_features(Peer *peer, Msg *msg)
{
    peer->acked_protocol = msg->u64;
    return false;
}

static bool on_get_queue_num(Peer *peer, Msg *msg)
{
    answer_u64(peer, msg, VIRTIO_TIER_Q_COUNT);
    return true;
}

static bool on_set_mem_table(Peer *peer, Msg *msg)
{
    rings_forget_memory(&peer->rings);
    g_assert_cmpuint(msg->memory.n, ==, msg->n_fds);
    for (unsigned i = 0; i < msg->memory.n; i++) {
        rings_add_memory(&peer->rings, &msg->memory.regions[i],
                         take_fd(msg, i));
    }
    return false;
}

static bool on_set_log_base(Peer *peer, Msg *msg)
{
    answer(peer, msg, 0);
    return true;
}

static Ring *ring_of(Peer *peer, uint32_t index)
{
    g_assert_cmpuint(index, <, VIRTIO_TIER_Q_COUNT);
    return &peer->rings.ring[index];
}

static bool on_set_vring_num(Peer *peer, Msg *msg)
{
    ring_of(peer, msg->state.index)->size = msg->state.num;
    return false;
}

static bool on_set_vring_addr(Peer *peer, Msg *msg)
{
    Ring *ring = ring_of(peer, msg->addr.index);

    ring->desc = msg->addr.desc_user_addr;
    ring->avail = msg->addr.avail_user_addr;
    ring->used = msg->addr.used_user_addr;
    return false;
}

static bool on_set_vring_base(Peer *peer, Msg *msg)
{
    ring_of(peer, msg->state.index)->next = msg->state.num;
    return false;
}

static bool on_get_vring_base(Peer *peer, Msg *msg)
{
    Ring *ring = ring_of(peer, msg->state.index);

    ring->enabled = false;
    ring_set_fd(&ring->kick, -1);
    msg->state.num = ring->next;
    answer(peer, msg, sizeof(msg->state));
    return true;
}

static bool on_set_vring_fd(Peer *peer, Msg *msg)
{
    Ring *ring = ring_of(peer, msg->u64 & 0xff);
    int *fds[] = {
        [VU_SET_VRING_KICK] = &ring->kick,
        [VU_SET_VRING_CALL] = &ring->call,
        [VU_SET_VRING_ERR] = &ring->err,
    };

    ring_set_fd(fds[msg->header.request], take_fd(msg, 0));
    return false;
}

static bool on_set_vring_enable(Peer *peer, Msg *msg)
{
    ring_of(peer, msg->state.index)->enabled = msg->state.num;
    return false;
}

static bool on_set_backend_req_fd(Peer *peer, Msg *msg)
{
    ring_set_fd(&peer->backend_req, take_fd(msg, 0));
    return false;
}

static bool on_get_config(Peer *peer, Msg *msg)
{
    g_assert_cmpuint(msg->config.size, ==, sizeof(peer->config));
    memcpy(msg->config.data, &peer->config, sizeof(peer->config));
    answer(peer, msg, 12 + sizeof(peer->config));
    return true;
}

static bool on_reset_device(Peer *peer, Msg *msg)
{
    return false;
}

/* QEMU reads, or writes, the other end of the pipe at once. */
static bool on_set_device_state_fd(Peer *peer, Msg *msg)
{
    int fd = take_fd(msg, 0);
    uint32_t direction = msg->transfer.direction;
    uint8_t piece[4096];
    ssize_t n;

    answer_u64(peer, msg, 0x100);
    if (direction == 0) {
        for (size_t done = 0; done < peer->state->len; done += n) {
            n = write(fd, peer->state->data + done, peer->state->len - done);
            if (n < 0) {        /* it wants no more */
                break;
            }
        }
    } else {
        g_clear_pointer(&peer->loaded, g_byte_array_unref);
        peer->loaded = g_byte_array_new();
        while ((n = read(fd, piece, sizeof(piece))) > 0) {
            g_byte_array_append(peer->loaded, piece, n);
        }
    }
    close(fd);
    return true;
}

static bool on_check_device_state(Peer *peer, Msg *msg)
{
    answer_u64(peer, msg, 0);
    return true;
}

static bool on_nothing(Peer *peer, Msg *msg)
{
    return false;
}

static bool (*const ops[VU__MAX])(Peer *, Msg *) = {
    [VU_GET_FEATURES] = on_get_features,
    [VU_SET_FEATURES] = on_set_features,
    [VU_SET_OWNER] = on_nothing,
    [VU_SET_MEM_TABLE] = on_set_mem_table,
    [VU_SET_LOG_BASE] = on_set_log_base,
    [VU_SET_VRING_NUM] = on_set_vring_num,
    [VU_SET_VRING_ADDR] = on_set_vring_addr,
    [VU_SET_VRING_BASE] = on_set_vring_base,
    [VU_GET_VRING_BASE] = on_get_vring_base,
    [VU_SET_VRING_KICK] = on_set_vring_fd,
    [VU_SET_VRING_CALL] = on_set_vring_fd,
    [VU_SET_VRING_ERR] = on_set_vring_fd,
    [VU_GET_PROTOCOL_FEATURES] = on_get_protocol_features,
    [VU_SET_PROTOCOL_FEATURES] = on_set_protocol_features,
    [VU_GET_QUEUE_NUM] = on_get_queue_num,
    [VU_SET_VRING_ENABLE] = on_set_vring_enable,
    [VU_SET_BACKEND_REQ_FD] = on_set_backend_req_fd,
    [VU_GET_CONFIG] = on_get_config,
    [VU_RESET_DEVICE] = on_reset_device,
    [VU_SET_DEVICE_STATE_FD] = on_set_device_state_fd,
    [VU_CHECK_DEVICE_STATE] = on_check_device_state,
};

/* The connection */

static void disconnect(Peer *peer)
{
    ring_set_fd(&peer->conn, -1);
    ring_set_fd(&peer->backend_req, -1);
    rings_clear(&peer->rings);
    peer->silent = false;
    g_cond_broadcast(&peer->changed);
}

static bool recv_part(Peer *peer, void *data, size_t size, Msg *msg)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control;

    while (size) {
        struct iovec iov = { data, size };
        struct msghdr hdr = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof(control),
        };
        struct cmsghdr *cmsg;
        ssize_t got = recvmsg(peer->conn, &hdr, MSG_CMSG_CLOEXEC);

        if (got <= 0) {
            return false;
        }
        cmsg = CMSG_FIRSTHDR(&hdr);
        if (cmsg) {
            msg->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(msg->fds, CMSG_DATA(cmsg), msg->n_fds * sizeof(int));
        }
        data = (char *)data + got;
        size -= got;
    }
    return true;
}

/* One message of QEMU's; false when the connection ends. */
static bool serve_message(Peer *peer)
{
    g_autofree Msg *msg = g_new0(Msg, 1);
    uint32_t request;
    bool answered;

    if (!recv_part(peer, &msg->header, sizeof(msg->header), msg)) {
        return false;
    }
    g_assert_cmpuint(msg->header.size, <=, sizeof(msg->bytes));
    if (!recv_part(peer, msg->bytes, msg->header.size, msg)) {
        return false;
    }
    request = msg->header.request;
    if (request >= VU__MAX || !ops[request]) {
        return false;           /* it was offered more than this peer can do */
    }
    peer->seen[request]++;
    g_cond_broadcast(&peer->changed);
    if (peer->faults[request] == FAULT_CLOSE) {
        answered = false;
    } else if (peer->faults[request] == FAULT_SILENCE) {
        peer->silent = answered = true;
    } else {
        answered = ops[request](peer, msg);
        if (!answered && msg->header.flags & FLAG_NEED_REPLY) {
            answer_u64(peer, msg, 0);
        }
    }
    for (unsigned i = 0; i < msg->n_fds; i++) {
        ring_set_fd(&msg->fds[i], -1);
    }
    return peer->faults[request] != FAULT_CLOSE;
}

static void accept_one(Peer *peer)
{
    int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

    if (peer->conn >= 0) {
        close(fd);
    } else {
        peer->conn = fd;
        g_cond_broadcast(&peer->changed);
    }
}

static void *peer_thread(void *opaque)
{
    Peer *peer = opaque;

    g_mutex_lock(&peer->lock);
    while (!peer->end) {
        struct pollfd fds[] = {
            { .fd = peer->wake, .events = POLLIN },
            { .fd = peer->conn < 0 ? peer->listener : -1, .events = POLLIN },
            { .fd = peer->conn, .events = peer->silent ? POLLRDHUP : POLLIN },
            { .fd = peer->rings.ring[VIRTIO_TIER_Q_HINT].kick,
              .events = POLLIN },
        };
        uint64_t n;

        g_mutex_unlock(&peer->lock);
        poll(fds, ARRAY_SIZE(fds), -1);
        g_mutex_lock(&peer->lock);
        if (fds[0].revents && read(peer->wake, &n, sizeof(n)) < 0) {
            g_assert_not_reached();
        }
        if (fds[1].revents && peer->listener == fds[1].fd) {
            accept_one(peer);
        }
        if (fds[2].revents && peer->conn == fds[2].fd &&
            (peer->silent || !serve_message(peer))) {
            disconnect(peer);
        }
        rings_serve(&peer->rings);
    }
    g_mutex_unlock(&peer->lock);
    return NULL;
}

static void wake(Peer *peer)
{
    uint64_t one = 1;

    g_assert_cmpint(write(peer->wake, &one, sizeof(one)), ==, sizeof(one));
}

/* What tests call */

Peer *peer_new(void)
{
    Peer *peer = g_new0(Peer, 1);

    peer->dir = g_dir_make_tmp("vhost-user-tier-XXXXXX", NULL);
    g_assert_nonnull(peer->dir);
    peer->path = g_build_filename(peer->dir, "socket", NULL);
    peer->listener = peer->conn = peer->backend_req = -1;
    rings_init(&peer->rings);
    peer->features = 1ull << VIRTIO_F_VERSION_1 | 1ull << F_PROTOCOL |
                     1ull << VHOST_F_LOG_ALL | 1ull << VIRTIO_TIER_F_PIN |
                     1ull << VIRTIO_TIER_F_QUERY |
                     1ull << VIRTIO_TIER_F_EVENTS;
    peer->protocol_features = 1ull << VHOST_USER_PROTOCOL_F_MQ |
                              1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD |
                              1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |
                              1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |
                              1ull << VHOST_USER_PROTOCOL_F_CONFIG |
                              1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE |
                              1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE;
    peer->config = (struct virtio_tier_config) {
        .granule = cpu_to_le64(4096),
        .fast_budget = cpu_to_le64(16 << 20),
        .pin_limit = cpu_to_le64(1 << 20),
        .max_ranges = cpu_to_le32(64),
        .max_ranges_per_s = cpu_to_le32(1000),
        .n_tiers = cpu_to_le32(2),
    };
    peer->state = g_byte_array_new();
    peer->wake = eventfd(0, EFD_CLOEXEC);
    g_mutex_init(&peer->lock);
    g_cond_init(&peer->changed);
    peer->thread = g_thread_new("peer", peer_thread, peer);
    return peer;
}

void peer_free(Peer *peer)
{
    peer_die(peer);
    g_mutex_lock(&peer->lock);
    peer->end = true;
    g_mutex_unlock(&peer->lock);
    wake(peer);
    g_thread_join(peer->thread);
    g_byte_array_unref(peer->state);
    g_clear_pointer(&peer->loaded, g_byte_array_unref);
    close(peer->wake);
    g_mutex_clear(&peer->lock);
    g_cond_clear(&peer->changed);
    g_rmdir(peer->dir);
    g_free(peer->dir);
    g_free(peer->path);
    g_free(peer);
}

const char *peer_path(const Peer *peer)
{
    return peer->path;
}

void peer_listen(Peer *peer)
{
    LOCK_PEER(peer);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    g_assert_cmpint(g_strlcpy(addr.sun_path, peer->path,
                              sizeof(addr.sun_path)), <, sizeof(addr.sun_path));
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(peer->listener, (void *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(peer->listener, 4), ==, 0);
    wake(peer);
}

void peer_die(Peer *peer)
{
    LOCK_PEER(peer);

    if (peer->listener >= 0) {
        g_unlink(peer->path);
    }
    ring_set_fd(&peer->listener, -1);
    disconnect(peer);
    wake(peer);
}

void peer_lacks(Peer *peer, uint64_t features, uint64_t protocol_features)
{
    LOCK_PEER(peer);

    peer->features &= ~features;
    peer->protocol_features &= ~protocol_features;
}

void peer_misbehaves(Peer *peer, unsigned request, PeerFault fault)
{
    LOCK_PEER(peer);

    peer->faults[request] = fault;
}

void peer_set_config(Peer *peer, const struct virtio_tier_config *config,
                     bool tell)
{
    LOCK_PEER(peer);
    Header header = { .request = CONFIG_CHANGED, .flags = FLAG_VERSION };

    peer->config = *config;
    if (tell) {
        g_assert_cmpint(send(peer->backend_req, &header, sizeof(header),
                             MSG_NOSIGNAL), ==, sizeof(header));
    }
}

void peer_hold(Peer *peer, bool hold)
{
    LOCK_PEER(peer);

    peer->rings.hold = hold;
    wake(peer);
}

bool peer_event(Peer *peer, const struct virtio_tier_event *event)
{
    LOCK_PEER(peer);

    return rings_put_event(&peer->rings, event);
}

void peer_signal_broken(Peer *peer, unsigned queue)
{
    LOCK_PEER(peer);

    ring_signal(peer->rings.ring[queue].err);
}

void peer_set_state(Peer *peer, uint8_t fill, size_t size)
{
    LOCK_PEER(peer);

    g_byte_array_set_size(peer->state, size);
    if (size) {
        memset(peer->state->data, fill, size);
    }
}

GByteArray *peer_loaded(Peer *peer)
{
    LOCK_PEER(peer);

    return peer->loaded ? g_byte_array_ref(peer->loaded) : NULL;
}

unsigned peer_seen(Peer *peer, unsigned request)
{
    LOCK_PEER(peer);

    return peer->seen[request];
}

void peer_wait(Peer *peer, unsigned request, unsigned n)
{
    LOCK_PEER(peer);
    gint64 end = g_get_monotonic_time() + PEER_TIMEOUT_MS * 1000;

    while (peer->seen[request] < n) {
        g_assert_true(g_cond_wait_until(&peer->changed, &peer->lock, end));
    }
}

uint64_t peer_features(Peer *peer)
{
    LOCK_PEER(peer);

    return peer->acked;
}
