/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner; planner.h has the theory.
 */
#include "planner.h"

#include <math.h>
#include <stdlib.h>

#include "census.h"

#define TOKENS_NS 2000000000.0          /* unused allowance is kept for so long */
#define PACE_MIN_BYTES (256u << 10)
#define WARINESS_ONE 256
#define LN2 0.69314718055994530942
#define VICTIM_COPIES 2                 /* out, and back when it is wanted again */

/* A granule that may become a move. */
typedef struct Candidate {
    Log2 heat;                          /* per page, as judged */
    uint32_t map;
    uint32_t granule;
    uint8_t tier;
} Candidate;

/*
 * How far into one side of the census the plan reaches: all buckets beyond 'bucket', and of that one so
 * many bytes.
 */
typedef struct Reach {
    unsigned bucket;
    uint64_t left;                      /* bytes of this bucket not yet taken, while the plan is laid out */
    uint64_t taken;
    uint64_t total;
} Reach;

struct Planner {
    Census census;
    GArray *candidates;                 /* Candidate, hottest first */
    GArray *victims;                    /* Candidate, coldest first */
    GArray *moves;                      /* PolicyMove */
};

/* One planning. Worth and prices are in nanoseconds, per page, over heat_life. */
typedef struct Job {
    Planner *planner;
    HeatMap *const *maps;
    size_t n_maps;
    double saved_ns;                    /* on one touch in tier 0 rather than tier 1 */
    double worth;                       /* of one touch per second */
    double margin;                      /* see brake.h */
    double price_4k, price_2m;          /* of a copy, times the margin */
    uint64_t room;                      /* bytes of tier 0 that are free within the budget */
    uint64_t excess;                    /* bytes of tier 0 above the budget */
    uint64_t allowance;                 /* bytes that may be moved */
    bool by_rate;                       /* and that is what max_bytes_per_s sets it to */
    bool cut_short;                     /* the allowance ended the plan */
} Job;

void planner_state_init(PlannerState *state)
{
    *state = (PlannerState){.pace_bytes = PLANNER_MAX_BYTES, .hit_ratio = NAN, .ideal_hit_ratio = NAN};
}

static bool ratio_valid(double ratio)
{
    return isnan(ratio) || (ratio >= 0 && ratio <= 1);
}

bool planner_state_valid(const PlannerState *state)
{
    return state->tokens >= 0 && state->tokens <= 0x1p66 && state->pace_bytes <= PLANNER_MAX_BYTES &&
           state->threshold_per_s >= 0 && ratio_valid(state->hit_ratio) &&
           ratio_valid(state->ideal_hit_ratio);
}

Planner *planner_new(void)
{
    Planner *planner = g_new0(Planner, 1);

    planner->candidates = g_array_new(false, false, sizeof(Candidate));
    planner->victims = g_array_new(false, false, sizeof(Candidate));
    planner->moves = g_array_new(false, true, sizeof(PolicyMove));
    return planner;
}

void planner_free(Planner *planner)
{
    g_array_unref(planner->candidates);
    g_array_unref(planner->victims);
    g_array_unref(planner->moves);
    g_free(planner);
}

void planner_reported(PlannerState *state, uint64_t bytes)
{
    state->reported_moves++;
    state->reported_bytes += bytes;
}

static uint64_t largest_granule(HeatMap *const *maps, size_t n_maps)
{
    uint64_t largest = CENSUS_PAGE;

    for (size_t i = 0; i < n_maps; i++) {
        largest = MAX(largest, maps[i]->granule_bytes);
    }
    return largest;
}

/*
 * What this plan may hold: what max_bytes_per_s allows, and no more than the caller was able to do of the
 * last plan, or else its demotions would take all its time, plan after plan, and its promotions would never
 * come.
 */
