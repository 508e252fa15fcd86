/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints: what each kind does to a plan, when it ends, and what it may not touch.
 */
#include <glib.h>
#include <string.h>

#include "core/policy-internal.h"
#include "core/trace.h"
#include "sim.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGE UINT64_C(4096)
#define GRANULES 4096u
#define HOT 256u
#define ACCESSES_PER_S 40000.0

static const PolicyConfig config = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .hints = true,
    .pin_limit_bytes = 64 * PAGE,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static const uint64_t intervals[] = {20 * MS, 100 * MS, 0};

/* A guest with a hot set of HOT granules, a quarter of memory fast, that has been looked at for a while. */
static Sim *settled(const PolicyConfig *own)
{
    Sim *sim = sim_new(own, GRANULES, 0.25, 5);

    sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
    sim_run(sim, 20, 2, 0.5, intervals);
    return sim;
}

static PolicyHintFate say(Sim *sim, PolicyHint hint, size_t first, size_t n)
{
    return policy_hint(sim->policy, hint, SIM_REGION, first, n, sim->now_ns);
}

static PolicyHintStats stats_of(const Sim *sim)
{
    PolicyHintStats stats;

    policy_hint_stats(sim->policy, &stats);
    return stats;
}

static bool is_hot(const Sim *sim, size_t granule)
{
    return sim->rate[granule] > ACCESSES_PER_S / GRANULES;
}

/* The @nth granule that lies on @tier and is as hot as asked. */
static size_t find(const Sim *sim, uint8_t tier, bool hot, size_t nth)
{
    for (size_t i = 0; i < sim->n; i++) {
        if (sim->tier[i] == tier && is_hot(sim, i) == hot && nth-- == 0) {
            return i;
        }
    }
    g_assert_not_reached();
}

static void take(Sim *sim, PolicyHint hint, size_t granule)
{
    g_assert_cmpint(say(sim, hint, granule, 1), ==, POLICY_HINT_TAKEN);
}

/* Let time pass, with evidence of nothing. */
static void wait(Sim *sim, uint64_t seconds)
{
    sim->now_ns += seconds * SECOND;
    policy_plan(sim->policy, sim->now_ns);
}

static bool is_planned(const PolicyPlan *plan, size_t granule)
{
    for (size_t i = 0; i < plan->n_moves; i++) {
        if (plan->moves[i].granule == granule) {
            return true;
        }
    }
    return false;
}

static void hot_and_willneed_are_promoted_by_the_next_plan(void)
{
    const PolicyHint hints[] = {POLICY_HINT_HOT, POLICY_HINT_WILLNEED};

    for (unsigned i = 0; i < G_N_ELEMENTS(hints); i++) {
        g_autoptr(Sim) sim = settled(&config);
        const size_t granule = find(sim, 1, false, 7);

        g_assert_false(is_planned(policy_plan(sim->policy, sim->now_ns), granule));
        take(sim, hints[i], granule);
        sim->now_ns += 20 * MS;
        g_assert_true(is_planned(policy_plan(sim->policy, sim->now_ns), granule));
        g_assert_cmpuint(stats_of(sim).followed_bytes, ==, 0);
        sim_plan(sim);
        g_assert_cmpuint(sim->tier[granule], ==, 0);
        g_assert_cmpuint(stats_of(sim).followed_bytes, ==, PAGE);
    }
}

static void a_hint_asks_for_an_early_plan(void)
{
    g_autoptr(Sim) sim = settled(&config);

    g_assert_cmpuint(policy_plan_pause_ns(sim->policy, SECOND, 0), >=, SECOND / 4);
    take(sim, POLICY_HINT_HOT, find(sim, 1, false, 7));
    g_assert_cmpuint(policy_plan_pause_ns(sim->policy, SECOND, 0), <=, 50 * MS);
    policy_plan(sim->policy, sim->now_ns);
    g_assert_cmpuint(policy_plan_pause_ns(sim->policy, SECOND, 0), >=, SECOND / 4);
    take(sim, POLICY_HINT_HOT, find(sim, 0, true, 7));      /* it is there */
    g_assert_cmpuint(policy_plan_pause_ns(sim->policy, SECOND, 0), >=, SECOND / 4);
}

