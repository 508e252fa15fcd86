/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instance of a CXL hotness monitoring unit: its registers, operations,
 * epochs and hotlist. cxl-chmu-regs.h says how it is to behave.
 *
 * Theory of operation
 *
 * An operation (enable, disable, reset) begins when CFG0 is written and takes
 * effect CXL_CHMU_OPERATION_NS later; nothing is counted from its begin to its
 * end. Two things can be due: the end of an operation, and that of an epoch
 * while the instance counts. settle() keeps 'due_ns', the timer and its bits
 * in the unit in line with the state; it is called after each change, before
 * which what was noted has been counted.
 *
 * The guest chooses where an interrupt's message is written, and may choose our
 * own memory or registers. So none is sent while we're at work: the 'interrupt'
 * timer, due at once, sends it. A timer of the virtual clock stands still
 * while the VM does and is migrated, so that the message is neither lost nor
 * sent to a CPU whose state has been saved already.
 */
#include "qemu/osdep.h"

#include "hw/mem/cxl-chmu.h"
#include "hw/mem/cxl-chmu-regs.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/log.h"

#define CFG0_CONFIG (CHMU_CFG0_WHAT | CHMU_CFG0_RANDOM |                \
                     CHMU_CFG0_OVERFLOW_INT | CHMU_CFG0_LEVEL_INT |     \
                     CHMU_CFG0_THRESHOLD)
#define STATUS_W1C (CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL)

static unsigned operation(const ChmuInstance *inst)
{
    return chmu_get(inst->status, CHMU_STATUS_OPERATION);
}

static bool is_counting(const ChmuInstance *inst)
{
    return (inst->status & CHMU_STATUS_ENABLED) &&
           operation(inst) == CHMU_OP_NONE;
}

