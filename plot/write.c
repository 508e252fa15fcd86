/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plots to files. A picture is made in memory first, so that a file is whole or not there.
 */
#include "plot-internal.h"

#include <cairo-svg.h>
#include <gio/gio.h>

static bool is_svg(const char *path)
{
    return g_str_has_suffix(path, ".svg");
}

bool plot_check_path(const char *path, GError **errp)
{
    if (is_svg(path) || g_str_has_suffix(path, ".png")) {
        return true;
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME,
                "'%s': a picture's file is named *.png or *.svg, which says what it becomes", path);
    return false;
}

static cairo_status_t append(void *bytes, const unsigned char *data, unsigned int len)
{
    g_byte_array_append(bytes, data, len);
    return CAIRO_STATUS_SUCCESS;
}

static cairo_status_t draw(cairo_surface_t *surface, double scale, const Plot *const *plots, size_t n,
                           double height)
{
    cairo_t *cr = cairo_create(surface);
    cairo_status_t status;

    cairo_scale(cr, scale, scale);
    draw_panels(cr, plots, n, height);
    status = cairo_status(cr);
    cairo_destroy(cr);
    return status;
}

static cairo_status_t make_svg(GByteArray *bytes, const Plot *const *plots, size_t n, double height)
{
    cairo_surface_t *surface =
        cairo_svg_surface_create_for_stream(append, bytes, PLOT_WIDTH, height * (double)n);
    cairo_status_t status = draw(surface, 1, plots, n, height);

    cairo_surface_finish(surface);
    status = status == CAIRO_STATUS_SUCCESS ? cairo_surface_status(surface) : status;
    cairo_surface_destroy(surface);
    return status;
}

static cairo_status_t make_png(GByteArray *bytes, const Plot *const *plots, size_t n, double height)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PLOT_WIDTH * PLOT_PNG_SCALE,
                                                          (int)(height * (double)n) * PLOT_PNG_SCALE);
    cairo_status_t status = draw(surface, PLOT_PNG_SCALE, plots, n, height);

    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png_stream(surface, append, bytes);
    }
    cairo_surface_destroy(surface);
    return status;
}

bool plot_write_panels(const Plot *const *plots, size_t n, const char *path, GError **errp)
{
    const double height = n == 1 ? PLOT_HEIGHT : PLOT_PANEL_HEIGHT;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    cairo_status_t status;

    g_assert(n >= 1 && n <= PLOT_MAX_PANELS);
    if (!plot_check_path(path, errp)) {
        return false;
    }
    status = is_svg(path) ? make_svg(bytes, plots, n, height) : make_png(bytes, plots, n, height);
    if (status != CAIRO_STATUS_SUCCESS) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot draw %s: %s", path,
                    cairo_status_to_string(status));
        return false;
    }
    if (!g_file_set_contents(path, (const char *)bytes->data, (gssize)bytes->len, errp)) {
        g_prefix_error(errp, "cannot write the picture %s: ", path);
        return false;
    }
    return true;
}

bool plot_write(const Plot *plot, const char *path, GError **errp)
{
    return plot_write_panels(&plot, 1, path, errp);
}
