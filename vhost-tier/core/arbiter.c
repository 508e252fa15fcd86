/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter's stages. All that decides on budgets is either a whole number or computed from one claim alone, so
 * that the order of claims can't matter.
 */
#include "arbiter.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

#define PAGE 4096u
#define WIDTH_ONE 1024u         /* how wide a busy VM of weight 1 is */
#define LEVEL_ONE ((Sum)1 << 30) /* a level of one byte for each of width; so fine that every byte can be shared */
#define WEIGHT_MAX 65536u       /* a capacity's level times a width fits into a Sum */
#define NEARLY 16               /* budgets that are off by less than this part of them are as good */
#define ABOVE 1.1               /* hotter than the average by more than one step of a curve (census.h) */
#define WAVER 1.25              /* curves do, from call to call: what is gained must be so much more than is lost */

typedef unsigned __int128 Sum;

/* One VM while tier 0 is being split. */
typedef struct Share {
    const ArbiterClaim *claim;
    bool known;                 /* the curve can be judged by */
    uint64_t floor;
    uint64_t entitled;          /* its share of the capacity by weight, floor included */
    uint64_t own;               /* what of that is its own, as stage 2 finds */
    uint64_t now;               /* what earlier stages have given */
    uint64_t bound;             /* what this stage may raise it to */
    uint64_t width;             /* weight in 1/WIDTH_ONE, less for the idle; at least 1 */
    uint64_t present;           /* bytes; known VMs only */
    PolicyCurve curve;          /* less what doubt makes of it; known VMs only */
    double total;               /* accesses per second; known VMs only */
    double stake;               /* share of its time lost with all memory slow; known VMs only */
    double keep;                /* what moving a byte costs, in the same share; known VMs only */
    double holds;               /* how many times as much a byte counts that it holds */
} Share;

/* A stretch of a curve with one slope. */
typedef struct Segment {
    uint64_t start, end;        /* bytes */
    double saves;               /* share of the VM's time per byte, above what its average byte saves */
} Segment;

/* --- claims --- */

static double not_negative(double number)
{
    return isfinite(number) && number > 0 ? number : 0;
}

static uint64_t claim_floor(const ArbiterClaim *claim)
{
    return MIN(claim->floor_bytes, claim->ceiling_bytes);
}

static uint32_t claim_weight(const ArbiterClaim *claim)
{
    return CLAMP(claim->weight, 1, WEIGHT_MAX);
}

static void share_init(Share *share, const ArbiterClaim *claim)
{
    const double cpus = MAX(not_negative(claim->model.work), 1);
    const double lost = not_negative(claim->model.worst) * not_negative(claim->model.work);

    *share = (Share) {
        .claim = claim,
        .known = slowdown_known(claim->curve),
        .floor = claim_floor(claim),
        .now = claim_floor(claim),
        .width = (uint64_t)claim_weight(claim) * WIDTH_ONE,
    };
    if (share->known) {
        const PolicyCurve *curve = &share->curve;

        slowdown_doubted(claim->curve, &share->curve);
        share->total = slowdown_total(curve);
        share->present = MAX(curve->present_bytes, curve->points[curve->n - 1].bytes);
        share->stake = share->total > 0 ? lost / cpus : 0;
        share->keep = not_negative(claim->move_ns_per_byte) / 1e9 / cpus;
        share->width = MAX((uint64_t)((double)share->width * MIN(lost / ARBITER_IDLE, 1)), 1);
    }
}

/* Stretch @i of a known VM's curve; false when there is none, or it is not above the VM's average. */
static bool hot_segment(const Share *share, size_t i, Segment *segment)
{
    const PolicyCurve *curve = &share->curve;
    const double mean = share->total / (double)share->present;
    double before = 0, slope;

    if (i >= curve->n || share->stake <= 0) {
        return false;
    }
    segment->start = 0;
    segment->end = curve->points[i].bytes;
    if (i > 0) {
        segment->start = curve->points[i - 1].bytes;
        before = curve->points[i - 1].per_s;
    }
    if (segment->end <= segment->start) {
        return false;
    }
    slope = (curve->points[i].per_s - before) / (double)(segment->end - segment->start);
    segment->saves = share->stake * (slope - mean) / share->total;
    return slope > mean * ABOVE;
}

