/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kinds of memory; kinds.h has the theory.
 */
#include "kinds.h"

#include <math.h>
#include <string.h>

#include "likely.h"

#define DOUBT TRIALS_DOUBT_BEFORE       /* of an estimate, in octaves */
#define WIDTH_MIN 0.5                   /* of what a kind is estimated at: strata are octaves */
#define REACH 12.0                      /* octaves about what is expected */
#define PRECISION 0.03                  /* octaves */
#define REFINEMENTS 1
#define ROUNDS 12                       /* of expectation and maximization */
#define NEAR 2.0                        /* kinds' rates differ by more: a VM is now faster, now slower, and all of it */
#define FAR 3.0                         /* standard deviations of estimates */
#define SPLIT 4.0                       /* what may be two kinds is first taken for so much hotter, and colder */
#define FIRST_S 0.016                   /* after which the first look comes, or so */
#define NEGLIGIBLE 1e-3                 /* part of a trial */
#define ALIKE_WITHIN 4.0                /* two standard deviations, squared */
#define SOME 1.0                        /* trials of a kind, less than which are none */
#define LEAST 1e-12                     /* no chance is less */

/* What was seen of a stratum. */
typedef struct Seen {
    unsigned stratum;
    TrialsSeen what;
} Seen;

/* All that is known. */
typedef struct Case {
    Seen *seen;
    size_t n_seen;
    double weight;                      /* sum over all that was seen */
    const double *expected;
    double estimate[TRIALS_STRATA];     /* log2 of what is expected; NAN: that is not known */
} Case;

/* Kinds, as far as they are found. */
typedef struct Mixture {
    Kinds kinds;
    double weight[KINDS_MAX];           /* trials of a kind */
    double centre[KINDS_MAX];           /* log2 of what they were estimated at: mean, */
    double width[KINDS_MAX];            /* and standard deviation */
    size_t lowest, highest;             /* the kinds of which these are so */
    double likely;                      /* logarithm of the likelihood */
} Mixture;

static double chance(const TrialsSeen *seen, double per_s)
{
    const double after = seen->until_s > 0 ? likely_untouched(per_s, INFINITY, seen->until_s) : 0;

    return MAX(likely_untouched(per_s, INFINITY, seen->from_s) - after, LEAST);
}

static bool estimated(const Case *what, unsigned stratum)
{
    return !isnan(what->estimate[stratum]);
}

/* --- one rate --- */

/* Those whose rate is looked for: part @weights[i] of each that was seen; expected to be 2^@before a second. */
typedef struct Sought {
    const Case *what;
    const double *weights;
    double before;
} Sought;

/* Logarithm of the likelihood of the rate 2^@rate, and of the prior. */
static double likelihood(const void *opaque, double rate)
{
    const Sought *sought = opaque;
    const Case *what = sought->what;
    const double per_s = exp2(rate), off = (rate - sought->before) / DOUBT;
    double sum = -off * off / 2;

    for (size_t i = 0; i < what->n_seen; i++) {
        if (sought->weights[i] > NEGLIGIBLE) {
            sum += sought->weights[i] * log(chance(&what->seen[i].what, per_s));
        }
    }
    return sum;
}

/* The most likely rate (log2) within @reach octaves of @about, and its standard deviation. */
static double likeliest(const Sought *sought, double about, double reach, double *doubt)
{
    const double rate = likely_most(likelihood, sought, about - reach, about + reach, PRECISION), step = 0.5;
    const double below = likelihood(sought, rate - step), above = likelihood(sought, rate + step);
    const double bend = 2 * likelihood(sought, rate) - below - above;

    *doubt = bend > 0 ? MIN(step / sqrt(bend), DOUBT) : DOUBT;
    return rate;
}

/* --- a first guess --- */

