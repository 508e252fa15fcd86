/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of a hint device: what device.c, message.c and transfer.c share.
 *
 * libvhost-user takes part in two things only: it maps the guest's memory, and takes chains from the rings. It never
 * sees the socket: messages are received, checked and answered here, and those that remain for it are handed over
 * (message_run()). Left alone it ends the process when the peer goes or sends half a message, waits for a peer that
 * does not read, and believes sizes, indices and descriptors.
 */
#ifndef VHOST_TIER_HINT_DEVICE_IMPL_H
#define VHOST_TIER_HINT_DEVICE_IMPL_H

#include <glib.h>
#include <libvhost-user.h>

#include "device.h"
#include "guard.h"
#include "queue.h"

#define HINT_EVENT_TYPES   (VIRTIO_TIER_E_HINTS_IGNORED + 1)
#define HINT_EVENT_REASONS (VIRTIO_TIER_R_RESTART + 1)

typedef struct HintEvent {
    bool due;
    uint64_t value;
} HintEvent;

/* The device's state on its way from or to QEMU through a pipe. */
typedef struct HintTransfer {
    int fd;                         /* -1: none is under way, or it has come to its end */
    bool loading;
    bool failed;
    GByteArray *bytes;              /* what is left to be written, or was read so far; NULL: no transfer */
    GSource *source;
} HintTransfer;

struct HintDevice {
    VuDev dev;                      /* first: callbacks get a pointer to it */
    const HintOps *ops;
    void *opaque;
    GMainContext *context;
    int sock;
    GSource *in;                    /* socket readable */
    GSource *kicks[VIRTIO_TIER_Q_COUNT];
    GSource *serve;                 /* when queues are to be served next */
    uint64_t rest_until_ns;         /* not before then */
    bool closing;
    char *panic;                    /* what libvhost-user stumbled over last, or NULL */
    VhostUserMsg *handed;           /* to libvhost-user */

    VhostUserMsg msg;               /* being received */
    size_t have;                    /* bytes of it */

    GArray *memory;                 /* of HintMemory, all entries */
    GArray *mapped;                 /* of bool, for each whether libvhost-user has it */
    uint64_t mapped_bytes, max_bytes;
    HintGuard guard;
    HintLog log;
    int backend_fd;                 /* for messages to QEMU that it has not asked for; -1 */
    uint64_t features;              /* that QEMU has set */
    uint8_t status;                 /* virtio's, as last set */
    HintQueue queues[VIRTIO_TIER_Q_COUNT];
    bool broken_told[VIRTIO_TIER_Q_COUNT];
    HintRequest *request;           /* room for one */
    HintEvent events[HINT_EVENT_TYPES][HINT_EVENT_REASONS];
    uint64_t lost;                  /* events that were replaced by later ones since the last */
    HintTransfer transfer;
};

G_GNUC_PRINTF(3, 4)
void hint_device_log(HintDevice *device, GLogLevelFlags level, const char *format, ...);

/* Have the queues served soon. */
void hint_device_wake(HintDevice *device);

/* --- message.c --- */
/* What a message's header says, before its payload is waited for. */
bool message_header_check(const VhostUserMsg *msg, GError **errp);
/*
 * Carry out a whole message. False, with an error, where it is refused. @answer: the message is now what is to be
 * answered. Descriptors that were taken are no longer in the message.
 */
bool message_run(HintDevice *device, VhostUserMsg *msg, bool *answer, GError **errp);
/* Set an error, and return false. */
bool message_refuse(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Make the message an answer of one number. */
void message_answer(VhostUserMsg *msg, uint64_t value);
/*
 * Have libvhost-user carry a message out; it takes the message's descriptors. Where that fails, with G_IO_ERROR_FAILED,
 * it may have done half of it, and the connection is to end.
 */
bool message_hand_over(HintDevice *device, VhostUserMsg *msg, GError **errp);

/* --- memory.c: messages that are about memory --- */
bool memory_set_mem_table(HintDevice *device, VhostUserMsg *msg, GError **errp);
bool memory_add_mem_reg(HintDevice *device, VhostUserMsg *msg, GError **errp);
bool memory_rem_mem_reg(HintDevice *device, VhostUserMsg *msg, GError **errp);
bool memory_set_log_base(HintDevice *device, VhostUserMsg *msg, GError **errp);
/* Forget all memory, and the log; libvhost-user has done so before. */
void memory_forget(HintDevice *device);

/* --- transfer.c --- */
/* Begin to write or read the state; @fd (a pipe's end) is taken. */
bool transfer_begin(HintDevice *device, bool loading, int fd, GError **errp);
/* QEMU has read, or written, all of it: whether it went well. */
bool transfer_end(HintDevice *device, GError **errp);
void transfer_clear(HintDevice *device);

#endif /* VHOST_TIER_HINT_DEVICE_IMPL_H */
