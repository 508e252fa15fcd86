/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door of the core: checks what it is given, records it where a trace is being made, and hands it on to
 * heat map and planner.
 */
#include <math.h>

#include "blocks.h"
#include "policy-internal.h"
#include "trace-internal.h"

#define NS_PER_DAY (86400ull * 1000000000ull)

G_DEFINE_QUARK(policy-error-quark, policy_error)

static bool in_range(const char *field, uint64_t value, uint64_t least, uint64_t most, GError **errp)
{
    if (value >= least && value <= most) {
        return true;
    }
    g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                "policy: %s is %" G_GUINT64_FORMAT "; it must lie between %" G_GUINT64_FORMAT
                " and %" G_GUINT64_FORMAT,
                field, value, least, most);
    return false;
}

bool policy_config_check(const PolicyConfig *config, GError **errp)
{
    if (!in_range("n_tiers", config->n_tiers, 1, POLICY_MAX_TIERS, errp) ||
        !in_range("heat_half_life_ns", config->heat_half_life_ns, HEAT_EPOCH_NS, NS_PER_DAY, errp) ||
        !in_range("heat_life_ns", config->heat_life_ns, HEAT_EPOCH_NS, NS_PER_DAY, errp) ||
        !in_range("costs.move_4k_ns", config->costs.move_4k_ns, 1, G_MAXUINT32, errp) ||
        !in_range("costs.move_2m_ns", config->costs.move_2m_ns, 1, G_MAXUINT32, errp) ||
        !in_range("costs.look_ns", config->costs.look_ns, 0, 1000000, errp) ||
        !in_range("costs.huge_walk_ns", config->costs.huge_walk_ns, 0, 1000000, errp) ||
        !in_range("touch_accesses", config->touch_accesses, 0, 65536, errp)) {
        return false;
    }
    for (uint32_t tier = 0; tier < config->n_tiers; tier++) {
        if (!in_range("costs.latency_ns", config->costs.latency_ns[tier], 1, 1000000000, errp)) {
            g_prefix_error(errp, "tier %u: ", tier);
            return false;
        }
    }
    return true;
}

Policy *policy_new(const PolicyConfig *config)
{
    Policy *policy = g_new0(Policy, 1);

    g_assert(policy_config_check(config, NULL));
    policy->config = *config;
    policy->covered_above = LOG2_ZERO;
    heat_model_init(&policy->model, config->heat_half_life_ns, config->heat_life_ns);
    planner_state_init(&policy->state.planner);
    brake_init(&policy->state.brake);
    activity_table_init(&policy->activity_table, &policy->model.tables);
    policy->maps = g_ptr_array_new_with_free_func((GDestroyNotify)heat_map_free);
    policy->planner = planner_new();
    hints_init(&policy->hints, &policy->state.hints);
    policy->model.hints = &policy->hints;
    policy->trials = trials_new();
    policy->counted[0] = policy->counted[1] = NAN;
    policy->planned = g_hash_table_new(NULL, NULL);
    return policy;
}

void policy_free(Policy *policy)
{
    if (policy) {
        g_ptr_array_unref(policy->maps);
        planner_free(policy->planner);
        hints_clear(&policy->hints);
        trials_free(policy->trials);
        g_hash_table_unref(policy->planned);
        g_free(policy);
    }
}

void policy_configure(Policy *policy, const PolicyConfig *config)
{
    g_assert(policy_config_check(config, NULL));
    policy->config = *config;
    heat_model_configure(&policy->model, config->heat_half_life_ns, config->heat_life_ns);
    policy_limit_hints(policy);
    if (policy->trace) {
        trace_write(policy->trace, TRACE_CONFIG, config, sizeof(*config), NULL, 0);
    }
}

HeatMap *policy_find_map(const Policy *policy, uint32_t id)
{
    for (guint i = 0; i < policy->maps->len; i++) {
        if (policy_maps(policy)[i]->id == id) {
            return policy_maps(policy)[i];
        }
    }
    return NULL;
}

bool policy_region_add(Policy *policy, uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp)
{
    TraceRegion record = {.id = id, .granule_bytes = granule_bytes, .size = size};
    HeatMap *map;
    guint at = 0;

    if (policy_find_map(policy, id)) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_EXISTS,
                    "region %u: there is one of this number already; remove it first or use another number",
                    id);
        return false;
    }
    map = heat_map_new(id, size, granule_bytes, errp);
    if (!map) {
        return false;
    }
    while (at < policy->maps->len && policy_maps(policy)[at]->id < id) {
        at++;
    }
    g_ptr_array_insert(policy->maps, at, map);
    if (policy->trace) {
        trace_write(policy->trace, TRACE_REGION_ADD, &record, sizeof(record), NULL, 0);
    }
    return true;
}

