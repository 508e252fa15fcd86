/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The curve: how accesses are spread over memory.
 *
 * Theory of operation
 *
 * The census tells how much memory is estimated to be how hot, in tier 0 and outside of it. Trials (trials.h) tell
 * how hot such memory is indeed: its mean rate, how it is spread about that, and how sure that is. Strata of which
 * there was no trial are taken for what they are estimated at, and memory that was never seen is left out unless
 * there was one.
 *
 * What hardware counts, the accesses to each of the two, must come out as the sum. Outside tier 0, where little is
 * so hot that looks can't tell, all is scaled to it. In tier 0 the difference is shared out by doubt, and what is
 * missing beyond that belongs to what every look finds touched: it is as hot as it takes.
 *
 * Then each stratum is cut into pieces from its hottest to its coldest, and all pieces are put in order: as they are,
 * which is what a budget comes to in the long run; or as they can be told apart today, which is what is bid with.
 *
 * Where trials show that memory is of a few kinds, each of one rate (makeup.h), the former is cut into these instead:
 * strata, each found for itself, would be sorted by chance, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "policy-internal.h"

#define STRATA (TRIALS_STRATA / 2)      /* of tier 0; as many for the others */
#define UNSEEN 0u                       /* the stratum of what no estimate was ever made of */
#define COOLEST (-9)                    /* octave of stratum 1, accesses a second and page; stratum 2 is one up */
#define OCTAVE_BUCKETS (LOG2_ONE >> CENSUS_SHIFT)
#define PIECES OCTAVE_BUCKETS           /* that a stratum is cut into: the buckets of its octave, or as many parts */
#define CHECK_NS 5000000000ull          /* whether trials say more is looked at as often */
#define MORE 1.2                        /* they are fitted anew when there are so many times more, */
#define LESS 0.9                        /* or fewer, as what was seen before was forgotten, */
#define REFIT_NS 300000000000ull        /* or at the latest then: a fit takes milliseconds; */
#define UNSTEADY_NS 60000000000ull      /* for so long after heat has changed, when estimates change by the second, */
#define UNSTEADY_REFIT_NS 10000000000ull /* then */
#define SIMILAR 2.0                     /* memory is as cold as what lies outside tier 0 if no more than so hotter */
#define SETTLES_NS 10000000000ull       /* at first, and after heat has moved, until estimates mean what they will */
#define ALIKE 64.0                      /* trials hardly tell this shape from that of what is all alike */
#define COUNTED_DOUBT 0.5               /* of a rate that was counted page by page, in octaves */
#define SATURATED 64.0                  /* an estimate above it says little but that every look found it touched */

typedef struct Stratum {
    double pages;
    double bucket_pages[PIECES];        /* of these, by the buckets of the octave, coolest first */
    double estimate;                    /* accesses a second and page, as estimated, on average */
    double cold, cold_per_s;            /* as in StratumFit */
    double per_s;                       /* of the rest, as it is */
    bool tried;                         /* it is as trials found it, */
    double spread;                      /* with this standard deviation of its natural logarithm; else as estimated */
    double doubt;                       /* of its mean: standard deviation in octaves */
} Stratum;

typedef MakeupPart Piece;

/* The stratum of memory that is estimated at 2^@rate accesses a second and page. */
static unsigned stratum_of(Log2 rate, bool fast)
{
    return (unsigned)CLAMP((rate >> 10) - COOLEST + 1, 1, (int)STRATA - 1) + (fast ? 0 : STRATA);
}

static uint64_t trial_block(uint32_t region, size_t first)
{
    return (uint64_t)region << 32 | first / TRIALS_BLOCK;
}

bool policy_quiet(const Policy *policy)
{
    return policy->idle || policy->state.activity.quiet;
}

bool policy_takes_trials(const Policy *policy)
{
    return !policy_quiet(policy);
}

bool policy_settled(const Policy *policy)
{
    const uint64_t from_ns = MAX(policy->first_plan_ns, policy_changed_ns(policy));

    return policy->first_plan_ns > 0 && policy->state.now_ns >= from_ns + SETTLES_NS;
}

uint64_t policy_busy_ns(const Policy *policy, uint64_t now_ns)
{
    const bool passes = now_ns > policy->state.now_ns && !policy_quiet(policy);

    return policy->busy_ns + (passes ? now_ns - policy->state.now_ns : 0);
}

