/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold of every plan, whatever the evidence, the regions, the budget and the outcomes are:
 * thousands of small worlds drawn from a seed, each planned and carried out several times.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "core/hint-audit.h"
#include "core/policy.h"
#include "rng.h"

#define SECOND 1000000000ull
#define PAGE UINT64_C(4096)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define WORLDS 3000u
#define MAX_REGIONS 3u
#define MAX_GRANULES 1200u
#define BLOCK 512u

/* One region as it really is, besides what the policy was told of it. */
typedef struct Land {
    uint32_t granule_bytes;
    size_t n;
    uint8_t tier[MAX_GRANULES];
    uint64_t refused_ns[MAX_GRANULES];  /* when a move of it last did not come off; 0: never */
    unsigned planned[MAX_GRANULES];     /* in which plan it was last; 0: none */
    bool huge[MAX_GRANULES / BLOCK];    /* the block is one huge page */
} Land;

typedef struct World {
    Rng rng;
    PolicyConfig config;
    Policy *policy;
    Land lands[MAX_REGIONS];
    size_t n_lands;
    uint64_t now_ns;
    double trust;                       /* as of the last plan */
    unsigned n_plans;
    uint64_t planned_bytes;             /* in all plans since first_plan_ns */
    uint64_t first_plan_ns;
} World;

static uint64_t below(Rng *rng, uint64_t end)
{
    return rng_next(rng) % end;
}

/* Some number of the order of magnitude of 2^@low to 2^@high. */
static double spread(Rng *rng, double low, double high)
{
    return exp2(low + (high - low) * rng_uniform(rng));
}

static void draw_config(World *world)
{
    Rng *rng = &world->rng;
    PolicyConfig *config = &world->config;

    *config = (PolicyConfig){
        .heat_half_life_ns = (uint64_t)spread(rng, 28, 36),
        .heat_life_ns = (uint64_t)spread(rng, 28, 37),
        .n_tiers = 1 + below(rng, POLICY_MAX_TIERS),
        .touch_accesses = below(rng, 3) ? 0 : below(rng, 64),
        .hints = below(rng, 4) > 0,
        .costs = {.move_4k_ns = 1 + below(rng, 20000), .move_2m_ns = 1 + below(rng, 2000000)},
    };
    for (unsigned tier = 0; tier < POLICY_MAX_TIERS; tier++) {
        config->costs.latency_ns[tier] = 50 + below(rng, 400);
    }
}

static uint64_t world_bytes(const World *world)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < world->n_lands; i++) {
        bytes += world->lands[i].n * world->lands[i].granule_bytes;
    }
    return bytes;
}

static void draw_limits(World *world)
{
    Rng *rng = &world->rng;
    uint64_t bytes = world_bytes(world);

    world->config.budget_bytes = below(rng, 8) ? below(rng, bytes + 1) : below(rng, 2) * UINT64_MAX;
    world->config.max_bytes_per_s = below(rng, 2) ? below(rng, 2 * bytes) + 1 : 0;
    world->config.pin_limit_bytes = below(rng, bytes);
}

static void draw_places(World *world)
{
    Rng *rng = &world->rng;

    for (size_t r = 0; r < world->n_lands; r++) {
        Land *land = &world->lands[r];
        double fast = rng_uniform(rng), holes = rng_uniform(rng) * 0.3;

        for (size_t i = 0; i < land->n; i++) {
            if (rng_chance(rng, holes)) {
                land->tier[i] = below(rng, 2) ? POLICY_TIER_ABSENT : POLICY_TIER_UNKNOWN;
            } else {
                land->tier[i] = rng_chance(rng, fast) ? 0 : below(rng, POLICY_MAX_TIERS);
            }
        }
        policy_place(world->policy, r, 0, land->n, land->tier);
    }
}

/* A block of which nothing is left is no huge page any more. */
static void forget_gone_blocks(Land *land)
{
    for (size_t block = 0; block < land->n / BLOCK && block < G_N_ELEMENTS(land->huge); block++) {
        bool there = false;

        for (size_t i = 0; i < BLOCK; i++) {
            there |= land->tier[block * BLOCK + i] != POLICY_TIER_ABSENT;
        }
        land->huge[block] &= there;
    }
}

