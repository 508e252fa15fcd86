/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of VMs, and how the control socket shows them.
 */
#include "snapshot.h"

#include <math.h>

/* Longer than any epoch that can be configured. */
#define HELD_UP_S 120

static void clear_source(void *data)
{
    g_free(((SnapshotSource *)data)->problem);
}

static void clear_region(void *data)
{
    g_free(((SnapshotRegion *)data)->name);
}

Snapshot *snapshot_new(void)
{
    Snapshot *snapshot = g_atomic_rc_box_new0(Snapshot);

    snapshot->sources = g_array_new(FALSE, FALSE, sizeof(SnapshotSource));
    g_array_set_clear_func(snapshot->sources, clear_source);
    snapshot->regions = g_array_new(FALSE, FALSE, sizeof(SnapshotRegion));
    g_array_set_clear_func(snapshot->regions, clear_region);
    return snapshot;
}

static void snapshot_clear(void *data)
{
    Snapshot *snapshot = data;

    for (size_t t = 0; t < TIER_MAX_TIERS; t++) {
        g_free(snapshot->nodes[t]);
    }
    g_array_unref(snapshot->sources);
    g_array_unref(snapshot->regions);
    g_clear_pointer(&snapshot->interference, g_ptr_array_unref);
    g_free(snapshot->state_reason);
    g_free(snapshot->not_counted);
    g_free(snapshot->not_by_tier);
    g_free(snapshot->hints_problem);
    g_free(snapshot->trace);
}

Snapshot *snapshot_ref(Snapshot *snapshot)
{
    return g_atomic_rc_box_acquire(snapshot);
}

void snapshot_unref(Snapshot *snapshot)
{
    g_atomic_rc_box_release_full(snapshot, snapshot_clear);
}

static void set_string(JsonObject *object, const char *key, const char *text)
{
    if (text) {
        json_object_set_string_member(object, key, text);
    } else {
        json_object_set_null_member(object, key);
    }
}

/* JSON knows no NaN: what is not known is null. */
static void set_number(JsonObject *object, const char *key, double number)
{
    if (isfinite(number)) {
        json_object_set_double_member(object, key, number);
    } else {
        json_object_set_null_member(object, key);
    }
}

static void set_size(JsonObject *object, const char *key, uint64_t n)
{
    json_object_set_int_member(object, key, (gint64)MIN(n, (uint64_t)G_MAXINT64));
}

static JsonArray *state_json(uint32_t state)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        { TIER_STATE_THROTTLED, "throttled" },
        { TIER_STATE_THRASHING, "thrashing" },
        { TIER_STATE_FROZEN, "frozen" },
        { TIER_STATE_BLIND, "blind" },
    };
    JsonArray *list = json_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (state & names[i].bit) {
            json_array_add_string_element(list, names[i].name);
        }
    }
    return list;
}

static JsonArray *tiers_json(const Snapshot *snapshot)
{
    JsonArray *list = json_array_new();

    for (uint32_t t = 0; t < snapshot->n_tiers; t++) {
        JsonObject *tier = json_object_new();

        json_object_set_string_member(tier, "nodes", snapshot->nodes[t]);
        set_size(tier, "resident_bytes", snapshot->planned ? snapshot->stats.granule_bytes[t] : 0);
        json_array_add_object_element(list, tier);
    }
    return list;
}

static JsonObject *moves_json(const Snapshot *snapshot)
{
    JsonObject *moves = json_object_new();
    JsonObject *failed = json_object_new();

    for (int i = 0; i < TIER_MOVE_FAIL__MAX; i++) {
        if (snapshot->moves.failed[i]) {
            set_size(failed, mover_fail_name((TierMoveFail)i), snapshot->moves.failed[i]);
        }
    }
    set_size(moves, "asked", snapshot->moves.asked);
    set_size(moves, "applied", snapshot->moves.applied);
    json_object_set_object_member(moves, "failed", failed);
    set_size(moves, "promoted_bytes", snapshot->stats.promoted_bytes);
    set_size(moves, "demoted_bytes", snapshot->stats.demoted_bytes);
    set_size(moves, "undone_bytes", snapshot->stats.undone_bytes);
    set_number(moves, "undone_share", snapshot->stats.undone_share);
    set_number(moves, "pages_per_s", snapshot->pages_per_s);
    return moves;
}

