/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP commands of memory tiers, and their event.
 *
 * The kernel is asked about every page, and copies some: that takes long, so it
 * is done by a thread of the pool while the command's coroutine waits, and
 * neither QEMU's big lock nor the guest does. Other QMP commands do, which is
 * how QEMU dispatches them. The backend is held meanwhile: it may be removed,
 * but not freed.
 */
#include "qemu/osdep.h"

#include "block/thread-pool.h"
#include "memory-tier.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-memory-tier.h"
#include "qapi/qapi-events-memory-tier.h"
#include "qapi/qmp/qerror.h"
#include "qapi/util.h"
#include "qemu/units.h"
#include "qom/object_interfaces.h"

/* As much is moved by one command: a second or so on usual hosts */
#define MAX_PLACE_BYTES (1 * GiB)

/* What one piece of work is given, and what it finds. */
typedef struct Work {
    TierPages pages;
    const char *sysfs;
    const TierPlan *plan;
    /* query-memory-tiers */
    bool residency_wanted;
    TierResidency residency;
    uint64_t total[TIER_MAX_TIERS];
    uint64_t free[TIER_MAX_TIERS];
    uint64_t planned_fast;
    /* memory-tier-place */
    unsigned tier;
    TierMoves moves;
} Work;

static TierPages pages_of(MemoryBackendTier *tier)
{
    MemoryRegion *mr = &MEMORY_BACKEND(tier)->mr;

    return (TierPages) {
        .hva = memory_region_get_ram_ptr(mr),
        .size = memory_region_size(mr),
        .page_size = memory_backend_tier_page_size(tier),
        .memfd = memory_region_get_fd(mr),
        .topology = tier->topology,
    };
}

static MemoryBackendTier *find_backend(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    if (!obj || !object_dynamic_cast(obj, TYPE_MEMORY_BACKEND_TIER)) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "There is no memory-backend-tier '%s'; query-memory-tiers "
                  "shows those there are", id);
        return NULL;
    }
    return MEMORY_BACKEND_TIER(obj);
}

static MemoryTierMoves *moves_info(const TierMoves *moves)
{
    MemoryTierMoves *info = g_new0(MemoryTierMoves, 1);

    info->asked = moves->asked;
    info->applied = moves->applied;
    info->failed = g_new0(MemoryTierMoveFailures, 1);
    info->failed->busy = moves->failed[TIER_MOVE_FAIL_BUSY];
    info->failed->full = moves->failed[TIER_MOVE_FAIL_FULL];
    info->failed->elsewhere = moves->failed[TIER_MOVE_FAIL_ELSEWHERE];
    info->failed->absent = moves->failed[TIER_MOVE_FAIL_ABSENT];
    info->failed->pinned = moves->failed[TIER_MOVE_FAIL_PINNED];
    info->failed->cpuset = moves->failed[TIER_MOVE_FAIL_CPUSET];
    info->failed->other = moves->failed[TIER_MOVE_FAIL_OTHER];
    return info;
}

/* The daemon */

static MemoryTierStateList *states_of(uint32_t bits)
{
    static const struct {
        uint32_t bit;
        MemoryTierState state;
    } states[] = {
        { TIER_STATE_THROTTLED, MEMORY_TIER_STATE_THROTTLED },
        { TIER_STATE_THRASHING, MEMORY_TIER_STATE_THRASHING },
        { TIER_STATE_FROZEN, MEMORY_TIER_STATE_FROZEN },
        { TIER_STATE_BLIND, MEMORY_TIER_STATE_BLIND },
    };
    MemoryTierStateList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
        if (bits & states[i].bit) {
            QAPI_LIST_APPEND(tail, states[i].state);
        }
    }
    return list;
}

static MemoryTierFeatureList *features_of(uint64_t bits)
{
    static const struct {
        uint64_t bit;
        MemoryTierFeature feature;
    } features[] = {
        { TIER_F_RWP, MEMORY_TIER_FEATURE_RWP },
        { TIER_F_WP, MEMORY_TIER_FEATURE_WP },
        { TIER_F_FREEZE, MEMORY_TIER_FEATURE_FREEZE },
        { TIER_F_HINTS, MEMORY_TIER_FEATURE_HINTS },
    };
    MemoryTierFeatureList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (bits & features[i].bit) {
            QAPI_LIST_APPEND(tail, features[i].feature);
        }
    }
    return list;
}

static MemoryTierStats *stats_info(const TierMsgStats *told)
{
    MemoryTierStats *info = g_new0(MemoryTierStats, 1);
    TierMoves moves = {
        .asked = told->moves_asked,
        .applied = told->moves_applied,
    };

    memcpy(moves.failed, told->moves_failed, sizeof(moves.failed));
    info->moves = moves_info(&moves);
    info->promoted_bytes = told->promoted_bytes;
    info->demoted_bytes = told->demoted_bytes;
    info->undone_bytes = told->undone_bytes;
    info->budget = told->budget_bytes;
    info->has_hit_ppm = told->hit_ppm != TIER_PPM_UNKNOWN;
    info->hit_ppm = info->has_hit_ppm ? told->hit_ppm : 0;
    info->tracking_ppm = told->tracking_ppm;
    return info;
}

