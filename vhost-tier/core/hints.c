/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks of hints, and how they end; hints.h has the theory.
 */
#include "hints.h"

#include <stdlib.h>

#include "blocks.h"

#define SLOTS 8u                    /* each so many slots HOT and COLD have less left: they end after 4 minutes */
#define WILLNEED_LEFT 3u            /* WILLNEED each slot, so that it ends after 4 to 6 s */
#define LEFT_PER_OCTAVE 3           /* that evidence which is twice as likely if a mark is wrong takes of it */
#define AUDIT_FROM (LOG2_ONE / 2)   /* evidence that says less is not worth the audit's while */
#define STALE_PINS 2048u            /* in the list of pins, before it is tidied */

HintMarks *hint_marks_new(size_t n, size_t n_blocks)
{
    HintMarks *marks = g_new0(HintMarks, 1);

    /* calloc, as large blocks of it take no memory until they are touched */
    marks->marks = calloc(n, sizeof(*marks->marks));
    marks->in_block = calloc(n_blocks, sizeof(*marks->in_block));
    if (!marks->marks || !marks->in_block) {
        hint_marks_free(marks);
        return NULL;
    }
    return marks;
}

void hint_marks_free(HintMarks *marks)
{
    if (marks) {
        free(marks->marks);
        free(marks->in_block);
        g_free(marks);
    }
}

void hints_init(Hints *hints, HintState *state)
{
    *hints = (Hints){.state = state, .pins = g_array_new(false, false, sizeof(HintPin))};
}

void hints_clear(Hints *hints)
{
    g_clear_pointer(&hints->pins, g_array_unref);
    g_clear_pointer(&hints->samples, g_free);
}

bool hint_state_valid(const HintState *state)
{
    return hint_audit_valid(&state->audit) && state->news <= 1;
}

static bool add_marks(HeatMap *map)
{
    map->hints = map->hints ?: hint_marks_new(map->n, map->n_blocks);
    return map->hints != NULL;
}

void hints_add_samples(Hints *hints)
{
    hints->samples = hints->samples ?: g_new0(HintSample, HINT_SAMPLES);
}

bool hints_prepare(Hints *hints, HeatMap *map)
{
    hints_add_samples(hints);
    return add_marks(map) && (!map->coarse || add_marks(map->coarse));
}

/* --- marks --- */

size_t hints_next(const HeatMap *map, size_t first, size_t end)
{
    while (map->hints && first < end) {
        if (map->hints->in_block[first >> map->block_shift] == 0) {
            first = ((first >> map->block_shift) + 1) << map->block_shift;
        } else if (hint_kind(map->hints->marks[first]) == HINT_NONE) {
            first++;
        } else {
            return first;
        }
    }
    return end;
}

static uint8_t make_mark(unsigned kind, unsigned left)
{
    return kind | left << HINT_LEFT_SHIFT;
}

static void set_mark(HeatMap *map, size_t granule, uint8_t mark)
{
    HintMarks *hints = map->hints;
    const unsigned was = hint_kind(hints->marks[granule]), is = hint_kind(mark);

    hints->granules[was]--;
    hints->granules[is]++;
    hints->in_block[granule >> map->block_shift] += (is != HINT_NONE) - (was != HINT_NONE);
    hints->marks[granule] = mark;
}

bool hints_load_marks(Hints *hints, HeatMap *map, size_t first, size_t n, const uint8_t *marks)
{
    if (!hints_prepare(hints, map)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (hint_kind(marks[i]) > HINT_KIND(POLICY_HINT_PIN)) {
            return false;
        }
        set_mark(map, first + i, marks[i]);
    }
    return true;
}

static bool is_pinned(const HeatMap *map, size_t granule)
{
    return hint_kind(hint_mark(map, granule)) == HINT_KIND(POLICY_HINT_PIN);
}

static HintClaim claim_of(unsigned kind)
{
    return hint_wants_fast(kind) ? HINT_CLAIM_HOT : HINT_CLAIM_COLD;
}

static uint64_t unit_of(const HeatMap *map, size_t granule)
{
    return hint_unit(map->id, map->fine != NULL, granule);
}

/* The claim that the audit looks at, of a granule, which may be marked otherwise by now; NULL: it looks at none. */
static HintSample *sample_of(const Hints *hints, const HeatMap *map, size_t granule)
{
    const uint64_t unit = unit_of(map, granule);
    HintSample *sample = hint_sample_at(hints->samples, unit);

    return hint_sample_open(sample, hints->state->slot) && sample->unit == unit ? sample : NULL;
}

