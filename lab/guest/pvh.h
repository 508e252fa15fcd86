/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the boot protocol hands over (Xen's public/arch-x86/hvm/start_info.h): command line and map of the
 * RAM.
 */
#ifndef LAB_GUEST_PVH_H
#define LAB_GUEST_PVH_H

#include <stdint.h>

typedef struct PvhStartInfo {
    uint32_t magic;             /* PVH_MAGIC */
    uint32_t version;
    uint32_t flags;
    uint32_t n_modules;
    uint64_t modules_addr;
    uint64_t cmdline_addr;
    uint64_t rsdp_addr;
    uint64_t memmap_addr;       /* from version 1 on */
    uint32_t memmap_entries;
    uint32_t reserved;
} PvhStartInfo;

#define PVH_MAGIC 0x336ec578u

typedef struct PvhMemory {
    uint64_t addr;
    uint64_t size;
    uint32_t type;              /* PVH_MEMORY_RAM */
    uint32_t reserved;
} PvhMemory;

#define PVH_MEMORY_RAM 1u

/* The command line; empty where there is none. */
const char *pvh_cmdline(const PvhStartInfo *info);
/* Where the RAM that holds @addr ends, below 4 GiB; @addr itself when there is no RAM. */
uint32_t pvh_ram_end(const PvhStartInfo *info, uint32_t addr);

#endif /* LAB_GUEST_PVH_H */