static MemoryTierHintCounts *hint_counts(const TierMsgHints *told,
                                         TierHint hint)
{
    const uint64_t *ranges = told->ranges[hint];
    MemoryTierHintCounts *info = g_new0(MemoryTierHintCounts, 1);

    info->taken = ranges[TIER_HINT_TAKEN];
    info->off = ranges[TIER_HINT_OFF];
    info->untrusted = ranges[TIER_HINT_UNTRUSTED];
    info->over_limit = ranges[TIER_HINT_OVER_LIMIT];
    info->not_there = ranges[TIER_HINT_NOT_THERE];
    info->bytes = told->bytes[hint];
    return info;
}

static MemoryTierHints *hints_info(const TierMsgHints *told)
{
    MemoryTierHints *info = g_new0(MemoryTierHints, 1);

    info->hot = hint_counts(told, TIER_HINT_HOT);
    info->cold = hint_counts(told, TIER_HINT_COLD);
    info->willneed = hint_counts(told, TIER_HINT_WILLNEED);
    info->free = hint_counts(told, TIER_HINT_FREE);
    info->pin = hint_counts(told, TIER_HINT_PIN);
    info->unpin = hint_counts(told, TIER_HINT_UNPIN);
    info->followed_bytes = told->followed_bytes;
    info->pinned_bytes = told->pinned_bytes;
    info->pinned_dropped_bytes = told->pinned_dropped_bytes;
    info->free_bytes = told->free_bytes;
    info->checked = told->checked;
    info->right = told->right;
    info->trust_ppm = told->trust_ppm;
    info->dropped_rate = told->dropped_rate;
    info->refused = told->refused;
    return info;
}

static MemoryTierDaemon *daemon_info(const MemoryBackendTier *tier)
{
    const TierDaemonStatus *daemon = tier_channel_daemon(tier->channel);
    MemoryTierDaemon *info = g_new0(MemoryTierDaemon, 1);

    info->chardev = g_strdup(tier->chardev);
    info->connected = daemon->connected;
    info->version = g_strdup(daemon->version);
    info->vm = g_strdup(daemon->vm);
    info->features = features_of(daemon->features);
    info->states = states_of(daemon->state);
    info->reason = g_strdup(daemon->reason);
    info->problem = g_strdup(daemon->problem.text);
    info->stats = daemon->has_stats ? stats_info(&daemon->stats) : NULL;
    info->hints = daemon->has_hints ? hints_info(&daemon->hints) : NULL;
    return info;
}

void tier_qmp_state_changed(const MemoryBackendTier *tier,
                            const TierDaemonStatus *daemon)
{
    g_autoptr(MemoryTierStateList) states = states_of(daemon->state);

    qapi_event_send_memory_tier_state_changed(
        memory_backend_tier_id(tier), daemon->connected, states,
        daemon->connected ? daemon->reason : daemon->problem.text);
}

/* query-memory-tiers */

static int query_work(void *opaque)
{
    Work *work = opaque;
    const Topology *topology = work->pages.topology;

    if (work->residency_wanted) {
        tier_pages_query(&work->pages, &work->residency);
    }
    work->planned_fast = tier_plan_fast_bytes(work->plan);
    for (unsigned node = 0; node < TIER_MAX_NODES; node++) {
        int tier = topology_tier_of_node(topology, node);
        uint64_t total, free;

        if (tier >= 0 &&
            topology_node_memory(work->sysfs, node, &total, &free)) {
            work->total[tier] += total;
            work->free[tier] += free;
        }
    }
    return 0;
}

