/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM consists of at the moment: backends, regions, tiers, and the settings that are in force.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "impl.h"

bool vm_frozen(const Vm *vm)
{
    for (guint i = 0; i < vm->backends->len; i++) {
        const Backend *backend = g_ptr_array_index(vm->backends, i);

        if (backend->frozen) {
            return true;
        }
    }
    return false;
}

/* --- tiers --- */

static bool same_tiers(const Topology *topology, const TierMsgConfig *msg)
{
    if (topology->n_tiers != msg->n_tiers) {
        return false;
    }
    for (uint32_t t = 0; t < msg->n_tiers; t++) {
        if (memcmp(topology->tiers[t].nodes, msg->tier_nodes[t], sizeof(msg->tier_nodes[t])) != 0) {
            return false;
        }
    }
    return true;
}

static Topology *tiers_of(const Vm *vm, const TierMsgConfig *msg, GError **errp)
{
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) err = NULL;
    Topology *topology;

    for (uint32_t t = 0; t < msg->n_tiers; t++) {
        g_ptr_array_add(lists, node_list_format(msg->tier_nodes[t]));
    }
    g_ptr_array_add(lists, NULL);
    topology = topology_from_config("/sys", (const char *const *)lists->pdata, &err);
    if (!topology && msg->n_tiers == 1) {
        /*
         * With one tier there is nothing to choose, so a kernel that has no NUMA to check it
         * against will do.
         */
        topology = g_new0(Topology, 1);
        topology->n_tiers = 1;
        memcpy(topology->tiers[0].nodes, msg->tier_nodes[0], sizeof(msg->tier_nodes[0]));
        topology->origin = g_strdup("QEMU");
    } else if (!topology) {
        g_set_error(errp, CHANNEL_ERROR, EINVAL, "the tiers that QEMU names do not fit this host: %s",
                    err->message);
    }
    return topology;
}

static void policy_config_of(const Vm *vm, PolicyConfig *config)
{
    const Config *conf = vm->facts->config;

    *config = (PolicyConfig) {
        .budget_bytes = vm->budget_bytes,
        .max_bytes_per_s = vm->bytes_per_s,
        .heat_half_life_ns = (uint64_t)(conf->heat_half_life_s * 1e9),
        .heat_life_ns = (uint64_t)(conf->heat_life_s * 1e9),
        .n_tiers = vm->topology->n_tiers,
        .hints = vm->hints_on,
        .pin_limit_bytes = vm_hints_pin_limit(vm),
        .touch_accesses = (uint32_t)conf->touch_accesses,
    };
    facts_costs_of(vm->facts, vm->topology, &config->costs);
}

bool vm_take_tiers(Vm *vm, const TierMsgConfig *msg, GError **errp)
{
    g_autoptr(Topology) topology = NULL;
    PolicyConfig config;

    if (vm->topology) {
        if (!same_tiers(vm->topology, msg)) {
            g_set_error(
                errp, CHANNEL_ERROR, EINVAL,
                "the tiers differ from those that VM '%s' has said before; all of a VM's backends need the "
                "same, from start to end",
                vm->name);
            return false;
        }
        return true;
    }
    topology = tiers_of(vm, msg, errp);
    if (!topology) {
        return false;
    }
    vm->topology = topology;
    policy_config_of(vm, &config);
    if (!policy_config_check(&config, errp)) {
        vm->topology = NULL;
        return false;
    }
    g_steal_pointer(&topology);
    vm->policy = policy_new(&config);
    vm->epoch_due_ns = clock_ns() + vm->epoch_ns;
    return true;
}

/* --- regions --- */

VmRegion *vm_region_find(Vm *vm, uint32_t id)
{
    for (guint i = 0; i < vm->regions->len; i++) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->region.id == id) {
            return region;
        }
    }
    return NULL;
}

void vm_region_free(VmRegion *region)
{
    const int fds[] = { region->region.memfd, region->region.pagemap, region->region.uffd };

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    g_free(region->collapsed);
    g_free(region->name);
    g_free(region);
}

