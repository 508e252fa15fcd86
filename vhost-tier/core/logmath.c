/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logarithms and powers by series, and the tables made from them.
 */
#include "logmath.h"

#include <glib.h>
#include <string.h>

#define LN2 0.69314718055994530942

/*
 * log2 of @x, a normal number above 0: its exponent, and ln m = 2 artanh((m - 1) / (m + 1)) for a mantissa
 * near 1.
 */
static double series_log2(double x)
{
    uint64_t bits;
    int exponent;
    double mantissa, t, square, sum = 0;

    memcpy(&bits, &x, sizeof(bits));
    exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & ((1ull << 52) - 1)) | 1023ull << 52;
    memcpy(&mantissa, &bits, sizeof(mantissa));
    if (mantissa > 1.4142135623730951) {
        mantissa *= 0.5;
        exponent++;
    }
    t = (mantissa - 1) / (mantissa + 1);
    square = t * t;
    for (int k = 21; k >= 1; k -= 2) {
        sum = sum * square + 1.0 / k;
    }
    return exponent + 2 * t * sum / LN2;
}

/* 2^@x for |@x| < 1000: a power of two, and the series of e^y for y < ln 2. */
static double series_exp2(double x)
{
    int whole = (int)x;
    double y, power, sum = 1;
    uint64_t bits;

    if (whole > x) {
        whole--;
    }
    y = (x - whole) * LN2;
    for (int k = 16; k >= 1; k--) {
        sum = 1 + sum * y / k;
    }
    bits = (uint64_t)(whole + 1023) << 52;
    memcpy(&power, &bits, sizeof(power));
    return sum * power;
}

Log2 log2_of(double x)
{
    double steps;

    if (!(x > 0x1p-255)) {
        return LOG2_ZERO;
    }
    steps = series_log2(MIN(x, 0x1p255)) * LOG2_ONE;
    return (Log2)(steps < 0 ? steps - 0.5 : steps + 0.5);
}

double log2_value(Log2 x)
{
    return series_exp2((double)CLAMP(x, LOG2_ZERO, -LOG2_ZERO) / LOG2_ONE);
}

void log2_tables_init(LogTables *tables)
{
    const double step = (double)(1 << LOG2_TABLE_SHIFT) / LOG2_ONE;

    for (size_t i = 0; i < G_N_ELEMENTS(tables->add); i++) {
        tables->add[i] = log2_of(1 + series_exp2(-(i * step)));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tables->hits); i++) {
        double expected = series_exp2((double)LOG2_HITS_MIN / LOG2_ONE + i * step);

        tables->hits[i] = log2_of(expected / (1 - series_exp2(-expected / LN2)));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tables->width); i++) {
        double accesses = series_exp2((double)LOG2_WIDTH_MIN / LOG2_ONE + i * step);
        double octaves = 1.25 * series_exp2(-0.5 * series_log2(accesses + 0.25));

        tables->width[i] = (uint16_t)(MIN(octaves, 2) * LOG2_ONE);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tables->value); i++) {
        tables->value[i] = (float)series_exp2((double)LOG2_VALUE_MIN / LOG2_ONE + (i + 0.5) * step);
    }
}
