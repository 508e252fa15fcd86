/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with one CXL memory device, set up as firmware and a kernel would:
 * its hotness monitoring unit (CHMU) is found through PCI configuration space,
 * and its memory is reached through a fixed memory window.
 */
#ifndef QTEST_CXL_CHMU_BED_H
#define QTEST_CXL_CHMU_BED_H

#include "libqtest.h"
#include "qobject/qdict.h"

#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)
#define TIB (1024ull * GIB)

#define BED_DEVICE "/machine/peripheral/mem0"

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Of the device in most tests: four bits in the range bitmap. */
#define BED_MEMORY_BYTES GIB

typedef struct ChmuBed {
    QTestState *qts;
    uint64_t component;         /* where the component registers are mapped */
    uint64_t msix;              /* the same of the MSI-X table */
    unsigned msix_vectors;
    uint64_t block;             /* the same of the CHMU's registers; 0: none */
    unsigned block_bar;
    uint64_t bar_bytes[6];      /* the size of each BAR; 0: there is none */
    uint64_t instance_bytes;    /* from one instance to the next */
    unsigned instances;
    unsigned vectors[8];        /* the MSI-X vector of each instance */
    uint64_t memory_bytes;      /* of the device */
    uint64_t now_ns;            /* of the guest's time since it was made */
} ChmuBed;

/*
 * A machine whose device has "chmu=on" and these @properties ("" for none), and
 * whose QEMU gets these @more options; mapped.
 */
ChmuBed *bed_new_with(const char *properties, const char *more);
ChmuBed *bed_new(const char *properties);
/*
 * The same with a device of that much memory, all of whose properties are
 * @properties; nothing is mapped before bed_map().
 */
ChmuBed *bed_new_bare(uint64_t memory_bytes, const char *properties,
                      const char *more);
/* Give addresses to all that has none after a reset, and find the CHMU. */
void bed_map(ChmuBed *bed);
void bed_free(ChmuBed *bed);
/* Unplug the device, as a guest does that was asked to give it up. */
void bed_unplug(ChmuBed *bed);

/* PCI configuration space of the device: 32 bits at @offset. */
uint32_t bed_config_read(ChmuBed *bed, unsigned offset);
void bed_config_write(ChmuBed *bed, unsigned offset, uint32_t value);

/* 64-bit registers: of the block, and of an instance. */
uint64_t bed_block_read(ChmuBed *bed, uint64_t offset);
uint64_t bed_read(ChmuBed *bed, unsigned instance, uint64_t offset);
void bed_write(ChmuBed *bed, unsigned instance, uint64_t offset,
               uint64_t value);
/* The place in the machine's memory of an instance's register. */
uint64_t bed_address(ChmuBed *bed, unsigned instance, uint64_t offset);

/* What an instance is to do; where a field is 0, what is behind it holds. */
typedef struct ChmuSetup {
    unsigned what;              /* CHMU_WHAT_*: reads and writes */
    unsigned unit_shift;        /* 12: units of 4 KiB */
    unsigned sampling;          /* log2: every request counts */
    unsigned mode;              /* CHMU_MODE_*: epochs */
    unsigned scale, mult;       /* of an epoch: 1 ms */
    uint32_t threshold;         /* 1 */
    unsigned notify;            /* never */
    uint64_t flags;             /* more bits of CFG0: none */
    uint64_t no_ranges;         /* bits of the bitmap not set: all are set */
} ChmuSetup;

/* Write all but ENABLE; the value of CFG0 for it. */
uint64_t bed_configure(ChmuBed *bed, unsigned instance,
                       const ChmuSetup *setup);
/* Configure and enable, and see that it is. */
void bed_enable(ChmuBed *bed, unsigned instance, const ChmuSetup *setup);
void bed_disable(ChmuBed *bed, unsigned instance);
/* Let time pass until no operation is in progress; returns STATUS. */
uint64_t bed_wait(ChmuBed *bed, unsigned instance);

typedef struct ChmuEntry {
    uint64_t unit;
    uint64_t count;
} ChmuEntry;

/* Take all entries out of the hotlist: ChmuEntry, by unit. */
GArray *bed_drain(ChmuBed *bed, unsigned instance);
/* The hotlist holds @n entries, these, in any order; they are taken out. */
void bed_assert_listed(ChmuBed *bed, unsigned instance, unsigned n,
                       const ChmuEntry *entries);

/* Let the device see @count accesses to @dpa, without memory being touched. */
void bed_access(ChmuBed *bed, uint64_t dpa, unsigned count, bool is_write);
/* The same of @length bytes each, instead of one. */
void bed_access_bytes(ChmuBed *bed, uint64_t dpa, unsigned length,
                      unsigned count, bool is_write);
/* One of the counts that query-cxl-chmu shows of an instance. */
uint64_t bed_count(ChmuBed *bed, unsigned instance, const char *name);
/* Bytes that the CHMU takes, by the same. */
uint64_t bed_bytes(ChmuBed *bed);

/* Let time pass for the guest. */
void bed_step(ChmuBed *bed, uint64_t ns);
#define BED_EPOCH_NS NS_PER_MS  /* unless set up otherwise */

/*
 * Commit decoder 0 of the device to all its memory; returns where DPA 0 then
 * is in the machine's memory.
 */
uint64_t bed_open_window(ChmuBed *bed);

/* Let an instance's interrupts write to this place in the machine's memory. */
void bed_aim_interrupt(ChmuBed *bed, unsigned instance, uint64_t address);
/* Let them write to a mailbox in RAM... */
void bed_arm_interrupt(ChmuBed *bed, unsigned instance);
void bed_mask_interrupt(ChmuBed *bed, unsigned instance, bool masked);
/* ... and tell whether one has since the last time this was asked. */
bool bed_take_interrupt(ChmuBed *bed, unsigned instance);

#endif /* QTEST_CXL_CHMU_BED_H */
