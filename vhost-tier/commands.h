/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of the control socket (docs/control.md).
 */
#ifndef VHOST_TIER_COMMANDS_H
#define VHOST_TIER_COMMANDS_H

#include "control.h"

/* To be given to control_new(), with a Host as opaque. */
extern const ControlCommand commands[];

#endif /* VHOST_TIER_COMMANDS_H */
