/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true of a guest's placement: its own exact count of visits to each page, times where the kernel
 * says that page lies. Pure: watch.h takes the samples.
 *
 * Between two samples, the share of visits that hit the fast tier is
 *
 *     sum over pages (visits * share of the time that the page lay on node 0) / sum over pages (visits)
 *
 * where a page that lay on node 0 in one sample only counts half. It is over the guest's working area; the
 * bytes per node are of all its RAM. A move is a page on another node than in the sample before; it is undone
 * when the page is back within 10 s.
 */
#ifndef LAB_OBSERVER_TRUTH_H
#define LAB_OBSERVER_TRUTH_H

#include <glib.h>
#include <stdint.h>

#include "guest/guest-abi.h"

#define TRUTH_NODES    2            /* node 0 is the fast one */
#define TRUTH_UNDONE_S 10

typedef struct TruthInterval {
    double from_s, to_s;            /* since truth_new() */
    double visits, hits;            /* of the working area; hits: on node 0 */
    uint64_t node_bytes[TRUTH_NODES]; /* all RAM, at the end */
    /* all RAM; lower bounds: a page that went and came back in between is not seen */
    uint64_t moved_bytes;
    uint64_t undone_bytes;
    double estimated;               /* the daemon's own estimate, set by the caller; NaN: none */
} TruthInterval;

typedef struct Truth Truth;

/*
 * Begin with the first sample, at time 0: @counts of the @pages pages of the working area (GUEST_BASE_ADDR
 * and up), which takes @burst accesses a visit, and @nodes (placement.h) of the @ram_pages pages of all RAM.
 * Both are copied. Freed with truth_free().
 */
Truth *truth_new(size_t ram_pages, size_t pages, unsigned burst, const uint32_t *counts, const int8_t *nodes);
void truth_free(Truth *truth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Truth, truth_free)

/*
 * Add a sample, taken at @at_s, and with it an interval since the last one. Returns that (owned by @truth,
 * until the next).
 */
TruthInterval *truth_add(Truth *truth, double at_s, const uint32_t *counts, const int8_t *nodes);

/* How many intervals there are so far. */
guint truth_length(const Truth *truth);
/*
 * Intervals first..end-1 as one: visits, hits and bytes moved added up, 'estimated' averaged over those that
 * have one.
 */
TruthInterval truth_sum(const Truth *truth, guint first, guint end);

/* Of @interval: share of visits that hit node 0; the guest's accesses a second. */
double truth_hit_ratio(const TruthInterval *interval);
double truth_accesses_per_s(const Truth *truth, const TruthInterval *interval);

/* From now on count for truth_oracle(). */
void truth_mark(Truth *truth);
/*
 * The best hit ratio since truth_mark() that any @bytes of the working area, placed once and for all, could
 * have had.
 */
double truth_oracle(const Truth *truth, uint64_t bytes);

#endif /* LAB_OBSERVER_TRUTH_H */