static void swap_kinds(Mixture *mixture, size_t a, size_t b)
{
    Kinds *kinds = &mixture->kinds;
    double *const columns[] = {kinds->per_s,    kinds->doubt,    kinds->at_once,
                               mixture->weight, mixture->centre, mixture->width};

    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        const double kept = columns[i][a];

        columns[i][a] = columns[i][b];
        columns[i][b] = kept;
    }
    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        const double kept = kinds->share[stratum][a];

        kinds->share[stratum][a] = kinds->share[stratum][b];
        kinds->share[stratum][b] = kept;
    }
}

static void sort_kinds(Mixture *mixture)
{
    for (size_t i = 1; i < mixture->kinds.n; i++) {
        for (size_t k = i; k > 0 && mixture->kinds.per_s[k] < mixture->kinds.per_s[k - 1]; k--) {
            swap_kinds(mixture, k, k - 1);
        }
    }
}

/* Make kind @at and the one after it one, whose rate lies between theirs as @of_first says. */
static void join(Mixture *mixture, size_t at, double of_first)
{
    Kinds *kinds = &mixture->kinds;
    const double one = log2(kinds->per_s[at]), other = log2(kinds->per_s[at + 1]);
    const double a = 1 / (kinds->doubt[at] * kinds->doubt[at]), b = 1 / (kinds->doubt[at + 1] * kinds->doubt[at + 1]);

    kinds->per_s[at] = exp2(other + of_first * (one - other));
    kinds->doubt[at] = 1 / sqrt(a + b);
    mixture->weight[at] += mixture->weight[at + 1];
    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        kinds->share[stratum][at] += kinds->share[stratum][at + 1];
        kinds->share[stratum][at + 1] = 0;
    }
    for (size_t i = at + 1; i + 1 < kinds->n; i++) {
        swap_kinds(mixture, i, i + 1);
    }
    kinds->n--;
}

/* Whether something was seen of a kind and of the next, and they are no further apart than NEAR. */
static bool near(const Mixture *mixture, size_t at)
{
    return mixture->weight[at] >= SOME && mixture->weight[at + 1] >= SOME &&
           mixture->kinds.per_s[at + 1] < NEAR * mixture->kinds.per_s[at];
}

/* How far a kind is from the next, over what chance makes of it, squared; far where nothing was seen of either. */
static double apart(const Mixture *mixture, size_t at)
{
    const Kinds *kinds = &mixture->kinds;
    const double distance = log2(kinds->per_s[at + 1] / kinds->per_s[at]);

    if (near(mixture, at)) {
        return 0;
    }
    if (mixture->weight[at] < SOME || mixture->weight[at + 1] < SOME) {
        return INFINITY;
    }
    return distance * distance / (kinds->doubt[at] * kinds->doubt[at] + kinds->doubt[at + 1] * kinds->doubt[at + 1]);
}

static size_t closest(const Mixture *mixture)
{
    size_t best = 0;

    for (size_t i = 1; i + 1 < mixture->kinds.n; i++) {
        best = apart(mixture, i) < apart(mixture, best) ? i : best;
    }
    return best;
}

/* A kind for each stratum that was estimated; those that may be alike are joined. */
static void begin(const Case *what, Mixture *mixture)
{
    Kinds *kinds = &mixture->kinds;
    g_autofree double *weights = g_new(double, what->n_seen + 1);

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        double sum = 0;

        if (!estimated(what, stratum)) {
            continue;
        }
        for (size_t i = 0; i < what->n_seen; i++) {
            weights[i] = what->seen[i].stratum == stratum ? what->seen[i].what.weight : 0;
            sum += weights[i];
        }
        kinds->per_s[kinds->n] = what->expected[stratum];
        kinds->doubt[kinds->n] = DOUBT;
        if (sum > 0) {
            const Sought sought = {what, weights, what->estimate[stratum]};

            kinds->per_s[kinds->n] = exp2(likeliest(&sought, sought.before, REACH, &kinds->doubt[kinds->n]));
        }
        mixture->weight[kinds->n] = sum;
        kinds->share[stratum][kinds->n++] = 1;
    }
    sort_kinds(mixture);
    while (what->weight > 0 && kinds->n > 1) {
        const size_t at = closest(mixture);
        const double a = pow(kinds->doubt[at], -2), b = pow(kinds->doubt[at + 1], -2);

        if (apart(mixture, at) > ALIKE_WITHIN) {
            break;
        }
        join(mixture, at, a / (a + b));
    }
}

