/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest has pinned, over migration, reset, and the loss of the VM's policy with its last memory channel.
 *
 * Pins that came along with a migration, or that a policy took with it, wait until there is memory to be pinned and a
 * budget to pin it in, but not for ever: the guest is told of those that could not be pinned again.
 */
#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "hint/state.h"
#include "hints-impl.h"

#define PINS_WAIT_NS G_GUINT64_CONSTANT(30000000000)

typedef struct PinCollector {
    const HintMap *map;
    uint32_t region;
    GByteArray *state;
    unsigned left_out;              /* pins that there was no room for */
} PinCollector;

static void save_address(void *opaque, uint64_t gpa, uint64_t len)
{
    PinCollector *collector = opaque;

    collector->left_out += !hint_state_add(collector->state, &(HintPin) { gpa, len });
}

static void save_pin(void *opaque, size_t first, size_t n)
{
    PinCollector *collector = opaque;

    hint_map_addresses(collector->map, collector->region, first, n, save_address, collector);
}

GByteArray *link_save(void *opaque)
{
    Link *link = opaque;
    const GArray *waiting = link->hints->pins;
    Vm *vm = link->hints->vm;
    PolicyHintStats stats = { .trust = link->hints->trust };
    PinCollector collector = { .map = link_map(link) };

    if (vm->policy) {
        policy_hint_stats(vm->policy, &stats);
    }
    collector.state = hint_state_new(stats.trust);
    for (guint i = 0; i < vm->regions->len; i++) {
        collector.region = ((const VmRegion *)g_ptr_array_index(vm->regions, i))->region.id;
        policy_pins(vm->policy, collector.region, save_pin, &collector);
    }
    for (guint i = 0; i < waiting->len; i++) {
        const HintPin *pin = &g_array_index(waiting, HintPin, i);

        save_address(&collector, pin->addr, pin->len);
    }
    if (collector.left_out > 0) {
        vm_log(vm, G_LOG_LEVEL_WARNING, "%u of its guest's pins are left out of its state, as that is full",
               collector.left_out);
    }
    return collector.state;
}

void link_pins_give_up(VmHints *hints)
{
    g_array_set_size(hints->pins, 0);
    hints->pins_until_ns = 0;
}

bool link_load(void *opaque, const uint8_t *bytes, size_t n, GError **errp)
{
    Link *link = opaque;
    VmHints *hints = link->hints;
    double trust;

    if (link_is_strange(link)) {
        g_set_error_literal(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                            "the state comes from another process than the VM's memory");
        return false;
    }
    link_pins_give_up(hints);
    if (!hint_state_parse(bytes, n, &trust, hints->pins, errp)) {
        link_pins_give_up(hints);
        return false;
    }
    hints->trust = trust;
    hints->served = true;
    vm_hints_update(hints->vm);
    return true;
}

void link_pins_keep(Link *link)
{
    VmHints *hints = link->hints;
    g_autoptr(GByteArray) state = link_save(link);

    hint_state_parse(state->data, state->len, &hints->trust, hints->pins, NULL);
    hints->pins_until_ns = 0;
}

void link_pins_try(Link *link, uint64_t now_ns)
{
    VmHints *hints = link->hints;

    if (hints->pins->len == 0 || !link_counts(link) || !hints->vm->has_budget ||
        hint_device_memory(link->device)->len == 0) {
        return;
    }
    if (hints->pins_until_ns == 0) {
        hints->pins_until_ns = now_ns + PINS_WAIT_NS;
    }
    /* They count towards the limit of ranges as they would if the guest gave them: the rest has its turn later. */
    for (guint left = hints->pins->len; left > 0 && hints_tokens_take(hints, now_ns); left--) {
        const HintPin *pin;

        hints->pins_next %= hints->pins->len;
        pin = &g_array_index(hints->pins, HintPin, hints->pins_next);
        if (link_pin_again(link, pin->addr, pin->len, now_ns)) {
            g_array_remove_index_fast(hints->pins, hints->pins_next);
        } else {
            hints->pins_next++;
        }
    }
    if (hints->pins->len > 0 && now_ns >= hints->pins_until_ns) {
        PolicyHintStats stats;

        policy_hint_stats(hints->vm->policy, &stats);
        hint_device_event(link->device, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_BUDGET, stats.pinned_bytes);
        link_pins_give_up(hints);
    }
}

typedef struct PinRun {
    size_t first, n;
} PinRun;

static void collect_run(void *opaque, size_t first, size_t n)
{
    const PinRun run = { first, n };

    g_array_append_val((GArray *)opaque, run);
}

/* Pins are the VM's: its other devices' drivers can't know of the reset that ended theirs. */
static void tell_others(const Link *link)
{
    const GPtrArray *links = link->hints->links;

    for (guint i = 0; i < links->len; i++) {
        const Link *other = g_ptr_array_index(links, i);

        if (other != link) {
            hint_device_event(other->device, VIRTIO_TIER_E_PINS_DROPPED, VIRTIO_TIER_R_RESTART, 0);
        }
    }
}

void link_reset(void *opaque)
{
    Link *link = opaque;
    const Vm *vm = link->hints->vm;
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(PinRun));
    bool any = link->hints->pins->len > 0;

    if (link_is_strange(link)) {
        return;
    }
    link_pins_give_up(link->hints);
    memset(link->ignored, 0, sizeof(link->ignored));
    for (guint i = 0; i < vm->regions->len; i++) {
        const uint32_t region = ((const VmRegion *)g_ptr_array_index(vm->regions, i))->region.id;

        g_array_set_size(runs, 0);
        policy_pins(vm->policy, region, collect_run, runs);
        any |= runs->len > 0;
        for (guint r = 0; r < runs->len; r++) {
            const PinRun *run = &g_array_index(runs, PinRun, r);

            policy_hint(vm->policy, POLICY_HINT_UNPIN, region, run->first, run->n, clock_ns());
        }
    }
    if (any) {
        tell_others(link);
    }
}
