/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that stands for QEMU in tests of sources and movers.
 */
#include "watched-child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sources/uffd-abi.h"

#define PAGE_BYTES 4096u
#define HUGE_BYTES (2u << 20)
#define ROUND_US 4000
#define ARMED_BIT 57

static void send_handover(int sock, uint64_t hva, const int *fds, size_t n_fds)
{
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec data = {.iov_base = &hva, .iov_len = sizeof(hva)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
    if (sendmsg(sock, &message, 0) != sizeof(hva)) {
        _exit(1);
    }
}

/* The memfd, mapped on a 2 MiB boundary, as QEMU has it. */
static char *map_aligned(int memfd, size_t size)
{
    char *space = mmap(NULL, size + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t aligned = ((uintptr_t)space + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);

    return space == MAP_FAILED
               ? MAP_FAILED
               : mmap((void *)aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0);
}

/* The child's whole life. */
static void G_GNUC_NORETURN child_main(int sock, int memfd, size_t n_pages, ChildPage (*pattern)(size_t page),
                                       bool uffd)
{
    int fds[2] = {open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), -1};
    volatile char *memory = map_aligned(memfd, n_pages * PAGE_BYTES);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (memory == MAP_FAILED || fds[0] < 0) {
        _exit(1);
    }
    if (uffd) {
        fds[1] = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    }
    for (size_t i = 0; i < n_pages; i++) {
        if (pattern(i) != CHILD_ABSENT) {
            memory[i * PAGE_BYTES] = 1;
        }
    }
    send_handover(sock, (uintptr_t)memory, fds, fds[1] >= 0 ? 2 : 1);
    for (;;) {
        for (size_t i = 0; i < n_pages; i++) {
            switch (pattern(i)) {
            case CHILD_READ:
                (void)memory[i * PAGE_BYTES];
                break;
            case CHILD_WRITTEN:
                memory[i * PAGE_BYTES]++;
                break;
            default:
                break;
            }
        }
        g_usleep(ROUND_US);
    }
}

void child_start(Child *child, size_t n_pages, ChildPage (*pattern)(size_t page), bool uffd)
{
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    uint64_t hva = 0;
    struct iovec data = {.iov_base = &hva, .iov_len = sizeof(hva)};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    int socks[2], fds[2] = {-1, -1}, memfd = memfd_create("vhost-tier-test", MFD_CLOEXEC);
    pid_t pid;

    g_assert_cmpint(memfd, >=, 0);
    g_assert_no_errno(ftruncate(memfd, n_pages * PAGE_BYTES));
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        child_main(socks[1], memfd, n_pages, pattern, uffd);
    }
    close(socks[1]);
    g_assert_cmpint(recvmsg(socks[0], &message, MSG_CMSG_CLOEXEC), ==, sizeof(hva));
    close(socks[0]);
    header = CMSG_FIRSTHDR(&message);
    g_assert_nonnull(header);
    memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    *child = (Child){
        .n_pages = n_pages,
        .region =
            {
                .id = 3,
                .granule_bytes = PAGE_BYTES,
                .hva = hva,
                .size = n_pages * PAGE_BYTES,
                .page_size = PAGE_BYTES,
                .pid = pid,
                .pidfd = syscall(SYS_pidfd_open, pid, 0),
                .memfd = memfd,
                .pagemap = fds[0],
                .uffd = fds[1],
            },
    };
}

void child_kill(Child *child)
{
    kill(child->region.pid, SIGKILL);
    waitpid(child->region.pid, NULL, 0);
}

void child_end(Child *child)
{
    child_kill(child);
    close(child->region.pidfd);
    close(child->region.memfd);
    close(child->region.pagemap);
    if (child->region.uffd >= 0) {
        close(child->region.uffd);
    }
}

size_t child_armed_pages(const Child *child)
{
    g_autofree uint64_t *entries = g_new0(uint64_t, child->n_pages);
    ssize_t size = child->n_pages * sizeof(*entries);
    size_t armed = 0;

    g_assert_cmpint(
        pread(child->region.pagemap, entries, size, child->region.hva / PAGE_BYTES * sizeof(*entries)), ==,
        size);
    for (size_t i = 0; i < child->n_pages; i++) {
        armed += entries[i] >> ARMED_BIT & 1;
    }
    return armed;
}

size_t child_huge_bytes(const Child *child)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps", (int)child->region.pid);
    g_autofree char *start = g_strdup_printf("%" G_GINT64_MODIFIER "x-", child->region.hva);
    g_autofree char *smaps = NULL;
    const char *at;

    g_assert_true(g_file_get_contents(path, &smaps, NULL, NULL));
    at = strstr(smaps, start);
    at = at ? strstr(at, "ShmemPmdMapped:") : NULL;
    return at ? (size_t)g_ascii_strtoull(at + strlen("ShmemPmdMapped:"), NULL, 10) * 1024 : 0;
}