/* --- a stage by weight --- */

/* What a VM holds at @level for each of width above its floor, with what it has and its bound. */
static uint64_t demand(const Share *share, Sum level)
{
    const Sum wish = level * share->width / LEVEL_ONE + share->floor;

    return MAX(MIN(wish, share->bound), share->now);
}

static Sum total_demand(const Share *shares, size_t n, Sum level)
{
    Sum total = 0;

    for (size_t i = 0; i < n; i++) {
        total += demand(&shares[i], level);
    }
    return total;
}

/* Bounds are kept within ceilings here, and here alone. */
static void set_bound(Share *share, uint64_t bytes)
{
    share->bound = MIN(bytes, share->claim->ceiling_bytes);
}

/* Raise all towards their bounds, as far as there is room: to one level, each as wide as its weight. */
static void raise_by_weight(Share *shares, size_t n, uint64_t capacity)
{
    Sum low = 0, high = capacity * LEVEL_ONE;

    while (low < high) {        /* the highest level whose demand fits */
        const Sum level = low + (high - low + 1) / 2;

        if (total_demand(shares, n, level) <= capacity) {
            low = level;
        } else {
            high = level - 1;
        }
    }
    for (size_t i = 0; i < n; i++) {
        shares[i].now = demand(&shares[i], low);
    }
}

/* --- the stage by what memory saves --- */

static double weigh(const Share *share, double saves)
{
    return saves * claim_weight(share->claim);
}

/* What a byte is worth to the VM that holds it: to take it from there costs moves. */
static double held_worth(const Share *share, const Segment *segment)
{
    return weigh(share, segment->saves * share->holds + share->keep);
}

/* Up to which byte of a VM's memory each is worth @level or more to it. That falls along the curve. */
static uint64_t worth_bytes(const Share *share, double level)
{
    Segment segment;
    uint64_t bytes = 0;

    for (size_t i = 0; hot_segment(share, i, &segment) && bytes == segment.start; i++) {
        if (weigh(share, segment.saves) >= level) {
            bytes = segment.end;
        } else if (segment.start < share->claim->held_bytes && held_worth(share, &segment) >= level) {
            bytes = MIN(segment.end, share->claim->held_bytes);
        }
    }
    return bytes;
}

/* Up to which byte of a VM's memory bids are at @level or above: within its entitlement they count more. */
static uint64_t bid_bytes(const Share *share, double level)
{
    const uint64_t own = worth_bytes(share, level / ARBITER_OWN);

    return MAX(worth_bytes(share, level), MIN(own, share->entitled));
}

static bool bids(const Share *share)
{
    return share->known && !share->claim->has_target;
}

