/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'recorded': what 'tierctl record' wrote, its evidence taken for what the guest accesses.
 *
 * Theory of operation
 *
 * Evidence of a window of time (1 s) becomes one rate for each granule that it is about: the likeliest of a
 * Poisson process that was looked at so often for so long, and found accessed in so many of the looks. A
 * granule keeps its rate until there is new evidence; what comes first is taken to hold from the beginning. A
 * granule of 2 MiB has its rate spread evenly over its pages.
 *
 * What evidence does not tell, this workload can't know. An access bit that was found set at each look tells
 * only that accesses are not rarer than looks: the rate is then a lower bound. A touch is taken for one
 * access. What was never looked at has no accesses. How fast the guest ran, as it was placed then, is not
 * known: rates are taken for those at full speed. Writes are not told from reads.
 */
#include <math.h>

#include "core/trace.h"
#include "series.h"

#define MAX_REGIONS 4096u
#define MAX_PER_S 1e12              /* more is no rate of accesses to memory */

typedef struct Granule {
    /* what was seen of it in the current window */
    float set, set_s;               /* looks that found it accessed, and how long these took together */
    float clear_s;                  /* the others, together */
    float counted, counted_s;       /* accesses counted otherwise, and for how long */
    /* before */
    bool told;                      /* there was evidence */
    float per_s;                    /* the rate of each of its pages */
} Granule;

typedef struct Region {
    uint32_t id, granule_bytes;
    uint64_t granules;
    uint64_t first_granule, first_page;     /* over all regions */
} Region;

/* A granule with looks. */
typedef struct Seen {
    uint32_t region;                /* index */
    uint32_t granule;               /* in it */
} Seen;

typedef struct Reading {
    GArray *regions;                /* Region */
    RateSeries *series;
    Granule *granules;
    GArray *seen;                   /* Seen: in the current window */
    GArray *initial;                /* RateChange: from the beginning on */
    uint64_t window_ns, start_ns, window;
    double per_s, per_s_by_s;       /* sums of changes of rates, and of these by when: for all accesses */
    bool started;
    GError *err;                    /* the first; nothing more is read then */
} Reading;

static Region *find_region(const Reading *reading, uint32_t id)
{
    for (guint i = 0; i < reading->regions->len; i++) {
        Region *region = &g_array_index(reading->regions, Region, i);

        if (region->id == id) {
            return region;
        }
    }
    return NULL;
}

static void refuse(Reading *reading, const char *what, uint32_t region)
{
    g_set_error(&reading->err, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT, "region %u: %s", region, what);
}

/*
 * The likeliest rate. With k of the looks set, each of t seconds, and clear ones of T seconds in all, it
 * solves k t / (exp(r t) - 1) = T, so r = ln(1 + k t / T) / t. None clear: any rate from some on would do;
 * half a look more, and clear, is taken for the bound.
 */
static double likeliest_rate(const Granule *granule)
{
    double each_s = granule->set > 0 ? granule->set_s / granule->set : 0;
    double clear_s = granule->clear_s > 0 ? granule->clear_s : each_s / 2;
    double watched_s = granule->set_s + granule->clear_s;
    double by_bits = each_s > 0 ? log1p(granule->set_s / clear_s) / each_s : 0;

    return (by_bits * watched_s + granule->counted) / (watched_s + granule->counted_s);
}

/* From @at_ns on a granule's pages have the rate @per_s; from the beginning, if nothing was told before. */
static void tell_rate(Reading *reading, const Region *region, uint32_t index, uint64_t at_ns, float per_s)
{
    size_t pages = region->granule_bytes / SIM_PAGE;
    Granule *granule = &reading->granules[region->first_granule + index];
    double change = pages * ((double)per_s - granule->per_s);

    for (size_t i = 0; i < pages; i++) {
        RateChange page = {region->first_page + index * pages + i, per_s};

        if (granule->told) {
            rate_series_change(reading->series, page.page, per_s);
        } else {
            g_array_append_val(reading->initial, page);
        }
    }
    reading->per_s += change;
    reading->per_s_by_s += granule->told ? change * at_ns / 1e9 : 0;
    *granule = (Granule){.told = true, .per_s = per_s};
}

