/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ours: the daemon's own core (vhost-tier/core/) on the simulated machine, with the defaults of
 * vhost-tier.conf.
 *
 * 'vhost-tier' is a host whose CXL devices have hotness units (CXL 3.2): sources rwp, damon and chmu.
 * 'vhost-tier-bits' is one with any CXL devices: rwp and damon.
 */
#include <stdlib.h>

#include "../contender.h"
#include "../params.h"
#include "core/chmu-evidence.h"
#include "core/chmu-long.h"
#include "per-guest.h"
#include "vhost-tier-vm.h"

#define ARBITER_NS 1000000000ull    /* budgets are split anew as often, as the daemon does */

typedef struct Ours {
    Contender contender;
    OurParams params;
    PerGuest vms;                   /* OurVm */
    uint64_t arbiter_due_ns;
    SimChmu *chmu;                  /* NULL: the host has none */
    ChmuSetting setting;
    ChmuHistory *history;
    uint64_t chmu_due_ns;
    SimChmu *always;                /* the instance that is always on, while a guest is crowded out of lists */
    ChmuSetting period;             /* of its reports */
} Ours;

static void *vm_new(void *opaque, Guest *guest)
{
    Ours *ours = opaque;

    return our_vm_new(ours->contender.machine, guest, &ours->params);
}

static OurVm *vm_at(const Ours *ours, guint i)
{
    return g_ptr_array_index(ours->vms.items, i);
}

/* What the daemon does each second for its host: budgets, what is granted of them now, and how fast each moves. */
static void split_budgets(Ours *ours)
{
    const MachineConfig *config = machine_config(ours->contender.machine);
    const guint n = ours->vms.items->len;
    g_autofree ArbiterClaim *claims = g_new(ArbiterClaim, n);
    g_autofree ArbiterMover *movers = g_new(ArbiterMover, n);
    g_autofree uint64_t *budgets = g_new(uint64_t, n), *before = g_new(uint64_t, n), *held = g_new(uint64_t, n);
    g_autofree uint64_t *granted = g_new(uint64_t, n), *rates = g_new(uint64_t, n);

    for (guint i = 0; i < n; i++) {
        our_vm_claim(vm_at(ours, i), &claims[i]);
        our_vm_mover(vm_at(ours, i), &movers[i], &before[i]);
        held[i] = movers[i].held_bytes;
    }
    arbiter_split(config->capacity_bytes[0], claims, n, budgets);
    arbiter_grant(config->capacity_bytes[0], budgets, before, held, n, granted);
    arbiter_pace(config->move_bytes_per_s, claims, movers, n, rates, granted);
    for (guint i = 0; i < n; i++) {
        our_vm_budget(vm_at(ours, i), budgets[i], granted[i], rates[i]);
    }
}

/* A unit's number: pages of one guest follow each other, and no two guests' numbers are ever the same. */
static uint64_t unit_of(const Guest *guest, size_t page)
{
    return (uint64_t)guest_id(guest) << 32 | page;
}

