/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recording what a VM's policy is told and what it plans (core/trace.h).
 */
#include <errno.h>
#include <unistd.h>

#include "core/trace.h"
#include "impl.h"

/* A trace that nobody stops must not fill the disk. */
#define TRACE_LIMIT_BYTES (G_GUINT64_CONSTANT(1) << 30)

static bool write_all(void *opaque, const void *data, size_t len)
{
    Vm *vm = opaque;
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(vm->trace_fd, at, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            vm_log(vm, G_LOG_LEVEL_WARNING, "the trace %s ends early: %s", vm->trace_file, g_strerror(errno));
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool vm_trace_begin(Vm *vm, const char *path, int fd, GError **errp)
{
    if (vm->trace || !vm->policy) {
        close(fd);
        if (vm->trace) {
            g_set_error(errp, VM_ERROR, VM_ERROR_STATE, "a trace of VM '%s' is being recorded to %s already",
                        vm->name, vm->trace_file);
        } else {
            g_set_error(errp, VM_ERROR, VM_ERROR_STATE,
                        "VM '%s' is not connected, there is nothing to record", vm->name);
        }
        return false;
    }
    vm->trace_fd = fd;
    vm->trace_file = g_strdup(path);
    vm->trace = trace_writer_new(write_all, vm, TRACE_LIMIT_BYTES);
    policy_record(vm->policy, vm->trace);
    report_publish(vm);
    return true;
}

VmTrace *vm_trace_end(Vm *vm, GError **errp)
{
    VmTrace *trace;

    if (!vm->trace) {
        g_set_error(errp, VM_ERROR, VM_ERROR_STATE, "no trace of VM '%s' is being recorded", vm->name);
        return NULL;
    }
    policy_record(vm->policy, NULL);
    trace = g_new0(VmTrace, 1);
    trace->file = g_steal_pointer(&vm->trace_file);
    trace->bytes = trace_writer_bytes(vm->trace);
    trace->records = trace_writer_records(vm->trace);
    if (trace_writer_end(vm->trace) == TRACE_FULL) {
        g_message("VM '%s': the trace %s had reached its limit of %" G_GUINT64_FORMAT " bytes", vm->name,
                  trace->file, TRACE_LIMIT_BYTES);
    }
    g_clear_pointer(&vm->trace, trace_writer_free);
    close(g_steal_fd(&vm->trace_fd));
    report_publish(vm);
    return trace;
}

void vm_trace_free(VmTrace *trace)
{
    if (trace) {
        g_free(trace->file);
        g_free(trace);
    }
}
