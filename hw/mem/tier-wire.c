/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of the memory channel on a character device.
 *
 * Theory of operation
 *
 * Nothing here waits for the peer. What it sends is read as it comes, first a
 * header, then as much as that header may announce: the table below says how
 * much each message has, so nothing else is ever stored. What it does not read
 * is kept until the socket takes more; a peer that lets too much pile up is
 * disconnected. So is one that sends anything that the table does not know.
 *
 * The connection may be lost inside any call into the chardev, so state is
 * looked at again after each. It is ended by this side from a bottom half only:
 * the chardev's handlers don't expect to lose their connection while they run.
 */
#include "qemu/osdep.h"

#include "memory-tier.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "tier-chardev.h"

/* More than this unread by the peer, and it is taken for dead. */
#define MAX_QUEUED_BYTES (64 * 1024)

typedef struct Outgoing {
    size_t size, sent;
    int fds[TIER_MSG_MAX_FDS];
    unsigned n_fds;
    uint8_t data[];
} Outgoing;

struct TierWire {
    CharBackend chr;
    const TierWireOps *ops;
    void *opaque;
    QEMUBH *disconnect;
    bool open;
    bool broken;                /* to be ended; nothing is read or sent */

    GQueue out;                 /* of Outgoing */
    size_t queued;              /* bytes in it */
    guint watch;                /* for room in the socket; 0: none */

    struct {
        TierMsgHeader header;
        uint8_t payload[TIER_MSG_MAX_PAYLOAD] QEMU_ALIGNED(8);
    } in;
    size_t in_len;
};

QEMU_BUILD_BUG_ON(sizeof(TierMsgHeader) != 16);
QEMU_BUILD_BUG_ON(sizeof(TierMsgHello) != 16 + 2 * TIER_NAME_LEN);
QEMU_BUILD_BUG_ON(sizeof(TierMsgConfig) !=
                  40 + 8 * TIER_MAX_TIERS * TIER_NODE_WORDS);
QEMU_BUILD_BUG_ON(sizeof(TierMsgRegionAdd) != 40 + TIER_NAME_LEN);
QEMU_BUILD_BUG_ON(sizeof(TierMsgStatus) != 8 + TIER_TEXT_LEN);
QEMU_BUILD_BUG_ON(sizeof(TierMsgState) != 8 + TIER_TEXT_LEN);
QEMU_BUILD_BUG_ON(sizeof(TierMsgStats) != 8 * (8 + TIER_MOVE_FAIL__MAX));
QEMU_BUILD_BUG_ON(sizeof(TierMsgHints) !=
                  8 * (TIER_HINT__MAX * (TIER_HINT_FATE__MAX + 1) + 9));
QEMU_BUILD_BUG_ON(sizeof(TierMsgConfig) > TIER_MSG_MAX_PAYLOAD);

/* What a daemon may send: payload bytes, 0 where it may not be sent. */
static const struct {
    uint32_t answer;            /* to our request of that name */
    uint32_t refusal;           /* the same, where it has another form */
    uint32_t own;               /* of the daemon's own accord */
} sizes[] = {
    [TIER_MSG_HELLO] = { sizeof(TierMsgHello), sizeof(TierMsgStatus), 0 },
    [TIER_MSG_CONFIG] = { sizeof(TierMsgStatus), 0, sizeof(TierMsgConfig) },
    [TIER_MSG_REGION_ADD] = { sizeof(TierMsgStatus), 0, 0 },
    [TIER_MSG_REGION_DEL] = { sizeof(TierMsgStatus), 0, 0 },
    [TIER_MSG_FREEZE] = { sizeof(TierMsgStatus), 0, 0 },
    [TIER_MSG_THAW] = { sizeof(TierMsgStatus), 0, 0 },
    [TIER_MSG_STATS] = { 0, 0, sizeof(TierMsgStats) },
    [TIER_MSG_STATE] = { 0, 0, sizeof(TierMsgState) },
    [TIER_MSG_HINTS] = { 0, 0, sizeof(TierMsgHints) },
};

static bool size_ok(const TierMsgHeader *header, bool answer)
{
    uint32_t refusal = sizes[header->request].refusal;

    if (!answer) {
        return header->size == sizes[header->request].own;
    }
    return header->size == sizes[header->request].answer ||
           (refusal && header->size == refusal);
}

