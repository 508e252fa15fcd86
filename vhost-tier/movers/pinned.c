/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small memory of granules that keep failing to move.
 */
#include "pinned.h"

/* Entries this old were not tried again, so they say nothing of the granule any more. */
#define STALE_NS (600ull * 1000 * 1000 * 1000)
/* Looking for such entries takes time, so it is not done for each granule that finds no room. */
#define PURGE_NS (10ull * 1000 * 1000 * 1000)

typedef struct Failing {
    uint64_t first_ns;
    unsigned tries;
} Failing;

struct Pinned {
    GHashTable *failing; /* region and granule in a gint64 -> Failing */
    uint64_t purged_ns;  /* time of the last look for stale entries */
};

static gint64 key_of(uint32_t region, uint32_t granule)
{
    return (gint64)((uint64_t)region << 32 | granule);
}

Pinned *pinned_new(void)
{
    Pinned *pinned = g_new0(Pinned, 1);

    pinned->failing = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return pinned;
}

void pinned_free(Pinned *pinned)
{
    g_hash_table_unref(pinned->failing);
    g_free(pinned);
}

static gboolean is_stale(gpointer key, gpointer value, gpointer now_ns)
{
    const Failing *failing = value;

    return failing->first_ns + STALE_NS < *(const uint64_t *)now_ns;
}

bool pinned_busy(Pinned *pinned, uint32_t region, uint32_t granule, uint64_t now_ns)
{
    gint64 key = key_of(region, granule);
    Failing *failing = g_hash_table_lookup(pinned->failing, &key);

    if (!failing) {
        if (g_hash_table_size(pinned->failing) >= PINNED_MAX_GRANULES &&
            now_ns >= pinned->purged_ns + PURGE_NS) {
            g_hash_table_foreach_remove(pinned->failing, is_stale, &now_ns);
            pinned->purged_ns = now_ns;
        }
        if (g_hash_table_size(pinned->failing) >= PINNED_MAX_GRANULES) {
            return false;
        }
        failing = g_new0(Failing, 1);
        failing->first_ns = now_ns;
        g_hash_table_insert(pinned->failing, g_memdup2(&key, sizeof(key)), failing);
    }
    failing->tries++;
    if (failing->tries < PINNED_TRIES || now_ns < failing->first_ns + PINNED_AGE_NS) {
        return false;
    }
    g_hash_table_remove(pinned->failing, &key);
    return true;
}

void pinned_forget(Pinned *pinned, uint32_t region, uint32_t granule)
{
    gint64 key = key_of(region, granule);

    g_hash_table_remove(pinned->failing, &key);
}
