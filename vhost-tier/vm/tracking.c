/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources of evidence of one VM: which run, on which regions, when.
 *
 * All that this kernel can do and the configuration allows run side by side, with one exception: RWP and
 * WP exclude each other on one mapping, so WP gets what RWP could not take. Why one does not run, or not
 * everywhere, is kept for 'tierctl show'.
 *
 * Each region that comes or goes has DAMON start anew, for all VMs, since the host has but one list of
 * its threads. A QEMU that adds and removes memory for ever would blind the others, so each VM has
 * tokens for that: as many as a VM has regions at most, and then one more in a while. A region without
 * one is watched later.
 */
#include <string.h>

#include "impl.h"

#define TOKENS_MAX   ((double)VM_MAX_REGIONS)
#define TOKEN_NS     (30 * 1e9)     /* for one more */

/* A token for a region to be watched; false when none is left. */
static bool token_take(Vm *vm)
{
    const uint64_t now_ns = clock_ns();

    vm->watch_tokens = MIN(vm->watch_tokens + (double)(now_ns - vm->watch_tokens_ns) / TOKEN_NS, TOKENS_MAX);
    vm->watch_tokens_ns = now_ns;
    if (vm->watch_tokens < 1) {
        return false;
    }
    vm->watch_tokens -= 1;
    return true;
}

static void set_problem(Tracker *tracker, const char *problem)
{
    g_free(tracker->problem);
    tracker->problem = g_strdup(problem);
}

static bool taken_by(const Vm *vm, const VmRegion *region, PolicySource id)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        if (vm->trackers[i].class->id == id && region->tracked & 1u << i) {
            return true;
        }
    }
    return false;
}

static void tracker_add_regions(Vm *vm, size_t index)
{
    Tracker *tracker = &vm->trackers[index];

    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);
        g_autoptr(GError) err = NULL;

        if (region->tracked & 1u << index || region->refused & 1u << index ||
            (tracker->class->id == POLICY_SOURCE_WP && taken_by(vm, region, POLICY_SOURCE_RWP))) {
            continue;
        }
        if (!token_take(vm)) {
            set_problem(tracker, "QEMU adds memory too often; what is new is watched later");
            return;
        }
        if (tracker->class->region_add(tracker->source, &region->region, &err)) {
            region->tracked |= 1u << index;
            tracker->due_ns = 0;
        } else {
            /* Not asked again for this region: what is missing does not come later. */
            region->refused |= 1u << index;
            set_problem(tracker, err->message);
            vm_log(vm, G_LOG_LEVEL_MESSAGE, "source %s does not watch region %u: %s", tracker->class->name,
                   region->region.id, err->message);
        }
    }
}

static void tracker_start(Vm *vm, Tracker *tracker)
{
    const Config *conf = vm->facts->config;
    const SourceParams params = {
        .overhead_share = conf->overhead_share,
        .fault_ns = conf->fault_ns,
        .damon_sample_ns = conf->damon_sample_ms * 1000000,
        .damon_aggr_ns = conf->damon_aggr_ms * 1000000,
        .damon_max_regions = (uint32_t)conf->damon_max_regions,
        .damon_ops = conf->damon_ops,
        .touch_accesses = (uint32_t)conf->touch_accesses,
        .chmu_take = conf->chmu_take,
    };
    g_autoptr(GError) err = NULL;

    set_problem(tracker, NULL);
    tracker->source = tracker->class->start(&params, vm->policy, &err);
    if (!tracker->source) {
        tracker->refused = true;
        set_problem(tracker, err->message);
        vm_log(vm, G_LOG_LEVEL_MESSAGE, "source %s does not run: %s", tracker->class->name, err->message);
        return;
    }
    if (vm->trackers_paused) {
        tracker->class->pause(tracker->source, true);
    }
}

static void tracker_stop(Vm *vm, size_t index)
{
    Tracker *tracker = &vm->trackers[index];

    if (!tracker->source) {
        return;
    }
    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->tracked & 1u << index) {
            tracker->class->region_del(tracker->source, &region->region);
            region->tracked &= ~(1u << index);
        }
        region->refused &= ~(1u << index);
    }
    tracker->class->stop(g_steal_pointer(&tracker->source));
    tracker->due_ns = UINT64_MAX;
}

static bool wants_pause(const Vm *vm)
{
    for (guint i = 0; i < vm->backends->len; i++) {
        const Backend *backend = g_ptr_array_index(vm->backends, i);

        if (backend->disarm) {
            return true;
        }
    }
    return false;
}

void tracking_catch_up(Vm *vm)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        if (vm->trackers[i].source && !vm->trackers_paused) {
            tracker_add_regions(vm, i);
        }
    }
}

bool tracking_allowed(const Vm *vm, size_t index)
{
    return !vm->imposed.has_sources || vm->imposed.sources & 1u << vm->trackers[index].class->id;
}

void tracking_update(Vm *vm)
{
    const bool run = vm->policy && vm->mode != TIER_MODE_OFF && vm->regions->len > 0;
    const bool pause = wants_pause(vm);

    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        Tracker *tracker = &vm->trackers[i];

        if (!run || !tracking_allowed(vm, i)) {
            tracker_stop(vm, i);
            continue;
        }
        if (!tracker->source && !tracker->refused && vm->facts->sources[i].usable) {
            tracker_start(vm, tracker);
        }
        if (tracker->source) {
            if (pause != vm->trackers_paused) {
                tracker->class->pause(tracker->source, pause);
                tracker->due_ns = 0;
            }
            if (!pause) {
                tracker_add_regions(vm, i);
            }
        }
    }
    vm->trackers_paused = pause;
    epoch_kick(vm);
}

void tracking_region_del(Vm *vm, VmRegion *region)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        if (region->tracked & 1u << i) {
            vm->trackers[i].class->region_del(vm->trackers[i].source, &region->region);
        }
    }
    region->tracked = 0;
}

void tracking_stop(Vm *vm)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        tracker_stop(vm, i);
        vm->trackers[i].refused = false;
        set_problem(&vm->trackers[i], NULL);
    }
}

void tracking_moved(Vm *vm, const VmRegion *region, size_t first, size_t n)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        const Tracker *tracker = &vm->trackers[i];

        if (region->tracked & 1u << i && tracker->class->moved) {
            tracker->class->moved(tracker->source, &region->region, first, n);
        }
    }
}

uint64_t tracking_tick(Vm *vm, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        Tracker *tracker = &vm->trackers[i];

        if (!tracker->source || vm->trackers_paused) {
            continue;
        }
        if (tracker->due_ns <= now_ns) {
            tracker->due_ns = tracker->class->tick(tracker->source, now_ns);
        }
        next_ns = MIN(next_ns, tracker->due_ns);
    }
    return next_ns;
}

void tracking_set_cpus(Vm *vm, double cpus)
{
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        const Tracker *tracker = &vm->trackers[i];

        if (tracker->source && tracker->class->set_cpus) {
            tracker->class->set_cpus(tracker->source, MAX(cpus, 1));
        }
    }
}

bool tracking_blind(const Vm *vm)
{
    for (guint i = 0; i < vm->regions->len; i++) {
        const VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->tracked) {
            return false;
        }
    }
    return vm->mode != TIER_MODE_OFF && vm->regions->len > 0;
}

double tracking_overhead(const Vm *vm)
{
    double share = 0;

    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        const Tracker *tracker = &vm->trackers[i];
        SourceHealth health = { 0 };

        if (tracker->source) {
            tracker->class->health(tracker->source, &health);
            share += health.overhead_share;
        }
    }
    return CLAMP(share, 0, 1);
}
