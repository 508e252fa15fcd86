/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner; planner.h has the theory.
 */
#include "planner-internal.h"

#include <math.h>

#define TOKENS_NS 2000000000.0          /* unused allowance is kept for so long */
#define PACE_MIN_BYTES (256u << 10)

void planner_state_init(PlannerState *state)
{
    *state = (PlannerState){.pace_bytes = PLANNER_MAX_BYTES, .hit_ratio = NAN, .ideal_hit_ratio = NAN};
    balance_init(&state->balance);
}

static bool ratio_valid(double ratio)
{
    return isnan(ratio) || (ratio >= 0 && ratio <= 1);
}

bool planner_state_valid(const PlannerState *state)
{
    return state->tokens >= 0 && state->tokens <= 0x1p66 && state->pace_bytes <= PLANNER_MAX_BYTES &&
           state->threshold_per_s >= 0 && ratio_valid(state->hit_ratio) &&
           ratio_valid(state->ideal_hit_ratio) && balance_valid(&state->balance) && reserve_valid(&state->reserve);
}

Planner *planner_new(void)
{
    Planner *planner = g_new0(Planner, 1);

    planner->moves = g_array_new(false, true, sizeof(PolicyMove));
    return planner;
}

void planner_free(Planner *planner)
{
    g_array_unref(planner->moves);
    g_free(planner);
}

const Census *planner_census(const Planner *planner)
{
    return &planner->census;
}

unsigned planner_edge(const Planner *planner)
{
    return planner->edge;
}

bool planner_cut_short(const Planner *planner)
{
    return planner->cut_short;
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
    /* What room is kept for may come now: half of what may be kept of unused allowance is not spent on that. */
    job->keep = job->allowance - (uint64_t)MIN(MAX(state->tokens - most / 2, 0), (double)job->allowance);
}

/*
 * How many more accesses a second tier 0 may serve, by what is known of its latency under load; below 0:
 * fewer than it does.
 */
static void set_load_room(Job *job, PlannerState *state, const PolicyCosts *costs)
{
    const Census *census = &job->planner->census;
    double fast_per_s = 0;

    for (unsigned bucket = 0; bucket < CENSUS_BUCKETS; bucket++) {
        double per_byte = log2_value(census_heat(bucket)) / CENSUS_PAGE;

        fast_per_s += per_byte * census->fast[bucket];
        job->all_per_s += per_byte * (census->fast[bucket] + census->slow[bucket]);
    }
    balance_update(&state->balance, costs->latency_ns[0], costs->latency_ns[1],
                   isnan(state->hit_ratio) ? NAN : fast_per_s / job->all_per_s);
    job->load_room = state->balance.limit < 1 ? state->balance.limit * job->all_per_s - fast_per_s : INFINITY;
    if (job->saved_ns <= 0) {
        job->load_room = MIN(job->load_room, 0);
    }
}

/* What room is worth, as heat is expected to jump. */
static void set_reserve(Job *job, const Reserve *reserve, const HeatModel *model, const PolicyConfig *config)
{
    if (config->max_bytes_per_s > 0) {
        const double copy_s = CENSUS_PAGE / (double)config->max_bytes_per_s;

        job->reserve_per_s = reserve_per_s(reserve, copy_s, heat_now_s(model), &job->reserve_bytes);
    }
}

/* Learn from a plan of which @waiting_per_s would have been moved in were there no limit. */
static void learn_reserve(const Job *job, Reserve *reserve, const HeatModel *model, const PolicyConfig *config,
                          double waiting_per_s)
{
    const ReservePlan plan = {
        .now_s = heat_now_s(model),
        .changed_s = heat_changed_s(model),
        .idle = model->quiet,
        .all_per_s = job->all_per_s,
        .waiting_per_s = waiting_per_s,
        .planned = {.per_s = MAX(job->influx.per_s, 0), .bytes = job->influx.bytes},
        .budget_bytes = config->budget_bytes,
        .room_bytes = job->room,
    };

    reserve_note(reserve, &plan);
}

