/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surprise: what is told from chance, and what is not.
 */
#include <glib.h>
#include <math.h>

#include "core/surprise.h"
#include "rng.h"

#define HOT_PER_S 150.0
#define COLD_PER_S 2.0
#define LOOK_S 0.008

/* A guess about a page that is taken for @known and is accessed at @true_per_s; has heat changed, then? */
static bool guess(Surprise *surprise, Rng *rng, double known, double true_per_s)
{
    surprise_add(surprise, known, LOOK_S, rng_chance(rng, 1 - exp(-true_per_s * LOOK_S)));
    return surprise_changed(surprise);
}

/* One of fourteen pages is hot, as is known. */
static unsigned alarms(Surprise *surprise, Rng *rng, unsigned guesses, double wrong)
{
    unsigned n = 0;

    for (unsigned i = 0; i < guesses; i++) {
        double per_s = i % 14 == 0 ? HOT_PER_S : COLD_PER_S;

        n += guess(surprise, rng, per_s * wrong, per_s);
    }
    return n;
}

static void what_was_foretold_is_no_surprise(void)
{
    Surprise surprise = {0};
    Rng rng = {.state = 5};

    g_assert_cmpuint(alarms(&surprise, &rng, 50000, 1), ==, 0);
}

static void rates_that_are_known_roughly_are_no_surprise_for_long(void)
{
    Surprise surprise = {0};
    Rng rng = {.state = 6};

    alarms(&surprise, &rng, 4 * SURPRISE_USUAL, 0.5);
    g_assert_cmpuint(alarms(&surprise, &rng, 20000, 0.5), ==, 0);
}

static void a_hot_set_that_moved_is_noticed_soon(void)
{
    unsigned noticed = 0;

    for (unsigned seed = 1; seed <= 100; seed++) {
        Surprise surprise = {0};
        Rng rng = {.state = seed};
        bool changed = false;

        alarms(&surprise, &rng, 2000, 1);
        for (unsigned i = 0; i < 2 * SURPRISE_GUESSES && !changed; i++) {
            changed = guess(&surprise, &rng, i % 14 == 0 ? HOT_PER_S : COLD_PER_S,
                            i % 14 == 7 ? HOT_PER_S : COLD_PER_S);
        }
        noticed += changed;
    }
    g_assert_cmpuint(noticed, >=, 95);
}

static void a_few_guesses_prove_nothing(void)
{
    Surprise surprise = {0};

    for (unsigned i = 0; i < 20; i++) {
        surprise_add(&surprise, COLD_PER_S, LOOK_S, true);
        g_assert_false(surprise_changed(&surprise));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/surprise/what_was_foretold_is_no_surprise", what_was_foretold_is_no_surprise);
    g_test_add_func("/surprise/rates_that_are_known_roughly_are_no_surprise_for_long",
                    rates_that_are_known_roughly_are_no_surprise_for_long);
    g_test_add_func("/surprise/a_hot_set_that_moved_is_noticed_soon", a_hot_set_that_moved_is_noticed_soon);
    g_test_add_func("/surprise/a_few_guesses_prove_nothing", a_few_guesses_prove_nothing);
    return g_test_run();
}
