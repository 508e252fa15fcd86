/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a CXL device's own addresses (DPA) to the host's physical addresses (HPA).
 *
 * Theory of operation
 *
 * A region of the host's physical memory is made of one or more devices. Of several ('ways') it takes
 * 'granularity' bytes from each in turn, in the order of their positions in it. So byte b of what a device gives
 * to the region lies at
 *      (b / granularity * ways + position) * granularity + b % granularity
 * from the region's beginning (CXL 3.2, 8.2.4.20.13, for 2^n ways as for 3 * 2^n, where bits and thirds come to
 * this). Linux tells all of it: /sys/bus/cxl/devices/decoderE.N of the device's endpoint port says which part of
 * the device goes to which region, and regionR how it is put together.
 *
 * Where a window of host memory is spread over host bridges by XOR of address bits, the position changes with
 * the address. Linux does not tell, but the firmware's table CEDT does (CXL 3.2, 9.18.1.3); such a region is
 * refused.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_DECODE_H
#define VHOST_TIER_SOURCES_CHMU_DECODE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What one decoder of a device maps. Bytes. */
typedef struct ChmuWindow {
    uint64_t dpa, dpa_bytes;    /* of the device, */
    uint64_t hpa, hpa_bytes;    /* and the whole region, of all its devices */
    uint32_t ways, granularity, position;
} ChmuWindow;

/* Host memory that a unit of a device lies in. */
typedef struct ChmuSpan {
    uint64_t hpa, bytes;        /* from its first byte to its last, those of other devices between them included */
    const ChmuWindow *window;
} ChmuSpan;

/*
 * Where the @bytes bytes of device memory from @dpa on lie; false where they are not mapped, or no whole part of
 * one window.
 */
bool chmu_decode(const ChmuWindow *windows, size_t n, uint64_t dpa, uint64_t bytes, ChmuSpan *span);

/* Whether any of the @bytes bytes from @hpa on (1 or more) is this device's, by one of its @n windows. */
bool chmu_decode_owns(const ChmuWindow *windows, size_t n, uint64_t hpa, uint64_t bytes);

/*
 * The windows of PCI device @device ("0000:0d:00.0") that are in use now (of ChmuWindow; the caller owns the
 * array). NULL, with an error, when there is none, or what the kernel says can't be understood. @sysfs is "/sys",
 * or a test's tree.
 */
GArray *chmu_decode_read(const char *sysfs, const char *device, GError **errp);

#endif /* VHOST_TIER_SOURCES_CHMU_DECODE_H */
