/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon under observation: starting it for one VM, and asking it through its control socket.
 */
#ifndef LAB_OBSERVER_DAEMON_H
#define LAB_OBSERVER_DAEMON_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "client/client.h"
#include "process.h"

#define DAEMON_VM "demo"        /* the name of the VM that it is started for */

typedef struct Daemon {
    Process *process;
    Client *client;
    char *vm_socket;            /* for QEMU's chardev */
} Daemon;

/*
 * Start @program with its sockets and its log in @folder, on CPU @cpu (-1: any), and wait until it answers. @config
 * is its configuration file; NULL: where it looks for one itself.
 */
Daemon *daemon_start(const char *program, const char *folder, const char *config, int cpu, GError **errp);
void daemon_free(Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

/* Wait until QEMU has connected and its memory is known. */
bool daemon_wait_vm(Daemon *daemon, GError **errp);
bool daemon_set_mode(Daemon *daemon, const char *mode, GError **errp);
/* What query-vm returns; freed with json_node_unref(). */
JsonNode *daemon_query(Daemon *daemon, GError **errp);

#endif /* LAB_OBSERVER_DAEMON_H */
