/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests whether a VM is told to idle by its CPU time: when it stops, when it resumes, and when it does less for good.
 */
#include "core/idleness.h"

#include <glib.h>
#include <math.h>

#define SECOND 1000000000ull

/* The VM uses @busy CPUs for @seconds; returns in how many of them it idled. */
static unsigned idles(Idleness *idleness, double busy, unsigned seconds)
{
    unsigned idle = 0;

    for (unsigned i = 0; i < seconds; i++) {
        idle += idleness_note(idleness, busy, SECOND);
    }
    return idle;
}

static void one_that_stops_idles_at_once_and_one_that_resumes_does_not(void)
{
    Idleness idleness = {0};

    g_assert_cmpuint(idles(&idleness, 4, 30), ==, 0);
    g_assert_cmpuint(idles(&idleness, 0, 120), ==, 120);
    g_assert_cmpuint(idles(&idleness, 4, 30), ==, 0);
    g_assert_cmpuint(idles(&idleness, 0.02, 60), ==, 60);
}

static void one_whose_load_wavers_is_at_work(void)
{
    Idleness idleness = {0};
    unsigned idle = 0;

    for (unsigned i = 0; i < 100; i++) {
        idle += idles(&idleness, 2, 1) + idles(&idleness, 4, 1);
    }
    g_assert_cmpuint(idle, ==, 0);
}

static void one_that_does_less_for_good_is_at_work_again_after_minutes(void)
{
    Idleness idleness = {0};

    idles(&idleness, 4, 60);
    g_assert_cmpuint(idles(&idleness, 0.5, 30), ==, 30);
    idles(&idleness, 0.5, 900);
    g_assert_cmpuint(idles(&idleness, 0.5, 30), ==, 0);
}

static void one_that_never_worked_does_not_idle(void)
{
    Idleness idleness = {0};

    g_assert_cmpuint(idles(&idleness, 0, 30), ==, 0);
}

static void what_is_not_measured_tells_nothing(void)
{
    Idleness idleness = {0};

    idles(&idleness, 4, 60);
    g_assert_false(idleness_note(&idleness, NAN, SECOND));
    g_assert_false(idleness_note(&idleness, -1, SECOND));
    g_assert_false(idleness_note(&idleness, INFINITY, SECOND));
    g_assert_false(idleness_note(&idleness, 0, 0));
    g_assert_cmpuint(idles(&idleness, 0, 1), ==, 1);
}

/* In how many of @seconds a VM that uses @busy CPUs wakes. */
static unsigned wakes(Idleness *idleness, double busy, unsigned seconds)
{
    unsigned n = 0;

    for (unsigned i = 0; i < seconds; i++) {
        idleness_note(idleness, busy, SECOND);
        n += idleness_wakes(idleness);
    }
    return n;
}

static void one_that_has_idled_wakes_for_a_while(void)
{
    Idleness idleness = {0};

    g_assert_cmpuint(wakes(&idleness, 4, 30), ==, 0);           /* it begins */
    g_assert_cmpuint(wakes(&idleness, 0, 120), ==, 0);
    g_assert_cmpuint(wakes(&idleness, 4, 9), ==, 9);
    g_assert_cmpuint(wakes(&idleness, 4, 100), ==, 0);
    g_assert_cmpuint(wakes(&idleness, 0, 20), ==, 0);           /* again */
    g_assert_cmpuint(wakes(&idleness, 4, 9), ==, 9);
}

/* Else who stops for a moment now and then would be given what wakers are, all the time. */
static void one_that_idles_shortly_wakes_no_longer_than_that(void)
{
    Idleness idleness = {0};

    wakes(&idleness, 4, 30);
    g_assert_cmpuint(wakes(&idleness, 0, 1), ==, 0);
    g_assert_cmpuint(wakes(&idleness, 4, 30), ==, 0);
    wakes(&idleness, 0, 4);
    g_assert_cmpuint(wakes(&idleness, 4, 30), ==, 3);
}

/* Looked at each second, one that stops right in the middle is found at work, and to idle a second later. */
static void one_that_idles_may_have_stopped_before_the_last_look(void)
{
    g_assert_cmpuint(idleness_since_ns(10000, 1000), ==, 8500);
    g_assert_cmpuint(idleness_since_ns(1200, 1000), ==, 0);
    g_assert_cmpuint(idleness_since_ns(0, 1000), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/idleness/" #name, name)
    ADD(one_that_stops_idles_at_once_and_one_that_resumes_does_not);
    ADD(one_whose_load_wavers_is_at_work);
    ADD(one_that_does_less_for_good_is_at_work_again_after_minutes);
    ADD(one_that_never_worked_does_not_idle);
    ADD(what_is_not_measured_tells_nothing);
    ADD(one_that_has_idled_wakes_for_a_while);
    ADD(one_that_idles_shortly_wakes_no_longer_than_that);
    ADD(one_that_idles_may_have_stopped_before_the_last_look);
#undef ADD
    return g_test_run();
}
