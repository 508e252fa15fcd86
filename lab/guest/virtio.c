/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A polled virtqueue: see virtio.h. The guest's memory is mapped one to one, so addresses are physical ones. */
#include <stddef.h>

#include "machine.h"
#include "pci.h"
#include "virtio.h"

#define CAP_VENDOR        0x09
#define CAP_TYPE          3
#define CAP_BAR           4
#define CAP_OFFSET        8
#define CAP_MULTIPLIER    16
#define CAP_COMMON        1u
#define CAP_NOTIFY        2u
#define CAP_CONFIG        4u

/* The common configuration structure (4.1.4.3). */
#define DEVICE_FEATURE_SELECT 0x00
#define DEVICE_FEATURE        0x04
#define DRIVER_FEATURE_SELECT 0x08
#define DRIVER_FEATURE        0x0c
#define DEVICE_STATUS         0x14
#define QUEUE_SELECT          0x16
#define QUEUE_SIZE            0x18
#define QUEUE_ENABLE          0x1c
#define QUEUE_NOTIFY_OFF      0x1e
#define QUEUE_DESC            0x20
#define QUEUE_DRIVER          0x28
#define QUEUE_DEVICE          0x30

#define STATUS_DRIVER         3u      /* ACKNOWLEDGE and DRIVER */
#define STATUS_FEATURES_OK    8u
#define STATUS_DRIVER_OK      4u
#define FEATURES_HIGH         1u      /* VIRTIO_F_VERSION_1, bit 32 */

#define DESC_NEXT  1u
#define DESC_WRITE 2u
#define NO_INTERRUPT 1u
#define ENTRIES    4u

static struct {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} desc[ENTRIES] __attribute__((aligned(16)));

static volatile struct {
    uint16_t flags, idx, ring[ENTRIES];
} avail __attribute__((aligned(2)));

static volatile struct {
    uint16_t flags, idx;
    struct {
        uint32_t id, len;
    } ring[ENTRIES];
} used __attribute__((aligned(4)));

static void put8(Virtio *v, uint32_t at, uint8_t value)
{
    v->common[at] = value;
}

static void put16(Virtio *v, uint32_t at, uint16_t value)
{
    *(volatile uint16_t *)(v->common + at) = value;
}

static void put32(Virtio *v, uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(v->common + at) = value;
}

static uint32_t get32(const Virtio *v, uint32_t at)
{
    return *(volatile const uint32_t *)(v->common + at);
}

static void put_address(Virtio *v, uint32_t at, volatile const void *address)
{
    put32(v, at, (uint32_t)(uintptr_t)address);
    put32(v, at + 4, 0);
}

/* Where the device's structure of this kind lies, and what else its capability tells; 0: nowhere. */
static uint32_t structure(PciDevice pci, uint32_t kind, uint32_t *multiplier)
{
    for (uint32_t cap = pci_capability(pci, CAP_VENDOR, 0); cap; cap = pci_capability(pci, CAP_VENDOR, cap)) {
        uint32_t bar = pci_read(pci, cap + CAP_BAR) & 0xff;

        if ((pci_read(pci, cap + CAP_TYPE) & 0xff) == kind && bar < 6 && pci_bar(pci, bar)) {
            if (multiplier) {
                *multiplier = pci_read(pci, cap + CAP_MULTIPLIER);
            }
            return pci_bar(pci, bar) + pci_read(pci, cap + CAP_OFFSET);
        }
    }
    return 0;
}

static const char *negotiate(Virtio *v, uint32_t features)
{
    put8(v, DEVICE_STATUS, 0);
    while (v->common[DEVICE_STATUS]) {
        cpu_relax();
    }
    put8(v, DEVICE_STATUS, STATUS_DRIVER);
    put32(v, DEVICE_FEATURE_SELECT, 0);
    v->features = get32(v, DEVICE_FEATURE) & features;
    put32(v, DRIVER_FEATURE_SELECT, 0);
    put32(v, DRIVER_FEATURE, v->features);
    put32(v, DRIVER_FEATURE_SELECT, 1);
    put32(v, DRIVER_FEATURE, FEATURES_HIGH);
    put8(v, DEVICE_STATUS, STATUS_DRIVER | STATUS_FEATURES_OK);
    return v->common[DEVICE_STATUS] & STATUS_FEATURES_OK ? NULL : "the device refused its features";
}

const char *virtio_start(Virtio *v, uint32_t id, uint32_t features)
{
    uint32_t multiplier = 0, notify;
    const char *problem;
    PciDevice pci;

    if (!pci_find(VIRTIO_PCI_VENDOR, VIRTIO_PCI_ID(id), &pci)) {
        return "no such device on bus 0";
    }
    pci_enable(pci);
    v->common = (volatile uint8_t *)structure(pci, CAP_COMMON, NULL);
    v->config = (volatile const void *)structure(pci, CAP_CONFIG, NULL);
    notify = structure(pci, CAP_NOTIFY, &multiplier);
    if (!v->common || !v->config || !notify) {
        return "the device lacks a structure, or it lies above 4 GiB";
    }
    problem = negotiate(v, features);
    if (problem) {
        return problem;
    }
    put16(v, QUEUE_SELECT, 0);
    put16(v, QUEUE_SIZE, ENTRIES);
    put_address(v, QUEUE_DESC, desc);
    put_address(v, QUEUE_DRIVER, &avail);
    put_address(v, QUEUE_DEVICE, &used);
    avail.flags = NO_INTERRUPT;
    put16(v, QUEUE_ENABLE, 1);
    notify += *(volatile uint16_t *)(v->common + QUEUE_NOTIFY_OFF) * multiplier;
    v->notify = (volatile uint16_t *)notify;
    put8(v, DEVICE_STATUS, STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    return NULL;
}

void virtio_send(Virtio *v, const void *out, uint32_t out_bytes, void *in, uint32_t in_bytes)
{
    desc[0].addr = (uintptr_t)out;
    desc[0].len = out_bytes;
    desc[0].flags = DESC_NEXT;
    desc[0].next = 1;
    desc[1].addr = (uintptr_t)in;
    desc[1].len = in_bytes;
    desc[1].flags = DESC_WRITE;
    avail.ring[avail.idx % ENTRIES] = 0;
    __asm__ volatile("" : : : "memory");
    avail.idx = avail.idx + 1;
    __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory");
    v->busy = true;
    *v->notify = 0;
}

bool virtio_done(Virtio *v, uint32_t *written)
{
    if (!v->busy || used.idx == v->used) {
        return false;
    }
    __asm__ volatile("" : : : "memory");
    *written = used.ring[v->used % ENTRIES].len;
    v->used++;
    v->busy = false;
    return true;
}
