/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine that watches pages; see watcher.h.
 *
 * RWP sees every access and is exact. WP sees writes only, so its two answers weigh differently: a page
 * that was written was accessed, and that is reported as it is; one that was not written may still be
 * read often, so a miss counts for only a small part of the time it took (WP_MISS_DIVISOR). A page that
 * is never written thus looks colder than it is, slowly.
 */
#include "watcher.h"

#define MS 1000000ull

#define TICK_MIN_NS (2 * MS) /* between ticks, however much is due */
#define TICK_MAX_NS (200 * MS)
#define TICK_WORK_NS (5 * MS) /* one tick takes about so long at most */
#define WP_MISS_DIVISOR 4 /* writes are taken to be at least one access in so many */

typedef struct Watched {
    uint32_t id;
    void *region;       /* the host's */
    Sampler *sampler;
    bool dead;
} Watched;

struct Watcher {
    const WatcherHost *host;
    void *opaque;
    PolicySource source;
    Policy *policy;
    SamplerBudget budget;
    GPtrArray *regions; /* of Watched */
    size_t turn;        /* the region that is armed next */
    uint64_t reports;
    uint64_t changed_ns; /* when the policy last found heat to have changed, as far as the samplers know */
    bool paused;
};

/* What sampler_pick() is to score. */
typedef struct Scored {
    const Watcher *watcher;
    const Watched *watched;
    uint64_t now_ns;
} Scored;

static void watched_free(gpointer data)
{
    Watched *watched = data;

    sampler_free(watched->sampler);
    g_free(watched);
}

static uint64_t clock_of(const Watcher *watcher)
{
    return watcher->host->now_ns(watcher->opaque);
}

static void give_up(Watched *watched)
{
    watched->dead = true;
    sampler_reset(watched->sampler);
}

/*
 * Report the granules in @mask, run by run: bit i of @bits tells whether the i-th of the block was
 * accessed.
 */
static void report(Watcher *watcher, const Watched *watched, size_t block, uint64_t mask, uint64_t bits,
                   uint64_t interval_ns, uint64_t now_ns)
{
    unsigned at = 0;

    while (at < SAMPLER_BLOCK_GRANULES && mask >> at) {
        unsigned first = at + __builtin_ctzll(mask >> at);
        uint64_t rest = ~(mask >> first);
        unsigned n = rest ? __builtin_ctzll(rest) : SAMPLER_BLOCK_GRANULES;
        uint64_t accessed = bits >> first;

        n = MIN(n, SAMPLER_BLOCK_GRANULES - first);
        policy_evidence_bits(watcher->policy, watcher->source, watched->id,
                             block * SAMPLER_BLOCK_GRANULES + first, n, &accessed, interval_ns, now_ns);
        watcher->reports += n;
        at = first + n;
    }
}

/* Look at one block and report it; false when the region is dead. */
static bool look(Watcher *watcher, Watched *watched, size_t block)
{
    uint64_t since_ns, touched, now_ns = clock_of(watcher);
    uint64_t armed = sampler_watched(watched->sampler, block, &since_ns);
    uint64_t interval_ns = MAX(now_ns - since_ns, 1);

    if (watcher->host->look(watched->region, block * SAMPLER_BLOCK_GRANULES,
                            sampler_block_size(watched->sampler, block), &touched) != WATCH_OK) {
        give_up(watched);
        return false;
    }
    touched &= armed;
    policy_trial_look(watcher->policy, watched->id, block * SAMPLER_BLOCK_GRANULES, touched, now_ns);
    armed &= ~sampler_trial(watched->sampler, block);
    if (watcher->source == POLICY_SOURCE_WP) {
        report(watcher, watched, block, armed & touched, touched, interval_ns, now_ns);
        report(watcher, watched, block, armed & ~touched, 0, MAX(interval_ns / WP_MISS_DIVISOR, 1), now_ns);
    } else {
        report(watcher, watched, block, armed, touched, interval_ns, now_ns);
    }
    sampler_looked(watched->sampler, block, touched, now_ns);
    return true;
}

static void look_at_due(Watcher *watcher, uint64_t until_ns)
{
    for (guint i = 0; i < watcher->regions->len; i++) {
        Watched *watched = g_ptr_array_index(watcher->regions, i);
        uint64_t now_ns;

        while (!watched->dead && (now_ns = clock_of(watcher)) < until_ns) {
            size_t block = sampler_due(watched->sampler, now_ns);

            if (block == SAMPLER_NONE || !look(watcher, watched, block)) {
                break;
            }
        }
    }
}

static void score(void *opaque, size_t block, uint8_t *scores)
{
    const Scored *scored = opaque;

    policy_uncertainty(scored->watcher->policy, scored->watched->id, block * SAMPLER_BLOCK_GRANULES,
                       sampler_block_size(scored->watched->sampler, block), scored->now_ns, scores);
}

