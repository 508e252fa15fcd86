/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region as the daemon holds it: one RAM block of one VM, verified (channel.c) to be its process's own
 * mapping of the memfd that came with it. Sources and movers see VMs through this and nothing else.
 */
#ifndef VHOST_TIER_VM_REGION_H
#define VHOST_TIER_VM_REGION_H

#include <stdint.h>
#include <sys/types.h>

typedef struct Region {
    uint32_t id;                /* the policy's number for it, unique in the VM */
    uint32_t granule_bytes;     /* 4096 or 2 MiB */
    uint64_t hva;               /* in the address space of 'pid' */
    uint64_t size;              /* bytes */
    uint64_t page_size;         /* of the backing */
    pid_t pid;                  /* QEMU's */
    int pidfd;                  /* of 'pid'; readable once it has ended. Not owned */
    int memfd;                  /* owned; never mapped by the daemon */
    int pagemap;                /* owned; QEMU's own /proc/self/pagemap */
    int uffd;                   /* owned; -1 where QEMU could not make one */
} Region;

#endif /* VHOST_TIER_VM_REGION_H */
