/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine that is simulated: a host with tiers of memory, its guests, and what everything costs.
 *
 * Theory of operation
 *
 * Accesses are not simulated one by one. Each page of a guest has a rate (accesses per second that miss the
 * caches, at full speed: all in DRAM, nothing else going on), which its workload sets and changes. Between
 * two changes accesses come at random (Poisson). So whether a page was touched since it was last looked at,
 * when its first touch came, how many samples or counts fell on it are random numbers of known distributions,
 * drawn when somebody asks. That makes a run of minutes over millions of pages cheap, and exact for such
 * accesses.
 *
 * Work and time. What a guest gets done in a second depends on where its pages are and on what is done to it:
 *   time per access = compute + latency of its tier (loaded, see below)
 *   speed           = (compute + latency of idle DRAM) / mean time per access * (1 - share of time stolen)
 * Stolen are faults on armed pages, shootdowns and so on, by guest_charge(). 'Work' is time at full speed: it
 * passes by 'speed' seconds a second. All rates are per second of work; workloads change by the clock.
 *
 * Latency under load: each tier has a bandwidth. At utilisation u (guests' accesses of 64 bytes, moves and
 * the background load) latency grows by the factor 1 + u^2 / (1 - min(u, 0.98)) / 4, up to COSTS' limit.
 *
 * Scale. A machine may be scaled down: a scale of 1/64 has 1/64 of the pages, of the vCPUs, of the accesses,
 * of TLB entries, and of everything that is allowed per second (bytes moved, host CPU). All that is said per
 * page, access, second or as a share stays. Users of this file see scaled values and need not know.
 *
 * Deterministic by seed. Not thread-safe: one machine, one thread; machines do not share anything.
 */
#ifndef VHOST_TIER_SIM_MACHINE_H
#define VHOST_TIER_SIM_MACHINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MAX_TIERS 4
#define SIM_PAGE 4096u
#define SIM_BLOCK_PAGES 512u        /* pages of a 2 MiB block */
#define SIM_CHMU_INSTANCES 2        /* of the hotness unit of a CXL device */
#define SIM_ABSENT 255              /* tier of a page that the guest does not use (free) */

/* The cost model; docs/results.md lists the defaults and where they come from. */
typedef struct SimCosts {
    uint32_t latency_ns[SIM_MAX_TIERS];     /* idle */
    double loaded_max;              /* latency under load grows at most to so many times that */
    double bandwidth[SIM_MAX_TIERS];/* bytes/s of the real machine; 0: without limit */
    uint32_t move_4k_ns;            /* host CPU for copying one page; the guest can't use it meanwhile */
    uint32_t shootdown_ns;          /* taken from the guest for each page, or 2 MiB page, that moves */
    uint32_t move_2m_ns;
    uint32_t abit_ns;               /* host CPU to test and clear one access bit */
    uint32_t arm_ns;                /* host CPU to arm (write-protect, unmap) one page, */
    uint32_t look_ns;               /* and to see whether it was touched; */
    uint32_t call_ns;               /* for each call of the kernel that does so for a run of pages, besides */
    uint32_t fault_ns;              /* taken from the guest by the first touch of an armed page */
    uint32_t sample_ns;             /* taken from the guest, and of the host, for one hardware sample */
    uint32_t tlb_entries;           /* of the real machine, per vCPU */
    uint32_t tlb_flush_ns;          /* on average every so long a translation is lost anyhow (see tlb.c) */
} SimCosts;

extern const SimCosts sim_costs_default;

typedef struct MachineConfig {
    uint32_t n_tiers;               /* 2..SIM_MAX_TIERS; tier 0 is DRAM */
    uint64_t capacity_bytes[SIM_MAX_TIERS]; /* scaled: what the guests' pages may take */
    uint64_t move_bytes_per_s;      /* scaled limit of moves, both directions; 0: none */
    double scale;                   /* 1: full size; 1/64.0: see above */
    double interleave_share;        /* of each guest's pages in tier 0 by SIM_INTERLEAVE; 0: the share that
                                       tier 0 has of all capacity */
    uint64_t seed;
    SimCosts costs;                 /* not scaled */
} MachineConfig;

typedef enum SimPlacement {         /* where pages are when the run begins */
    SIM_INTERLEAVE,                 /* by the share of tier 0, in stripes of 64 pages, as our backend does */
    SIM_FAST_FIRST,                 /* by address: first touch of a guest that fills its memory once */
    SIM_SLOW,                       /* all in the last tier */
    SIM_HOTTEST_FAST,               /* the hottest fill tier 0 */
} SimPlacement;

typedef struct GuestConfig {
    const char *name;
    size_t pages;
    double vcpus;                   /* scaled */
    double compute_ns;              /* of a vCPU per access, memory apart */
    double write_share;             /* of accesses */
    SimPlacement placement;
    /* claims on tier 0, scaled; what those contenders that know VMs go by */
    uint64_t floor_bytes, ceiling_bytes;
    uint32_t weight;
    double slowdown_target;         /* 0: none */
} GuestConfig;

