/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host's memory and moves cost, as far as it can be measured at start-up in a fraction of a second.
 */
#ifndef VHOST_TIER_MACHINE_COSTS_H
#define VHOST_TIER_MACHINE_COSTS_H

#include "core/policy.h"
#include "topology.h"

typedef enum CostsOrigin {
    COSTS_DEFAULT, /* of a common server with CXL memory */
    COSTS_HMAT,    /* what the firmware says */
    COSTS_MEASURED,
} CostsOrigin;

typedef struct Costs {
    PolicyCosts policy;
    CostsOrigin latency_from; /* of all tiers alike */
    CostsOrigin moves_from;
} Costs;

/*
 * Fill @costs for the tiers of @topology. Latencies are measured; where that fails for one or shows no
 * difference between tiers, they are the HMAT's, or else defaults. The cost of a move is measured between
 * tiers 0 and 1, both ways, or else a default. Takes some tens of milliseconds, and a few pages of each tier.
 */
void costs_measure(const Topology *topology, Costs *costs);

/* "measured", "HMAT", "default" */
const char *costs_origin_name(CostsOrigin origin);

#endif /* VHOST_TIER_MACHINE_COSTS_H */
