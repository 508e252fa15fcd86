/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CXL hotness monitoring unit of a cxl-type3: its properties, where its
 * registers lie, accesses, and migration. cxl-chmu.h says how it is built.
 */
#include "qemu/osdep.h"

#include "hw/mem/cxl-chmu.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/units.h"

void cxl_chmu_catch_up(CXLChmu *chmu)
{
    int64_t now_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    for (unsigned i = 0; i < chmu->n_instances; i++) {
        chmu_instance_run(&chmu->instances[i], now_ns);
    }
}

static void count(CXLChmu *chmu, const uint64_t *requests, unsigned n,
                  uint64_t times)
{
    for (uint32_t left = chmu->counting; left; left &= left - 1) {
        chmu_instance_count(&chmu->instances[ctz32(left)], requests, n, times);
    }
}

void cxl_chmu_count_waiting(CXLChmu *chmu)
{
    unsigned n = chmu->n_waiting;

    chmu->n_waiting = 0;
    count(chmu, chmu->waiting, n, 1);
}

void cxl_chmu_note(CXLChmu *chmu, uint64_t dpa, unsigned bytes, bool is_write)
{
    uint64_t end = MIN(dpa + bytes, chmu->capacity);

    for (uint64_t line = dpa / CHMU_LINE_BYTES; line * CHMU_LINE_BYTES < end;
         line++) {
        chmu->waiting[chmu->n_waiting++] = chmu_request(line, is_write);
        if (++chmu->noted % CXL_CHMU_BATCH == 0) {
            cxl_chmu_catch_up(chmu);
        } else if (unlikely(chmu->at_once)) {
            cxl_chmu_count_waiting(chmu);
        }
    }
}

void cxl_chmu_count(CXLChmu *chmu, uint64_t dpa, uint64_t bytes,
                    uint64_t times, bool is_write)
{
    cxl_chmu_catch_up(chmu);
    for (uint64_t line = dpa / CHMU_LINE_BYTES;
         line * CHMU_LINE_BYTES < dpa + bytes; line++) {
        uint64_t request = chmu_request(line, is_write);

        count(chmu, &request, 1, times);
    }
}

/* The areas as one array: which of its words is at @offset; -1: none. */
static int64_t area_word(const CXLChmu *chmu, hwaddr offset)
{
    uint64_t word = (offset - CXL_CHMU_AREAS) / sizeof(uint64_t);

    if (offset < CXL_CHMU_AREAS || word >= chmu->all_area_words) {
        return -1;
    }
    return word;
}

/*
 * The instance that has a register at @offset, having caught up; or NULL: an
 * access that began before the device was unplugged may come after that.
 */
static ChmuInstance *instance_at(CXLChmu *chmu, hwaddr offset, unsigned *reg)
{
    uint64_t n = (offset - CHMU_INSTANCES) / CHMU_INSTANCE_REGISTERS;

    if (!chmu->instances || offset < CHMU_INSTANCES ||
        n >= chmu->n_instances) {
        return NULL;
    }
    *reg = (offset - CHMU_INSTANCES) % CHMU_INSTANCE_REGISTERS;
    chmu_instance_run(&chmu->instances[n],
                      qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    return &chmu->instances[n];
}

static uint64_t read_word(CXLChmu *chmu, hwaddr offset)
{
    unsigned reg;
    ChmuInstance *inst = instance_at(chmu, offset, &reg);
    int64_t word = area_word(chmu, offset);

    if (inst) {
        return chmu_instance_read(inst, reg);
    }
    if (word >= 0) {
        return chmu->areas[word];
    }
    switch (offset) {
    case CHMU_COMMON_CAP0:
        return chmu_put(CHMU_COMMON_CAP0_VERSION, 1) |
               chmu_put(CHMU_COMMON_CAP0_INSTANCES, chmu->n_instances);
    case CHMU_COMMON_CAP1:
        return chmu_put(CHMU_COMMON_CAP1_INSTLEN, CHMU_INSTANCE_REGISTERS);
    default:
        return 0;
    }
}

/* Accesses are aligned: each lies within a word of 64 bits. */
static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    uint64_t word = read_word(opaque, QEMU_ALIGN_DOWN(offset, 8));

    return extract64(word, offset % 8 * 8, size * 8);
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t value,
                       unsigned size)
{
    CXLChmu *chmu = opaque;
    unsigned shift = offset % 8 * 8;
    uint64_t mask = MAKE_64BIT_MASK(shift, size * 8);
    hwaddr aligned = QEMU_ALIGN_DOWN(offset, 8);
    unsigned reg;
    ChmuInstance *inst = instance_at(chmu, aligned, &reg);
    int64_t word = area_word(chmu, aligned);

    value <<= shift;
    if (inst) {
        chmu_instance_write(inst, reg, value, mask);
    } else if (word >= 0 && word % chmu->area_words < chmu->bitmap_words) {
        inst = &chmu->instances[word / chmu->area_words];
        chmu_instance_run(inst, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        chmu_instance_write_bitmap(inst, word % chmu->area_words, value, mask);
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu: 0x%" HWADDR_PRIx " can't be "
                      "written\n", offset);
    }
}

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = false,
    },
    .impl = {
        .min_access_size = 1,
        .max_access_size = 8,
    },
};

