/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in miniature; see sim.h.
 */
#include "sim.h"

#include <math.h>
#include <stdlib.h>

#define PAGE 4096u
#define BLOCK 64u
#define SECOND 1000000000ull

Sim *sim_new(const PolicyConfig *config, size_t n, double fast, uint64_t seed)
{
    Sim *sim = g_new0(Sim, 1);
    PolicyConfig own = *config;

    sim->n = n;
    sim->rng.state = seed;
    sim->rate = g_new0(double, n);
    sim->tier = g_new0(uint8_t, n);
    sim->promoted_ns = g_new0(uint64_t, n);
    sim->demoted_ns = g_new0(uint64_t, n);
    sim->now_ns = 5 * SECOND;
    sim->budget_bytes = own.budget_bytes = (uint64_t)(n * fast) * PAGE;
    for (size_t i = 0; i < n; i++) {
        sim->tier[i] = (uint64_t)((i + 1) * fast) > (uint64_t)(i * fast) ? 0 : 1;
    }
    sim->policy = policy_new(&own);
    g_assert_true(policy_region_add(sim->policy, SIM_REGION, n * PAGE, PAGE, NULL));
    policy_place(sim->policy, SIM_REGION, 0, n, sim->tier);
    return sim;
}

void sim_free(Sim *sim)
{
    policy_free(sim->policy);
    g_free(sim->rate);
    g_free(sim->tier);
    g_free(sim->promoted_ns);
    g_free(sim->demoted_ns);
    g_free(sim);
}

void sim_gups(Sim *sim, size_t n_hot, double hot_share, double accesses_per_s)
{
    g_assert(sim->n > 0 && n_hot < sim->n);
    sim->n_hot = n_hot;
    for (size_t i = 0; i < sim->n; i++) {
        sim->rate[i] = (1 - hot_share) * accesses_per_s / (sim->n - n_hot);
    }
    for (size_t left = n_hot; left;) {
        size_t i = rng_next(&sim->rng) % sim->n;
        double hot = hot_share * accesses_per_s / (double)n_hot;

        if (sim->rate[i] != hot) {
            sim->rate[i] = hot;
            left--;
        }
    }
}

void sim_zipf(Sim *sim, double accesses_per_s)
{
    double sum = 0;

    for (size_t i = 0; i < sim->n; i++) {
        sim->rate[i] = pow(i + 1, -0.99);
        sum += sim->rate[i];
    }
    for (size_t i = sim->n; i-- > 0;) {
        size_t other = rng_next(&sim->rng) % (i + 1);
        double rate = sim->rate[i];

        sim->rate[i] = sim->rate[other];
        sim->rate[other] = rate;
    }
    for (size_t i = 0; i < sim->n; i++) {
        sim->rate[i] *= accesses_per_s / sum;
    }
}

void sim_scan(Sim *sim, size_t at, size_t length, double accesses_per_s)
{
    for (size_t i = 0; i < sim->n; i++) {
        bool scanned = (i + sim->n - at % sim->n) % sim->n < length;

        sim->rate[i] = i % 10 == 0 ? 8 * accesses_per_s / sim->n : 0;
        sim->rate[i] += scanned ? 0.2 * accesses_per_s / length : 0;
    }
}

static void watch(Sim *sim, size_t first, uint64_t interval_ns)
{
    uint64_t bits = 0;
    size_t n = MIN(BLOCK, sim->n - first);

    for (size_t i = 0; i < n; i++) {
        if (rng_chance(&sim->rng, 1 - exp(-sim->rate[first + i] * interval_ns / SECOND))) {
            bits |= 1ull << i;
        }
    }
    policy_evidence_bits(sim->policy, POLICY_SOURCE_RWP, SIM_REGION, first, n, &bits, interval_ns,
                         sim->now_ns);
}

void sim_plan(Sim *sim)
{
    const PolicyPlan *plan = policy_plan(sim->policy, sim->now_ns);
    uint64_t recent = sim->now_ns - 10 * SECOND;
    double fast_bytes = 0;

    for (size_t i = 0; i < plan->n_moves; i++) {
        const PolicyMove *move = &plan->moves[i];
        uint64_t *back = move->to == 0 ? &sim->demoted_ns[move->granule] : &sim->promoted_ns[move->granule];

        g_assert_cmpuint(sim->tier[move->granule], ==, move->from);
        sim->tier[move->granule] = move->to;
        sim->moved_bytes += PAGE;
        sim->undone_bytes += *back && *back >= MIN(recent, sim->now_ns) ? PAGE : 0;
        *(move->to == 0 ? &sim->promoted_ns[move->granule] : &sim->demoted_ns[move->granule]) = sim->now_ns;
        policy_moved(sim->policy, move, POLICY_MOVED, sim->now_ns);
    }
    for (size_t i = 0; i < sim->n; i++) {
        fast_bytes += sim->tier[i] == 0 ? PAGE : 0;
    }
    sim->most_over_budget = MAX(sim->most_over_budget, fast_bytes - sim->budget_bytes);
}

void sim_run(Sim *sim, double seconds, unsigned rounds, double sampled, const uint64_t *intervals_ns)
{
    size_t at = 0;

    for (uint64_t round = 0; round < seconds * rounds; round++) {
        for (size_t first = 0; first < sim->n; first += BLOCK) {
            if (rng_chance(&sim->rng, sampled)) {
                watch(sim, first, intervals_ns[at]);
            }
        }
        at = intervals_ns[at + 1] ? at + 1 : 0;
        sim->now_ns += SECOND / rounds;
        if ((round + 1) % rounds == 0) {
            sim_plan(sim);
        }
    }
}

double sim_hit_ratio(const Sim *sim)
{
    double fast = 0, all = 0;

    for (size_t i = 0; i < sim->n; i++) {
        fast += sim->tier[i] == 0 ? sim->rate[i] : 0;
        all += sim->rate[i];
    }
    return fast / all;
}

static int compare_hottest(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? 1 : left > right ? -1 : 0;
}

double sim_oracle(const Sim *sim)
{
    g_autofree double *sorted = g_memdup2(sim->rate, sim->n * sizeof(*sorted));
    double fast = 0, all = 0;

    qsort(sorted, sim->n, sizeof(*sorted), compare_hottest);
    for (size_t i = 0; i < sim->n; i++) {
        fast += i < sim->budget_bytes / PAGE ? sorted[i] : 0;
        all += sorted[i];
    }
    return fast / all;
}

void sim_reset_counts(Sim *sim)
{
    sim->moved_bytes = 0;
    sim->undone_bytes = 0;
}
