/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM, as the main thread sees it: a thread of its own, which is spoken to by messages only, and
 * which leaves snapshots of itself. A VM whose thread is stuck holds up nobody.
 */
#ifndef VHOST_TIER_VM_VM_H
#define VHOST_TIER_VM_VM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "facts.h"
#include "snapshot.h"
#include "settings.h"

typedef struct Vm Vm;

/* What of a VM's memory is asked about (survey.h); what it has not is told by an error. */
typedef struct VmSurvey {
    uint32_t buckets;           /* above 0: of all memory, in at most so many buckets; 0: of a range */
    bool has_region;            /* false: the only one */
    uint32_t region;
    uint64_t offset, length;    /* bytes; widened to whole granules, at least one */
    uint32_t detail;            /* of so many granules, from the range's beginning, all is told */
} VmSurvey;

/* Called in the main thread, on its default context, when the VM's needs have changed or it has stopped. */
typedef void (*VmNotify)(Vm *vm, void *opaque);
/*
 * The answer to a request, in the main thread. @result is the request's own, owned by the callee; NULL
 * with @error.
 */
typedef void (*VmDone)(void *opaque, void *result, const GError *error);

/* A listening socket, at a path. */
typedef struct VmSocket {
    const char *path;
    int fd;
} VmSocket;

/*
 * Start a VM's thread, which serves memory channels at @memory and the guest's hints at @hint (without a path: it has
 * none). The descriptors are the VM's from now on, the files stay the caller's to remove. Nothing that its QEMU says
 * exceeds @limits. @facts must outlive it.
 */
Vm *vm_start(const char *name, VmSocket memory, VmSocket hint, const VmSettings *limits, const Facts *facts,
             VmNotify changed, VmNotify stopped, void *opaque);
/*
 * Ask the VM to end: sources stopped, connections closed. Then 'stopped' is called, in which vm_free()
 * may be.
 */
void vm_stop(Vm *vm);
/* Frees a VM that has stopped; waits for its thread. */
void vm_free(Vm *vm);

const char *vm_name(const Vm *vm);
const char *vm_socket(const Vm *vm);
/* NULL: there is none. */
const char *vm_hint_socket(const Vm *vm);
/* The latest snapshot; the caller owns a reference. Never blocks, never NULL. */
Snapshot *vm_snapshot(Vm *vm);

/* What the arbiter gives, in bytes of tier 0, and in bytes a second that may be moved (0: no limit). */
void vm_budget(Vm *vm, uint64_t bytes, uint64_t bytes_per_s);

/*
 * Requests; @done is called once each. Results: NULL for all but vm_trace_stop, whose is a VmTrace, and
 * vm_survey, whose is a JsonNode.
 */
/* What the VM is limited in is limited to this from now on. */
void vm_set(Vm *vm, const VmSettings *settings, VmDone done, void *opaque);
/* Record to @fd (owned from now on), a file that was made at @path. */
void vm_trace_start(Vm *vm, const char *path, int fd, VmDone done, void *opaque);
void vm_trace_stop(Vm *vm, VmDone done, void *opaque);
/* @asked->buckets and ->detail at most SURVEY_MAX_BUCKETS and SURVEY_MAX_DETAIL. */
void vm_survey(Vm *vm, const VmSurvey *asked, VmDone done, void *opaque);

typedef struct VmTrace {
    char *file;
    uint64_t bytes, records;
} VmTrace;
void vm_trace_free(VmTrace *trace);

#define VM_ERROR vm_error_quark()
GQuark vm_error_quark(void);
typedef enum VmError {
    VM_ERROR_INVALID,           /* the values asked for make no sense together */
    VM_ERROR_STATE,             /* not now */
} VmError;

#endif /* VHOST_TIER_VM_VM_H */
