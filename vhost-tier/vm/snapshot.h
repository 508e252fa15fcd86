/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM's thread tells the rest of the daemon of itself: made once an epoch, never changed after,
 * shared by reference.
 */
#ifndef VHOST_TIER_VM_SNAPSHOT_H
#define VHOST_TIER_VM_SNAPSHOT_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/arbiter.h"
#include "core/policy.h"
#include "core/slowdown.h"
#include "machine/interference.h"
#include "movers/numa.h"
#include "outlook.h"
#include "prediction.h"
#include "tier-channel.h"

typedef struct SnapshotSource {
    const char *name;           /* static */
    bool active;
    uint64_t reports;
    double overhead_share;
    uint64_t cpu_ns;
    char *problem;              /* or NULL */
} SnapshotSource;

typedef struct SnapshotRegion {
    uint32_t id;
    char *name;
    uint64_t size, hva;
    uint32_t granule_bytes;
} SnapshotRegion;

typedef struct Snapshot {
    uint64_t made_ns;           /* monotonic */
    bool connected;
    pid_t pid;
    bool configured;            /* QEMU has said what it wants: fast_size and so on hold something */
    uint32_t state;             /* TIER_STATE_* */
    char *state_reason;         /* or NULL */
    TierMode mode;              /* in force */
    uint64_t fast_size, fast_min, budget;   /* bytes */
    uint32_t weight;
    bool wakes;                 /* as ArbiterClaim has it */
    double slowdown_target;     /* 0: none */
    uint64_t target_bytes;      /* of tier 0 that keep it; 0 without one, UINT64_MAX when not known */
    double slowdown;            /* now, a share of time; NaN when not known */
    SlowdownTrack track;
    SlowdownLoad load;
    Outlook outlook;
    char *not_counted;          /* why load.accesses_per_s is not measured, or NULL */
    char *not_by_tier;          /* why accesses are not counted by tier, or NULL */
    uint32_t n_tiers;
    char *nodes[TIER_MAX_TIERS];
    ArbiterMover mover;         /* the last plan, where it is carried out; what the VM holds is left out */
    bool planned;               /* 'stats' hold something */
    PolicyStats stats;
    PolicyCurve curve;          /* as of the last plan; empty before */
    PredictionLog predictions;
    MoverStats moves;
    double pages_per_s;         /* moved in the last epoch */
    GArray *sources;            /* of SnapshotSource */
    GArray *regions;            /* of SnapshotRegion */
    GPtrArray *interference;    /* of Interference (machine/interference.h), of its process; never changed; or NULL */
    bool hints_on;              /* the guest's are taken */
    char *hints_problem;        /* why none come or count, or NULL */
    unsigned hint_devices;      /* connected */
    uint64_t pin_limit;         /* bytes */
    TierMsgHints hints;
    char *trace;                /* file, while one is recorded; or NULL */
} Snapshot;

/* Returns an empty snapshot with one reference, to be filled in and then only read. */
Snapshot *snapshot_new(void);
Snapshot *snapshot_ref(Snapshot *snapshot);
void snapshot_unref(Snapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_unref)

/* "hot" and so on, as the control socket has it. Static. */
const char *snapshot_hint_name(TierHint hint);

/* [{what, remedy}] as the control socket has it; @prefix, or NULL, begins each 'what'. The caller owns it. */
JsonArray *interference_json(const GPtrArray *interference, const char *prefix);

/*
 * What 'query-vm' returns (docs/control.md); with @regions false, what 'query-vms' lists. A connected VM
 * whose snapshot is old is held up: @now_ns (monotonic) tells, and 'state_reason' then says so. The
 * caller owns the result.
 */
JsonObject *snapshot_json(const Snapshot *snapshot, const char *name, const char *socket, const char *hint_socket,
                          bool regions, uint64_t now_ns);

#endif /* VHOST_TIER_VM_SNAPSHOT_H */
