/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CXL hotness monitoring unit (CHMU) as a part of cxl-type3: what its source
 * files share, and what cxl-type3 calls.
 *
 * Theory of operation
 *
 * The registers, and what is theirs to choose, are told by cxl-chmu-regs.h.
 * They lie in a BAR of their own, so that the memory space of a cxl-type3
 * without the unit is as it always was, and a driver that claims the device's
 * other registers does not claim these.
 *
 *   cxl-chmu.c            the unit: properties, registers' places, migration
 *   cxl-chmu-instance.c   one instance: its registers, epochs and hotlist
 *   cxl-chmu-counters.c   one instance's counters
 *   cxl-chmu-qmp.c        the unit as QMP and HMP show it
 *
 * All of it runs under the big lock: cxl_type3_read() and cxl_type3_write()
 * are called from the fixed memory window's MemoryRegionOps, which take it,
 * and so are the registers' ops, the timers, migration and QMP commands.
 *
 * Requests are noted as they come and counted CXL_CHMU_BATCH at a time: one
 * after the other they would cost several times as much. An epoch ends by the
 * virtual clock, not when its timer happens to be run, for which the main loop
 * must get the big lock from busy CPUs. So whatever looks at an instance (a
 * register, QMP, migration, its timer, each CXL_CHMU_BATCH-th request) first
 * lets it catch up, by chmu_instance_run(): what was noted is counted, then
 * what was due by now is done. An instance that is always on may list a unit,
 * and interrupt, at any request: while there is one, none waits.
 *
 * What a guest can cost us is bounded by properties: each instance counts at
 * most 'chmu-counters' units at a time, in 24 to 48 bytes each.
 */
#ifndef HW_MEM_CXL_CHMU_H
#define HW_MEM_CXL_CHMU_H

#include "exec/memory.h"
#include "qemu/timer.h"

#define CXL_CHMU_MAX_INSTANCES 8
#define CXL_CHMU_MAX_COUNTERS (1u << 30)
#define CXL_CHMU_UNIT_SIZES 0x3fff      /* as in CAP1: 256 bytes to 2 MiB */
#define CXL_CHMU_EPOCH_MIN_NS 100000ull
#define CXL_CHMU_EPOCH_MAX_NS 100000000000ull
#define CXL_CHMU_BAR_IDX 5
/* Requests that may wait to be counted */
#define CXL_CHMU_BATCH 16
/* Where the first instance's bitmap and hotlist lie in the block */
#define CXL_CHMU_AREAS 0x1000
/* How long enabling, disabling and resetting an instance take */
#define CXL_CHMU_OPERATION_NS 10000

typedef struct CXLChmu CXLChmu;

/*
 * Counters of units that were touched, in the order of their first touch: an
 * entry is laid out as one of the hotlist, with the count in its low bits.
 */
typedef struct ChmuCounters {
    uint64_t *entries;          /* a quarter as many as there are slots */
    uint32_t *slots;            /* of a hash table: 1 + entry, or 0 */
    uint64_t key;               /* of the hash, the guest's to never know */
    uint32_t n;                 /* entries in use */
    uint32_t last;              /* the entry that was looked up last */
    uint32_t limit;             /* entries that there may be */
    uint8_t slot_bits;          /* log2 of the number of slots */
    uint8_t width;              /* bits of a count */
} ChmuCounters;

/* What an instance saw since it was reset, in requests and in units. */
typedef struct ChmuStats {
    uint64_t requests;          /* that reached it while it counted */
    uint64_t filtered;          /* of them: not of what is tracked */
    uint64_t skipped;           /* of them: left out by down-sampling */
    uint64_t counted;           /* of them: counted */
    uint64_t uncounted;         /* of them: no counter was left */
    uint64_t listed;            /* units, put on the hotlist */
    uint64_t dropped;           /* units that the hotlist had no room for */
    uint64_t epochs;            /* that have ended */
} ChmuStats;

typedef struct ChmuInstance {
    CXLChmu *chmu;
    uint8_t id;

    /* Registers; the bits of @status that tell no counter width */
    uint64_t cfg0;
    uint64_t cfg1;
    uint64_t cfg2;
    uint64_t status;
    uint16_t head;
    uint16_t tail;
    uint64_t *bitmap;           /* in the unit's areas */
    uint64_t *hotlist;          /* likewise */

    /* What runs; times are of QEMU_CLOCK_VIRTUAL */
    int64_t operation_end_ns;
    int64_t epoch_end_ns;
    int64_t due_ns;             /* the next of these ends */
    QEMUTimer *timer;
    QEMUTimer *interrupt;       /* pending while one is to be sent */
    uint64_t sampling_phase;    /* requests since the last that was sampled */
    uint64_t random;            /* state of the generator */
    ChmuCounters counters;
    ChmuStats stats;

    /* The configuration, taken to pieces when it was enabled */
    uint64_t epoch_ns;          /* 0: always on */
    uint32_t threshold;         /* 1 or more */
    uint8_t unit_shift;
    uint8_t sampling_shift;
    bool sampling_random;
    bool tracks[2];             /* reads, writes */

    /* The counters in use, for migration */
    uint64_t *saved;
    uint32_t n_saved;
} ChmuInstance;

struct CXLChmu {
    /* Properties, of cxl-type3 */
    bool present;
    uint32_t n_instances;
    uint32_t n_entries;         /* slots of a hotlist */
    uint32_t n_counters;
    uint32_t counter_width;     /* bits */
    uint32_t unit_sizes;        /* as CAP1 tells them */
    uint32_t down_sampling;     /* as CAP1 tells it */
    bool epoch_mode;
    bool always_on_mode;
    bool random;
    bool overflow_int;
    bool level_int;
    uint64_t seed;

