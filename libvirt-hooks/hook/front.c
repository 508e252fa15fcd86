/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt calls for each domain: hooks/qemu.d/vhost-tier NAME OPERATION SUB-OPERATION EXTRA, with the domain's
 * XML on standard input. Most domains have no tier settings, and must not notice: what does not have their namespace
 * in its text is left alone by this program, which needs nothing but libc, in a millisecond or two. For the others it
 * starts the hook proper (main.c), with the same arguments and the same input.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MARK  "urn:vhost-tier:"         /* what the namespace of all versions of the settings begins with */
#define PIECE 65536

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
 * Copy standard input to @copy, to its end. Returns 1 where the mark is in it, 0 where it is not, -1 with errno on
 * failure.
 */
static int copy_input(int copy)
{
    static char buffer[PIECE + sizeof(MARK)];
    size_t kept = 0;
    int found = 0;
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer + kept, PIECE)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || !write_all(copy, buffer + kept, (size_t)n)) {
            return -1;
        }
        /* The mark may lie across the end of this piece and the beginning of the next. */
        n += (ssize_t)kept;
        found = found || memmem(buffer, (size_t)n, MARK, strlen(MARK));
        kept = (size_t)n < strlen(MARK) - 1 ? (size_t)n : strlen(MARK) - 1;
        memmove(buffer, buffer + n - kept, kept);
    }
    return found;
}

/*
 * After 'reconnect' libvirt kills the guest where the hook exits with another code than 0. What is not to be hindered
 * by a hook that is broken itself gets 0, too.
 */
static int status_of_failure(const char *operation)
{
    static const char *const refusable[] = {"prepare", "start", "migrate", "restore"};

    for (size_t i = 0; i < sizeof(refusable) / sizeof(*refusable); i++) {
        if (!strcmp(operation, refusable[i])) {
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int copy, found;

    if (argc < 4) {
        fprintf(
            stderr,
            "vhost-tier: this is a hook for libvirt, which calls it as: %s DOMAIN OPERATION SUB-OPERATION EXTRA, with "
            "the domain's XML on standard input; its place is /etc/libvirt/hooks/qemu.d\n",
            argc ? argv[0] : "vhost-tier");
        return argc == 3 ? status_of_failure(argv[2]) : EXIT_FAILURE;
    }
    copy = memfd_create("domain", 0);
    found = copy < 0 ? -1 : copy_input(copy);
    if (found == 0) {
        return EXIT_SUCCESS;
    }
    if (found > 0 && lseek(copy, 0, SEEK_SET) == 0 && dup2(copy, STDIN_FILENO) == STDIN_FILENO) {
        execv(HOOK_PROGRAM, argv);
    }
    fprintf(
        stderr,
        "vhost-tier: the domain has tier settings, but %s, which handles them, can't be run: %s; install vhost-tier "
        "anew, or take the settings out ('virt-tier disable DOMAIN')\n",
        HOOK_PROGRAM, strerror(errno));
    return status_of_failure(argv[2]);
}
