/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A series of rates: what a trace tells of a guest's memory, as rates of pages that change at certain times;
 * and its playing as a workload. Both kinds of traces become such (trace.c, recorded.c).
 */
#ifndef VHOST_TIER_SIM_WORKLOADS_SERIES_H
#define VHOST_TIER_SIM_WORKLOADS_SERIES_H

#include "common.h"

#define TRACE_WINDOW_S 0.1
#define RECORDED_WINDOW_S 1.0
#define TRACE_PHASE_S 10.0
#define RATE_SERIES_MAX_NS (30ull * 86400 * SECOND_NS)     /* the longest that is taken: 30 days */

typedef struct RateChange {
    uint32_t page;
    float per_s;
} RateChange;

/* At @at_ns the changes begin..end-1 of the series apply. */
typedef struct RateStep {
    uint64_t at_ns;                 /* from the trace's beginning; rising */
    size_t begin, end;
} RateStep;

typedef struct RateSeries {
    size_t pages;
    uint64_t end_ns;                /* how long it is */
    double accesses, writes;        /* in all; writes 0 where the trace does not tell them */
    GArray *steps;                  /* RateStep */
    GArray *changes;                /* RateChange */
} RateSeries;

RateSeries *rate_series_new(size_t pages);
void rate_series_free(RateSeries *series);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RateSeries, rate_series_free)

/* Begin a step; the changes that follow belong to it. */
void rate_series_step(RateSeries *series, uint64_t at_ns);
void rate_series_change(RateSeries *series, uint32_t page, double per_s);

/*
 * Read a whole trace; windows of @window_s are told apart. NULL, with an error that names the place in the
 * file, where it is not sound, or has regions of more than @max_pages together: nothing is used of such a
 * trace. The first reads docs/traces.md's format, the second what 'tierctl record' wrote. The third reads
 * either, by how the file begins (@recorded: which it was), in the windows that the workloads have by
 * default.
 */
RateSeries *rate_series_of_accesses(const char *path, double window_s, uint64_t max_pages, GError **errp);
RateSeries *rate_series_of_evidence(const char *path, double window_s, uint64_t max_pages, GError **errp);
RateSeries *rate_series_of_file(const char *path, uint64_t max_pages, bool *recorded, GError **errp);

/* The error of a trace whose regions have too many pages. */
void rate_series_refuse_size(const char *path, uint64_t pages, uint64_t max_pages, GError **errp);

/* How a workload reads its file: by what name and in what unit of seconds its windows are given, and their default. */
typedef struct RateSeriesKind {
    const char *window;
    double unit_s, default_window, least_window;
    RateSeries *(*read)(const char *path, double window_s, uint64_t max_pages, GError **errp);
} RateSeriesKind;

/* Make a workload of @class from its parameters: 'file', windows and 'phase_s'; see WorkloadClass. */
Workload *rate_series_create(const WorkloadClass *class, const RateSeriesKind *kind, const char *params, Guest *guest,
                             GError **errp);

/*
 * Play @series, which is taken over, as a workload of @class, whose 'tick' and 'destroy' are those below. For
 * oracles, the means of each @phase_s are a phase. Fails where the guest has not as many pages.
 */
Workload *rate_series_play(const WorkloadClass *class, Guest *guest, RateSeries *series, double phase_s,
                           GError **errp);
uint64_t rate_series_tick(Workload *workload, uint64_t now_ns);
void rate_series_destroy(Workload *workload);

#endif /* VHOST_TIER_SIM_WORKLOADS_SERIES_H */
