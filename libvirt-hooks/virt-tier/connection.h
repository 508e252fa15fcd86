/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-tier asks of libvirt, with errors that say what was tried.
 */
#ifndef VIRT_TIER_CONNECTION_H
#define VIRT_TIER_CONNECTION_H

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "libvirt-hooks/domain.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

#define CONNECTION_ERROR (connection_error_quark())
GQuark connection_error_quark(void);

typedef enum ConnectionError {
    CONNECTION_ERROR_FAILED,        /* libvirt said no, or can't be reached */
    CONNECTION_ERROR_NOT_FOUND,
} ConnectionError;

/* Fail with CONNECTION_ERROR_FAILED: the text, and what libvirt said last. Returns false. */
bool connection_failed(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Connect to libvirt at @uri (NULL: its default); closed by the caller. */
virConnect *connection_open(const char *uri, GError **errp);

/* Whether that libvirt runs on this host, whose nodes, files and daemon are then the domains', too. */
bool connection_is_local(virConnect *connection);

/* The domain called @name, or with that UUID or number, as virsh has it; freed by the caller. */
virDomain *connection_find(virConnect *connection, const char *name, GError **errp);

bool connection_is_running(virDomain *domain);

/*
 * The domain's XML; @flags are libvirt's VIR_DOMAIN_XML_*. What is to be defined again must be read with _SECURE, or it
 * loses its passwords; what is only shown must not.
 */
Domain *connection_read(virDomain *domain, unsigned flags, GError **errp);

/* Define @domain, checked against libvirt's own schema. */
bool connection_define(virConnect *connection, const Domain *domain, GError **errp);

#endif /* VIRT_TIER_CONNECTION_H */
