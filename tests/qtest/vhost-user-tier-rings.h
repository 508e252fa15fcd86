/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queues of a back end for tests: split virtqueues in the memory that QEMU
 * shares. The tests are the guest, so what is in the queues is believed, but a
 * loop or an address that is not there is left alone.
 */
#ifndef QTEST_VHOST_USER_TIER_RINGS_H
#define QTEST_VHOST_USER_TIER_RINGS_H

#include "standard-headers/linux/virtio_tier.h"

#define RINGS_MAX_REGIONS 8

/* A region as vhost-user tells it */
typedef struct RingsRegion {
    uint64_t guest;             /* physical address */
    uint64_t size;
    uint64_t user;              /* address in QEMU */
    uint64_t offset;            /* in the file */
} RingsRegion;

typedef struct Ring {
    uint32_t size;
    uint64_t desc, avail, used; /* addresses in QEMU */
    uint16_t next;              /* of the avail ring, to be served */
    bool enabled;
    int kick, call, err;        /* eventfds; -1: none */
} Ring;

typedef struct Rings {
    Ring ring[VIRTIO_TIER_Q_COUNT];
    bool hold;                  /* serve nothing */
    struct {
        RingsRegion region;
        void *map;              /* of the file's first offset + size bytes */
    } memory[RINGS_MAX_REGIONS];
    unsigned n_memory;
} Rings;

void rings_init(Rings *rings);
/* As rings_init(), but first what is there is let go. */
void rings_clear(Rings *rings);
void rings_forget_memory(Rings *rings);
void rings_add_memory(Rings *rings, const RingsRegion *region, int fd);
/* Serve what the guest has put into the hint queue, if anything. */
void rings_serve(Rings *rings);
bool rings_put_event(Rings *rings, const struct virtio_tier_event *event);

/* Close *@fd if there is one, and put @new in its place. */
void ring_set_fd(int *fd, int new);
void ring_signal(int fd);

#endif /* QTEST_VHOST_USER_TIER_RINGS_H */
