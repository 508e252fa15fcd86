/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instance of a hotness unit at work; chmu-unit.h has the theory.
 */
#include "chmu-unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/chmu-long.h"

#define MS 1000000ull
#define OPERATION_POLL_NS MS
#define OPERATION_NS_MAX (1000 * MS)    /* what the device may take to enable or disable the unit */
#define SLACK_NS_MAX (5 * MS)           /* its clock and ours may differ; an epoch is read so much later at most */
#define SLACK_SHARE 64
#define READ_AT_ONCE 2048u              /* entries: some milliseconds of reading from a device */
#define RESTORE_WAITS 100               /* of 1 ms, at the end */
#define COUNT_BITS_MAX 48u

/* A fill level that nobody would ask for: "vt". */
#define MARK 0x7674u

typedef enum Phase { STOPPING, ENABLING, COUNTING, READING, ENDED } Phase;

struct ChmuUnit {
    const ChmuRegs *regs;
    unsigned instance;
    ChmuCaps caps;
    ChmuLimits limits;
    bool take;                          /* it may be taken from somebody else */
    bool always_on;
    uint64_t cfg0_before, cfg1_before, cfg2_before; /* as it was taken */
    uint64_t *ranges_before, *ranges;   /* and the range bitmap as it is now */
    bool lost;                          /* an epoch failed: the device may have been reset since 'ranges' */
    bool changed;                       /* something was written: to be restored */

    Phase phase;
    uint64_t since_ns;                  /* the beginning of the phase, */
    uint64_t begun_ns;                  /* of the epoch, */
    uint64_t read_ns;                   /* and of the last reading, of one that is always on */
    bool last;                          /* in READING: with that the epoch is over */
    uint64_t cfg0, cfg1;                /* of this epoch, without ENABLE */
    uint64_t *wanted;                   /* its ranges; NULL: the bitmap can't hold them */
    uint64_t unit_bytes, epoch_ns;
    bool told;                          /* in STOPPING: the device was, to disable the unit */
    unsigned width;                     /* bits of a count in the hotlist */
    uint32_t head, left;                /* in READING: the next entry, and how many there are yet */
    GArray *counts;                     /* ChmuCount */
    uint32_t nonsense;                  /* entries that can't be */
};

static uint64_t get(const ChmuUnit *unit, uint64_t reg)
{
    return chmu_regs_read(unit->regs, unit->caps.base + reg);
}

static void put(const ChmuUnit *unit, uint64_t reg, uint64_t value)
{
    chmu_regs_write(unit->regs, unit->caps.base + reg, value);
}

static bool is_enabled(uint64_t status)
{
    return status & CHMU_STATUS_ENABLED || chmu_get(status, CHMU_STATUS_OPERATION) == CHMU_OP_ENABLE;
}

/* Whether a daemon of ours has enabled it. */
static bool is_marked(const ChmuUnit *unit)
{
    return chmu_get(get(unit, CHMU_CFG2), CHMU_CFG2_NOTIFY) == MARK && !(get(unit, CHMU_CFG0) & CHMU_CFG0_LEVEL_INT);
}

/* A count of all ones, as the accesses that it stands for. */
static uint32_t most_counts(const ChmuUnit *unit)
{
    return (uint32_t)MIN(((1ull << unit->width) - 1) << unit->caps.down_sampling, UINT32_MAX);
}

static bool is_width(unsigned bits)
{
    return bits > 0 && bits <= COUNT_BITS_MAX;
}

/* --- taking and giving back --- */

static void read_words(const ChmuUnit *unit, uint64_t *words)
{
    for (uint32_t i = 0; i < unit->caps.bitmap_words; i++) {
        words[i] = chmu_regs_read(unit->regs, unit->caps.bitmap + i * 8ull);
    }
}

static void write_words(ChmuUnit *unit, const uint64_t *words)
{
    for (uint32_t i = 0; i < unit->caps.bitmap_words; i++) {
        if (unit->ranges[i] != words[i]) {
            chmu_regs_write(unit->regs, unit->caps.bitmap + i * 8ull, words[i]);
            unit->ranges[i] = words[i];
        }
    }
}

