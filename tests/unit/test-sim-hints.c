/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints on the simulated machine, at a small scale: an honest guest gains, one that lies does not, and its neighbour
 * hardly notices.
 */
#include <glib.h>

#include "sim/hint-table.h"
#include "small-machine.h"

#define OURS "vhost-tier-bits"      /* where evidence is slow, hints matter most */

static HintFigures measure(const char *contender, const char *params, const char *manner, bool jumps)
{
    g_autoptr(GError) err = NULL;
    RunOptions options;
    HintFigures figures;

    run_options_default(&options);
    options.scale = 1 / 512.0;
    hint_measure(contender, params, manner, jumps, &options, &figures, &err);
    g_assert_no_error(err);
    return figures;
}

static void an_honest_guest_is_followed_at_least_twice_as_fast(void)
{
    const HintFigures without = measure(OURS, "hints=0", HINT_HONEST, true);
    const HintFigures with = measure(OURS, "hints=1", HINT_HONEST, true);

    g_test_message("90 %% after %.1f s, without hints %.1f s; hit ratio %.3f, %.3f", with.own, without.own, with.other,
                   without.other);
    g_assert_true(hint_reached(true, &with, &without));
    g_assert_cmpfloat(with.other, >, without.other);
}

static void a_guest_that_looks_at_itself_is_followed_faster_than_it_is_seen_through(void)
{
    const HintFigures without = measure(OURS, "hints=0", HINT_AUTO, true);
    const HintFigures with = measure(OURS, "hints=1", HINT_AUTO, true);

    g_test_message("90 %% after %.1f s, without hints %.1f s; hit ratio %.3f, %.3f", with.own, without.own, with.other,
                   without.other);
    g_assert_cmpfloat(with.own, <, 0.75 * without.own);
    g_assert_cmpfloat(with.other, >, without.other);
}

static void who_lies_gains_nothing(void)
{
    const HintFigures without = measure(OURS, "hints=0", hint_liars[0], false);

    for (const char *const *manner = hint_liars; *manner; manner++) {
        const HintFigures with = measure(OURS, "hints=1", *manner, false);

        g_test_message("%s: own %.3f, without hints %.3f; neighbour %.3f, %.3f", *manner, with.own, without.own,
                       with.other, without.other);
        g_assert_cmpfloat(with.own, >, 0.95 * without.own);
        g_assert_cmpfloat(with.other, >, 0.98 * without.other);     /* at this scale chance makes one in a hundred */
    }
}

static void what_is_aimed_at_is_held_against_the_figures(void)
{
    const HintFigures without = {10, 0.9};

    g_assert_true(hint_reached(true, &(HintFigures){5, 0}, &without));
    g_assert_false(hint_reached(true, &(HintFigures){5.1, 0}, &without));
    g_assert_true(hint_reached(false, &(HintFigures){9.6, 0.895}, &without));
    g_assert_false(hint_reached(false, &(HintFigures){9.4, 0.895}, &without));
    g_assert_false(hint_reached(false, &(HintFigures){9.6, 0.885}, &without));
}

static void what_is_said_is_heard_in_order_and_only_so_much_of_it(void)
{
    g_autoptr(Machine) machine = small_machine(1024);
    Guest *guest = small_guest(machine, PAGES, SIM_INTERLEAVE);
    GuestHint hint;
    size_t heard = 0;

    g_assert_false(guest_hear(guest, &hint));
    guest_say(guest, 2, 5, 3);
    guest_say(guest, 1, 0, 1);
    g_assert_true(guest_hear(guest, &hint));
    g_assert_cmpuint(hint.hint, ==, 2);
    g_assert_cmpuint(hint.first, ==, 5);
    g_assert_cmpuint(hint.n, ==, 3);
    g_assert_true(guest_hear(guest, &hint));
    g_assert_cmpuint(hint.hint, ==, 1);
    g_assert_false(guest_hear(guest, &hint));
    for (size_t i = 0; i < 100000; i++) {
        guest_say(guest, 0, 0, 1);
    }
    while (guest_hear(guest, &hint)) {
        heard++;
    }
    g_assert_cmpuint(heard, <, 100000);
    g_assert_cmpuint(machine_said(machine), ==, 100002);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/sim-hints/" #name, name)
    ADD(an_honest_guest_is_followed_at_least_twice_as_fast);
    ADD(a_guest_that_looks_at_itself_is_followed_faster_than_it_is_seen_through);
    ADD(who_lies_gains_nothing);
    ADD(what_is_aimed_at_is_held_against_the_figures);
    ADD(what_is_said_is_heard_in_order_and_only_so_much_of_it);
    return g_test_run();
}
