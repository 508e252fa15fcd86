/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of the control socket that change something or are about one VM; what is told of the host
 * is in host-report.c.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-report.h"
#include "host.h"
#include "prediction-report.h"
#include "vm/survey.h"

static void fail(Call *call, const GError *error)
{
    const char *class = "GenericError";

    if (g_error_matches(error, HOST_ERROR, HOST_ERROR_NOT_FOUND)) {
        class = "NotFound";
    } else if (g_error_matches(error, HOST_ERROR, HOST_ERROR_EXISTS)) {
        class = "Exists";
    } else if (g_error_matches(error, HOST_ERROR, HOST_ERROR_INVALID) ||
               g_error_matches(error, VM_ERROR, VM_ERROR_INVALID) || error->domain == VM_SETTINGS_ERROR) {
        class = "InvalidArgument";
    }
    call_error(call, class, "%s", error->message);
}

static JsonNode *object_node(JsonObject *object)
{
    JsonNode *node = json_node_init_object(json_node_alloc(), object);

    json_object_unref(object);
    return node;
}

static JsonObject *vm_json(Vm *vm, bool regions)
{
    g_autoptr(Snapshot) snapshot = vm_snapshot(vm);

    return snapshot_json(snapshot, vm_name(vm), vm_socket(vm), vm_hint_socket(vm), regions,
                         (uint64_t)g_get_monotonic_time() * 1000);
}

/* The VM that the call names; answers with an error, and returns NULL, where there is none. */
static Vm *vm_of(Call *call, Host *host)
{
    g_autoptr(GError) err = NULL;
    Vm *vm = host_vm_find(host, call_string(call, "name"), &err);

    if (!vm) {
        fail(call, err);
    }
    return vm;
}

static void query_host(Call *call, void *opaque)
{
    call_return(call, object_node(host_report(opaque)));
}

static void query_vms(Call *call, void *opaque)
{
    g_autoptr(GPtrArray) vms = host_vms(opaque);
    JsonArray *list = json_array_new();

    for (guint i = 0; i < vms->len; i++) {
        json_array_add_object_element(list, vm_json(g_ptr_array_index(vms, i), false));
    }
    call_return(call, json_node_init_array(json_node_alloc(), list));
    json_array_unref(list);
}

static void query_vm(Call *call, void *opaque)
{
    Vm *vm = vm_of(call, opaque);

    if (vm) {
        call_return(call, object_node(vm_json(vm, true)));
    }
}

static void vm_add(Call *call, void *opaque)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(VmSpec) spec = vm_spec_from_json(call_arguments(call), &err);
    Vm *vm = spec ? host_vm_add(opaque, spec, &err) : NULL;
    JsonObject *result;

    if (!vm) {
        fail(call, err);
        return;
    }
    result = json_object_new();
    json_object_set_string_member(result, "socket", vm_socket(vm));
    if (vm_hint_socket(vm)) {
        json_object_set_string_member(result, "hint_socket", vm_hint_socket(vm));
    } else {
        json_object_set_null_member(result, "hint_socket");
    }
    call_return(call, object_node(result));
}

static void on_deleted(void *opaque, void *result, const GError *error)
{
    call_return(opaque, NULL);
    call_unref(opaque);
}

static void vm_del(Call *call, void *opaque)
{
    g_autoptr(GError) err = NULL;

    if (host_vm_del(opaque, call_string(call, "name"), on_deleted, call_ref(call), &err)) {
        return;
    }
    fail(call, err);
    call_unref(call);
}

/*
 * A request to a VM whose answer is what 'query-vm' returns, or nothing. The VM may be gone by then, so
 * it goes by name.
 */
typedef struct Pending {
    Call *call;
    Host *host;
    char *name;
    char *made;                 /* a file that was made for it, to go if it fails; or NULL */
    VmSettings settings;        /* of vm-set */
} Pending;

static Pending *pending_new(Call *call, Host *host, Vm *vm)
{
    Pending *pending = g_new0(Pending, 1);

    *pending = (Pending) { .call = call_ref(call), .host = host, .name = g_strdup(vm_name(vm)) };
    return pending;
}

