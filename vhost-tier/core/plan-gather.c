/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which granules can be part of a plan: laid out on the census, then gathered in one pass over the maps.
 */
#include "planner-internal.h"

#include <math.h>

#include "blocks.h"

/*
 * How far into one side of the census the plan reaches: all buckets beyond 'bucket', and of that one so
 * many bytes.
 */
typedef struct Reach {
    unsigned bucket;
    uint64_t left;                      /* bytes of this bucket not yet taken, while the plan is laid out */
    uint64_t taken;
    uint64_t total;                     /* of all buckets; while they are gathered, what is left of it */
    double per_s;                       /* touches to all of it */
} Reach;

double job_least_price(const Job *job)
{
    double least = INFINITY;

    for (size_t i = 0; i < job->n_maps; i++) {
        least = MIN(least, copy_price(job, job->maps[i]->granule_bytes));
    }
    return least;
}

/*
 * Move on to the next bucket, in @step's direction, that holds bytes not yet taken. False at the end of the
 * census.
 */
static bool reach_on(Reach *reach, const uint64_t *buckets, int step)
{
    while (reach->left == 0) {
        unsigned next = reach->bucket + step;

        if (next >= CENSUS_BUCKETS) {
            return false;
        }
        reach->bucket = next;
        reach->left = buckets[next];
        reach->taken = 0;
    }
    return true;
}

static void reach_take(Reach *reach, uint64_t bytes)
{
    reach->left -= bytes;
    reach->taken += bytes;
    reach->total += bytes;
    reach->per_s += log2_value(census_heat(reach->bucket)) * ((double)bytes / CENSUS_PAGE);
}

/* A plan as it is laid out on the census: how far down candidates and how far up victims can be part of it. */
typedef struct Layout {
    Reach hot, cold;
    uint64_t room;                      /* bytes of tier 0 that it leaves free */
    uint64_t left;                      /* bytes that may be moved besides */
    bool cut_short;                     /* that there were no more of these ended it */
} Layout;

/*
 * Lay a plan out, where @left bytes may be moved. Within a bucket granules are given the benefit of the doubt; pairing
 * them later is exact.
 */
static Layout lay_out(const Job *job, uint64_t left)
{
    const Census *census = &job->planner->census;
    Layout layout = {
        .hot = {.bucket = CENSUS_BUCKETS - 1, .left = census->candidates[CENSUS_BUCKETS - 1]},
        .cold = {.bucket = 0, .left = census->victims[0]},
        .room = job->room,
        .left = left,
    };
    Reach *hot = &layout.hot, *cold = &layout.cold;
    uint64_t excess = job->excess;
    double price = job_least_price(job);

    while (excess && reach_on(cold, census->victims, 1)) {
        uint64_t bytes = MIN(MIN(cold->left, excess), layout.left);

        if (bytes == 0) {
            layout.cut_short = true;
            return layout;
        }
        reach_take(cold, bytes);
        excess -= bytes;
        layout.left -= bytes;
    }
    if (excess) {
        return layout;
    }
    while (reach_on(hot, census->candidates, -1)) {
        const bool swap = layout.room == 0;
        double gain = heat_worth(job, census_heat(hot->bucket + 1)) - price;
        uint64_t bytes = MIN(hot->left, swap ? layout.left / 2 : MIN(layout.room, layout.left));

        if (swap) {
            if (!reach_on(cold, census->victims, 1)) {
                return layout;
            }
            gain -= job->margin * heat_worth(job, census_heat(cold->bucket)) + VICTIM_COPIES * price;
            bytes = MIN(bytes, cold->left);
        } else {
            gain -= reserve_worth(job, layout.room);
        }
        if (gain <= 0) {
            return layout;
        }
        if (bytes == 0) {
            layout.cut_short = true;
            return layout;
        }
        reach_take(hot, bytes);
        layout.left -= bytes;
        if (swap) {
            reach_take(cold, bytes);
            layout.left -= bytes;
        } else {
            layout.room -= bytes;
        }
    }
    return layout;
}

