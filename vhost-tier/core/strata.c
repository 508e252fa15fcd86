/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rates of strata; strata.h has the theory.
 */
#include "strata.h"

#include <math.h>

#include "likely.h"

#define STRAYS 0.005                    /* so many are not what they were taken for */
#define DOUBT_MOST 1.5                  /* of a stratum of which something is known: was seen, or counted */
#define SHAPES 9                        /* 2^0 to 2^8 */
#define SHAPE_BEFORE 6.0                /* log2 of the shape without evidence: all are alike; */
#define SHAPE_DOUBT 3.0                 /* and how sure that is */
#define SHAPE_APART 1.5                 /* how far strata's shapes are from one another */
#define SAY 3.0                         /* by how much one stratum may speak against a shape */
#define COLD_BELOW 8.0                  /* the common rate is cold for strata so many times hotter */
#define COLD_PRICE 1.5                  /* how much likelier some must make it that there are cold ones in it */
#define REACH 12.0                      /* octaves about what is expected */
#define NARROWINGS 20
#define PRECISION 0.02                  /* octaves */

/* All of one stratum, of which the share @cold has the rate @cold_per_s. */
typedef struct Sample {
    TrialsSeen seen[TRIALS_SEEN_MAX];
    size_t n;
    double weight;
    double expected, doubt;             /* before anything was seen; in octaves */
    double cold, cold_per_s;
} Sample;

/* A rate (log2 over what is expected) and a shape (log2) of a stratum, and how likely these are. */
typedef struct Guess {
    double rate, likely;
    int shape;
} Guess;

static double untouched(const Sample *sample, double per_s, double shape, double seconds)
{
    const double hot = likely_untouched(per_s, shape, seconds);

    return sample->cold > 0 ? (1 - sample->cold) * hot + sample->cold * exp(-sample->cold_per_s * seconds) : hot;
}

/* A sample, and a shape that it may have. */
typedef struct Shaped {
    const Sample *sample;
    double shape;
} Shaped;

/* Logarithm of the likelihood, times the prior of the rate. */
static double likelihood(const void *opaque, double log_rate)
{
    const Shaped *shaped = opaque;
    const Sample *sample = shaped->sample;
    const double per_s = sample->expected * exp2(log_rate), shape = shaped->shape;
    double sum = -log_rate * log_rate / (sample->doubt * sample->doubt) / 2;

    for (size_t i = 0; i < sample->n; i++) {
        const TrialsSeen *seen = &sample->seen[i];
        double chance = untouched(sample, per_s, shape, seen->from_s);

        if (seen->until_s > 0) {
            chance -= untouched(sample, per_s, shape, seen->until_s);
        }
        sum += seen->weight * log(MAX(chance, 0) + STRAYS);
    }
    return sum;
}

/* The most likely rate for a shape. */
static Guess guess_rate(const Sample *sample, int log_shape)
{
    const Shaped shaped = {sample, exp2(log_shape)};
    const double rate = likely_most(likelihood, &shaped, -REACH, REACH, PRECISION);

    return (Guess){.rate = rate, .likely = likelihood(&shaped, rate), .shape = log_shape};
}

/* How unlikely a shape is, of one or of all. */
static double against(int shape, double before, double doubt)
{
    return pow((shape - before) / doubt, 2) / 2;
}

/* The best of the guesses at all shapes, where those of other strata are about @common. */
static Guess best_guess(const Guess guesses[SHAPES], double common)
{
    Guess best = {.likely = -INFINITY};

    for (int shape = 0; shape < SHAPES; shape++) {
        const double likely = guesses[shape].likely - against(shape, common, SHAPE_APART);

        if (likely > best.likely) {
            best = guesses[shape];
            best.likely = likely;
        }
    }
    return best;
}

static void guess_shapes(const Sample *sample, Guess guesses[SHAPES])
{
    for (int shape = 0; shape < SHAPES; shape++) {
        guesses[shape] = guess_rate(sample, shape);
    }
}

/* The shape that suits all strata best, none of which has too much of a say. */
static int common_shape(Guess (*guesses)[SHAPES], size_t n)
{
    double most = -INFINITY;
    int best = 0;

    for (int shape = 0; shape < SHAPES; shape++) {
        double likely = -against(shape, SHAPE_BEFORE, SHAPE_DOUBT);

        for (size_t i = 0; i < n; i++) {
            double top = -INFINITY;

            for (int other = 0; other < SHAPES; other++) {
                top = MAX(top, guesses[i][other].likely);
            }
            likely += MAX(guesses[i][shape].likely - top, -SAY);
        }
        if (likely > most) {
            most = likely;
            best = shape;
        }
    }
    return best;
}

/* Whether some of a stratum are not what they were taken for, but as cold as the most: then @guess is of the rest. */
static void look_for_cold(Sample *sample, double cold_per_s, int common, Guess *guess)
{
    static const double shares[] = {0.03, 0.1, 0.25, 0.5, 0.75};
    Sample mixed = *sample;

    mixed.cold_per_s = cold_per_s;
    for (size_t i = 0; i < G_N_ELEMENTS(shares); i++) {
        Guess guesses[SHAPES], best;

        mixed.cold = shares[i];
        guess_shapes(&mixed, guesses);
        best = best_guess(guesses, common);
        best.likely -= COLD_PRICE;
        if (best.likely > guess->likely) {
            *guess = best;
            *sample = mixed;
        }
    }
}

