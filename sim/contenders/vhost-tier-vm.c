/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guest under our daemon.
 */
#include "vhost-tier-vm.h"

#include <math.h>

#include "../damon.h"
#include "core/chmu-evidence.h"
#include "core/chmu-long.h"
#include "core/damon-rate.h"
#include "core/heat.h"
#include "core/idleness.h"
#include "core/look-pace.h"
#include "core/move-run.h"
#include "core/watcher.h"

#define REGION 1u                   /* a guest's memory is one region */
#define MS 1000000ull
#define SECOND (1000 * MS)

#define SLICE_NS (10 * MS)          /* between two parts of a plan, as the daemon has it */
#define WHERE_NS 50                 /* to look where one page is: move_pages(2) without nodes */
#define LATELY_NS 10e9              /* what was counted fades in that time */
#define HINTS_PER_S 200000.0        /* ranges, of the full size, and a quarter of that at once; as the daemon does */
#define HINTS_AT_ONCE_S 0.25
#define PIN_SHARE 10                /* one part in so many of the budget may be pinned; likewise */
/* Host CPU per granule, as 'meson test --benchmark' says: a plan; evidence; a unit's limit on what it did not list. */
#define PLAN_NS 5
#define EVIDENCE_NS 12
#define LIMIT_NS 2

/* What counters tell, all since the start. */
typedef struct Counts {
    double accesses, fast_accesses;
    double busy_ns, wall_ns;        /* vCPU time used; time in which it was not idle */
    double stolen_ns;               /* vCPU time taken by faults and shootdowns */
} Counts;

struct OurVm {
    Machine *machine;
    Guest *guest;
    const OurParams *params;
    Policy *policy;
    PolicyConfig config;
    Watcher *watcher;               /* NULL: not used, as is 'damon' */
    SimDamon *damon;
    MoveRun run;
    size_t look_at;                 /* page where the next look for placement begins */
    LookPace look_pace;
    bool has_budget;
    uint64_t due_bytes;             /* of tier 0: what the arbiter has decided on; the budget is what it has granted */
    ArbiterMover mover;
    uint64_t watch_due_ns, damon_due_ns, epoch_due_ns, slice_due_ns;
    uint64_t planned_ns;            /* time of the last plan */
    uint64_t heard_ns, hear_due_ns; /* when its guest's hints were taken last, and are next if they can't wait */
    double may_hear;                /* ranges, now */
    PolicyCurve curve, today;       /* what is foretold by, and what the arbiter goes by */
    ChmuNews news;
    uint64_t unsettled_ns;          /* when its heat moved last, or it idled */
    ChmuCrowd crowd;
    bool told;                      /* of all that the unit sees, by the last period: crowded or not */
    Counts counts, lately;          /* all when last asked for; sums that fade */
    double stolen_usually;          /* share of vCPU time */
    double latency_ns[2];           /* of tiers, lately */
    uint64_t asked_ns;
    Idleness idleness;
};

/* --- the machine as the watcher's host --- */

static uint64_t host_now_ns(void *opaque)
{
    return machine_now_ns(((OurVm *)opaque)->machine);
}

static WatchResult host_look(void *region, size_t first, unsigned n, uint64_t *touched)
{
    OurVm *vm = region;

    *touched = 0;
    machine_charge_host(vm->machine, machine_config(vm->machine)->costs.call_ns);
    for (unsigned i = 0; i < n; i++) {
        *touched |= (uint64_t)guest_touched(vm->guest, first + i, NULL) << i;
    }
    return WATCH_OK;
}

static WatchResult host_arm(void *region, size_t first, size_t n, bool armed)
{
    OurVm *vm = region;

    for (size_t i = 0; i < n && armed; i++) {
        if (guest_tier(vm->guest, first + i) != SIM_ABSENT) {
            guest_arm(vm->guest, first + i);
        }
    }
    machine_charge_host(vm->machine, machine_config(vm->machine)->costs.call_ns);
    /* One flush, for which the guest's vCPUs stop. */
    guest_charge(vm->guest, machine_config(vm->machine)->costs.shootdown_ns);
    return WATCH_OK;
}

