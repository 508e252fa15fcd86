/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM loses by having part of its memory slow: measured as far as it can be, once an epoch; foretold
 * whenever its budget changes; and the one held against the other.
 */
#include <math.h>
#include <string.h>

#include "machine/misses-nodes.h"
#include "impl.h"

#define NEARLY 16     /* what is off by less than this part is where it should be */
#define MOST_STOLEN 0.9
#define MEGA 1e6

/*
 * Whether pages had their chance to be where the budget lets them be: else what is measured says nothing of what
 * was foretold for it.
 */
static bool settled(const Vm *vm)
{
    const uint64_t due = MIN(vm->budget_bytes, vm->outlook.curve.present_bytes);
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

/* What hardware counts of each tier: told to the policy, and kept for the outlook. */
static void count_by_tier(Vm *vm, const MissesRates *rates, const PolicyStats *stats)
{
    const uint64_t fast_bytes = stats->granule_bytes[0];
    uint64_t slow_bytes = 0;
    MissesByTier counted;
    LatencyView latencies;

    for (uint32_t t = 1; t < vm->topology->n_tiers; t++) {
        slow_bytes += stats->granule_bytes[t];
    }
    vm->outlook.now = (Forecast) { 0 };
    if (!misses_by_tier(rates, fast_bytes, slow_bytes, &counted, &vm->not_by_tier)) {
        policy_counted(vm->policy, NAN, NAN);
        return;
    }
    if (policy_takes_trials(vm->policy)) {      /* what is counted of one that idles tells nothing of heat */
        policy_counted(vm->policy, counted.fast_per_s, counted.slow_per_s);
    }
    facts_latencies_of(vm->facts, vm->topology, &latencies);
    vm->outlook.now = (Forecast) {
        .accesses_per_s = counted.fast_per_s + counted.slow_per_s,
        .hit_ratio = counted.fast_per_s / (counted.fast_per_s + counted.slow_per_s),
        .busy = isfinite(rates->busy) ? rates->busy : 0,
        .stolen = MIN(tracking_overhead(vm), MOST_STOLEN),
        .stolen_usually = vm->stolen_usually,
    };
    for (unsigned tier = 0; tier < 2; tier++) {
        vm->outlook.now.tiers[tier] = (ForecastTier) {
            .now_ns = vm->costs.latency_ns[tier],
            .idle_ns = latencies.idle_ns[tier],
            .bytes_per_s = vm->topology->tiers[tier].bandwidth_mbps * MEGA,
        };
    }
}

void load_update(Vm *vm, uint64_t now_ns)
{
    const Backend *first = vm->backends->len > 0 ? g_ptr_array_index(vm->backends, 0) : NULL;
    Outlook *outlook = &vm->outlook;
    PolicyStats stats;
    MissesRates rates;
    bool idle;

    if (!vm->policy || !first || !peer_alive(&first->peer)) {
        return;
    }
    if (!vm->misses) {
        vm->misses = misses_new(first->peer.pid, vm->topology);
    }
    rates = misses_read(vm->misses, now_ns);
    vm->not_counted = rates.problem;
    if (isfinite(rates.busy)) {
        tracking_set_cpus(vm, rates.busy);
    }
    idle = idleness_note(&vm->idleness, rates.busy_now, rates.elapsed_ns);
    policy_idles(vm->policy, idle, idleness_since_ns(now_ns, rates.elapsed_ns));
    if (!idle || !vm->loaded_ns) {
        vm->stolen_usually =
            forecast_usually(vm->loaded_ns ? vm->stolen_usually : NAN, MIN(tracking_overhead(vm), MOST_STOLEN),
                             (double)(now_ns - vm->loaded_ns));
    }
    vm->loaded_ns = now_ns;
    policy_stats(vm->policy, &stats);
    vm->load = (SlowdownLoad) {
        .accesses_per_s = rates.accesses_per_s,
        .busy = rates.busy,
        .hit_ratio = stats.hit_ratio,
    };
    if (vm->topology->n_tiers > 1) {
        vm->load.fast_ns = vm->costs.latency_ns[0];
        vm->load.slow_ns = vm->costs.latency_ns[1];
    }
    count_by_tier(vm, &rates, &stats);
    if (outlook_counted(outlook)) {     /* else it is as estimated; NaN before enough was seen */
        vm->load.hit_ratio = outlook->now.hit_ratio;
    }
    policy_curve(vm->policy, &outlook->curve);
    policy_curve_today(vm->policy, &outlook->today);
    outlook->model = slowdown_model(&outlook->curve, &vm->load);
    if (!vm->track.open || (settled(vm) && slowdown_check(&vm->track, load_slowdown(vm), now_ns))) {
        load_foretell(vm, now_ns);
    }
    prediction_note(&vm->predictions, now_ns, vm->mode == TIER_MODE_ON, vm->budget_bytes,
                    slowdown_known(&outlook->curve) ? outlook_at(outlook, vm->budget_bytes).hit_ratio : NAN,
                    settled(vm) ? vm->load.hit_ratio : NAN);
}

void load_foretell(Vm *vm, uint64_t now_ns)
{
    const bool known = slowdown_known(&vm->outlook.curve);

    slowdown_foretell(&vm->track, vm->budget_bytes,
                      known ? outlook_at(&vm->outlook, vm->budget_bytes).slowdown : NAN, now_ns);
}

void load_forget(Vm *vm)
{
    g_clear_pointer(&vm->misses, misses_free);
    vm->not_counted = vm->not_by_tier = NULL;
    memset(&vm->costs, 0, sizeof(vm->costs));
    memset(&vm->load, 0, sizeof(vm->load));
    memset(&vm->idleness, 0, sizeof(vm->idleness));
    memset(&vm->outlook, 0, sizeof(vm->outlook));
    vm->loaded_ns = 0;
    memset(&vm->track, 0, sizeof(vm->track));
    memset(&vm->predictions, 0, sizeof(vm->predictions));
}

double load_slowdown(const Vm *vm)
{
    if (outlook_counted(&vm->outlook)) {
        return forecast_slowdown_now(&vm->outlook.now);
    }
    return slowdown_known(&vm->outlook.curve) ? vm->outlook.model.worst * (1 - vm->load.hit_ratio) : NAN;
}

uint64_t load_target_bytes(const Vm *vm)
{
    if (vm->slowdown <= 0) {
        return 0;
    }
    return slowdown_known(&vm->outlook.curve) ? outlook_size(&vm->outlook, vm->slowdown) : UINT64_MAX;
}
