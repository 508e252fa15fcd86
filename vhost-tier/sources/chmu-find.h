/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where this host's CXL hotness monitoring units (CHMUs) are.
 *
 * A memory device says so in its PCI configuration space: a list of extended capabilities, of which one is
 * CXL's Register Locator (CXL 3.2, 8.1.9: DVSEC id 8), a table of register blocks by kind, each with the BAR and
 * the place in it. Kind 5 is a CHMU. The device is bound to Linux's cxl_pci, which claims other parts of its BARs
 * for itself; what of them is claimed by whom, /proc/iomem tells.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_FIND_H
#define VHOST_TIER_SOURCES_CHMU_FIND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ChmuPlace {
    char *device;           /* its PCI address: 0000:0d:00.0 */
    unsigned bar;
    uint64_t offset;        /* of the block in the BAR */
    char *problem;          /* NULL, or why it can't be used, and the remedy */
} ChmuPlace;

/* All register blocks of kind CHMU that the configuration space @config (@len bytes) names. */
typedef struct ChmuBlock {
    unsigned bar;
    uint64_t offset;
} ChmuBlock;

/*
 * Append those blocks to @blocks (of ChmuBlock). False, with an error, when @config is cut short, or its lists go
 * round in circles; nothing in it is trusted.
 */
bool chmu_find_blocks(const uint8_t *config, size_t len, GArray *blocks, GError **errp);

/*
 * All CHMUs of the host (of ChmuPlace; the caller owns the array), usable or not, in the order of their devices'
 * addresses. NULL, with an error, when there is none. @sysfs is "/sys" and @proc "/proc", or a test's trees.
 */
GPtrArray *chmu_find(const char *sysfs, const char *proc, GError **errp);

#endif /* VHOST_TIER_SOURCES_CHMU_FIND_H */
