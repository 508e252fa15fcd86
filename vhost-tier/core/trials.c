/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trials: what is under way, what was seen, and the fit; trials.h has the theory.
 */
#include "trials.h"

#include <math.h>
#include <string.h>

#define BINS 24                         /* octaves of time, from 2^-10 s */
#define BIN_ORIGIN (-10)
#define RESCALE 64                      /* half-lives after which weights are made small again */

/* Granules of a stratum for which the last look came at such a time; sums, weighed. */
typedef struct Cell {
    double touched, from_s, until_s;    /* found touched in it, by which time, and since when */
    double waiting, waiting_s;          /* not touched until then */
} Cell;

/* A block under way. */
typedef struct Open {
    uint64_t block;
    uint64_t waiting;                   /* granules */
    uint64_t begun_ns, looked_ns;
    double pages;
    uint8_t strata[TRIALS_BLOCK];
} Open;

struct Trials {
    Cell cells[TRIALS_STRATA][BINS];
    GHashTable *by_block;               /* of Open */
    GQueue order;                       /* the same, oldest first */
    uint64_t origin_ns;                 /* time of weight 1 */
};

Trials *trials_new(void)
{
    Trials *trials = g_new0(Trials, 1);

    trials->by_block = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&trials->order);
    return trials;
}

void trials_end(Trials *trials)
{
    g_hash_table_remove_all(trials->by_block);
    g_queue_clear_full(&trials->order, g_free);
}

void trials_free(Trials *trials)
{
    if (trials) {
        trials_end(trials);
        g_hash_table_unref(trials->by_block);
        g_free(trials);
    }
}

void trials_forget(Trials *trials)
{
    trials_end(trials);
    memset(trials->cells, 0, sizeof(trials->cells));
}

/* Take the weight of all that was seen from now on at @now_ns. */
static void scale_down(Trials *trials, uint64_t now_ns)
{
    const double factor = exp2(((double)trials->origin_ns - (double)now_ns) / (double)TRIALS_HALF_LIFE_NS);

    for (unsigned stratum = 0; stratum < TRIALS_STRATA; stratum++) {
        for (unsigned bin = 0; bin < BINS; bin++) {
            Cell *cell = &trials->cells[stratum][bin];

            cell->touched *= factor;
            cell->from_s *= factor;
            cell->until_s *= factor;
            cell->waiting *= factor;
            cell->waiting_s *= factor;
        }
    }
    trials->origin_ns = now_ns;
}

/* Younger ones weigh more, rather than older ones less and less. */
static double weight_of(const Trials *trials, const Open *open)
{
    return exp2(((double)open->begun_ns - (double)trials->origin_ns) / (double)TRIALS_HALF_LIFE_NS);
}

static Cell *cell_at(Trials *trials, unsigned stratum, double seconds)
{
    int bin = (int)floor(log2(MAX(seconds, 1e-9))) - BIN_ORIGIN;

    return &trials->cells[stratum][CLAMP(bin, 0, BINS - 1)];
}

static void close_oldest(Trials *trials)
{
    Open *oldest = g_queue_pop_head(&trials->order);

    g_hash_table_remove(trials->by_block, &oldest->block);
    g_free(oldest);
}

static void close_block(Trials *trials, uint64_t block)
{
    Open *open = g_hash_table_lookup(trials->by_block, &block);

    if (open) {
        g_hash_table_remove(trials->by_block, &block);
        g_queue_remove(&trials->order, open);
        g_free(open);
    }
}

void trials_begin(Trials *trials, uint64_t block, uint64_t granules, const uint8_t strata[TRIALS_BLOCK], double pages,
                  uint64_t now_ns)
{
    Open *open;

    close_block(trials, block);
    if (granules == 0) {
        return;
    }
    if (g_queue_get_length(&trials->order) >= TRIALS_OPEN_MAX) {
        close_oldest(trials);
    }
    if (now_ns > trials->origin_ns + RESCALE * TRIALS_HALF_LIFE_NS) {
        scale_down(trials, now_ns);
    }
    open = g_new(Open, 1);
    *open = (Open){.block = block, .waiting = granules, .begun_ns = now_ns, .looked_ns = now_ns, .pages = pages};
    memcpy(open->strata, strata, sizeof(open->strata));
    g_queue_push_tail(&trials->order, open);
    g_hash_table_insert(trials->by_block, &open->block, open);
}

