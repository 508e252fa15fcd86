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
#define ORACLE "oracle-paying"

/* The guest that speaks, and one beside it. */
#define SPEAKER                                                                                                        \
    .config = {.name = "speaker", .pages = 14 * GIB_PAGES, .vcpus = 8, .compute_ns = 25, .write_share = 0.5,           \
               .placement = SIM_INTERLEAVE, .weight = 1},                                                              \
    .workload = "gups"

static const ScenarioGuest moving[] = {{SPEAKER, .params = "hot=0.0714286 move_s=60"}};
static const ScenarioGuest steady[] = {
    {SPEAKER, .params = "hot=0.0714286"},
    {.config = {.name = "neighbour", .pages = 12 * GIB_PAGES, .vcpus = 8, .compute_ns = 25, .write_share = 0.5,
                .placement = SIM_INTERLEAVE, .weight = 1},
     .workload = "gups", .params = "hot=0.1"},
};

static const Scenario jumps_row = {
    .name = "hints-jumps", .what = "GUPS, 14 GiB, 1 GiB hot, jumps each 60 s and the guest says where",
    .guests = moving, .n_guests = 1, .duration_ns = 180 * SECOND, .steady_from_ns = 150 * SECOND, .changes = true,
};
static const Scenario steady_row = {
    .name = "hints-steady", .what = "GUPS, 14 GiB, 1 GiB hot, of which the guest speaks; GUPS, 12 GiB, silent",
    .guests = steady, .n_guests = G_N_ELEMENTS(steady), .duration_ns = 120 * SECOND, .steady_from_ns = 60 * SECOND,
};

static bool add_run(const Scenario *form, const char *contender, const char *params, const char *manner,
                    const RunOptions *options, HintFigures *figures, GError **errp)
{
    ScenarioGuest guests[G_N_ELEMENTS(steady)];
    Scenario scenario = *form;
    g_auto(RunResult) result = {0};

    memcpy(guests, form->guests, form->n_guests * sizeof(*guests));
    guests[0].speaks = manner;
    scenario.guests = guests;
    if (!run_scenario(&scenario, contender, params, options, &result, errp)) {
        return false;
    }
    if (form->changes) {
        figures->own += result.time_to_90_s / HINT_SEEDS;
        figures->other += result.hit_ratio / HINT_SEEDS;
    } else {
        figures->own += g_array_index(result.guests, RunGuest, 0).hit_ratio / HINT_SEEDS;
        figures->other += g_array_index(result.guests, RunGuest, 1).hit_ratio / HINT_SEEDS;
    }
    return true;
}

bool hint_measure(const char *contender, const char *params, const char *manner, bool jumps, const RunOptions *options,
                  HintFigures *figures, GError **errp)
{
    const Scenario *form = jumps ? &jumps_row : &steady_row;
    RunOptions own = *options;

    *figures = (HintFigures){0};
    for (unsigned seed = 0; seed < HINT_SEEDS; seed++, own.seed++) {
        if (!add_run(form, contender, params, manner, &own, figures, errp)) {
            return false;
        }
    }
    return true;
}

bool hint_reached(bool jumps, const HintFigures *with, const HintFigures *without)
{
    if (jumps) {
        return with->own * SPEED <= without->own;
    }
    return with->own >= (1 - OWN_LOSS) * without->own && with->other >= (1 - OTHERS_LOSS) * without->other;
}

static void add_reached(GString *text, bool jumps, const HintFigures *with, const HintFigures *without)
{
    g_string_append(text, hint_reached(jumps, with, without) ? "yes |\n" : "**no** |\n");
}

static bool jumps_table(GString *text, const RunOptions *options, GError **errp)
{
    static const char *const manners[] = {HINT_HONEST, HINT_AUTO};
    HintFigures with, without;

    g_string_append_printf(text,
                           "Guests whose hot set jumps each 60 s: one knows where it is then, and tells (`honest`); in "
                           "the other `tier-hint auto` has to find it (`auto`). Aim, of the first: 90 %% of the "
                           "new steady state in half the time. The oracle shows what copying alone takes, with tier 0 "
                           "free but for what is hot; where it is full, each page that comes takes another out, in "
                           "twice the time.\n\n"
                           "| contender | the guest | 90 %% s without | with | hit %% without | with | reached |\n"
                           "|---|---|---:|---:|---:|---:|---|\n");
    for (size_t i = 0; i < G_N_ELEMENTS(contenders); i++) {
        if (!hint_measure(contenders[i], "hints=0", HINT_HONEST, true, options, &without, errp)) {
            return false;
        }
        for (size_t m = 0; m < G_N_ELEMENTS(manners); m++) {
            if (!hint_measure(contenders[i], "hints=1", manners[m], true, options, &with, errp)) {
                return false;
            }
            g_string_append_printf(text, "| %s | %s | %.1f | %.1f | %.1f | %.1f | ", contenders[i], manners[m],
                                   without.own, with.own, 100 * without.other, 100 * with.other);
            add_reached(text, true, &with, &without);
        }
    }
    if (!hint_measure(ORACLE, NULL, HINT_HONEST, true, options, &without, errp)) {
        return false;
    }
    g_string_append_printf(text, "| %s | | %.1f | | %.1f | | |\n", ORACLE, without.own, 100 * without.other);
    return true;
}

static bool add_steady(GString *text, const char *contender, const char *manner, const HintFigures *without,
                       const RunOptions *options, GError **errp)
{
    HintFigures with;

    if (!hint_measure(contender, "hints=1", manner, false, options, &with, errp)) {
        return false;
    }
    g_string_append_printf(text, "| %s | %s | %.1f | %.1f | %.1f | %.1f | ", contender, manner, 100 * without->own,
                           100 * with.own, 100 * without->other, 100 * with.other);
    add_reached(text, false, &with, without);
    return true;
}

static bool steady_table(GString *text, const RunOptions *options, GError **errp)
{
    HintFigures without;

    g_string_append_printf(text,
                           "\nGuests that stay as they are, most of which lie, with a neighbour that says nothing; hit "
                           "ratio after a minute. Aim: the liar loses no more than %.0f %% of its own, and its "
                           "neighbour no more than %.0f %%.\n\n"
                           "| contender | the guest | own hit %% without | with | neighbour's hit %% without | with | "
                           "reached |\n|---|---|---:|---:|---:|---:|---|\n", 100 * OWN_LOSS, 100 * OTHERS_LOSS);
    for (size_t i = 0; i < G_N_ELEMENTS(contenders); i++) {
        if (!hint_measure(contenders[i], "hints=0", hint_liars[0], false, options, &without, errp) ||
            !add_steady(text, contenders[i], HINT_AUTO, &without, options, errp)) {
            return false;
        }
        for (const char *const *manner = hint_liars; *manner; manner++) {
            if (!add_steady(text, contenders[i], *manner, &without, options, errp)) {
                return false;
            }
        }
    }
    return true;
}

char *hint_table_text(const RunOptions *options, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text,
                           "## Hints\n\n`tier-sim hints`: guests that speak to their host, with hints taken and with "
                           "`hints=0`. 20 %% DRAM, scale 1/%.0f, means over %d seeds.\n\n",
                           1 / options->scale, HINT_SEEDS);
    if (!jumps_table(text, options, errp) || !steady_table(text, options, errp)) {
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
