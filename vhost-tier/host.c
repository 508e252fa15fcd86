/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All VMs of the host. Everything here runs in the main thread. Those that were added through the control socket are
 * remembered (register.h).
 */
#include "host.h"

#include <glib/gstdio.h>
#include <string.h>

#include "core/arbiter.h"
#include "hint/device.h"
#include "host-sockets.h"
#include "tier-channel.h"

#define REGISTER_FILE  "vms"
#define SHARE_DELAY_MS 20
#define SHARE_EVERY_MS 1000         /* demand changes all the time; what is lent must come back within seconds */

typedef struct HostVm {
    Host *host;
    Vm *vm;
    VmSpec *spec;
    uint64_t budget;            /* what the arbiter has decided on */
    uint64_t granted;           /* and what of that was given, as memory is left by others */
    uint64_t rate;              /* bytes a second that it may move, as last told */
    VmDone done;                /* of vm-del */
    void *opaque;
} HostVm;

struct Host {
    const Facts *facts;
    char *runtime_dir;
    GHashTable *vms;            /* name -> HostVm; those that end are not in it */
    bool recalling;             /* the register is being read, so it is not to be written yet */
    double start_s;
    unsigned n_ending;
    guint share_timer;          /* tier 0 is about to be split anew */
    guint demand_timer;         /* so it is once in a while */
    uint64_t floors_cut;        /* the sum of floors that are too many; 0: they fit */
    uint64_t gone_cpu_ns;       /* helpers' time of VMs that have ended */
    void (*stopped)(void *opaque);
    void *opaque;
};

GQuark host_error_quark(void)
{
    return g_quark_from_static_string("vhost-tier-host");
}

/* --- the register --- */

static char *register_path(const Host *host)
{
    return g_build_filename(host->runtime_dir, REGISTER_FILE, NULL);
}

static void remember(Host *host)
{
    g_autoptr(GPtrArray) specs = g_ptr_array_new();
    g_autofree char *path = register_path(host);
    g_autoptr(GError) err = NULL;
    GHashTableIter iter;
    gpointer value;

    if (host->recalling) {
        return;
    }
    g_hash_table_iter_init(&iter, host->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        VmSpec *spec = ((HostVm *)value)->spec;

        if (!spec->socket) {
            g_ptr_array_add(specs, spec);
        }
    }
    if (!register_save(path, specs, &err)) {
        g_warning("cannot remember the VMs, so a restart of the daemon will lose them: %s", err->message);
    }
}

void host_vm_recall(Host *host)
{
    g_autofree char *path = register_path(host);
    g_autoptr(GError) err = NULL;
    g_autoptr(GPtrArray) specs = register_load(path, &err);

    if (!specs) {
        g_warning("cannot tell which VMs there were: %s", err->message);
        return;
    }
    host->recalling = true;
    for (guint i = 0; i < specs->len; i++) {
        const VmSpec *spec = g_ptr_array_index(specs, i);
        g_autoptr(GError) vm_err = NULL;

        host_vm_add(host, spec, &vm_err);
        if (vm_err) {
            g_warning("VM '%s' is not served again: %s", spec->name, vm_err->message);
        }
    }
    host->recalling = false;
}

/* --- budgets --- */

static uint64_t ram_bytes(const Snapshot *snapshot)
{
    uint64_t ram = 0;

    for (guint i = 0; i < snapshot->regions->len; i++) {
        ram += g_array_index(snapshot->regions, SnapshotRegion, i).size;
    }
    return ram;
}

/* What both copies of a byte cost that changes hands, for each second that heat is expected to last. */
static double move_ns_per_byte(const Facts *facts)
{
    return 2.0 * facts->costs.move_4k_ns / 4096 / facts->config->heat_life_s;
}

/*
 * What a VM may ask for. What its QEMU says is cut to the memory that it showed to have: what it can't
 * fill is not to be taken from the others. While nothing of a VM may move, its budget is as it was.
 */