void trials_look(Trials *trials, uint64_t block, uint64_t touched, uint64_t now_ns)
{
    Open *open = g_hash_table_lookup(trials->by_block, &block);
    double weight, from_s, until_s;

    if (!open || now_ns <= open->looked_ns) {
        return;
    }
    weight = weight_of(trials, open);
    from_s = (double)(open->looked_ns - open->begun_ns) / 1e9 * open->pages;
    until_s = (double)(now_ns - open->begun_ns) / 1e9 * open->pages;
    for (uint64_t left = open->waiting; left; left &= left - 1) {
        const unsigned granule = __builtin_ctzll(left), stratum = open->strata[granule];
        Cell *before = cell_at(trials, stratum, from_s), *cell = cell_at(trials, stratum, until_s);

        if (from_s > 0) {
            before->waiting -= weight;
            before->waiting_s -= weight * from_s;
        }
        if (touched >> granule & 1) {
            cell->touched += weight;
            cell->from_s += weight * from_s;
            cell->until_s += weight * until_s;
        } else {
            cell->waiting += weight;
            cell->waiting_s += weight * until_s;
        }
    }
    open->looked_ns = now_ns;
    open->waiting &= ~touched;
    if (open->waiting == 0) {
        close_block(trials, block);
    }
}

/* --- the fit --- */

#define DOUBT_MOST 1.5                  /* of a stratum of which something was seen */
#define SHAPES 9                        /* 2^0 to 2^8 */
#define SHAPE_BEFORE 6.0                /* log2 of the shape without evidence: all are alike; */
#define SHAPE_DOUBT 3.0                 /* and how sure that is */
#define SHAPE_APART 1.5                 /* how far strata's shapes are from one another */
#define SAY 3.0                         /* by how much one stratum may speak against a shape */
#define COLD_BELOW 8.0                  /* the common rate is cold for strata so many times hotter */
#define COLD_PRICE 1.5                  /* how much likelier some must make it that there are cold ones in it */
#define REACH 12.0                      /* octaves about what is expected */
#define NARROWINGS 20

/* What was seen, some @weight times: touched between two times, or (@until_s 0) not until @from_s. */
typedef struct Seen {
    double weight, from_s, until_s;
} Seen;

/* All of one stratum, of which the share @cold has the rate @cold_per_s. */
typedef struct Sample {
    Seen seen[2 * BINS];
    size_t n;
    double weight;
    double expected;
    double cold, cold_per_s;
} Sample;

/* A rate (log2 over what is expected) and a shape (log2) of a stratum, and how likely these are. */
typedef struct Guess {
    double rate, likely;
    int shape;
} Guess;

static double untouched(const Sample *sample, double per_s, double shape, double seconds)
{
    const double hot = exp(-shape * log1p(per_s * seconds / shape));

    return sample->cold > 0 ? (1 - sample->cold) * hot + sample->cold * exp(-sample->cold_per_s * seconds) : hot;
}

/* Logarithm of the likelihood, times the prior of the rate. */
static double likelihood(const Sample *sample, double log_rate, int log_shape)
{
    const double per_s = sample->expected * exp2(log_rate), shape = exp2(log_shape);
    double sum = -log_rate * log_rate / (TRIALS_DOUBT_BEFORE * TRIALS_DOUBT_BEFORE) / 2;

    for (size_t i = 0; i < sample->n; i++) {
        const Seen *seen = &sample->seen[i];
        double chance = untouched(sample, per_s, shape, seen->from_s);

        if (seen->until_s > 0) {
            chance -= untouched(sample, per_s, shape, seen->until_s);
        }
        sum += seen->weight * log(MAX(chance, 1e-12));
    }
    return sum;
}

