/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surprise; see surprise.h.
 */
#include "surprise.h"

#include <glib.h>
#include <math.h>

#define SURE 0.01   /* nothing is taken for surer than that: rates are estimates */

void surprise_add(Surprise *surprise, double per_s, double seconds, bool touched)
{
    const double fade = 1 - 1.0 / SURPRISE_GUESSES;
    double p = CLAMP(-expm1(-per_s * seconds), SURE, 1 - SURE);
    double odds = log(p / (1 - p));
    /* -log of the chance of what was found, less its mean: that is so either way. */
    double excess = (p - touched) * odds;

    surprise->usual += (excess - surprise->usual) / SURPRISE_USUAL;
    surprise->guesses = surprise->guesses * fade + 1;
    surprise->excess = surprise->excess * fade + excess;
    surprise->variance = surprise->variance * fade + p * (1 - p) * odds * odds;
}

bool surprise_changed(Surprise *surprise)
{
    double usual = MAX(surprise->usual, 0) * surprise->guesses;

    if (surprise->guesses < SURPRISE_GUESSES / 2.0 ||
        surprise->excess - usual < SURPRISE_CHANGED * sqrt(surprise->variance)) {
        return false;
    }
    *surprise = (Surprise){.usual = surprise->usual};
    return true;
}
