/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM loses by having part of its memory slow: measured as far as it can be, once an epoch; foretold
 * whenever its budget changes; and the one held against the other.
 */
#include <math.h>
#include <string.h>

#include "vm-impl.h"

#define NEARLY 16     /* what is off by less than this part is where it should be */

/* Share of accesses that hit tier 0 now; NaN before enough was seen. */
static double hit_ratio(const Vm *vm)
{
    PolicyStats stats;

    if (!vm->policy) {
        return NAN;
    }
    policy_stats(vm->policy, &stats);
    return stats.hit_ratio;
}

/*
 * Whether pages had their chance to be where the budget lets them be: else what is measured says nothing of what
 * was foretold for it.
 */
static bool settled(const Vm *vm)
{
    const uint64_t due = MIN(vm->budget_bytes, vm->curve.present_bytes);
    PolicyStats stats;

    policy_stats(vm->policy, &stats);
    return vm->mode == TIER_MODE_ON && !vm_frozen(vm) &&
           stats.granule_bytes[0] <= due + due / NEARLY && stats.granule_bytes[0] + due / NEARLY >= due;
}

void load_follow_costs(Vm *vm)
{
    PolicyCosts costs;

    facts_costs_of(vm->facts, vm->topology, &costs);
    if (memcmp(&costs, &vm->costs, sizeof(costs)) != 0) {
        vm->costs = costs;
        vm_configure_policy(vm);
    }
}

void load_update(Vm *vm, uint64_t now_ns)
{
    const Backend *first = vm->backends->len > 0 ? g_ptr_array_index(vm->backends, 0) : NULL;
    MissesRates rates = { .accesses_per_s = NAN, .busy = NAN };

    if (!vm->policy || !first || !peer_alive(&first->peer)) {
        return;
    }
    if (!vm->misses) {
        vm->misses = misses_new(first->peer.pid);
    }
    rates = misses_read(vm->misses, now_ns);
    vm->not_counted = rates.problem;
    if (isfinite(rates.busy)) {
        tracking_set_cpus(vm, rates.busy);
    }
    policy_curve(vm->policy, &vm->curve);
    vm->load = (SlowdownLoad) {
        .accesses_per_s = rates.accesses_per_s,
        .busy = rates.busy,
        .hit_ratio = hit_ratio(vm),
    };
    if (vm->topology->n_tiers > 1) {
        vm->load.fast_ns = vm->costs.latency_ns[0];
        vm->load.slow_ns = vm->costs.latency_ns[1];
    }
    vm->model = slowdown_model(&vm->curve, &vm->load);
    if (!vm->track.open || (settled(vm) && slowdown_check(&vm->track, load_slowdown(vm), now_ns))) {
        load_foretell(vm, now_ns);
    }
    prediction_note(&vm->predictions, now_ns, vm->mode == TIER_MODE_ON, vm->budget_bytes,
                    slowdown_known(&vm->curve) ? slowdown_hit_ratio(&vm->curve, vm->budget_bytes) : NAN,
                    settled(vm) ? vm->load.hit_ratio : NAN);
}

void load_foretell(Vm *vm, uint64_t now_ns)
{
    const bool known = slowdown_known(&vm->curve);

    slowdown_foretell(&vm->track, vm->budget_bytes,
                      known ? slowdown_at(&vm->curve, &vm->model, vm->budget_bytes) : NAN, now_ns);
}

void load_forget(Vm *vm)
{
    g_clear_pointer(&vm->misses, misses_free);
    vm->not_counted = NULL;
    memset(&vm->costs, 0, sizeof(vm->costs));
    memset(&vm->curve, 0, sizeof(vm->curve));
    memset(&vm->load, 0, sizeof(vm->load));
    memset(&vm->model, 0, sizeof(vm->model));
    memset(&vm->track, 0, sizeof(vm->track));
    memset(&vm->predictions, 0, sizeof(vm->predictions));
}

double load_slowdown(const Vm *vm)
{
    return slowdown_known(&vm->curve) ? vm->model.worst * (1 - vm->load.hit_ratio) : NAN;
}

uint64_t load_target_bytes(const Vm *vm)
{
    if (vm->slowdown <= 0) {
        return 0;
    }
    return slowdown_known(&vm->curve) ? slowdown_size(&vm->curve, &vm->model, vm->slowdown) : UINT64_MAX;
}
