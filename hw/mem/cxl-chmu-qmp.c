/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP and HMP commands of CXL hotness monitoring units.
 */
#include "qemu/osdep.h"

#include "hw/cxl/cxl.h"
#include "hw/mem/cxl-chmu.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-cxl-chmu.h"
#include "qapi/type-helpers.h"
#include "qemu/bitops.h"

/* As many accesses are made by one command: it holds the big lock meanwhile */
#define MAX_ACCESSES (1u << 28)

static CXLType3Dev *find_device(const char *path, Error **errp)
{
    Object *obj = object_resolve_path_type(path, TYPE_CXL_TYPE3, NULL);

    if (!obj || !CXL_TYPE3(obj)->chmu.instances) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "There is no cxl-type3 with chmu=on at '%s'; query-cxl-chmu "
                  "shows those there are", path);
        return NULL;
    }
    return CXL_TYPE3(obj);
}

static CxlChmuInstance *instance_info(const ChmuInstance *inst)
{
    CxlChmuInstance *info = g_new0(CxlChmuInstance, 1);
    const CXLChmu *chmu = inst->chmu;
    unsigned what = chmu_get(inst->cfg0, CHMU_CFG0_WHAT);
    unsigned sampling = chmu_get(inst->cfg1, CHMU_CFG1_DOWN_SAMPLING);
    unsigned mode = chmu_get(inst->cfg1, CHMU_CFG1_MODE);
    uint32_t shift = chmu_get(inst->cfg1, CHMU_CFG1_UNIT_SIZE);

    info->enabled = inst->status & CHMU_STATUS_ENABLED;
    info->operation = chmu_get(inst->status, CHMU_STATUS_OPERATION);
    info->requests = what <= CHMU_WHAT_BOTH ? what : CXL_CHMU_REQUESTS_NONE;
    info->unit_size = shift >= CHMU_UNIT_SHIFT_MIN && shift < 64 ?
                      BIT_ULL(shift) : 0;
    info->epoch_ns = mode != CHMU_MODE_EPOCH ? 0 :
        chmu_epoch_ns(chmu_get(inst->cfg1, CHMU_CFG1_EPOCH_SCALE),
                      chmu_get(inst->cfg1, CHMU_CFG1_EPOCH_MULT));
    info->down_sampling = sampling < 16 ? BIT(sampling) : 0;
    info->random = inst->cfg0 & CHMU_CFG0_RANDOM;
    info->threshold = chmu_get(inst->cfg0, CHMU_CFG0_THRESHOLD);
    info->notify = chmu_get(inst->cfg2, CHMU_CFG2_NOTIFY);
    for (unsigned i = 0; i < chmu->bitmap_words; i++) {
        info->ranges += ctpop64(inst->bitmap[i]);
    }
    info->overflow = inst->status & CHMU_STATUS_OVERFLOW;
    info->level = inst->status & CHMU_STATUS_LEVEL;
    info->head = inst->head;
    info->tail = inst->tail;
    info->entries = chmu_instance_listed(inst);
    info->units = inst->counters.n;
    info->counts = g_new(CxlChmuCounts, 1);
    *info->counts = (CxlChmuCounts) {
        .requests = inst->stats.requests,
        .filtered = inst->stats.filtered,
        .skipped = inst->stats.skipped,
        .counted = inst->stats.counted,
        .uncounted = inst->stats.uncounted,
        .listed = inst->stats.listed,
        .dropped = inst->stats.dropped,
        .epochs = inst->stats.epochs,
    };
    return info;
}

static CxlChmuInfo *unit_info(CXLType3Dev *ct3d)
{
    CxlChmuInfo *info = g_new0(CxlChmuInfo, 1);
    CxlChmuInstanceList **end = &info->instances;
    CXLChmu *chmu = &ct3d->chmu;

    cxl_chmu_catch_up(chmu);
    info->path = object_get_canonical_path(OBJECT(ct3d));
    info->capacity = chmu->capacity;
    info->hotlist_size = chmu->n_entries;
    info->counters = chmu->n_counters;
    info->counter_width = chmu->counter_width;
    for (unsigned i = 0; i < chmu->n_instances; i++) {
        QAPI_LIST_APPEND(end, instance_info(&chmu->instances[i]));
    }
    info->bytes = cxl_chmu_bytes(chmu);
    return info;
}

static int add_unit(Object *obj, void *opaque)
{
    CxlChmuInfoList **list = opaque;
    CXLType3Dev *ct3d = (CXLType3Dev *)object_dynamic_cast(obj, TYPE_CXL_TYPE3);

    if (ct3d && ct3d->chmu.instances) {
        QAPI_LIST_PREPEND(*list, unit_info(ct3d));
    }
    return 0;
}