bool hints_audits(const Hints *hints, const HeatMap *map, size_t granule)
{
    return hint_kind(hint_mark(map, granule)) != HINT_NONE && sample_of(hints, map, granule);
}

/* A mark ends. Where the audit has not judged it yet, it stays as one that does not count. */
static void end_mark(const Hints *hints, HeatMap *map, size_t granule)
{
    const unsigned kind = hint_kind(map->hints->marks[granule]);
    uint8_t mark = 0;

    if (sample_of(hints, map, granule)) {
        mark = make_mark(HINT_KIND(hint_wants_fast(kind) ? POLICY_HINT_HOT : POLICY_HINT_COLD), 0);
    }
    set_mark(map, granule, mark);
}

/* Count it where a granule is where the guest would have it. */
static void follow(HintState *state, HeatMap *map, size_t granule)
{
    const uint8_t mark = map->hints->marks[granule], tier = heat_tier(heat_at(map, granule));

    if (hint_left(mark) > 0 && !(mark & HINT_FOLLOWED) && tier < POLICY_MAX_TIERS &&
        (tier == 0) == hint_wants_fast(hint_kind(mark))) {
        map->hints->marks[granule] |= HINT_FOLLOWED;
        state->followed_bytes += map->granule_bytes;
    }
}

void hints_placed(HeatModel *model, HeatMap *map, size_t first, size_t n)
{
    for (size_t i = first; map->hints && i < first + n; i++) {
        follow(model->hints->state, map, i);
    }
}

/* How many granules of a huge block must be marked so: most, but pins keep the whole block, and so are to pin it. */
static unsigned enough(unsigned kind)
{
    return kind == HINT_KIND(POLICY_HINT_PIN) ? BLOCK_GRANULES : BLOCK_GRANULES / 2 + 1;
}

/* Mark a huge block as its granules are. */
static void mark_block(HeatMap *map, size_t granule)
{
    const size_t block = granule >> BLOCK_SHIFT;
    const uint8_t *marks = &map->hints->marks[block << BLOCK_SHIFT];
    unsigned granules[HINT_KINDS] = {0};
    uint8_t mark = 0;

    if (!add_marks(map->coarse)) {
        return;
    }
    for (unsigned i = 0; i < BLOCK_GRANULES; i++) {
        const unsigned kind = hint_left(marks[i]) > 0 ? hint_kind(marks[i]) : HINT_NONE;

        granules[kind]++;
        if (kind != HINT_NONE && granules[kind] == enough(kind)) {
            mark = marks[i];
        }
    }
    set_mark(map->coarse, block, mark);
}

static void mark_blocks(HeatMap *map, size_t first, size_t n)
{
    for (size_t i = first; map->coarse && i < first + n; i = (i | (BLOCK_GRANULES - 1)) + 1) {
        if (block_is_huge(map, i)) {
            mark_block(map, i);
        }
    }
}

void hints_block_set(HeatMap *map, size_t granule)
{
    if (!map->hints) {
        return;
    }
    if (block_is_huge(map, granule)) {
        mark_block(map, granule);
    } else if (map->coarse->hints) {
        set_mark(map->coarse, granule >> BLOCK_SHIFT, 0);
    }
}

/* --- hints --- */

static void note_pin(Hints *hints, const HeatMap *map, size_t granule)
{
    const HintPin pin = {.region = map->id, .granule = (uint32_t)granule};

    g_array_append_val(hints->pins, pin);
}

/* What a granule is known to be, without the hint; HINT_CLAIM_NONE: it was not seen. */
static HintClaim foretold(const HeatModel *model, const HeatMap *map, size_t granule)
{
    const HintAudit *audit = &model->hints->state->audit;
    const Heat heat = heat_at(map, granule);
    const Log2 per_page = heat_rate(model, heat) - log2_of((double)map->granule_bytes / 4096);

    if (!heat_seen(heat)) {
        return HINT_CLAIM_NONE;
    }
    return per_page >= (audit->hot_rate + audit->cold_rate) / 2 ? HINT_CLAIM_HOT : HINT_CLAIM_COLD;
}

