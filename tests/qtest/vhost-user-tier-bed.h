/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of vhost-user-tier share: a QEMU with the device, and a
 * guest's driver for it, which can do wrong as well as right.
 */
#ifndef QTEST_VHOST_USER_TIER_BED_H
#define QTEST_VHOST_USER_TIER_BED_H

#include "libqos/virtio-pci.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_ring.h"
#include "standard-headers/linux/virtio_tier.h"
#include "vhost-user-tier-peer.h"

#define BED_RAM_BYTES   (64ull << 20)
#define BED_QUEUE_SIZE  64
#define BED_TIMEOUT_MS  20000
/* Guest memory that is the test's own, beside queues and buffers */
#define BED_FREE        (32ull << 20)

typedef struct BedQueue {
    QVirtQueue vq;              /* desc, avail, used: guest addresses */
    uint16_t next_desc;
    uint16_t avail_idx;
    uint16_t seen_used;
    uint64_t buffers;           /* a page for each descriptor */
} BedQueue;

typedef struct Bed {
    QTestState *qts;
    QPCIBus *bus;
    QVirtioPCIDevice *dev;      /* NULL: no driver */
    BedQueue queues[VIRTIO_TIER_Q_COUNT];
} Bed;

/* One descriptor of a chain */
typedef struct BedDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;             /* VRING_DESC_F_*; NEXT is added */
} BedDesc;

/*
 * A QEMU whose RAM can be shared, with the device "tier0" that looks for a
 * daemon at @path, and @more options.
 */
Bed *bed_new(const char *path, const char *more);
/* The same, but @memory has all options about memory. */
Bed *bed_new_with(const char *memory, const char *path, const char *more);
void bed_free(Bed *bed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bed, bed_free)

/* Negotiate what is offered of @features, and set up the queues. */
void bed_drive(Bed *bed, uint64_t features);
/* The same with all but EVENT_IDX. */
void bed_drive_all(Bed *bed);
/* Have the driver that @old has, after a migration. */
void bed_take_over(Bed *bed, const Bed *old);
/* Forget the driver; the device stays as it is. */
void bed_undrive(Bed *bed);
uint8_t bed_status(Bed *bed);
void bed_reset(Bed *bed);
void bed_read_config(Bed *bed, struct virtio_tier_config *config);

/*
 * Make a chain of @descs available, and kick. Returns its head. Descriptors are
 * taken in turn, so no more than BED_QUEUE_SIZE may be in use.
 */
uint16_t bed_add(Bed *bed, unsigned queue, const BedDesc *descs, unsigned n);
void bed_kick(Bed *bed, unsigned queue);
/* Wait for the next used chain, which must be @head; returns its length. */
uint32_t bed_wait_used(Bed *bed, unsigned queue, uint16_t head);
/* Whether there is a used chain that was not waited for. */
bool bed_has_used(Bed *bed, unsigned queue);

/* A request about @n @ranges, in guest memory: its descriptors. */
typedef struct BedRequest {
    BedDesc descs[2];
    uint32_t n;
} BedRequest;

BedRequest bed_request(Bed *bed, uint16_t type,
                       const struct virtio_tier_range *ranges, uint32_t n);
/* Send it, and wait; the response and entries are at most @size bytes. */
uint32_t bed_send(Bed *bed, uint16_t type,
                  const struct virtio_tier_range *ranges, uint32_t n,
                  struct virtio_tier_resp *resp, void *entries, size_t size);
/* The status of a request about one range, or, if that is OK, the range's. */
uint32_t bed_hint(Bed *bed, uint16_t type, uint64_t addr, uint64_t len);

/* What query-virtio-tier says of the only device; to be unreferenced. */
QDict *bed_query(Bed *bed);
bool bed_query_bool(Bed *bed, const char *key);
/* Ask until the member @key has that value. */
void bed_wait_bool(Bed *bed, const char *key, bool value);
/* Ask until the problem has @text in it. */
void bed_wait_problem(Bed *bed, const char *text);

/* A file name in a folder of its own, and the end of both */
char *bed_make_file(const char *name);
void bed_remove_file(char *file);

/* vhost-user-tier-lifetime.c, -misbehaviour.c, -hints.c, -garbage.c */
void add_lifetime_tests(void);
void add_misbehaviour_tests(void);
void add_hint_tests(void);
void add_garbage_tests(void);

#endif /* QTEST_VHOST_USER_TIER_BED_H */