/* --- the mixture --- */

/*
 * How well a stratum's estimate suits a kind. Far below, or above, what all are estimated at, the widest of them would
 * suit best, however far off it is: there they are taken to be as wide as the nearest one.
 */
static double suits(const Case *what, const Mixture *mixture, unsigned stratum, size_t kind)
{
    const double estimate = what->estimate[stratum];
    double width = mixture->width[kind], off;

    if (!estimated(what, stratum)) {
        return 1;
    }
    if (estimate < mixture->centre[mixture->lowest]) {
        width = mixture->width[mixture->lowest];
    } else if (estimate > mixture->centre[mixture->highest]) {
        width = mixture->width[mixture->highest];
    }
    off = (estimate - mixture->centre[kind]) / width;
    return MAX(exp(-off * off / 2) / width, LEAST);
}

/* What kinds are estimated at, by the trials of each: at their rate, give or take DOUBT, where there are none. */
static void find_centres(const Case *what, Mixture *mixture, double (*sums)[KINDS_MAX])
{
    mixture->lowest = mixture->highest = 0;
    for (size_t kind = 0; kind < mixture->kinds.n; kind++) {
        double sum = log2(mixture->kinds.per_s[kind]), squares = DOUBT * DOUBT, weight = 1;

        for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
            if (estimated(what, stratum)) {
                sum += sums[stratum][kind] * what->estimate[stratum];
                weight += sums[stratum][kind];
            }
        }
        mixture->centre[kind] = sum / weight;
        mixture->lowest = mixture->centre[kind] < mixture->centre[mixture->lowest] ? kind : mixture->lowest;
        mixture->highest = mixture->centre[kind] > mixture->centre[mixture->highest] ? kind : mixture->highest;
        for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
            if (estimated(what, stratum)) {
                squares += sums[stratum][kind] * pow(what->estimate[stratum] - mixture->centre[kind], 2);
            }
        }
        mixture->width[kind] = MAX(sqrt(squares / weight), WIDTH_MIN);
    }
}

/*
 * Share out one of a stratum over the kinds by how likely it is of each; adds to its shares, and to the likelihood
 * (NULL: that is not asked for).
 */
static void share_out(const Kinds *kinds, unsigned stratum, const double *chances, double weight, double *each,
                      double *sums, double *likely)
{
    double all = 0;

    for (size_t kind = 0; kind < kinds->n; kind++) {
        all += kinds->share[stratum][kind] * chances[kind];
    }
    all = MAX(all, LEAST * LEAST);
    if (likely) {
        *likely += weight * log(all);
    }
    for (size_t kind = 0; kind < kinds->n; kind++) {
        const double part = weight * kinds->share[stratum][kind] * chances[kind] / all;

        sums[kind] += part;
        if (each) {
            each[kind] = part;
        }
    }
}