/* Whether there is room for @region beside those that the VM has. */
static bool region_fits(Vm *vm, const VmRegion *region, GError **errp)
{
    const Region *new = &region->region;
    uint64_t bytes = new->size;
    unsigned in_backend = 1;

    for (guint i = 0; i < vm->regions->len; i++) {
        const VmRegion *other = g_ptr_array_index(vm->regions, i);
        const Region *old = &other->region;

        if (other->backend == region->backend) {
            in_backend++;
            if (other->peer_id == region->peer_id) {
                g_set_error(errp, CHANNEL_ERROR, EEXIST, "there is a region %u already", region->peer_id);
                return false;
            }
        }
        if (new->hva < old->hva + old->size && old->hva < new->hva + new->size) {
            g_set_error(errp, CHANNEL_ERROR, EEXIST, "region %u overlaps region %u ('%s')", region->peer_id,
                        other->peer_id, other->name);
            return false;
        }
        bytes += old->size;
    }
    if (in_backend > TIER_MAX_REGIONS || vm->regions->len >= VM_MAX_REGIONS) {
        g_set_error(errp, CHANNEL_ERROR, ENOSPC, "too many regions: at most %d a backend and %d a VM",
                    TIER_MAX_REGIONS, VM_MAX_REGIONS);
        return false;
    }
    if (bytes > vm->facts->max_vm_bytes) {
        g_set_error(errp, CHANNEL_ERROR, E2BIG,
                    "VM '%s' would have %" G_GUINT64_FORMAT
                    " bytes of RAM, more than max-vm-size=%" G_GUINT64_FORMAT
                    " in the daemon's configuration allows",
                    vm->name, bytes, vm->facts->max_vm_bytes);
        return false;
    }
    return true;
}

bool vm_region_add(Vm *vm, VmRegion *region, GError **errp)
{
    const Region *r = &region->region;

    if (!region_fits(vm, region, errp)) {
        return false;
    }
    region->region.id = vm->next_region;
    if (!policy_region_add(vm->policy, r->id, r->size, r->granule_bytes, errp)) {
        return false;
    }
    vm->next_region++;
    g_ptr_array_add(vm->regions, region);
    vm_hints_regions_changed(vm);
    vm_log(vm, G_LOG_LEVEL_MESSAGE,
           "region %u '%s': %" G_GUINT64_FORMAT " MiB at 0x%" G_GINT64_MODIFIER
           "x, pages of %" G_GUINT64_FORMAT " KiB",
           r->id, region->name, r->size >> 20, r->hva, r->page_size >> 10);
    epoch_kick(vm);
    return true;
}

void vm_region_del(Vm *vm, VmRegion *region)
{
    tracking_region_del(vm, region);
    policy_region_del(vm->policy, region->region.id);
    g_ptr_array_remove(vm->regions, region);
    vm_hints_regions_changed(vm);
    vm_region_free(region);
}

void vm_backend_gone(Vm *vm, Backend *backend)
{
    if (vm->backends->len == 1) {
        vm_hints_forget(vm);
    }
    for (guint i = vm->regions->len; i-- > 0;) {
        VmRegion *region = g_ptr_array_index(vm->regions, i);

        if (region->backend == backend) {
            vm_region_del(vm, region);
        }
    }
    g_ptr_array_remove(vm->backends, backend);
    backend_free(backend);
    if (vm->backends->len == 0) {
        tracking_stop(vm);
        epoch_forget_moves(vm);
        vm_trace_free(vm_trace_end(vm, NULL));
        load_forget(vm);
        g_clear_pointer(&vm->policy, policy_free);
        g_clear_pointer(&vm->topology, topology_free);
        g_clear_pointer(&vm->interference, g_ptr_array_unref);
        vm->has_budget = false;
        vm->budget_bytes = 0;
        vm->throttled = vm->thrashing = false;
        vm->mover = (ArbiterMover) { 0 };
        vm->planned_ns = vm->plan_took_ns = vm->plan_cost_ns = 0;
    }
    vm_refresh(vm);
}

/* --- settings --- */

static uint64_t backend_bytes(const Vm *vm, const Backend *backend)
{
    uint64_t bytes = 0;

    for (guint i = 0; i < vm->regions->len; i++) {
        const VmRegion *region = g_ptr_array_index(vm->regions, i);

        bytes += backend && region->backend != backend ? 0 : region->region.size;
    }
    return bytes;
}

/* Of two targets; 0 is none. */
static double stricter(double a, double b)
{
    return a > 0 && b > 0 ? MIN(a, b) : MAX(a, b);
}