/* A number of bytes, or null where UINT64_MAX says that it is not known. */
static void set_known_size(JsonObject *object, const char *key, uint64_t n)
{
    if (n == UINT64_MAX) {
        json_object_set_null_member(object, key);
    } else {
        set_size(object, key, n);
    }
}

static JsonObject *slowdown_json(const Snapshot *snapshot)
{
    const bool targeted = snapshot->slowdown_target > 0, foretold = snapshot->track.made_ns != 0;
    const bool counted = isfinite(snapshot->load.accesses_per_s) && snapshot->load.accesses_per_s > 0;
    const bool by_tier = outlook_counted(&snapshot->outlook);
    JsonObject *slowdown = json_object_new();

    set_number(slowdown, "target", targeted ? snapshot->slowdown_target : NAN);
    set_known_size(slowdown, "target_size", targeted ? snapshot->target_bytes : UINT64_MAX);
    set_number(slowdown, "now", snapshot->slowdown);
    set_number(slowdown, "predicted", foretold ? snapshot->track.predicted : NAN);
    set_number(slowdown, "error", snapshot->track.checks ? snapshot->track.error : NAN);
    set_number(slowdown, "accesses_per_s",
               counted ? snapshot->load.accesses_per_s : slowdown_total(&snapshot->outlook.curve));
    json_object_set_boolean_member(slowdown, "counted", counted);
    set_string(slowdown, "not_counted", snapshot->not_counted);
    json_object_set_boolean_member(slowdown, "counted_by_tier", by_tier);
    set_string(slowdown, "not_counted_by_tier", snapshot->not_by_tier);
    set_number(slowdown, "counted_hit_ratio", by_tier ? snapshot->outlook.now.hit_ratio : NAN);
    set_number(slowdown, "busy", snapshot->configured ? snapshot->load.busy : NAN);
    return slowdown;
}

static JsonArray *sources_json(const Snapshot *snapshot)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < snapshot->sources->len; i++) {
        const SnapshotSource *source = &g_array_index(snapshot->sources, SnapshotSource, i);
        JsonObject *entry = json_object_new();

        json_object_set_string_member(entry, "name", source->name);
        json_object_set_boolean_member(entry, "active", source->active);
        set_size(entry, "reports", source->reports);
        set_number(entry, "overhead_share", source->overhead_share);
        set_string(entry, "problem", source->problem);
        json_array_add_object_element(list, entry);
    }
    return list;
}

const char *snapshot_hint_name(TierHint hint)
{
    static const char *const names[TIER_HINT__MAX] = {
        [TIER_HINT_HOT] = "hot", [TIER_HINT_COLD] = "cold", [TIER_HINT_WILLNEED] = "willneed",
        [TIER_HINT_FREE] = "free", [TIER_HINT_PIN] = "pin", [TIER_HINT_UNPIN] = "unpin",
    };

    return names[hint];
}

static JsonObject *hint_kinds_json(const TierMsgHints *hints)
{
    static const char *const fates[TIER_HINT_FATE__MAX] = {
        [TIER_HINT_TAKEN] = "taken", [TIER_HINT_OFF] = "off", [TIER_HINT_UNTRUSTED] = "untrusted",
        [TIER_HINT_OVER_LIMIT] = "over_limit", [TIER_HINT_NOT_THERE] = "not_there",
    };
    JsonObject *list = json_object_new();

    for (size_t h = 0; h < TIER_HINT__MAX; h++) {
        JsonObject *kind = json_object_new();

        for (size_t f = 0; f < TIER_HINT_FATE__MAX; f++) {
            set_size(kind, fates[f], hints->ranges[h][f]);
        }
        set_size(kind, "bytes", hints->bytes[h]);
        json_object_set_object_member(list, snapshot_hint_name((TierHint)h), kind);
    }
    return list;
}

static JsonObject *hints_json(const Snapshot *snapshot)
{
    const TierMsgHints *hints = &snapshot->hints;
    JsonObject *object = json_object_new();

    json_object_set_boolean_member(object, "on", snapshot->hints_on);
    set_string(object, "problem", snapshot->hints_problem);
    json_object_set_int_member(object, "devices", snapshot->hint_devices);
    set_size(object, "pin_limit", snapshot->pin_limit);
    set_size(object, "pinned_bytes", hints->pinned_bytes);
    set_size(object, "pinned_dropped_bytes", hints->pinned_dropped_bytes);
    set_size(object, "free_bytes", hints->free_bytes);
    set_size(object, "followed_bytes", hints->followed_bytes);
    set_size(object, "checked", hints->checked);
    set_size(object, "right", hints->right);
    set_number(object, "trust", snapshot->planned ? (double)hints->trust_ppm / TIER_PPM_ONE : NAN);
    set_size(object, "dropped_rate", hints->dropped_rate);
    set_size(object, "refused", hints->refused);
    json_object_set_object_member(object, "ranges", hint_kinds_json(hints));
    return object;
}

