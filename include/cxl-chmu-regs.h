/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a CXL hotness monitoring unit (CHMU), CXL r3.2 section 8.2.8: one definition for the
 * device model in QEMU, the daemon that reads such a unit, and the tests of both.
 *
 * Theory of operation
 *
 * A Register Locator DVSEC (vendor 1e98h, id 8) entry with block id 5 tells BAR and offset of a block. It
 * begins with two common registers; the registers of instance n follow at CHMU_INSTANCES + n * INSTLEN. Each
 * instance has a range bitmap and a hotlist of its own, at offsets from the instance's first register that two
 * of its registers tell. All registers are little-endian; accesses of 1 to 8 bytes, aligned to their size.
 *
 * Software sets what to count (only while the instance is disabled), then ENABLE, and waits until no operation
 * is in progress. In epoch mode the unit counts accesses for the length of an epoch, adds those units of memory
 * to the hotlist that have at least THRESHOLD counts, and begins anew at zero. In always-on mode a unit of
 * memory is added as its counter reaches THRESHOLD, and its counter begins anew; there are no epochs. Software
 * reads entries from HEAD to TAIL (the slots between them, modulo the hotlist's size, so that one slot is always
 * empty) and then moves HEAD on.
 *
 * What public sources leave open, and what our model does (a driver should not depend on it):
 * - Down-sampling bit N is a factor of 2^N (others: 2^(N-1)): one request in 2^N is counted. It is the 2^N-th,
 *   2 * 2^N-th ... request that passes the filters, unless it is chosen at random; each enabling or RESET begins
 *   to count them anew.
 * - TAIL is read-only. HEAD takes only values from HEAD on up to TAIL, other writes are ignored.
 * - CFG0 to CFG2 and the range bitmap are ignored while the instance is enabled or an operation in progress; of
 *   CFG0 then only ENABLE and RESET are heeded (once no operation is in progress). ENABLE reads as written last,
 *   or 0 where enabling failed; RESET reads as 0.
 * - Enabling fails, and STATUS.ENABLED stays 0, where the configuration asks for what CAP0 and CAP1 don't offer.
 * - Enabling sets counters to zero and leaves the hotlist as it is; disabling drops what the epoch has counted.
 *   RESET, enabled or not, sets counters to zero, empties the hotlist (HEAD = TAIL = 0), clears the OVERFLOW and
 *   LEVEL bits and begins a new epoch. With a write that changes ENABLE, RESET is ignored.
 * - THRESHOLD 0 is as 1. Counters saturate at 2^width - 1; a threshold above is never reached.
 * - OVERFLOW is set when a unit of memory can't be listed or can't be counted (as many units were touched as
 *   there are counters). LEVEL is set when the number of entries rises from below NOTIFY to NOTIFY; NOTIFY 0:
 *   never. An interrupt is sent when such a bit goes from 0 to 1 while its interrupt is enabled.
 * - The unit counts requests to lines of 64 bytes: an access that touches two lines is two requests. All
 *   requests of our model are non-TEE ones, so that tracking all of them is the same as tracking non-TEE ones.
 */
#ifndef CXL_CHMU_REGS_H
#define CXL_CHMU_REGS_H

#include <stdint.h>

/* Register Locator DVSEC: block id, bits 15:8 of an entry's low half. */
#define CHMU_REGISTER_BLOCK_ID          5
#define CHMU_LINE_BYTES                 64u                     /* what one M2S request reads or writes */
#define CHMU_RANGE_BYTES                (256ull << 20)          /* one bit of the range bitmap */
#define CHMU_UNIT_SHIFT_MIN             8                       /* 256 bytes: bit 0 of CAP1's unit sizes */

/* The block. */
#define CHMU_COMMON_CAP0                0x00
#define   CHMU_COMMON_CAP0_VERSION      0x000000000000000full   /* 1 */
#define   CHMU_COMMON_CAP0_INSTANCES    0x000000000000ff00ull
#define CHMU_COMMON_CAP1                0x08
#define   CHMU_COMMON_CAP1_INSTLEN      0x000000000000ffffull   /* bytes from one instance to the next */
#define CHMU_INSTANCES                  0x10                    /* the first instance */

/* An instance: what it can do. Read-only. */
#define CHMU_CAP0                       0x00
#define   CHMU_CAP0_MSI                 0x000000000000000full   /* MSI-X vector or MSI number */
#define   CHMU_CAP0_OVERFLOW_INT        0x0000000000000010ull
#define   CHMU_CAP0_LEVEL_INT           0x0000000000000020ull
#define   CHMU_CAP0_EPOCH_TYPE          0x00000000000000c0ull   /* CHMU_EPOCH_* */
#define   CHMU_CAP0_TRACKED             0x0000000000003f00ull   /* bit (what - 1) for each CHMU_WHAT_* */
#define   CHMU_CAP0_EPOCH_MAX_SCALE     0x00000000000f0000ull
#define   CHMU_CAP0_EPOCH_MAX_MULT      0x00000000fff00000ull
#define   CHMU_CAP0_EPOCH_MIN_SCALE     0x0000000f00000000ull
#define   CHMU_CAP0_EPOCH_MIN_MULT      0x0000fff000000000ull
#define   CHMU_CAP0_ENTRIES             0xffff000000000000ull   /* slots of the hotlist; one stays empty */
#define CHMU_CAP1                       0x08
#define   CHMU_CAP1_UNIT_SIZES          0x00000000ffffffffull   /* bit N: 256 bytes << N */
#define   CHMU_CAP1_DOWN_SAMPLING       0x0000ffff00000000ull   /* bit N: one request in 2^N */
#define   CHMU_CAP1_EPOCH_MODE          0x0001000000000000ull
#define   CHMU_CAP1_ALWAYS_ON_MODE      0x0002000000000000ull
#define   CHMU_CAP1_RANDOM              0x0004000000000000ull   /* down-sampling at random */
#define   CHMU_CAP1_OVERLAP             0x0008000000000000ull   /* instances may track the same ranges */
#define   CHMU_CAP1_POSTPONED           0x0010000000000000ull   /* full hotlist: inserts wait for room */
#define CHMU_BITMAP_OFFSET              0x10                    /* bytes from CAP0; bit per 256 MiB of DPA */
#define CHMU_HOTLIST_OFFSET             0x18                    /* bytes from CAP0; u64 entries; after the bitmap */