/* Some blocks, which may lie on one tier in whole or not, are collapsed and others split. */
static void draw_blocks(World *world)
{
    Rng *rng = &world->rng;
    bool whole = below(rng, 2);

    for (size_t r = 0; r < world->n_lands; r++) {
        Land *land = &world->lands[r];

        for (size_t block = 0; land->granule_bytes == PAGE && block < land->n / BLOCK; block++) {
            size_t first = block * BLOCK;
            bool was = land->huge[block];

            if (whole) {
                memset(&land->tier[first], below(rng, 2), BLOCK);
                policy_place(world->policy, r, first, BLOCK, &land->tier[first]);
            }
            land->huge[block] = below(rng, 3) > 0;
            policy_block_set(world->policy, r, first, land->huge[block]);
            if (was != land->huge[block]) {             /* another page than the one that was refused */
                memset(&land->refused_ns[first], 0, BLOCK * sizeof(*land->refused_ns));
            }
        }
        forget_gone_blocks(land);
        policy_block_set(world->policy, r, rng_next(rng), below(rng, 2));       /* hardly ever one */
    }
}

static World *world_new(uint64_t seed)
{
    World *world = g_new0(World, 1);
    Rng *rng = &world->rng;

    rng->state = seed * 0x9e3779b97f4a7c15ull + 1;
    draw_config(world);
    world->now_ns = below(rng, 4) ? below(rng, 1000) * SECOND : below(rng, 3);
    world->n_lands = 1 + below(rng, MAX_REGIONS);
    for (size_t r = 0; r < world->n_lands; r++) {
        Land *land = &world->lands[r];

        land->granule_bytes = below(rng, 3) ? PAGE : HUGE_PAGE;
        land->n = 1 + below(rng, land->granule_bytes == PAGE ? MAX_GRANULES : 8);
    }
    draw_limits(world);
    world->policy = policy_new(&world->config);
    for (size_t r = 0; r < world->n_lands; r++) {
        g_assert_true(policy_region_add(world->policy, r, world->lands[r].n * world->lands[r].granule_bytes,
                                        world->lands[r].granule_bytes, NULL));
    }
    draw_places(world);
    draw_blocks(world);
    return world;
}