static int pre_save(void *opaque)
{
    CXLChmu *chmu = opaque;

    cxl_chmu_catch_up(chmu);
    for (unsigned i = 0; i < chmu->n_instances; i++) {
        ChmuInstance *inst = &chmu->instances[i];

        inst->saved = inst->counters.entries;
        inst->n_saved = inst->counters.n;
    }
    return 0;
}

static void drop_saved(CXLChmu *chmu, GDestroyNotify free_saved)
{
    for (unsigned i = 0; i < chmu->n_instances; i++) {
        if (free_saved) {
            free_saved(chmu->instances[i].saved);
        }
        chmu->instances[i].saved = NULL;
        chmu->instances[i].n_saved = 0;
    }
}

static int post_save(void *opaque)
{
    drop_saved(opaque, NULL);       /* they are the counters themselves */
    return 0;
}

static int post_load(void *opaque, int version_id)
{
    CXLChmu *chmu = opaque;
    Error *err = NULL;

    for (unsigned i = 0; i < chmu->n_instances && !err; i++) {
        chmu_instance_loaded(&chmu->instances[i], &err);
    }
    drop_saved(chmu, g_free);
    if (err) {
        error_report_err(err);
        cxl_chmu_reset(chmu);   /* nothing that was not checked remains */
        return -EINVAL;
    }
    return 0;
}

/* Checked before as many are allocated */
static bool saved_fit(void *opaque, int version_id)
{
    ChmuInstance *inst = opaque;

    return inst->n_saved <= inst->counters.limit;
}

static const VMStateDescription vmstate_instance = {
    .name = "cxl-chmu/instance",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(cfg0, ChmuInstance),
        VMSTATE_UINT64(cfg1, ChmuInstance),
        VMSTATE_UINT64(cfg2, ChmuInstance),
        VMSTATE_UINT64(status, ChmuInstance),
        VMSTATE_UINT16(head, ChmuInstance),
        VMSTATE_UINT16(tail, ChmuInstance),
        VMSTATE_INT64(operation_end_ns, ChmuInstance),
        VMSTATE_INT64(epoch_end_ns, ChmuInstance),
        VMSTATE_TIMER_PTR(interrupt, ChmuInstance),
        VMSTATE_UINT64(sampling_phase, ChmuInstance),
        VMSTATE_UINT64(random, ChmuInstance),
        VMSTATE_UINT64(stats.requests, ChmuInstance),
        VMSTATE_UINT64(stats.filtered, ChmuInstance),
        VMSTATE_UINT64(stats.skipped, ChmuInstance),
        VMSTATE_UINT64(stats.counted, ChmuInstance),
        VMSTATE_UINT64(stats.uncounted, ChmuInstance),
        VMSTATE_UINT64(stats.listed, ChmuInstance),
        VMSTATE_UINT64(stats.dropped, ChmuInstance),
        VMSTATE_UINT64(stats.epochs, ChmuInstance),
        VMSTATE_UINT32(n_saved, ChmuInstance),
        VMSTATE_VALIDATE("counters fit", saved_fit),
        VMSTATE_VARRAY_UINT32_ALLOC(saved, ChmuInstance, n_saved, 0,
                                    vmstate_info_uint64, uint64_t),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_chmu = {
    .name = "cxl-chmu",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = pre_save,
    .post_save = post_save,
    .post_load = post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_EQUAL(n_instances, CXLChmu,
                             "chmu-instances is not as at the source"),
        VMSTATE_UINT32_EQUAL(n_entries, CXLChmu,
                             "chmu-entries is not as at the source"),
        VMSTATE_UINT32_EQUAL(counter_width, CXLChmu,
                             "chmu-counter-width is not as at the source"),
        VMSTATE_UINT32_EQUAL(all_area_words, CXLChmu,
                             "the device's size is not as at the source"),
        VMSTATE_VARRAY_UINT32(areas, CXLChmu, all_area_words, 0,
                              vmstate_info_uint64, uint64_t),
        VMSTATE_STRUCT_VARRAY_POINTER_UINT32(instances, CXLChmu, n_instances,
                                             vmstate_instance, ChmuInstance),
        VMSTATE_END_OF_LIST()
    },
};

/* Bytes of the BAR: a register block begins at a multiple of 64 KiB. */
static uint64_t bar_bytes(const CXLChmu *chmu)
{
    uint64_t bytes = CXL_CHMU_AREAS +
                     (uint64_t)chmu->all_area_words * sizeof(uint64_t);

    return pow2ceil(MAX(bytes, 64 * KiB));
}

static bool in_range(const char *name, uint32_t value, uint32_t min,
                     uint32_t max, Error **errp)
{
    if (value < min || value > max) {
        error_setg(errp, "Property 'cxl-type3.%s' doesn't take value '%u': it "
                   "must be %u to %u", name, value, min, max);
        return false;
    }
    return true;
}