/* The looks of the current window become rates. */
static void end_window(Reading *reading)
{
    uint64_t at_ns = reading->window * reading->window_ns;

    rate_series_step(reading->series, at_ns);
    for (guint i = 0; i < reading->seen->len; i++) {
        const Seen *seen = &g_array_index(reading->seen, Seen, i);
        const Region *region = &g_array_index(reading->regions, Region, seen->region);
        const Granule *granule = &reading->granules[region->first_granule + seen->granule];
        size_t pages = region->granule_bytes / SIM_PAGE;

        tell_rate(reading, region, seen->granule, at_ns, likeliest_rate(granule) / pages);
    }
    g_array_set_size(reading->seen, 0);
}

/* Time has come to @now_ns; false where that can't be. */
static bool go_to(Reading *reading, const TraceRange *range)
{
    uint64_t window;

    if (!reading->started) {
        reading->started = true;
        reading->start_ns = range->now_ns;
    }
    if (range->now_ns < reading->start_ns) {
        return true;                /* a moment before the first: counts as then */
    }
    if (range->now_ns - reading->start_ns > RATE_SERIES_MAX_NS) {
        refuse(reading, "its evidence covers more than 30 days, or its times are broken", range->region);
        return false;
    }
    window = (range->now_ns - reading->start_ns) / reading->window_ns;
    if (window > reading->window) {
        end_window(reading);
        reading->window = window;
    }
    return true;
}

static void look(Reading *reading, const Region *region, uint32_t index, const TraceRange *range, bool set,
                 bool counted)
{
    Granule *granule = &reading->granules[region->first_granule + index];
    Seen seen = {region - (const Region *)(const void *)reading->regions->data, index};
    float interval_s = range->interval_ns / 1e9;

    if (granule->set_s == 0 && granule->clear_s == 0 && granule->counted_s == 0) {
        g_array_append_val(reading->seen, seen);
    }
    if (counted) {
        granule->counted += range->per_s * interval_s;
        granule->counted_s += interval_s;
    } else if (set) {
        granule->set += 1;
        granule->set_s += interval_s;
    } else {
        granule->clear_s += interval_s;
    }
}

static void take_evidence(void *opaque, const TraceRange *range, const uint64_t *bits)
{
    Reading *reading = opaque;
    const Region *region = reading->err ? NULL : find_region(reading, range->region);

    if (reading->err) {
        return;
    }
    if (!region) {
        refuse(reading, "there is evidence of it, but no such region", range->region);
    } else if (range->first > region->granules || range->n > region->granules - range->first) {
        refuse(reading, "there is evidence of what lies behind its end", range->region);
    } else if (range->interval_ns == 0 || range->interval_ns > RATE_SERIES_MAX_NS) {
        refuse(reading, "there is evidence of an interval of no time, or of over 30 days", range->region);
    } else if (!bits && !(range->per_s >= 0 && range->per_s <= MAX_PER_S)) {
        refuse(reading, "there is evidence of a rate that can't be", range->region);
    } else if (go_to(reading, range)) {
        for (uint64_t i = 0; i < range->n; i++) {
            look(reading, region, range->first + i, range, bits && (bits[i / 64] >> i % 64 & 1), !bits);
        }
    }
}

static void take_region(void *opaque, const TraceRegion *told)
{
    Reading *reading = opaque;
    Region region = {.id = told->id, .granule_bytes = told->granule_bytes};
    Region *known = find_region(reading, told->id);

    if (reading->err) {
        return;
    }
    if (told->granule_bytes != SIM_PAGE && told->granule_bytes != SIM_PAGE * SIM_BLOCK_PAGES) {
        refuse(reading, "its granules are neither 4 KiB nor 2 MiB", told->id);
        return;
    }
    if (known && known->granule_bytes != told->granule_bytes) {
        refuse(reading, "it is there twice, with granules of two sizes", told->id);
        return;
    }
    if (!known && reading->regions->len == MAX_REGIONS) {
        refuse(reading, "there are more than 4096 regions", told->id);
        return;
    }
    if (!known) {
        g_array_append_val(reading->regions, region);
        known = find_region(reading, told->id);
    }
    known->granules = MAX(known->granules, told->size / told->granule_bytes);
}

