/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plots: what is written is a picture of the right kind and size, whatever the data are.
 */
#include "plot/plot.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct Fixture {
    char *dir, *png, *svg;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("plot-XXXXXX", NULL);
    f->png = g_build_filename(f->dir, "a.png", NULL);
    f->svg = g_build_filename(f->dir, "a.svg", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_unlink(f->png);
    g_unlink(f->svg);
    g_rmdir(f->dir);
    g_free(f->png);
    g_free(f->svg);
    g_free(f->dir);
}

static uint32_t big_endian(const char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return GUINT32_FROM_BE(value);
}

/* A PNG of this size in pixels, whole up to its last chunk. */
static void assert_png(const char *path, uint32_t width, uint32_t height)
{
    g_autofree char *text = NULL;
    gsize len = 0;

    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_assert_cmpuint(len, >, 1000);
    g_assert_cmpint(memcmp(text, "\x89PNG\r\n\x1a\n", 8), ==, 0);
    g_assert_cmpint(memcmp(text + 12, "IHDR", 4), ==, 0);
    g_assert_cmpuint(big_endian(text + 16), ==, width);
    g_assert_cmpuint(big_endian(text + 20), ==, height);
    g_assert_cmpint(memcmp(text + len - 8, "IEND", 4), ==, 0);
}

/* Well-formed XML whose root is an svg of this height. */
static void assert_svg(const char *path, const char *height)
{
    static const GMarkupParser ignore = { 0 };
    g_autoptr(GMarkupParseContext) parser = g_markup_parse_context_new(&ignore, 0, NULL, NULL);
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    gsize len = 0;

    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_markup_parse_context_parse(parser, text, (gssize)len, &err);
    g_assert_no_error(err);
    g_markup_parse_context_end_parse(parser, &err);
    g_assert_no_error(err);
    g_assert_nonnull(strstr(text, "<svg"));
    g_assert_nonnull(strstr(text, height));
}

static Plot *curve(void)
{
    const PlotAxis x = { .label = "fast memory", .unit = PLOT_BYTES, .logarithmic = true };
    const PlotAxis y = { .label = "hit ratio", .unit = PLOT_SHARE };
    Plot *plot = plot_new("A curve", &x, &y);
    double xs[12], a[12], b[12];

    for (int i = 0; i < 12; i++) {
        xs[i] = exp2(20 + i);
        a[i] = 1 - exp(-i / 4.0);
        b[i] = i / 11.0;
    }
    plot_line(plot, "hottest first", xs, a, 12, PLOT_LINE);
    plot_line(plot, "by chance", xs, b, 12, PLOT_DASHES);
    plot_line(plot, "measured", xs + 5, a + 5, 1, PLOT_POINTS);
    plot_mark(plot, "now", exp2(25.3));
    return plot;
}

static Plot *picture(size_t columns, size_t rows, PlotColours colours, bool logarithmic)
{
    const PlotAxis x = { .label = "seconds", .max = 60 };
    const PlotAxis y = { .label = "address", .unit = PLOT_BYTES, .max = 1 << 30 };
    PlotHeat heat = { columns, rows, NULL, colours, { .label = "accesses/s", .logarithmic = logarithmic } };
    g_autofree double *values = g_new(double, columns * rows);
    Plot *plot = plot_new("A picture", &x, &y);

    for (size_t c = 0; c < columns; c++) {
        for (size_t r = 0; r < rows; r++) {
            values[c * rows + r] = r < rows / 8 ? NAN : exp(8.0 * sin((double)r / 20 + (double)c / 10)) * 100;
        }
    }
    heat.values = values;
    plot_heat(plot, &heat);
    return plot;
}

static void writes_a_png_of_the_size_that_is_promised(Fixture *f, gconstpointer data)
{
    g_autoptr(Plot) plot = curve();
    g_autoptr(GError) err = NULL;

    g_assert_true(plot_write(plot, f->png, &err));
    g_assert_no_error(err);
    assert_png(f->png, PLOT_WIDTH * PLOT_PNG_SCALE, PLOT_HEIGHT * PLOT_PNG_SCALE);
}

static void writes_an_svg_that_is_well_formed(Fixture *f, gconstpointer data)
{
    g_autoptr(Plot) plot = curve();
    g_autoptr(GError) err = NULL;

    g_assert_true(plot_write(plot, f->svg, &err));
    g_assert_no_error(err);
    assert_svg(f->svg, "height=\"480");
}

