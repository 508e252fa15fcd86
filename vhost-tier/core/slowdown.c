/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slowdown from the curve of accesses over memory, and back: slowdown.h has the model.
 */
#include "slowdown.h"

#include <math.h>

#include "denoise.h"

#define PAGE 4096u

/* A number from outside, or @otherwise where it is none or not above zero. */
static double positive_or(double number, double otherwise)
{
    return isfinite(number) && number > 0 ? number : otherwise;
}

bool slowdown_known(const PolicyCurve *curve)
{
    return curve && curve->n > 0 && curve->points[curve->n - 1].bytes >= curve->present_bytes / 2;
}

double slowdown_total(const PolicyCurve *curve)
{
    return curve && curve->n > 0 ? positive_or(curve->points[curve->n - 1].per_s, 0) : 0;
}

double slowdown_hit_ratio(const PolicyCurve *curve, uint64_t bytes)
{
    const double total = slowdown_total(curve);
    double before_bytes = 0, before_per_s = 0;

    if (!curve || curve->n == 0) {
        return NAN;
    }
    if (total <= 0) {
        return 1;
    }
    for (size_t i = 0; i < curve->n; i++) {
        const double end = (double)curve->points[i].bytes, per_s = curve->points[i].per_s;

        if (bytes < curve->points[i].bytes) {
            const double part = ((double)bytes - before_bytes) / (end - before_bytes);

            return CLAMP((before_per_s + part * (per_s - before_per_s)) / total, 0, 1);
        }
        before_bytes = end;
        before_per_s = per_s;
    }
    return 1;
}

/* Slope of stretch @i of a curve: accesses per second and byte; 0 where it has no length. */
static double slope(const PolicyCurve *curve, size_t i, double *bytes)
{
    const double start = i > 0 ? (double)curve->points[i - 1].bytes : 0;
    const double before = i > 0 ? curve->points[i - 1].per_s : 0;

    *bytes = (double)curve->points[i].bytes - start;
    return *bytes > 0 ? positive_or((curve->points[i].per_s - before) / *bytes, 0) : 0;
}

void slowdown_doubted(const PolicyCurve *curve, PolicyCurve *out)
{
    const double total = slowdown_total(curve);
    double rates[POLICY_CURVE_POINTS], bytes[POLICY_CURVE_POINTS], guesses[POLICY_CURVE_POINTS], sum = 0;
    size_t at[POLICY_CURVE_POINTS], n = 0;

    G_STATIC_ASSERT(POLICY_CURVE_POINTS <= DENOISE_MAX);
    for (size_t i = 0; i < curve->n; i++) {
        const double here = slope(curve, i, &bytes[n]);

        if (here > 0) {
            rates[n] = log2(here);
            at[n++] = i;
        }
    }
    *out = *curve;
    if (n == 0) {
        return;
    }
    denoise(rates, bytes, n, SLOWDOWN_DOUBT, guesses);
    for (size_t i = 0, next = 0; i < curve->n; i++) {
        if (next < n && at[next] == i) {
            sum += bytes[next] * exp2(guesses[next]);
            next++;
        }
        out->points[i].per_s = sum;
    }
    for (size_t i = 0; i < curve->n; i++) {
        out->points[i].per_s *= total / sum;
    }
}

Slowdown slowdown_model(const PolicyCurve *curve, const SlowdownLoad *load)
{
    const double busy = positive_or(load->busy, 1);
    const double hit = isfinite(load->hit_ratio) ? CLAMP(load->hit_ratio, 0, 1) : 1;
    const double fast_s = MAX(load->fast_ns, 1) / 1e9;
    const double extra_s = load->slow_ns > load->fast_ns ? (load->slow_ns - load->fast_ns) / 1e9 : 0;
    const double most = busy / (fast_s + (1 - hit) * extra_s);
    const double accesses = MIN(positive_or(load->accesses_per_s, slowdown_total(curve)), most);
    const double work = busy - accesses * (1 - hit) * extra_s;

    /* 'work' holds all accesses at fast_s, so with any at all it is above zero. */
    return (Slowdown) { .worst = accesses > 0 ? accesses * extra_s / work : 0, .work = work };
}

double slowdown_at(const PolicyCurve *curve, const Slowdown *model, uint64_t bytes)
{
    return model->worst * (1 - slowdown_hit_ratio(curve, bytes));
}

uint64_t slowdown_size(const PolicyCurve *curve, const Slowdown *model, double target)
{
    const double total = slowdown_total(curve);
    const double allowed = positive_or(target, 0);
    double needed, before_bytes = 0, before_per_s = 0;

    if (!curve || curve->n == 0) {
        return UINT64_MAX;
    }
    if (model->worst <= allowed) {
        return 0;
    }
    needed = total * (1 - allowed / model->worst);
    for (size_t i = 0; i < curve->n; i++) {
        const double end = (double)curve->points[i].bytes, per_s = curve->points[i].per_s;

        if (per_s >= needed && per_s > before_per_s) {
            const double part = MAX((needed - before_per_s) / (per_s - before_per_s), 0);
            const double pages = ceil((before_bytes + part * (end - before_bytes)) / PAGE);

            return (uint64_t)pages * PAGE;
        }
        before_bytes = end;
        before_per_s = per_s;
    }
    return curve->points[curve->n - 1].bytes;
}

void slowdown_foretell(SlowdownTrack *track, uint64_t budget_bytes, double predicted, uint64_t now_ns)
{
    track->budget_bytes = budget_bytes;
    track->predicted = predicted;
    track->made_ns = now_ns;
    track->open = isfinite(predicted);
}

bool slowdown_check(SlowdownTrack *track, double measured, uint64_t now_ns)
{
    if (!track->open || !isfinite(measured) || now_ns < track->made_ns + SLOWDOWN_SETTLE_NS) {
        return false;
    }
    track->open = false;
    track->checks++;
    track->error +=
        (fabs(measured - track->predicted) - track->error) / (double)MIN(track->checks, SLOWDOWN_FADE);
    return true;
}
