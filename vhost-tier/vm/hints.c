/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's hint devices: their connections, what their guest is told, and the figures.
 *
 * A VM's hint socket may have several connections, one for each device of its guest. They share all: what one pins
 * another may unpin, and the reset of one drops all pins.
 */
#include "hints.h"

#include <glib-unix.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "hint/state.h"
#include "hints-impl.h"

#define MAX_LINKS       16
#define PIN_BUDGET_PART 2               /* no more than a half of the budget can be pinned (policy.h) */

/* --- what the guest is told --- */

uint64_t vm_hints_pin_limit(const Vm *vm)
{
    const ConfigAmount *share = &vm->facts->config->pin_share;
    const uint64_t usual = share->bytes ? share->bytes : (uint64_t)((double)vm->budget_bytes * share->percent / 100);

    return MIN(vm->has_pin_limit ? vm->pin_limit : usual, vm->budget_bytes / PIN_BUDGET_PART) & ~UINT64_C(4095);
}

static void config_now(const Vm *vm, struct virtio_tier_config *config)
{
    *config = (struct virtio_tier_config) {
        .granule = 4096,
        .fast_budget = vm->budget_bytes,
        .pin_limit = vm->hints_on ? vm_hints_pin_limit(vm) : 0,
        .max_ranges = VIRTIO_TIER_MAX_RANGES,
        .max_ranges_per_s = (uint32_t)vm->facts->config->max_hint_ranges_per_s,
        .n_tiers = vm->topology ? vm->topology->n_tiers : vm->facts->topology->n_tiers,
    };
    for (guint i = 0; i < vm->regions->len; i++) {
        const VmRegion *region = g_ptr_array_index(vm->regions, i);

        config->granule = MAX(config->granule, region->region.granule_bytes);
    }
}

static void on_config(void *opaque, struct virtio_tier_config *config)
{
    Link *link = opaque;

    config_now(link->hints->vm, config);
    link->config = *config;
}

/* Whether a number of bytes has changed by so much that the guest should know. */
static bool changed_much(uint64_t before, uint64_t now)
{
    return MAX(before, now) - MIN(before, now) > before / 16;
}

static void tell_config(Link *link, uint64_t now_ns)
{
    const struct virtio_tier_config *told = &link->config;
    struct virtio_tier_config now;

    config_now(link->hints->vm, &now);
    if (now_ns - link->config_ns >= HINTS_EVENT_PAUSE_NS &&
        (changed_much(told->fast_budget, now.fast_budget) || changed_much(told->pin_limit, now.pin_limit) ||
         told->granule != now.granule || told->n_tiers != now.n_tiers) &&
        hint_device_config_changed(link->device)) {
        link->config = now;
        link->config_ns = now_ns;
    }
}

static void tell_budget(Link *link)
{
    const uint64_t budget = link->hints->vm->budget_bytes;

    if (changed_much(link->budget, budget)) {
        hint_device_event(link->device, VIRTIO_TIER_E_BUDGET, VIRTIO_TIER_R_NONE, budget);
        link->budget = budget;
    }
}

static void tell_pins(Link *link)
{
    const Vm *vm = link->hints->vm;
    const uint64_t limit = vm_hints_pin_limit(vm);
    PolicyHintStats stats;

    if (!vm->policy) {
        return;
    }
    policy_hint_stats(vm->policy, &stats);
    if (stats.pinned_dropped_bytes > link->dropped_bytes) {
        /* The policy drops pins where the limit gets smaller, where hints go off, and of guests that it distrusts. */
        const uint32_t reason = !vm->hints_on ? VIRTIO_TIER_R_OFF
                                : limit < link->pin_limit ? VIRTIO_TIER_R_BUDGET : VIRTIO_TIER_R_TRUST;

        hint_device_event(link->device, VIRTIO_TIER_E_PINS_DROPPED, reason, stats.pinned_bytes);
    }
    link->dropped_bytes = stats.pinned_dropped_bytes;
    link->pin_limit = limit;
}

