/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's thread and how it is spoken to.
 *
 * Theory of operation
 *
 * Everything of a VM is done in its thread, so nothing in it needs a lock. The main thread posts
 * closures to the VM's context, and the VM posts its answers and notices to the main context; neither
 * ever waits for the other. What the main thread wants to show it takes from the latest snapshot, whose
 * pointer is all that the one mutex guards. A closure that the VM no longer gets to run is answered all
 * the same: its destruction does that.
 *
 * At the end the VM stops its sources, closes its connections, and posts 'stopped' as its last word;
 * only then may it be freed.
 */
#include "impl.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/trace.h"
#include "survey.h"

#define LOG_LINES_PER_MINUTE 100

typedef struct Request {
    Vm *vm;
    gpointer (*run)(struct Request *request, GError **errp);
    VmDone done;
    void *opaque;
    gpointer result;
    GError *error;
    bool more;                  /* set by run(): call it again, after what else the VM has to do */
    bool ran;
    Survey *survey;             /* under way */
    /* arguments */
    VmSettings settings;
    VmSurvey asked;
    uint64_t bytes, bytes_per_s;
    char *path;
    int fd;
} Request;

GQuark vm_error_quark(void)
{
    return g_quark_from_static_string("vhost-tier-vm");
}

/* Unlike g_main_context_invoke(), never runs @func in the calling thread. */
static void post(GMainContext *context, GSourceFunc func, gpointer data, GDestroyNotify destroy)
{
    GSource *source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, func, data, destroy);
    g_source_attach(source, context);
    g_source_unref(source);
}

/* --- requests, from the main thread --- */

static gboolean request_answer(gpointer data)
{
    Request *request = data;

    if (request->done) {
        request->done(request->opaque, request->result, request->error);
    }
    g_clear_error(&request->error);
    survey_free(request->survey);
    g_free(request->path);
    g_free(request);
    return G_SOURCE_REMOVE;
}

