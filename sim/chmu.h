/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CXL hotness monitoring unit as a reader of it meets it: one instance of two, which count independently. Each sees
 * all guests' pages that are not in tier 0.
 *
 * In epoch mode it counts the accesses that reach the device, page by page, for an epoch, and lists the pages with at
 * least 'threshold' of them, as many as its hotlist holds. In always-on mode a page is listed each time that so many
 * were counted; its reader empties the list each CHMU_LONG_EMPTY_NS, for a period, and what is more than the list
 * holds between two such times, on average, is lost.
 */
#ifndef VHOST_TIER_SIM_CHMU_H
#define VHOST_TIER_SIM_CHMU_H

#include "core/chmu-tuner.h"
#include "machine.h"

/* Of the real device; the hotlist is scaled with the machine. */
#define SIM_CHMU_HOTLIST 65535u
#define SIM_CHMU_COUNTER_BITS 16
#define SIM_CHMU_ENTRY_NS 50        /* host CPU to read and translate one entry of the hotlist */

/* How an instance works, and which it is. */
typedef enum SimChmuMode {
    SIM_CHMU_EPOCHS,
    SIM_CHMU_ALWAYS_ON,
} SimChmuMode;

typedef struct SimChmuEntry {
    Guest *guest;
    uint32_t page;
    uint32_t count;                 /* in an epoch; always on: how often it was listed in the period */
} SimChmuEntry;

typedef struct SimChmu SimChmu;

SimChmu *sim_chmu_new(Machine *machine, SimChmuMode mode);
void sim_chmu_free(SimChmu *chmu);

const ChmuLimits *sim_chmu_limits(const SimChmu *chmu);
/* Begin an epoch, or a period, now; what was counted before is gone. */
void sim_chmu_begin(SimChmu *chmu, const ChmuSetting *setting);
/* Count no longer, until the next epoch is begun. */
void sim_chmu_stop(SimChmu *chmu);
/* When the epoch ends; UINT64_MAX: none was begun, or it was stopped. */
uint64_t sim_chmu_due_ns(const SimChmu *chmu);
/*
 * The epoch has ended: @entries (the unit's, until the next call) are what was listed, by guest and address;
 * *@overflowed tells that there was more. Returns how many entries.
 */
size_t sim_chmu_drain(SimChmu *chmu, const SimChmuEntry **entries, bool *overflowed);

#endif /* VHOST_TIER_SIM_CHMU_H */
