/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon and a guest to be tested; see bed.h.
 */
#include "bed.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "client/fields.h"

#define LOG_LINES 25
#define OUTPUT_LINES 60
#define WAIT_STEP_US 50000
#define DAEMON_CPU 0
#define GUEST_CPU 1

/* The bed's folder: one for each test of a program. */
static void make_folder(Bed *bed)
{
    static unsigned n;

    if (!bed->folder) {
        bed->folder = g_strdup_printf("/run/e2e/%u", n++);
        g_mkdir_with_parents(bed->folder, 0700);
    }
}

bool bed_daemon(Bed *bed, const char *config, GError **errp)
{
    g_autofree char *text = NULL, *file = NULL;

    make_folder(bed);
    file = g_build_filename(bed->folder, "vhost-tier.conf", NULL);
    text = g_strdup_printf("[host]\ntrace-dir=%s\nepoch-ms=250\n%s", bed->folder, config);
    if (!g_file_set_contents(file, text, -1, errp)) {
        return false;
    }
    bed->daemon = daemon_start("vhost-tier", bed->folder, file, bed->pinned ? DAEMON_CPU : -1, errp);
    return bed->daemon != NULL;
}

int bed_daemon_end(Bed *bed, int signal)
{
    int status = process_stop(bed->daemon->process, signal);

    g_clear_pointer(&bed->daemon, daemon_free);
    return status;
}

/* A guest with its logs in @subfolder whose memory is tiered through @socket, with hints by @hint_socket, or NULL. */
static Guest *start_guest(Bed *bed, const char *subfolder, const char *socket, const char *hint_socket,
                          const char *pattern, unsigned mib, const char *backend, GError **errp)
{
    g_autofree char *folder = NULL, *chardev = g_strdup_printf("socket,id=tier,path=%s,reconnect-ms=200", socket);
    g_autofree char *line = g_strdup_printf("%s mb=%u", pattern, mib);
    g_autofree char *object =
        g_strdup_printf("memory-backend-tier,tiers.0=0,tiers.1=1,chardev=tier,%s", backend);
    GuestParams params = {
        .qemu = "qemu-system-x86_64",
        .workload = "/lab/bin/workload.elf",
        .pattern = line,
        .accel = "kvm",
        .backend = object,
        .chardev = chardev,
        .hint_socket = strstr(pattern, "hints=") ? hint_socket : NULL,
        .ram_bytes = ((uint64_t)mib << 20) + BED_RAM_BEYOND_AREA,
        .cpu = bed->pinned ? GUEST_CPU : -1,
    };

    folder = g_build_filename(bed->folder, subfolder, NULL);
    g_mkdir_with_parents(folder, 0700);
    params.folder = folder;
    return guest_start(&params, errp);
}

Guest *bed_other_guest(Bed *bed, const char *subfolder, const char *pattern, unsigned mib,
                       const char *backend, GError **errp)
{
    g_autofree char *socket = NULL, *hint_socket = NULL;

    make_folder(bed);
    socket = g_build_filename(bed->folder, DAEMON_VM ".sock", NULL);
    hint_socket = g_build_filename(bed->folder, DAEMON_VM ".hint.sock", NULL);
    return start_guest(bed, subfolder, socket, hint_socket, pattern, mib, backend, errp);
}

bool bed_neighbour(Bed *bed, const char *pattern, unsigned mib, const char *backend, GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) added = NULL;
    const char *socket;

    json_object_set_string_member(arguments, "name", "neighbour");
    added = client_call(bed->daemon->client, "vm-add", arguments, errp);
    if (!added) {
        return false;
    }
    socket = field_string(node_object(added), "socket");
    bed->neighbour = start_guest(bed, "neighbour", socket ? socket : "", NULL, pattern, mib, backend, errp);
    return bed->neighbour != NULL;
}

bool bed_guest(Bed *bed, const char *pattern, unsigned mib, const char *backend, GError **errp)
{
    bed->guest = bed_other_guest(bed, "guest", pattern, mib, backend, errp);
    return bed->guest != NULL;
}

bool bed_start(Bed *bed, const char *config, const char *pattern, unsigned mib, const char *backend,
               GError **errp)
{
    return bed_daemon(bed, config, errp) && bed_guest(bed, pattern, mib, backend, errp) &&
           daemon_wait_vm(bed->daemon, errp);
}

void bed_print_output(const char *output)
{
    g_auto(GStrv) lines = g_strsplit(output ? output : "", "\n", -1);
    guint n = g_strv_length(lines);

    for (guint i = n > OUTPUT_LINES ? n - OUTPUT_LINES : 0; i < n; i++) {
        g_test_message("%s", lines[i]);
    }
}

/* Print the last lines of @text, each as a TAP diagnostic. */
static void print_tail(const char *what, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text ? text : "(nothing)", "\n", -1);
    guint n = g_strv_length(lines);

    g_test_message("%s:", what);
    for (guint i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++) {
        if (lines[i][0]) {
            g_test_message("    %s", lines[i]);
        }
    }
}

