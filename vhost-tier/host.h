/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All VMs of the host: added and removed, and tier 0 split between them.
 */
#ifndef VHOST_TIER_HOST_H
#define VHOST_TIER_HOST_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "facts.h"
#include "register.h"
#include "vm/vm.h"

#define HOST_MAX_VMS 4096

typedef struct Host Host;

#define HOST_ERROR host_error_quark()
GQuark host_error_quark(void);
typedef enum HostError {
    HOST_ERROR_INVALID,             /* a name that can't be one */
    HOST_ERROR_EXISTS,
    HOST_ERROR_NOT_FOUND,
    HOST_ERROR_FAILED,
} HostError;

/* A host without VMs; the sockets of those to come will lie in @runtime_dir. @facts must outlive it. */
Host *host_new(const Facts *facts, const char *runtime_dir);
/* Only after host_stop() has said that it is done. */
void host_free(Host *host);

/*
 * Add a VM. Unless @spec says where to listen, it is remembered in the runtime directory, so that a daemon that is
 * started again serves it again.
 */
Vm *host_vm_add(Host *host, const VmSpec *spec, GError **errp);
/* vm_set() has done this: what the VM is limited to is remembered so. */
void host_vm_was_set(Host *host, const char *name, const VmSettings *settings);
/* Add those again that an earlier daemon had been told of and not to forget. Errors are logged. */
void host_vm_recall(Host *host);
/*
 * Remove a VM, for good; @done is called when its thread has ended. False, with an error, when there is
 * no such VM.
 */
bool host_vm_del(Host *host, const char *name, VmDone done, void *opaque, GError **errp);
/* NULL, with an error, when there is none. */
Vm *host_vm_find(Host *host, const char *name, GError **errp);
/*
 * Whether @vm may have a floor of @bytes: false, with an error, where that is more than it has and all floors together
 * would exceed what is shared out.
 */
bool host_floor_check(Host *host, Vm *vm, uint64_t bytes, GError **errp);
/* All, sorted by name; valid until one is added or removed. The caller frees the array. */
GPtrArray *host_vms(Host *host);

const Facts *host_facts(const Host *host);
/* When the host was made, in seconds of the monotonic clock. */
double host_start_s(const Host *host);
/*
 * The sum of all floors, in bytes, where it exceeds what is shared out, so that all are cut; else 0. It can only
 * come about by what QEMUs say, or by a tier that has become smaller.
 */
uint64_t host_floors_cut(const Host *host);
/* CPU time of kernel threads that work for VMs, in nanoseconds since the daemon's start. */
uint64_t host_helpers_cpu_ns(Host *host);

/* Stop all VMs and remove their sockets; @done is called once all have ended. Those remembered stay so. */
void host_stop(Host *host, void (*done)(void *opaque), void *opaque);
/* How many VMs have not ended yet. */
unsigned host_ending(const Host *host);

#endif /* VHOST_TIER_HOST_H */