/* Lay the regions one behind the other and make room for what is gathered; false with an error. */
static bool lay_out(Reading *reading, const char *path, uint64_t max_pages, GError **errp)
{
    uint64_t granules = 0, pages = 0;

    for (guint i = 0; i < reading->regions->len && pages <= max_pages; i++) {
        Region *region = &g_array_index(reading->regions, Region, i);

        region->first_granule = granules;
        region->first_page = pages;
        granules += region->granules;
        pages += region->granules * (region->granule_bytes / SIM_PAGE); /* of less than 2^52 */
    }
    if (pages > max_pages) {
        rate_series_refuse_size(path, pages, max_pages, errp);
        return false;
    }
    if (pages == 0) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT, "%s: there is no region in it", path);
        return false;
    }
    reading->granules = g_new0(Granule, granules);
    reading->series = rate_series_new(pages);
    rate_series_step(reading->series, 0);           /* of what is known to be so from the beginning */
    return true;
}

static void finish(Reading *reading)
{
    RateSeries *series = reading->series;
    RateStep *first;

    end_window(reading);
    first = &g_array_index(series->steps, RateStep, 0);
    first->begin = series->changes->len;
    g_array_append_vals(series->changes, reading->initial->data, reading->initial->len);
    first->end = series->changes->len;
    series->end_ns = (reading->window + 1) * reading->window_ns;
    series->accesses = reading->per_s * (series->end_ns / 1e9) - reading->per_s_by_s;
}

static bool read_all(Reading *reading, const char *path, GMappedFile *file, uint64_t max_pages, GError **errp)
{
    const void *buf = g_mapped_file_get_contents(file);
    size_t len = g_mapped_file_get_length(file);

    if (!trace_foreach_region(buf, len, take_region, reading, errp) ||
        (!reading->err && !lay_out(reading, path, max_pages, errp)) ||
        (!reading->err && !trace_foreach_evidence(buf, len, take_evidence, reading, errp))) {
        return false;
    }
    if (!reading->err && !reading->started) {
        refuse(reading, "there is no evidence of it, nor of any other", 0);
    }
    if (reading->err) {
        g_propagate_prefixed_error(errp, g_steal_pointer(&reading->err), "%s: ", path);
        return false;
    }
    finish(reading);
    return true;
}

RateSeries *rate_series_of_evidence(const char *path, double window_s, uint64_t max_pages, GError **errp)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, errp);
    Reading reading = {.window_ns = workload_after(0, window_s)};

    if (!file) {
        return NULL;
    }
    reading.regions = g_array_new(FALSE, FALSE, sizeof(Region));
    reading.seen = g_array_new(FALSE, FALSE, sizeof(Seen));
    reading.initial = g_array_new(FALSE, FALSE, sizeof(RateChange));
    if (!read_all(&reading, path, file, max_pages, errp)) {
        g_clear_pointer(&reading.series, rate_series_free);
    }
    g_clear_error(&reading.err);
    g_array_unref(reading.regions);
    g_array_unref(reading.seen);
    g_array_unref(reading.initial);
    g_free(reading.granules);
    return reading.series;
}

static Workload *recorded_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    static const RateSeriesKind kind = {"window_s", 1, RECORDED_WINDOW_S, 0.001, rate_series_of_evidence};

    return rate_series_create(&workload_recorded, &kind, params, guest, errp);
}

const WorkloadClass workload_recorded = {
    .name = "recorded",
    .what = "the evidence in the trace 'file' of 'tierctl record', as rates over windows of 'window_s'",
    .create = recorded_create,
    .tick = rate_series_tick,
    .destroy = rate_series_destroy,
};
