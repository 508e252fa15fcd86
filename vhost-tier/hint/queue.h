/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtqueue of the hint device: libvhost-user's, with the checks that it lacks.
 */
#ifndef VHOST_TIER_HINT_QUEUE_H
#define VHOST_TIER_HINT_QUEUE_H

#include <glib.h>
#include <libvhost-user.h>
#include <stdbool.h>

/* The log of pages that are written to, while QEMU migrates the VM; and how to log. */
typedef struct HintLog {
    uint8_t *bits;                  /* one per 4 KiB of guest physical memory; NULL: there is no log */
    size_t bytes;
    bool wanted;                    /* by the features that QEMU has set */
} HintLog;

typedef struct HintQueue {
    VuDev *dev;
    unsigned index;
    const HintLog *log;
    const char *broken;             /* why nothing is taken from it any more, until it is started anew; or NULL */
} HintQueue;

/*
 * Whether ring addresses and size in @queue, as told by SET_VRING_NUM and SET_VRING_ADDR, lie in the guest's memory
 * in whole, aligned as virtio has it; then libvhost-user may use them.
 */
bool hint_queue_address_ok(const HintQueue *queue, unsigned num, const struct vhost_vring_addr *addr);

/* Find the rings again, as the memory table has changed. */
void hint_queue_remap(HintQueue *queue);

/*
 * The next chain that the driver has made available, to be freed with free(), or NULL: there is none, or the queue is
 * not started, disabled, or (then 'broken' says why) its contents break the rules.
 */
VuVirtqElement *hint_queue_pop(HintQueue *queue);
/* Whether there is one, as far as can be told without taking it. */
bool hint_queue_has_more(HintQueue *queue);

/* Give a chain back, @bytes of whose device-writable part were written. Frees @element. */
void hint_queue_push(HintQueue *queue, VuVirtqElement *element, size_t bytes);

/* Have the driver look for what was given back, where it wants to be told. */
void hint_queue_notify(HintQueue *queue);

#endif /* VHOST_TIER_HINT_QUEUE_H */
