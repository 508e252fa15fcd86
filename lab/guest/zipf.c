/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: ranks are grouped in octaves [2^k, 2^(k+1)). An octave is drawn by its exact weight;
 * within it a rank r is drawn uniformly and accepted with probability (r / 2^k)^-theta, which is 2^-theta
 * at the least, so that half of the draws or more are accepted. All octaves share one curve, kept at 257
 * points: exact for ranks below 512, and interpolated between points above (error below 10^-5). The weights
 * are sums over that same curve, so the result is exact for it.
 */
#include "zipf.h"

/* 2^-x for x >= 0, by the FPU (there is no libm in the guest). */
static double exp2_negative(double x)
{
    double whole, fraction;

    __asm__("frndint" : "=t"(whole) : "0"(-x));
    fraction = -x - whole;                                      /* -0.5 .. 0.5 */
    __asm__("f2xm1" : "=t"(fraction) : "0"(fraction));
    __asm__("fscale" : "=t"(fraction) : "0"(fraction + 1.0), "u"(whole));
    return fraction;
}

static double log2_of(double x)
{
    double result;

    __asm__("fyl2x" : "=t"(result) : "0"(x), "u"(1.0) : "st(1)");
    return result;
}

/* The curve at @rank of octave @k, scaled by 2^31. */
static uint32_t curve_at(const Zipf *zipf, uint32_t rank, uint32_t k)
{
    /* 8 bits of step, 16 bits between steps */
    uint32_t position = (rank - (1u << k)) << (ZIPF_OCTAVES - k);
    uint32_t step = position >> 16;
    uint32_t here = zipf->curve[step], drop = here - zipf->curve[step + 1];

    return here - ((uint64_t)drop * (position & 0xffff) >> 16);
}

/* Ranks in octave @k: the last one may be cut short. */
static uint32_t octave_ranks(const Zipf *zipf, uint32_t k)
{
    uint32_t full = 1u << k, left = zipf->n + 1 - full;

    return left < full ? left : full;
}

void zipf_init(Zipf *zipf, uint32_t n, double theta)
{
    double weight[ZIPF_OCTAVES], total = 0, sum = 0;

    zipf->n = n;
    zipf->octaves = 0;
    for (uint32_t i = 0; i <= ZIPF_STEPS; i++) {
        double x = 1.0 + (double)i / ZIPF_STEPS;

        zipf->curve[i] = (uint32_t)(2147483647.0 * exp2_negative(theta * log2_of(x)));
    }
    for (uint32_t k = 0; k < ZIPF_OCTAVES && (1u << k) <= n; k++) {
        int64_t octave = 0;

        for (uint32_t i = 0; i < octave_ranks(zipf, k); i++) {
            octave += curve_at(zipf, (1u << k) + i, k);
        }
        weight[k] = (double)octave * exp2_negative(theta * k);
        total += weight[k];
        zipf->octaves = k + 1;
    }
    for (uint32_t k = 0; k < zipf->octaves; k++) {
        sum += weight[k];
        zipf->below[k] = (uint32_t)(4294967295.0 * (sum / total));
    }
}

uint32_t zipf_next(const Zipf *zipf, Random *random)
{
    uint32_t draw = random_next(random), k = 0, rank;

    while (k < zipf->octaves - 1 && draw >= zipf->below[k]) {
        k++;
    }
    do {
        rank = (1u << k) + random_below(random, octave_ranks(zipf, k));
    } while (random_next(random) >> 1 >= curve_at(zipf, rank, k));
    return rank - 1;
}
