/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Colours. Series: those that Okabe and Ito chose for the colour-blind, without yellow, which is lost on
 * white. Scales rise evenly in brightness, so that they can be read in grey, too.
 */
#include "plot-internal.h"

#include <math.h>

static Rgb rgb(uint32_t hex)
{
    return (Rgb) { (hex >> 16 & 255) / 255.0, (hex >> 8 & 255) / 255.0, (hex & 255) / 255.0 };
}

Rgb colour_of_series(size_t index)
{
    static const uint32_t colours[SERIES_COLOURS] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                                     0x56b4e9, 0xe69f00, 0x555555};

    return rgb(colours[index % SERIES_COLOURS]);
}

Rgb colour_of_scale(PlotColours colours, double place)
{
    static const uint32_t heat[] = { 0x0b0724, 0x320a5e, 0x781c6d, 0xbc3754, 0xed6925, 0xfbb318, 0xfcffa4 };
    static const uint32_t two[] = { 0x2166ac, 0x67a9cf, 0xc6dbe6, 0xf4d9b3, 0xf1a340, 0xb35806 };
    const uint32_t *points = colours == PLOT_COLOURS_TWO ? two : heat;
    const size_t last = (colours == PLOT_COLOURS_TWO ? G_N_ELEMENTS(two) : G_N_ELEMENTS(heat)) - 1;
    const double at = CLAMP(place, 0, 1) * (double)last;
    const size_t i = MIN((size_t)at, last - 1);
    const Rgb from = rgb(points[i]), to = rgb(points[i + 1]);
    const double part = at - (double)i;

    return (Rgb) { from.r + (to.r - from.r) * part, from.g + (to.g - from.g) * part,
                   from.b + (to.b - from.b) * part };
}
