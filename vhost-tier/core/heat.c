/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heat map and its estimate; heat.h has the theory.
 */
#include "heat.h"

#include <stdlib.h>
#include <string.h>

#include "hints.h"

#define AGED_OCTAVE ((int64_t)LOG2_ONE * HEAT_DECAY_ONE)

/* Until something is known of the crowd: an access a second and page, and that very varied. */
#define FIRST_MEAN 0
#define FIRST_SHAPE (-4 * LOG2_ONE)

/* Anew whenever 'aged' changes: how sure a rate is. */
static void set_widths(HeatModel *model)
{
    for (unsigned known = 0; known <= HEAT_KNOWN_MAX; known++) {
        Log2 accesses = (Log2)known * LOG2_ONE + HEAT_KNOWN_ORIGIN - (Log2)(model->aged / HEAT_DECAY_ONE);

        model->width[known] = log2_width(&model->tables, accesses);
    }
}

void heat_set_crowd(HeatModel *model, Log2 mean, Log2 shape)
{
    model->crowd_mean = mean;
    model->crowd_shape = shape;
}

/* Anew whenever steadiness or configuration changes. */
static void set_memory(HeatModel *model)
{
    double half_life_ns = MAX((double)model->half_life_ns, model->steady.steady_s * (1e9 / 2));

    model->decay = (int64_t)((double)HEAT_EPOCH_NS * AGED_OCTAVE / half_life_ns);
    model->most_known = log2_of(steady_accesses(&model->steady));
    model->reluctance = model->most_known - log2_of(STEADY_ACCESSES);
}

void heat_model_init(HeatModel *model, uint64_t half_life_ns, uint64_t life_ns)
{
    *model = (HeatModel){.half_life_ns = half_life_ns, .life_ns = life_ns, .crowd_mean = FIRST_MEAN,
                          .crowd_shape = FIRST_SHAPE};
    log2_tables_init(&model->tables);
    set_memory(model);
    set_widths(model);
}

void heat_model_configure(HeatModel *model, uint64_t half_life_ns, uint64_t life_ns)
{
    model->half_life_ns = half_life_ns;
    model->life_ns = life_ns;
    set_memory(model);
}

double heat_life_s(const HeatModel *model)
{
    return MAX(model->life_ns / 1e9, model->steady.steady_s);
}

void heat_model_save(const HeatModel *model, HeatState *state)
{
    *state = (HeatState){.swept = model->swept, .prior = model->prior, .aged = model->aged,
                         .crowd_mean = model->crowd_mean, .crowd_shape = model->crowd_shape,
                         .draws = model->draws, .jumped = model->jumped, .steady = model->steady};
}

static bool log2_valid(int64_t saved)
{
    return saved <= (int64_t)64 * LOG2_ONE && saved >= (int64_t)-64 * LOG2_ONE;
}

bool heat_model_load(HeatModel *model, const HeatState *state, uint64_t epoch)
{
    if (state->swept > epoch / HEAT_SLOT_EPOCHS || !log2_valid(state->prior) || !log2_valid(state->crowd_mean) ||
        !log2_valid(state->crowd_shape) || state->aged < 0 || state->aged >= AGED_OCTAVE ||
        state->jumped > epoch || !steady_valid(&state->steady)) {
        return false;
    }
    model->epoch = epoch;
    model->swept = state->swept;
    model->prior = (Log2)state->prior;
    model->crowd_mean = (Log2)state->crowd_mean;
    model->crowd_shape = (Log2)state->crowd_shape;
    model->aged = state->aged;
    model->draws = state->draws;
    model->jumped = state->jumped;
    model->steady = state->steady;
    set_memory(model);
    set_widths(model);
    return true;
}

HeatMap *heat_map_new(uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp)
{
    uint64_t n = granule_bytes ? size / granule_bytes : 0;
    HeatMap *map;

    if (granule_bytes != 4096 && granule_bytes != HEAT_BLOCK_BYTES) {
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
    map = g_new0(HeatMap, 1);
    map->id = id;
    map->granule_bytes = granule_bytes;
    map->n = n;
    map->block_shift = granule_bytes == HEAT_BLOCK_BYTES ? 0 : 9;
    map->n_blocks = ((n - 1) >> map->block_shift) + 1;
    /* calloc, as large blocks of it take no memory until they are touched; sizes fit in 39 bits. */
    map->estimates = calloc(n, sizeof(*map->estimates));
    map->states = calloc(n, sizeof(*map->states));
    map->blocks = calloc(map->n_blocks, sizeof(*map->blocks));
    map->bytes_at[POLICY_TIER_UNKNOWN] = size;
    if (!map->estimates || !map->states || !map->blocks) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_NO_MEMORY,
                    "region %u: no memory for a heat map of %" G_GUINT64_FORMAT " granules (%" G_GUINT64_FORMAT
                    " bytes); use 2 MiB granules or give the daemon more memory", id, n,
                    n * (sizeof(*map->estimates) + sizeof(*map->states)) + map->n_blocks * sizeof(*map->blocks));
        heat_map_free(map);
        return NULL;
    }
    return map;
}

