/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources 'rwp' and 'wp': access bits of single pages by userfaultfd, within a budget of guest time.
 *
 * 'rwp' sees every access and is exact. 'wp' sees writes only, so its two answers weigh differently: a page
 * that was written was accessed, and that is reported as it is; one that was not written may still be read
 * often, so a miss counts for only a small part of the time it took (WP_MISS_DIVISOR). A page that is never
 * written thus looks colder than it is, slowly.
 */
#include "access-bits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "sampler.h"
#include "uffd.h"

#define MS 1000000ull
#define SECOND (1000 * MS)

#define TICK_MIN_NS (2 * MS) /* between ticks, however much is due */
#define TICK_MAX_NS (200 * MS)
#define TICK_WORK_NS (5 * MS) /* one tick takes about so long at most */
/* a guest's fault costs about twice a process's: it leaves and enters the guest */
#define KVM_EXIT_FACTOR 2
#define WP_MISS_DIVISOR 4 /* writes are taken to be at least one access in so many */
#define WORTH_MIN 20.0    /* of arming a block, see sampler_pick(): below that the budget is left unspent */
#define PAGE_BYTES 4096u

typedef struct Watched {
    Region region;
    Sampler *sampler;
    bool dead; /* the process has ended, or nothing works on it any more */
} Watched;

typedef struct AccessBits {
    Source source;
    UffdKind kind;
    Policy *policy;
    SamplerBudget budget;
    GPtrArray *regions; /* of Watched */
    size_t turn;        /* the region that is armed next */
    uint64_t reports;
    bool paused;
    char *problem;
} AccessBits;

/* What sampler_pick() is to score. */
typedef struct Scored {
    const AccessBits *self;
    const Watched *watched;
    uint64_t now_ns;
} Scored;

static void watched_free(gpointer data)
{
    Watched *watched = data;

    uffd_leave(watched->region.uffd, watched->region.hva, watched->region.size);
    sampler_free(watched->sampler);
    g_free(watched);
}

static uint64_t block_address(const Watched *watched, size_t block)
{
    return watched->region.hva + (uint64_t)block * SAMPLER_BLOCK_GRANULES * watched->region.granule_bytes;
}

static uint64_t block_bytes(const Watched *watched, size_t block)
{
    return (uint64_t)sampler_block_size(watched->sampler, block) * watched->region.granule_bytes;
}

/*
 * An ioctl on the region failed: it is not tried again, and what it costs is said. What is armed is
 * unregistered, which disarms it.
 */
static void give_up(AccessBits *self, Watched *watched, const char *verb, int err)
{
    watched->dead = true;
    uffd_leave(watched->region.uffd, watched->region.hva, watched->region.size);
    sampler_reset(watched->sampler);
    if (err != ESRCH) {
        g_free(self->problem);
        self->problem = g_strdup_printf(
            "can't %s pages of region %u any more: %s; it is not watched until QEMU connects anew", verb,
            watched->region.id, g_strerror(err));
    }
}

/*
 * Report the granules in @mask, run by run: bit i of @bits tells whether the i-th of the block was accessed.
 */
static void report(AccessBits *self, const Watched *watched, size_t block, uint64_t mask, uint64_t bits,
                   uint64_t interval_ns, uint64_t now_ns)
{
    unsigned at = 0;

    while (at < SAMPLER_BLOCK_GRANULES && mask >> at) {
        unsigned first = at + __builtin_ctzll(mask >> at);
        uint64_t rest = ~(mask >> first);
        unsigned n = rest ? __builtin_ctzll(rest) : SAMPLER_BLOCK_GRANULES;
        uint64_t accessed = bits >> first;

        n = MIN(n, SAMPLER_BLOCK_GRANULES - first);
        policy_evidence_bits(self->policy, self->source.class->id, watched->region.id,
                             block * SAMPLER_BLOCK_GRANULES + first, n, &accessed, interval_ns, now_ns);
        self->reports += n;
        at = first + n;
    }
}

/* Look at one block and report it. */
static bool look(AccessBits *self, Watched *watched, size_t block)
{
    uint64_t since_ns, touched, now_ns = clock_ns();
    uint64_t armed = sampler_watched(watched->sampler, block, &since_ns);
    uint64_t interval_ns = MAX(now_ns - since_ns, 1);
    int err = uffd_look(watched->region.pagemap, self->kind, block_address(watched, block),
                        watched->region.granule_bytes, sampler_block_size(watched->sampler, block), &touched);

    if (err) {
        give_up(self, watched, "look at", err);
        return false;
    }
    touched &= armed;
    if (self->kind == UFFD_WP) {
        report(self, watched, block, touched, touched, interval_ns, now_ns);
        report(self, watched, block, armed & ~touched, 0, MAX(interval_ns / WP_MISS_DIVISOR, 1), now_ns);
    } else {
        report(self, watched, block, armed, touched, interval_ns, now_ns);
    }
    sampler_looked(watched->sampler, block, touched, now_ns);
    return true;
}