void vm_hints_update(Vm *vm)
{
    VmHints *hints = vm->hints;
    const uint64_t now_ns = clock_ns();

    if (!hints) {
        return;
    }
    if (vm->policy && isfinite(hints->trust)) {
        policy_hint_trust_set(vm->policy, hints->trust);
        hints->trust = NAN;
    }
    for (guint i = 0; i < hints->links->len; i++) {
        Link *link = g_ptr_array_index(hints->links, i);

        link_pins_try(link, now_ns);
        tell_config(link, now_ns);
        tell_budget(link);
        tell_pins(link);
        link_tell_ignored(link, now_ns);
    }
}

void vm_hints_regions_changed(Vm *vm)
{
    for (guint i = 0; vm->hints && i < vm->hints->links->len; i++) {
        g_clear_pointer(&((Link *)g_ptr_array_index(vm->hints->links, i))->map, hint_map_free);
    }
}

void vm_hints_forget(Vm *vm)
{
    VmHints *hints = vm->hints;
    bool kept = false;

    if (!hints || !vm->policy) {
        return;
    }
    for (guint i = 0; i < hints->links->len; i++) {
        Link *link = g_ptr_array_index(hints->links, i);

        /* QEMU may come back with another channel, as it does after a snapshot: its guest need not know. */
        if (!kept && !link_is_strange(link)) {
            link_pins_keep(link);
            kept = true;
        }
        link->dropped_bytes = 0;
    }
    memset(hints->ranges, 0, sizeof(hints->ranges));
    hints->dropped_rate = hints->refused = 0;
}

/* --- figures --- */

const char *vm_hints_problem(const Vm *vm)
{
    if (hint_device_unusable()) {
        return hint_device_unusable();
    }
    if (!vm->hints_on) {
        return "hints are off; 'tierctl set --hints on' takes them";
    }
    if (vm_hints_connected(vm) == 0) {
        return "no vhost-user-tier device of QEMU's is connected to the VM's socket for hints";
    }
    for (guint i = 0; i < vm->hints->links->len; i++) {
        if (link_is_strange(g_ptr_array_index(vm->hints->links, i))) {
            return "the vhost-user-tier device is of another process than the VM's memory, so its hints are not taken";
        }
    }
    return NULL;
}

unsigned vm_hints_connected(const Vm *vm)
{
    return vm->hints ? vm->hints->links->len : 0;
}

void vm_hints_figures(const Vm *vm, TierMsgHints *figures)
{
    PolicyHintStats stats;

    *figures = (TierMsgHints) { 0 };
    if (!vm->hints || !vm->policy) {
        return;
    }
    policy_hint_stats(vm->policy, &stats);
    for (int h = 0; h < TIER_HINT__MAX; h++) {
        for (int f = 0; f < TIER_HINT_FATE__MAX; f++) {
            figures->ranges[h][f] = stats.ranges[h][f] + vm->hints->ranges[h][f];
        }
        figures->bytes[h] = stats.bytes[h];
    }
    figures->followed_bytes = stats.followed_bytes;
    figures->pinned_bytes = stats.pinned_bytes;
    figures->pinned_dropped_bytes = stats.pinned_dropped_bytes;
    figures->free_bytes = stats.free_bytes;
    figures->checked = stats.checked;
    figures->right = stats.right;
    figures->trust_ppm = (uint64_t)(stats.trust * TIER_PPM_ONE + 0.5);
    figures->dropped_rate = vm->hints->dropped_rate;
    figures->refused = vm->hints->refused;
}

/* --- connections --- */

static void on_memory(void *opaque)
{
    g_clear_pointer(&((Link *)opaque)->map, hint_map_free);
}

static void on_started(void *opaque, bool before)
{
    Link *link = opaque;

    if (before && !link->hints->served) {
        hint_device_event(link->device, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_RESTART, 0);
    }
    link->hints->served = true;
}

