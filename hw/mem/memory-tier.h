/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of memory-backend-tier share.
 *
 *   memory-backend-tier.c  the object: its properties, their checks, the memfd
 *   tier-placement.c       which stripe prefers which tier, told to the kernel
 *   tier-pages.c           where pages are, and moving them by hand
 *   tier-channel.c         the session with the daemon
 *   tier-wire.c            its messages on a character device
 *   tier-problem.c         what is wrong with it, kept and logged
 *   tier-freeze.c          when it must leave the memory alone: migration
 *   tier-uffd.c            the descriptors that let the daemon track accesses
 *   tier-qmp.c             the QMP commands
 *   topology.c, sysfs.c    the host's tiers: the daemon's own files
 *
 * Everything here runs under QEMU's big lock, except where a comment says that
 * it may run in a thread of its own.
 */
#ifndef HW_MEM_MEMORY_TIER_H
#define HW_MEM_MEMORY_TIER_H

#include "chardev/char-fe.h"
#include "qapi/qapi-types-memory-tier.h"
#include "qom/object.h"
#include "system/hostmem.h"

#include "tier-channel.h"
#include "tier-freeze.h"
#include "tier-problem.h"
#include "topology.h"

#define TYPE_MEMORY_BACKEND_TIER "memory-backend-tier"
OBJECT_DECLARE_SIMPLE_TYPE(MemoryBackendTier, MEMORY_BACKEND_TIER)

#define TIER_STRIPE_BYTES (2ull << 20)
#define TIER_WEIGHT_MAX   1000

/* What can change while the guest runs, together with what bounds it. */
typedef struct TierSettings {
    uint64_t fast_size;         /* bytes: ceiling in tier 0; <= size */
    uint64_t fast_min;          /* bytes: floor in tier 0; <= fast_size */
    uint32_t weight;            /* 1..TIER_WEIGHT_MAX */
    double slowdown;            /* share of time that may be lost; 0: no target */
    MemoryTierMode mode;        /* never 'on' with one tier */
} TierSettings;

/* What the initial placement follows from. */
typedef struct TierPlan {
    uint64_t size;
    uint64_t fast_size;
    MemoryTierPlacement placement;
    uint32_t n_tiers;
} TierPlan;

typedef struct TierChannel TierChannel;

struct MemoryBackendTier {
    HostMemoryBackend parent_obj;

    /* Properties, as set */
    char **tiers;               /* node lists; NULL: the host's tiers */
    char *sysfs;
    char *chardev;
    char *ramblock;             /* NULL: named as other backends' are */
    bool has_fast_size;
    TierSettings settings;
    MemoryTierPlacement placement;
    MemoryTierHugepages hugepages;

    /* Made at completion */
    Topology *topology;
    TierPlan plan;
    char *placement_problem;    /* why the kernel did not take the placement */
    TierChannel *channel;       /* NULL without the property chardev */
};

/* Bytes of the pages that the backend's memory is made of. */
uint64_t memory_backend_tier_page_size(const MemoryBackendTier *tier);

/*
 * The backend's id: the last part of its path in the object tree; "" once it
 * has left the tree. Owned by the object.
 */
const char *memory_backend_tier_id(const MemoryBackendTier *tier);

/*
 * Put new settings in force when they fit the backend; else change nothing,
 * and @errp names the property, the value and what is allowed. The daemon is
 * not told.
 */
bool memory_backend_tier_apply(MemoryBackendTier *tier,
                               const TierSettings *settings, Error **errp);

/* tier-placement.c */

/*
 * The run of bytes from @offset that prefer one and the same tier: returns its
 * length, which is not 0 below plan->size. In *@tier 0 is the fastest tier; 1
 * means all slower ones together.
 */
uint64_t tier_plan_run(const TierPlan *plan, uint64_t offset, unsigned *tier);

/* Bytes that prefer the fastest tier. */
uint64_t tier_plan_fast_bytes(const TierPlan *plan);

/*
 * Tell the kernel which nodes the memory of @memfd should come from when it is
 * first touched. Does nothing with a single tier. False, with the reason, when
 * the kernel refuses; what is bound until then stays so.
 */
bool tier_placement_bind(const TierPlan *plan, const Topology *topology,
                         int memfd, Error **errp);

/* tier-pages.c: no lock is needed, and these take long */