static void what_the_guest_waits_for_is_tried_again_with_the_next_plan(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const PolicyMove asked = {.region = SIM_REGION, .granule = find(sim, 1, false, 7), .from = 1, .to = 0};

    take(sim, POLICY_HINT_HOT, asked.granule);
    for (unsigned i = 0; i < 3; i++) {
        sim->now_ns += 250 * MS;
        g_assert_true(is_planned(policy_plan(sim->policy, sim->now_ns), asked.granule));
        policy_moved(sim->policy, &asked, POLICY_NOT_MOVED, sim->now_ns);
    }
    policy_moved(sim->policy, &asked, POLICY_UNMOVABLE, sim->now_ns);
    sim->now_ns += 250 * MS;
    g_assert_false(is_planned(policy_plan(sim->policy, sim->now_ns), asked.granule));
}

/* With half the trust a hint is worth two swaps, of which there would be one left. */
static void that_it_was_moved_out_lately_is_no_doubt_of_what_the_guest_says_since(void)
{
    PolicyConfig dear = config;
    PolicyMove out = {.region = SIM_REGION, .from = 0, .to = 1}, in = {.region = SIM_REGION, .from = 1, .to = 0};
    g_autoptr(Sim) sim = NULL;

    dear.costs.move_4k_ns = 60000;
    sim = settled(&dear);
    out.granule = find(sim, 0, false, 7);
    in.granule = find(sim, 1, false, 7);
    policy_moved(sim->policy, &out, POLICY_MOVED, sim->now_ns);
    policy_moved(sim->policy, &in, POLICY_MOVED, sim->now_ns);
    take(sim, POLICY_HINT_HOT, out.granule);
    g_assert_true(is_planned(policy_plan(sim->policy, sim->now_ns), out.granule));
}

static void a_plan_tells_whether_the_guest_waits_for_some_of_it(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const size_t granule = find(sim, 1, false, 7);

    g_assert_false(policy_plan(sim->policy, sim->now_ns)->asked);
    take(sim, POLICY_HINT_COLD, find(sim, 0, false, 7));
    g_assert_false(policy_plan(sim->policy, sim->now_ns)->asked);
    take(sim, POLICY_HINT_HOT, granule);
    g_assert_true(policy_plan(sim->policy, sim->now_ns)->asked);
    sim_plan(sim);
    g_assert_cmpuint(sim->tier[granule], ==, 0);
    g_assert_false(policy_plan(sim->policy, sim->now_ns)->asked);
    policy_hint_trust_set(sim->policy, 0);
    g_assert_cmpint(say(sim, POLICY_HINT_HOT, find(sim, 1, false, 8), 1), ==, POLICY_HINT_UNTRUSTED);
    g_assert_false(policy_plan(sim->policy, sim->now_ns)->asked);
}

static void what_the_guest_waits_for_is_not_held_up_by_what_can_wait(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const uint64_t checked_ns = sim->policy->checked_ns;
    const size_t granule = find(sim, 1, false, 7);

    take(sim, POLICY_HINT_HOT, granule);
    wait(sim, 120);
    g_assert_cmpuint(sim->policy->checked_ns, ==, checked_ns);
    sim_plan(sim);
    g_assert_cmpuint(sim->tier[granule], ==, 0);
    wait(sim, 0);
    g_assert_cmpuint(sim->policy->checked_ns, !=, checked_ns);
}

/* Where the budget holds the hot set and no more, hints put nothing in the place of what is known to be hot. */
static void hints_do_not_displace_what_is_known_to_be_hot(void)
{
    g_autoptr(Sim) sim = sim_new(&config, GRANULES, (double)HOT / GRANULES, 5);

    sim_gups(sim, HOT, 0.9, ACCESSES_PER_S);
    sim_run(sim, 40, 2, 0.5, intervals);
    g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.85);
    for (size_t i = 0; i < 64; i++) {
        take(sim, POLICY_HINT_HOT, find(sim, 1, false, i));
    }
    sim_plan(sim);
    g_assert_cmpfloat(sim_hit_ratio(sim), >, 0.85);
}

