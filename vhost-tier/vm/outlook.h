/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM loses at other sizes of its fast memory, by the best that is known of it: where hardware counts its
 * accesses by tier, the forecast with latencies under load (core/forecast.h); else the model with estimates from heat
 * (core/slowdown.h).
 */
#ifndef VHOST_TIER_VM_OUTLOOK_H
#define VHOST_TIER_VM_OUTLOOK_H

#include <stdbool.h>

#include "core/forecast.h"
#include "core/slowdown.h"

typedef struct Outlook {
    PolicyCurve curve;              /* as of the last plan; empty before */
    PolicyCurve today;              /* the same as policy_curve_today() has it: for the arbiter */
    Slowdown model;
    Forecast now;                   /* accesses_per_s 0: nothing is counted by tier */
} Outlook;

/* Whether hardware counts by tier. */
bool outlook_counted(const Outlook *outlook);

/* With the hottest @bytes in tier 0; NaN where nothing was seen. */
ForecastAt outlook_at(const Outlook *outlook, uint64_t bytes);

/*
 * The fewest bytes of tier 0, in whole pages of 4 KiB, with which the slowdown stays at or below @target; those of all
 * that was seen, where none keep it so low. UINT64_MAX where nothing was seen.
 */
uint64_t outlook_size(const Outlook *outlook, double target);

#endif /* VHOST_TIER_VM_OUTLOOK_H */
