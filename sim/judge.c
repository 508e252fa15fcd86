/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an experiment says of one contender.
 */
#include "judge.h"

#include <math.h>
#include <string.h>

/* A mean of numbers, of which some may be none. */
typedef struct Mean {
    double sum;
    size_t n;
} Mean;

static void mean_add(Mean *mean, double value)
{
    if (!isnan(value)) {
        mean->sum += value;
        mean->n++;
    }
}

static double mean_of(const Mean *mean)
{
    return mean->n ? mean->sum / (double)mean->n : NAN;
}

bool judge_is_ours(const Experiment *experiment, size_t contender)
{
    return g_str_has_prefix(experiment_contender(experiment, contender)->class->name, "vhost-tier");
}

bool judge_is_baseline(const Experiment *experiment, size_t contender)
{
    return !judge_is_ours(experiment, contender) &&
           !experiment_contender(experiment, contender)->class->oracle;
}

/* --- how far behind --- */

double judge_lag(const Experiment *experiment, size_t row, size_t share, size_t contender)
{
    size_t paying = experiment_find(experiment, "oracle-paying");
    RunResult result = experiment_mean(experiment, row, share, contender), oracle;
    double lag;

    if (paying == experiment->contenders->len) {
        return NAN;
    }
    oracle = experiment_mean(experiment, row, share, paying);
    lag = oracle.hit_ratio - result.hit_ratio;
    return lag < 0 && result.slowdown > oracle.slowdown ? -lag : lag;
}

double judge_row_lag(const Experiment *experiment, size_t row, size_t contender)
{
    Mean mean = {0};

    for (size_t share = 0; share < experiment->shares->len; share++) {
        mean_add(&mean, judge_lag(experiment, row, share, contender));
    }
    return mean_of(&mean);
}

double judge_mean_lag(const Experiment *experiment, size_t contender)
{
    Mean mean = {0};

    for (size_t row = 0; row < experiment->rows->len; row++) {
        mean_add(&mean, judge_row_lag(experiment, row, contender));
    }
    return mean_of(&mean);
}

JudgeWorst judge_worst_lag(const Experiment *experiment, size_t contender)
{
    JudgeWorst worst = {.value = -INFINITY};

    for (size_t row = 0; row < experiment->rows->len; row++) {
        for (size_t share = 0; share < experiment->shares->len; share++) {
            double lag = judge_lag(experiment, row, share, contender);

            if (lag > worst.value) {
                worst = (JudgeWorst){lag, row, share};
            }
        }
    }
    return worst;
}

size_t judge_best_baseline(const Experiment *experiment, size_t row)
{
    size_t best = experiment->contenders->len;

    for (size_t i = 0; i < experiment->contenders->len; i++) {
        if (judge_is_baseline(experiment, i) &&
            (best == experiment->contenders->len ||
             judge_row_lag(experiment, row, i) < judge_row_lag(experiment, row, best))) {
            best = i;
        }
    }
    return best;
}

JudgeWorst judge_worst_behind(const Experiment *experiment, size_t contender)
{
    JudgeWorst worst = {.value = -INFINITY};

    for (size_t row = 0; row < experiment->rows->len; row++) {
        size_t best = judge_best_baseline(experiment, row);
        double behind = best < experiment->contenders->len
                            ? judge_row_lag(experiment, row, contender) - judge_row_lag(experiment, row, best)
                            : NAN;

        if (behind > worst.value) {
            worst = (JudgeWorst){.value = behind, .row = row};
        }
    }
    return worst;
}

/* --- after a change --- */

double judge_time_to_90(const Experiment *experiment, size_t row, size_t contender)
{
    Mean mean = {0};

    for (size_t share = 0; share < experiment->shares->len; share++) {
        if (!judge_is_baseline(experiment, contender) ||
            judge_lag(experiment, row, share, contender) <= JUDGE_NEAR) {
            mean_add(&mean, experiment_mean(experiment, row, share, contender).time_to_90_s);
        }
    }
    return mean_of(&mean);
}

size_t judge_quickest_baseline(const Experiment *experiment, size_t row)
{
    size_t best = experiment->contenders->len;
    double least = INFINITY;

    for (size_t i = 0; i < experiment->contenders->len; i++) {
        double seconds = judge_is_baseline(experiment, i) ? judge_time_to_90(experiment, row, i) : NAN;

        if (seconds < least) {
            least = seconds;
            best = i;
        }
    }
    return best;
}

