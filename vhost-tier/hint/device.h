/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of QEMU's vhost-user-tier device: the back end of a guest's virtio-tier, which speaks vhost-user and
 * serves the queues. What the guest's requests mean for the VM is its user's (HintOps).
 *
 * Everything happens on the main context that it was made for; nothing blocks. Built without libvhost-user, there is
 * absent.c in its place.
 */
#ifndef VHOST_TIER_HINT_DEVICE_H
#define VHOST_TIER_HINT_DEVICE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "map.h"
#include "request.h"

typedef struct HintDevice HintDevice;

/* What the device needs of its VM. None but gone() may free the device. */
typedef struct HintOps {
    /*
     * A request came. Where its status is OK, each of its ranges whose status is OK is to be carried out, and gets its
     * status; all else is there to be counted.
     */
    void (*request)(void *opaque, HintRequest *request);
    /* What the driver reads as configuration now; in the host's byte order. */
    void (*config)(void *opaque, struct virtio_tier_config *config);
    /* hint_device_memory() has changed. */
    void (*memory)(void *opaque);
    /* The queue of hints is started; @before: it was served earlier, by whomever. */
    void (*started)(void *opaque, bool before);
    /* The guest has reset its device. */
    void (*reset)(void *opaque);
    /* What migration takes along of it, of at most HINT_STATE_MAX bytes; and what it brought. */
    GByteArray *(*save)(void *opaque);
    bool (*load)(void *opaque, const uint8_t *bytes, size_t n, GError **errp);
    /* Something to be logged. */
    void (*log)(void *opaque, GLogLevelFlags level, const char *text);
    /* The connection has ended; nothing is called after this. */
    void (*gone)(void *opaque);
} HintOps;

#define HINT_STATE_MAX ((size_t)1024 * 1024)

/* NULL, or why this daemon can serve no such device, and the remedy. */
const char *hint_device_unusable(void);

/*
 * Serve the connection @sock (non-blocking; owned from now on) on @context. Of the guest's memory at most @max_bytes
 * are mapped. The caller frees it with hint_device_free(), at any time but within an operation other than gone().
 */
HintDevice *hint_device_new(int sock, GMainContext *context, uint64_t max_bytes, const HintOps *ops, void *opaque);
void hint_device_free(HintDevice *device);

/* The memory table, as QEMU has told it: entries of HintMemory. Valid until the next operation. */
const GArray *hint_device_memory(const HintDevice *device);

/* The features that the guest's driver has negotiated. */
uint64_t hint_device_features(const HintDevice *device);

/*
 * Tell the guest of an event (VIRTIO_TIER_E_*, _R_*), as soon as there is a buffer for it. One that waits is replaced
 * by a later one of its type and reason; values of HINTS_IGNORED add up.
 */
void hint_device_event(HintDevice *device, uint32_t type, uint32_t reason, uint64_t value);

/* Tell QEMU that config() says something else now; false where that can't be told at the moment. */
bool hint_device_config_changed(HintDevice *device);

#endif /* VHOST_TIER_HINT_DEVICE_H */
