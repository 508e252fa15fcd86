/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drawing plots with cairo.
 *
 *   title
 *   +---------------+
 *   |               |  legend, or the scale of colours
 *   |     area      |
 *   +---------------+
 *    ticks, x label
 *
 * The areas of panels one below the other lie in line: their margins are the widest that any of them needs.
 */
#include "plot-internal.h"

#include <math.h>

#define FONT         "sans-serif"
#define TEXT_SIZE    12.0
#define TITLE_SIZE   15.0
#define GAP          8.0
#define TOP          38.0       /* above the area */
#define BOTTOM       50.0       /* below it */
#define LINE_HEIGHT  18.0       /* of the legend */
#define SAMPLE       22.0       /* length of a line in the legend */
#define BAR          16.0       /* width of the scale of colours */
#define LEGEND_MAX   260.0      /* the area is not made narrower for longer names */

static const Rgb ink = { 0.13, 0.13, 0.13 };
static const Rgb faint = { 0.88, 0.88, 0.88 };
static const Rgb middle = { 0.45, 0.45, 0.45 };
static const Rgb nothing = { 0.80, 0.80, 0.80 };      /* a cell of which nothing is known */

/* A plot with all that is worked out of it. */
typedef struct Panel {
    const Plot *plot;
    Axis x, y, scale;
    double left, right;         /* margins */
    double ax, ay, aw, ah;      /* the area */
} Panel;

static void colour(cairo_t *cr, Rgb c)
{
    cairo_set_source_rgb(cr, c.r, c.g, c.b);
}

static double text_width(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;

    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

/* @text at (@x, @y), its middle line; @align 0: begins there, 0.5: centred, 1: ends there. */
static void draw_text(cairo_t *cr, const char *text, double x, double y, double align)
{
    cairo_font_extents_t font;

    cairo_font_extents(cr, &font);
    cairo_move_to(cr, x - align * text_width(cr, text), y + (font.ascent - font.descent) / 2);
    cairo_show_text(cr, text);
}

/* The same, turned to run upwards. */
static void draw_text_up(cairo_t *cr, const char *text, double x, double y, double align)
{
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, -G_PI / 2);
    draw_text(cr, text, 0, 0, align);
    cairo_restore(cr);
}

static void line(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

/* --- layout --- */

static void widen(double *low, double *high, const PlotAxis *asked, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value_shows(values[i], asked->logarithmic)) {
            *low = MIN(*low, values[i]);
            *high = MAX(*high, values[i]);
        }
    }
}

static void lay_axes(Panel *panel)
{
    const Plot *plot = panel->plot;
    double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;

    for (guint i = 0; i < plot->series->len; i++) {
        const Series *series = &g_array_index(plot->series, Series, i);

        widen(&low_x, &high_x, &plot->x, series->x, series->n);
        widen(&low_y, &high_y, &plot->y, series->y, series->n);
    }
    for (guint i = 0; i < plot->marks->len; i++) {
        widen(&low_x, &high_x, &plot->x, &g_array_index(plot->marks, Mark, i).x, 1);
    }
    axis_init(&panel->x, &plot->x, low_x, high_x, false);
    axis_init(&panel->y, &plot->y, low_y, high_y, true);
    if (plot->heat.values) {
        low_y = INFINITY;
        high_y = -INFINITY;
        widen(&low_y, &high_y, &plot->heat.scale, plot->heat.values, plot->heat.columns * plot->heat.rows);
        axis_init(&panel->scale, &plot->heat.scale, low_y, high_y, false);
    }
}

static double ticks_width(cairo_t *cr, const Axis *axis)
{
    double width = 0;

    for (size_t i = 0; i < axis->n_ticks; i++) {
        g_autofree char *text = axis_text(axis, axis->ticks[i]);

        width = MAX(width, text_width(cr, text));
    }
    return width;
}

static double legend_width(cairo_t *cr, const Plot *plot)
{
    double width = 0;

    for (guint i = 0; i < plot->series->len; i++) {
        const char *label = g_array_index(plot->series, Series, i).label;

        width = label ? MAX(width, text_width(cr, label)) : width;
    }
    return width > 0 ? MIN(width + SAMPLE + GAP, LEGEND_MAX) : 0;
}

