/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trials: how hot memory is that is estimated to be so and so hot.
 *
 * Theory of operation
 *
 * The heat map ranks granules; what it says of their rates is crude. A page that was touched once and is looked at
 * no more for a while, one that stays where it is because it looked hot by chance, one that is touched in the
 * shortest interval, one that was never looked at: each is off in its own way. So now and then some granules are drawn
 * at random and watched from the same moment on, whatever is known of them, and what is seen is noted down by what they
 * were estimated at in that moment (their stratum). Nothing that happens later changes who is counted where, so this is
 * fair whatever the estimates are made of.
 *
 * Seen is, of each granule, that its first touch came after one look and before the next, or not yet. What follows of
 * the rates is told by strata.h, where they differ as the estimates do, and by kinds.h, where there are but a few.
 *
 * What is noted down loses half its weight each TRIALS_HALF_LIFE_NS. When heat has changed, all that was seen before is
 * in doubt: other pages may be hot, which changes nothing here, or memory may be of another nature. So it counts until
 * what is seen since contradicts it: until, of pages that are estimated alike, clearly more, or fewer, are touched than
 * were then (the log-rank test: Mantel, 1966; Peto and Peto, 1972).
 */
#ifndef VHOST_TIER_CORE_TRIALS_H
#define VHOST_TIER_CORE_TRIALS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIALS_BLOCK 64u                /* granules of which some are watched together */
#define TRIALS_STRATA 64u
#define TRIALS_HALF_LIFE_NS 60000000000ull
#define TRIALS_DOUBT_BEFORE 2.0         /* of a rate as it is estimated, in octaves */
#define TRIALS_OPEN_MAX 2048u           /* blocks under way; beyond that the oldest are taken for what they are */

typedef struct Trials Trials;

Trials *trials_new(void);
void trials_free(Trials *trials);

/*
 * The granules in @granules of block @block (any number that is its own) are watched from @now_ns on; granule i is
 * of stratum @strata[i] and counts as @pages pages, which share what touches it. One that is under way there ends.
 */
void trials_begin(Trials *trials, uint64_t block, uint64_t granules, const uint8_t strata[TRIALS_BLOCK], double pages,
                  uint64_t now_ns);
/* A look at @block at @now_ns found these granules touched since the look before. Any block may be told of. */
void trials_look(Trials *trials, uint64_t block, uint64_t touched, uint64_t now_ns);
/*
 * Nothing is watched any more. What was seen stays, but that something was not touched after @until_ns tells nothing:
 * who might have touched it may have idled.
 */
void trials_end(Trials *trials, uint64_t until_ns);
/* Heat has changed: what was seen so far may hold no more. */
void trials_changed(Trials *trials);
/* Forget what was seen before heat changed, if what was seen since contradicts it, as of @now_ns. */
void trials_check(Trials *trials, uint64_t now_ns);

/* How many granules were watched, as of @now_ns: older ones count less. */
double trials_weight(const Trials *trials, uint64_t now_ns);

/* What was seen of granules, some @weight of them: touched between two times, or (@until_s 0) not until @from_s. */
typedef struct TrialsSeen {
    double weight, from_s, until_s;     /* times are of one page that is watched: those of a granule, by its pages */
} TrialsSeen;

#define TRIALS_SEEN_MAX 72u

/* What was seen of a stratum as of @now_ns, older trials weighing less; returns how many. */
size_t trials_seen(const Trials *trials, unsigned stratum, uint64_t now_ns, TrialsSeen seen[TRIALS_SEEN_MAX]);

#endif /* VHOST_TIER_CORE_TRIALS_H */
