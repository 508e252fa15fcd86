/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A libvirt domain's XML, safely parsed; see domain.h.
 *
 * The text may be anybody's: it comes from a file, from libvirt, or from the host that a guest migrates from. So the
 * parser stops at a document type declaration, before anything in one could be declared; and it never opens a file or
 * a connection.
 */
#include "libvirt-hooks/domain.h"

#include <libxml/parser.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#include "libvirt-hooks/units.h"
#include "tier-channel.h"

struct Domain {
    xmlDoc *doc;
    xmlXPathContext *xpath;
    char *name;
    char *uuid;
};

G_DEFINE_QUARK(vhost-tier-domain-error, domain_error)

static void refuse_dtd(void *opaque, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxt *parser = opaque;
    bool *has_dtd = parser->_private;

    *has_dtd = true;
    xmlStopParser(parser);
}

/* The document of @xml, or NULL. */
static xmlDoc *parse_document(const char *xml, size_t length, GError **errp)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    bool has_dtd = false;
    xmlDoc *doc;

    if (!parser) {
        g_error("out of memory");
    }
    parser->_private = &has_dtd;
    parser->sax->internalSubset = refuse_dtd;
    parser->sax->externalSubset = refuse_dtd;
    doc = xmlCtxtReadMemory(parser, xml, (int)length, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (has_dtd) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "the XML has a document type declaration (<!DOCTYPE), which a domain's never has, and which could "
                    "declare entities without end: remove it");
        g_clear_pointer(&doc, xmlFreeDoc);
    } else if (!doc) {
        const xmlError *error = xmlCtxtGetLastError(parser);
        g_autofree char *why = g_strdup(error && error->message ? error->message : "it is empty");

        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "this is no well-formed XML: line %d: %s; 'virsh dumpxml DOMAIN' shows what a domain's looks like",
                    error ? error->line : 1, g_strstrip(why));
    }
    xmlFreeParserCtxt(parser);
    return doc;
}

/* A UUID in any of the ways in which libvirt takes it, as 8-4-4-4-12 small hexadecimal digits; NULL: it is none. */
static char *canonical_uuid(const char *text)
{
    g_autoptr(GString) uuid = g_string_new(NULL);

    for (const char *p = text; *p; p++) {
        if (g_ascii_isxdigit(*p) && uuid->len < 36) {
            g_string_append_c(uuid, g_ascii_tolower(*p));
            if (uuid->len == 8 || uuid->len == 13 || uuid->len == 18 || uuid->len == 23) {
                g_string_append_c(uuid, '-');
            }
        } else if (*p != '-' && *p != ' ') {
            return NULL;
        }
    }
    return uuid->len == 36 ? g_string_free(g_steal_pointer(&uuid), FALSE) : NULL;
}

static bool read_identity(Domain *domain, GError **errp)
{
    xmlNode *name = domain_find_first(domain, "/domain/name");
    xmlNode *uuid = domain_find_first(domain, "/domain/uuid");

    domain->name = name ? (char *)xmlNodeGetContent(name) : NULL;
    if (!domain->name || !*domain->name) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "the XML is not of a domain: it has no <domain> with a <name>; 'virsh dumpxml DOMAIN' shows what one looks like");
        return false;
    }
    if (uuid) {
        g_autofree char *text = node_text(uuid);

        domain->uuid = canonical_uuid(text);
        if (!domain->uuid) {
            g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                        "<uuid> '%.60s' is none: it must have 32 hexadecimal digits; leave it out, and libvirt makes one", text);
            return false;
        }
    }
    return true;
}

Domain *domain_parse(const char *xml, size_t length, GError **errp)
{
    g_autoptr(Domain) domain = g_new0(Domain, 1);

    if (length > DOMAIN_MAX_BYTES) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "the XML has %zu bytes, more than the %u that are looked into (libvirt takes 4 MiB): shorten it", length,
                    DOMAIN_MAX_BYTES);
        return NULL;
    }
    domain->doc = parse_document(xml, length, errp);
    if (!domain->doc) {
        return NULL;
    }
    domain->xpath = xmlXPathNewContext(domain->doc);
    if (!domain->xpath) {
        g_error("out of memory");
    }
    xmlXPathRegisterNs(domain->xpath, BAD_CAST "tier", BAD_CAST TIER_NS);
    xmlXPathRegisterNs(domain->xpath, BAD_CAST "qemu", BAD_CAST QEMU_NS);
    return read_identity(domain, errp) ? g_steal_pointer(&domain) : NULL;
}

void domain_free(Domain *domain)
{
    if (domain) {
        g_clear_pointer(&domain->xpath, xmlXPathFreeContext);
        g_clear_pointer(&domain->doc, xmlFreeDoc);
        xmlFree(domain->name);
        g_free(domain->uuid);
        g_free(domain);
    }
}

char *domain_format(const Domain *domain)
{
    return node_format(domain_root(domain));
}

const char *domain_name(const Domain *domain)
{
    return domain->name;
}

