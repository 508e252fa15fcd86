/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the workload guest and programs on its host agree on: where in guest-physical memory things lie.
 *
 *   0x100000  code, data and stack of the workload itself (entered here)
 *   0x110000  struct GuestHeader: what the guest is, and how far it has come
 *   0x120000  uint32_t counts[pages]: how often each page of the working area was visited, exactly, modulo 2^32
 *   0x200000  requests to a virtio-tier device and their answers; not touched without one
 *   0x400000  the working area: 'pages' pages of 4 KiB; nothing else of the guest's is in it
 *
 * The host may read all of it at any time from the VM's memory (or /proc/PID/mem), and write 'doorbell'.
 * Each field is written whole and by the guest's one CPU; counts and totals of a running guest are a few
 * visits apart. Everything is little-endian. At the end, with report=1, the guest writes the header and
 * then counts[] to the debug console (port 0xe9), raw.
 */
#ifndef LAB_GUEST_ABI_H
#define LAB_GUEST_ABI_H

#include <stdint.h>

#define GUEST_LOAD_ADDR   0x100000u
#define GUEST_HEADER_ADDR 0x110000u
#define GUEST_COUNTS_ADDR 0x120000u
#define GUEST_COUNTS_END  0x200000u
#define GUEST_HINTS_ADDR  0x200000u
#define GUEST_BASE_ADDR   0x400000u
#define GUEST_PAGE_BYTES  4096u
#define GUEST_MAX_PAGES   ((GUEST_COUNTS_END - GUEST_COUNTS_ADDR) / 4u)   /* 896 MiB */

#define GUEST_MAGIC   0x47575456u   /* "VTWG" */
#define GUEST_VERSION 1u

typedef enum GuestState {
    GUEST_STARTING = 0,     /* not every page of the working area was touched yet */
    GUEST_BUSY = 1,
    GUEST_IDLE = 2,         /* makes no access but to its own code and this header */
    GUEST_WAITING = 3,      /* pattern=list: for 'doorbell' to differ from 'passes' */
    GUEST_DONE = 4,
} GuestState;

typedef struct GuestHeader {
    uint32_t magic;         /* GUEST_MAGIC; written last, when the rest holds */
    uint32_t version;       /* GUEST_VERSION */
    uint32_t pages;         /* in the working area and in counts[] */
    uint32_t burst;         /* accesses in each visit */
    uint32_t state;         /* GuestState */
    uint32_t phase;         /* counts up when the hot set changes or the guest falls idle or wakes */
    uint32_t second;        /* seconds that it has run */
    uint32_t doorbell;      /* written by the host: how many passes it wants (pattern=list) */
    uint32_t passes;        /* how many were made */
    uint32_t reserved;
    uint64_t visits;        /* in total; up to date each second, when idle and at a pass's end */
    char pattern[24];       /* NUL-terminated */
} GuestHeader;

#endif /* LAB_GUEST_ABI_H */