static void lay_margins(cairo_t *cr, Panel *panel)
{
    const Plot *plot = panel->plot;

    panel->left = 2 * GAP + ticks_width(cr, &panel->y) + (plot->y.label ? TEXT_SIZE + GAP : 0);
    panel->right = 3 * GAP + legend_width(cr, plot);
    if (plot->heat.values) {
        panel->right = 5 * GAP + BAR + ticks_width(cr, &panel->scale) +
                       (plot->heat.scale.label ? TEXT_SIZE + GAP : 0);
    }
}

static double place_x(const Panel *panel, double value)
{
    return panel->ax + axis_place(&panel->x, value) * panel->aw;
}

static double place_y(const Panel *panel, double value)
{
    return panel->ay + (1 - axis_place(&panel->y, value)) * panel->ah;
}

/* --- parts --- */

static void draw_grid(cairo_t *cr, const Panel *panel)
{
    cairo_set_line_width(cr, 1);
    colour(cr, faint);
    for (size_t i = 0; i < panel->x.n_ticks; i++) {
        const double x = place_x(panel, panel->x.ticks[i]);

        line(cr, x, panel->ay, x, panel->ay + panel->ah);
    }
    for (size_t i = 0; i < panel->y.n_ticks; i++) {
        const double y = place_y(panel, panel->y.ticks[i]);

        line(cr, panel->ax, y, panel->ax + panel->aw, y);
    }
}

/* Texts of the x axis, as many as have room beside each other. */
static void draw_x_ticks(cairo_t *cr, const Panel *panel)
{
    double free_from = -INFINITY;

    for (size_t i = 0; i < panel->x.n_ticks; i++) {
        g_autofree char *text = axis_text(&panel->x, panel->x.ticks[i]);
        const double x = place_x(panel, panel->x.ticks[i]), half = text_width(cr, text) / 2;

        if (x - half > free_from) {
            draw_text(cr, text, x, panel->ay + panel->ah + GAP + TEXT_SIZE / 2, 0.5);
            free_from = x + half + GAP;
        }
    }
}

static void draw_frame(cairo_t *cr, const Panel *panel, double top)
{
    const Plot *plot = panel->plot;
    const double bottom = panel->ay + panel->ah;

    colour(cr, middle);
    cairo_set_line_width(cr, 1);
    line(cr, panel->ax, bottom, panel->ax + panel->aw, bottom);
    line(cr, panel->ax, panel->ay, panel->ax, bottom);
    colour(cr, ink);
    draw_x_ticks(cr, panel);
    for (size_t i = 0; i < panel->y.n_ticks; i++) {
        g_autofree char *text = axis_text(&panel->y, panel->y.ticks[i]);

        draw_text(cr, text, panel->ax - GAP, place_y(panel, panel->y.ticks[i]), 1);
    }
    if (plot->x.label) {
        draw_text(cr, plot->x.label, panel->ax + panel->aw / 2, bottom + 2.5 * GAP + TEXT_SIZE, 0.5);
    }
    if (plot->y.label) {
        draw_text_up(cr, plot->y.label, GAP + TEXT_SIZE / 2, panel->ay + panel->ah / 2, 0.5);
    }
    if (plot->title) {
        cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
        cairo_set_font_size(cr, TITLE_SIZE);
        draw_text(cr, plot->title, panel->ax, top + TOP / 2, 0);
        cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
        cairo_set_font_size(cr, TEXT_SIZE);
    }
}

/* Set colour and dashes of series @index. More series than colours differ by their dashes. */
static void set_pen(cairo_t *cr, size_t index, PlotStyle style)
{
    const double dashes[] = {6, 4}, dots[] = {2, 2}, both[] = {6, 3, 2, 3};
    bool again = index >= SERIES_COLOURS;

    colour(cr, colour_of_series(index));
    cairo_set_line_width(cr, 2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    if (style == PLOT_DASHES) {
        cairo_set_dash(cr, again ? both : dashes, again ? 4 : 2, 0);
    } else {
        cairo_set_dash(cr, dots, again ? 2 : 0, 0);
    }
}

static void dot(cairo_t *cr, double x, double y)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, 3.5, 0, 2 * G_PI);
    cairo_fill(cr);
}