CxlChmuInfoList *qmp_query_cxl_chmu(const char *path, Error **errp)
{
    CxlChmuInfoList *list = NULL;

    if (path) {
        CXLType3Dev *ct3d = find_device(path, errp);

        if (ct3d) {
            add_unit(OBJECT(ct3d), &list);
        }
    } else {
        object_child_foreach_recursive(object_get_root(), add_unit, &list);
    }
    return list;
}

void qmp_cxl_chmu_access(const char *path, uint64_t address, bool has_length,
                         uint64_t length, bool has_count, uint32_t count,
                         bool has_write, bool write, Error **errp)
{
    CXLType3Dev *ct3d = find_device(path, errp);
    uint64_t lines;

    if (!ct3d) {
        return;
    }
    if (!has_length) {
        length = 8;
    }
    if (!has_count) {
        count = 1;
    }
    if (!length || length > ct3d->chmu.capacity ||
        address > ct3d->chmu.capacity - length) {
        error_setg(errp, "Can't access %" PRIu64 " bytes at 0x%" PRIx64 ": "
                   "they must be one or more of the device's %" PRIu64,
                   length, address, ct3d->chmu.capacity);
        return;
    }
    lines = (address + length - 1) / CHMU_LINE_BYTES -
            address / CHMU_LINE_BYTES + 1;
    if (!count || lines > MAX_ACCESSES / count) {
        error_setg(errp, "Can't access %" PRIu64 " lines %u times: there must "
                   "be 1 to %u accesses; use several commands", lines, count,
                   MAX_ACCESSES);
        return;
    }
    cxl_chmu_count(&ct3d->chmu, address, length, count, has_write && write);
}

static void describe_instance(GString *text, unsigned number,
                              const CxlChmuInstance *inst)
{
    const CxlChmuCounts *counts = inst->counts;

    g_string_append_printf(text, "  instance %u: %s, operation %s\n", number,
                           inst->enabled ? "enabled" : "disabled",
                           CxlChmuOperation_str(inst->operation));
    g_string_append_printf(text, "    counts %s, units of %" PRIu64 " bytes, "
                           "epochs of %" PRIu64 " ns, one in %u%s, "
                           "threshold %u, %u ranges\n",
                           CxlChmuRequests_str(inst->requests),
                           inst->unit_size, inst->epoch_ns,
                           inst->down_sampling,
                           inst->random ? " at random" : "",
                           inst->threshold, inst->ranges);
    g_string_append_printf(text, "    hotlist: head %u, tail %u, %u entries, "
                           "notify at %u%s%s\n", inst->head, inst->tail,
                           inst->entries, inst->notify,
                           inst->overflow ? ", overflow" : "",
                           inst->level ? ", level" : "");
    g_string_append_printf(text, "    requests %" PRIu64 ": filtered %" PRIu64
                           ", skipped %" PRIu64 ", counted %" PRIu64
                           ", uncounted %" PRIu64 "\n", counts->requests,
                           counts->filtered, counts->skipped, counts->counted,
                           counts->uncounted);
    g_string_append_printf(text, "    units: counted now %u, listed %" PRIu64
                           ", dropped %" PRIu64 "; epochs %" PRIu64 "\n",
                           inst->units, counts->listed, counts->dropped,
                           counts->epochs);
}

static HumanReadableText *hmp_info_cxl_chmu(Error **errp)
{
    g_autoptr(CxlChmuInfoList) list = qmp_query_cxl_chmu(NULL, errp);
    g_autoptr(GString) text = g_string_new(NULL);

    for (CxlChmuInfoList *unit = list; unit; unit = unit->next) {
        unsigned number = 0;

        g_string_append_printf(text, "%s: %" PRIu64 " bytes, hotlists of %u "
                               "slots, %u counters of %u bits, takes %" PRIu64
                               " bytes\n", unit->value->path,
                               unit->value->capacity,
                               unit->value->hotlist_size,
                               unit->value->counters,
                               unit->value->counter_width, unit->value->bytes);
        for (CxlChmuInstanceList *inst = unit->value->instances; inst;
             inst = inst->next) {
            describe_instance(text, number++, inst->value);
        }
    }
    return human_readable_text_from_str(text);
}

static void register_hmp(void)
{
    monitor_register_hmp_info_hrt("cxl-chmu", hmp_info_cxl_chmu);
}

type_init(register_hmp);
