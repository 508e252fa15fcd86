/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surveys of a VM's granules; see survey.h.
 *
 * Theory of operation
 *
 * There are two kinds. That of a range looks at each of its granules, as far as SURVEY_MAX_GRANULES go, and
 * says where the next survey must begin. That of all memory takes the regions as if they lay one behind the
 * other, in the order of their numbers, and parts that into buckets; where there are more than
 * SURVEY_MAX_GRANULES it looks at one granule of each so many, which stands for its neighbours: always the
 * same one, so that two surveys can be compared.
 *
 * Between two slices the VM goes on: pages move and regions may go. What a survey tells is therefore true to
 * within the tenth of a second or so that it took; one whose region went away ends with an error.
 */
#include "survey.h"

#include <math.h>

#include "sources/source.h"
#include "impl.h"

#define SLICE_NS     G_GUINT64_CONSTANT(2000000)
#define SLICE_LOOKS  64         /* granules between two looks at the clock */
#define PAGE         4096u
#define HEAT_LEAST   (-8)       /* log2 of accesses per second and page: what the histogram begins with */
#define HEAT_STEP    2          /* octaves */
#define HEAT_CLASSES 16

/* Where bytes lie. */
typedef struct Tally {
    uint64_t tiers[POLICY_MAX_TIERS], absent, unknown;
    uint64_t seen;              /* of all these, bytes of which there was evidence */
    double per_s;               /* accesses per second to what was seen */
} Tally;

/* One piece of the address space of all regions. */
typedef struct Stretch {
    uint32_t region;
    uint32_t granule_bytes;
    uint64_t at, size;          /* where it begins in that space */
} Stretch;

struct Survey {
    VmSurvey asked;
    uint64_t at, end;           /* bytes: next to be looked at, and where it ends */
    /* of a range */
    uint32_t granule_bytes;
    uint64_t more;              /* bytes of the range that are left for the next survey */
    Tally total;
    uint64_t reasons[POLICY_REASON__MAX];
    uint64_t heat[HEAT_CLASSES][POLICY_MAX_TIERS];
    JsonArray *granules;        /* owned */
    /* of all memory */
    GArray *stretches;          /* of Stretch */
    uint64_t bucket_bytes, stride;  /* stride: granules for each that is looked at */
    size_t n_buckets;
    Tally *buckets;
};

const char *survey_reason_name(PolicyReason reason)
{
    static const char *const names[POLICY_REASON__MAX] = {
        [POLICY_REASON_BELONGS] = "belongs",   [POLICY_REASON_PLANNED] = "planned",
        [POLICY_REASON_UNSEEN] = "unseen",     [POLICY_REASON_UNSURE] = "unsure",
        [POLICY_REASON_NOT_WORTH] = "not-worth", [POLICY_REASON_LIMITED] = "limited",
        [POLICY_REASON_REFUSED] = "refused",   [POLICY_REASON_UNMOVABLE] = "unmovable",
        [POLICY_REASON_ABSENT] = "absent",     [POLICY_REASON_UNKNOWN] = "unknown",
    };

    return (unsigned)reason < POLICY_REASON__MAX && names[reason] ? names[reason] : "unknown";
}

static const char *source_name(PolicySource source)
{
    static const char *const names[POLICY_SOURCE__MAX] = {
        [POLICY_SOURCE_DAMON] = "damon", [POLICY_SOURCE_RWP] = "rwp",   [POLICY_SOURCE_WP] = "wp",
        [POLICY_SOURCE_CHMU] = "chmu",   [POLICY_SOURCE_HINT] = "hint",
    };

    return names[source];
}

static void tally_add(Tally *tally, const PolicyGranule *granule, uint64_t bytes, double granules)
{
    if (granule->tier < POLICY_MAX_TIERS) {
        tally->tiers[granule->tier] += bytes;
        if (granule->seen_ns) {
            tally->seen += bytes;
            tally->per_s += granule->rate_per_s * granules;
        }
    } else if (granule->tier == POLICY_TIER_ABSENT) {
        tally->absent += bytes;
    } else {
        tally->unknown += bytes;
    }
}

/* --- beginning --- */

static VmRegion *find_region(Vm *vm, const VmSurvey *asked, GError **errp)
{
    VmRegion *region = asked->has_region ? vm_region_find(vm, asked->region) : NULL;

    if (!asked->has_region && vm->regions->len == 1) {
        return g_ptr_array_index(vm->regions, 0);
    }
    if (!asked->has_region) {
        g_set_error(errp, VM_ERROR, VM_ERROR_INVALID,
                    "VM '%s' has %u regions: say which one; 'tierctl show %s' lists them", vm->name,
                    vm->regions->len, vm->name);
    } else if (!region) {
        g_set_error(errp, VM_ERROR, VM_ERROR_INVALID,
                    "VM '%s' has no region %u; 'tierctl show %s' lists those it has", vm->name, asked->region,
                    vm->name);
    }
    return region;
}

