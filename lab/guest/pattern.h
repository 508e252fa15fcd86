/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access patterns: which page is visited next. Pure: no clock, no I/O; the same options give the same
 * sequence.
 */
#ifndef LAB_GUEST_PATTERN_H
#define LAB_GUEST_PATTERN_H

#include "options.h"
#include "random.h"
#include "zipf.h"

typedef struct Pattern {
    const Options *options;
    Random random;
    uint32_t pages;
    uint32_t hot_pages;         /* at least 1 and less than 'pages' */
    uint64_t share;             /* of 2^32: visits that go to the hot set */
    uint32_t active;            /* PatternKind that pages are drawn by now */
    uint32_t phase;             /* GuestHeader.phase */
    bool idle;                  /* no visits now */
    uint32_t scan;              /* where the sequential scan is */
    uint32_t hot_blocks;        /* subpage-skew: 2 MiB blocks with a hot page */
    Permutation place;          /* of pages: the first hot_pages of it are the hot set; by Zipf rank */
    Permutation block_place;    /* of 2 MiB blocks */
    Zipf zipf;
} Pattern;

/*
 * Prepare for @pages pages (2 or more). @options must live as long as @pattern; not pattern=list, which
 * draws nothing. Uses the FPU: not between MMX instructions.
 */
void pattern_init(Pattern *pattern, const Options *options, uint32_t pages);
/* Tell the time, in whole seconds since the start: phases change by it. */
void pattern_second(Pattern *pattern, uint32_t second);
/* The page (0..pages-1) to visit next; meaningless while idle. */
uint32_t pattern_next(Pattern *pattern);

#endif /* LAB_GUEST_PATTERN_H */
