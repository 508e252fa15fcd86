/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest said last of each granule: a byte each, in a side map that is there from the first hint on.
 */
#ifndef VHOST_TIER_CORE_HINT_MARKS_H
#define VHOST_TIER_CORE_HINT_MARKS_H

#include "logmath.h"
#include "policy.h"

/*
 * A mark: kind (0: none), whether it was followed, then what is left of it. One of which nothing is left has
 * no effect, and is there for the audit alone.
 */
#define HINT_KIND_BITS 3
#define HINT_KINDS (1u << HINT_KIND_BITS)
#define HINT_FOLLOWED (1u << HINT_KIND_BITS)
#define HINT_LEFT_SHIFT (HINT_KIND_BITS + 1)
#define HINT_LEFT_MAX 15u

#define HINT_NONE 0u
#define HINT_KIND(hint) ((hint) + 1u)           /* of a PolicyHint but UNPIN, which leaves none */

#define HINT_SLOT_EPOCHS 8u                     /* 2 s */

/* Of one region; its memory is touched where there are marks. */
typedef struct HintMarks {
    uint8_t *marks;                     /* of each granule */
    uint32_t *in_block;                 /* how many granules of a block of 2 MiB have one */
    uint64_t granules[HINT_KINDS];      /* that have one of this kind */
} HintMarks;

/* What hints make of the heat per page at which a granule is judged: keep times that, and add. */
typedef struct HintTerms {
    bool trusted;                       /* else hints have no effect */
    Log2 keep;                          /* log2 of the chance that a hint is wrong */
    Log2 add;                           /* log2 of the rate of what is hot, times the chance that it is right */
} HintTerms;

/* NULL where there is no memory. */
HintMarks *hint_marks_new(size_t n, size_t n_blocks);
void hint_marks_free(HintMarks *marks);

static inline unsigned hint_kind(uint8_t mark)
{
    return mark & (HINT_KINDS - 1);
}

static inline unsigned hint_left(uint8_t mark)
{
    return mark >> HINT_LEFT_SHIFT;
}

/* Whether such a mark says that its granule belongs in tier 0. */
static inline bool hint_wants_fast(unsigned kind)
{
    return kind == HINT_KIND(POLICY_HINT_HOT) || kind == HINT_KIND(POLICY_HINT_WILLNEED) ||
           kind == HINT_KIND(POLICY_HINT_PIN);
}

#endif /* VHOST_TIER_CORE_HINT_MARKS_H */