static void cold_and_free_go_first_where_room_is_wanted(void)
{
    const PolicyHint hints[] = {POLICY_HINT_COLD, POLICY_HINT_FREE};

    for (unsigned i = 0; i < G_N_ELEMENTS(hints); i++) {
        g_autoptr(Sim) sim = settled(&config);
        const size_t gone = find(sim, 0, true, 9);

        policy_hint_trust_set(sim->policy, 1);
        g_assert_false(is_planned(policy_plan(sim->policy, sim->now_ns), gone));
        take(sim, hints[i], gone);
        take(sim, POLICY_HINT_PIN, find(sim, 1, false, 7));
        sim_plan(sim);
        g_assert_cmpuint(sim->tier[gone], ==, 1);
        g_assert_cmpuint(stats_of(sim).followed_bytes, ==, 2 * PAGE);
    }
}

static void free_memory_is_not_promoted_until_it_is_used(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const size_t granule = find(sim, 1, false, 7);
    const uint64_t used = 1;

    take(sim, POLICY_HINT_FREE, granule);
    g_assert_cmpuint(stats_of(sim).free_bytes, ==, PAGE);
    sim->rate[granule] = 1e4;
    for (unsigned i = 0; i < 50; i++) {     /* a source without the right to end it: a rate below one access */
        policy_evidence_rate(sim->policy, POLICY_SOURCE_DAMON, SIM_REGION, granule, 1, 1e4, 90000, sim->now_ns);
    }
    sim_plan(sim);
    g_assert_cmpuint(sim->tier[granule], ==, 1);
    policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, granule, 1, &used, 20 * MS, sim->now_ns);
    g_assert_cmpuint(stats_of(sim).free_bytes, ==, 0);
    sim_plan(sim);
    g_assert_cmpuint(sim->tier[granule], ==, 0);
}

static uint8_t hint_of(const Sim *sim, size_t granule)
{
    PolicyGranule seen;

    g_assert_true(policy_granule(sim->policy, SIM_REGION, granule, sim->now_ns, &seen));
    return seen.hint;
}

static void marks_end_with_time(void)
{
    const struct {
        PolicyHint hint;
        uint64_t least_s, most_s;
    } cases[] = {{POLICY_HINT_WILLNEED, 3, 6}, {POLICY_HINT_HOT, 200, 240}, {POLICY_HINT_COLD, 200, 240},
                 {POLICY_HINT_FREE, 600, 0}, {POLICY_HINT_PIN, 600, 0}};

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Sim) sim = settled(&config);
        const size_t granule = find(sim, 1, false, 7);

        take(sim, cases[i].hint, granule);
        wait(sim, cases[i].least_s);
        g_assert_cmpuint(hint_of(sim, granule), ==, cases[i].hint);
        if (cases[i].most_s) {
            wait(sim, cases[i].most_s - cases[i].least_s);
            g_assert_cmpuint(hint_of(sim, granule), ==, POLICY_HINT__MAX);
        }
    }
}

static void marks_end_with_evidence_against_them(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const size_t cold = find(sim, 1, false, 7), hot = find(sim, 0, true, 7), other = find(sim, 0, true, 8);
    const uint64_t none = 0, used = 1;

    take(sim, POLICY_HINT_HOT, cold);
    take(sim, POLICY_HINT_HOT, other);
    take(sim, POLICY_HINT_COLD, hot);
    for (unsigned i = 0; i < 2; i++) {
        policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, cold, 1, &none, 500 * MS, sim->now_ns);
        policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, other, 1, &used, 20 * MS, sim->now_ns);
        policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, hot, 1, &used, 2 * MS, sim->now_ns);
    }
    g_assert_cmpuint(hint_of(sim, cold), ==, POLICY_HINT__MAX);
    g_assert_cmpuint(hint_of(sim, hot), ==, POLICY_HINT__MAX);
    g_assert_cmpuint(hint_of(sim, other), ==, POLICY_HINT_HOT);
    /* That a limit of a device's was not reached says so, too. */
    take(sim, POLICY_HINT_HOT, cold);
    policy_evidence_below(sim->policy, POLICY_SOURCE_CHMU, SIM_REGION, cold, 1, 1, 2 * SECOND, sim->now_ns);
    policy_evidence_below(sim->policy, POLICY_SOURCE_CHMU, SIM_REGION, cold, 1, 1, 2 * SECOND, sim->now_ns);
    g_assert_cmpuint(hint_of(sim, cold), ==, POLICY_HINT__MAX);
}

