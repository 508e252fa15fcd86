/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-backend-tier: guest RAM that lies on several tiers of host memory.
 *
 * The object checks its properties, makes the memfd, has it placed, and opens
 * the memory channel. It moves nothing by itself: with no daemon, the memory
 * stays where it was placed, and the guest runs.
 */
#include "qemu/osdep.h"

#include "memory-tier.h"
#include "migration/cpr.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/id.h"
#include "qemu/memfd.h"
#include "qemu/module.h"
#include "qom/object_interfaces.h"

#define HUGEPAGE_BYTES (2ull << 20)
#define RAMBLOCK_NAME_MAX 63

QEMU_BUILD_BUG_ON((int)TIER_MODE_OFF != MEMORY_TIER_MODE_OFF ||
                  (int)TIER_MODE_OBSERVE != MEMORY_TIER_MODE_OBSERVE ||
                  (int)TIER_MODE_ON != MEMORY_TIER_MODE_ON);
QEMU_BUILD_BUG_ON(
    (int)TIER_HUGEPAGES_OFF != MEMORY_TIER_HUGEPAGES_OFF ||
    (int)TIER_HUGEPAGES_COLLAPSE != MEMORY_TIER_HUGEPAGES_COLLAPSE ||
    (int)TIER_HUGEPAGES_HUGETLB != MEMORY_TIER_HUGEPAGES_HUGETLB);

static void (*parent_complete)(UserCreatable *uc, Error **errp);

uint64_t memory_backend_tier_page_size(const MemoryBackendTier *tier)
{
    return tier->hugepages == MEMORY_TIER_HUGEPAGES_HUGETLB ?
           HUGEPAGE_BYTES : qemu_real_host_page_size();
}

const char *memory_backend_tier_id(const MemoryBackendTier *tier)
{
    const char *id = object_get_canonical_path_component(OBJECT(tier));

    return id ?: "";
}

static bool check_multiple(const char *property, uint64_t value,
                           uint64_t page_size, Error **errp)
{
    if (value % page_size) {
        error_setg(errp, "Property '%s.%s' doesn't take value '%" PRIu64
                   "': it must be a multiple of the page size, %" PRIu64,
                   TYPE_MEMORY_BACKEND_TIER, property, value, page_size);
        return false;
    }
    return true;
}

static bool check_weight(uint32_t weight, Error **errp)
{
    if (weight < 1 || weight > TIER_WEIGHT_MAX) {
        error_setg(errp, "Property '%s.weight' doesn't take value '%" PRIu32
                   "': it must be from 1 to %d", TYPE_MEMORY_BACKEND_TIER,
                   weight, TIER_WEIGHT_MAX);
        return false;
    }
    return true;
}

static bool check_slowdown(double slowdown, Error **errp)
{
    if (!(slowdown >= 0 && slowdown <= 1)) {
        error_setg(errp, "Property '%s.slowdown' doesn't take value '%g': it "
                   "must be a share of the time, from 0 (no target) to 1",
                   TYPE_MEMORY_BACKEND_TIER, slowdown);
        return false;
    }
    return true;
}

bool memory_backend_tier_apply(MemoryBackendTier *tier,
                               const TierSettings *settings, Error **errp)
{
    uint64_t size = MEMORY_BACKEND(tier)->size;
    uint64_t page_size = memory_backend_tier_page_size(tier);

    if (!check_multiple("fast-size", settings->fast_size, page_size, errp) ||
        !check_multiple("fast-min", settings->fast_min, page_size, errp) ||
        !check_weight(settings->weight, errp) ||
        !check_slowdown(settings->slowdown, errp)) {
        return false;
    }
    if (settings->fast_size > size) {
        error_setg(errp, "Property '%s.fast-size' doesn't take value '%" PRIu64
                   "': it must be at most the size, %" PRIu64,
                   TYPE_MEMORY_BACKEND_TIER, settings->fast_size, size);
        return false;
    }
    if (settings->fast_min > settings->fast_size) {
        error_setg(errp, "Property '%s.fast-min' doesn't take value '%" PRIu64
                   "': it must be at most fast-size, %" PRIu64,
                   TYPE_MEMORY_BACKEND_TIER, settings->fast_min,
                   settings->fast_size);
        return false;
    }
    if (settings->mode == MEMORY_TIER_MODE_ON && tier->topology->n_tiers == 1) {
        error_setg(errp, "Property '%s.mode' doesn't take value 'on': with "
                   "one tier nothing can move, so it must be 'observe' or "
                   "'off'", TYPE_MEMORY_BACKEND_TIER);
        return false;
    }
    tier->settings = *settings;
    return true;
}