    PCIDevice *pdev;
    unsigned first_vector;      /* MSI-X, of instance 0 */
    uint64_t capacity;          /* bytes of DPA */
    uint32_t bitmap_words;
    uint32_t area_words;        /* of a bitmap, a hotlist, and up to 4 KiB */
    uint32_t all_area_words;
    uint64_t *areas;            /* of all instances, as the guest sees them */
    MemoryRegion mmio;
    uint32_t counting;          /* bit for each instance that counts */
    uint32_t at_once;           /* of them: those that are always on */
    uint32_t noted;             /* requests, ever; the number may wrap */
    uint32_t n_waiting;         /* of the last noted % CXL_CHMU_BATCH */
    uint64_t waiting[CXL_CHMU_BATCH];   /* as chmu_request() has them */
    ChmuInstance *instances;
};

/*
 * Make the unit of @pdev, which has @capacity bytes and MSI-X vectors for all
 * instances from @first_vector on, with @chmu's properties set, and register
 * its BAR. Returns false with an error where a property does not fit.
 */
bool cxl_chmu_realize(CXLChmu *chmu, PCIDevice *pdev, uint64_t capacity,
                      unsigned first_vector, Error **errp);
void cxl_chmu_unrealize(CXLChmu *chmu);
/* All registers have their reset values, nothing is counted. */
void cxl_chmu_reset(CXLChmu *chmu);
/* The unit's entry in the Register Locator DVSEC, low half; 0: no unit */
uint32_t cxl_chmu_register_locator(const CXLChmu *chmu);
/* Bytes that the unit takes now. */
uint64_t cxl_chmu_bytes(const CXLChmu *chmu);

/* Count the requests that were noted. */
void cxl_chmu_count_waiting(CXLChmu *chmu);
/* All instances do what was to be done by now. */
void cxl_chmu_catch_up(CXLChmu *chmu);
/* cxl_chmu_access() for an enabled unit. */
void cxl_chmu_note(CXLChmu *chmu, uint64_t dpa, unsigned bytes, bool is_write);
/* The same @times over, for whatever bytes of the device, and counted. */
void cxl_chmu_count(CXLChmu *chmu, uint64_t dpa, uint64_t bytes,
                    uint64_t times, bool is_write);

/* The device's media are read or written: @bytes from @dpa on. */
static inline void cxl_chmu_access(CXLChmu *chmu, uint64_t dpa,
                                   unsigned bytes, bool is_write)
{
    if (unlikely(chmu->counting)) {
        cxl_chmu_note(chmu, dpa, bytes, is_write);
    }
}

/* A request to the line of CHMU_LINE_BYTES with this number */
static inline uint64_t chmu_request(uint64_t line, bool is_write)
{
    return line << 1 | is_write;
}

void chmu_instance_init(ChmuInstance *inst, CXLChmu *chmu, unsigned id);
void chmu_instance_destroy(ChmuInstance *inst);
void chmu_instance_reset(ChmuInstance *inst);
/*
 * Do what was to be done by @now_ns: count what was noted, end operations and
 * epochs.
 */
void chmu_instance_run(ChmuInstance *inst, int64_t now_ns);
/*
 * The instance, which counts, gets these @n requests, each @times over, to
 * lines that lie within the device.
 */
void chmu_instance_count(ChmuInstance *inst, const uint64_t *requests,
                         unsigned n, uint64_t times);
/*
 * Read or write the 64-bit register at @reg, a multiple of 8 below
 * CHMU_INSTANCE_REGISTERS; only the bits in @mask are written.
 */
uint64_t chmu_instance_read(const ChmuInstance *inst, unsigned reg);
void chmu_instance_write(ChmuInstance *inst, unsigned reg, uint64_t value,
                         uint64_t mask);
void chmu_instance_write_bitmap(ChmuInstance *inst, unsigned word,
                                uint64_t value, uint64_t mask);
/* Entries in the hotlist now. */
unsigned chmu_instance_listed(const ChmuInstance *inst);
/*
 * The registers and counters were loaded: check them, and go on from there.
 * Returns false with an error where they contradict each other or the
 * properties.
 */
bool chmu_instance_loaded(ChmuInstance *inst, Error **errp);

void chmu_counters_init(ChmuCounters *counters, unsigned width,
                        uint32_t limit);
void chmu_counters_destroy(ChmuCounters *counters);
/* Forget all units; memory that was hardly used is given back. */
void chmu_counters_clear(ChmuCounters *counters);
/* chmu_counters_entry() of a unit that is not the last one looked up */
uint64_t *chmu_counters_find(ChmuCounters *counters, uint64_t unit);
uint64_t chmu_counters_bytes(const ChmuCounters *counters);

/*
 * The entry of @unit, made with a count of 0 if need be; it holds until the
 * next call. NULL when there is no counter left, or no memory.
 */
static inline uint64_t *chmu_counters_entry(ChmuCounters *counters,
                                            uint64_t unit)
{
    if (counters->last < counters->n &&
        counters->entries[counters->last] >> counters->width == unit) {
        return &counters->entries[counters->last];
    }
    return chmu_counters_find(counters, unit);
}

static inline uint64_t chmu_counters_max(const ChmuCounters *counters)
{
    return MAKE_64BIT_MASK(0, counters->width);
}

#endif /* HW_MEM_CXL_CHMU_H */
