/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the boot protocol hands over: see pvh.h. */
#include "pvh.h"

const char *pvh_cmdline(const PvhStartInfo *info)
{
    if (info->magic != PVH_MAGIC || !info->cmdline_addr) {
        return "";
    }
    return (const char *)(uintptr_t)info->cmdline_addr;
}

uint32_t pvh_ram_end(const PvhStartInfo *info, uint32_t addr)
{
    if (info->magic != PVH_MAGIC || info->version < 1) {
        return addr;
    }
    const PvhMemory *map = (const PvhMemory *)(uintptr_t)info->memmap_addr;

    for (uint32_t i = 0; i < info->memmap_entries; i++) {
        uint64_t end = map[i].addr + map[i].size;

        if (map[i].type == PVH_MEMORY_RAM && map[i].addr <= addr && end > addr) {
            return end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
        }
    }
    return addr;
}
