/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heat map: 8 bytes a granule, and the estimate of a granule's access rate.
 *
 * Theory of operation
 *
 * Accesses are taken to come at random (Poisson) with a rate that may change. What is known of a granule is
 * a number of accesses, a, seen over an exposure of b seconds; its rate is a / b. Kept are the logarithms
 * of the rate and of b.
 * - An observation of T seconds adds T to b. An access bit that is clear adds nothing to a; one that is set
 *   adds the accesses that it stands for at the rate known so far (log2_hits()), since a bit saturates. A
 *   counted rate r over w seconds adds r * w to a and w to b.
 * - The past must not outweigh the present, or a page that turned hot would be believed too late. So what
 *   was known counts, at the next observation, for at most HEAT_MAX_ACCESSES accesses; against a set bit for
 *   at most HEAT_MAX_INTERVALS of its own intervals; and only for HEAT_MAX_INTERVALS_AGAIN where the bit
 *   before was set too, or fewer than HEAT_FEW_ACCESSES were known: now and then a cold page is hit by
 *   chance, hardly ever twice running. A short interval without a hit says little, and costs nothing of what
 *   was known.
 * - Exposure halves each half-life that passes (the rate stays: it is only less sure).
 * - A granule never seen is taken for a typical one (the median rate, from the planner), known from half an
 *   access, and against a counted rate for HEAT_MAX_INTERVALS_AGAIN at most.
 *
 * How sure a rate is follows from a alone (log2_width()): the planner takes the lower end for what it would
 * promote, the upper end for what it would evict.
 *
 * Times in a record count epochs of 250 ms and wrap; heat_advance() sees to it that no age ever grows past
 * what they can hold.
 */
#ifndef VHOST_TIER_CORE_HEAT_H
#define VHOST_TIER_CORE_HEAT_H

#include "logmath.h"
#include "policy.h"

#define HEAT_EPOCH_NS 250000000ull
#define HEAT_MOVED_BITS 13
#define HEAT_SEEN_AGE_MAX 0x8000u       /* epochs; ages above are told as this */
#define HEAT_MOVED_AGE_MAX 0x1000u

#define HEAT_RATE_ORIGIN (-24 * LOG2_ONE)       /* rates from 2^-24 to 2^40 a second */
#define HEAT_EXPOSURE_ORIGIN (-20 * LOG2_ONE)   /* exposures from 2^-20 to 2^12 seconds, by 1/128 octave */
#define HEAT_EXPOSURE_STEP 8
#define HEAT_DECAY_ONE 256

#define HEAT_MAX_ACCESSES (2 * LOG2_ONE)        /* log2: 4 accesses */
#define HEAT_FEW_ACCESSES (-3 * LOG2_ONE / 4)   /* log2: 0.6 accesses */
#define HEAT_MAX_INTERVALS (4 * LOG2_ONE)       /* log2: 16 intervals */
#define HEAT_MAX_INTERVALS_AGAIN (LOG2_ONE / 2) /* log2: 1.4 intervals */

typedef enum HeatLast {                 /* what became of a granule at the time 'moved' */
    HEAT_NEVER,
    HEAT_PROMOTED,
    HEAT_DEMOTED,
    HEAT_REFUSED,
} HeatLast;

/* One granule. All zero: never seen, place unknown; so that memory that was never touched is right. */
typedef struct Heat {
    uint16_t rate;                      /* log2 of accesses/s above HEAT_RATE_ORIGIN; 0: never seen */
    uint16_t seen;                      /* epoch of the last evidence */
    uint16_t moved : HEAT_MOVED_BITS;   /* epoch of what 'last' says */
    uint16_t last : 2;                  /* HeatLast */
    uint16_t again : 1;                 /* the last access bit was set */
    uint16_t exposure : 12;             /* log2 of seconds above HEAT_EXPOSURE_ORIGIN, at the time 'seen' */
    uint16_t place : 3;                 /* tier, by heat_tier() */
    uint16_t unmovable : 1;             /* refused again and again */
} Heat;
G_STATIC_ASSERT(sizeof(Heat) == 8);

