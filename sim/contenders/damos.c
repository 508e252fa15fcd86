/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baseline 'damon': memory tiering by DAMON's schemes, as the kernel's community runs it.
 *
 * Source: Linux 6.16, samples/damon/mtier.c and the DAMON user-space tool's scripts/mem_tier.sh (S. Park): one
 * scheme demotes (migrate_cold) regions that were not accessed, coldest first, leaving out young pages, towards
 * 0.5 % of node 0 free; the other promotes (migrate_hot) regions accessed in at least 5 % of samples, hottest
 * first, young pages alone, towards 99.7 % of node 0 used. Each may move 200 MB a second (less where the
 * machine's limit is lower), which the goals tune by DAMON's feedback loop. Applied once a second.
 *
 * In its favour: it monitors by the guest's addresses rather than by physical ones, so neighbours are alike
 * where the workload makes them so; only pages that move are charged to a quota, not those that a filter leaves
 * out; quotas start full rather than at one byte; each guest has its own 1000 regions; a page that is filtered
 * costs one access-bit test.
 */
#include <math.h>
#include <stdlib.h>

#include "../contender.h"
#include "../damon.h"
#include "../params.h"
#include "per-guest.h"

#define SECOND 1000000000ull
#define GOAL_SCORE 10000.0          /* of DAMON's feedback loop */

/* One scheme: what it may still move, and what its goal has made of its quota. */
typedef struct Scheme {
    bool hot;
    double quota_bytes;             /* per interval, at most */
    double effective_bytes;         /* as tuned */
    double left_bytes;              /* of this interval */
} Scheme;

typedef struct Target {
    struct Damos *damos;
    Guest *guest;
    SimDamon *damon;
    uint64_t applied_ns;
} Target;

typedef struct Damos {
    Contender contender;
    SimDamonAttrs attrs;
    double promote_access_percent, used_goal_percent, free_goal_percent;
    Scheme promote, demote;
    PerGuest targets;               /* of Target */
    uint64_t interval_ns, interval_from_ns;
} Damos;

typedef struct Scored {
    SimDamonRegion *region;
    double score;
} Scored;

static void target_free(gpointer data)
{
    Target *target = data;

    sim_damon_free(target->damon);
    g_free(target);
}

/*
 * damon_hot_score(): frequency, and age on a log scale, which counts against a region that is not accessed;
 * both with the same weight.
 */
static double hot_score(const Damos *damos, const SimDamonRegion *region, unsigned max)
{
    double frequency = (double)region->nr_accesses / max;
    double age_s = (double)region->age * (double)damos->attrs.aggr_ns / SECOND;
    double age = MIN(log2(1 + age_s), 31) / 32;

    return (frequency + (region->nr_accesses ? 1 + age : 1 - age) / 2) / 2;
}

static int hottest_first(const void *a, const void *b)
{
    const Scored *x = a, *y = b;

    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return x->region->first < y->region->first ? -1 : x->region->first > y->region->first;
}

/* Move the pages of a region that the scheme's filter lets pass; false when it can move no more. */
static bool apply_region(Scheme *scheme, Target *target, const SimDamonRegion *region)
{
    for (uint32_t page = region->first; page < region->first + region->pages; page++) {
        uint8_t tier = guest_tier(target->guest, page);
        MoveResult result;

        if (scheme->left_bytes < SIM_PAGE) {
            return false;
        }
        if (tier == SIM_ABSENT || (tier == 0) == scheme->hot ||
            guest_young(target->guest, page) != scheme->hot) {
            continue;
        }
        result = guest_move(target->guest, page, scheme->hot ? 0 : 1);
        if (result == MOVE_LIMITED || result == MOVE_NO_ROOM) {
            return false;
        }
        if (result == MOVE_DONE) {
            scheme->left_bytes -= SIM_PAGE;
        }
    }
    return true;
}

static void apply(Damos *damos, Scheme *scheme, Target *target, SimDamonRegion *regions, size_t n)
{
    unsigned max = sim_damon_max_accesses(target->damon);
    unsigned least = (unsigned)ceil(damos->promote_access_percent / 100 * max);
    g_autofree Scored *scored = g_new(Scored, n);
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (scheme->hot ? regions[i].nr_accesses >= MAX(least, 1) : regions[i].nr_accesses == 0) {
            double score = hot_score(damos, &regions[i], max);

            scored[used++] = (Scored){&regions[i], scheme->hot ? score : -score};
        }
    }
    qsort(scored, used, sizeof(*scored), hottest_first);
    for (size_t i = 0; i < used; i++) {
        if (!apply_region(scheme, target, scored[i].region)) {
            return;
        }
        scored[i].region->age = 0;
    }
}

static void on_aggregated(void *opaque, SimDamonRegion *regions, size_t n)
{
    Target *target = opaque;
    Damos *damos = target->damos;
    uint64_t now_ns = machine_now_ns(damos->contender.machine);

    if (now_ns < target->applied_ns + damos->interval_ns) {
        return;
    }
    target->applied_ns = now_ns;
    apply(damos, &damos->demote, target, regions, n);
    apply(damos, &damos->promote, target, regions, n);
}

