/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much time goes into looking where pages are; see look-pace.h.
 */
#include "look-pace.h"

#include <glib.h>

#define FEW 1000            /* one granule of so many that has moved is no reason to look for more */

double look_pace_share(const LookPace *pace)
{
    return LOOK_PACE_MOST - pace->saved;
}

void look_pace_note(LookPace *pace, size_t looked, size_t moved)
{
    const double share = moved > looked / FEW ? LOOK_PACE_MOST : look_pace_share(pace) / 2;

    pace->saved = LOOK_PACE_MOST - MAX(share, LOOK_PACE_LEAST);
}
