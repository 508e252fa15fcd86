/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An experiment: rows x shares of tier 0 x contenders x seeds, each cell a run of its own, in as many threads
 * as there are cores. What comes of it does not depend on how many these are.
 */
#ifndef VHOST_TIER_SIM_EXPERIMENT_H
#define VHOST_TIER_SIM_EXPERIMENT_H

#include "run.h"

typedef struct ExperimentShare {
    char *name;                     /* as the user wrote it: "1:4", "20%" */
    double share;
} ExperimentShare;

typedef struct ExperimentContender {
    char *label;                    /* as the user wrote it: "hemem:hot_reads=4" */
    const ContenderClass *class;
    char *params;                   /* or NULL */
} ExperimentContender;

typedef struct Experiment {
    GPtrArray *rows;                /* const Scenario */
    GArray *shares;                 /* ExperimentShare */
    GArray *contenders;             /* ExperimentContender */
    size_t n_seeds;                 /* options.seed and those that follow */
    RunOptions options;             /* fast_share and seed are each run's own */
    RunResult *results;             /* see experiment_result(); NULL: not run yet */
} Experiment;

Experiment *experiment_new(void);
void experiment_free(Experiment *experiment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Experiment, experiment_free)

/* Add what the user named; false, with an error that says what is allowed, where that can't be. */
bool experiment_add_row(Experiment *experiment, const char *name, GError **errp);
/* "1:4" (fast : slow) or "20%". */
bool experiment_add_share(Experiment *experiment, const char *text, GError **errp);
/* "hemem" or "hemem:key=value,key=value". */
bool experiment_add_contender(Experiment *experiment, const char *text, GError **errp);
/* All rows, all six shares of the table, all contenders; of what nothing was named. */
void experiment_add_rest(Experiment *experiment);

/*
 * Run all in @threads threads (0: one for each core). On failure false, with the first error in the order of
 * rows, shares, contenders, seeds. With @progress, tell stderr how far it is.
 */
bool experiment_run(Experiment *experiment, unsigned threads, bool progress, GError **errp);

/* The result of one run. */
const RunResult *experiment_result(const Experiment *experiment, size_t row, size_t share, size_t contender,
                                   size_t seed);
/*
 * The same with each number the mean over the seeds that have one; 'points' and 'guests' are those of
 * the first.
 */
RunResult experiment_mean(const Experiment *experiment, size_t row, size_t share, size_t contender);

static inline const Scenario *experiment_row(const Experiment *experiment, size_t i)
{
    return g_ptr_array_index(experiment->rows, i);
}

static inline const ExperimentShare *experiment_share(const Experiment *experiment, size_t i)
{
    return &g_array_index(experiment->shares, ExperimentShare, i);
}

static inline const ExperimentContender *experiment_contender(const Experiment *experiment, size_t i)
{
    return &g_array_index(experiment->contenders, ExperimentContender, i);
}

/* The place of a row among the experiment's rows; their number: it is not there. */
size_t experiment_find_row(const Experiment *experiment, const char *name);
/* The place of a contender class among the experiment's contenders; their number: it is not there. */
size_t experiment_find(const Experiment *experiment, const char *class_name);

#endif /* VHOST_TIER_SIM_EXPERIMENT_H */
