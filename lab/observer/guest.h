/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload guest under our QEMU: starting it, and looking into its RAM from outside. Its RAM is read
 * through QEMU's memory (process_vm_readv), never by mapping the memfd: that would be one more mapping of
 * pages that are to be moved.
 */
#ifndef LAB_OBSERVER_GUEST_H
#define LAB_OBSERVER_GUEST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/guest-abi.h"
#include "process.h"
#include "qmp.h"

typedef struct GuestParams {
    const char *qemu;           /* the program */
    const char *workload;       /* the guest's ELF */
    const char *pattern;        /* the guest's command line */
    const char *accel;          /* "kvm" or "tcg" */
    /* of its RAM: "memory-backend-memfd", or "memory-backend-tier,fast-size=...": id and size are added */
    const char *backend;
    const char *chardev;        /* one more -chardev, that 'backend' names; or NULL */
    const char *hint_socket;    /* the daemon's, of a virtio-tier device; NULL: the guest has none */
    const char *folder;         /* for its logs */
    uint64_t ram_bytes;
    int cpu;                    /* QEMU's, the vCPU's included; -1: any */
} GuestParams;

typedef struct Guest {
    Process *process;
    Qmp *qmp;
    GuestHeader header;         /* as it was when the guest was ready */
    uint64_t ram_bytes;
    uint64_t hva;               /* where QEMU has the RAM, its guest-physical address 0 */
} Guest;

/* Start it and wait until it has touched all its pages and is at work. NULL with an error. */
Guest *guest_start(const GuestParams *params, GError **errp);
void guest_free(Guest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guest, guest_free)

/*
 * Read, or write, @bytes at guest-physical address @gpa; false when QEMU has ended or the range is not in its
 * RAM.
 */
bool guest_read(const Guest *guest, uint64_t gpa, void *to, size_t bytes, GError **errp);
bool guest_write(const Guest *guest, uint64_t gpa, const void *from, size_t bytes, GError **errp);

/* The visit counts of its pages, header.pages of them. */
bool guest_counts(const Guest *guest, uint32_t *counts, GError **errp);

#endif /* LAB_OBSERVER_GUEST_H */