/* damon_feed_loop_next_input(): the further from the goal, the greater the step. */
static void tune(Scheme *scheme, double score)
{
    double step = scheme->effective_bytes * fabs(GOAL_SCORE - score) / GOAL_SCORE;
    double next = score < GOAL_SCORE ? scheme->effective_bytes + step : scheme->effective_bytes - step;

    scheme->effective_bytes = CLAMP(next, 1, scheme->quota_bytes);
}

/* A new interval: what the goals ask for, and full quotas of that. */
static void begin_interval(Damos *damos, uint64_t now_ns)
{
    const MachineConfig *config = machine_config(damos->contender.machine);
    double free_bytes = (double)machine_free_bytes(damos->contender.machine, 0);
    double free_percent = 100 * free_bytes / (double)MAX(config->capacity_bytes[0], 1);

    if (damos->interval_from_ns) {
        tune(&damos->promote, GOAL_SCORE * (100 - free_percent) / damos->used_goal_percent);
        tune(&damos->demote, GOAL_SCORE * free_percent / damos->free_goal_percent);
    }
    damos->promote.left_bytes += damos->promote.effective_bytes;
    damos->promote.left_bytes = MIN(damos->promote.left_bytes, MAX(damos->promote.effective_bytes, SIM_PAGE));
    damos->demote.left_bytes += damos->demote.effective_bytes;
    damos->demote.left_bytes = MIN(damos->demote.left_bytes, MAX(damos->demote.effective_bytes, SIM_PAGE));
    damos->interval_from_ns = now_ns;
}

static void *target_new(void *opaque, Guest *guest)
{
    Damos *damos = opaque;
    Target *target = g_new0(Target, 1);

    target->damos = damos;
    target->guest = guest;
    target->damon = sim_damon_new(damos->contender.machine, guest, &damos->attrs, on_aggregated, target);
    return target;
}

static uint64_t damos_tick(Contender *contender, uint64_t now_ns)
{
    Damos *damos = (Damos *)contender;
    uint64_t next_ns = now_ns + damos->attrs.sample_ns;

    per_guest_follow(&damos->targets);
    if (damos->interval_from_ns == 0 || now_ns >= damos->interval_from_ns + damos->interval_ns) {
        begin_interval(damos, now_ns);
    }
    for (guint i = 0; i < damos->targets.items->len; i++) {
        next_ns = MIN(next_ns, sim_damon_tick(((Target *)g_ptr_array_index(damos->targets.items, i))->damon, now_ns));
    }
    return next_ns;
}

static size_t damos_metadata_bytes(const Contender *contender)
{
    const Damos *damos = (const Damos *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < damos->targets.items->len; i++) {
        bytes += sim_damon_bytes(((const Target *)g_ptr_array_index(damos->targets.items, i))->damon);
    }
    return bytes;
}

static void damos_destroy(Contender *contender)
{
    per_guest_clear(&((Damos *)contender)->targets);
    g_free(contender);
}

static Contender *damos_create(const char *text, Machine *machine, GError **errp)
{
    double sample_ms = 5, aggr_ms = 100, min_regions = 10, max_regions = 1000, quota_mb = 200, interval_ms = 1000;
    double access = 5, used = 99.7, unused = 0.5;
    const Param params[] = {
        {"sample-ms", &sample_ms, 1, 1000},        {"aggregation-ms", &aggr_ms, 1, 100000},
        {"min-regions", &min_regions, 3, 1e6},     {"max-regions", &max_regions, 3, 1e6},
        {"quota-mb-per-s", &quota_mb, 0.001, 1e6}, {"apply-interval-ms", &interval_ms, 1, 100000},
        {"promote-access-percent", &access, 0, 100}, {"used-goal-percent", &used, 1, 100},
        {"free-goal-percent", &unused, 0.01, 100}, {NULL},
    };
    Damos *damos;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    damos = g_new0(Damos, 1);
    damos->attrs = (SimDamonAttrs){
        .sample_ns = (uint64_t)(sample_ms * 1e6),
        .aggr_ns = (uint64_t)(MAX(aggr_ms, sample_ms) * 1e6),
        .min_regions = (unsigned)min_regions,
        .max_regions = (unsigned)MAX(max_regions, min_regions),
    };
    damos->promote_access_percent = access;
    damos->used_goal_percent = used;
    damos->free_goal_percent = unused;
    damos->interval_ns = (uint64_t)(interval_ms * 1e6);
    damos->promote.hot = true;
    damos->promote.quota_bytes = quota_mb * 1e6 * machine_config(machine)->scale * interval_ms / 1000;
    damos->demote.quota_bytes = damos->promote.quota_bytes;
    damos->promote.effective_bytes = damos->demote.effective_bytes = damos->promote.quota_bytes;
    damos->contender.machine = machine;
    per_guest_init(&damos->targets, machine, target_new, target_free, damos);
    return &damos->contender;
}

const ContenderClass damos_contender = {
    .name = "damon",
    .what = "DAMON's schemes migrate_hot and migrate_cold (Linux 6.16, samples/damon/mtier.c; mem_tier.sh)",
    .defaults = "sample-ms=5 aggregation-ms=100 min-regions=10 max-regions=1000 quota-mb-per-s=200 "
                "apply-interval-ms=1000 promote-access-percent=5 used-goal-percent=99.7 free-goal-percent=0.5",
    .create = damos_create,
    .tick = damos_tick,
    .metadata_bytes = damos_metadata_bytes,
    .destroy = damos_destroy,
};