/* Whether @value has bits, and only such as are @allowed. */
static bool is_mask(const char *name, uint32_t value, uint32_t allowed,
                    const char *meaning, Error **errp)
{
    if (!value || value & ~allowed) {
        error_setg(errp, "Property 'cxl-type3.%s' doesn't take value '0x%x': "
                   "it must have one or more of the bits 0x%x, of which bit N "
                   "is %s", name, value, allowed, meaning);
        return false;
    }
    return true;
}

static bool check_properties(const CXLChmu *chmu, Error **errp)
{
    /* Bits that the number of the last of the smallest units takes */
    unsigned unit_bits;

    if (!in_range("chmu-instances", chmu->n_instances, 1,
                  CXL_CHMU_MAX_INSTANCES, errp) ||
        !in_range("chmu-entries", chmu->n_entries, 2, UINT16_MAX, errp) ||
        !in_range("chmu-counters", chmu->n_counters, 1, CXL_CHMU_MAX_COUNTERS,
                  errp) ||
        !in_range("chmu-counter-width", chmu->counter_width, 1, 32, errp) ||
        !is_mask("chmu-unit-sizes", chmu->unit_sizes, CXL_CHMU_UNIT_SIZES,
                 "units of 256 bytes << N", errp) ||
        !is_mask("chmu-down-sampling", chmu->down_sampling, UINT16_MAX,
                 "one access in 2^N", errp)) {
        return false;
    }
    if (!chmu->epoch_mode && !chmu->always_on_mode) {
        error_setg(errp, "Property 'cxl-type3.chmu-epoch-mode' can't be off "
                   "while 'chmu-always-on-mode' is: leave one of them on");
        return false;
    }
    unit_bits = 64 - clz64((chmu->capacity - 1) >>
                           (CHMU_UNIT_SHIFT_MIN + ctz32(chmu->unit_sizes)));
    return in_range("chmu-counter-width", chmu->counter_width, 1,
                    64 - unit_bits, errp);
}

bool cxl_chmu_realize(CXLChmu *chmu, PCIDevice *pdev, uint64_t capacity,
                      unsigned first_vector, Error **errp)
{
    uint64_t ranges = DIV_ROUND_UP(capacity, CHMU_RANGE_BYTES);
    unsigned page_words = 4 * KiB / sizeof(uint64_t);

    /* CAP0 has four bits to tell a vector */
    assert(first_vector + CXL_CHMU_MAX_INSTANCES <= 16);
    chmu->pdev = pdev;
    chmu->capacity = capacity;
    chmu->first_vector = first_vector;
    if (!check_properties(chmu, errp)) {
        return false;
    }
    chmu->bitmap_words = DIV_ROUND_UP(ranges, 64);
    chmu->area_words = ROUND_UP(chmu->bitmap_words + chmu->n_entries,
                                page_words);
    chmu->all_area_words = chmu->n_instances * chmu->area_words;
    chmu->areas = g_new0(uint64_t, chmu->all_area_words);
    chmu->instances = g_new0(ChmuInstance, chmu->n_instances);
    for (unsigned i = 0; i < chmu->n_instances; i++) {
        chmu_instance_init(&chmu->instances[i], chmu, i);
    }
    memory_region_init_io(&chmu->mmio, OBJECT(pdev), &mmio_ops, chmu,
                          "cxl-chmu", bar_bytes(chmu));
    pci_register_bar(pdev, CXL_CHMU_BAR_IDX, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &chmu->mmio);
    vmstate_register(VMSTATE_IF(pdev), VMSTATE_INSTANCE_ID_ANY, &vmstate_chmu,
                     chmu);
    return true;
}

void cxl_chmu_unrealize(CXLChmu *chmu)
{
    if (!chmu->instances) {
        return;
    }
    vmstate_unregister(VMSTATE_IF(chmu->pdev), &vmstate_chmu, chmu);
    for (unsigned i = 0; i < chmu->n_instances; i++) {
        chmu_instance_destroy(&chmu->instances[i]);
    }
    g_clear_pointer(&chmu->instances, g_free);
    g_clear_pointer(&chmu->areas, g_free);
    chmu->all_area_words = 0;
    chmu->counting = 0;
    chmu->at_once = 0;
    chmu->n_waiting = 0;
}

void cxl_chmu_reset(CXLChmu *chmu)
{
    chmu->n_waiting = 0;
    for (unsigned i = 0; chmu->instances && i < chmu->n_instances; i++) {
        chmu_instance_reset(&chmu->instances[i]);
    }
}

uint32_t cxl_chmu_register_locator(const CXLChmu *chmu)
{
    return chmu->present ? CHMU_REGISTER_BLOCK_ID << 8 | CXL_CHMU_BAR_IDX : 0;
}

uint64_t cxl_chmu_bytes(const CXLChmu *chmu)
{
    uint64_t bytes = chmu->all_area_words * sizeof(uint64_t) +
                     chmu->n_instances * sizeof(ChmuInstance);

    for (unsigned i = 0; i < chmu->n_instances; i++) {
        bytes += chmu_counters_bytes(&chmu->instances[i].counters);
    }
    return bytes;
}