typedef struct Machine Machine;
typedef struct Guest Guest;

Machine *machine_new(const MachineConfig *config);
void machine_free(Machine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)

const MachineConfig *machine_config(const Machine *machine);
uint64_t machine_now_ns(const Machine *machine);
/* Let time pass until @now_ns; everything below is as of then. */
void machine_advance(Machine *machine, uint64_t now_ns);
/* Other traffic on a tier, bytes/s, scaled. */
void machine_set_background(Machine *machine, unsigned tier, double bytes_per_s);
double machine_background(const Machine *machine, unsigned tier);
/*
 * By which factor latency grows at a utilisation (0: idle; above 1: more is asked for than there is);
 * see above.
 */
double sim_load_factor(const SimCosts *costs, double utilisation);
/* Mean latency of a tier as somebody who measures it would find it now, load included. */
double machine_latency_ns(const Machine *machine, unsigned tier);
/* CPU time of the host that tiering takes. */
void machine_charge_host(Machine *machine, double ns);
/* Bytes of tier @tier that are neither taken by a guest nor otherwise used. */
uint64_t machine_free_bytes(const Machine *machine, unsigned tier);
/* A random number in [0, 1), from the machine's own generator: for contenders that draw. */
double machine_random(Machine *machine);

/* --- guests; owned by the machine --- */

/*
 * Add a guest; all its pages are present and placed by config->placement, as far as tiers have room (what has
 * no room goes to the next slower tier that has, else to the next faster; all tiers together must hold it).
 * SIM_HOTTEST_FAST begins as SIM_FAST_FIRST and is sorted by the rates at the next machine_advance(), be it
 * by 0. The name is copied.
 */
Guest *machine_add_guest(Machine *machine, const GuestConfig *config);
/* It ends: its pages are free again. The pointer is dead then. */
void machine_remove_guest(Machine *machine, Guest *guest);
size_t machine_guests(const Machine *machine);
Guest *machine_guest(const Machine *machine, size_t index);
/* Changes whenever a guest was added or removed. */
uint64_t machine_generation(const Machine *machine);

Machine *guest_machine(const Guest *guest);
const GuestConfig *guest_config(const Guest *guest);
unsigned guest_id(const Guest *guest);      /* unique over the machine's life */
size_t guest_pages(const Guest *guest);

/* --- the workload's side --- */

/*
 * The pages first..first+n-1 are accessed @per_s times a second each, from now on. Within a phase that was
 * given means (below) these stay; otherwise the phase's rates are the new ones; and unless a phase was
 * declared that still lasts, a new one begins. Pages that are not present have no rate: nothing is set for
 * them.
 */
void guest_set_rate(Guest *guest, size_t first, size_t n, float per_s);
/* The same, page by page: @per_s has one for each. */
void guest_set_rates(Guest *guest, size_t first, size_t n, const float *per_s);
/*
 * The pages are no more used (ballooned away, freed), or are again: placed in the tier that has room, fast
 * first. Either way their rates are 0 then.
 */
void guest_set_present(Guest *guest, size_t first, size_t n, bool present);
/* Pages that can't be moved: pinned for a device. */
void guest_set_pinned(Guest *guest, size_t first, size_t n, bool pinned);
/*
 * A phase begins: until @until_ns rates change only in ways that nobody could follow (a scan), and on average
 * are @mean[i]; NULL: they do not change. For oracles alone.
 */
void guest_set_phase(Guest *guest, const float *mean, uint64_t until_ns);
/* No longer busy / busy again: a guest that idles accesses nothing and uses no CPU. */
void guest_set_idle(Guest *guest, bool idle);
bool guest_idle(const Guest *guest);

/*
 * The guest says something of its pages first..first+n-1, which there must be: a PolicyHint (core/policy.h). It
 * waits in a queue until the contender takes it, or for ever.
 */
void guest_say(Guest *guest, unsigned hint, size_t first, size_t n);

/* --- truth, for oracles and reports alone --- */

float guest_rate(const Guest *guest, size_t page);
const float *guest_phase_rates(const Guest *guest);     /* one for each page */
uint64_t guest_phase_until_ns(const Guest *guest);
uint64_t guest_phase(const Guest *guest);               /* number of the phase, rising */
bool guest_pinned(const Guest *guest, size_t page);
/*
 * Put a page on a tier at no cost, within no limit but the tier's room. False: absent, pinned, or no
 * room there.
 */
bool guest_place_free(Guest *guest, size_t page, unsigned tier);

/* --- what a contender can see and do. Who uses what must be able to have it on a real host. --- */

uint8_t guest_tier(const Guest *guest, size_t page);    /* SIM_ABSENT: no page there */
/* Whether the page was moved at @since_ns or later, as whoever moves pages knows. */
bool guest_moved_since(const Guest *guest, size_t page, uint64_t since_ns);
uint64_t guest_resident_bytes(const Guest *guest, unsigned tier);

/*
 * Access bits in page tables, cleared without flushing the TLB: true if the bit was set since it was last
 * cleared; clears it. A page whose translation stays in a TLB does not set it anew: see tlb.c.
 * Costs abit_ns of the host.
 */