const char *domain_uuid(const Domain *domain)
{
    return domain->uuid;
}

xmlNode *domain_root(const Domain *domain)
{
    return xmlDocGetRootElement(domain->doc);
}

char *domain_emulator(const Domain *domain)
{
    xmlNode *emulator = domain_find_first(domain, "/domain/devices/emulator");

    return emulator ? node_text(emulator) : NULL;
}

char *domain_vm_name(const Domain *domain)
{
    size_t length = strlen(domain->name);
    bool usable = length < TIER_NAME_LEN && *domain->name != '.';

    for (const char *p = domain->name; usable && *p; p = g_utf8_next_char(p)) {
        usable = *p != '/' && !g_unichar_iscntrl(g_utf8_get_char(p));
    }
    return g_strdup(usable ? domain->name : domain->uuid);
}

bool domain_memory_bytes(const Domain *domain, uint64_t *bytes, GError **errp)
{
    xmlNode *node = domain_find_first(domain, "/domain/memory");
    g_autofree char *text = node ? node_text(node) : NULL;
    g_autofree char *unit = node ? node_attribute(node, "unit") : NULL;
    uint64_t mib = 1u << 20;

    if (!text || !units_parse(text, unit ? unit : "KiB", bytes) || *bytes == 0 || *bytes > UINT64_MAX - mib) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "<memory> '%.60s' (unit '%.20s') is no size: give the domain one, as in <memory unit='GiB'>4</memory>",
                    text ? text : "", unit ? unit : "");
        return false;
    }
    *bytes = (*bytes + mib - 1) / mib * mib;
    return true;
}

xmlNodeSet *domain_find(const Domain *domain, const char *xpath)
{
    xmlXPathObject *found = xmlXPathEval(BAD_CAST xpath, domain->xpath);
    xmlNodeSet *nodes;

    if (!found || found->type != XPATH_NODESET) {
        g_error("'%s' is no XPath expression of nodes", xpath);
    }
    nodes = found->nodesetval ? found->nodesetval : xmlXPathNodeSetCreate(NULL);
    found->nodesetval = NULL;
    xmlXPathFreeObject(found);
    return nodes;
}

xmlNode *domain_find_first(const Domain *domain, const char *xpath)
{
    g_autoptr(xmlNodeSet) nodes = domain_find(domain, xpath);

    return xmlXPathNodeSetItem(nodes, 0);
}

char *node_format(xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text;

    if (!buffer || xmlNodeDump(buffer, node->doc, node, 0, 0) < 0) {
        g_error("out of memory");
    }
    text = g_strconcat((const char *)xmlBufferContent(buffer), "\n", NULL);
    xmlBufferFree(buffer);
    return text;
}

char *node_text(const xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    char *text = g_strstrip(g_strdup(content ? (const char *)content : ""));

    xmlFree(content);
    return text;
}

char *node_attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, BAD_CAST name);
    char *text = g_strdup((const char *)value);

    xmlFree(value);
    return text;
}

static bool is_white(const xmlNode *node)
{
    return xmlIsBlankNode(node) == 1;
}

/* A line's end and the indentation of what is @depth levels deep. */
static xmlNode *line_break(unsigned depth)
{
    g_autofree char *text = g_strdup_printf("\n%*s", (int)(2 * depth), "");

    return xmlNewText(BAD_CAST text);
}

static unsigned depth_of(const xmlNode *node)
{
    unsigned depth = 0;

    while (node->parent && node->parent->type == XML_ELEMENT_NODE) {
        node = node->parent;
        depth++;
    }
    return depth;
}

void node_insert(xmlNode *parent, xmlNode *after, xmlNode *node)
{
    bool empty = !parent->children;

    for (xmlNode *last = parent->last; !after && last; last = last->prev) {
        if (!is_white(last)) {
            after = last;
        }
    }
    if (after) {
        xmlAddNextSibling(after, node);
    } else if (parent->children) {
        xmlAddPrevSibling(parent->children, node);
    } else {
        xmlAddChild(parent, node);
    }
    xmlAddPrevSibling(node, line_break(depth_of(node)));
    if (empty) {
        xmlAddNextSibling(node, line_break(depth_of(parent)));
    }
}

/* Take away the last line's end in a text and the white space behind it, if there is nothing else behind it. */
static void trim_line_break(xmlNode *text)
{
    g_autofree char *content = g_strdup((const char *)text->content);
    char *end = strrchr(content, '\n');

    if (!end || *g_strchug(end)) {
        return;
    }
    if (*content) {
        xmlNodeSetContent(text, BAD_CAST content);
    } else {
        xmlUnlinkNode(text);
        xmlFreeNode(text);
    }
}

void node_remove(xmlNode *node)
{
    xmlNode *parent = node->parent, *before = node->prev;

    xmlUnlinkNode(node);
    xmlFreeNode(node);
    if (before && before->type == XML_TEXT_NODE) {
        trim_line_break(before);
    }
    if (parent->children && !parent->children->next && is_white(parent->children)) {
        node = parent->children;
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }
}