/* Arm granules of a block, run by run. */
static WatchResult arm_granules(Watcher *watcher, Watched *watched, size_t block, uint64_t granules)
{
    WatchResult result = WATCH_OK;

    for (unsigned at = 0; result == WATCH_OK && at < SAMPLER_BLOCK_GRANULES && granules >> at;) {
        unsigned first = at + __builtin_ctzll(granules >> at);
        uint64_t rest = ~(granules >> first);
        unsigned n = rest ? __builtin_ctzll(rest) : SAMPLER_BLOCK_GRANULES;

        result = watcher->host->arm(watched->region, block * SAMPLER_BLOCK_GRANULES + first, n, true);
        at = first + n;
    }
    return result;
}

/* What is best armed next in a region, or a probe when one is due; SAMPLER_NONE: nothing is worth it. */
static size_t pick(Watcher *watcher, Watched *watched, uint64_t now_ns, uint64_t *granules)
{
    Scored scored = {.watcher = watcher, .watched = watched, .now_ns = now_ns};
    size_t block;
    double worth;

    if (sampler_budget_probes(&watcher->budget)) {
        block = sampler_probe(watched->sampler, score, &scored, granules);
        if (block != SAMPLER_NONE) {
            return block;
        }
    }
    block = sampler_pick(watched->sampler, score, &scored, now_ns, granules, &worth);
    return worth < sampler_budget_price(&watcher->budget) ? SAMPLER_NONE : block;
}

/* What of a block is watched now, after a look at it. False when the region is dead. */
static bool look_again(Watcher *watcher, Watched *watched, size_t block, uint64_t *already)
{
    uint64_t since_ns;

    if (sampler_watched(watched->sampler, block, &since_ns) && !look(watcher, watched, block)) {
        return false;
    }
    *already = sampler_watched(watched->sampler, block, &since_ns);
    return true;
}

/* Arm these granules of a block, some of which may be watched already; false when the region is dead. */
static bool arm_block(Watcher *watcher, Watched *watched, size_t block, uint64_t granules)
{
    switch (arm_granules(watcher, watched, block, granules)) {
    case WATCH_OK:
        sampler_armed(watched->sampler, block, granules, clock_of(watcher));
        return true;
    case WATCH_BUSY:
        sampler_refused(watched->sampler, block, clock_of(watcher));
        return true;
    case WATCH_DEAD:
        break;
    }
    give_up(watched);
    return false;
}

/* What of a block lies on a tier. */
static uint64_t present(const Watcher *watcher, const Watched *watched, size_t block)
{
    const unsigned n = sampler_block_size(watched->sampler, block);
    uint8_t tiers[SAMPLER_BLOCK_GRANULES];
    uint64_t granules = 0;

    policy_where(watcher->policy, watched->id, block * SAMPLER_BLOCK_GRANULES, n, tiers);
    for (unsigned i = 0; i < n; i++) {
        granules |= (uint64_t)(tiers[i] < POLICY_MAX_TIERS) << i;
    }
    return granules;
}

/* Begin a trial: what is present of some granules of a block is watched from the same moment on. */
static bool begin_trial(Watcher *watcher, Watched *watched)
{
    uint64_t drawn, already, granules, since_ns;
    const size_t block = sampler_draw(watched->sampler, &drawn);

    if (!look_again(watcher, watched, block, &already)) {
        return false;
    }
    granules = drawn & present(watcher, watched, block);
    if (granules & ~already && !arm_block(watcher, watched, block, granules & ~already)) {
        return false;
    }
    granules &= sampler_watched(watched->sampler, block, &since_ns);
    policy_trial_begin(watcher->policy, watched->id, block * SAMPLER_BLOCK_GRANULES, granules, since_ns);
    return true;
}

/* Arm one block of a region; false when there is none. */
static bool arm_one(Watcher *watcher, Watched *watched, uint64_t now_ns)
{
    uint64_t granules, already;
    size_t block;

    if (watcher->source == POLICY_SOURCE_RWP && policy_takes_trials(watcher->policy) &&
        policy_settled(watcher->policy) && sampler_budget_draws(&watcher->budget)) {
        return begin_trial(watcher, watched);
    }
    block = pick(watcher, watched, now_ns, &granules);
    return block != SAMPLER_NONE && look_again(watcher, watched, block, &already) &&
           arm_block(watcher, watched, block, granules);
}

/* Arm what the budget allows. False when there is nothing that is worth arming. */
static bool arm_within_budget(Watcher *watcher, uint64_t until_ns)
{
    size_t idle = 0; /* regions in a row with nothing to arm */
    uint64_t now_ns;

    while (sampler_budget_allows(&watcher->budget) && idle < watcher->regions->len &&
           (now_ns = clock_of(watcher)) < until_ns) {
        Watched *watched = g_ptr_array_index(watcher->regions, watcher->turn++ % watcher->regions->len);

        idle = !watched->dead && arm_one(watcher, watched, now_ns) ? 0 : idle + 1;
    }
    return idle < watcher->regions->len;
}