static void a_vm_that_idles_keeps_its_marks(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const size_t granule = find(sim, 1, false, 7);

    take(sim, POLICY_HINT_HOT, granule);
    sim->policy->state.activity.quiet = 1;
    wait(sim, 120);
    g_assert_cmpuint(hint_of(sim, granule), ==, POLICY_HINT_HOT);
}

static void pins_stay_in_tier_0(void)
{
    g_autoptr(Sim) sim = settled(&config);
    size_t pinned[32];

    for (unsigned i = 0; i < G_N_ELEMENTS(pinned); i++) {
        pinned[i] = find(sim, i % 2, false, i);
        take(sim, POLICY_HINT_PIN, pinned[i]);
    }
    sim_gups(sim, 1000, 0.9, ACCESSES_PER_S);    /* now there is more that is hot than fits besides them */
    for (unsigned i = 0; i < 20; i++) {
        policy_hint_trust_set(sim->policy, 1);
        sim_run(sim, 1, 2, 0.5, intervals);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pinned); i++) {
        g_assert_cmpuint(sim->tier[pinned[i]], ==, 0);
    }
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 32 * PAGE);
    g_assert_cmpint(say(sim, POLICY_HINT_UNPIN, 0, GRANULES), ==, POLICY_HINT_TAKEN);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
    sim_run(sim, 20, 2, 0.5, intervals);
    g_assert_cmpuint(sim->tier[pinned[3]] + sim->tier[pinned[4]] + sim->tier[pinned[5]], >, 0);
    g_assert_cmpuint(stats_of(sim).pinned_dropped_bytes, ==, 0);
}

static void pins_keep_to_their_limit_and_to_half_of_the_budget(void)
{
    g_autoptr(Sim) sim = settled(&config);
    PolicyConfig other = config;
    uint64_t bytes = 0;

    g_assert_cmpint(say(sim, POLICY_HINT_PIN, 0, 65), ==, POLICY_HINT_OVER_LIMIT);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
    g_assert_cmpint(say(sim, POLICY_HINT_PIN, 0, 60), ==, POLICY_HINT_TAKEN);
    /* Asked alone, and after another, which nobody counts: */
    g_assert_cmpint(policy_pin_fate(sim->policy, SIM_REGION, 30, 34, &bytes), ==, POLICY_HINT_TAKEN);
    g_assert_cmpuint(bytes, ==, 4 * PAGE);
    g_assert_cmpint(policy_pin_fate(sim->policy, SIM_REGION, 100, 1, &bytes), ==, POLICY_HINT_OVER_LIMIT);
    g_assert_cmpint(policy_pin_fate(sim->policy, SIM_REGION, GRANULES - 1, 2, &bytes), ==, POLICY_HINT_NOT_THERE);
    g_assert_cmpint(say(sim, POLICY_HINT_PIN, 30, 34), ==, POLICY_HINT_TAKEN);
    g_assert_cmpint(say(sim, POLICY_HINT_PIN, 0, 65), ==, POLICY_HINT_OVER_LIMIT);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 64 * PAGE);
    g_assert_cmpuint(stats_of(sim).ranges[POLICY_HINT_PIN][POLICY_HINT_OVER_LIMIT], ==, 2);
    g_assert_cmpuint(stats_of(sim).ranges[POLICY_HINT_PIN][POLICY_HINT_TAKEN], ==, 2);
    other.budget_bytes = 40 * PAGE;
    policy_configure(sim->policy, &other);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 20 * PAGE);
    g_assert_cmpuint(stats_of(sim).pinned_dropped_bytes, ==, 44 * PAGE);
}

static void note_run(void *opaque, size_t first, size_t n)
{
    g_string_append_printf(opaque, "%zu+%zu ", first, n);
}

static char *pins_of(const Sim *sim)
{
    GString *text = g_string_new(NULL);

    policy_pins(sim->policy, SIM_REGION, note_run, text);
    return g_string_free(text, FALSE);
}

static void the_newest_pins_are_dropped_first(void)
{
    g_autoptr(Sim) sim = settled(&config);
    g_autofree char *before = NULL, *after = NULL;
    PolicyConfig other = config;

    other.budget_bytes = sim->budget_bytes;
    other.pin_limit_bytes = 8 * PAGE;
    say(sim, POLICY_HINT_PIN, 100, 4);
    say(sim, POLICY_HINT_PIN, 200, 6);
    say(sim, POLICY_HINT_UNPIN, 100, 2);
    say(sim, POLICY_HINT_PIN, 50, 4);
    say(sim, POLICY_HINT_PIN, 100, 1);
    before = pins_of(sim);
    g_assert_cmpstr(before, ==, "50+4 100+1 102+2 200+6 ");
    policy_configure(sim->policy, &other);
    after = pins_of(sim);
    g_assert_cmpstr(after, ==, "102+2 200+6 ");
}

