/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an instance of a hotness monitoring unit has to do. */
#include "qemu/osdep.h"

#include "cxl-chmu-model.h"
#include "hw/mem/cxl-chmu-regs.h"

struct ChmuModel {
    ChmuBed *bed;
    unsigned instance;
    uint64_t cap0, cap1;
    unsigned counter_width;
    unsigned slots;
    unsigned n_ranges;
    uint64_t hotlist_offset, bitmap_offset;

    uint64_t cfg0, cfg1, cfg2;
    bool *ranges;
    bool enabled, overflow, level;
    unsigned operation;         /* CHMU_OP_*, that ends when time passes */
    uint64_t *hotlist;
    unsigned head, tail;

    uint64_t epoch_begin_ns;
    uint64_t requests;          /* since it was enabled or reset */
    GHashTable *counts;         /* unit -> its count, as pointers' numbers */

    /*
     * An epoch has ended, and what it put into the hotlist was not looked at
     * yet: @n_new slots before the tail, of these units.
     */
    GHashTable *candidates;
    unsigned n_new;
    unsigned interrupts;
};

static uint64_t key_of(uint64_t unit)
{
    return unit + 1;            /* NULL is no key */
}

ChmuModel *model_new(ChmuBed *bed, unsigned instance)
{
    ChmuModel *m = g_new0(ChmuModel, 1);

    m->bed = bed;
    m->instance = instance;
    m->cap0 = bed_read(bed, instance, CHMU_CAP0);
    m->cap1 = bed_read(bed, instance, CHMU_CAP1);
    m->bitmap_offset = bed_read(bed, instance, CHMU_BITMAP_OFFSET);
    m->hotlist_offset = bed_read(bed, instance, CHMU_HOTLIST_OFFSET);
    m->slots = chmu_get(m->cap0, CHMU_CAP0_ENTRIES);
    m->counter_width = chmu_get(bed_read(bed, instance, CHMU_STATUS),
                                CHMU_STATUS_COUNTER_WIDTH);
    m->n_ranges = m->bed->memory_bytes / CHMU_RANGE_BYTES;
    m->ranges = g_new0(bool, m->n_ranges);
    m->hotlist = g_new0(uint64_t, m->slots);
    m->counts = g_hash_table_new(NULL, NULL);
    return m;
}

void model_free(ChmuModel *m)
{
    g_clear_pointer(&m->candidates, g_hash_table_unref);
    g_hash_table_unref(m->counts);
    g_free(m->hotlist);
    g_free(m->ranges);
    g_free(m);
}

static unsigned threshold(const ChmuModel *m)
{
    return MAX(chmu_get(m->cfg0, CHMU_CFG0_THRESHOLD), 1);
}

static uint64_t epoch_ns(const ChmuModel *m)
{
    return chmu_epoch_ns(chmu_get(m->cfg1, CHMU_CFG1_EPOCH_SCALE),
                         chmu_get(m->cfg1, CHMU_CFG1_EPOCH_MULT));
}

static bool always_on(const ChmuModel *m)
{
    return chmu_get(m->cfg1, CHMU_CFG1_MODE) == CHMU_MODE_ALWAYS_ON;
}

