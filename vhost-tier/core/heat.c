/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heat map and its estimate; heat.h has the theory.
 */
#include "heat.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_EPOCHS 0xc00u

/* Between two sweeps ages grow by SWEEP_EPOCHS; they must not wrap meanwhile. */
G_STATIC_ASSERT(HEAT_SEEN_AGE_MAX + SWEEP_EPOCHS < 0x10000u);
G_STATIC_ASSERT(HEAT_MOVED_AGE_MAX + SWEEP_EPOCHS < 1u << HEAT_MOVED_BITS);

void heat_model_init(HeatModel *model, uint64_t half_life_ns)
{
    *model = (HeatModel){0};
    log2_tables_init(&model->tables);
    heat_set_half_life(model, half_life_ns);
}

void heat_set_half_life(HeatModel *model, uint64_t half_life_ns)
{
    model->decay = (int64_t)(HEAT_EPOCH_NS * LOG2_ONE * HEAT_DECAY_ONE / half_life_ns);
}

HeatMap *heat_map_new(uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp)
{
    uint64_t n = granule_bytes ? size / granule_bytes : 0;
    HeatMap *map;
    Heat *granules;

    if (granule_bytes != 4096 && granule_bytes != 2 * 1024 * 1024) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "region %u: granules of %u bytes are not supported; use 4096 or 2097152", id,
                    granule_bytes);
        return NULL;
    }
    if (size == 0 || size % granule_bytes || n > UINT32_MAX) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "region %u: a size of %" G_GUINT64_FORMAT
                    " bytes is not a multiple of its granule, %u, between 1 and "
                    "2^32 - 1 granules; use larger granules or correct the size",
                    id, size, granule_bytes);
        return NULL;
    }
    /* calloc, as large blocks of it take no memory until they are touched; the size fits in 35 bits. */
    granules = calloc(n, sizeof(*granules));
    if (!granules) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_NO_MEMORY,
                    "region %u: no memory for a heat map of %" G_GUINT64_FORMAT " granules (%" G_GUINT64_FORMAT
                    " bytes); use 2 MiB granules or give the daemon more memory", id, n, n * sizeof(*granules));
        return NULL;
    }
    map = g_new0(HeatMap, 1);
    map->id = id;
    map->granule_bytes = granule_bytes;
    map->n = n;
    map->granules = granules;
    map->bytes_at[POLICY_TIER_UNKNOWN] = size;
    return map;
}

void heat_map_free(HeatMap *map)
{
    if (map) {
        free(map->granules);
        g_free(map);
    }
}

/*
 * Let all ages grow from @model's epoch to @epoch, but not past their maxima. Untouched granules stay
 * untouched.
 */
static void sweep(const HeatModel *model, HeatMap *map, uint64_t epoch)
{
    uint64_t passed = epoch - model->epoch;

    for (size_t i = 0; i < map->n; i++) {
        Heat *heat = &map->granules[i];

        if (heat_seen(heat) && heat_seen_age(model, heat) + passed > HEAT_SEEN_AGE_MAX) {
            heat->seen = epoch - HEAT_SEEN_AGE_MAX;
        }
        if (heat->last != HEAT_NEVER && heat_moved_age(model, heat) + passed > HEAT_MOVED_AGE_MAX) {
            heat->moved = epoch - HEAT_MOVED_AGE_MAX;
        }
    }
}

void heat_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps, uint64_t epoch)
{
    if (epoch <= model->epoch) {
        return;
    }
    if (epoch - model->swept >= SWEEP_EPOCHS) {
        for (size_t i = 0; i < n_maps; i++) {
            sweep(model, maps[i], epoch);
        }
        model->swept = epoch;
    }
    model->epoch = epoch;
}

/*
 * What was known of a granule, as an observation may build on it: for @most log2 seconds, and
 * HEAT_MAX_ACCESSES.
 */
static inline void recall(const HeatModel *model, const Heat *heat, Log2 most, Log2 *rate, Log2 *exposure)
{
    *rate = heat_rate(model, heat);
    *exposure = MIN(MIN(heat_exposure(model, heat), most), HEAT_MAX_ACCESSES - *rate);
}

static inline void learn(const HeatModel *model, Heat *heat, Log2 rate, Log2 exposure)
{
    Log2 steps = (exposure - HEAT_EXPOSURE_ORIGIN + HEAT_EXPOSURE_STEP / 2) / HEAT_EXPOSURE_STEP;

    heat->rate = CLAMP(rate - HEAT_RATE_ORIGIN, 1, UINT16_MAX);
    heat->exposure = CLAMP(steps, 0, 0xfff);
    heat->seen = model->epoch;
}

/* The bit was clear for 2^@interval seconds: no access, but exposure. */
static inline void miss(const HeatModel *model, Heat *heat, Log2 interval)
{
    Log2 rate, before, after;

    recall(model, heat, -LOG2_ZERO, &rate, &before);
    after = log2_add(&model->tables, before, interval);
    learn(model, heat, rate + before - after, after);
    heat->again = false;
}

/* The bit was set in 2^@interval seconds. */
static inline void hit(const HeatModel *model, Heat *heat, Log2 interval)
{
    const LogTables *tables = &model->tables;
    bool believable = heat->again || heat_rate(model, heat) + heat_exposure(model, heat) < HEAT_FEW_ACCESSES;
    Log2 rate, before, accesses, after;

    recall(model, heat, interval + (believable ? HEAT_MAX_INTERVALS_AGAIN : HEAT_MAX_INTERVALS), &rate,
           &before);
    accesses = log2_add(tables, rate + before, log2_hits(tables, rate + interval));
    after = log2_add(tables, before, interval);
    learn(model, heat, accesses - after, after);
    heat->again = true;
}

void heat_add_bits(const HeatModel *model, HeatMap *map, size_t first, size_t n, const uint64_t *accessed,
                   uint64_t interval_ns)
{
    Log2 interval = log2_of(interval_ns * 1e-9);

    for (size_t i = 0; i < n; i++) {
        if (accessed[i / 64] >> (i % 64) & 1) {
            hit(model, &map->granules[first + i], interval);
        } else {
            miss(model, &map->granules[first + i], interval);
        }
    }
}

void heat_add_rate(const HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s,
                   uint64_t exposure_ns)
{
    Log2 exposure = log2_of(exposure_ns * 1e-9);
    Log2 counted = log2_of(per_s) + exposure;

    for (size_t i = 0; i < n; i++) {
        Heat *heat = &map->granules[first + i];
        Log2 rate, before, after;

        recall(model, heat, heat_seen(heat) ? -LOG2_ZERO : exposure + HEAT_MAX_INTERVALS_AGAIN, &rate,
               &before);
        after = log2_add(&model->tables, before, exposure);
        learn(model, heat, log2_add(&model->tables, rate + before, counted) - after, after);
    }
}

void heat_place(HeatMap *map, size_t granule, uint8_t tier)
{
    Heat *heat = &map->granules[granule];

    map->bytes_at[heat_tier(heat)] -= map->granule_bytes;
    map->bytes_at[tier] += map->granule_bytes;
    heat->place = tier ^ POLICY_TIER_UNKNOWN;
}

void heat_set_last(const HeatModel *model, Heat *heat, HeatLast last)
{
    heat->last = last;
    heat->moved = model->epoch;
}
