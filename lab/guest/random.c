/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded randomness for access patterns: see random.h. */
#include "random.h"

/* The finaliser of MurmurHash3. */
uint32_t random_hash(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x ^= x >> 16;
    return x;
}

void random_seed(Random *random, uint32_t seed)
{
    for (uint32_t i = 0; i < 4; i++) {
        seed += 0x9e3779b9u;
        random->s[i] = random_hash(seed);
    }
}

static uint32_t rotate_left(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

/* xoshiro128++ (Blackman and Vigna, public domain): 32-bit operations only. */
uint32_t random_next(Random *random)
{
    uint32_t *s = random->s;
    uint32_t result = rotate_left(s[0] + s[3], 7) + s[0];
    uint32_t t = s[1] << 9;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 11);
    return result;
}

void permutation_init(Permutation *p, uint32_t size, Random *random)
{
    uint32_t bits = 2;

    while ((1u << bits) < size) {
        bits++;
    }
    p->size = size;
    p->low_bits = bits / 2;
    p->low_mask = (1u << p->low_bits) - 1;
    p->high_mask = (1u << (bits - p->low_bits)) - 1;
    for (int i = 0; i < PERMUTATION_ROUNDS; i++) {
        p->keys[i] = random_next(random);
    }
}

/*
 * A Feistel network permutes the numbers of 'bits' bits, whatever its round function does. Going through it
 * until the result is below 'size' (cycle walking) makes that a permutation of 0..size-1; it takes fewer
 * than two turns on average.
 */
uint32_t permutation_at(const Permutation *p, uint32_t i)
{
    do {
        uint32_t low = i & p->low_mask, high = i >> p->low_bits;

        for (int round = 0; round < PERMUTATION_ROUNDS; round += 2) {
            low ^= random_hash(high + p->keys[round]) & p->low_mask;
            high ^= random_hash(low + p->keys[round + 1]) & p->high_mask;
        }
        i = high << p->low_bits | low;
    } while (i >= p->size);
    return i;
}
