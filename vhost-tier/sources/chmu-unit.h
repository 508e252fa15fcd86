/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instance of a hotness unit: taken, set to count for an epoch, its hotlist read, given back as it was.
 *
 * Theory of operation
 *
 * Each epoch is begun anew, so that what is read is what the last order asked for: the unit is seen to be
 * disabled, told what to count, enabled; an epoch later its hotlist is read, a part at a time. The unit goes on
 * counting meanwhile, and what it lists while, or after, its list is read is left out. If the reader came late, and
 * a unit of memory is listed twice, its count is the mean of both.
 *
 *      STOPPING --disabled: configure, enable--> ENABLING --enabled--> COUNTING --epoch over--> READING
 *          ^                                                                                       |
 *          +--------------------------- chmu_unit_begin(), with the next order ---------------------+
 *
 * An instance that is always on goes on counting for a period: its hotlist is emptied each CHMU_LONG_EMPTY_NS, and what
 * was read is told each time, as it was listed. The period ends when its time is over, or with an overflow.
 *
 * Nothing takes longer than a moment: an operation that the device has in progress is waited for by calling
 * again. What goes wrong ends the epoch with an error; chmu_unit_begin() tries again, from whatever state the
 * device is in.
 *
 * An instance that is enabled is somebody else's, and left alone unless it may be taken. One that a daemon of
 * ours left enabled, as it was killed, is known by a mark: a number in the register for the fill level that
 * interrupts, while that interrupt is off.
 */
#ifndef VHOST_TIER_SOURCES_CHMU_UNIT_H
#define VHOST_TIER_SOURCES_CHMU_UNIT_H

#include "chmu-decode.h"
#include "chmu-regs.h"
#include "core/chmu-history.h"
#include "core/chmu-tuner.h"

typedef struct ChmuUnit ChmuUnit;

/* What an epoch is to count. */
typedef struct ChmuOrder {
    ChmuSetting setting;            /* 'epoch_ns' is the period, of an instance that is always on */
    uint64_t unit_bytes;            /* one of the unit's sizes: chmu_unit_size() */
    const ChmuWindow *windows;      /* the memory to watch; used during the call only */
    size_t n_windows;
} ChmuOrder;

/*
 * What an epoch has listed, each unit once and ascending by unit; or, always on, what was read of a period, as it was
 * listed. The unit's, until it is called again.
 */
typedef struct ChmuList {
    const ChmuCount *counts;        /* 'unit' is DPA / unit_bytes */
    size_t n;
    bool over;                      /* the epoch is, or the period */
    uint64_t epoch_ns;              /* as it was */
    uint32_t threshold;             /* what has fewer counts was not listed */
    uint64_t unit_bytes;
    bool overflowed;                /* there were more */
    uint32_t nonsense;              /* entries that were left out, as they can't be: counts of nothing */
} ChmuList;

typedef enum ChmuProgress {
    CHMU_UNIT_BUSY,
    CHMU_UNIT_LISTED,               /* the epoch is over, and what it listed is read; always on: a part of it */
    CHMU_UNIT_FAILED,
} ChmuProgress;

/*
 * Take an instance of @regs (which must outlive it) that is free, or, with @take, any. NULL, with an error, when
 * there is none.
 */
ChmuUnit *chmu_unit_new(const ChmuRegs *regs, bool take, GError **errp);
/*
 * Take one that is free, to be always on beside @first, of @regs too. NULL when there is none, or none can do that,
 * which is no error.
 */
ChmuUnit *chmu_unit_new_beside(const ChmuRegs *regs, const ChmuUnit *first);
/* Give it back as it was, if it is there and still ours. Waits for a moment while the unit is being disabled. */
void chmu_unit_free(ChmuUnit *unit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChmuUnit, chmu_unit_free)

const ChmuLimits *chmu_unit_limits(const ChmuUnit *unit);
/* The largest size of units that it has up to @most bytes, or else the smallest. */
uint64_t chmu_unit_size(const ChmuUnit *unit, uint64_t most);

/* Begin an epoch, as soon as the device lets it. */
void chmu_unit_begin(ChmuUnit *unit, const ChmuOrder *order, uint64_t now_ns);

/*
 * Go on, for a bounded time. *@next_ns is when to be called again, while it is busy or the list is not over. @list is
 * filled when something was listed; it failed with an error. Call chmu_unit_begin() when the list is over, or after an
 * error.
 */
ChmuProgress chmu_unit_step(ChmuUnit *unit, uint64_t now_ns, uint64_t *next_ns, ChmuList *list, GError **errp);

#endif /* VHOST_TIER_SOURCES_CHMU_UNIT_H */
