/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CXL memory device as a bare 32-bit program reaches it: found on the buses that firmware has numbered, its
 * memory opened by its decoder and mapped at one place, its hotness monitoring unit where it has one.
 */
#ifndef BENCH_CHMU_WINDOW_H
#define BENCH_CHMU_WINDOW_H

#include <stdint.h>

#define WINDOW_ADDR  0x40000000u    /* where the device's memory is mapped, from its first byte on */
#define WINDOW_BYTES 0x10000000u    /* of that, and of the device's memory */

/*
 * Turn paging on, with the device's memory, at @hpa of the machine's, at WINDOW_ADDR and all else below 4 GiB
 * where it is. Returns NULL, or what is missing.
 */
const char *window_open(uint64_t hpa);
/* Where the registers of the hotness unit's first instance lie; 0: it has none. */
uint32_t window_chmu(void);

#endif /* BENCH_CHMU_WINDOW_H */
