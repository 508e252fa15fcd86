/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of a VM: what vm.c, backend.c, tracking.c, epoch.c and report.c share. All of it but 'lock',
 * 'latest' and the fixed fields belongs to the VM's thread.
 *
 *   Vm ---< Backend (one memory channel, one memory-backend-tier of the QEMU) ---< VmRegion
 *      ---< Tracker (one source of evidence)
 *
 * A VM of several backends (a NUMA guest) has one policy and one budget over all of them. What users set
 * per backend adds up.
 */
#ifndef VHOST_TIER_VM_IMPL_H
#define VHOST_TIER_VM_IMPL_H

#include "channel.h"
#include "clock.h"
#include "core/idleness.h"
#include "core/look-pace.h"
#include "core/move-run.h"
#include "core/slowdown.h"
#include "machine/misses.h"
#include "movers/numa.h"
#include "outlook.h"
#include "peer.h"
#include "region.h"
#include "hints.h"
#include "vm.h"

#define VM_MAX_BACKENDS 32
#define VM_MAX_REGIONS  128     /* over all backends: bounds the descriptors that one VM may hold */

typedef struct Backend Backend;

typedef struct VmRegion {
    Region region;
    Backend *backend;
    uint32_t peer_id;           /* QEMU's number for it; region.id is ours */
    char *name;
    uint32_t tracked;           /* bit n: vm->trackers[n] watches it */
    uint32_t refused;           /* bit n: vm->trackers[n] can not */
    size_t look_at;             /* granule where the next look for placement begins */
    bool looked;                /* all of it was looked at once */
    size_t collapse_at;         /* 2 MiB block where the next look for one to collapse begins */
    uint8_t *collapsed;         /* one byte per 2 MiB block: what became of it (hugepages.c) */
} VmRegion;

struct Backend {
    Vm *vm;
    int sock;
    Peer peer;
    GSource *in, *out, *gone;   /* socket readable, writable; process ended */
    Channel channel;
    GByteArray *queue;          /* bytes that wait for the socket */
    bool closing;
    char name[TIER_NAME_LEN];   /* QEMU's object id */
    uint64_t features;          /* that both have */
    bool configured;
    TierMsgConfig config;       /* as QEMU sent it */
    bool frozen, disarm;
    Mover *mover;               /* from CONFIG on */
    uint64_t promoted_bytes, demoted_bytes;
    TierMsgConfig told;         /* as QEMU believes it to be in force */
    TierMsgHints told_hints;    /* all zero: none yet */
    uint32_t told_state;        /* what STATE said last; UINT32_MAX: nothing yet */
};

typedef struct Tracker {
    const SourceClass *class;
    Source *source;             /* NULL: not running */
    uint64_t due_ns;
    bool refused;               /* start() failed since QEMU connected: not tried again */
    char *problem;              /* why it does not run, or not on all regions; NULL */
} Tracker;

struct Vm {
    char *name, *socket;
    char *hint_socket;          /* NULL: there is none */
    const Facts *facts;
    VmNotify changed, stopped;
    void *opaque;
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;

    int change_told;            /* atomic: a notice to 'changed' is on its way */
    GMutex lock;                /* guards 'latest' */
    Snapshot *latest;

    int listen_fd;
    GSource *accept, *pump;
    GPtrArray *backends;        /* of Backend */
    GPtrArray *regions;         /* of VmRegion */
    uint32_t next_region;
    VmSettings settings;        /* the operator's */
    VmSettings limits;          /* to what QEMU may say */
    VmSettings imposed;         /* of both: what QEMU is told over what it has said */
    Topology *topology;         /* of this VM's tiers: from its first CONFIG on */
    Policy *policy;             /* as long */
    Tracker *trackers;          /* facts->n_sources of them */
    bool trackers_paused;
    TierMode mode;              /* in force */
    uint64_t fast_size, fast_min, budget_bytes;
    uint32_t weight;
    double slowdown;            /* target, 0: none */
    bool hints_on;              /* the guest's are taken */
    bool has_pin_limit;         /* the operator's; else a share of the budget */
    uint64_t pin_limit;         /* bytes */
    bool has_budget;            /* the arbiter has spoken: nothing is planned before */
    uint64_t bytes_per_s;       /* that may be moved; 0: no limit */
    uint64_t epoch_ns, epoch_due_ns;
    uint64_t planned_ns;        /* when the last plan was made; 0: none was */
    uint64_t plan_took_ns;      /* what of a CPU that took, */
    uint64_t plan_cost_ns;      /* and the lesser of that and what the one before took: some do more than to plan */
    MoveRun run;
    LookPace look_pace;
    VmHints *hints;             /* NULL: there is no socket for them */
    bool throttled, thrashing;  /* when it planned last */
    ArbiterMover mover;         /* its last plan; what it holds is left out */
    uint64_t pages_before, pages_before_ns;
    double pages_per_s;
    PredictionLog predictions;
    TraceWriter *trace;
    int trace_fd;
    char *trace_file;
    uint32_t state;
    Misses *misses;             /* of QEMU's process, while there is one */
    Idleness idleness;          /* whether it idles, by what they tell of its CPU time */
    PolicyCosts costs;          /* that the last plan went by; this and the next five are load.c's */
    SlowdownLoad load;
    Outlook outlook;
    double stolen_usually;      /* forecast_usually(), */
    uint64_t loaded_ns;         /* as of this time; 0: not yet */
    SlowdownTrack track;
    const char *not_counted;    /* why load.accesses_per_s is not measured; NULL: it is. Of 'misses', */
    const char *not_by_tier;    /* as is why outlook.now is not; NULL, without counts: not yet */
    /* of QEMU's process, as last looked at; NULL: not yet. Shared with snapshots */
    GPtrArray *interference;
    uint64_t logged_since_ns;
    unsigned logged;            /* lines since then */
    double watch_tokens;        /* how many regions may be watched anew: tracking.c */
    uint64_t watch_tokens_ns;   /* as of then */
};