static void pending_free(Pending *pending)
{
    call_unref(pending->call);
    g_free(pending->name);
    g_free(pending->made);
    g_free(pending);
}

static void on_set(void *opaque, void *result, const GError *error)
{
    Pending *pending = opaque;
    g_autoptr(GError) err = NULL;
    Vm *vm = error ? NULL : host_vm_find(pending->host, pending->name, &err);

    if (vm) {
        host_vm_was_set(pending->host, pending->name, &pending->settings);
        call_return(pending->call, object_node(vm_json(vm, true)));
    } else {
        fail(pending->call, error ? error : err);
    }
    pending_free(pending);
}

static void vm_set_command(Call *call, void *opaque)
{
    g_autoptr(GError) err = NULL;
    VmSettings settings;
    Pending *pending;
    Vm *vm = vm_of(call, opaque);

    if (!vm) {
        return;
    }
    if (!vm_settings_from_json(call_arguments(call), &settings, &err)) {
        fail(call, err);
        return;
    }
    if (vm_settings_empty(&settings)) {
        call_error(call, "InvalidArgument", "nothing to set: give fast-size, fast-min, weight, slowdown, mode, hints, "
                   "pin-limit or sources");
        return;
    }
    if (settings.has_fast_min && !host_floor_check(opaque, vm, settings.fast_min, &err)) {
        fail(call, err);
        return;
    }
    pending = pending_new(call, opaque, vm);
    pending->settings = settings;
    vm_set(vm, &settings, on_set, pending);
}

/*
 * Make a trace's file: new, and nowhere but in the directory that is meant for it, by whatever way it is
 * named.
 */
static int trace_open(const Facts *facts, const char *path, GError **errp)
{
    const char *dir = facts->config->trace_dir;
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *canonical = g_canonicalize_filename(dir, "/");
    int dir_fd, fd;

    if (!g_path_is_absolute(path) || strcmp(parent, canonical) != 0 || *base == '.') {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_INVALID,
                    "'%s': traces are made in %s only (trace-dir in the configuration): give %s/NAME", path,
                    canonical, canonical);
        return -1;
    }
    if (g_mkdir_with_parents(canonical, 0700) < 0) {
        g_set_error(errp, HOST_ERROR, HOST_ERROR_FAILED, "cannot make the folder %s: %s", canonical,
                    g_strerror(errno));
        return -1;
    }
    dir_fd = open(canonical, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = dir_fd < 0 ? -1 : openat(dir_fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(errp, HOST_ERROR, errno == EEXIST ? HOST_ERROR_EXISTS : HOST_ERROR_FAILED,
                    "cannot make the trace %s: %s", path, g_strerror(errno));
    }
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    return fd;
}

static void on_trace_started(void *opaque, void *result, const GError *error)
{
    Pending *pending = opaque;

    if (error) {
        g_unlink(pending->made);
        fail(pending->call, error);
    } else {
        call_return(pending->call, NULL);
    }
    pending_free(pending);
}

static void trace_start(Call *call, void *opaque)
{
    g_autoptr(GError) err = NULL;
    const char *path = call_string(call, "file");
    Vm *vm = vm_of(call, opaque);
    Pending *pending;
    int fd;

    if (!vm) {
        return;
    }
    fd = trace_open(host_facts(opaque), path, &err);
    if (fd < 0) {
        fail(call, err);
        return;
    }
    pending = pending_new(call, opaque, vm);
    pending->made = g_strdup(path);
    vm_trace_start(vm, path, fd, on_trace_started, pending);
}

static void on_trace_stopped(void *opaque, void *result, const GError *error)
{
    Pending *pending = opaque;
    VmTrace *trace = result;

    if (error) {
        fail(pending->call, error);
    } else {
        JsonObject *answer = json_object_new();

        json_object_set_string_member(answer, "file", trace->file);
        json_object_set_int_member(answer, "bytes", (gint64)trace->bytes);
        json_object_set_int_member(answer, "records", (gint64)trace->records);
        call_return(pending->call, object_node(answer));
    }
    vm_trace_free(trace);
    pending_free(pending);
}

