/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One queue of one virtio device on PCI, polled: as much of a driver as the workload guest needs (Virtual I/O Device
 * 1.2, 2.7 split virtqueues, 4.1 virtio over PCI). One request is under way at a time.
 */
#ifndef LAB_GUEST_VIRTIO_H
#define LAB_GUEST_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

/* A device id's number on PCI, and its driver's vendor. */
#define VIRTIO_PCI_VENDOR  0x1af4
#define VIRTIO_PCI_ID(id)  (0x1040 + (id))

/* Features that this driver takes, of bits 0..31 of the device's own; VIRTIO_F_VERSION_1 goes without saying. */
typedef struct Virtio {
    uint32_t features;              /* that both have */
    volatile const void *config;    /* the device's configuration space */
    volatile uint8_t *common;
    volatile uint16_t *notify;
    uint16_t used;                  /* what of the used ring was seen */
    bool busy;                      /* a request is under way */
} Virtio;

/* Take the device over, and its queue 0; what is missing is told by the text that is returned, NULL: nothing. */
const char *virtio_start(Virtio *virtio, uint32_t id, uint32_t features);
/* Give the device @out_bytes at @out to read and @in_bytes at @in to write. Not while busy. */
void virtio_send(Virtio *virtio, const void *out, uint32_t out_bytes, void *in, uint32_t in_bytes);
/* Whether the request has been answered; then *@written bytes of its 'in' are. */
bool virtio_done(Virtio *virtio, uint32_t *written);

#endif /* LAB_GUEST_VIRTIO_H */
