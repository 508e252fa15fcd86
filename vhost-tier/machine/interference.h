/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What else on this host moves the memory that we place, or keeps us from placing it.
 */
#ifndef VHOST_TIER_MACHINE_INTERFERENCE_H
#define VHOST_TIER_MACHINE_INTERFERENCE_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "topology.h"

typedef struct Interference {
    char *what;
    char *remedy;
} Interference;

/*
 * Of the whole host: an array of Interference, which owns them; empty when all is well. Roots are "/sys" and
 * "/proc", or a test's.
 */
GPtrArray *interference_of_host(const char *sysfs, const char *proc);

/* Of one process: nodes of the tiers that its cpuset does not allow. */
GPtrArray *interference_of_process(const char *proc, const Topology *topology, pid_t pid);

/* Whether both lists say the same. */
bool interference_same(const GPtrArray *a, const GPtrArray *b);

#endif /* VHOST_TIER_MACHINE_INTERFERENCE_H */
