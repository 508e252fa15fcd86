/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain that starts, made known to the daemon, and one that has ended, forgotten.
 */
#include <string.h>

#include "client/client.h"
#include "client/fields.h"
#include "libvirt-hooks/daemon-limits.h"
#include "libvirt-hooks/hook/hook.h"
#include "libvirt-hooks/rewrite.h"

/*
 * The socket that the daemon has for a VM @name; freed by the caller. NULL: there is no such VM, or, with an error,
 * no telling.
 */
static char *known_socket(Client *client, const char *name, GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonNode) answer = NULL;

    json_object_set_string_member(arguments, "name", name);
    answer = client_call(client, "query-vm", arguments, &err);
    if (!answer && !g_error_matches(err, CLIENT_ERROR, CLIENT_ERROR_NOT_FOUND)) {
        g_propagate_error(errp, g_steal_pointer(&err));
    }
    return answer ? g_strdup(field_string(node_object(answer), "socket")) : NULL;
}

static bool forget(Client *client, const char *name, GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) answer = NULL;

    json_object_set_string_member(arguments, "name", name);
    answer = client_call(client, "vm-del", arguments, errp);
    return answer != NULL;
}

/*
 * Whether the daemon serves the domain. *@served; false, with an error, where there is no telling, or its name is
 * another's.
 */
static bool look(Client *client, const char *name, const char *socket, bool *served, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *known = known_socket(client, name, &err);

    *served = known != NULL;
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    if (known && strcmp(known, socket) != 0) {
        g_set_error(errp, CLIENT_ERROR, CLIENT_ERROR_EXISTS,
                    "the daemon vhost-tier serves another VM named '%s' at %s; remove that ('tierctl remove'), or rename one of "
                    "them", name, known);
        return false;
    }
    return true;
}

static bool add(Client *client, const Domain *domain, const Settings *settings, const Owner *owner, GError **errp)
{
    g_autofree char *runtime_dir = g_path_get_dirname(CLIENT_DEFAULT_SOCKET);
    g_autofree char *name = domain_vm_name(domain), *folder = rewrite_socket_dir(domain);
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) answer = NULL;
    uint64_t memory;

    if (!domain_memory_bytes(domain, &memory, errp) || !folder_make(folder, owner, errp)) {
        return false;
    }
    json_object_set_string_member(arguments, "name", name);
    json_object_set_int_member(arguments, "uid", owner->uid);
    json_object_set_int_member(arguments, "gid", owner->gid);
    json_object_set_string_member(arguments, "directory", folder + strlen(runtime_dir) + 1);
    limits_add(settings, memory, arguments);
    answer = client_call(client, "vm-add", arguments, errp);
    return answer != NULL;
}

bool register_domain(const Domain *domain, const Settings *settings, bool anew, GError **errp)
{
    g_autofree char *name = domain_vm_name(domain);
    g_autofree char *socket = rewrite_socket(domain, REWRITE_MEMORY_SOCKET);
    g_auto(Owner) owner = { 0 };
    g_autoptr(Client) client = NULL;
    bool served;

    if (!socket) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML, "the domain has no <uuid>, by which its sockets are named");
        return false;
    }
    if (!owner_find(domain, &owner, errp)) {
        return false;
    }
    client = client_connect_within(NULL, HOOK_DAEMON_MS, errp);
    if (!client || !look(client, name, socket, &served, errp)) {
        return false;
    }
    if (served && !anew) {
        return true;
    }
    /* Of a start before, whose end nobody told: its settings may be others. */
    if (served && !forget(client, name, errp)) {
        return false;
    }
    return add(client, domain, settings, &owner, errp);
}

void unregister_domain(const Domain *domain)
{
    g_autofree char *name = domain_vm_name(domain);
    g_autofree char *socket = rewrite_socket(domain, REWRITE_MEMORY_SOCKET);
    g_autofree char *folder = rewrite_socket_dir(domain);
    g_autoptr(GError) err = NULL;
    g_autoptr(Client) client = NULL;
    bool served = false;

    if (!socket) {
        return;
    }
    client = client_connect_within(NULL, HOOK_DAEMON_MS, &err);
    if (client && look(client, name, socket, &served, &err) && served) {
        forget(client, name, &err);
    }
    /* A name that is another's was refused when this domain started, so there is nothing to be forgotten. */
    if (err && !g_error_matches(err, CLIENT_ERROR, CLIENT_ERROR_EXISTS)) {
        hook_warn("'%s' is not removed from the daemon's VMs: %s; once it serves again, 'tierctl remove' does it", name,
                  err->message);
    }
    folder_remove(folder);
}
