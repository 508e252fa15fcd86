/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt calls for each domain: hooks/qemu.d/vhost-tier NAME OPERATION SUB-OPERATION EXTRA, with the domain's
 * XML on standard input. Most domains have no tier settings, and must not notice: what has no mark of ours in its text
 * is left alone by this program, which needs nothing but libc, in a millisecond or two. For the others it starts the
 * hook proper (main.c), with the same arguments and the same input.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE    65536
#define MARK_MAX 32             /* no mark is longer */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* of Linux 6.3, as in its linux/memfd.h */
#endif

/*
 * What the text of a domain of ours has in it: what the namespace of all versions of the settings begins with, and what
 * QEMU is given, which a running domain has also when its settings have been taken out.
 */
static const char *const marks[] = {"urn:vhost-tier:", "vhost-tier-memory"};

static bool has_mark(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        if (memmem(text, length, marks[i], strlen(marks[i]))) {
            return true;
        }
    }
    return false;
}

/* A file in memory: not executable, without which some hosts (vm.memfd_noexec=2) allow none. -1 with errno. */
static int open_copy(void)
{
    const int copy = memfd_create("domain", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    return copy < 0 && errno == EINVAL ? memfd_create("domain", MFD_CLOEXEC) : copy;
}

static bool write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(fd, data, length);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/*
 * Whether a mark is in standard input, which is read to its end, and copied to @copy while *@error is 0: it becomes the
 * errno of what fails. Without a copy it is searched all the same.
 */
static bool copy_input(int copy, int *error)
{
    static char buffer[MARK_MAX + PIECE];
    bool found = false;
    size_t kept = 0;
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer + kept, PIECE)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            *error = errno;
            break;
        }
        if (!*error && !write_all(copy, buffer + kept, (size_t)n)) {
            *error = errno;
        }
        /* A mark may lie across the end of this piece and the beginning of the next. */
        n += (ssize_t)kept;
        found = found || has_mark(buffer, (size_t)n);
        kept = n < MARK_MAX ? (size_t)n : MARK_MAX;
        memmove(buffer, buffer + n - kept, kept);
    }
    return found;
}

/* Whether a hook that fails may hinder this. After 'reconnect', for one, libvirt would kill the guest. */
static bool is_refusable(const char *operation)
{
    static const char *const refusable[] = {"prepare", "start", "migrate", "restore"};

    for (size_t i = 0; i < sizeof(refusable) / sizeof(*refusable); i++) {
        if (!strcmp(operation, refusable[i])) {
            return true;
        }
    }
    return false;
}

/* Have the hook proper take the place of this process, with @input as its standard input. Returns errno. */
static int run_hook(int input, char **argv)
{
    if (lseek(input, 0, SEEK_SET) == 0 && dup2(input, STDIN_FILENO) == STDIN_FILENO) {
        execv(HOOK_PROGRAM, argv);
    }
    return errno;
}

int main(int argc, char **argv)
{
    int copy, error;
    pid_t child;

    if (argc < 4) {
        fprintf(
            stderr,
            "vhost-tier: this is a hook for libvirt, which calls it as: %s DOMAIN OPERATION SUB-OPERATION EXTRA, with "
            "the domain's XML on standard input; its place is /etc/libvirt/hooks/qemu.d\n",
            argc ? argv[0] : "vhost-tier");
        return argc == 3 && !is_refusable(argv[2]) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    copy = open_copy();
    error = copy < 0 ? errno : 0;
    if (!copy_input(copy, &error)) {
        return EXIT_SUCCESS;
    }
    /* Whatever becomes of the hook proper, where that must not hinder anything it is another process. */
    child = is_refusable(argv[2]) ? 0 : fork();
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
        return EXIT_SUCCESS;
    }
    if (child < 0) {
        error = errno;
    }
    if (!error) {
        error = run_hook(copy, argv);
    }
    fprintf(
        stderr,
        "vhost-tier: the domain has tier settings, but %s, which handles them, can't be run: %s; install vhost-tier "
        "anew, or take the settings out ('virt-tier disable DOMAIN')\n",
        HOOK_PROGRAM, strerror(error));
    return is_refusable(argv[2]) ? EXIT_FAILURE : EXIT_SUCCESS;
}