void policy_trial_begin(Policy *policy, uint32_t region, size_t first, uint64_t granules, uint64_t now_ns)
{
    size_t n = TRIALS_BLOCK;
    const HeatMap *map = policy_find_range(policy, region, first, &n);
    uint8_t strata[TRIALS_BLOCK] = {0};
    Log2 per_page;

    if (!map || policy_quiet(policy)) {
        return;
    }
    if (policy_changed_ns(policy) > policy->trials_from_ns) {
        policy->trials_from_ns = policy_changed_ns(policy);
        trials_changed(policy->trials);
    }
    per_page = -log2_of((double)map->granule_bytes / CENSUS_PAGE);
    for (size_t i = 0; i < TRIALS_BLOCK; i++) {
        Heat heat;

        if (!(granules >> i & 1)) {
            continue;
        }
        heat = i < n ? heat_at(map, first + i) : (Heat){0};
        if (i >= n || heat_tier(heat) >= POLICY_MAX_TIERS || block_is_huge(map, first + i)) {
            granules &= ~(1ull << i);
        } else if (heat_seen(heat)) {
            strata[i] = stratum_of(heat_rate(&policy->model, heat) + per_page, heat_tier(heat) == 0);
        } else {
            strata[i] = heat_tier(heat) == 0 ? UNSEEN : STRATA + UNSEEN;
        }
    }
    trials_begin(policy->trials, trial_block(region, first), granules, strata,
                 (double)map->granule_bytes / CENSUS_PAGE, policy_busy_ns(policy, now_ns));
}

void policy_trial_look(Policy *policy, uint32_t region, size_t first, uint64_t touched, uint64_t now_ns)
{
    if (policy_quiet(policy)) {
        policy_trials_end(policy);
    } else {
        trials_look(policy->trials, trial_block(region, first), touched,
                    policy_busy_ns(policy, now_ns));
    }
}

void policy_trials_end(Policy *policy)
{
    trials_end(policy->trials, UINT64_MAX);
}

void policy_idles(Policy *policy, bool idle, uint64_t since_ns)
{
    const uint64_t busy_ns = policy_busy_ns(policy, since_ns);
    const uint64_t ago_ns = policy->state.now_ns - MIN(since_ns, policy->state.now_ns);

    if (idle && !policy->idle) {
        trials_end(policy->trials, busy_ns - MIN(ago_ns, busy_ns));
    }
    policy->idle = idle;
}

void policy_counted(Policy *policy, double fast_per_s, double slow_per_s)
{
    policy->counted[0] = fast_per_s;
    policy->counted[1] = slow_per_s;
}

/* What the census has of each stratum. */
static void take_strata(const Policy *policy, Stratum strata[TRIALS_STRATA])
{
    const Census *census = planner_census(policy->planner);
    double left[2] = {(double)census->fast_bytes / CENSUS_PAGE, (double)census->slow_bytes / CENSUS_PAGE};

    memset(strata, 0, TRIALS_STRATA * sizeof(*strata));
    for (unsigned bucket = 0; bucket < CENSUS_BUCKETS; bucket++) {
        for (unsigned slow = 0; slow < 2; slow++) {
            const double pages = (double)(slow ? census->slow : census->fast)[bucket] / CENSUS_PAGE;
            Stratum *stratum = &strata[stratum_of(census_heat(bucket), !slow)];

            stratum->pages += pages;
            stratum->bucket_pages[bucket % PIECES] += pages;
            stratum->estimate += pages * log2_value(census_middle(bucket));
            left[slow] -= pages;
        }
    }
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        strata[i].estimate /= MAX(strata[i].pages, 1);
    }
    for (unsigned slow = 0; slow < 2; slow++) {
        strata[slow * STRATA + UNSEEN].pages = MAX(left[slow], 0);
        strata[slow * STRATA + UNSEEN].estimate = log2_value(policy->model.crowd_mean);
    }
}

/*
 * What is not there now may come to be there before trials are looked at anew: it is taken for what the stratum of the
 * nearest estimates is, which may be one of the other tier.
 */
