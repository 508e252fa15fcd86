/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How 'tier-hint auto' goes about it unless it is told otherwise; the simulator's guests do likewise.
 */
#ifndef TIER_HINT_AUTO_H
#define TIER_HINT_AUTO_H

#define AUTO_SAMPLE_MS 200u   /* between looks of DAMON's; */
#define AUTO_LOOKS 20u        /* after so many it tells what it found, */
#define AUTO_MAX_REGIONS 500u /* of so many regions */
#define AUTO_INTERVAL_S 4     /* between batches of hints: as often as DAMON tells something */
#define AUTO_HOT_PERCENT 25
#define AUTO_COLD_AFTER_S 120
#define AUTO_AGAIN_S 120u /* half of the time after which the host forgets a hint that nothing confirms */

#endif /* TIER_HINT_AUTO_H */
