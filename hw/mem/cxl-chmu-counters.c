/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters of one instance of a CXL hotness monitoring unit.
 *
 * Theory of operation
 *
 * Entries lie densely, in the order in which their units were first touched; a
 * hash table with open addressing, twice as large, finds them. So an epoch's
 * end costs as much as was touched in it, and where the hotlist is too short,
 * what was touched early, mostly the hotter, is what it holds.
 *
 * Accesses come in runs within a unit: the entry found last is tried first.
 *
 * The guest chooses what is touched. For it not to choose such units as get in
 * each other's way in the table, where they lie depends on a key that it can't
 * know; nothing that it can see does.
 */
#include "qemu/osdep.h"

#include "qemu/bitops.h"
#include "qemu/guest-random.h"
#include "hw/mem/cxl-chmu.h"

#define MIN_SLOT_BITS 8
/* A table of which less was used is too large */
#define SPARSE 32

static uint32_t n_slots(const ChmuCounters *counters)
{
    return 1u << counters->slot_bits;
}

static uint64_t unit_of(const ChmuCounters *counters, uint32_t entry)
{
    return counters->entries[entry] >> counters->width;
}

/* Where @unit's slot is, or the empty slot where it is to be. */
static uint32_t *find_slot(const ChmuCounters *counters, uint64_t unit)
{
    uint64_t z = (unit + counters->key) * 0x9e3779b97f4a7c15ull;
    uint32_t i;

    z = (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9ull;
    i = z >> (64 - counters->slot_bits);
    while (counters->slots[i] &&
           unit_of(counters, counters->slots[i] - 1) != unit) {
        i = (i + 1) & (n_slots(counters) - 1);
    }
    return &counters->slots[i];
}

/* Have room for a quarter of 2^@slot_bits entries. False: no memory. */
static bool resize(ChmuCounters *counters, unsigned slot_bits)
{
    size_t slots = (size_t)1 << slot_bits;
    uint32_t *new_slots = g_try_new0(uint32_t, slots);
    uint64_t *new_entries = NULL;

    if (new_slots) {
        new_entries = g_try_renew(uint64_t, counters->entries, slots / 4);
    }
    if (!new_entries) {
        g_free(new_slots);
        return false;
    }
    g_free(counters->slots);
    counters->slots = new_slots;
    counters->entries = new_entries;
    counters->slot_bits = slot_bits;
    for (uint32_t i = 0; i < counters->n; i++) {
        *find_slot(counters, unit_of(counters, i)) = i + 1;
    }
    return true;
}

void chmu_counters_init(ChmuCounters *counters, unsigned width,
                        uint32_t limit)
{
    *counters = (ChmuCounters) { .width = width, .limit = limit };
    qemu_guest_getrandom_nofail(&counters->key, sizeof(counters->key));
}

void chmu_counters_destroy(ChmuCounters *counters)
{
    g_clear_pointer(&counters->slots, g_free);
    g_clear_pointer(&counters->entries, g_free);
    counters->slot_bits = 0;
    counters->n = 0;
    counters->last = 0;
}

void chmu_counters_clear(ChmuCounters *counters)
{
    bool sparse = counters->slots && counters->slot_bits > MIN_SLOT_BITS &&
                  counters->n < n_slots(counters) / SPARSE;

    counters->n = 0;
    counters->last = 0;
    if (counters->slots && (!sparse ||
                            !resize(counters, counters->slot_bits - 1))) {
        memset(counters->slots, 0, n_slots(counters) * sizeof(uint32_t));
    }
}

static bool have_room(ChmuCounters *counters)
{
    if (counters->n == counters->limit) {
        return false;
    }
    if (!counters->slots) {
        return resize(counters, MIN_SLOT_BITS);
    }
    return counters->n < n_slots(counters) / 4 ||
           resize(counters, counters->slot_bits + 1);
}

uint64_t *chmu_counters_find(ChmuCounters *counters, uint64_t unit)
{
    uint32_t *slot = counters->slots ? find_slot(counters, unit) : NULL;

    if (!slot || !*slot) {
        if (!have_room(counters)) {
            return NULL;
        }
        counters->entries[counters->n++] = unit << counters->width;
        slot = find_slot(counters, unit);
        *slot = counters->n;
    }
    counters->last = *slot - 1;
    return &counters->entries[counters->last];
}

uint64_t chmu_counters_bytes(const ChmuCounters *counters)
{
    if (!counters->slots) {
        return 0;
    }
    return n_slots(counters) * (sizeof(uint32_t) + sizeof(uint64_t) / 4);
}
