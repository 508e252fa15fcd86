/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon under observation; see daemon.h.
 */
#include "daemon.h"

#include <gio/gio.h>
#include <signal.h>

#include "client/fields.h"

#define WAIT_S 20

/* Connect to the control socket as soon as it is there. */
static Client *wait_client(Process *process, const char *path, GError **errp)
{
    gint64 until = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;
    Client *client;

    for (;;) {
        g_autoptr(GError) error = NULL;

        if (!process_check(process, errp)) {
            return NULL;
        }
        client = client_connect(path, &error);
        if (client) {
            return client;
        }
        if (g_get_monotonic_time() > until) {
            g_propagate_prefixed_error(errp, g_steal_pointer(&error),
                                       "the daemon does not answer %d s after its start: ", WAIT_S);
            return NULL;
        }
        g_usleep(50 * 1000);
    }
}

Daemon *daemon_start(const char *program, const char *folder, const char *config, int cpu, GError **errp)
{
    g_autoptr(Daemon) daemon = g_new0(Daemon, 1);
    g_autofree char *control = g_build_filename(folder, "control.sock", NULL);
    g_autofree char *log = g_build_filename(folder, "daemon.log", NULL), *vm = NULL;

    daemon->vm_socket = g_build_filename(folder, DAEMON_VM ".sock", NULL);
    vm = g_strdup_printf("name=" DAEMON_VM ",socket=%s", daemon->vm_socket);
    {
        char *argv[] = {(char *)program, (char *)"--runtime-dir", (char *)folder, (char *)"--vm", vm,
                        config ? (char *)"--config" : NULL, (char *)config, NULL};

        daemon->process = process_start("vhost-tier", argv, cpu, -1, log, errp);
    }
    if (!daemon->process) {
        return NULL;
    }
    daemon->client = wait_client(daemon->process, control, errp);
    return daemon->client ? g_steal_pointer(&daemon) : NULL;
}

void daemon_free(Daemon *daemon)
{
    if (daemon) {
        g_clear_pointer(&daemon->client, client_free);
        if (daemon->process) {
            process_stop(daemon->process, SIGTERM);
        }
        process_free(daemon->process);
        g_free(daemon->vm_socket);
        g_free(daemon);
    }
}

static JsonNode *call(Daemon *daemon, const char *command, const char *mode, GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();

    json_object_set_string_member(arguments, "name", DAEMON_VM);
    if (mode) {
        json_object_set_string_member(arguments, "mode", mode);
    }
    return process_check(daemon->process, errp) ? client_call(daemon->client, command, arguments, errp)
                                                : NULL;
}

JsonNode *daemon_query(Daemon *daemon, GError **errp)
{
    return call(daemon, "query-vm", NULL, errp);
}

bool daemon_set_mode(Daemon *daemon, const char *mode, GError **errp)
{
    g_autoptr(JsonNode) answer = call(daemon, "vm-set", mode, errp);

    return answer != NULL;
}

bool daemon_wait_vm(Daemon *daemon, GError **errp)
{
    gint64 until = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;

    for (;;) {
        g_autoptr(JsonNode) answer = daemon_query(daemon, errp);
        JsonObject *vm = node_object(answer);

        if (!answer) {
            return false;
        }
        if (field_bool(vm, "connected") && elements(field_array(vm, "regions")) > 0) {
            return true;
        }
        if (g_get_monotonic_time() > until) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                        "QEMU's memory was not made known to the daemon within %d s; see its log %s", WAIT_S,
                        daemon->process->log);
            return false;
        }
        g_usleep(50 * 1000);
    }
}
