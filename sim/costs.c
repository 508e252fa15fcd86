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
    bool real;                      /* a double; else a uint32_t */
    double min, max;
} Cost;

#define NS(key, field) {key, offsetof(SimCosts, field), false, 0, 1e9}
#define BYTES(key, field) {key, offsetof(SimCosts, field), true, 0, 1e15}

static const Cost cost_table[] = {
    {"dram_ns", offsetof(SimCosts, latency_ns[0]), false, 1, 1e6},
    {"cxl_ns", offsetof(SimCosts, latency_ns[1]), false, 1, 1e6},
    {"tier2_ns", offsetof(SimCosts, latency_ns[2]), false, 1, 1e6},
    {"tier3_ns", offsetof(SimCosts, latency_ns[3]), false, 1, 1e6},
    {"loaded_max", offsetof(SimCosts, loaded_max), true, 1, 1000},
    BYTES("dram_bytes_per_s", bandwidth[0]),
    BYTES("cxl_bytes_per_s", bandwidth[1]),
    BYTES("tier2_bytes_per_s", bandwidth[2]),
    BYTES("tier3_bytes_per_s", bandwidth[3]),
    NS("move_4k_ns", move_4k_ns),
    NS("shootdown_ns", shootdown_ns),
    NS("move_2m_ns", move_2m_ns),
    NS("abit_ns", abit_ns),
    NS("arm_ns", arm_ns),
    NS("look_ns", look_ns),
    NS("fault_ns", fault_ns),
    NS("sample_ns", sample_ns),
    {"tlb_entries", offsetof(SimCosts, tlb_entries), false, 0, 1e9},
    NS("tlb_flush_ns", tlb_flush_ns),
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
