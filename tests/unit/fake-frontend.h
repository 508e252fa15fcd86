/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer of the hint device as QEMU and a guest's driver are one: speaks vhost-user, and keeps rings in RAM that the
 * test has mapped.
 */
#ifndef FAKE_FRONTEND_H
#define FAKE_FRONTEND_H

#include <glib.h>
#include <libvhost-user.h>
#include <stdbool.h>
#include <stddef.h>

#include "fake-qemu.h"
#include "uapi/linux/virtio_tier.h"

/* Requests of vhost-user that libvhost-user has no names for. */
#define FAKE_RESET_DEVICE        34
#define FAKE_SET_STATUS          39
#define FAKE_GET_STATUS          40
#define FAKE_SET_DEVICE_STATE_FD 42
#define FAKE_CHECK_DEVICE_STATE  43

#define FAKE_QUEUE_SIZE 256u
/* Where the guest has its RAM, and what of it the fake uses for itself, from its beginning on. */
#define FAKE_GPA        0x100000000ull
#define FAKE_OWN_BYTES  0x100000u
/* Where the requests' buffers lie. */
#define FAKE_BUFFERS    0x40000u
#define FAKE_ALL_FEATURES \
    (1ull << VIRTIO_TIER_F_PIN | 1ull << VIRTIO_TIER_F_QUERY | 1ull << VIRTIO_TIER_F_EVENTS | 1ull << 32 | \
     1ull << VHOST_USER_F_PROTOCOL_FEATURES)

typedef struct FakeQueue {
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    int kick, call, err;            /* eventfds */
    uint16_t seen;                  /* of the used ring */
} FakeQueue;

typedef struct FakeFrontend {
    int sock;
    int backend;                    /* the device's messages to QEMU */
    const FakeRam *ram;             /* of at least FAKE_OWN_BYTES */
    FakeQueue queues[VIRTIO_TIER_Q_COUNT];
} FakeFrontend;

/* One descriptor of a chain, its memory an offset in the RAM. */
typedef struct FakeDesc {
    uint64_t offset;
    uint32_t len;
    uint16_t flags;                 /* VRING_DESC_F_WRITE, _INDIRECT; NEXT is set by itself */
} FakeDesc;

/* On a connected socket (owned from now on); nothing is said yet. */
FakeFrontend *fake_frontend_new(int sock, const FakeRam *ram);
void fake_frontend_free(FakeFrontend *f);

/* Send a message of vhost-user; @flags besides the version. */
void fake_frontend_send(const FakeFrontend *f, int request, uint32_t flags, const void *payload, uint32_t size,
                        const int *fds, size_t n_fds);
/* Receive an answer of at most @size bytes; returns their number, or -1 at the connection's end. */
int fake_frontend_receive(const FakeFrontend *f, int request, void *payload, uint32_t size);
/* Send, and return what it is answered: 0 where it was carried out; UINT64_MAX at the connection's end. */
uint64_t fake_frontend_ask(const FakeFrontend *f, int request, const void *payload, uint32_t size, const int *fds,
                           size_t n_fds);
uint64_t fake_frontend_ask_u64(const FakeFrontend *f, int request, uint64_t value);
/* A request that has an answer of its own, which is a number. */
uint64_t fake_frontend_get(const FakeFrontend *f, int request);

/* The memory table: all of the RAM. */
VhostUserMemory fake_frontend_memory(const FakeFrontend *f);
/* What a queue is told of, before it is kicked for the first time. */
struct vhost_vring_addr fake_frontend_addr(const FakeFrontend *f, unsigned index);
/* Start a queue where index @base is next, and stop it: returns the index that is next. */
void fake_frontend_start_queue(FakeFrontend *f, unsigned index, uint16_t base);
uint16_t fake_frontend_stop_queue(FakeFrontend *f, unsigned index);
/* All that it takes until requests are served, with these features. */
void fake_frontend_start(FakeFrontend *f, uint64_t features);

/* Make a chain available, from the descriptor @head on, and kick. */
void fake_frontend_chain(FakeFrontend *f, unsigned index, uint16_t head, const FakeDesc *descs, size_t n);
/* Wait for a chain to come back; its length as written, or -1 when the queue is told to be broken, or nothing comes. */
int fake_frontend_await(FakeFrontend *f, unsigned index);

/*
 * One request with its answer: the status of the whole, and @n entries of @entry bytes each into @answer where it is
 * OK. UINT32_MAX when no answer comes.
 */
uint32_t fake_frontend_request(FakeFrontend *f, uint16_t type, const struct virtio_tier_range *ranges, uint32_t n,
                               void *answer, size_t entry);
/* The status of a request for one range of the RAM, at @offset in it. */
uint32_t fake_frontend_hint(FakeFrontend *f, uint16_t type, uint64_t offset, uint64_t len);

/* Give the device a buffer for events, and wait for one; false where none comes. */
void fake_frontend_give_event_buffer(FakeFrontend *f);
bool fake_frontend_await_event(FakeFrontend *f, struct virtio_tier_event *event);

#endif /* FAKE_FRONTEND_H */