static ArbiterClaim claim_of(const Host *host, const HostVm *entry, const Snapshot *snapshot)
{
    const uint64_t ram = ram_bytes(snapshot);
    ArbiterClaim claim = {
        .floor_bytes = MIN(snapshot->fast_min, ram),
        .ceiling_bytes = MIN(snapshot->fast_size, ram),
        .weight = snapshot->weight,
        .wakes = snapshot->wakes,
        .has_target = snapshot->slowdown_target > 0,
        .target_bytes = snapshot->target_bytes,
        .held_bytes = entry->budget,
        .curve = &snapshot->outlook.today,
        .model = snapshot->outlook.model,
        .move_ns_per_byte = move_ns_per_byte(host->facts),
    };

    if (snapshot->state & TIER_STATE_FROZEN && entry->budget > 0) {
        claim.floor_bytes = claim.ceiling_bytes = MIN(entry->budget, ram);
    }
    return claim;
}

/* What it has in tier 0 and moves out when told to. */
static uint64_t movable_bytes(const Snapshot *snapshot)
{
    const bool moves = snapshot->mode == TIER_MODE_ON && !(snapshot->state & TIER_STATE_FROZEN);

    return moves && snapshot->planned ? snapshot->stats.granule_bytes[0] : 0;
}

/* VMs that want some of tier 0, all arrays in the same order. */
typedef struct Wants {
    size_t n;
    HostVm **entries;
    Snapshot **snapshots;
    ArbiterClaim *claims;
    ArbiterMover *movers;
    uint64_t *budgets, *before, *held, *granted, *rates;
} Wants;

static void wants_clear(Wants *wants)
{
    for (size_t i = 0; i < wants->n; i++) {
        snapshot_unref(wants->snapshots[i]);
    }
    g_free(wants->entries);
    g_free(wants->snapshots);
    g_free(wants->claims);
    g_free(wants->movers);
    g_free(wants->budgets);
    g_free(wants->before);
    g_free(wants->held);
    g_free(wants->granted);
    g_free(wants->rates);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wants, wants_clear)

static void wants_collect(Wants *wants, Host *host)
{
    const guint n = g_hash_table_size(host->vms);
    GHashTableIter iter;
    gpointer value;

    *wants = (Wants) {
        .entries = g_new0(HostVm *, n),
        .snapshots = g_new0(Snapshot *, n),
        .claims = g_new0(ArbiterClaim, n),
        .movers = g_new0(ArbiterMover, n),
        .budgets = g_new0(uint64_t, n),
        .before = g_new0(uint64_t, n),
        .held = g_new0(uint64_t, n),
        .granted = g_new0(uint64_t, n),
        .rates = g_new0(uint64_t, n),
    };
    g_hash_table_iter_init(&iter, host->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HostVm *entry = value;
        g_autoptr(Snapshot) snapshot = vm_snapshot(entry->vm);
        const size_t i = wants->n;

        /* Without memory yet there is nothing to be held, and no budget to be planned with. */
        if (!snapshot->configured || snapshot->regions->len == 0) {
            entry->budget = entry->granted = 0;
            continue;
        }
        wants->entries[i] = entry;
        wants->claims[i] = claim_of(host, entry, snapshot);
        wants->before[i] = entry->granted;
        wants->held[i] = movable_bytes(snapshot);
        wants->movers[i] = snapshot->mover;
        wants->movers[i].held_bytes = wants->held[i];
        wants->snapshots[i] = g_steal_pointer(&snapshot);
        wants->n++;
    }
}

/* Floors that are too many are told of once, when that begins. */
static void note_floors(Host *host, uint64_t cut)
{
    if (cut && !host->floors_cut) {
        g_warning("the VMs' floors (fast-min) are %" G_GUINT64_FORMAT " MiB together, more than the %" G_GUINT64_FORMAT
                  " MiB of tier 0 that are shared out: all are cut by the same factor; 'tierctl set --fast-min' "
                  "lowers them", cut >> 20, host->facts->capacity_bytes >> 20);
    }
    host->floors_cut = cut;
}

/*
 * How far a VM is to leave memory is paced by the second: in between nobody is told to leave more than it was, or the
 * news of each page that left would be answered by the next.
 */
static void keep_pace(Wants *wants)
{
    for (size_t i = 0; i < wants->n; i++) {
        const uint64_t held = wants->held[i] / 4096 * 4096;

        if (held > wants->granted[i]) {
            wants->granted[i] = MAX(wants->granted[i], MIN(wants->before[i], held));
        }
    }
}

