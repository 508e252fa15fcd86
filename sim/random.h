/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seeded random numbers: a generator, and the distributions that the simulator draws from.
 */
#ifndef VHOST_TIER_SIM_RANDOM_H
#define VHOST_TIER_SIM_RANDOM_H

#include <stdint.h>

/* xoshiro256++ (Blackman and Vigna, 2019). */
typedef struct SimRandom {
    uint64_t state[4];
} SimRandom;

/* Any @seed will do; streams of different seeds are independent. */
void sim_random_init(SimRandom *random, uint64_t seed);
uint64_t sim_random_bits(SimRandom *random);
/* From 0 up to, but not, 1. */
double sim_random_uniform(SimRandom *random);
/* From 0 up to, but not, @n, which is not 0. */
uint64_t sim_random_below(SimRandom *random, uint64_t n);
/* Exponential, of mean 1. */
double sim_random_exponential(SimRandom *random);
/* How many events when @mean are expected: exact below 10^6, a rounded normal variable above. */
uint64_t sim_random_poisson(SimRandom *random, double mean);

#endif /* VHOST_TIER_SIM_RANDOM_H */
