/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon for tests: the far end of memory-backend-tier's memory channel.
 *
 * It does what a test says, right or wrong. Every wait is bounded: what does
 * not come in time fails the test.
 */
#ifndef QTEST_MEMORY_TIER_PEER_H
#define QTEST_MEMORY_TIER_PEER_H

#include "hw/mem/tier-channel.h"
#include "libqtest.h"

#define PEER_TIMEOUT_MS 20000

typedef struct Peer {
    char *dir;
    char *path;                 /* of the socket */
    int listener;               /* -1: nobody listens */
    int conn;                   /* -1: not connected */
} Peer;

/* One message as received. */
typedef struct PeerMsg {
    TierMsgHeader header;
    union {
        uint8_t bytes[TIER_MSG_MAX_PAYLOAD];
        TierMsgHello hello;
        TierMsgConfig config;
        TierMsgRegionAdd region_add;
        TierMsgRegionDel region_del;
        TierMsgFreeze freeze;
    };
    int fds[TIER_MSG_MAX_FDS];  /* closed by peer_msg_clear() */
    unsigned n_fds;
} PeerMsg;

/* A peer with a socket's path, which does not listen yet. */
Peer *peer_new(void);
void peer_free(Peer *peer);
void peer_listen(Peer *peer);
void peer_unlisten(Peer *peer);
/* Wait for QEMU to connect. */
void peer_accept(Peer *peer);
void peer_close(Peer *peer);
/* Wait for QEMU to close the connection; what it sends until then is lost. */
void peer_wait_closed(Peer *peer);

/* Wait for a message, which must be @request. */
void peer_recv(Peer *peer, TierRequest request, PeerMsg *msg);
void peer_msg_clear(PeerMsg *msg);
/* Whether anything comes within @ms. */
bool peer_has_input(Peer *peer, int ms);

void peer_send(Peer *peer, const void *data, size_t size);
void peer_send_msg(Peer *peer, TierRequest request, uint32_t flags,
                   const void *payload, size_t size);
void peer_send_fd(Peer *peer, const void *data, size_t size, int fd);
/* Answer a request: 0 and "", or an errno and a text. */
void peer_answer(Peer *peer, TierRequest request, uint32_t error,
                 const char *text);

/*
 * Accept, and greet with the part of @features that QEMU offers. Returns what
 * was agreed on.
 */
uint64_t peer_greet(Peer *peer, uint64_t features);
/* Take CONFIG and REGION_ADD, which follow the greeting, and answer them. */
void peer_take_region(Peer *peer, PeerMsg *config, PeerMsg *region);
/*
 * Track @region as a daemon would, with what @features (not 0) say was agreed
 * on. Returns the flag that its mapping then has in smaps.
 */
const char *peer_track(const PeerMsg *region, uint64_t features);
/* All of it, for tests that are about something else. */
void peer_connect(Peer *peer);

#endif /* QTEST_MEMORY_TIER_PEER_H */
