/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source 'damon'.
 *
 * DAMON splits each range into regions of pages that it takes to be alike, and once per sampling interval
 * looks whether one page of each was accessed in that interval. It sees a guest's accesses through KVM's MMU
 * notifiers, for little: some CPU time of the host's, and none of the guest's. What it says of one page is
 * weak, as one page speaks for the region: the time of observation of an aggregation is shared among all
 * pages of the region. So evidence of single pages, where there is any, weighs more, and a region of one page
 * weighs fully.
 */
#include "damon.h"

#include <string.h>

#include "core/damon-rate.h"
#include "damon-admin.h"

#define PAGE_BYTES 4096u
#define SAMPLE_NS_MIN 1000000ull

typedef struct Damon {
    Source source;
    Policy *policy;
    DamonAttrs attrs;
    GArray *regions;   /* of Region, by address */
    DamonWatch *watch; /* NULL while there is no region, or DAMON can't be had */
    GArray *found;     /* scratch */
    uint64_t reports;
    uint64_t cpu_ns;      /* this VM's part of the kdamond's CPU time, */
    uint64_t cpu_seen_ns; /* and all of it, as last seen */
    bool paused;
    char *problem;
} Damon;

static bool damon_probe(GError **errp)
{
    return damon_sysfs_usable("/sys", errp);
}

static Source *damon_start(const SourceParams *params, Policy *policy, GError **errp)
{
    Damon *self;

    DamonOps ops;

    if (!damon_ops_parse(params->damon_ops, &ops)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "DAMON can't be told to monitor by '%s'",
                    params->damon_ops);
        return NULL;
    }
    if (!damon_admin_try(ops, errp)) {
        return NULL;
    }
    self = g_new0(Damon, 1);
    self->source.class = &damon_source_class;
    self->policy = policy;
    self->attrs.ops = ops;
    self->attrs.sample_us = MAX(params->damon_sample_ns, SAMPLE_NS_MIN) / 1000;
    self->attrs.aggr_us = MAX(params->damon_aggr_ns / 1000, self->attrs.sample_us);
    self->attrs.max_regions = params->damon_max_regions;
    self->regions = g_array_new(FALSE, FALSE, sizeof(Region));
    self->found = g_array_new(FALSE, FALSE, sizeof(DamonFound));
    return &self->source;
}

/* Watch the regions that there are now. */
static bool rewatch(Damon *self, GError **errp)
{
    g_clear_pointer(&self->watch, damon_watch_free);
    if (self->regions->len == 0) {
        return true;
    }
    self->watch = damon_watch_new(self->regions, &self->attrs, errp);
    return self->watch != NULL;
}

static int by_address(const void *a, const void *b)
{
    const Region *x = a, *y = b;

    return (x->hva > y->hva) - (x->hva < y->hva);
}

static void damon_region_del(Source *source, const Region *region)
{
    Damon *self = (Damon *)source;
    g_autoptr(GError) err = NULL;

    for (guint i = 0; i < self->regions->len; i++) {
        if (g_array_index(self->regions, Region, i).id != region->id) {
            continue;
        }
        g_array_remove_index(self->regions, i);
        if (!rewatch(self, &err)) {
            g_free(self->problem);
            self->problem = g_strdup(err->message);
        }
        return;
    }
}

static bool damon_region_add(Source *source, const Region *region, GError **errp)
{
    Damon *self = (Damon *)source;

    g_array_append_val(self->regions, *region);
    g_array_sort(self->regions, by_address);
    if (rewatch(self, errp)) {
        return true;
    }
    damon_region_del(source, region);
    return false;
}

/* The part of what was found that lies in one region of the VM's, as evidence of a rate. */
static void report(Damon *self, const Region *region, const DamonFound *found, uint64_t now_ns)
{
    uint64_t page_bytes = CLAMP(region->page_size, PAGE_BYTES, region->granule_bytes);
    uint64_t pages_per_granule = region->granule_bytes / page_bytes;
    uint64_t start = MAX(found->start, region->hva), end = MIN(found->end, region->hva + region->size);
    uint64_t pages = found->bytes / page_bytes;
    unsigned max = self->attrs.aggr_us / self->attrs.sample_us;
    double page_per_s = damon_rate_per_s(found->nr_accesses, max, self->attrs.sample_us * 1000);
    size_t first = (start - region->hva) / region->granule_bytes;
    size_t last = (end - 1 - region->hva) / region->granule_bytes;

    damon_report(self->policy, region->id, first, last - first + 1, region->granule_bytes,
                 page_per_s * pages_per_granule, pages, self->attrs.aggr_us * 1000, now_ns);
    self->reports += last - first + 1;
}

static void report_found(Damon *self, const DamonFound *found, uint64_t now_ns)
{
    for (guint i = 0; i < self->regions->len; i++) {
        const Region *region = &g_array_index(self->regions, Region, i);

        if (found->start < found->end && found->start < region->hva + region->size &&
            found->end > region->hva) {
            report(self, region, found, now_ns);
        }
    }
}

/* This VM's share of what the kdamond took since the last time. */
static void account_cpu(Damon *self)
{
    unsigned n_watches;
    uint64_t cpu_ns = damon_admin_cpu_ns(&n_watches);

    if (cpu_ns > self->cpu_seen_ns && self->cpu_seen_ns && n_watches) {
        self->cpu_ns += (cpu_ns - self->cpu_seen_ns) / n_watches;
    }
    self->cpu_seen_ns = cpu_ns;
}

static uint64_t damon_tick(Source *source, uint64_t now_ns)
{
    Damon *self = (Damon *)source;
    g_autoptr(GError) err = NULL;

    if (self->watch) {
        account_cpu(self);
        if (!damon_watch_take(self->watch, self->found, &err)) {
            g_free(self->problem);
            self->problem = g_strdup(err->message);
        }
        for (guint i = 0; !self->paused && i < self->found->len; i++) {
            report_found(self, &g_array_index(self->found, DamonFound, i), now_ns);
        }
    }
    return now_ns + self->attrs.aggr_us * 1000;
}

static void damon_pause(Source *source, bool paused)
{
    ((Damon *)source)->paused = paused;
}

static void damon_health(const Source *source, SourceHealth *health)
{
    const Damon *self = (const Damon *)source;

    *health = (SourceHealth){.reports = self->reports, .cpu_ns = self->cpu_ns, .problem = self->problem};
}

static void damon_stop(Source *source)
{
    Damon *self = (Damon *)source;

    damon_watch_free(self->watch);
    g_array_unref(self->regions);
    g_array_unref(self->found);
    g_free(self->problem);
    g_free(self);
}

const SourceClass damon_source_class = {
    .name = "damon",
    .id = POLICY_SOURCE_DAMON,
    .probe = damon_probe,
    .start = damon_start,
    .region_add = damon_region_add,
    .region_del = damon_region_del,
    .tick = damon_tick,
    .pause = damon_pause,
    .health = damon_health,
    .stop = damon_stop,
};
