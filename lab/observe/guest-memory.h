/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload guest's memory as seen from its host: reads the header and the counts (guest/guest-abi.h) in QEMU's address
 * space, asks the kernel where each page lies. Reads go through /proc/PID/mem and touch only pages that the guest itself uses
 * all the time, so they disturb neither access bits nor placement.
 */
#ifndef LAB_GUEST_MEMORY_H
#define LAB_GUEST_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "guest/guest-abi.h"

typedef struct GuestMemory {
    pid_t pid;              /* QEMU's */
    int fd;                 /* its /proc/PID/mem */
    uint64_t hva;           /* where guest-physical address 0 is in it */
    uint64_t size;          /* bytes of RAM; a multiple of the page size */
} GuestMemory;

/*
 * Find the workload guest's RAM in the process @pid: the memfd mapping that bears its header. Needs ptrace access to it. False,
 * with an error, when there is none (yet); @memory is then not open.
 */
bool guest_memory_open(GuestMemory *memory, pid_t pid, GError **errp);
void guest_memory_close(GuestMemory *memory);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuestMemory, guest_memory_close)

/* Read the header; false, with an error, when the process has ended or what is there is no header. */
bool guest_memory_header(const GuestMemory *memory, GuestHeader *header, GError **errp);
/* Read the visit counts of all header->pages pages into @counts. */
bool guest_memory_counts(const GuestMemory *memory, const GuestHeader *header, uint32_t *counts, GError **errp);
/* Tell a guest with pattern=list that @passes passes are wanted in total. */
bool guest_memory_ring(const GuestMemory *memory, uint32_t passes, GError **errp);
/*
 * The NUMA node of each of the RAM's 4 KiB pages (size / 4096 of them) to @nodes; negative where there is no page or it is in
 * transit.
 */
bool guest_memory_nodes(const GuestMemory *memory, int *nodes, GError **errp);

#endif /* LAB_GUEST_MEMORY_H */