/* Lay out what leaves tier 0 as it is worth less than free room. */
static void lay_out_reserve(const Job *job, Layout *layout)
{
    const Census *census = &job->planner->census;
    const double price = job_least_price(job);
    Reach *cold = &layout->cold;

    while (layout->left > job->keep && reach_on(cold, census->victims, 1) &&
           reserve_gain(job, layout->room, census_heat(cold->bucket), price) > 0) {
        const uint64_t bytes = MIN(MIN(cold->left, layout->left - job->keep), job->reserve_bytes - layout->room);

        reach_take(cold, bytes);
        layout->room += bytes;
        layout->left -= bytes;
    }
}

Waiting plan_waiting(const Job *job)
{
    const Layout layout = lay_out(job, UINT64_MAX);
    const bool known = job->saved_ns > 0;   /* what relieves a slower tier 0 is not laid out so */

    return (Waiting){
        .per_s = layout.hot.per_s - layout.cold.per_s,
        .bytes = known ? layout.hot.total + layout.cold.total : UINT64_MAX,
    };
}

/*
 * Whether a granule in @bucket is within @reach, whose direction is @step; uses up its share of what is to be
 * gathered, and of the last bucket.
 */
static bool within(Reach *reach, unsigned bucket, int step, uint64_t bytes)
{
    if (bucket == reach->bucket) {
        bytes = MIN(reach->taken, bytes);
        reach->taken -= bytes;
    } else if ((step > 0) != (bucket < reach->bucket)) {
        return false;
    }
    reach->total -= MIN(reach->total, bytes);
    return bytes > 0;
}

/*
 * Which granules can be within reach, by place and estimate, unless they are marked: judging makes candidates
 * no hotter and victims no colder than they are estimated. Of what lies on no tier none is.
 */
typedef struct Span {
    uint32_t least[8], n[8];                /* of those that were seen, the least estimate, and so many from there on */
    bool unseen[8];
} Span;

#define SEEN (1u << HEAT_KNOWN_BITS)        /* the least estimate of one that was seen */

static bool can_reach(const Rules *rules, uint8_t tier, uint32_t rate, const Reach *hot, const Reach *cold)
{
    const Heat heat = {.estimate = rate * SEEN, .state = tier ^ POLICY_TIER_UNKNOWN};
    const unsigned bucket = census_bucket(census_estimate(rules, heat));

    return tier == 0 ? bucket <= cold->bucket : bucket >= hot->bucket;
}

static void span_of(const Rules *rules, const Reach *hot, const Reach *cold, Span *span)
{
    *span = (Span){.unseen = {false}};
    for (unsigned tier = 0; tier < POLICY_MAX_TIERS; tier++) {
        uint32_t rate = 1;      /* all below it are within reach of victims, or out of that of candidates */

        for (uint32_t step = 1 << (HEAT_RATE_BITS - 1); step > 0; step /= 2) {
            if (can_reach(rules, tier, rate + step - 1, hot, cold) == (tier == 0)) {
                rate += step;
            }
        }
        span->least[tier] = tier == 0 ? SEEN : rate * SEEN;
        span->n[tier] = (tier == 0 ? rate : HEAT_RATE_MAX + 1) * SEEN - span->least[tier];
        span->unseen[tier] = can_reach(rules, tier, 0, hot, cold);
    }
}

/* What gathering has in common for all granules of a map. */
typedef struct Gathering {
    Job *job;
    uint32_t map;
    Rules rules;
    Span span;
    Reach hot, cold;
} Gathering;

#define SIFTED 1024u                            /* granules that are sifted at once */

/*
 * Write down which of the granules @first..@first + @n - 1 may be within reach, as counted from @first, and return
 * how many these are. Every step is the same for every granule: which ones it will be can't be guessed, and each
 * wrong guess of the processor would cost as much as ten granules.
 */
static size_t sift(const Span *span, const HeatMap *map, size_t first, size_t n, uint16_t *sifted)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const Heat heat = heat_at(map, first + i);
        const uint8_t tier = heat_tier(heat);
        const bool reached = heat.estimate - span->least[tier] < span->n[tier];

        sifted[found] = i;
        found += reached | (span->unseen[tier] & (heat.estimate < SEEN)) | (hint_mark(map, first + i) != 0);
    }
    return found;
}