static bool range_begin(Survey *survey, Vm *vm, GError **errp)
{
    VmSurvey *asked = &survey->asked;
    const VmRegion *region = find_region(vm, asked, errp);
    uint64_t size, begin, most;

    if (!region) {
        return false;
    }
    size = region->region.size;
    survey->granule_bytes = region->region.granule_bytes;
    asked->region = region->region.id;
    if (asked->offset >= size || asked->length > size - asked->offset) {
        g_set_error(errp, VM_ERROR, VM_ERROR_INVALID,
                    "%" G_GUINT64_FORMAT " bytes from offset 0x%" G_GINT64_MODIFIER "x reach beyond region %u "
                    "('%s') of VM '%s', which has %" G_GUINT64_FORMAT " bytes", MAX(asked->length, 1),
                    asked->offset, asked->region, region->name, vm->name, size);
        return false;
    }
    begin = asked->offset - asked->offset % survey->granule_bytes;
    survey->end = asked->offset + MAX(asked->length, 1);
    /* Up to a whole granule; sizes are multiples of it, so that this cannot overflow. */
    survey->end += (survey->granule_bytes - survey->end % survey->granule_bytes) % survey->granule_bytes;
    most = (uint64_t)SURVEY_MAX_GRANULES * survey->granule_bytes;
    if (survey->end - begin > most) {
        survey->more = survey->end - begin - most;
        survey->end = begin + most;
    }
    survey->at = asked->offset = begin;
    survey->granules = json_array_new();
    return true;
}

static void map_begin(Survey *survey, Vm *vm)
{
    uint64_t total = 0, granules = 0, largest = PAGE;

    survey->stretches = g_array_new(FALSE, FALSE, sizeof(Stretch));
    for (guint i = 0; i < vm->regions->len; i++) {
        const Region *region = &((const VmRegion *)g_ptr_array_index(vm->regions, i))->region;
        const Stretch stretch = { region->id, region->granule_bytes, total, region->size };

        g_array_append_val(survey->stretches, stretch);
        total += region->size;
        granules += region->size / region->granule_bytes;
        largest = MAX(largest, region->granule_bytes);
    }
    survey->end = total;
    survey->stride = MAX((granules + SURVEY_MAX_GRANULES - 1) / SURVEY_MAX_GRANULES, 1);
    survey->bucket_bytes = (total + survey->asked.buckets - 1) / survey->asked.buckets;
    survey->bucket_bytes = (survey->bucket_bytes + largest - 1) / largest * largest;
    survey->n_buckets = (size_t)((total + survey->bucket_bytes - 1) / survey->bucket_bytes);
    survey->buckets = g_new0(Tally, survey->n_buckets);
}

Survey *survey_new(Vm *vm, const VmSurvey *asked, GError **errp)
{
    Survey *survey;

    if (!vm->policy || vm->regions->len == 0) {
        g_set_error(errp, VM_ERROR, VM_ERROR_STATE,
                    "VM '%s' is not connected, so that nothing is known of its memory; is its QEMU running?",
                    vm->name);
        return NULL;
    }
    survey = g_new0(Survey, 1);
    survey->asked = *asked;
    if (asked->buckets > 0) {
        map_begin(survey, vm);
    } else if (!range_begin(survey, vm, errp)) {
        survey_free(survey);
        return NULL;
    }
    return survey;
}

void survey_free(Survey *survey)
{
    if (survey) {
        g_clear_pointer(&survey->granules, json_array_unref);
        g_clear_pointer(&survey->stretches, g_array_unref);
        g_free(survey->buckets);
        g_free(survey);
    }
}

/* --- looking --- */

static void set_age(JsonObject *object, const char *key, uint64_t then_ns, uint64_t now_ns)
{
    if (then_ns) {
        json_object_set_double_member(object, key, then_ns < now_ns ? (double)(now_ns - then_ns) / 1e9 : 0);
    } else {
        json_object_set_null_member(object, key);
    }
}

/*
 * By what factor the rate may well be off, up or down: as the planner doubts it (core/logmath.h,
 * log2_width()).
 */
static double doubt_factor(const PolicyGranule *granule)
{
    return exp2(MIN(1.25 / sqrt(granule->rate_per_s * granule->confidence_s + 0.25), 2));
}

