/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-tier looks up on this host, where libvirt runs on it: whether what is wanted can be had.
 */
#ifndef VIRT_TIER_HOST_H
#define VIRT_TIER_HOST_H

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/settings.h"
#include "libvirt-hooks/virt-tier/connection.h"

/* Whether that libvirt runs QEMU, and hooks with it: the system's does, a user's session does not. */
bool host_check_connection(virConnect *connection, GError **errp);

/* settings_check_host(), or true where libvirt runs on another host. */
bool host_check_settings(virConnect *connection, const Settings *settings, GError **errp);

/*
 * Note it where @emulator (a path, or NULL: none) has no memory-backend-tier. Nothing is run: its file is searched for
 * that name.
 */
void host_check_emulator(virConnect *connection, const char *emulator);

#endif /* VIRT_TIER_HOST_H */
