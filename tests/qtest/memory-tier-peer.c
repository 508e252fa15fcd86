/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon for tests: the far end of memory-backend-tier's memory channel.
 */
#include "qemu/osdep.h"

#include <glib/gstdio.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "memory-tier-peer.h"

Peer *peer_new(void)
{
    Peer *peer = g_new0(Peer, 1);

    peer->dir = g_dir_make_tmp("memory-tier-XXXXXX", NULL);
    g_assert_nonnull(peer->dir);
    peer->path = g_build_filename(peer->dir, "socket", NULL);
    peer->listener = -1;
    peer->conn = -1;
    return peer;
}

void peer_free(Peer *peer)
{
    peer_close(peer);
    peer_unlisten(peer);
    g_rmdir(peer->dir);
    g_free(peer->dir);
    g_free(peer->path);
    g_free(peer);
}

void peer_listen(Peer *peer)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    g_assert_cmpint(g_strlcpy(addr.sun_path, peer->path,
                              sizeof(addr.sun_path)), <, sizeof(addr.sun_path));
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(peer->listener, >=, 0);
    g_assert_cmpint(bind(peer->listener, (void *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(peer->listener, 1), ==, 0);
}

void peer_unlisten(Peer *peer)
{
    if (peer->listener >= 0) {
        close(peer->listener);
        peer->listener = -1;
        g_unlink(peer->path);
    }
}

static bool wait_for(int fd, short events, int ms)
{
    struct pollfd pfd = { .fd = fd, .events = events };

    return poll(&pfd, 1, ms) == 1;
}

void peer_accept(Peer *peer)
{
    g_assert_cmpint(peer->conn, ==, -1);
    g_assert_true(wait_for(peer->listener, POLLIN, PEER_TIMEOUT_MS));
    peer->conn = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(peer->conn, >=, 0);
}

void peer_close(Peer *peer)
{
    if (peer->conn >= 0) {
        close(peer->conn);
        peer->conn = -1;
    }
}

bool peer_has_input(Peer *peer, int ms)
{
    return wait_for(peer->conn, POLLIN, ms);
}

void peer_wait_closed(Peer *peer)
{
    uint8_t lost[4096];
    ssize_t got;

    do {
        g_assert_true(peer_has_input(peer, PEER_TIMEOUT_MS));
        got = recv(peer->conn, lost, sizeof(lost), 0);
    } while (got > 0);
    peer_close(peer);
}

/* Read @size bytes, and the descriptors that come with the first of them. */
static void recv_all(Peer *peer, void *data, size_t size, PeerMsg *msg)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control;
    size_t done = 0;

    while (done < size) {
        struct iovec iov = { (char *)data + done, size - done };
        struct msghdr hdr = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof(control),
        };
        struct cmsghdr *cmsg;
        ssize_t got;

        g_assert_true(peer_has_input(peer, PEER_TIMEOUT_MS));
        got = recvmsg(peer->conn, &hdr, MSG_CMSG_CLOEXEC);
        g_assert_cmpint(got, >, 0);
        done += got;
        cmsg = CMSG_FIRSTHDR(&hdr);
        if (cmsg) {
            g_assert_cmpint(cmsg->cmsg_type, ==, SCM_RIGHTS);
            g_assert_cmpint(msg->n_fds, ==, 0);
            msg->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            g_assert_cmpint(msg->n_fds, <=, TIER_MSG_MAX_FDS);
            memcpy(msg->fds, CMSG_DATA(cmsg), msg->n_fds * sizeof(int));
        }
    }
}

void peer_recv(Peer *peer, TierRequest request, PeerMsg *msg)
{
    memset(msg, 0, sizeof(*msg));
    recv_all(peer, &msg->header, sizeof(msg->header), msg);
    g_assert_cmpint(msg->header.request, ==, request);
    g_assert_cmphex(msg->header.flags, ==, TIER_CHANNEL_VERSION);
    g_assert_cmpint(msg->header.reserved, ==, 0);
    g_assert_cmpint(msg->header.size, <=, sizeof(msg->bytes));
    recv_all(peer, msg->bytes, msg->header.size, msg);
}