static void fill_gaps(const double expected[TRIALS_STRATA], Kinds *kinds)
{
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        unsigned nearest = i;

        if (i % STRATA == UNSEEN || expected[i] > 0) {
            continue;
        }
        for (unsigned other = 0; other < TRIALS_STRATA; other++) {
            const unsigned off = abs((int)(other % STRATA) - (int)(i % STRATA));

            if (other % STRATA != UNSEEN && expected[other] > 0 &&
                (nearest == i || off < (unsigned)abs((int)(nearest % STRATA) - (int)(i % STRATA)))) {
                nearest = other;
            }
        }
        memcpy(kinds->share[i], kinds->share[nearest], sizeof(kinds->share[i]));
    }
}

/* Pages of strata; those of which nothing is known are left out. */
static void known_pages(const Policy *policy, const Stratum *strata, double pages[TRIALS_STRATA])
{
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        pages[i] = i % STRATA == UNSEEN && policy->kinds.trials[i] == 0 ? 0 : strata[i].pages;
    }
}

/* What kinds there are, and whether these are few. */
static void find_kinds(Policy *policy, const Stratum *strata)
{
    double expected[TRIALS_STRATA], pages[TRIALS_STRATA];

    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        expected[i] = strata[i].pages <= 0 ? 0 : i % STRATA == UNSEEN ? INFINITY : strata[i].estimate;
    }
    kinds_find(policy->trials, expected, policy->busy_ns, &policy->kinds);
    fill_gaps(expected, &policy->kinds);
    known_pages(policy, strata, pages);
    policy->few_kinds = makeup_few(&policy->kinds, pages);
}

/* Whether what a stratum is estimated at was counted, page by page. */
static bool is_counted(const Policy *policy, unsigned stratum)
{
    const uint32_t slow_tiers = (1u << policy->config.n_tiers) - 2;
    const int octave = (int)(stratum % STRATA) - 1 + COOLEST;

    return stratum > STRATA && policy_covers(policy, slow_tiers, octave * LOG2_ONE);
}

/* Whether trials say more, or less, than when they were fitted last, so that it is worth its time. */
static bool worth_fitting(const Policy *policy, double trials)
{
    const uint64_t changed_ns = policy_changed_ns(policy);
    const bool unsteady = changed_ns > 0 && policy->state.now_ns < changed_ns + UNSTEADY_NS;

    return trials > MORE * policy->fitted_trials || trials < LESS * policy->fitted_trials ||
           policy->busy_ns - policy->fitted_ns >= (unsteady ? UNSTEADY_REFIT_NS : REFIT_NS);
}

void policy_fit_trials(Policy *policy)
{
    Stratum strata[TRIALS_STRATA];
    double expected[TRIALS_STRATA], doubts[TRIALS_STRATA], trials;

    if (policy->checked_ns && policy->state.now_ns - policy->checked_ns < CHECK_NS) {
        return;
    }
    policy->checked_ns = MAX(policy->state.now_ns, 1);
    trials_check(policy->trials, policy->busy_ns);
    trials = trials_weight(policy->trials, policy->busy_ns);
    if (!worth_fitting(policy, trials)) {
        return;
    }
    policy->fitted_ns = policy->busy_ns;
    policy->fitted_trials = trials;
    take_strata(policy, strata);
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        expected[i] = strata[i].pages > 0 ? strata[i].estimate : 0;
        doubts[i] = is_counted(policy, i) ? COUNTED_DOUBT : TRIALS_DOUBT_BEFORE;
    }
    for (unsigned first = 0; first < TRIALS_STRATA; first += STRATA) {
        strata_fit(policy->trials, first, STRATA, &expected[first], &doubts[first], policy->busy_ns,
                   &policy->fits[first]);
    }
    find_kinds(policy, strata);
}

/* The same as trials found them. */
static void apply_fits(const Policy *policy, Stratum strata[TRIALS_STRATA])
{
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        const StratumFit *fit = &policy->fits[i];
        Stratum *stratum = &strata[i];

        if (fit->trials > 0) {
            stratum->cold = fit->cold;
            stratum->cold_per_s = fit->cold_per_s;
            stratum->per_s = fit->per_s;
            stratum->tried = true;
            stratum->spread = fit->shape < ALIKE ? sqrt(log1p(1 / fit->shape)) : 0;
            stratum->doubt = fit->doubt;
        } else {
            stratum->per_s = stratum->estimate;
            stratum->doubt = TRIALS_DOUBT_BEFORE;
            stratum->pages = i % STRATA == UNSEEN ? 0 : stratum->pages;
        }
    }
}