/* Find the shares for these rates. @each: what of each that was seen is of which kind. */
static void find_shares(const Case *what, Mixture *mixture, double (*each)[KINDS_MAX])
{
    Kinds *kinds = &mixture->kinds;
    g_autofree double(*chances)[KINDS_MAX] = g_malloc((what->n_seen + 1) * sizeof(*chances));
    g_autofree double(*sums)[KINDS_MAX] = g_malloc0(TRIALS_STRATA * sizeof(*sums));

    for (size_t i = 0; i < what->n_seen; i++) {
        for (size_t kind = 0; kind < kinds->n; kind++) {
            chances[i][kind] = chance(&what->seen[i].what, kinds->per_s[kind]);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        double *likely = round == ROUNDS - 1 ? &mixture->likely : NULL;

        memset(sums, 0, TRIALS_STRATA * sizeof(*sums));
        mixture->likely = 0;
        for (size_t i = 0; i < what->n_seen; i++) {
            share_out(kinds, what->seen[i].stratum, chances[i], what->seen[i].what.weight, each[i],
                      sums[what->seen[i].stratum], likely);
        }
        find_centres(what, mixture, sums);
        for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
            double suited[KINDS_MAX], all = 0;

            if (!(what->expected[stratum] > 0)) {
                continue;
            }
            for (size_t kind = 0; kind < kinds->n; kind++) {
                suited[kind] = suits(what, mixture, stratum, kind);
            }
            share_out(kinds, stratum, suited, 1, NULL, sums[stratum], likely);
            for (size_t kind = 0; kind < kinds->n; kind++) {
                all += sums[stratum][kind];
            }
            for (size_t kind = 0; kind < kinds->n && all > 0; kind++) {
                kinds->share[stratum][kind] = sums[stratum][kind] / all;
            }
        }
    }
    for (size_t kind = 0; kind < kinds->n; kind++) {
        double at_once = 0;

        mixture->weight[kind] = 0;
        for (size_t i = 0; i < what->n_seen; i++) {
            mixture->weight[kind] += each[i][kind];
            at_once += what->seen[i].what.from_s > 0 ? 0 : each[i][kind];
        }
        /* Where nothing was seen, by the rate: what is touched within FIRST_S. */
        kinds->at_once[kind] =
            (at_once - expm1(-kinds->per_s[kind] * FIRST_S)) / (mixture->weight[kind] + 1);
    }
}

/*
 * Whether some of a stratum may be of a kind: not of one that nothing was seen of and that is estimated to be far
 * hotter, or colder. Any rate that is high enough accounts for what the first look found, so that would be of it.
 */
static bool may_mix(const Case *what, const Mixture *mixture, unsigned stratum, size_t kind)
{
    return mixture->weight[kind] >= SOME ||
           fabs(what->estimate[stratum] - log2(mixture->kinds.per_s[kind])) <= FAR * DOUBT;
}

/* Let strata mix a little with all kinds, or they never would. */
static void stir(const Case *what, Mixture *mixture)
{
    const double little = 0.1;
    Kinds *kinds = &mixture->kinds;

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (size_t kind = 0; kind < kinds->n && what->expected[stratum] > 0; kind++) {
            double *share = &kinds->share[stratum][kind];

            if (estimated(what, stratum)) {
                const double mixed = may_mix(what, mixture, stratum, kind) ? little / (double)kinds->n : 0;

                *share = (1 - little) * *share + mixed;
            } else {
                *share = 1 / (double)kinds->n;
            }
        }
    }
}

/* The rate of a kind for these shares. */
static void find_rate(const Case *what, Mixture *mixture, size_t kind, double (*each)[KINDS_MAX])
{
    g_autofree double *weights = g_new(double, what->n_seen + 1);
    const Sought sought = {what, weights, mixture->centre[kind]};
    double *per_s = &mixture->kinds.per_s[kind];

    for (size_t i = 0; i < what->n_seen; i++) {
        weights[i] = each[i][kind];
    }
    *per_s = exp2(likeliest(&sought, log2(*per_s), 1, &mixture->kinds.doubt[kind]));
}

static void refine(const Case *what, Mixture *mixture, double (*each)[KINDS_MAX])
{
    for (int i = 0; i < REFINEMENTS; i++) {
        find_shares(what, mixture, each);
        for (size_t kind = 0; kind < mixture->kinds.n; kind++) {
            find_rate(what, mixture, kind, each);
        }
        sort_kinds(mixture);
    }
    find_shares(what, mixture, each);
}

