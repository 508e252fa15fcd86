/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tier settings as <tier:memory>: reading, with messages that name the element, and writing.
 *
 * Every setting but 'required' is an element of its own name with the setting's text in it; where that text has a
 * unit, the unit stands in an attribute. The reader knows all that the schema does and says it better; the schema has
 * the last word.
 */
#include "libvirt-hooks/settings.h"

#include <libxml/relaxng.h>
#include <string.h>

#include "libvirt-hooks/domain.h"
#include "libvirt-hooks/tier-schema.h"

#define SCHEMA_PATH "/vhost-tier/tier.rng"

/* What the reader has come to: for messages. */
typedef struct Place {
    const xmlNode *node;
    GError **errp;
} Place;

static bool refuse(const Place *place, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(const Place *place, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(place->errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS, "<tier:%.60s>, line %ld: %s",
                (const char *)place->node->name, xmlGetLineNo(place->node), text);
    return false;
}

static bool in_our_namespace(const xmlNode *node)
{
    return node->ns && xmlStrEqual(node->ns->href, BAD_CAST TIER_NS);
}

/* Whether a setting's text ends in a unit, which has an attribute of its own in XML. */
static bool has_unit(SettingId id)
{
    return id == SETTING_FAST_MIN || id == SETTING_FAST_MAX || id == SETTING_PIN_LIMIT || id == SETTING_SLOWDOWN ||
           id == SETTING_GRANULE;
}

/* Whether the element has no attributes but those in @known, a list that NULL ends. */
static bool check_attributes(const Place *place, const char *const *known)
{
    for (const xmlAttr *attribute = place->node->properties; attribute; attribute = attribute->next) {
        if (attribute->ns || !g_strv_contains(known, (const char *)attribute->name)) {
            g_autofree char *names = g_strjoinv("', '", (char **)known);

            return refuse(place, "attribute '%.60s' is not known; %s%s%s", (const char *)attribute->name,
                          *known ? "known is '" : "remove it, this element has none", names, *known ? "'" : "");
        }
    }
    return true;
}

/* Whether it holds nothing but text and comments. */
static bool check_plain(const Place *place)
{
    for (const xmlNode *child = place->node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE || child->type == XML_ENTITY_REF_NODE) {
            return refuse(place, "it holds '%.60s', and may hold plain text only", (const char *)child->name);
        }
    }
    return true;
}

/* The setting's text out of its element; NULL on error. */
static char *setting_text(const Place *place, SettingId id)
{
    static const char *const none[] = {NULL}, *const unit_only[] = {"unit", NULL};
    g_autofree char *text = NULL, *unit = NULL;

    if (!check_attributes(place, has_unit(id) ? unit_only : none) || !check_plain(place)) {
        return NULL;
    }
    text = node_text(place->node);
    if (!has_unit(id)) {
        return g_steal_pointer(&text);
    }
    unit = node_attribute(place->node, "unit");
    if (!unit || !*unit) {
        refuse(place,
               "the number '%.60s' has no unit: write one of libvirt's, as in unit='MiB', or unit='%%' for a share",
               text);
        return NULL;
    }
    if (text[strspn(text, "0123456789.")] || g_ascii_isdigit(*unit) || *unit == '.') {
        refuse(
            place,
            "'%.60s' with unit='%.20s' is not allowed; allowed: a number, with its unit in the attribute; that is, %s",
            text, unit, setting_allowed(id));
        return NULL;
    }
    return g_strconcat(text, unit, NULL);
}

/* <tier:before>, what 'enable' had changed. */
static bool read_before(const Place *place, Settings *settings)
{
    static const char *const known[] = {"emulator", "metadata", NULL};
    g_autofree char *metadata = NULL;

    if (!check_attributes(place, known)) {
        return false;
    }
    metadata = node_attribute(place->node, "metadata");
    if (metadata && strcmp(metadata, "empty") != 0) {
        return refuse(place, "metadata='%.60s' is not allowed; allowed: empty", metadata);
    }
    g_free(settings->old_emulator);
    settings->old_emulator = node_attribute(place->node, "emulator");
    settings->had_empty_metadata = metadata != NULL;
    return true;
}

static char *all_names(void)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (SettingId id = 0; id < N_SETTINGS; id++) {
        if (id != SETTING_REQUIRED) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", setting_name(id));
        }
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static bool read_element(const Place *place, Settings *settings)
{
    const char *name = (const char *)place->node->name;
    SettingId id = setting_by_name(name);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (in_our_namespace(place->node) && strcmp(name, "before") == 0) {
        return read_before(place, settings);
    }
    if (!in_our_namespace(place->node) || id == N_SETTINGS || id == SETTING_REQUIRED) {
        g_autofree char *names = all_names();

        return refuse(place, "there is no such setting in the namespace %s; there are %s", TIER_NS, names);
    }
    if (settings->text[id]) {
        return refuse(place, "it stands there twice: remove one of them");
    }
    text = setting_text(place, id);
    if (!text) {
        return false;
    }
    return settings_set(settings, id, text, &error) || refuse(place, "%s", error->message);
}