static void settle(ChmuInstance *inst)
{
    CXLChmu *chmu = inst->chmu;
    bool counts = is_counting(inst);

    chmu->counting = deposit32(chmu->counting, inst->id, 1, counts);
    chmu->at_once = deposit32(chmu->at_once, inst->id, 1,
                              counts && !inst->epoch_ns);
    if (operation(inst) != CHMU_OP_NONE) {
        inst->due_ns = inst->operation_end_ns;
    } else if (counts && inst->epoch_ns) {
        inst->due_ns = inst->epoch_end_ns;
    } else {
        inst->due_ns = INT64_MAX;
    }
    if (inst->due_ns == INT64_MAX) {
        timer_del(inst->timer);
    } else {
        timer_mod_ns(inst->timer, inst->due_ns);
    }
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom numbers) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Set a bit of STATUS; an interrupt follows if @interrupt of CFG0 is set. */
static void set_status(ChmuInstance *inst, uint64_t bit, uint64_t interrupt)
{
    if (inst->status & bit) {
        return;
    }
    inst->status |= bit;
    if (inst->cfg0 & interrupt) {
        timer_mod_ns(inst->interrupt, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

static void send_interrupt(void *opaque)
{
    ChmuInstance *inst = opaque;

    if (msix_enabled(inst->chmu->pdev)) {
        msix_notify(inst->chmu->pdev, inst->chmu->first_vector + inst->id);
    }
}

static void overflow(ChmuInstance *inst)
{
    set_status(inst, CHMU_STATUS_OVERFLOW, CHMU_CFG0_OVERFLOW_INT);
}

unsigned chmu_instance_listed(const ChmuInstance *inst)
{
    return (inst->tail + inst->chmu->n_entries - inst->head) %
           inst->chmu->n_entries;
}

static void list_unit(ChmuInstance *inst, uint64_t entry)
{
    uint16_t next = (inst->tail + 1) % inst->chmu->n_entries;

    if (inst->tail >= inst->chmu->n_entries) {
        return;     /* loading the state failed before it was checked */
    }
    if (next == inst->head) {
        inst->stats.dropped++;
        overflow(inst);
        return;
    }
    inst->hotlist[inst->tail] = entry;
    inst->tail = next;
    inst->stats.listed++;
    if (chmu_instance_listed(inst) == chmu_get(inst->cfg2, CHMU_CFG2_NOTIFY)) {
        set_status(inst, CHMU_STATUS_LEVEL, CHMU_CFG0_LEVEL_INT);
    }
}

static void end_epochs(ChmuInstance *inst, int64_t now_ns)
{
    uint64_t max = chmu_counters_max(&inst->counters);
    uint64_t epochs = (now_ns - inst->epoch_end_ns) / inst->epoch_ns + 1;

    /* In those after the first nothing was accessed, or we'd been called. */
    inst->stats.epochs += epochs;
    inst->epoch_end_ns += epochs * inst->epoch_ns;
    for (uint32_t i = 0; i < inst->counters.n; i++) {
        if ((inst->counters.entries[i] & max) >= inst->threshold) {
            list_unit(inst, inst->counters.entries[i]);
        }
    }
    chmu_counters_clear(&inst->counters);
}

/*
 * Take the configuration to pieces. Returns NULL, or what it asks for that the
 * unit doesn't offer.
 */
static const char *configure(ChmuInstance *inst)
{
    const CXLChmu *chmu = inst->chmu;
    unsigned what = chmu_get(inst->cfg0, CHMU_CFG0_WHAT);
    unsigned mode = chmu_get(inst->cfg1, CHMU_CFG1_MODE);
    uint32_t unit_shift = chmu_get(inst->cfg1, CHMU_CFG1_UNIT_SIZE);
    unsigned sampling = chmu_get(inst->cfg1, CHMU_CFG1_DOWN_SAMPLING);

    if (what < CHMU_WHAT_NONTEE_READS || what > CHMU_WHAT_BOTH) {
        return "requests to be tracked";
    }
    if ((inst->cfg0 & CHMU_CFG0_RANDOM) && !chmu->random) {
        return "random down-sampling";
    }
    if ((inst->cfg0 & CHMU_CFG0_OVERFLOW_INT) && !chmu->overflow_int) {
        return "an interrupt on overflow";
    }
    if ((inst->cfg0 & CHMU_CFG0_LEVEL_INT) && !chmu->level_int) {
        return "an interrupt on fill level";
    }
    if (unit_shift < CHMU_UNIT_SHIFT_MIN ||
        unit_shift >= CHMU_UNIT_SHIFT_MIN + 32 ||
        !extract32(chmu->unit_sizes, unit_shift - CHMU_UNIT_SHIFT_MIN, 1)) {
        return "unit size";
    }
    if (sampling >= 16 || !extract32(chmu->down_sampling, sampling, 1)) {
        return "down-sampling factor";
    }
    inst->epoch_ns = 0;
    if (mode == CHMU_MODE_EPOCH && chmu->epoch_mode) {
        inst->epoch_ns =
            chmu_epoch_ns(chmu_get(inst->cfg1, CHMU_CFG1_EPOCH_SCALE),
                          chmu_get(inst->cfg1, CHMU_CFG1_EPOCH_MULT));
        if (inst->epoch_ns < CXL_CHMU_EPOCH_MIN_NS ||
            inst->epoch_ns > CXL_CHMU_EPOCH_MAX_NS) {
            return "epoch length";
        }
    } else if (mode != CHMU_MODE_ALWAYS_ON || !chmu->always_on_mode) {
        return "mode";
    }

    what = (what - 1) % 3 + 1;      /* the same for non-TEE requests and all */
    inst->tracks[false] = what != CHMU_WHAT_NONTEE_WRITES;
    inst->tracks[true] = what != CHMU_WHAT_NONTEE_READS;
    inst->threshold = MAX(chmu_get(inst->cfg0, CHMU_CFG0_THRESHOLD), 1);
    inst->unit_shift = unit_shift;
    inst->sampling_shift = sampling;
    inst->sampling_random = inst->cfg0 & CHMU_CFG0_RANDOM;
    return NULL;
}

static void begin_operation(ChmuInstance *inst, unsigned op)
{
    inst->status &= ~CHMU_STATUS_OPERATION;
    inst->status |= chmu_put(CHMU_STATUS_OPERATION, op);
    inst->operation_end_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                             CXL_CHMU_OPERATION_NS;
    settle(inst);
}

static void end_operation(ChmuInstance *inst)
{
    unsigned op = operation(inst);
    const char *refused;

    inst->status &= ~CHMU_STATUS_OPERATION;
    chmu_counters_destroy(&inst->counters);
    inst->sampling_phase = 0;
    switch (op) {
    case CHMU_OP_ENABLE:
        refused = configure(inst);
        if (refused) {
            qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu %u: can't be enabled: "
                          "its capabilities don't include this %s "
                          "(CFG0 0x%" PRIx64 ", CFG1 0x%" PRIx64 ")\n",
                          inst->id, refused, inst->cfg0, inst->cfg1);
            inst->cfg0 &= ~CHMU_CFG0_ENABLE;
            break;
        }
        inst->status |= CHMU_STATUS_ENABLED;
        break;
    case CHMU_OP_DISABLE:
        inst->status &= ~CHMU_STATUS_ENABLED;
        break;
    case CHMU_OP_RESET:
        inst->status &= ~STATUS_W1C;
        inst->head = 0;
        inst->tail = 0;
        break;
    }
    inst->epoch_end_ns = inst->operation_end_ns + inst->epoch_ns;
}

void chmu_instance_run(ChmuInstance *inst, int64_t now_ns)
{
    cxl_chmu_count_waiting(inst->chmu);
    if (now_ns < inst->due_ns) {
        return;
    }
    if (operation(inst) != CHMU_OP_NONE) {
        end_operation(inst);
    }
    if (is_counting(inst) && inst->epoch_ns && now_ns >= inst->epoch_end_ns) {
        end_epochs(inst, now_ns);
    }
    settle(inst);
}

static void timer_due(void *opaque)
{
    chmu_instance_run(opaque, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
}

/* How many of @requests are to be counted. */
static uint64_t sample(ChmuInstance *inst, uint64_t requests)
{
    uint64_t mask = MAKE_64BIT_MASK(0, inst->sampling_shift);
    uint64_t sampled = 0;

    if (inst->sampling_random) {
        while (requests--) {
            sampled += !(next_random(&inst->random) & mask);
        }
        return sampled;
    }
    inst->sampling_phase += requests;
    sampled = inst->sampling_phase >> inst->sampling_shift;
    inst->sampling_phase &= mask;
    return sampled;
}

/* Count, and list the unit each time that it reaches the threshold. */
static void count_always_on(ChmuInstance *inst, uint64_t *entry,
                            uint64_t counted)
{
    uint64_t max = chmu_counters_max(&inst->counters);
    uint64_t unit = *entry & ~max;
    uint64_t hits = 0;

    counted += *entry & max;
    if (inst->threshold <= max) {
        /* As if they came one by one */
        hits = counted / inst->threshold;
        counted %= inst->threshold;
    }
    *entry = unit | MIN(counted, max);
    while (hits--) {
        list_unit(inst, unit | inst->threshold);
    }
}

/* One of the requests of chmu_instance_count() */
static inline void count_request(ChmuInstance *inst, uint64_t request,
                                 uint64_t times)
{
    uint64_t dpa = (request >> 1) * CHMU_LINE_BYTES;
    uint64_t range = dpa / CHMU_RANGE_BYTES;
    uint64_t max = chmu_counters_max(&inst->counters);
    uint64_t *entry;

    if (!inst->tracks[request & 1] ||
        !(inst->bitmap[range / 64] >> (range % 64) & 1)) {
        inst->stats.filtered += times;
        return;
    }
    if (inst->sampling_shift) {
        uint64_t sampled = sample(inst, times);

        inst->stats.skipped += times - sampled;
        if (!sampled) {
            return;
        }
        times = sampled;
    }
    entry = chmu_counters_entry(&inst->counters, dpa >> inst->unit_shift);
    if (!entry) {
        inst->stats.uncounted += times;
        overflow(inst);
        return;
    }
    inst->stats.counted += times;
    if (inst->epoch_ns) {
        *entry += MIN(times, max - (*entry & max));
    } else {
        count_always_on(inst, entry, times);
    }
}

void chmu_instance_count(ChmuInstance *inst, const uint64_t *requests,
                         unsigned n, uint64_t times)
{
    inst->stats.requests += n * times;
    for (unsigned i = 0; i < n; i++) {
        count_request(inst, requests[i], times);
    }
}

uint64_t chmu_instance_read(const ChmuInstance *inst, unsigned reg)
{
    const CXLChmu *chmu = inst->chmu;
    uint64_t areas = CXL_CHMU_AREAS +
                     (inst->bitmap - chmu->areas) * sizeof(uint64_t);
    uint64_t registers = CHMU_INSTANCES + inst->id * CHMU_INSTANCE_REGISTERS;

    switch (reg) {
    case CHMU_CAP0:
        return chmu_put(CHMU_CAP0_MSI, chmu->first_vector + inst->id) |
               chmu_put(CHMU_CAP0_OVERFLOW_INT, chmu->overflow_int) |
               chmu_put(CHMU_CAP0_LEVEL_INT, chmu->level_int) |
               chmu_put(CHMU_CAP0_EPOCH_TYPE, CHMU_EPOCH_GLOBAL) |
               CHMU_CAP0_TRACKED |
               chmu_put(CHMU_CAP0_EPOCH_MAX_SCALE, CHMU_SCALE_1S) |
               chmu_put(CHMU_CAP0_EPOCH_MAX_MULT, 100) |
               chmu_put(CHMU_CAP0_EPOCH_MIN_SCALE, CHMU_SCALE_100US) |
               chmu_put(CHMU_CAP0_EPOCH_MIN_MULT, 1) |
               chmu_put(CHMU_CAP0_ENTRIES, chmu->n_entries);
    case CHMU_CAP1:
        return chmu_put(CHMU_CAP1_UNIT_SIZES, chmu->unit_sizes) |
               chmu_put(CHMU_CAP1_DOWN_SAMPLING, chmu->down_sampling) |
               chmu_put(CHMU_CAP1_EPOCH_MODE, chmu->epoch_mode) |
               chmu_put(CHMU_CAP1_ALWAYS_ON_MODE, chmu->always_on_mode) |
               chmu_put(CHMU_CAP1_RANDOM, chmu->random) |
               CHMU_CAP1_OVERLAP;
    case CHMU_BITMAP_OFFSET:
        return areas - registers;
    case CHMU_HOTLIST_OFFSET:
        return areas + chmu->bitmap_words * sizeof(uint64_t) - registers;
    case CHMU_CFG0:
        return inst->cfg0;
    case CHMU_CFG1:
        return inst->cfg1;
    case CHMU_CFG2:
        return inst->cfg2;
    case CHMU_STATUS:
        return inst->status |
               chmu_put(CHMU_STATUS_COUNTER_WIDTH, chmu->counter_width);
    case CHMU_HEAD:
        return chmu_put(CHMU_HEAD_TAIL_HEAD, inst->head) |
               chmu_put(CHMU_HEAD_TAIL_TAIL, inst->tail);
    default:
        return 0;
    }
}

/* Whether what is to be counted may be changed now. */
static bool may_configure(const ChmuInstance *inst, const char *what)
{
    if ((inst->status & CHMU_STATUS_ENABLED) ||
        operation(inst) != CHMU_OP_NONE) {
        qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu %u: %s can't be written while "
                      "the instance is enabled or an operation in progress\n",
                      inst->id, what);
        return false;
    }
    return true;
}

static void replace(uint64_t *reg, uint64_t value, uint64_t mask)
{
    *reg = (*reg & ~mask) | (value & mask);
}

static void write_cfg0(ChmuInstance *inst, uint64_t value, uint64_t mask)
{
    bool enabled = inst->status & CHMU_STATUS_ENABLED;
    bool enable = mask & CHMU_CFG0_ENABLE ? value & CHMU_CFG0_ENABLE : enabled;

    if (operation(inst) != CHMU_OP_NONE) {
        qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu %u: CFG0 can't be written "
                      "while an operation is in progress\n", inst->id);
        return;
    }
    if ((inst->cfg0 ^ value) & mask & CFG0_CONFIG &&
        may_configure(inst, "CFG0 but for ENABLE and RESET")) {
        replace(&inst->cfg0, value, mask & CFG0_CONFIG);
    }
    replace(&inst->cfg0, value, mask & CHMU_CFG0_ENABLE);
    if (enable != enabled) {
        begin_operation(inst, enable ? CHMU_OP_ENABLE : CHMU_OP_DISABLE);
    } else if (value & mask & CHMU_CFG0_RESET) {
        begin_operation(inst, CHMU_OP_RESET);
    }
}

static void write_head(ChmuInstance *inst, uint16_t head)
{
    unsigned entries = inst->chmu->n_entries;

    if (head >= entries || (head + entries - inst->head) % entries >
        chmu_instance_listed(inst)) {
        qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu %u: HEAD %u is not between "
                      "the present one, %u, and TAIL, %u\n", inst->id, head,
                      inst->head, inst->tail);
        return;
    }
    inst->head = head;
}