static void trace_stop(Call *call, void *opaque)
{
    Vm *vm = vm_of(call, opaque);

    if (vm) {
        vm_trace_stop(vm, on_trace_stopped, pending_new(call, opaque, vm));
    }
}

/* An optional number of 32 bits, at most @most; answers, and returns false, when it is more. */
static bool small_arg(Call *call, const char *name, uint32_t most, uint32_t *value)
{
    uint64_t number;

    if (call_number(call, name, &number)) {
        if (number > most) {
            call_error(call, "InvalidArgument", "%s %" G_GUINT64_FORMAT " is not in 0 to %u", name, number,
                       most);
            return false;
        }
        *value = (uint32_t)number;
    }
    return true;
}

static void on_survey(void *opaque, void *result, const GError *error)
{
    Pending *pending = opaque;

    if (error) {
        fail(pending->call, error);
    } else {
        call_return(pending->call, result);
    }
    pending_free(pending);
}

static void query_heat(Call *call, void *opaque)
{
    VmSurvey asked = { 0 };
    uint64_t region;
    Vm *vm = vm_of(call, opaque);

    if (!vm || !small_arg(call, "region", UINT32_MAX, &asked.region) ||
        !small_arg(call, "detail", SURVEY_MAX_DETAIL, &asked.detail)) {
        return;
    }
    asked.has_region = call_number(call, "region", &region);
    call_number(call, "offset", &asked.offset);
    call_number(call, "length", &asked.length);
    vm_survey(vm, &asked, on_survey, pending_new(call, opaque, vm));
}

static void query_heatmap(Call *call, void *opaque)
{
    VmSurvey asked = { .buckets = 256 };
    Vm *vm = vm_of(call, opaque);

    if (!vm || !small_arg(call, "buckets", SURVEY_MAX_BUCKETS, &asked.buckets)) {
        return;
    }
    if (asked.buckets == 0) {
        call_error(call, "InvalidArgument", "buckets 0 is not in 1 to %u", SURVEY_MAX_BUCKETS);
        return;
    }
    vm_survey(vm, &asked, on_survey, pending_new(call, opaque, vm));
}

static void query_prediction(Call *call, void *opaque)
{
    Vm *vm = vm_of(call, opaque);

    if (vm) {
        g_autoptr(Snapshot) snapshot = vm_snapshot(vm);

        call_return(call, object_node(prediction_report(snapshot, (uint64_t)g_get_monotonic_time() * 1000)));
    }
}

#define NAME { "name", CONTROL_STRING, true }
#define SETTINGS \
    { "fast-size", CONTROL_NUMBER, false }, { "fast-min", CONTROL_NUMBER, false }, \
    { "weight", CONTROL_NUMBER, false }, { "slowdown", CONTROL_SHARE, false }, { "mode", CONTROL_STRING, false }, \
    { "hints", CONTROL_STRING, false }, { "pin-limit", CONTROL_NUMBER, false }, \
    { "sources", CONTROL_STRING, false }

const ControlCommand commands[] = {
    { "query-host", { { NULL } }, query_host },
    { "query-vms", { { NULL } }, query_vms },
    { "query-vm", { NAME }, query_vm },
    { "vm-add",
      { NAME, { "uid", CONTROL_NUMBER, false }, { "gid", CONTROL_NUMBER, false },
        { "directory", CONTROL_STRING, false }, SETTINGS },
      vm_add },
    { "vm-del", { NAME }, vm_del },
    { "vm-set", { NAME, SETTINGS }, vm_set_command },
    { "trace-start", { NAME, { "file", CONTROL_STRING, true } }, trace_start },
    { "trace-stop", { NAME }, trace_stop },
    { "query-heat",
      { NAME, { "region", CONTROL_NUMBER, false }, { "offset", CONTROL_NUMBER, false },
        { "length", CONTROL_NUMBER, false }, { "detail", CONTROL_NUMBER, false } },
      query_heat },
    { "query-prediction", { NAME }, query_prediction },
    { "query-heatmap", { NAME, { "buckets", CONTROL_NUMBER, false } }, query_heatmap },
    { NULL },
};