static bool read_required(const Place *place, Settings *settings)
{
    static const char *const known[] = {"required", NULL};
    g_autofree char *required = NULL;
    g_autoptr(GError) error = NULL;

    if (!check_attributes(place, known)) {
        return false;
    }
    required = node_attribute(place->node, "required");
    return !required || settings_set(settings, SETTING_REQUIRED, required, &error) ||
           refuse(place, "%s", error->message);
}

static void G_GNUC_PRINTF(2, 3) note_problem(void *opaque, const char *format, ...)
{
    GString *problems = opaque;
    va_list ap;

    va_start(ap, format);
    g_string_append_vprintf(problems, format, ap);
    va_end(ap);
}

static xmlRelaxNG *load_schema(void)
{
    g_autoptr(GBytes) bytes =
        g_resource_lookup_data(tier_schema_get_resource(), SCHEMA_PATH, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
    xmlRelaxNGParserCtxt *parser;
    xmlRelaxNG *schema;

    parser = xmlRelaxNGNewMemParserCtxt(g_bytes_get_data(bytes, NULL), (int)g_bytes_get_size(bytes));
    schema = parser ? xmlRelaxNGParse(parser) : NULL;
    if (!schema) {
        g_error("the built-in schema %s can't be used: build the program anew", SCHEMA_PATH);
    }
    xmlRelaxNGFreeParserCtxt(parser);
    return schema;
}

/* Hold the element against the schema. */
static bool check_schema(const Place *place)
{
    g_autoptr(GString) problems = g_string_new(NULL);
    xmlRelaxNG *schema = load_schema();
    xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(schema);
    xmlDoc *doc = xmlNewDoc(BAD_CAST "1.0");
    int result;

    xmlDocSetRootElement(doc, xmlDocCopyNode((xmlNode *)place->node, doc, 1));
    xmlRelaxNGSetValidErrors(validator, note_problem, note_problem, problems);
    result = xmlRelaxNGValidateDoc(validator, doc);
    xmlFreeDoc(doc);
    xmlRelaxNGFreeValidCtxt(validator);
    xmlRelaxNGFree(schema);
    return result == 0 || refuse(place, "it does not fit the schema (tier.rng): %s",
                                 g_strdelimit(g_strstrip(problems->str), "\n", ' '));
}

Settings *settings_from_xml(xmlNode *memory, GError **errp)
{
    g_autoptr(Settings) settings = settings_new();
    const Place top = {memory, errp};

    if (!read_required(&top, settings)) {
        return NULL;
    }
    for (xmlNode *child = memory->children; child; child = child->next) {
        const Place place = {child, errp};

        if (child->type == XML_ELEMENT_NODE) {
            if (!read_element(&place, settings)) {
                return NULL;
            }
        } else if (child->type != XML_COMMENT_NODE && xmlIsBlankNode(child) != 1) {
            refuse(&top, "between its elements stands something else: remove it");
            return NULL;
        }
    }
    return check_schema(&top) ? g_steal_pointer(&settings) : NULL;
}

static void write_setting(xmlNode *memory, SettingId id, const char *text)
{
    xmlNode *node = xmlNewNode(memory->ns, BAD_CAST setting_name(id));
    size_t digits = has_unit(id) ? strspn(text, "0123456789.") : strlen(text);
    g_autofree char *value = g_strndup(text, digits);

    if (has_unit(id)) {
        xmlNewProp(node, BAD_CAST "unit", BAD_CAST text + digits);
    }
    xmlAddChild(node, xmlNewText(BAD_CAST value));
    node_insert(memory, NULL, node);
}

/* Put them into <memory>, in its namespace. */
static void fill(xmlNode *memory, const Settings *settings)
{
    for (SettingId id = 0; id < N_SETTINGS; id++) {
        if (id == SETTING_REQUIRED && settings->text[id]) {
            xmlNewProp(memory, BAD_CAST setting_name(id), BAD_CAST settings->text[id]);
        } else if (settings->text[id]) {
            write_setting(memory, id, settings->text[id]);
        }
    }
    if (settings->old_emulator || settings->had_empty_metadata) {
        xmlNode *before = xmlNewNode(memory->ns, BAD_CAST "before");

        if (settings->old_emulator) {
            xmlNewProp(before, BAD_CAST "emulator", BAD_CAST settings->old_emulator);
        }
        if (settings->had_empty_metadata) {
            xmlNewProp(before, BAD_CAST "metadata", BAD_CAST "empty");
        }
        node_insert(memory, NULL, before);
    }
}

void settings_to_xml(const Settings *settings, xmlNode *metadata)
{
    xmlNode *memory = xmlNewNode(NULL, BAD_CAST "memory");

    xmlSetNs(memory, xmlNewNs(memory, BAD_CAST TIER_NS, BAD_CAST "tier"));
    node_insert(metadata, NULL, memory);
    fill(memory, settings);
}

char *settings_to_text(const Settings *settings)
{
    xmlNode *memory = xmlNewNode(NULL, BAD_CAST "memory");
    char *text;

    fill(memory, settings);
    text = node_format(memory);
    xmlFreeNode(memory);
    return text;
}
