/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Identity of a peer, and proof of its claims.
 *
 * Every claim is held against what the kernel says: what a descriptor is (its link in /proc/self/fd,
 * read before anything else is done with it, since fstat(2) on a file of FUSE or NFS may block), and
 * what the process has mapped where (/proc/PID/maps). The peer can change its mappings at any later
 * time; then what it maps itself is tiered badly, pages of files that others map, too, among it. A
 * path in a link is as seen in the mount namespace where the file was opened, so it alone proves
 * nothing.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "channel.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77         /* Linux 6.5, include/uapi/asm-generic/socket.h */
#endif

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* Take a number and the @end behind it off *@at; false when it is not there. */
static bool number_take(const char **at, unsigned base, char end, guint64 *number)
{
    char *rest;

    *number = g_ascii_strtoull(*at, &rest, base);
    if (rest == *at || *rest != end) {
        return false;
    }
    *at = rest + 1;
    return true;
}

/* The effective user of a process, from /proc/PID/status. */
static bool process_uid(pid_t pid, uid_t *uid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    const char *line;
    guint64 ignored, euid;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    line = strstr(text, "\nUid:");
    if (!line) {
        return false;
    }
    /* Real, effective, saved, file system's. */
    line += strlen("\nUid:");
    if (!number_take(&line, 10, '\t', &ignored) || !number_take(&line, 10, '\t', &euid)) {
        return false;
    }
    *uid = (uid_t)euid;
    return true;
}

bool peer_identify(int sock, Peer *peer, GError **errp)
{
    struct ucred cred = { 0 };
    socklen_t len = sizeof(cred);
    uid_t uid;

    *peer = (Peer) { .pidfd = -1 };
    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        g_set_error(errp, CHANNEL_ERROR, errno, "cannot tell who connected: SO_PEERCRED: %s",
                    g_strerror(errno));
        return false;
    }
    if (cred.pid <= 0) {
        g_set_error(errp, CHANNEL_ERROR, EPERM,
                    "the peer's process is not visible here; run QEMU and vhost-tier in one PID namespace");
        return false;
    }
    peer->pid = cred.pid;
    peer->uid = cred.uid;
    len = sizeof(peer->pidfd);
    if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &peer->pidfd, &len) < 0) {
        /*
         * Before Linux 6.5. The number may have been given to another since: that one would have
         * to be the same user's.
         */
        peer->pidfd = pidfd_open(cred.pid, 0);
        if (peer->pidfd >= 0 && (!process_uid(cred.pid, &uid) || uid != cred.uid)) {
            close(g_steal_fd(&peer->pidfd));
            errno = ESRCH;
        }
    }
    if (peer->pidfd < 0) {
        g_set_error(errp, CHANNEL_ERROR, errno, "cannot hold process %d, which connected: %s", (int)cred.pid,
                    g_strerror(errno));
        return false;
    }
    if (!peer_alive(peer)) {
        g_set_error(errp, CHANNEL_ERROR, ESRCH, "process %d, which connected, has ended", (int)cred.pid);
        peer_clear(peer);
        return false;
    }
    return true;
}

void peer_clear(Peer *peer)
{
    if (peer->pidfd >= 0) {
        close(peer->pidfd);
    }
    *peer = (Peer) { .pidfd = -1 };
}

bool peer_alive(const Peer *peer)
{
    struct pollfd p = { .fd = peer->pidfd, .events = POLLIN };

    return poll(&p, 1, 0) == 0;
}

static char *fd_link(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return g_file_read_link(path, NULL);
}

static bool memfd_verify(const PeerClaim *claim, struct stat *st, GError **errp)
{
    g_autofree char *link = fd_link(claim->memfd);

    if (!link || !g_str_has_prefix(link, "/memfd:")) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "the first descriptor is no memfd but '%s'; guest RAM must be one",
                    link ? link : "unknown");
        return false;
    }
    /* Only files of shmem and hugetlbfs have seals; asking does not block on any other. */
    if (fcntl(claim->memfd, F_GET_SEALS) < 0) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "the first descriptor, '%s', is no memfd: it has no seals",
                    link);
        return false;
    }
    if (fstat(claim->memfd, st) < 0) {
        g_set_error(errp, CHANNEL_ERROR, errno, "fstat of the memfd: %s", g_strerror(errno));
        return false;
    }
    if (st->st_size < 0 || (uint64_t)st->st_size < claim->fd_offset + claim->size) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "the memfd has %" G_GUINT64_FORMAT " bytes, the region ends at %" G_GUINT64_FORMAT,
                    (uint64_t)st->st_size, claim->fd_offset + claim->size);
        return false;
    }
    /* hugetlbfs and shmem tell their page size here. */
    if (claim->page_size > 4096 && (uint64_t)st->st_blksize != claim->page_size) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL,
                    "the memfd has pages of %ld bytes, not of %" G_GUINT64_FORMAT, (long)st->st_blksize,
                    claim->page_size);
        return false;
    }
    return true;
}