bool guest_young(Guest *guest, size_t page);
/* Clear the bit whatever it is. Costs the same. */
void guest_make_old(Guest *guest, size_t page);
/*
 * The same in the guest's own page tables, where its kernel looks. Costs as much, of the guest: on a machine of any
 * scale the same share of its time, as DAMON watches as many regions of a small machine as of a large one.
 */
bool guest_own_young(Guest *guest, size_t page);
void guest_own_make_old(Guest *guest, size_t page);
/* The host's for a whole 2 MiB block mapped by one entry. */
bool guest_young_block(Guest *guest, size_t block);

/*
 * Take access away from a page, with a flush: the next touch faults (fault_ns of the guest), and then it is
 * not armed any more. Arming one that is armed changes nothing. Costs arm_ns.
 */
void guest_arm(Guest *guest, size_t page);
bool guest_armed(const Guest *guest, size_t page);
/*
 * Whether a page was touched since it was last armed (false for one that never was), and when (@touched_ns
 * may be NULL). It stays armed if not; the answer stays the same until it is armed again. Costs look_ns.
 */
bool guest_touched(Guest *guest, size_t page, uint64_t *touched_ns);
/* The same as guest_touched(), as the handler of the fault itself sees it: without look_ns. */
bool guest_faulted(Guest *guest, size_t page, uint64_t *touched_ns);
/* Only writes fault: write tracking. The same otherwise; a page is armed in one way or the other. */
void guest_arm_writes(Guest *guest, size_t page);
/*
 * What a handler of these faults is told, without a look: the pages whose armed state a touch ended since the
 * last call, in order, and when; at most @max, the rest the next time. The first call begins the record, and
 * gives none.
 */
size_t guest_faults(Guest *guest, uint32_t *pages, uint64_t *touched_ns, size_t max);

/*
 * Hardware samples of accesses (as PEBS, IBS): one access in @period since the last call, in random order; at
 * most @max are kept. Returns how many. Samples hit tier 'only_tier' alone, or all if it is < 0. Costs
 * sample_ns each, for all, kept or not. The first call programs the counter as if it had been so from the
 * guest's start. A page may come several times. @period: at least 1.
 */
size_t guest_samples(Guest *guest, double period, int only_tier, uint32_t *pages, size_t max);

/*
 * Exact counts of accesses to a page since this was last asked of it by the same instance, of SIM_CHMU_INSTANCES
 * (uncached memory, counted in a device): for the model of a CXL device, which must apply its own limits. No cost.
 */
uint64_t guest_device_count(Guest *guest, size_t page, unsigned instance);

/*
 * What hardware counters of its vCPUs tell: accesses that missed the caches, and vCPU time used, since
 * the start.
 */
double guest_accesses(const Guest *guest);
double guest_busy_ns(const Guest *guest);

typedef struct GuestHint {
    unsigned hint;
    uint32_t first, n;
} GuestHint;

/* Take what the guest said first of what was not taken yet; false: nothing. */
bool guest_hear(Guest *guest, GuestHint *hint);
/* How many things all guests have said since the start. */
uint64_t machine_said(const Machine *machine);

/* Take vCPU time from a guest. */
void guest_charge(Guest *guest, double ns);

typedef enum MoveResult {
    MOVE_DONE,
    MOVE_THERE,                     /* it was there already */
    MOVE_ABSENT,
    MOVE_PINNED,
    MOVE_NO_ROOM,                   /* the tier is full */
    MOVE_LIMITED,                   /* move_bytes_per_s is used up: try again later */
} MoveResult;

/* Move a page, at the cost of move_4k_ns and shootdown_ns. */
MoveResult guest_move(Guest *guest, size_t page, unsigned tier);
/*
 * Move a whole aligned block of 512 pages as one huge page, at the cost of move_2m_ns. Pages absent:
 * refused.
 */
MoveResult guest_move_block(Guest *guest, size_t block, unsigned tier);
/*
 * Bytes that may be moved now; UINT64_MAX: no limit. What is not used is kept for a second, or until it is
 * enough for two blocks of 2 MiB where that is more.
 */
uint64_t machine_move_allowance(const Machine *machine);

/* --- counters, all since the start --- */

typedef struct GuestCounters {
    double accesses, fast_accesses; /* done; to tier 0 */
    double work_ns, wall_ns;        /* work done; time in which it was not idle */
    double stolen_ns;               /* vCPU time */
    uint64_t faults, samples;
    uint64_t promoted_pages, demoted_pages;
    uint64_t undone_pages;          /* moved back within 10 s */
} GuestCounters;

typedef struct MachineCounters {
    double host_ns;                 /* CPU time for tiering, moves included */
    double move_ns;                 /* of these, for moves */
    uint64_t moved_bytes;
} MachineCounters;

void guest_counters(const Guest *guest, GuestCounters *counters);
void machine_counters(const Machine *machine, MachineCounters *counters);

#endif /* VHOST_TIER_SIM_MACHINE_H */
