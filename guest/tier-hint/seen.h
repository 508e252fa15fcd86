/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen of programs' memory, by blocks of 2 MiB, and what of it is worth telling. Pure: no clock, no system
 * call.
 *
 * Theory of operation: of each block it is kept in which part of the looks at it, since it was last judged, it was
 * found used. With k of n looks that is a rate of -ln(1 - k/n) a look, since a look can't tell one access from many.
 * Hot is what has twice the mean rate of all memory that is there, or more: where all is used alike nothing is hot,
 * however busy it is. Cold is what was told as hot and has fallen below the mean, and what was not used for long. A
 * guest gains by what it tells first, not by what it repeats: so the same is told again only after some time, in
 * which the host may have forgotten it.
 */
#ifndef TIER_HINT_SEEN_H
#define TIER_HINT_SEEN_H

#include <glib.h>
#include <stdint.h>

#define SEEN_BLOCK_BYTES (UINT64_C(2) << 20)

typedef struct Seen Seen;

typedef struct SeenRange {
    uint64_t space; /* whose addresses these are: a process */
    uint64_t start, end;
} SeenRange;

typedef struct SeenRule {
    unsigned hot_percent;  /* what is used in a lesser part of the looks at it is not hot, whatever the mean */
    uint64_t cold_after_s; /* so long after it was used last memory is cold */
    uint64_t again_s;      /* after so long the same is told again */
} SeenRule;

/*
 * Memory at @ranges (of SeenRange, no two of which share a block), which are copied. What @before (may be NULL) knows
 * of it is taken over; the rest was last used now. For the caller to free.
 */
Seen *seen_new(const GArray *ranges, const Seen *before, uint64_t now_s);
void seen_free(Seen *seen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Seen, seen_free)

/*
 * Of @looks at @range, which were spread over some time and all of it, @used found it used. Other addresses are passed
 * over.
 */
void seen_note(Seen *seen, const SeenRange *range, unsigned used, unsigned looks, uint64_t now_s);

/*
 * Append to @hot and @cold (of SeenRange) what is to be told as such by what was noted since this was last called. Of
 * the ranges, @there_bytes have memory now: the rest is not used, and is no part of what the mean is taken over.
 */
void seen_tell(Seen *seen, const SeenRule *rule, uint64_t there_bytes, uint64_t now_s, GArray *hot, GArray *cold);

#endif /* TIER_HINT_SEEN_H */