/* Split tier 0 between the VMs that want some of it. @tick: as is done once a second, not for a change. */
static void share_out(Host *host, bool tick)
{
    const uint64_t capacity = host->facts->capacity_bytes;
    g_auto(Wants) wants;
    bool fit;

    wants_collect(&wants, host);
    fit = arbiter_split(capacity, wants.claims, wants.n, wants.budgets);
    note_floors(host, fit ? 0 : arbiter_floors(wants.claims, wants.n));
    arbiter_grant(capacity, wants.budgets, wants.before, wants.held, wants.n, wants.granted);
    arbiter_pace(host->facts->config->max_bytes_per_s, wants.claims, wants.movers, wants.n, wants.rates,
                 wants.granted);
    if (!tick && host->facts->config->max_bytes_per_s > 0) {
        keep_pace(&wants);
    }
    for (size_t i = 0; i < wants.n; i++) {
        HostVm *entry = wants.entries[i];

        entry->budget = wants.budgets[i];
        entry->granted = wants.granted[i];
        /* 0 may also be said of one that has none yet. A snapshot that is behind is followed by a change. */
        if (entry->granted != wants.snapshots[i]->budget || entry->granted == 0 || entry->rate != wants.rates[i]) {
            entry->rate = wants.rates[i];
            vm_budget(entry->vm, entry->granted, entry->rate);
        }
    }
}

static gboolean on_demand_timer(gpointer opaque)
{
    share_out(opaque, true);
    return G_SOURCE_CONTINUE;
}

uint64_t host_floors_cut(const Host *host)
{
    return host->floors_cut;
}

bool host_floor_check(Host *host, Vm *vm, uint64_t bytes, GError **errp)
{
    const uint64_t capacity = host->facts->capacity_bytes;
    uint64_t others = 0;
    g_auto(Wants) wants;

    wants_collect(&wants, host);
    for (size_t i = 0; i < wants.n; i++) {
        const uint64_t ram = ram_bytes(wants.snapshots[i]);

        if (wants.entries[i]->vm == vm) {
            bytes = MIN(bytes, ram);
            if (bytes <= wants.claims[i].floor_bytes) {
                return true;
            }
        } else {
            others += MIN(MIN(wants.claims[i].floor_bytes, wants.claims[i].ceiling_bytes), capacity - others);
        }
    }
    if (bytes > capacity - others) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_INVALID,
                    "VM '%s' can't have a fast-min of %" G_GUINT64_FORMAT " bytes: %" G_GUINT64_FORMAT
                    " bytes of tier 0 are shared out, and other VMs' floors take %" G_GUINT64_FORMAT
                    "; lower those first, or ask for less", vm_name(vm), bytes, capacity, others);
        return false;
    }
    return true;
}

static gboolean on_share_timer(gpointer opaque)
{
    Host *host = opaque;

    host->share_timer = 0;
    share_out(host, false);
    return G_SOURCE_REMOVE;
}

/*
 * Soon, but not for each of many changes: a QEMU that changes its mind all the time costs the others
 * nothing.
 */
static void share_out_soon(Host *host)
{
    if (!host->share_timer) {
        host->share_timer = g_timeout_add(SHARE_DELAY_MS, on_share_timer, host);
    }
}

static void on_vm_changed(Vm *vm, void *opaque)
{
    share_out_soon(((HostVm *)opaque)->host);
}

/* --- VMs --- */

static uint64_t helpers_cpu_ns(Vm *vm)
{
    g_autoptr(Snapshot) snapshot = vm_snapshot(vm);
    uint64_t sum = 0;

    for (guint i = 0; i < snapshot->sources->len; i++) {
        sum += g_array_index(snapshot->sources, SnapshotSource, i).cpu_ns;
    }
    return sum;
}

uint64_t host_helpers_cpu_ns(Host *host)
{
    uint64_t sum = host->gone_cpu_ns;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        sum += helpers_cpu_ns(((HostVm *)value)->vm);
    }
    return sum;
}

static void on_vm_stopped(Vm *vm, void *opaque)
{
    HostVm *entry = opaque;
    Host *host = entry->host;

    vm_free(vm);
    host->n_ending--;
    if (entry->done) {
        entry->done(entry->opaque, NULL, NULL);
    }
    vm_spec_free(entry->spec);
    g_free(entry);
    if (host->n_ending == 0 && host->stopped) {
        host->stopped(host->opaque);
    }
}

