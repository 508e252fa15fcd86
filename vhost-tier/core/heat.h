/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heat map: 3.2 bytes a granule, and the estimate of a granule's access rate.
 *
 * Theory of operation
 *
 * Accesses are taken to come at random (Poisson) with a rate that may change. What is known of a granule is
 * a number of accesses, a, seen over an exposure of b seconds; its rate is a / b. Kept are the logarithms
 * of the rate and of a.
 * - An observation of T seconds adds T to b. An access bit that is clear adds nothing to a; one that is set
 *   adds the accesses that it stands for at the rate known so far (log2_hits()), since a bit saturates. A
 *   counted rate r over w seconds adds r * w to a and w to b.
 * - The past must not outweigh the present, or a page that turned hot would be believed too late. So what
 *   was known counts, at the next observation, for at most as many accesses as the VM's steadiness allows
 *   (steady.h); against a set bit for at most HEAT_MAX_INTERVALS of its own intervals; and only for
 *   HEAT_MAX_INTERVALS_AGAIN where the bit before was set too, or fewer than HEAT_FEW_ACCESSES were known: now and
 *   then a cold page is hit by chance, hardly ever twice running. Where heat has long been steady chance is
 *   likelier than change, and the limits are the wider the less the bit was unexpected (most_before()). A short
 *   interval without a hit says little, and costs nothing of what was known.
 * - What is known halves each half-life that passes (the rate stays: it is only less sure). Nothing is touched
 *   for that: 'aged' is what all of them have lost since it was last taken off, which is done when it is a
 *   whole octave.
 * - A granule never seen is taken for a typical one (the median rate, from the planner), known from half an
 *   access, and against a counted rate for HEAT_MAX_INTERVALS_AGAIN at most.
 *
 * The rate is kept by 1/102 octave and a by octaves. Both are rounded up or down at random, as near as they are
 * to either (Morris, Counting large numbers of events in small registers, 1978), so that many small steps come
 * out right. The random number is a hash of the granule and of a count of the evidence, which is part of the
 * state: a trace replays to the same map.
 *
 * How sure a rate is follows from a alone (log2_width()): the planner takes the upper end for what it would evict,
 * and what is to be believed, given the others (heat_believed()), for what it would promote.
 *
 * The age of a granule's last move counts slots of 1.75 s, up to HEAT_AGE_MAX; a sweep of the blocks of 2 MiB in
 * which something moved lately lets it grow.
 */
#ifndef VHOST_TIER_CORE_HEAT_H
#define VHOST_TIER_CORE_HEAT_H

#include "hint-marks.h"
#include "logmath.h"
#include "policy.h"
#include "steady.h"

#define HEAT_EPOCH_NS 250000000ull
#define HEAT_SLOT_EPOCHS 7u                     /* 1.75 s */
#define HEAT_AGE_MAX 7u                         /* slots: at least 10.5 s ago */
#define HEAT_REFUSED_SLOTS 4u                   /* a move that did not come off is tried again after 5.25 to 7 s */
#define HEAT_UNMOVABLE_SLOTS 343u               /* or, where it was refused again and again, after ten minutes */
#define HEAT_BLOCK_BYTES (2u << 20)

#define HEAT_RATE_BITS 12                       /* rates from 2^-14 to 2^26 a second */
#define HEAT_RATE_ORIGIN (-14 * LOG2_ONE)
#define HEAT_RATE_STEP 10
#define HEAT_RATE_MAX ((1 << HEAT_RATE_BITS) - 1)
#define HEAT_KNOWN_BITS 4                       /* accesses known, from 2^-6 (as good as none) to 2^9 */
#define HEAT_KNOWN_ORIGIN (-6 * LOG2_ONE)
#define HEAT_KNOWN_MAX ((1 << HEAT_KNOWN_BITS) - 1)
#define HEAT_DECAY_ONE 65536

#define HEAT_FEW_ACCESSES (-3 * LOG2_ONE / 4)   /* log2: 0.6 accesses */
#define HEAT_MAX_INTERVALS (4 * LOG2_ONE)       /* log2: 16 intervals */
#define HEAT_MAX_INTERVALS_AGAIN (LOG2_ONE / 2) /* log2: 1.4 intervals */

typedef enum HeatLast {                 /* what became of a granule last */
    HEAT_NEVER,                         /* nothing, or nothing that still matters */
    HEAT_PROMOTED,
    HEAT_DEMOTED,
    HEAT_REFUSED,
    HEAT_UNMOVABLE,                     /* refused again and again */
} HeatLast;

/* What is known of one granule. All zero: never seen, place unknown. */
typedef struct Heat {
    uint16_t estimate;                  /* rate, then accesses known, as coded above; rate 0: never seen */
    uint8_t state;                      /* place, then HeatLast, then its age (refused, of HEAT_AGE_MAX: unmovable) */
} Heat;

#define HEAT_PLACE_BITS 3               /* tier, by heat_tier() */
#define HEAT_LAST_BITS 2
#define HEAT_AGE_SHIFT (HEAT_PLACE_BITS + HEAT_LAST_BITS)

