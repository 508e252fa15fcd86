/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a block of hotness units that tests make up.
 */
#include "fake-chmu.h"

#include <limits.h>

void fake_chmu_init(FakeChmu *fake)
{
    *fake = (FakeChmu){
        .cap0 = 1 | chmu_put(CHMU_COMMON_CAP0_INSTANCES, FAKE_CHMU_INSTANCES),
        .cap1 = FAKE_CHMU_STRIDE,
    };
    for (unsigned i = 0; i < FAKE_CHMU_INSTANCES; i++) {
        fake->units[i].cap0 = chmu_put(CHMU_CAP0_TRACKED, 0x3f) | chmu_put(CHMU_CAP0_EPOCH_MAX_SCALE, CHMU_SCALE_1S) |
                              chmu_put(CHMU_CAP0_EPOCH_MAX_MULT, 100) |
                              chmu_put(CHMU_CAP0_EPOCH_MIN_SCALE, CHMU_SCALE_100US) |
                              chmu_put(CHMU_CAP0_EPOCH_MIN_MULT, 1) | chmu_put(CHMU_CAP0_ENTRIES, FAKE_CHMU_ENTRIES);
        fake->units[i].cap1 = chmu_put(CHMU_CAP1_UNIT_SIZES, 0x3fff) | chmu_put(CHMU_CAP1_DOWN_SAMPLING, 0xf) |
                              CHMU_CAP1_EPOCH_MODE | CHMU_CAP1_ALWAYS_ON_MODE;
        fake->units[i].status = chmu_put(CHMU_STATUS_COUNTER_WIDTH, FAKE_CHMU_WIDTH);
    }
}

/* An operation has ended. */
static void settle(const FakeChmu *fake, FakeUnit *unit)
{
    const uint64_t operation = chmu_get(unit->status, CHMU_STATUS_OPERATION);

    unit->status &= ~CHMU_STATUS_OPERATION;
    if (operation == CHMU_OP_ENABLE && !fake->refuses) {
        unit->status |= CHMU_STATUS_ENABLED;
        unit->enabled++;
    } else {
        unit->status &= ~CHMU_STATUS_ENABLED;
    }
}

static uint64_t read_status(const FakeChmu *fake, FakeUnit *unit)
{
    if (chmu_get(unit->status, CHMU_STATUS_OPERATION) != CHMU_OP_NONE) {
        if (fake->waited_for) {
            fake->waited_for();
        }
        if (unit->busy == 0) {
            settle(fake, unit);
        } else if (unit->busy != UINT_MAX) {
            unit->busy--;
        }
    }
    return unit->status;
}

static uint64_t read_unit(FakeChmu *fake, FakeUnit *unit, uint64_t at)
{
    switch (at) {
    case CHMU_CAP0:
        return unit->cap0;
    case CHMU_CAP1:
        return unit->cap1;
    case CHMU_BITMAP_OFFSET:
        return FAKE_CHMU_BITMAP;
    case CHMU_HOTLIST_OFFSET:
        return FAKE_CHMU_HOTLIST;
    case CHMU_CFG0:
        return unit->cfg0;
    case CHMU_CFG1:
        return unit->cfg1;
    case CHMU_CFG2:
        return unit->cfg2;
    case CHMU_STATUS:
        return read_status(fake, unit);
    case CHMU_HEAD:
        return unit->head | (uint64_t)unit->tail << 16;
    }
    if (at >= FAKE_CHMU_BITMAP && at < FAKE_CHMU_BITMAP + sizeof(unit->ranges)) {
        return unit->ranges[(at - FAKE_CHMU_BITMAP) / 8];
    }
    if (at >= FAKE_CHMU_HOTLIST && at < FAKE_CHMU_HOTLIST + sizeof(unit->hotlist)) {
        return unit->hotlist[(at - FAKE_CHMU_HOTLIST) / 8];
    }
    return 0;
}

