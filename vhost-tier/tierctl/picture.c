/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rough pictures in the terminal; see picture.h.
 */
#include "tierctl/picture.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tierctl/output.h"

#define LABEL_GAP  2
#define WIDTH_MAX  400
#define UPPER_HALF "\xe2\x96\x80"
#define GREY       238          /* not known */
#define RESET      "\033[0m"

/* Numbers of the terminal's 256 colours. */
static const unsigned char heat[] = { 16, 17, 18, 54, 90, 126, 162, 197, 202, 208, 214, 220, 227, 230 };
static const unsigned char tier[] = { 25, 31, 74, 110, 152, 187, 222, 215, 208, 166 };

static const char heat_letters[] = ".:-=+*%@#";
static const char tier_letters[] = "s-+fF";

static bool in_colour(void)
{
    return output_is_terminal() && output_is_utf8();
}

size_t picture_width(size_t label_width)
{
    struct winsize size = { 0 };

    if (!output_is_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        size.ws_col = 80;
    }
    return MAX(MIN(size.ws_col, WIDTH_MAX), label_width + LABEL_GAP + 10) - label_width - LABEL_GAP;
}

/* Which of @n colours or letters @value has; -1: not known. */
static int step_of(double value, size_t n)
{
    return isnan(value) ? -1 : (int)MIN((size_t)(CLAMP(value, 0, 1) * (double)n), n - 1);
}

static int colour_of(PictureColours colours, double value)
{
    const size_t n = colours == PICTURE_HEAT ? G_N_ELEMENTS(heat) : G_N_ELEMENTS(tier);
    const int step = step_of(value, n);

    return step < 0 ? GREY : colours == PICTURE_HEAT ? heat[step] : tier[step];
}

static char letter_of(PictureColours colours, double value)
{
    const char *letters = colours == PICTURE_HEAT ? heat_letters : tier_letters;
    const int step = step_of(value, strlen(letters));

    return step < 0 ? ' ' : letters[step];
}

/* Of two cells one letter tells: of the hotter one. */
static double either(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : MAX(a, b);
}

static void append_row(GString *out, const Picture *picture, size_t row)
{
    const double *upper = picture->values + row * picture->columns, *lower = upper + picture->columns;
    int last_upper = -1, last_lower = -1;

    for (size_t i = 0; i < picture->columns; i++) {
        const int up = colour_of(picture->colours, upper[i]), low = colour_of(picture->colours, lower[i]);

        if (!in_colour()) {
            g_string_append_c(out, letter_of(picture->colours, either(upper[i], lower[i])));
            continue;
        }
        if (up != last_upper || low != last_lower) {
            g_string_append_printf(out, "\033[38;5;%d;48;5;%dm", up, low);
            last_upper = up;
            last_lower = low;
        }
        g_string_append(out, UPPER_HALF);
    }
    g_string_append(out, in_colour() ? RESET "\n" : "\n");
}

void picture_append(GString *out, const Picture *picture)
{
    for (size_t row = 0; row + 1 < picture->rows; row += 2) {
        g_string_append_printf(out, "%*s%*s", (int)picture->label_width, picture->labels[row / 2], LABEL_GAP,
                               "");
        append_row(out, picture, row);
    }
}

void picture_append_legend(GString *out, PictureColours colours, const char *least, const char *most)
{
    const size_t n = colours == PICTURE_HEAT ? G_N_ELEMENTS(heat) : G_N_ELEMENTS(tier);
    const char *letters = colours == PICTURE_HEAT ? heat_letters : tier_letters;

    g_string_append_printf(out, "%s ", least);
    if (in_colour()) {
        for (size_t i = 0; i < n; i++) {
            g_string_append_printf(out, "\033[48;5;%dm  ", colours == PICTURE_HEAT ? heat[i] : tier[i]);
        }
        g_string_append_printf(out, RESET " %s   \033[48;5;%dm  " RESET " not known\n", most, GREY);
    } else {
        g_string_append_printf(out, "%s %s, blank: not known\n", letters, most);
    }
}