static void world_free(World *world)
{
    policy_free(world->policy);
    g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static uint64_t fast_bytes(const World *world)
{
    uint64_t bytes = 0;

    for (size_t r = 0; r < world->n_lands; r++) {
        for (size_t i = 0; i < world->lands[r].n; i++) {
            bytes += world->lands[r].tier[i] == 0 ? world->lands[r].granule_bytes : 0;
        }
    }
    return bytes;
}

/* Rates as no source should tell them. */
static double absurd_rate(Rng *rng)
{
    static const double rates[] = {NAN, INFINITY, -INFINITY, -1, -0.0, 0, 1e300, 1e-300};

    return rates[below(rng, G_N_ELEMENTS(rates))];
}

/* One report, now and then one that is nonsense, or reaches past the region's end. */
static void draw_report(World *world)
{
    Rng *rng = &world->rng;
    uint32_t region = below(rng, 20) ? below(rng, world->n_lands) : below(rng, 1000);
    const Land *land = &world->lands[region % world->n_lands];
    PolicySource source = below(rng, 30) ? below(rng, POLICY_SOURCE__MAX) : below(rng, 100);
    size_t first = below(rng, land->n + 2), n = below(rng, land->n - MIN(first, land->n) + 2);
    uint64_t interval_ns = below(rng, 30) ? (uint64_t)spread(rng, 10, 36) : below(rng, 2) * UINT64_MAX;

    if (below(rng, 2)) {
        g_autofree uint64_t *bits = g_new(uint64_t, n / 64 + 1);

        for (size_t i = 0; i <= n / 64; i++) {
            bits[i] = rng_next(rng) & (below(rng, 2) ? rng_next(rng) : 0);
        }
        policy_evidence_bits(world->policy, source, region, first, n, bits, interval_ns, world->now_ns);
    } else {
        double per_s = below(rng, 20) ? spread(rng, -10, 24) : absurd_rate(rng);

        policy_evidence_rate(world->policy, source, region, first, n, per_s, interval_ns, world->now_ns);
    }
}

/* Something that the guest says, likewise. */
static void draw_hint(World *world)
{
    Rng *rng = &world->rng;
    uint32_t region = below(rng, 20) ? below(rng, world->n_lands) : below(rng, 1000);
    const Land *land = &world->lands[region % world->n_lands];
    PolicyHint hint = below(rng, 30) ? below(rng, POLICY_HINT__MAX) : below(rng, 100);
    size_t first = below(rng, land->n + 2), n = below(rng, land->n - MIN(first, land->n) + 2);
    PolicyHintFate fate = policy_hint(world->policy, hint, region, first, n, world->now_ns);

    g_assert_true(fate != POLICY_HINT_TAKEN || (world->config.hints && region < world->n_lands && n > 0 &&
                                                first + n <= land->n && hint < POLICY_HINT__MAX));
    if (below(rng, 20) == 0) {
        policy_hint_trust_set(world->policy, rng_uniform(rng));
    }
}

static void draw_evidence(World *world)
{
    for (unsigned left = below(&world->rng, 40); left > 0; left--) {
        draw_report(world);
        if (below(&world->rng, 4) == 0) {
            draw_hint(world);
        }
        world->now_ns += below(&world->rng, SECOND / 20);
    }
}

static bool is_huge(const Land *land, size_t granule)
{
    return granule / BLOCK < G_N_ELEMENTS(land->huge) && land->huge[granule / BLOCK];
}

/* Whether the guest may wait for it, so that it is tried again and again. Of huge blocks that is not known here. */
static bool may_be_awaited(const World *world, const PolicyMove *move, PolicyHint hint)
{
    return world->trust >= HINT_TRUST_LEAST && move->to == 0 &&
           (move->n > 1 || hint == POLICY_HINT_HOT || hint == POLICY_HINT_WILLNEED || hint == POLICY_HINT_PIN);
}

/* Of one move: that it may be planned at all. */
static void check_move(World *world, const PolicyMove *move)
{
    Land *land;
    PolicyGranule granule;

    g_assert_cmpuint(move->region, <, world->n_lands);
    land = &world->lands[move->region];
    g_assert_cmpuint(move->granule, <, land->n);
    g_assert_cmpuint(move->n, ==, is_huge(land, move->granule) ? BLOCK : 1);
    g_assert_cmpuint(move->granule % move->n, ==, 0);
    g_assert_cmpuint(move->from, <, POLICY_MAX_TIERS);
    g_assert_cmpuint(move->to, ==, move->from == 0 ? 1 : 0);
    g_assert_true(isfinite(move->gain_per_s));
    for (size_t i = move->granule; i < move->granule + move->n; i++) {
        g_assert_cmpuint(move->from, ==, land->tier[i]);
        g_assert_cmpuint(land->planned[i], <, world->n_plans);
        land->planned[i] = world->n_plans;
    }
    g_assert_true(policy_granule(world->policy, move->region, move->granule, world->now_ns, &granule));
    g_assert_false(granule.unmovable);
    if (move->n == 1 && world->trust >= HINT_TRUST_LEAST) {
        g_assert_cmpuint(granule.hint, !=, move->from == 0 ? POLICY_HINT_PIN : POLICY_HINT_FREE);
    }
    if (land->refused_ns[move->granule] && !may_be_awaited(world, move, granule.hint)) {
        g_assert_cmpuint(world->now_ns - land->refused_ns[move->granule], >=, 3 * SECOND);
    }
}

/*
 * Of a plan: its moves one by one; that it keeps to the budget at each of its steps, in order; and that all
 * plans together keep to the limit of bytes per second, of which at most two seconds' worth, or what one swap
 * of the largest granules takes, is saved up.
 */
static void check_plan(World *world, const PolicyPlan *plan)
{
    const PolicyConfig *config = &world->config;
    uint64_t fast = fast_bytes(world), start = fast;
    double saved = MAX(2.0 * config->max_bytes_per_s, 2.0 * (double)HUGE_PAGE);

    world->n_plans++;
    for (size_t i = 0; i < plan->n_moves; i++) {
        const PolicyMove *move = &plan->moves[i];
        uint64_t bytes;

        check_move(world, move);
        bytes = (uint64_t)move->n * world->lands[move->region].granule_bytes;
        if (move->to == 0) {
            fast += bytes;
            g_assert_cmpuint(fast, <=, config->budget_bytes);
        } else {
            fast -= bytes;
            g_assert_true(i == 0 || plan->moves[i - 1].to == 1);    /* demotions come first */
        }
        world->planned_bytes += bytes;
    }
    g_assert_cmpuint(fast, <=, MAX(start, config->budget_bytes));
    if (config->max_bytes_per_s) {
        double elapsed_s = (world->now_ns - world->first_plan_ns) / 1e9;

        g_assert_cmpfloat(world->planned_bytes, <=, saved + config->max_bytes_per_s * elapsed_s + 1);
    }
    if (config->n_tiers == 1) {
        g_assert_cmpuint(plan->n_moves, ==, 0);
    }
}

/* Tell the policy what became of the moves, as told or at random; a caller may stop early. */
static void carry_out(World *world, const PolicyPlan *plan)
{
    g_autofree PolicyMove *moves = g_memdup2(plan->moves, plan->n_moves * sizeof(*moves));
    size_t n = plan->n_moves;
    bool smooth = below(&world->rng, 2), early = below(&world->rng, 3) == 0;
    uint64_t fast = fast_bytes(world);

    for (size_t i = 0; i < n && !(early && below(&world->rng, 50) == 0); i++) {
        const PolicyMove *move = &moves[i];
        Land *land = &world->lands[move->region];
        PolicyOutcome outcome = smooth || below(&world->rng, 4) ? POLICY_MOVED : below(&world->rng, 4);

        if (move->to == 0 && fast + (uint64_t)move->n * land->granule_bytes > world->config.budget_bytes) {
            continue;                   /* as a caller must, after demotions that failed */
        }
        policy_moved(world->policy, move, outcome, world->now_ns);
        if (outcome == POLICY_MOVED) {
            memset(&land->tier[move->granule], move->to, move->n);
            land->refused_ns[move->granule] = 0;
        } else if (outcome == POLICY_GONE) {
            memset(&land->tier[move->granule], POLICY_TIER_ABSENT, move->n);
            land->refused_ns[move->granule] = 0;
            forget_gone_blocks(land);
        } else {
            land->refused_ns[move->granule] = world->now_ns;
        }
        fast = fast_bytes(world);
    }
}

static void check_stats(const World *world)
{
    PolicyHintStats hints;
    PolicyStats stats;
    uint64_t fast = fast_bytes(world);

    policy_stats(world->policy, &stats);
    g_assert_cmpuint(stats.granule_bytes[0], ==, fast);
    g_assert_true(isnan(stats.hit_ratio) || (stats.hit_ratio >= 0 && stats.hit_ratio <= 1));
    g_assert_true(isnan(stats.ideal_hit_ratio) || (stats.ideal_hit_ratio >= 0 && stats.ideal_hit_ratio <= 1));
    g_assert_true(stats.threshold_per_s >= 0);
    g_assert_true(stats.margin >= 1);
    policy_hint_stats(world->policy, &hints);
    g_assert_cmpuint(hints.pinned_bytes, <=,
                     world->config.hints ? MIN(world->config.pin_limit_bytes, world->config.budget_bytes / 2) : 0);
    g_assert_true(hints.trust >= 0 && hints.trust <= 1 && hints.right <= hints.checked);
}

/* Now and then the operator, or the guest, changes what there is. */
static void draw_change(World *world)
{
    switch (below(&world->rng, 8)) {
    case 0:
        draw_places(world);
        for (size_t r = 0; r < world->n_lands; r++) {
            forget_gone_blocks(&world->lands[r]);
        }
        for (size_t r = 0; r < world->n_lands; r++) {
            memset(world->lands[r].refused_ns, 0, sizeof(world->lands[r].refused_ns));
        }
        break;
    case 1:
        draw_limits(world);
        policy_configure(world->policy, &world->config);
        world->planned_bytes = 0;
        world->first_plan_ns = world->now_ns;
        break;
    case 2:
        draw_blocks(world);
        break;
    default:
        break;
    }
}

/* What happens in one epoch, up to its plan. */
static const PolicyPlan *world_epoch(World *world)
{
    PolicyHintStats hints;

    draw_change(world);
    draw_evidence(world);
    world->now_ns += below(&world->rng, 3) ? SECOND : below(&world->rng, 100 * SECOND);
    policy_hint_stats(world->policy, &hints);
    world->trust = hints.trust;
    return policy_plan(world->policy, world->now_ns);
}

static void every_plan_keeps_to_budget_limit_and_place(void)
{
    uint64_t moves = 0, worlds_with_moves = 0;

    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        g_autoptr(World) world = world_new(seed);
        uint64_t before = moves;

        for (unsigned epochs = 2 + below(&world->rng, 8); epochs > 0; epochs--) {
            const PolicyPlan *plan = world_epoch(world);

            check_plan(world, plan);
            moves += plan->n_moves;
            carry_out(world, plan);
            check_stats(world);
        }
        worlds_with_moves += moves > before;
    }
    g_test_message("%" G_GUINT64_FORMAT " moves in %" G_GUINT64_FORMAT " of %u worlds", moves,
                   worlds_with_moves, WORLDS);
    g_assert_cmpuint(worlds_with_moves, >, WORLDS / 3);     /* the properties are not kept by doing nothing */
}

