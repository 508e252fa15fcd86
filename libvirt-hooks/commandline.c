/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arguments for QEMU in a domain's <qemu:commandline>; see commandline.h.
 *
 * libvirt puts them behind its own, and of two '-machine memory-backend=' QEMU takes the last. So the memory that
 * libvirt asks for ("pc.ram") is there, too, but nobody touches it: it costs address space, no memory. In a migration
 * stream ours goes by that name ('ramblock'), so that a guest can migrate between tiered and ordinary memory.
 */
#include "libvirt-hooks/commandline.h"

#include <string.h>

#include "libvirt-hooks/rewrite.h"

#define RECONNECT_MS 1000
/*
 * The root bus's slots in which the hint device is put: far above those that libvirt gives out from 1.
 */
#define HINT_SLOT_FIRST 0x18
#define HINT_SLOT_LAST 0x08

/* What tells an argument of ours: the option, and what its value begins with (or is, where it takes no more). */
static const struct {
    const char *option;
    const char *value;
} marks[] = {
    {"-chardev", "socket,id=" COMMANDLINE_MEMORY_ID ","},
    {"-object", "memory-backend-tier,id=" COMMANDLINE_RAM_ID ","},
    {"-machine", "memory-backend=" COMMANDLINE_RAM_ID},
    {"-chardev", "socket,id=" COMMANDLINE_HINT_ID "-chardev,"},
    {"-device", "vhost-user-tier-pci,id=" COMMANDLINE_HINT_ID ","},
};

/* What differs between QEMU's machines, by what their names begin with. */
typedef struct Machine {
    const char *prefix;
    const char *root_bus;       /* NULL: not known, or it has none */
    const char *ram;            /* what its ordinary memory is called in a migration stream; NULL: not known */
} Machine;

static const Machine *machine_of(const Domain *domain)
{
    static const Machine machines[] = {
        {"q35", "pcie.0", "pc.ram"},
        {"pc-q35", "pcie.0", "pc.ram"},
        {"pc", "pci.0", "pc.ram"},
        {"virt", "pcie.0", "mach-virt.ram"},
        {"", NULL, NULL},
    };
    xmlNode *type = domain_find_first(domain, "/domain/os/type");
    g_autofree char *name = type ? node_attribute(type, "machine") : NULL;
    const Machine *machine = machines;

    while (!g_str_has_prefix(name ? name : "", machine->prefix)) {
        machine++;
    }
    return machine;
}

static bool is_ours(const char *option, const char *value)
{
    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        size_t length = strlen(marks[i].value);

        if (strcmp(option, marks[i].option) == 0 &&
            (marks[i].value[length - 1] == ',' ? strncmp(value, marks[i].value, length) == 0
                                               : strcmp(value, marks[i].value) == 0)) {
            return true;
        }
    }
    return false;
}

/* ",key=size" in the largest unit that shows it in full. */
static void append_size(GString *text, const char *key, uint64_t bytes)
{
    static const struct {
        unsigned shift;
        const char *suffix;
    } units[] = {{30, "G"}, {20, "M"}, {10, "K"}, {0, ""}};
    size_t i = 0;

    while (units[i].shift && (bytes & ((1ull << units[i].shift) - 1))) {
        i++;
    }
    g_string_append_printf(text, ",%s=%" G_GUINT64_FORMAT "%s", key, bytes >> units[i].shift,
                           bytes ? units[i].suffix : "");
}

/* ",key=text", with commas written twice, as QEMU's options have them. */
static void append_text(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    g_string_append_printf(text, ",%s=%s", key, doubled);
}

