/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab (lab/README.md) as the simulator has it: the same guest on the same host, with what accesses, faults and
 * moves cost there. So what is simulated can be compared with what was measured in it.
 */
#ifndef VHOST_TIER_SIM_LAB_H
#define VHOST_TIER_SIM_LAB_H

#include "run.h"

/* A row for each pattern that is compared, named "lab-" and the pattern; the last has no name. */
extern const Scenario lab_scenarios[];

/* The lab's costs, its share of DRAM, no scale. */
void lab_run_options(RunOptions *options);

/* What tiers in a run of tier-observer, by the name that its JSON has, and which contender that is. */
typedef struct LabContender {
    const char *observed;           /* NULL ends the list */
    const char *title;
    const char *contender, *params;
} LabContender;

extern const LabContender lab_contenders[];

#endif /* VHOST_TIER_SIM_LAB_H */
