/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a VM idles, by its CPU time; see idleness.h.
 */
#include "idleness.h"

#include <glib.h>
#include <math.h>

#define WORKS_SHARE 0.5     /* of what it uses when it works: with less it idles */
#define LEARN_NS 10e9
#define FORGET_NS 300e9
#define WAKES_S 10.0        /* by then looks and lists have told of what it does */

bool idleness_note(Idleness *idleness, double busy, uint64_t elapsed_ns)
{
    bool idle;

    if (!isfinite(busy) || busy < 0 || elapsed_ns == 0) {
        return false;
    }
    idle = busy < idleness->usual * WORKS_SHARE;
    idleness->usual += (busy - idleness->usual) * -expm1(-(double)elapsed_ns / (idle ? FORGET_NS : LEARN_NS));
    if (idle) {
        idleness->idled_s = (idleness->awake_s > 0 ? 0 : idleness->idled_s) + (double)elapsed_ns / 1e9;
        idleness->awake_s = 0;
    } else {
        idleness->awake_s += (double)elapsed_ns / 1e9;
    }
    return idle;
}

bool idleness_wakes(const Idleness *idleness)
{
    return idleness->awake_s > 0 && idleness->awake_s < MIN(idleness->idled_s, WAKES_S);
}
