/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cost model by name.
 */
#include "costs.h"

#include <math.h>

#include "params.h"

/* Each cost: its name, where it lies, and what it may be. */
typedef struct Cost {
    const char *key;
    size_t offset;
    bool real; /* a double; else a uint32_t */
    double min, max;
} Cost;

#define AT(field) offsetof(SimCosts, field)

static const Cost cost_table[] = {
    {"dram_ns", AT(latency_ns[0]), false, 1, 1e6},
    {"cxl_ns", AT(latency_ns[1]), false, 1, 1e6},
    {"tier2_ns", AT(latency_ns[2]), false, 1, 1e6},
    {"tier3_ns", AT(latency_ns[3]), false, 1, 1e6},
    {"loaded_max", AT(loaded_max), true, 1, 1000},
    {"dram_bytes_per_s", AT(bandwidth[0]), true, 0, 1e15},
    {"cxl_bytes_per_s", AT(bandwidth[1]), true, 0, 1e15},
    {"tier2_bytes_per_s", AT(bandwidth[2]), true, 0, 1e15},
    {"tier3_bytes_per_s", AT(bandwidth[3]), true, 0, 1e15},
    {"move_4k_ns", AT(move_4k_ns), false, 0, 1e9},
    {"shootdown_ns", AT(shootdown_ns), false, 0, 1e9},
    {"move_2m_ns", AT(move_2m_ns), false, 0, 1e9},
    {"abit_ns", AT(abit_ns), false, 0, 1e9},
    {"arm_ns", AT(arm_ns), false, 0, 1e9},
    {"look_ns", AT(look_ns), false, 0, 1e9},
    {"call_ns", AT(call_ns), false, 0, 1e9},
    {"fault_ns", AT(fault_ns), false, 0, 1e9},
    {"sample_ns", AT(sample_ns), false, 0, 1e9},
    {"tlb_entries", AT(tlb_entries), false, 0, 1e9},
    {"tlb_flush_ns", AT(tlb_flush_ns), false, 0, 1e9},
};

static double get(const SimCosts *costs, const Cost *cost)
{
    const void *at = (const char *)costs + cost->offset;

    return cost->real ? *(const double *)at : *(const uint32_t *)at;
}

static void set(SimCosts *costs, const Cost *cost, double value)
{
    void *at = (char *)costs + cost->offset;

    if (cost->real) {
        *(double *)at = value;
    } else {
        *(uint32_t *)at = (uint32_t)lround(value);
    }
}

bool sim_costs_parse(SimCosts *costs, const char *text, GError **errp)
{
    double values[G_N_ELEMENTS(cost_table)];
    Param params[G_N_ELEMENTS(cost_table) + 1] = {{0}};

    for (size_t i = 0; i < G_N_ELEMENTS(cost_table); i++) {
        values[i] = get(costs, &cost_table[i]);
        params[i] = (Param){cost_table[i].key, &values[i], cost_table[i].min, cost_table[i].max, NULL};
    }
    if (!params_parse(text, params, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cost_table); i++) {
        set(costs, &cost_table[i], values[i]);
    }
    return true;
}

char *sim_costs_list(const SimCosts *costs)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cost_table); i++) {
        g_string_append_printf(text, "  %-18s %g\n", cost_table[i].key, get(costs, &cost_table[i]));
    }
    return g_string_free(text, FALSE);
}