/* How the instance is found. What a killed daemon left is taken for disabled. */
static void remember(ChmuUnit *unit)
{
    const size_t bytes = unit->caps.bitmap_words * sizeof(uint64_t);

    unit->cfg0_before = get(unit, CHMU_CFG0);
    unit->cfg1_before = get(unit, CHMU_CFG1);
    unit->cfg2_before = get(unit, CHMU_CFG2);
    if (is_marked(unit)) {
        unit->cfg0_before &= ~CHMU_CFG0_ENABLE;
        unit->cfg2_before = 0;
    }
    unit->ranges = g_malloc0(bytes);
    read_words(unit, unit->ranges);
    unit->ranges_before = g_memdup2(unit->ranges, bytes);
}

/* It answers all ones. */
static void set_gone_error(GError **errp)
{
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                "its registers read as all ones: the device is gone, or sleeps; should it be back and this stay, restart "
                "the daemon");
}

/* Instance @number, as it is found; NULL, with an error, when it can't be used. */
static ChmuUnit *open_instance(const ChmuRegs *regs, unsigned number, GError **errp)
{
    g_autoptr(ChmuUnit) unit = g_new0(ChmuUnit, 1);

    unit->regs = regs;
    unit->instance = number;
    unit->phase = ENDED;
    if (!chmu_regs_caps(regs, number, &unit->caps, errp)) {
        return NULL;
    }
    unit->width = (unsigned)chmu_get(get(unit, CHMU_STATUS), CHMU_STATUS_COUNTER_WIDTH);
    unit->limits = (ChmuLimits){
        .epoch_min_ns = unit->caps.epoch_min_ns,
        .epoch_max_ns = unit->caps.epoch_max_ns,
        .hotlist_entries = unit->caps.entries - 1,
        .counter_max = is_width(unit->width) ? most_counts(unit) : UINT16_MAX,
    };
    unit->counts = g_array_new(FALSE, FALSE, sizeof(ChmuCount));
    return g_steal_pointer(&unit);
}

/* Whether somebody else has enabled it. */
static bool is_others(const ChmuUnit *unit)
{
    return is_enabled(get(unit, CHMU_STATUS)) && !is_marked(unit);
}

ChmuUnit *chmu_unit_new(const ChmuRegs *regs, bool take, GError **errp)
{
    const unsigned n = chmu_regs_instances(regs);
    g_autoptr(GError) flaw = NULL;

    if (chmu_regs_read(regs, CHMU_COMMON_CAP0) == CHMU_GONE) {
        set_gone_error(errp);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        g_autoptr(ChmuUnit) unit = open_instance(regs, i, flaw ? NULL : &flaw);

        if (unit && (take || !is_others(unit))) {
            unit->take = take;
            remember(unit);
            return g_steal_pointer(&unit);
        }
    }
    if (flaw) {
        g_propagate_error(errp, g_steal_pointer(&flaw));
    } else {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                    "all of its units (%u) are enabled by somebody else; have that end, or set [sources] chmu-take=yes",
                    n);
    }
    return NULL;
}

ChmuUnit *chmu_unit_new_beside(const ChmuRegs *regs, const ChmuUnit *first)
{
    for (unsigned i = 0; i < chmu_regs_instances(regs); i++) {
        g_autoptr(ChmuUnit) unit = i != first->instance ? open_instance(regs, i, NULL) : NULL;

        if (unit && unit->caps.beside && first->caps.beside && !is_others(unit)) {
            unit->always_on = true;
            remember(unit);
            return g_steal_pointer(&unit);
        }
    }
    return NULL;
}

/* Disable it, waiting a moment; false when it does not end. */
static bool stop_now(const ChmuUnit *unit)
{
    for (unsigned i = 0; i < RESTORE_WAITS; i++) {
        const uint64_t status = get(unit, CHMU_STATUS);

        if (status == CHMU_GONE) {
            return false;
        }
        if (chmu_get(status, CHMU_STATUS_OPERATION) == CHMU_OP_NONE) {
            if (!(status & CHMU_STATUS_ENABLED)) {
                return true;
            }
            put(unit, CHMU_CFG0, unit->cfg0);
        }
        g_usleep(1000);
    }
    return false;
}

