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

/* 2^(i / 32), and 2^(i / 1024): their products are all powers of two between 1 and 2 that a Log2 can tell apart. */
static const double coarse_powers[32] = {
    1, 0x1.059b0d3158574p0, 0x1.0b5586cf9890fp0, 0x1.11301d0125b51p0,
    0x1.172b83c7d517bp0, 0x1.1d4873168b9aap0, 0x1.2387a6e756238p0, 0x1.29e9df51fdee1p0,
    0x1.306fe0a31b715p0, 0x1.371a7373aa9cbp0, 0x1.3dea64c123422p0, 0x1.44e086061892dp0,
    0x1.4bfdad5362a27p0, 0x1.5342b569d4f82p0, 0x1.5ab07dd485429p0, 0x1.6247eb03a5585p0,
    0x1.6a09e667f3bcdp0, 0x1.71f75e8ec5f74p0, 0x1.7a11473eb0187p0, 0x1.82589994cce13p0,
    0x1.8ace5422aa0dbp0, 0x1.93737b0cdc5e5p0, 0x1.9c49182a3f090p0, 0x1.a5503b23e255dp0,
    0x1.ae89f995ad3adp0, 0x1.b7f76f2fb5e47p0, 0x1.c199bdd85529cp0, 0x1.cb720dcef9069p0,
    0x1.d5818dcfba487p0, 0x1.dfc97337b9b5fp0, 0x1.ea4afa2a490dap0, 0x1.f50765b6e4540p0,
};
static const double fine_powers[32] = {
    1, 0x1.002c605e2e8cfp0, 0x1.0058c86da1c0ap0, 0x1.0085382faef83p0,
    0x1.00b1afa5abcbfp0, 0x1.00de2ed0ee0f5p0, 0x1.010ab5b2cbd11p0, 0x1.0137444c9b5b5p0,
    0x1.0163da9fb3335p0, 0x1.019078ad6a19fp0, 0x1.01bd1e77170b4p0, 0x1.01e9cbfe113efp0,
    0x1.02168143b0281p0, 0x1.02433e494b755p0, 0x1.027003103b10ep0, 0x1.029ccf99d720ap0,
    0x1.02c9a3e778061p0, 0x1.02f67ffa765e6p0, 0x1.032363d42b027p0, 0x1.03504f75ef071p0,
    0x1.037d42e11bbccp0, 0x1.03aa3e170aafep0, 0x1.03d7411915a8ap0, 0x1.04044be896ab6p0,
    0x1.04315e86e7f85p0, 0x1.045e78f5640b9p0, 0x1.048b9b35659d8p0, 0x1.04b8c54847a28p0,
    0x1.04e5f72f654b1p0, 0x1.051330ec1a03fp0, 0x1.0540727fc1762p0, 0x1.056dbbebb786bp0,
};
G_STATIC_ASSERT(LOG2_ONE == G_N_ELEMENTS(coarse_powers) * G_N_ELEMENTS(fine_powers));

double log2_value(Log2 x)
{
    const uint32_t at = (uint32_t)(CLAMP(x, LOG2_ZERO, -LOG2_ZERO) - LOG2_ZERO);
    const uint32_t part = at % LOG2_ONE;
    const uint64_t bits = (uint64_t)(at / LOG2_ONE + LOG2_ZERO / LOG2_ONE + 1023) << 52;
    double power;

    memcpy(&power, &bits, sizeof(power));
    return coarse_powers[part / G_N_ELEMENTS(fine_powers)] * fine_powers[part % G_N_ELEMENTS(fine_powers)] * power;
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
