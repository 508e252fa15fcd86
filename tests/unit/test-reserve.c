/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room kept free for heat that is expected to jump: what is taken for a jump, how much room one is worth, and what
 * that is then used for.
 */
#include <glib.h>
#include <math.h>

#include "core/policy-internal.h"

#define SECOND 1000000000ull
#define REGION 1u
#define PAGE UINT64_C(4096)
#define NOW (1000 * SECOND)

/* --- what is a jump --- */

#define ALL_PER_S 1000.0
#define COPY_S 0.02

/* A VM that began a minute ago: 500 of its 1000 touches a second were moved in, and for 30 s nothing has waited. */
typedef struct Life {
    Reserve reserve;
    ReservePlan plan;
} Life;

/* @seconds of plans, each of which moves @per_s in, in as many bytes, while @waiting_per_s waits. */
static void pass(Life *life, unsigned seconds, double waiting_per_s, double per_s)
{
    life->plan.waiting_per_s = waiting_per_s;
    life->plan.planned = (Influx){.per_s = per_s, .bytes = per_s};
    for (unsigned i = 0; i < seconds; i++) {
        reserve_note(&life->reserve, &life->plan);
        life->plan.now_s++;
    }
}

static void calm(Life *life, unsigned seconds)
{
    pass(life, seconds, 1, 0);
}

static Life begun(void)
{
    Life life = {.plan = {.now_s = 100, .all_per_s = ALL_PER_S, .budget_bytes = 10000}};

    pass(&life, 10, 200, 50);
    calm(&life, 30);
    return life;
}

/* Heat changes, and in the ten seconds that follow @per_s is moved in with each plan. */
static void change(Life *life, double per_s)
{
    life->plan.changed_s = life->plan.now_s;
    pass(life, 10, 200, per_s);
}

static double worth(const Life *life, uint64_t *bytes)
{
    return reserve_per_s(&life->reserve, COPY_S, life->plan.now_s, bytes);
}

static void assert_none_seen(const Life *life)
{
    uint64_t bytes;

    g_assert_cmpfloat(worth(life, &bytes), ==, 0);
}

static void what_moves_when_a_vm_begins_is_no_jump(void)
{
    Life life = {.plan = {.now_s = 100, .all_per_s = ALL_PER_S, .budget_bytes = 10000}};

    change(&life, 50);
    assert_none_seen(&life);
    calm(&life, 30);
    assert_none_seen(&life);
}

static void what_is_moved_in_after_a_calm_is_what_the_next_jump_is_expected_to_move(void)
{
    Life life = begun();
    uint64_t bytes;

    change(&life, 50);
    calm(&life, 20);                                        /* 30 s after the jump; before it there were 31 of calm */
    g_assert_cmpfloat_with_epsilon(worth(&life, &bytes), 500 * COPY_S / 31, 1e-9);
    g_assert_cmpuint(bytes, ==, 500);
}

static void pauses_within_a_jump_part_nothing(void)
{
    Life life = begun();
    uint64_t bytes;

    life.plan.changed_s = life.plan.now_s;
    for (unsigned i = 0; i < 5; i++) {
        pass(&life, 1, 200, 100);
        calm(&life, 2);
    }
    g_assert_cmpfloat(worth(&life, &bytes), >, 0);
    g_assert_cmpuint(bytes, ==, 500);
}

static void the_last_two_jumps_tell_how_much_and_how_often(void)
{
    Life life = begun();
    uint64_t bytes;

    change(&life, 50);
    calm(&life, 50);
    change(&life, 30);
    calm(&life, 10);
    g_assert_cmpfloat_with_epsilon(worth(&life, &bytes), (500 + 300) / 2.0 * COPY_S / 60, 1e-9);
    g_assert_cmpuint(bytes, ==, 400);
    calm(&life, 580);                                       /* they have become rarer, it seems */
    g_assert_cmpfloat_with_epsilon(worth(&life, &bytes), 400 * COPY_S / 600, 1e-9);
}

static void a_small_part_of_heat_that_moves_is_no_jump(void)
{
    Life life = begun();

    change(&life, 20);
    assert_none_seen(&life);
}

static void what_is_moved_in_while_heat_stays_is_no_jump(void)
{
    Life life = begun();

    pass(&life, 10, 200, 50);
    assert_none_seen(&life);
}

static void what_a_larger_budget_has_room_for_is_no_jump(void)
{
    Life life = begun();

    life.plan.budget_bytes += 400;
    life.plan.room_bytes = 400;
    life.plan.changed_s = life.plan.now_s;
    for (unsigned i = 0; i < 10; i++) {
        pass(&life, 1, 200, 50);
        life.plan.room_bytes -= MIN(life.plan.room_bytes, 50);
    }
    assert_none_seen(&life);
}

static void budgets_without_end_are_none_that_grow(void)
{
    Life life = begun();
    uint64_t bytes;

    life.plan.budget_bytes = life.plan.room_bytes = UINT64_MAX;
    calm(&life, 2);
    g_assert_cmpuint(life.reserve.given_bytes, ==, UINT64_MAX - 10000);
    life.plan.room_bytes = 0;
    change(&life, 50);
    g_assert_cmpfloat(worth(&life, &bytes), >, 0);
    g_assert_cmpuint(bytes, ==, 500);
}