static const WatcherHost host = {.now_ns = host_now_ns, .look = host_look, .arm = host_arm};

/* --- evidence --- */

static void damon_aggregated(void *opaque, SimDamonRegion *regions, size_t n)
{
    OurVm *vm = opaque;
    const SimDamonAttrs *attrs = &sim_damon_attrs_default;

    for (size_t i = 0; i < n; i++) {
        const SimDamonRegion *region = &regions[i];
        double per_s = damon_rate_per_s(region->nr_accesses, sim_damon_max_accesses(vm->damon),
                                        attrs->sample_ns);

        damon_report(vm->policy, REGION, region->first, region->pages, SIM_PAGE, per_s, region->pages,
                     attrs->aggr_ns, machine_now_ns(vm->machine));
    }
}

/* The unit sees what is not in tier 0. */
static bool is_counted(void *opaque, size_t page)
{
    return guest_tier(((OurVm *)opaque)->guest, page) != 0;
}

void our_vm_counts(OurVm *vm, const ChmuCount *counts, const double *per_s, size_t n, uint64_t first_unit,
                   uint64_t epoch_ns, uint32_t threshold, bool crowded)
{
    const ChmuListing listing = {
        .counts = counts,
        .per_s = per_s,
        .n = n,
        .first_unit = first_unit,
        .epoch_ns = epoch_ns,
        .accesses_per_touch = vm->config.touch_accesses,
        .limit_per_s = threshold * 1e9 / epoch_ns,
        .below_end = guest_pages(vm->guest),
        .crowded = crowded,
    };

    size_t given;

    vm->told &= chmu_crowd_add(&vm->crowd, crowded);
    policy_cover_above(vm->policy, vm->told ? 0 : chmu_evidence_sees_above(&listing));
    given = chmu_evidence_give(&vm->news, vm->policy, REGION, &listing, is_counted, vm, machine_now_ns(vm->machine));
    machine_charge_host(vm->machine, (double)n * EVIDENCE_NS + (double)given * LIMIT_NS);
    if (chmu_evidence_news(&vm->news, slowdown_total(&vm->curve), epoch_ns)) {
        vm->unsettled_ns = machine_now_ns(vm->machine);
        policy_heat_moved(vm->policy, vm->unsettled_ns);
    }
    if (policy_quiet(vm->policy)) {
        vm->unsettled_ns = machine_now_ns(vm->machine);
    }
}

bool our_vm_crowded(const OurVm *vm)
{
    return vm->crowd.crowded;
}

void our_vm_reports(OurVm *vm, const SimChmuEntry *entries, size_t n, const ChmuSetting *setting, uint64_t begun_ns,
                    bool lost)
{
    const size_t pages = guest_pages(vm->guest);
    g_autofree ChmuCount *counts = NULL;
    g_autofree double *per_s = NULL;
    ChmuListing listing = {
        .epoch_ns = setting->epoch_ns,
        .accesses_per_touch = vm->config.touch_accesses,
        .limit_per_s = chmu_long_limit_per_s(setting),
        .below_end = pages,
    };
    ChmuNews none = {0};                /* a period is too long to tell what is new */
    size_t given, at = 0;

    vm->told = vm->crowd.crowded && !lost && vm->unsettled_ns < begun_ns;
    if (!vm->told) {
        return;
    }
    listing.counts = counts = g_new(ChmuCount, pages);
    listing.per_s = per_s = g_new(double, pages);
    for (size_t page = 0; page < pages; page++) {
        const bool came = guest_moved_since(vm->guest, page, begun_ns);
        const bool listed = at < n && entries[at].page == page;

        if (came || listed) {
            counts[listing.n].unit = page;
            per_s[listing.n++] = came ? 0 : chmu_long_per_s(setting, entries[at].count, CHMU_BURST);
        }
        at += listed;
    }
    given = chmu_evidence_give(&none, vm->policy, REGION, &listing, is_counted, vm, machine_now_ns(vm->machine));
    machine_charge_host(vm->machine, (double)listing.n * EVIDENCE_NS + (double)given * LIMIT_NS);
}

