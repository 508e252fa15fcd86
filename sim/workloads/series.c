/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A series of rates, and its playing.
 */
#include "series.h"

#include <string.h>

#include "core/trace.h"

typedef struct SeriesPlay {
    Workload base;
    RateSeries *series;
    uint64_t start_ns;
    size_t next;                    /* step */
    double phase_s;
    uint64_t phase_until_ns;        /* of the run, as all but what is in the series */
    float *rates;                   /* as they are now */
} SeriesPlay;

RateSeries *rate_series_new(size_t pages)
{
    RateSeries *series = g_new0(RateSeries, 1);

    series->pages = pages;
    series->steps = g_array_new(FALSE, FALSE, sizeof(RateStep));
    series->changes = g_array_new(FALSE, FALSE, sizeof(RateChange));
    return series;
}

void rate_series_free(RateSeries *series)
{
    g_array_unref(series->steps);
    g_array_unref(series->changes);
    g_free(series);
}

static const RateStep *step_at(const RateSeries *series, size_t index)
{
    return &g_array_index(series->steps, RateStep, index);
}

static const RateChange *change_at(const RateSeries *series, size_t index)
{
    return &g_array_index(series->changes, RateChange, index);
}

void rate_series_step(RateSeries *series, uint64_t at_ns)
{
    RateStep step = {at_ns, series->changes->len, series->changes->len};

    g_array_append_val(series->steps, step);
}

void rate_series_change(RateSeries *series, uint32_t page, double per_s)
{
    RateChange change = {page, per_s};

    g_array_append_val(series->changes, change);
    g_array_index(series->steps, RateStep, series->steps->len - 1).end = series->changes->len;
}

/* Whether the file begins as core/trace.h's traces do; false, too, where it can't be read. */
static bool is_recorded(const char *path)
{
    const uint32_t magic = TRACE_MAGIC;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);

    return file && g_mapped_file_get_length(file) >= sizeof(magic) &&
           memcmp(g_mapped_file_get_contents(file), &magic, sizeof(magic)) == 0;
}

RateSeries *rate_series_of_file(const char *path, uint64_t max_pages, bool *recorded, GError **errp)
{
    *recorded = is_recorded(path);
    return *recorded ? rate_series_of_evidence(path, RECORDED_WINDOW_S, max_pages, errp)
                     : rate_series_of_accesses(path, TRACE_WINDOW_S, max_pages, errp);
}

void rate_series_refuse_size(const char *path, uint64_t pages, uint64_t max_pages, GError **errp)
{
    g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                "%s: its regions have %" G_GUINT64_FORMAT " pages, which is more than the %" G_GUINT64_FORMAT
                " of the guest; run it with a guest of its own size, at full scale",
                path, pages, max_pages);
}

/* Begin a phase that starts now: its means are the rates as they are, and as steps change them within it. */
static void begin_phase(SeriesPlay *play, uint64_t now_ns)
{
    const RateSeries *series = play->series;
    double length = play->phase_s * 1e9;
    g_autofree float *mean = g_memdup2(play->rates, series->pages * sizeof(*mean));
    g_autofree float *rates = g_memdup2(play->rates, series->pages * sizeof(*rates));

    play->phase_until_ns = workload_after(now_ns, play->phase_s);
    for (size_t i = play->next; i < series->steps->len; i++) {
        const RateStep *step = step_at(series, i);
        double left = length - (play->start_ns + step->at_ns - now_ns);

        if (left <= 0) {
            break;
        }
        for (size_t c = step->begin; c < step->end; c++) {
            const RateChange *change = change_at(series, c);

            mean[change->page] += (change->per_s - rates[change->page]) * left / length;
            rates[change->page] = change->per_s;
        }
    }
    for (size_t i = 0; i < series->pages; i++) {
        mean[i] = MAX(mean[i], 0);  /* rounding */
    }
    guest_set_phase(play->base.guest, mean, play->phase_until_ns);
}

/* Apply all steps that are due. */
static void take_steps(SeriesPlay *play, uint64_t now_ns)
{
    const RateSeries *series = play->series;
    size_t lowest = series->pages, highest = 0;

    for (; play->next < series->steps->len; play->next++) {
        const RateStep *step = step_at(series, play->next);

        if (play->start_ns + step->at_ns > now_ns) {
            break;
        }
        for (size_t c = step->begin; c < step->end; c++) {
            const RateChange *change = change_at(series, c);

            play->rates[change->page] = change->per_s;
            lowest = MIN(lowest, change->page);
            highest = MAX(highest, change->page);
        }
    }
    if (lowest <= highest) {
        guest_set_rates(play->base.guest, lowest, highest + 1 - lowest, &play->rates[lowest]);
    }
}

uint64_t rate_series_tick(Workload *workload, uint64_t now_ns)
{
    SeriesPlay *play = (SeriesPlay *)workload;

    take_steps(play, now_ns);
    if (now_ns >= play->phase_until_ns) {
        begin_phase(play, now_ns);
    }
    if (play->next == play->series->steps->len) {
        return play->phase_until_ns;
    }
    return MIN(play->start_ns + step_at(play->series, play->next)->at_ns, play->phase_until_ns);
}

Workload *rate_series_create(const WorkloadClass *class, const RateSeriesKind *kind, const char *params, Guest *guest,
                             GError **errp)
{
    g_autofree char *file = NULL;
    double window = kind->default_window, phase_s = TRACE_PHASE_S;
    const Param table[] = {
        {"file", .text = &file},
        {kind->window, &window, kind->least_window, 1e6},
        {"phase_s", &phase_s, 0.01, FOREVER_S},
        {NULL},
    };
    RateSeries *series;

    if (!params_parse(params, table, errp)) {
        return NULL;
    }
    if (!file) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT, "workload %s needs 'file=PATH'", class->name);
        return NULL;
    }
    series = kind->read(file, window * kind->unit_s, guest_pages(guest), errp);
    return series ? rate_series_play(class, guest, series, phase_s, errp) : NULL;
}

Workload *rate_series_play(const WorkloadClass *class, Guest *guest, RateSeries *series, double phase_s,
                           GError **errp)
{
    uint64_t now_ns = machine_now_ns(guest_machine(guest));
    SeriesPlay *play;

    if (series->pages != guest_pages(guest)) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                    "the trace is of %zu pages, the guest has %zu: give it as many, and run at full scale",
                    series->pages, guest_pages(guest));
        rate_series_free(series);
        return NULL;
    }
    play = g_new0(SeriesPlay, 1);
    *play = (SeriesPlay){.base = {.class = class, .guest = guest}, .series = series, .start_ns = now_ns,
                         .phase_s = phase_s, .phase_until_ns = now_ns};
    play->rates = g_new0(float, series->pages);
    rate_series_tick(&play->base, now_ns);
    return &play->base;
}

void rate_series_destroy(Workload *workload)
{
    SeriesPlay *play = (SeriesPlay *)workload;

    rate_series_free(play->series);
    g_free(play->rates);
    g_free(play);
}
