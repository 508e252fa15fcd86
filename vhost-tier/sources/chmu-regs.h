/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a block of CXL hotness units, mapped from /sys/bus/pci/devices/.../resourceN, and what they say
 * that the units can do.
 *
 * A device may go away at any time. Then it answers all ones, as PCI Express has it, or the kernel takes the
 * mapping away and the next access raises SIGBUS; a page of all ones is put in its place, so that both look alike.
 * No register is believed to be within bounds: chmu_regs_read() and its companions are the only way to them.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_REGS_H
#define VHOST_TIER_SOURCES_CHMU_REGS_H

#include "chmu-find.h"
#include "cxl-chmu-regs.h"

#define CHMU_GONE UINT64_MAX        /* what is read of a device that is gone */

typedef struct ChmuRegs ChmuRegs;

/* What one instance can do. Places are from the block's beginning. */
typedef struct ChmuCaps {
    uint64_t base;                  /* of its first register, */
    uint64_t bitmap, hotlist;       /* its range bitmap and its hotlist */
    uint32_t bitmap_words;          /* of 64 bits, each 16 GiB */
    uint32_t entries;               /* slots of the hotlist, one of which stays empty */
    uint8_t what;                   /* to count: CHMU_WHAT_*, the best of those that it has */
    uint8_t down_sampling;          /* log2 of the least factor that it has */
    uint32_t unit_sizes;            /* bit N: 256 bytes << N */
    uint64_t epoch_min_ns, epoch_max_ns;
    bool beside;                    /* it can be always on, and watch what another instance watches too */
} ChmuCaps;

/* How registers are reached: @at bytes from the block's beginning, within it and aligned to the size. */
typedef struct ChmuAccess {
    uint64_t (*read)(void *opaque, uint64_t at);
    void (*write)(void *opaque, uint64_t at, uint64_t value, unsigned size);
} ChmuAccess;

/*
 * A block of @bytes bytes whose registers are reached by @access, which must outlive it: what a test makes up.
 * NULL, with an error, when it is no block of hotness units.
 */
ChmuRegs *chmu_regs_new(const ChmuAccess *access, void *opaque, size_t bytes, GError **errp);

/*
 * Map the block at @place, and lock it against other daemons of this kind. NULL, with an error, when that can't
 * be done or it is no block of hotness units. @sysfs is "/sys", or a test's tree.
 */
ChmuRegs *chmu_regs_map(const char *sysfs, const ChmuPlace *place, GError **errp);
void chmu_regs_unmap(ChmuRegs *regs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuRegs, chmu_regs_unmap)

unsigned chmu_regs_instances(const ChmuRegs *regs);

/* Fill @caps; false, with an error, when the registers of the instance contradict each other or offer too little. */
bool chmu_regs_caps(const ChmuRegs *regs, unsigned instance, ChmuCaps *caps, GError **errp);

/* A register of 64 bits, @at bytes from the block's beginning; CHMU_GONE where there is none. */
uint64_t chmu_regs_read(const ChmuRegs *regs, uint64_t at);
/* Ignored where there is none. */
void chmu_regs_write(const ChmuRegs *regs, uint64_t at, uint64_t value);
void chmu_regs_write16(const ChmuRegs *regs, uint64_t at, uint16_t value);

#endif /* VHOST_TIER_SOURCES_CHMU_REGS_H */
