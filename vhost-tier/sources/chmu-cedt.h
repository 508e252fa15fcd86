/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's table CEDT (CXL Early Discovery Table; CXL 3.2, 9.18.1): whether a window of host memory is
 * spread over host bridges by XOR of address bits.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_CEDT_H
#define VHOST_TIER_SOURCES_CHMU_CEDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether @table (@len bytes, not trusted) says so of the window that holds host physical address @hpa. A window
 * that it does not know, or a table that is cut short there, is taken not to be.
 */
bool chmu_cedt_uses_xor(const uint8_t *table, size_t len, uint64_t hpa);

#endif /* VHOST_TIER_SOURCES_CHMU_CEDT_H */
