/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit of hints; hint-audit.h has the theory.
 */
#include "hint-audit.h"

#include <glib.h>

#define PAGE_BYTES 4096
#define START_WEIGHT 8.0            /* so much do the sums weigh at the start, at HINT_TRUST_START */
#define TOLD_WEIGHT 32.0            /* and what others say */
#define KEPT_START 0.9              /* so often granules are taken to stay as they were known to be, at the start */
#define MEMORY 96.0                 /* weight at which old verdicts fade as fast as new ones come */
#define APART LOG2_ONE              /* hot and cold that are closer can't be told apart */
#define APART_MAX (6 * LOG2_ONE)    /* a cold page may be touched by chance: it is taken for no colder than that */
#define ONCE (4 * LOG2_ONE)         /* one piece of evidence counts for no more */
#define OPEN_SLOTS 8u               /* a claim is looked at for 14 to 16 s */
#define UNPROVED 0.25               /* of a verdict: a claim that was followed, and taken back before evidence told */
#define LEAST_SKILL (-16.0)         /* from there trust can come back */
#define SURE ((int64_t)HINT_SURE)
#define LOG2_E_1024 1477            /* LOG2_ONE * log2(e) */

void hint_audit_init(HintAudit *audit)
{
    *audit = (HintAudit){0};
}

static bool score_valid(const HintScore *score)
{
    return score->weight >= 0 && score->weight <= 1e6 && score->skill >= -1e6 && score->skill <= score->weight;
}

bool hint_audit_valid(const HintAudit *audit)
{
    const int64_t most = (int64_t)64 * LOG2_ONE;

    return score_valid(&audit->hot) && score_valid(&audit->cold) && score_valid(&audit->kept) &&
           audit->hot_share >= 0 && audit->hot_share <= 1 && audit->hot_rate <= most && audit->hot_rate >= -most &&
           audit->cold_rate <= most && audit->cold_rate >= -most;
}

bool hint_sample_valid(const HintSample *sample)
{
    return sample->claim <= HINT_CLAIM_COLD && sample->foretold <= HINT_CLAIM_COLD && sample->ratio >= -SURE &&
           sample->ratio <= SURE;
}

/* Of one kind of claims: until much is known of it, what is known of both stands for it. */
static double trust_of(const HintScore *score, double both)
{
    return CLAMP((score->skill + both * START_WEIGHT) / (score->weight + START_WEIGHT), 0, 1);
}

double hint_audit_trust(const HintAudit *audit)
{
    const HintScore both = {audit->hot.skill + audit->cold.skill, audit->hot.weight + audit->cold.weight};
    const double trust = trust_of(&both, HINT_TRUST_START);

    return MIN(trust_of(&audit->hot, trust), trust_of(&audit->cold, trust));
}

void hint_audit_set_trust(HintAudit *audit, double trust)
{
    /* What makes hint_audit_trust() that of scores that are equal, but at its very ends. */
    const double both = 2 * TOLD_WEIGHT + START_WEIGHT;
    const double start = HINT_TRUST_START * START_WEIGHT * START_WEIGHT / both;
    const double skill = (trust * (TOLD_WEIGHT + START_WEIGHT) - start) / (1 + 2 * START_WEIGHT / both);

    audit->hot = audit->cold = (HintScore){.skill = MIN(skill, TOLD_WEIGHT), .weight = TOLD_WEIGHT};
}

bool hint_audit_can_tell(const HintAudit *audit)
{
    return audit->hot_share > 0 && audit->hot_rate - audit->cold_rate >= (int64_t)APART;
}

/* log2 of what is to be counted of a unit in 2^@seconds if it is hot, and if it is cold. */
static void expect(const HintAudit *audit, uint32_t unit_bytes, Log2 seconds, Log2 *hot, Log2 *cold)
{
    const Log2 size = log2_of((double)unit_bytes / PAGE_BYTES) + seconds;

    *hot = (Log2)audit->hot_rate + size;
    *cold = (Log2)MAX(audit->cold_rate, audit->hot_rate - (int64_t)APART_MAX) + size;
}

/* What it says to count nothing where 2^@hot or 2^@cold were expected. */
static Log2 ratio_of_none(Log2 hot, Log2 cold)
{
    return (Log2)(-MIN((log2_value(hot) - log2_value(cold)) * LOG2_E_1024, ONCE));
}

