/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cost model by name: 'cxl_ns=400' and so on.
 */
#ifndef VHOST_TIER_SIM_COSTS_H
#define VHOST_TIER_SIM_COSTS_H

#include "machine.h"

/*
 * Change @costs by 'key=value' pairs; on false, with an error that names the key and what is allowed,
 * nothing was.
 */
bool sim_costs_parse(SimCosts *costs, const char *text, GError **errp);
/* All keys with their values, a line each; to be freed with g_free(). */
char *sim_costs_list(const SimCosts *costs);

#endif /* VHOST_TIER_SIM_COSTS_H */
