/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that measures latencies; latency-watch.h has the theory.
 */
#include "latency-watch.h"

#include <string.h>

#include "chase.h"
#include "clock.h"

struct LatencyWatch {
    const Topology *topology;
    GThread *thread;
    GMutex lock;                    /* guards what follows */
    GCond wake;
    bool ends;
    LatencyFilter filter;
    char *problem;                  /* why a tier can't be measured; NULL */

    /* The thread's own. */
    Chase *chases[TIER_MAX_TIERS];  /* all or none */
};

uint64_t latency_watch_pause_ns(uint64_t took_ns)
{
    return MAX(LATENCY_EVERY_NS, (uint64_t)((double)took_ns / LATENCY_COST));
}

static void close_chases(LatencyWatch *watch)
{
    for (unsigned tier = 0; tier < TIER_MAX_TIERS; tier++) {
        g_clear_pointer(&watch->chases[tier], chase_free);
    }
}

static bool open_chases(LatencyWatch *watch, GError **errp)
{
    for (unsigned tier = 0; tier < watch->topology->n_tiers; tier++) {
        watch->chases[tier] = chase_new(&watch->topology->tiers[tier], errp);
        if (!watch->chases[tier]) {
            g_prefix_error(errp, "tier %u: ", tier);
            close_chases(watch);
            return false;
        }
    }
    return true;
}

static bool all_in_place(const LatencyWatch *watch)
{
    for (unsigned tier = 0; tier < watch->topology->n_tiers; tier++) {
        if (!watch->chases[tier] || !chase_in_place(watch->chases[tier])) {
            return false;
        }
    }
    return true;
}

static void lose(LatencyWatch *watch, const char *why)
{
    g_mutex_lock(&watch->lock);
    if (!watch->problem) {
        g_message("latencies are not watched: %s; those found at start hold, and it is tried again each minute", why);
    }
    g_free(watch->problem);
    watch->problem = g_strdup(why);
    latency_filter_lose(&watch->filter);
    g_mutex_unlock(&watch->lock);
}

static void log_change(const LatencyFilter *filter)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned tier = 0; tier < filter->n_tiers; tier++) {
        g_string_append_printf(text, "%s%u ns (%u idle)", tier ? ", " : "", filter->now_ns[tier],
                               filter->idle_ns[tier]);
    }
    g_info("latencies are now %s", text->str);
}

static void measure(LatencyWatch *watch)
{
    uint32_t measured_ns[TIER_MAX_TIERS] = {0};

    for (unsigned tier = 0; tier < watch->topology->n_tiers; tier++) {
        measured_ns[tier] = chase_ns(watch->chases[tier]);
    }
    g_mutex_lock(&watch->lock);
    g_clear_pointer(&watch->problem, g_free);
    if (latency_filter_add(&watch->filter, measured_ns)) {
        log_change(&watch->filter);
    }
    g_mutex_unlock(&watch->lock);
}

/* One look at all tiers; returns how long to pause after it. */
static uint64_t turn(LatencyWatch *watch)
{
    uint64_t begin_ns = clock_thread_cpu_ns();
    g_autoptr(GError) err = NULL;

    if (!all_in_place(watch)) {
        close_chases(watch);
        if (!open_chases(watch, &err)) {
            lose(watch, err->message);
            return LATENCY_RETRY_NS;
        }
        begin_ns = clock_thread_cpu_ns();      /* this is not what each round takes */
    }
    measure(watch);
    return latency_watch_pause_ns(clock_thread_cpu_ns() - begin_ns);
}

static gpointer run(gpointer data)
{
    LatencyWatch *watch = data;

    g_mutex_lock(&watch->lock);
    while (!watch->ends) {
        gint64 until_us;
        bool early = true;

        g_mutex_unlock(&watch->lock);
        until_us = (gint64)(turn(watch) / 1000) + g_get_monotonic_time();
        g_mutex_lock(&watch->lock);
        while (!watch->ends && early) {
            early = g_cond_wait_until(&watch->wake, &watch->lock, until_us);
        }
    }
    g_mutex_unlock(&watch->lock);
    close_chases(watch);
    return NULL;
}

LatencyWatch *latency_watch_start(const Topology *topology, const uint32_t *start_ns)
{
    LatencyWatch *watch = g_new0(LatencyWatch, 1);

    watch->topology = topology;
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->wake);
    latency_filter_init(&watch->filter, topology->n_tiers, start_ns);
    watch->thread = g_thread_new("latency", run, watch);
    return watch;
}

void latency_watch_stop(LatencyWatch *watch)
{
    if (!watch) {
        return;
    }
    g_mutex_lock(&watch->lock);
    watch->ends = true;
    g_cond_signal(&watch->wake);
    g_mutex_unlock(&watch->lock);
    g_thread_join(watch->thread);
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->wake);
    g_free(watch->problem);
    g_free(watch);
}

void latency_watch_see(LatencyWatch *watch, LatencyView *view)
{
    const LatencyFilter *filter = &watch->filter;

    *view = (LatencyView){0};
    g_mutex_lock(&watch->lock);
    memcpy(view->used_ns, filter->used_ns, sizeof(view->used_ns));
    memcpy(view->now_ns, filter->now_ns, sizeof(view->now_ns));
    memcpy(view->idle_ns, filter->idle_ns, sizeof(view->idle_ns));
    view->sees_tiers = latency_filter_sees_tiers(filter);
    g_mutex_unlock(&watch->lock);
}

char *latency_watch_problem(LatencyWatch *watch)
{
    g_autofree char *problem = NULL;
    bool enough, sees;

    g_mutex_lock(&watch->lock);
    problem = g_strdup(watch->problem);
    enough = watch->filter.rounds >= LATENCY_RECENT;
    sees = latency_filter_sees_tiers(&watch->filter);
    g_mutex_unlock(&watch->lock);
    if (problem || sees) {
        return g_steal_pointer(&problem);
    }
    return g_strdup(enough ? "the tiers take about the same time without load, so it is not the memory that is "
                             "measured, as in an emulator: latencies are those found at start"
                           : "it was not measured often enough yet");
}
