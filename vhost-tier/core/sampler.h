/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which granules of a region to watch, when to look at them, and what that may cost. Pure: time is passed
 * in, and what is random has a seed; watcher.h carries out what it says.
 *
 * Theory of operation
 *
 * An armed page costs the guest one fault when it is next touched, and nothing until then. So an armed
 * page is left armed: it gives one sample of the time to its next access, for one fault. Looking costs
 * the guest nothing, and the host little, so it is looked at again and again, at intervals that double from
 * some milliseconds to a second, or more where much is armed; each look tells, of the pages that were still
 * armed at the look before, whether they were touched in between. Hot pages answer in the first look, cold ones after
 * seconds, idle ones never, and so one mechanism tells rates apart over four decades, without choosing an
 * interval for any of them. (Disarming what was not touched would save little: the page has lost its
 * place in the nested page table, and its next touch faults all the same. Under an emulated host, a fault
 * on an armed page took 41 us, one on a page that had been disarmed 32 us.)
 *
 * What there is to choose is which pages to arm again, since each costs a fault, and each run of pages
 * that are armed together one more (the flush). Of a few blocks of 64 granules drawn at random the one is
 * armed where a fault tells most: by the uncertainty of its granules, plus a little for the time since it
 * was last armed, so that all are looked at in the end, and much where heat is known to have changed
 * since. Of that block, those granules are left out that somebody else watches, or (unless heat has
 * changed) that are known far better than the others.
 *
 * The budget is a bucket of nanoseconds of guest time. Arming is paid for in advance, by the share of
 * armed pages that lately were touched within a second; a second later it is settled by what was touched.
 * Pages touched after that are paid for when seen, out of what is saved: a guest that wakes up, all of which is armed,
 * is looked at at once. A debt is paid off before anything else is armed.
 *
 * The share of guest time that watching may cost holds over minutes: what is not spent while all is known
 * is saved, for up to SAMPLER_SAVED_NS, and may be spent up to SAMPLER_BURST times as fast (but for no
 * more than SAMPLER_BURST_MAX of guest time) where much is unknown: of a new guest, or where heat has
 * moved. The emptier the bucket, the more must be told for a fault. A bucket begins full. A small part of
 * the share, SAMPLER_PROBE_SHARE, is always spent, on blocks drawn at random, whatever is known of them:
 * so it is noticed when heat has moved.
 *
 * Another part, SAMPLER_DRAW_SHARE or what SAMPLER_DRAWS_PER_S granules cost, goes into trials (trials.h), or
 * SAMPLER_DRAW_LEAST where the bucket is nearly empty: SAMPLER_DRAWN granules in a row of a block drawn at random, of
 * which nobody is told but those who foretell. So what is planned does not depend on them. It ends where looks have
 * become seldom: what was not touched by then is watched on like the rest, or nobody would hear of it when it turns
 * hot.
 */
#ifndef VHOST_TIER_CORE_SAMPLER_H
#define VHOST_TIER_CORE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLER_BLOCK_GRANULES 64
#define SAMPLER_NONE SIZE_MAX
#define SAMPLER_SAVED_NS 60000000000ull /* what a guest of some GiB needs to be looked at once */
#define SAMPLER_BURST 5
#define SAMPLER_BURST_MAX 0.05
#define SAMPLER_PROBE_SHARE 0.15
#define SAMPLER_DRAW_SHARE 0.15
#define SAMPLER_DRAW_LEAST 0.05     /* of the share, where the bucket is nearly empty */
#define SAMPLER_DRAWN 8             /* granules: neighbours tell the same, but armed alone each costs twice */
#define SAMPLER_DRAWS_PER_S 512     /* granules: how near trials come depends on their number, whatever the VM's size */
#define SAMPLER_LOOKS_PER_S 16384.0 /* a look takes the host some microseconds */

/* What watching may cost, and has cost; one for all regions of a VM. */
typedef struct SamplerBudget {
    double share;            /* of guest time that may be lost, */
    double cpus;             /* of which so much passes at a time */
    double looks_per_s;      /* that the host may spend on blocks that were looked at often; the first are besides */
    uint64_t fault_ns;       /* lost by one touch of an armed page */
    double tokens_ns;        /* that may be spent; negative: a debt */
    double burst_ns;         /* that may be spent now, whatever was saved */
    double probe_ns;         /* that is to be spent on blocks at random */
    double draw_ns;          /* and on whole ones, for trials */
    double hit_share;        /* of the pages that were armed, those touched within a second, lately */
    uint64_t refilled_ns;    /* time of the last refill */
    uint64_t lost_ns;        /* guest time lost, since the start */
    uint64_t window_ns;      /* begin of the second that is being measured, */
    uint64_t window_lost_ns; /* lost_ns then, */
    double lost_share;       /* and the share lost in the second before it */
} SamplerBudget;

