/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the planner share: planner.c (limits, results), plan-gather.c (who can be part of a
 * plan), plan-pair.c (who is).
 */
#ifndef VHOST_TIER_CORE_PLANNER_INTERNAL_H
#define VHOST_TIER_CORE_PLANNER_INTERNAL_H

#include "census.h"
#include "planner.h"

#define VICTIM_COPIES 2                 /* out, and back when it is wanted again */

/* A granule that may become a move. */
typedef struct Candidate {
    Log2 heat;                          /* per page, as judged */
    Log2 estimate;                      /* per page, undoubted */
    Log2 sure;                          /* per page, as judged by evidence alone */
    uint32_t map;
    uint32_t granule;
    uint8_t tier;
} Candidate;

struct Planner {
    Census census;
    GArray *candidates;                 /* Candidate, hottest first; only while a plan is made */
    GArray *victims;                    /* Candidate, coldest first; likewise */
    GArray *moves;                      /* PolicyMove */
    bool cut_short;                     /* the last plan left out what it had no allowance for */
    unsigned edge;                      /* bucket of the census down to which the hottest fill the budget */
};

/* One planning. Worth and prices are in nanoseconds, per page, over heat_life. */
typedef struct Job {
    Planner *planner;
    HeatMap *const *maps;
    size_t n_maps;
    double saved_ns;                    /* on one touch in tier 0 rather than tier 1; below 0: it is slower */
    double worth;                       /* of one touch per second in the faster of the two */
    double margin;                      /* see brake.h */
    double price_4k, price_2m;          /* of a copy, times the margin */
    uint64_t room;                      /* bytes of tier 0 that are free within the budget */
    uint64_t excess;                    /* bytes of tier 0 above the budget */
    double reserve_per_s;               /* what the first free page of tier 0 is worth, as accesses a second; */
    uint64_t reserve_bytes;             /* one more is worth less, and none beyond so many bytes */
    uint64_t keep;                      /* bytes of the allowance that are left for what may follow */
    double all_per_s;                   /* touches that all memory is estimated to have; */
    double load_room;                   /* accesses/s that tier 0 may serve besides; below 0: too many */
    uint64_t allowance;                 /* bytes that may be moved */
    bool by_rate;                       /* and that is what max_bytes_per_s sets it to */
    bool cut_short;                     /* the allowance ended the plan */
    Influx influx;                      /* what it moves in */
} Job;

static inline uint64_t candidate_bytes(const Job *job, const Candidate *candidate)
{
    return job->maps[candidate->map]->granule_bytes;
}

static inline double candidate_pages(const Job *job, const Candidate *candidate)
{
    return (double)candidate_bytes(job, candidate) / CENSUS_PAGE;
}

/* What a copy costs, per page, of what moves in units of @bytes. */
static inline double copy_price(const Job *job, uint64_t bytes)
{
    return bytes == CENSUS_PAGE ? job->price_4k : job->price_2m;
}

/* What accesses to a page of that heat cost more, over heat_life, in the slow tier. */
static inline double heat_worth(const Job *job, Log2 heat)
{
    return log2_value(heat) * job->worth;
}

/* What a page of tier 0 is worth free, over heat_life, where @room bytes are free. */
static inline double reserve_worth(const Job *job, uint64_t room)
{
    return room < job->reserve_bytes ? job->reserve_per_s * job->worth * (1 - (double)room / job->reserve_bytes) : 0;
}

/* What is gained by a free page in place of one of that heat, where @room bytes are free and a copy costs @price. */
static inline double reserve_gain(const Job *job, uint64_t room, Log2 heat, double price)
{
    return reserve_worth(job, room) - job->margin * heat_worth(job, heat) - VICTIM_COPIES * price;
}

/* The least that a copy costs, per page, of any granule that there is. */
double job_least_price(const Job *job);

/* What would be moved were there no limit: touches a second, less those to what leaves for it; and all bytes. */
typedef struct Waiting {
    double per_s;
    uint64_t bytes;
} Waiting;

Waiting plan_waiting(const Job *job);

/* Fill the planner's candidates and victims, unsorted, with those that the plan may reach. */
void plan_gather(Job *job, const PolicyConfig *config, const HeatModel *model);
/*
 * Fill the planner's victims, unsorted, with the hottest of tier 0, as many as serve the accesses that it is
 * to be relieved of; judged by the lower end of their heat.
 */
void plan_gather_load(Job *job, const PolicyConfig *config, const HeatModel *model);

/* Sort what was gathered, and make moves of those that pay. */
void plan_pair(Job *job);
/* Make moves out of tier 0 of the hottest gathered, while they pay, until it is relieved. */
void plan_relieve(Job *job);

#endif /* VHOST_TIER_CORE_PLANNER_INTERNAL_H */