static void choose_moves(Job *job, const PolicyConfig *config, const HeatModel *model)
{
    if (job->saved_ns < 0 && job->load_room < 0 && job->excess == 0) {
        plan_gather_load(job, config, model);
        plan_relieve(job);
    } else {
        plan_gather(job, config, model);
        plan_pair(job);
    }
}

/*
 * Tell what the census shows, and take the typical rate for the prior of granules never seen, whose size is
 * the largest map's.
 */
static void publish(const Job *job, PlannerState *state, HeatModel *model, uint64_t budget_bytes)
{
    const HeatMap *largest = NULL;
    CensusView view;
    Log2 mean, shape;

    census_view(&job->planner->census, budget_bytes, &view);
    job->planner->edge = census_bucket(log2_of(view.threshold_per_s));
    state->hit_ratio = view.hit_ratio;
    state->ideal_hit_ratio = view.ideal_hit_ratio;
    state->threshold_per_s = view.threshold_per_s;
    if (job->worth > 0 && job->n_maps > 0) {
        state->threshold_per_s =
            MAX(state->threshold_per_s, (1 + VICTIM_COPIES) * job_least_price(job) / job->worth);
    }
    for (size_t i = 0; i < job->n_maps; i++) {
        const HeatMap *map = job->maps[i];

        if (!largest || map->n * map->granule_bytes > largest->n * largest->granule_bytes) {
            largest = map;
        }
    }
    if (census_crowd(&job->planner->census, &mean, &shape)) {
        heat_set_crowd(model, mean, shape);
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
    Waiting waiting = {0};

    planner->candidates = g_array_new(false, false, sizeof(Candidate));
    planner->victims = g_array_new(false, false, sizeof(Candidate));
    g_array_set_size(planner->moves, 0);
    set_allowance(&job, state, config, now_ns);
    allowance = job.allowance;
    census_take(&planner->census, config, model, maps, n_maps);
    fast_bytes = planner->census.fast_bytes;
    if (config->n_tiers > 1) {
        job.saved_ns = ((double)costs->latency_ns[1] - costs->latency_ns[0]) * MAX(config->touch_accesses, 1);
        job.worth = fabs(job.saved_ns) * heat_life_s(model);
        job.price_4k = margin * costs->move_4k_ns;
        job.price_2m = margin * costs->move_2m_ns * CENSUS_PAGE / (2 << 20);
        job.room = config->budget_bytes > fast_bytes ? config->budget_bytes - fast_bytes : 0;
        job.excess = fast_bytes > config->budget_bytes ? fast_bytes - config->budget_bytes : 0;
        set_load_room(&job, state, costs);
        set_reserve(&job, &state->reserve, model, config);
        waiting = plan_waiting(&job);
        choose_moves(&job, config, model);
        if (job.saved_ns > 0) {
            learn_reserve(&job, &state->reserve, model, config, waiting.per_s);
        }
    }
    publish(&job, state, model, config->budget_bytes);
    g_clear_pointer(&planner->candidates, g_array_unref);
    g_clear_pointer(&planner->victims, g_array_unref);

    state->tokens -= MIN(state->tokens, (double)(allowance - job.allowance));
    state->plan_ns = now_ns;
    state->planned_moves = planner->moves->len;
    state->reported_moves = 0;
    state->reported_bytes = 0;
    plan->moves = (const PolicyMove *)planner->moves->data;
    plan->n_moves = planner->moves->len;
    plan->bytes = allowance - job.allowance;
    plan->gain_per_s = 0;
    for (size_t i = 0; i < plan->n_moves; i++) {
        plan->gain_per_s += plan->moves[i].gain_per_s;
    }
    plan->throttled = job.by_rate && job.cut_short;
    plan->wanted_bytes = job.cut_short ? MAX(waiting.bytes, plan->bytes) : plan->bytes;
    plan->wanted_bytes -= MIN(job.excess, plan->wanted_bytes);
    planner->cut_short = job.cut_short;
}
