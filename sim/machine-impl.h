/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rooms of the machine share: machine.c (time, latency), guest.c (guests and their rates), moves.c,
 * bits.c (access bits, armed pages), tlb.c, samples.c. Nobody else includes this.
 *
 * The one quantity that all evidence comes from is the number of accesses to a page that are to be expected
 * since its guest's start: guest_expected(). Whoever asks 'since I last looked' remembers what it was then,
 * and draws from the difference. Rates may change in between as they like.
 */
#ifndef VHOST_TIER_SIM_MACHINE_IMPL_H
#define VHOST_TIER_SIM_MACHINE_IMPL_H

#include "machine.h"
#include "random.h"

enum {
    PAGE_PINNED = 1,
    PAGE_ARMED = 2,                 /* the next touch faults */
    PAGE_ARMED_WRITES = 4,          /* with PAGE_ARMED: the next write */
    PAGE_TOUCHED = 8,               /* was touched since it was armed */
};

/*
 * A touch of an armed page that is to come. Out of date where the page has another 'touch_s', or is not
 * armed.
 */
typedef struct Touch {
    double work_s;
    uint32_t page;
} Touch;

typedef struct Fault {
    uint32_t page;
    uint64_t now_ns;
} Fault;

/* See bits.c. The arrays are made when a page is first armed. */
typedef struct Arming {
    double *touch_s;                /* of work: when an armed page will be touched */
    uint64_t *touched_ns;           /* when one was */
    GArray *touches;                /* Touch: a heap, the soonest first */
    size_t n_armed;
    GArray *faults;                 /* Fault, the oldest first; NULL: nobody has asked for them */
} Arming;

/* See samples.c. */
typedef struct Sampling {
    double *block_rate;             /* sums over SIM_BLOCK_PAGES pages; NULL: not in use */
    double *block_sum;              /* of all blocks up to and with this */
    uint8_t *block_stale;
    bool stale;
    double period;
    int only_tier;
    double taken;                   /* expected accesses, of all pages, that samples were drawn of */
    GArray *pending;                /* uint32_t: drawn, since rates changed, and not yet handed out */
} Sampling;

/* See tlb.c. */
typedef struct Tlb {
    double stay_s;                  /* the characteristic time */
    uint64_t made_ns;
    bool made, stale;               /* rates have changed */
} Tlb;

/* The access bits of one set of page tables: of each page, NULL where none was cleared yet, */
typedef struct AccessBits {
    double *expected;               /* the accesses that were expected when it was cleared, */
    double *ns;                     /* and the time then, as counters.wall_ns */
} AccessBits;

struct Guest {
    Machine *machine;
    GuestConfig config;             /* name is owned */
    unsigned id;
    bool idle, unsorted;            /* unsorted: SIM_HOTTEST_FAST, to be placed */
    /* for each page */
    float *rate;
    uint8_t *tier, *flags;
    double *expected, *expected_s;  /* accesses up to this time of work; see guest_expected() */
    AccessBits bits, own_bits;      /* in the host's page tables, and in the guest's */
    double *counted[SIM_CHMU_INSTANCES];    /* expected when the instance's counter was read; NULL: none was */
    uint64_t *moved_ns;             /* last move; NULL: none */
    uint8_t *moved_from;
    /* sums */
    double tier_rate[SIM_MAX_TIERS];
    size_t tier_pages[SIM_MAX_TIERS];
    size_t changes;                 /* of sums, since they were made anew */
    /* time */
    double work_s;
    double running;                 /* share of the last step that was not stolen */
    double debt_ns;                 /* vCPU time charged and not yet taken */
    GuestCounters counters;
    /* phases */
    float *phase_mean;              /* NULL: rates do not change */
    uint64_t phase, phase_until_ns;
    Arming arming;
    Sampling sampling;
    Tlb tlb;
    GQueue *said;                   /* GuestHint, the oldest first; NULL: it never spoke */
};

struct Machine {
    MachineConfig config;
    uint64_t now_ns;
    SimRandom random;
    GPtrArray *guests;              /* Guest */
    uint64_t generation;
    unsigned next_id;
    uint64_t said;
    uint64_t used_bytes[SIM_MAX_TIERS];
    double background[SIM_MAX_TIERS];
    double latency_ns[SIM_MAX_TIERS];
    double moving[SIM_MAX_TIERS];   /* bytes/s that moves take of a tier, smoothed */
    double moved[SIM_MAX_TIERS];    /* bytes, since load was weighed */
    uint64_t weighed_ns;
    bool load_stale;                /* guests or background have changed since */
    double tokens;                  /* bytes that may be moved */
    MachineCounters counters;
};

/* guest.c */
void guest_free(Guest *guest);
void guest_sort(Guest *guest);
double guest_total_rate(const Guest *guest);

/* Accesses to @page that are to be expected from the guest's start until now. */
static inline double guest_expected(const Guest *guest, size_t page)
{
    return guest->expected[page] + guest->rate[page] * (guest->work_s - guest->expected_s[page]);
}

/* moves.c: put a page where it is not, whatever that costs; no checks but of room. False: no room. */
bool guest_put(Guest *guest, size_t page, unsigned tier);
void machine_refill(Machine *machine, uint64_t ns);

/* bits.c */
/* Touches until the guest has done @until_s of work come due: now is @now_ns, and work passes at @speed. */
void arming_advance(Guest *guest, double until_s, uint64_t now_ns, double speed);
/* The rate of @page, which is armed, has changed, or it is no longer there. */
void arming_redraw(Guest *guest, size_t page);
void access_bits_free(AccessBits *bits);
void arming_free(Arming *arming);

/* tlb.c: how long a translation stays without use, in seconds of work; INFINITY: all fit. */
double tlb_stay_s(Guest *guest);

/* samples.c */
/* Rates are about to change; and those of a page have. */
void sampling_before_change(Guest *guest);
void sampling_changed(Guest *guest, size_t first, size_t n);
void sampling_free(Sampling *sampling);

#endif /* VHOST_TIER_SIM_MACHINE_IMPL_H */
