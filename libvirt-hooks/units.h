/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes with libvirt's units.
 */
#ifndef LIBVIRT_HOOKS_UNITS_H
#define LIBVIRT_HOOKS_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Bytes of @number (digits alone) times @unit, which is as libvirt has it, in capital or small letters: b, byte,
 * bytes; K or KiB, M or MiB, and so on to E for powers of 1024; KB, MB and so on for powers of 1000. False for
 * anything else, and for what 64 bits do not hold.
 */
bool units_parse(const char *number, const char *unit, uint64_t *bytes);

#endif /* LIBVIRT_HOOKS_UNITS_H */
