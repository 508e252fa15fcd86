/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How busy a VM is, by its own measure; and how much its idling may say about its heat.
 *
 * Theory of operation
 *
 * A VM that has next to nothing to do touches next to nothing, and then all its pages look cold alike. To
 * learn that would be to forget which of them are hot when it works, and its next burst would find planner
 * and heat empty-handed. So what evidence finds is held against what the heat known so far makes likely, over
 * all pages that it is about. A hot set that moves elsewhere is touched as often as before; only where far
 * fewer touches are found than expected, in all, is the VM quiet. Then evidence counts for as much less: of
 * so many reports one is taken in. What was hot stays so for long, but not for ever, should the VM have come
 * to do less for good.
 */
#ifndef VHOST_TIER_CORE_ACTIVITY_H
#define VHOST_TIER_CORE_ACTIVITY_H

#include "blocks.h"

/* Words of 8 bytes only: a trace keeps it as it is. */
typedef struct Activity {
    uint64_t epoch;                 /* to which the sums were aged */
    double expected;                /* pages that should have been found touched lately, */
    double found;                   /* and those that were */
    double credit;                  /* of reports left out, what is owed */
    uint64_t quiet;                 /* 1: fewer are found than a part of those expected */
} Activity;

/* The chance that a page is touched in an interval, by log2 of the touches expected in it. */
typedef struct ActivityTable {
    double touched[64];
} ActivityTable;

void activity_table_init(ActivityTable *table, const LogTables *logs);

/*
 * Hold the evidence of access bits, or of a rate, as heat_add_bits() and heat_add_rate() take it, against
 * what is known. Returns whether it is to be taken in.
 */
bool activity_bits(Activity *activity, const ActivityTable *table, const HeatModel *model, HeatMap *map,
                   size_t first, size_t n, const uint64_t *accessed, uint64_t interval_ns);
bool activity_rate(Activity *activity, const ActivityTable *table, const HeatModel *model, HeatMap *map,
                   size_t first, size_t n, double per_s, uint64_t exposure_ns);
/* Whether values taken from outside can be used. */
bool activity_valid(const Activity *activity);

#endif /* VHOST_TIER_CORE_ACTIVITY_H */