static gboolean request_run(gpointer data)
{
    Request *request = data;

    request->more = false;
    request->result = request->run(request, &request->error);
    request->ran = !request->more;
    return request->more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* The VM is done with the request, or it will never come to it. */
static void request_over(gpointer data)
{
    Request *request = data;

    if (!request->ran) {
        g_set_error(&request->error, VM_ERROR, VM_ERROR_STATE, "VM '%s' was removed", request->vm->name);
        if (request->fd >= 0) {
            close(request->fd);
        }
    }
    post(NULL, request_answer, request, NULL);
}

static Request *request_new(Vm *vm, gpointer (*run)(Request *request, GError **errp), VmDone done,
                            void *opaque)
{
    Request *request = g_new0(Request, 1);

    *request = (Request) { .vm = vm, .run = run, .done = done, .opaque = opaque, .fd = -1 };
    return request;
}

static void request_post(Request *request)
{
    post(request->vm->context, request_run, request, request_over);
}

static gpointer run_budget(Request *request, GError **errp)
{
    Vm *vm = request->vm;

    vm->bytes_per_s = request->bytes_per_s;
    if (!vm->has_budget || vm->budget_bytes != request->bytes) {
        vm->has_budget = true;
        vm->budget_bytes = request->bytes;
        load_foretell(vm, clock_ns());
        vm_refresh(vm);
    } else if (vm->policy) {
        vm_configure_policy(vm);
    }
    return NULL;
}

void vm_budget(Vm *vm, uint64_t bytes, uint64_t bytes_per_s)
{
    Request *request = request_new(vm, run_budget, NULL, NULL);

    request->bytes = bytes;
    request->bytes_per_s = bytes_per_s;
    request_post(request);
}

static gpointer run_set(Request *request, GError **errp)
{
    const VmSettings *asked = &request->settings;
    Vm *vm = request->vm;
    const uint64_t size = asked->has_fast_size ? asked->fast_size : vm->fast_size;
    const uint64_t min = asked->has_fast_min ? asked->fast_min : vm->fast_min;

    if (min > size && (asked->has_fast_size || asked->has_fast_min)) {
        g_set_error(errp, VM_ERROR, VM_ERROR_INVALID,
                    "fast-min %" G_GUINT64_FORMAT " would be larger than fast-size %" G_GUINT64_FORMAT
                    "; set both, or a fast-min that fits", min, size);
        return NULL;
    }
    vm_settings_merge(&vm->settings, asked);
    vm_settings_update(&vm->limits, asked);
    vm_refresh(vm);
    return NULL;
}

void vm_set(Vm *vm, const VmSettings *settings, VmDone done, void *opaque)
{
    Request *request = request_new(vm, run_set, done, opaque);

    request->settings = *settings;
    request_post(request);
}

static gpointer run_trace_start(Request *request, GError **errp)
{
    vm_trace_begin(request->vm, request->path, g_steal_fd(&request->fd), errp);
    return NULL;
}

void vm_trace_start(Vm *vm, const char *path, int fd, VmDone done, void *opaque)
{
    Request *request = request_new(vm, run_trace_start, done, opaque);

    request->path = g_strdup(path);
    request->fd = fd;
    request_post(request);
}

static gpointer run_trace_stop(Request *request, GError **errp)
{
    return vm_trace_end(request->vm, errp);
}

void vm_trace_stop(Vm *vm, VmDone done, void *opaque)
{
    request_post(request_new(vm, run_trace_stop, done, opaque));
}

static gpointer run_survey(Request *request, GError **errp)
{
    JsonNode *answer = NULL;

    if (!request->survey) {
        request->survey = survey_new(request->vm, &request->asked, errp);
    }
    request->more = request->survey && !survey_slice(request->survey, request->vm, &answer, errp);
    return answer;
}

void vm_survey(Vm *vm, const VmSurvey *asked, VmDone done, void *opaque)
{
    Request *request = request_new(vm, run_survey, done, opaque);

    request->asked = *asked;
    request_post(request);
}

/* --- notices, to the main thread --- */

static gboolean tell_changed(gpointer data)
{
    Vm *vm = data;

    g_atomic_int_set(&vm->change_told, 0);
    vm->changed(vm, vm->opaque);
    return G_SOURCE_REMOVE;
}

void vm_tell_changed(Vm *vm)
{
    if (g_atomic_int_compare_and_exchange(&vm->change_told, 0, 1)) {
        post(NULL, tell_changed, vm, NULL);
    }
}

static gboolean tell_stopped(gpointer data)
{
    Vm *vm = data;

    vm->stopped(vm, vm->opaque);
    return G_SOURCE_REMOVE;
}

/* --- the thread --- */

void vm_log(Vm *vm, GLogLevelFlags level, const char *format, ...)
{
    const uint64_t now_ns = clock_ns();
    g_autofree char *text = NULL;
    va_list ap;

    if (now_ns - vm->logged_since_ns > 60 * G_GUINT64_CONSTANT(1000000000)) {
        if (vm->logged > LOG_LINES_PER_MINUTE) {
            g_warning("VM '%s': %u more messages were left out", vm->name, vm->logged - LOG_LINES_PER_MINUTE);
        }
        vm->logged_since_ns = now_ns;
        vm->logged = 0;
    }
    if (++vm->logged > LOG_LINES_PER_MINUTE) {
        return;
    }
    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_log(G_LOG_DOMAIN, level, "VM '%s': %s", vm->name, text);
}

int vm_accept(Vm *vm, int fd)
{
    const int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (sock < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        vm_log(vm, G_LOG_LEVEL_WARNING, "cannot accept a connection: %s", g_strerror(errno));
        /* Out of descriptors, say: the socket stays readable, so don't spin on it. */
        g_usleep(10000);
    }
    return sock;
}

static gboolean on_connection(int fd, GIOCondition condition, void *opaque)
{
    Vm *vm = opaque;
    const int sock = vm_accept(vm, fd);
    Backend *backend;

    if (sock < 0) {
        return G_SOURCE_CONTINUE;
    }
    backend = backend_new(vm, sock);
    if (backend) {
        g_ptr_array_add(vm->backends, backend);
        vm_refresh(vm);
    }
    return G_SOURCE_CONTINUE;
}

static gpointer vm_thread(gpointer data)
{
    Vm *vm = data;

    g_main_context_push_thread_default(vm->context);
    g_main_loop_run(vm->loop);

    g_clear_pointer(&vm->hints, vm_hints_free);
    while (vm->backends->len > 0) {
        vm_backend_gone(vm, g_ptr_array_index(vm->backends, vm->backends->len - 1));
    }
    g_source_destroy(vm->accept);
    g_source_destroy(vm->pump);
    vm_trace_free(vm_trace_end(vm, NULL));
    g_main_context_pop_thread_default(vm->context);
    post(NULL, tell_stopped, vm, NULL);
    return NULL;
}

static gboolean quit(gpointer data)
{
    Vm *vm = data;

    g_main_loop_quit(vm->loop);
    return G_SOURCE_REMOVE;
}

Vm *vm_start(const char *name, VmSocket memory, VmSocket hint, const VmSettings *limits, const Facts *facts,
             VmNotify changed, VmNotify stopped, void *opaque)
{
    Vm *vm = g_new0(Vm, 1);

    g_mutex_init(&vm->lock);
    vm->name = g_strdup(name);
    vm->socket = g_strdup(memory.path);
    vm->hint_socket = g_strdup(hint.path);
    vm->limits = *limits;
    vm->facts = facts;
    vm->changed = changed;
    vm->stopped = stopped;
    vm->opaque = opaque;
    vm->context = g_main_context_new();
    vm->loop = g_main_loop_new(vm->context, FALSE);
    vm->listen_fd = memory.fd;
    vm->trace_fd = -1;
    vm->next_region = 1;
    vm->watch_tokens = VM_MAX_REGIONS;
    vm->watch_tokens_ns = clock_ns();
    vm->mode = TIER_MODE_OFF;
    vm->weight = 1;
    vm->epoch_ns = facts->config->epoch_ms * 1000000;
    vm->backends = g_ptr_array_new();
    vm->regions = g_ptr_array_new();
    vm->trackers = g_new0(Tracker, facts->n_sources);
    for (size_t i = 0; i < facts->n_sources; i++) {
        vm->trackers[i].class = facts->sources[i].class;
        vm->trackers[i].due_ns = UINT64_MAX;
    }
    vm->pump = epoch_pump_new(vm);
    vm->accept = g_unix_fd_source_new(memory.fd, G_IO_IN);
    g_source_set_callback(vm->accept, G_SOURCE_FUNC(on_connection), vm, NULL);
    g_source_attach(vm->accept, vm->context);
    if (hint.path) {
        vm->hints = vm_hints_new(vm, hint.fd);
    }
    report_publish(vm);
    vm->thread = g_thread_new("vm", vm_thread, vm);
    return vm;
}

void vm_stop(Vm *vm)
{
    post(vm->context, quit, vm, NULL);
}

void vm_free(Vm *vm)
{
    g_thread_join(vm->thread);
    close(vm->listen_fd);
    g_source_unref(vm->accept);
    g_source_unref(vm->pump);
    g_main_loop_unref(vm->loop);
    g_main_context_unref(vm->context);
    g_ptr_array_unref(vm->backends);
    g_ptr_array_unref(vm->regions);
    for (size_t i = 0; i < vm->facts->n_sources; i++) {
        g_free(vm->trackers[i].problem);
    }
    g_free(vm->trackers);
    snapshot_unref(vm->latest);
    g_mutex_clear(&vm->lock);
    g_clear_pointer(&vm->interference, g_ptr_array_unref);
    move_run_clear(&vm->run);
    g_free(vm->name);
    g_free(vm->socket);
    g_free(vm->hint_socket);
    g_free(vm);
}

const char *vm_name(const Vm *vm)
{
    return vm->name;
}

const char *vm_socket(const Vm *vm)
{
    return vm->socket;
}

const char *vm_hint_socket(const Vm *vm)
{
    return vm->hint_socket;
}

Snapshot *vm_snapshot(Vm *vm)
{
    Snapshot *snapshot;

    g_mutex_lock(&vm->lock);
    snapshot = snapshot_ref(vm->latest);
    g_mutex_unlock(&vm->lock);
    return snapshot;
}
