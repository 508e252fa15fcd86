/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM tells of itself: snapshots for the control socket, STATE and STATS for QEMU.
 */
#include <math.h>
#include <string.h>

#include "machine/interference.h"
#include "impl.h"

static void reason_add(GString *reason, const char *text)
{
    g_string_append_printf(reason, "%s%s", reason->len ? "; " : "", text);
}

/* Whether the budget keeps the target of slowdown. */
static void reason_target(const Vm *vm, GString *reason)
{
    const uint64_t bytes = load_target_bytes(vm);

    if (bytes > vm->budget_bytes && bytes != UINT64_MAX) {
        g_autofree char *needs = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
        g_autofree char *has = g_format_size_full(vm->budget_bytes, G_FORMAT_SIZE_IEC_UNITS);
        g_autofree char *text =
            g_strdup_printf("a slowdown of %.3g %% takes %s of fast memory, and it has %s; raise its fast-size, weight "
                            "or fast-min, or give others less", vm->slowdown * 100, needs, has);

        reason_add(reason, text);
    }
}

/* Bits of the state that the VM is in now, and (in @reason) what they come from. */
static uint32_t state_now(Vm *vm, GString *reason)
{
    uint32_t state = 0;

    if (vm->throttled && vm->mode == TIER_MODE_ON) {
        state |= TIER_STATE_THROTTLED;
        reason_add(reason, "max-bytes-per-s holds moves back");
    }
    if (vm->thrashing && vm->mode == TIER_MODE_ON) {
        state |= TIER_STATE_THRASHING;
        reason_add(reason, "moves were undone soon after, so that more gain is asked of each; "
                           "the hot memory may be larger than the budget");
    }
    if (vm_frozen(vm)) {
        state |= TIER_STATE_FROZEN;
        reason_add(reason, "QEMU asked for a pause (live migration)");
    }
    if (tracking_blind(vm)) {
        state |= TIER_STATE_BLIND;
        reason_add(reason, "no source of evidence works; 'sources' says why for each");
    }
    if (vm->has_budget && vm->slowdown > 0) {
        reason_target(vm, reason);
    }
    if (vm->topology && vm->topology->n_tiers < 2) {
        reason_add(reason, "there is one tier only, so nothing can move");
    } else if (vm->facts->cannot_move) {
        reason_add(reason, vm->facts->cannot_move);
    }
    return state;
}

static void add_sources(const Vm *vm, Snapshot *snapshot)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        const Tracker *tracker = &vm->trackers[i];
        const FactSource *fact = &vm->facts->sources[i];
        SnapshotSource source = { .name = fact->class->name };
        const char *problem = !tracking_allowed(vm, i) ? "not among those that this VM may have (vm-set's 'sources')"
            : fact->usable ? tracker->problem : fact->problem;

        if (tracker->source) {
            SourceHealth health = { 0 };

            tracker->class->health(tracker->source, &health);
            source.reports = health.reports;
            source.overhead_share = health.overhead_share;
            source.cpu_ns = health.cpu_ns;
            problem = health.problem ? health.problem : problem;
        }
        for (guint r = 0; r < vm->regions->len; r++) {
            const VmRegion *region = g_ptr_array_index(vm->regions, r);

            source.active = source.active || region->tracked & 1u << i;
        }
        source.active = source.active && !vm->trackers_paused;
        source.problem = g_strdup(problem);
        g_array_append_val(snapshot->sources, source);
    }
}

static void add_hints(const Vm *vm, Snapshot *snapshot)
{
    snapshot->hints_on = vm->hints_on;
    snapshot->hints_problem = g_strdup(vm_hints_problem(vm));
    snapshot->hint_devices = vm_hints_connected(vm);
    snapshot->pin_limit = vm_hints_pin_limit(vm);
    vm_hints_figures(vm, &snapshot->hints);
}

static void add_regions(const Vm *vm, Snapshot *snapshot)
{
    for (guint i = 0; i < vm->regions->len; i++) {
        const VmRegion *region = g_ptr_array_index(vm->regions, i);
        SnapshotRegion entry = {
            .id = region->region.id,
            .name = g_strdup(region->name),
            .size = region->region.size,
            .hva = region->region.hva,
            .granule_bytes = region->region.granule_bytes,
        };

        g_array_append_val(snapshot->regions, entry);
    }
}

static void add_moves(const Vm *vm, Snapshot *snapshot)
{
    for (guint i = 0; i < vm->backends->len; i++) {
        const Backend *backend = g_ptr_array_index(vm->backends, i);
        MoverStats stats = { 0 };

        if (backend->mover) {
            mover_stats(backend->mover, &stats);
        }
        snapshot->moves.asked += stats.asked;
        snapshot->moves.applied += stats.applied;
        snapshot->moves.collapsed_blocks += stats.collapsed_blocks;
        for (size_t r = 0; r < TIER_MOVE_FAIL__MAX; r++) {
            snapshot->moves.failed[r] += stats.failed[r];
        }
    }
    snapshot->pages_per_s = vm->pages_per_s;
}

