/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON's regions.
 *
 * Each sampling interval one page of each region, drawn at random, has its access bit cleared, and is looked at
 * at the interval's end. After an aggregation interval neighbours that were accessed alike (to within a tenth of
 * the most) are merged, ages are counted, and where there are at most half as many regions as there may be each
 * is split in two at random, or in three where that made no difference lately.
 */
#include "damon.h"

#define MS 1000000ull

const SimDamonAttrs sim_damon_attrs_default = {
    .sample_ns = 5 * MS, .aggr_ns = 100 * MS, .min_regions = 10, .max_regions = 1000};

struct SimDamon {
    Machine *machine;
    Guest *guest;
    SimDamonAttrs attrs;
    SimDamonAggregated aggregated;
    void *opaque;
    GArray *regions, *scratch;      /* SimDamonRegion, by address */
    unsigned samples;               /* in this aggregation */
    unsigned most;                  /* the greatest nr_accesses in it */
    unsigned last_regions;          /* how many there were when last it was thought of splitting */
    uint64_t next_ns;               /* 0: not begun */
};

static uint32_t draw(SimDamon *damon, uint32_t below)
{
    return (uint32_t)(machine_random(damon->machine) * below);
}

SimDamon *sim_damon_new(Machine *machine, Guest *guest, const SimDamonAttrs *attrs, SimDamonAggregated aggregated,
                        void *opaque)
{
    SimDamon *damon = g_new0(SimDamon, 1);
    uint32_t pages = (uint32_t)guest_pages(guest);
    uint32_t n = MIN(attrs->min_regions, pages);

    damon->machine = machine;
    damon->guest = guest;
    damon->attrs = *attrs;
    damon->aggregated = aggregated;
    damon->opaque = opaque;
    damon->regions = g_array_new(false, true, sizeof(SimDamonRegion));
    damon->scratch = g_array_new(false, true, sizeof(SimDamonRegion));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = (uint32_t)((uint64_t)pages * i / n);
        SimDamonRegion region = {.first = first, .pages = (uint32_t)((uint64_t)pages * (i + 1) / n) - first};

        g_array_append_val(damon->regions, region);
    }
    return damon;
}

void sim_damon_free(SimDamon *damon)
{
    if (damon) {
        g_array_unref(damon->regions);
        g_array_unref(damon->scratch);
        g_free(damon);
    }
}

unsigned sim_damon_max_accesses(const SimDamon *damon)
{
    return (unsigned)(damon->attrs.aggr_ns / damon->attrs.sample_ns);
}

size_t sim_damon_bytes(const SimDamon *damon)
{
    return damon->regions->len * sizeof(SimDamonRegion);
}

static SimDamonRegion *region_at(const GArray *regions, size_t i)
{
    return &g_array_index(regions, SimDamonRegion, i);
}

static unsigned distance(unsigned a, unsigned b)
{
    return a > b ? a - b : b - a;
}

/*
 * One test of an access bit. DAMON watches as many regions of a small machine as of a large one, so its CPU time
 * is not scaled: what the machine charges as if it were is taken back.
 */
static void unscale_cost(SimDamon *damon)
{
    const MachineConfig *config = machine_config(damon->machine);

    machine_charge_host(damon->machine, (config->scale - 1) * config->costs.abit_ns);
}

static void make_old(SimDamon *damon, size_t page)
{
    if (damon->attrs.in_guest) {
        guest_own_make_old(damon->guest, page);
    } else {
        guest_make_old(damon->guest, page);
        unscale_cost(damon);
    }
}

static bool is_young(SimDamon *damon, size_t page)
{
    if (damon->attrs.in_guest) {
        return guest_own_young(damon->guest, page);
    }
    unscale_cost(damon);
    return guest_young(damon->guest, page);
}

static void prepare_samples(SimDamon *damon)
{
    for (guint i = 0; i < damon->regions->len; i++) {
        SimDamonRegion *region = region_at(damon->regions, i);

        region->sampled = region->first + draw(damon, region->pages);
        if (damon->attrs.order) {
            region->sampled = damon->attrs.order[region->sampled];
        }
        make_old(damon, region->sampled);
    }
}

static void check_samples(SimDamon *damon)
{
    for (guint i = 0; i < damon->regions->len; i++) {
        SimDamonRegion *region = region_at(damon->regions, i);

        region->nr_accesses += is_young(damon, region->sampled);
        damon->most = MAX(damon->most, region->nr_accesses);
    }
    damon->samples++;
}