void sampler_budget_init(SamplerBudget *budget, double share, uint64_t fault_ns, uint64_t now_ns);
/* The guest keeps so many CPUs busy; 1 at first. What is no number above 0 changes nothing. */
void sampler_budget_set_cpus(SamplerBudget *budget, double cpus);
/* So many looks a second, instead of SAMPLER_LOOKS_PER_S. What is no number above 0 changes nothing. */
void sampler_budget_set_looks(SamplerBudget *budget, double per_s);
/* Earn what the time since the last call is worth. */
void sampler_budget_refill(SamplerBudget *budget, uint64_t now_ns);
/* Whether something may be armed now; whether that is to be at random; and else what it must be worth. */
bool sampler_budget_allows(const SamplerBudget *budget);
bool sampler_budget_probes(const SamplerBudget *budget);
/* Whether a block is to be drawn for a trial (trials.h), which is seldom while the budget is all but spent. */
bool sampler_budget_draws(const SamplerBudget *budget);
double sampler_budget_price(const SamplerBudget *budget);
/* When something can be armed again, given that nothing else is spent: @now_ns or later. */
uint64_t sampler_budget_ready_ns(const SamplerBudget *budget, uint64_t now_ns);

typedef struct Sampler Sampler;

/*
 * For @n_granules granules, each of which costs @faults_per_granule faults when touched. @budget is not
 * owned.
 */
Sampler *sampler_new(size_t n_granules, unsigned faults_per_granule, SamplerBudget *budget, uint64_t seed);
void sampler_free(Sampler *sampler);

/* Bytes that it takes: 56 for each block. */
size_t sampler_bytes(const Sampler *sampler);
size_t sampler_blocks(const Sampler *sampler);
/* The granules of a block, 64 but for the last. */
unsigned sampler_block_size(const Sampler *sampler, size_t block);

/*
 * The next block that is due to be looked at, or SAMPLER_NONE; and when that will be the case
 * (UINT64_MAX: never).
 */
size_t sampler_due(const Sampler *sampler, uint64_t now_ns);
uint64_t sampler_due_ns(const Sampler *sampler);

/* Heat has changed (steady.h): what was learned before @now_ns is to be learned again. */
void sampler_changed(Sampler *sampler, uint64_t now_ns);
/* Which granules of a block are being watched (bit i: its i-th), and since when none of them was touched. */
uint64_t sampler_watched(const Sampler *sampler, size_t block, uint64_t *since_ns);
/* Those of them that are watched for a trial alone, as yet. */
uint64_t sampler_trial(const Sampler *sampler, size_t block);
/*
 * A look at @now_ns found @touched of the watched ones touched: these are watched no more, the others go
 * on.
 */
void sampler_looked(Sampler *sampler, size_t index, uint64_t touched, uint64_t now_ns);

/* What knowing more of a block's granules is worth, see policy_uncertainty(); 0: not to be watched. */
typedef void SamplerScore(void *opaque, size_t block, uint8_t *score);
/*
 * The block that is best armed next, or SAMPLER_NONE if nothing is left to be armed; *@granules are those
 * of it that should be (bit i: its i-th), none of which is being watched, and *@worth is how much a fault
 * tells.
 */
size_t sampler_pick(Sampler *sampler, SamplerScore *score, void *opaque, uint64_t now_ns,
                    uint64_t *granules, double *worth);
/* The same for a probe: one drawn at random, SAMPLER_NONE if there is nothing to be armed there. */
size_t sampler_probe(Sampler *sampler, SamplerScore *score, void *opaque, uint64_t *granules);
/*
 * A block at random, and SAMPLER_DRAWN of its granules in a row: what is armed of it next is for a trial, and tells
 * nothing about what to arm, and when to look.
 */
size_t sampler_draw(Sampler *sampler, uint64_t *granules);
/* They were armed, just after the block had been looked at if some of it was watched. */
void sampler_armed(Sampler *sampler, size_t index, uint64_t granules, uint64_t now_ns);
/* The block can't be armed now; it is left alone for a while, as if it had been. */
void sampler_refused(Sampler *sampler, size_t index, uint64_t now_ns);

/* Nothing is armed any more. */
void sampler_reset(Sampler *sampler);

#endif /* VHOST_TIER_CORE_SAMPLER_H */
