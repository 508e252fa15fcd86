/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seeded random numbers.
 */
#include "random.h"

#include <math.h>
#include <stdbool.h>

/* splitmix64, which spreads a seed over the state. */
static uint64_t split(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void sim_random_init(SimRandom *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        random->state[i] = split(&seed);
    }
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t sim_random_bits(SimRandom *random)
{
    uint64_t *s = random->state;
    uint64_t bits = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return bits;
}

double sim_random_uniform(SimRandom *random)
{
    return (double)(sim_random_bits(random) >> 11) * 0x1p-53;
}

uint64_t sim_random_below(SimRandom *random, uint64_t n)
{
    return (uint64_t)((unsigned __int128)sim_random_bits(random) * n >> 64);
}

double sim_random_exponential(SimRandom *random)
{
    return -log1p(-sim_random_uniform(random));
}

/* Multiply uniform numbers until they fall below e^-mean: for small means. */
static uint64_t poisson_small(SimRandom *random, double mean)
{
    double limit = exp(-mean), product = sim_random_uniform(random);
    uint64_t n = 0;

    while (product > limit) {
        product *= sim_random_uniform(random);
        n++;
    }
    return n;
}

/*
 * PTRS, transformed rejection: W. Hoermann, 'The transformed rejection method for generating Poisson random
 * variables', Insurance: Mathematics and Economics 12 (1993), for means of 10 and more.
 */
static uint64_t poisson_large(SimRandom *random, double mean)
{
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    double log_mean = log(mean);

    while (true) {
        double u = sim_random_uniform(random) - 0.5, v = sim_random_uniform(random), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);

        if (us >= 0.07 && v <= v_r) {
            return (uint64_t)k;
        }
        if (k < 0 || (us < 0.013 && v > us)) {
            continue;
        }
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -mean + k * log_mean - lgamma(k + 1)) {
            return (uint64_t)k;
        }
    }
}

/* Marsaglia's polar method. */
static double normal(SimRandom *random)
{
    double x, y, square;

    do {
        x = 2 * sim_random_uniform(random) - 1;
        y = 2 * sim_random_uniform(random) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}

uint64_t sim_random_poisson(SimRandom *random, double mean)
{
    double events;

    if (!(mean > 0)) {
        return 0;
    }
    if (mean < 10) {
        return poisson_small(random, mean);
    }
    if (mean < 1e6) {
        return poisson_large(random, mean);
    }
    events = rint(mean + sqrt(mean) * normal(random));
    return events > 0 ? (uint64_t)events : 0;
}
