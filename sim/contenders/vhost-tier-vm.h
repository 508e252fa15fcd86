/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guest under our daemon: what vhost-tier keeps and does for one VM (tracking.c, epoch.c), with the
 * machine's access bits, armed pages and moves in place of the kernel's. All that decides is core/'s own.
 */
#ifndef VHOST_TIER_SIM_VHOST_TIER_VM_H
#define VHOST_TIER_SIM_VHOST_TIER_VM_H

#include "../chmu.h"
#include "core/arbiter.h"
#include "core/chmu-history.h"
#include "core/forecast.h"

typedef struct OurParams {          /* as in vhost-tier.conf, with its defaults */
    double epoch_ms;
    double overhead_percent;
    double half_life_s, life_s;
    double damon;                   /* 1: the source 'damon' is used; 0: not */
    double rwp;                     /* likewise */
    double hints;                   /* 1: what guests say is listened to */
    bool chmu;                      /* the host has a hotness unit, which sees all that is not in tier 0 */
} OurParams;

typedef struct OurVm OurVm;

OurVm *our_vm_new(Machine *machine, Guest *guest, const OurParams *params);
void our_vm_free(gpointer data);

/* Do what is due at @now_ns; returns when to be called next. */
uint64_t our_vm_tick(OurVm *vm, uint64_t now_ns);

/*
 * What a CHMU has told of it, of an epoch of @epoch_ns: the @n units @counts (pages, with those of guests
 * before this one counted first), whose rates are @per_s, see core/chmu-history.h; all its pages that lie
 * outside tier 0 and were not listed had fewer than @threshold accesses, unless it overflowed (0). @first
 * is the unit of its first page. @crowded: see ChmuListing.
 */
void our_vm_counts(OurVm *vm, const ChmuCount *counts, const double *per_s, size_t n, uint64_t first,
                   uint64_t epoch_ns, uint32_t threshold, bool crowded);

/* Whether others crowd it out of the lists, lately (core/chmu-long.h). */
bool our_vm_crowded(const OurVm *vm);
/*
 * What the unit that is always on has told of it in a period with @setting, which began at @begun_ns: for each of the
 * @n entries, of this guest and ascending by page, how often it was listed. Nothing is believed if reports were @lost.
 */
void our_vm_reports(OurVm *vm, const SimChmuEntry *entries, size_t n, const ChmuSetting *setting, uint64_t begun_ns,
                    bool lost);

/* How it is now, as of the last claim. */
void our_vm_forecast(const OurVm *vm, Forecast *now);
/* And with @fast_bytes of tier 0. */
ForecastAt our_vm_forecast_at(const OurVm *vm, const Forecast *now, uint64_t fast_bytes);
/* Its claim on tier 0, with a curve that the VM owns, until the next call. */
void our_vm_claim(OurVm *vm, ArbiterClaim *claim);
/* How it moves memory, and what it was granted last. */
void our_vm_mover(const OurVm *vm, ArbiterMover *mover, uint64_t *granted_bytes);
/* What of tier 0 it is to have, what of that it has now, and how fast it may move memory. */
void our_vm_budget(OurVm *vm, uint64_t due_bytes, uint64_t granted_bytes, uint64_t bytes_per_s);

/* Of its data about pages. */
size_t our_vm_bytes(const OurVm *vm);

#endif /* VHOST_TIER_SIM_VHOST_TIER_VM_H */