/*
 * What the granules of one block of 2 MiB have in common. Times count from 1, so that memory that was never
 * touched is right; a trace keeps it as it is.
 */
typedef struct HeatBlock {
    uint64_t again[HEAT_BLOCK_BYTES / 4096 / 64]; /* a bit a granule: its last access bit was set */
    uint32_t seen[POLICY_SOURCE__MAX];  /* epoch of the last evidence by source; 0: none */
    uint32_t moved;                     /* slot of the last move or refusal; 0: none */
    uint32_t unmovable;                 /* slot in which one of it was last found unmovable; 0: none is */
    uint32_t reserved;
} HeatBlock;
G_STATIC_ASSERT(sizeof(HeatBlock) == 96);

/* One region. */
typedef struct HeatMap HeatMap;
struct HeatMap {
    uint32_t id;
    uint32_t granule_bytes;
    size_t n;                           /* granules */
    size_t n_blocks;
    unsigned block_shift;               /* log2 of the granules in a block */
    uint64_t bytes_at[8];               /* by place: tier, POLICY_TIER_ABSENT, POLICY_TIER_UNKNOWN */
    uint16_t *estimates;                /* Heat's, of each granule */
    uint8_t *states;
    HeatBlock *blocks;
    HeatMap *coarse;                    /* of a map of 4 KiB granules: its huge blocks; NULL: there are none yet */
    HintMarks *hints;                   /* what the guest said of it (hints.h); NULL: nothing yet */
    HeatMap *fine;                      /* of a coarse map: the one whose blocks it has (blocks.h) */
};

typedef struct Hints Hints;

/* What a model must keep. Words of 8 bytes only: a trace keeps it as it is. */
typedef struct HeatState {
    uint64_t swept;                     /* slot to which the ages of moves are true */
    int64_t prior;                      /* HeatModel has these */
    int64_t aged;
    uint64_t draws;
    int64_t crowd_mean, crowd_shape;
    uint64_t jumped;
    Steady steady;
} HeatState;

/* What all maps of a VM share. */
typedef struct HeatModel {
    LogTables tables;
    uint64_t epoch;                     /* now */
    uint64_t swept;                     /* slot to which the ages of moves are true */
    Log2 prior;                         /* log2 of the rate of a granule never seen */
    int64_t decay;                      /* of what is known, per epoch, in 1/HEAT_DECAY_ONE of a Log2 step */
    int64_t aged;                       /* decay not yet taken off what is known, in the same unit */
    uint64_t draws;                     /* pieces of evidence so far: what rounding draws its chance from */
    bool quiet;                         /* the VM idles (activity.h): what is known of it does not age */
    Log2 width[HEAT_KNOWN_MAX + 1];     /* by accesses known */
    Log2 crowd_mean, crowd_shape;       /* see heat_set_crowd() */
    uint64_t half_life_ns, life_ns;     /* as configured */
    Steady steady;
    Log2 most_known;                    /* log2 of the accesses that the past counts for */
    Log2 reluctance;                    /* log2 of how many times as many as at the start */
    HintTerms hint_terms;               /* what hints count for now */
    Hints *hints;                       /* of the VM, not owned; NULL where there can't be any */
    uint64_t jumped;                    /* epoch in which steady heat was last found to have jumped; 0: never */
} HeatModel;

/* Both as configured: what is known halves in @half_life_ns or more, and heat lasts @life_ns until more is known. */
void heat_model_init(HeatModel *model, uint64_t half_life_ns, uint64_t life_ns);
void heat_model_configure(HeatModel *model, uint64_t half_life_ns, uint64_t life_ns);
/*
 * The crowd: the rates per page of what lies outside tier 0 have a mean of 2^@mean, and differ as in a gamma
 * distribution of shape 2^@shape. An estimate from n accesses in b seconds is then best taken for
 * (shape + n) / (shape / mean + b), the mean of what such a rate is, given that (the gamma is the Poisson's
 * conjugate prior; estimating it from the crowd itself is empirical Bayes: Robbins, 1956). So the hottest of many
 * that are alike, picked by figures that chance has touched, is not taken for hot; where they are not alike, it is.
 */
void heat_set_crowd(HeatModel *model, Log2 mean, Log2 shape);
/* What an estimate of 2^@rate per page, from 2^@known accesses, is taken for. */
static inline Log2 heat_believed(const HeatModel *model, Log2 rate, Log2 known)
{
    const LogTables *tables = &model->tables;

    return log2_add(tables, model->crowd_shape, known) -
           log2_add(tables, model->crowd_shape - model->crowd_mean, known - rate);
}

/* Seconds on the policy's clock, to within HEAT_EPOCH_NS. */
static inline double heat_now_s(const HeatModel *model)
{
    return (double)model->epoch * (HEAT_EPOCH_NS / 1e9);
}

