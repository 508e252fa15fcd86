/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Empirical Bayes; denoise.h has the theory.
 */
#include "denoise.h"

#include <float.h>
#include <glib.h>
#include <math.h>

#define VALUES 64u                  /* that the truth may have, evenly spaced from the lowest estimate to the highest */
#define ROUNDS 16u                  /* of noise alone they leave a fifth of its standard deviation */

typedef struct Mixture {
    size_t n;
    float weight[DENOISE_MAX];      /* of each estimate, all together 1 */
    float odds[DENOISE_MAX][VALUES];/* how likely it is with each value, but for a factor */
    float value[VALUES], share[VALUES];
} Mixture;

static void mixture_init(Mixture *mixture, const double *estimate, const double *weight, size_t n, double noise)
{
    double low = estimate[0], high = low, all = 0;

    mixture->n = n;
    for (size_t i = 0; i < n; i++) {
        low = MIN(low, estimate[i]);
        high = MAX(high, estimate[i]);
        all += weight[i];
    }
    for (unsigned k = 0; k < VALUES; k++) {
        mixture->value[k] = (float)(low + (high - low) * k / (VALUES - 1));
        mixture->share[k] = 1.0f / VALUES;
    }
    for (size_t i = 0; i < n; i++) {
        mixture->weight[i] = (float)(weight[i] / all);
        for (unsigned k = 0; k < VALUES; k++) {
            const float apart = (float)estimate[i] - mixture->value[k];

            mixture->odds[i][k] = expf(-apart * apart / (float)(2 * noise));
        }
    }
}

/* How likely estimate @i is. */
static float likelihood(const Mixture *mixture, size_t i)
{
    float likely = FLT_MIN;

    for (unsigned k = 0; k < VALUES; k++) {
        likely += mixture->odds[i][k] * mixture->share[k];
    }
    return likely;
}

/* A round of expectation and maximisation. */
static void improve(Mixture *mixture)
{
    float grows[VALUES] = {0};

    for (size_t i = 0; i < mixture->n; i++) {
        const float part = mixture->weight[i] / likelihood(mixture, i);

        for (unsigned k = 0; k < VALUES; k++) {
            grows[k] += mixture->odds[i][k] * part;
        }
    }
    for (unsigned k = 0; k < VALUES; k++) {
        mixture->share[k] *= grows[k];
    }
}

void denoise(const double *estimate, const double *weight, size_t n, double noise, double *guess)
{
    Mixture mixture;

    mixture_init(&mixture, estimate, weight, n, noise);
    for (unsigned round = 0; round < ROUNDS; round++) {
        improve(&mixture);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        for (unsigned k = 0; k < VALUES; k++) {
            sum += (double)mixture.odds[i][k] * mixture.share[k] * mixture.value[k];
        }
        guess[i] = CLAMP(sum / likelihood(&mixture, i), mixture.value[0], mixture.value[VALUES - 1]);
    }
}