/* One region. */
typedef struct HeatMap {
    uint32_t id;
    uint32_t granule_bytes;
    size_t n;                           /* granules */
    uint64_t bytes_at[8];               /* by place: tier, POLICY_TIER_ABSENT, POLICY_TIER_UNKNOWN */
    Heat *granules;
} HeatMap;

/* What all maps of a VM share. */
typedef struct HeatModel {
    LogTables tables;
    uint64_t epoch;                     /* now */
    uint64_t swept;                     /* when ages were last bounded */
    Log2 prior;                         /* log2 of the rate of a granule never seen */
    int64_t decay;                      /* of exposure, per epoch, in 1/HEAT_DECAY_ONE of a Log2 step */
} HeatModel;

void heat_model_init(HeatModel *model, uint64_t half_life_ns);
void heat_set_half_life(HeatModel *model, uint64_t half_life_ns);

/*
 * A map whose granules are all unseen and of unknown place. Fails when sizes do not fit or memory is not to
 * be had.
 */
HeatMap *heat_map_new(uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp);
void heat_map_free(HeatMap *map);

/*
 * Time has come to @epoch; earlier ones are ignored. Bounds the ages in all @n_maps @maps when that is due.
 */
void heat_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps, uint64_t epoch);

/* The evidence of policy.h on a range that lies within the map. Times in nanoseconds, above 0. */
void heat_add_bits(const HeatModel *model, HeatMap *map, size_t first, size_t n, const uint64_t *accessed,
                   uint64_t interval_ns);
void heat_add_rate(const HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s,
                   uint64_t exposure_ns);

/* Granule @granule is now on @tier (a tier, POLICY_TIER_ABSENT or POLICY_TIER_UNKNOWN). */
void heat_place(HeatMap *map, size_t granule, uint8_t tier);
/* Note what became of it at this time. */
void heat_set_last(const HeatModel *model, Heat *heat, HeatLast last);

static inline uint8_t heat_tier(const Heat *heat)
{
    return heat->place ^ POLICY_TIER_UNKNOWN;
}

static inline bool heat_tier_valid(uint8_t tier)
{
    return tier < POLICY_MAX_TIERS || tier == POLICY_TIER_ABSENT || tier == POLICY_TIER_UNKNOWN;
}

static inline bool heat_seen(const Heat *heat)
{
    return heat->rate != 0;
}

/* Epochs since the last evidence; since the last move or refusal. */
static inline uint32_t heat_seen_age(const HeatModel *model, const Heat *heat)
{
    return (uint16_t)(model->epoch - heat->seen);
}

static inline uint32_t heat_moved_age(const HeatModel *model, const Heat *heat)
{
    return (model->epoch - heat->moved) & ((1u << HEAT_MOVED_BITS) - 1);
}

/* What @epochs take of an exposure. */
static inline Log2 heat_decay(const HeatModel *model, uint32_t epochs)
{
    return epochs * model->decay / HEAT_DECAY_ONE;
}

/* log2 of accesses per second. */
static inline Log2 heat_rate(const HeatModel *model, const Heat *heat)
{
    return heat_seen(heat) ? heat->rate + HEAT_RATE_ORIGIN : model->prior;
}

/* log2 of the seconds of exposure behind the rate, as of now. */
static inline Log2 heat_exposure(const HeatModel *model, const Heat *heat)
{
    if (!heat_seen(heat)) {
        return -LOG2_ONE - model->prior;
    }
    return heat->exposure * HEAT_EXPOSURE_STEP + HEAT_EXPOSURE_ORIGIN -
           heat_decay(model, heat_seen_age(model, heat));
}

/* How far the rate may be off, in steps of Log2. */
static inline Log2 heat_width(const HeatModel *model, const Heat *heat)
{
    return log2_width(&model->tables, heat_rate(model, heat) + heat_exposure(model, heat));
}

#endif /* VHOST_TIER_CORE_HEAT_H */
