/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory channel: how memory-backend-tier (in QEMU) and the daemon vhost-tier talk.
 *
 * A stream Unix socket; QEMU connects, the daemon listens on one socket per VM. The framing follows
 * vhost-user: a header, then 'size' bytes of payload, file descriptors as SCM_RIGHTS with the header's first
 * byte. Both ends are on one host, so integers are in its byte order. Every struct here is exactly as on the
 * wire, without implicit padding; reserved fields are zero, and a receiver refuses a message where they are
 * not.
 *
 *   QEMU                                         daemon
 *   HELLO {features, names}            ------->
 *                                      <-------  HELLO (reply) {features that both have}
 *   CONFIG {budget, mode, tiers}       ------->  status
 *   REGION_ADD {range} + fds           ------->  status
 *   ...                                <-------  STATS  once an epoch
 *                                      <-------  STATE  when it changes
 *                                      <-------  HINTS  once an epoch, where something has changed
 *                                      <-------  CONFIG when the operator changed it (tierctl set)
 *   FREEZE, THAW                       ------->  status; around live migration
 *   REGION_DEL                         ------->  status; from then on the daemon does not touch the range
 *
 * Every request of QEMU's but HELLO is answered by TierMsgStatus with the request's number and
 * TIER_MSG_REPLY, and so is a HELLO that is refused; the daemon answers in order. What the daemon sends of
 * its own accord (STATS, STATE, HINTS, CONFIG) is not answered. QEMU never waits for an answer: it reads when there
 * is something, and a daemon that is slow or gone costs the guest nothing. A refused message is answered with
 * an errno and a text; a malformed one (framing, version, size, reserved bits, descriptors) ends the
 * connection.
 *
 * Trust: the daemon believes nothing of what QEMU says of itself. Its process is the socket's peer
 * (SO_PEERCRED, held by a pidfd); a region must be that process's mapping of the memfd that came with it. A
 * channel can only ever act on its own peer's memory.
 */
#ifndef TIER_CHANNEL_H
#define TIER_CHANNEL_H

#include <stdint.h>

#define TIER_CHANNEL_VERSION 1

/* TierMsgHeader.flags: version in the low bits, as vhost-user has it */
#define TIER_MSG_VERSION_MASK 0x3u
#define TIER_MSG_REPLY        0x4u

/* No message's payload is larger than this. */
#define TIER_MSG_MAX_PAYLOAD 4096u
#define TIER_MSG_MAX_FDS     3u

#define TIER_NAME_LEN        64     /* NUL-terminated, UTF-8 */
#define TIER_TEXT_LEN        256    /* NUL-terminated, UTF-8 */
#define TIER_MAX_TIERS       4
#define TIER_MAX_NODES       1024   /* as QEMU's MAX_NODES is 128, this is the kernel's limit */
#define TIER_NODE_WORDS      (TIER_MAX_NODES / 64)
#define TIER_MAX_REGIONS     64     /* in one connection */

typedef enum TierRequest {
    TIER_MSG_HELLO = 1,
    TIER_MSG_CONFIG = 2,
    TIER_MSG_REGION_ADD = 3,
    TIER_MSG_REGION_DEL = 4,
    TIER_MSG_FREEZE = 5,
    TIER_MSG_THAW = 6,
    TIER_MSG_STATS = 7,
    TIER_MSG_STATE = 8,
    TIER_MSG_HINTS = 9,
} TierRequest;

/* TierMsgHello.features */
#define TIER_F_RWP     (1ull << 0)  /* regions bring a userfaultfd that can RWP (Linux 7.3) */
#define TIER_F_WP      (1ull << 1)  /* regions bring a userfaultfd that can WP_ASYNC (Linux 6.7) */
#define TIER_F_FREEZE  (1ull << 2)  /* FREEZE and THAW are understood */
#define TIER_F_HINTS   (1ull << 3)  /* HINTS is understood */

typedef struct TierMsgHeader {
    uint32_t request;               /* TierRequest */
    uint32_t flags;                 /* TIER_MSG_* */
    uint32_t size;                  /* bytes of payload that follow */
    uint32_t reserved;
} TierMsgHeader;

