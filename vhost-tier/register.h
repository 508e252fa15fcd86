/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMs that a daemon was told of, as remembered for the next one: a file with one JSON object a line, each with
 * the arguments that vm-add takes.
 */
#ifndef VHOST_TIER_REGISTER_H
#define VHOST_TIER_REGISTER_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "vm/settings.h"

/* How a VM is served. */
typedef struct VmSpec {
    char *name;
    char *socket;               /* where to listen for its QEMU; NULL: where the daemon chooses, and remembered */
    char *directory;            /* folder for its sockets, below the runtime directory; NULL: that itself */
    uid_t uid;                  /* owners of the sockets; -1: the daemon's */
    gid_t gid;
    VmSettings limits;          /* to what its QEMU may say */
} VmSpec;

VmSpec *vm_spec_copy(const VmSpec *spec);
void vm_spec_free(VmSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmSpec, vm_spec_free)

/* One of vm-add's arguments; NULL, with an error, where they are not allowed. Freed by the caller. */
VmSpec *vm_spec_from_json(JsonObject *arguments, GError **errp);

/* Write @specs (of VmSpec) to @path, all or nothing. */
bool register_save(const char *path, const GPtrArray *specs, GError **errp);
/*
 * Read them again: none where there is no file. Lines that make no sense are left out, with a warning. The caller
 * frees the array, and it the specs. NULL, with an error, where the file can't be read.
 */
GPtrArray *register_load(const char *path, GError **errp);

#endif /* VHOST_TIER_REGISTER_H */
