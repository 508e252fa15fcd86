/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of what hints do.
 */
#include "hint-table.h"

#include <string.h>

#define GIB_PAGES ((size_t)1 << 18)
#define SECOND 1000000000ull
#define OWN_LOSS 0.05               /* of its hit ratio, that a liar may lose; */
#define OTHERS_LOSS 0.01            /* and its neighbour */
#define SPEED 2.0                   /* an honest guest is followed so many times as fast */

const char *const hint_liars[] = {"all-hot", "swapped", "pins-all", "floods", NULL};

static const char *const contenders[] = {"vhost-tier-bits", "vhost-tier"};

/* The guest that speaks, and one beside it. */
#define SPEAKER                                                                                                        \
    .config = {.name = "speaker", .pages = 14 * GIB_PAGES, .vcpus = 8, .compute_ns = 25, .write_share = 0.5,           \
               .placement = SIM_INTERLEAVE, .weight = 1},                                                              \
    .workload = "gups"

static const ScenarioGuest moving[] = {{SPEAKER, .params = "hot=0.0714286 move_s=60"}};
static const ScenarioGuest steady[] = {
    {SPEAKER, .params = "hot=0.0714286"},
    {.config = {.name = "neighbour", .pages = 12 * GIB_PAGES, .vcpus = 8, .compute_ns = 200, .write_share = 0.3,
                .placement = SIM_INTERLEAVE, .weight = 1},
     .workload = "zipf"},
};

static const Scenario honest_row = {
    .name = "hints-honest", .what = "GUPS, 14 GiB, 1 GiB hot, jumps each 60 s and the guest says where", .guests = moving,
    .n_guests = 1, .duration_ns = 180 * SECOND, .steady_from_ns = 150 * SECOND, .changes = true,
};
static const Scenario liars_row = {
    .name = "hints-liar", .what = "GUPS, 14 GiB, 1 GiB hot, of which the guest lies; Zipf, 12 GiB", .guests = steady,
    .n_guests = G_N_ELEMENTS(steady), .duration_ns = 120 * SECOND, .steady_from_ns = 60 * SECOND,
};

static bool run(const Scenario *form, const char *contender, const char *manner, bool hints, const RunOptions *options,
                double figures[2], GError **errp)
{
    ScenarioGuest guests[G_N_ELEMENTS(steady)];
    Scenario scenario = *form;
    g_auto(RunResult) result = {0};

    memcpy(guests, form->guests, form->n_guests * sizeof(*guests));
    guests[0].speaks = manner;
    scenario.guests = guests;
    if (!run_scenario(&scenario, contender, hints ? "hints=1" : "hints=0", options, &result, errp)) {
        return false;
    }
    if (form->changes) {
        figures[0] = result.time_to_90_s;
        figures[1] = result.hit_ratio;
    } else {
        figures[0] = g_array_index(result.guests, RunGuest, 0).hit_ratio;
        figures[1] = g_array_index(result.guests, RunGuest, 1).hit_ratio;
    }
    return true;
}

bool hint_row_run(const char *contender, const char *manner, const RunOptions *options, HintRow *row, GError **errp)
{
    const Scenario *form = g_str_equal(manner, HINT_HONEST) ? &honest_row : &liars_row;

    *row = (HintRow){.contender = contender, .manner = manner};
    return run(form, contender, manner, true, options, row->with, errp) &&
           run(form, contender, manner, false, options, row->without, errp);
}

bool hint_row_reached(const HintRow *row)
{
    if (g_str_equal(row->manner, HINT_HONEST)) {
        return row->with[0] * SPEED <= row->without[0];
    }
    return row->with[0] >= (1 - OWN_LOSS) * row->without[0] && row->with[1] >= (1 - OTHERS_LOSS) * row->without[1];
}

static void add_line(GString *text, const HintRow *row)
{
    const char *reached = hint_row_reached(row) ? "yes" : "**no**";

    if (g_str_equal(row->manner, HINT_HONEST)) {
        g_string_append_printf(text, "| %s | %.1f | %.1f | %.1f | %.1f | %s |\n", row->contender, row->without[0],
                               row->with[0], 100 * row->without[1], 100 * row->with[1], reached);
    } else {
        g_string_append_printf(text, "| %s | %s | %.1f | %.1f | %.1f | %.1f | %s |\n", row->contender, row->manner,
                               100 * row->without[0], 100 * row->with[0], 100 * row->without[1], 100 * row->with[1],
                               reached);
    }
}

char *hint_table_text(const RunOptions *options, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    HintRow row;

    g_string_append_printf(
        text,
        "## Hints\n\n`tier-sim hints`: guests that speak to their host, with hints taken and with `hints=0`. 20 %% DRAM, scale "
        "1/%.0f.\n\nAn honest guest, whose hot set jumps each 60 s, tells where it is then. Aim: 90 %% of the new steady state "
        "in half the time.\n\n| contender | 90 %% s without | with | hit %% without | with | reached |\n"
        "|---|---:|---:|---:|---:|---|\n", 1 / options->scale);
    for (size_t i = 0; i < G_N_ELEMENTS(contenders); i++) {
        if (!hint_row_run(contenders[i], HINT_HONEST, options, &row, errp)) {
            return NULL;
        }
        add_line(text, &row);
    }
    g_string_append_printf(
        text,
        "\nGuests that lie, with an honest neighbour that says nothing; hit ratio after a minute. Aim: the liar loses no more "
        "than %.0f %% of its own, and its neighbour no more than %.0f %%.\n\n| contender | the guest | own hit %% without | "
        "with | neighbour's hit %% without | with | reached |\n|---|---|---:|---:|---:|---:|---|\n",
        100 * OWN_LOSS, 100 * OTHERS_LOSS);
    for (size_t i = 0; i < G_N_ELEMENTS(contenders); i++) {
        for (const char *const *manner = hint_liars; *manner; manner++) {
            if (!hint_row_run(contenders[i], *manner, options, &row, errp)) {
                return NULL;
            }
            add_line(text, &row);
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
