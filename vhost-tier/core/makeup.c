/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory is made up of; makeup.h has the theory.
 */
#include "makeup.h"

#include <math.h>

#define STRATA (TRIALS_STRATA / 2)      /* of tier 0; as many for the others */
#define TOUCH_DOUBT 0.05                /* octaves by which accesses to a touch differ between kinds */
#define BEFORE 2.0                      /* trials: before any, a stratum is taken for what its tier is */
#define STALE 0.05                      /* part of a kind's pages that may have moved since trials found them */
#define HOTTER 3.0                      /* octaves by which what is found touched at once may be hotter than that */
#define COUNT_DOUBT 0.01                /* what was counted belongs to a time that is not quite that of the pages */
#define SURPRISE 5.0                    /* standard deviations */
#define SIMILAR 3.0                     /* memory is like most of what lies outside tier 0 if no more than so hotter */
#define MATCHINGS 30
#define APART 16.0                      /* times: two kinds that are nearer may be the halves of a continuum */
#define OF_NOTE 0.01                    /* a kind has this share of all touches */
#define FEW 2u                          /* hot, and not */
#define ENOUGH 100.0                    /* trials */

/* Memory by kinds; the first of two is of tier 0, the second of the others. */
typedef struct Makeup {
    size_t n;
    double per_s[2][KINDS_MAX];         /* accesses a second and page, coldest first */
    double doubt[KINDS_MAX];            /* variance of their natural logarithm, in both alike, */
    double hotter[KINDS_MAX];           /* and in each for itself */
    double pages[2][KINDS_MAX];
    double unsure[2][KINDS_MAX];        /* variance of the pages that are of this kind rather than of the next */
} Makeup;

static double squared(double value)
{
    return value * value;
}

/* What of a stratum is of a kind, by its trials, and as if BEFORE more had found @of_tier. */
static double share_of(const Kinds *kinds, unsigned stratum, size_t kind, double of_tier)
{
    const double trials = kinds->trials[stratum];

    return (trials * kinds->share[stratum][kind] + BEFORE * of_tier) / (trials + BEFORE);
}

/*
 * How far it is in doubt what of a tier is of a kind rather than of the next: stratum by stratum by the trials of each,
 * as if a few more had found what is found in the tier on the whole.
 */
static void take_doubts(const Kinds *kinds, const double *strata, unsigned tier, Makeup *makeup)
{
    double pages = 0, trials = 0;

    for (unsigned i = tier * STRATA; i < (tier + 1) * STRATA; i++) {
        pages += strata[i];
        trials += kinds->trials[i];
    }
    for (size_t kind = 0; kind + 1 < kinds->n; kind++) {
        const double here = makeup->pages[tier][kind], next = makeup->pages[tier][kind + 1];
        const double of_here = here / MAX(pages, 1) + 1 / (trials + 1);
        const double of_next = next / MAX(pages, 1) + 1 / (trials + 1);

        makeup->unsure[tier][kind] = squared(STALE * MIN(here, next));
        for (unsigned i = tier * STRATA; i < (tier + 1) * STRATA; i++) {
            makeup->unsure[tier][kind] += squared(strata[i]) *
                                          share_of(kinds, i, kind, of_here) * share_of(kinds, i, kind + 1, of_next) /
                                          (kinds->trials[i] + BEFORE);
        }
    }
}

/* What memory is made up of, as trials have it. */
static void take_makeup(const Kinds *kinds, const double strata[TRIALS_STRATA], Makeup *makeup)
{
    *makeup = (Makeup){.n = kinds->n};
    for (size_t kind = 0; kind < kinds->n; kind++) {
        makeup->per_s[0][kind] = makeup->per_s[1][kind] = kinds->per_s[kind];
        makeup->doubt[kind] = squared(M_LN2 * kinds->doubt[kind]) + squared(M_LN2 * TOUCH_DOUBT);
        makeup->hotter[kind] = squared(M_LN2 * HOTTER * pow(kinds->at_once[kind], 3));
        for (unsigned i = 0; i < TRIALS_STRATA; i++) {
            makeup->pages[i / STRATA][kind] += strata[i] * kinds->share[i][kind];
        }
    }
    take_doubts(kinds, strata, 0, makeup);
    take_doubts(kinds, strata, 1, makeup);
}

