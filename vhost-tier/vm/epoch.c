/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's time: sources run when they are due; once an epoch it is looked where pages are; a plan is made once an
 * epoch, or sooner or later, as the policy has it (policy_plan_pause_ns()), and, in mode 'on', carried out.
 *
 * Theory of operation
 *
 * One GSource, the pump, is ready at the earliest time at which anything is due, and does what is due
 * then. Nothing that it does takes long: a plan is carried out in slices of SLICE_NS, between which
 * sources and messages have their turn, and looking for placement is cut off by the clock and goes on in
 * the next epoch. So one epoch of a VM of any size costs a bounded time.
 *
 * How a plan is carried out, core/move-run.h says.
 */
#include <string.h>

#include "impl.h"

#define MS_NS G_GUINT64_CONSTANT(1000000)

#define SLICE_NS      (10 * MS_NS)
#define SLICE_MOVES   512               /* moves handed to the mover at a time */
#define LOOK_GRANULES 8192              /* granules looked at between two looks at the clock */
#define KICK_SOON_US  1000
#define LOOK_SHARE_NEW 0.25             /* while a region has not been looked at in whole */

typedef struct Pump {
    GSource source;
    Vm *vm;
} Pump;

/* --- where pages are --- */

static size_t granules(const Region *region)
{
    return (size_t)(region->size / region->granule_bytes);
}

/* What looks of an epoch found. */
typedef struct Looks {
    size_t looked, moved;               /* granules; of them those that were not where they were known to be */
} Looks;

/* Look at the next piece of a region; false when its process can't be asked. */
static bool look_piece(Vm *vm, VmRegion *region, Looks *looks)
{
    const size_t total = granules(&region->region);
    const size_t n = MIN((size_t)LOOK_GRANULES, total - region->look_at);
    g_autofree uint8_t *tiers = g_malloc(n);
    g_autoptr(GError) err = NULL;

    if (!mover_where(region->backend->mover, &region->region, region->look_at, n, tiers, &err)) {
        vm_log(vm, G_LOG_LEVEL_WARNING, "cannot tell where its pages are: %s", err->message);
        return false;
    }
    looks->looked += n;
    looks->moved += policy_place(vm->policy, region->region.id, region->look_at, n, tiers);
    region->look_at += n;
    if (region->look_at == total) {
        region->look_at = 0;
        region->looked = true;
    }
    return true;
}

static void look(Vm *vm, VmRegion *region, uint64_t deadline_ns, Looks *looks)
{
    bool more = true;

    while (more && clock_ns() < deadline_ns) {
        more = look_piece(vm, region, looks) && region->look_at != 0;
    }
}

/* Look at pieces of all regions, in turn, for a part of the epoch (look-pace.h); at new ones first and for longer. */
static void look_around(Vm *vm)
{
    const uint64_t start_ns = clock_ns();
    const double share_ns = look_pace_share(&vm->look_pace) * (double)vm->epoch_ns / MAX(vm->regions->len, 1);
    Looks looks = { 0 };

    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (!region->looked) {
            look(vm, region, start_ns + (uint64_t)(LOOK_SHARE_NEW * (double)vm->epoch_ns), &looks);
        }
    }
    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->looked) {
            look(vm, region, clock_ns() + (uint64_t)share_ns, &looks);
        }
    }
    look_pace_note(&vm->look_pace, looks.looked, looks.moved);
}

/* --- moves --- */

void epoch_forget_moves(Vm *vm)
{
    move_run_forget(&vm->run);
}

static void note_move(Vm *vm, VmRegion *region, const PolicyMove *move, PolicyOutcome outcome)
{
    const uint64_t bytes = (uint64_t)move_granules(move) * region->region.granule_bytes;

    if (outcome != POLICY_MOVED) {
        return;
    }
    if (move_is_demotion(move)) {
        region->backend->demoted_bytes += bytes;
    } else {
        region->backend->promoted_bytes += bytes;
    }
    hugepages_moved(region, move);
    tracking_moved(vm, region, move->granule, move_granules(move));
}

/* Carry on with the plan for one slice. */
static void move_slice(Vm *vm, uint64_t now_ns)
{
    MoveRun *run = &vm->run;
    const PolicyMove *moves = &run->moves[run->at];
    VmRegion *region = vm_region_find(vm, moves->region);
    PolicyOutcome outcomes[SLICE_MOVES];
    PolicyStats stats;
    size_t n = 0;

    if (region) {
        policy_stats(vm->policy, &stats);
        n = move_run_next(run, SLICE_MOVES, region->region.granule_bytes, stats.granule_bytes[0],
                          vm->budget_bytes);
    }

    if (n == 0 || now_ns >= run->end_ns || !peer_alive(&region->backend->peer)) {
        epoch_forget_moves(vm);
        return;
    }
    n = mover_move(region->backend->mover, &region->region, moves, n, MIN(now_ns + SLICE_NS, run->end_ns),
                   outcomes);
    now_ns = clock_ns();
    for (size_t i = 0; i < n; i++) {
        policy_moved(vm->policy, &moves[i], outcomes[i], now_ns);
        note_move(vm, region, &moves[i], outcomes[i]);
    }
    run->at += n;
}