static bool check_header(const TierMsgHeader *header, Error **errp)
{
    bool answer = header->flags & TIER_MSG_REPLY;

    if ((header->flags & TIER_MSG_VERSION_MASK) != TIER_CHANNEL_VERSION) {
        error_setg(errp, "it speaks version %u of the memory channel, not %u: "
                   "use QEMU and daemon of one release",
                   header->flags & TIER_MSG_VERSION_MASK,
                   TIER_CHANNEL_VERSION);
        return false;
    }
    if (header->flags & ~(TIER_MSG_VERSION_MASK | TIER_MSG_REPLY) ||
        header->reserved) {
        error_setg(errp, "it sent a message with reserved bits set "
                   "(flags 0x%x, reserved 0x%x)", header->flags,
                   header->reserved);
        return false;
    }
    if (header->request >= ARRAY_SIZE(sizes) ||
        !(answer ? sizes[header->request].answer
                 : sizes[header->request].own)) {
        error_setg(errp, "it sent %s %u, which is unknown",
                   answer ? "an answer to request" : "request",
                   header->request);
        return false;
    }
    if (!size_ok(header, answer)) {
        error_setg(errp, "it sent %s %u with %u bytes, where %u are right",
                   answer ? "an answer to request" : "request",
                   header->request, header->size,
                   answer ? sizes[header->request].answer
                          : sizes[header->request].own);
        return false;
    }
    return true;
}

/* End the connection for @reason, which is taken over. */
static void wire_break(TierWire *wire, Error *reason)
{
    if (wire->open && !wire->broken) {
        wire->broken = true;
        wire->ops->broken(wire->opaque, reason);
        qemu_bh_schedule(wire->disconnect);
    }
    error_free(reason);
}

void tier_wire_fail(TierWire *wire, const char *reason)
{
    Error *err = NULL;

    error_setg(&err, "%s", reason);
    wire_break(wire, err);
}

static void wire_disconnect(void *opaque)
{
    TierWire *wire = opaque;

    if (wire->open && wire->broken) {
        tier_chardev_disconnect(&wire->chr);
    }
}

/* Bytes of the current message that are still to come. */
static size_t wire_missing(const TierWire *wire)
{
    if (wire->in_len < sizeof(wire->in.header)) {
        return sizeof(wire->in.header) - wire->in_len;
    }
    return sizeof(wire->in.header) + wire->in.header.size - wire->in_len;
}

static int wire_can_read(void *opaque)
{
    TierWire *wire = opaque;

    return wire->open && !wire->broken ? wire_missing(wire) : 0;
}

static void wire_header_read(TierWire *wire)
{
    Error *err = NULL;
    int fd;

    if (qemu_chr_fe_get_msgfds(&wire->chr, &fd, 1) > 0) {
        close(fd);
        tier_wire_fail(wire, "it sent file descriptors, which it may not");
    } else if (!check_header(&wire->in.header, &err)) {
        wire_break(wire, err);
    }
}

static void wire_read(void *opaque, const uint8_t *data, int size)
{
    TierWire *wire = opaque;
    Error *err = NULL;

    /* Never more than wire_can_read() said, which does not cross the header */
    if (!wire->open || wire->broken || size <= 0 ||
        (size_t)size > wire_missing(wire)) {
        return;
    }
    memcpy((uint8_t *)&wire->in + wire->in_len, data, size);
    wire->in_len += size;
    if (wire->in_len == sizeof(wire->in.header)) {
        wire_header_read(wire);
    } else if (wire->in_len > sizeof(wire->in.header) &&
               wire_missing(wire) == 0) {
        wire->in_len = 0;
        if (!wire->ops->message(wire->opaque, &wire->in.header,
                                wire->in.payload, &err)) {
            wire_break(wire, err);
        }
    }
}

static gboolean wire_writable(void *do_not_use, GIOCondition cond,
                              void *opaque);