/* An instance: what it is to do. Reset value 0. */
#define CHMU_CFG0                       0x40
#define   CHMU_CFG0_WHAT                0x00000000000000ffull   /* CHMU_WHAT_* */
#define   CHMU_CFG0_RANDOM              0x0000000000000100ull
#define   CHMU_CFG0_OVERFLOW_INT        0x0000000000000200ull
#define   CHMU_CFG0_LEVEL_INT           0x0000000000000400ull
#define   CHMU_CFG0_ENABLE              0x0000000000010000ull
#define   CHMU_CFG0_RESET               0x0000000000020000ull
#define   CHMU_CFG0_THRESHOLD           0xffffffff00000000ull
#define CHMU_CFG1                       0x48
#define   CHMU_CFG1_UNIT_SIZE           0x00000000ffffffffull   /* log2 of bytes */
#define   CHMU_CFG1_DOWN_SAMPLING       0x000000ff00000000ull   /* log2 of the factor */
#define   CHMU_CFG1_MODE                0x0000ff0000000000ull   /* CHMU_MODE_* */
#define   CHMU_CFG1_EPOCH_SCALE         0x000f000000000000ull
#define   CHMU_CFG1_EPOCH_MULT          0xfff0000000000000ull
#define CHMU_CFG2                       0x50
#define   CHMU_CFG2_NOTIFY              0x000000000000ffffull   /* entries, for LEVEL */

/* An instance: how it is. Read-only but for the two bits that are cleared by writing 1, and HEAD. */
#define CHMU_STATUS                     0x60
#define   CHMU_STATUS_ENABLED           0x0000000000000001ull
#define   CHMU_STATUS_OPERATION         0x00000000ffff0000ull   /* CHMU_OP_* */
#define   CHMU_STATUS_COUNTER_WIDTH     0x000000ff00000000ull   /* bits */
#define   CHMU_STATUS_OVERFLOW          0x0000010000000000ull   /* write 1 to clear */
#define   CHMU_STATUS_LEVEL             0x0000020000000000ull   /* write 1 to clear */
#define CHMU_HEAD                       0x68                    /* u16: the next entry to read */
#define CHMU_TAIL                       0x6a                    /* u16: the next slot to be filled */
#define   CHMU_HEAD_TAIL_HEAD           0x000000000000ffffull   /* both, read as one at CHMU_HEAD */
#define   CHMU_HEAD_TAIL_TAIL           0x00000000ffff0000ull
#define CHMU_INSTANCE_REGISTERS         0x70                    /* bytes up to here */

enum {
    CHMU_EPOCH_GLOBAL = 0,              /* all counters share one epoch */
    CHMU_EPOCH_PER_COUNTER = 1,
};

enum {
    CHMU_WHAT_NONTEE_READS = 1,
    CHMU_WHAT_NONTEE_WRITES,
    CHMU_WHAT_NONTEE_BOTH,
    CHMU_WHAT_READS,
    CHMU_WHAT_WRITES,
    CHMU_WHAT_BOTH,
};

enum {
    CHMU_MODE_EPOCH = 0,
    CHMU_MODE_ALWAYS_ON = 1,
};

enum {
    CHMU_OP_NONE = 0,
    CHMU_OP_ENABLE,
    CHMU_OP_DISABLE,
    CHMU_OP_RESET,
};

enum {
    CHMU_SCALE_100US = 1,
    CHMU_SCALE_1MS,
    CHMU_SCALE_10MS,
    CHMU_SCALE_100MS,
    CHMU_SCALE_1S,
};

/* The value of the field that @mask selects in @reg. @mask is not 0. */
static inline uint64_t chmu_get(uint64_t reg, uint64_t mask)
{
    return (reg & mask) >> __builtin_ctzll(mask);
}

/* @value in the place that @mask selects; bits that don't fit are cut off. @mask is not 0. */
static inline uint64_t chmu_put(uint64_t mask, uint64_t value)
{
    return (value << __builtin_ctzll(mask)) & mask;
}

/* The length of an epoch in ns; 0 where @scale is none of CHMU_SCALE_* or @mult is 0. */
static inline uint64_t chmu_epoch_ns(unsigned scale, unsigned mult)
{
    uint64_t ns = 100000;

    if (scale < CHMU_SCALE_100US || scale > CHMU_SCALE_1S) {
        return 0;
    }
    for (; scale > CHMU_SCALE_100US; scale--) {
        ns *= 10;
    }
    return ns * mult;
}

#endif /* CXL_CHMU_REGS_H */