/* @mixture with kind @at and the next as one. */
static void try_as_one(const Case *what, const Mixture *mixture, size_t at, double (*each)[KINDS_MAX], Mixture *simpler)
{
    const double a = mixture->weight[at] + NEGLIGIBLE, b = mixture->weight[at + 1] + NEGLIGIBLE;

    *simpler = *mixture;
    join(simpler, at, a / (a + b));
    stir(what, simpler);
    find_shares(what, simpler, each);
    find_rate(what, simpler, at, each);
    sort_kinds(simpler);
    find_shares(what, simpler, each);
}

/* Make neighbours one as long as it costs no more likelihood than @price each time. */
static void simplify(const Case *what, Mixture *mixture, double price, double (*each)[KINDS_MAX])
{
    g_autofree Mixture *simpler = g_new(Mixture, 1);
    size_t at = 0;

    while (at + 1 < mixture->kinds.n) {
        if (mixture->weight[at] < SOME && mixture->weight[at + 1] < SOME) {
            at++;
            continue;
        }
        try_as_one(what, mixture, at, each, simpler);
        if (near(mixture, at) || simpler->likely + price > mixture->likely) {
            *mixture = *simpler;
            at = 0;
        } else {
            at++;
        }
    }
}

/* @mixture with kind @at as two. */
static void try_as_two(const Case *what, const Mixture *mixture, size_t at, double (*each)[KINDS_MAX], Mixture *richer)
{
    Kinds *kinds = &richer->kinds;

    *richer = *mixture;
    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        kinds->share[stratum][at] /= 2;
        kinds->share[stratum][kinds->n] = kinds->share[stratum][at];
    }
    kinds->per_s[kinds->n] = kinds->per_s[at] * SPLIT;
    kinds->per_s[at] /= SPLIT;
    kinds->n++;
    sort_kinds(richer);
    refine(what, richer, each);
}

/* Make two of a kind where that makes it likelier by more than @price. */
static void diversify(const Case *what, Mixture *mixture, double price, double (*each)[KINDS_MAX])
{
    g_autofree Mixture *richer = g_new0(Mixture, 1);
    size_t at = 0;

    while (at < mixture->kinds.n && mixture->kinds.n < KINDS_MAX) {
        if (mixture->weight[at] >= SOME) {
            try_as_two(what, mixture, at, each, richer);
        }
        if (mixture->weight[at] >= SOME && richer->likely > mixture->likely + price) {
            *mixture = *richer;
            at = 0;
        } else {
            at++;
        }
    }
}

void kinds_find(const Trials *trials, const double expected[TRIALS_STRATA], uint64_t now_ns, Kinds *kinds)
{
    g_autofree Seen *seen = g_new(Seen, TRIALS_STRATA * TRIALS_SEEN_MAX);
    g_autofree double(*each)[KINDS_MAX] = NULL;
    g_autofree Mixture *mixture = g_new0(Mixture, 1);
    Case what = {.seen = seen, .expected = expected};
    double per_stratum[TRIALS_STRATA] = {0}, price;

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        const bool is_estimated = expected[stratum] > 0 && isfinite(expected[stratum]);
        TrialsSeen here[TRIALS_SEEN_MAX];
        const size_t n = expected[stratum] > 0 ? trials_seen(trials, stratum, now_ns, here) : 0;

        what.estimate[stratum] = is_estimated ? log2(expected[stratum]) : NAN;
        for (size_t i = 0; i < n; i++) {
            seen[what.n_seen++] = (Seen){stratum, here[i]};
            per_stratum[stratum] += here[i].weight;
        }
        what.weight += per_stratum[stratum];
    }
    each = g_malloc((what.n_seen + 1) * sizeof(*each));
    price = log(MAX(what.weight, M_E));
    begin(&what, mixture);
    if (what.weight > 0) {
        stir(&what, mixture);
        refine(&what, mixture, each);
        simplify(&what, mixture, price, each);
        diversify(&what, mixture, price, each);
        refine(&what, mixture, each);
    }
    *kinds = mixture->kinds;
    memcpy(kinds->trials, per_stratum, sizeof(per_stratum));
}
