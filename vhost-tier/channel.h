/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory channel's rules (include/tier-channel.h), apart from any socket: bytes and descriptors go
 * in as they come, whole and checked messages come out as calls of ChannelOps.
 *
 * The peer is one step from the guest: no field is believed before the table in channel.c has checked
 * it. Descriptors that came with a message are the channel's until a handler takes them, and are closed
 * when the message is done with.
 */
#ifndef VHOST_TIER_CHANNEL_H
#define VHOST_TIER_CHANNEL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "tier-channel.h"

/* Errors that the peer is told of; the code is a positive errno. */
#define CHANNEL_ERROR channel_error_quark()
GQuark channel_error_quark(void);

/* How far the conversation is; later states allow all that earlier ones do, but HELLO again. */
typedef enum ChannelState {
    CHANNEL_NEW,
    CHANNEL_GREETED,                /* HELLO was accepted */
    CHANNEL_CONFIGURED,             /* so was a CONFIG */
} ChannelState;

/*
 * What messages do. Each returns false with a GError (any domain; codes of CHANNEL_ERROR reach the peer
 * as errno, others as EINVAL) when it refuses. region_add() may take descriptors out of @fds by
 * g_steal_fd().
 */
typedef struct ChannelOps {
    bool (*hello)(void *opaque, const TierMsgHello *msg, GError **errp);
    bool (*config)(void *opaque, const TierMsgConfig *msg, GError **errp);
    bool (*region_add)(void *opaque, const TierMsgRegionAdd *msg, int fds[TIER_MSG_MAX_FDS], GError **errp);
    bool (*region_del)(void *opaque, uint32_t id, GError **errp);
    bool (*freeze)(void *opaque, uint32_t flags, GError **errp);
    bool (*thaw)(void *opaque, GError **errp);
} ChannelOps;

typedef enum ChannelVerdict {
    CHANNEL_MORE,                   /* the message is not whole yet */
    CHANNEL_DONE,                   /* it was carried out */
    CHANNEL_REFUSED,                /* it was not; answer with the error and go on */
    CHANNEL_MALFORMED,              /* end the connection */
} ChannelVerdict;

typedef struct Channel {
    ChannelState state;
    uint32_t request;               /* of the message that the last verdict was about */
    size_t have;                    /* bytes in 'buf' */
    int fds[TIER_MSG_MAX_FDS];      /* -1 where there is none */
    size_t n_fds;
    union {
        TierMsgHeader header;
        uint64_t align;
        uint8_t bytes[sizeof(TierMsgHeader) + TIER_MSG_MAX_PAYLOAD];
    } buf;
} Channel;

void channel_init(Channel *channel);
/* Closes descriptors that no handler took. */
void channel_clear(Channel *channel);

/*
 * Where the next bytes belong, and (in @space) how many at most: never more than the message at hand
 * still lacks.
 */
uint8_t *channel_space(Channel *channel, size_t *space);

/*
 * @n bytes were put there, and the @n_fds descriptors @fds came with the first of them; they are the
 * channel's now. When that makes a message whole, check it and call @ops. Once it has said
 * CHANNEL_MALFORMED, the channel is not to be used again.
 */
ChannelVerdict channel_received(Channel *channel, size_t n, const int *fds, size_t n_fds,
                                const ChannelOps *ops, void *opaque, GError **errp);

/* The errno that goes to the peer for @error. */
uint32_t channel_errno(const GError *error);
/*
 * "REGION_ADD"; for a number that is none of ours "request 77". The text is valid until the next call on
 * this thread.
 */
const char *channel_request_name(uint32_t request);

/* Text of a peer's: NUL-terminated within @size, UTF-8, no control characters. */
bool channel_text_ok(const char *text, size_t size);

/*
 * Copy @text to a field of @size bytes, cut at a character's border where it does not fit; the rest is
 * zeroed.
 */
void channel_text_copy(char *field, size_t size, const char *text);

#endif /* VHOST_TIER_CHANNEL_H */
