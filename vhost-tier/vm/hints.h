/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM's guest says of its own memory through virtio-tier: its connections, what they may, and what comes of it.
 * Belongs to the VM's thread.
 */
#ifndef VHOST_TIER_VM_HINTS_H
#define VHOST_TIER_VM_HINTS_H

#include <glib.h>

#include "tier-channel.h"

typedef struct Vm Vm;
typedef struct VmHints VmHints;

/* Serve @listen_fd (owned from now on) for @vm, on its context. */
VmHints *vm_hints_new(Vm *vm, int listen_fd);
void vm_hints_free(VmHints *hints);

/* Bytes that @vm's guest may pin now. */
uint64_t vm_hints_pin_limit(const Vm *vm);

/* All of these allow for a VM without hints. */
/* Regions have come or gone. */
void vm_hints_regions_changed(Vm *vm);
/* Once an epoch, and when budget or settings have changed: tell the guest what it should know. */
void vm_hints_update(Vm *vm);
/* The policy is about to go, with all its regions, and all that hints have brought about with it. */
void vm_hints_forget(Vm *vm);

/* Why no hint comes or counts now, and the remedy; NULL where they do. Static. */
const char *vm_hints_problem(const Vm *vm);
/* How many devices are connected. */
unsigned vm_hints_connected(const Vm *vm);
/* Figures; all zero without a policy. */
void vm_hints_figures(const Vm *vm, TierMsgHints *figures);

#endif /* VHOST_TIER_VM_HINTS_H */