/* Let the audit look at what was said of a granule, if it can; NULL: not now. */
static HintSample *take_up(const HeatModel *model, const HeatMap *map, size_t granule)
{
    const HintSample sample = {
        .unit = unit_of(map, granule),
        .claim = claim_of(hint_kind(map->hints->marks[granule])),
        .foretold = foretold(model, map, granule),
        .since = model->hints->state->slot,
    };

    return hint_sample_begin(model->hints->samples, &sample);
}

/*
 * Whether @hint takes back what was said of a granule, was followed, and was not what evidence says: so that nobody
 * gets by with a lie who takes it back before evidence comes.
 */
static bool is_withdrawn(const HeatModel *model, const HeatMap *map, size_t granule, PolicyHint hint)
{
    const uint8_t was = map->hints->marks[granule];
    const HintClaim claim = claim_of(hint_kind(was));

    return was & HINT_FOLLOWED && claim != claim_of(HINT_KIND(hint)) && claim != foretold(model, map, granule);
}

/*
 * The guest says @hint of a granule, or ends a pin: what it said before is judged no more by what is seen from now on.
 * Where that was followed and not known by evidence it goes for a claim that was not proved; else nobody was harmed.
 */
static void end_claim(const HeatModel *model, const HeatMap *map, size_t granule, PolicyHint hint)
{
    HintSample *sample = sample_of(model->hints, map, granule);

    if (is_withdrawn(model, map, granule, hint)) {
        sample = sample ?: take_up(model, map, granule);
        if (sample) {
            hint_sample_withdraw(&model->hints->state->audit, sample);
        }
    } else if (sample && sample->claim != claim_of(HINT_KIND(hint))) {
        sample->claim = HINT_CLAIM_NONE;
    }
}

static void mark_granule(HeatModel *model, HeatMap *map, PolicyHint hint, size_t granule)
{
    Hints *hints = model->hints;
    const uint8_t was = map->hints->marks[granule];
    const bool again = hint_left(was) > 0 && hint_kind(was) == HINT_KIND(hint);
    const uint8_t mark = make_mark(HINT_KIND(hint), hint == POLICY_HINT_WILLNEED ? WILLNEED_LEFT : HINT_LEFT_MAX);

    if (is_pinned(map, granule)) {
        return;
    }
    end_claim(model, map, granule, hint);
    set_mark(map, granule, again ? mark | (was & HINT_FOLLOWED) : mark);
    follow(hints->state, map, granule);
    if (hint == POLICY_HINT_PIN) {
        note_pin(hints, map, granule);
    }
    hints->state->news |= !again && hint_wants_fast(HINT_KIND(hint)) && heat_tier(heat_at(map, granule)) != 0;
}

void hints_take(HeatModel *model, HeatMap *map, PolicyHint hint, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        mark_granule(model, map, hint, i);
    }
    mark_blocks(map, first, n);
}

/* --- pins --- */

size_t hints_unpinned(const HeatMap *map, size_t first, size_t n)
{
    size_t unpinned = 0;

    for (size_t i = first; i < first + n; i++) {
        unpinned += !is_pinned(map, i);
    }
    return unpinned;
}

void hints_unpin(HeatModel *model, HeatMap *map, size_t first, size_t n)
{
    if (!map->hints || map->hints->granules[HINT_KIND(POLICY_HINT_PIN)] == 0) {
        return;
    }
    for (size_t i = first; i < first + n; i++) {
        if (!is_pinned(map, i)) {
            continue;
        }
        end_claim(model, map, i, POLICY_HINT_UNPIN);
        end_mark(model->hints, map, i);
    }
    mark_blocks(map, first, n);
}

uint64_t hints_bytes(HeatMap *const *maps, size_t n_maps, PolicyHint hint)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n_maps; i++) {
        if (maps[i]->hints && !maps[i]->fine) {
            bytes += maps[i]->hints->granules[HINT_KIND(hint)] * maps[i]->granule_bytes;
        }
    }
    return bytes;
}

static HeatMap *map_of(HeatMap *const *maps, size_t n_maps, const HintPin *pin)
{
    for (size_t i = 0; i < n_maps; i++) {
        if (maps[i]->id == pin->region && !maps[i]->fine) {
            return pin->granule < maps[i]->n ? maps[i] : NULL;
        }
    }
    return NULL;
}

