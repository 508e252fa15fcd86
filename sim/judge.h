/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an experiment says of one contender, against the oracle that pays for its moves and against the
 * baselines. A baseline is what is neither an oracle nor this project ("vhost-tier...").
 */
#ifndef VHOST_TIER_SIM_JUDGE_H
#define VHOST_TIER_SIM_JUDGE_H

#include "experiment.h"

bool judge_is_ours(const Experiment *experiment, size_t contender);
bool judge_is_baseline(const Experiment *experiment, size_t contender);

/*
 * How far a cell lies behind the oracle that pays, as a share of accesses: the hits it lacks; below 0, those
 * it has more. More hits that make the guests slower than under the oracle (tier 0 is overloaded) count as
 * distance, too.
 */
double judge_lag(const Experiment *experiment, size_t row, size_t share, size_t contender);
/* The same, mean over all shares of a row; and over all rows. */
double judge_row_lag(const Experiment *experiment, size_t row, size_t contender);
double judge_mean_lag(const Experiment *experiment, size_t contender);

typedef struct JudgeWorst {
    double value;
    size_t row, share;
} JudgeWorst;

/* The largest lag of all cells. */
JudgeWorst judge_worst_lag(const Experiment *experiment, size_t contender);
/* The baseline with the least lag in a row. */
size_t judge_best_baseline(const Experiment *experiment, size_t row);
/* The row in which it is the farthest behind that row's best baseline, and by how much; share is not set. */
JudgeWorst judge_worst_behind(const Experiment *experiment, size_t contender);

/*
 * Time to 90 % after changes in a row, mean over the shares; NaN where there was none. For baselines only
 * where what it then comes to lies within JUDGE_NEAR of the oracle: to stay away from a good placement is no
 * quick way.
 */
double judge_time_to_90(const Experiment *experiment, size_t row, size_t contender);
/* The quickest such baseline; the number of contenders: there is none. */
size_t judge_quickest_baseline(const Experiment *experiment, size_t row);

#define JUDGE_NEAR 0.08

/* Mean of the undone share over all cells of a row. */
double judge_undone(const Experiment *experiment, size_t row, size_t contender);

/* The most time that any guest but hostile ones was below its floor, over all cells of a row. */
double judge_below_floor(const Experiment *experiment, size_t row, size_t contender);
/* Mean over the shares of the slowdown of all guests together. */
double judge_slowdown(const Experiment *experiment, size_t row, size_t contender);

/* By how much slowdowns of guests of the same name differ between two rows. */
typedef struct JudgeDifference {
    double worse, better;       /* the most by which one of them is slower, and faster, in the first; 0: none is */
    const char *guest;          /* which is slower by that; NULL: none */
    size_t share;               /* and where, */
    double doubt;               /* and its standard error; NaN with one seed */
    double mean;                /* of how far all are apart, whichever way */
} JudgeDifference;

/* Over guests that are not hostile and all shares, each the mean of its seeds. Names are the rows'. */
JudgeDifference judge_difference(const Experiment *experiment, size_t row, size_t other, size_t contender);

/*
 * Mean error of predictions made in each cell of a row for the other shares, against what was measured there:
 * of the slowdown and of the hit ratio. NaN: there were none.
 */
void judge_predictions(const Experiment *experiment, size_t row, size_t contender, double *slowdown,
                       double *hit_ratio);

#endif /* VHOST_TIER_SIM_JUDGE_H */