/* Find the tiers: those of the property, or the host's. */
static bool find_tiers(MemoryBackendTier *tier, Error **errp)
{
    g_autoptr(GError) err = NULL;

    if (tier->tiers) {
        tier->topology = topology_from_config(
            tier->sysfs, (const char *const *)tier->tiers, &err);
        if (!tier->topology) {
            error_setg(errp, "Property '%s.tiers': %s",
                       TYPE_MEMORY_BACKEND_TIER, err->message);
            return false;
        }
        g_free(tier->topology->origin);
        tier->topology->origin = g_strdup("property");
        return true;
    }
    tier->topology = topology_discover(tier->sysfs, &err);
    if (!tier->topology) {
        warn_report("memory-backend-tier '%s': all memory is taken for one "
                    "tier: %s", memory_backend_tier_id(tier), err->message);
        tier->topology = g_new0(Topology, 1);
        tier->topology->n_tiers = 1;
        tier->topology->tiers[0].nodes[0] = 1;
        tier->topology->origin = g_strdup("no NUMA");
    }
    return true;
}

/* What of the base class does not go together with tiers. */
static bool check_base(HostMemoryBackend *backend, Error **errp)
{
    if (!backend->share) {
        error_setg(errp, "Property '%s.share' doesn't take value 'off': pages "
                   "that are private to QEMU's mapping can't be placed; it "
                   "must be 'on'", TYPE_MEMORY_BACKEND_TIER);
        return false;
    }
    if (backend->policy != HOST_MEM_POLICY_DEFAULT ||
        find_first_bit(backend->host_nodes, MAX_NODES) != MAX_NODES) {
        error_setg(errp, "Properties '%s.host-nodes' and 'policy' can't be "
                   "set: NUMA nodes are given by 'tiers', the fastest first",
                   TYPE_MEMORY_BACKEND_TIER);
        return false;
    }
    return true;
}

static bool check_properties(MemoryBackendTier *tier, Error **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(tier);
    uint64_t page_size = memory_backend_tier_page_size(tier);
    TierSettings settings;

    if (!check_base(backend, errp) || !find_tiers(tier, errp) ||
        !check_multiple("size", backend->size, page_size, errp)) {
        return false;
    }
    settings = tier->settings;
    if (!tier->has_fast_size) {
        /* As much fast memory as slow, or all of it where there is no other */
        settings.fast_size = tier->topology->n_tiers == 1 ? backend->size :
            QEMU_ALIGN_DOWN(backend->size / 2, page_size);
    }
    if (tier->topology->n_tiers == 1 && settings.mode == MEMORY_TIER_MODE_ON) {
        settings.mode = MEMORY_TIER_MODE_OBSERVE;
    }
    return memory_backend_tier_apply(tier, &settings, errp);
}

static void place(MemoryBackendTier *tier, int memfd)
{
    Error *err = NULL;

    tier->plan = (TierPlan) {
        .size = MEMORY_BACKEND(tier)->size,
        .fast_size = tier->settings.fast_size,
        .placement = tier->placement,
        .n_tiers = tier->topology->n_tiers,
    };
    if (!tier_placement_bind(&tier->plan, tier->topology, memfd, &err)) {
        tier->placement_problem = g_strdup(error_get_pretty(err));
        error_prepend(&err, "memory-backend-tier '%s': the guest runs, but its "
                      "memory is not placed as asked: ",
                      memory_backend_tier_id(tier));
        warn_report_err(err);
    }
}

/*
 * Make the memory region of @memfd, which is closed. Huge pages can be mapped
 * where address and offset agree modulo their size, which takes an alignment,
 * and of the functions that make a region, only that for a path has one.
 */
