/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy of one VM: evidence in, plan out. This is the pure core's one door.
 *
 * Nothing behind it makes a system call, reads a clock, keeps global state or draws an unseeded random
 * number: time is passed in, and the same calls in the same order give the same plans, bit for bit. That is
 * what lets a recorded trace (trace.h) replay, and the simulator measure the very code that the daemon
 * runs. Not thread-safe: one VM, one thread.
 *
 * Units: bytes, nanoseconds of a monotonic clock, accesses per second and granule. A region is known by the
 * number that policy_region_add() was given; granules by their index in it (byte offset / granule size).
 */
#ifndef VHOST_TIER_CORE_POLICY_H
#define VHOST_TIER_CORE_POLICY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_MAX_TIERS 4

/* Where a granule is, as far as is known. 0..POLICY_MAX_TIERS-1 are tiers, 0 the fastest. */
#define POLICY_TIER_ABSENT 6    /* no page there: never planned, costs no budget */
#define POLICY_TIER_UNKNOWN 7   /* not looked yet */

typedef enum PolicySource {     /* who gave a piece of evidence */
    POLICY_SOURCE_DAMON,
    POLICY_SOURCE_RWP,
    POLICY_SOURCE_WP,
    POLICY_SOURCE_CHMU,
    POLICY_SOURCE_HINT,
    POLICY_SOURCE__MAX,
} PolicySource;

/* What a host's memory and moves cost. Defaults: workloads' cost model (docs/architecture.md). */
typedef struct PolicyCosts {
    uint32_t latency_ns[POLICY_MAX_TIERS];  /* of one access that misses the caches */
    uint32_t move_4k_ns;                    /* copy and shootdown of one 4 KiB page */
    uint32_t move_2m_ns;                    /* of one 2 MiB page */
    uint32_t look_ns;                       /* of asking after one access bit; a page is looked at once a second */
    uint32_t huge_walk_ns;                  /* what the shorter page walk of a huge page saves on each touch */
} PolicyCosts;

typedef struct PolicyConfig {
    uint64_t budget_bytes;          /* of tier 0, over all regions of the VM */
    uint64_t max_bytes_per_s;       /* moved, both directions together; 0: no limit */
    uint64_t heat_half_life_ns;     /* confidence in old evidence halves in this time, and slower in steady heat */
    uint64_t heat_life_ns;          /* how long heat is expected to last: what a move may pay back in; longer, once
                                       it was seen to last longer (steady.h) */
    uint32_t n_tiers;               /* 1..POLICY_MAX_TIERS */
    /*
     * accesses that miss the caches behind one touch of a 4 KiB page: an access bit tells of the touch alone.
     * 0: one
     */
    uint32_t touch_accesses;
    uint32_t hints;                 /* whether the guest's hints are taken; else none has effect: nothing is pinned */
    uint32_t reserved;              /* 0 */
    uint64_t pin_limit_bytes;       /* that the guest may pin at a time; never more than half of the budget */
    PolicyCosts costs;
} PolicyConfig;

typedef struct PolicyMove {
    uint32_t region;
    uint32_t granule;
    uint8_t from;
    uint8_t to;
    uint16_t n;                     /* granules from there on that move as one: 1, or 512 of a huge page */
    float gain_per_s;               /* nanoseconds of access time saved per second, on the safe side of the
                                       estimate; negative for a victim */
} PolicyMove;

typedef enum PolicyOutcome {
    POLICY_MOVED,                   /* it is on the tier that was planned */
    POLICY_NOT_MOVED,               /* it is where it was; may be planned again after a pause */
    POLICY_UNMOVABLE,               /* refused again and again; not planned again for a long while */
    POLICY_GONE,                    /* no page there any more */
} PolicyOutcome;

typedef struct PolicyPlan {
    /*
     * demotions that make room first, then promotions, hottest first; policy owns it, until the next
     * policy_plan()
     */
    const PolicyMove *moves;
    size_t n_moves;
    uint64_t bytes;                 /* of all moves */
    double gain_per_s;              /* nanoseconds that they save a second, together */
    bool throttled;                 /* max_bytes_per_s cut it short */
    /* it would have moved so much were there no limit, as far as a census tells, besides what is above the budget */
    uint64_t wanted_bytes;
    bool thrashing;                 /* the brake is on */
    bool asked;                     /* some of it the guest waits for: hints that count ask for it to be in tier 0 */
} PolicyPlan;