/* Some kernels go on telling that nothing is touched when the process has ended. */
static void notice_end(Watched *watched)
{
    struct pollfd pidfd = {.fd = watched->region.pidfd, .events = POLLIN};

    if (!watched->dead && poll(&pidfd, 1, 0) > 0) {
        watched->dead = true;
        sampler_reset(watched->sampler);
    }
}

static void look_at_due(AccessBits *self, uint64_t until_ns)
{
    for (guint i = 0; i < self->regions->len; i++) {
        Watched *watched = g_ptr_array_index(self->regions, i);
        uint64_t now_ns;

        notice_end(watched);
        while (!watched->dead && (now_ns = clock_ns()) < until_ns) {
            size_t block = sampler_due(watched->sampler, now_ns);

            if (block == SAMPLER_NONE || !look(self, watched, block)) {
                break;
            }
        }
    }
}

static void score(void *opaque, size_t block, uint8_t *scores)
{
    const Scored *scored = opaque;

    policy_uncertainty(scored->self->policy, scored->watched->region.id, block * SAMPLER_BLOCK_GRANULES,
                       sampler_block_size(scored->watched->sampler, block), scored->now_ns, scores);
}

/* Arm the best block of a region; false when there is none. */
static bool arm_one(AccessBits *self, Watched *watched, uint64_t now_ns)
{
    Scored scored = {.self = self, .watched = watched, .now_ns = now_ns};
    double worth;
    size_t block = sampler_pick(watched->sampler, score, &scored, now_ns, &worth);
    uint64_t unused;
    int err;

    if (block == SAMPLER_NONE || worth < WORTH_MIN) {
        return false;
    }
    if (sampler_watched(watched->sampler, block, &unused) && !look(self, watched, block)) {
        return false;
    }
    err = uffd_arm(watched->region.uffd, self->kind, block_address(watched, block),
                   block_bytes(watched, block), true);
    if (err == EAGAIN) { /* its mappings change just now */
        sampler_refused(watched->sampler, block, clock_ns());
    } else if (err) {
        give_up(self, watched, "arm", err);
        return false;
    } else {
        sampler_armed(watched->sampler, block, clock_ns());
    }
    return true;
}

/* Arm what the budget allows. False when there is nothing that is worth arming. */
static bool arm_within_budget(AccessBits *self, uint64_t until_ns)
{
    size_t idle = 0; /* regions in a row with nothing to arm */
    uint64_t now_ns;

    while (self->budget.tokens_ns > 0 && idle < self->regions->len && (now_ns = clock_ns()) < until_ns) {
        Watched *watched = g_ptr_array_index(self->regions, self->turn++ % self->regions->len);

        idle = !watched->dead && arm_one(self, watched, now_ns) ? 0 : idle + 1;
    }
    return idle < self->regions->len;
}

static uint64_t access_bits_tick(Source *source, uint64_t now_ns)
{
    AccessBits *self = (AccessBits *)source;
    uint64_t next_ns = UINT64_MAX;

    now_ns = MAX(now_ns, clock_ns());
    sampler_budget_refill(&self->budget, now_ns);
    if (self->paused) {
        return now_ns + TICK_MAX_NS;
    }
    look_at_due(self, now_ns + TICK_WORK_NS);
    if (arm_within_budget(self, now_ns + TICK_WORK_NS)) {
        next_ns = sampler_budget_ready_ns(&self->budget, now_ns + TICK_MIN_NS);
    }
    for (guint i = 0; i < self->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(self->regions, i);

        next_ns = MIN(next_ns, sampler_due_ns(watched->sampler));
    }
    return CLAMP(next_ns, now_ns + TICK_MIN_NS, now_ns + TICK_MAX_NS);
}