static char *backend(const Domain *domain, const Settings *settings, uint64_t memory)
{
    static const SettingId as_written[] = {SETTING_MODE, SETTING_WEIGHT, SETTING_PLACEMENT, SETTING_HUGEPAGES};
    g_autoptr(GString) text = g_string_new("memory-backend-tier,id=" COMMANDLINE_RAM_ID);

    append_size(text, "size", memory);
    if (settings->text[SETTING_FAST_MAX]) {
        append_size(text, "fast-size", settings_fast_max(settings, memory));
    }
    if (settings->text[SETTING_FAST_MIN]) {
        append_size(text, "fast-min", settings_bytes(settings, &settings->fast_min, memory));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(as_written); i++) {
        if (settings->text[as_written[i]]) {
            append_text(text, setting_name(as_written[i]), settings->text[as_written[i]]);
        }
    }
    if (settings->text[SETTING_SLOWDOWN]) {
        char number[G_ASCII_DTOSTR_BUF_SIZE];

        append_text(text, "slowdown", g_ascii_formatd(number, sizeof(number), "%.6g", settings->slowdown));
    }
    for (guint tier = 0; settings->tiers && settings->tiers[tier]; tier++) {
        g_autofree char *key = g_strdup_printf("tiers.%u", tier);

        append_text(text, key, settings->tiers[tier]);
    }
    if (machine_of(domain)->ram) {
        append_text(text, "ramblock", machine_of(domain)->ram);
    }
    append_text(text, "chardev", COMMANDLINE_MEMORY_ID);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *chardev(const char *id, const char *socket_dir, const char *name)
{
    return g_strdup_printf("socket,id=%s,path=%s/%s,reconnect-ms=%d", id, socket_dir, name, RECONNECT_MS);
}

static bool slot_taken(const Domain *domain, unsigned slot)
{
    g_autoptr(xmlNodeSet) addresses = domain_find(domain, "/domain/devices//address[@type='pci']");

    for (int i = 0; i < xmlXPathNodeSetGetLength(addresses); i++) {
        const xmlNode *address = xmlXPathNodeSetItem(addresses, i);
        g_autofree char *bus = node_attribute(address, "bus"), *its_slot = node_attribute(address, "slot");

        if (g_ascii_strtoull(bus ? bus : "0", NULL, 0) == 0 && its_slot &&
            g_ascii_strtoull(its_slot, NULL, 0) == slot) {
            return true;
        }
    }
    return false;
}

/* Its slot, which the guest sees, is the one that it has already; else the first that is free. */
static char *hint_device(const Domain *domain)
{
    static const char device[] =
        "vhost-user-tier-pci,id=" COMMANDLINE_HINT_ID ",chardev=" COMMANDLINE_HINT_ID "-chardev";
    const char *bus = machine_of(domain)->root_bus;
    g_auto(GStrv) present = commandline_ours(domain);
    g_autofree char *first = NULL;

    if (g_strv_contains((const char *const *)present, device)) {
        return g_strdup(device);
    }
    for (unsigned slot = HINT_SLOT_FIRST; bus && slot >= HINT_SLOT_LAST; slot--) {
        g_autofree char *there = g_strdup_printf("%s,bus=%s,addr=0x%x", device, bus, slot);

        if (slot_taken(domain, slot)) {
            continue;
        }
        if (g_strv_contains((const char *const *)present, there)) {
            return g_steal_pointer(&there);
        }
        if (!first) {
            first = g_steal_pointer(&there);
        }
    }
    return first ? g_steal_pointer(&first) : g_strdup(device);
}

char **commandline_make(const Domain *domain, const Settings *settings, uint64_t memory, const char *socket_dir)
{
    g_autoptr(GStrvBuilder) arguments = g_strv_builder_new();
    g_autofree char *memory_chardev = chardev(COMMANDLINE_MEMORY_ID, socket_dir, REWRITE_MEMORY_SOCKET);
    g_autofree char *object = backend(domain, settings, memory);

    g_strv_builder_add_many(arguments, "-chardev", memory_chardev, "-object", object, "-machine",
                            "memory-backend=" COMMANDLINE_RAM_ID, NULL);
    if (settings->hints) {
        g_autofree char *hint_chardev = chardev(COMMANDLINE_HINT_ID "-chardev", socket_dir, REWRITE_HINT_SOCKET);
        g_autofree char *device = hint_device(domain);

        g_strv_builder_add_many(arguments, "-chardev", hint_chardev, "-device", device, NULL);
    }
    return g_strv_builder_end(arguments);
}

/* The <qemu:arg> elements in their order, with their values. */
typedef struct Argument {
    xmlNode *node;
    char *value;
    bool ours;
} Argument;

static void argument_clear(gpointer data)
{
    Argument *argument = data;

    g_free(argument->value);
}

static GArray *read_arguments(const Domain *domain)
{
    g_autoptr(xmlNodeSet) nodes = domain_find(domain, "/domain/qemu:commandline/qemu:arg");
    GArray *arguments = g_array_new(FALSE, TRUE, sizeof(Argument));

    g_array_set_clear_func(arguments, argument_clear);
    for (int i = 0; i < xmlXPathNodeSetGetLength(nodes); i++) {
        Argument argument = {.node = xmlXPathNodeSetItem(nodes, i)};

        argument.value = node_attribute(argument.node, "value");
        if (!argument.value) {
            argument.value = g_strdup("");
        }
        g_array_append_val(arguments, argument);
    }
    for (guint i = 1; i < arguments->len; i++) {
        Argument *option = &g_array_index(arguments, Argument, i - 1), *value = option + 1;

        if (!option->ours && is_ours(option->value, value->value)) {
            option->ours = value->ours = true;
        }
    }
    return arguments;
}

static char **arguments_that_are(const Domain *domain, bool ours)
{
    g_autoptr(GStrvBuilder) values = g_strv_builder_new();
    g_autoptr(GArray) arguments = read_arguments(domain);

    for (guint i = 0; i < arguments->len; i++) {
        const Argument *argument = &g_array_index(arguments, Argument, i);

        if (argument->ours == ours) {
            g_strv_builder_add(values, argument->value);
        }
    }
    return g_strv_builder_end(values);
}

char **commandline_ours(const Domain *domain)
{
    return arguments_that_are(domain, true);
}

char **commandline_others(const Domain *domain)
{
    return arguments_that_are(domain, false);
}

/*
 * The prefix is declared where libvirt has it, on the domain; where it means something else there, on the element
 * itself.
 */
static xmlNode *add_commandline(Domain *domain)
{
    xmlNode *root = domain_root(domain), *node = xmlNewNode(NULL, BAD_CAST "commandline");
    xmlNs *ns = xmlSearchNsByHref(root->doc, root, BAD_CAST QEMU_NS);

    if (!ns || !ns->prefix) {
        ns = xmlNewNs(root, BAD_CAST QEMU_NS, BAD_CAST "qemu");
    }
    xmlSetNs(node, ns ? ns : xmlNewNs(node, BAD_CAST QEMU_NS, BAD_CAST "qemu"));
    node_insert(root, NULL, node);
    return node;
}

void commandline_append(Domain *domain, char *const *arguments)
{
    xmlNode *parent = domain_find_first(domain, "/domain/qemu:commandline");

    if (!parent) {
        parent = add_commandline(domain);
    }
    for (; *arguments; arguments++) {
        xmlNode *node = xmlNewNode(parent->ns, BAD_CAST "arg");

        xmlNewProp(node, BAD_CAST "value", BAD_CAST *arguments);
        node_insert(parent, NULL, node);
    }
}

/* Take away the namespace's declaration on the domain where nothing in it is of that namespace. */
static void remove_unused_namespace(Domain *domain)
{
    xmlNode *root = domain_root(domain);

    if (domain_find_first(domain, "//qemu:* | //@qemu:*")) {
        return;
    }
    for (xmlNs **at = &root->nsDef; *at; at = &(*at)->next) {
        if (xmlStrEqual((*at)->href, BAD_CAST QEMU_NS)) {
            xmlNs *unused = *at;

            *at = unused->next;
            xmlFreeNs(unused);
            return;
        }
    }
}

void commandline_remove(Domain *domain)
{
    g_autoptr(GArray) arguments = read_arguments(domain);
    xmlNode *parent;

    for (guint i = 0; i < arguments->len; i++) {
        const Argument *argument = &g_array_index(arguments, Argument, i);

        if (argument->ours) {
            node_remove(argument->node);
        }
    }
    parent = domain_find_first(domain, "/domain/qemu:commandline");
    if (arguments->len > 0 && parent && !xmlFirstElementChild(parent)) {
        node_remove(parent);
    }
    remove_unused_namespace(domain);
}