static void add_load(const Vm *vm, Snapshot *snapshot)
{
    snapshot->slowdown_target = vm->slowdown;
    snapshot->target_bytes = load_target_bytes(vm);
    snapshot->slowdown = load_slowdown(vm);
    snapshot->track = vm->track;
    snapshot->load = vm->load;
    snapshot->outlook = vm->outlook;
    snapshot->not_counted = g_strdup(vm->not_counted);
    snapshot->not_by_tier = g_strdup(vm->not_by_tier);
    snapshot->predictions = vm->predictions;
}

static void add_tiers(const Vm *vm, Snapshot *snapshot)
{
    if (!vm->topology) {
        return;
    }
    snapshot->n_tiers = vm->topology->n_tiers;
    for (uint32_t t = 0; t < vm->topology->n_tiers; t++) {
        snapshot->nodes[t] = node_list_format(vm->topology->tiers[t].nodes);
    }
}

void report_interference(Vm *vm)
{
    const Backend *first = vm->backends->len > 0 ? g_ptr_array_index(vm->backends, 0) : NULL;
    g_autoptr(GPtrArray) found = NULL;

    if (!vm->topology || !first || !peer_alive(&first->peer)) {
        return;
    }
    found = interference_of_process("/proc", vm->topology, first->peer.pid);
    if (vm->interference ? interference_same(vm->interference, found) : found->len == 0) {
        return;
    }
    for (guint i = 0; i < found->len; i++) {
        const Interference *item = g_ptr_array_index(found, i);

        vm_log(vm, G_LOG_LEVEL_WARNING, "%s; %s", item->what, item->remedy);
    }
    if (found->len == 0) {
        vm_log(vm, G_LOG_LEVEL_MESSAGE, "nothing keeps its pages from moving any more");
    }
    g_clear_pointer(&vm->interference, g_ptr_array_unref);
    vm->interference = g_steal_pointer(&found);
}

void report_publish(Vm *vm)
{
    g_autoptr(GString) reason = g_string_new(NULL);
    Snapshot *snapshot = snapshot_new(), *old;

    vm->state = state_now(vm, reason);
    snapshot->made_ns = clock_ns();
    snapshot->connected = vm->backends->len > 0;
    if (snapshot->connected) {
        snapshot->pid = ((const Backend *)g_ptr_array_index(vm->backends, 0))->peer.pid;
    }
    snapshot->configured = vm->topology != NULL;
    snapshot->state = vm->state;
    snapshot->state_reason = reason->len ? g_strdup(reason->str) : NULL;
    snapshot->mode = vm->mode;
    snapshot->fast_size = vm->fast_size;
    snapshot->fast_min = vm->fast_min;
    snapshot->weight = vm->weight;
    snapshot->wakes = idleness_wakes(&vm->idleness);
    snapshot->budget = vm->budget_bytes;
    if (vm->mode == TIER_MODE_ON && !vm_frozen(vm)) {
        snapshot->mover = vm->mover;
    }
    add_load(vm, snapshot);
    snapshot->trace = g_strdup(vm->trace_file);
    snapshot->interference = vm->interference ? g_ptr_array_ref(vm->interference) : NULL;
    add_tiers(vm, snapshot);
    add_sources(vm, snapshot);
    add_hints(vm, snapshot);
    add_regions(vm, snapshot);
    add_moves(vm, snapshot);
    if (vm->policy) {
        snapshot->planned = true;
        policy_stats(vm->policy, &snapshot->stats);
    }

    g_mutex_lock(&vm->lock);
    old = vm->latest;
    vm->latest = snapshot;
    g_mutex_unlock(&vm->lock);
    g_clear_pointer(&old, snapshot_unref);

    for (guint i = 0; i < vm->backends->len; i++) {
        backend_send_state(g_ptr_array_index(vm->backends, i), vm->state, reason->str);
    }
}

static uint64_t millionths(double share)
{
    return isfinite(share) ? (uint64_t)(CLAMP(share, 0, 1) * 1e6) : TIER_PPM_UNKNOWN;
}

void report_stats(Vm *vm)
{
    const double overhead = tracking_overhead(vm);
    TierMsgHints hints;
    PolicyStats stats;

    if (!vm->policy) {
        return;
    }
    policy_stats(vm->policy, &stats);
    vm_hints_figures(vm, &hints);
    for (guint i = 0; i < vm->backends->len; i++) {
        Backend *backend = g_ptr_array_index(vm->backends, i);
        MoverStats moves = { 0 };
        /*
         * Of the whole VM where it has no meaning for one backend: what was undone, the budget,
         * the shares.
         */
        TierMsgStats msg = {
            .promoted_bytes = backend->promoted_bytes,
            .demoted_bytes = backend->demoted_bytes,
            .undone_bytes = stats.undone_bytes,
            .budget_bytes = vm->budget_bytes,
            .hit_ppm = millionths(stats.hit_ratio),
            .tracking_ppm = millionths(overhead),
        };

        if (!backend->configured) {
            continue;
        }
        mover_stats(backend->mover, &moves);
        msg.moves_asked = moves.asked;
        msg.moves_applied = moves.applied;
        memcpy(msg.moves_failed, moves.failed, sizeof(msg.moves_failed));
        backend_send_stats(backend, &msg);
        if (vm_hints_connected(vm) > 0) {
            backend_send_hints(backend, &hints);
        }
    }
}
