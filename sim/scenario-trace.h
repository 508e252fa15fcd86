/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row made of a trace in a file.
 */
#ifndef VHOST_TIER_SIM_SCENARIO_TRACE_H
#define VHOST_TIER_SIM_SCENARIO_TRACE_H

#include "run.h"

/*
 * A row of one guest that accesses what the trace at @path tells: an access trace (docs/traces.md), or what
 * 'tierctl record' wrote. The guest is as large as the trace's regions and the run as long as the trace; the
 * last third is the steady state. To be run at full scale, and freed with scenario_free(). NULL, with an
 * error, where the trace is not sound.
 */
Scenario *scenario_of_trace(const char *path, GError **errp);
void scenario_free(Scenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scenario, scenario_free)

#endif /* VHOST_TIER_SIM_SCENARIO_TRACE_H */
