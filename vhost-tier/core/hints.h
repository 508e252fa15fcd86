/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hints: what the guest says of its memory, and what that counts for.
 *
 * Theory of operation
 *
 * A hint changes no estimate: heat is what evidence shows, and nothing else. So nothing that a guest says reaches the
 * curve by which memory is shared out between VMs, and a hint leaves no trace once it has ended. What it does is mark
 * its granules, and a marked one is judged differently when this VM's plan is made:
 *
 *   HOT, WILLNEED   as hot as the mean of those that fill the budget, with the chance that the hint is right, which is
 *                   the guest's trust (hint-audit.h), and else as evidence has it. So what evidence knows to be hotter
 *                   stays ahead of it
 *   COLD            as evidence has it, with the chance that the hint is wrong, and else not used at all
 *   FREE            colder than anything else; never promoted
 *   PIN             hotter than anything else; never demoted
 *
 * Marks end. Those of what is hot or cold by evidence against them; what speaks for them makes them last, until
 * the estimate has come to say the same. Without evidence HOT and COLD end after four minutes, and WILLNEED
 * after a few seconds; once it is used it is HOT. FREE ends with the first use, PIN with UNPIN; or, the newest
 * first, when limit or budget shrink so that too much is pinned; or when the guest is no longer trusted. While
 * the VM idles nothing can be seen, and marks stay.
 *
 * A huge page counts as marked where most of its granules are marked alike, and as pinned where all are; and when
 * evidence of it ends its mark, it ends theirs.
 *
 * Where a guest isn't trusted at all its marks have no effect, but the audit still looks at what they claim.
 */
#ifndef VHOST_TIER_CORE_HINTS_H
#define VHOST_TIER_CORE_HINTS_H

#include "heat.h"
#include "hint-audit.h"

#define HINT_PINNED_HEAT (28 * LOG2_ONE)    /* log2 of the rate per page at which pinned granules are judged: top */
#define HINT_FREE_HEAT (-40 * LOG2_ONE)     /* and free ones: bottom */

/* What must be kept of a VM's hints besides marks, pins and samples. Words of 8 bytes: a trace keeps it as it is. */
typedef struct HintState {
    HintAudit audit;
    uint64_t ranges[POLICY_HINT__MAX][POLICY_HINT_FATE__MAX];   /* see PolicyHintStats, as for the next three */
    uint64_t bytes[POLICY_HINT__MAX];
    uint64_t followed_bytes;
    uint64_t pinned_dropped_bytes;
    uint64_t slot;                      /* to which marks were aged */
    uint64_t news;                      /* 1: what was said since the last plan makes an early one worth it */
} HintState;

/* A granule that was pinned, in the order in which they were. Stale if it is not any more. */
typedef struct HintPin {
    uint32_t region;
    uint32_t granule;
} HintPin;

/* Of one VM. */
struct Hints {
    HintState *state;
    HintSample *samples;                /* HINT_SAMPLES; NULL before the first hint */
    GArray *pins;                       /* HintPin, oldest first */
};

void hints_init(Hints *hints, HintState *state);
void hints_clear(Hints *hints);
bool hint_state_valid(const HintState *state);

/*
 * Make room for marks of @map, a fine one, and its coarse one, and for samples, unless there is. False where
 * there is no memory.
 */
bool hints_prepare(Hints *hints, HeatMap *map);
/* Make room for samples alone. */
void hints_add_samples(Hints *hints);
/* Marks that were saved, of granules that there are; false, where there is no such mark, or as above. */
bool hints_load_marks(Hints *hints, HeatMap *map, size_t first, size_t n, const uint8_t *marks);
/* The guest says @hint (but not UNPIN) of granules of @map, for which hints_prepare() was called. */
void hints_take(HeatModel *model, HeatMap *map, PolicyHint hint, size_t first, size_t n);
void hints_unpin(HeatModel *model, HeatMap *map, size_t first, size_t n);
/* How many of the granules are not pinned. */
size_t hints_unpinned(const HeatMap *map, size_t first, size_t n);

/* Of all maps of a VM: */
uint64_t hints_bytes(HeatMap *const *maps, size_t n_maps, PolicyHint hint);
/* end pins, newest first, until no more than @limit_bytes are pinned; */
void hints_drop_pins(Hints *hints, HeatMap *const *maps, size_t n_maps, uint64_t limit_bytes);
/*
 * leave out what is stale in the list of pins, where that is most of it: all but the newest entry of each
 * granule that is pinned;
 */
void hints_tidy_pins(Hints *hints, HeatMap *const *maps, size_t n_maps);
/* end all marks. */
void hints_forget(Hints *hints, HeatMap *const *maps, size_t n_maps);

/* --- whoever tells a map something tells it here as well; each does nothing for a map without marks --- */

/* Time has come to the model's epoch. */
void hints_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps);
/* Evidence is about to be taken in, as by heat_add_bits(), heat_add_rate() and heat_add_below(). */
void hints_bits(HeatModel *model, HeatMap *map, size_t first, size_t n, const uint64_t *accessed, uint64_t interval_ns);
void hints_rate(HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s, uint64_t exposure_ns);
void hints_below(HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s, uint64_t exposure_ns);
/* Granules of @map, a fine one, were placed. */
void hints_placed(HeatModel *model, HeatMap *map, size_t first, size_t n);
/* The block of @map, a fine one, that @granule lies in became huge, or ceased to be. */
void hints_block_set(HeatMap *map, size_t granule);

/* The next granule of @map from @first on that has a mark; @end, where there is none before it. */
size_t hints_next(const HeatMap *map, size_t first, size_t end);
/* Whether the audit looks at a granule of @map, so that evidence of it is wanted. */
bool hints_audits(const Hints *hints, const HeatMap *map, size_t granule);
/* What hints make of heat: they are worth @trust, and what is hot has a rate of 2^@hot per page. */
HintTerms hints_terms(double trust, Log2 hot);

/* The kind of a mark, as far as it has an effect: HINT_NONE where nothing is left of it, or the guest isn't trusted. */
static inline unsigned hint_in_effect(const HintTerms *terms, uint8_t mark)
{
    return terms->trusted && hint_left(mark) > 0 ? hint_kind(mark) : HINT_NONE;
}

/* Whether a mark alone rules out that a granule on @tier leaves it: pinned to tier 0, or free and not worth a move. */
static inline bool hint_forbids(const HintTerms *terms, uint8_t mark, uint8_t tier)
{
    return hint_in_effect(terms, mark) == HINT_KIND(tier == 0 ? POLICY_HINT_PIN : POLICY_HINT_FREE);
}

static inline uint8_t hint_mark(const HeatMap *map, size_t granule)
{
    return map->hints ? map->hints->marks[granule] : 0;
}

/* What a granule that is marked so, judged at 2^@heat per page by evidence alone, is judged at. */
static inline Log2 hint_judged(const HintTerms *terms, const LogTables *tables, uint8_t mark, Log2 heat)
{
    switch (hint_in_effect(terms, mark)) {
    case HINT_KIND(POLICY_HINT_HOT):
    case HINT_KIND(POLICY_HINT_WILLNEED):
        return MAX(heat, log2_add(tables, heat + terms->keep, terms->add));
    case HINT_KIND(POLICY_HINT_COLD):
        return heat + terms->keep;
    case HINT_KIND(POLICY_HINT_FREE):
        return HINT_FREE_HEAT;
    case HINT_KIND(POLICY_HINT_PIN):
        return HINT_PINNED_HEAT;
    default:
        return heat;
    }
}

#endif /* VHOST_TIER_CORE_HINTS_H */