static bool init_region(HostMemoryBackend *backend, const char *name,
                        int memfd, Error **errp)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", memfd);
    uint32_t ram_flags = RAM_SHARED;
    bool ok;

    ram_flags |= backend->reserve ? 0 : RAM_NORESERVE;
    ram_flags |= backend->guest_memfd ? RAM_GUEST_MEMFD : 0;
    backend->aligned = true;
    ok = memory_region_init_ram_from_file(&backend->mr, OBJECT(backend), name,
                                          backend->size, HUGEPAGE_BYTES,
                                          ram_flags, path, 0, errp);
    close(memfd);
    if (ok) {
        qemu_set_cloexec(memory_region_get_fd(&backend->mr));
    }
    return ok;
}

static bool tier_backend_alloc(HostMemoryBackend *backend, Error **errp)
{
    ERRP_GUARD();
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(backend);
    g_autofree char *name = tier->ramblock ?
        g_strdup(tier->ramblock) : host_memory_backend_get_name(backend);
    bool hugetlb = tier->hugepages == MEMORY_TIER_HUGEPAGES_HUGETLB;
    /* There is one when this QEMU takes over from another (CPR) */
    int fd = cpr_find_fd(name, 0);

    if (fd < 0) {
        fd = qemu_memfd_create(TYPE_MEMORY_BACKEND_TIER, backend->size, hugetlb,
                               hugetlb ? HUGEPAGE_BYTES : 0,
                               F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
        if (fd < 0) {
            return false;
        }
    }
    cpr_delete_fd(name, 0);
    if (!init_region(backend, name, fd, errp)) {
        if (hugetlb) {
            error_prepend(errp, "Property '%s.hugepages' with value 'hugetlb' "
                          "takes %" PRIu64 " free huge pages of 2 MiB "
                          "(set vm.nr_hugepages, or use 'collapse'): ",
                          TYPE_MEMORY_BACKEND_TIER,
                          (uint64_t)(backend->size / HUGEPAGE_BYTES));
        }
        return false;
    }
    fd = memory_region_get_fd(&backend->mr);
    cpr_save_fd(name, 0, fd);
    if (backend->guest_memfd) {
        warn_report("memory-backend-tier '%s': the memory of a confidential "
                    "guest can't be moved; only what it shares is tiered",
                    memory_backend_tier_id(tier));
    }
    place(tier, fd);
    return true;
}

static void tier_backend_complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(uc);

    if (!check_properties(tier, errp)) {
        return;
    }
    if (tier->chardev) {
        tier->channel = tier_channel_new(tier, tier->chardev, errp);
        if (!tier->channel) {
            return;
        }
    }
    parent_complete(uc, errp);
    if (!*errp && tier->channel) {
        tier_channel_start(tier->channel);
    }
}

/* Whether properties may still be set; that ends with completion. */
static bool settable(Object *obj, const char *name, Error **errp)
{
    if (host_memory_backend_mr_inited(MEMORY_BACKEND(obj))) {
        error_setg(errp, "Property '%s.%s' can't be set once the memory "
                   "exists; memory-tier-set changes fast-size, fast-min, "
                   "weight, slowdown and mode", TYPE_MEMORY_BACKEND_TIER, name);
        return false;
    }
    return true;
}

static void get_tiers(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);
    strList *list = NULL, **tail = &list;

    for (char **nodes = tier->tiers; nodes && *nodes; nodes++) {
        QAPI_LIST_APPEND(tail, g_strdup(*nodes));
    }
    visit_type_strList(v, name, &list, errp);
    qapi_free_strList(list);
}

static void set_tiers(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);
    g_autoptr(GPtrArray) nodes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(strList) list = NULL;

    if (!settable(obj, name, errp) ||
        !visit_type_strList(v, name, &list, errp)) {
        return;
    }
    for (strList *i = list; i; i = i->next) {
        if (!i->value[0]) {
            error_setg(errp, "Property '%s.tiers' doesn't take an empty list "
                       "of NUMA nodes: each tier must have one or more, such "
                       "as '0' or '0-1'", TYPE_MEMORY_BACKEND_TIER);
            return;
        }
        g_ptr_array_add(nodes, g_strdup(i->value));
    }
    g_ptr_array_add(nodes, NULL);
    g_strfreev(tier->tiers);
    tier->tiers = (char **)g_ptr_array_free(g_steal_pointer(&nodes), false);
}

