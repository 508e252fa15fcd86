/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a VM idles, by its CPU time; see idleness.h.
 */
#include "idleness.h"

#include <math.h>

#define WORKS_SHARE 0.5     /* of what it uses when it works: with less it idles */
#define LEARN_NS 10e9
#define FORGET_NS 300e9

bool idleness_note(Idleness *idleness, double busy, uint64_t elapsed_ns)
{
    bool idle;

    if (!isfinite(busy) || busy < 0 || elapsed_ns == 0) {
        return false;
    }
    idle = busy < idleness->usual * WORKS_SHARE;
    idleness->usual += (busy - idleness->usual) * -expm1(-(double)elapsed_ns / (idle ? FORGET_NS : LEARN_NS));
    return idle;
}