static void write_cfg0(FakeChmu *fake, FakeUnit *unit, uint64_t value)
{
    const uint64_t enable = value & CHMU_CFG0_ENABLE, before = unit->cfg0 & CHMU_CFG0_ENABLE;

    unit->cfg0 = before ? (unit->cfg0 & ~CHMU_CFG0_ENABLE) | enable : value;
    if (enable == before) {
        return;
    }
    unit->status = (unit->status & ~CHMU_STATUS_OPERATION) |
                   chmu_put(CHMU_STATUS_OPERATION, enable ? CHMU_OP_ENABLE : CHMU_OP_DISABLE);
    unit->busy = fake->slowness;
    if (unit->busy == 0) {
        settle(fake, unit);
    }
}

static void write_unit(FakeChmu *fake, FakeUnit *unit, uint64_t at, uint64_t value)
{
    const bool idle = !(unit->status & (CHMU_STATUS_ENABLED | CHMU_STATUS_OPERATION));

    if (at == CHMU_CFG0) {
        write_cfg0(fake, unit, value);
    } else if (at == CHMU_STATUS) {
        unit->status &= ~(value & (CHMU_STATUS_OVERFLOW | CHMU_STATUS_LEVEL));
    } else if (at == CHMU_HEAD) {
        unit->head = (uint16_t)value;
    } else if (idle && at == CHMU_CFG1) {
        unit->cfg1 = value;
    } else if (idle && at == CHMU_CFG2) {
        unit->cfg2 = value;
    } else if (idle && at >= FAKE_CHMU_BITMAP && at < FAKE_CHMU_BITMAP + sizeof(unit->ranges)) {
        unit->ranges[(at - FAKE_CHMU_BITMAP) / 8] = value;
    } else {
        g_test_message("written to 0x%" G_GINT64_MODIFIER "x while that can't be", at);
        g_test_fail();
    }
}

static uint64_t fake_read(void *opaque, uint64_t at)
{
    FakeChmu *fake = opaque;

    if (fake->gone) {
        return UINT64_MAX;
    }
    if (at == CHMU_COMMON_CAP0 || at == CHMU_COMMON_CAP1) {
        return at == CHMU_COMMON_CAP0 ? fake->cap0 : fake->cap1;
    }
    at -= CHMU_INSTANCES;
    return at / FAKE_CHMU_STRIDE < FAKE_CHMU_INSTANCES
               ? read_unit(fake, &fake->units[at / FAKE_CHMU_STRIDE], at % FAKE_CHMU_STRIDE)
               : 0;
}

static void fake_write(void *opaque, uint64_t at, uint64_t value, unsigned size)
{
    FakeChmu *fake = opaque;

    at -= CHMU_INSTANCES;
    g_assert_cmpuint(at / FAKE_CHMU_STRIDE, <, FAKE_CHMU_INSTANCES);
    g_assert_cmpuint(size, ==, at % FAKE_CHMU_STRIDE == CHMU_HEAD ? 2 : 8);
    if (!fake->gone) {
        write_unit(fake, &fake->units[at / FAKE_CHMU_STRIDE], at % FAKE_CHMU_STRIDE, value);
    }
}

ChmuRegs *fake_chmu_regs(FakeChmu *fake)
{
    static const ChmuAccess access = {.read = fake_read, .write = fake_write};
    g_autoptr(GError) err = NULL;
    ChmuRegs *regs = chmu_regs_new(&access, fake, FAKE_CHMU_BYTES, &err);

    g_assert_no_error(err);
    return regs;
}

void fake_chmu_list(FakeUnit *unit, uint64_t number, uint32_t count)
{
    const uint16_t next = (uint16_t)((unit->tail + 1) % FAKE_CHMU_ENTRIES);

    if (next == unit->head) {
        unit->status |= CHMU_STATUS_OVERFLOW;
        return;
    }
    unit->hotlist[unit->tail] = number << FAKE_CHMU_WIDTH | count;
    unit->tail = next;
}
