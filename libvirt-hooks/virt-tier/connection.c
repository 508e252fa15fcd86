/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-tier asks of libvirt; see connection.h.
 */
#include "libvirt-hooks/virt-tier/connection.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

G_DEFINE_QUARK(virt-tier-connection-error, connection_error)

/* libvirt prints errors by itself unless told otherwise; ours say more. */
static void say_nothing(void *opaque, virErrorPtr error)
{
}

bool connection_failed(GError **errp, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_FAILED, "%s: %s", text, virGetLastErrorMessage());
    return false;
}

virConnect *connection_open(const char *uri, GError **errp)
{
    virConnect *connection;

    virSetErrorFunc(NULL, say_nothing);
    connection = virConnectOpenAuth(uri, virConnectAuthPtrDefault, 0);
    if (!connection) {
        connection_failed(errp, "can't connect to libvirt%s%s (does its daemon run, and may you use it? "
                     "'virsh -c qemu:///system list' must work)",
               uri ? " at " : "", uri ? uri : "");
    }
    return connection;
}

bool connection_is_local(virConnect *connection)
{
    char *uri = virConnectGetURI(connection);
    const char *host = uri ? strstr(uri, "://") : NULL;
    bool local = host && host[3] == '/';

    free(uri);
    return local;
}

virDomain *connection_find(virConnect *connection, const char *name, GError **errp)
{
    virDomain *domain = virDomainLookupByName(connection, name);
    guint64 id;

    if (!domain) {
        domain = virDomainLookupByUUIDString(connection, name);
    }
    if (!domain && g_ascii_string_to_unsigned(name, 10, 0, G_MAXINT, &id, NULL)) {
        domain = virDomainLookupByID(connection, (int)id);
    }
    if (!domain) {
        g_set_error(errp, CONNECTION_ERROR, CONNECTION_ERROR_NOT_FOUND,
                    "libvirt knows no domain '%.200s'; 'virt-tier list' shows those there are", name);
    }
    return domain;
}

bool connection_is_running(virDomain *domain)
{
    return virDomainIsActive(domain) == 1;
}

Domain *connection_read(virDomain *domain, unsigned flags, GError **errp)
{
    char *xml = virDomainGetXMLDesc(domain, flags);
    Domain *parsed;

    if (!xml) {
        connection_failed(errp, "can't read the XML of domain '%s'",
                          virDomainGetName(domain));
        return NULL;
    }
    parsed = domain_parse(xml, strlen(xml), errp);
    free(xml);
    return parsed;
}

bool connection_define(virConnect *connection, const Domain *domain, GError **errp)
{
    g_autofree char *xml = domain_format(domain);
    g_autoptr(virDomain) defined = virDomainDefineXMLFlags(connection, xml, VIR_DOMAIN_DEFINE_VALIDATE);

    return defined ||
           connection_failed(errp, "libvirt does not take the new definition of domain '%s', which stays as it was",
                             domain_name(domain));
}