/* Between the last plan and the next. */
static uint64_t pause_ns(const Vm *vm)
{
    return policy_plan_pause_ns(vm->policy, vm->epoch_ns, vm->plan_cost_ns);
}

static uint64_t plan_due_ns(const Vm *vm)
{
    if (vm->regions->len == 0 || vm->mode == TIER_MODE_OFF || !vm->has_budget || vm_frozen(vm)) {
        return UINT64_MAX;
    }
    return vm->planned_ns + pause_ns(vm);
}

static void plan(Vm *vm, uint64_t now_ns)
{
    const PolicyPlan *made;
    const uint64_t took_before_ns = vm->plan_took_ns;
    uint64_t cpu_ns;

    epoch_forget_moves(vm);
    load_follow_costs(vm);
    cpu_ns = clock_thread_cpu_ns();
    made = policy_plan(vm->policy, now_ns);
    vm->plan_took_ns = clock_thread_cpu_ns() - cpu_ns;
    vm->plan_cost_ns = MIN(vm->plan_took_ns, took_before_ns);
    vm->planned_ns = clock_ns();
    vm->mover = (ArbiterMover) {
        .planned_bytes = made->bytes,
        .planned_gain_per_s = made->gain_per_s,
        .wanted_bytes = made->wanted_bytes,
    };
    vm->throttled = made->throttled;
    vm->thrashing = made->thrashing;
    if (vm->mode != TIER_MODE_ON || made->n_moves == 0) {
        return;
    }
    move_run_begin(&vm->run, made, vm->planned_ns, pause_ns(vm));
}

/* --- the epoch --- */

static void count_pages_per_s(Vm *vm, uint64_t now_ns)
{
    uint64_t pages = 0;

    for (guint i = 0; i < vm->backends->len; i++) {
        const Backend *backend = g_ptr_array_index(vm->backends, i);
        MoverStats stats = { 0 };

        if (backend->mover) {
            mover_stats(backend->mover, &stats);
        }
        pages += stats.applied;
    }
    vm->pages_per_s = pages >= vm->pages_before && now_ns > vm->pages_before_ns ?
        (double)(pages - vm->pages_before) * 1e9 / (double)(now_ns - vm->pages_before_ns) : 0;
    vm->pages_before = pages;
    vm->pages_before_ns = now_ns;
}

static void epoch(Vm *vm, uint64_t now_ns)
{
    if (vm->regions->len > 0 && vm->mode != TIER_MODE_OFF) {
        tracking_catch_up(vm);
        look_around(vm);
        if (vm->has_budget && !vm_frozen(vm) && vm->mode == TIER_MODE_ON) {
            hugepages_collapse(vm, clock_ns());
        }
    }
    load_update(vm, clock_ns());
    vm_hints_update(vm);
    count_pages_per_s(vm, now_ns);
    report_interference(vm);
    report_publish(vm);
    report_stats(vm);
}

static gboolean pump_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    Vm *vm = ((Pump *)source)->vm;
    uint64_t next_ns = UINT64_MAX, now_ns;

    if (vm->policy) {
        next_ns = tracking_tick(vm, clock_ns());
        now_ns = clock_ns();
        if (now_ns >= vm->epoch_due_ns) {
            epoch(vm, now_ns);
            /*
             * From now, not from when it was due: a host that can't keep up gets fewer
             * epochs, not a queue of them.
             */
            vm->epoch_due_ns = clock_ns() + vm->epoch_ns;
        }
        now_ns = clock_ns();
        if (now_ns >= plan_due_ns(vm)) {
            plan(vm, now_ns);
        }
        if (move_run_going(&vm->run)) {
            move_slice(vm, clock_ns());
        }
        next_ns = MIN(MIN(next_ns, vm->epoch_due_ns), plan_due_ns(vm));
    }
    if (next_ns == UINT64_MAX) {
        g_source_set_ready_time(source, -1);
    } else if (vm->policy && move_run_going(&vm->run)) {
        g_source_set_ready_time(source, 0);
    } else {
        /* Microseconds, rounded up, so that it is not ready before the time; and never at once again. */
        g_source_set_ready_time(source, MAX((gint64)(next_ns / 1000) + 1, g_get_monotonic_time() + 100));
    }
    return G_SOURCE_CONTINUE;
}

GSource *epoch_pump_new(Vm *vm)
{
    static GSourceFuncs funcs = { .dispatch = pump_dispatch };
    GSource *source = g_source_new(&funcs, sizeof(Pump));

    ((Pump *)source)->vm = vm;
    g_source_set_ready_time(source, -1);
    g_source_attach(source, vm->context);
    return source;
}

void epoch_kick_soon(Vm *vm)
{
    const gint64 due = g_source_get_ready_time(vm->pump), soon = g_get_monotonic_time() + KICK_SOON_US;

    if (due < 0 || due > soon) {
        g_source_set_ready_time(vm->pump, soon);
    }
}

void epoch_kick(Vm *vm)
{
    g_source_set_ready_time(vm->pump, 0);
}