static void on_log(void *opaque, GLogLevelFlags level, const char *text)
{
    vm_log(((Link *)opaque)->hints->vm, level, "%s", text);
}

static void link_free(Link *link)
{
    g_clear_pointer(&link->device, hint_device_free);
    g_clear_pointer(&link->map, hint_map_free);
    peer_clear(&link->peer);
    g_free(link);
}

static void on_gone(void *opaque)
{
    Link *link = opaque;
    VmHints *hints = link->hints;

    g_ptr_array_remove(hints->links, link);
    link_free(link);
    if (hints->links->len == 0) {
        /* Whoever connects next may be another. */
        link_pins_give_up(hints);
        hints->trust = NAN;
    }
    report_publish(hints->vm);
}

static const HintOps link_ops = {
    .request = link_request,
    .config = on_config,
    .memory = on_memory,
    .started = on_started,
    .reset = link_reset,
    .save = link_save,
    .load = link_load,
    .log = on_log,
    .gone = on_gone,
};

static gboolean on_hint_connection(int fd, GIOCondition condition, void *opaque)
{
    VmHints *hints = opaque;
    Vm *vm = hints->vm;
    g_autoptr(GError) err = NULL;
    const int sock = vm_accept(vm, fd);
    Peer peer;
    Link *link;

    if (sock < 0) {
        return G_SOURCE_CONTINUE;
    }
    if (hints->links->len >= MAX_LINKS) {
        vm_log(vm, G_LOG_LEVEL_WARNING, "connection refused: there are %d hint devices already", MAX_LINKS);
        close(sock);
        return G_SOURCE_CONTINUE;
    }
    if (!peer_identify(sock, &peer, &err)) {
        vm_log(vm, G_LOG_LEVEL_WARNING, "connection of a hint device refused: %s", err->message);
        close(sock);
        return G_SOURCE_CONTINUE;
    }
    link = g_new0(Link, 1);
    *link = (Link) { .hints = hints, .peer = peer, .budget = vm->budget_bytes };
    if (vm->policy) {
        PolicyHintStats stats;

        policy_hint_stats(vm->policy, &stats);
        link->dropped_bytes = stats.pinned_dropped_bytes;
    }
    link->device = hint_device_new(sock, vm->context, vm->facts->max_vm_bytes, &link_ops, link);
    g_ptr_array_add(hints->links, link);
    vm_log(vm, G_LOG_LEVEL_MESSAGE, "process %d connects a hint device", (int)peer.pid);
    report_publish(vm);
    return G_SOURCE_CONTINUE;
}

VmHints *vm_hints_new(Vm *vm, int listen_fd)
{
    VmHints *hints = g_new0(VmHints, 1);

    *hints = (VmHints) {
        .vm = vm, .listen_fd = listen_fd, .links = g_ptr_array_new(), .trust = NAN, .tokens_ns = clock_ns(),
        .pieces = g_array_new(FALSE, FALSE, sizeof(HintPiece)), .pins = g_array_new(FALSE, FALSE, sizeof(HintPin)),
        .tokens = (double)vm->facts->config->max_hint_ranges_per_s,
    };
    hints->accept = g_unix_fd_source_new(listen_fd, G_IO_IN);
    g_source_set_callback(hints->accept, G_SOURCE_FUNC(on_hint_connection), hints, NULL);
    g_source_attach(hints->accept, vm->context);
    return hints;
}

void vm_hints_free(VmHints *hints)
{
    g_source_destroy(hints->accept);
    g_source_unref(hints->accept);
    for (guint i = 0; i < hints->links->len; i++) {
        link_free(g_ptr_array_index(hints->links, i));
    }
    g_ptr_array_unref(hints->links);
    g_array_unref(hints->pieces);
    g_array_unref(hints->pins);
    close(hints->listen_fd);
    g_free(hints);
}