static void many_pins_and_unpins_take_no_more_memory_than_pins(void)
{
    g_autoptr(Sim) sim = settled(&config);

    for (unsigned i = 0; i < 20000; i++) {
        say(sim, POLICY_HINT_UNPIN, i % 64, 1);
        say(sim, POLICY_HINT_PIN, i % 64, 1);
        policy_hint_trust_set(sim->policy, 1);      /* nothing of it is proved */
        sim->now_ns += MS;
    }
    wait(sim, 5);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 64 * PAGE);
    g_assert_cmpuint(sim->policy->hints.pins->len, <=, 2 * (2048 + 64) + 2);
    say(sim, POLICY_HINT_UNPIN, 0, 64);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
}

static void fates_are_told_and_counted(void)
{
    g_autoptr(Sim) sim = settled(&config);
    PolicyConfig off = config;

    g_assert_cmpint(say(sim, POLICY_HINT_HOT, GRANULES - 1, 2), ==, POLICY_HINT_NOT_THERE);
    g_assert_cmpint(say(sim, POLICY_HINT_HOT, SIZE_MAX, 2), ==, POLICY_HINT_NOT_THERE);
    g_assert_cmpint(say(sim, POLICY_HINT_HOT, 0, 0), ==, POLICY_HINT_NOT_THERE);
    g_assert_cmpint(policy_hint(sim->policy, POLICY_HINT_HOT, 77, 0, 1, sim->now_ns), ==, POLICY_HINT_NOT_THERE);
    g_assert_cmpint(policy_hint(sim->policy, POLICY_HINT__MAX, SIM_REGION, 0, 1, sim->now_ns), ==,
                    POLICY_HINT_NOT_THERE);
    g_assert_cmpint(say(sim, POLICY_HINT_UNPIN, 0, 9), ==, POLICY_HINT_TAKEN);
    take(sim, POLICY_HINT_PIN, 9);
    take(sim, POLICY_HINT_HOT, 5);
    off.hints = false;
    policy_configure(sim->policy, &off);
    g_assert_cmpint(say(sim, POLICY_HINT_HOT, 0, 1), ==, POLICY_HINT_OFF);
    g_assert_cmpint(say(sim, POLICY_HINT_UNPIN, 0, 1), ==, POLICY_HINT_OFF);
    g_assert_cmpuint(hint_of(sim, 5), ==, POLICY_HINT__MAX);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
    g_assert_cmpuint(stats_of(sim).pinned_dropped_bytes, ==, PAGE);
    g_assert_cmpuint(stats_of(sim).ranges[POLICY_HINT_HOT][POLICY_HINT_NOT_THERE], ==, 4);
    g_assert_cmpuint(stats_of(sim).ranges[POLICY_HINT_HOT][POLICY_HINT_OFF], ==, 1);
    g_assert_cmpuint(stats_of(sim).bytes[POLICY_HINT_HOT], ==, PAGE);
}

/* What other VMs' shares are made by is not the guest's to say. */
static void hints_do_not_touch_heat_nor_the_curve_nor_what_a_plan_gains(void)
{
    g_autoptr(Sim) sim = settled(&config);
    g_autofree double *before = g_new(double, GRANULES), *after = g_new(double, GRANULES);
    PolicyCurve was, is;
    const PolicyPlan *plan;

    policy_plan(sim->policy, sim->now_ns);
    policy_rates(sim->policy, SIM_REGION, 0, GRANULES, before);
    policy_curve(sim->policy, &was);
    policy_hint_trust_set(sim->policy, 1);
    say(sim, POLICY_HINT_COLD, 0, GRANULES / 2);
    say(sim, POLICY_HINT_HOT, GRANULES / 2, GRANULES / 2);
    plan = policy_plan(sim->policy, sim->now_ns);
    g_assert_cmpuint(plan->n_moves, >, 100);
    g_assert_cmpfloat(plan->gain_per_s, <=, 0);
    policy_rates(sim->policy, SIM_REGION, 0, GRANULES, after);
    policy_curve(sim->policy, &is);
    g_assert_cmpmem(before, GRANULES * sizeof(double), after, GRANULES * sizeof(double));
    g_assert_cmpmem(&was, sizeof(was), &is, sizeof(is));
}