void chmu_instance_write(ChmuInstance *inst, unsigned reg, uint64_t value,
                         uint64_t mask)
{
    switch (reg) {
    case CHMU_CFG0:
        write_cfg0(inst, value, mask);
        break;
    case CHMU_CFG1:
        if (may_configure(inst, "CFG1")) {
            replace(&inst->cfg1, value, mask);
        }
        break;
    case CHMU_CFG2:
        if (may_configure(inst, "CFG2")) {
            replace(&inst->cfg2, value, mask & CHMU_CFG2_NOTIFY);
        }
        break;
    case CHMU_STATUS:
        inst->status &= ~(value & mask & STATUS_W1C);
        break;
    case CHMU_HEAD:
        /* Both bytes at once: half of a new one is none */
        if ((mask & CHMU_HEAD_TAIL_HEAD) == CHMU_HEAD_TAIL_HEAD) {
            write_head(inst, chmu_get(value, CHMU_HEAD_TAIL_HEAD));
            break;
        }
        /* fall through */
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "cxl-chmu %u: register 0x%x can't be "
                      "written\n", inst->id, reg);
        break;
    }
}

void chmu_instance_write_bitmap(ChmuInstance *inst, unsigned word,
                                uint64_t value, uint64_t mask)
{
    uint64_t ranges = DIV_ROUND_UP(inst->chmu->capacity, CHMU_RANGE_BYTES);
    uint64_t there = MIN(ranges - word * 64ull, 64);

    if (may_configure(inst, "the range bitmap")) {
        replace(&inst->bitmap[word], value,
                mask & MAKE_64BIT_MASK(0, there));
    }
}