Log2 hint_ratio_of_bit(const HintAudit *audit, const LogTables *tables, uint32_t unit_bytes, Log2 interval, bool set)
{
    Log2 hot, cold;

    if (!hint_audit_can_tell(audit)) {
        return 0;
    }
    expect(audit, unit_bytes, interval, &hot, &cold);
    if (!set) {
        return ratio_of_none(hot, cold);
    }
    /* The chance of any in m expected is m over the number that a set bit stands for (log2_hits()). */
    return MIN((hot - log2_hits(tables, hot)) - (cold - log2_hits(tables, cold)), ONCE);
}

Log2 hint_ratio_of_count(const HintAudit *audit, uint32_t unit_bytes, double counted, Log2 exposure)
{
    Log2 hot, cold;

    if (!hint_audit_can_tell(audit)) {
        return 0;
    }
    expect(audit, unit_bytes, exposure, &hot, &cold);
    return (Log2)CLAMP(counted * (hot - cold) - (log2_value(hot) - log2_value(cold)) * LOG2_E_1024, -ONCE, ONCE);
}

HintSample *hint_sample_at(HintSample *samples, uint64_t unit)
{
    /* The finalizer of MurmurHash3 (Appleby, 2011). */
    unit = (unit ^ unit >> 33) * 0xff51afd7ed558ccdull;
    unit = (unit ^ unit >> 33) * 0xc4ceb9fe1a85ec53ull;
    return &samples[(unit ^ unit >> 33) % HINT_SAMPLES];
}

bool hint_sample_open(const HintSample *sample, uint64_t slot)
{
    return sample->claim != HINT_CLAIM_NONE && slot - MIN(sample->since, slot) < OPEN_SLOTS;
}

HintSample *hint_sample_begin(HintSample *samples, const HintSample *claim)
{
    HintSample *sample = hint_sample_at(samples, claim->unit);

    if (hint_sample_open(sample, claim->since) || sample->since == claim->since) {
        return NULL;
    }
    *sample = *claim;
    return sample;
}

static void score_add(HintScore *score, double skill, double weight)
{
    const double kept = 1 - weight / MEMORY;

    score->skill = MAX(score->skill * kept + skill, LEAST_SKILL);
    score->weight = score->weight * kept + weight;
}

/* The chance that the claim comes true anyway. */
static double chance_of(const HintAudit *audit, const HintSample *sample)
{
    const double kept = (audit->kept.skill + KEPT_START * START_WEIGHT) / (audit->kept.weight + START_WEIGHT);

    if (sample->foretold == HINT_CLAIM_NONE) {
        return sample->claim == HINT_CLAIM_HOT ? audit->hot_share : 1 - audit->hot_share;
    }
    return sample->foretold == sample->claim ? kept : 1 - kept;
}

static HintScore *score_of(HintAudit *audit, const HintSample *sample)
{
    return sample->claim == HINT_CLAIM_HOT ? &audit->hot : &audit->cold;
}

static void judge(HintAudit *audit, const HintSample *sample, HintClaim truth)
{
    const double chance = chance_of(audit, sample);

    score_add(score_of(audit, sample), (truth == sample->claim) - chance, 1 - chance);
    if (sample->foretold != HINT_CLAIM_NONE) {
        score_add(&audit->kept, truth == sample->foretold, 1);
    }
    audit->checked++;
    audit->right += truth == sample->claim;
}

void hint_sample_add(HintAudit *audit, HintSample *sample, Log2 ratio)
{
    sample->ratio = CLAMP(sample->ratio + ratio, -SURE, SURE);
    if (ABS(sample->ratio) == SURE) {
        judge(audit, sample, sample->ratio > 0 ? HINT_CLAIM_HOT : HINT_CLAIM_COLD);
        sample->claim = HINT_CLAIM_NONE;
    }
}

void hint_sample_withdraw(HintAudit *audit, HintSample *sample)
{
    score_add(score_of(audit, sample), 0, UNPROVED * (1 - chance_of(audit, sample)));
    sample->claim = HINT_CLAIM_NONE;
    audit->checked++;
}
