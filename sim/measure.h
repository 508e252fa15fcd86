/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read off the points of a run.
 */
#ifndef VHOST_TIER_SIM_MEASURE_H
#define VHOST_TIER_SIM_MEASURE_H

#include "run.h"

/*
 * How long after a change at @changed_ns it took to come to 90 % of what was to be won back, in seconds.
 * @end_ns is the next change, or the end of the run.
 *
 * Of the points in between, the first is 'right after', and the mean of those in the last quarter is 'what it
 * then came to'. The line lies 90 % of the way up. Reached is it when the mean over the last second (or since
 * the change, where that is less) is on the line or above, and stays so for two seconds. Where that never
 * comes: all the time until @end_ns. NaN where there are fewer than eight points, or less than MEASURE_LEAST
 * to be won back.
 */
double measure_time_to_90(const RunPoint *points, size_t n, uint64_t changed_ns, uint64_t end_ns);

#define MEASURE_LEAST 0.01              /* of the hit ratio */

#endif /* VHOST_TIER_SIM_MEASURE_H */
