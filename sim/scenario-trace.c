/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row made of a trace in a file.
 */
#include "scenario-trace.h"

#include <math.h>
#include <string.h>

#include "workloads/series.h"

#define MAX_PAGES (UINT64_C(1) << 28)   /* 1 TiB */

/* How many vCPUs make these accesses, and what they compute for each: as few as can make them. */
static void set_vcpus(GuestConfig *config, double per_s)
{
    double latency_ns = sim_costs_default.latency_ns[0];

    config->vcpus = MAX(ceil(per_s * latency_ns / 1e9), 1);
    config->compute_ns = per_s > 0 ? config->vcpus * 1e9 / per_s - latency_ns : 0;
}

Scenario *scenario_of_trace(const char *path, GError **errp)
{
    bool recorded;
    g_autoptr(RateSeries) series = NULL;
    Scenario *scenario;
    ScenarioGuest *guest;

    if (strpbrk(path, ", \t\r\n")) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                    "'%s' has a comma or white space in it; give the trace another name", path);
        return NULL;
    }
    series = rate_series_of_file(path, MAX_PAGES, &recorded, errp);
    if (!series) {
        return NULL;
    }
    guest = g_new0(ScenarioGuest, 1);
    guest->config = (GuestConfig){
        .name = "vm",
        .pages = series->pages,
        .write_share = series->accesses > 0 ? series->writes / series->accesses : 0,
        .placement = SIM_INTERLEAVE,
        .weight = 1,
    };
    set_vcpus(&guest->config, series->accesses / (series->end_ns / 1e9));
    guest->workload = recorded ? "recorded" : "trace";
    guest->params = g_strdup_printf("file=%s", path);
    scenario = g_new0(Scenario, 1);
    scenario->name = g_path_get_basename(path);
    scenario->what = g_strdup_printf("the %s trace %s", recorded ? "recorded" : "access", path);
    scenario->guests = guest;
    scenario->n_guests = 1;
    scenario->duration_ns = series->end_ns;
    scenario->steady_from_ns = series->end_ns / 3 * 2;
    return scenario;
}

void scenario_free(Scenario *scenario)
{
    g_free((char *)scenario->guests->params);
    g_free((ScenarioGuest *)scenario->guests);
    g_free((char *)scenario->name);
    g_free((char *)scenario->what);
    g_free(scenario);
}