void chmu_instance_init(ChmuInstance *inst, CXLChmu *chmu, unsigned id)
{
    inst->chmu = chmu;
    inst->id = id;
    inst->bitmap = chmu->areas + id * chmu->area_words;
    inst->hotlist = inst->bitmap + chmu->bitmap_words;
    inst->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, timer_due, inst);
    inst->interrupt = timer_new_ns(QEMU_CLOCK_VIRTUAL, send_interrupt, inst);
    chmu_counters_init(&inst->counters, chmu->counter_width,
                       chmu->n_counters);
    chmu_instance_reset(inst);
}

void chmu_instance_destroy(ChmuInstance *inst)
{
    chmu_counters_destroy(&inst->counters);
    timer_free(inst->timer);
    timer_free(inst->interrupt);
    g_free(inst->saved);
}

void chmu_instance_reset(ChmuInstance *inst)
{
    const CXLChmu *chmu = inst->chmu;
    uint64_t seed = chmu->seed + inst->id;

    inst->cfg0 = 0;
    inst->cfg1 = 0;
    inst->cfg2 = 0;
    inst->status = 0;
    inst->head = 0;
    inst->tail = 0;
    memset(inst->bitmap, 0, chmu->area_words * sizeof(uint64_t));
    chmu_counters_destroy(&inst->counters);
    inst->stats = (ChmuStats) { 0 };
    inst->sampling_phase = 0;
    inst->random = next_random(&seed);
    timer_del(inst->interrupt);
    settle(inst);
}

