/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving what the arbiter has decided on, as others leave it.
 */
#include <glib.h>

#include "core/arbiter.h"
#include "rng.h"

#define MAX_VMS 6
#define MIB (1ull << 20)

static uint64_t random_bytes(Rng *rng)
{
    return rng_next(rng) >> (rng_next(rng) % 64);
}

static void more_is_given_as_others_leave_it(void)
{
    const uint64_t budgets[] = { 100 * MIB, 300 * MIB }, before[] = { 300 * MIB, 100 * MIB };
    uint64_t held[] = { 300 * MIB, 100 * MIB }, granted[2];

    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[0], ==, 100 * MIB);        /* less at once */
    g_assert_cmpuint(granted[1], ==, 100 * MIB);
    held[0] = 180 * MIB;
    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[1], ==, 220 * MIB);
    held[0] = 100 * MIB;
    arbiter_grant(400 * MIB, budgets, before, held, 2, granted);
    g_assert_cmpuint(granted[1], ==, 300 * MIB);
}

static void what_does_not_suffice_is_shared_by_what_is_lacking(void)
{
    const uint64_t budgets[] = { 0, 100 * MIB, 200 * MIB }, before[] = { 300 * MIB, 0, 0 };
    const uint64_t held[] = { 270 * MIB, 0, 0 };
    uint64_t granted[3];

    arbiter_grant(300 * MIB, budgets, before, held, 3, granted);
    g_assert_cmpuint(granted[0], ==, 0);
    g_assert_cmpuint(granted[1], ==, 10 * MIB);
    g_assert_cmpuint(granted[2], ==, 20 * MIB);
}

static void what_is_granted_never_exceeds_what_is_left(void)
{
    Rng rng = { .state = 21 };

    for (int round = 0; round < 20000; round++) {
        const uint64_t capacity = random_bytes(&rng);
        uint64_t budgets[MAX_VMS], before[MAX_VMS], held[MAX_VMS], granted[MAX_VMS], left = capacity;
        const size_t n = 1 + rng_next(&rng) % MAX_VMS;
        unsigned __int128 at_first = 0, at_last = 0;

        for (size_t i = 0; i < n; i++) {
            budgets[i] = (left ? rng_next(&rng) % left : 0) / 4096 * 4096;
            left -= budgets[i];
            before[i] = random_bytes(&rng);
            held[i] = random_bytes(&rng);
            at_first += MAX(MIN(before[i], budgets[i]), held[i]);
        }
        arbiter_grant(capacity, budgets, before, held, n, granted);
        for (size_t i = 0; i < n; i++) {
            g_assert_cmpuint(granted[i], <=, budgets[i]);
            at_last += MAX(granted[i], held[i]);
        }
        g_assert_true(at_last <= MAX(at_first, (unsigned __int128)capacity));
    }
}

#define ADD(func) g_test_add_func("/arbiter-grant/" #func, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(more_is_given_as_others_leave_it);
    ADD(what_does_not_suffice_is_shared_by_what_is_lacking);
    ADD(what_is_granted_never_exceeds_what_is_left);
    return g_test_run();
}
