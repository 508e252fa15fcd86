/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small seeded generator for tests (xorshift64*), so that a failure repeats.
 */
#ifndef VHOST_TIER_TESTS_RNG_H
#define VHOST_TIER_TESTS_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Rng {
    uint64_t state;             /* not 0 */
} Rng;

static inline uint64_t rng_next(Rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return rng->state * 0x2545f4914f6cdd1dull;
}

/* From 0 up to, but not, 1. */
static inline double rng_uniform(Rng *rng)
{
    return (rng_next(rng) >> 11) * 0x1p-53;
}

static inline bool rng_chance(Rng *rng, double probability)
{
    return rng_uniform(rng) < probability;
}

#endif /* VHOST_TIER_TESTS_RNG_H */