/* HELLO, both ways. Names are for logs and displays only; identity is the socket and its peer. */
typedef struct TierMsgHello {
    uint32_t version;               /* TIER_CHANNEL_VERSION; the daemon refuses others, naming its own */
    uint32_t reserved;
    uint64_t features;              /* TIER_F_*: offered by QEMU, both's in the answer */
    /* -name guest=..., or empty; in the answer: the daemon's name for the VM */
    char vm[TIER_NAME_LEN];
    char backend[TIER_NAME_LEN];    /* the object's id; in the answer: the daemon's version string */
} TierMsgHello;

typedef enum TierMode {
    TIER_MODE_OFF = 0,              /* nothing is tracked, nothing is moved */
    TIER_MODE_OBSERVE = 1,          /* everything runs but the moves */
    TIER_MODE_ON = 2,
} TierMode;

typedef enum TierHugepages {
    TIER_HUGEPAGES_OFF = 0,
    TIER_HUGEPAGES_COLLAPSE = 1,    /* hot 2 MiB blocks in the fast tier are collapsed into huge pages */
    TIER_HUGEPAGES_HUGETLB = 2,
} TierHugepages;

/*
 * CONFIG. From QEMU: what the user set. From the daemon: what is in force, after 'tierctl set'; QEMU takes
 * over ceiling, floor, weight, slowdown and mode, with sizes cut to the backend's and to whole pages. Tiers and huge
 * pages are QEMU's to say.
 */
typedef struct TierMsgConfig {
    uint64_t fast_size;             /* bytes: ceiling of what this backend may hold in tier 0 */
    uint64_t fast_min;              /* bytes: floor; <= fast_size */
    uint32_t weight;                /* 1..1000 */
    uint32_t mode;                  /* TierMode */
    uint32_t hugepages;             /* TierHugepages */
    uint32_t n_tiers;               /* 1..TIER_MAX_TIERS */
    /* the slowdown against all memory in tier 0 that is to be kept, in millionths of the time; 0: none */
    uint32_t slowdown_ppm;
    uint32_t reserved;
    uint64_t tier_nodes[TIER_MAX_TIERS][TIER_NODE_WORDS]; /* NUMA nodes by tier, fastest first; disjoint */
} TierMsgConfig;

/*
 * REGION_ADD, with descriptors: [0] the memfd, [1] QEMU's own /proc/self/pagemap (read only), and, when
 * TIER_REGION_UFFD is set, [2] a userfaultfd of QEMU's (UFFD_USER_MODE_ONLY, no UFFDIO_API done yet: the
 * daemon does it).
 */
#define TIER_REGION_UFFD (1u << 0)

typedef struct TierMsgRegionAdd {
    uint32_t id;                    /* QEMU's number for it, unique in this connection */
    uint32_t flags;                 /* TIER_REGION_* */
    uint64_t hva;                   /* where QEMU has it mapped; page aligned */
    uint64_t size;                  /* bytes; page aligned */
    uint64_t fd_offset;             /* of 'hva' in the memfd; page aligned */
    uint64_t page_size;             /* of the backing: 4096, or a huge page's with hugetlb */
    char name[TIER_NAME_LEN];
} TierMsgRegionAdd;

typedef struct TierMsgRegionDel {
    uint32_t id;
    uint32_t reserved;
} TierMsgRegionDel;

/*
 * FREEZE: moves pause (dirty logging runs), and, where asked, every armed page is disarmed (before postcopy).
 * THAW ends both; it has the same payload, with flags 0. FREEZE may come before REGION_ADD (at a migration's
 * destination). A background snapshot needs a userfaultfd of its own: QEMU then unregisters the range right
 * after FREEZE, and ends the connection instead of THAW, so that the next one brings a new userfaultfd.
 */
#define TIER_FREEZE_DISARM (1u << 0)

typedef struct TierMsgFreeze {
    uint32_t flags;                 /* TIER_FREEZE_* */
    uint32_t reserved;
} TierMsgFreeze;

/* Answer to a request; 'text' says what, why and the remedy when 'error' is not 0. */
typedef struct TierMsgStatus {
    uint32_t error;                 /* 0 or a positive errno */
    uint32_t reserved;
    char text[TIER_TEXT_LEN];
} TierMsgStatus;