/* --- hints --- */

/* Take what the guest has said, as far as the limit of ranges a second goes; the driver waits with the rest. */
static void hear(OurVm *vm, uint64_t now_ns)
{
    const double per_s = HINTS_PER_S * machine_config(vm->machine)->scale;
    GuestHint hint;

    vm->may_hear = MIN(vm->may_hear + per_s * (double)(now_ns - vm->heard_ns) / 1e9, per_s * HINTS_AT_ONCE_S);
    vm->heard_ns = now_ns;
    while (vm->may_hear >= 1 && guest_hear(vm->guest, &hint)) {
        policy_hint(vm->policy, hint.hint, REGION, hint.first, hint.n, now_ns);
        vm->may_hear--;
    }
    vm->hear_due_ns = vm->may_hear < 1 ? now_ns + SLICE_NS : UINT64_MAX;
}

/* --- where pages are --- */

static void look_around(OurVm *vm)
{
    const size_t pages = guest_pages(vm->guest);
    const double epoch_ns = vm->params->epoch_ms * MS * machine_config(vm->machine)->scale;
    size_t n = MIN((size_t)(look_pace_share(&vm->look_pace) * epoch_ns / WHERE_NS) + 1, pages);
    g_autofree uint8_t *tiers = NULL;

    if (vm->asked_ns == 0) {
        n = pages;                  /* all of a new VM is looked at first */
    }
    n = MIN(n, pages - vm->look_at);
    tiers = g_new(uint8_t, n);
    for (size_t i = 0; i < n; i++) {
        uint8_t tier = guest_tier(vm->guest, vm->look_at + i);

        tiers[i] = tier == SIM_ABSENT ? POLICY_TIER_ABSENT : tier;
    }
    look_pace_note(&vm->look_pace, n, policy_place(vm->policy, REGION, vm->look_at, n, tiers));
    machine_charge_host(vm->machine, (double)n * WHERE_NS);
    vm->look_at = (vm->look_at + n) % pages;
}

/* --- moves --- */

static PolicyOutcome outcome_of(MoveResult result)
{
    switch (result) {
    case MOVE_DONE:
    case MOVE_THERE:
        return POLICY_MOVED;
    case MOVE_ABSENT:
        return POLICY_GONE;
    case MOVE_PINNED:
        return POLICY_UNMOVABLE;
    default:
        return POLICY_NOT_MOVED;
    }
}

/* Carry on with the plan until the limit of moves is reached; false when it is over. */
static bool move_on(OurVm *vm, uint64_t now_ns)
{
    MoveRun *run = &vm->run;

    while (move_run_going(run) && now_ns < run->end_ns) {
        const PolicyMove *moves = &run->moves[run->at];
        PolicyStats stats;
        size_t n;

        policy_stats(vm->policy, &stats);
        n = move_run_next(run, run->n, SIM_PAGE, stats.granule_bytes[0], vm->config.budget_bytes);
        if (n == 0) {
            break;
        }
        for (size_t i = 0; i < n; i++) {
            MoveResult result = guest_move(vm->guest, moves[i].granule, moves[i].to);

            if (result == MOVE_LIMITED) {
                return true;
            }
            policy_moved(vm->policy, &moves[i], outcome_of(result), now_ns);
            run->at++;
        }
    }
    move_run_forget(run);
    return false;
}

/* --- the epoch --- */

static void measure_latencies(OurVm *vm)
{
    for (unsigned tier = 0; tier < vm->config.n_tiers; tier++) {
        vm->config.costs.latency_ns[tier] = (uint32_t)(machine_latency_ns(vm->machine, tier) + 0.5);
    }
    policy_configure(vm->policy, &vm->config);
}

static uint64_t pause_ns(const OurVm *vm)
{
    double plan_ns = (double)guest_pages(vm->guest) * PLAN_NS / machine_config(vm->machine)->scale;

    return policy_plan_pause_ns(vm->policy, (uint64_t)(vm->params->epoch_ms * MS), (uint64_t)plan_ns);
}