void hints_drop_pins(Hints *hints, HeatMap *const *maps, size_t n_maps, uint64_t limit_bytes)
{
    uint64_t bytes = hints_bytes(maps, n_maps, POLICY_HINT_PIN);

    while (bytes > limit_bytes && hints->pins->len > 0) {
        const HintPin *pin = &g_array_index(hints->pins, HintPin, hints->pins->len - 1);
        HeatMap *map = map_of(maps, n_maps, pin);

        if (map && is_pinned(map, pin->granule)) {
            end_mark(hints, map, pin->granule);
            mark_blocks(map, pin->granule, 1);
            hints->state->pinned_dropped_bytes += map->granule_bytes;
            bytes -= map->granule_bytes;
        }
        g_array_set_size(hints->pins, hints->pins->len - 1);
    }
}

/* How a pin that was found is marked while the list is gone through. */
#define PIN_FOUND 1u

void hints_tidy_pins(Hints *hints, HeatMap *const *maps, size_t n_maps)
{
    HintPin *pins = (HintPin *)(void *)hints->pins->data;
    guint kept = hints->pins->len;

    if (kept / 2 <= STALE_PINS + hints_bytes(maps, n_maps, POLICY_HINT_PIN) / 4096) {
        return;
    }
    for (guint i = hints->pins->len; i-- > 0;) {
        HeatMap *map = map_of(maps, n_maps, &pins[i]);
        const uint8_t mark = map ? hint_mark(map, pins[i].granule) : 0;

        if (hint_kind(mark) == HINT_KIND(POLICY_HINT_PIN) && hint_left(mark) != PIN_FOUND) {
            map->hints->marks[pins[i].granule] =
                (mark & ~(HINT_LEFT_MAX << HINT_LEFT_SHIFT)) | PIN_FOUND << HINT_LEFT_SHIFT;
            pins[--kept] = pins[i];
        }
    }
    g_array_remove_range(hints->pins, 0, kept);
    for (guint i = 0; i < hints->pins->len; i++) {
        HeatMap *map = map_of(maps, n_maps, &pins[i]);

        map->hints->marks[pins[i].granule] |= HINT_LEFT_MAX << HINT_LEFT_SHIFT;
    }
}

void hints_forget(Hints *hints, HeatMap *const *maps, size_t n_maps)
{
    hints_drop_pins(hints, maps, n_maps, 0);
    g_array_set_size(hints->pins, 0);
    g_clear_pointer(&hints->samples, g_free);
    for (size_t i = 0; i < n_maps; i++) {
        g_clear_pointer(&maps[i]->hints, hint_marks_free);
    }
}

/* --- time --- */

/* @slots and @long_slots have passed, which marks that end soon and others go by. */
static void age_mark(const Hints *hints, HeatMap *map, size_t granule, uint64_t slots, uint64_t long_slots)
{
    const uint8_t mark = map->hints->marks[granule];
    const unsigned left = hint_left(mark);
    uint64_t less = 0;

    switch (hint_kind(mark)) {
    case HINT_KIND(POLICY_HINT_HOT):
    case HINT_KIND(POLICY_HINT_COLD):
        less = MIN(long_slots, left);
        break;
    case HINT_KIND(POLICY_HINT_WILLNEED):
        less = MIN(slots, left);
        break;
    default:
        return;
    }
    if (left > less) {
        map->hints->marks[granule] = mark - (less << HINT_LEFT_SHIFT);
    } else {
        end_mark(hints, map, granule);
    }
}

static void age_map(const Hints *hints, HeatMap *map, uint64_t slots, uint64_t long_slots)
{
    for (size_t i = hints_next(map, 0, map->n); i < map->n; i = hints_next(map, i + 1, map->n)) {
        age_mark(hints, map, i, slots, long_slots);
    }
}

void hints_advance(HeatModel *model, HeatMap *const *maps, size_t n_maps)
{
    Hints *hints = model->hints;
    const uint64_t was = hints->state->slot, slot = MAX(was, model->epoch / HINT_SLOT_EPOCHS);

    hints->state->slot = slot;
    if (slot == was || model->quiet) {
        return;
    }
    for (size_t i = 0; i < n_maps; i++) {
        if (maps[i]->hints) {
            age_map(hints, maps[i], slot - was, slot / SLOTS - was / SLOTS);
        }
    }
}

/* --- evidence --- */

