/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON, the kernel's access monitor, over one guest's memory: mm/damon/core.c's sampling, merging and
 * splitting of regions (Linux 6.16), by the address in the guest, where neighbours are alike at best.
 */
#ifndef VHOST_TIER_SIM_DAMON_H
#define VHOST_TIER_SIM_DAMON_H

#include "machine.h"

typedef struct SimDamonAttrs {
    uint64_t sample_ns, aggr_ns;    /* aggr_ns a multiple of sample_ns */
    unsigned min_regions, max_regions;
    bool in_guest;                  /* it is the guest's kernel that looks, at its own page tables; */
    const uint32_t *order;          /* in this order of pages; NULL: as they are. Regions are of the order */
} SimDamonAttrs;

extern const SimDamonAttrs sim_damon_attrs_default;     /* 5 ms, 100 ms, 10, 1000 */

typedef struct SimDamonRegion {
    uint32_t first, pages;
    uint32_t sampled;               /* the page that is being watched */
    unsigned nr_accesses;           /* samples in which it was accessed, of the aggregation so far */
    unsigned last_nr_accesses;      /* of the one before */
    unsigned age;                   /* aggregations for which that has stayed alike */
} SimDamonRegion;

typedef struct SimDamon SimDamon;

/* Called at the end of each aggregation, with the merged regions, before they are split; it may set ages. */
typedef void (*SimDamonAggregated)(void *opaque, SimDamonRegion *regions, size_t n);

SimDamon *sim_damon_new(Machine *machine, Guest *guest, const SimDamonAttrs *attrs, SimDamonAggregated aggregated,
                        void *opaque);
void sim_damon_free(SimDamon *damon);
/* Take the sample that is due; returns when the next one is. */
uint64_t sim_damon_tick(SimDamon *damon, uint64_t now_ns);
/* The most that nr_accesses can be. */
unsigned sim_damon_max_accesses(const SimDamon *damon);
size_t sim_damon_bytes(const SimDamon *damon);

#endif /* VHOST_TIER_SIM_DAMON_H */
