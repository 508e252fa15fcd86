/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy shows to those who ask: its figures, one granule, the curve, and where evidence is wanted.
 */
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "policy-internal.h"

void policy_stats(const Policy *policy, PolicyStats *stats)
{
    const PolicyState *state = &policy->state;

    *stats = (PolicyStats){
        .promoted_bytes = state->promoted_bytes,
        .demoted_bytes = state->demoted_bytes,
        .undone_bytes = state->undone_bytes,
        .undone_share = brake_undone_share(&state->brake),
        .hit_ratio = state->planner.hit_ratio,
        .ideal_hit_ratio = state->planner.ideal_hit_ratio,
        .margin = state->brake.margin,
        .threshold_per_s = state->planner.threshold_per_s,
    };
    memcpy(stats->evidence, state->evidence, sizeof(stats->evidence));
    for (guint i = 0; i < policy->maps->len; i++) {
        const HeatMap *map = policy_maps(policy)[i];

        if (map->fine) {
            continue;
        }
        for (unsigned tier = 0; tier < POLICY_MAX_TIERS; tier++) {
            stats->granule_bytes[tier] += map->bytes_at[tier];
        }
        stats->absent_bytes += map->bytes_at[POLICY_TIER_ABSENT];
    }
}

static void *planned_key(uint32_t region, size_t granule)
{
    return GSIZE_TO_POINTER((uint64_t)region << 32 | granule);
}

/* The plan's moves are put into a set when first asked for, as many granules may be asked about. */
static bool is_planned(const Policy *policy, uint32_t region, size_t granule)
{
    if (g_hash_table_size(policy->planned) == 0) {
        for (size_t i = 0; i < policy->plan.n_moves; i++) {
            const PolicyMove *move = &policy->plan.moves[i];

            g_hash_table_add(policy->planned, planned_key(move->region, move->granule));
        }
    }
    return g_hash_table_contains(policy->planned, planned_key(region, granule));
}

/*
 * Why one that lies on a tier, was seen and was not refused stays where it is, or does not. What fills the budget
 * is told by buckets of the census, and of the one at the edge all belong where they are.
 */
static PolicyReason weigh(const Policy *policy, const HeatMap *map, size_t granule, Heat heat)
{
    bool fast = heat_tier(heat) == 0;
    const unsigned edge = planner_edge(policy->planner);
    unsigned estimated;
    Log2 judged = 0;
    Rules rules;

    if (policy->config.n_tiers == 1) {
        return POLICY_REASON_BELONGS;
    }
    if (is_planned(policy, map->id, map->fine ? granule << BLOCK_SHIFT : granule)) {
        return POLICY_REASON_PLANNED;
    }
    rules_init(&rules, &policy->config, &policy->model, map);
    estimated = census_bucket(census_estimate(&rules, heat));
    if (census_judge(&rules, heat, hint_mark(map, granule), &judged) == ROLE_NONE) {
        return POLICY_REASON_BELONGS;   /* where the guest would have it */
    }
    if (fast ? estimated >= edge : estimated <= edge) {
        return POLICY_REASON_BELONGS;
    }
    if (fast ? census_bucket(judged) >= edge : census_bucket(judged) <= edge) {
        return POLICY_REASON_UNSURE;
    }
    return planner_cut_short(policy->planner) ? POLICY_REASON_LIMITED : POLICY_REASON_NOT_WORTH;
}

static PolicyReason reason_of(const Policy *policy, const HeatMap *map, size_t granule)
{
    Heat heat = heat_at(map, granule);

    if (heat_tier(heat) == POLICY_TIER_ABSENT) {
        return POLICY_REASON_ABSENT;
    }
    if (heat_tier(heat) == POLICY_TIER_UNKNOWN) {
        return POLICY_REASON_UNKNOWN;
    }
    if (heat_last(heat) == HEAT_UNMOVABLE) {
        return POLICY_REASON_UNMOVABLE;
    }
    if (heat_last(heat) == HEAT_REFUSED) {
        return POLICY_REASON_REFUSED;
    }
    return heat_seen(heat) ? weigh(policy, map, granule, heat) : POLICY_REASON_UNSEEN;
}

/* When a granule that was moved was moved last; see PolicyGranule. */
static uint64_t moved_ns(const HeatModel *model, const HeatMap *map, size_t granule)
{
    Heat heat = heat_at(map, granule);
    uint64_t slot = model->swept - MIN(heat_age(heat), model->swept);

    if (heat_age(heat) == HEAT_AGE_MAX) {
        slot = MIN(slot, heat_block(map, granule)->moved - (uint64_t)1);
    }
    return slot * HEAT_SLOT_EPOCHS * HEAT_EPOCH_NS;
}

