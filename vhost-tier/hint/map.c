/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest physical addresses to granules: a sorted list of what memory table and regions have in common.
 */
#include "map.h"

typedef struct Stretch {
    uint64_t gpa, size;             /* bytes */
    uint64_t offset;                /* of 'gpa' in the region */
    uint32_t region, granule_bytes;
} Stretch;

struct HintMap {
    size_t n;
    Stretch *stretches;             /* by 'gpa' */
};

static int by_gpa(gconstpointer a, gconstpointer b)
{
    const Stretch *left = a, *right = b;

    return left->gpa < right->gpa ? -1 : left->gpa > right->gpa;
}

HintMap *hint_map_new(const HintMemory *memory, size_t n_memory, const Region *const *regions, size_t n_regions)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(Stretch));
    HintMap *map = g_new0(HintMap, 1);

    for (size_t m = 0; m < n_memory; m++) {
        for (size_t r = 0; r < n_regions; r++) {
            const Region *region = regions[r];
            const uint64_t start = MAX(memory[m].hva, region->hva);
            const uint64_t end = MIN(memory[m].hva + memory[m].size, region->hva + region->size);

            if (start < end) {
                const Stretch stretch = {
                    .gpa = memory[m].gpa + (start - memory[m].hva), .size = end - start, .offset = start - region->hva,
                    .region = region->id, .granule_bytes = region->granule_bytes,
                };

                g_array_append_val(found, stretch);
            }
        }
    }
    g_array_sort(found, by_gpa);
    map->stretches = g_array_steal(found, &map->n);
    return map;
}

void hint_map_free(HintMap *map)
{
    g_free(map->stretches);
    g_free(map);
}

/* The index of the stretch that @gpa lies in; the number of stretches where there is none. */
static size_t find(const HintMap *map, uint64_t gpa)
{
    size_t low = 0, high = map->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const Stretch *stretch = &map->stretches[mid];

        if (gpa < stretch->gpa) {
            high = mid;
        } else if (gpa - stretch->gpa >= stretch->size) {
            low = mid + 1;
        } else {
            return mid;
        }
    }
    return map->n;
}

/* The granules of the @len bytes at @offset in @stretch's region; regions end with a whole granule. */
static HintPiece piece_of(const Stretch *stretch, uint64_t offset, uint64_t len, bool narrow)
{
    const uint64_t bytes = stretch->granule_bytes;
    const uint64_t first = narrow ? (offset + bytes - 1) / bytes : offset / bytes;
    const uint64_t end = narrow ? (offset + len) / bytes : (offset + len + bytes - 1) / bytes;

    return (HintPiece) {
        .region = stretch->region, .granule_bytes = stretch->granule_bytes, .first = (size_t)first,
        .n = end > first ? (size_t)(end - first) : 0,
    };
}

bool hint_map_find(const HintMap *map, uint64_t gpa, uint64_t len, bool narrow, GArray *pieces)
{
    g_array_set_size(pieces, 0);
    for (size_t i = find(map, gpa); len > 0; i++) {
        const Stretch *stretch = &map->stretches[i];
        HintPiece piece;
        uint64_t here;

        if (i == map->n || gpa < stretch->gpa || gpa - stretch->gpa >= stretch->size) {
            return false;
        }
        here = MIN(len, stretch->size - (gpa - stretch->gpa));
        piece = piece_of(stretch, stretch->offset + (gpa - stretch->gpa), here, narrow);
        if (piece.n > 0) {
            g_array_append_val(pieces, piece);
        }
        gpa += here;
        len -= here;
    }
    return true;
}

void hint_map_addresses(const HintMap *map, uint32_t region, size_t first, size_t n, HintMapVisit visit, void *opaque)
{
    for (size_t i = 0; i < map->n; i++) {
        const Stretch *stretch = &map->stretches[i];
        const uint64_t start = MAX((uint64_t)first * stretch->granule_bytes, stretch->offset);
        const uint64_t end = MIN((uint64_t)(first + n) * stretch->granule_bytes, stretch->offset + stretch->size);

        if (stretch->region == region && start < end) {
            visit(opaque, stretch->gpa + (start - stretch->offset), end - start);
        }
    }
}
