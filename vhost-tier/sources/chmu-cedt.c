/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading CEDT.
 */
#include "chmu-cedt.h"

#include <glib.h>
#include <string.h>

#define TABLE_HEADER 36u            /* of any ACPI table */
#define ENTRY_HEADER 4u             /* type, reserved, length (2 bytes) */
#define TYPE_WINDOW 1u              /* CXL Fixed Memory Window Structure, 9.18.1.3 */
#define WINDOW_BASE 8u
#define WINDOW_SIZE 16u
#define WINDOW_WAYS 24u             /* encoded; 0: one */
#define WINDOW_ARITHMETIC 25u       /* 0: modulo, 1: XOR */
#define WINDOW_BYTES 36u            /* at least */

static uint64_t u64_at(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return GUINT64_FROM_LE(value);
}

bool chmu_cedt_uses_xor(const uint8_t *table, size_t len, uint64_t hpa)
{
    size_t at = TABLE_HEADER;

    while (at + ENTRY_HEADER <= len) {
        const uint8_t *entry = table + at;
        const size_t bytes = entry[2] | (size_t)entry[3] << 8;

        if (bytes < ENTRY_HEADER || bytes > len - at) {
            break;
        }
        if (entry[0] == TYPE_WINDOW && bytes >= WINDOW_BYTES && hpa >= u64_at(entry + WINDOW_BASE) &&
            hpa - u64_at(entry + WINDOW_BASE) < u64_at(entry + WINDOW_SIZE)) {
            return entry[WINDOW_WAYS] != 0 && entry[WINDOW_ARITHMETIC] != 0;
        }
        at += bytes;
    }
    return false;
}
