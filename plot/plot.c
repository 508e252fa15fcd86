/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plot as it is filled in; see plot.h.
 */
#include "plot-internal.h"

#include <math.h>

/* What cairo draws must be UTF-8. */
static char *text_of(const char *text)
{
    return text ? g_utf8_make_valid(text, -1) : NULL;
}

static PlotAxis axis_copy(const PlotAxis *axis)
{
    PlotAxis copy = *axis;

    copy.label = text_of(axis->label);
    return copy;
}

static void axis_clear(PlotAxis *axis)
{
    g_free((char *)axis->label);
}

static void heat_clear(PlotHeat *heat)
{
    g_free((double *)heat->values);
    axis_clear(&heat->scale);
    *heat = (PlotHeat) { 0 };
}

static void series_clear(void *data)
{
    Series *series = data;

    g_free(series->label);
    g_free(series->x);
    g_free(series->y);
}

static void mark_clear(void *data)
{
    g_free(((Mark *)data)->label);
}

Plot *plot_new(const char *title, const PlotAxis *x, const PlotAxis *y)
{
    Plot *plot = g_new0(Plot, 1);

    plot->title = text_of(title);
    plot->x = axis_copy(x);
    plot->y = axis_copy(y);
    plot->series = g_array_new(FALSE, FALSE, sizeof(Series));
    g_array_set_clear_func(plot->series, series_clear);
    plot->marks = g_array_new(FALSE, FALSE, sizeof(Mark));
    g_array_set_clear_func(plot->marks, mark_clear);
    return plot;
}

void plot_free(Plot *plot)
{
    if (plot) {
        g_free(plot->title);
        axis_clear(&plot->x);
        axis_clear(&plot->y);
        heat_clear(&plot->heat);
        g_array_unref(plot->series);
        g_array_unref(plot->marks);
        g_free(plot);
    }
}

void plot_line(Plot *plot, const char *label, const double *x, const double *y, size_t n, PlotStyle style)
{
    const Series series = {
        .label = text_of(label),
        .x = g_memdup2(x, n * sizeof(*x)),
        .y = g_memdup2(y, n * sizeof(*y)),
        .n = n,
        .style = style,
    };

    g_array_append_val(plot->series, series);
}

void plot_mark(Plot *plot, const char *label, double x)
{
    const Mark mark = { .label = text_of(label), .x = x };

    g_array_append_val(plot->marks, mark);
}

void plot_heat(Plot *plot, const PlotHeat *heat)
{
    g_assert(heat->columns > 0 && heat->rows > 0 && heat->columns <= G_MAXSIZE / sizeof(double) / heat->rows);
    heat_clear(&plot->heat);
    plot->heat = *heat;
    plot->heat.values = g_memdup2(heat->values, heat->columns * heat->rows * sizeof(double));
    plot->heat.scale = axis_copy(&heat->scale);
}
