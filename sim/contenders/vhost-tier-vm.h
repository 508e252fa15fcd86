/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guest under our daemon: what vhost-tier keeps and does for one VM (tracking.c, epoch.c), with the
 * machine's access bits, armed pages and moves in place of the kernel's. All that decides is core/'s own.
 */
#ifndef VHOST_TIER_SIM_VHOST_TIER_VM_H
#define VHOST_TIER_SIM_VHOST_TIER_VM_H

#include "../chmu.h"
#include "core/arbiter.h"

typedef struct OurParams {          /* as in vhost-tier.conf, with its defaults */
    double epoch_ms;
    double overhead_percent;
    double half_life_s, life_s;
    double damon;                   /* 1: the source 'damon' is used; 0: not */
    double rwp;                     /* likewise */
} OurParams;

typedef struct OurVm OurVm;

OurVm *our_vm_new(Machine *machine, Guest *guest, const OurParams *params);
void our_vm_free(gpointer vm);

/* Do what is due at @now_ns; returns when to be called next. */
uint64_t our_vm_tick(OurVm *vm, uint64_t now_ns);

/*
 * What a CHMU has told of it: @n entries of this guest's, by page, of an epoch of @epoch_ns; all its pages that
 * lie outside tier 0 and were not listed had fewer than @threshold accesses, unless it overflowed (0).
 */
void our_vm_counts(OurVm *vm, const SimChmuEntry *entries, size_t n, uint64_t epoch_ns, uint32_t threshold);

/* Its claim on tier 0, with a curve that the VM owns, until the next call; and what it was given. */
void our_vm_claim(OurVm *vm, ArbiterClaim *claim);
void our_vm_budget(OurVm *vm, uint64_t budget_bytes);

/* Of its data about pages. */
size_t our_vm_bytes(const OurVm *vm);

#endif /* VHOST_TIER_SIM_VHOST_TIER_VM_H */
