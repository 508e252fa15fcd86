/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Identity of peers, and what is found out of false claims. The peer is this very process, or a child of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "fake-qemu.h"
#include "peer.h"

#define RAM_BYTES (1 << 20)

typedef struct Fixture {
    int socks[2];
    Peer peer;
    FakeRam ram;
    PeerClaim claim;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, f->socks), ==, 0);
    g_assert_true(peer_identify(f->socks[0], &f->peer, &err));
    g_assert_no_error(err);
    f->ram = fake_ram_new(RAM_BYTES);
    f->claim = (PeerClaim) {
        .hva = (uintptr_t)f->ram.hva, .size = RAM_BYTES, .page_size = 4096,
        .memfd = f->ram.memfd, .pagemap = f->ram.pagemap, .uffd = -1,
    };
}

static void tear_down(Fixture *f, gconstpointer data)
{
    fake_ram_free(&f->ram);
    peer_clear(&f->peer);
    close(f->socks[0]);
    close(f->socks[1]);
}

static void assert_refused(Fixture *f, const char *reason)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(peer_verify(&f->peer, &f->claim, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, reason)) {
        g_error("'%s' does not say '%s'", err->message, reason);
    }
}

static void the_peer_is_the_process_that_connected(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(f->peer.pid, ==, getpid());
    g_assert_cmpint(f->peer.pidfd, >=, 0);
    g_assert_true(peer_alive(&f->peer));
}

static void a_true_claim_holds(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(peer_verify(&f->peer, &f->claim, &err));
    g_assert_no_error(err);
}

static void a_part_of_the_mapping_holds(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    f->claim.hva += 8192;
    f->claim.fd_offset = 8192;
    f->claim.size -= 65536;
    g_assert_true(peer_verify(&f->peer, &f->claim, &err));
    g_assert_no_error(err);
}

static void mappings_side_by_side_hold_together(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    /* Other protection makes it three mappings. */
    g_assert_cmpint(mprotect((char *)f->ram.hva + 65536, 65536, PROT_READ), ==, 0);
    g_assert_true(peer_verify(&f->peer, &f->claim, &err));
    g_assert_no_error(err);
}

static void a_hole_is_found(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(munmap((char *)f->ram.hva + 65536, 4096), ==, 0);
    assert_refused(f, "nothing is mapped");
}

static void a_region_that_is_not_mapped_is_refused(Fixture *f, gconstpointer data)
{
    f->claim.hva = 0x10000;
    assert_refused(f, "region 0x10000-0x110000: at 0x10000 nothing is mapped");
}

static void another_memfd_is_refused(Fixture *f, gconstpointer data)
{
    FakeRam other = fake_ram_new(RAM_BYTES);

    f->claim.memfd = other.memfd;
    assert_refused(f, "another file is mapped there");
    fake_ram_free(&other);
}

static void another_offset_is_refused(Fixture *f, gconstpointer data)
{
    f->claim.fd_offset = 4096;
    f->claim.size -= 8192;
    assert_refused(f, "at another offset");
}

static void a_private_mapping_is_refused(Fixture *f, gconstpointer data)
{
    void *hva = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, f->ram.memfd, 0);

    f->claim.hva = (uintptr_t)hva;
    assert_refused(f, "it must be shared");
    munmap(hva, RAM_BYTES);
}

static void a_file_that_is_no_memfd_is_refused(Fixture *f, gconstpointer data)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    f->claim.memfd = fd;
    assert_refused(f, "the first descriptor is no memfd but '/dev/null'");
    close(fd);
}

static void a_memfd_that_is_too_small_is_refused(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(ftruncate(f->ram.memfd, RAM_BYTES / 2), ==, 0);
    assert_refused(f, "the memfd has 524288 bytes, the region ends at 1048576");
}

static void small_pages_can_not_pass_for_huge_ones(Fixture *f, gconstpointer data)
{
    f->claim.page_size = 2 << 20;
    assert_refused(f, "the memfd has pages of 4096 bytes");
}

static void another_processes_pagemap_is_refused(Fixture *f, gconstpointer data)
{
    const pid_t pid = fork();
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)pid);
    g_autofree char *reason = g_strdup_printf("the second descriptor is '%s', not the process's own", path);

    if (pid == 0) {
        pause();
        _exit(0);
    }
    f->claim.pagemap = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(f->claim.pagemap, >=, 0);
    assert_refused(f, reason);
    close(f->claim.pagemap);
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void something_else_for_the_userfaultfd_is_refused(Fixture *f, gconstpointer data)
{
    f->claim.uffd = f->ram.memfd;
    assert_refused(f, "the third descriptor is no userfaultfd");
}

/* A child that connects to @path and lives until its standard input, @control's other end, is closed. */
static pid_t child_that_connects(const char *path, int *control)
{
    int pair[2];
    pid_t pid;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    pid = fork();
    if (pid == 0) {
        char byte = 'x';

        close(pair[0]);
        _exit(fake_qemu_connect(path) >= 0 && write(pair[1], &byte, 1) == 1 && read(pair[1], &byte, 1) == 0
                  ? 0
                  : 1);
    }
    close(pair[1]);
    *control = pair[0];
    return pid;
}

static void memory_of_another_process_is_refused_and_its_end_is_seen(Fixture *f, gconstpointer data)
{
    g_autofree char *dir = g_dir_make_tmp("vhost-tier-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autoptr(GError) err = NULL;
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    FakeRam later;
    Peer child;
    int sock, control;
    pid_t pid;
    char byte;

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    pid = child_that_connects(path, &control);
    sock = accept(listener, NULL, NULL);
    g_assert_cmpint(read(control, &byte, 1), ==, 1);
    g_assert_true(peer_identify(sock, &child, &err));
    g_assert_cmpint(child.pid, ==, pid);

    /* Mapped after the fork, so this process has it and the child does not. */
    later = fake_ram_new(RAM_BYTES);
    f->claim.memfd = later.memfd;
    f->claim.hva = (uintptr_t)later.hva;
    g_assert_false(peer_verify(&child, &f->claim, &err));
    g_assert_nonnull(strstr(err->message, "not the process's own"));    /* the pagemap gives it away first */
    g_clear_error(&err);

    {
        g_autofree char *pagemap = g_strdup_printf("/proc/%d/pagemap", (int)pid);

        f->claim.pagemap = open(pagemap, O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(f->claim.pagemap, >=, 0);
        g_assert_false(peer_verify(&child, &f->claim, &err));
        g_assert_error(err, CHANNEL_ERROR, EFAULT);
        close(f->claim.pagemap);
    }
    close(control);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_false(peer_alive(&child));

    peer_clear(&child);
    fake_ram_free(&later);
    close(sock);
    close(listener);
    unlink(path);
    rmdir(dir);
}

#define ADD(func) g_test_add("/peer/" #func, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(the_peer_is_the_process_that_connected);
    ADD(a_true_claim_holds);
    ADD(a_part_of_the_mapping_holds);
    ADD(mappings_side_by_side_hold_together);
    ADD(a_hole_is_found);
    ADD(a_region_that_is_not_mapped_is_refused);
    ADD(another_memfd_is_refused);
    ADD(another_offset_is_refused);
    ADD(a_private_mapping_is_refused);
    ADD(a_file_that_is_no_memfd_is_refused);
    ADD(a_memfd_that_is_too_small_is_refused);
    ADD(small_pages_can_not_pass_for_huge_ones);
    ADD(another_processes_pagemap_is_refused);
    ADD(something_else_for_the_userfaultfd_is_refused);
    ADD(memory_of_another_process_is_refused_and_its_end_is_seen);
    return g_test_run();
}