/* Put the saved counters in place. False: they are not what we'd have saved */
static bool load_counters(ChmuInstance *inst)
{
    uint64_t units = DIV_ROUND_UP(inst->chmu->capacity, 1u << inst->unit_shift);
    uint64_t max = chmu_counters_max(&inst->counters);
    uint64_t limit = max;
    uint32_t i;

    if ((inst->status & CHMU_STATUS_ENABLED) && !inst->epoch_ns &&
        inst->threshold <= max) {
        limit = inst->threshold - 1;    /* at the threshold it'd begin anew */
    }

    chmu_counters_destroy(&inst->counters);
    for (i = 0; i < inst->n_saved; i++) {
        uint64_t unit = inst->saved[i] >> inst->counters.width;
        uint64_t *entry = NULL;

        if (unit < units && (inst->saved[i] & max) <= limit) {
            entry = chmu_counters_entry(&inst->counters, unit);
        }
        if (!entry || inst->counters.n != i + 1) {
            return false;
        }
        *entry = inst->saved[i];
    }
    return true;
}

bool chmu_instance_loaded(ChmuInstance *inst, Error **errp)
{
    unsigned entries = inst->chmu->n_entries;
    const char *refused;

    if (inst->head >= entries || inst->tail >= entries ||
        operation(inst) > CHMU_OP_RESET ||
        (inst->status & ~(CHMU_STATUS_ENABLED | CHMU_STATUS_OPERATION |
                          STATUS_W1C))) {
        error_setg(errp, "cxl-chmu %u: can't load its state: HEAD %u, TAIL %u "
                   "or STATUS 0x%" PRIx64 " is none that a hotlist of %u "
                   "entries can have", inst->id, inst->head, inst->tail,
                   inst->status, entries);
        return false;
    }
    refused = inst->status & CHMU_STATUS_ENABLED ? configure(inst) : NULL;
    if (refused) {
        error_setg(errp, "cxl-chmu %u: can't load its state: it is enabled, "
                   "and the unit here does not offer its %s; set the same "
                   "chmu-* properties as at the source", inst->id, refused);
        return false;
    }
    if (!load_counters(inst)) {
        error_setg(errp, "cxl-chmu %u: can't load its state: a counter is not "
                   "of this device, is twice there, is not below the threshold "
                   "or has no room here", inst->id);
        return false;
    }
    settle(inst);
    return true;
}
