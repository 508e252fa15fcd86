/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sampling engine's decisions; sampler.h has the theory.
 */
#include "sampler.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define MS 1000000ull
#define SECOND (1000 * MS)

/*
 * Looks come LEVEL_NS(level) after the one before; a block enters at a level that adapts, and rises by
 * one with each look.
 */
#define LEVELS 20
#define LEVEL_NS(level) (1 * MS << (level)) /* 1 ms .. 524 s */
#define FIRST_LEVEL_MIN 1
#define FIRST_LEVEL 3
#define FIRST_LEVEL_MAX 8
#define LAST_LEVEL_MIN 10 /* 1 s */

/*
 * Where more than this share of what was armed is touched by the first look, looks begin earlier; where
 * less, later.
 */
#define FIRST_LOOK_MANY 0.5
#define FIRST_LOOK_FEW 0.02

#define CANDIDATES 16 /* blocks that compete to be armed */
/* what arming a run of pages costs the guest at once (its vCPUs are stopped for a moment), in faults */
#define ARM_FAULTS 1
#define PICKED_BELOW 48 /* granules with a score so much below the block's highest are left out: an eighth */
/*
 * Added to a block's worth for each second that it was not armed. What is well known is looked at again
 * after some minutes: what changes is told by those that are not, and by the heat's own ageing.
 */
#define AGE_WORTH_PER_S 0.1
#define AGE_MAX_S 1000.0
#define CHANGED_WORTH 254.0 /* added where heat has changed since: what was known is as good as nothing */
#define PRICE_MIN 20.0 /* of a fault, in worth: below that the budget is left unspent; with nothing saved */
#define PRICE_MAX 120.0
#define DRAW_SAVED 0.125 /* of what can be saved: with less there is more to be learned than can be paid */
#define SETTLE_NS SECOND /* after arming */
#define LEARN 0.1        /* weight of one block in what is learned */
#define BURST_KEPT_NS (200 * MS) /* that much may be spent at once */
#define DEBT_MAX_S 10    /* a debt beyond so many seconds' earnings is forgiven: it must not blind for long */

typedef struct Block {
    uint64_t watched;   /* bit i: its i-th granule is armed, and was not seen touched since */
    uint64_t armed;     /* by the last arming */
    uint64_t trial;     /* of those watched, the ones that are for a trial alone */
    uint64_t looked_ns; /* last look, or arming */
    uint64_t armed_ns;  /* last arming; 0: never */
    float prepaid;      /* faults paid for and not yet seen; negative once settled */
    uint8_t n_touched;  /* since the last arming, of 'armed' */
    uint8_t level;
    bool queued;
    bool drawn;         /* armed last for a trial */
    uint32_t next, prev; /* in the queue of its level */
} Block;

typedef struct Queue {
    uint32_t head, tail;
} Queue;

#define END UINT32_MAX

struct Sampler {
    SamplerBudget *budget;
    size_t n_granules;
    size_t n_blocks;
    unsigned faults_per_granule;
    unsigned first_level;
    size_t n_queued; /* blocks of which something is watched */
    double first_look_share; /* of the granules armed, those touched by the first look, lately */
    uint64_t random;
    uint64_t changed_ns; /* when heat last changed; 0: never */
    size_t drawn;        /* the block drawn last, for a trial; SAMPLER_NONE: the last draw was none */
    size_t cursor; /* takes part in every draw, so that each block does in the end */
    Block *blocks;
    Queue queues[LEVELS]; /* each in order of time, as all in it wait equally long */
};

