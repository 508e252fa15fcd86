/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hotness unit in always-on mode, and the VMs that it is for: those that others crowd out of the list of the epochs.
 *
 * Theory of operation
 *
 * The list of an epoch is finite. Who touches much memory fills it, and then it tells of another VM's memory only what
 * is hotter than all that. In always-on mode a unit of memory is listed each time that its counter reaches the
 * threshold T, and the counter begins anew. Where the ring that they are listed in is emptied all the time, nothing is
 * lost, however much memory there is: over a period of E, memory with k reports had k * T accesses or more, and fewer
 * than (k + 1) * T; memory without one had fewer than T.
 *
 * So slow an answer is no use while heat moves. So it is for those VMs only whose part of the fast lists is too small,
 * and a period in which the VM's heat has moved, or in which it idled, says nothing of it, nor does one that was
 * interrupted. Of memory that has come to the device within the period, nothing is said either.
 *
 * - T / E is always 4 accesses a second: less than that is told from none, and it is about where moves begin to pay:
 *   the 10 us of two copies against 150 ns an access over a minute.
 * - Reports are as many for each period, whatever T is; T is as low as allows reading them (CHMU_LONG_RINGS_PER_S), so
 *   that periods are short, but higher than what one reading of a page from end to end counts (CHMU_BURST): a scan
 *   makes no report.
 */
#ifndef VHOST_TIER_CORE_CHMU_LONG_H
#define VHOST_TIER_CORE_CHMU_LONG_H

#include "chmu-tuner.h"

#define CHMU_LONG_RINGS_PER_S 2         /* reports a second, in what the ring holds; beyond that T is doubled */
/* The ring is emptied so often: it is a fifth full at most, while T is right, and may be emptied late. */
#define CHMU_LONG_EMPTY_NS 100000000ull

/* Whether a VM's part of a unit's lists is too small lately; all zero at first. */
typedef struct ChmuCrowd {
    double share;                       /* of the last lists, about, that it was crowded in */
    bool crowded;
} ChmuCrowd;

/* After a list in which it was @crowded (chmu_crowded()), or not. Returns whether it is of late. */
bool chmu_crowd_add(ChmuCrowd *crowd, bool crowded);

/* The setting of the first period: 'epoch_ns' is E, 'threshold' T. */
ChmuSetting chmu_long_start(const ChmuLimits *limits);
/* The next one, after a whole period with @setting made so many reports, or one in which some were lost. */
ChmuSetting chmu_long_next(const ChmuLimits *limits, const ChmuSetting *setting, uint64_t reports, bool lost);

/*
 * The accesses a second that @reports stand for; 0: nothing can be said. One reading of the memory makes @burst
 * accesses.
 */
double chmu_long_per_s(const ChmuSetting *setting, uint32_t reports, uint32_t burst);
/* Memory that was not listed had fewer accesses a second. */
double chmu_long_limit_per_s(const ChmuSetting *setting);

#endif /* VHOST_TIER_CORE_CHMU_LONG_H */