/* Whether the capabilities offer what the configuration asks for. */
static bool can_be_enabled(const ChmuModel *m)
{
    unsigned what = chmu_get(m->cfg0, CHMU_CFG0_WHAT);
    unsigned tracked = chmu_get(m->cap0, CHMU_CAP0_TRACKED);
    uint64_t unit = chmu_get(m->cfg1, CHMU_CFG1_UNIT_SIZE);
    uint64_t units = chmu_get(m->cap1, CHMU_CAP1_UNIT_SIZES);
    unsigned sampling = chmu_get(m->cfg1, CHMU_CFG1_DOWN_SAMPLING);
    unsigned samplings = chmu_get(m->cap1, CHMU_CAP1_DOWN_SAMPLING);
    unsigned mode = chmu_get(m->cfg1, CHMU_CFG1_MODE);
    uint64_t min = chmu_epoch_ns(chmu_get(m->cap0, CHMU_CAP0_EPOCH_MIN_SCALE),
                                 chmu_get(m->cap0, CHMU_CAP0_EPOCH_MIN_MULT));
    uint64_t max = chmu_epoch_ns(chmu_get(m->cap0, CHMU_CAP0_EPOCH_MAX_SCALE),
                                 chmu_get(m->cap0, CHMU_CAP0_EPOCH_MAX_MULT));

    if (what < 1 || what > 6 || !(tracked >> (what - 1) & 1)) {
        return false;
    }
    if (unit < 8 || unit >= 8 + 32 || !(units >> (unit - 8) & 1)) {
        return false;
    }
    if (sampling >= 16 || !(samplings >> sampling & 1)) {
        return false;
    }
    if ((m->cfg0 & CHMU_CFG0_RANDOM) && !(m->cap1 & CHMU_CAP1_RANDOM)) {
        return false;
    }
    if (((m->cfg0 & CHMU_CFG0_OVERFLOW_INT) &&
         !(m->cap0 & CHMU_CAP0_OVERFLOW_INT)) ||
        ((m->cfg0 & CHMU_CFG0_LEVEL_INT) && !(m->cap0 & CHMU_CAP0_LEVEL_INT))) {
        return false;
    }
    switch (mode) {
    case CHMU_MODE_EPOCH:
        return (m->cap1 & CHMU_CAP1_EPOCH_MODE) && epoch_ns(m) >= min &&
               epoch_ns(m) <= max;
    case CHMU_MODE_ALWAYS_ON:
        return m->cap1 & CHMU_CAP1_ALWAYS_ON_MODE;
    default:
        return false;
    }
}

static void begin_counting(ChmuModel *m)
{
    g_hash_table_remove_all(m->counts);
    m->epoch_begin_ns = m->bed->now_ns;
    m->requests = 0;
}

static void do_reset(ChmuModel *m)
{
    begin_counting(m);
    m->head = m->tail = 0;
    m->overflow = m->level = false;
}

void model_device_reset(ChmuModel *m)
{
    do_reset(m);
    m->enabled = false;
    m->operation = CHMU_OP_NONE;
    m->cfg0 = m->cfg1 = m->cfg2 = 0;
    memset(m->ranges, 0, m->n_ranges * sizeof(bool));
    memset(m->hotlist, 0, m->slots * sizeof(*m->hotlist));
}

static void write_cfg0(ChmuModel *m, uint64_t value)
{
    bool enable = value & CHMU_CFG0_ENABLE;
    bool changes = enable != m->enabled;

    if (!m->enabled) {
        m->cfg0 = value & (CHMU_CFG0_WHAT | CHMU_CFG0_RANDOM |
                           CHMU_CFG0_OVERFLOW_INT | CHMU_CFG0_LEVEL_INT |
                           CHMU_CFG0_THRESHOLD);
    }
    m->cfg0 = (m->cfg0 & ~CHMU_CFG0_ENABLE) | (value & CHMU_CFG0_ENABLE);
    if (changes) {
        m->operation = enable ? CHMU_OP_ENABLE : CHMU_OP_DISABLE;
    } else if (value & CHMU_CFG0_RESET) {
        m->operation = CHMU_OP_RESET;
    }
}

static void end_operation(ChmuModel *m)
{
    switch (m->operation) {
    case CHMU_OP_ENABLE:
        m->enabled = can_be_enabled(m);
        begin_counting(m);
        break;
    case CHMU_OP_DISABLE:
        m->enabled = false;
        break;
    case CHMU_OP_RESET:
        do_reset(m);
        break;
    }
    m->operation = CHMU_OP_NONE;
    m->cfg0 &= ~CHMU_CFG0_ENABLE;
    m->cfg0 |= m->enabled ? CHMU_CFG0_ENABLE : 0;
}

