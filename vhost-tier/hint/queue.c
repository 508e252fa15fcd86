/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtqueue of the hint device.
 *
 * Theory of operation
 *
 * Rings and descriptors lie in memory that the guest may write to at any time, and where they lie is QEMU's word.
 * libvhost-user bounds what it reads of a chain (vu_queue_pop()), but not
 *   - where a ring ends: only the first byte of each is looked up. So it is looked up here, in whole, before
 *     libvhost-user gets the addresses, and again whenever the memory table changes;
 *   - how far the driver's index may be ahead: more than the ring's size means that it has gone wild;
 *   - what it logs for migration: it reads the descriptors once more, and ends the process where what they say now is
 *     outside the log. So logging is done here, from what was read the first time, and chains are given back here
 *     (libvhost-user is not told that there is a log, and its vu_queue_fill() is not used).
 * A chain is taken, served and given back in one go, so a queue that is stopped has none in flight.
 */
#include "queue.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>

static size_t desc_bytes(unsigned num)
{
    return num * sizeof(struct vring_desc);
}

/* Both with the event index that follows the ring. */
static size_t avail_bytes(unsigned num)
{
    return sizeof(struct vring_avail) + num * sizeof(uint16_t) + sizeof(uint16_t);
}

static size_t used_bytes(unsigned num)
{
    return sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) + sizeof(uint16_t);
}

/* Where @bytes bytes at QEMU's address @hva are mapped here; NULL where they are not in one piece, or unaligned. */
static void *ring_at(const VuDev *dev, uint64_t hva, size_t bytes, unsigned align)
{
    if (hva % align) {
        return NULL;
    }
    for (uint32_t i = 0; i < dev->nregions; i++) {
        const VuDevRegion *region = &dev->regions[i];

        if (hva >= region->qva && hva - region->qva < region->size) {
            const uint64_t offset = hva - region->qva;

            return bytes <= region->size - offset
                       ? (void *)(uintptr_t)(region->mmap_addr + region->mmap_offset + offset)
                       : NULL;
        }
    }
    return NULL;
}

static bool rings_find(const VuDev *dev, unsigned num, const struct vhost_vring_addr *addr, VuRing *ring)
{
    ring->desc = ring_at(dev, addr->desc_user_addr, desc_bytes(num), VRING_DESC_ALIGN_SIZE);
    ring->avail = ring_at(dev, addr->avail_user_addr, avail_bytes(num), VRING_AVAIL_ALIGN_SIZE);
    ring->used = ring_at(dev, addr->used_user_addr, used_bytes(num), VRING_USED_ALIGN_SIZE);
    return num > 0 && ring->desc && ring->avail && ring->used;
}

bool hint_queue_address_ok(const HintQueue *queue, unsigned num, const struct vhost_vring_addr *addr)
{
    VuRing ring;

    return rings_find(queue->dev, num, addr, &ring);
}

void hint_queue_remap(HintQueue *queue)
{
    VuVirtq *vq = vu_get_queue(queue->dev, (int)queue->index);

    if (!rings_find(queue->dev, vq->vring.num, &vq->vra, &vq->vring)) {
        vq->vring.desc = NULL;
        vq->vring.avail = NULL;
        vq->vring.used = NULL;
    }
}

/* The queue, where chains may be taken from it; else NULL. */
static VuVirtq *usable(const HintQueue *queue)
{
    VuVirtq *vq = vu_get_queue(queue->dev, (int)queue->index);

    if (queue->broken || !vu_queue_started(queue->dev, vq) || !vu_queue_enabled(queue->dev, vq)) {
        return NULL;
    }
    return vq->vring.avail ? vq : NULL;
}

/* How many chains the driver has made available, as it says. */
static uint16_t n_available(VuVirtq *vq)
{
    uint16_t index;

    /* The event index that vu_queue_pop() wrote must be seen by a driver whose chain is not seen here. */
    atomic_thread_fence(memory_order_seq_cst);
    index = *(volatile uint16_t *)&vq->vring.avail->idx;
    atomic_thread_fence(memory_order_acquire);
    return (uint16_t)(GUINT16_FROM_LE(index) - vq->last_avail_idx);
}

bool hint_queue_has_more(HintQueue *queue)
{
    VuVirtq *vq = usable(queue);

    return vq && n_available(vq) > 0;
}

VuVirtqElement *hint_queue_pop(HintQueue *queue)
{
    VuVirtq *vq = usable(queue);
    VuVirtqElement *element;
    uint16_t n;

    if (!vq) {
        return NULL;
    }
    n = n_available(vq);
    if (n > vq->vring.num) {
        queue->broken = "its index of available chains is further ahead than the queue is long";
        return NULL;
    }
    if (n == 0) {
        return NULL;
    }
    element = vu_queue_pop(queue->dev, vq, sizeof(VuVirtqElement));
    if (!element && !queue->broken) {
        queue->broken = "a chain of descriptors breaks the rules, or there is no memory for it";
    }
    return element;
}

/* --- the log --- */

static void log_range(const HintLog *log, uint64_t gpa, uint64_t len)
{
    for (uint64_t page = gpa / VHOST_LOG_PAGE; page <= (gpa + len - 1) / VHOST_LOG_PAGE; page++) {
        if (page / 8 < log->bytes) {
            __atomic_fetch_or(&log->bits[page / 8], (uint8_t)(1u << page % 8), __ATOMIC_RELAXED);
        }
    }
}

static void log_element(const HintQueue *queue, const VuVirtqElement *element, size_t bytes)
{
    for (unsigned i = 0; i < element->in_num && bytes > 0; i++) {
        const struct iovec *iov = &element->in_sg[i];
        const size_t here = MIN(bytes, iov->iov_len);

        for (uint32_t r = 0; r < queue->dev->nregions; r++) {
            const VuDevRegion *region = &queue->dev->regions[r];
            const uint64_t start = region->mmap_addr + region->mmap_offset, at = (uintptr_t)iov->iov_base;

            if (at >= start && at - start < region->size) {
                log_range(queue->log, region->gpa + (at - start), here);
            }
        }
        bytes -= here;
    }
}

void hint_queue_push(HintQueue *queue, VuVirtqElement *element, size_t bytes)
{
    VuVirtq *vq = vu_get_queue(queue->dev, (int)queue->index);
    struct vring_used_elem *used = &vq->vring.used->ring[vq->used_idx % vq->vring.num];

    used->id = GUINT32_TO_LE(element->index);
    used->len = GUINT32_TO_LE((uint32_t)bytes);
    vu_queue_flush(queue->dev, vq, 1);
    /* After all has been written: what is logged before may be copied before. */
    if (queue->log->wanted && queue->log->bits) {
        log_element(queue, element, bytes);
        if (vq->vra.flags & 1u << VHOST_VRING_F_LOG) {
            log_range(queue->log, vq->vra.log_guest_addr, used_bytes(vq->vring.num));
        }
    }
    free(element);
}

void hint_queue_notify(HintQueue *queue)
{
    VuVirtq *vq = usable(queue);

    if (vq && vq->call_fd >= 0) {
        vu_queue_notify(queue->dev, vq);
    }
}