static void what_moves_when_a_vm_wakes_is_no_jump(void)
{
    Life life = begun();

    life.plan.idle = true;
    calm(&life, 30);
    life.plan.idle = false;
    change(&life, 50);
    assert_none_seen(&life);
}

static void saved_values_out_of_range_are_refused(void)
{
    const Reserve good = {.waited_s = 1, .began_s = 1, .calm_s = 1, .jumped_s = 1, .gap_s = 1, .last = {1, 1}};
    const double bad[] = {NAN, INFINITY, -1, 1e40};

    g_assert_true(reserve_valid(&good));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Reserve cases[] = {good, good, good, good, good, good, good, good};

        cases[0].waited_s = cases[1].began_s = cases[2].calm_s = cases[3].jumped_s = cases[4].gap_s = bad[i];
        cases[5].moved.per_s = cases[6].last.bytes = cases[7].before.per_s = bad[i];
        for (size_t k = 0; k < G_N_ELEMENTS(cases); k++) {
            g_assert_false(reserve_valid(&cases[k]));
        }
    }
}

/* --- what it is used for --- */

#define PAGES 64u
#define FAST 32u                        /* of them in tier 0, which is full, */
#define HOT 16u                         /* and of these accessed 1000 times a second; all others once */

/*
 * The next jump is expected to move 8 pages in, with 8000 accesses a second; 50 copies are made in a second, and there
 * is a jump each 30 s: the first free page is worth 8000 / 50 / 30, 5.3 accesses a second. A swap costs as much as 1.1
 * of them.
 */
static const PolicyConfig config = {
    .budget_bytes = FAST * PAGE,
    .max_bytes_per_s = 50 * PAGE,
    .heat_half_life_ns = 3600 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

static void rate(Policy *policy, size_t first, size_t n, double per_s)
{
    policy_evidence_rate(policy, POLICY_SOURCE_CHMU, REGION, first, n, per_s, 1000 * SECOND, NOW);
}

/* One whose heat jumped 10 s ago, and 30 s before that. */
static Policy *jumpy(const PolicyConfig *own)
{
    Policy *policy = policy_new(own);

    g_assert_true(policy_region_add(policy, REGION, PAGES * PAGE, PAGE, NULL));
    for (size_t i = 0; i < PAGES; i++) {
        const uint8_t tier = i >= FAST;

        policy_place(policy, REGION, i, 1, &tier);
    }
    rate(policy, 0, HOT, 1000);
    rate(policy, HOT, PAGES - HOT, 1);
    policy->state.planner.reserve = (Reserve){
        .waited_s = NOW / 1e9 - 9,
        .began_s = NOW / 1e9 - 10,
        .jumped_s = NOW / 1e9 - 10,
        .gap_s = 30,
        .budget_bytes = own->budget_bytes,
        .last = {.per_s = 8000, .bytes = 8 * PAGE},
    };
    return policy;
}

static size_t plan_and_do(Policy *policy, uint64_t now_ns)
{
    const PolicyPlan *plan = policy_plan(policy, now_ns);
    const size_t n = plan->n_moves;
    g_autofree PolicyMove *moves = g_memdup2(plan->moves, n * sizeof(*moves));

    for (size_t i = 0; i < n; i++) {
        policy_moved(policy, &moves[i], POLICY_MOVED, now_ns);
    }
    return n;
}

static size_t free_pages(const Policy *policy)
{
    return FAST - policy_maps(policy)[0]->bytes_at[0] / PAGE;
}

static void cold_pages_make_room_before_a_jump(void)
{
    g_autoptr(Policy) policy = jumpy(&config);
    const PolicyPlan *plan;

    policy_plan(policy, NOW);                               /* what may be moved builds up */
    plan = policy_plan(policy, NOW + 2 * SECOND);
    g_assert_cmpuint(plan->n_moves, >=, 3);
    g_assert_cmpuint(plan->n_moves, <, 8);
    for (size_t i = 0; i < plan->n_moves; i++) {
        g_assert_cmpuint(plan->moves[i].to, ==, 1);
        g_assert_cmpuint(plan->moves[i].granule, >=, HOT);
    }
}

/* What room is kept for may come now: then copies in are not to wait for those out. */
static void room_is_made_of_what_no_move_will_need(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    own.max_bytes_per_s = 4 * PAGE;                         /* room is worth the more */
    policy = jumpy(&own);
    g_assert_cmpuint(plan_and_do(policy, NOW), ==, 0);
    g_assert_cmpfloat(policy->state.planner.tokens, ==, 4 * PAGE);
    g_assert_cmpuint(plan_and_do(policy, NOW + SECOND), ==, 4);
    g_assert_cmpfloat(policy->state.planner.tokens, ==, 4 * PAGE);
}

static void room_stays_free_for_what_is_hot(void)
{
    g_autoptr(Policy) policy = jumpy(&config);
    size_t room;

    plan_and_do(policy, NOW);
    plan_and_do(policy, NOW + 2 * SECOND);
    room = free_pages(policy);
    g_assert_cmpuint(room, >=, 3);
    rate(policy, 50, 2, 1.5);           /* worth a copy, but not room for one that is hot */
    g_assert_cmpuint(plan_and_do(policy, NOW + 15 * SECOND), ==, 0);
    rate(policy, 40, 2, 1000000);       /* known to be cold for long; now it is hot */
    g_assert_cmpuint(plan_and_do(policy, NOW + 16 * SECOND), >=, 2);
    g_assert_cmpuint(free_pages(policy), <=, room);
    policy->state.planner.reserve = (Reserve){0};
    g_assert_cmpuint(plan_and_do(policy, NOW + 17 * SECOND), >=, 2);
}

/* Of some that are worth as much as a page and a half of the room that is left one is moved in. */
static void room_gets_dearer_as_it_is_used(void)
{
    g_autoptr(Policy) policy = jumpy(&config);
    const PolicyPlan *plan;
    size_t promoted = 0, room;

    plan_and_do(policy, NOW);
    plan_and_do(policy, NOW + 2 * SECOND);
    room = free_pages(policy);
    rate(policy, 44, 8, 8000.0 / 50 / 30 * (1 - (room - 0.5) / 8) + 0.6);  /* and a copy */
    plan = policy_plan(policy, NOW + 4 * SECOND);
    for (size_t i = 0; i < plan->n_moves; i++) {
        promoted += plan->moves[i].to == 0;
    }
    g_assert_cmpuint(promoted, ==, 1);
}

static void hot_pages_take_the_room_and_no_copy_out_is_needed_first(void)
{
    g_autoptr(Policy) policy = jumpy(&config);
    const PolicyPlan *plan;

    plan_and_do(policy, NOW);
    plan_and_do(policy, NOW + 2 * SECOND);
    rate(policy, 40, 1, 1000000);
    policy->state.planner.tokens = PAGE;                    /* for one copy alone */
    plan = policy_plan(policy, NOW + 2 * SECOND);
    g_assert_cmpuint(plan->n_moves, ==, 1);
    g_assert_cmpuint(plan->moves[0].granule, ==, 40);
    g_assert_cmpuint(plan->moves[0].to, ==, 0);
}

static void nothing_is_kept_free_where_no_jump_was_seen(void)
{
    g_autoptr(Policy) policy = jumpy(&config);

    policy->state.planner.reserve = (Reserve){0};
    policy_plan(policy, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW + 2 * SECOND)->n_moves, ==, 0);
}