/* What QEMU has said, of all backends together; false when it has said nothing yet. */
static bool settings_said(const Vm *vm, VmSettings *said)
{
    bool configured = false;

    *said = (VmSettings) { .has_fast_size = true, .has_fast_min = true, .has_weight = true, .has_slowdown = true,
                           .has_mode = true, .mode = TIER_MODE_ON, .has_hints = true,
                           .hints = vm->facts->config->hints };
    for (guint i = 0; i < vm->backends->len; i++) {
        const Backend *backend = g_ptr_array_index(vm->backends, i);
        const TierMsgConfig *config = &backend->config;

        if (!backend->configured) {
            continue;
        }
        configured = true;
        /* Saturating: a peer's numbers are its own affair, but must not wrap. */
        said->fast_size += MIN(config->fast_size, UINT64_MAX - said->fast_size);
        said->fast_min += MIN(config->fast_min, UINT64_MAX - said->fast_min);
        said->weight = MAX(said->weight, config->weight);
        said->slowdown = stricter(said->slowdown, config->slowdown_ppm / (double)TIER_PPM_ONE);
        said->mode = MIN(said->mode, (TierMode)config->mode);
    }
    said->weight = MAX(said->weight, 1);
    if (!configured) {
        said->mode = TIER_MODE_OFF;
    }
    return configured;
}

/*
 * What QEMU and operator want, put together: sizes of backends add up, the most careful mode, the largest
 * weight and the strictest target hold. Of this, what the operator has set holds before what QEMU says, and
 * limits before both.
 */
static void settings_in_force(Vm *vm)
{
    VmSettings now;
    const bool configured = settings_said(vm, &now);

    vm->imposed = vm->settings;
    vm_settings_limit(&vm->imposed, &now, &vm->limits);
    vm_settings_merge(&now, &vm->imposed);
    vm->fast_size = now.fast_size;
    vm->fast_min = MIN(now.fast_min, now.fast_size);
    vm->weight = now.weight;
    vm->slowdown = now.slowdown;
    vm->mode = now.mode;
    vm->hints_on = now.hints;
    vm->has_pin_limit = now.has_pin_limit;
    vm->pin_limit = now.pin_limit;
    if (vm->mode == TIER_MODE_ON && configured && vm->topology &&
        (vm->topology->n_tiers < 2 || vm->facts->cannot_move)) {
        vm->mode = TIER_MODE_OBSERVE;
    }
}

/* A backend's share of @bytes, by its size, in whole pages. */
static uint64_t backend_share(const Vm *vm, const Backend *backend, uint64_t bytes)
{
    const uint64_t own = backend_bytes(vm, backend), all = backend_bytes(vm, NULL);

    if (own == 0) {
        return bytes;
    }
    return MIN((uint64_t)((double)bytes * ((double)own / (double)all)), own) & ~G_GUINT64_CONSTANT(4095);
}

/* CONFIG to those that believe something else than what is imposed on them. */
static void tell_settings(Vm *vm)
{
    const VmSettings *set = &vm->imposed;

    for (guint i = 0; i < vm->backends->len; i++) {
        Backend *backend = g_ptr_array_index(vm->backends, i);
        TierMsgConfig config = backend->config;

        if (!backend->configured) {
            continue;
        }
        if (set->has_fast_size) {
            config.fast_size = backend_share(vm, backend, set->fast_size);
        }
        if (set->has_fast_min) {
            config.fast_min = backend_share(vm, backend, set->fast_min);
        }
        config.fast_min = MIN(config.fast_min, config.fast_size);
        if (set->has_weight) {
            config.weight = set->weight;
        }
        if (set->has_slowdown) {
            config.slowdown_ppm = (uint32_t)(set->slowdown * TIER_PPM_ONE + 0.5);
        }
        if (set->has_mode) {
            config.mode = set->mode;
        }
        backend_send_config(backend, &config);
    }
}

void vm_configure_policy(Vm *vm)
{
    PolicyConfig config;

    policy_config_of(vm, &config);
    policy_configure(vm->policy, &config);
}

void vm_refresh(Vm *vm)
{
    settings_in_force(vm);
    if (vm->policy) {
        vm_configure_policy(vm);
    }
    if (vm->mode != TIER_MODE_ON || vm_frozen(vm)) {
        epoch_forget_moves(vm);
    }
    tracking_update(vm);
    tell_settings(vm);
    vm_hints_update(vm);
    report_publish(vm);
    vm_tell_changed(vm);
}
