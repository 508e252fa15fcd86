/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the generators of workloads share.
 */
#ifndef VHOST_TIER_SIM_WORKLOADS_COMMON_H
#define VHOST_TIER_SIM_WORKLOADS_COMMON_H

#include "../params.h"
#include "../random.h"
#include "../workload.h"

#define SECOND_NS 1000000000ull
#define FOREVER_S 1e9               /* the most that a parameter of time may be: longer than any run */
#define FOREVER_NS (UINT64_MAX / 2)

#define WORKLOAD_ERROR workload_error_quark()
GQuark workload_error_quark(void);

typedef enum WorkloadError {
    WORKLOAD_ERROR_UNKNOWN,         /* no such workload */
    WORKLOAD_ERROR_UNFIT,           /* it can't be run on this guest */
} WorkloadError;

/*
 * Accesses a second that @guest makes at full speed: its vCPUs make one after the other, and each takes what
 * is computed meanwhile and the latency of idle DRAM. The sum of all its pages' rates.
 */
double workload_full_rate(const Guest *guest);

/* Pages of the full-size machine that a page of the scaled one stands for. */
size_t workload_pages_per_page(const Guest *guest);

/*
 * A workload of @class that does not change: its guest's rates are @rates, one for each page. For such
 * classes, 'tick' and 'destroy' are those below.
 */
Workload *workload_still_new(const WorkloadClass *class, Guest *guest, const float *rates);
uint64_t workload_still_tick(Workload *workload, uint64_t now_ns);
void workload_still_destroy(Workload *workload);

/* The numbers 0..n-1 in random order; to be freed with g_free(). */
uint32_t *workload_permutation(SimRandom *random, size_t n);

/* How many of @n a share makes: rounded, at least one. */
size_t workload_share_of(double share, size_t n);

/*
 * Rates for all pages of @guest, to be freed with g_free(): pages of which @hot[i] is true have the share
 * @hot_share of all accesses, evenly, the others the rest, evenly; where there is only one kind it has all.
 */
float *workload_two_rates(const Guest *guest, const bool *hot, double hot_share);

/* @seconds after @from_ns; FOREVER_NS where that is FOREVER_S or more. */
uint64_t workload_after(uint64_t from_ns, double seconds);

/* The phase that the guest is in ends at @until_ns at the latest. */
void workload_end_phase_by(Guest *guest, uint64_t until_ns);

/* A guest that is busy and idle in turns. */
typedef struct BusyCycle {
    double busy_s, idle_s;
    bool idle;
    uint64_t next_ns;               /* when that changes */
} BusyCycle;

/* It is busy as of @now_ns. */
void busy_cycle_start(BusyCycle *cycle, uint64_t now_ns);
/* Make the guest idle or busy where that is due; returns when it is due next. */
uint64_t busy_cycle_tick(BusyCycle *cycle, Guest *guest, uint64_t now_ns);

/* The classes, for workloads.c. */
extern const WorkloadClass workload_gups;
extern const WorkloadClass workload_zipf;
extern const WorkloadClass workload_scan_hot;
extern const WorkloadClass workload_phases;
extern const WorkloadClass workload_idle_burst;
extern const WorkloadClass workload_subpage_skew;
extern const WorkloadClass workload_memtierd;
extern const WorkloadClass workload_touch_all;
extern const WorkloadClass workload_trace;
extern const WorkloadClass workload_recorded;

#endif /* VHOST_TIER_SIM_WORKLOADS_COMMON_H */