static void draw_series(cairo_t *cr, const Panel *panel, size_t index)
{
    const Series *series = &g_array_index(panel->plot->series, Series, index);
    bool drawing = false;

    set_pen(cr, index, series->style);
    for (size_t i = 0; i < series->n; i++) {
        double x, y;

        if (!axis_shows(&panel->x, series->x[i]) || !axis_shows(&panel->y, series->y[i])) {
            drawing = false;
            continue;
        }
        x = place_x(panel, series->x[i]);
        y = place_y(panel, series->y[i]);
        if (series->style == PLOT_POINTS) {
            dot(cr, x, y);
        } else if (drawing) {
            cairo_line_to(cr, x, y);
        } else {
            cairo_move_to(cr, x, y);
            drawing = true;
        }
    }
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

static void draw_legend(cairo_t *cr, const Panel *panel)
{
    const double x = panel->ax + panel->aw + 2 * GAP;
    double y = panel->ay + LINE_HEIGHT / 2;

    for (guint i = 0; i < panel->plot->series->len; i++) {
        const Series *series = &g_array_index(panel->plot->series, Series, i);

        if (!series->label) {
            continue;
        }
        set_pen(cr, i, series->style);
        if (series->style == PLOT_POINTS) {
            dot(cr, x + SAMPLE / 2, y);
        } else {
            line(cr, x, y, x + SAMPLE, y);
        }
        cairo_set_dash(cr, NULL, 0, 0);
        colour(cr, ink);
        draw_text(cr, series->label, x + SAMPLE + GAP, y, 0);
        y += LINE_HEIGHT;
    }
}

/*
 * The names of all marks that lie so near to mark @index that theirs would lie on each other; none but at
 * the first.
 */
static char *marks_label(const Panel *panel, guint index)
{
    const GArray *marks = panel->plot->marks;
    const double x = place_x(panel, g_array_index(marks, Mark, index).x);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < marks->len; i++) {
        const Mark *mark = &g_array_index(marks, Mark, i);

        if (!mark->label || !axis_shows(&panel->x, mark->x) ||
            fabs(place_x(panel, mark->x) - x) > TEXT_SIZE) {
            continue;
        }
        if (i < index) {
            g_string_truncate(text, 0);
            break;
        }
        g_string_append_printf(text, "%s%s", text->len ? ", " : "", mark->label);
    }
    return g_string_free(text, FALSE);
}

static void draw_marks(cairo_t *cr, const Panel *panel)
{
    const double dots[] = { 2, 3 };

    for (guint i = 0; i < panel->plot->marks->len; i++) {
        const Mark *mark = &g_array_index(panel->plot->marks, Mark, i);
        g_autofree char *label = NULL;
        double x;

        if (!axis_shows(&panel->x, mark->x)) {
            continue;
        }
        x = place_x(panel, mark->x);
        label = marks_label(panel, i);
        colour(cr, middle);
        cairo_set_line_width(cr, 1.5);
        cairo_set_dash(cr, dots, 2, 0);
        line(cr, x, panel->ay, x, panel->ay + panel->ah);
        cairo_set_dash(cr, NULL, 0, 0);
        draw_text_up(cr, label, x - TEXT_SIZE / 2 - 2, panel->ay + panel->ah - GAP, 0);
    }
}

static uint32_t pixel(Rgb c)
{
    return (uint32_t)lround(c.r * 255) << 16 | (uint32_t)lround(c.g * 255) << 8 | (uint32_t)lround(c.b * 255);
}

static Rgb cell_colour(const Panel *panel, double value)
{
    const PlotHeat *heat = &panel->plot->heat;

    if (!axis_shows(&panel->scale, value)) {
        return nothing;
    }
    return colour_of_scale(heat->colours, axis_place(&panel->scale, value));
}