typedef struct TierPages {
    const void *hva;
    uint64_t size;              /* bytes */
    uint64_t page_size;
    int memfd;                  /* 'size' bytes of it are mapped at 'hva' */
    const Topology *topology;
} TierPages;

/* Bytes, by where they are; they add up to the size. */
typedef struct TierResidency {
    uint64_t tiers[TIER_MAX_TIERS];
    uint64_t off_tier;
    uint64_t unmapped;          /* exist, but not in our page tables */
    uint64_t absent;
} TierResidency;

/* Pages of 4 KiB */
typedef struct TierMoves {
    uint64_t asked;
    uint64_t applied;
    uint64_t failed[TIER_MOVE_FAIL__MAX];
} TierMoves;

void tier_pages_query(const TierPages *pages, TierResidency *residency);

/* Move what of @pages is present to @tier, and report where it then is. */
void tier_pages_move(const TierPages *pages, unsigned tier, TierMoves *moves);

/* tier-uffd.c */

/* TIER_F_RWP or TIER_F_WP, or 0 when this host can do neither for us. */
uint64_t tier_uffd_features(void);
/* A new userfaultfd, or -1 with errno set. No UFFDIO_API is done on it. */
int tier_uffd_open(void);
/* End tracking of a range through @uffd, whoever registered it there. */
void tier_uffd_unregister(int uffd, const void *hva, uint64_t size);

/* tier-channel.c */

/* What is known of the daemon. */
typedef struct TierDaemonStatus {
    /* While connected */
    bool connected;             /* it has greeted back */
    uint64_t features;          /* TIER_F_*: both's */
    char *vm;                   /* its name for this VM */
    char *version;
    uint32_t state;             /* TIER_STATE_* */
    char *reason;               /* of the state, or NULL */
    /* Afterwards, too */
    TierProblem problem;        /* what went wrong since it connected */
    bool has_stats;
    TierMsgStats stats;         /* as last told */
    bool has_hints;
    TierMsgHints hints;         /* as last told */
} TierDaemonStatus;

/*
 * The memory channel of @tier over the chardev named @id. Refuses one that
 * does not exist, is in use, or is no Unix socket that QEMU connects. Nothing
 * is sent before tier_channel_start(), for which the memory must exist.
 */
TierChannel *tier_channel_new(MemoryBackendTier *tier, const char *id,
                              Error **errp);
void tier_channel_start(TierChannel *channel);
void tier_channel_free(TierChannel *channel);
/* Tell the daemon, if there is one, of the backend's settings. */
void tier_channel_send_config(TierChannel *channel);
/* Owned by the channel. */
const TierDaemonStatus *tier_channel_daemon(const TierChannel *channel);

/* tier-wire.c */

typedef struct TierWire TierWire;

typedef struct TierWireOps {
    void (*opened)(void *opaque);
    void (*closed)(void *opaque);
    /*
     * One whole message, whose header and size were checked. False ends the
     * connection, with the reason in @errp.
     */
    bool (*message)(void *opaque, const TierMsgHeader *header,
                    const void *payload, Error **errp);
    /* The connection is about to be ended by this side: @reason. */
    void (*broken)(void *opaque, const Error *reason);
} TierWireOps;

/*
 * Take @chr, which must be free. It is released by tier_wire_free(), which also
 * closes the connection.
 */
TierWire *tier_wire_new(Chardev *chr, const TierWireOps *ops, void *opaque,
                        Error **errp);
/* From now on @ops are called, with opened() at once if there is a peer. */
void tier_wire_start(TierWire *wire);
void tier_wire_free(TierWire *wire);
/*
 * Queue a message; it never blocks. @fds stay the caller's and must stay open
 * until closed(). A peer that lets too much pile up is disconnected. False when
 * there is no connection, or it was lost meanwhile.
 */
bool tier_wire_send(TierWire *wire, TierRequest request, const void *payload,
                    size_t size, const int *fds, unsigned n_fds);
/* End the connection, soon, for @reason: broken() is called, then closed(). */
void tier_wire_fail(TierWire *wire, const char *reason);

/* tier-qmp.c */

/* Emit MEMORY_TIER_STATE_CHANGED. */
void tier_qmp_state_changed(const MemoryBackendTier *tier,
                            const TierDaemonStatus *daemon);

#endif /* HW_MEM_MEMORY_TIER_H */
