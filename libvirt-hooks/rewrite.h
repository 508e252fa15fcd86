/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning an ordinary domain into a tiered one, and back, in its XML: <tier:memory> under <metadata>, the arguments
 * for QEMU under <qemu:commandline>, and the <emulator> where asked. Pure: a Domain is changed, nothing else.
 *
 * A domain is in one of three states: ordinary (no settings); tiered (settings, and the command line that follows
 * from them); stripped (settings alone, QEMU has ordinary memory), as a host without vhost-tier goes on with a tiered
 * one.
 */
#ifndef LIBVIRT_HOOKS_REWRITE_H
#define LIBVIRT_HOOKS_REWRITE_H

#include <glib.h>
#include <stdbool.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/settings.h"

/* Below it, one folder for each VM, named by its UUID, with the sockets that the daemon listens on. */
#define REWRITE_SOCKET_DIR "/run/vhost-tier/libvirt"
#define REWRITE_MEMORY_SOCKET "memory.sock"
#define REWRITE_HINT_SOCKET "hint.sock"

/*
 * The settings of a domain: *@settings is NULL where it has none. False, with DOMAIN_ERROR_SETTINGS, where they are not
 * allowed, there are two of them, or they are of another version's namespace.
 */
bool rewrite_settings(const Domain *domain, Settings **settings, GError **errp);

/*
 * The folder of its sockets, and REWRITE_MEMORY_SOCKET or REWRITE_HINT_SOCKET in it; NULL without UUID. Freed by the
 * caller.
 */
char *rewrite_socket_dir(const Domain *domain);
char *rewrite_socket(const Domain *domain, const char *which);

/*
 * Make the domain tiered with these settings, whatever its state: the same settings twice are the same as once.
 * Nothing is changed on error: DOMAIN_ERROR_UNFIT where something in the domain does not go with tiered memory
 * (problems_find()), DOMAIN_ERROR_SETTINGS where the settings don't fit its memory.
 */
bool rewrite_enable(Domain *domain, const Settings *settings, GError **errp);

/*
 * Make it ordinary again; settings of other versions go, too, but what is not ours stays as it is. No change where it
 * is ordinary.
 */
void rewrite_disable(Domain *domain);

/* Make it stripped, with the emulator that it had before. A guest that runs can't lose its hint device, though. */
void rewrite_strip(Domain *domain);

/* Whether QEMU is given anything of ours. */
bool rewrite_has_command_line(const Domain *domain);
/* Whether a hint device is among that. */
bool rewrite_has_hint_device(const Domain *domain);

/*
 * Whether the command line of a tiered domain is the one that follows from its settings, and nothing beside it takes
 * its place. DOMAIN_ERROR_MISMATCH names the argument, what it is, what it should be, and the remedy.
 */
bool rewrite_agrees(const Domain *domain, const Settings *settings, GError **errp);

/*
 * What QEMU is given for these settings, as options and values by turns; freed with g_strfreev(). Takes a domain with
 * UUID.
 */
char **rewrite_arguments(const Domain *domain, const Settings *settings, GError **errp);

#endif /* LIBVIRT_HOOKS_REWRITE_H */