/* Draw an image of the area's own resolution, so that no viewer smooths cells into each other. */
static void draw_heat(cairo_t *cr, const Panel *panel)
{
    const PlotHeat *heat = &panel->plot->heat;
    const int width = (int)lround(panel->aw * PLOT_PNG_SCALE),
              height = (int)lround(panel->ah * PLOT_PNG_SCALE);
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    const int stride = cairo_image_surface_get_stride(image);
    unsigned char *data = cairo_image_surface_get_data(image);

    for (int y = 0; data && y < height; y++) {
        uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
        const size_t r = (size_t)(height - 1 - y) * heat->rows / (size_t)height;

        for (int x = 0; x < width; x++) {
            const size_t c = (size_t)x * heat->columns / (size_t)width;

            row[x] = pixel(cell_colour(panel, heat->values[c * heat->rows + r]));
        }
    }
    cairo_surface_mark_dirty(image);
    cairo_save(cr);
    cairo_translate(cr, panel->ax, panel->ay);
    cairo_scale(cr, panel->aw / width, panel->ah / height);
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_surface_destroy(image);
}

static void draw_scale(cairo_t *cr, const Panel *panel)
{
    const PlotHeat *heat = &panel->plot->heat;
    const double x = panel->ax + panel->aw + 2 * GAP;
    const int steps = (int)panel->ah;

    for (int i = 0; i < steps; i++) {
        colour(cr, colour_of_scale(heat->colours, (i + 0.5) / steps));
        /* Half a point more than a step, lest the paper shows through between two. */
        cairo_rectangle(cr, x, panel->ay + panel->ah * (1 - (i + 1.0) / steps), BAR,
                        panel->ah / steps + (i > 0 ? 0.5 : 0));
        cairo_fill(cr);
    }
    colour(cr, ink);
    for (size_t i = 0; i < panel->scale.n_ticks; i++) {
        g_autofree char *text = axis_text(&panel->scale, panel->scale.ticks[i]);
        const double y = panel->ay + (1 - axis_place(&panel->scale, panel->scale.ticks[i])) * panel->ah;

        draw_text(cr, text, x + BAR + GAP, y, 0);
    }
    if (heat->scale.label) {
        draw_text_up(cr, heat->scale.label, PLOT_WIDTH - GAP - TEXT_SIZE / 2, panel->ay + panel->ah / 2, 0.5);
    }
}

static void draw_panel(cairo_t *cr, Panel *panel, double top, double height)
{
    panel->ax = panel->left;
    panel->aw = PLOT_WIDTH - panel->left - panel->right;
    panel->ay = top + TOP;
    panel->ah = height - TOP - BOTTOM;

    if (panel->plot->heat.values) {
        draw_heat(cr, panel);
        draw_scale(cr, panel);
    } else {
        draw_grid(cr, panel);
        draw_legend(cr, panel);
    }
    cairo_save(cr);
    cairo_rectangle(cr, panel->ax, panel->ay - 4, panel->aw + 4, panel->ah + 8);
    cairo_clip(cr);
    draw_marks(cr, panel);
    for (guint i = 0; i < panel->plot->series->len; i++) {
        draw_series(cr, panel, i);
    }
    cairo_restore(cr);
    draw_frame(cr, panel, top);
}

void draw_panels(cairo_t *cr, const Plot *const *plots, size_t n, double height)
{
    Panel panels[PLOT_MAX_PANELS] = { 0 };
    double left = 0, right = 0;

    colour(cr, (Rgb) { 1, 1, 1 });
    cairo_paint(cr);
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, TEXT_SIZE);
    for (size_t i = 0; i < n; i++) {
        panels[i].plot = plots[i];
        lay_axes(&panels[i]);
        lay_margins(cr, &panels[i]);
        left = MAX(left, panels[i].left);
        right = MAX(right, panels[i].right);
    }
    for (size_t i = 0; i < n; i++) {
        panels[i].left = left;
        panels[i].right = right;
        draw_panel(cr, &panels[i], (double)i * height, height);
    }
}