static bool pagemap_verify(const Peer *peer, int fd, GError **errp)
{
    g_autofree char *link = fd_link(fd);
    g_autofree char *want = g_strdup_printf("/proc/%d/pagemap", (int)peer->pid);

    if (g_strcmp0(link, want)) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "the second descriptor is '%s', not the process's own %s",
                    link ? link : "unknown", want);
        return false;
    }
    return true;
}

static bool uffd_verify(int fd, GError **errp)
{
    g_autofree char *link = fd_link(fd);

    if (g_strcmp0(link, "anon_inode:[userfaultfd]")) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "the third descriptor is no userfaultfd but '%s'",
                    link ? link : "unknown");
        return false;
    }
    return true;
}

/* One line of /proc/PID/maps (proc_pid_maps(5)). */
typedef struct Mapping {
    uint64_t start, end, offset;
    bool shared;
    dev_t dev;
    ino_t ino;
} Mapping;

/* "7f12a000-7f12b000 rw-s 00001000 00:01 1234   /memfd:ram (deleted)" */
static bool mapping_parse(const char *line, Mapping *map)
{
    guint64 start, end, offset, dev_major, dev_minor, ino;
    const char *at = line, *perms;

    if (!number_take(&at, 16, '-', &start) || !number_take(&at, 16, ' ', &end)) {
        return false;
    }
    perms = at;
    if (strnlen(perms, 5) < 5 || perms[4] != ' ') {
        return false;
    }
    at += 5;
    if (!number_take(&at, 16, ' ', &offset) || !number_take(&at, 16, ':', &dev_major) ||
        !number_take(&at, 16, ' ', &dev_minor)) {
        return false;
    }
    ino = g_ascii_strtoull(at, NULL, 10);
    *map = (Mapping) {
        start, end, offset, perms[3] == 's', makedev((unsigned)dev_major, (unsigned)dev_minor), ino,
    };
    return true;
}

/* Whether @map is what @claim says of the addresses in it, from @at on; else the reason. */
static const char *mapping_differs(const Mapping *map, const PeerClaim *claim, const struct stat *st,
                                   uint64_t at)
{
    if (map->dev != st->st_dev || map->ino != st->st_ino) {
        return "another file is mapped there than the memfd that was sent";
    }
    if (map->offset + (at - map->start) != claim->fd_offset + (at - claim->hva)) {
        return "the memfd is mapped there at another offset";
    }
    return map->shared ? NULL : "the memfd is mapped there privately; it must be shared (share=on)";
}

static bool mapped_verify(const Peer *peer, const PeerClaim *claim, const struct stat *st, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", (int)peer->pid);
    const uint64_t end = claim->hva + claim->size;
    const char *differs = NULL;
    uint64_t at = claim->hva;
    g_autofree char *line = NULL;
    size_t room = 0;
    FILE *maps = fopen(path, "re");

    if (!maps) {
        g_set_error(errp, CHANNEL_ERROR, errno,
                    "cannot see what process %d has mapped: %s: %s; the daemon needs "
                    "CAP_SYS_PTRACE for it",
                    (int)peer->pid, path, g_strerror(errno));
        return false;
    }
    while (at < end && !differs && getline(&line, &room, maps) > 0) {
        Mapping map;

        if (!mapping_parse(line, &map) || map.end <= at) {
            continue;
        }
        if (map.start > at) {
            break;
        }
        differs = mapping_differs(&map, claim, st, at);
        at = differs ? at : map.end;
    }
    fclose(maps);
    if (at < end) {
        g_set_error(errp, CHANNEL_ERROR, EFAULT,
                    "region " HEX "-" HEX ": at " HEX " %s (in process %d, which sent it)", claim->hva, end, at,
                    differs ? differs : "nothing is mapped", (int)peer->pid);
        return false;
    }
    return true;
}

bool peer_verify(const Peer *peer, const PeerClaim *claim, GError **errp)
{
    struct stat st;

    if (!memfd_verify(claim, &st, errp) || !pagemap_verify(peer, claim->pagemap, errp) ||
        (claim->uffd >= 0 && !uffd_verify(claim->uffd, errp)) || !mapped_verify(peer, claim, &st, errp)) {
        return false;
    }
    /* What was read of /proc/PID was this process's only if it is still there to hold its number. */
    if (!peer_alive(peer)) {
        g_set_error(errp, CHANNEL_ERROR, ESRCH, "process %d has ended", (int)peer->pid);
        return false;
    }
    return true;
}