bool policy_granule(const Policy *policy, uint32_t region, size_t granule, uint64_t now_ns,
                    PolicyGranule *out)
{
    HeatMap *map = policy_find_map(policy, region), *units;
    const HeatModel *model = &policy->model;
    size_t unit = granule;
    uint64_t later = MAX(now_ns, policy->state.now_ns) / HEAT_EPOCH_NS - model->epoch;
    const HeatBlock *block;
    Heat heat;
    Log2 rate;

    if (!map || granule >= map->n) {
        return false;
    }
    units = block_unit(map, &unit);
    heat = heat_at(units, unit);
    block = heat_block(units, unit);
    rate = heat_rate(model, heat);
    *out = (PolicyGranule){.tier = heat_tier(heat_at(map, granule))};
    out->rate_per_s = log2_value(rate) / (units == map ? 1 : BLOCK_GRANULES);
    for (size_t i = 0; i < POLICY_SOURCE__MAX; i++) {
        out->source_seen_ns[i] = block->seen[i] ? (block->seen[i] - 1) * HEAT_EPOCH_NS : 0;
    }
    if (heat_seen(heat)) {
        Log2 known = heat_known(model, heat) - heat_decay(model, later);

        out->confidence_s = known > HEAT_KNOWN_ORIGIN ? log2_value(known - rate) : 0;
        for (size_t i = 0; i < POLICY_SOURCE__MAX; i++) {
            out->seen_ns = MAX(out->seen_ns, i == POLICY_SOURCE_HINT ? 0 : out->source_seen_ns[i]);
        }
    }
    if (heat_last(heat) == HEAT_PROMOTED || heat_last(heat) == HEAT_DEMOTED) {
        out->moved_ns = moved_ns(model, units, unit);
    }
    out->hint = hint_left(hint_mark(map, granule)) > 0 ? hint_kind(hint_mark(map, granule)) - 1 : POLICY_HINT__MAX;
    out->unmovable = heat_last(heat) == HEAT_UNMOVABLE;
    out->reason = reason_of(policy, units, unit);
    return true;
}

void policy_rates(const Policy *policy, uint32_t region, size_t first, size_t n, double *per_s)
{
    size_t known = n;
    HeatMap *map = policy_find_range(policy, region, first, &known);

    for (size_t i = 0; i < n; i++) {
        size_t unit = first + i;
        const HeatMap *units = map && i < known ? block_unit(map, &unit) : NULL;

        per_s[i] = units && heat_seen(heat_at(units, unit))
                       ? log2_value(heat_rate(&policy->model, heat_at(units, unit)))
                       : -1;
    }
}

void policy_where(const Policy *policy, uint32_t region, size_t first, size_t n, uint8_t *tiers)
{
    size_t known = n;
    const HeatMap *map = policy_find_range(policy, region, first, &known);

    for (size_t i = 0; i < n; i++) {
        tiers[i] = map && i < known ? heat_tier(heat_at(map, first + i)) : POLICY_TIER_UNKNOWN;
    }
}

void policy_cover(Policy *policy, uint32_t tiers)
{
    policy->covered = tiers;
}

void policy_cover_above(Policy *policy, double per_s)
{
    policy->covered_above = log2_of(per_s);
}

static bool is_covered(const Policy *policy, Heat heat)
{
    const uint8_t tier = heat_tier(heat);

    return tier == POLICY_TIER_ABSENT ||
           policy_covers(policy, 1u << tier, heat_rate(&policy->model, heat));
}

uint64_t policy_changed_ns(const Policy *policy)
{
    return policy->model.jumped * HEAT_EPOCH_NS;
}

#define LEARNING_NS 10000000000ull  /* after a change, or the first plan */
#define NEWS_PAUSE_NS 20000000ull   /* after a plan, until one for hints that have come since */
#define SHARE_SOON 0.1              /* of a CPU for plans, while there is much to be done; */
#define SHARE 0.02                  /* and else, */
#define PAUSE_MAX_NS 60000000000ull /* but plans are never further apart: one may have taken long by accident */