void heat_map_free(HeatMap *map)
{
    if (map) {
        free(map->estimates);
        free(map->states);
        free(map->blocks);
        hint_marks_free(map->hints);
        g_free(map);
    }
}

static void write_last(HeatMap *map, size_t granule, HeatLast last, unsigned age)
{
    uint8_t place = map->states[granule] & ((1 << HEAT_PLACE_BITS) - 1);

    map->states[granule] = place | last << HEAT_PLACE_BITS | age << HEAT_AGE_SHIFT;
}

/* What became of the granules of a block is @slots longer ago; unmovable ones are forgotten if @forget. */
static void age_block(HeatMap *map, size_t block, unsigned slots, bool forget)
{
    size_t end = MIN((block + 1) << map->block_shift, map->n);

    for (size_t i = block << map->block_shift; i < end; i++) {
        Heat heat = heat_at(map, i);
        unsigned age = MIN(heat_age(heat) + slots, HEAT_AGE_MAX);

        switch (heat_last(heat)) {
        case HEAT_NEVER:
            break;
        case HEAT_PROMOTED:
        case HEAT_DEMOTED:
            write_last(map, i, heat_last(heat), age);
            break;
        case HEAT_REFUSED:
            if (age >= HEAT_REFUSED_SLOTS) {
                write_last(map, i, HEAT_NEVER, 0);
            } else {
                write_last(map, i, HEAT_REFUSED, age);
            }
            break;
        case HEAT_UNMOVABLE:
            if (forget) {
                write_last(map, i, HEAT_NEVER, 0);
            }
            break;
        }
    }
}

/* Let ages of moves grow from slot @from to slot @to. Blocks without a late move are not touched. */
static void sweep_moves(HeatMap *map, uint64_t from, uint64_t to)
{
    unsigned slots = (unsigned)MIN(to - from, HEAT_AGE_MAX);

    for (size_t i = 0; i < map->n_blocks; i++) {
        HeatBlock *block = &map->blocks[i];
        bool lately = block->moved && (uint64_t)block->moved - 1 + HEAT_AGE_MAX > from;
        bool forget = block->unmovable && (uint64_t)block->unmovable - 1 + HEAT_UNMOVABLE_SLOTS <= to;

        if (lately || forget) {
            age_block(map, i, slots, forget);
            block->unmovable = forget ? 0 : block->unmovable;
        }
    }
}

/* Take @octaves off what is known of each granule. Untouched ones stay untouched. */
static void sweep_known(HeatMap *map, unsigned octaves)
{
    for (size_t i = 0; i < map->n; i++) {
        unsigned known = map->estimates[i] & HEAT_KNOWN_MAX;

        if (known) {
            map->estimates[i] -= MIN(known, octaves);
        }
    }
}

void heat_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps, uint64_t epoch)
{
    uint64_t slot = epoch / HEAT_SLOT_EPOCHS;
    unsigned octaves;

    if (epoch <= model->epoch) {
        return;
    }
    if (!model->quiet) {
        model->aged += (int64_t)MIN((double)(epoch - model->epoch) * (double)model->decay, 64.0 * AGED_OCTAVE);
    }
    octaves = (unsigned)(model->aged / AGED_OCTAVE);
    model->aged %= AGED_OCTAVE;
    set_widths(model);
    for (size_t i = 0; i < n_maps; i++) {
        if (slot > model->swept) {
            sweep_moves(maps[i], model->swept, slot);
        }
        if (octaves) {
            sweep_known(maps[i], octaves);
        }
    }
    model->swept = slot;
    model->epoch = epoch;
    if (model->hints) {
        hints_advance(model, maps, n_maps);
    }
    if (steady_judge(&model->steady, heat_now_s(model))) {
        model->jumped = epoch;
    }
    set_memory(model);
}

/* A time as a HeatBlock keeps it. */
static uint32_t block_time(uint64_t time)
{
    return (uint32_t)MIN(time, UINT32_MAX - 1u) + 1;
}

/* One granule while evidence on it is taken in. */
typedef struct Lesson {
    const HeatModel *model;
    HeatMap *map;
    size_t granule;
    uint64_t *again;                    /* the word of its bit, */
    uint64_t bit;                       /* and this */
    Log2 rate;                          /* what is known: the rate, */
    Log2 known;                         /* and from how many accesses */
} Lesson;

