/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy's state out, for a trace, and in again. What comes in may come from anywhere.
 */
#include <string.h>

#include "policy-internal.h"

#include "blocks.h"

void policy_save_state(const Policy *policy, PolicyState *state)
{
    *state = policy->state;
    heat_model_save(&policy->model, &state->heat);
}

bool policy_load_state(Policy *policy, const PolicyState *state, GError **errp)
{
    uint64_t epoch = state->now_ns / HEAT_EPOCH_NS;

    if (!planner_state_valid(&state->planner) || state->planner.plan_ns > state->now_ns ||
        !hint_state_valid(&state->hints) || !activity_valid(&state->activity) || state->activity.epoch > epoch ||
        !brake_valid(&state->brake) || state->brake.epoch > epoch ||
        !heat_model_load(&policy->model, &state->heat, epoch)) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "a policy's saved state has values out of range");
        return false;
    }
    policy->state = *state;
    return true;
}

/* The map of @region, which must have @n granules, or blocks, from @first. */
static HeatMap *find_saved(Policy *policy, uint32_t region, bool coarse, const char *what, uint64_t first,
                           uint64_t n, GError **errp)
{
    HeatMap *map = policy_find_map(policy, region);
    uint64_t there_are;

    if (coarse && map) {
        bool two_levels = map->granule_bytes < HEAT_BLOCK_BYTES && map->n >= BLOCK_GRANULES;

        if (two_levels && !policy_add_coarse(policy, map, errp)) {
            return NULL;
        }
        map = two_levels ? map->coarse : NULL;
    }
    there_are = map ? map->n : 0;
    if (map && strcmp(what, "blocks") == 0) {
        there_are = map->n_blocks;
    }
    if (!map || first > there_are || n > there_are - first) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "saved heat of %" G_GUINT64_FORMAT " %s from %" G_GUINT64_FORMAT
                    " of region %u: no such %s",
                    n, what, first, region, what);
        return NULL;
    }
    return map;
}

bool policy_load_heat(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n,
                      const void *estimates, const uint8_t *states, GError **errp)
{
    HeatMap *map = find_saved(policy, region, coarse, "granules", first, n, errp);

    if (!map) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint8_t tier = heat_tier((Heat){.state = states[i]});

        if (!heat_tier_valid(tier)) {
            g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                        "saved heat of granule %" G_GUINT64_FORMAT " of region %u: there is no tier %u",
                        first + i, region, tier);
            return false;
        }
        heat_place(map, first + i, tier);
        map->states[first + i] = states[i];
    }
    memcpy(&map->estimates[first], estimates, n * sizeof(*map->estimates));
    return true;
}

bool policy_load_blocks(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n,
                        const void *blocks, GError **errp)
{
    HeatMap *map = find_saved(policy, region, coarse, "blocks", first, n, errp);

    if (map) {
        memcpy(&map->blocks[first], blocks, n * sizeof(*map->blocks));
    }
    return map != NULL;
}

bool policy_load_marks(Policy *policy, uint32_t region, bool coarse, uint64_t first, uint64_t n, const uint8_t *marks,
                       GError **errp)
{
    HeatMap *map = find_saved(policy, region, coarse, "granules", first, n, errp);

    if (!map) {
        return false;
    }
    if (!hints_load_marks(&policy->hints, map, first, n, marks)) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "saved marks of hints on %" G_GUINT64_FORMAT " granules from %" G_GUINT64_FORMAT
                    " of region %u: there is no such kind, or no memory for them", n, first, region);
        return false;
    }
    return true;
}

bool policy_load_samples(Policy *policy, uint64_t first, uint64_t n, const void *samples, GError **errp)
{
    bool valid = first <= HINT_SAMPLES && n <= HINT_SAMPLES - first;

    hints_add_samples(&policy->hints);
    for (uint64_t i = 0; valid && i < n; i++) {
        HintSample *sample = &policy->hints.samples[first + i];

        memcpy(sample, (const HintSample *)samples + i, sizeof(*sample));
        valid = hint_sample_valid(sample);
    }
    if (!valid) {
        g_set_error(errp, POLICY_ERROR, POLICY_ERROR_INVALID,
                    "saved samples of hints, %" G_GUINT64_FORMAT " from %" G_GUINT64_FORMAT ", are out of range", n,
                    first);
    }
    return valid;
}

void policy_load_pins(Policy *policy, uint64_t n, const void *pins)
{
    g_array_append_vals(policy->hints.pins, pins, (guint)n);
}
