/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning an ordinary domain into a tiered one, and back, in its XML; see rewrite.h.
 */
#include "libvirt-hooks/rewrite.h"

#include <string.h>

#include "libvirt-hooks/commandline.h"
#include "libvirt-hooks/problems.h"

#define OUR_SETTINGS "/domain/metadata[1]/tier:memory"
#define OUR_FAMILY "/domain/metadata[1]/*[starts-with(namespace-uri(), '" TIER_NS_FAMILY "')]"

/* Settings of a version that this one does not know: a namespace of the same family. */
static bool check_version(const Domain *domain, GError **errp)
{
    g_autoptr(xmlNodeSet) nodes = domain_find(domain, OUR_FAMILY "[not(self::tier:memory)]");
    const xmlNode *node = xmlXPathNodeSetItem(nodes, 0);

    if (node) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "<metadata> has an element <%.60s> of the namespace '%.80s', of which this version of vhost-tier knows only "
                    "<memory> of '%s': correct or remove it ('virsh metadata DOMAIN NAMESPACE --config --remove')",
                    (const char *)node->name, (const char *)node->ns->href, TIER_NS);
    }
    return node == NULL;
}

bool rewrite_settings(const Domain *domain, Settings **settings, GError **errp)
{
    g_autoptr(xmlNodeSet) nodes = domain_find(domain, OUR_SETTINGS);

    *settings = NULL;
    if (!check_version(domain, errp)) {
        return false;
    }
    if (xmlXPathNodeSetGetLength(nodes) > 1) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_SETTINGS,
                    "<metadata> has two <tier:memory>, and which of them is meant can't be told: remove one ('virsh edit')");
        return false;
    }
    if (xmlXPathNodeSetGetLength(nodes) == 1) {
        *settings = settings_from_xml(xmlXPathNodeSetItem(nodes, 0), errp);
        return *settings != NULL;
    }
    return true;
}

char *rewrite_socket_dir(const Domain *domain)
{
    return domain_uuid(domain) ? g_build_filename(REWRITE_SOCKET_DIR, domain_uuid(domain), NULL) : NULL;
}

char *rewrite_socket(const Domain *domain, const char *which)
{
    g_autofree char *dir = rewrite_socket_dir(domain);

    return dir ? g_build_filename(dir, which, NULL) : NULL;
}

char **rewrite_arguments(const Domain *domain, const Settings *settings, GError **errp)
{
    g_autofree char *dir = rewrite_socket_dir(domain);
    uint64_t memory;

    if (!dir) {
        g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_XML,
                    "the domain '%s' has no <uuid>, by which its sockets are named: define it first ('virsh define FILE'), and "
                    "libvirt gives it one", domain_name(domain));
        return NULL;
    }
    if (!domain_memory_bytes(domain, &memory, errp) || !settings_check(settings, memory, errp)) {
        return NULL;
    }
    return commandline_make(domain, settings, memory, dir);
}

bool rewrite_has_command_line(const Domain *domain)
{
    g_auto(GStrv) ours = commandline_ours(domain);

    return *ours != NULL;
}

bool rewrite_has_hint_device(const Domain *domain)
{
    g_auto(GStrv) ours = commandline_ours(domain);

    return g_strv_contains((const char *const *)ours, "-device");
}

/* The <emulator>, made @path; NULL: none. */
static void set_emulator(Domain *domain, const char *path)
{
    xmlNode *devices = domain_find_first(domain, "/domain/devices");
    xmlNode *node = domain_find_first(domain, "/domain/devices/emulator");

    if (node && (!path || !*path)) {
        node_remove(node);
    } else if (node) {
        xmlNodeSetContent(node, NULL);
        xmlNodeAddContent(node, BAD_CAST path);
    } else if (path && *path && devices) {
        node = xmlNewNode(NULL, BAD_CAST "emulator");
        xmlNodeAddContent(node, BAD_CAST path);
        node_insert(devices, NULL, node);
    }
}

/* What stands in our <tier:before>, or NULL. */
static char *before(const Domain *domain, const char *attribute)
{
    xmlNode *node = domain_find_first(domain, OUR_SETTINGS "/tier:before");

    return node ? node_attribute(node, attribute) : NULL;
}