Vm *host_vm_add(Host *host, const VmSpec *spec, GError **errp)
{
    const char *name = spec->name;
    g_autofree char *path = NULL, *hints = NULL;
    VmSocket memory, hint;
    HostVm *entry;

    if (!host_name_check(name, errp)) {
        return NULL;
    }
    if (g_hash_table_contains(host->vms, name)) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_EXISTS, "there is a VM '%s' already", name);
        return NULL;
    }
    if (g_hash_table_size(host->vms) >= HOST_MAX_VMS) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_FAILED, "there are %d VMs already", HOST_MAX_VMS);
        return NULL;
    }
    path = host_socket_path(host->runtime_dir, spec, errp);
    if (!path) {
        return NULL;
    }
    hints = hint_device_unusable() ? NULL : host_hint_path(spec, path);
    memory = (VmSocket) { path, -1 };
    hint = (VmSocket) { hints, -1 };
    if (!host_sockets_listen(spec, &memory, &hint, errp)) {
        return NULL;
    }
    entry = g_new0(HostVm, 1);
    *entry = (HostVm) { .host = host, .spec = vm_spec_copy(spec) };
    entry->vm = vm_start(name, memory, hint, &spec->limits, host->facts, on_vm_changed, on_vm_stopped, entry);
    g_hash_table_insert(host->vms, g_strdup(name), entry);
    if (!spec->socket) {
        remember(host);
    }
    g_message("VM '%s': waiting for its QEMU at %s", name, path);
    return entry->vm;
}

void host_vm_was_set(Host *host, const char *name, const VmSettings *settings)
{
    HostVm *entry = g_hash_table_lookup(host->vms, name);

    if (entry) {
        vm_settings_update(&entry->spec->limits, settings);
        remember(host);
    }
}

Vm *host_vm_find(Host *host, const char *name, GError **errp)
{
    HostVm *entry = g_hash_table_lookup(host->vms, name);

    if (!entry) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_NOT_FOUND,
                    "no VM '%s'; 'tierctl list' shows those there are", name);
        return NULL;
    }
    return entry->vm;
}

static void vm_end(Host *host, HostVm *entry)
{
    host->gone_cpu_ns += helpers_cpu_ns(entry->vm);
    host->n_ending++;
    g_unlink(vm_socket(entry->vm));
    if (vm_hint_socket(entry->vm)) {
        g_unlink(vm_hint_socket(entry->vm));
    }
    vm_stop(entry->vm);
}

bool host_vm_del(Host *host, const char *name, VmDone done, void *opaque, GError **errp)
{
    HostVm *entry;

    if (!host_vm_find(host, name, errp)) {
        return false;
    }
    entry = g_hash_table_lookup(host->vms, name);
    entry->done = done;
    entry->opaque = opaque;
    g_message("VM '%s' is removed", name);
    g_hash_table_remove(host->vms, name);
    if (!entry->spec->socket) {
        remember(host);
    }
    vm_end(host, entry);
    share_out_soon(host);
    return true;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(vm_name(*(Vm *const *)a), vm_name(*(Vm *const *)b));
}

GPtrArray *host_vms(Host *host)
{
    GPtrArray *vms = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_ptr_array_add(vms, ((HostVm *)value)->vm);
    }
    g_ptr_array_sort(vms, by_name);
    return vms;
}

const Facts *host_facts(const Host *host)
{
    return host->facts;
}

double host_start_s(const Host *host)
{
    return host->start_s;
}

unsigned host_ending(const Host *host)
{
    return host->n_ending;
}

Host *host_new(const Facts *facts, const char *runtime_dir)
{
    Host *host = g_new0(Host, 1);

    host->facts = facts;
    host->start_s = (double)g_get_monotonic_time() / 1e6;
    host->runtime_dir = g_strdup(runtime_dir);
    host->vms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host->demand_timer = g_timeout_add(SHARE_EVERY_MS, on_demand_timer, host);
    return host;
}

void host_stop(Host *host, void (*done)(void *opaque), void *opaque)
{
    GHashTableIter iter;
    gpointer value;

    host->stopped = done;
    host->opaque = opaque;
    g_hash_table_iter_init(&iter, host->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_hash_table_iter_remove(&iter);
        vm_end(host, value);
    }
    if (host->n_ending == 0) {
        done(opaque);
    }
}

void host_free(Host *host)
{
    g_clear_handle_id(&host->share_timer, g_source_remove);
    g_clear_handle_id(&host->demand_timer, g_source_remove);
    g_hash_table_unref(host->vms);
    g_free(host->runtime_dir);
    g_free(host);
}