/* Weighed by size, as damon_merge_two_regions(). */
static void merge_into(SimDamonRegion *left, const SimDamonRegion *right)
{
    uint64_t pages = (uint64_t)left->pages + right->pages;

    left->nr_accesses = (unsigned)(((uint64_t)left->nr_accesses * left->pages +
                                    (uint64_t)right->nr_accesses * right->pages) / pages);
    left->age = (unsigned)(((uint64_t)left->age * left->pages + (uint64_t)right->age * right->pages) / pages);
    left->pages = (uint32_t)pages;
}

/* Count ages, and merge neighbours that differ by no more than @threshold, to no more than @most_pages. */
static void merge_alike(SimDamon *damon, unsigned threshold, uint32_t most_pages, bool count_ages)
{
    GArray *merged = damon->scratch;

    g_array_set_size(merged, 0);
    for (guint i = 0; i < damon->regions->len; i++) {
        SimDamonRegion region = *region_at(damon->regions, i);
        SimDamonRegion *last = merged->len ? region_at(merged, merged->len - 1) : NULL;

        if (count_ages && distance(region.nr_accesses, region.last_nr_accesses) > threshold) {
            region.age = 0;
        } else if (count_ages) {
            region.age++;
        }
        if (last && distance(last->nr_accesses, region.nr_accesses) <= threshold &&
            last->pages + region.pages <= most_pages) {
            merge_into(last, &region);
        } else {
            g_array_append_val(merged, region);
        }
    }
    damon->scratch = damon->regions;
    damon->regions = merged;
}

static void merge_regions(SimDamon *damon)
{
    unsigned threshold = damon->most / 10, max = sim_damon_max_accesses(damon);
    uint32_t most_pages = (uint32_t)MAX(guest_pages(damon->guest) / damon->attrs.min_regions, 1);

    merge_alike(damon, threshold, most_pages, true);
    /* More regions than there may be: merge what is less and less alike, as the kernel does. */
    while (damon->regions->len > damon->attrs.max_regions && threshold < max) {
        threshold = MAX(1, threshold * 2);
        merge_alike(damon, threshold, most_pages, false);
    }
}

/* Split @region into @n at random, at tenths of what is left, and append the pieces. */
static void split_region(SimDamon *damon, SimDamonRegion region, unsigned n)
{
    for (unsigned i = 1; i < n && region.pages > 2; i++) {
        SimDamonRegion left = region;
        uint32_t pages = (uint32_t)((uint64_t)(1 + draw(damon, 9)) * region.pages / 10);

        if (pages == 0 || pages >= region.pages) {
            continue;
        }
        left.pages = pages;
        region.first += pages;
        region.pages -= pages;
        g_array_append_val(damon->scratch, left);
    }
    g_array_append_val(damon->scratch, region);
}

static void split_regions(SimDamon *damon)
{
    GArray *regions = damon->regions;
    unsigned n = 2;

    if (regions->len > damon->attrs.max_regions / 2) {
        return;
    }
    if (damon->last_regions == regions->len && regions->len < damon->attrs.max_regions / 3) {
        n = 3;
    }
    damon->last_regions = regions->len;
    g_array_set_size(damon->scratch, 0);
    for (guint i = 0; i < regions->len; i++) {
        split_region(damon, *region_at(regions, i), n);
    }
    damon->regions = damon->scratch;
    damon->scratch = regions;
}

static void aggregate(SimDamon *damon)
{
    merge_regions(damon);
    damon->aggregated(damon->opaque, region_at(damon->regions, 0), damon->regions->len);
    for (guint i = 0; i < damon->regions->len; i++) {
        SimDamonRegion *region = region_at(damon->regions, i);

        region->last_nr_accesses = region->nr_accesses;
        region->nr_accesses = 0;
    }
    split_regions(damon);
    damon->samples = damon->most = 0;
}

uint64_t sim_damon_tick(SimDamon *damon, uint64_t now_ns)
{
    if (now_ns < damon->next_ns) {
        return damon->next_ns;
    }
    if (damon->next_ns) {
        check_samples(damon);
        if (damon->samples >= sim_damon_max_accesses(damon)) {
            aggregate(damon);
        }
    }
    prepare_samples(damon);
    damon->next_ns = now_ns + damon->attrs.sample_ns;
    return damon->next_ns;
}