static int highest_first(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

static void add_levels(GArray *levels, const Share *share, const Segment *segment, double plain)
{
    const double own = plain * ARBITER_OWN;

    g_array_append_val(levels, plain);
    if (segment->start < share->entitled) {
        g_array_append_val(levels, own);
    }
}

/* All levels at which some VM's bids change, the highest first. */
static GArray *bid_levels(const Share *shares, size_t n)
{
    GArray *levels = g_array_new(FALSE, FALSE, sizeof(double));
    Segment segment;

    for (size_t v = 0; v < n; v++) {
        for (size_t i = 0; bids(&shares[v]) && hot_segment(&shares[v], i, &segment); i++) {
            add_levels(levels, &shares[v], &segment, weigh(&shares[v], segment.saves));
            if (segment.start < shares[v].claim->held_bytes) {
                add_levels(levels, &shares[v], &segment, held_worth(&shares[v], &segment));
            }
        }
    }
    g_array_sort(levels, highest_first);
    return levels;
}

/* Bound each bidder by its bids at @level, the others by what they have; whether that fits in whole. */
static bool bound_by_bids(Share *shares, size_t n, double level, uint64_t capacity)
{
    Sum total = 0;

    for (size_t i = 0; i < n; i++) {
        set_bound(&shares[i], bids(&shares[i]) ? bid_bytes(&shares[i], level) : 0);
        total += MAX(shares[i].bound, shares[i].now);
    }
    return total <= capacity;
}

/* What a VM holds counts @holds times as much as what it would have to get. */
static void raise_by_bids(Share *shares, size_t n, double holds, uint64_t capacity)
{
    g_autoptr(GArray) levels = NULL;
    guint fits = 0, above;      /* with so many of the levels; with so many, not any more */

    for (size_t i = 0; i < n; i++) {
        shares[i].holds = holds;
    }
    levels = bid_levels(shares, n);
    above = levels->len + 1;
    while (fits + 1 < above) {
        const guint middle = fits + (above - fits) / 2;

        if (bound_by_bids(shares, n, g_array_index(levels, double, middle - 1), capacity)) {
            fits = middle;
        } else {
            above = middle;
        }
    }
    /* What bids alike at the level that no longer fits shares by weight. */
    for (guint take = MAX(fits, 1); take <= MIN(fits + 1, levels->len); take++) {
        bound_by_bids(shares, n, g_array_index(levels, double, take - 1), capacity);
        raise_by_weight(shares, n, capacity);
    }
}

/* --- whether a change is worth it --- */

/* What a known VM saves, as a share of its time, by having @bytes instead of what it holds. */
static double saves(const Share *share, uint64_t bytes)
{
    return share->stake * (slowdown_hit_ratio(&share->curve, bytes) -
                           slowdown_hit_ratio(&share->curve, share->claim->held_bytes));
}

/*
 * Whether a VM lacks so much of @bytes that it must have it: of what is its own, or asked for by a target, more than
 * estimates waver by, and worth the moves.
 */
static bool lacks(const Share *share, uint64_t bytes)
{
    const ArbiterClaim *claim = share->claim;
    const uint64_t due = bids(share) ? MIN(bytes, share->own) : bytes;
    const uint64_t lacking = due - MIN(due, claim->held_bytes);

    if (lacking <= due / NEARLY) {
        return false;
    }
    if (!share->known || claim->wakes || (claim->has_target && claim->held_bytes < claim->target_bytes)) {
        return true;
    }
    return saves(share, due) > share->keep * (double)lacking;
}

/*
 * Whether what VMs hold can stay: it is allowed, uses as much as @budgets do, nobody lacks much, and what some
 * would gain others would lose, as far as curves can tell, or the moves would cost.
 */
static bool can_stay(const Share *shares, size_t n, const uint64_t *budgets, uint64_t capacity)
{
    Sum held = 0, total = 0;
    double gained = 0, lost = 0;

    for (size_t i = 0; i < n; i++) {
        const ArbiterClaim *claim = shares[i].claim;

        if (claim->held_bytes % PAGE != 0 || claim->held_bytes > claim->ceiling_bytes ||
            claim->held_bytes < shares[i].floor / PAGE * PAGE || lacks(&shares[i], budgets[i])) {
            return false;
        }
        if (shares[i].known) {
            const uint64_t more = budgets[i] - MIN(budgets[i], claim->held_bytes);
            const double gain = weigh(&shares[i], saves(&shares[i], budgets[i]) - shares[i].keep * (double)more);

            *(gain > 0 ? &gained : &lost) += fabs(gain);
        }
        held += claim->held_bytes;
        total += budgets[i];
    }
    return gained <= lost * WAVER && held <= capacity && held + (Sum)n * PAGE >= total;
}

/* --- the split --- */

static Sum floors_of(const ArbiterClaim *claims, size_t n)
{
    Sum floors = 0;

    for (size_t i = 0; i < n; i++) {
        floors += claim_floor(&claims[i]);
    }
    return floors;
}

uint64_t arbiter_floors(const ArbiterClaim *claims, size_t n)
{
    const Sum floors = floors_of(claims, n);

    return MIN(floors, UINT64_MAX);
}

/* No more than floors is to be had, and not all of those. */
static void cut_floors(uint64_t capacity, const ArbiterClaim *claims, size_t n, Sum floors, uint64_t *budgets)
{
    for (size_t i = 0; i < n; i++) {
        /* The product of two 64-bit numbers, divided by a sum that is not less than either floor: fits. */
        const Sum cut = (Sum)claim_floor(&claims[i]) * capacity / floors;

        budgets[i] = (uint64_t)cut / PAGE * PAGE;
    }
}

/* What a VM may have of its entitlement whatever it bids. */
static uint64_t asked_bytes(const Share *share)
{
    if (bids(share)) {
        return share->claim->wakes ? share->present : 0;
    }
    return share->known ? share->claim->target_bytes : UINT64_MAX;
}

/* Stage 2: the entitlement, and of that what is the VM's own. */
static void raise_to_own(Share *shares, size_t n, uint64_t capacity)
{
    for (size_t i = 0; i < n; i++) {
        set_bound(&shares[i], UINT64_MAX);
    }
    raise_by_weight(shares, n, capacity);
    for (size_t i = 0; i < n; i++) {
        shares[i].entitled = shares[i].now;
        shares[i].now = MAX(MIN(shares[i].entitled, asked_bytes(&shares[i])), shares[i].floor);
    }
    raise_by_bids(shares, n, 1, capacity);
    for (size_t i = 0; i < n; i++) {
        shares[i].now = shares[i].own = MIN(shares[i].now, shares[i].entitled);
    }
}

/* Stage 3. What is not known does not count. */
static void raise_to_targets(Share *shares, size_t n, uint64_t capacity)
{
    for (size_t i = 0; i < n; i++) {
        const bool asks = shares[i].known && shares[i].claim->has_target;

        set_bound(&shares[i], asks ? shares[i].claim->target_bytes : 0);
    }
    raise_by_weight(shares, n, capacity);
}

/* Stage 5. */
static void raise_to_ceilings(Share *shares, size_t n, uint64_t capacity)
{
    for (size_t i = 0; i < n; i++) {
        set_bound(&shares[i], shares[i].known ? shares[i].present : UINT64_MAX);
    }
    raise_by_weight(shares, n, capacity);
    for (size_t i = 0; i < n; i++) {
        set_bound(&shares[i], UINT64_MAX);
    }
    raise_by_weight(shares, n, capacity);
}

bool arbiter_split(uint64_t capacity_bytes, const ArbiterClaim *claims, size_t n, uint64_t *budgets_bytes)
{
    g_autofree Share *shares = g_new0(Share, n);
    const Sum floors = floors_of(claims, n);

    if (floors > capacity_bytes) {
        cut_floors(capacity_bytes, claims, n, floors, budgets_bytes);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        share_init(&shares[i], &claims[i]);
    }
    raise_to_own(shares, n, capacity_bytes);
    raise_to_targets(shares, n, capacity_bytes);
    raise_by_bids(shares, n, WAVER, capacity_bytes);
    raise_to_ceilings(shares, n, capacity_bytes);
    for (size_t i = 0; i < n; i++) {
        budgets_bytes[i] = shares[i].now / PAGE * PAGE;
    }
    if (can_stay(shares, n, budgets_bytes, capacity_bytes)) {
        for (size_t i = 0; i < n; i++) {
            budgets_bytes[i] = claims[i].held_bytes;
        }
    }
    return true;
}

/* What a VM takes up until its moves are done, of which it is to have @budget. */
static uint64_t takes_up(uint64_t budget, uint64_t before, uint64_t held)
{
    return MAX(MIN(before, budget), held);
}

void arbiter_grant(uint64_t capacity_bytes, const uint64_t *budgets_bytes, const uint64_t *before_bytes,
                   const uint64_t *held_bytes, size_t n, uint64_t *granted_bytes)
{
    Sum taken = 0, lacking = 0, room;

    for (size_t i = 0; i < n; i++) {
        const uint64_t has = takes_up(budgets_bytes[i], before_bytes[i], held_bytes[i]);

        taken += has;
        lacking += budgets_bytes[i] - MIN(has, budgets_bytes[i]);
    }
    room = taken < capacity_bytes ? capacity_bytes - taken : 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t has = MIN(takes_up(budgets_bytes[i], before_bytes[i], held_bytes[i]), budgets_bytes[i]);
        const uint64_t lacks = budgets_bytes[i] - has;

        granted_bytes[i] = room >= lacking ? budgets_bytes[i] : has + (uint64_t)(lacks * room / lacking);
        granted_bytes[i] = granted_bytes[i] / PAGE * PAGE;
    }
}