static double doubt_of(const Sample *sample, const Guess *guess)
{
    const Shaped shaped = {sample, exp2(guess->shape)};
    const double step = 0.5, bend = 2 * likelihood(&shaped, guess->rate) - likelihood(&shaped, guess->rate - step) -
                                    likelihood(&shaped, guess->rate + step);

    return bend > 0 ? step / sqrt(bend) : sample->doubt;
}

/* A line over log2 of what was expected, by least squares; and how far off it rates are. */
typedef struct Line {
    double at, height, slope;
    double misfit;                      /* mean of squares, over what chance and @apart make of them */
    size_t n;                           /* strata of which something is known */
} Line;

/* @apart is the variance of the truth about the line. */
static Line draw_line(const double *expected, const StratumFit *fits, size_t n, double apart)
{
    double w = 0, x = 0, y = 0, xx = 0, xy = 0, spread;
    Line line = {0};

    for (size_t i = 0; i < n; i++) {
        if (expected[i] > 0 && fits[i].doubt < DOUBT_MOST) {
            const double weight = 1 / (fits[i].doubt * fits[i].doubt + apart);
            const double a = log2(expected[i]), b = log2(fits[i].per_s);

            w += weight, x += weight * a, y += weight * b, xx += weight * a * a, xy += weight * a * b;
            line.n++;
        }
    }
    if (line.n < 3) {
        return line;
    }
    spread = xx - x * x / w;
    line.at = x / w;
    line.height = y / w;
    line.slope = spread > 1e-9 ? CLAMP((xy - x * y / w) / spread, 0, 1) : 0;
    for (size_t i = 0; i < n; i++) {
        if (expected[i] > 0 && fits[i].doubt < DOUBT_MOST) {
            const double off = log2(fits[i].per_s) - line.height - line.slope * (log2(expected[i]) - line.at);

            line.misfit += off * off / (fits[i].doubt * fits[i].doubt + apart) / (double)(line.n - 2);
        }
    }
    return line;
}

/*
 * Rates as found are off by chance. Were they known, they would lie about a line over what was expected, of which
 * nobody knows how steep it is (level: the estimates tell nothing; rising as they do: all), some way off it. So
 * that line is drawn, how far off it the truth is beyond what chance makes of it is found (Paule and Mandel, 1982),
 * and each is drawn towards the line by how much of its distance is likely to be chance.
 */
static void draw_together(const double *expected, StratumFit *fits, size_t n)
{
    double low = 0, high = REACH * REACH;
    Line line = draw_line(expected, fits, n, 0);

    if (line.n < 3) {
        return;
    }
    for (int i = 0; i < NARROWINGS; i++) {
        const double middle = (low + high) / 2;

        line = draw_line(expected, fits, n, middle);
        if (line.misfit > 1 + sqrt(2.0 / (double)(line.n - 2))) {
            low = middle;
        } else {
            high = middle;
        }
    }
    line = draw_line(expected, fits, n, low);
    for (size_t i = 0; i < n; i++) {
        if (expected[i] > 0 && fits[i].doubt < DOUBT_MOST) {
            const double doubt = fits[i].doubt * fits[i].doubt, found = log2(fits[i].per_s);
            const double drawn = line.height + line.slope * (log2(expected[i]) - line.at);

            fits[i].per_s = exp2(drawn + (found - drawn) * low / (low + doubt));
            fits[i].doubt = sqrt(doubt * low / (low + doubt));
        }
    }
}

/* What is estimated, of strata of which nothing was seen. */
static void expect(const double *expected, const double *doubts, size_t n, StratumFit *fits)
{
    for (size_t i = 0; i < n; i++) {
        fits[i] = (StratumFit){.per_s = expected[i], .shape = exp2(SHAPE_BEFORE), .doubt = doubts[i]};
    }
}

void strata_fit(const Trials *trials, unsigned first, size_t n, const double *expected, const double *doubts,
                uint64_t now_ns, StratumFit *fits)
{
    g_autofree Sample *samples = g_new0(Sample, n);
    g_autofree Guess(*guesses)[SHAPES] = g_malloc0(n * sizeof(*guesses));
    size_t most = 0;
    double cold_per_s;
    int common;

    for (size_t i = 0; i < n; i++) {
        samples[i].expected = expected[i];
        samples[i].doubt = doubts[i];
        if (expected[i] > 0) {
            samples[i].n = trials_seen(trials, first + (unsigned)i, now_ns, samples[i].seen);
        }
        for (size_t k = 0; k < samples[i].n; k++) {
            samples[i].weight += samples[i].seen[k].weight;
        }
        if (samples[i].n > 0) {
            guess_shapes(&samples[i], guesses[i]);
        }
        most = samples[i].weight > samples[most].weight ? i : most;
    }
    if (samples[most].n == 0) {
        expect(expected, doubts, n, fits);
        return;
    }
    common = common_shape(guesses, n);
    cold_per_s = expected[most] * exp2(best_guess(guesses[most], common).rate);
    for (size_t i = 0; i < n; i++) {
        Guess guess = best_guess(guesses[i], common);

        if (samples[i].n == 0) {
            expect(&expected[i], &doubts[i], 1, &fits[i]);
            continue;
        }
        if (expected[i] * exp2(guess.rate) > COLD_BELOW * cold_per_s) {
            look_for_cold(&samples[i], cold_per_s, common, &guess);
        }
        fits[i] = (StratumFit){
            .per_s = expected[i] * exp2(guess.rate),
            .shape = exp2(guess.shape),
            .doubt = doubt_of(&samples[i], &guess),
            .cold = samples[i].cold,
            .cold_per_s = samples[i].cold_per_s,
            .trials = samples[i].weight,
        };
    }
    draw_together(expected, fits, n);
}