static void give_back(ChmuUnit *unit)
{
    /* What is being disabled for us has no mark yet, but was taken. */
    const bool ours = is_marked(unit) || (unit->phase == STOPPING && unit->told);

    if ((is_enabled(get(unit, CHMU_STATUS)) && !ours) || !stop_now(unit)) {
        return;
    }
    chmu_regs_write16(unit->regs, unit->caps.base + CHMU_HEAD,
                      (uint16_t)chmu_get(get(unit, CHMU_HEAD), CHMU_HEAD_TAIL_TAIL));
    put(unit, CHMU_STATUS, CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL);
    read_words(unit, unit->ranges);
    write_words(unit, unit->ranges_before);
    put(unit, CHMU_CFG1, unit->cfg1_before);
    put(unit, CHMU_CFG2, unit->cfg2_before);
    put(unit, CHMU_CFG0, unit->cfg0_before & ~CHMU_CFG0_ENABLE);
    if (unit->cfg0_before & CHMU_CFG0_ENABLE) {
        put(unit, CHMU_CFG0, unit->cfg0_before);
    }
}

void chmu_unit_free(ChmuUnit *unit)
{
    if (!unit) {
        return;
    }
    if (unit->changed) {
        give_back(unit);
    }
    g_free(unit->ranges);
    g_free(unit->ranges_before);
    g_free(unit->wanted);
    if (unit->counts) {
        g_array_unref(unit->counts);
    }
    g_free(unit);
}

const ChmuLimits *chmu_unit_limits(const ChmuUnit *unit)
{
    return &unit->limits;
}

uint64_t chmu_unit_size(const ChmuUnit *unit, uint64_t most)
{
    uint64_t size = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        const uint64_t bytes = 1ull << (bit + CHMU_UNIT_SHIFT_MIN);

        if (unit->caps.unit_sizes >> bit & 1 && (size == 0 || bytes <= most)) {
            size = bytes;
        }
    }
    return size;
}

/* --- what to count --- */

static void enter(ChmuUnit *unit, Phase phase, uint64_t now_ns)
{
    unit->phase = phase;
    unit->since_ns = now_ns;
}

/* The epoch nearest to @ns that the registers can hold, as CFG1 has it; *@epoch_ns is how long it is. */
static uint64_t epoch_code(const ChmuCaps *caps, uint64_t ns, uint64_t *epoch_ns)
{
    const uint64_t wanted = CLAMP(ns, caps->epoch_min_ns, caps->epoch_max_ns);
    const uint64_t most = chmu_get(CHMU_CFG1_EPOCH_MULT, CHMU_CFG1_EPOCH_MULT);

    for (unsigned scale = CHMU_SCALE_100US; scale <= CHMU_SCALE_1S; scale++) {
        const uint64_t step = chmu_epoch_ns(scale, 1);
        const uint64_t mult = CLAMP((wanted + step / 2) / step, 1, most);

        if (scale == CHMU_SCALE_1S || (wanted + step / 2) / step <= most) {
            *epoch_ns = mult * step;
            return chmu_put(CHMU_CFG1_EPOCH_SCALE, scale) | chmu_put(CHMU_CFG1_EPOCH_MULT, mult);
        }
    }
    g_assert_not_reached();
}

/* The bits of the range bitmap that the windows take; NULL where it has not as many. */
static uint64_t *ranges_of(const ChmuUnit *unit, const ChmuOrder *order)
{
    g_autofree uint64_t *words = g_new0(uint64_t, unit->caps.bitmap_words);

    for (size_t i = 0; i < order->n_windows; i++) {
        const ChmuWindow *window = &order->windows[i];
        const uint64_t last = (window->dpa + window->dpa_bytes - 1) / CHMU_RANGE_BYTES;

        if (last / 64 >= unit->caps.bitmap_words) {
            return NULL;
        }
        for (uint64_t bit = window->dpa / CHMU_RANGE_BYTES; bit <= last; bit++) {
            words[bit / 64] |= 1ull << bit % 64;
        }
    }
    return g_steal_pointer(&words);
}