/* Send what the socket takes now. */
static void wire_flush(TierWire *wire)
{
    Outgoing *msg;
    int sent;

    while (wire->open && !wire->broken && !wire->watch &&
           (msg = g_queue_peek_head(&wire->out))) {
        if (msg->sent == 0 && msg->n_fds) {
            qemu_chr_fe_set_msgfds(&wire->chr, msg->fds, msg->n_fds);
        }
        sent = qemu_chr_fe_write(&wire->chr, msg->data + msg->sent,
                                 msg->size - msg->sent);
        if (!wire->open) {
            return;             /* lost; 'msg' is gone */
        }
        if (sent <= 0) {
            wire->watch = qemu_chr_fe_add_watch(&wire->chr,
                                                G_IO_OUT | G_IO_HUP,
                                                wire_writable, wire);
            return;
        }
        msg->sent += sent;
        wire->queued -= sent;
        if (msg->sent == msg->size) {
            g_free(g_queue_pop_head(&wire->out));
        }
    }
}

static gboolean wire_writable(void *do_not_use, GIOCondition cond,
                              void *opaque)
{
    TierWire *wire = opaque;

    wire->watch = 0;
    wire_flush(wire);
    return G_SOURCE_REMOVE;
}

bool tier_wire_send(TierWire *wire, TierRequest request, const void *payload,
                    size_t size, const int *fds, unsigned n_fds)
{
    TierMsgHeader header = {
        .request = request,
        .flags = TIER_CHANNEL_VERSION,
        .size = size,
    };
    Outgoing *msg;

    if (!wire->open || wire->broken) {
        return false;
    }
    if (wire->queued + sizeof(header) + size > MAX_QUEUED_BYTES) {
        tier_wire_fail(wire, "it does not read what it is sent");
        return false;
    }
    assert(size <= TIER_MSG_MAX_PAYLOAD && n_fds <= TIER_MSG_MAX_FDS);
    msg = g_malloc0(sizeof(*msg) + sizeof(header) + size);
    msg->size = sizeof(header) + size;
    msg->n_fds = n_fds;
    for (unsigned i = 0; i < n_fds; i++) {
        msg->fds[i] = fds[i];
    }
    memcpy(msg->data, &header, sizeof(header));
    memcpy(msg->data + sizeof(header), payload, size);
    g_queue_push_tail(&wire->out, msg);
    wire->queued += msg->size;
    wire_flush(wire);
    return wire->open;
}

/* Forget what belonged to the connection. */
static void wire_reset(TierWire *wire)
{
    if (wire->watch) {
        g_source_remove(wire->watch);
        wire->watch = 0;
    }
    g_queue_clear_full(&wire->out, g_free);
    wire->queued = 0;
    wire->in_len = 0;
    wire->open = false;
    wire->broken = false;
}

static void wire_event(void *opaque, QEMUChrEvent event)
{
    TierWire *wire = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        if (!wire->open) {
            wire->open = true;
            wire->ops->opened(wire->opaque);
        }
        break;
    case CHR_EVENT_CLOSED:
        if (wire->open) {
            wire_reset(wire);
            wire->ops->closed(wire->opaque);
        }
        break;
    default:
        break;
    }
}

TierWire *tier_wire_new(Chardev *chr, const TierWireOps *ops, void *opaque,
                        Error **errp)
{
    g_autofree TierWire *wire = g_new0(TierWire, 1);

    if (!qemu_chr_fe_init(&wire->chr, chr, errp)) {
        return NULL;
    }
    wire->ops = ops;
    wire->opaque = opaque;
    wire->disconnect = qemu_bh_new(wire_disconnect, wire);
    g_queue_init(&wire->out);
    return g_steal_pointer(&wire);
}

void tier_wire_start(TierWire *wire)
{
    qemu_chr_fe_set_handlers(&wire->chr, wire_can_read, wire_read, wire_event,
                             NULL, wire, NULL, true);
}

void tier_wire_free(TierWire *wire)
{
    if (wire) {
        wire_reset(wire);
        qemu_chr_fe_set_handlers(&wire->chr, NULL, NULL, NULL, NULL, NULL,
                                 NULL, false);
        tier_chardev_disconnect(&wire->chr);
        qemu_chr_fe_deinit(&wire->chr, false);
        qemu_bh_delete(wire->disconnect);
        g_free(wire);
    }
}
