/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hints do: how fast an honest guest is followed, and what a guest gains that lies, and its neighbour loses.
 */
#ifndef VHOST_TIER_SIM_HINT_TABLE_H
#define VHOST_TIER_SIM_HINT_TABLE_H

#include "run.h"

#define HINT_SEEDS 3                        /* figures are means over so many seeds, from the options' on */
#define HINT_HONEST "honest"
extern const char *const hint_liars[];      /* manners of speaking (speaker.c), NULL-terminated */

/* Of the honest: seconds to 90 %, and hit ratio; of liars: own hit ratio, and the neighbour's. */
typedef struct HintFigures {
    double own, other;
} HintFigures;

/* Run guests of @manner under @contender, with @params of its own (NULL: none). @options: scale, seed and so on. */
bool hint_measure(const char *contender, const char *params, const char *manner, const RunOptions *options,
                  HintFigures *figures, GError **errp);

/* Whether what was aimed at is reached. */
bool hint_reached(const char *manner, const HintFigures *with, const HintFigures *without);

/* All of it as a section of docs/results.md, to be freed with g_free(). */
char *hint_table_text(const RunOptions *options, GError **errp);

#endif /* VHOST_TIER_SIM_HINT_TABLE_H */
