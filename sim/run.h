/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run: a scenario (guests with their workloads, a machine) under one contender, and what came of it.
 */
#ifndef VHOST_TIER_SIM_RUN_H
#define VHOST_TIER_SIM_RUN_H

#include "contender.h"
#include "workload.h"

typedef struct ScenarioGuest {
    GuestConfig config;             /* of full size: pages, vcpus and bytes are scaled when the run begins */
    const char *workload;           /* a class's name */
    const char *params;
    const char *speaks;             /* how it gives hints (speaker.c); NULL: it does not */
    uint64_t from_ns, until_ns;     /* when it is there; until 0: to the end */
    bool hostile;                   /* left out of sums: its neighbours count */
    bool tuned_fast;                /* ceiling = the scenario's share of its footprint */
    /* a ceiling_bytes of 0: its size */
} ScenarioGuest;

typedef struct Scenario {
    const char *name;               /* of a row: "gups-hot-14", and so on */
    const char *what;               /* one line, with its source */
    const ScenarioGuest *guests;
    size_t n_guests;
    uint64_t duration_ns;
    uint64_t steady_from_ns;        /* the steady state is the mean from here to the end */
    double background[2];           /* bytes/s on tiers 0 and 1, full size */
    double latency1_ns;             /* of tier 1; 0: the cost model's */
    uint64_t tiering_from_ns;       /* the contender begins then */
    bool changes;                   /* a row where time to 90 % after a change is judged */
} Scenario;

extern const Scenario scenarios[];          /* one for each row; the last has no name */
const Scenario *scenario_find(const char *name, GError **errp);

typedef struct RunOptions {
    double fast_share;              /* tier 0 as a share of the footprint: the most that all guests which
                                       are there at a time have together */
    double interleave_share;        /* of each guest's pages in tier 0 at first, by SIM_INTERLEAVE; 0: fast_share */
    uint32_t n_tiers;               /* 0: 2. The last holds any guest; one between, half of the footprint */
    double scale;                   /* 1/64.0 and so on */
    uint64_t seed;
    uint64_t move_bytes_per_s;      /* full size; the same for all contenders */
    uint64_t sample_ns;             /* between two points of a series; 0: 250 ms */
    const double *predict_shares;   /* ask the contender at the end what it expects of these n_predict */
    size_t n_predict;
    bool timing;                    /* measure planner_ns_per_granule: two system calls for each tick */
    SimCosts costs;
} RunOptions;

/* 20 %, 1/64, seed 1, 200 MiB/s, 250 ms, sim_costs_default. */
void run_options_default(RunOptions *options);

typedef struct RunPoint {
    uint64_t now_ns;
    double hit_ratio;               /* since the point before, of guests that are not hostile; NaN: idle */
    double slowdown;
    double moved_bytes_per_s;       /* full size */
} RunPoint;

typedef struct RunPrediction {
    double share;                   /* that tier 0 would have of the footprint */
    double hit_ratio, slowdown;
} RunPrediction;

typedef struct RunGuest {           /* in the steady state */
    const char *name;
    double hit_ratio, slowdown;
    double fast_bytes, floor_bytes; /* mean; full size */
    double below_floor_share;       /* of the time, it had less than min(floor, its size), by over 1 % */
} RunGuest;

typedef struct RunResult {
    /*
     * In the steady state, of all guests that are not hostile: accesses to tier 0 by all; wall time by work,
     * less 1, while busy; bytes of the full size; vCPU time stolen; host CPU time for tiering, as a share of
     * one core of the full size, and what of that is for moves
     */
    double hit_ratio, slowdown, moved_bytes_per_s, overhead_share, host_cpu_share, host_move_share;
    double undone_share;            /* over the whole run: of pages moved, those moved back within 10 s */
    double time_to_90_s;            /* mean over changes, see measure_time_to_90(); NaN: there was none */
    double metadata_per_granule;    /* bytes, at the end, per page of guests */
    /*
     * CPU time of this computer that the contender took, per page and second of simulated time; what the
     * machine takes to answer it included. The one figure that is not the same each time; NaN without
     * options.timing.
     */
    double planner_ns_per_granule;
    GArray *points;                 /* RunPoint */
    GArray *guests;                 /* RunGuest */
    GArray *predictions;            /* RunPrediction, of options.predict_shares; none where it can't tell */
} RunResult;

/* Run; on false (a bad parameter) nothing is in @result. To be cleared. */
bool run_scenario(const Scenario *scenario, const char *contender, const char *contender_params,
                  const RunOptions *options, RunResult *result, GError **errp);
void run_result_clear(RunResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunResult, run_result_clear)

#endif /* VHOST_TIER_SIM_RUN_H */