/* Totals since policy_new() unless said otherwise. */
typedef struct PolicyStats {
    uint64_t granule_bytes[POLICY_MAX_TIERS]; /* bytes per tier, as last told */
    uint64_t absent_bytes;
    uint64_t evidence[POLICY_SOURCE__MAX];    /* granule reports taken in */
    uint64_t promoted_bytes, demoted_bytes;
    uint64_t undone_bytes;          /* moved back within 10 s of the move */
    double undone_share;            /* of the bytes moved in the last 10 s, what undid an earlier move */
    /*
     * estimated share of accesses that hit tier 0; NaN before at least half of what lies there, and half of
     * what does not, was ever seen
     */
    double hit_ratio;
    double ideal_hit_ratio;         /* the same if the hottest granules filled the budget */
    double margin;                  /* gain over cost that is asked now; 1 in calm, more with the brake on */
    /*
     * per 4 KiB: the rate at which a page is worth its place in tier 0, which is that at which the hot set
     * just fills the budget, or else what pays for a move
     */
    double threshold_per_s;
} PolicyStats;

/* Why a granule is where it is. */
typedef enum PolicyReason {
    POLICY_REASON_BELONGS,          /* it is hot and in tier 0, or not hot enough for it and elsewhere */
    POLICY_REASON_PLANNED,          /* the last plan moves it */
    POLICY_REASON_UNSEEN,           /* no evidence yet */
    POLICY_REASON_UNSURE,           /* its estimate asks for a move, what is known of it for certain does not */
    POLICY_REASON_NOT_WORTH,        /* a move would cost more than it is expected to save */
    POLICY_REASON_LIMITED,          /* the limit of bytes per second, or of a plan's size: it waits its turn */
    POLICY_REASON_REFUSED,          /* a move was refused not long ago; it is tried again after a pause */
    POLICY_REASON_UNMOVABLE,        /* refused again and again; left alone for long */
    POLICY_REASON_ABSENT,           /* no page there */
    POLICY_REASON_UNKNOWN,          /* not known where it is */
    POLICY_REASON__MAX,
} PolicyReason;

/* One granule, for 'explain' and tests. */
typedef struct PolicyGranule {
    double rate_per_s;              /* estimated accesses per second */
    double confidence_s;            /* seconds of observation behind it, decayed */
    uint64_t seen_ns;               /* the latest of source_seen_ns where it was ever seen itself; 0: never */
    /*
     * time of the last move, to within 1.75 s; of one longer than 10 s ago, that of the last move in its 2 MiB
     * block before then, at the latest. 0: none
     */
    uint64_t moved_ns;
    uint8_t tier;                   /* 0..3, POLICY_TIER_ABSENT or POLICY_TIER_UNKNOWN */
    uint8_t hint;                   /* what the guest says of it, a PolicyHint; POLICY_HINT__MAX: nothing */
    bool unmovable;
    PolicyReason reason;
    /* time of the last evidence that each source gave of its 2 MiB block, or of it where it is as large; 0: none */
    uint64_t source_seen_ns[POLICY_SOURCE__MAX];
} PolicyGranule;

/*
 * How accesses are spread over memory: the hottest points[i].bytes bytes of what is present and was seen take
 * points[i].per_s accesses a second together. Both rise; the slope falls. Point 0 is not (0, 0). As of the last
 * plan.
 */
#define POLICY_CURVE_POINTS 64
typedef struct PolicyCurve {
    size_t n;                       /* points; 0: nothing was seen yet */
    uint64_t present_bytes;         /* all that is present, seen or not */
    struct {
        uint64_t bytes;
        double per_s;
    } points[POLICY_CURVE_POINTS];
} PolicyCurve;

/* What a guest may say of its memory. Advice, never an order; hints.h has the theory. */
typedef enum PolicyHint {
    POLICY_HINT_HOT,                /* used often */
    POLICY_HINT_COLD,               /* not used for some time to come */
    POLICY_HINT_WILLNEED,           /* about to be used */
    POLICY_HINT_FREE,               /* contents not needed; ends with use */
    POLICY_HINT_PIN,                /* keep it in tier 0 */
    POLICY_HINT_UNPIN,              /* no longer */
    POLICY_HINT__MAX,
} PolicyHint;