void policy_region_del(Policy *policy, uint32_t id)
{
    TraceRegion record = {.id = id};
    HeatMap *map = policy_find_map(policy, id);

    if (!map) {
        return;
    }
    if (map->coarse) {
        g_ptr_array_remove(policy->maps, map->coarse);
    }
    g_ptr_array_remove(policy->maps, map);
    if (policy->trace) {
        trace_write(policy->trace, TRACE_REGION_DEL, &record, sizeof(record), NULL, 0);
    }
}

HeatMap *policy_find_range(const Policy *policy, uint32_t region, size_t first, size_t *n)
{
    HeatMap *map = policy_find_map(policy, region);

    if (!map || first >= map->n) {
        return NULL;
    }
    *n = MIN(*n, map->n - first);
    return *n ? map : NULL;
}

void policy_advance(Policy *policy, uint64_t now_ns)
{
    policy->busy_ns = policy_busy_ns(policy, now_ns);
    policy->state.now_ns = MAX(policy->state.now_ns, now_ns);
    policy->model.quiet = policy->state.activity.quiet;
    heat_advance(&policy->model, policy_maps(policy), policy->maps->len, policy->state.now_ns / HEAT_EPOCH_NS);
}

void policy_evidence_bits(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                          const uint64_t *accessed, uint64_t interval_ns, uint64_t now_ns)
{
    HeatMap *map = policy_find_range(policy, region, first, &n);

    if (!map || (unsigned)source >= POLICY_SOURCE__MAX || interval_ns == 0) {
        return;
    }
    if (policy->trace) {
        TraceRange record = {.source = source, .region = region, .first = first, .n = n,
                             .interval_ns = interval_ns, .now_ns = now_ns};

        trace_write(policy->trace, TRACE_BITS, &record, sizeof(record), accessed,
                    (n + 63) / 64 * sizeof(*accessed));
    }
    policy_advance(policy, now_ns);
    if (activity_bits(&policy->state.activity, &policy->activity_table, &policy->model, map, first, n, accessed,
                      interval_ns)) {
        blocks_add_bits(&policy->model, map, source, first, n, accessed, interval_ns);
    }
    policy->state.evidence[source] += n;
}

void policy_evidence_rate(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                          double per_s, uint64_t exposure_ns, uint64_t now_ns)
{
    HeatMap *map = policy_find_range(policy, region, first, &n);

    if (!map || (unsigned)source >= POLICY_SOURCE__MAX || exposure_ns == 0 || !(per_s >= 0)) {
        return;
    }
    if (policy->trace) {
        TraceRange record = {.source = source, .region = region, .first = first, .n = n, .per_s = per_s,
                             .interval_ns = exposure_ns, .now_ns = now_ns};

        trace_write(policy->trace, TRACE_RATE, &record, sizeof(record), NULL, 0);
    }
    policy_advance(policy, now_ns);
    if (activity_rate(&policy->state.activity, &policy->activity_table, &policy->model, map, first, n, per_s,
                      exposure_ns)) {
        blocks_add_rate(&policy->model, map, source, first, n, per_s, exposure_ns);
    }
    policy->state.evidence[source] += n;
}

void policy_evidence_below(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                           double per_s, uint64_t exposure_ns, uint64_t now_ns)
{
    HeatMap *map = policy_find_range(policy, region, first, &n);

    if (!map || (unsigned)source >= POLICY_SOURCE__MAX || exposure_ns == 0 || !(per_s > 0)) {
        return;
    }
    if (policy->trace) {
        TraceRange record = {.source = source, .region = region, .first = first, .n = n, .per_s = per_s,
                             .interval_ns = exposure_ns, .now_ns = now_ns};

        trace_write(policy->trace, TRACE_BELOW, &record, sizeof(record), NULL, 0);
    }
    policy_advance(policy, now_ns);
    /* A VM that idles keeps what was known of it. */
    if (!policy->model.quiet) {
        heat_add_below(&policy->model, map, source, first, n, per_s, exposure_ns);
    }
    policy->state.evidence[source] += n;
}

void policy_heat_moved(Policy *policy, uint64_t now_ns)
{
    TraceRange record = {.now_ns = now_ns};

    if (policy->trace) {
        trace_write(policy->trace, TRACE_JUMP, &record, sizeof(record), NULL, 0);
    }
    policy_advance(policy, now_ns);
    heat_jumped(&policy->model);
}

size_t policy_place(Policy *policy, uint32_t region, size_t first, size_t n, const uint8_t *tiers)
{
    HeatMap *map = policy_find_range(policy, region, first, &n);
    size_t moved = 0;

    if (!map) {
        return 0;
    }
    if (policy->trace) {
        TraceRange record = {.region = region, .first = first, .n = n};

        trace_write(policy->trace, TRACE_PLACE, &record, sizeof(record), tiers, n);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t tier = heat_tier_valid(tiers[i]) ? tiers[i] : POLICY_TIER_UNKNOWN;

        moved += heat_tier(heat_at(map, first + i)) != tier;
        heat_place(map, first + i, tier);
    }
    blocks_placed(map, first, n);
    hints_placed(&policy->model, map, first, n);
    return moved;
}