static bool access_bits_region_add(Source *source, const Region *region, GError **errp)
{
    AccessBits *self = (AccessBits *)source;
    unsigned faults = region->granule_bytes / CLAMP(region->page_size, PAGE_BYTES, region->granule_bytes);
    Watched *watched;

    if (region->uffd < 0 || region->pagemap < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "region %u came without a userfaultfd: QEMU's kernel or seccomp "
                    "filter does not allow one",
                    region->id);
        return false;
    }
    if (!uffd_enter(region->uffd, self->kind, region->hva, region->size, errp)) {
        return false;
    }
    watched = g_new0(Watched, 1);
    watched->region = *region;
    watched->sampler =
        sampler_new(region->size / region->granule_bytes, faults, &self->budget, region->id + 1);
    g_ptr_array_add(self->regions, watched);
    return true;
}

static void access_bits_region_del(Source *source, const Region *region)
{
    AccessBits *self = (AccessBits *)source;

    for (guint i = 0; i < self->regions->len; i++) {
        const Watched *watched = g_ptr_array_index(self->regions, i);

        if (watched->region.id == region->id) {
            g_ptr_array_remove_index(self->regions, i);
            return;
        }
    }
}

/* Disarm all that may be armed: the blocks of which some granule is still watched. */
static void disarm(AccessBits *self, Watched *watched)
{
    size_t n = sampler_blocks(watched->sampler);
    uint64_t unused;
    int err;

    for (size_t first = 0, last; first < n; first = last + 1) {
        last = first;
        if (!sampler_watched(watched->sampler, first, &unused)) {
            continue;
        }
        while (last + 1 < n && sampler_watched(watched->sampler, last + 1, &unused)) {
            last++;
        }
        err = uffd_arm(
            watched->region.uffd, self->kind, block_address(watched, first),
            block_address(watched, last) + block_bytes(watched, last) - block_address(watched, first), false);
        if (err) {
            give_up(self, watched, "disarm", err);
            return;
        }
    }
    sampler_reset(watched->sampler);
}

static void access_bits_pause(Source *source, bool paused)
{
    AccessBits *self = (AccessBits *)source;

    self->paused = paused;
    for (guint i = 0; paused && i < self->regions->len; i++) {
        disarm(self, g_ptr_array_index(self->regions, i));
    }
}

static void access_bits_health(const Source *source, SourceHealth *health)
{
    const AccessBits *self = (const AccessBits *)source;

    *health = (SourceHealth){
        .reports = self->reports,
        .overhead_share = self->budget.lost_share,
        .problem = self->problem,
    };
}

static void access_bits_stop(Source *source)
{
    AccessBits *self = (AccessBits *)source;

    g_ptr_array_unref(self->regions);
    g_free(self->problem);
    g_free(self);
}

static Source *access_bits_start(const SourceClass *class, UffdKind kind, const SourceParams *params,
                                 Policy *policy, GError **errp)
{
    uint64_t fault_ns = params->fault_ns;
    AccessBits *self;

    if (!uffd_probe(kind, errp)) {
        return NULL;
    }
    if (fault_ns == 0) {
        fault_ns = uffd_measure_fault_ns(kind, errp) * KVM_EXIT_FACTOR;
        if (fault_ns == 0) {
            return NULL;
        }
    }
    self = g_new0(AccessBits, 1);
    self->source.class = class;
    self->kind = kind;
    self->policy = policy;
    self->regions = g_ptr_array_new_with_free_func(watched_free);
    sampler_budget_init(&self->budget, params->overhead_share, fault_ns, clock_ns());
    return &self->source;
}

static bool rwp_probe(GError **errp)
{
    return uffd_probe(UFFD_RWP, errp);
}

static Source *rwp_start(const SourceParams *params, Policy *policy, GError **errp)
{
    return access_bits_start(&rwp_source_class, UFFD_RWP, params, policy, errp);
}

static bool wp_probe(GError **errp)
{
    return uffd_probe(UFFD_WP, errp);
}

static Source *wp_start(const SourceParams *params, Policy *policy, GError **errp)
{
    return access_bits_start(&wp_source_class, UFFD_WP, params, policy, errp);
}

const SourceClass rwp_source_class = {
    .name = "rwp",
    .id = POLICY_SOURCE_RWP,
    .probe = rwp_probe,
    .start = rwp_start,
    .region_add = access_bits_region_add,
    .region_del = access_bits_region_del,
    .tick = access_bits_tick,
    .pause = access_bits_pause,
    .health = access_bits_health,
    .stop = access_bits_stop,
};

const SourceClass wp_source_class = {
    .name = "wp",
    .id = POLICY_SOURCE_WP,
    .probe = wp_probe,
    .start = wp_start,
    .region_add = access_bits_region_add,
    .region_del = access_bits_region_del,
    .tick = access_bits_tick,
    .pause = access_bits_pause,
    .health = access_bits_health,
    .stop = access_bits_stop,
};