uint64_t policy_plan_pause_ns(const Policy *policy, uint64_t epoch_ns, uint64_t plan_ns)
{
    const uint64_t changed_ns = MAX(policy_changed_ns(policy), policy->first_plan_ns);
    const bool news = policy->state.hints.news && policy->model.hint_terms.trusted;
    const bool soon = news || planner_cut_short(policy->planner) ||
                      policy->state.planner.plan_ns < changed_ns + LEARNING_NS ||
                      policy->planned_budget_bytes != policy->config.budget_bytes;
    const uint64_t rest_ns = (uint64_t)MIN((double)plan_ns / (soon ? SHARE_SOON : SHARE), (double)PAUSE_MAX_NS);

    return MAX(news ? MIN(NEWS_PAUSE_NS, epoch_ns / 4) : soon ? epoch_ns / 4 : epoch_ns, rest_ns);
}

/* What the placement of a map's granules turns on, as log2 of accesses per second. */
typedef struct Stakes {
    Log2 hot;                       /* above that one is worth a swap into tier 0, */
    Log2 cold;                      /* and below that one out of it; LOG2_ZERO: never */
    Log2 swap;                      /* what a swap costs */
} Stakes;

/* The edge of the hot set, give or take what a swap costs; a typical granule's rate while that is not known. */
static void stakes_of(const Policy *policy, const HeatMap *map, Stakes *stakes)
{
    const PolicyConfig *config = &policy->config;
    const double granules = (double)map->granule_bytes / CENSUS_PAGE;
    const double saved_ns = fabs((double)config->costs.latency_ns[1] - config->costs.latency_ns[0]) *
                            MAX(config->touch_accesses, 1);
    const double copy_ns = granules > 1 ? config->costs.move_2m_ns : config->costs.move_4k_ns;
    double edge = policy->state.planner.threshold_per_s * granules, swap;

    swap = 2 * copy_ns / (MAX(saved_ns, 1) * (config->heat_life_ns / 1e9));
    edge = edge > 0 ? edge : log2_value(policy->model.prior);
    *stakes = (Stakes){.hot = log2_of(edge + swap), .cold = log2_of(edge - swap), .swap = log2_of(swap)};
}

#define SCORE_SWAP 66               /* of what costs as much as a swap */
#define SCORE_OCTAVE 16

/*
 * A granule may be hotter or colder than it is estimated by one and a half times its doubt. What is lost if that
 * is so and it stays is lost to a quarter, roughly (a share of a normal distribution's tail); or less where it
 * hardly is on the other side then.
 *
 * Of one that is known from less than two accesses it is known that it is used, not how often: what was touched in a
 * long look, after it had lain idle or had just come, may be hot. It is doubted three times as much, and in tier 0,
 * too, that it may go is not taken for sure.
 */
static uint8_t uncertainty(const HeatModel *model, Heat heat, const Stakes *stakes)
{
    const bool barely = heat_known(model, heat) < LOG2_ONE;
    bool fast = heat_tier(heat) == 0;
    Log2 rate, doubt, beyond, lost;

    if (heat_tier(heat) == POLICY_TIER_ABSENT) {
        return 0;
    }
    if (!heat_seen(heat)) {
        return 255;
    }
    rate = heat_rate(model, heat);
    doubt = heat_width(model, heat) * (barely ? 9 : 3) / 2;
    fast = fast && !(barely && rate < stakes->hot);
    beyond = fast ? stakes->cold - (rate - doubt) : rate + doubt - stakes->hot;
    if (beyond <= 0 || (fast && beyond > 2 * doubt)) {  /* it belongs where it is, or may go: that is for sure */
        return 1;
    }
    lost = (fast ? stakes->cold : rate + doubt) - 2 * LOG2_ONE + MIN(2 * (beyond - LOG2_ONE), 0);
    return CLAMP(SCORE_SWAP + (lost - stakes->swap) * SCORE_OCTAVE / LOG2_ONE, 1, 254);
}

void policy_uncertainty(const Policy *policy, uint32_t region, size_t first, size_t n, uint64_t now_ns,
                        uint8_t *score)
{
    size_t known = n;
    HeatMap *map = policy_find_range(policy, region, first, &known);
    Stakes stakes, stakes_huge;

    memset(score, 0, n);
    if (!map) {
        return;
    }
    stakes_of(policy, map, &stakes);
    stakes_of(policy, map->coarse ? map->coarse : map, &stakes_huge);
    for (size_t i = 0; i < known; i++) {
        size_t unit = first + i;
        const HeatMap *units = block_unit(map, &unit);
        Heat heat = heat_at(units, unit);

        if (hints_audits(&policy->hints, units, unit)) {
            score[i] = 255;
        } else if (!is_covered(policy, heat)) {
            score[i] = uncertainty(&policy->model, heat, units == map ? &stakes : &stakes_huge);
        }
    }
}
