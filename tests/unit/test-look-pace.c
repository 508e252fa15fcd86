/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests how much time goes into looking where pages are: less while all is where it is known to be; and that the policy
 * tells what is not.
 */
#include "core/look-pace.h"
#include "core/policy.h"

#include <glib.h>
#include <string.h>

#define LOOKED 100000u
#define GRANULES 64u
#define SECOND 1000000000ull

static void quiet_epochs(LookPace *pace, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        look_pace_note(pace, LOOKED, 1);
    }
}

static void looks_begin_at_the_full_share(void)
{
    LookPace pace = {0};

    g_assert_cmpfloat(look_pace_share(&pace), ==, LOOK_PACE_MOST);
}

static void while_nothing_moves_they_get_fewer_but_never_end(void)
{
    LookPace pace = {0};

    quiet_epochs(&pace, 1);
    g_assert_cmpfloat_with_epsilon(look_pace_share(&pace), LOOK_PACE_MOST / 2, 1e-9);
    quiet_epochs(&pace, 1000);
    g_assert_cmpfloat_with_epsilon(look_pace_share(&pace), LOOK_PACE_LEAST, 1e-9);
}

static void what_moved_brings_them_back_at_once(void)
{
    LookPace pace = {0};

    quiet_epochs(&pace, 10);
    look_pace_note(&pace, LOOKED, LOOKED / 100);
    g_assert_cmpfloat(look_pace_share(&pace), ==, LOOK_PACE_MOST);
    quiet_epochs(&pace, 10);
    look_pace_note(&pace, 10, 1);
    g_assert_cmpfloat(look_pace_share(&pace), ==, LOOK_PACE_MOST);
}

static void the_policy_tells_what_was_elsewhere(void)
{
    const PolicyConfig config = {
        .heat_half_life_ns = 3600 * SECOND,
        .heat_life_ns = 10 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250, 400, 400}, .move_4k_ns = 3000, .move_2m_ns = 250000},
    };
    g_autoptr(Policy) policy = policy_new(&config);
    uint8_t tiers[GRANULES];

    g_assert_true(policy_region_add(policy, 1, GRANULES * 4096, 4096, NULL));
    memset(tiers, 1, sizeof(tiers));
    g_assert_cmpuint(policy_place(policy, 1, 0, GRANULES, tiers), ==, GRANULES);
    g_assert_cmpuint(policy_place(policy, 1, 0, GRANULES, tiers), ==, 0);
    tiers[3] = 0;
    tiers[5] = POLICY_TIER_ABSENT;
    g_assert_cmpuint(policy_place(policy, 1, 0, GRANULES, tiers), ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/look-pace/looks_begin_at_the_full_share", looks_begin_at_the_full_share);
    g_test_add_func("/look-pace/while_nothing_moves_they_get_fewer_but_never_end",
                    while_nothing_moves_they_get_fewer_but_never_end);
    g_test_add_func("/look-pace/what_moved_brings_them_back_at_once", what_moved_brings_them_back_at_once);
    g_test_add_func("/look-pace/the_policy_tells_what_was_elsewhere", the_policy_tells_what_was_elsewhere);
    return g_test_run();
}
