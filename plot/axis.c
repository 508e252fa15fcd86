/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Axes: their ranges, where their ticks lie, and how those are written.
 */
#include "plot-internal.h"

#include <math.h>

#define TICKS_WANTED 6          /* at most about so many steps */
#define LARGEST 1e100           /* what is beyond, or below its inverse on a logarithmic axis, is not shown */

bool axis_shows(const Axis *axis, double value)
{
    return value_shows(value, axis->logarithmic);
}

bool value_shows(double value, bool logarithmic)
{
    return fabs(value) <= LARGEST && (!logarithmic || value >= 1 / LARGEST);
}

double axis_place(const Axis *axis, double value)
{
    if (axis->logarithmic) {
        return (log(value) - log(axis->min)) / (log(axis->max) - log(axis->min));
    }
    return (value - axis->min) / (axis->max - axis->min);
}

/* The round step that is not below @least: 1, 2 or 5 times a power of ten; of bytes a power of two. */
static double round_step(PlotUnit unit, double least)
{
    const double steps[] = { 1, 2, 5, 10 };
    double power;

    if (unit == PLOT_BYTES) {
        return exp2(ceil(log2(MAX(least, 1))));
    }
    power = pow(10, floor(log10(least)));
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (steps[i] * power >= least * (1 - 1e-9)) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

/* The range to be shown of data from @low to @high, with something in it whatever they are. */
static void take_range(Axis *axis, double low, double high)
{
    if (!(low <= high)) {
        low = axis->logarithmic ? 1 : 0;
        high = axis->logarithmic ? 10 : 1;
    }
    if (axis->logarithmic) {
        if (!(high / low >= 1.001)) {
            low /= 2;
            high = low * 4;
        }
    } else if (!(high - low > MAX(fabs(low), fabs(high)) * 1e-6)) {
        high = low + MAX(fabs(low) * 0.1, axis->unit == PLOT_SHARE ? 0.01 : 1);
    }
    axis->min = low;
    axis->max = high;
}

static void add_tick(Axis *axis, double value)
{
    const double place = axis_place(axis, value);

    if (axis->n_ticks < AXIS_MAX_TICKS && place > -1e-6 && place < 1 + 1e-6) {
        axis->ticks[axis->n_ticks++] = value;
    }
}

static void linear_ticks(Axis *axis, bool round)
{
    double first;

    axis->step = round_step(axis->unit, (axis->max - axis->min) / TICKS_WANTED);
    if (round) {
        /* A range that begins not far above 0 begins there. */
        axis->min = axis->min >= 0 && axis->min < axis->max * 0.3 ? 0 : axis->min;
        axis->min = floor(axis->min / axis->step + 1e-9) * axis->step;
        axis->max = ceil(axis->max / axis->step - 1e-9) * axis->step;
    }
    first = ceil(axis->min / axis->step - 1e-6);
    for (int i = 0; i < AXIS_MAX_TICKS; i++) {
        add_tick(axis, (first + i) * axis->step);
    }
}

/*
 * Whole powers of ten (of bytes, of two), or of a power of those where they are many; and 2 and 5 where
 * few.
 */
static void log_ticks(Axis *axis, bool round)
{
    const double base = axis->unit == PLOT_BYTES ? 2 : 10;
    const double span = log(axis->max / axis->min) / log(base);
    const double stride = ceil(span / (TICKS_WANTED + 2));
    const double factor = pow(base, stride);
    const bool between = base == 10 && span < 2.5;
    double first;

    if (round && !between) {
        axis->min = pow(factor, floor(log(axis->min) / log(factor) + 1e-6));
        axis->max = pow(factor, ceil(log(axis->max) / log(factor) - 1e-6));
    }
    first = floor(log(axis->min) / log(factor) + 1e-6);
    for (int i = 0; i < AXIS_MAX_TICKS; i++) {
        const double tick = pow(factor, first + i);

        add_tick(axis, tick);
        if (between) {
            add_tick(axis, 2 * tick);
            add_tick(axis, 5 * tick);
        }
    }
}

void axis_init(Axis *axis, const PlotAxis *asked, double low, double high, bool round)
{
    const bool given = asked->max > asked->min && value_shows(asked->min, asked->logarithmic) &&
                       value_shows(asked->max, asked->logarithmic);

    *axis = (Axis) { .unit = asked->unit, .logarithmic = asked->logarithmic };
    take_range(axis, given ? asked->min : low, given ? asked->max : high);
    if (axis->logarithmic) {
        log_ticks(axis, round && !given);
    } else {
        linear_ticks(axis, round && !given);
    }
}

/* As short as tells neighbours apart: @value in units of @unit, in steps of @step of the same. */
static char *short_number(double value, double step, const char *unit)
{
    const int digits = step > 0 ? CLAMP((int)ceil(-log10(step) - 1e-9), 0, 9) : 0;

    return g_strdup_printf("%.*f%s", digits, value == 0 ? 0.0 : value, unit);
}

static char *scaled(double value, double step, double base, const char *const *units, size_t n)
{
    double by = 1;
    size_t u = 0;

    while (u + 1 < n && fabs(value) / by >= base) {
        by *= base;
        u++;
    }
    /* 1.5 GiB may well follow 1 GiB, but thirds are of no use to anyone. */
    return g_strdup_printf("%.4g%s", step > 0 ? round(value / step) * step / by : value / by, units[u]);
}

char *axis_text(const Axis *axis, double value)
{
    static const char *const bytes[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB" };
    static const char *const numbers[] = { "", " k", " M", " G", " T" };
    const double step = axis->logarithmic ? 0 : axis->step;

    switch (axis->unit) {
    case PLOT_SHARE:
        return axis->logarithmic ? g_strdup_printf("%.3g %%", value * 100)
                                 : short_number(value * 100, step * 100, " %");
    case PLOT_BYTES:
        return value == 0 ? g_strdup("0") : scaled(value, step, 1024, bytes, G_N_ELEMENTS(bytes));
    case PLOT_NUMBER:
    default:
        return fabs(value) < 1000 && step > 0 && step < 1
                   ? short_number(value, step, "")
                   : scaled(value, step, 1000, numbers, G_N_ELEMENTS(numbers));
    }
}