static JsonObject *granule_json(const PolicyGranule *granule, uint64_t offset, uint64_t now_ns)
{
    JsonObject *object = json_object_new();
    JsonObject *sources = json_object_new();

    json_object_set_int_member(object, "offset", (gint64)offset);
    if (granule->tier < POLICY_MAX_TIERS) {
        json_object_set_int_member(object, "tier", granule->tier);
    } else {
        json_object_set_null_member(object, "tier");
    }
    if (granule->seen_ns) {
        json_object_set_double_member(object, "rate_per_s", granule->rate_per_s);
        json_object_set_double_member(object, "doubt_factor", doubt_factor(granule));
        json_object_set_double_member(object, "observed_s", granule->confidence_s);
    } else {
        json_object_set_null_member(object, "rate_per_s");
    }
    set_age(object, "seen_s_ago", granule->seen_ns, now_ns);
    set_age(object, "moved_s_ago", granule->moved_ns, now_ns);
    if (granule->hint < POLICY_HINT__MAX) {
        json_object_set_string_member(object, "hint", snapshot_hint_name((TierHint)granule->hint));
    } else {
        json_object_set_null_member(object, "hint");
    }
    json_object_set_string_member(object, "reason", survey_reason_name(granule->reason));
    for (int i = 0; i < POLICY_SOURCE__MAX; i++) {
        if (granule->source_seen_ns[i]) {
            set_age(sources, source_name((PolicySource)i), granule->source_seen_ns[i], now_ns);
        }
    }
    json_object_set_object_member(object, "sources_s_ago", sources);
    return object;
}

static unsigned heat_class(const Survey *survey, const PolicyGranule *granule)
{
    const double per_page = granule->rate_per_s * PAGE / survey->granule_bytes;
    const double octaves = per_page > 0 ? floor((log2(per_page) - HEAT_LEAST) / HEAT_STEP) + 1 : 0;

    return (unsigned)CLAMP(octaves, 0, HEAT_CLASSES - 1);
}

static bool range_look(Survey *survey, Vm *vm, uint64_t now_ns)
{
    const VmSurvey *asked = &survey->asked;
    PolicyGranule granule;

    if (!policy_granule(vm->policy, asked->region, (size_t)(survey->at / survey->granule_bytes), now_ns,
                        &granule)) {
        return false;
    }
    tally_add(&survey->total, &granule, survey->granule_bytes, 1);
    if ((unsigned)granule.reason < POLICY_REASON__MAX) {
        survey->reasons[granule.reason] += survey->granule_bytes;
    }
    if (granule.tier < POLICY_MAX_TIERS && granule.seen_ns) {
        survey->heat[heat_class(survey, &granule)][granule.tier] += survey->granule_bytes;
    }
    if (json_array_get_length(survey->granules) < asked->detail) {
        json_array_add_object_element(survey->granules, granule_json(&granule, survey->at, now_ns));
    }
    survey->at += survey->granule_bytes;
    return true;
}

/* A number below @n that depends on @seed alone, and evenly. */
static uint64_t pick(uint64_t seed, uint64_t n)
{
    seed *= G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    return (seed >> 32) % n;
}

static bool map_look(Survey *survey, Vm *vm, uint64_t now_ns)
{
    const size_t bucket = (size_t)(survey->at / survey->bucket_bytes);
    const Stretch *stretch = &g_array_index(survey->stretches, Stretch, 0);
    uint64_t end, first, n;
    PolicyGranule granule;

    while (survey->at >= stretch->at + stretch->size) {
        stretch++;
    }
    /* Those that one granule stands for: no further than the bucket and the region go. */
    end = MIN(stretch->at + stretch->size, (bucket + 1) * survey->bucket_bytes);
    first = (survey->at - stretch->at) / stretch->granule_bytes;
    n = (end - survey->at + stretch->granule_bytes - 1) / stretch->granule_bytes;
    n = MIN(n, survey->stride);
    if (!policy_granule(vm->policy, stretch->region, (size_t)(first + pick(first, n)), now_ns, &granule)) {
        return false;
    }
    tally_add(&survey->buckets[bucket], &granule, n * stretch->granule_bytes, (double)n);
    survey->at = MIN(survey->at + n * stretch->granule_bytes, stretch->at + stretch->size);
    return true;
}

/* --- answering --- */

static JsonArray *tiers_json(const uint64_t *bytes, unsigned n_tiers)
{
    JsonArray *list = json_array_new();

    for (unsigned t = 0; t < n_tiers; t++) {
        json_array_add_int_element(list, (gint64)bytes[t]);
    }
    return list;
}

