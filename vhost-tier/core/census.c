/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the census, and what it shows.
 */
#include "census.h"

#include "blocks.h"

#include <math.h>

/*
 * Limits of a crowd's shape: it counts for so many accesses at most, else what turns hot would be believed late; and
 * for no less than tells one page in sixteen that is hot from the others.
 */
#define CROWD_SHAPE_MAX 8.0
#define CROWD_SHAPE_MIN (-4 * LOG2_ONE)

void rules_init(Rules *rules, const PolicyConfig *config, const HeatModel *model, const HeatMap *map)
{
    const uint32_t *latency = config->costs.latency_ns;
    double unit = (double)latency[1] - latency[0];

    rules->model = model;
    rules->per_page = -log2_of((double)map->granule_bytes / CENSUS_PAGE);
    rules->slowness[0] = 0;
    for (unsigned tier = 1; tier < POLICY_MAX_TIERS; tier++) {
        double saved = tier < config->n_tiers ? (double)latency[tier] - latency[0] : 0;

        rules->slowness[tier] = unit > 0 ? log2_of(saved / unit) : LOG2_ZERO;
    }
}

/*
 * Granules of the same estimate and of a like state are all judged alike. So they are counted first, which is a few
 * instructions for each, and each kind is judged once. States are alike in tier and in what a judgement makes of what
 * became of them last.
 */
#define KINDS 3u                            /* of each tier: nothing of note, moved here lately, refused */
#define CLASSES (POLICY_MAX_TIERS * KINDS)  /* and then one for those that lie on no tier */
#define RATES (HEAT_RATE_MAX + 1u)
#define KNOWN (HEAT_KNOWN_MAX + 1u)

typedef struct Tally {
    uint8_t class_of[256];                  /* by Heat.state, */
    uint8_t state_of[CLASSES];              /* and one of that class */
    uint32_t *granules;                     /* by class and estimate, which is rate and accesses known */
    bool used[(CLASSES + 1) * RATES];       /* whether there are any, by class and rate */
} Tally;

static unsigned class_of_state(uint8_t state)
{
    const Heat heat = {.state = state};
    const uint8_t tier = heat_tier(heat);
    unsigned kind = 0;

    if (tier >= POLICY_MAX_TIERS) {
        return CLASSES;
    }
    if (heat_last(heat) == HEAT_REFUSED || heat_last(heat) == HEAT_UNMOVABLE) {
        kind = 2;
    } else if (heat_lately(heat, tier == 0 ? HEAT_PROMOTED : HEAT_DEMOTED)) {
        kind = 1;
    }
    return tier * KINDS + kind;
}

static void tally_run(Tally *tally, const HeatMap *map, size_t first, size_t end)
{
    const uint16_t *estimates = map->estimates;
    const uint8_t *states = map->states, *class_of = tally->class_of;
    uint32_t *granules = tally->granules;
    bool *used = tally->used;

    for (size_t i = first; i < end; i++) {
        const uint32_t at = class_of[states[i]] * (RATES * KNOWN) + estimates[i];

        granules[at]++;
        used[at / KNOWN] = true;
    }
}

/* All but those that are marked. */
static void tally(Tally *tally, const HeatMap *map)
{
    for (unsigned state = 0; state < G_N_ELEMENTS(tally->class_of); state++) {
        tally->class_of[state] = class_of_state(state);
        if (tally->class_of[state] < CLASSES) {
            tally->state_of[tally->class_of[state]] = state;
        }
    }
    for (size_t first = 0, end = 0; blocks_next_run(map, &first, &end);) {
        for (size_t i = first, next; i < end; i = next + 1) {
            next = hints_next(map, i, end);
            tally_run(tally, map, i, next);
        }
    }
}

static void judge(Census *census, const Rules *rules, Heat heat, uint8_t mark, uint64_t bytes)
{
    Log2 judged;
    Role role = census_judge(rules, heat, mark, &judged);

    if (role != ROLE_NONE) {
        uint64_t *buckets = role == ROLE_VICTIM ? census->victims : census->candidates;

        buckets[census_bucket(judged)] += bytes;
    }
    if (heat_seen(heat)) {
        uint64_t *buckets = heat_tier(heat) == 0 ? census->fast : census->slow;

        buckets[census_bucket(heat_rate(rules->model, heat) + rules->per_page)] += bytes;
    }
}

static void judge_marked(Census *census, const Rules *rules, const HeatMap *map)
{
    for (size_t first = 0, end = 0; map->hints && blocks_next_run(map, &first, &end);) {
        for (size_t i = hints_next(map, first, end); i < end; i = hints_next(map, i + 1, end)) {
            judge(census, rules, heat_at(map, i), hint_mark(map, i), map->granule_bytes);
        }
    }
}

