/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block of hotness units as the tests of the source meet it: registers that behave as include/cxl-chmu-regs.h
 * says, and misbehave when told to. It counts nothing: a test says what an epoch lists.
 */
#ifndef VHOST_TIER_TESTS_FAKE_CHMU_H
#define VHOST_TIER_TESTS_FAKE_CHMU_H

#include "sources/chmu-host.h"

#define FAKE_CHMU_INSTANCES 2u
#define FAKE_CHMU_ENTRIES 16u           /* slots */
#define FAKE_CHMU_STRIDE 0x1000u
#define FAKE_CHMU_BITMAP 0x100u         /* 16 words: 256 GiB */
#define FAKE_CHMU_HOTLIST 0x180u
#define FAKE_CHMU_BYTES 0x10000u
#define FAKE_CHMU_WIDTH 16u             /* of counters */

typedef struct FakeUnit {
    uint64_t cap0, cap1, cfg0, cfg1, cfg2, status;
    uint16_t head, tail;
    uint64_t ranges[16];
    uint64_t hotlist[FAKE_CHMU_ENTRIES];
    unsigned enabled;                   /* times that it was */
    unsigned busy;                      /* reads of STATUS until what is in progress is done */
} FakeUnit;

typedef struct FakeChmu {
    uint64_t cap0, cap1;
    FakeUnit units[FAKE_CHMU_INSTANCES];
    unsigned slowness;                  /* reads of STATUS that an operation takes; UINT_MAX: for ever */
    bool gone;                          /* all ones */
    bool refuses;                       /* to be enabled */
    void (*waited_for)(void);           /* called as STATUS is read while an operation is in progress */
} FakeChmu;

void fake_chmu_init(FakeChmu *fake);

/* As ChmuRegs sees it; to be unmapped. */
ChmuRegs *fake_chmu_regs(FakeChmu *fake);

/* The unit lists @count accesses to its @unit-th unit of memory, or has an overflow. */
void fake_chmu_list(FakeUnit *unit, uint64_t number, uint32_t count);

#endif /* VHOST_TIER_TESTS_FAKE_CHMU_H */