/* Pages that are not as cold as most others. */
static double own_pages(const Stratum *stratum)
{
    return stratum->pages * (1 - stratum->cold);
}

static double sum_of(const Stratum *strata)
{
    double sum = 0;

    for (unsigned i = 0; i < STRATA; i++) {
        sum += own_pages(&strata[i]) * strata[i].per_s + strata[i].pages * strata[i].cold * strata[i].cold_per_s;
    }
    return sum;
}

static void scale(Stratum *strata, double most_per_s, double factor)
{
    for (unsigned i = 0; i < STRATA; i++) {
        strata[i].per_s *= strata[i].per_s <= most_per_s ? factor : 1;
        strata[i].cold_per_s *= strata[i].cold_per_s <= most_per_s ? factor : 1;
    }
}

/*
 * Let the strata outside tier 0 come to what was counted. By the same factor what is as cold in tier 0 is accessed
 * more often than it is touched: memory that is read in one go has many accesses to a touch.
 */
static void match_slow(Stratum *fast, Stratum *slow, double counted)
{
    const double sum = sum_of(slow);
    double pages = 0;

    for (unsigned i = 0; i < STRATA; i++) {
        pages += slow[i].pages;
    }
    if (counted >= 0 && sum > 0) {
        scale(fast, SIMILAR * sum / pages, counted / sum);
        scale(slow, INFINITY, counted / sum);
    }
}

/* By which part of itself a stratum's rate may well be more, or less. */
static double leeway(const Stratum *stratum, bool more)
{
    return exp2(more ? stratum->doubt : -stratum->doubt) - 1;
}

/* How likely, each against another, a stratum's pages are far hotter than looks can tell. */
static double overlooked(const Stratum *stratum)
{
    return pow(MIN(stratum->estimate / SATURATED, 1), 3);
}

/*
 * Let those of tier 0 come to what was counted. What is missing, or too much, is shared out by how far they are in
 * doubt. What is missing beyond that is that of memory so hot that looks can't tell how hot it is, of which one
 * page is as good a guess as another; and hardly that of what is estimated to be colder.
 */
static void match_fast(Stratum *strata, double counted)
{
    const double missing = counted - sum_of(strata);
    double doubted = 0, weights = 0, share, rest;

    if (!(counted >= 0)) {
        return;
    }
    for (unsigned i = 0; i < STRATA; i++) {
        doubted += own_pages(&strata[i]) * strata[i].per_s * leeway(&strata[i], missing > 0);
        weights += own_pages(&strata[i]) * overlooked(&strata[i]);
    }
    share = doubted != 0 ? MIN(missing / doubted, 1) : 0;
    rest = missing - share * doubted;
    for (unsigned i = 0; i < STRATA; i++) {
        strata[i].per_s += strata[i].per_s * share * leeway(&strata[i], missing > 0);
        strata[i].per_s += rest > 0 && weights > 0 ? rest * overlooked(&strata[i]) / weights : 0;
    }
    if (rest < 0 && sum_of(strata) > 0) {
        scale(strata, INFINITY, counted / sum_of(strata));
    }
}

/* The mean of the buckets of a stratum that is no other than estimated, over the octave's lower end. */
static double stratum_middle(const Stratum *stratum)
{
    double sum = 0;

    for (unsigned i = 0; i < PIECES; i++) {
        sum += stratum->bucket_pages[i] * exp2((i + 0.5) / PIECES);
    }
    return sum > 0 ? sum / stratum->pages : 1;
}

/* The share of a standard normal distribution below @z. */
static double normal(double z)
{
    return erfc(-z / M_SQRT2) / 2;
}

/* Cut a stratum by the buckets of its octave; what is as cold as most, which soon shows, is a piece of its own. */
static size_t cut_as_estimated(const Stratum *stratum, Piece *pieces)
{
    const double middle = stratum_middle(stratum), own = 1 - stratum->cold;
    size_t n = 0;

    for (unsigned i = 0; i < PIECES && own > 0; i++) {
        if (stratum->bucket_pages[i] > 0) {
            pieces[n++] = (Piece){.pages = stratum->bucket_pages[i] * own,
                                  .per_s = stratum->per_s * exp2((i + 0.5) / PIECES) / middle};
        }
    }
    if (n == 0 && own > 0) {            /* never seen: no bucket has it */
        pieces[n++] = (Piece){.pages = stratum->pages * own, .per_s = stratum->per_s};
    }
    if (stratum->cold > 0) {
        pieces[n++] = (Piece){.pages = stratum->pages * stratum->cold, .per_s = stratum->cold_per_s};
    }
    return n;
}