/* --- vm.c --- */
/* Have 'changed' called in the main thread; several notices may become one. */
void vm_tell_changed(Vm *vm);
/*
 * Log something that a peer brought about: at most some lines per minute, so that a hostile one can't
 * fill the log.
 */
void vm_log(Vm *vm, GLogLevelFlags level, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Take a connection from the listening socket @fd, or -1; what is wrong is logged. */
int vm_accept(Vm *vm, int fd);

/* --- state.c --- */
/*
 * Something that others must know has changed: work out what is in force now, tell trackers, policy,
 * arbiter and QEMU.
 */
void vm_refresh(Vm *vm);
/* Of these, what the policy goes by. Only while there is one. */
void vm_configure_policy(Vm *vm);
/* The first CONFIG fixes the VM's tiers, and with them its policy; later ones must agree. */
bool vm_take_tiers(Vm *vm, const TierMsgConfig *msg, GError **errp);
/* A backend's connection has ended: frees it and all that came with it. */
void vm_backend_gone(Vm *vm, Backend *backend);
bool vm_region_add(Vm *vm, VmRegion *region, GError **errp);
void vm_region_del(Vm *vm, VmRegion *region);
VmRegion *vm_region_find(Vm *vm, uint32_t id);
void vm_region_free(VmRegion *region);
bool vm_frozen(const Vm *vm);

/* --- load.c: what the VM loses by slow memory --- */
/* Before a plan: have it go by what accesses cost now. */
void load_follow_costs(Vm *vm);
/* Once an epoch, after the plan: how hard it works its memory now, and whether what was foretold came true. */
void load_update(Vm *vm, uint64_t now_ns);
/* Its budget has changed: foretell what comes of it. */
void load_foretell(Vm *vm, uint64_t now_ns);
/* QEMU has gone. */
void load_forget(Vm *vm);
/* What it loses now, as a share of time; NaN when not known. */
double load_slowdown(const Vm *vm);
/* Bytes of tier 0 that keep its target; 0 without one, UINT64_MAX when not known. */
uint64_t load_target_bytes(const Vm *vm);

/* --- trace.c --- */
/* Record to @fd (owned from now on, also on failure). */
bool vm_trace_begin(Vm *vm, const char *path, int fd, GError **errp);
/* What was recorded; NULL, with an error, when nothing is being. */
VmTrace *vm_trace_end(Vm *vm, GError **errp);

/* --- backend.c --- */
/* Take a connection; refuses (and closes @sock) with a reason to the peer and the log. NULL then. */
Backend *backend_new(Vm *vm, int sock);
void backend_free(Backend *backend);
/* Tell QEMU what is in force, where that is not what it believes. */
void backend_send_config(Backend *backend, const TierMsgConfig *config);
void backend_send_stats(Backend *backend, const TierMsgStats *stats);
/* The figures of the guest's hints, where they have changed. */
void backend_send_hints(Backend *backend, const TierMsgHints *hints);
void backend_send_state(Backend *backend, uint32_t state, const char *text);

/* --- tracking.c: the sources of a VM --- */
/* Start, stop, pause what mode and freezing ask for, and have regions watched that are not yet. */
void tracking_update(Vm *vm);
/* Have regions watched that had to wait. */
void tracking_catch_up(Vm *vm);
void tracking_region_del(Vm *vm, VmRegion *region);
void tracking_stop(Vm *vm);
/* Whether the operator lets a source, by its place among vm->trackers, watch this VM. */
bool tracking_allowed(const Vm *vm, size_t index);
/* Run the sources that are due; returns when the next one is (UINT64_MAX: none). */
uint64_t tracking_tick(Vm *vm, uint64_t now_ns);
/* Granules of a region lie elsewhere now, as they were moved. */
void tracking_moved(Vm *vm, const VmRegion *region, size_t first, size_t n);
/* The VM keeps so many CPUs busy. */
void tracking_set_cpus(Vm *vm, double cpus);
bool tracking_blind(const Vm *vm);
/* The share of guest time that all sources together cost. */
double tracking_overhead(const Vm *vm);

/* --- epoch.c: gather, plan, move --- */
/* The one source of time of a VM: sources, epochs and slices of moves run from it. */
GSource *epoch_pump_new(Vm *vm);
/* Have the pump look at the time again, since something is due earlier than it knew. */
void epoch_kick(Vm *vm);
/* The same within a millisecond, for what may happen very often. */
void epoch_kick_soon(Vm *vm);
void epoch_forget_moves(Vm *vm);

/* --- hugepages.c --- */
/*
 * Make hot blocks that lie in tier 0 in whole into huge pages, where QEMU asks for that; a bounded number a
 * call.
 */
void hugepages_collapse(Vm *vm, uint64_t now_ns);
/* A granule has moved: its block may be made huge again. */
void hugepages_moved(VmRegion *region, const PolicyMove *move);

/* --- report.c --- */
/* Look what keeps pages of QEMU's process from moving, and log it where that has changed. */
void report_interference(Vm *vm);
/*
 * Works out the state, makes a snapshot and leaves it for vm_snapshot(); tells QEMU of the state where
 * it changed.
 */
void report_publish(Vm *vm);
/* STATS to each backend. */
void report_stats(Vm *vm);

#endif /* VHOST_TIER_VM_IMPL_H */
