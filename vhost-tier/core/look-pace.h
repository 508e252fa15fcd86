/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much time goes into looking where pages are.
 *
 * Pages come, go and move without our doing: a guest touches more of its memory or gives some back, the kernel
 * reclaims. While looks find that, they go on at the full share of the time. While all is where it is known to be, each
 * epoch halves the share, down to a quarter: asking the kernel costs a host CPU for each page of each VM.
 */
#ifndef VHOST_TIER_CORE_LOOK_PACE_H
#define VHOST_TIER_CORE_LOOK_PACE_H

#include <stddef.h>

#define LOOK_PACE_MOST 0.01     /* of an epoch */
#define LOOK_PACE_LEAST 0.0025

/* All zero at first. */
typedef struct LookPace {
    double saved;               /* share of an epoch, below LOOK_PACE_MOST */
} LookPace;

/* Share of an epoch that looks may take. */
double look_pace_share(const LookPace *pace);
/* In an epoch @looked granules were looked at, of which @moved were not where they were known to be. */
void look_pace_note(LookPace *pace, size_t looked, size_t moved);

#endif /* VHOST_TIER_CORE_LOOK_PACE_H */
