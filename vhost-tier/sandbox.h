/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up what the daemon does not need.
 */
#ifndef VHOST_TIER_SANDBOX_H
#define VHOST_TIER_SANDBOX_H

#include <glib.h>
#include <stdbool.h>

#include "facts.h"

/*
 * For good, for this thread and those it starts: no new privileges, no capabilities but those that the
 * usable sources and the mover need, and no system calls of the kinds that the daemon never makes. To be
 * called before any other thread runs. What can't be given up is logged; false only when something that
 * was asked of the kernel half happened.
 */
bool sandbox_enter(const Facts *facts, GError **errp);

/*
 * Why this process can't move other processes' pages (capabilities that it lacks), with the remedy;
 * NULL: it can.
 */
char *sandbox_cannot_move(void);

#endif /* VHOST_TIER_SANDBOX_H */