void chmu_unit_begin(ChmuUnit *unit, const ChmuOrder *order, uint64_t now_ns)
{
    const ChmuCaps *caps = &unit->caps;
    const uint64_t threshold = MAX(order->setting.threshold >> caps->down_sampling, 1);
    g_autofree uint64_t *ranges = ranges_of(unit, order);

    unit->unit_bytes = order->unit_bytes;
    unit->cfg0 = chmu_put(CHMU_CFG0_WHAT, caps->what) | chmu_put(CHMU_CFG0_THRESHOLD, threshold);
    unit->cfg1 = chmu_put(CHMU_CFG1_UNIT_SIZE, (uint64_t)__builtin_ctzll(order->unit_bytes)) |
                 chmu_put(CHMU_CFG1_DOWN_SAMPLING, caps->down_sampling) |
                 chmu_put(CHMU_CFG1_MODE, unit->always_on ? CHMU_MODE_ALWAYS_ON : CHMU_MODE_EPOCH) |
                 epoch_code(caps, order->setting.epoch_ns, &unit->epoch_ns);
    if (unit->always_on) {
        unit->epoch_ns = order->setting.epoch_ns;   /* by our clock: the device has none */
    }
    g_free(unit->wanted);
    unit->wanted = g_steal_pointer(&ranges);
    g_array_set_size(unit->counts, 0);
    unit->nonsense = 0;
    unit->lost = unit->phase != ENDED;
    unit->told = false;
    enter(unit, STOPPING, now_ns);
}

/* --- an epoch --- */

/* An operation is in progress: come again, but not for ever. */
static ChmuProgress wait_for(const ChmuUnit *unit, const char *verb, uint64_t now_ns, uint64_t *next_ns, GError **errp)
{
    if (now_ns - unit->since_ns > OPERATION_NS_MAX) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                    "unit %u could not be %s within %u ms: the device has stalled; reset it, if that goes on",
                    unit->instance, verb, (unsigned)(OPERATION_NS_MAX / MS));
        return CHMU_UNIT_FAILED;
    }
    *next_ns = now_ns + OPERATION_POLL_NS;
    return CHMU_UNIT_BUSY;
}

/* Tell the device what to count, while the unit is disabled, and have it begin. */
static void configure(ChmuUnit *unit)
{
    unit->changed = true;
    if (unit->lost) {
        read_words(unit, unit->ranges);
    }
    write_words(unit, unit->wanted);
    put(unit, CHMU_CFG1, unit->cfg1);
    put(unit, CHMU_CFG2, chmu_put(CHMU_CFG2_NOTIFY, MARK));
    chmu_regs_write16(unit->regs, unit->caps.base + CHMU_HEAD,
                      (uint16_t)chmu_get(get(unit, CHMU_HEAD), CHMU_HEAD_TAIL_TAIL));
    put(unit, CHMU_STATUS, CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL);
    put(unit, CHMU_CFG0, unit->cfg0);
    put(unit, CHMU_CFG0, unit->cfg0 | CHMU_CFG0_ENABLE);
}

static ChmuProgress stopping(ChmuUnit *unit, uint64_t status, uint64_t now_ns, uint64_t *next_ns, GError **errp)
{
    if (unit->wanted == NULL) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the range bitmap of unit %u (%u GiB) ends before the memory that is to be watched",
                    unit->instance, unit->caps.bitmap_words * 16);
        return CHMU_UNIT_FAILED;
    }
    if (is_enabled(status) && !unit->told && !is_marked(unit) && !unit->take) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                    "unit %u was enabled by somebody else; have that end, or set [sources] chmu-take=yes",
                    unit->instance);
        return CHMU_UNIT_FAILED;
    }
    if (chmu_get(status, CHMU_STATUS_OPERATION) != CHMU_OP_NONE || (status & CHMU_STATUS_ENABLED && unit->told)) {
        return wait_for(unit, "disabled", now_ns, next_ns, errp);
    }
    if (status & CHMU_STATUS_ENABLED) {
        unit->told = unit->changed = true;
        put(unit, CHMU_CFG0, unit->cfg0);
    } else {
        configure(unit);
        enter(unit, ENABLING, now_ns);
    }
    *next_ns = now_ns;
    return CHMU_UNIT_BUSY;
}

