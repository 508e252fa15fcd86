/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in miniature for tests of the policy: granules with true access rates, sampled the way access
 * bits are, and moves that succeed. Time is simulated.
 */
#ifndef VHOST_TIER_TESTS_SIM_H
#define VHOST_TIER_TESTS_SIM_H

#include "core/policy.h"
#include "rng.h"

#define SIM_REGION 3u

typedef struct Sim {
    Policy *policy;
    Rng rng;
    size_t n;                   /* granules of 4 KiB */
    size_t n_hot;
    double *rate;               /* true accesses per second */
    uint8_t *tier;
    uint64_t now_ns;
    uint64_t budget_bytes;
    uint64_t moved_bytes, undone_bytes;     /* since sim_reset_counts() */
    uint64_t *promoted_ns, *demoted_ns;     /* when last; 0: never */
    double most_over_budget;    /* bytes, at any time */
} Sim;

/* @n granules, a share @fast of them on tier 0 by stripes, and the budget the same. */
Sim *sim_new(const PolicyConfig *config, size_t n, double fast, uint64_t seed);
void sim_free(Sim *sim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sim, sim_free)

/*
 * Rates as in gups-hot: @n_hot granules at random share @hot_share of @accesses_per_s, the others the rest.
 */
void sim_gups(Sim *sim, size_t n_hot, double hot_share, double accesses_per_s);

/* Rates by Zipf's law with exponent 0.99, ranks given to granules at random: @accesses_per_s in all. */
void sim_zipf(Sim *sim, double accesses_per_s);
/*
 * A hot set of each tenth granule at 80 % of @accesses_per_s, while a sequential scan is at the @length
 * granules from @at.
 */
void sim_scan(Sim *sim, size_t at, size_t length, double accesses_per_s);

/*
 * Run for @seconds: each second, @rounds rounds in which a share @sampled of all 64-granule blocks is
 * watched for an interval, whose length goes round in @intervals_ns (0 ends the list); then a plan, carried
 * out in full.
 */
void sim_run(Sim *sim, double seconds, unsigned rounds, double sampled, const uint64_t *intervals_ns);

/* Plan at sim->now_ns and carry it out in full. */
void sim_plan(Sim *sim);

/* The true share of accesses to tier 0; and the most that any placement within the budget could have. */
double sim_hit_ratio(const Sim *sim);
double sim_oracle(const Sim *sim);
void sim_reset_counts(Sim *sim);

#endif /* VHOST_TIER_TESTS_SIM_H */