double judge_undone(const Experiment *experiment, size_t row, size_t contender)
{
    Mean mean = {0};

    for (size_t share = 0; share < experiment->shares->len; share++) {
        mean_add(&mean, experiment_mean(experiment, row, share, contender).undone_share);
    }
    return mean_of(&mean);
}

/* --- several guests --- */

double judge_below_floor(const Experiment *experiment, size_t row, size_t contender)
{
    const Scenario *scenario = experiment_row(experiment, row);
    double most = 0;

    for (size_t share = 0; share < experiment->shares->len; share++) {
        for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
            const GArray *guests = experiment_result(experiment, row, share, contender, seed)->guests;

            for (guint i = 0; i < guests->len; i++) {
                if (!scenario->guests[i].hostile) {
                    most = MAX(most, g_array_index(guests, RunGuest, i).below_floor_share);
                }
            }
        }
    }
    return most;
}

double judge_slowdown(const Experiment *experiment, size_t row, size_t contender)
{
    Mean mean = {0};

    for (size_t share = 0; share < experiment->shares->len; share++) {
        mean_add(&mean, experiment_mean(experiment, row, share, contender).slowdown);
    }
    return mean_of(&mean);
}

/* The slowdown of a run's guest @name; NaN: there is none, or it did no work. */
static double guest_slowdown(const RunResult *result, const char *name)
{
    for (guint i = 0; i < result->guests->len; i++) {
        const RunGuest *guest = &g_array_index(result->guests, RunGuest, i);

        if (g_str_equal(guest->name, name)) {
            return guest->slowdown;
        }
    }
    return NAN;
}

/* By how much a guest is slower in @row than in @other: mean over the seeds, and its standard error. */
static double slower(const Experiment *experiment, size_t row, size_t other, size_t share, size_t contender,
                     const char *name, double *doubt)
{
    Mean mean = {0}, squares = {0};

    for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
        const double by = guest_slowdown(experiment_result(experiment, row, share, contender, seed), name) -
                          guest_slowdown(experiment_result(experiment, other, share, contender, seed), name);

        mean_add(&mean, by);
        mean_add(&squares, by * by);
    }
    *doubt = sqrt(fmax(mean_of(&squares) - pow(mean_of(&mean), 2), 0) / ((double)mean.n - 1));
    return mean_of(&mean);
}

JudgeDifference judge_difference(const Experiment *experiment, size_t row, size_t other, size_t contender)
{
    const Scenario *scenario = experiment_row(experiment, row);
    JudgeDifference difference = {0};
    Mean all = {0};

    for (size_t share = 0; share < experiment->shares->len; share++) {
        for (size_t i = 0; i < scenario->n_guests; i++) {
            const char *name = scenario->guests[i].config.name;
            double doubt, apart = slower(experiment, row, other, share, contender, name, &doubt);

            if (scenario->guests[i].hostile) {
                continue;
            }
            if (apart > difference.worse) {
                difference.worse = apart;
                difference.doubt = doubt;
                difference.guest = name;
                difference.share = share;
            }
            difference.better = fmax(difference.better, -apart);
            mean_add(&all, fabs(apart));
        }
    }
    difference.mean = mean_of(&all);
    return difference;
}

/* --- predictions --- */

void judge_predictions(const Experiment *experiment, size_t row, size_t contender, double *slowdown,
                       double *hit_ratio)
{
    Mean slowdowns = {0}, hit_ratios = {0};

    for (size_t from = 0; from < experiment->shares->len; from++) {
        const GArray *predictions = experiment_result(experiment, row, from, contender, 0)->predictions;

        for (size_t to = 0; to < predictions->len; to++) { /* in the order of the shares */
            const RunPrediction *prediction = &g_array_index(predictions, RunPrediction, to);
            const RunResult *there = experiment_result(experiment, row, to, contender, 0);

            if (to != from) {
                mean_add(&slowdowns, fabs(prediction->slowdown - there->slowdown));
                mean_add(&hit_ratios, fabs(prediction->hit_ratio - there->hit_ratio));
            }
        }
    }
    *slowdown = mean_of(&slowdowns);
    *hit_ratio = mean_of(&hit_ratios);
}