static inline Lesson lesson_begin(const HeatModel *model, HeatMap *map, size_t granule)
{
    size_t within = granule & (((size_t)1 << map->block_shift) - 1);
    Heat heat = heat_at(map, granule);

    return (Lesson){
        .model = model,
        .map = map,
        .granule = granule,
        .again = &heat_block(map, granule)->again[within / 64],
        .bit = 1ull << within % 64,
        .rate = heat_rate(model, heat),
        .known = heat_known(model, heat),
    };
}

/*
 * Chance for the rounding of one granule: 32 bits that look random (the finalizer of MurmurHash3, of the granule
 * and the count of the evidence).
 */
static inline uint32_t draw(const Lesson *lesson)
{
    uint32_t x = (uint32_t)lesson->granule * 0x9e3779b1u ^ (uint32_t)lesson->model->draws * 0x85ebca77u;

    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

/*
 * Keep what is known now. Between two powers of two the number of accesses is rounded such that it is right on
 * average: up with a chance of 2^f - 1, where f is its fraction of an octave, nearly f * (0.656 + 0.344 * f).
 */
static inline void lesson_end(const Lesson *lesson, Log2 rate, Log2 known)
{
    uint32_t random = draw(lesson);
    Log2 steps = MAX(rate - HEAT_RATE_ORIGIN, 0) + (Log2)((random & 0xffff) * HEAT_RATE_STEP >> 16);
    Log2 octaves = MAX(known - HEAT_KNOWN_ORIGIN + (Log2)(lesson->model->aged / HEAT_DECAY_ONE), 0);
    Log2 fraction = octaves % LOG2_ONE;
    Log2 up = fraction * (672 + 352 * fraction / LOG2_ONE) / LOG2_ONE;

    octaves = octaves / LOG2_ONE + ((Log2)(random >> 16) % LOG2_ONE < up);
    lesson->map->estimates[lesson->granule] =
        (uint16_t)(CLAMP(steps / HEAT_RATE_STEP, 1, HEAT_RATE_MAX) << HEAT_KNOWN_BITS |
                   MIN(octaves, HEAT_KNOWN_MAX));
}

/* log2 of the seconds of exposure that count, but for what a set bit brings into doubt. */
static inline Log2 exposure_before(const Lesson *lesson)
{
    return MIN(lesson->known, lesson->model->most_known) - lesson->rate;
}

/* What evidence says of how steady heat is: the sums of steady.h. */
typedef struct Trial {
    double share;                       /* q */
    double set;
    double surprise, weight;
} Trial;

/*
 * Put what is known to the test of an observation of 2^@interval seconds. With a accesses known from b seconds the
 * chance of none in T is (b / (b + T))^a.
 */
static inline void try(Trial *trial, const Lesson *lesson, Log2 interval, bool set)
{
    const LogTables *tables = &lesson->model->tables;
    Log2 before = exposure_before(lesson), accesses = lesson->rate + before, grows;
    double foretold, lean;

    trial->set += set;
    if (accesses < LOG2_ONE) {          /* too little is known to be surprised */
        return;
    }
    grows = log2_add(tables, before, interval) - before;
    foretold = 1 - log2_value_near(tables, (Log2)MAX(-log2_value_near(tables, accesses) * grows, LOG2_ZERO));
    lean = trial->share - foretold;
    trial->surprise += (set - foretold) * lean;
    trial->weight += lean * lean;
}

/* The bit was clear for 2^@interval seconds: no access, but exposure. */
static inline void miss(const Lesson *lesson, Log2 interval)
{
    Log2 before = exposure_before(lesson);
    Log2 accesses = lesson->rate + before;

    lesson_end(lesson, accesses - log2_add(&lesson->model->tables, before, interval), accesses);
    *lesson->again &= ~lesson->bit;
}

/*
 * log2 of the intervals that what is known may count for against a bit that was set where 2^@expected accesses
 * were. Either chance has it, as it does so often, and twice running as often as the square of that; or the page
 * has changed, which is the less likely the longer heat has been steady: with the fourth power of how much more the
 * past counts by now, as simulations of zipfian and of jumping heat had it. Where that is less likely than chance the
 * limit is wider by the odds.
 */
static inline Log2 most_before(const Lesson *lesson, Log2 expected)
{
    Log2 chance = MIN(expected, 0);
    Log2 change = -4 * lesson->model->reluctance;

    if (lesson->known < HEAT_FEW_ACCESSES) {
        return MIN(HEAT_MAX_INTERVALS_AGAIN + lesson->model->reluctance, HEAT_MAX_INTERVALS);
    }
    if (*lesson->again & lesson->bit) {
        return HEAT_MAX_INTERVALS_AGAIN + MAX(2 * chance - change, 0);
    }
    return HEAT_MAX_INTERVALS + MAX(chance - change, 0);
}

/* The bit was set in 2^@interval seconds. */
static inline void hit(const Lesson *lesson, Log2 interval)
{
    const LogTables *tables = &lesson->model->tables;
    Log2 expected = lesson->rate + interval;
    Log2 before = MIN(exposure_before(lesson), interval + most_before(lesson, expected));
    Log2 accesses = log2_add(tables, lesson->rate + before, log2_hits(tables, lesson->rate + interval));

    lesson_end(lesson, accesses - log2_add(tables, before, interval), accesses);
    *lesson->again |= lesson->bit;
}

void heat_note_source(const HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n)
{
    for (size_t i = first >> map->block_shift; i <= (first + n - 1) >> map->block_shift; i++) {
        map->blocks[i].seen[source] = block_time(model->epoch);
    }
}

/* Evidence comes from @source on the granules first..first+n-1. */
static void note_evidence(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n)
{
    heat_note_source(model, map, source, first, n);
    model->draws++;
}

void heat_add_bits(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n,
                   const uint64_t *accessed, uint64_t interval_ns)
{
    Log2 interval = log2_of(interval_ns * 1e-9);
    Trial trial = {.share = steady_share(&model->steady, interval)};

    hints_bits(model, map, first, n, accessed, interval_ns);
    note_evidence(model, map, source, first, n);
    for (size_t i = 0; i < n; i++) {
        Lesson lesson = lesson_begin(model, map, first + i);
        bool set = accessed[i / 64] >> (i % 64) & 1;

        try(&trial, &lesson, interval, set);
        if (set) {
            hit(&lesson, interval);
        } else {
            miss(&lesson, interval);
        }
    }
    steady_count(&model->steady, interval, trial.set, n, trial.surprise, trial.weight);
}

void heat_add_rate(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n, double per_s,
                   uint64_t exposure_ns)
{
    const LogTables *tables = &model->tables;
    Log2 exposure = log2_of(exposure_ns * 1e-9);
    Log2 counted = log2_of(per_s) + exposure;
    Trial trial = {.share = steady_share(&model->steady, exposure)};

    hints_rate(model, map, first, n, per_s, exposure_ns);
    note_evidence(model, map, source, first, n);
    for (size_t i = 0; i < n; i++) {
        Lesson lesson = lesson_begin(model, map, first + i);
        bool seen = heat_seen(heat_at(map, first + i));
        Log2 most = seen ? -LOG2_ZERO : exposure + HEAT_MAX_INTERVALS_AGAIN;
        Log2 before = MIN(exposure_before(&lesson), most);
        Log2 accesses = log2_add(tables, lesson.rate + before, counted);

        try(&trial, &lesson, exposure, counted >= 0);
        lesson_end(&lesson, accesses - log2_add(tables, before, exposure), accesses);
    }
    steady_count(&model->steady, exposure, trial.set, n, trial.surprise, trial.weight);
}

void heat_add_below(HeatModel *model, HeatMap *map, PolicySource source, size_t first, size_t n, double per_s,
                    uint64_t exposure_ns)
{
    const LogTables *tables = &model->tables;
    Log2 exposure = log2_of(exposure_ns * 1e-9);
    Log2 likely = log2_of(per_s) + HEAT_BELOW;

    hints_below(model, map, first, n, per_s, exposure_ns);
    note_evidence(model, map, source, first, n);
    for (size_t i = 0; i < n; i++) {
        Lesson lesson = lesson_begin(model, map, first + i);
        Log2 before = exposure_before(&lesson), accesses;

        if (lesson.rate <= likely) {
            continue;
        }
        if (!heat_seen(heat_at(map, first + i))) {
            before = MIN(before, exposure + HEAT_MAX_INTERVALS_AGAIN);
        }
        accesses = log2_add(tables, lesson.rate + before, likely + exposure);
        lesson_end(&lesson, accesses - log2_add(tables, before, exposure), accesses);
    }
}

void heat_jumped(HeatModel *model)
{
    steady_jumped(&model->steady, heat_now_s(model));
    model->jumped = model->epoch;
    set_memory(model);
}

void heat_place(HeatMap *map, size_t granule, uint8_t tier)
{
    map->bytes_at[heat_tier(heat_at(map, granule))] -= map->granule_bytes;
    map->bytes_at[tier] += map->granule_bytes;
    map->states[granule] =
        (map->states[granule] & ~((1 << HEAT_PLACE_BITS) - 1)) | (tier ^ POLICY_TIER_UNKNOWN);
}

void heat_set_last(const HeatModel *model, HeatMap *map, size_t granule, HeatLast last)
{
    HeatBlock *block = heat_block(map, granule);

    if (last == HEAT_UNMOVABLE) {
        write_last(map, granule, HEAT_REFUSED, HEAT_AGE_MAX);
        block->unmovable = block_time(model->swept);
    } else {
        write_last(map, granule, last, 0);
        block->moved = block_time(model->swept);
    }
}
