/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the plot library share: the plot as it was filled in, axes with their ticks, colours.
 */
#ifndef PLOT_PLOT_INTERNAL_H
#define PLOT_PLOT_INTERNAL_H

#include <cairo.h>
#include <stdint.h>

#include "plot.h"

#define AXIS_MAX_TICKS 32

typedef struct Series {
    char *label;                /* or NULL */
    double *x, *y;
    size_t n;
    PlotStyle style;
} Series;

typedef struct Mark {
    char *label;
    double x;
} Mark;

struct Plot {
    char *title;
    PlotAxis x, y;              /* own their labels */
    GArray *series;             /* of Series */
    GArray *marks;              /* of Mark */
    PlotHeat heat;              /* owns its values and label; values NULL: none */
};

/* An axis as it is drawn: a range with something in it, and where its ticks lie. */
typedef struct Axis {
    PlotUnit unit;
    bool logarithmic;
    double min, max;
    size_t n_ticks;
    double ticks[AXIS_MAX_TICKS];
    double step;                /* between two ticks; on a logarithmic axis not used */
} Axis;

/* --- axis.c --- */
/*
 * Lay @axis out as @asked, from the data's range (@low above @high: there are none); a range that was not
 * asked for is widened to whole ticks where @round.
 */
void axis_init(Axis *axis, const PlotAxis *asked, double low, double high, bool round);
/* Whether @value can be shown at all, on such an axis. */
bool value_shows(double value, bool logarithmic);
bool axis_shows(const Axis *axis, double value);
/* Where @value lies, from 0 at the axis's beginning to 1 at its end. */
double axis_place(const Axis *axis, double value);
/* A tick's text; the caller frees it. */
char *axis_text(const Axis *axis, double value);

/* --- colours.c --- */
typedef struct Rgb {
    double r, g, b;
} Rgb;
#define SERIES_COLOURS 7u /* then they come again */
Rgb colour_of_series(size_t index);
/* The colour at @place (0..1) of a scale. */
Rgb colour_of_scale(PlotColours colours, double place);

/* --- draw.c --- */
/* Draw @n plots, one below the other, each @height points high. */
void draw_panels(cairo_t *cr, const Plot *const *plots, size_t n, double height);

#endif /* PLOT_PLOT_INTERNAL_H */
