/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An experiment: a matrix of runs.
 */
#include "experiment.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

/* One run of it. */
typedef struct Cell {
    size_t row, share, contender, seed;
    RunResult *result;
    GError *error;
} Cell;

typedef struct Pool {
    Experiment *experiment;
    double *shares; /* each run is asked what it expects of the others */
    size_t n_cells;
    bool progress;
    GMutex lock; /* of 'done' and what is told */
    size_t done;
} Pool;

static const char *const table_shares[] = {"1:1", "1:2", "1:4", "1:8", "1:16", "20%"};

static void share_clear(void *share)
{
    g_free(((ExperimentShare *)share)->name);
}

static void contender_clear(void *contender)
{
    g_free(((ExperimentContender *)contender)->label);
    g_free(((ExperimentContender *)contender)->params);
}

Experiment *experiment_new(void)
{
    Experiment *experiment = g_new0(Experiment, 1);

    experiment->rows = g_ptr_array_new();
    experiment->shares = g_array_new(false, false, sizeof(ExperimentShare));
    g_array_set_clear_func(experiment->shares, share_clear);
    experiment->contenders = g_array_new(false, false, sizeof(ExperimentContender));
    g_array_set_clear_func(experiment->contenders, contender_clear);
    experiment->n_seeds = 1;
    run_options_default(&experiment->options);
    return experiment;
}

static size_t count_cells(const Experiment *experiment)
{
    return (size_t)experiment->rows->len * experiment->shares->len * experiment->contenders->len *
           experiment->n_seeds;
}

void experiment_free(Experiment *experiment)
{
    for (size_t i = 0; experiment->results && i < count_cells(experiment); i++) {
        run_result_clear(&experiment->results[i]);
    }
    g_free(experiment->results);
    g_ptr_array_unref(experiment->rows);
    g_array_unref(experiment->shares);
    g_array_unref(experiment->contenders);
    g_free(experiment);
}

/* --- what is in it --- */

bool experiment_add_row(Experiment *experiment, const char *name, GError **errp)
{
    const Scenario *row = scenario_find(name, errp);

    if (row) {
        g_ptr_array_add(experiment->rows, (void *)row);
    }
    return row;
}

/* A positive number that ends at @end's character. */
static bool read_positive(const char *text, double *value, char **end)
{
    *value = g_ascii_strtod(text, end);
    return *end != text && isfinite(*value) && *value > 0;
}

static double read_share(const char *text)
{
    char *end = NULL;
    double first, second;

    if (!read_positive(text, &first, &end)) {
        return 0;
    }
    if (g_str_equal(end, "%")) {
        return first / 100;
    }
    if (*end == ':' && read_positive(end + 1, &second, &end) && *end == '\0') {
        return first / (first + second);
    }
    return 0;
}

bool experiment_add_share(Experiment *experiment, const char *text, GError **errp)
{
    ExperimentShare share = {.share = read_share(text)};

    if (!(share.share > 0 && share.share <= 1)) {
        g_set_error(
            errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
            "'%s' is no share of tier 0; write FAST:SLOW, as 1:4, or a percentage above 0 and up to 100, as "
            "20%%",
            text);
        return false;
    }
    share.name = g_strdup(text);
    g_array_append_val(experiment->shares, share);
    return true;
}

bool experiment_add_contender(Experiment *experiment, const char *text, GError **errp)
{
    const char *colon = strchr(text, ':');
    g_autofree char *name = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    ExperimentContender contender = {.class = contender_find(name, errp)};

    if (!contender.class) {
        return false;
    }
    contender.label = g_strdup(text);
    contender.params = colon ? g_strdup(colon + 1) : NULL;
    g_array_append_val(experiment->contenders, contender);
    return true;
}

void experiment_add_rest(Experiment *experiment)
{
    if (experiment->rows->len == 0) {
        for (const Scenario *row = scenarios; row->name; row++) {
            experiment_add_row(experiment, row->name, NULL);
        }
    }
    if (experiment->shares->len == 0) {
        for (size_t i = 0; i < G_N_ELEMENTS(table_shares); i++) {
            experiment_add_share(experiment, table_shares[i], NULL);
        }
    }
    if (experiment->contenders->len == 0) {
        for (size_t i = 0; contender_classes[i]; i++) {
            experiment_add_contender(experiment, contender_classes[i]->name, NULL);
        }
    }
}

size_t experiment_find_row(const Experiment *experiment, const char *name)
{
    size_t row = 0;

    while (row < experiment->rows->len && !g_str_equal(experiment_row(experiment, row)->name, name)) {
        row++;
    }
    return row;
}

size_t experiment_find(const Experiment *experiment, const char *class_name)
{
    size_t i = 0;

    while (i < experiment->contenders->len &&
           !g_str_equal(experiment_contender(experiment, i)->class->name, class_name)) {
        i++;
    }
    return i;
}

/* --- running --- */

static RunResult *result_at(const Experiment *experiment, size_t row, size_t share, size_t contender,
                            size_t seed)
{
    size_t at = (row * experiment->shares->len + share) * experiment->contenders->len + contender;

    return &experiment->results[at * experiment->n_seeds + seed];
}

