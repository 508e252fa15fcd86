/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The best guesses of many true values, each of which was estimated with noise.
 *
 * Theory of operation
 *
 * What was picked for its high estimate is most likely less high, and how much less depends on what there is: among
 * values that are all alike every high estimate is noise; where there are two sorts far apart, an estimate near one of
 * them is of that sort. So first it is found how the true values are distributed, as that which makes the estimates the
 * likeliest (Kiefer and Wolfowitz, "Consistency of the Maximum Likelihood Estimator in the Presence of Infinitely Many
 * Incidental Parameters", 1956), by expectation and maximisation in turn (Laird, "Nonparametric Maximum Likelihood
 * Estimation of a Mixing Distribution", 1978); and then the mean of what may stand behind each estimate
 * (Robbins, "An Empirical Bayes Approach to Statistics", 1956). Noise is taken to be normal.
 */
#ifndef VHOST_TIER_CORE_DENOISE_H
#define VHOST_TIER_CORE_DENOISE_H

#include <stddef.h>

#define DENOISE_MAX 64

/*
 * @n (1 to DENOISE_MAX) estimates, finite, each of so much as @weight says (0 or more, all together above 0), whose
 * noise has the variance @noise (above 0). Fills @guess, which rises where @estimate does.
 * The time that it takes grows with @n.
 */
void denoise(const double *estimate, const double *weight, size_t n, double noise, double *guess);

#endif /* VHOST_TIER_CORE_DENOISE_H */