static void a_vm_without_hints_has_no_marks(void)
{
    g_autoptr(Sim) sim = settled(&config);

    g_assert_null(sim->policy->hints.samples);
    g_assert_null(policy_find_map(sim->policy, SIM_REGION)->hints);
}

static void a_huge_page_is_marked_as_most_of_its_granules(void)
{
    g_autoptr(Sim) sim = settled(&config);
    HeatMap *map = policy_find_map(sim->policy, SIM_REGION);
    PolicyConfig other = config;

    other.budget_bytes = sim->budget_bytes;
    other.pin_limit_bytes = 512 * PAGE;
    policy_configure(sim->policy, &other);
    policy_block_set(sim->policy, SIM_REGION, 512, true);
    policy_block_set(sim->policy, SIM_REGION, 1024, true);
    say(sim, POLICY_HINT_COLD, 512, 255);
    say(sim, POLICY_HINT_HOT, 512 + 256, 256);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 1)), ==, HINT_NONE);
    say(sim, POLICY_HINT_COLD, 512, 257);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 1)), ==, HINT_KIND(POLICY_HINT_COLD));
    say(sim, POLICY_HINT_PIN, 1030, 1);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 2)), ==, HINT_NONE);
    say(sim, POLICY_HINT_PIN, 1024, 511);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 2)), ==, HINT_NONE);     /* else 511 of the limit hold 512 */
    say(sim, POLICY_HINT_PIN, 1535, 1);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 2)), ==, HINT_KIND(POLICY_HINT_PIN));
    policy_block_set(sim->policy, SIM_REGION, 1024, false);
    g_assert_cmpuint(hint_mark(map->coarse, 2), ==, 0);
    say(sim, POLICY_HINT_HOT, 2048, 512);
    policy_block_set(sim->policy, SIM_REGION, 2048, true);
    g_assert_cmpuint(hint_kind(hint_mark(map->coarse, 4)), ==, HINT_KIND(POLICY_HINT_HOT));
    say(sim, POLICY_HINT_UNPIN, 1024, 512);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
}

static void a_huge_page_that_is_used_is_free_no_more(void)
{
    g_autoptr(Sim) sim = settled(&config);
    HeatMap *map = policy_find_map(sim->policy, SIM_REGION);
    const uint64_t used[512 / 64] = {1};

    policy_block_set(sim->policy, SIM_REGION, 512, true);
    say(sim, POLICY_HINT_COLD, 512, 10);
    say(sim, POLICY_HINT_FREE, 522, 502);
    g_assert_cmpuint(stats_of(sim).free_bytes, ==, 502 * PAGE);
    policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, 512, 512, used, 20 * MS, sim->now_ns);
    g_assert_cmpuint(stats_of(sim).free_bytes, ==, 0);
    g_assert_cmpuint(hint_of(sim, 515), ==, POLICY_HINT_COLD);
    policy_block_set(sim->policy, SIM_REGION, 512, false);
    g_assert_cmpuint(hint_mark(map, 600), ==, 0);
}

/* Who says HOT of what is cold, and COLD of it once it was promoted, is held to what was followed. */
static void what_was_followed_and_taken_back_has_proved_nothing(void)
{
    g_autoptr(Sim) sim = settled(&config);
    const size_t granule = find(sim, 1, false, 7), honest = find(sim, 0, true, 7);
    const uint64_t none = 0;
    double trust;

    take(sim, POLICY_HINT_HOT, honest);     /* as is known, so it proves nothing */
    take(sim, POLICY_HINT_HOT, granule);
    sim->now_ns += 20 * MS;
    sim_plan(sim);
    g_assert_cmpuint(sim->tier[granule], ==, 0);
    take(sim, POLICY_HINT_COLD, honest);
    g_assert_cmpuint(stats_of(sim).checked, ==, 0);
    trust = stats_of(sim).trust;
    take(sim, POLICY_HINT_COLD, granule);
    g_assert_cmpuint(stats_of(sim).checked, ==, 1);
    g_assert_cmpuint(stats_of(sim).right, ==, 0);
    g_assert_cmpfloat(stats_of(sim).trust, <, trust);
    trust = stats_of(sim).trust;
    for (unsigned i = 0; i < 4; i++) {      /* and that it is cold now proves nothing of the time before */
        policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, granule, 1, &none, 500 * MS, sim->now_ns);
    }
    g_assert_cmpfloat(stats_of(sim).trust, >=, trust);
}

