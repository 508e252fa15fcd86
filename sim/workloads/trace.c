/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'trace': an access trace in docs/traces.md's format. Accesses of each window of time (100 ms)
 * become the rate that their page has in it.
 */
#include "../access-trace.h"
#include "series.h"

/* What is gathered while a trace is read. */
typedef struct Binning {
    RateSeries *series;
    uint64_t window_ns;
    uint64_t window;                /* number of the current one */
    double *counts;                 /* in it; one for each page */
    GArray *touched, *before;       /* uint32_t: pages with accesses in it, and in the last step */
} Binning;

/* The rates of the current window begin with it. */
static void end_window(Binning *binning)
{
    GArray *before = binning->before;
    double window_s = binning->window_ns / 1e9;

    rate_series_step(binning->series, binning->window * binning->window_ns);
    for (guint i = 0; i < before->len; i++) {
        uint32_t page = g_array_index(before, uint32_t, i);

        if (binning->counts[page] == 0) {
            rate_series_change(binning->series, page, 0);
        }
    }
    for (guint i = 0; i < binning->touched->len; i++) {
        uint32_t page = g_array_index(binning->touched, uint32_t, i);

        rate_series_change(binning->series, page, binning->counts[page] / window_s);
        binning->counts[page] = 0;
    }
    g_array_set_size(before, 0);
    binning->before = binning->touched;
    binning->touched = before;
}

/* Go on to @window; what lies between had no accesses. */
static void go_to_window(Binning *binning, uint64_t window)
{
    if (window == binning->window) {
        return;
    }
    end_window(binning);
    if (window > binning->window + 1) {
        binning->window++;
        end_window(binning);
    }
    binning->window = window;
}

static bool bin_records(Binning *binning, AccessTrace *trace, GError **errp)
{
    AccessStep step;
    AccessRecord record;
    uint64_t start_ns = UINT64_MAX, time_ns = 0;

    while ((step = access_trace_next(trace, &record, errp)) == ACCESS_STEP_RECORD) {
        start_ns = MIN(start_ns, record.time_ns);
        time_ns = record.time_ns - start_ns;
        if (time_ns > RATE_SERIES_MAX_NS) {
            g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                        "the trace is longer than 30 days; cut it");
            return false;
        }
        go_to_window(binning, time_ns / binning->window_ns);
        if (binning->counts[record.page] == 0) {
            uint32_t page = record.page;

            g_array_append_val(binning->touched, page);
        }
        binning->counts[record.page] += record.count;
        binning->series->accesses += record.count;
        binning->series->writes += record.write ? record.count : 0;
    }
    if (step == ACCESS_STEP_END) {
        go_to_window(binning, binning->window + 2);     /* all ends */
        binning->series->end_ns = (time_ns / binning->window_ns + 1) * binning->window_ns;
    }
    return step == ACCESS_STEP_END;
}

RateSeries *rate_series_of_accesses(const char *path, double window_s, uint64_t max_pages, GError **errp)
{
    g_autoptr(AccessTrace) trace = access_trace_open(path, errp);
    g_autoptr(RateSeries) series = NULL;
    Binning binning = {.window_ns = workload_after(0, window_s)};
    bool ok;

    if (!trace) {
        return NULL;
    }
    if (access_trace_pages(trace) > max_pages) {
        rate_series_refuse_size(path, access_trace_pages(trace), max_pages, errp);
        return NULL;
    }
    binning.counts = g_new0(double, access_trace_pages(trace));
    series = binning.series = rate_series_new(access_trace_pages(trace));
    binning.touched = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    binning.before = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    ok = bin_records(&binning, trace, errp);
    if (ok && series->accesses == 0) {
        ok = false;
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT, "%s: there are no records in it", path);
    }
    g_array_unref(binning.touched);
    g_array_unref(binning.before);
    g_free(binning.counts);
    return ok ? g_steal_pointer(&series) : NULL;
}

static Workload *trace_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    static const RateSeriesKind kind = {"window_ms", 1e-3, 1e3 * TRACE_WINDOW_S, 1, rate_series_of_accesses};

    return rate_series_create(&workload_trace, &kind, params, guest, errp);
}

const WorkloadClass workload_trace = {
    .name = "trace",
    .what = "the access trace 'file' (docs/traces.md), as rates over windows of 'window_ms'",
    .create = trace_create,
    .tick = rate_series_tick,
    .destroy = rate_series_destroy,
};
