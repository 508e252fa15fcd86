/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hints do: how fast a guest is followed that knows what is hot, or looks at itself, and what a guest gains that
 * lies, and its neighbour loses.
 */
#ifndef VHOST_TIER_SIM_HINT_TABLE_H
#define VHOST_TIER_SIM_HINT_TABLE_H

#include "run.h"

#define HINT_SEEDS 3                        /* figures are means over so many seeds, from the options' on */
#define HINT_HONEST "honest"
#define HINT_AUTO "auto"
extern const char *const hint_liars[];      /* manners of speaking (speaker.c), NULL-terminated */

/* Where it jumps: seconds to 90 %, and hit ratio; where it is steady: own hit ratio, and the neighbour's. */
typedef struct HintFigures {
    double own, other;
} HintFigures;

/*
 * Run guests of @manner under @contender, with @params of its own (NULL: none): one whose hot set @jumps, or one that
 * stays as it is, beside a neighbour that says nothing. @options: scale, seed and so on.
 */
bool hint_measure(const char *contender, const char *params, const char *manner, bool jumps, const RunOptions *options,
                  HintFigures *figures, GError **errp);

/* Whether what was aimed at is reached. */
bool hint_reached(bool jumps, const HintFigures *with, const HintFigures *without);

/* All of it as a section of docs/results.md, to be freed with g_free(). */
char *hint_table_text(const RunOptions *options, GError **errp);

#endif /* VHOST_TIER_SIM_HINT_TABLE_H */