/* A phase that is over is said to be cold, and is demoted soon after it came: that holds up no later phase. */
static void what_a_guest_asks_for_is_no_thrashing(void)
{
    const unsigned n = 64, phases = 6;
    g_autoptr(Sim) sim = settled(&config);
    size_t pages[2][64];
    PolicyStats stats;

    for (unsigned i = 0; i < 2 * n; i++) {
        pages[i % 2][i / 2] = find(sim, 1, false, i);
    }
    for (unsigned phase = 0; phase < phases; phase++) {
        policy_hint_trust_set(sim->policy, 1);
        for (unsigned i = 0; i < n; i++) {
            take(sim, POLICY_HINT_COLD, pages[1 - phase % 2][i]);
            take(sim, POLICY_HINT_HOT, pages[phase % 2][i]);
        }
        sim->now_ns += 20 * MS;
        sim_plan(sim);
        for (unsigned i = 0; i < n; i++) {
            g_assert_cmpuint(sim->tier[pages[phase % 2][i]], ==, 0);
        }
        wait(sim, 5);
    }
    policy_stats(sim->policy, &stats);
    g_assert_cmpuint(stats.undone_bytes, >, 0);
    g_assert_cmpfloat(stats.margin, ==, 1);
}

static void a_region_that_goes_takes_its_marks_along(void)
{
    g_autoptr(Sim) sim = settled(&config);
    PolicyConfig none = config;

    none.pin_limit_bytes = 0;
    g_assert_true(policy_region_add(sim->policy, 1, 4 << 20, 4096, NULL));
    g_assert_cmpint(policy_hint(sim->policy, POLICY_HINT_PIN, 1, 5, 3, sim->now_ns), ==, POLICY_HINT_TAKEN);
    take(sim, POLICY_HINT_PIN, 9);
    policy_region_del(sim->policy, 1);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, PAGE);
    policy_configure(sim->policy, &none);
    g_assert_cmpuint(stats_of(sim).pinned_bytes, ==, 0);
    g_assert_cmpuint(stats_of(sim).pinned_dropped_bytes, ==, PAGE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/hints/" #name, name)
    ADD(hot_and_willneed_are_promoted_by_the_next_plan);
    ADD(a_hint_asks_for_an_early_plan);
    ADD(what_the_guest_waits_for_is_tried_again_with_the_next_plan);
    ADD(that_it_was_moved_out_lately_is_no_doubt_of_what_the_guest_says_since);
    ADD(a_plan_tells_whether_the_guest_waits_for_some_of_it);
    ADD(what_the_guest_waits_for_is_not_held_up_by_what_can_wait);
    ADD(hints_do_not_displace_what_is_known_to_be_hot);
    ADD(cold_and_free_go_first_where_room_is_wanted);
    ADD(free_memory_is_not_promoted_until_it_is_used);
    ADD(marks_end_with_time);
    ADD(marks_end_with_evidence_against_them);
    ADD(a_vm_that_idles_keeps_its_marks);
    ADD(pins_stay_in_tier_0);
    ADD(pins_keep_to_their_limit_and_to_half_of_the_budget);
    ADD(the_newest_pins_are_dropped_first);
    ADD(many_pins_and_unpins_take_no_more_memory_than_pins);
    ADD(fates_are_told_and_counted);
    ADD(hints_do_not_touch_heat_nor_the_curve_nor_what_a_plan_gains);
    ADD(a_vm_without_hints_has_no_marks);
    ADD(a_huge_page_is_marked_as_most_of_its_granules);
    ADD(a_huge_page_that_is_used_is_free_no_more);
    ADD(what_was_followed_and_taken_back_has_proved_nothing);
    ADD(what_a_guest_asks_for_is_no_thrashing);
    ADD(a_region_that_goes_takes_its_marks_along);
    return g_test_run();
}
