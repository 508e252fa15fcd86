/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Positive numbers as fixed-point base-2 logarithms: a product is a sum, a sum is one table look-up.
 *
 * Rates span ten decades, so the heat map keeps their logarithms; and integers from tables that are filled
 * with nothing but IEEE + - * / give the same plan on every machine and compiler, which the C library's
 * exp() and log() do not promise.
 */
#ifndef VHOST_TIER_CORE_LOGMATH_H
#define VHOST_TIER_CORE_LOGMATH_H

#include <stdint.h>

typedef int32_t Log2;               /* log2(x) in steps of 1/LOG2_ONE; |Log2| stays below 2^20 */

#define LOG2_ONE 1024               /* an octave: a factor of two */
#define LOG2_ZERO (-256 * LOG2_ONE) /* stands for 0 */

#define LOG2_TABLE_SHIFT 4          /* tables have a point each 2^4 steps */
#define LOG2_ADD_END (12 * LOG2_ONE)
#define LOG2_HITS_MIN (-12 * LOG2_ONE)
#define LOG2_HITS_END (5 * LOG2_ONE)
#define LOG2_WIDTH_MIN (-4 * LOG2_ONE)
#define LOG2_WIDTH_END (12 * LOG2_ONE)
#define LOG2_VALUE_MIN (-16 * LOG2_ONE)
#define LOG2_VALUE_END (10 * LOG2_ONE)

typedef struct LogTables {
    uint16_t add[(LOG2_ADD_END >> LOG2_TABLE_SHIFT) + 2];
    uint16_t hits[((LOG2_HITS_END - LOG2_HITS_MIN) >> LOG2_TABLE_SHIFT) + 2];
    uint16_t width[((LOG2_WIDTH_END - LOG2_WIDTH_MIN) >> LOG2_TABLE_SHIFT) + 2];
    float value[((LOG2_VALUE_END - LOG2_VALUE_MIN) >> LOG2_TABLE_SHIFT) + 1];
} LogTables;

/* Fills the tables; the same everywhere. */
void log2_tables_init(LogTables *tables);

/* The logarithm of @x, rounded; LOG2_ZERO when @x is not above 0 (or no number). Infinity counts as 2^255. */
Log2 log2_of(double x);
/* 2^@x. */
double log2_value(Log2 x);

/* The value at @at steps from the table's beginning, between the points before and after. */
static inline Log2 log2_interpolate(const uint16_t *table, uint32_t at)
{
    uint32_t i = at >> LOG2_TABLE_SHIFT;
    int32_t fraction = at & ((1 << LOG2_TABLE_SHIFT) - 1);

    return table[i] + ((((int32_t)table[i + 1] - table[i]) * fraction) >> LOG2_TABLE_SHIFT);
}

/* The logarithm of 2^@x + 2^@y. */
static inline Log2 log2_add(const LogTables *tables, Log2 x, Log2 y)
{
    Log2 high = x > y ? x : y;
    Log2 apart = x > y ? x - y : y - x;

    return apart >= LOG2_ADD_END ? high : high + log2_interpolate(tables->add, apart);
}

/*
 * How many accesses a set access bit stands for, where m = 2^@x were expected in its interval: the mean of
 * a Poisson number that is known to be at least one, m / (1 - exp(-m)). 1 for rare accesses, m for many:
 * that is how the bit saturates.
 */
static inline Log2 log2_hits(const LogTables *tables, Log2 x)
{
    if (x < LOG2_HITS_MIN) {
        return 0;
    }
    return x >= LOG2_HITS_END ? x : log2_interpolate(tables->hits, x - LOG2_HITS_MIN);
}

/* 2^@x to within 1 %, between 2^-16 and 2^10; what lies beyond counts as these. */
static inline double log2_value_near(const LogTables *tables, Log2 x)
{
    x = x < LOG2_VALUE_MIN ? LOG2_VALUE_MIN : x;
    x = x > LOG2_VALUE_END ? LOG2_VALUE_END : x;
    return tables->value[(x - LOG2_VALUE_MIN) >> LOG2_TABLE_SHIFT];
}

/*
 * How far, up or down, the true rate may well be from one that was estimated from n = 2^@x accesses: 1.25 /
 * sqrt(n + 1/4) octaves, but at most two. (One standard deviation of log2 of a Poisson rate is 1.44 /
 * sqrt(n).)
 */
static inline Log2 log2_width(const LogTables *tables, Log2 x)
{
    x = x < LOG2_WIDTH_MIN ? LOG2_WIDTH_MIN : x;
    x = x > LOG2_WIDTH_END ? LOG2_WIDTH_END : x;
    return tables->width[(x - LOG2_WIDTH_MIN) >> LOG2_TABLE_SHIFT];
}

#endif /* VHOST_TIER_CORE_LOGMATH_H */