/* When heat was last found to have jumped; 0: never. */
static inline double heat_changed_s(const HeatModel *model)
{
    return (double)model->jumped * (HEAT_EPOCH_NS / 1e9);
}

/* For how many seconds heat is expected to last now. */
double heat_life_s(const HeatModel *model);
void heat_model_save(const HeatModel *model, HeatState *state);
/* False, changing nothing, when @state, as of @epoch, can't be used. */
bool heat_model_load(HeatModel *model, const HeatState *state, uint64_t epoch);

/*
 * A map whose granules are all unseen and of unknown place. Fails when sizes do not fit or memory is not to
 * be had.
 */
HeatMap *heat_map_new(uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp);
void heat_map_free(HeatMap *map);

/* Time has come to @epoch; earlier ones are ignored. Lets what all @n_maps @maps hold grow older. */
void heat_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps, uint64_t epoch);

/*
 * What was counted fewer than so often is known of by the rates alone that this rules out: one above 2^this times
 * the limit is taken for one that was counted so often.
 */
#define HEAT_BELOW (-LOG2_ONE / 2)

/* The evidence of policy.h on a range that lies within the map. Times in nanoseconds, above 0. */
void heat_add_bits(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                   const uint64_t *accessed, uint64_t interval_ns);
void heat_add_rate(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n, double per_s,
                   uint64_t exposure_ns);
void heat_add_below(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n, double per_s,
                    uint64_t exposure_ns);
/* Note that @source spoke of the granules first..first+n-1 now. */
void heat_note_source(const HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n);

/* Heat is found to have jumped, by other means than what single granules show. */
void heat_jumped(HeatModel *model);

/* Granule @granule is now on @tier (a tier, POLICY_TIER_ABSENT or POLICY_TIER_UNKNOWN). */
void heat_place(HeatMap *map, size_t granule, uint8_t tier);
/* Note what became of it at this time. */
void heat_set_last(const HeatModel *model, HeatMap *map, size_t granule, HeatLast last);

static inline Heat heat_at(const HeatMap *map, size_t granule)
{
    return (Heat){.estimate = map->estimates[granule], .state = map->states[granule]};
}

/* The block of 2 MiB that a granule is part of, or is. */
static inline HeatBlock *heat_block(const HeatMap *map, size_t granule)
{
    return &map->blocks[granule >> map->block_shift];
}

static inline uint8_t heat_tier(Heat heat)
{
    return (heat.state & ((1 << HEAT_PLACE_BITS) - 1)) ^ POLICY_TIER_UNKNOWN;
}

static inline bool heat_tier_valid(uint8_t tier)
{
    return tier < POLICY_MAX_TIERS || tier == POLICY_TIER_ABSENT || tier == POLICY_TIER_UNKNOWN;
}

static inline bool heat_seen(Heat heat)
{
    return heat.estimate >> HEAT_KNOWN_BITS != 0;
}

/* Slots since the last move or refusal, up to HEAT_AGE_MAX. */
static inline unsigned heat_age(Heat heat)
{
    return heat.state >> HEAT_AGE_SHIFT;
}

static inline HeatLast heat_last(Heat heat)
{
    HeatLast last = heat.state >> HEAT_PLACE_BITS & ((1 << HEAT_LAST_BITS) - 1);

    return last == HEAT_REFUSED && heat_age(heat) == HEAT_AGE_MAX ? HEAT_UNMOVABLE : last;
}

/* Whether it was moved in this direction in the last ten seconds (or twelve: where its slot began is not known). */
static inline bool heat_lately(Heat heat, HeatLast direction)
{
    return heat_last(heat) == direction && heat_age(heat) < HEAT_AGE_MAX;
}

/* What @epochs take of what is known. */
static inline Log2 heat_decay(const HeatModel *model, uint64_t epochs)
{
    return MIN(epochs * (double)model->decay / HEAT_DECAY_ONE, -LOG2_ZERO);
}

/* log2 of accesses per second. */
static inline Log2 heat_rate(const HeatModel *model, Heat heat)
{
    return heat_seen(heat) ? (heat.estimate >> HEAT_KNOWN_BITS) * HEAT_RATE_STEP + HEAT_RATE_ORIGIN
                           : model->prior;
}

/* log2 of the accesses that are known, as of now. */
static inline Log2 heat_known(const HeatModel *model, Heat heat)
{
    if (!heat_seen(heat)) {
        return -LOG2_ONE;
    }
    return (heat.estimate & HEAT_KNOWN_MAX) * LOG2_ONE + HEAT_KNOWN_ORIGIN -
           (Log2)(model->aged / HEAT_DECAY_ONE);
}

/* How far the rate may be off, in steps of Log2. */
static inline Log2 heat_width(const HeatModel *model, Heat heat)
{
    return model->width[heat_seen(heat) ? heat.estimate & HEAT_KNOWN_MAX : -HEAT_KNOWN_ORIGIN / LOG2_ONE - 1];
}

#endif /* VHOST_TIER_CORE_HEAT_H */