/* Steele et al.'s SplitMix64: a fixed increment and two mixing multiplications. */
static uint64_t next_random(Sampler *sampler)
{
    uint64_t z = sampler->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* What may be spent in a nanosecond: on average, and for a while. */
static double income(const SamplerBudget *budget)
{
    return budget->share * budget->cpus;
}

/* And on trials. */
static double draw_income(const SamplerBudget *budget)
{
    const bool saved = budget->tokens_ns > DRAW_SAVED * income(budget) * SAMPLER_SAVED_NS;

    return MIN(income(budget) * (saved ? SAMPLER_DRAW_SHARE : SAMPLER_DRAW_LEAST),
               SAMPLER_DRAWS_PER_S * (double)budget->fault_ns / SECOND);
}

static double burst(const SamplerBudget *budget)
{
    return MAX(MIN(budget->share * SAMPLER_BURST, SAMPLER_BURST_MAX), budget->share) * budget->cpus;
}

void sampler_budget_init(SamplerBudget *budget, double share, uint64_t fault_ns, uint64_t now_ns)
{
    *budget = (SamplerBudget){
        .share = share,
        .cpus = 1,
        .looks_per_s = SAMPLER_LOOKS_PER_S,
        .fault_ns = MAX(fault_ns, 1),
        .tokens_ns = share * SAMPLER_SAVED_NS,
        .hit_share = 1, /* until learned, all that is armed is taken to be touched at once */
        .refilled_ns = now_ns,
        .window_ns = now_ns,
    };
}

void sampler_budget_refill(SamplerBudget *budget, uint64_t now_ns)
{
    double most = income(budget) * SAMPLER_SAVED_NS, most_now = burst(budget) * BURST_KEPT_NS;
    double least = -DEBT_MAX_S * income(budget) * SECOND;

    if (now_ns > budget->refilled_ns) {
        budget->tokens_ns += income(budget) * (now_ns - budget->refilled_ns);
        budget->burst_ns += burst(budget) * (now_ns - budget->refilled_ns);
        budget->probe_ns += income(budget) * SAMPLER_PROBE_SHARE * (now_ns - budget->refilled_ns);
        budget->draw_ns += draw_income(budget) * (now_ns - budget->refilled_ns);
        budget->refilled_ns = now_ns;
    }
    budget->tokens_ns = CLAMP(budget->tokens_ns, least, most);
    budget->burst_ns = CLAMP(budget->burst_ns, least, most_now);
    budget->probe_ns = MIN(budget->probe_ns, income(budget) * SAMPLER_PROBE_SHARE * SECOND);
    budget->draw_ns = MIN(budget->draw_ns, draw_income(budget) * SECOND);
    if (now_ns >= budget->window_ns + SECOND) {
        budget->lost_share =
            (double)(budget->lost_ns - budget->window_lost_ns) / (now_ns - budget->window_ns) / budget->cpus;
        budget->window_ns = now_ns;
        budget->window_lost_ns = budget->lost_ns;
    }
}

void sampler_budget_set_cpus(SamplerBudget *budget, double cpus)
{
    if (cpus > 0 && isfinite(cpus)) {
        budget->tokens_ns *= cpus / budget->cpus;
        budget->cpus = cpus;
    }
}

void sampler_budget_set_looks(SamplerBudget *budget, double per_s)
{
    if (per_s > 0 && isfinite(per_s)) {
        budget->looks_per_s = per_s;
    }
}

static void spend(SamplerBudget *budget, double ns)
{
    budget->tokens_ns -= ns;
    budget->burst_ns -= ns;
}

bool sampler_budget_allows(const SamplerBudget *budget)
{
    return budget->tokens_ns > 0 && budget->burst_ns > 0;
}

bool sampler_budget_probes(const SamplerBudget *budget)
{
    return budget->probe_ns > 0;
}

bool sampler_budget_draws(const SamplerBudget *budget)
{
    return budget->draw_ns > 0;
}

double sampler_budget_price(const SamplerBudget *budget)
{
    double saved = budget->tokens_ns / MAX(income(budget) * SAMPLER_SAVED_NS, 1);

    return PRICE_MAX - (PRICE_MAX - PRICE_MIN) * CLAMP(saved, 0, 1);
}

uint64_t sampler_budget_ready_ns(const SamplerBudget *budget, uint64_t now_ns)
{
    double wait_ns = 0;

    if (budget->tokens_ns <= 0) {
        wait_ns = 1 - budget->tokens_ns / income(budget);
    }
    if (budget->burst_ns <= 0) {
        wait_ns = MAX(wait_ns, 1 - budget->burst_ns / burst(budget));
    }
    return now_ns + MIN(wait_ns, DEBT_MAX_S * (double)SECOND);
}

Sampler *sampler_new(size_t n_granules, unsigned faults_per_granule, SamplerBudget *budget, uint64_t seed)
{
    Sampler *sampler = g_new0(Sampler, 1);

    sampler->budget = budget;
    sampler->n_granules = n_granules;
    sampler->n_blocks = (n_granules + SAMPLER_BLOCK_GRANULES - 1) / SAMPLER_BLOCK_GRANULES;
    sampler->faults_per_granule = faults_per_granule;
    sampler->random = seed;
    sampler->drawn = SAMPLER_NONE;
    sampler->blocks = g_new0(Block, sampler->n_blocks);
    sampler_reset(sampler);
    return sampler;
}

void sampler_free(Sampler *sampler)
{
    if (sampler) {
        g_free(sampler->blocks);
        g_free(sampler);
    }
}

size_t sampler_bytes(const Sampler *sampler)
{
    return sizeof(*sampler) + sampler->n_blocks * sizeof(Block);
}

size_t sampler_blocks(const Sampler *sampler)
{
    return sampler->n_blocks;
}

unsigned sampler_block_size(const Sampler *sampler, size_t block)
{
    return MIN(SAMPLER_BLOCK_GRANULES, sampler->n_granules - block * SAMPLER_BLOCK_GRANULES);
}

static uint64_t whole_block(const Sampler *sampler, size_t block)
{
    return UINT64_MAX >> (SAMPLER_BLOCK_GRANULES - sampler_block_size(sampler, block));
}

void sampler_reset(Sampler *sampler)
{
    for (size_t i = 0; i < sampler->n_blocks; i++) {
        sampler->blocks[i].watched = sampler->blocks[i].trial = 0;
        sampler->blocks[i].queued = false;
        sampler->blocks[i].prepaid = -1;
    }
    for (unsigned level = 0; level < LEVELS; level++) {
        sampler->queues[level] = (Queue){.head = END, .tail = END};
    }
    sampler->n_queued = 0;
    sampler->first_level = FIRST_LEVEL;
    sampler->first_look_share = (FIRST_LOOK_MANY + FIRST_LOOK_FEW) / 2;
}

static void queue_remove(Sampler *sampler, size_t index)
{
    Block *block = &sampler->blocks[index];
    Queue *queue = &sampler->queues[block->level];

    if (!block->queued) {
        return;
    }
    if (block->prev == END) {
        queue->head = block->next;
    } else {
        sampler->blocks[block->prev].next = block->next;
    }
    if (block->next == END) {
        queue->tail = block->prev;
    } else {
        sampler->blocks[block->next].prev = block->prev;
    }
    block->queued = false;
    sampler->n_queued--;
}

static void queue_append(Sampler *sampler, size_t index, unsigned level)
{
    Block *block = &sampler->blocks[index];
    Queue *queue = &sampler->queues[level];

    block->level = level;
    block->next = END;
    block->prev = queue->tail;
    block->queued = true;
    if (queue->tail == END) {
        queue->head = index;
    } else {
        sampler->blocks[queue->tail].next = index;
    }
    queue->tail = index;
    sampler->n_queued++;
}

/* The level up to which intervals grow: there, looks at all that is watched are as many a second as they may be. */
static unsigned last_level(const Sampler *sampler)
{
    unsigned level = LAST_LEVEL_MIN;

    while (level < LEVELS - 1 &&
           (double)LEVEL_NS(level) * sampler->budget->looks_per_s < (double)sampler->n_queued * SECOND) {
        level++;
    }
    return level;
}

/* The level whose first block is due first, or LEVELS if nothing is watched. */
static unsigned first_due(const Sampler *sampler, uint64_t *due_ns)
{
    unsigned first = LEVELS;

    *due_ns = UINT64_MAX;
    for (unsigned level = 0; level < LEVELS; level++) {
        uint32_t head = sampler->queues[level].head;

        if (head != END && sampler->blocks[head].looked_ns + LEVEL_NS(level) < *due_ns) {
            *due_ns = sampler->blocks[head].looked_ns + LEVEL_NS(level);
            first = level;
        }
    }
    return first;
}

size_t sampler_due(const Sampler *sampler, uint64_t now_ns)
{
    uint64_t due_ns;
    unsigned level = first_due(sampler, &due_ns);

    return level < LEVELS && due_ns <= now_ns ? sampler->queues[level].head : SAMPLER_NONE;
}

uint64_t sampler_due_ns(const Sampler *sampler)
{
    uint64_t due_ns;

    first_due(sampler, &due_ns);
    return due_ns;
}

void sampler_changed(Sampler *sampler, uint64_t now_ns)
{
    sampler->changed_ns = now_ns;
}

uint64_t sampler_watched(const Sampler *sampler, size_t block, uint64_t *since_ns)
{
    *since_ns = sampler->blocks[block].looked_ns;
    return sampler->blocks[block].watched;
}

uint64_t sampler_trial(const Sampler *sampler, size_t block)
{
    return sampler->blocks[block].trial;
}

/*
 * Pay for @faults that were seen, out of what was paid in advance as far as that goes, and for the rest out of what was
 * saved: it was not chosen to spend it now.
 */
static void pay(Sampler *sampler, Block *block, double faults)
{
    SamplerBudget *budget = sampler->budget;
    double in_advance = MIN(MAX(block->prepaid, 0), faults);

    budget->lost_ns += faults * budget->fault_ns;
    block->prepaid -= in_advance;
    budget->tokens_ns -= (faults - in_advance) * budget->fault_ns;
}

/* Of the granules that were armed last, those touched since. */
static double touched_share(const Block *block)
{
    return (double)block->n_touched / __builtin_popcountll(block->armed);
}

/* A second after arming: give back what was not needed, and learn how much is. */
static void settle(Sampler *sampler, Block *block, uint64_t now_ns)
{
    SamplerBudget *budget = sampler->budget;

    if (block->prepaid < 0 || now_ns < block->armed_ns + SETTLE_NS) {
        return;
    }
    spend(budget, -block->prepaid * budget->fault_ns);
    block->prepaid = -1;
    if (block->armed && !block->drawn) {
        budget->hit_share += LEARN * (touched_share(block) - budget->hit_share);
    }
}

/*
 * Begin to look earlier when the first look finds most pages touched (it can't tell them apart), later
 * when it finds none.
 */
static void adapt_first_look(Sampler *sampler, const Block *block)
{
    if (block->armed == 0 || block->drawn) {
        return;
    }
    sampler->first_look_share += LEARN * (touched_share(block) - sampler->first_look_share);
    if (sampler->first_look_share > FIRST_LOOK_MANY && sampler->first_level > FIRST_LEVEL_MIN) {
        sampler->first_level--;
    } else if (sampler->first_look_share < FIRST_LOOK_FEW && sampler->first_level < FIRST_LEVEL_MAX) {
        sampler->first_level++;
    } else {
        return;
    }
    sampler->first_look_share = (FIRST_LOOK_MANY + FIRST_LOOK_FEW) / 2;
}

void sampler_looked(Sampler *sampler, size_t index, uint64_t touched, uint64_t now_ns)
{
    Block *block = &sampler->blocks[index];
    unsigned n = __builtin_popcountll(touched & block->watched);
    unsigned n_of_armed = __builtin_popcountll(touched & block->watched & block->armed);
    bool first_look = block->looked_ns == block->armed_ns;

    queue_remove(sampler, index);
    block->watched &= ~touched;
    block->trial &= ~touched;
    block->looked_ns = now_ns;
    block->n_touched += n_of_armed;
    pay(sampler, block, (double)n * sampler->faults_per_granule);
    settle(sampler, block, now_ns);
    if (first_look) {
        adapt_first_look(sampler, block);
    }
    if (block->level >= LAST_LEVEL_MIN) {
        block->trial = 0;           /* it has told what it could; what it is for now is to be seen when it is touched */
    }
    if (block->watched) {
        queue_append(sampler, index, MIN(block->level + 1u, last_level(sampler)));
    } else {
        settle(sampler, block, block->armed_ns + SETTLE_NS);
    }
}

/* Runs of set bits: each is armed by itself. */
static unsigned runs(uint64_t granules)
{
    return __builtin_popcountll(granules & ~(granules << 1));
}

/* The scores of those granules of a block that are not being watched, 0 for others; returns the highest. */
static uint8_t idle_scores(const Sampler *sampler, size_t index, SamplerScore *score, void *opaque,
                           uint8_t scores[SAMPLER_BLOCK_GRANULES])
{
    uint64_t idle = whole_block(sampler, index) & ~sampler->blocks[index].watched;
    uint8_t highest = 0;

    memset(scores, 0, SAMPLER_BLOCK_GRANULES);
    if (idle) {
        score(opaque, index, scores);
    }
    for (unsigned i = 0; i < SAMPLER_BLOCK_GRANULES; i++) {
        scores[i] = idle >> i & 1 ? scores[i] : 0;
        highest = MAX(highest, scores[i]);
    }
    return highest;
}

/*
 * Which granules of a block to arm, and what a fault on them is worth: their mean score; negative if
 * there is nothing to be armed.
 */
static double block_worth(const Sampler *sampler, size_t index, SamplerScore *score, void *opaque,
                          uint64_t now_ns, uint64_t *granules)
{
    const Block *block = &sampler->blocks[index];
    const bool changed = block->armed_ns < sampler->changed_ns;
    double worth = changed ? CHANGED_WORTH : 0;
    double age_s = block->armed_ns ? (double)(now_ns - block->armed_ns) / SECOND : AGE_MAX_S;
    uint8_t scores[SAMPLER_BLOCK_GRANULES], highest = idle_scores(sampler, index, score, opaque, scores);
    unsigned n, sum = 0;

    *granules = 0;
    for (unsigned i = 0; i < SAMPLER_BLOCK_GRANULES; i++) {
        if (scores[i] > 0 && (changed || scores[i] + PICKED_BELOW >= highest)) {
            *granules |= 1ull << i;
            sum += scores[i];
        }
    }
    if (*granules == 0) {
        return -1;
    }
    n = __builtin_popcountll(*granules);
    worth += AGE_WORTH_PER_S * MIN(age_s, AGE_MAX_S);
    return (sum + worth * n) / (n + ARM_FAULTS * runs(*granules));
}

size_t sampler_probe(Sampler *sampler, SamplerScore *score, void *opaque, uint64_t *granules)
{
    uint8_t scores[SAMPLER_BLOCK_GRANULES];
    size_t block = next_random(sampler) % sampler->n_blocks;

    idle_scores(sampler, block, score, opaque, scores);
    *granules = 0;
    for (unsigned i = 0; i < SAMPLER_BLOCK_GRANULES; i++) {
        *granules |= scores[i] > 0 ? 1ull << i : 0;
    }
    sampler->budget->probe_ns -= (double)(__builtin_popcountll(*granules) * sampler->faults_per_granule +
                                          ARM_FAULTS * MAX(runs(*granules), 1)) * sampler->budget->fault_ns;
    sampler->drawn = SAMPLER_NONE;
    return *granules ? block : SAMPLER_NONE;
}

size_t sampler_draw(Sampler *sampler, uint64_t *granules)
{
    const unsigned first = next_random(sampler) % (SAMPLER_BLOCK_GRANULES / SAMPLER_DRAWN) * SAMPLER_DRAWN;

    *granules = UINT64_MAX >> (SAMPLER_BLOCK_GRANULES - SAMPLER_DRAWN) << first;
    sampler->budget->draw_ns -= (double)sampler->budget->fault_ns; /* also where all of it is watched already */
    sampler->drawn = next_random(sampler) % sampler->n_blocks;
    return sampler->drawn;
}

size_t sampler_pick(Sampler *sampler, SamplerScore *score, void *opaque, uint64_t now_ns,
                    uint64_t *granules, double *worth)
{
    size_t best = SAMPLER_NONE;

    sampler->drawn = SAMPLER_NONE;
    *worth = -1;
    *granules = 0;
    for (unsigned i = 0; i < MIN(CANDIDATES, sampler->n_blocks); i++) {
        size_t candidate = i == 0 ? sampler->cursor : next_random(sampler) % sampler->n_blocks;
        uint64_t chosen;
        double candidate_worth = block_worth(sampler, candidate, score, opaque, now_ns, &chosen);

        if (candidate_worth < 0 && i == 0) {
            sampler->cursor = (sampler->cursor + 1) % sampler->n_blocks;
        }
        if (candidate_worth > *worth) {
            best = candidate;
            *worth = candidate_worth;
            *granules = chosen;
        }
    }
    return best;
}

void sampler_armed(Sampler *sampler, size_t index, uint64_t granules, uint64_t now_ns)
{
    Block *block = &sampler->blocks[index];
    SamplerBudget *budget = sampler->budget;
    double expected, flushes = ARM_FAULTS * runs(granules);

    queue_remove(sampler, index);
    block->armed = granules & ~block->watched;
    block->n_touched = 0;
    block->watched |= granules;
    block->drawn = index == sampler->drawn;
    block->trial |= block->drawn ? block->armed : 0;
    block->armed_ns = block->looked_ns = now_ns;
    expected = __builtin_popcountll(block->armed) * sampler->faults_per_granule * budget->hit_share;
    spend(budget, (flushes + expected - MAX(block->prepaid, 0)) * budget->fault_ns);
    budget->lost_ns += flushes * budget->fault_ns;
    block->prepaid = expected;
    if (block->drawn) {
        budget->draw_ns -= (flushes + (double)__builtin_popcountll(block->armed) * sampler->faults_per_granule) *
                           (double)budget->fault_ns;
    }
    queue_append(sampler, index, sampler->first_level);
    if (index == sampler->cursor) {
        sampler->cursor = (sampler->cursor + 1) % sampler->n_blocks;
    }
}

void sampler_refused(Sampler *sampler, size_t index, uint64_t now_ns)
{
    sampler->blocks[index].armed_ns = now_ns;
    if (index == sampler->cursor) {
        sampler->cursor = (sampler->cursor + 1) % sampler->n_blocks;
    }
}
