/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source turns what the kernel, a device or the guest reports into evidence for a VM's policy. It knows
 * nothing of budgets or plans, and changes nothing of the guest but what it watches with; what it changed on
 * the host it restores.
 *
 * Life: start() probes and either returns a running source, or NULL with a GError whose text names what is
 * missing and the remedy (shown by 'tierctl show'). tick() is called at the time that the last tick() asked
 * for, on the VM's own thread; it must not block longer than some milliseconds. stop() ends it and leaves
 * nothing armed, registered or running behind.
 */
#ifndef VHOST_TIER_SOURCES_SOURCE_H
#define VHOST_TIER_SOURCES_SOURCE_H

#include <glib.h>

#include "core/policy.h"
#include "vm/region.h"

/* What a source may use and spend. Shared by all sources of a VM; copied at start. */
typedef struct SourceParams {
    double overhead_share;    /* of guest time that tracking may cost: 0.01 is one per cent */
    uint64_t fault_ns;        /* what one fault on an armed page costs the guest; 0: measure */
    uint64_t damon_sample_ns; /* DAMON's sampling interval */
    uint64_t damon_aggr_ns;   /* and its aggregation interval */
    uint32_t damon_max_regions;
    const char *damon_ops;    /* what DAMON monitors by: see damon_ops_parse() */
    uint32_t touch_accesses;  /* as PolicyConfig has it */
    bool chmu_take;           /* a hotness unit that somebody else has enabled may be taken */
} SourceParams;

typedef struct SourceHealth {
    uint64_t reports;      /* granule reports given, since start */
    double overhead_share; /* guest time that it cost in the last second, as computed from what happened */
    uint64_t cpu_ns;       /* of the host, since start: kernel threads that work for it (kdamond) */
    char *problem;         /* NULL, or why it gives less than it could; owned by the source */
} SourceHealth;

typedef struct Source Source;
typedef struct SourceClass SourceClass;

struct SourceClass {
    const char *name; /* "damon", "rwp", "wp", "chmu" */
    PolicySource id;
    /* Whether this kernel can do it at all; on false, *errp says why not and the remedy. No side effects. */
    bool (*probe)(GError **errp);
    Source *(*start)(const SourceParams *params, Policy *policy, GError **errp);
    /* Regions come and go; a region must be removed before its descriptors are closed. */
    bool (*region_add)(Source *source, const Region *region, GError **errp);
    void (*region_del)(Source *source, const Region *region);
    /* Do what is due at @now_ns (monotonic); returns when to be called next. */
    uint64_t (*tick)(Source *source, uint64_t now_ns);
    /* The guest keeps so many CPUs busy, at least one; NULL where that does not matter. */
    void (*set_cpus)(Source *source, double cpus);
    /* Granules first..first+n-1 lie elsewhere now, as they were moved; NULL where that does not matter. */
    void (*moved)(Source *source, const Region *region, size_t first, size_t n);
    /* Pause: nothing stays armed and nothing is reported until resume (live migration). */
    void (*pause)(Source *source, bool paused);
    void (*health)(const Source *source, SourceHealth *health);
    void (*stop)(Source *source);
};

struct Source {
    const SourceClass *class;
};

/* All that are built in, in the order in which they are tried; NULL-terminated. */
extern const SourceClass *const source_classes[];

#endif /* VHOST_TIER_SOURCES_SOURCE_H */