static void get_size_property(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);
    uint64_t value = g_str_equal(name, "fast-size") ? tier->settings.fast_size
                                                    : tier->settings.fast_min;

    visit_type_size(v, name, &value, errp);
}

static void set_size_property(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);
    uint64_t value;

    if (!settable(obj, name, errp) || !visit_type_size(v, name, &value, errp)) {
        return;
    }
    if (g_str_equal(name, "fast-size")) {
        tier->settings.fast_size = value;
        tier->has_fast_size = true;
    } else {
        tier->settings.fast_min = value;
    }
}

static void get_weight(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    visit_type_uint32(v, name, &MEMORY_BACKEND_TIER(obj)->settings.weight,
                      errp);
}

static void set_weight(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    uint32_t value;

    if (settable(obj, name, errp) && visit_type_uint32(v, name, &value, errp) &&
        check_weight(value, errp)) {
        MEMORY_BACKEND_TIER(obj)->settings.weight = value;
    }
}

static void get_slowdown(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    visit_type_number(v, name, &MEMORY_BACKEND_TIER(obj)->settings.slowdown,
                      errp);
}

static void set_slowdown(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    double value;

    if (settable(obj, name, errp) && visit_type_number(v, name, &value, errp) &&
        check_slowdown(value, errp)) {
        MEMORY_BACKEND_TIER(obj)->settings.slowdown = value;
    }
}

static int get_mode(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_TIER(obj)->settings.mode;
}

static void set_mode(Object *obj, int value, Error **errp)
{
    if (settable(obj, "mode", errp)) {
        MEMORY_BACKEND_TIER(obj)->settings.mode = value;
    }
}

static int get_placement(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_TIER(obj)->placement;
}

static void set_placement(Object *obj, int value, Error **errp)
{
    if (settable(obj, "placement", errp)) {
        MEMORY_BACKEND_TIER(obj)->placement = value;
    }
}

static int get_hugepages(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_TIER(obj)->hugepages;
}

static void set_hugepages(Object *obj, int value, Error **errp)
{
    if (settable(obj, "hugepages", errp)) {
        MEMORY_BACKEND_TIER(obj)->hugepages = value;
    }
}

static char *get_ramblock(Object *obj, Error **errp)
{
    return g_strdup(MEMORY_BACKEND_TIER(obj)->ramblock);
}

static void set_ramblock(Object *obj, const char *value, Error **errp)
{
    if (!settable(obj, "ramblock", errp)) {
        return;
    }
    if (!id_wellformed(value) || strlen(value) > RAMBLOCK_NAME_MAX) {
        error_setg(errp, "Property '%s.ramblock' doesn't take value '%.80s': "
                   "it must be a name such as 'pc.ram', of letters, digits, "
                   "'-', '.', '_', and at most %d long",
                   TYPE_MEMORY_BACKEND_TIER, value, RAMBLOCK_NAME_MAX);
        return;
    }
    g_free(MEMORY_BACKEND_TIER(obj)->ramblock);
    MEMORY_BACKEND_TIER(obj)->ramblock = g_strdup(value);
}

static char *get_chardev(Object *obj, Error **errp)
{
    return g_strdup(MEMORY_BACKEND_TIER(obj)->chardev);
}

static void set_chardev(Object *obj, const char *value, Error **errp)
{
    if (settable(obj, "chardev", errp)) {
        g_free(MEMORY_BACKEND_TIER(obj)->chardev);
        MEMORY_BACKEND_TIER(obj)->chardev = g_strdup(value);
    }
}

static char *get_sysfs(Object *obj, Error **errp)
{
    return g_strdup(MEMORY_BACKEND_TIER(obj)->sysfs);
}

