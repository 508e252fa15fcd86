/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers with a Zipf distribution: rank r of n is drawn with a probability proportional to r^-theta.
 * Exact, in constant memory.
 */
#ifndef LAB_GUEST_ZIPF_H
#define LAB_GUEST_ZIPF_H

#include "random.h"

#define ZIPF_OCTAVES  24            /* ranks up to 2^24 - 1 */
#define ZIPF_STEPS    256           /* points of the curve within an octave */

typedef struct Zipf {
    uint32_t n;
    uint32_t octaves;
    uint32_t below[ZIPF_OCTAVES];   /* 2^32 times the probability of this octave or a lower one */
    uint32_t curve[ZIPF_STEPS + 1]; /* 2^31 times (1 + i / ZIPF_STEPS)^-theta */
} Zipf;

/*
 * Prepare for ranks 1..@n (1 <= n < 2^24) and @theta (0 < theta <= 4). Uses the FPU: not between MMX
 * instructions.
 */
void zipf_init(Zipf *zipf, uint32_t n, double theta);
/* A rank, from 0 (the most likely) to n - 1. */
uint32_t zipf_next(const Zipf *zipf, Random *random);

#endif /* LAB_GUEST_ZIPF_H */
