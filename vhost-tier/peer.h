/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is at the other end of a memory channel, and whether a region that it names is really its own.
 */
#ifndef VHOST_TIER_PEER_H
#define VHOST_TIER_PEER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Errors are of CHANNEL_ERROR (channel.h): their texts go to the peer and to the log. */

typedef struct Peer {
    pid_t pid;
    uid_t uid;
    int pidfd;                  /* owned; readable once the process has ended */
} Peer;

/*
 * Identify the process that connected @sock: SO_PEERCRED, held by a pidfd. False when it has ended, or
 * lives where this daemon can't see it (another PID namespace).
 */
bool peer_identify(int sock, Peer *peer, GError **errp);
void peer_clear(Peer *peer);

/* Whether the process still runs. A process that has ended is no peer, even if its number lives on. */
bool peer_alive(const Peer *peer);

/* What a peer claims of a region; all in bytes, checked for alignment and overflow already (channel.c). */
typedef struct PeerClaim {
    uint64_t hva, size, fd_offset, page_size;
    int memfd, pagemap;
    int uffd;                   /* -1: none came */
} PeerClaim;

/*
 * Whether @claim is true: the memfd is one, is large enough, and is what the process has mapped, shared,
 * at just those addresses; the pagemap is the process's own; the userfaultfd is one. Blocks on no file
 * of the peer's making.
 */
bool peer_verify(const Peer *peer, const PeerClaim *claim, GError **errp);

#endif /* VHOST_TIER_PEER_H */