/* --- what was counted --- */

/* How a makeup is changed: logarithms of factors of the rates, and pages that are of the next kind instead. */
typedef struct Change {
    double both[KINDS_MAX];
    double each[2][KINDS_MAX];
    double pages[2][KINDS_MAX];
} Change;

/* @makeup, changed. */
static void apply(const Makeup *makeup, const Change *change, Makeup *out)
{
    *out = *makeup;
    for (unsigned tier = 0; tier < 2; tier++) {
        for (size_t kind = 0; kind < makeup->n; kind++) {
            out->per_s[tier][kind] *= exp(change->both[kind] + change->each[tier][kind]);
        }
        for (size_t kind = 0; kind + 1 < makeup->n; kind++) {
            const double moved = CLAMP(change->pages[tier][kind], -out->pages[tier][kind + 1], out->pages[tier][kind]);

            out->pages[tier][kind] -= moved;
            out->pages[tier][kind + 1] += moved;
        }
    }
}

static double accesses(const Makeup *makeup, unsigned tier, size_t kind)
{
    return makeup->pages[tier][kind] * makeup->per_s[tier][kind];
}

static double sum_of(const Makeup *makeup, unsigned tier)
{
    double sum = 0;

    for (size_t kind = 0; kind < makeup->n; kind++) {
        sum += accesses(makeup, tier, kind);
    }
    return sum;
}

/* By how much more pages of the next kind are accessed. */
static double step_up(const Makeup *makeup, unsigned tier, size_t kind)
{
    return kind + 1 < makeup->n ? makeup->per_s[tier][kind + 1] - makeup->per_s[tier][kind] : 0;
}

/*
 * The least change of @makeup, in squares over variances, with which @now, what @last made of it, would come to what
 * was counted, were all linear: the update of a Kalman filter.
 */
static void least_change(const Makeup *makeup, const Makeup *now, const double counted[2], const Change *last,
                         Change *change)
{
    double lack[2], variance[2], covariance = 0, determinant, push[2];

    for (unsigned tier = 0; tier < 2; tier++) {
        lack[tier] = counted[tier] - sum_of(now, tier);
        variance[tier] = squared(COUNT_DOUBT * counted[tier]);
        for (size_t kind = 0; kind < now->n; kind++) {
            const double here = accesses(now, tier, kind), step = step_up(now, tier, kind);

            lack[tier] += here * (last->both[kind] + last->each[tier][kind]) + step * last->pages[tier][kind];
            variance[tier] += squared(here) * (makeup->doubt[kind] + makeup->hotter[kind]) +
                              squared(step) * makeup->unsure[tier][kind];
        }
    }
    for (size_t kind = 0; kind < now->n; kind++) {
        covariance += accesses(now, 0, kind) * accesses(now, 1, kind) * makeup->doubt[kind];
    }
    determinant = variance[0] * variance[1] - squared(covariance);
    push[0] = determinant > 0 ? (variance[1] * lack[0] - covariance * lack[1]) / determinant : 0;
    push[1] = determinant > 0 ? (variance[0] * lack[1] - covariance * lack[0]) / determinant : 0;
    for (size_t kind = 0; kind < now->n; kind++) {
        change->both[kind] =
            makeup->doubt[kind] * (accesses(now, 0, kind) * push[0] + accesses(now, 1, kind) * push[1]);
        for (unsigned tier = 0; tier < 2; tier++) {
            change->each[tier][kind] = makeup->hotter[kind] * accesses(now, tier, kind) * push[tier];
            change->pages[tier][kind] = makeup->unsure[tier][kind] * step_up(now, tier, kind) * push[tier];
        }
    }
}

/* Half the way, lest it swing. */
static void go_towards(double *value, double aim)
{
    *value += CLAMP((aim - *value) / 2, -1, 1);
}

/*
 * Where far more was counted outside tier 0 than trials can be wrong by, what most of it is made up of has more
 * accesses to a touch: memory that is read in one go. Then it has so, too, where it lies in tier 0.
 */