static uint64_t plan_due_ns(const OurVm *vm)
{
    return vm->has_budget ? vm->planned_ns + pause_ns(vm) : UINT64_MAX;
}

static void plan(OurVm *vm, uint64_t now_ns)
{
    const PolicyPlan *made;

    measure_latencies(vm);
    made = policy_plan(vm->policy, now_ns);
    vm->planned_ns = now_ns;
    move_run_begin(&vm->run, made, now_ns, pause_ns(vm));
    vm->mover = (ArbiterMover){
        .planned_bytes = made->bytes, .planned_gain_per_s = made->gain_per_s, .wanted_bytes = made->wanted_bytes};
    machine_charge_host(vm->machine, (double)guest_pages(vm->guest) * PLAN_NS);
    vm->slice_due_ns = now_ns;
}

uint64_t our_vm_tick(OurVm *vm, uint64_t now_ns)
{
    hear(vm, now_ns);
    if (vm->watcher && vm->watch_due_ns <= now_ns) {
        const uint64_t reports = watcher_reports(vm->watcher);

        vm->watch_due_ns = watcher_tick(vm->watcher, now_ns);
        machine_charge_host(vm->machine, (double)(watcher_reports(vm->watcher) - reports) * EVIDENCE_NS);
    }
    if (vm->damon && vm->damon_due_ns <= now_ns) {
        vm->damon_due_ns = sim_damon_tick(vm->damon, now_ns);
    }
    if (vm->epoch_due_ns <= now_ns) {
        look_around(vm);
        vm->epoch_due_ns = now_ns + (uint64_t)(vm->params->epoch_ms * MS);
    }
    if (plan_due_ns(vm) <= now_ns) {
        plan(vm, now_ns);
    }
    if (vm->slice_due_ns <= now_ns) {
        vm->slice_due_ns = move_on(vm, now_ns) ? now_ns + SLICE_NS : UINT64_MAX;
    }
    return MIN(MIN(MIN(vm->watch_due_ns, vm->damon_due_ns), MIN(vm->epoch_due_ns, vm->slice_due_ns)),
               MIN(plan_due_ns(vm), vm->hear_due_ns));
}

/* --- its part of the host --- */

/* Bring latencies, and the share that tiering takes, up to date: it took @stolen in the last @elapsed_ns. */
static void measure_usual(OurVm *vm, double stolen, double elapsed_ns)
{
    const double kept = vm->latency_ns[0] > 0 ? exp(-elapsed_ns / LATELY_NS) : 0;

    for (unsigned tier = 0; tier < 2; tier++) {
        const double here_ns = machine_latency_ns(vm->machine, tier);

        vm->latency_ns[tier] = here_ns + (vm->latency_ns[tier] - here_ns) * kept;
    }
    vm->stolen_usually = forecast_usually(vm->stolen_usually, stolen, elapsed_ns);
}

/* Bring what was counted lately up to date, @elapsed_ns after the last time. */
static void count(OurVm *vm, double elapsed_ns)
{
    const double kept = exp(-elapsed_ns / LATELY_NS);
    GuestCounters counters;
    Counts now;
    bool idle;

    guest_counters(vm->guest, &counters);
    now = (Counts){
        .accesses = guest_accesses(vm->guest),
        .fast_accesses = counters.fast_accesses,
        .busy_ns = guest_busy_ns(vm->guest),
        .wall_ns = guest_busy_ns(vm->guest) / guest_config(vm->guest)->vcpus,
        .stolen_ns = counters.stolen_ns,
    };
    vm->lately = (Counts){
        .accesses = vm->lately.accesses * kept + now.accesses - vm->counts.accesses,
        .fast_accesses = vm->lately.fast_accesses * kept + now.fast_accesses - vm->counts.fast_accesses,
        .busy_ns = vm->lately.busy_ns * kept + now.busy_ns - vm->counts.busy_ns,
        .wall_ns = vm->lately.wall_ns * kept + now.wall_ns - vm->counts.wall_ns,
        .stolen_ns = vm->lately.stolen_ns * kept + now.stolen_ns - vm->counts.stolen_ns,
    };
    idle = idleness_note(&vm->idleness, (now.busy_ns - vm->counts.busy_ns) / elapsed_ns, (uint64_t)elapsed_ns);
    policy_idles(vm->policy, idle, idleness_since_ns(machine_now_ns(vm->machine), (uint64_t)elapsed_ns));
    if (now.busy_ns > vm->counts.busy_ns && (!idle || isnan(vm->stolen_usually))) {
        measure_usual(vm, (now.stolen_ns - vm->counts.stolen_ns) / (now.busy_ns - vm->counts.busy_ns), elapsed_ns);
    }
    vm->counts = now;
    if (vm->lately.wall_ns > 0) {
        const double seconds = vm->lately.wall_ns / 1e9;

        policy_counted(vm->policy, vm->lately.fast_accesses / seconds,
                       (vm->lately.accesses - vm->lately.fast_accesses) / seconds);
    }
}

