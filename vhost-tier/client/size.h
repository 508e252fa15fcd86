/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes in bytes as people write and read them.
 */
#ifndef VHOST_TIER_CLIENT_SIZE_H
#define VHOST_TIER_CLIENT_SIZE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Read a size: digits, optionally a fraction, and optionally K, M, G or T (powers of 1024; also small, also
 * followed by "iB" or "B"). False, with an error that tells what is allowed, for anything else and for what
 * 64 bits do not hold.
 */
bool size_parse(const char *text, uint64_t *bytes, GError **errp);

/*
 * The size in at most three digits or so ("4.0 GiB", "512 KiB", "0 B"); for the exact figure use JSON. Freed
 * by the caller.
 */
char *size_format(uint64_t bytes);

#endif /* VHOST_TIER_CLIENT_SIZE_H */
