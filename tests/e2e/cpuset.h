/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group whose processes may use some nodes' memory only.
 */
#ifndef E2E_CPUSET_H
#define E2E_CPUSET_H

#include <glib.h>
#include <stdbool.h>

/* Make the group, or change it: its processes may use the nodes @mems ("0-1"). False when this kernel has none. */
bool cpuset_allow(const char *mems);
bool cpuset_join(GPid pid, GError **errp);

#endif /* E2E_CPUSET_H */