void our_vm_forecast(const OurVm *vm, Forecast *now)
{
    const MachineConfig *config = machine_config(vm->machine);
    const double seconds = vm->lately.wall_ns / 1e9;

    *now = (Forecast){
        .accesses_per_s = vm->lately.accesses / seconds / config->scale,
        .hit_ratio = vm->lately.fast_accesses / vm->lately.accesses,
        .busy = vm->lately.busy_ns / vm->lately.wall_ns / config->scale,
        .stolen = vm->lately.stolen_ns / vm->lately.busy_ns,
        .stolen_usually = vm->stolen_usually,
    };
    for (unsigned tier = 0; tier < 2; tier++) {
        now->tiers[tier] = (ForecastTier){
            .now_ns = vm->latency_ns[tier],
            .idle_ns = config->costs.latency_ns[tier],
            .bytes_per_s = config->costs.bandwidth[tier],
        };
    }
}

ForecastAt our_vm_forecast_at(const OurVm *vm, const Forecast *now, uint64_t fast_bytes)
{
    return forecast_at(now, &vm->curve, fast_bytes);
}

void our_vm_claim(OurVm *vm, ArbiterClaim *claim)
{
    const GuestConfig *config = guest_config(vm->guest);
    const uint64_t bytes = (uint64_t)guest_pages(vm->guest) * SIM_PAGE, now_ns = machine_now_ns(vm->machine);
    const Counts before = vm->counts;
    const double scale = machine_config(vm->machine)->scale;
    const double elapsed_ns = vm->asked_ns ? (double)(now_ns - vm->asked_ns) : 0;
    SlowdownLoad load = {.fast_ns = vm->config.costs.latency_ns[0],
                         .slow_ns = vm->config.costs.latency_ns[1],
                         .hit_ratio = NAN};

    count(vm, elapsed_ns);
    policy_curve(vm->policy, &vm->curve);
    policy_curve_today(vm->policy, &vm->today);
    if (elapsed_ns > 0) {           /* as of the real machine */
        const double accesses = vm->counts.accesses - before.accesses;

        load.accesses_per_s = accesses * 1e9 / elapsed_ns / scale;
        load.busy = (vm->counts.busy_ns - before.busy_ns) / elapsed_ns / scale;
        load.hit_ratio = (vm->counts.fast_accesses - before.fast_accesses) / accesses;
    }
    vm->asked_ns = now_ns;
    *claim = (ArbiterClaim){
        .floor_bytes = config->floor_bytes,
        .ceiling_bytes = config->ceiling_bytes ? MIN(config->ceiling_bytes, bytes) : bytes,
        .weight = config->weight,
        .wakes = idleness_wakes(&vm->idleness),
        .held_bytes = vm->due_bytes,
        .curve = &vm->today,
        .model = slowdown_model(&vm->curve, &load),
        .move_ns_per_byte = 2.0 * vm->config.costs.move_4k_ns / SIM_PAGE / vm->params->life_s,
    };
    if (config->slowdown_target > 0) {
        claim->has_target = true;
        claim->target_bytes = slowdown_size(&vm->curve, &claim->model, config->slowdown_target);
    }
}