static void set_allowance(Job *job, PlannerState *state, const PolicyConfig *config, uint64_t now_ns)
{
    uint64_t swap_bytes = 2 * largest_granule(job->maps, job->n_maps);
    double elapsed_ns = state->plan_ns ? (double)(now_ns - state->plan_ns) : TOKENS_NS / 2;
    double most = MAX(config->max_bytes_per_s * (TOKENS_NS / 1e9), (double)swap_bytes);

    if (state->reported_moves && state->reported_moves < state->planned_moves) {
        state->pace_bytes = state->reported_bytes;
    } else if (state->reported_moves) {
        state->pace_bytes += state->pace_bytes / 4;
    }
    state->pace_bytes = CLAMP(state->pace_bytes, MAX(PACE_MIN_BYTES, swap_bytes), PLANNER_MAX_BYTES);
    job->allowance = state->pace_bytes;

    state->tokens = MIN(state->tokens + config->max_bytes_per_s * (elapsed_ns / 1e9), most);
    if (config->max_bytes_per_s && state->tokens < job->allowance) {
        job->allowance = state->tokens;
        job->by_rate = true;
    }
}

static double copy_price(const Job *job, const HeatMap *map)
{
    return map->granule_bytes == CENSUS_PAGE ? job->price_4k : job->price_2m;
}

/* The least that a copy costs, per page, of any granule that there is. */
static double least_price(const Job *job)
{
    double least = INFINITY;

    for (size_t i = 0; i < job->n_maps; i++) {
        least = MIN(least, copy_price(job, job->maps[i]));
    }
    return least;
}

/* What accesses to a page of that heat cost more, over heat_life, in the slow tier. */
static double heat_worth(const Job *job, Log2 heat)
{
    return log2_value(heat) * job->worth;
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
}

/*
 * Lay the plan out on the census: how far down candidates and how far up victims can be part of it. Within
 * a bucket granules are given the benefit of the doubt; pairing them later is exact.
 */
static void lay_out(Job *job, Reach *hot, Reach *cold)
{
    const Census *census = &job->planner->census;
    uint64_t excess = job->excess, room = job->room, left = job->allowance;
    double price = least_price(job);

    *hot = (Reach){.bucket = CENSUS_BUCKETS - 1, .left = census->candidates[CENSUS_BUCKETS - 1]};
    *cold = (Reach){.bucket = 0, .left = census->victims[0]};

    while (excess && reach_on(cold, census->victims, 1)) {
        uint64_t bytes = MIN(MIN(cold->left, excess), left);

        if (bytes == 0) {
            job->cut_short = true;
            return;
        }
        reach_take(cold, bytes);
        excess -= bytes;
        left -= bytes;
    }
    if (excess) {
        return;
    }
    while (reach_on(hot, census->candidates, -1)) {
        double gain = heat_worth(job, census_heat(hot->bucket + 1)) - price;
        uint64_t bytes = MIN(hot->left, room ? MIN(room, left) : left / 2);

        if (room == 0) {
            if (!reach_on(cold, census->victims, 1)) {
                return;
            }
            gain -= job->margin * heat_worth(job, census_heat(cold->bucket)) + VICTIM_COPIES * price;
            bytes = MIN(bytes, cold->left);
        }
        if (gain <= 0) {
            return;
        }
        if (bytes == 0) {
            job->cut_short = true;
            return;
        }
        reach_take(hot, bytes);
        left -= bytes;
        if (room) {
            room -= bytes;
        } else {
            reach_take(cold, bytes);
            left -= bytes;
        }
    }
}

/*
 * Whether a granule in @bucket is within @reach, whose direction is @step; uses up its share of the last
 * bucket.
 */
static bool within(Reach *reach, unsigned bucket, int step, uint64_t bytes)
{
    if (bucket != reach->bucket) {
        return (step > 0) == (bucket < reach->bucket);
    }
    if (reach->taken == 0) {
        return false;
    }
    reach->taken -= MIN(reach->taken, bytes);
    return true;
}