static void write_head(ChmuModel *m, unsigned head)
{
    unsigned filled = (m->tail + m->slots - m->head) % m->slots;

    if (head < m->slots && (head + m->slots - m->head) % m->slots <= filled) {
        m->head = head;
    }
}

void model_write(ChmuModel *m, uint64_t offset, uint64_t value)
{
    g_assert_null(m->candidates);
    switch (offset) {
    case CHMU_CFG0:
        write_cfg0(m, value);
        break;
    case CHMU_CFG1:
        m->cfg1 = m->enabled ? m->cfg1 : value;
        break;
    case CHMU_CFG2:
        m->cfg2 = m->enabled ? m->cfg2 : value & CHMU_CFG2_NOTIFY;
        break;
    case CHMU_STATUS:
        m->overflow = m->overflow && !(value & CHMU_STATUS_OVERFLOW);
        m->level = m->level && !(value & CHMU_STATUS_LEVEL);
        break;
    case CHMU_HEAD:
        write_head(m, value & 0xffff);
        break;
    default:                    /* the others are read-only, or reserved */
        break;
    }
}

void model_write_range(ChmuModel *m, unsigned bit, bool counted)
{
    if (!m->enabled && bit < m->n_ranges) {
        m->ranges[bit] = counted;
    }
}

static void raise_bit(ChmuModel *m, bool *bit, uint64_t interrupt)
{
    if (!*bit && (m->cfg0 & interrupt)) {
        m->interrupts++;
    }
    *bit = true;
}

/* Make room for one entry; its slot, or NULL. */
static uint64_t *new_entry(ChmuModel *m)
{
    uint64_t *slot = &m->hotlist[m->tail];
    unsigned next = (m->tail + 1) % m->slots, filled;

    if (next == m->head) {
        raise_bit(m, &m->overflow, CHMU_CFG0_OVERFLOW_INT);
        return NULL;
    }
    m->tail = next;
    filled = (m->tail + m->slots - m->head) % m->slots;
    if (m->cfg2 && filled == m->cfg2) {
        raise_bit(m, &m->level, CHMU_CFG0_LEVEL_INT);
    }
    return slot;
}

static void count_request(ChmuModel *m, uint64_t dpa)
{
    unsigned sampling = chmu_get(m->cfg1, CHMU_CFG1_DOWN_SAMPLING);
    uint64_t unit = dpa >> chmu_get(m->cfg1, CHMU_CFG1_UNIT_SIZE);
    gpointer key = GSIZE_TO_POINTER(key_of(unit));
    uint64_t count, max = (1ull << m->counter_width) - 1;

    if (dpa >= m->bed->memory_bytes || !m->ranges[dpa / CHMU_RANGE_BYTES]) {
        return;
    }
    if (++m->requests % (1u << sampling)) {
        return;
    }
    count = GPOINTER_TO_SIZE(g_hash_table_lookup(m->counts, key));
    count = MIN(count + 1, max);
    if (always_on(m) && count == threshold(m)) {
        uint64_t *entry = new_entry(m);

        if (entry) {
            *entry = unit << m->counter_width | count;
        }
        count = 0;
    }
    g_hash_table_insert(m->counts, key, GSIZE_TO_POINTER(count));
}

void model_access(ChmuModel *m, uint64_t dpa, unsigned length, unsigned count,
                  bool is_write)
{
    unsigned what = chmu_get(m->cfg0, CHMU_CFG0_WHAT);
    bool reads = what % 3 != 2, writes = what % 3 != 1;
    uint64_t first = dpa / CHMU_LINE_BYTES;
    uint64_t last = (dpa + length - 1) / CHMU_LINE_BYTES;

    if (!m->enabled || !(is_write ? writes : reads)) {
        return;
    }
    for (uint64_t line = first; line <= last; line++) {
        for (unsigned i = 0; i < count; i++) {
            count_request(m, line * CHMU_LINE_BYTES);
        }
    }
}

