/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plots as PNG and SVG files: lines over two axes, and matrices as colours.
 *
 * A plot is filled in, drawn and freed. Texts and data are copied. Values that are no number, beyond
 * 1e100, or not above 0 on a logarithmic axis are left out: a line is broken there, a cell of a matrix is
 * grey. Colours are told apart by the colour-blind, too.
 */
#ifndef PLOT_PLOT_H
#define PLOT_PLOT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Plot Plot;

/* How numbers along an axis are written. */
typedef enum PlotUnit {
    PLOT_NUMBER,                /* 0.5, 200, 3 k, 1.5 M */
    PLOT_SHARE,                 /* 0.25 is 25 % */
    PLOT_BYTES,                 /* 1073741824 is 1 GiB */
} PlotUnit;

typedef struct PlotAxis {
    const char *label;          /* or NULL */
    PlotUnit unit;
    bool logarithmic;
    double min, max;            /* both equal: as the data ask for */
} PlotAxis;

typedef enum PlotStyle {
    PLOT_LINE,
    PLOT_DASHES,
    PLOT_POINTS,
} PlotStyle;

typedef enum PlotColours {
    PLOT_COLOURS_HEAT,          /* from dark (little) to bright (much) */
    PLOT_COLOURS_TWO,           /* from blue by pale to orange: how much of two things */
} PlotColours;

/* A matrix: the value at column c, row r is values[c * rows + r]; row 0 is the lowest. */
typedef struct PlotHeat {
    size_t columns, rows;
    const double *values;
    PlotColours colours;
    PlotAxis scale;             /* of the colours; drawn beside the matrix */
} PlotHeat;

#define PLOT_WIDTH 800          /* of a picture, in points; a point is PLOT_PNG_SCALE pixels of a PNG */
#define PLOT_HEIGHT 480         /* of a plot that is alone */
#define PLOT_PANEL_HEIGHT 320   /* of one of several */
#define PLOT_PNG_SCALE 2
#define PLOT_MAX_PANELS 16

/* A plot without data, to be freed with plot_free(). */
Plot *plot_new(const char *title, const PlotAxis *x, const PlotAxis *y);
void plot_free(Plot *plot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plot, plot_free)

/* Add a series of @n points; @label, or NULL, is its name in the legend. */
void plot_line(Plot *plot, const char *label, const double *x, const double *y, size_t n, PlotStyle style);
/* Mark one place of the x axis by an upright line. */
void plot_mark(Plot *plot, const char *label, double x);
/*
 * Show a matrix (the last one given) that covers both axes from end to end; their ranges must be given then,
 * and be linear.
 */
void plot_heat(Plot *plot, const PlotHeat *heat);

/*
 * Draw @plot to the file at @path, by its suffix a PNG or an SVG; what was there is replaced, and kept where
 * that fails. False then, with an error that names the file and the reason.
 */
bool plot_write(const Plot *plot, const char *path, GError **errp);
/* The same of @n plots (at most PLOT_MAX_PANELS), one below the other in one picture. */
bool plot_write_panels(const Plot *const *plots, size_t n, const char *path, GError **errp);
/* Whether plot_write() can write a file of such a name; to be asked before the work is done. */
bool plot_check_path(const char *path, GError **errp);

#endif /* PLOT_PLOT_H */