/*
 * Whether the granule's estimate alone rules it out: judging makes candidates no hotter and victims no
 * colder than that.
 */
static bool out_of_reach(const Rules *rules, const Heat *heat, const Reach *hot, const Reach *cold)
{
    uint8_t tier = heat_tier(heat);
    unsigned bucket;

    if (tier >= POLICY_MAX_TIERS) {
        return true;
    }
    bucket = census_bucket(census_estimate(rules, heat));
    return tier == 0 ? bucket > cold->bucket : bucket < hot->bucket;
}

/*
 * How many times the doubt counts where @chosen_bytes are chosen from @bytes, in 1/WARINESS_ONE; at least once.
 *
 * Who picks the best of N by figures that chance has touched picks the luckiest: the highest of N normal errors
 * is expected at about sqrt(2 ln N) standard deviations (extreme value theory; the winner's curse). N is how many
 * there are to choose from for each that is chosen. So one page that stands out must do so by far, and a whole
 * hot set that appears at once is believed at once.
 */
static Log2 wariness_of(uint64_t bytes, uint64_t chosen_bytes)
{
    double log2_n = (double)log2_of((double)bytes / MAX(chosen_bytes, CENSUS_PAGE)) / LOG2_ONE;
    double deviations = log2_value(log2_of(2 * LN2 * log2_n) / 2);      /* a square root */

    return MAX(deviations, 1) * WARINESS_ONE;
}

/* The heat of a candidate that was @judged below its @estimate by the doubt, once. */
static Log2 warily(Log2 wariness, Log2 estimate, Log2 judged)
{
    return estimate - (estimate - judged) * wariness / WARINESS_ONE;
}

static void gather(Job *job, const PolicyConfig *config, const HeatModel *model, Reach hot, Reach cold)
{
    Planner *planner = job->planner;
    const Log2 wariness = wariness_of(planner->census.slow_bytes, hot.total);

    for (size_t m = 0; m < job->n_maps; m++) {
        const HeatMap *map = job->maps[m];
        Rules rules;

        rules_init(&rules, config, model, map);
        for (size_t i = 0; i < map->n; i++) {
            const Heat *heat = &map->granules[i];
            Candidate candidate = {.map = m, .granule = i, .tier = heat_tier(heat)};
            Role role;

            if (out_of_reach(&rules, heat, &hot, &cold)) {
                continue;
            }
            role = census_judge(&rules, heat, &candidate.heat);
            if (role == ROLE_CANDIDATE &&
                within(&hot, census_bucket(candidate.heat), -1, map->granule_bytes)) {
                candidate.heat = warily(wariness, census_estimate(&rules, heat), candidate.heat);
                g_array_append_val(planner->candidates, candidate);
            } else if (role == ROLE_VICTIM &&
                       within(&cold, census_bucket(candidate.heat), 1, map->granule_bytes)) {
                g_array_append_val(planner->victims, candidate);
            }
        }
    }
}

/* Coldest first; a total order, so that any sort gives the same plan. */
static int compare_coldest(const void *left, const void *right)
{
    const Candidate *a = left, *b = right;

    if (a->heat != b->heat) {
        return a->heat < b->heat ? -1 : 1;
    }
    if (a->map != b->map) {
        return a->map < b->map ? -1 : 1;
    }
    return a->granule < b->granule ? -1 : a->granule > b->granule;
}

static int compare_hottest(const void *left, const void *right)
{
    const Candidate *a = left, *b = right;

    return a->heat != b->heat ? (a->heat > b->heat ? -1 : 1) : compare_coldest(a, b);
}

/* What there is of tier 0 to be sold: free room, then the room of the victims in their order, by the byte. */
typedef struct Stall {
    uint64_t room;                      /* bytes, free */
    size_t next;                        /* victims before this one have been sold */
    uint64_t left;                      /* bytes of the last one sold, as yet unused */
} Stall;

