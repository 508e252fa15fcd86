/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM as 'query-vm' tells it (docs/control.md), in the words that the tables use. All strings are clean
 * (text_clean) and the caller's.
 */
#ifndef VHOST_TIER_TIERCTL_VM_VIEW_H
#define VHOST_TIER_TIERCTL_VM_VIEW_H

#include <json-glib/json-glib.h>
#include <stdint.h>

/* "ok", "waiting for QEMU", or what holds: "throttled, thrashing". */
char *vm_state(JsonObject *vm);
/* "damon, rwp (0.4 %)": those that work, with what they cost the guest; "none" when it is blind. */
char *vm_sources(JsonObject *vm);
/* Bytes on tier @tier, or on it and all slower ones; UINT64_MAX when not told. */
uint64_t vm_resident(JsonObject *vm, unsigned tier);
uint64_t vm_resident_below(JsonObject *vm, unsigned tier);
/* A string field of @object, cleaned; "-" when absent. */
char *view_string(JsonObject *object, const char *key);

#endif /* VHOST_TIER_TIERCTL_VM_VIEW_H */