static void panels_are_stacked_in_one_picture(Fixture *f, gconstpointer data)
{
    g_autoptr(Plot) heat = picture(60, 200, PLOT_COLOURS_HEAT, true);
    g_autoptr(Plot) tier = picture(60, 200, PLOT_COLOURS_TWO, false);
    const Plot *const plots[] = { heat, tier };
    g_autoptr(GError) err = NULL;

    g_assert_true(plot_write_panels(plots, 2, f->png, &err));
    g_assert_true(plot_write_panels(plots, 2, f->svg, &err));
    g_assert_no_error(err);
    assert_png(f->png, PLOT_WIDTH * PLOT_PNG_SCALE, 2 * PLOT_PANEL_HEIGHT * PLOT_PNG_SCALE);
    assert_svg(f->svg, "height=\"640");
}

static void the_same_data_make_the_same_picture(Fixture *f, gconstpointer data)
{
    g_autofree char *first = NULL, *second = NULL;
    gsize first_len = 0, second_len = 0;

    for (int i = 0; i < 2; i++) {
        g_autoptr(Plot) plot = picture(30, 30, PLOT_COLOURS_HEAT, true);

        g_assert_true(plot_write(plot, f->png, NULL));
        g_assert_true(g_file_get_contents(f->png, i ? &second : &first, i ? &second_len : &first_len, NULL));
    }
    g_assert_cmpmem(first, first_len, second, second_len);
}

static void data_without_any_sense_do_no_harm(Fixture *f, gconstpointer data)
{
    static const double wild[] = { NAN, INFINITY, -INFINITY, 0, -1, G_MAXDOUBLE, G_MINDOUBLE };
    const double one[] = { 5 };

    for (int logarithmic = 0; logarithmic < 2; logarithmic++) {
        const PlotAxis axis = { .label = "\xff\xfe", .logarithmic = logarithmic };
        PlotHeat heat = { 1, G_N_ELEMENTS(wild), wild, PLOT_COLOURS_TWO, axis };

        for (int kind = 0; kind < 4; kind++) {
            g_autoptr(Plot) plot = plot_new("\xff <&> \x01", &axis, &axis);
            g_autoptr(GError) err = NULL;

            if (kind == 1) {
                plot_line(plot, "\xc3", wild, wild, G_N_ELEMENTS(wild), PLOT_LINE);
                plot_mark(plot, NULL, NAN);
            } else if (kind == 2) {
                plot_line(plot, NULL, one, one, 1, PLOT_POINTS);
            } else if (kind == 3) {
                plot_heat(plot, &heat);
            }
            g_assert_true(plot_write(plot, f->png, &err));
            g_assert_true(plot_write(plot, f->svg, &err));
            g_assert_no_error(err);
            assert_svg(f->svg, "<svg");
        }
    }
}

static void a_file_that_cannot_be_written_is_named(Fixture *f, gconstpointer data)
{
    g_autofree char *nowhere = g_build_filename(f->dir, "none", "a.png", NULL);
    g_autoptr(Plot) plot = curve();
    g_autoptr(GError) err = NULL;

    g_assert_false(plot_write(plot, nowhere, &err));
    g_assert_nonnull(strstr(err->message, nowhere));
}

static void a_name_that_says_no_kind_is_refused_and_the_file_kept(Fixture *f, gconstpointer data)
{
    g_autofree char *other = g_build_filename(f->dir, "a.txt", NULL), *text = NULL;
    g_autoptr(Plot) plot = curve();
    g_autoptr(GError) err = NULL;

    g_assert_true(g_file_set_contents(other, "precious", -1, NULL));
    g_assert_false(plot_write(plot, other, &err));
    g_assert_nonnull(strstr(err->message, "*.png or *.svg"));
    g_assert_true(g_file_get_contents(other, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "precious");
    g_unlink(other);
}

#define ADD(func) g_test_add("/plot/" #func, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(writes_a_png_of_the_size_that_is_promised);
    ADD(writes_an_svg_that_is_well_formed);
    ADD(panels_are_stacked_in_one_picture);
    ADD(the_same_data_make_the_same_picture);
    ADD(data_without_any_sense_do_no_harm);
    ADD(a_file_that_cannot_be_written_is_named);
    ADD(a_name_that_says_no_kind_is_refused_and_the_file_kept);
    return g_test_run();
}