static void count(Census *census, const Rules *rules, const HeatMap *map)
{
    /* Most of it is never touched, and then takes no memory. */
    g_autofree uint32_t *granules = g_new0(uint32_t, (CLASSES + 1) * RATES * KNOWN);
    Tally counted = {.granules = granules};

    tally(&counted, map);
    for (unsigned row = 0; row < CLASSES * RATES; row++) {
        for (unsigned at = row * KNOWN; counted.used[row] && at < (row + 1) * KNOWN; at++) {
            const Heat heat = {.estimate = at % (RATES * KNOWN), .state = counted.state_of[row / RATES]};

            if (granules[at] > 0) {
                judge(census, rules, heat, 0, (uint64_t)granules[at] * map->granule_bytes);
            }
        }
    }
    judge_marked(census, rules, map);
    if (map->fine) {
        return;                 /* its bytes are in the fine one's sums */
    }
    census->fast_bytes += map->bytes_at[0];
    for (unsigned tier = 1; tier < POLICY_MAX_TIERS; tier++) {
        census->slow_bytes += map->bytes_at[tier];
    }
}

void census_take(Census *census, const PolicyConfig *config, const HeatModel *model, HeatMap *const *maps,
                 size_t n_maps)
{
    *census = (Census){0};
    for (size_t i = 0; i < n_maps; i++) {
        Rules rules;

        rules_init(&rules, config, model, maps[i]);
        count(census, &rules, maps[i]);
    }
}

bool census_crowd(const Census *census, Log2 *mean, Log2 *shape)
{
    double pages = 0, sum = 0, squares = 0, average, variance;

    for (unsigned bucket = 0; bucket < CENSUS_BUCKETS; bucket++) {
        double rate = log2_value(census_heat(bucket)), here = (double)census->slow[bucket] / CENSUS_PAGE;

        pages += here;
        sum += here * rate;
        squares += here * rate * rate;
    }
    if (sum == 0) {
        return false;
    }
    average = sum / pages;
    variance = MAX(squares / pages - average * average, average * average / CROWD_SHAPE_MAX);
    *mean = log2_of(average);
    *shape = MAX(log2_of(average * average / variance), CROWD_SHAPE_MIN);
    return true;
}

bool census_part(const Census *census, uint64_t bytes, Log2 *hottest, Log2 *rest, double *share)
{
    uint64_t all = 0, left;
    double hot = 0, cold = 0;

    for (unsigned bucket = 0; bucket < CENSUS_BUCKETS; bucket++) {
        all += census->fast[bucket] + census->slow[bucket];
    }
    bytes = MIN(bytes, all / 2);
    if (bytes == 0) {
        return false;
    }
    left = bytes;
    for (unsigned bucket = CENSUS_BUCKETS; bucket-- > 0;) {
        const uint64_t here = census->fast[bucket] + census->slow[bucket], of_hot = MIN(here, left);
        const double rate = log2_value(census_middle(bucket));

        left -= of_hot;
        hot += rate * (double)of_hot;
        cold += rate * (double)(here - of_hot);
    }
    *hottest = log2_of(hot / (double)bytes);
    *rest = log2_of(cold / (double)(all - bytes));
    *share = (double)bytes / (double)all;
    return true;
}

void census_view(const Census *census, uint64_t budget_bytes, CensusView *view)
{
    uint64_t seen_fast = 0, seen_slow = 0, below = 0, room = budget_bytes;
    double fast_accesses = 0, accesses = 0, ideal = 0;

    *view = (CensusView){.hit_ratio = NAN, .ideal_hit_ratio = NAN};
    for (unsigned bucket = CENSUS_BUCKETS; bucket-- > 0;) {
        uint64_t bytes = census->fast[bucket] + census->slow[bucket];
        Log2 heat = census_middle(bucket);
        double per_byte;

        if (bytes == 0) {
            continue;
        }
        per_byte = log2_value(heat) / CENSUS_PAGE;
        fast_accesses += per_byte * census->fast[bucket];
        accesses += per_byte * bytes;
        ideal += per_byte * MIN(bytes, room);
        if (bytes > room && view->threshold_per_s == 0) {
            view->threshold_per_s = log2_value(heat);
        }
        room -= MIN(bytes, room);
        seen_fast += census->fast[bucket];
        seen_slow += census->slow[bucket];
    }
    view->seen_bytes = seen_fast + seen_slow;
    if (view->seen_bytes > 0 && seen_fast >= census->fast_bytes / 2 && seen_slow >= census->slow_bytes / 2) {
        view->hit_ratio = fast_accesses / accesses;
        view->ideal_hit_ratio = ideal / accesses;
    }
    for (unsigned bucket = 0; below * 2 < view->seen_bytes; bucket++) {
        below += census->fast[bucket] + census->slow[bucket];
        view->median = census_heat(bucket);
    }
}