static JsonObject *range_answer(const Survey *survey, const Vm *vm)
{
    const unsigned n_tiers = vm->topology->n_tiers;
    JsonObject *answer = json_object_new();
    JsonObject *reasons = json_object_new();
    JsonArray *heat = json_array_new();

    json_object_set_int_member(answer, "region", survey->asked.region);
    json_object_set_int_member(answer, "offset", (gint64)survey->asked.offset);
    json_object_set_int_member(answer, "length", (gint64)(survey->end - survey->asked.offset));
    json_object_set_int_member(answer, "granule", survey->granule_bytes);
    if (survey->more) {
        json_object_set_int_member(answer, "next", (gint64)survey->end);
        json_object_set_int_member(answer, "left", (gint64)survey->more);
    }
    json_object_set_array_member(answer, "tier_bytes", tiers_json(survey->total.tiers, n_tiers));
    json_object_set_int_member(answer, "absent_bytes", (gint64)survey->total.absent);
    json_object_set_int_member(answer, "unknown_bytes", (gint64)survey->total.unknown);
    json_object_set_int_member(answer, "seen_bytes", (gint64)survey->total.seen);
    json_object_set_double_member(answer, "per_s", survey->total.per_s);
    for (int i = 0; i < POLICY_REASON__MAX; i++) {
        if (survey->reasons[i]) {
            json_object_set_int_member(reasons, survey_reason_name((PolicyReason)i),
                                       (gint64)survey->reasons[i]);
        }
    }
    json_object_set_object_member(answer, "reason_bytes", reasons);
    for (int i = 0; i < HEAT_CLASSES; i++) {
        JsonObject *class = json_object_new();

        json_object_set_double_member(class, "from_per_s", i ? exp2(HEAT_LEAST + (i - 1) * HEAT_STEP) : 0);
        json_object_set_array_member(class, "tier_bytes", tiers_json(survey->heat[i], n_tiers));
        json_array_add_object_element(heat, class);
    }
    json_object_set_array_member(answer, "heat", heat);
    json_object_set_array_member(answer, "granules", json_array_ref(survey->granules));
    return answer;
}

static JsonObject *map_answer(const Survey *survey, const Vm *vm)
{
    JsonObject *answer = json_object_new();
    JsonArray *regions = json_array_new(), *tiers = json_array_new();
    JsonArray *absent = json_array_new(), *seen = json_array_new(), *per_s = json_array_new();

    json_object_set_int_member(answer, "bytes", (gint64)survey->end);
    json_object_set_int_member(answer, "bucket_bytes", (gint64)survey->bucket_bytes);
    json_object_set_int_member(answer, "stride", (gint64)survey->stride);
    for (guint i = 0; i < survey->stretches->len; i++) {
        const Stretch *stretch = &g_array_index(survey->stretches, Stretch, i);
        JsonObject *region = json_object_new();

        json_object_set_int_member(region, "id", stretch->region);
        json_object_set_int_member(region, "at", (gint64)stretch->at);
        json_object_set_int_member(region, "size", (gint64)stretch->size);
        json_array_add_object_element(regions, region);
    }
    json_object_set_array_member(answer, "regions", regions);
    for (uint32_t t = 0; t < vm->topology->n_tiers; t++) {
        JsonArray *bytes = json_array_new();

        for (size_t i = 0; i < survey->n_buckets; i++) {
            json_array_add_int_element(bytes, (gint64)survey->buckets[i].tiers[t]);
        }
        json_array_add_array_element(tiers, bytes);
    }
    for (size_t i = 0; i < survey->n_buckets; i++) {
        json_array_add_int_element(absent, (gint64)survey->buckets[i].absent);
        json_array_add_int_element(seen, (gint64)survey->buckets[i].seen);
        json_array_add_double_element(per_s, survey->buckets[i].per_s);
    }
    json_object_set_array_member(answer, "tier_bytes", tiers);
    json_object_set_array_member(answer, "absent_bytes", absent);
    json_object_set_array_member(answer, "seen_bytes", seen);
    json_object_set_array_member(answer, "per_s", per_s);
    return answer;
}

bool survey_slice(Survey *survey, Vm *vm, JsonNode **answer, GError **errp)
{
    const bool of_map = survey->asked.buckets > 0;
    const uint64_t deadline_ns = clock_ns() + SLICE_NS;
    JsonObject *object;

    while (survey->at < survey->end) {
        const uint64_t now_ns = clock_ns();

        if (now_ns >= deadline_ns) {
            return false;
        }
        for (int i = 0; i < SLICE_LOOKS && survey->at < survey->end; i++) {
            if (!vm->policy || !(of_map ? map_look : range_look)(survey, vm, now_ns)) {
                g_set_error(errp, VM_ERROR, VM_ERROR_STATE,
                            "memory of VM '%s' went away while it was looked at; ask again", vm->name);
                return true;
            }
        }
    }
    if (!vm->topology) {
        g_set_error(errp, VM_ERROR, VM_ERROR_STATE, "VM '%s' went away while it was looked at", vm->name);
        return true;
    }
    object = of_map ? map_answer(survey, vm) : range_answer(survey, vm);
    *answer = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    return true;
}
