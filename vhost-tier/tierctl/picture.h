/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rough pictures in the terminal: a matrix as colours, two cells of it in one character; or as letters where
 * the terminal has neither colours nor UTF-8, or where there is none.
 */
#ifndef VHOST_TIER_TIERCTL_PICTURE_H
#define VHOST_TIER_TIERCTL_PICTURE_H

#include <glib.h>
#include <stddef.h>

typedef enum PictureColours {
    PICTURE_HEAT,               /* dark to bright */
    PICTURE_TIER,               /* blue (0) to orange (1) */
} PictureColours;

typedef struct Picture {
    size_t rows, columns;       /* rows: even */
    const double *values; /* values[row * columns + column], row 0 on top; from 0 to 1, NaN: not known */
    PictureColours colours;
    char *const *labels;        /* one for every second row: to its left */
    size_t label_width;         /* columns that labels have */
} Picture;

/* Columns that are left for a picture beside labels of @label_width. */
size_t picture_width(size_t label_width);
void picture_append(GString *out, const Picture *picture);
/* "least ....  most": what the colours mean. */
void picture_append_legend(GString *out, PictureColours colours, const char *least, const char *most);

#endif /* VHOST_TIER_TIERCTL_PICTURE_H */