typedef enum PolicyHintFate {       /* what became of a hint */
    POLICY_HINT_TAKEN,
    POLICY_HINT_OFF,                /* hints are switched off */
    POLICY_HINT_UNTRUSTED,          /* ignored: the guest's hints were wrong too often */
    POLICY_HINT_OVER_LIMIT,         /* more would be pinned than may be */
    POLICY_HINT_NOT_THERE,          /* no such region, or not so many granules; or no memory to note it */
    POLICY_HINT_FATE__MAX,
} PolicyHintFate;

/* Totals since policy_new() unless said otherwise. */
typedef struct PolicyHintStats {
    uint64_t ranges[POLICY_HINT__MAX][POLICY_HINT_FATE__MAX];   /* calls, by what became of them */
    uint64_t bytes[POLICY_HINT__MAX];                           /* of those taken */
    uint64_t followed_bytes;        /* of HOT, WILLNEED, PIN: found in tier 0 since; of COLD, FREE: found outside it */
    uint64_t pinned_bytes;          /* now */
    uint64_t pinned_dropped_bytes;  /* pins that ended without UNPIN, as limit, budget or trust shrank */
    uint64_t free_bytes;            /* now, as the guest says */
    uint64_t checked, right;        /* hints held against evidence so far, and those that it bore out */
    double trust;                   /* 0..1: the weight that the next hint gets */
} PolicyHintStats;

typedef struct Policy Policy;
typedef struct TraceWriter TraceWriter;

#define POLICY_ERROR policy_error_quark()
GQuark policy_error_quark(void);

typedef enum PolicyError {
    POLICY_ERROR_INVALID,           /* a value that is not allowed */
    POLICY_ERROR_EXISTS,
    POLICY_ERROR_NO_MEMORY,
} PolicyError;

/*
 * Returns a new policy, to be freed with policy_free(). @config is copied and must pass
 * policy_config_check().
 */
Policy *policy_new(const PolicyConfig *config);
void policy_free(Policy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Policy, policy_free)

/*
 * Whether @config can be used; otherwise false, with an error that names the field, its value and what is
 * allowed.
 */
bool policy_config_check(const PolicyConfig *config, GError **errp);
/* Replace the configuration. @config must pass policy_config_check(). */
void policy_configure(Policy *policy, const PolicyConfig *config);

/*
 * Add a region of @size bytes in granules of @granule_bytes (4096 or 2 MiB, dividing @size), all
 * POLICY_TIER_UNKNOWN. Fails, with an error, when @id is taken, sizes do not fit, or memory for the map (3.2
 * bytes a granule) is not to be had.
 */
bool policy_region_add(Policy *policy, uint32_t id, uint64_t size, uint32_t granule_bytes, GError **errp);
void policy_region_del(Policy *policy, uint32_t id);

/*
 * Evidence of access bits: granules first..first+n-1 were watched for @interval_ns until @now_ns; bit i of
 * @accessed (least significant first) tells whether granule first+i was accessed at least once. An access
 * bit saturates: this is what the estimate models.
 */
void policy_evidence_bits(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                          const uint64_t *accessed, uint64_t interval_ns, uint64_t now_ns);
/*
 * Evidence of a rate: the granules first..first+n-1 were accessed @per_s times a second each, on average,
 * as seen over @exposure_ns of observation of each of them (less where only some of them were sampled).
 */
void policy_evidence_rate(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                          double per_s, uint64_t exposure_ns, uint64_t now_ns);

/*
 * Evidence of a limit: each of the granules first..first+n-1 was accessed fewer than @per_s times a second over
 * @exposure_ns. That speaks only against those that were taken for hotter: a device that lists what is hot says
 * so of what it does not list.
 */
void policy_evidence_below(Policy *policy, PolicySource source, uint32_t region, size_t first, size_t n,
                           double per_s, uint64_t exposure_ns, uint64_t now_ns);

