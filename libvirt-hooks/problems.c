/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What in a domain does not go with tiered memory: two tables, of elements and of hand-written arguments, and the one
 * thing that takes a closer look, <numatune>. See problems.h.
 */
#include "libvirt-hooks/problems.h"

#include <string.h>

#include "libvirt-hooks/commandline.h"
#include "machine/topology.h"

#define PINNED "pins all memory of the guest for the device's DMA, and pinned pages can't move"

static const struct {
    const char *xpath;
    const char *text;       /* %s: the value of the attribute @detail of what was found */
    const char *detail;
} elements[] = {
    {"/domain[not(@type='kvm' or @type='qemu')]",
     "<domain type='%s'>: only QEMU's domains, of type kvm or qemu, can be tiered", "type"},
    {"/domain/os/type[normalize-space(.) != 'hvm']",
     "<os><type>: only full virtualisation can be tiered; make the type 'hvm'", NULL},
    {"/domain[not(os/type)]", "<os>: it has no <type>; a domain that can be tiered has <type>hvm</type>", NULL},
    {"/domain/cpu/numa/cell",
     "<cpu><numa>: QEMU takes the memory of NUMA cells from backends that libvirt makes, one for each cell, and nothing in "
     "<qemu:commandline> can take their place; remove <numa>, and the guest sees one node", NULL},
    {"/domain/devices/memory",
     "<memory model='%s'>: memory devices have backends of libvirt's own, which stay outside of tiering; remove the device, and "
     "give the domain all its memory by <memory>", "model"},
    {"/domain/memoryBacking/hugepages",
     "<memoryBacking><hugepages>: libvirt would reserve huge pages for memory that the guest does not use; remove it, and set "
     "--hugepages hugetlb (reserved) or collapse (made where memory is hot) instead", NULL},
    {"/domain/memoryBacking/locked",
     "<memoryBacking><locked>: locked memory is all allocated at once, that of libvirt's own backend, too, and is meant to stay "
     "where it is; remove it", NULL},
    {"/domain/memoryBacking/allocation[@mode='immediate']",
     "<memoryBacking><allocation mode='immediate'>: libvirt would have QEMU allocate memory that the guest does not use; remove "
     "it", NULL},
    {"/domain/memoryBacking/source[@type='file']",
     "<memoryBacking><source type='file'>: tiered memory is a memfd, so that whoever opens the file would not see the guest's "
     "memory; remove it, or make the type 'memfd'", NULL},
    {"/domain/launchSecurity",
     "<launchSecurity type='%s'>: the memory of a confidential guest is encrypted by its place and can't move; such a domain "
     "can't be tiered", "type"},
    {"/domain/vcpu[@placement='auto'][not(../numatune/memory)]",
     "<vcpu placement='auto'>: with it libvirt binds all memory to the nodes that numad picks, so that the others could not be "
     "used; make it 'static', or add <numatune> with <memory mode='preferred' .../>", NULL},
    {"/domain/devices/hostdev[@type='pci' or @type='mdev']",
     "<hostdev type='%s'>: VFIO " PINNED "; remove the device, or leave this domain untiered", "type"},
    {"/domain/devices/interface[@type='hostdev' or actual/@type='hostdev']",
     "<interface type='%s'>: it is handed to the guest by VFIO, which " PINNED "; use a virtio interface", "type"},
    {"/domain/devices/interface[@type='vdpa']",
     "<interface type='%s'>: vhost-vdpa " PINNED "; use another type of interface", "type"},
    {"/domain/devices/disk[@type='nvme' or @type='vhostvdpa']",
     "<disk type='%s'>: it " PINNED "; use the disk by way of the host's kernel (type='block')", "type"},
};

static const struct {
    const char *option;
    const char *part;       /* of the value; NULL: whatever it is */
    const char *text;
} arguments[] = {
    {"-machine", "memory-backend=", "it gives the machine another memory"},
    {"-M", "memory-backend=", "it gives the machine another memory"},
    {"-object", "memory-backend-tier", "it is tiered memory that virt-tier did not write"},
    {"-object", "id=vhost-tier-", "ids that begin with 'vhost-tier-' are virt-tier's"},
    {"-device", "id=vhost-tier-", "ids that begin with 'vhost-tier-' are virt-tier's"},
    {"-chardev", "id=vhost-tier-", "ids that begin with 'vhost-tier-' are virt-tier's"},
    {"-device", "vfio-", "VFIO " PINNED},
    {"-numa", NULL, "memory of NUMA nodes has backends of its own"},
    {"-m", NULL, "the memory's size is that of <memory>"},
    {"-mem-path", NULL, "it gives the machine another memory"},
    {"-mem-prealloc", NULL, "it allocates all memory at once"},
    {"-overcommit", "mem-lock=on", "locked memory is meant to stay where it is"},
};