/* Why a page was not moved. The names that users see are in tier_move_fail_names(). */
typedef enum TierMoveFail {
    TIER_MOVE_FAIL_BUSY,            /* EBUSY, EAGAIN: referenced at that moment; tried again later */
    TIER_MOVE_FAIL_FULL,            /* ENOMEM: no free page on the target */
    TIER_MOVE_FAIL_ELSEWHERE,       /* the kernel put it on a node of another tier */
    TIER_MOVE_FAIL_ABSENT,          /* ENOENT: not present any more */
    TIER_MOVE_FAIL_PINNED,          /* refused again and again: pinned for DMA, say */
    TIER_MOVE_FAIL_CPUSET,          /* EACCES, EPERM, ENODEV: the task may not use that node */
    TIER_MOVE_FAIL_OTHER,
    TIER_MOVE_FAIL__MAX,
} TierMoveFail;

/* A share that is not known (yet). */
#define TIER_PPM_UNKNOWN UINT64_MAX
#define TIER_PPM_ONE     1000000u   /* all of it */

/* STATS: totals since the region was added, unless said otherwise. Pages are of 4 KiB. */
typedef struct TierMsgStats {
    uint64_t moves_asked;           /* pages */
    uint64_t moves_applied;         /* pages found on the target tier after the move */
    uint64_t moves_failed[TIER_MOVE_FAIL__MAX];
    uint64_t promoted_bytes;
    uint64_t demoted_bytes;
    uint64_t undone_bytes;          /* moved back within 10 s */
    uint64_t budget_bytes;          /* what the arbiter gives this VM of tier 0 now */
    /*
     * estimated share of accesses that hit tier 0 in the last epoch, in millionths; TIER_PPM_UNKNOWN before
     * there is evidence enough
     */
    uint64_t hit_ppm;
    uint64_t tracking_ppm;          /* guest time lost to tracking in the last epoch, in millionths */
} TierMsgStats;

/* STATE: bits of what a VM's tiering is in. */
#define TIER_STATE_THROTTLED (1u << 0)   /* the bytes-per-second limit holds moves back */
#define TIER_STATE_THRASHING (1u << 1)   /* the thrash brake is on */
#define TIER_STATE_FROZEN    (1u << 2)
#define TIER_STATE_BLIND     (1u << 3)   /* no source of evidence works */

typedef struct TierMsgState {
    uint32_t state;                 /* TIER_STATE_* */
    uint32_t reserved;
    char text[TIER_TEXT_LEN];       /* the reason */
} TierMsgState;

/* The kinds of hints that a guest gives through virtio-tier, and what becomes of each range of them. */
typedef enum TierHint {
    TIER_HINT_HOT,
    TIER_HINT_COLD,
    TIER_HINT_WILLNEED,
    TIER_HINT_FREE,
    TIER_HINT_PIN,
    TIER_HINT_UNPIN,
    TIER_HINT__MAX,
} TierHint;

typedef enum TierHintFate {
    TIER_HINT_TAKEN,
    TIER_HINT_OFF,                  /* hints are switched off, or that memory is not tiered now */
    TIER_HINT_UNTRUSTED,            /* hints were wrong too often of late */
    TIER_HINT_OVER_LIMIT,           /* of what may be pinned */
    TIER_HINT_NOT_THERE,            /* no memory of the VM's that is tiered */
    TIER_HINT_FATE__MAX,
} TierHintFate;

/*
 * HINTS: of the VM as a whole, to each of its backends. Totals since the VM's QEMU connected, unless said
 * otherwise.
 */
typedef struct TierMsgHints {
    uint64_t ranges[TIER_HINT__MAX][TIER_HINT_FATE__MAX];
    uint64_t bytes[TIER_HINT__MAX]; /* of the ranges that were taken */
    /* of HOT, WILLNEED and PIN what was found in tier 0 since, of COLD and FREE what was found outside it */
    uint64_t followed_bytes;
    uint64_t pinned_bytes;          /* now */
    uint64_t pinned_dropped_bytes;  /* unpinned by the host */
    uint64_t free_bytes;            /* now */
    uint64_t checked;               /* hints that were held against evidence */
    uint64_t right;                 /* of those, borne out by it */
    uint64_t trust_ppm;             /* the weight that the next hint gets, in millionths */
    uint64_t dropped_rate;          /* ranges dropped, as there were too many a second */
    uint64_t refused;               /* ranges, and whole requests, that were malformed */
} TierMsgHints;

#endif /* TIER_CHANNEL_H */