/*
 * Tell where granules are: the @n granules from @first lie on @tiers[i] (a tier, or POLICY_TIER_ABSENT). Returns how
 * many of them were known to be elsewhere, or not known.
 */
size_t policy_place(Policy *policy, uint32_t region, size_t first, size_t n, const uint8_t *tiers);

/*
 * The block of 512 granules of 4 KiB that begins with @first_granule is one huge page from now on, or is none any
 * more: it is planned, and moves, as one. Ignored where there is no such block, or, with a warning, no memory to
 * note it. As it has one access bit, evidence of bits for any part of it is evidence for the block; so is a rate,
 * but that of a source that sees inside (CHMU, hints), which is one per granule.
 */
void policy_block_set(Policy *policy, uint32_t region, size_t first_granule, bool huge);

typedef enum PolicyBlockAdvice {
    POLICY_BLOCK_KEEP,              /* as it is */
    POLICY_BLOCK_COLLAPSE,          /* make it one huge page */
    POLICY_BLOCK_SPLIT,             /* make it pages of 4 KiB */
} PolicyBlockAdvice;

/*
 * Whether that block should be a huge page, by how evenly it is used; as of the last plan. KEEP where there is no
 * such block, or it does not lie on one tier in whole. block-advice.h has the theory.
 */
PolicyBlockAdvice policy_block_advice(const Policy *policy, uint32_t region, size_t first_granule);

/*
 * The guest says this of the granules first..first+n-1 of @region: of all of them, or (any fate but TAKEN) of
 * none. UNPIN is taken whether or not they are pinned. Takes some nanoseconds a granule: who limits how much
 * the guest may say must count granules, too.
 */
PolicyHintFate policy_hint(Policy *policy, PolicyHint hint, uint32_t region, size_t first, size_t n, uint64_t now_ns);
/*
 * What would become of PIN of these granules, of which nobody takes note, after others that pin @bytes more than now;
 * what these would pin is added. So a PIN of several stretches can be of all or of none.
 */
PolicyHintFate policy_pin_fate(const Policy *policy, uint32_t region, size_t first, size_t n, uint64_t *bytes);
void policy_hint_stats(const Policy *policy, PolicyHintStats *stats);
/*
 * The guest's hints proved worth @trust (0..1, else ignored) elsewhere, before it came here. For what is known of it
 * now, see PolicyHintStats.
 */
void policy_hint_trust_set(Policy *policy, double trust);
/* Call @visit for each run of granules of @region that is pinned, in the order of addresses. */
typedef void (*PolicyPinVisit)(void *opaque, size_t first, size_t n);
void policy_pins(const Policy *policy, uint32_t region, PolicyPinVisit visit, void *opaque);

/*
 * Plan: which moves, now, are each worth more than they cost, within the budget and the limit of bytes per
 * second since the last plan. The caller carries them out and reports each with policy_moved(), also in
 * observe mode (then as not moved, or not at all). The plan lives until the next call.
 *
 * Of more than two tiers, tier 0 is filled from all others, and victims go to tier 1. A plan holds 512 MiB
 * at most, and adapts to what the caller gets done. A caller that stops early is safe; one whose demotions
 * fail leaves out as many bytes of promotions at the plan's end, lest the budget be overrun.
 */
const PolicyPlan *policy_plan(Policy *policy, uint64_t now_ns);
void policy_moved(Policy *policy, const PolicyMove *move, PolicyOutcome outcome, uint64_t now_ns);

void policy_stats(const Policy *policy, PolicyStats *stats);
/* Copies what is known of one granule; false when there is no such region or granule. */
bool policy_granule(const Policy *policy, uint32_t region, size_t granule, uint64_t now_ns,
                    PolicyGranule *out);
/* Where granules are, as last told: of the @n from @first; POLICY_TIER_UNKNOWN for those that there are not. */
void policy_where(const Policy *policy, uint32_t region, size_t first, size_t n, uint8_t *tiers);
/* Whether a trial may begin: not of a VM that idles, of which nothing can be learned. */
bool policy_takes_trials(const Policy *policy);
/*
 * Whether estimates mean what they usually do: not at first, nor just after heat has moved, when what they are made of
 * is mostly of before. What trials say of them then does not hold for long.
 */