static MemoryTierList *tiers_info(const MemoryBackendTier *tier,
                                  const Work *work)
{
    uint64_t fast = work->planned_fast;
    MemoryTierList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < tier->topology->n_tiers; i++) {
        MemoryTier *info = g_new0(MemoryTier, 1);

        info->nodes = node_list_format(tier->topology->tiers[i].nodes);
        info->total = work->total[i];
        info->free = work->free[i];
        info->planned = i == 0 ? fast : i == 1 ? tier->plan.size - fast : 0;
        info->has_resident = work->residency_wanted;
        info->resident = work->residency.tiers[i];
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static MemoryTierBackend *coroutine_fn backend_info(MemoryBackendTier *tier,
                                                    const char *id,
                                                    bool residency)
{
    MemoryTierBackend *info = g_new0(MemoryTierBackend, 1);
    Work work = {
        .pages = pages_of(tier),
        .sysfs = tier->sysfs,
        .plan = &tier->plan,
        .residency_wanted = residency,
    };

    thread_pool_submit_co(query_work, &work);

    info->id = g_strdup(id);
    info->size = work.pages.size;
    info->page_size = work.pages.page_size;
    info->mode = tier->settings.mode;
    info->placement = tier->placement;
    info->placement_problem = g_strdup(tier->placement_problem);
    info->hugepages = tier->hugepages;
    info->fast_size = tier->settings.fast_size;
    info->fast_min = tier->settings.fast_min;
    info->weight = tier->settings.weight;
    info->has_slowdown = tier->settings.slowdown > 0;
    info->slowdown = tier->settings.slowdown;
    info->tiers = tiers_info(tier, &work);
    info->tiers_origin = g_strdup(tier->topology->origin);
    info->has_off_tier = info->has_unmapped = info->has_absent = residency;
    info->off_tier = work.residency.off_tier;
    info->unmapped = work.residency.unmapped;
    info->absent = work.residency.absent;
    info->daemon = tier->channel ? daemon_info(tier) : NULL;
    return info;
}

static int collect_backend(Object *obj, void *opaque)
{
    GPtrArray *backends = opaque;

    if (object_dynamic_cast(obj, TYPE_MEMORY_BACKEND_TIER) &&
        host_memory_backend_mr_inited(MEMORY_BACKEND(obj))) {
        g_ptr_array_add(backends, object_ref(obj));
    }
    return 0;
}

MemoryTierBackendList *coroutine_fn
qmp_query_memory_tiers(bool has_residency, bool residency, Error **errp)
{
    g_autoptr(GPtrArray) backends =
        g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    MemoryTierBackendList *list = NULL, **tail = &list;

    object_child_foreach(object_get_objects_root(), collect_backend, backends);
    for (guint i = 0; i < backends->len; i++) {
        MemoryBackendTier *tier = g_ptr_array_index(backends, i);
        g_autofree char *id = g_strdup(memory_backend_tier_id(tier));

        if (id[0]) {            /* not removed since we began */
            QAPI_LIST_APPEND(tail, backend_info(tier, id, !has_residency ||
                                                          residency));
        }
    }
    return list;
}

/* memory-tier-set */

void qmp_memory_tier_set(const char *id, bool has_fast_size, uint64_t fast_size,
                         bool has_fast_min, uint64_t fast_min,
                         bool has_weight, uint32_t weight,
                         bool has_slowdown, double slowdown,
                         bool has_mode, MemoryTierMode mode, Error **errp)
{
    MemoryBackendTier *tier = find_backend(id, errp);
    TierSettings settings;

    if (!tier) {
        return;
    }
    settings = tier->settings;
    settings.fast_size = has_fast_size ? fast_size : settings.fast_size;
    settings.fast_min = has_fast_min ? fast_min : settings.fast_min;
    settings.weight = has_weight ? weight : settings.weight;
    settings.slowdown = has_slowdown ? slowdown : settings.slowdown;
    settings.mode = has_mode ? mode : settings.mode;
    if (memory_backend_tier_apply(tier, &settings, errp) && tier->channel) {
        tier_channel_send_config(tier->channel);
    }
}

/* memory-tier-place */

static int place_work(void *opaque)
{
    Work *work = opaque;

    tier_pages_move(&work->pages, work->tier, &work->moves);
    return 0;
}

static bool check_range(const TierPages *pages, uint64_t offset, uint64_t size,
                        Error **errp)
{
    if (offset % pages->page_size || size % pages->page_size || !size) {
        error_setg(errp, "Parameters 'offset' (%" PRIu64 ") and 'size' (%"
                   PRIu64 ") must be multiples of the page size, %" PRIu64
                   ", and size not 0", offset, size, pages->page_size);
        return false;
    }
    if (size > MAX_PLACE_BYTES) {
        error_setg(errp, "Parameter 'size' (%" PRIu64 ") must be at most %"
                   PRIu64 ": move a larger range in parts, between which other "
                   "commands can run", size, (uint64_t)MAX_PLACE_BYTES);
        return false;
    }
    if (offset > pages->size || size > pages->size - offset) {
        error_setg(errp, "Parameters 'offset' (%" PRIu64 ") and 'size' (%"
                   PRIu64 ") reach beyond the backend's %" PRIu64 " bytes",
                   offset, size, pages->size);
        return false;
    }
    return true;
}

MemoryTierMoves *coroutine_fn qmp_memory_tier_place(const char *id,
                                                    uint64_t offset,
                                                    uint64_t size,
                                                    uint32_t tier,
                                                    Error **errp)
{
    MemoryBackendTier *backend = find_backend(id, errp);
    Work work = { .tier = tier };

    if (!backend) {
        return NULL;
    }
    work.pages = pages_of(backend);
    if (!check_range(&work.pages, offset, size, errp)) {
        return NULL;
    }
    if (tier >= backend->topology->n_tiers) {
        error_setg(errp, "Parameter 'tier' (%" PRIu32 ") must be less than %"
                   PRIu32 ", the number of tiers", tier,
                   backend->topology->n_tiers);
        return NULL;
    }
    work.pages.hva = (const char *)work.pages.hva + offset;
    work.pages.size = size;

    object_ref(OBJECT(backend));
    thread_pool_submit_co(place_work, &work);
    object_unref(OBJECT(backend));
    return moves_info(&work.moves);
}