Watcher *watcher_new(const WatcherHost *host, void *opaque, PolicySource source, Policy *policy,
                     double share, uint64_t fault_ns)
{
    Watcher *watcher = g_new0(Watcher, 1);

    watcher->host = host;
    watcher->opaque = opaque;
    watcher->source = source;
    watcher->policy = policy;
    watcher->regions = g_ptr_array_new_with_free_func(watched_free);
    sampler_budget_init(&watcher->budget, share, fault_ns, clock_of(watcher));
    return watcher;
}

void watcher_free(Watcher *watcher)
{
    if (watcher) {
        g_ptr_array_unref(watcher->regions);
        g_free(watcher);
    }
}

void watcher_region_add(Watcher *watcher, uint32_t id, size_t n, unsigned faults_per_granule, void *region)
{
    Watched *watched = g_new0(Watched, 1);

    watched->id = id;
    watched->region = region;
    watched->sampler = sampler_new(n, faults_per_granule, &watcher->budget, id + 1);
    g_ptr_array_add(watcher->regions, watched);
}

static Watched *find(const Watcher *watcher, uint32_t id)
{
    for (guint i = 0; i < watcher->regions->len; i++) {
        Watched *watched = g_ptr_array_index(watcher->regions, i);

        if (watched->id == id) {
            return watched;
        }
    }
    return NULL;
}

void watcher_region_del(Watcher *watcher, uint32_t id)
{
    g_ptr_array_remove(watcher->regions, find(watcher, id));
}

void watcher_region_dead(Watcher *watcher, uint32_t id)
{
    Watched *watched = find(watcher, id);

    if (watched && !watched->dead) {
        give_up(watched);
    }
}

void watcher_set_cpus(Watcher *watcher, double cpus)
{
    sampler_budget_set_cpus(&watcher->budget, cpus);
}

void watcher_set_looks(Watcher *watcher, double per_s)
{
    sampler_budget_set_looks(&watcher->budget, per_s);
}

/* What was learned before is void: all may be looked at again. */
static void look_at_all(Watcher *watcher)
{
    for (guint i = 0; i < watcher->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(watcher->regions, i);

        sampler_changed(watched->sampler, clock_of(watcher));
    }
}

uint64_t watcher_tick(Watcher *watcher, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    now_ns = MAX(now_ns, clock_of(watcher));
    sampler_budget_refill(&watcher->budget, now_ns);
    if (watcher->paused) {
        return now_ns + TICK_MAX_NS;
    }
    if (policy_changed_ns(watcher->policy) > watcher->changed_ns) {
        watcher->changed_ns = policy_changed_ns(watcher->policy);
        look_at_all(watcher);
    }
    look_at_due(watcher, now_ns + TICK_WORK_NS);
    if (arm_within_budget(watcher, now_ns + TICK_WORK_NS)) {
        next_ns = sampler_budget_ready_ns(&watcher->budget, now_ns + TICK_MIN_NS);
    }
    for (guint i = 0; i < watcher->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(watcher->regions, i);

        next_ns = MIN(next_ns, sampler_due_ns(watched->sampler));
    }
    return CLAMP(next_ns, now_ns + TICK_MIN_NS, now_ns + TICK_MAX_NS);
}

/* Disarm all that may be armed: the blocks of which some granule is still watched. */
static void disarm(Watcher *watcher, Watched *watched)
{
    size_t n = sampler_blocks(watched->sampler);
    uint64_t unused;

    for (size_t first = 0, last; first < n; first = last + 1) {
        last = first;
        if (!sampler_watched(watched->sampler, first, &unused)) {
            continue;
        }
        while (last + 1 < n && sampler_watched(watched->sampler, last + 1, &unused)) {
            last++;
        }
        if (watcher->host->arm(watched->region, first * SAMPLER_BLOCK_GRANULES,
                               (last - first) * SAMPLER_BLOCK_GRANULES +
                                   sampler_block_size(watched->sampler, last), false) != WATCH_OK) {
            give_up(watched);
            return;
        }
    }
    sampler_reset(watched->sampler);
}

void watcher_pause(Watcher *watcher, bool paused)
{
    watcher->paused = paused;
    policy_trials_end(watcher->policy);
    for (guint i = 0; paused && i < watcher->regions->len; i++) {
        disarm(watcher, g_ptr_array_index(watcher->regions, i));
    }
}

uint64_t watcher_reports(const Watcher *watcher)
{
    return watcher->reports;
}

double watcher_overhead_share(const Watcher *watcher)
{
    return watcher->budget.lost_share;
}

size_t watcher_bytes(const Watcher *watcher)
{
    size_t bytes = sizeof(*watcher);

    for (guint i = 0; i < watcher->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(watcher->regions, i);

        bytes += sizeof(*watched) + sampler_bytes(watched->sampler);
    }
    return bytes;
}