bool policy_settled(const Policy *policy);
/*
 * A trial begins (trials.h): of the block of 64 granules that begins with @first, those in @granules (bit i: its
 * i-th) are watched from @now_ns on, and were drawn whatever is known of them. Tells the curve how hot what is
 * estimated at some rate is; changes no plan, and is not recorded.
 */
void policy_trial_begin(Policy *policy, uint32_t region, size_t first, uint64_t granules, uint64_t now_ns);
/* A look at that block found these granules touched since the look before; blocks without a trial are ignored. */
void policy_trial_look(Policy *policy, uint32_t region, size_t first, uint64_t touched, uint64_t now_ns);
/* Nothing is watched any more. */
void policy_trials_end(Policy *policy);
/*
 * What hardware counts lately, while the VM does not idle: accesses a second to tier 0 and to the others; NaN:
 * that is not known. Tells the curve what its parts come to.
 */
void policy_counted(Policy *policy, double fast_per_s, double slow_per_s);
/*
 * Whether the VM idles now, as its CPU time tells sooner than its pages, and since when it may: from then on trials
 * tell nothing.
 */
void policy_idles(Policy *policy, bool idle, uint64_t since_ns);
/* Whether it does, by that or by its pages (activity.h): what is measured now says little of its heat. */
bool policy_quiet(const Policy *policy);
/* How accesses are spread, as of the last plan. */
void policy_curve(const Policy *policy, PolicyCurve *curve);
/*
 * The same as far as the planner can tell memory apart today, or soon: what is estimated alike counts alike, at its
 * mean, but for what trials found to be as cold as most, which will show. So this is what a VM gains by more memory,
 * and loses by less; and memory that is alike is not taken for some that is hotter and some that is colder.
 */
void policy_curve_today(const Policy *policy, PolicyCurve *curve);

/* The estimated rates of the @n granules from @first, accesses per second, into @per_s; -1: never seen. */
void policy_rates(const Policy *policy, uint32_t region, size_t first, size_t n, double *per_s);

/*
 * Which granules evidence would help most: fills @score (0..255, one for each of the @n granules from @first)
 * with what there is to be gained by knowing more: 0 not to be asked about (absent, or see policy_cover()), 1
 * nothing, 255 never seen. In between a score is higher by 16 for each doubling of the accesses a second that a
 * wrong placement of the granule may cost, as far as is known; 66 is where it costs what a swap does. Sources with
 * a budget (rwp) look there first.
 */
void policy_uncertainty(const Policy *policy, uint32_t region, size_t first, size_t n, uint64_t now_ns,
                        uint8_t *score);
/*
 * The tiers in @tiers (bit n: tier n) are watched in whole by somebody who needs not be told where to look, and
 * policy_uncertainty() is 0 for granules there. Changes no plan, and is not recorded.
 */
void policy_cover(Policy *policy, uint32_t tiers);
/*
 * But of those tiers only what is accessed @per_s times a second or more is seen (0: all): what is taken for
 * cooler is asked about like the rest.
 */
void policy_cover_above(Policy *policy, double per_s);

/*
 * A source has found that a good part of heat is elsewhere now, sooner than what is told of single granules can show:
 * policy_changed_ns() is @now_ns.
 */
void policy_heat_moved(Policy *policy, uint64_t now_ns);
/*
 * When heat that had been steady was last found to have changed, to within 250 ms; 0: never. What was learned before
 * is void for the most part: it is time to look at all again, and to plan.
 */
uint64_t policy_changed_ns(const Policy *policy);

/*
 * How long after the last plan the next one is worth making, where one each @epoch_ns is usual and one takes
 * @plan_ns of a CPU: a quarter of that while the limit of bytes per second holds moves up, or what has changed
 * is being learned; much less where the guest said since that something belongs in tier 0; and longer where
 * plans would take more than a small part of a CPU. May be asked at any time.
 */
uint64_t policy_plan_pause_ns(const Policy *policy, uint64_t epoch_ns, uint64_t plan_ns);

/*
 * From now on record every call that changes @policy, and the plans that come of it; NULL ends that. Writer
 * is not owned.
 */
void policy_record(Policy *policy, TraceWriter *writer);

#endif /* VHOST_TIER_CORE_POLICY_H */