static void set_sysfs(Object *obj, const char *value, Error **errp)
{
    if (settable(obj, "x-sysfs", errp)) {
        g_free(MEMORY_BACKEND_TIER(obj)->sysfs);
        MEMORY_BACKEND_TIER(obj)->sysfs = g_strdup(value);
    }
}

static void tier_backend_init(Object *obj)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);

    MEMORY_BACKEND(obj)->share = true;
    tier->sysfs = g_strdup("/sys");
    tier->settings.weight = 100;
    tier->settings.mode = MEMORY_TIER_MODE_ON;
}

static void tier_backend_finalize(Object *obj)
{
    MemoryBackendTier *tier = MEMORY_BACKEND_TIER(obj);

    tier_channel_free(tier->channel);
    topology_free(tier->topology);
    g_strfreev(tier->tiers);
    g_free(tier->sysfs);
    g_free(tier->chardev);
    g_free(tier->ramblock);
    g_free(tier->placement_problem);
}

static void tier_backend_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    parent_complete = ucc->complete;
    ucc->complete = tier_backend_complete;
    MEMORY_BACKEND_CLASS(oc)->alloc = tier_backend_alloc;

    object_class_property_add(oc, "tiers", "strList", get_tiers, set_tiers,
                              NULL, NULL);
    object_class_property_set_description(oc, "tiers",
        "NUMA nodes of each tier, fastest first (default: the host's tiers)");
    object_class_property_add(oc, "fast-size", "size", get_size_property,
                              set_size_property, NULL, NULL);
    object_class_property_set_description(oc, "fast-size",
        "Ceiling in the fastest tier (default: half of size)");
    object_class_property_add(oc, "fast-min", "size", get_size_property,
                              set_size_property, NULL, NULL);
    object_class_property_set_description(oc, "fast-min",
        "Floor in the fastest tier (default: 0)");
    object_class_property_add(oc, "weight", "uint32", get_weight, set_weight,
                              NULL, NULL);
    object_class_property_set_description(oc, "weight",
        "Share of fast memory against other VMs, 1 to 1000 (default: 100)");
    object_class_property_add(oc, "slowdown", "number", get_slowdown,
                              set_slowdown, NULL, NULL);
    object_class_property_set_description(oc, "slowdown",
        "Share of time that may be lost to slow memory (default: no target)");
    object_class_property_add_enum(oc, "mode", "MemoryTierMode",
                                   &MemoryTierMode_lookup, get_mode, set_mode);
    object_class_property_set_description(oc, "mode",
        "What the daemon does: on (default), observe, off");
    object_class_property_add_enum(oc, "placement", "MemoryTierPlacement",
                                   &MemoryTierPlacement_lookup, get_placement,
                                   set_placement);
    object_class_property_set_description(oc, "placement",
        "Initial placement: interleave (default), fast-first, slow-first");
    object_class_property_add_enum(oc, "hugepages", "MemoryTierHugepages",
                                   &MemoryTierHugepages_lookup, get_hugepages,
                                   set_hugepages);
    object_class_property_set_description(oc, "hugepages",
        "Huge pages: off (default), collapse, hugetlb");
    object_class_property_add_str(oc, "ramblock", get_ramblock, set_ramblock);
    object_class_property_set_description(oc, "ramblock",
        "Name of the memory in a migration stream (default: the object's id)");
    object_class_property_add_str(oc, "chardev", get_chardev, set_chardev);
    object_class_property_set_description(oc, "chardev",
        "Unix socket chardev that leads to the daemon (default: none)");
    object_class_property_add_str(oc, "x-sysfs", get_sysfs, set_sysfs);
    object_class_property_set_description(oc, "x-sysfs",
        "Where the host's NUMA nodes are looked up (default: /sys)");
}

static const TypeInfo tier_backend_info = {
    .name = TYPE_MEMORY_BACKEND_TIER,
    .parent = TYPE_MEMORY_BACKEND,
    .instance_size = sizeof(MemoryBackendTier),
    .instance_init = tier_backend_init,
    .instance_finalize = tier_backend_finalize,
    .class_init = tier_backend_class_init,
};

static void register_types(void)
{
    type_register_static(&tier_backend_info);
}

type_init(register_types);
