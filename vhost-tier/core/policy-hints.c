/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints at the policy's door: which are taken, and what they count for.
 */
#include <math.h>
#include <string.h>

#include "policy-internal.h"
#include "trace-internal.h"

#define PIN_SHARE 2                 /* no more than one part in so many of the budget can be pinned */
#define WORTH_SWAPS 4               /* what is said to be hot is taken for worth so many swaps at least */
#define SWAP_COPIES 3               /* in, and the victim out and back one day */

static uint64_t pin_limit_bytes(const Policy *policy)
{
    const PolicyConfig *config = &policy->config;

    return config->hints ? MIN(config->pin_limit_bytes, config->budget_bytes / PIN_SHARE) : 0;
}

static bool is_trusted(const Policy *policy)
{
    return hint_audit_trust(&policy->state.hints.audit) >= HINT_TRUST_LEAST;
}

bool policy_asked_for(const Policy *policy, const HeatMap *map, size_t granule, bool promotion)
{
    const unsigned kind = hint_in_effect(&policy->model.hint_terms, hint_mark(map, granule));

    return kind != HINT_NONE && hint_wants_fast(kind) == promotion;
}

bool policy_plan_asked_for(const Policy *policy, const PolicyPlan *plan)
{
    if (!policy->hints.samples || !policy->model.hint_terms.trusted) {
        return false;           /* it has said nothing, or nothing that counts */
    }
    for (size_t i = 0; i < plan->n_moves; i++) {
        HeatMap *map = policy_find_map(policy, plan->moves[i].region);
        size_t unit = plan->moves[i].granule;

        map = block_unit(map, &unit);
        if (plan->moves[i].to == 0 && policy_asked_for(policy, map, unit, true)) {
            return true;
        }
    }
    return false;
}

/* As policy_pin_fate(), of granules that there are. */
static PolicyHintFate check_pin(const Policy *policy, const HeatMap *map, size_t first, size_t n, uint64_t *bytes)
{
    const uint64_t limit = pin_limit_bytes(policy);
    const uint64_t pinned = hints_bytes(policy_maps(policy), policy->maps->len, POLICY_HINT_PIN);

    if (!is_trusted(policy)) {
        return POLICY_HINT_UNTRUSTED;
    }
    if (n > limit / map->granule_bytes) {
        return POLICY_HINT_OVER_LIMIT;      /* they need not be gone through */
    }
    *bytes += hints_unpinned(map, first, n) * map->granule_bytes;
    return pinned + *bytes <= limit ? POLICY_HINT_TAKEN : POLICY_HINT_OVER_LIMIT;
}

PolicyHintFate policy_pin_fate(const Policy *policy, uint32_t region, size_t first, size_t n, uint64_t *bytes)
{
    size_t there_are = n;
    const HeatMap *map = policy_find_range(policy, region, first, &there_are);

    if (!policy->config.hints) {
        return POLICY_HINT_OFF;
    }
    return map && there_are == n ? check_pin(policy, map, first, n, bytes) : POLICY_HINT_NOT_THERE;
}

/* What an untrusted guest's hint is noted as, for the audit. */
static PolicyHint claimed(PolicyHint hint)
{
    return hint_wants_fast(HINT_KIND(hint)) ? POLICY_HINT_HOT : POLICY_HINT_COLD;
}

static PolicyHintFate take(Policy *policy, PolicyHint hint, uint32_t region, size_t first, size_t n)
{
    size_t there_are = n;
    HeatMap *map = policy_find_range(policy, region, first, &there_are);
    uint64_t bytes = 0;
    PolicyHintFate fate;

    if (!policy->config.hints) {
        return POLICY_HINT_OFF;
    }
    if (!map || there_are < n || !hints_prepare(&policy->hints, map)) {
        return POLICY_HINT_NOT_THERE;
    }
    if (hint == POLICY_HINT_UNPIN) {
        hints_unpin(&policy->model, map, first, n);
        return POLICY_HINT_TAKEN;
    }
    fate = is_trusted(policy) ? POLICY_HINT_TAKEN : POLICY_HINT_UNTRUSTED;
    if (hint == POLICY_HINT_PIN) {
        fate = check_pin(policy, map, first, n, &bytes);
    }
    if (fate != POLICY_HINT_OVER_LIMIT) {
        hints_take(&policy->model, map, fate == POLICY_HINT_TAKEN ? hint : claimed(hint), first, n);
        heat_note_source(&policy->model, map, POLICY_SOURCE_HINT, first, n);
        hints_tidy_pins(&policy->hints, policy_maps(policy), policy->maps->len);
    }
    if (fate == POLICY_HINT_TAKEN) {
        policy->state.hints.bytes[hint] += n * map->granule_bytes;
        policy->state.evidence[POLICY_SOURCE_HINT] += n;
    }
    return fate;
}