static void the_same_input_gives_the_same_plan(void)
{
    for (uint64_t seed = 0; seed < WORLDS / 4; seed++) {
        g_autoptr(World) one = world_new(seed);
        g_autoptr(World) other = world_new(seed);

        for (unsigned epoch = 0; epoch < 5; epoch++) {
            const PolicyPlan *plan = world_epoch(one), *same = world_epoch(other);

            g_assert_cmpuint(plan->n_moves, ==, same->n_moves);
            g_assert_true(plan->throttled == same->throttled && plan->thrashing == same->thrashing);
            g_assert_cmpmem(plan->moves, plan->n_moves * sizeof(*plan->moves), same->moves,
                            same->n_moves * sizeof(*same->moves));
            carry_out(one, plan);
            carry_out(other, same);
        }
    }
}

/* Each case is a good configuration but for one field, set to a value that is not allowed. */
static void every_impossible_setting_is_refused_by_name(void)
{
    static const struct {
        const char *name;
        size_t offset, size;
        uint64_t value;
    } cases[] = {
#define FIELD(member, value) \
    {#member, offsetof(PolicyConfig, member), sizeof(((PolicyConfig *)0)->member), value}
        FIELD(n_tiers, 0), FIELD(n_tiers, POLICY_MAX_TIERS + 1), FIELD(n_tiers, (uint32_t)-1),
        FIELD(heat_half_life_ns, 0), FIELD(heat_half_life_ns, UINT64_MAX),
        FIELD(heat_life_ns, 0), FIELD(heat_life_ns, UINT64_MAX),
        FIELD(touch_accesses, (uint32_t)-1),
        FIELD(costs.move_4k_ns, 0), FIELD(costs.move_2m_ns, 0),
        FIELD(costs.latency_ns, 0), FIELD(costs.latency_ns, (uint32_t)-1),
#undef FIELD
    };
    static const PolicyConfig good = {
        .heat_half_life_ns = SECOND, .heat_life_ns = SECOND, .n_tiers = 1,
        .costs = {.latency_ns = {100}, .move_4k_ns = 1, .move_2m_ns = 1},
    };

    g_assert_true(policy_config_check(&good, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        PolicyConfig bad = good;
        g_autoptr(GError) err = NULL;

        memcpy((char *)&bad + cases[i].offset, &cases[i].value, MIN(cases[i].size, sizeof(uint32_t)));
        if (cases[i].size == sizeof(uint64_t)) {
            memcpy((char *)&bad + cases[i].offset, &cases[i].value, sizeof(uint64_t));
        }
        g_assert_false(policy_config_check(&bad, &err));
        g_assert_nonnull(strstr(err->message, cases[i].name));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/plan-properties/" #name, name)
    ADD(every_plan_keeps_to_budget_limit_and_place);
    ADD(the_same_input_gives_the_same_plan);
    ADD(every_impossible_setting_is_refused_by_name);
    return g_test_run();
}
