/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A back end for tests: the far end of vhost-user-tier's vhost-user socket.
 *
 * It runs in a thread of its own, since QEMU waits for its answers while the
 * test waits for QEMU. It serves the queues as a daemon would, takes every hint
 * and answers QUERY with what the range itself says, and it misbehaves as told.
 */
#ifndef QTEST_VHOST_USER_TIER_PEER_H
#define QTEST_VHOST_USER_TIER_PEER_H

#include "libqtest.h"
#include "standard-headers/linux/virtio_tier.h"

#define PEER_TIMEOUT_MS 20000

/* Requests of vhost-user that tests speak of */
enum {
    VU_GET_FEATURES = 1,
    VU_SET_FEATURES = 2,
    VU_SET_OWNER = 3,
    VU_SET_MEM_TABLE = 5,
    VU_SET_LOG_BASE = 6,
    VU_SET_VRING_NUM = 8,
    VU_SET_VRING_ADDR = 9,
    VU_SET_VRING_BASE = 10,
    VU_GET_VRING_BASE = 11,
    VU_SET_VRING_KICK = 12,
    VU_SET_VRING_CALL = 13,
    VU_SET_VRING_ERR = 14,
    VU_GET_PROTOCOL_FEATURES = 15,
    VU_SET_PROTOCOL_FEATURES = 16,
    VU_GET_QUEUE_NUM = 17,
    VU_SET_VRING_ENABLE = 18,
    VU_SET_BACKEND_REQ_FD = 21,
    VU_GET_CONFIG = 24,
    VU_RESET_DEVICE = 34,
    VU_SET_DEVICE_STATE_FD = 42,
    VU_CHECK_DEVICE_STATE = 43,
    VU__MAX
};

/* What goes wrong at a request */
typedef enum PeerFault {
    FAULT_NONE,
    FAULT_CLOSE,                /* the connection ends */
    FAULT_SILENCE,              /* nothing is said or read any more */
    FAULT_LONG,                 /* the answer is longer than it should be */
    FAULT_HUGE,                 /* it claims to be 4 GiB */
    FAULT_FLAGS,                /* it is not marked as an answer */
    FAULT_OTHER,                /* it answers another request */
    FAULT_REFUSE,               /* all its bits are set */
    FAULT__MAX
} PeerFault;

typedef struct Peer Peer;

/* A peer with a socket's path, which does not listen yet. */
Peer *peer_new(void);
void peer_free(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_free)
const char *peer_path(const Peer *peer);
void peer_listen(Peer *peer);
/* End the connection, and listen no more. */
void peer_die(Peer *peer);

/* Before it listens: features of virtio and of vhost-user not to offer */
void peer_lacks(Peer *peer, uint64_t features, uint64_t protocol_features);
void peer_misbehaves(Peer *peer, unsigned request, PeerFault fault);
/* What GET_CONFIG answers from now on; QEMU is told if @tell. */
void peer_set_config(Peer *peer, const struct virtio_tier_config *config,
                     bool tell);
/* Leave requests in the queue; or serve them, those that wait first. */
void peer_hold(Peer *peer, bool hold);
/* Put @event into the event queue; false where there is no room. */
bool peer_event(Peer *peer, const struct virtio_tier_event *event);
/* Signal QEMU that a queue is broken. */
void peer_signal_broken(Peer *peer, unsigned queue);
/* What is given to QEMU when it saves the device: @size bytes of @fill. */
void peer_set_state(Peer *peer, uint8_t fill, size_t size);
/* What QEMU has brought; to be freed with g_byte_array_unref(), or NULL */
GByteArray *peer_loaded(Peer *peer);

/* How often @request has come since the peer was made. */
unsigned peer_seen(Peer *peer, unsigned request);
/* Wait until that is @n. */
void peer_wait(Peer *peer, unsigned request, unsigned n);
/* The features that the driver has acknowledged, as QEMU told them last */
uint64_t peer_features(Peer *peer);

#endif /* QTEST_VHOST_USER_TIER_PEER_H */