/* --- how fast all that is reached --- */

/* What a VM may want to put in place in a second: twice what it wanted when it planned last. */
static uint64_t placed_rate(uint64_t limit, const ArbiterMover *mover)
{
    return mover->wanted_bytes > limit / 2 ? limit : 2 * mover->wanted_bytes;
}

/* And what to move, with what it is to leave. That is not in its last plan, which was made to the pace of then. */
static uint64_t wanted_rate(uint64_t limit, const ArbiterMover *mover, uint64_t granted_bytes)
{
    const uint64_t leaves = mover->held_bytes - MIN(mover->held_bytes, granted_bytes);
    const uint64_t placed = placed_rate(limit, mover);

    return placed + MIN(leaves, limit - placed);
}

/* What a byte of a plan saves, as a share of the VM's time, times its weight. */
static double planned_gain(const ArbiterClaim *claim, const ArbiterMover *mover)
{
    const double cpus = MAX(not_negative(claim->model.work), 1);

    return claim_weight(claim) * not_negative(mover->planned_gain_per_s) / cpus / (double)MAX(mover->planned_bytes, 1);
}

/* Rates are shared out as memory is: what a VM wants is its ceiling. What nobody wants is there for whoever will. */
static void share_rates(uint64_t limit, const ArbiterClaim *claims, const ArbiterMover *movers, size_t n,
                        const uint64_t *granted_bytes, uint64_t *bytes_per_s)
{
    g_autofree ArbiterClaim *rates = g_new0(ArbiterClaim, n);
    double weights = 0, gains = 0;
    uint64_t rest = limit;

    for (size_t i = 0; i < n; i++) {
        weights += claim_weight(&claims[i]);
        gains += planned_gain(&claims[i], &movers[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const double by_weight = claim_weight(&claims[i]) / weights;
        const double by_gain = gains > 0 ? planned_gain(&claims[i], &movers[i]) / gains : by_weight;

        rates[i].weight = (uint32_t)(WEIGHT_MAX * (by_weight + by_gain) / 2);
        rates[i].ceiling_bytes = wanted_rate(limit, &movers[i], granted_bytes[i]);
    }
    arbiter_split(limit, rates, n, bytes_per_s);
    for (size_t i = 0; i < n; i++) {
        rest -= bytes_per_s[i];
    }
    for (size_t i = 0; i < n; i++) {
        bytes_per_s[i] = MAX(bytes_per_s[i] + rest / n, 1);     /* 0 would be no limit */
    }
}

void arbiter_pace(uint64_t limit_bytes_per_s, const ArbiterClaim *claims, const ArbiterMover *movers, size_t n,
                  uint64_t *bytes_per_s, uint64_t *granted_bytes)
{
    if (limit_bytes_per_s == 0) {
        for (size_t i = 0; i < n; i++) {
            bytes_per_s[i] = 0;
        }
        return;
    }
    share_rates(limit_bytes_per_s, claims, movers, n, granted_bytes, bytes_per_s);
    for (size_t i = 0; i < n; i++) {
        const uint64_t held = movers[i].held_bytes / PAGE * PAGE;
        const uint64_t kept = MIN(bytes_per_s[i] / 2, placed_rate(limit_bytes_per_s, &movers[i]));
        const uint64_t leaves = (bytes_per_s[i] - kept) / PAGE * PAGE;

        granted_bytes[i] = MAX(granted_bytes[i], held - MIN(held, MAX(leaves, PAGE)));
    }
}