/* Gather a granule, if it can be part of the plan. */
static void gather_one(Gathering *gathering, const HeatMap *map, size_t granule)
{
    const Rules *rules = &gathering->rules;
    const Heat heat = heat_at(map, granule);
    const uint8_t mark = hint_mark(map, granule);
    Candidate candidate = {.map = gathering->map, .granule = granule, .tier = heat_tier(heat)};
    const Role role = census_judge(rules, heat, mark, &candidate.heat);

    if (role == ROLE_NONE) {
        return;
    }
    candidate.estimate = census_estimate(rules, heat);
    candidate.sure = candidate.heat;
    if (mark != 0) {
        census_judge(rules, heat, 0, &candidate.sure);
    }
    if (role == ROLE_CANDIDATE && within(&gathering->hot, census_bucket(candidate.heat), -1, map->granule_bytes)) {
        g_array_append_val(gathering->job->planner->candidates, candidate);
    } else if (role == ROLE_VICTIM &&
               within(&gathering->cold, census_bucket(candidate.heat), 1, map->granule_bytes)) {
        g_array_append_val(gathering->job->planner->victims, candidate);
    }
}

/* Whether all that the plan can reach has been gathered. */
static bool gathered_all(const Gathering *gathering)
{
    return gathering->hot.total == 0 && gathering->cold.total == 0;
}

static void gather_run(Gathering *gathering, const HeatMap *map, size_t first, size_t end)
{
    uint16_t sifted[SIFTED] = {0};

    for (; first < end && !gathered_all(gathering); first += SIFTED) {
        const size_t n = sift(&gathering->span, map, first, MIN(end - first, SIFTED), sifted);

        for (size_t i = 0; i < n && !gathered_all(gathering); i++) {
            gather_one(gathering, map, first + sifted[i]);
        }
    }
}

void plan_gather(Job *job, const PolicyConfig *config, const HeatModel *model)
{
    Layout layout = lay_out(job, job->allowance);
    Gathering gathering = {.job = job};

    job->cut_short = layout.cut_short;
    if (!job->excess) {
        lay_out_reserve(job, &layout);
    }
    gathering.hot = layout.hot;
    gathering.cold = layout.cold;
    if (gathered_all(&gathering)) {
        return;
    }
    for (size_t m = 0; m < job->n_maps; m++) {
        gathering.map = m;
        rules_init(&gathering.rules, config, model, job->maps[m]);
        span_of(&gathering.rules, &gathering.hot, &gathering.cold, &gathering.span);
        for (size_t first = 0, end = 0; blocks_next_run(job->maps[m], &first, &end);) {
            gather_run(&gathering, job->maps[m], first, end);
        }
    }
}

/*
 * The coolest bucket of those that serve, together with all hotter ones, the accesses that are to be moved
 * out, or as many as may be.
 */
static unsigned lay_out_load(const Job *job)
{
    const Census *census = &job->planner->census;
    double left = -job->load_room;
    uint64_t bytes = job->allowance;
    unsigned bucket = CENSUS_BUCKETS;

    while (bucket > 0 && left > 0 && bytes > 0) {
        uint64_t here;

        bucket--;
        here = MIN(census->fast[bucket], bytes);
        left -= log2_value(census_heat(bucket)) * ((double)here / CENSUS_PAGE);
        bytes -= here;
    }
    return bucket;
}

static void gather_load_run(Job *job, const Rules *rules, uint32_t m, unsigned coolest, size_t first,
                            size_t end)
{
    for (size_t i = first; i < end; i++) {
        Heat heat = heat_at(job->maps[m], i);
        Candidate candidate = {.map = m, .granule = i};

        if (heat_tier(heat) != 0 || !heat_seen(heat)) {
            continue;
        }
        candidate.estimate = census_estimate(rules, heat);
        if (census_bucket(candidate.estimate) >= coolest &&
            !hint_forbids(&rules->model->hint_terms, hint_mark(job->maps[m], i), 0) &&
            census_judge(rules, heat, 0, &candidate.heat) == ROLE_VICTIM) {
            candidate.heat = candidate.sure = 2 * candidate.estimate - candidate.heat;
            g_array_append_val(job->planner->victims, candidate);
        }
    }
}

void plan_gather_load(Job *job, const PolicyConfig *config, const HeatModel *model)
{
    const unsigned coolest = lay_out_load(job);

    for (size_t m = 0; m < job->n_maps; m++) {
        Rules rules;

        rules_init(&rules, config, model, job->maps[m]);
        for (size_t first = 0, end = 0; blocks_next_run(job->maps[m], &first, &end);) {
            gather_load_run(job, &rules, m, coolest, first, end);
        }
    }
}