/*
 * Cut a stratum as trials found it, with rates that are log-normal, into pieces of as many pages each, with the
 * accesses that fall to them; without trials as it is estimated.
 */
static size_t cut(const Stratum *stratum, Piece *pieces)
{
    /* Of a standard normal distribution, an eighth each. */
    static const double edges[] = {-INFINITY, -1.1503, -0.6745, -0.3186, 0, 0.3186, 0.6745, 1.1503, INFINITY};
    size_t n = 0;

    G_STATIC_ASSERT(G_N_ELEMENTS(edges) == PIECES + 1);
    if (!stratum->tried) {
        return cut_as_estimated(stratum, pieces);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        const double share = normal(edges[i + 1] - stratum->spread) - normal(edges[i] - stratum->spread);

        if (own_pages(stratum) > 0) {
            pieces[n++] = (Piece){.pages = own_pages(stratum) / PIECES, .per_s = stratum->per_s * share * PIECES};
        }
    }
    if (stratum->cold > 0) {
        pieces[n++] = (Piece){.pages = stratum->pages * stratum->cold, .per_s = stratum->cold_per_s};
    }
    return n;
}

static int by_rate(const void *a, const void *b)
{
    const double x = ((const Piece *)a)->per_s, y = ((const Piece *)b)->per_s;

    return (x < y) - (x > y);
}

/* Put the @n sorted @pieces together to no more points than the curve has. */
static void draw_curve(const Piece *pieces, size_t n, PolicyCurve *curve)
{
    const size_t merged = (n + POLICY_CURVE_POINTS - 1) / POLICY_CURVE_POINTS;
    double pages = 0, per_s = 0;

    for (size_t i = 0; i < n; i++) {
        curve->n += i % merged == 0;
        pages += pieces[i].pages;
        per_s += pieces[i].pages * pieces[i].per_s;
        curve->points[curve->n - 1].bytes = (uint64_t)(pages * CENSUS_PAGE + 0.5);
        curve->points[curve->n - 1].per_s = per_s;
    }
}

static size_t cut_all(const Policy *policy, bool today, Stratum strata[TRIALS_STRATA], Piece *pieces)
{
    size_t n = 0;

    apply_fits(policy, strata);
    match_slow(strata, strata + STRATA, policy->counted[1]);
    match_fast(strata, policy->counted[0]);
    for (unsigned i = 0; i < TRIALS_STRATA; i++) {
        if (strata[i].pages > 0) {
            n += today ? cut_as_estimated(&strata[i], &pieces[n]) : cut(&strata[i], &pieces[n]);
        }
    }
    return n;
}

static size_t cut_kinds(const Policy *policy, const Stratum strata[TRIALS_STRATA], Piece *pieces)
{
    double pages[TRIALS_STRATA];

    known_pages(policy, strata, pages);
    return makeup_find(&policy->kinds, pages, policy->counted, pieces);
}

static void make_curve(const Policy *policy, bool today, PolicyCurve *curve)
{
    const Census *census = planner_census(policy->planner);
    Stratum strata[TRIALS_STRATA];
    Piece pieces[TRIALS_STRATA * (PIECES + 1)];
    size_t n;

    G_STATIC_ASSERT(MAKEUP_MAX <= G_N_ELEMENTS(pieces));
    *curve = (PolicyCurve){.present_bytes = census->fast_bytes + census->slow_bytes};
    take_strata(policy, strata);
    if (policy->few_kinds && !today) {
        n = cut_kinds(policy, strata, pieces);
    } else {
        n = cut_all(policy, today, strata, pieces);
    }
    qsort(pieces, n, sizeof(*pieces), by_rate);
    draw_curve(pieces, n, curve);
}

void policy_curve(const Policy *policy, PolicyCurve *curve)
{
    make_curve(policy, false, curve);
}

void policy_curve_today(const Policy *policy, PolicyCurve *curve)
{
    make_curve(policy, true, curve);
}