static void match_touches(Makeup *makeup, double counted)
{
    const double found = sum_of(makeup, 1);
    double pages = 0, variance = 0, similar = 0, factor;

    for (size_t kind = 0; kind < makeup->n; kind++) {
        pages += makeup->pages[1][kind];
        variance += squared(accesses(makeup, 1, kind)) * makeup->doubt[kind] +
                    squared(step_up(makeup, 1, kind)) * makeup->unsure[1][kind];
    }
    for (size_t kind = 0; kind < makeup->n; kind++) {
        similar += makeup->per_s[1][kind] * pages <= SIMILAR * found ? accesses(makeup, 1, kind) : 0;
    }
    if (similar <= 0 || counted - found <= SURPRISE * sqrt(variance)) {
        return;
    }
    factor = 1 + (counted - found) / similar;
    for (size_t kind = 0; kind < makeup->n; kind++) {
        if (makeup->per_s[1][kind] * pages <= SIMILAR * found) {
            makeup->per_s[0][kind] *= factor;
            makeup->per_s[1][kind] *= factor;
        }
    }
}

/* Let both tiers come to what was counted. */
static void match(Makeup *makeup, const double counted[2])
{
    Change last = {0}, change = {0};
    Makeup now;

    match_touches(makeup, counted[1]);
    now = *makeup;
    for (int i = 0; i < MATCHINGS; i++) {
        least_change(makeup, &now, counted, &last, &change);
        for (size_t kind = 0; kind < makeup->n; kind++) {
            go_towards(&last.both[kind], change.both[kind]);
            for (unsigned tier = 0; tier < 2; tier++) {
                go_towards(&last.each[tier][kind], change.each[tier][kind]);
                last.pages[tier][kind] += (change.pages[tier][kind] - last.pages[tier][kind]) / 2;
            }
        }
        apply(makeup, &last, &now);
    }
    *makeup = now;
}

/* Pages are whole ones; and what is still missing of what was @counted (NULL: nothing was), is missing of all alike. */
static void make_even(Makeup *makeup, const double *counted)
{
    for (unsigned tier = 0; tier < 2; tier++) {
        double sum, factor;

        for (size_t kind = 0; kind < makeup->n; kind++) {
            makeup->pages[tier][kind] = round(makeup->pages[tier][kind]);
        }
        sum = sum_of(makeup, tier);
        factor = counted && sum > 0 ? counted[tier] / sum : 1;
        for (size_t kind = 0; kind < makeup->n; kind++) {
            makeup->per_s[tier][kind] *= factor;
        }
    }
}

/* --- the whole --- */

bool makeup_few(const Kinds *kinds, const double strata[TRIALS_STRATA])
{
    double here[KINDS_MAX] = {0}, all = 0, colder = 0, trials = 0;
    unsigned of_note = 0;

    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        for (size_t kind = 0; kind < kinds->n; kind++) {
            here[kind] += strata[i] * kinds->share[i][kind] * kinds->per_s[kind];
        }
        trials += kinds->trials[i];
    }
    for (size_t kind = 0; kind < kinds->n; kind++) {
        all += here[kind];
    }
    for (size_t kind = 0; kind < kinds->n; kind++) {
        if (here[kind] < OF_NOTE * all) {
            continue;
        }
        if (++of_note > FEW || kinds->per_s[kind] < APART * colder) {
            return false;
        }
        colder = kinds->per_s[kind];
    }
    return trials >= ENOUGH;
}

size_t makeup_find(const Kinds *kinds, const double strata[TRIALS_STRATA], const double counted[2],
                   MakeupPart parts[MAKEUP_MAX])
{
    const bool known = counted[0] >= 0 && counted[1] >= 0;
    Makeup makeup;
    size_t n = 0;

    take_makeup(kinds, strata, &makeup);
    if (known) {
        match(&makeup, counted);
    }
    make_even(&makeup, known ? counted : NULL);
    for (unsigned tier = 0; tier < 2; tier++) {
        for (size_t kind = 0; kind < makeup.n; kind++) {
            if (makeup.pages[tier][kind] >= 1) {
                parts[n++] = (MakeupPart){makeup.per_s[tier][kind], makeup.pages[tier][kind]};
            }
        }
    }
    return n;
}