const PolicyPlan *policy_plan(Policy *policy, uint64_t now_ns)
{
    PolicyPlan *plan = &policy->plan;
    Brake *brake = &policy->state.brake;

    policy_advance(policy, now_ns);
    brake_update(brake, policy->model.epoch, policy->config.budget_bytes);
    g_hash_table_remove_all(policy->planned);
    policy_weigh_hints(policy);
    planner_run(policy->planner, &policy->state.planner, &policy->config, &policy->model, policy_maps(policy),
                policy->maps->len, brake->margin, policy->state.now_ns, plan);
    plan->thrashing = brake->margin > 1;
    plan->asked = policy_plan_asked_for(policy, plan);
    policy_note_census(policy);
    if (!plan->asked) {         /* it takes longer than plan and moves, and can wait; the guest does not */
        policy_fit_trials(policy);
    }
    policy->first_plan_ns = policy->first_plan_ns ?: policy->state.now_ns;
    policy->planned_budget_bytes = policy->config.budget_bytes;
    if (policy->trace) {
        TracePlan record = {.now_ns = now_ns, .n_moves = plan->n_moves, .throttled = plan->throttled,
                            .thrashing = plan->thrashing};

        trace_write(policy->trace, TRACE_PLAN, &record, sizeof(record), plan->moves,
                    plan->n_moves * sizeof(*plan->moves));
    }
    return plan;
}

/* So many bytes moved as the granule @unit: count them, and whether that undid the move before. */
static void count_move(Policy *policy, uint64_t bytes, const HeatMap *units, size_t unit, HeatLast direction)
{
    bool undoes = heat_lately(heat_at(units, unit), direction == HEAT_PROMOTED ? HEAT_DEMOTED : HEAT_PROMOTED);
    bool asked = policy_asked_for(policy, units, unit, direction == HEAT_PROMOTED);

    *(direction == HEAT_PROMOTED ? &policy->state.promoted_bytes : &policy->state.demoted_bytes) += bytes;
    policy->state.undone_bytes += undoes ? bytes : 0;
    brake_count(&policy->state.brake, policy->model.epoch, bytes, undoes && !asked);
}

/* Note what became of @n granules that moved, or did not, as one. */
static void note_moved(Policy *policy, HeatMap *map, size_t first, size_t n, HeatLast last)
{
    size_t unit = first;
    HeatMap *units = block_unit(map, &unit);

    if (last == HEAT_PROMOTED || last == HEAT_DEMOTED) {
        count_move(policy, n * map->granule_bytes, units, unit, last);
    }
    for (size_t i = 0; i < (units == map ? n : 1); i++) {
        heat_set_last(&policy->model, units, unit + i, last);
    }
}

static void place_all(Policy *policy, HeatMap *map, size_t first, size_t n, uint8_t tier)
{
    for (size_t i = 0; i < n; i++) {
        heat_place(map, first + i, tier);
    }
    blocks_placed(map, first, n);
    hints_placed(&policy->model, map, first, n);
}

void policy_moved(Policy *policy, const PolicyMove *move, PolicyOutcome outcome, uint64_t now_ns)
{
    HeatMap *map = policy_find_map(policy, move->region);
    HeatLast direction = move->to < move->from ? HEAT_PROMOTED : HEAT_DEMOTED;
    size_t n = MAX(move->n, 1);

    if (!map || move->granule >= map->n || n > map->n - move->granule || move->to >= POLICY_MAX_TIERS ||
        move->from >= POLICY_MAX_TIERS) {
        return;
    }
    if (policy->trace) {
        TraceMoved record = {.move = *move, .outcome = outcome, .now_ns = now_ns};

        trace_write(policy->trace, TRACE_MOVED, &record, sizeof(record), NULL, 0);
    }
    policy_advance(policy, now_ns);
    switch (outcome) {
    case POLICY_MOVED:
        note_moved(policy, map, move->granule, n, direction);
        place_all(policy, map, move->granule, n, move->to);
        break;
    case POLICY_NOT_MOVED:
        note_moved(policy, map, move->granule, n, HEAT_REFUSED);
        break;
    case POLICY_UNMOVABLE:
        note_moved(policy, map, move->granule, n, HEAT_UNMOVABLE);
        break;
    case POLICY_GONE:
        place_all(policy, map, move->granule, n, POLICY_TIER_ABSENT);
        break;
    }
    planner_reported(&policy->state.planner, n * map->granule_bytes);
}

void policy_record(Policy *policy, TraceWriter *writer)
{
    policy->trace = writer;
    if (writer) {
        trace_write_snapshot(writer, policy);
    }
}
