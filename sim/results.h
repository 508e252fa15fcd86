/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docs/results.md: what the simulator says of each thing that this project set out to reach.
 */
#ifndef VHOST_TIER_SIM_RESULTS_H
#define VHOST_TIER_SIM_RESULTS_H

#include "experiment.h"

/*
 * The page as Markdown, to be freed with g_free(). @experiment has run, with oracle-paying, interleave and
 * 'ours' (the name of the contender that is judged) in it. @hostile has, too: the rows of the hostile VM and of an
 * honest one in its place, with 'ours', and as many seeds as it takes to tell one from the other; it may be
 * @experiment. @pictures: names of picture files that it shows, NULL-terminated.
 */
char *results_text(const Experiment *experiment, const Experiment *hostile, const char *ours,
                   const char *const *pictures);

#define RESULTS_HOSTILE "tenants-9"
#define RESULTS_HONEST "tenants-9-honest"

#endif /* VHOST_TIER_SIM_RESULTS_H */
