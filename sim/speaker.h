/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that give hints: a workload, and how its guest speaks of it.
 */
#ifndef VHOST_TIER_SIM_SPEAKER_H
#define VHOST_TIER_SIM_SPEAKER_H

#include "workload.h"

/*
 * A workload that is @inner, which is taken over, whose guest speaks to its host in the way that is called @how (see
 * speaker.c). NULL, with an error that lists those there are, where there is none of that name.
 */
Workload *speaker_new(Workload *inner, const char *how, uint64_t seed, GError **errp);

#endif /* VHOST_TIER_SIM_SPEAKER_H */
