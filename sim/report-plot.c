/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture: what plot/ draws.
 */
#include "report.h"

static void draw_over_time(Plot *plot, const Experiment *experiment, size_t row, size_t share,
                           size_t contender)
{
    const GArray *points = experiment_result(experiment, row, share, contender, 0)->points;
    g_autofree double *x = g_new(double, points->len);
    g_autofree double *y = g_new(double, points->len);
    const ExperimentContender *what = experiment_contender(experiment, contender);

    for (guint i = 0; i < points->len; i++) {
        const RunPoint *point = &g_array_index(points, RunPoint, i);

        x[i] = (double)point->now_ns / 1e9;
        y[i] = point->hit_ratio;
    }
    plot_line(plot, what->label, x, y, points->len, what->class->oracle ? PLOT_DASHES : PLOT_LINE);
}

static int compare_shares(const void *a, const void *b, void *opaque)
{
    double x = experiment_share(opaque, *(const size_t *)a)->share;
    double y = experiment_share(opaque, *(const size_t *)b)->share;

    return x < y ? -1 : x > y;
}

static void draw_over_shares(Plot *plot, Experiment *experiment, size_t row, size_t contender)
{
    size_t n = experiment->shares->len;
    g_autofree size_t *order = g_new(size_t, n);
    g_autofree double *x = g_new(double, n);
    g_autofree double *y = g_new(double, n);
    const ExperimentContender *what = experiment_contender(experiment, contender);

    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    g_qsort_with_data(order, (gint)n, sizeof(*order), compare_shares, experiment);
    for (size_t i = 0; i < n; i++) {
        x[i] = experiment_share(experiment, order[i])->share;
        y[i] = experiment_mean(experiment, row, order[i], contender).slowdown;
    }
    plot_line(plot, what->label, x, y, n, what->class->oracle ? PLOT_DASHES : PLOT_LINE);
}

Plot *report_plot_time(const Experiment *experiment, size_t row, size_t share)
{
    const PlotAxis time = {.label = "time, s"};
    const PlotAxis hits = {.label = "accesses that hit tier 0", .unit = PLOT_SHARE};
    g_autofree char *title = g_strdup_printf("%s, tier 0 %s", experiment_row(experiment, row)->name,
                                             experiment_share(experiment, share)->name);
    Plot *plot = plot_new(title, &time, &hits);

    for (size_t i = 0; i < experiment->contenders->len; i++) {
        draw_over_time(plot, experiment, row, share, i);
    }
    return plot;
}

Plot *report_plot_shares(const Experiment *experiment, size_t row)
{
    const PlotAxis shares = {.label = "tier 0, share of memory", .unit = PLOT_SHARE, .logarithmic = true};
    const PlotAxis slower = {.label = "slowdown against all in DRAM", .unit = PLOT_SHARE};
    Plot *plot = plot_new(experiment_row(experiment, row)->name, &shares, &slower);

    for (size_t i = 0; i < experiment->contenders->len; i++) {
        draw_over_shares(plot, (Experiment *)experiment, row, i);
    }
    return plot;
}

bool report_plot(const Experiment *experiment, const char *path, GError **errp)
{
    size_t n = MIN(experiment->rows->len, PLOT_MAX_PANELS);
    g_autoptr(GPtrArray) plots = g_ptr_array_new_with_free_func((GDestroyNotify)plot_free);

    for (size_t row = 0; row < n; row++) {
        g_ptr_array_add(plots, experiment->shares->len > 1 ? report_plot_shares(experiment, row)
                                                           : report_plot_time(experiment, row, 0));
    }
    if (n == 1) {
        return plot_write(g_ptr_array_index(plots, 0), path, errp);
    }
    return plot_write_panels((const Plot *const *)(const void *)plots->pdata, n, path, errp);
}
