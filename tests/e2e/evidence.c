/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence against the truth; see evidence.h.
 */
#include "evidence.h"

#include <math.h>

#include "core/trace.h"

#define LOOK_US 2000
#define FIRST_PAGE \
    (GUEST_BASE_ADDR / GUEST_PAGE_BYTES) /* of the working area, in a region that is all of the RAM */

typedef struct PassSample {
    uint64_t before_ns, after_ns; /* the look was made in between */
    uint32_t passes;
} PassSample;

struct PassLog {
    const Guest *guest;
    GArray *samples; /* of PassSample; the thread's own until it has ended */
    GThread *thread;
    gint stop;
};

static uint64_t now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

static gpointer look(gpointer opaque)
{
    PassLog *log = opaque;

    while (!g_atomic_int_get(&log->stop)) {
        PassSample sample = {.before_ns = now_ns() + 1000}; /* the clock is cut to microseconds */
        GuestHeader header;

        if (!guest_read(log->guest, GUEST_HEADER_ADDR, &header, sizeof(header), NULL)) {
            break;
        }
        sample.passes = header.passes;
        sample.after_ns = now_ns() + 1000;
        g_array_append_val(log->samples, sample);
        g_usleep(LOOK_US);
    }
    return NULL;
}

PassLog *pass_log_start(const Guest *guest)
{
    PassLog *log = g_new0(PassLog, 1);

    log->guest = guest;
    log->samples = g_array_new(FALSE, FALSE, sizeof(PassSample));
    log->thread = g_thread_new("passes", look, log);
    return log;
}

void pass_log_stop(PassLog *log)
{
    if (log->thread) {
        g_atomic_int_set(&log->stop, 1);
        g_thread_join(g_steal_pointer(&log->thread));
    }
}

void pass_log_free(PassLog *log)
{
    pass_log_stop(log);
    g_array_unref(log->samples);
    g_free(log);
}

/* The first sample that was begun at @at_ns or later. */
static guint first_from(const PassLog *log, uint64_t at_ns)
{
    guint low = 0, high = log->samples->len;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (g_array_index(log->samples, PassSample, middle).before_ns < at_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool pass_log_covers(const PassLog *log, uint64_t from_ns, uint64_t to_ns)
{
    guint first = first_from(log, from_ns + 1000), end = first_from(log, to_ns);

    while (end > first && g_array_index(log->samples, PassSample, end - 1).after_ns > to_ns) {
        end--;
    }
    /* The pass that was being made at the first look may have begun before; the next one is whole. */
    return end > first + 1 && g_array_index(log->samples, PassSample, end - 1).passes -
                                      g_array_index(log->samples, PassSample, first).passes >=
                                  2;
}

bool page_listed(const PageList *list, uint32_t page)
{
    return page >= list->offset && (page - list->offset) % list->every == 0 &&
           (!list->end || page < list->end);
}

typedef struct Judge {
    const GuestHeader *header;
    const PageList *list;
    const PassLog *log;
    uint64_t since_ns;
    PolicySource source;
    Exactness *result;
    uint8_t *seen;               /* a page of the list was reported on */
    double *weighted, *exposure; /* by page: sums of rate * exposure, and of exposure */
} Judge;

/* The page of the working area that granule @granule is, if it is one. */
static bool page_of(const Judge *judge, uint64_t granule, uint32_t *page)
{
    if (granule < FIRST_PAGE || granule - FIRST_PAGE >= judge->header->pages) {
        return false;
    }
    *page = (uint32_t)(granule - FIRST_PAGE);
    return true;
}

static void judge_bits(void *opaque, const TraceRange *range, const uint64_t *bits)
{
    Judge *judge = opaque;
    uint64_t from_ns = range->now_ns - range->interval_ns;
    bool whole;

    if (!bits || range->source != judge->source || from_ns < judge->since_ns) {
        return;
    }
    whole = pass_log_covers(judge->log, from_ns, range->now_ns);
    for (uint64_t i = 0; i < range->n; i++) {
        bool accessed = bits[i / 64] >> (i % 64) & 1;
        uint32_t page;

        if (!page_of(judge, range->first + i, &page)) {
            continue;
        }
        if (!page_listed(judge->list, page)) {
            judge->result->stray += accessed;
            judge->result->untouched += !accessed;
            continue;
        }
        judge->result->accessed += accessed;
        judge->result->missed += !accessed && whole;
        judge->result->listed_seen += !judge->seen[page];
        judge->seen[page] = 1;
    }
}

static void gather_rate(void *opaque, const TraceRange *range, const uint64_t *bits)
{
    Judge *judge = opaque;

    if (bits || range->source != judge->source || range->now_ns < judge->since_ns) {
        return;
    }
    for (uint64_t i = 0; i < range->n; i++) {
        uint32_t page;

        if (page_of(judge, range->first + i, &page)) {
            judge->weighted[page] += range->per_s * (double)range->interval_ns;
            judge->exposure[page] += (double)range->interval_ns;
        }
    }
}

static bool show(const char *trace, TraceVisit visit, Judge *judge, GError **errp)
{
    g_autofree char *bytes = NULL;
    gsize len;

    return g_file_get_contents(trace, &bytes, &len, errp) &&
           trace_foreach_evidence(bytes, len, visit, judge, errp);
}

bool evidence_exactness(const char *trace, const GuestHeader *header, const PageList *list,
                        PolicySource source, uint64_t since_ns, const PassLog *log, Exactness *result,
                        GError **errp)
{
    g_autofree uint8_t *seen = g_new0(uint8_t, header->pages);
    Judge judge = {
        .header = header,
        .list = list,
        .log = log,
        .since_ns = since_ns,
        .source = source,
        .result = result,
        .seen = seen,
    };

    *result = (Exactness){0};
    return show(trace, judge_bits, &judge, errp);
}

/* Of the two pages at @a and @b, the one with the higher mean rate first. */
static gint by_rate(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const double *rates = opaque;
    double x = rates[*(const uint32_t *)a], y = rates[*(const uint32_t *)b];

    return (x < y) - (x > y);
}

double evidence_recall(const char *trace, const GuestHeader *header, const PageList *hot, PolicySource source,
                       uint64_t since_ns, uint64_t *reports, GError **errp)
{
    g_autofree double *rates = g_new0(double, header->pages), *exposure = g_new0(double, header->pages);
    g_autofree uint32_t *order = g_new(uint32_t, header->pages);
    Judge judge = {
        .header = header,
        .since_ns = since_ns,
        .source = source,
        .weighted = rates,
        .exposure = exposure,
    };
    uint32_t n_hot = 0, found = 0;

    *reports = 0;
    if (!show(trace, gather_rate, &judge, errp)) {
        return NAN;
    }
    for (uint32_t page = 0; page < header->pages; page++) {
        order[page] = page;
        n_hot += page_listed(hot, page);
        *reports += exposure[page] > 0;
        rates[page] = exposure[page] > 0 ? rates[page] / exposure[page] : 0;
    }
    g_qsort_with_data(order, (gint)header->pages, sizeof(*order), by_rate, rates);
    for (uint32_t i = 0; i < n_hot; i++) {
        found += page_listed(hot, order[i]);
    }
    return n_hot ? (double)found / n_hot : NAN;
}