void our_vm_mover(const OurVm *vm, ArbiterMover *mover, uint64_t *granted_bytes)
{
    *mover = vm->mover;
    mover->held_bytes = guest_resident_bytes(vm->guest, 0);
    *granted_bytes = vm->config.budget_bytes;
}

void our_vm_budget(OurVm *vm, uint64_t due_bytes, uint64_t granted_bytes, uint64_t bytes_per_s)
{
    vm->has_budget = true;
    vm->due_bytes = due_bytes;
    if (vm->config.budget_bytes != granted_bytes || vm->config.max_bytes_per_s != bytes_per_s) {
        vm->config.budget_bytes = granted_bytes;
        vm->config.max_bytes_per_s = bytes_per_s;
        vm->config.pin_limit_bytes = granted_bytes / PIN_SHARE;
        policy_configure(vm->policy, &vm->config);
    }
}

size_t our_vm_bytes(const OurVm *vm)
{
    const size_t pages = guest_pages(vm->guest), blocks = (pages + SIM_BLOCK_PAGES - 1) / SIM_BLOCK_PAGES;
    /* The heat map: an estimate and a state for each granule, and a record for each block of 2 MiB. */
    size_t bytes = pages * 3 + blocks * sizeof(HeatBlock);

    if (vm->watcher) {
        bytes += watcher_bytes(vm->watcher);
    }
    if (vm->damon) {
        bytes += sim_damon_bytes(vm->damon);
    }
    return bytes;
}

OurVm *our_vm_new(Machine *machine, Guest *guest, const OurParams *params)
{
    const MachineConfig *config = machine_config(machine);
    OurVm *vm = g_new0(OurVm, 1);
    g_autoptr(GError) err = NULL;

    vm->machine = machine;
    vm->stolen_usually = NAN;
    vm->guest = guest;
    vm->params = params;
    vm->config = (PolicyConfig){
        .max_bytes_per_s = config->move_bytes_per_s,
        .heat_half_life_ns = (uint64_t)(params->half_life_s * 1e9),
        .heat_life_ns = (uint64_t)(params->life_s * 1e9),
        .n_tiers = config->n_tiers,
        /* In this machine a touch is an access: the daemon's default stands for what it does not model. */
        .touch_accesses = 1,
        .hints = params->hints > 0,
        .costs = {.move_4k_ns = config->costs.move_4k_ns + config->costs.shootdown_ns,
                  .move_2m_ns = config->costs.move_2m_ns + config->costs.shootdown_ns},
    };
    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        vm->config.costs.latency_ns[tier] = config->costs.latency_ns[tier];
    }
    vm->policy = policy_new(&vm->config);
    if (!policy_region_add(vm->policy, REGION, (uint64_t)guest_pages(guest) * SIM_PAGE, SIM_PAGE, &err)) {
        g_error("%s", err->message);
    }
    policy_cover(vm->policy, params->chmu ? ((1u << config->n_tiers) - 1) & ~1u : 0);
    vm->watch_due_ns = vm->damon_due_ns = vm->slice_due_ns = UINT64_MAX;
    if (params->rwp > 0) {
        vm->watcher = watcher_new(&host, vm, POLICY_SOURCE_RWP, vm->policy, params->overhead_percent / 100,
                                  config->costs.fault_ns);
        watcher_set_cpus(vm->watcher, guest_config(guest)->vcpus);
        watcher_set_looks(vm->watcher, SAMPLER_LOOKS_PER_S * config->scale);
        watcher_region_add(vm->watcher, REGION, guest_pages(guest), 1, vm);
        vm->watch_due_ns = 0;
    }
    if (params->damon > 0) {
        vm->damon = sim_damon_new(machine, guest, &sim_damon_attrs_default, damon_aggregated, vm);
        vm->damon_due_ns = 0;
    }
    return vm;
}

void our_vm_free(gpointer data)
{
    OurVm *vm = data;

    watcher_free(vm->watcher);
    sim_damon_free(vm->damon);
    move_run_clear(&vm->run);
    policy_free(vm->policy);
    g_free(vm);
}