static void print_file(const Bed *bed, const char *name)
{
    g_autofree char *path = g_build_filename(bed->folder, name, NULL), *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL)) {
        print_tail(name, text);
    }
}

static void print_command(const char *folder, const char *command, const char *argument)
{
    g_autofree char *socket = g_build_filename(folder, "control.sock", NULL), *output = NULL;
    char *argv[] = {(char *)"tierctl", (char *)"--socket", socket, (char *)command, (char *)argument, NULL};

    if (g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, NULL, NULL)) {
        print_tail(command, output);
    }
}

void bed_clear(Bed *bed)
{
    if (bed->folder && g_test_failed()) {
        if (bed->daemon && process_check(bed->daemon->process, NULL)) {
            print_command(bed->folder, "show", DAEMON_VM);
            print_command(bed->folder, "host", NULL);
        }
        print_file(bed, "daemon.log");
        print_file(bed, "guest/qemu.log");
        print_file(bed, "guest/guest.serial");
    }
    g_clear_pointer(&bed->neighbour, guest_free);
    g_clear_pointer(&bed->guest, guest_free);
    g_clear_pointer(&bed->daemon, daemon_free);
    g_clear_pointer(&bed->folder, g_free);
}

static uint64_t sum_members(JsonObject *object)
{
    uint64_t sum = 0;

    if (object) {
        g_autoptr(GList) keys = json_object_get_members(object);

        for (const GList *k = keys; k; k = k->next) {
            sum += field_uint(object, k->data, 0);
        }
    }
    return sum;
}

VmView bed_view(Bed *bed)
{
    g_autoptr(JsonNode) answer = bed->daemon ? daemon_query(bed->daemon, NULL) : NULL;
    JsonObject *vm = node_object(answer), *moves = field_object(vm, "moves"),
               *failed = field_object(moves, "failed");
    JsonArray *tiers = field_array(vm, "tiers");
    VmView view = {
        .connected = field_bool(vm, "connected"),
        .pid = field_uint(vm, "pid", 0),
        .asked = field_uint(moves, "asked", 0),
        .applied = field_uint(moves, "applied", 0),
        .full = field_uint(failed, "node full", 0),
        .not_allowed = field_uint(failed, "not allowed", 0),
        .failed = sum_members(failed),
        .fast_size = field_uint(vm, "fast_size", 0),
        .hit_ratio = field_number(vm, "hit_ratio"),
    };

    for (guint t = 0; t < MIN(elements(tiers), G_N_ELEMENTS(view.resident)); t++) {
        view.resident[t] = field_uint(element_object(tiers, t), "resident_bytes", 0);
    }
    return view;
}

void bed_sleep(double seconds)
{
    g_usleep((gulong)(seconds * G_USEC_PER_SEC));
}

bool bed_wait(Bed *bed, double seconds, BedCondition *condition, void *opaque)
{
    gint64 until = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);

    while (!condition(bed, opaque)) {
        if (g_get_monotonic_time() > until) {
            return false;
        }
        g_usleep(WAIT_STEP_US);
    }
    return true;
}

bool bed_has_moved(Bed *bed, void *opaque)
{
    return bed_view(bed).applied > *(const uint64_t *)opaque;
}

char *bed_source_problem(Bed *bed, const char *name)
{
    g_autoptr(JsonNode) answer = client_call(bed->daemon->client, "query-host", NULL, NULL);
    JsonArray *sources = field_array(node_object(answer), "sources");

    for (guint i = 0; i < elements(sources); i++) {
        JsonObject *source = element_object(sources, i);
        const char *problem = field_string(source, "problem");

        if (g_strcmp0(field_string(source, "name"), name) == 0) {
            return g_strdup(field_bool(source, "usable") ? "" : problem ? problem : "(no reason given)");
        }
    }
    return NULL;
}

bool bed_interference(Bed *bed, const char *text)
{
    g_autoptr(JsonNode) answer = client_call(bed->daemon->client, "query-host", NULL, NULL);
    JsonArray *list = field_array(node_object(answer), "interference");

    for (guint i = 0; i < elements(list); i++) {
        JsonObject *item = element_object(list, i);
        const char *what = field_string(item, "what"), *remedy = field_string(item, "remedy");

        if (what && strstr(what, text) && remedy && *remedy) {
            return true;
        }
    }
    return false;
}

bool bed_logged(const Bed *bed, const char *text, const char *other)
{
    g_autofree char *path = g_build_filename(bed->folder, "daemon.log", NULL), *log = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &log, NULL, NULL)) {
        return false;
    }
    lines = g_strsplit(log, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (strstr(*l, text) && strstr(*l, other)) {
            return true;
        }
    }
    return false;
}