/* The most likely rate for a shape, by golden sections: there is but one hill. */
static Guess guess_rate(const Sample *sample, int log_shape)
{
    const double golden = 0.6180339887498949;
    double low = -REACH, high = REACH;
    double left = high - golden * (high - low), right = low + golden * (high - low);
    double at_left = likelihood(sample, left, log_shape), at_right = likelihood(sample, right, log_shape);

    for (int i = 0; i < NARROWINGS; i++) {
        if (at_left > at_right) {
            high = right;
            right = left;
            at_right = at_left;
            left = high - golden * (high - low);
            at_left = likelihood(sample, left, log_shape);
        } else {
            low = left;
            left = right;
            at_left = at_right;
            right = low + golden * (high - low);
            at_right = likelihood(sample, right, log_shape);
        }
    }
    return (Guess){.rate = (low + high) / 2, .likely = MAX(at_left, at_right), .shape = log_shape};
}

static void gather(const Trials *trials, unsigned stratum, double scale, Sample *sample)
{
    for (unsigned bin = 0; bin < BINS; bin++) {
        const Cell *cell = &trials->cells[stratum][bin];

        if (cell->touched * scale > 1e-6) {
            sample->seen[sample->n++] =
                (Seen){cell->touched * scale, cell->from_s / cell->touched, cell->until_s / cell->touched};
            sample->weight += cell->touched * scale;
        }
        if (cell->waiting * scale > 1e-6) {
            sample->seen[sample->n++] = (Seen){cell->waiting * scale, cell->waiting_s / cell->waiting, 0};
            sample->weight += cell->waiting * scale;
        }
    }
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
    const double step = 0.5, bend = 2 * likelihood(sample, guess->rate, guess->shape) -
                                    likelihood(sample, guess->rate - step, guess->shape) -
                                    likelihood(sample, guess->rate + step, guess->shape);

    return bend > 0 ? step / sqrt(bend) : TRIALS_DOUBT_BEFORE;
}

/* A line over log2 of what was expected, by least squares; and how far off it rates are. */
typedef struct Line {
    double at, height, slope;
    double misfit;                      /* mean of squares, over what chance and @apart make of them */
    size_t n;                           /* strata of which something was seen */
} Line;

/* @apart is the variance of the truth about the line. */
static Line draw_line(const double *expected, const TrialsFit *fits, size_t n, double apart)
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
static void draw_together(const double *expected, TrialsFit *fits, size_t n)
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
static void expect(const double *expected, size_t n, TrialsFit *fits)
{
    for (size_t i = 0; i < n; i++) {
        fits[i] = (TrialsFit){.per_s = expected[i], .shape = exp2(SHAPE_BEFORE), .doubt = TRIALS_DOUBT_BEFORE};
    }
}

void trials_fit(const Trials *trials, unsigned first, size_t n, const double *expected, uint64_t now_ns,
                TrialsFit *fits)
{
    const double scale = exp2(((double)trials->origin_ns - (double)now_ns) / (double)TRIALS_HALF_LIFE_NS);
    g_autofree Sample *samples = g_new0(Sample, n);
    g_autofree Guess(*guesses)[SHAPES] = g_malloc0(n * sizeof(*guesses));
    size_t most = 0;
    double cold_per_s;
    int common;

    for (size_t i = 0; i < n; i++) {
        samples[i].expected = expected[i];
        if (expected[i] > 0) {
            gather(trials, first + (unsigned)i, scale, &samples[i]);
        }
        if (samples[i].n > 0) {
            guess_shapes(&samples[i], guesses[i]);
        }
        most = samples[i].weight > samples[most].weight ? i : most;
    }
    if (samples[most].n == 0) {
        expect(expected, n, fits);
        return;
    }
    common = common_shape(guesses, n);
    cold_per_s = expected[most] * exp2(best_guess(guesses[most], common).rate);
    for (size_t i = 0; i < n; i++) {
        Guess guess = best_guess(guesses[i], common);

        if (samples[i].n == 0) {
            expect(&expected[i], 1, &fits[i]);
            continue;
        }
        if (expected[i] * exp2(guess.rate) > COLD_BELOW * cold_per_s) {
            look_for_cold(&samples[i], cold_per_s, common, &guess);
        }
        fits[i] = (TrialsFit){
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