/* Give back the emulator that the domain had, unless somebody has chosen another meanwhile. */
static void restore_emulator(Domain *domain)
{
    g_autofree char *old = before(domain, "emulator");
    xmlNode *chosen = domain_find_first(domain, OUR_SETTINGS "/tier:emulator");
    g_autofree char *ours = chosen ? node_text(chosen) : NULL, *current = domain_emulator(domain);

    if (old && g_strcmp0(ours, current) == 0) {
        set_emulator(domain, old);
    }
}

/* The place for ours: <metadata>, which libvirt has behind what names and describes the domain. */
static xmlNode *metadata(Domain *domain)
{
    xmlNode *node = domain_find_first(domain, "/domain/metadata");
    g_autoptr(xmlNodeSet) earlier = NULL;
    int n;

    if (node) {
        return node;
    }
    earlier = domain_find(domain, "/domain/name | /domain/uuid | /domain/genid | /domain/title | /domain/description");
    n = xmlXPathNodeSetGetLength(earlier);
    node = xmlNewNode(NULL, BAD_CAST "metadata");
    node_insert(domain_root(domain), xmlXPathNodeSetItem(earlier, n - 1), node);
    return node;
}

/* Those of other versions, too. */
static void remove_settings(Domain *domain)
{
    g_autofree char *was = before(domain, "metadata");
    xmlNode *parent = NULL, *node;

    while ((node = domain_find_first(domain, OUR_FAMILY))) {
        parent = node->parent;
        node_remove(node);
    }
    if (parent && !parent->children && !was) {
        node_remove(parent);
    }
}

void rewrite_strip(Domain *domain)
{
    restore_emulator(domain);
    if (rewrite_has_command_line(domain)) {
        commandline_remove(domain);
    }
}

void rewrite_disable(Domain *domain)
{
    rewrite_strip(domain);
    remove_settings(domain);
}

/* All that is wrong with the domain, in one error. */
static bool check_problems(const Domain *domain, const Settings *settings, GError **errp)
{
    g_autoptr(GPtrArray) problems = problems_find(domain, settings);
    g_autofree char *text = NULL;

    if (problems->len == 0) {
        return true;
    }
    g_ptr_array_add(problems, NULL);
    text = g_strjoinv("\n", (char **)problems->pdata);
    g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_UNFIT, "%s", text);
    return false;
}

bool rewrite_enable(Domain *domain, const Settings *settings, GError **errp)
{
    g_autoptr(Settings) written = settings_copy(settings);
    g_auto(GStrv) arguments = NULL;
    const char *emulator = settings->text[SETTING_EMULATOR];
    xmlNode *place;

    if (!check_problems(domain, settings, errp)) {
        return false;
    }
    arguments = rewrite_arguments(domain, settings, errp);
    if (!arguments) {
        return false;
    }
    rewrite_disable(domain);
    g_clear_pointer(&written->old_emulator, g_free);
    if (emulator) {
        written->old_emulator = domain_emulator(domain);
        if (!written->old_emulator) {
            written->old_emulator = g_strdup("");
        }
        set_emulator(domain, emulator);
    }
    place = domain_find_first(domain, "/domain/metadata");
    written->had_empty_metadata = place && !xmlFirstElementChild(place);
    settings_to_xml(written, metadata(domain));
    commandline_append(domain, arguments);
    return true;
}

bool rewrite_agrees(const Domain *domain, const Settings *settings, GError **errp)
{
    static const char *const remedy = "if the settings are right, 'virt-tier set DOMAIN' writes the command line anew";
    g_auto(GStrv) wanted = rewrite_arguments(domain, settings, errp), found = NULL;

    if (!wanted) {
        return false;
    }
    found = commandline_ours(domain);
    for (guint i = 0; wanted[i] || (found[0] && found[i]); i++) {
        if (!wanted[i] || !found[i] || strcmp(wanted[i], found[i]) != 0) {
            g_set_error(errp, DOMAIN_ERROR, DOMAIN_ERROR_MISMATCH,
                        "<tier:memory> and <qemu:commandline> contradict each other: %s%s%s where the settings and <memory> want %s%s%s; %s",
                        found[i] ? "there is '" : "nothing stands", found[i] ? found[i] : "", found[i] ? "'" : "",
                        wanted[i] ? "'" : "nothing", wanted[i] ? wanted[i] : "", wanted[i] ? "'" : "", remedy);
            return false;
        }
    }
    return true;
}