static void end_epoch(ChmuModel *m)
{
    GHashTableIter iter;
    gpointer key, count;

    g_assert_null(m->candidates);
    m->candidates = g_hash_table_new(NULL, NULL);
    g_hash_table_iter_init(&iter, m->counts);
    while (g_hash_table_iter_next(&iter, &key, &count)) {
        if (GPOINTER_TO_SIZE(count) >= threshold(m)) {
            g_hash_table_insert(m->candidates, key, count);
            m->n_new += new_entry(m) != NULL;
        }
    }
    g_hash_table_remove_all(m->counts);
}

void model_run(ChmuModel *m)
{
    uint64_t epochs;

    if (m->operation != CHMU_OP_NONE) {
        end_operation(m);
    }
    if (m->enabled && !always_on(m)) {
        epochs = (m->bed->now_ns - m->epoch_begin_ns) / epoch_ns(m);
        if (epochs) {
            end_epoch(m);       /* the others that passed had no accesses */
            m->epoch_begin_ns += epochs * epoch_ns(m);
        }
    }
}

/* What the last epoch left is right; it is taken as what it has to be. */
static void adopt_new_entries(ChmuModel *m)
{
    uint64_t mask = (1ull << m->counter_width) - 1;

    for (unsigned i = m->n_new; i; i--) {
        unsigned slot = (m->tail + m->slots - i) % m->slots;
        uint64_t entry = bed_read(m->bed, m->instance,
                                  m->hotlist_offset + slot * 8);
        gpointer key = GSIZE_TO_POINTER(key_of(entry >> m->counter_width));
        gpointer count = NULL;

        g_assert_true(g_hash_table_steal_extended(m->candidates, key, NULL,
                                                  &count));
        g_assert_cmpuint(entry & mask, ==, GPOINTER_TO_SIZE(count));
        m->hotlist[slot] = entry;
    }
    m->n_new = 0;
    g_clear_pointer(&m->candidates, g_hash_table_unref);
}

static uint64_t status(const ChmuModel *m)
{
    return chmu_put(CHMU_STATUS_COUNTER_WIDTH, m->counter_width) |
           (m->enabled ? CHMU_STATUS_ENABLED : 0) |
           (m->overflow ? CHMU_STATUS_OVERFLOW : 0) |
           (m->level ? CHMU_STATUS_LEVEL : 0);
}

void model_check(ChmuModel *m)
{
    struct {
        uint64_t offset, value;
    } expected[] = {
        { CHMU_CAP0, m->cap0 },
        { CHMU_CAP1, m->cap1 },
        { CHMU_BITMAP_OFFSET, m->bitmap_offset },
        { CHMU_HOTLIST_OFFSET, m->hotlist_offset },
        { CHMU_CFG0, m->cfg0 },
        { CHMU_CFG1, m->cfg1 },
        { CHMU_CFG2, m->cfg2 },
        { CHMU_STATUS, status(m) },
        { CHMU_HEAD, m->head | m->tail << 16 },
        { 0x20, 0 }, { 0x58, 0 },
    };
    uint64_t bitmap = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
        g_assert_cmphex(bed_read(m->bed, m->instance, expected[i].offset), ==,
                        expected[i].value);
    }
    for (unsigned i = 0; i < m->n_ranges; i++) {
        bitmap |= (uint64_t)m->ranges[i] << i;
    }
    g_assert_cmphex(bed_read(m->bed, m->instance, m->bitmap_offset), ==,
                    bitmap);
    if (m->candidates) {
        adopt_new_entries(m);
    }
    for (unsigned i = m->head; i != m->tail; i = (i + 1) % m->slots) {
        g_assert_cmphex(bed_read(m->bed, m->instance,
                                 m->hotlist_offset + i * 8), ==,
                        m->hotlist[i]);
    }
}

unsigned model_take_interrupts(ChmuModel *m)
{
    unsigned interrupts = m->interrupts;

    m->interrupts = 0;
    return interrupts;
}