/* What is left of a mark once evidence has told @ratio for hot against cold; @used: and that the granule was used. */
static unsigned left_then(uint8_t mark, Log2 ratio, bool used)
{
    const unsigned kind = hint_kind(mark), left = hint_left(mark);
    const Log2 agrees = hint_wants_fast(kind) ? ratio : -ratio;

    switch (kind) {
    case HINT_KIND(POLICY_HINT_PIN):
        return left;
    case HINT_KIND(POLICY_HINT_FREE):
        return used ? 0 : left;
    default:
        return left > 0 ? (unsigned)CLAMP((Log2)left + agrees * LEFT_PER_OCTAVE / LOG2_ONE, 0, (Log2)HINT_LEFT_MAX) : 0;
    }
}

/* What @map's huge block @block was marked by ends with it. */
static void end_marks_within(const Hints *hints, const HeatMap *map, size_t block, unsigned kind)
{
    HeatMap *fine = map->fine;
    const size_t end = (block + 1) << BLOCK_SHIFT;

    for (size_t i = hints_next(fine, block << BLOCK_SHIFT, end); i < end; i = hints_next(fine, i + 1, end)) {
        if (hint_kind(fine->hints->marks[i]) == kind) {
            end_mark(hints, fine, i);
        }
    }
}

/* Evidence of a granule that is marked comes. */
static void hear(const HeatModel *model, HeatMap *map, size_t granule, Log2 ratio, bool used)
{
    const Hints *hints = model->hints;
    const uint8_t mark = map->hints->marks[granule];
    const unsigned left = left_then(mark, ratio, used);
    unsigned kind = hint_kind(mark);
    HintSample *sample = sample_of(hints, map, granule);

    if (!sample && hint_left(mark) > 0 && ABS(ratio) >= AUDIT_FROM) {
        sample = take_up(model, map, granule);
    }
    if (sample) {
        hint_sample_add(&hints->state->audit, sample, ratio);
    }
    if (left == 0) {
        end_mark(hints, map, granule);
        if (map->fine && hint_left(mark) > 0) {
            end_marks_within(hints, map, granule, kind);
        }
        return;
    }
    if (kind == HINT_KIND(POLICY_HINT_WILLNEED) && left > hint_left(mark)) {
        kind = HINT_KIND(POLICY_HINT_HOT);
    }
    set_mark(map, granule, make_mark(kind, left) | (mark & HINT_FOLLOWED));
}

void hints_bits(HeatModel *model, HeatMap *map, size_t first, size_t n, const uint64_t *accessed, uint64_t interval_ns)
{
    const Log2 interval = log2_of((double)interval_ns * 1e-9);
    Log2 ratios[2];

    if (!map->hints) {
        return;
    }
    for (unsigned set = 0; set < 2; set++) {
        ratios[set] =
            hint_ratio_of_bit(&model->hints->state->audit, &model->tables, map->granule_bytes, interval, set);
    }
    for (size_t i = hints_next(map, first, first + n); i < first + n; i = hints_next(map, i + 1, first + n)) {
        const bool set = accessed[(i - first) / 64] >> ((i - first) % 64) & 1;

        hear(model, map, i, ratios[set], set);
    }
}

static void hear_all(HeatModel *model, HeatMap *map, size_t first, size_t n, Log2 ratio, bool used)
{
    for (size_t i = hints_next(map, first, first + n); i < first + n; i = hints_next(map, i + 1, first + n)) {
        hear(model, map, i, ratio, used);
    }
}

void hints_rate(HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s, uint64_t exposure_ns)
{
    const double seconds = (double)exposure_ns * 1e-9, counted = per_s * seconds;

    if (map->hints) {
        hear_all(model, map, first, n,
                 hint_ratio_of_count(&model->hints->state->audit, map->granule_bytes, counted, log2_of(seconds)),
                 counted >= 1);
    }
}

void hints_below(HeatModel *model, HeatMap *map, size_t first, size_t n, double per_s, uint64_t exposure_ns)
{
    const double seconds = (double)exposure_ns * 1e-9;

    if (map->hints) {
        Log2 ratio = hint_ratio_of_count(&model->hints->state->audit, map->granule_bytes, per_s * seconds,
                                         log2_of(seconds));

        /* Fewer than so many: that can speak for cold alone. */
        hear_all(model, map, first, n, MIN(ratio, 0), false);
    }
}

HintTerms hints_terms(double trust, Log2 hot)
{
    if (trust < HINT_TRUST_LEAST) {
        return (HintTerms){.trusted = false};
    }
    return (HintTerms){.trusted = true, .keep = MAX(log2_of(1 - trust), -10 * LOG2_ONE), .add = log2_of(trust) + hot};
}