static void nothing_is_kept_free_where_copies_do_not_wait(void)
{
    PolicyConfig own = config;
    g_autoptr(Policy) policy = NULL;

    own.max_bytes_per_s = 0;
    policy = jumpy(&own);
    policy_plan(policy, NOW);
    g_assert_cmpuint(policy_plan(policy, NOW + 2 * SECOND)->n_moves, ==, 0);
    own.budget_bytes += 8 * PAGE;
    policy_configure(policy, &own);
    g_assert_cmpuint(policy_plan(policy, NOW + 3 * SECOND)->n_moves, ==, 8);
}

/* What is not expected any more is given back: a page that is a little hot may have it. */
static void room_is_given_back_as_jumps_fail_to_come(void)
{
    g_autoptr(Policy) policy = jumpy(&config);

    plan_and_do(policy, NOW);
    plan_and_do(policy, NOW + 2 * SECOND);
    g_assert_cmpuint(free_pages(policy), >, 0);
    rate(policy, 40, 8, 100);
    plan_and_do(policy, NOW + 3000 * SECOND);
    plan_and_do(policy, NOW + 3020 * SECOND);
    g_assert_cmpuint(free_pages(policy), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/reserve/" #name, name)
    ADD(what_moves_when_a_vm_begins_is_no_jump);
    ADD(what_is_moved_in_after_a_calm_is_what_the_next_jump_is_expected_to_move);
    ADD(pauses_within_a_jump_part_nothing);
    ADD(the_last_two_jumps_tell_how_much_and_how_often);
    ADD(a_small_part_of_heat_that_moves_is_no_jump);
    ADD(what_is_moved_in_while_heat_stays_is_no_jump);
    ADD(what_a_larger_budget_has_room_for_is_no_jump);
    ADD(budgets_without_end_are_none_that_grow);
    ADD(what_moves_when_a_vm_wakes_is_no_jump);
    ADD(saved_values_out_of_range_are_refused);
    ADD(cold_pages_make_room_before_a_jump);
    ADD(room_is_made_of_what_no_move_will_need);
    ADD(room_stays_free_for_what_is_hot);
    ADD(room_gets_dearer_as_it_is_used);
    ADD(hot_pages_take_the_room_and_no_copy_out_is_needed_first);
    ADD(nothing_is_kept_free_where_no_jump_was_seen);
    ADD(nothing_is_kept_free_where_copies_do_not_wait);
    ADD(room_is_given_back_as_jumps_fail_to_come);
#undef ADD
    return g_test_run();
}