/*
 * Take @bytes from the stall. Returns how many bytes must be moved for that, and adds to @price what is
 * lost by it; returns G_MAXUINT64 when there is not so much.
 */
static uint64_t stall_buy(const Job *job, Stall *stall, uint64_t bytes, double *price)
{
    const GArray *victims = job->planner->victims;
    uint64_t moved_bytes = 0, part = MIN(bytes, stall->room);

    stall->room -= part;
    bytes -= part;
    while (bytes) {
        const Candidate *victim;
        double loss;

        if (stall->left == 0) {
            if (stall->next == victims->len) {
                return G_MAXUINT64;
            }
            stall->left = job->maps[g_array_index(victims, Candidate, stall->next).map]->granule_bytes;
            moved_bytes += stall->left;
            stall->next++;
        }
        victim = &g_array_index(victims, Candidate, stall->next - 1);
        part = MIN(bytes, stall->left);
        loss = job->margin * heat_worth(job, victim->heat);
        *price += (loss + VICTIM_COPIES * copy_price(job, job->maps[victim->map])) * part / CENSUS_PAGE;
        stall->left -= part;
        bytes -= part;
    }
    return moved_bytes;
}

/* Demote down to the budget, whatever is lost by it. */
static void sell_excess(Job *job, Stall *stall)
{
    const GArray *victims = job->planner->victims;
    uint64_t sold = 0;

    while (sold < job->excess && stall->next < victims->len) {
        uint64_t bytes = job->maps[g_array_index(victims, Candidate, stall->next).map]->granule_bytes;

        if (bytes > job->allowance) {
            return;
        }
        job->allowance -= bytes;
        sold += bytes;
        stall->next++;
    }
    stall->room = sold > job->excess ? sold - job->excess : 0;
}

/*
 * Pair candidates with room while each gains more than it costs. Returns how many victims that takes, and
 * leaves in the planner's candidates only those to be promoted. When one does not pay, no cooler one of the
 * same size does.
 */
static size_t pair(Job *job)
{
    GArray *candidates = job->planner->candidates;
    Stall stall = {.room = job->room};
    bool done_4k = false, done_2m = false;
    size_t n_kept = 0;

    if (job->excess) {
        sell_excess(job, &stall);
    }
    for (size_t i = 0; i < candidates->len && !(done_4k && done_2m); i++) {
        const Candidate candidate = g_array_index(candidates, Candidate, i);
        const HeatMap *map = job->maps[candidate.map];
        bool *done = map->granule_bytes == CENSUS_PAGE ? &done_4k : &done_2m;
        double pages = (double)map->granule_bytes / CENSUS_PAGE;
        double price = copy_price(job, map) * pages;
        Stall offer = stall;
        uint64_t moved_bytes;

        if (*done) {
            continue;
        }
        moved_bytes = stall_buy(job, &offer, map->granule_bytes, &price);
        if (moved_bytes == G_MAXUINT64 || moved_bytes + map->granule_bytes > job->allowance ||
            heat_worth(job, candidate.heat) * pages <= price) {
            *done = true;
            continue;
        }
        stall = offer;
        job->allowance -= moved_bytes + map->granule_bytes;
        g_array_index(candidates, Candidate, n_kept++) = candidate;
    }
    g_array_set_size(candidates, n_kept);
    return stall.next;
}

static void add_move(const Job *job, const Candidate *candidate, uint8_t to, double sign)
{
    const HeatMap *map = job->maps[candidate->map];
    double pages = (double)map->granule_bytes / CENSUS_PAGE;
    PolicyMove move = {.region = map->id, .granule = candidate->granule, .from = candidate->tier, .to = to};

    move.gain_per_s = (float)(sign * pages * log2_value(candidate->heat) * job->saved_ns);
    g_array_append_val(job->planner->moves, move);
}