/* When the epoch is over. */
static uint64_t end_ns(const ChmuUnit *unit)
{
    return unit->begun_ns + unit->epoch_ns + MIN(unit->epoch_ns / SLACK_SHARE, SLACK_NS_MAX);
}

/* When the hotlist is to be read. */
static uint64_t due_ns(const ChmuUnit *unit)
{
    return unit->always_on ? MIN(end_ns(unit), unit->read_ns + CHMU_LONG_EMPTY_NS) : end_ns(unit);
}

static ChmuProgress enabling(ChmuUnit *unit, uint64_t status, uint64_t now_ns, uint64_t *next_ns, GError **errp)
{
    if (chmu_get(status, CHMU_STATUS_OPERATION) != CHMU_OP_NONE) {
        return wait_for(unit, "enabled", now_ns, next_ns, errp);
    }
    unit->width = (unsigned)chmu_get(status, CHMU_STATUS_COUNTER_WIDTH);
    if (!(status & CHMU_STATUS_ENABLED) || !is_width(unit->width)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "unit %u does not do what it offers (what %u, units of %" G_GINT64_MODIFIER "u bytes, epoch of %"
                    G_GINT64_MODIFIER "u us, counters of %u bits)",
                    unit->instance, unit->caps.what, unit->unit_bytes, unit->epoch_ns / 1000, unit->width);
        return CHMU_UNIT_FAILED;
    }
    unit->limits.counter_max = most_counts(unit);
    unit->begun_ns = unit->read_ns = now_ns;
    enter(unit, COUNTING, now_ns);
    *next_ns = due_ns(unit);
    return CHMU_UNIT_BUSY;
}

static ChmuProgress counting(ChmuUnit *unit, uint64_t status, uint64_t now_ns, uint64_t *next_ns, GError **errp)
{
    uint64_t places;
    uint32_t tail;

    if (!(status & CHMU_STATUS_ENABLED)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "unit %u has stopped: the device was reset, or somebody else disabled it", unit->instance);
        return CHMU_UNIT_FAILED;
    }
    if (get(unit, CHMU_CFG0) != (unit->cfg0 | CHMU_CFG0_ENABLE) || get(unit, CHMU_CFG1) != unit->cfg1) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "unit %u counts something else: somebody else uses it",
                    unit->instance);
        return CHMU_UNIT_FAILED;
    }
    if (now_ns < due_ns(unit)) {
        *next_ns = due_ns(unit);
        return CHMU_UNIT_BUSY;
    }
    places = get(unit, CHMU_HEAD);
    unit->head = (uint32_t)chmu_get(places, CHMU_HEAD_TAIL_HEAD);
    tail = (uint32_t)chmu_get(places, CHMU_HEAD_TAIL_TAIL);
    if (unit->head >= unit->caps.entries || tail >= unit->caps.entries) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the hotlist of unit %u reaches from entry %u to %u, and has %u: the device is broken; reset it",
                    unit->instance, unit->head, tail, unit->caps.entries);
        return CHMU_UNIT_FAILED;
    }
    unit->left = (tail + unit->caps.entries - unit->head) % unit->caps.entries;
    unit->last = now_ns >= end_ns(unit);
    unit->read_ns = now_ns;
    enter(unit, READING, now_ns);
    *next_ns = now_ns;
    return CHMU_UNIT_BUSY;
}

static void read_entry(ChmuUnit *unit)
{
    const uint64_t entry = chmu_regs_read(unit->regs, unit->caps.hotlist + unit->head * 8ull);
    const uint64_t n = entry & ((1ull << unit->width) - 1);
    const ChmuCount count = {
        .unit = entry >> unit->width,
        .count = (uint32_t)MIN(n << unit->caps.down_sampling, UINT32_MAX),
    };

    if (n == 0 || entry == CHMU_GONE) {
        unit->nonsense++;
    } else {
        g_array_append_val(unit->counts, count);
    }
    unit->head = (unit->head + 1) % unit->caps.entries;
}

