/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer of the memory channel as QEMU is one.
 */
#include "fake-qemu.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

FakeRam fake_ram_new(size_t size)
{
    FakeRam ram = { .size = size };

    ram.memfd = memfd_create("fake-ram", MFD_CLOEXEC);
    g_assert_cmpint(ram.memfd, >=, 0);
    g_assert_cmpint(ftruncate(ram.memfd, (off_t)size), ==, 0);
    ram.hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ram.memfd, 0);
    g_assert_true(ram.hva != MAP_FAILED);
    memset(ram.hva, 1, size);
    ram.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(ram.pagemap, >=, 0);
    return ram;
}

void fake_ram_free(FakeRam *ram)
{
    munmap(ram->hva, ram->size);
    close(ram->memfd);
    close(ram->pagemap);
}

int fake_qemu_connect(const char *path)
{
    const struct timeval timeout = { .tv_sec = 10 };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), ==, 0);
    for (int i = 0; i < 100; i++) {
        if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
            return sock;
        }
        g_usleep(50000);
    }
    close(sock);
    return -1;
}

void fake_qemu_await_end(int sock)
{
    char bytes[512];
    ssize_t n;

    do {
        n = recv(sock, bytes, sizeof(bytes), 0);
    } while (n > 0);
}

void fake_qemu_send(int sock, TierRequest request, const void *payload, size_t size, const int *fds,
                    size_t n_fds)
{
    TierMsgHeader header = { .request = request, .flags = TIER_CHANNEL_VERSION, .size = (uint32_t)size };
    struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)payload, size } };
    char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (n_fds) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    g_assert_cmpint(sendmsg(sock, &msg, MSG_NOSIGNAL), ==, (ssize_t)(sizeof(header) + size));
}

static bool receive_all(int sock, void *to, size_t size)
{
    return size == 0 || recv(sock, to, size, MSG_WAITALL) == (ssize_t)size;
}

uint32_t fake_qemu_receive(int sock, bool answer, void *payload, size_t size)
{
    TierMsgHeader header;
    uint8_t body[TIER_MSG_MAX_PAYLOAD];

    while (receive_all(sock, &header, sizeof(header))) {
        g_assert_cmpuint(header.size, <=, sizeof(body));
        if (!receive_all(sock, body, header.size)) {
            return 0;
        }
        if (!(header.flags & TIER_MSG_REPLY) == !answer) {
            memcpy(payload, body, MIN(size, (size_t)header.size));
            return header.request;
        }
    }
    return 0;
}

uint32_t fake_qemu_status(int sock, TierRequest request, char *text)
{
    TierMsgStatus status = { 0 };

    g_assert_cmpuint(fake_qemu_receive(sock, true, &status, sizeof(status)), ==, request);
    if (text) {
        memcpy(text, status.text, TIER_TEXT_LEN);
    }
    return status.error;
}

void fake_qemu_hello(int sock)
{
    const TierMsgHello hello = {
        .version = TIER_CHANNEL_VERSION, .features = ~0ull, .vm = "fake", .backend = "tier0"};
    TierMsgHello answer = { 0 };

    fake_qemu_send(sock, TIER_MSG_HELLO, &hello, sizeof(hello), NULL, 0);
    g_assert_cmpuint(fake_qemu_receive(sock, true, &answer, sizeof(answer)), ==, TIER_MSG_HELLO);
    g_assert_cmpuint(answer.version, ==, TIER_CHANNEL_VERSION);
    g_assert_cmpuint(answer.features & ~(TIER_F_RWP | TIER_F_WP | TIER_F_FREEZE | TIER_F_HINTS), ==, 0);
}

TierMsgConfig fake_qemu_config(void)
{
    return (TierMsgConfig) {
        .fast_size = 8 << 20, .fast_min = 1 << 20, .weight = 100, .mode = TIER_MODE_ON, .n_tiers = 1,
        .tier_nodes = { { 1 } },
    };
}

uint32_t fake_qemu_send_config(int sock, const TierMsgConfig *config, char *text)
{
    fake_qemu_send(sock, TIER_MSG_CONFIG, config, sizeof(*config), NULL, 0);
    return fake_qemu_status(sock, TIER_MSG_CONFIG, text);
}

TierMsgRegionAdd fake_qemu_region(const FakeRam *ram)
{
    return (TierMsgRegionAdd) {
        .id = 1, .hva = (uintptr_t)ram->hva, .size = ram->size, .page_size = 4096, .name = "ram",
    };
}

uint32_t fake_qemu_send_region(int sock, const TierMsgRegionAdd *region, const FakeRam *ram, char *text)
{
    const int fds[] = { ram->memfd, ram->pagemap };

    fake_qemu_send(sock, TIER_MSG_REGION_ADD, region, sizeof(*region), fds, 2);
    return fake_qemu_status(sock, TIER_MSG_REGION_ADD, text);
}

int fake_qemu_backend(const char *path, const FakeRam *ram)
{
    const TierMsgConfig config = fake_qemu_config();
    const TierMsgRegionAdd region = fake_qemu_region(ram);
    const int sock = fake_qemu_connect(path);
    char text[TIER_TEXT_LEN];

    g_assert_cmpint(sock, >=, 0);
    fake_qemu_hello(sock);
    g_assert_cmpuint(fake_qemu_send_config(sock, &config, text), ==, 0);
    if (fake_qemu_send_region(sock, &region, ram, text) != 0) {
        g_error("the region was refused: %s", text);
    }
    return sock;
}
