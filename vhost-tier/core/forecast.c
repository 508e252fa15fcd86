/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forecasts; forecast.h has the model.
 */
#include "forecast.h"

#include <math.h>

#include "slowdown.h"

#define LINE_BYTES 64.0                 /* of an access */
#define FULL 0.98                       /* no more of the bandwidth than this makes latency grow */
#define WAIT (1 / 4.0)                  /* see the law in forecast.h */
#define USUALLY_NS 30e9                 /* in which what was taken fades */
#define HALVINGS 40
#define ROUNDS 8                        /* in which two tiers' loads come to agree */

/* What load is taken for. */
typedef struct Model {
    const Forecast *now;
    double compute_ns;                  /* of a vCPU, for each access */
    double others[2];                   /* bytes a second of a tier that are not this VM's */
} Model;

static double idle_ns(const ForecastTier *tier)
{
    return tier->idle_ns > 0 ? MIN(tier->idle_ns, tier->now_ns) : tier->now_ns;
}

static bool load_known(const ForecastTier *tier)
{
    return tier->bytes_per_s > 0 && tier->idle_ns > 0;
}

static double loaded(const ForecastTier *tier, double bytes_per_s)
{
    const double used = MAX(bytes_per_s, 0) / tier->bytes_per_s;

    return idle_ns(tier) * (1 + WAIT * used * used / (1 - MIN(used, FULL)));
}

/* The load at which a tier is as slow as it is now. */
static double load_now(const ForecastTier *tier)
{
    double low = 0, high = 1;

    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (low + high) / 2;

        if (loaded(tier, middle * tier->bytes_per_s) < tier->now_ns) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low * tier->bytes_per_s;
}

/* Time of a vCPU for an access, what it computes included. */
static double each_at(const Model *model, double hit_ratio, const double *latency_ns)
{
    return model->compute_ns + hit_ratio * latency_ns[0] + (1 - hit_ratio) * latency_ns[1];
}

/* Accesses a second at a hit ratio and these latencies. */
static double accesses_at(const Model *model, double hit_ratio, const double *latency_ns)
{
    const Forecast *now = model->now;

    return now->busy * (1 - now->stolen_usually) * 1e9 / each_at(model, hit_ratio, latency_ns);
}

/* The latencies that agree with the load that comes of them: the slower a tier, the less is asked of it. */
static void settle(const Model *model, double hit_ratio, double *latency_ns)
{
    for (unsigned tier = 0; tier < 2; tier++) {
        latency_ns[tier] = model->now->tiers[tier].now_ns;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned tier = 0; tier < 2; tier++) {
            const ForecastTier *what = &model->now->tiers[tier];
            const double share = tier == 0 ? hit_ratio : 1 - hit_ratio;
            double low = idle_ns(what), high = loaded(what, 2 * what->bytes_per_s);

            for (int i = 0; load_known(what) && i < HALVINGS; i++) {
                latency_ns[tier] = (low + high) / 2;
                if (loaded(what, model->others[tier] +
                                     LINE_BYTES * share * accesses_at(model, hit_ratio, latency_ns)) >
                    latency_ns[tier]) {
                    low = latency_ns[tier];
                } else {
                    high = latency_ns[tier];
                }
            }
        }
    }
}

static Model model_of(const Forecast *now)
{
    Model model = {.now = now};
    const double each_ns = now->busy * (1 - now->stolen) * 1e9 / now->accesses_per_s;

    model.compute_ns =
        MAX(each_ns - now->hit_ratio * now->tiers[0].now_ns - (1 - now->hit_ratio) * now->tiers[1].now_ns, 0);
    for (unsigned tier = 0; tier < 2; tier++) {
        const double share = tier == 0 ? now->hit_ratio : 1 - now->hit_ratio;

        if (load_known(&now->tiers[tier])) {
            model.others[tier] =
                MAX(load_now(&now->tiers[tier]) - LINE_BYTES * share * now->accesses_per_s, 0);
        }
    }
    return model;
}

/* The largest hit ratio up to @most at which tier 0 is not the slower one. */
static double balanced(const Model *model, double most, double *latency_ns)
{
    double low = 0, high = most;

    settle(model, most, latency_ns);
    if (latency_ns[0] <= latency_ns[1] || !load_known(&model->now->tiers[0])) {
        return most;
    }
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (low + high) / 2;

        settle(model, middle, latency_ns);
        if (latency_ns[0] <= latency_ns[1]) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether enough was measured to say anything of time. */
static bool measured(const Forecast *now)
{
    return now->accesses_per_s > 0 && now->busy > 0 && now->stolen >= 0 && now->stolen < 1 && now->hit_ratio >= 0 &&
           now->hit_ratio <= 1 && now->stolen_usually >= 0 && now->stolen_usually < 1;
}

/* Against all memory in tier 0, nobody else there, and nobody who watches or moves, who now take the share @stolen. */
static double slowdown_of(const Model *model, double hit_ratio, const double *latency_ns, double stolen)
{
    const double best_ns = model->compute_ns + idle_ns(&model->now->tiers[0]);

    return each_at(model, hit_ratio, latency_ns) / best_ns / (1 - stolen) - 1;
}

double forecast_usually(double usually, double stolen, double elapsed_ns)
{
    if (!isfinite(usually) || !isfinite(stolen)) {
        return isfinite(stolen) ? stolen : usually;
    }
    return stolen + (usually - stolen) * exp(-elapsed_ns / USUALLY_NS);
}

double forecast_slowdown_now(const Forecast *now)
{
    const double latency_ns[2] = {now->tiers[0].now_ns, now->tiers[1].now_ns};
    Model model;

    if (!measured(now)) {
        return NAN;
    }
    model = model_of(now);
    return slowdown_of(&model, now->hit_ratio, latency_ns, now->stolen);
}

ForecastAt forecast_at(const Forecast *now, const PolicyCurve *curve, uint64_t bytes)
{
    ForecastAt at = {.hit_ratio = slowdown_hit_ratio(curve, bytes), .slowdown = NAN};
    double latency_ns[2];
    Model model;

    if (!measured(now) || isnan(at.hit_ratio)) {
        return at;
    }
    model = model_of(now);
    at.hit_ratio = balanced(&model, at.hit_ratio, latency_ns);
    at.slowdown = slowdown_of(&model, at.hit_ratio, latency_ns, now->stolen_usually);
    return at;
}
