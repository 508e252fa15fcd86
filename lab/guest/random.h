/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seeded randomness for access patterns: a generator of numbers, and permutations that need no table (a
 * table would be memory that the guest touches beside the pages under test). The same seed gives the same
 * pattern.
 */
#ifndef LAB_GUEST_RANDOM_H
#define LAB_GUEST_RANDOM_H

#include <stdint.h>

typedef struct Random {
    uint32_t s[4];
} Random;

void random_seed(Random *random, uint32_t seed);
/* 32 random bits. */
uint32_t random_next(Random *random);

/* A number in 0..@n-1, each as likely as the others to within n / 2^32. @n is not 0. */
static inline uint32_t random_below(Random *random, uint32_t n)
{
    return (uint64_t)random_next(random) * n >> 32;
}

/* A good mix of all bits of @x. */
uint32_t random_hash(uint32_t x);

#define PERMUTATION_ROUNDS 4

typedef struct Permutation {
    uint32_t size;
    uint32_t low_bits;
    uint32_t low_mask, high_mask;
    uint32_t keys[PERMUTATION_ROUNDS];
} Permutation;

/* A permutation of 0..@size-1, drawn by @random. @size is 1..2^31. */
void permutation_init(Permutation *p, uint32_t size, Random *random);
/* Where @i (< size) goes. */
uint32_t permutation_at(const Permutation *p, uint32_t i);

#endif /* LAB_GUEST_RANDOM_H */