PolicyHintFate policy_hint(Policy *policy, PolicyHint hint, uint32_t region, size_t first, size_t n, uint64_t now_ns)
{
    TraceRange record = {.source = hint, .region = region, .first = first, .n = n, .now_ns = now_ns};
    PolicyHintFate fate;

    if ((unsigned)hint >= POLICY_HINT__MAX) {
        return POLICY_HINT_NOT_THERE;
    }
    if (policy->trace) {
        trace_write(policy->trace, TRACE_HINT, &record, sizeof(record), NULL, 0);
    }
    policy_advance(policy, now_ns);
    fate = take(policy, hint, region, first, n);
    policy->state.hints.ranges[hint][fate]++;
    return fate;
}

void policy_hint_stats(const Policy *policy, PolicyHintStats *stats)
{
    const HintState *state = &policy->state.hints;
    HeatMap *const *maps = policy_maps(policy);

    *stats = (PolicyHintStats){
        .followed_bytes = state->followed_bytes,
        .pinned_bytes = hints_bytes(maps, policy->maps->len, POLICY_HINT_PIN),
        .pinned_dropped_bytes = state->pinned_dropped_bytes,
        .free_bytes = hints_bytes(maps, policy->maps->len, POLICY_HINT_FREE),
        .checked = state->audit.checked,
        .right = state->audit.right,
        .trust = hint_audit_trust(&state->audit),
    };
    memcpy(stats->ranges, state->ranges, sizeof(stats->ranges));
    memcpy(stats->bytes, state->bytes, sizeof(stats->bytes));
}

void policy_hint_trust_set(Policy *policy, double trust)
{
    TraceRange record = {.per_s = trust};

    if (!(trust >= 0 && trust <= 1)) {
        return;
    }
    if (policy->trace) {
        trace_write(policy->trace, TRACE_TRUST, &record, sizeof(record), NULL, 0);
    }
    hint_audit_set_trust(&policy->state.hints.audit, trust);
}

void policy_pins(const Policy *policy, uint32_t region, PolicyPinVisit visit, void *opaque)
{
    const HeatMap *map = policy_find_map(policy, region);

    if (!map || !map->hints || map->hints->granules[HINT_KIND(POLICY_HINT_PIN)] == 0) {
        return;
    }
    for (size_t i = hints_next(map, 0, map->n); i < map->n; i = hints_next(map, i, map->n)) {
        const size_t first = i;

        while (i < map->n && hint_kind(hint_mark(map, i)) == HINT_KIND(POLICY_HINT_PIN)) {
            i++;
        }
        if (i > first) {
            visit(opaque, first, i - first);
        } else {
            i++;
        }
    }
}

void policy_weigh_hints(Policy *policy)
{
    const PolicyConfig *config = &policy->config;
    const HintAudit *audit = &policy->state.hints.audit;
    const double saved_ns = ((double)config->costs.latency_ns[config->n_tiers > 1] - config->costs.latency_ns[0]) *
                            MAX(config->touch_accesses, 1) * heat_life_s(&policy->model);
    Log2 hot = LOG2_ZERO;

    if (saved_ns > 0) {
        hot = log2_of(WORTH_SWAPS * SWAP_COPIES * config->costs.move_4k_ns / saved_ns);
    }
    if (audit->hot_share > 0) {
        hot = MAX(hot, (Log2)audit->hot_rate);
    }
    policy->model.hint_terms = hints_terms(hint_audit_trust(audit), hot);
    policy->state.hints.news = 0;
    if (!is_trusted(policy)) {
        hints_drop_pins(&policy->hints, policy_maps(policy), policy->maps->len, 0);
    }
}

void policy_note_census(Policy *policy)
{
    HintAudit *audit = &policy->state.hints.audit;
    Log2 hot, cold;
    double share;

    if (census_part(planner_census(policy->planner), policy->config.budget_bytes, &hot, &cold, &share)) {
        audit->hot_rate = hot;
        audit->cold_rate = MAX(cold, CENSUS_ORIGIN);
        audit->hot_share = share;
    }
}

void policy_limit_hints(Policy *policy)
{
    HeatMap *const *maps = policy_maps(policy);

    if (policy->config.hints) {
        hints_drop_pins(&policy->hints, maps, policy->maps->len, pin_limit_bytes(policy));
    } else {
        hints_forget(&policy->hints, maps, policy->maps->len);
    }
}
