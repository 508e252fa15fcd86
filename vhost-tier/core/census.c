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

static void count_run(Census *census, const Rules *rules, const HeatMap *map, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        Heat heat = heat_at(map, i);
        Log2 judged;
        Role role = census_judge(rules, heat, &judged);

        if (role != ROLE_NONE) {
            uint64_t *buckets = role == ROLE_VICTIM ? census->victims : census->candidates;

            buckets[census_bucket(judged)] += map->granule_bytes;
        }
        if (heat_seen(heat) && heat_tier(heat) < POLICY_MAX_TIERS) {
            uint64_t *buckets = heat_tier(heat) == 0 ? census->fast : census->slow;

            buckets[census_bucket(heat_rate(rules->model, heat) + rules->per_page)] += map->granule_bytes;
        }
    }
}

static void count(Census *census, const Rules *rules, const HeatMap *map)
{
    for (size_t first = 0, end = 0; blocks_next_run(map, &first, &end);) {
        count_run(census, rules, map, first, end);
    }
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