static void note(GPtrArray *problems, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void note(GPtrArray *problems, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_ptr_array_add(problems, g_strdup_vprintf(format, ap));
    va_end(ap);
}

static void find_elements(const Domain *domain, GPtrArray *problems)
{
    for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
        xmlNode *found = domain_find_first(domain, elements[i].xpath);

        if (found) {
            g_autofree char *value = elements[i].detail ? node_attribute(found, elements[i].detail) : NULL;
            g_auto(GStrv) parts = g_strsplit(elements[i].text, "%s", 2);

            g_ptr_array_add(problems, g_strjoinv(value ? value : "", parts));
        }
    }
}

static void find_arguments(const Domain *domain, GPtrArray *problems)
{
    g_auto(GStrv) others = commandline_others(domain);

    for (char **option = others; *option; option++) {
        const char *name = g_str_has_prefix(*option, "--") ? *option + 1 : *option;
        const char *value = option[1] ? option[1] : "";

        for (size_t i = 0; i < G_N_ELEMENTS(arguments); i++) {
            if (strcmp(name, arguments[i].option) == 0 && (!arguments[i].part || strstr(value, arguments[i].part))) {
                note(problems, "<qemu:commandline> '%s%s%.120s': %s; remove it ('virsh edit')", *option,
                     arguments[i].part ? " " : "", arguments[i].part ? value : "", arguments[i].text);
                break;
            }
        }
    }
}

/* A set of nodes as libvirt writes it: a node list in which "^2" takes one out again. */
static bool parse_nodeset(const char *text, uint64_t *nodes)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    memset(nodes, 0, TIER_NODE_WORDS * sizeof(*nodes));
    for (char **part = parts; *part; part++) {
        uint64_t some[TIER_NODE_WORDS];
        bool without = **part == '^';

        if (!node_list_parse(*part + without, some, NULL)) {
            return false;
        }
        for (size_t word = 0; word < TIER_NODE_WORDS; word++) {
            nodes[word] = without ? nodes[word] & ~some[word] : nodes[word] | some[word];
        }
    }
    return true;
}

/* Whether all nodes of all tiers are in @nodes. */
static bool tiers_within(const Settings *settings, const uint64_t *nodes)
{
    for (char **tier = settings->tiers; *tier; tier++) {
        uint64_t its[TIER_NODE_WORDS];

        node_list_parse(*tier, its, NULL);
        for (size_t word = 0; word < TIER_NODE_WORDS; word++) {
            if (its[word] & ~nodes[word]) {
                return false;
            }
        }
    }
    return true;
}

/* Strict, which is the default, and restrictive make a cpuset: QEMU may then use no node outside of it. */
static void find_numatune(const Domain *domain, const Settings *settings, GPtrArray *problems)
{
    const xmlNode *memory =
        domain_find_first(domain, "/domain/numatune/memory[not(@mode) or @mode='strict' or @mode='restrictive']");
    g_autofree char *nodeset = memory ? node_attribute(memory, "nodeset") : NULL;
    g_autofree char *mode = memory ? node_attribute(memory, "mode") : NULL;
    uint64_t nodes[TIER_NODE_WORDS];

    if (!memory || (nodeset && settings->tiers && parse_nodeset(nodeset, nodes) && tiers_within(settings, nodes))) {
        return;
    }
    if (nodeset && settings->tiers) {
        note(
            problems,
            "<numatune><memory mode='%s' nodeset='%s'>: it forbids QEMU all other nodes, and tiers '%s' has some of those; add "
            "them to the nodeset, or make the mode 'preferred'",
            mode ? mode : "strict", nodeset, settings->text[SETTING_TIERS]);
    } else {
        note(
            problems,
            "<numatune><memory mode='%s'>: it forbids QEMU the nodes that are not in its set, and slow memory lies on nodes of its "
            "own; make the mode 'preferred', or have all nodes in a nodeset and name those of each tier (--tiers)",
            mode ? mode : "strict");
    }
}

GPtrArray *problems_find(const Domain *domain, const Settings *settings)
{
    GPtrArray *problems = g_ptr_array_new_with_free_func(g_free);

    find_elements(domain, problems);
    find_numatune(domain, settings, problems);
    find_arguments(domain, problems);
    return problems;
}
