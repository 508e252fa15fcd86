/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queues of a back end for tests.
 */
#include "qemu/osdep.h"

#include <poll.h>
#include <sys/mman.h>

#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_ring.h"
#include "vhost-user-tier-rings.h"

#define MAX_CHAIN 64

typedef struct Chain {
    uint16_t head;
    uint8_t out[32 * 1024];
    size_t out_len;
    struct iovec in[MAX_CHAIN];
    unsigned n_in;
} Chain;

void ring_set_fd(int *fd, int new)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = new;
}

void ring_signal(int fd)
{
    uint64_t one = 1;

    if (fd >= 0) {
        g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
    }
}

void rings_init(Rings *rings)
{
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        rings->ring[i] = (Ring) { .kick = -1, .call = -1, .err = -1 };
    }
}

void rings_forget_memory(Rings *rings)
{
    for (unsigned i = 0; i < rings->n_memory; i++) {
        munmap(rings->memory[i].map, rings->memory[i].region.offset +
                                     rings->memory[i].region.size);
    }
    rings->n_memory = 0;
}

void rings_clear(Rings *rings)
{
    for (unsigned i = 0; i < VIRTIO_TIER_Q_COUNT; i++) {
        ring_set_fd(&rings->ring[i].kick, -1);
        ring_set_fd(&rings->ring[i].call, -1);
        ring_set_fd(&rings->ring[i].err, -1);
    }
    rings_forget_memory(rings);
    rings_init(rings);
}

void rings_add_memory(Rings *rings, const RingsRegion *region, int fd)
{
    void *map;

    g_assert_cmpuint(rings->n_memory, <, RINGS_MAX_REGIONS);
    map = mmap(NULL, region->offset + region->size, PROT_READ | PROT_WRITE,
               MAP_SHARED, fd, 0);
    g_assert_true(map != MAP_FAILED);
    close(fd);
    rings->memory[rings->n_memory].region = *region;
    rings->memory[rings->n_memory++].map = map;
}

/* @len bytes at an address of the guest's, or of QEMU's; NULL: not there */
static void *find(const Rings *rings, uint64_t addr, uint64_t len, bool user)
{
    for (unsigned i = 0; i < rings->n_memory; i++) {
        const RingsRegion *region = &rings->memory[i].region;
        uint64_t start = user ? region->user : region->guest;

        if (addr >= start && addr - start < region->size &&
            len <= region->size - (addr - start)) {
            return (uint8_t *)rings->memory[i].map + region->offset +
                   (addr - start);
        }
    }
    return NULL;
}

static struct vring_avail *avail_of(const Rings *rings, const Ring *ring)
{
    return find(rings, ring->avail, 4 + 2 * ring->size, true);
}

static bool ring_ready(const Rings *rings, const Ring *ring)
{
    return ring->enabled && ring->kick >= 0 && avail_of(rings, ring) &&
           ring->next != lduw_le_p(&avail_of(rings, ring)->idx);
}

static bool add_piece(const Rings *rings, Chain *chain,
                      const struct vring_desc *desc)
{
    uint32_t len = ldl_le_p(&desc->len);
    void *bytes = find(rings, ldq_le_p(&desc->addr), len, false);

    if (!bytes) {
        return false;
    }
    if (lduw_le_p(&desc->flags) & VRING_DESC_F_WRITE) {
        chain->in[chain->n_in++] = (struct iovec) { bytes, len };
    } else if (len <= sizeof(chain->out) - chain->out_len) {
        memcpy(chain->out + chain->out_len, bytes, len);
        chain->out_len += len;
    } else {
        return false;
    }
    return true;
}

/* The next chain of @ring, which has one; what is odd about it is left out. */
static void pop(const Rings *rings, Ring *ring, Chain *chain)
{
    const struct vring_avail *avail = avail_of(rings, ring);
    const struct vring_desc *descs = find(rings, ring->desc, 16 * ring->size,
                                          true);
    uint16_t i = lduw_le_p(&avail->ring[ring->next++ % ring->size]);

    chain->head = i;
    chain->out_len = 0;
    chain->n_in = 0;
    for (unsigned n = 0; descs && n < MAX_CHAIN && i < ring->size; n++) {
        if (!add_piece(rings, chain, &descs[i]) ||
            !(lduw_le_p(&descs[i].flags) & VRING_DESC_F_NEXT)) {
            break;
        }
        i = lduw_le_p(&descs[i].next);
    }
}

static size_t scatter(const Chain *chain, const void *data, size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < chain->n_in && done < size; i++) {
        size_t n = MIN(chain->in[i].iov_len, size - done);

        memcpy(chain->in[i].iov_base, (const char *)data + done, n);
        done += n;
    }
    return done;
}

static void push(const Rings *rings, Ring *ring, const Chain *chain,
                 size_t written)
{
    struct vring_used *used = find(rings, ring->used, 4 + 8 * ring->size, true);
    uint16_t idx;

    if (!used) {
        return;
    }
    idx = lduw_le_p(&used->idx);
    stl_le_p(&used->ring[idx % ring->size].id, chain->head);
    stl_le_p(&used->ring[idx % ring->size].len, written);
    smp_wmb();                  /* the index says that the element is there */
    stw_le_p(&used->idx, idx + 1);
    ring_signal(ring->call);
}

/* All is taken; QUERY says that all of the range is in tier 0. */
static size_t respond(const Chain *chain)
{
    const struct virtio_tier_req *req = (const void *)chain->out;
    const struct virtio_tier_range *ranges = (const void *)(req + 1);
    uint32_t n = ldl_le_p(&req->n_ranges);
    bool query = lduw_le_p(&req->type) == VIRTIO_TIER_T_QUERY;
    struct virtio_tier_resp resp = { .cookie = req->cookie };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (chain->out_len < sizeof(*req) || n > VIRTIO_TIER_MAX_RANGES ||
        chain->out_len != sizeof(*req) + n * sizeof(*ranges)) {
        resp.status = cpu_to_le32(VIRTIO_TIER_S_INVAL);
        return scatter(chain, &resp, sizeof(resp));
    }
    resp.n_ranges = req->n_ranges;
    g_byte_array_append(bytes, (const void *)&resp, sizeof(resp));
    for (uint32_t i = 0; i < n; i++) {
        struct virtio_tier_result result = { .tier_bytes = { ranges[i].len } };

        g_byte_array_append(bytes, (const void *)&result,
                            query ? sizeof(result) : sizeof(result.status));
    }
    return scatter(chain, bytes->data, bytes->len);
}

void rings_serve(Rings *rings)
{
    Ring *ring = &rings->ring[VIRTIO_TIER_Q_HINT];
    g_autofree Chain *chain = g_new(Chain, 1);
    uint64_t n;

    if (ring->kick >= 0) {
        struct pollfd kicked = { .fd = ring->kick, .events = POLLIN };

        if (poll(&kicked, 1, 0) == 1 && read(ring->kick, &n, sizeof(n)) < 0) {
            g_assert_not_reached();
        }
    }
    while (!rings->hold && ring_ready(rings, ring)) {
        pop(rings, ring, chain);
        push(rings, ring, chain, respond(chain));
    }
}

bool rings_put_event(Rings *rings, const struct virtio_tier_event *event)
{
    Ring *ring = &rings->ring[VIRTIO_TIER_Q_EVENT];
    g_autofree Chain *chain = g_new(Chain, 1);

    if (!ring_ready(rings, ring)) {
        return false;
    }
    pop(rings, ring, chain);
    push(rings, ring, chain, scatter(chain, event, sizeof(*event)));
    return true;
}
