/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit: what a guest's hints are worth, by the evidence that comes after them.
 *
 * Theory of operation
 *
 * A hint claims that a granule is hot, or that it is cold. Where evidence comes of a granule that a hint is
 * about, it is seen which of the two it bears out: whether it is likelier under the mean rate of the hottest
 * that fill the budget, or under that of the rest. Evidence of access bits, rates and limits adds to the
 * logarithm of that ratio, from 0 on, until it is sure to 32 : 1 (the sequential probability ratio test: Wald,
 * 1945). What evidence comes of first is the host's choice, not the guest's, and so nobody can have harmless
 * claims looked at instead of others. A claim that was followed, and that evidence does not foretell, goes
 * for one that was not proved where the guest takes it back, a quarter of a wrong one: else who does so soon enough was
 * never wrong. What is seen later says nothing of it: memory that was hot for a second is cold by then.
 *
 * To be right is no merit where chance is right as often, nor where evidence had known it all along. So a claim
 * is held against what was to be expected without it: that the granule stays as it was known to be, or, where
 * it was not seen yet, that it is as hot as any. (How often granules stay as they were is seen from the same
 * samples.) With c the chance that this made the claim come true, the hints' skill is
 *
 *     sum of (right - c) / sum of (1 - c)
 *
 * 1 if all claims are right, 0 if they are worth no more than what was known anyway (the skill score of weather
 * forecasting, against persistence: Murphy, 1988). Who calls everything hot, or hot cold and cold hot, ends at 0; who
 * repeats what is known has next to no weight in the sums. Claims of what is hot and of what is cold are judged
 * separately, and trust is the lesser of the two: truths about the one do not pay for lies about the other. (Only
 * where there are few claims of one kind do those of the other speak for them.)
 *
 * Older verdicts fade as new ones come, so trust that was lost comes back, slowly.
 *
 * A claim is judged by two looks at least, and for the second the guest may have to pay with a fault that else
 * it would not have had. So only few claims are looked at at a time: each granule has one place in a small
 * table, which it shares with others, and which takes up one claim in two seconds at most.
 */
#ifndef VHOST_TIER_CORE_HINT_AUDIT_H
#define VHOST_TIER_CORE_HINT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "logmath.h"

#define HINT_SAMPLES 32u
#define HINT_SURE (5 * LOG2_ONE)
#define HINT_TRUST_START 0.5
#define HINT_TRUST_LEAST 0.25                       /* hints that are worth less are ignored */

typedef enum HintClaim {
    HINT_CLAIM_NONE,
    HINT_CLAIM_HOT,
    HINT_CLAIM_COLD,
} HintClaim;

/* A claim that is being looked at. Words of 8 bytes only: a trace keeps it as it is. */
typedef struct HintSample {
    uint64_t unit;                      /* hint_unit() */
    uint64_t claim;                     /* a HintClaim; HINT_CLAIM_NONE: the place is free */
    uint64_t since;                     /* slot in which it was taken up */
    int64_t ratio;                      /* Log2: how much likelier hot is than cold, so far */
    uint64_t foretold;                  /* what it was known to be, as a HintClaim; HINT_CLAIM_NONE: it was not seen */
} HintSample;

/* Words of 8 bytes only. */
typedef struct HintScore {
    double skill, weight;               /* the sums above */
} HintScore;

/* Words of 8 bytes only: a trace keeps it as it is. */
typedef struct HintAudit {
    HintScore hot, cold;
    HintScore kept;                     /* of granules that were known to be the one or the other, those that were so */
    uint64_t checked, right;
    int64_t hot_rate, cold_rate;        /* Log2 per page: of the hottest that fill the budget, and of the rest */
    double hot_share;                   /* of what was seen: the hottest; 0: nothing is known of that yet */
} HintAudit;

void hint_audit_init(HintAudit *audit);
/* Whether values taken from outside can be used. */
bool hint_audit_valid(const HintAudit *audit);
bool hint_sample_valid(const HintSample *sample);

/* 0..1 */
double hint_audit_trust(const HintAudit *audit);
/* Hints are taken for worth @trust. */
void hint_audit_set_trust(HintAudit *audit, double trust);
/* Whether hot and cold differ so that they can be told apart. */
bool hint_audit_can_tell(const HintAudit *audit);

/* Names a granule of region @region, or a huge block. */
static inline uint64_t hint_unit(uint32_t region, bool huge, size_t granule)
{
    const uint64_t unit = (uint64_t)region << 32 | (uint32_t)granule;

    return huge ? ~unit : unit;
}

/*
 * What evidence of a unit of @unit_bytes says for hot against cold, as a Log2: an access bit of 2^@interval
 * seconds; or @counted accesses in 2^@exposure seconds. 0 where the two can't be told apart.
 */
Log2 hint_ratio_of_bit(const HintAudit *audit, const LogTables *tables, uint32_t unit_bytes, Log2 interval, bool set);
Log2 hint_ratio_of_count(const HintAudit *audit, uint32_t unit_bytes, double counted, Log2 exposure);

/* The place in @samples that may hold @unit. */
HintSample *hint_sample_at(HintSample *samples, uint64_t unit);
/* Whether a claim is being looked at in @slot; else there is none, or it is too old for that. */
bool hint_sample_open(const HintSample *sample, uint64_t slot);
/* Take up @claim, whose ratio is 0, if its place has none and had not in this slot. NULL where it is not taken up. */
HintSample *hint_sample_begin(HintSample *samples, const HintSample *claim);
/* Evidence of its unit came: @ratio. Judges the claim and frees the place when that suffices. */
void hint_sample_add(HintAudit *audit, HintSample *sample, Log2 ratio);

/* The guest takes the claim back, which was followed, and evidence has not told: nothing is proved. Frees the place. */
void hint_sample_withdraw(HintAudit *audit, HintSample *sample);

#endif /* VHOST_TIER_CORE_HINT_AUDIT_H */