static void write_moves(const Job *job, size_t n_victims)
{
    const Planner *planner = job->planner;

    for (size_t i = 0; i < n_victims; i++) {
        add_move(job, &g_array_index(planner->victims, Candidate, i), 1, -1);
    }
    for (size_t i = 0; i < planner->candidates->len; i++) {
        add_move(job, &g_array_index(planner->candidates, Candidate, i), 0, 1);
    }
}

static void choose_moves(Job *job, const PolicyConfig *config, const HeatModel *model)
{
    Planner *planner = job->planner;
    Reach hot, cold;

    lay_out(job, &hot, &cold);
    if (hot.total == 0 && cold.total == 0) {
        return;
    }
    gather(job, config, model, hot, cold);
    g_array_sort(planner->candidates, compare_hottest);
    g_array_sort(planner->victims, compare_coldest);
    write_moves(job, pair(job));
}

/*
 * Tell what the census shows, and take the typical rate for the prior of granules never seen, whose size is
 * the largest map's.
 */
static void publish(const Job *job, PlannerState *state, HeatModel *model, uint64_t budget_bytes)
{
    const HeatMap *largest = NULL;
    CensusView view;

    census_view(&job->planner->census, budget_bytes, &view);
    state->hit_ratio = view.hit_ratio;
    state->ideal_hit_ratio = view.ideal_hit_ratio;
    state->threshold_per_s = view.threshold_per_s;
    if (job->worth > 0 && job->n_maps > 0) {
        state->threshold_per_s =
            MAX(state->threshold_per_s, (1 + VICTIM_COPIES) * least_price(job) / job->worth);
    }
    for (size_t i = 0; i < job->n_maps; i++) {
        const HeatMap *map = job->maps[i];

        if (!largest || map->n * map->granule_bytes > largest->n * largest->granule_bytes) {
            largest = map;
        }
    }
    if (largest && view.seen_bytes > 0) {
        model->prior = view.median + log2_of((double)largest->granule_bytes / CENSUS_PAGE);
    }
}

void planner_run(Planner *planner, PlannerState *state, const PolicyConfig *config, HeatModel *model,
                 HeatMap *const *maps, size_t n_maps, double margin, uint64_t now_ns, PolicyPlan *plan)
{
    const PolicyCosts *costs = &config->costs;
    Job job = {.planner = planner, .maps = maps, .n_maps = n_maps, .margin = margin};
    uint64_t fast_bytes, allowance;

    g_array_set_size(planner->candidates, 0);
    g_array_set_size(planner->victims, 0);
    g_array_set_size(planner->moves, 0);
    set_allowance(&job, state, config, now_ns);
    allowance = job.allowance;
    census_take(&planner->census, config, model, maps, n_maps);
    fast_bytes = planner->census.fast_bytes;
    if (config->n_tiers > 1) {
        job.saved_ns =
            MAX((double)costs->latency_ns[1] - costs->latency_ns[0], 0) * MAX(config->touch_accesses, 1);
        job.worth = job.saved_ns * (config->heat_life_ns / 1e9);
        job.price_4k = margin * costs->move_4k_ns;
        job.price_2m = margin * costs->move_2m_ns * CENSUS_PAGE / (2 << 20);
        job.room = config->budget_bytes > fast_bytes ? config->budget_bytes - fast_bytes : 0;
        job.excess = fast_bytes > config->budget_bytes ? fast_bytes - config->budget_bytes : 0;
        choose_moves(&job, config, model);
    }
    publish(&job, state, model, config->budget_bytes);

    state->tokens -= MIN(state->tokens, (double)(allowance - job.allowance));
    state->plan_ns = now_ns;
    state->planned_moves = planner->moves->len;
    state->reported_moves = 0;
    state->reported_bytes = 0;
    plan->moves = (const PolicyMove *)planner->moves->data;
    plan->n_moves = planner->moves->len;
    plan->throttled = job.by_rate && job.cut_short;
}