static JsonArray *regions_json(const Snapshot *snapshot)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < snapshot->regions->len; i++) {
        const SnapshotRegion *region = &g_array_index(snapshot->regions, SnapshotRegion, i);
        JsonObject *entry = json_object_new();

        json_object_set_int_member(entry, "id", region->id);
        json_object_set_string_member(entry, "name", region->name);
        set_size(entry, "size", region->size);
        json_object_set_int_member(entry, "granule", region->granule_bytes);
        set_size(entry, "hva", region->hva);
        json_array_add_object_element(list, entry);
    }
    return list;
}

JsonArray *interference_json(const GPtrArray *interference, const char *prefix)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; interference && i < interference->len; i++) {
        const Interference *item = g_ptr_array_index(interference, i);
        g_autofree char *what = g_strconcat(prefix ? prefix : "", item->what, NULL);
        JsonObject *entry = json_object_new();

        json_object_set_string_member(entry, "what", what);
        json_object_set_string_member(entry, "remedy", item->remedy);
        json_array_add_object_element(list, entry);
    }
    return list;
}

static void set_reason(JsonObject *vm, const Snapshot *snapshot, uint64_t now_ns)
{
    const uint64_t age_s = (now_ns - snapshot->made_ns) / G_GUINT64_CONSTANT(1000000000);
    g_autofree char *text = NULL;

    if (snapshot->configured && age_s >= HELD_UP_S) {
        text = g_strdup_printf("the VM's thread is held up: it last reported %" G_GUINT64_FORMAT
                               " s ago; the kernel's log may say by what", age_s);
    }
    set_string(vm, "state_reason", text ? text : snapshot->state_reason);
}

JsonObject *snapshot_json(const Snapshot *snapshot, const char *name, const char *socket, const char *hint_socket,
                          bool regions, uint64_t now_ns)
{
    static const char *const modes[] = { "off", "observe", "on" };
    JsonObject *vm = json_object_new();

    json_object_set_string_member(vm, "name", name);
    json_object_set_string_member(vm, "socket", socket);
    set_string(vm, "hint_socket", hint_socket);
    json_object_set_boolean_member(vm, "connected", snapshot->connected);
    if (snapshot->connected) {
        json_object_set_int_member(vm, "pid", snapshot->pid);
    }
    json_object_set_array_member(vm, "state", state_json(snapshot->state));
    set_reason(vm, snapshot, now_ns);
    json_object_set_string_member(vm, "mode", modes[snapshot->mode]);
    set_size(vm, "fast_size", snapshot->fast_size);
    set_size(vm, "fast_min", snapshot->fast_min);
    json_object_set_int_member(vm, "weight", snapshot->weight);
    set_size(vm, "budget", snapshot->budget);
    json_object_set_object_member(vm, "slowdown", slowdown_json(snapshot));
    json_object_set_array_member(vm, "tiers", tiers_json(snapshot));
    set_size(vm, "absent_bytes", snapshot->planned ? snapshot->stats.absent_bytes : 0);
    set_number(vm, "hit_ratio", snapshot->planned ? snapshot->stats.hit_ratio : NAN);
    set_number(vm, "ideal_hit_ratio", snapshot->planned ? snapshot->stats.ideal_hit_ratio : NAN);
    json_object_set_object_member(vm, "moves", moves_json(snapshot));
    set_number(vm, "margin", snapshot->planned ? snapshot->stats.margin : NAN);
    set_number(vm, "threshold_per_s", snapshot->planned ? snapshot->stats.threshold_per_s : NAN);
    json_object_set_array_member(vm, "sources", sources_json(snapshot));
    json_object_set_array_member(vm, "interference", interference_json(snapshot->interference, NULL));
    json_object_set_object_member(vm, "hints", hints_json(snapshot));
    if (regions) {
        json_object_set_array_member(vm, "regions", regions_json(snapshot));
    }
    if (snapshot->trace) {
        json_object_set_string_member(vm, "trace", snapshot->trace);
    }
    return vm;
}