static int by_unit(const void *a, const void *b)
{
    const ChmuCount *x = a, *y = b;

    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* What the unit has listed, sorted, and the setting for the next epoch. */
static ChmuCount *take_list(Ours *ours, size_t *n, uint32_t *threshold)
{
    const SimChmuEntry *entries;
    bool overflowed;
    g_autofree uint32_t *only = NULL;
    ChmuCount *counts;

    *n = sim_chmu_drain(ours->chmu, &entries, &overflowed);
    *threshold = overflowed ? 0 : ours->setting.threshold;
    counts = g_new(ChmuCount, *n);
    only = g_new(uint32_t, *n);
    for (size_t i = 0; i < *n; i++) {
        counts[i].unit = unit_of(entries[i].guest, entries[i].page);
        counts[i].count = only[i] = entries[i].count;
    }
    if (*n > 0) {
        qsort(counts, *n, sizeof(*counts), by_unit);
    }
    ours->setting = chmu_tuner_next(sim_chmu_limits(ours->chmu), &ours->setting, only, *n, overflowed);
    return counts;
}

static void drain_chmu(Ours *ours)
{
    const uint64_t epoch_ns = ours->setting.epoch_ns;
    uint32_t threshold;
    size_t n;
    g_autofree ChmuCount *counts = take_list(ours, &n, &threshold);
    g_autofree double *per_s = g_new(double, n);

    chmu_history_add(ours->history, counts, n, epoch_ns, machine_now_ns(ours->contender.machine), per_s);
    for (guint i = 0; i < ours->vms.items->len; i++) {
        const Guest *guest = machine_guest(ours->contender.machine, i);
        size_t first = 0, end;

        while (first < n && counts[first].unit < unit_of(guest, 0)) {
            first++;
        }
        end = first;
        while (end < n && counts[end].unit < unit_of(guest, guest_pages(guest))) {
            end++;
        }
        our_vm_counts(vm_at(ours, i), &counts[first], &per_s[first], end - first, unit_of(guest, 0), epoch_ns,
                      threshold, chmu_crowded(end - first, n, ours->vms.items->len));
    }
    sim_chmu_begin(ours->chmu, &ours->setting);
    ours->chmu_due_ns = sim_chmu_due_ns(ours->chmu);
}

/* Begin a period of the second instance, if it is of use to somebody, or let it be. */
static void begin_period(Ours *ours)
{
    for (guint i = 0; i < ours->vms.items->len; i++) {
        if (our_vm_crowded(vm_at(ours, i))) {
            sim_chmu_begin(ours->always, &ours->period);
            return;
        }
    }
    sim_chmu_stop(ours->always);
}

/* A period of it is over. */
static void end_period(Ours *ours)
{
    const uint64_t begun_ns = machine_now_ns(ours->contender.machine) - ours->period.epoch_ns;
    const SimChmuEntry *entries;
    uint64_t reports = 0;
    bool lost;
    const size_t n = sim_chmu_drain(ours->always, &entries, &lost);

    for (size_t i = 0; i < n; i++) {
        reports += entries[i].count;
    }
    for (guint i = 0; i < ours->vms.items->len; i++) {
        const Guest *guest = machine_guest(ours->contender.machine, i);
        size_t first = 0, end;

        while (first < n && entries[first].guest != guest) {
            first++;
        }
        end = first;
        while (end < n && entries[end].guest == guest) {
            end++;
        }
        our_vm_reports(vm_at(ours, i), entries + first, end - first, &ours->period, begun_ns, lost);
    }
    ours->period = chmu_long_next(sim_chmu_limits(ours->always), &ours->period, reports, lost);
}

/* Do what is due with the units; returns when something is due next. */
static uint64_t tick_chmu(Ours *ours, uint64_t now_ns)
{
    if (ours->chmu_due_ns <= now_ns) {
        drain_chmu(ours);
    }
    if (sim_chmu_due_ns(ours->always) <= now_ns) {
        end_period(ours);
        begin_period(ours);
    } else if (sim_chmu_due_ns(ours->always) == UINT64_MAX) {
        begin_period(ours);
    }
    return MIN(ours->chmu_due_ns, sim_chmu_due_ns(ours->always));
}

static uint64_t ours_tick(Contender *contender, uint64_t now_ns)
{
    Ours *ours = (Ours *)contender;
    uint64_t next_ns = UINT64_MAX;

    if (per_guest_follow(&ours->vms) || now_ns >= ours->arbiter_due_ns) {
        split_budgets(ours);
        ours->arbiter_due_ns = now_ns + ARBITER_NS;
    }
    if (ours->chmu) {
        next_ns = tick_chmu(ours, now_ns);
    }
    for (guint i = 0; i < ours->vms.items->len; i++) {
        next_ns = MIN(next_ns, our_vm_tick(vm_at(ours, i), now_ns));
    }
    return MIN(next_ns, ours->arbiter_due_ns);
}

static size_t ours_metadata_bytes(const Contender *contender)
{
    const Ours *ours = (const Ours *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < ours->vms.items->len; i++) {
        bytes += our_vm_bytes(vm_at(ours, i));
    }
    if (ours->history) {
        bytes += chmu_history_bytes(ours->history);
    }
    return bytes;
}

static bool ours_predict(Contender *contender, const uint64_t *fast_bytes, size_t n, double *hit_ratios,
                         double *slowdowns)
{
    Ours *ours = (Ours *)contender;
    ArbiterClaim claim;
    Forecast now;

    if (ours->vms.items->len != 1) {
        return false;
    }
    our_vm_claim(vm_at(ours, 0), &claim);
    our_vm_forecast(vm_at(ours, 0), &now);
    for (size_t i = 0; i < n; i++) {
        const ForecastAt at = our_vm_forecast_at(vm_at(ours, 0), &now, fast_bytes[i]);

        hit_ratios[i] = at.hit_ratio;
        slowdowns[i] = at.slowdown;
    }
    return true;
}

static void ours_destroy(Contender *contender)
{
    Ours *ours = (Ours *)contender;

    per_guest_clear(&ours->vms);
    sim_chmu_free(ours->chmu);
    sim_chmu_free(ours->always);
    chmu_history_free(ours->history);
    g_free(ours);
}

static Contender *create(const char *text, Machine *machine, bool chmu, GError **errp)
{
    OurParams ours_params = {
        .epoch_ms = 1000, .overhead_percent = 1, .half_life_s = 30, .life_s = 60, .damon = 1, .rwp = 1, .hints = 1};
    const Param params[] = {
        {"epoch-ms", &ours_params.epoch_ms, 10, 3600000},
        {"overhead-percent", &ours_params.overhead_percent, 0, 50},
        {"heat-half-life-s", &ours_params.half_life_s, 0.25, 86400},
        {"heat-life-s", &ours_params.life_s, 0.25, 86400},
        {"damon", &ours_params.damon, 0, 1},
        {"rwp", &ours_params.rwp, 0, 1},
        {"hints", &ours_params.hints, 0, 1},
        {NULL},
    };
    Ours *ours;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    ours = g_new0(Ours, 1);
    ours->contender.machine = machine;
    ours->params = ours_params;
    ours->params.chmu = chmu;
    per_guest_init(&ours->vms, machine, vm_new, our_vm_free, ours);
    if (chmu) {
        ours->chmu = sim_chmu_new(machine, SIM_CHMU_EPOCHS);
        ours->always = sim_chmu_new(machine, SIM_CHMU_ALWAYS_ON);
        ours->period = chmu_long_start(sim_chmu_limits(ours->always));
        ours->history = chmu_history_new();
        ours->setting = chmu_tuner_start(sim_chmu_limits(ours->chmu));
        sim_chmu_begin(ours->chmu, &ours->setting);
        ours->chmu_due_ns = sim_chmu_due_ns(ours->chmu);
    }
    return &ours->contender;
}

static Contender *with_chmu(const char *params, Machine *machine, GError **errp)
{
    return create(params, machine, true, errp);
}

static Contender *without_chmu(const char *params, Machine *machine, GError **errp)
{
    return create(params, machine, false, errp);
}

#define DEFAULTS "epoch-ms=1000 overhead-percent=1 heat-half-life-s=30 heat-life-s=60 damon=1 rwp=1 hints=1"

const ContenderClass vhost_tier_contender = {
    .name = "vhost-tier",
    .what = "this project, on a host with CXL 3.2 hotness units: sources rwp, damon and chmu",
    .defaults = DEFAULTS,
    .create = with_chmu,
    .tick = ours_tick,
    .metadata_bytes = ours_metadata_bytes,
    .predict = ours_predict,
    .destroy = ours_destroy,
};

const ContenderClass vhost_tier_bits_contender = {
    .name = "vhost-tier-bits",
    .what = "this project, on a host with any CXL memory: sources rwp and damon",
    .defaults = DEFAULTS,
    .create = without_chmu,
    .tick = ours_tick,
    .metadata_bytes = ours_metadata_bytes,
    .predict = ours_predict,
    .destroy = ours_destroy,
};