static void tell(Pool *pool, const Cell *cell)
{
    g_mutex_lock(&pool->lock);
    pool->done++;
    if (pool->progress) {
        g_printerr("[%zu/%zu] %s %s %s\n", pool->done, pool->n_cells,
                   experiment_row(pool->experiment, cell->row)->name,
                   experiment_share(pool->experiment, cell->share)->name,
                   experiment_contender(pool->experiment, cell->contender)->label);
    }
    g_mutex_unlock(&pool->lock);
}

static void run_cell(void *data, void *opaque)
{
    Cell *cell = data;
    Pool *pool = opaque;
    const Experiment *experiment = pool->experiment;
    const ExperimentContender *contender = experiment_contender(experiment, cell->contender);
    RunOptions options = experiment->options;

    options.fast_share = experiment_share(experiment, cell->share)->share;
    options.seed += cell->seed;
    options.predict_shares = pool->shares;
    options.n_predict = experiment->shares->len;
    if (!run_scenario(experiment_row(experiment, cell->row), contender->class->name, contender->params,
                      &options, cell->result, &cell->error)) {
        g_prefix_error(&cell->error,
                       "row '%s', share %s, contender '%s': ", experiment_row(experiment, cell->row)->name,
                       experiment_share(experiment, cell->share)->name, contender->label);
    }
    tell(pool, cell);
}

static Cell *make_cells(const Experiment *experiment)
{
    Cell *cells = g_new0(Cell, count_cells(experiment)), *cell = cells;

    for (size_t row = 0; row < experiment->rows->len; row++) {
        for (size_t share = 0; share < experiment->shares->len; share++) {
            for (size_t contender = 0; contender < experiment->contenders->len; contender++) {
                for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
                    *cell++ = (Cell){
                        row, share, contender, seed, result_at(experiment, row, share, contender, seed),
                        NULL};
                }
            }
        }
    }
    return cells;
}

/* Whether each contender takes its parameters: better said before the runs than after them. */
static bool check_contenders(const Experiment *experiment, GError **errp)
{
    const MachineConfig config = {
        .n_tiers = 2,
        .capacity_bytes = {1 << 30, 1 << 30},
        .scale = 1,
        .costs = experiment->options.costs,
    };

    for (size_t i = 0; i < experiment->contenders->len; i++) {
        const ExperimentContender *what = experiment_contender(experiment, i);
        g_autoptr(Machine) machine = machine_new(&config);
        Contender *contender = what->class->create(what->params, machine, errp);

        if (!contender) {
            g_prefix_error(errp, "contender '%s': ", what->label);
            return false;
        }
        what->class->destroy(contender);
    }
    return true;
}

bool experiment_run(Experiment *experiment, unsigned threads, bool progress, GError **errp)
{
    Pool pool = {.experiment = experiment, .n_cells = count_cells(experiment), .progress = progress};
    g_autofree Cell *cells = NULL;
    g_autofree double *shares = NULL;
    GThreadPool *workers;
    bool good = true;

    if (!check_contenders(experiment, errp)) {
        return false;
    }
    experiment->results = g_new0(RunResult, pool.n_cells);
    pool.shares = shares = g_new(double, experiment->shares->len);
    for (size_t i = 0; i < experiment->shares->len; i++) {
        shares[i] = experiment_share(experiment, i)->share;
    }
    cells = make_cells(experiment);
    g_mutex_init(&pool.lock);
    workers = g_thread_pool_new(run_cell, &pool, threads ? (gint)threads : (gint)g_get_num_processors(), true,
                                errp);
    if (!workers) {
        return false;
    }
    for (size_t i = 0; i < pool.n_cells; i++) {
        g_thread_pool_push(workers, &cells[i], NULL);
    }
    g_thread_pool_free(workers, false, true);
    g_mutex_clear(&pool.lock);
    for (size_t i = 0; i < pool.n_cells; i++) {
        if (cells[i].error && good) {
            g_propagate_error(errp, g_steal_pointer(&cells[i].error));
            good = false;
        }
        g_clear_error(&cells[i].error);
    }
    return good;
}

/* --- results --- */

const RunResult *experiment_result(const Experiment *experiment, size_t row, size_t share, size_t contender,
                                   size_t seed)
{
    return result_at(experiment, row, share, contender, seed);
}

/* Where the numbers lie in a RunResult. */
static const size_t numbers[] = {
    offsetof(RunResult, hit_ratio),
    offsetof(RunResult, slowdown),
    offsetof(RunResult, moved_bytes_per_s),
    offsetof(RunResult, overhead_share),
    offsetof(RunResult, host_cpu_share),
    offsetof(RunResult, host_move_share),
    offsetof(RunResult, undone_share),
    offsetof(RunResult, time_to_90_s),
    offsetof(RunResult, metadata_per_granule),
    offsetof(RunResult, planner_ns_per_granule),
};

RunResult experiment_mean(const Experiment *experiment, size_t row, size_t share, size_t contender)
{
    RunResult mean = *result_at(experiment, row, share, contender, 0);

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        double sum = 0;
        size_t counted = 0;

        for (size_t seed = 0; seed < experiment->n_seeds; seed++) {
            const RunResult *result = result_at(experiment, row, share, contender, seed);
            double value = *(const double *)(const void *)((const char *)result + numbers[i]);

            if (!isnan(value)) {
                sum += value;
                counted++;
            }
        }
        *(double *)(void *)((char *)&mean + numbers[i]) = counted ? sum / (double)counted : NAN;
    }
    return mean;
}
