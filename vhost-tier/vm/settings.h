/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator says of a VM over what its QEMU says: settings, and limits to them.
 */
#ifndef VHOST_TIER_VM_SETTINGS_H
#define VHOST_TIER_VM_SETTINGS_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "tier-channel.h"

/* Any of them; 'has' tells which. */
typedef struct VmSettings {
    bool has_fast_size, has_fast_min, has_weight, has_slowdown, has_mode, has_hints, has_pin_limit, has_sources;
    uint64_t fast_size, fast_min;   /* bytes */
    uint32_t weight;                /* 1..1000 */
    double slowdown;                /* share of time, 0 to 1, that may be lost to slow memory; 0: no target */
    TierMode mode;
    bool hints;                     /* the guest's are taken */
    uint64_t pin_limit;             /* bytes that the guest may pin */
    uint32_t sources;               /* of evidence that may watch it: a bit for each PolicySource */
} VmSettings;

#define VM_SETTINGS_ERROR vm_settings_error_quark()
GQuark vm_settings_error_quark(void);
typedef enum VmSettingsError {
    VM_SETTINGS_ERROR_VALUE,
} VmSettingsError;

/*
 * Read those that @object has, under the names that vm-set gives them (docs/control.md); NULL: none. False, with an
 * error, where a value is not allowed.
 */
bool vm_settings_from_json(JsonObject *object, VmSettings *settings, GError **errp);
/* Write those that are set into @object, so that the above reads them. */
void vm_settings_to_json(const VmSettings *settings, JsonObject *object);

bool vm_settings_empty(const VmSettings *settings);
/* Forget all but what is the operator's alone to say: hints, pin-limit and sources. */
void vm_settings_overrule(VmSettings *settings);
/* Those that @from has take the place of @into's. */
void vm_settings_merge(VmSettings *into, const VmSettings *from);
/* The same, of those alone that @into has already. */
void vm_settings_update(VmSettings *into, const VmSettings *from);

/*
 * Where @said (all of them set), with @settings in their place, exceeds @limits, the limit is put into @settings. A
 * slowdown exceeds its limit where it asks for more, so where it is lower; a limit of 0 allows no target. Of hints and
 * pin-limit QEMU says nothing: there the limit is what holds.
 */
void vm_settings_limit(VmSettings *settings, const VmSettings *said, const VmSettings *limits);

#endif /* VHOST_TIER_VM_SETTINGS_H */
