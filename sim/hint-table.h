/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hints do: how fast an honest guest is followed, and what a guest gains that lies, and its neighbour loses.
 */
#ifndef VHOST_TIER_SIM_HINT_TABLE_H
#define VHOST_TIER_SIM_HINT_TABLE_H

#include "run.h"

/* One of our contenders, with the hints of a guest and without. */
typedef struct HintRow {
    const char *contender;
    const char *manner;             /* in which the guest speaks (speaker.c) */
    double with[2], without[2];     /* the honest: seconds to 90 %, hit ratio; liars: own hit ratio, the neighbour's */
} HintRow;

#define HINT_HONEST "honest"
extern const char *const hint_liars[];      /* manners, NULL-terminated */

/* Run guests of @manner under @contender, with hints taken and not. @options: scale, seed and so on. */
bool hint_row_run(const char *contender, const char *manner, const RunOptions *options, HintRow *row, GError **errp);

/* Whether it reaches what was aimed at; and that in words. */
bool hint_row_reached(const HintRow *row);

/* All rows as a section of docs/results.md, to be freed with g_free(). */
char *hint_table_text(const RunOptions *options, GError **errp);

#endif /* VHOST_TIER_SIM_HINT_TABLE_H */
