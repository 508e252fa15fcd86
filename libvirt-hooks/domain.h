/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A libvirt domain's XML, safely parsed: what the tier settings and their command line are read from and
 * written into. No call of libvirt's, no system call: text in, text out.
 */
#ifndef LIBVIRT_HOOKS_DOMAIN_H
#define LIBVIRT_HOOKS_DOMAIN_H

#include <glib.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <stdbool.h>
#include <stdint.h>

#define TIER_NS "urn:vhost-tier:domain:1"                         /* of <tier:memory> */
#define TIER_NS_FAMILY "urn:vhost-tier:"                          /* what all versions of it begin with */
#define QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"      /* of <qemu:commandline> */

#define DOMAIN_MAX_BYTES (16u << 20)    /* of a domain's XML; libvirt's own limit on what is defined is 4 MiB */

typedef enum DomainError {
    DOMAIN_ERROR_XML,           /* no XML, not of a domain, or XML with things that are refused, such as a DTD */
    DOMAIN_ERROR_SETTINGS,      /* tier settings that are not allowed, or contradict each other */
    DOMAIN_ERROR_UNFIT,         /* the domain has something that does not go with tiered memory */
    DOMAIN_ERROR_MISMATCH,      /* settings and command line contradict each other */
} DomainError;

#define DOMAIN_ERROR (domain_error_quark())
GQuark domain_error_quark(void);

typedef struct Domain Domain;

/*
 * Parse @length bytes of XML. Refused, with DOMAIN_ERROR_XML: what is longer than DOMAIN_MAX_BYTES, nested
 * more than 256 deep or has a DTD (so no entity is ever declared, expanded or loaded); what is not of a
 * <domain> with a <name>; a <uuid> that is none. The caller frees it with domain_free().
 */
Domain *domain_parse(const char *xml, size_t length, GError **errp);
void domain_free(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)

/* The XML as it is now; freed by the caller. */
char *domain_format(const Domain *domain);

/* Its parts, which belong to the domain. */
const char *domain_name(const Domain *domain);
const char *domain_uuid(const Domain *domain);         /* as 8-4-4-4-12, small letters; NULL: none yet */
xmlNode *domain_root(const Domain *domain);

/* Its <emulator>, or NULL where none is given; freed by the caller. */
char *domain_emulator(const Domain *domain);

/*
 * By what name the daemon is to know it: its own where that can be a VM's name (docs/control.md), else its UUID,
 * or NULL where it has none. Freed by the caller.
 */
char *domain_vm_name(const Domain *domain);

/*
 * Bytes of RAM that the machine starts with, as libvirt hands them to QEMU: <memory>, rounded up to whole MiB.
 * False with DOMAIN_ERROR_XML where <memory> is missing or is no size.
 */
bool domain_memory_bytes(const Domain *domain, uint64_t *bytes, GError **errp);

/*
 * The nodes that an XPath expression of ours finds; 'tier' and 'qemu' are the prefixes of the namespaces above. Never
 * NULL; freed with xmlXPathFreeNodeSet(). Its nodes belong to the domain.
 */
xmlNodeSet *domain_find(const Domain *domain, const char *xpath);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlNodeSet, xmlXPathFreeNodeSet)

/* The first of them, or NULL. */
xmlNode *domain_find_first(const Domain *domain, const char *xpath);

/* A node as XML text, a line's end behind it; freed by the caller. */
char *node_format(xmlNode *node);

/* A node's text without white space around it, and an attribute's value, NULL when absent; freed by the caller. */
char *node_text(const xmlNode *node);
char *node_attribute(const xmlNode *node, const char *name);

/*
 * Put @node at the end of @parent, or after its child @after, on a line of its own, indented as libvirt indents; and
 * take a node away and free it, with the white space before it. The second undoes the first, byte for byte.
 */
void node_insert(xmlNode *parent, xmlNode *after, xmlNode *node);
void node_remove(xmlNode *node);

#endif /* LIBVIRT_HOOKS_DOMAIN_H */
