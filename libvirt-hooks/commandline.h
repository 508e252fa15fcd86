/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arguments for QEMU in a domain's <qemu:commandline>: those of ours, known by the ids in them, and those of
 * others.
 */
#ifndef LIBVIRT_HOOKS_COMMANDLINE_H
#define LIBVIRT_HOOKS_COMMANDLINE_H

#include <glib.h>
#include <stdbool.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/settings.h"

#define COMMANDLINE_RAM_ID "vhost-tier-ram"             /* of the memory backend */
#define COMMANDLINE_MEMORY_ID "vhost-tier-memory"       /* of the memory channel's chardev */
#define COMMANDLINE_HINT_ID "vhost-tier-hint" /* of the hint device, and of its chardev with -chardev behind */

/*
 * What QEMU is to be given for @settings and @memory bytes, with the sockets in @socket_dir: options and values by
 * turns. The caller frees it with g_strfreev().
 */
char **commandline_make(const Domain *domain, const Settings *settings, uint64_t memory, const char *socket_dir);

/* The arguments of ours, or those of others, that stand in the domain now, in their order; freed with g_strfreev(). */
char **commandline_ours(const Domain *domain);
char **commandline_others(const Domain *domain);

/* Put @arguments behind all others; and take all of ours away, with what is empty then. */
void commandline_append(Domain *domain, char *const *arguments);
void commandline_remove(Domain *domain);

#endif /* LIBVIRT_HOOKS_COMMANDLINE_H */