static int by_unit(const void *a, const void *b)
{
    const ChmuCount *x = a, *y = b;

    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Each unit of memory once, with the mean of its counts. */
static void merge(GArray *counts)
{
    ChmuCount *all = (ChmuCount *)(void *)counts->data;
    guint kept = 0;

    g_array_sort(counts, by_unit);
    for (guint i = 0; i < counts->len;) {
        uint64_t sum = 0;
        guint same = i;

        while (same < counts->len && all[same].unit == all[i].unit) {
            sum += all[same++].count;
        }
        all[kept++] = (ChmuCount){.unit = all[i].unit, .count = (uint32_t)(sum / (same - i))};
        i = same;
    }
    g_array_set_size(counts, kept);
}

/* What was read, and where to go on. */
static ChmuProgress listed(ChmuUnit *unit, uint64_t status, bool over, ChmuList *list)
{
    *list = (ChmuList){
        .counts = (const ChmuCount *)(void *)unit->counts->data,
        .n = unit->counts->len,
        .over = over,
        .epoch_ns = unit->epoch_ns,
        .threshold = (uint32_t)MIN(chmu_get(unit->cfg0, CHMU_CFG0_THRESHOLD) << unit->caps.down_sampling, UINT32_MAX),
        .unit_bytes = unit->unit_bytes,
        .overflowed = status & CHMU_STATUS_OVERFLOW,
        .nonsense = unit->nonsense,
    };
    return CHMU_UNIT_LISTED;
}

static void read_part(ChmuUnit *unit)
{
    const uint32_t n = MIN(unit->left, READ_AT_ONCE);

    for (uint32_t i = 0; i < n; i++) {
        read_entry(unit);
    }
    if (n > 0) {
        chmu_regs_write16(unit->regs, unit->caps.base + CHMU_HEAD, (uint16_t)unit->head);
    }
    unit->left -= n;
}

/* Always on: each part is told, and counting goes on unless the period is over. */
static ChmuProgress reading_on(ChmuUnit *unit, uint64_t status, uint64_t now_ns, uint64_t *next_ns, ChmuList *list)
{
    const bool overflowed = status & CHMU_STATUS_OVERFLOW;

    g_array_set_size(unit->counts, 0);
    read_part(unit);
    *next_ns = now_ns;
    if (overflowed || (unit->left == 0 && unit->last)) {
        enter(unit, ENDED, now_ns);
        return listed(unit, status, true, list);
    }
    if (unit->left == 0) {
        enter(unit, COUNTING, now_ns);
        *next_ns = due_ns(unit);
    }
    return listed(unit, status, false, list);
}

static ChmuProgress reading(ChmuUnit *unit, uint64_t status, uint64_t now_ns, uint64_t *next_ns, ChmuList *list)
{
    if (unit->always_on) {
        return reading_on(unit, status, now_ns, next_ns, list);
    }
    read_part(unit);
    if (unit->left > 0) {
        *next_ns = now_ns;
        return CHMU_UNIT_BUSY;
    }
    merge(unit->counts);
    enter(unit, ENDED, now_ns);
    return listed(unit, status, true, list);
}

ChmuProgress chmu_unit_step(ChmuUnit *unit, uint64_t now_ns, uint64_t *next_ns, ChmuList *list, GError **errp)
{
    ChmuProgress progress = CHMU_UNIT_BUSY;

    *next_ns = now_ns;
    /* What the device does at once needs not be waited for; a part of a long list is enough for once. */
    for (Phase before = ENDED; progress == CHMU_UNIT_BUSY && *next_ns <= now_ns && before != READING;) {
        const uint64_t status = get(unit, CHMU_STATUS);

        before = unit->phase;
        if (status == CHMU_GONE) {
            set_gone_error(errp);
            return CHMU_UNIT_FAILED;
        }
        switch (unit->phase) {
        case STOPPING:
            progress = stopping(unit, status, now_ns, next_ns, errp);
            break;
        case ENABLING:
            progress = enabling(unit, status, now_ns, next_ns, errp);
            break;
        case COUNTING:
            progress = counting(unit, status, now_ns, next_ns, errp);
            break;
        case READING:
            progress = reading(unit, status, now_ns, next_ns, list);
            break;
        case ENDED:
            g_assert_not_reached();     /* chmu_unit_begin() comes first */
        }
    }
    return progress;
}