void peer_msg_clear(PeerMsg *msg)
{
    for (unsigned i = 0; i < msg->n_fds; i++) {
        close(msg->fds[i]);
    }
    msg->n_fds = 0;
}

void peer_send(Peer *peer, const void *data, size_t size)
{
    g_assert_cmpint(send(peer->conn, data, size, MSG_NOSIGNAL), ==, size);
}

void peer_send_msg(Peer *peer, TierRequest request, uint32_t flags,
                   const void *payload, size_t size)
{
    TierMsgHeader header = {
        .request = request,
        .flags = TIER_CHANNEL_VERSION | flags,
        .size = size,
    };

    peer_send(peer, &header, sizeof(header));
    peer_send(peer, payload, size);
}

void peer_send_fd(Peer *peer, const void *data, size_t size, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {};
    struct iovec iov = { (void *)data, size };
    struct msghdr hdr = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(peer->conn, &hdr, MSG_NOSIGNAL), ==, size);
}

void peer_answer(Peer *peer, TierRequest request, uint32_t error,
                 const char *text)
{
    TierMsgStatus status = { .error = error };

    g_strlcpy(status.text, text, sizeof(status.text));
    peer_send_msg(peer, request, TIER_MSG_REPLY, &status, sizeof(status));
}

uint64_t peer_greet(Peer *peer, uint64_t features)
{
    TierMsgHello hello = {
        .version = TIER_CHANNEL_VERSION,
        .vm = "test-vm",
        .backend = "0.1-test",
    };
    PeerMsg msg;

    peer_accept(peer);
    peer_recv(peer, TIER_MSG_HELLO, &msg);
    g_assert_cmpint(msg.header.size, ==, sizeof(msg.hello));
    g_assert_cmpint(msg.n_fds, ==, 0);
    g_assert_cmpint(msg.hello.version, ==, TIER_CHANNEL_VERSION);
    g_assert_cmpint(msg.hello.reserved, ==, 0);
    hello.features = msg.hello.features & features;
    peer_send_msg(peer, TIER_MSG_HELLO, TIER_MSG_REPLY, &hello, sizeof(hello));
    return hello.features;
}

void peer_take_region(Peer *peer, PeerMsg *config, PeerMsg *region)
{
    peer_recv(peer, TIER_MSG_CONFIG, config);
    g_assert_cmpint(config->header.size, ==, sizeof(config->config));
    g_assert_cmpint(config->n_fds, ==, 0);
    peer_answer(peer, TIER_MSG_CONFIG, 0, "");
    peer_recv(peer, TIER_MSG_REGION_ADD, region);
    g_assert_cmpint(region->header.size, ==, sizeof(region->region_add));
    peer_answer(peer, TIER_MSG_REGION_ADD, 0, "");
}

const char *peer_track(const PeerMsg *region, uint64_t features)
{
    bool rwp = features & TIER_F_RWP;
    struct uffdio_api api = {
        .api = UFFD_API,
        /* RWP, RWP_ASYNC; else WP_HUGETLBFS_SHMEM, WP_UNPOPULATED, WP_ASYNC */
        .features = rwp ? 1ull << 17 | 1ull << 18
                        : 1ull << 12 | 1ull << 13 | 1ull << 15,
    };
    struct uffdio_register reg = {
        .range = { region->region_add.hva, region->region_add.size },
        .mode = rwp ? 1ull << 3 : 1ull << 1,
    };

    g_assert_cmpint(region->n_fds, ==, 3);
    g_assert_cmpint(ioctl(region->fds[2], UFFDIO_API, &api), ==, 0);
    g_assert_cmpint(ioctl(region->fds[2], UFFDIO_REGISTER, &reg), ==, 0);
    return rwp ? " ur" : " uw";
}

void peer_connect(Peer *peer)
{
    PeerMsg config, region;

    peer_greet(peer, TIER_F_FREEZE);
    peer_take_region(peer, &config, &region);
    peer_msg_clear(&region);
}
