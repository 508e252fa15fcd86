/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM may be called, and where its QEMU is listened for.
 */
#ifndef VHOST_TIER_HOST_SOCKETS_H
#define VHOST_TIER_HOST_SOCKETS_H

#include <glib.h>
#include <stdbool.h>

#include "register.h"
#include "vm/vm.h"

/* Whether that can be a VM's name, which ends in paths, logs and lines of the register; false with an error. */
bool host_name_check(const char *name, GError **errp);

/*
 * Where a VM's QEMU is listened for: where @spec says, else below @runtime_dir. Freed by the caller; NULL with an
 * error.
 */
char *host_socket_path(const char *runtime_dir, const VmSpec *spec, GError **errp);
/* Where its hint device is listened for, as the other socket is at @path; freed by the caller. */
char *host_hint_path(const VmSpec *spec, const char *path);

/*
 * Listen at the paths of both, which get their descriptors, the caller's to close; @hint may have no path. False, with
 * an error, where one of them can't be, and nothing is left behind.
 */
bool host_sockets_listen(const VmSpec *spec, VmSocket *memory, VmSocket *hint, GError **errp);

#endif /* VHOST_TIER_HOST_SOCKETS_H */
