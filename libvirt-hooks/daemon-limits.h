/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tier settings as the daemon has them (docs/control.md): limits in vm-add, changes in vm-set.
 */
#ifndef LIBVIRT_HOOKS_DAEMON_LIMITS_H
#define LIBVIRT_HOOKS_DAEMON_LIMITS_H

#include <json-glib/json-glib.h>

#include "libvirt-hooks/settings.h"

/*
 * Add what @settings mean for a domain with @memory bytes to the @arguments of vm-add or vm-set. All that the daemon
 * knows is added, with its default where it was not given, so that as limits they leave nothing to a QEMU's own
 * choice.
 */
void limits_add(const Settings *settings, uint64_t memory, JsonObject *arguments);

#endif /* LIBVIRT_HOOKS_DAEMON_LIMITS_H */
