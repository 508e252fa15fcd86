/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether heat has changed: how badly what access bits tell was foretold.
 *
 * A page of a known rate r, watched for a time t, was to be found touched with the chance p = 1 - exp(-r
 * t). What is found is as surprising as it was unlikely: -log p, or -log(1 - p). On average that is the
 * entropy of the guess if what is known still holds, and more the more pages have changed. What has added
 * up above that, and above what is usual (as rates are known roughly only), is held against its standard
 * deviation, which is how far it would be off by chance.
 */
#ifndef VHOST_TIER_CORE_SURPRISE_H
#define VHOST_TIER_CORE_SURPRISE_H

#include <stdbool.h>

#define SURPRISE_GUESSES 256    /* that count: some blocks of pages, in which a hot set that moved shows */
#define SURPRISE_USUAL 2048     /* in so many guesses it is learned what is usual */
/* So many standard deviations are no chance; a hot set of a fourteenth of all that moved makes six. */
#define SURPRISE_CHANGED 4.0

typedef struct Surprise {
    double guesses, excess, variance;   /* sums over the last guesses; all zero: none yet */
    double usual;                       /* excess of a guess, lately */
} Surprise;

/* A page of rate @per_s (accesses per second) was watched for @seconds and was @touched, or not. */
void surprise_add(Surprise *surprise, double per_s, double seconds, bool touched);
/* Whether heat has changed; if so the guesses are forgotten, and it begins anew. */
bool surprise_changed(Surprise *surprise);

#endif /* VHOST_TIER_CORE_SURPRISE_H */
