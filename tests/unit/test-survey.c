/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surveys of a VM's granules: what they tell, in how many slices, and what they refuse.
 */
#include "vm/survey.h"

#include <string.h>

#include "client/fields.h"
#include "vm/impl.h"

#define GIB (1ull << 30)
#define MIB (1ull << 20)
#define SECOND 1000000000ull

/* A VM that has regions and a policy, and no thread. */
typedef struct Fixture {
    Vm vm;
    Topology topology;
    uint64_t now_ns;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    static const PolicyConfig config = {
        .budget_bytes = 4 * MIB,
        .heat_half_life_ns = 30 * SECOND,
        .heat_life_ns = 60 * SECOND,
        .n_tiers = 2,
        .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
    };

    f->now_ns = clock_ns();
    f->topology.n_tiers = 2;
    f->vm.name = (char *)"a";
    f->vm.topology = &f->topology;
    f->vm.policy = policy_new(&config);
    f->vm.regions = g_ptr_array_new_with_free_func(g_free);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    policy_free(f->vm.policy);
    g_ptr_array_unref(f->vm.regions);
}

/* Granules lie in tier 1, but those of the first MiB, which are in tier 0. */
static void add_region(Fixture *f, uint32_t id, uint64_t size, uint32_t granule_bytes)
{
    VmRegion *region = g_new0(VmRegion, 1);
    const size_t n = size / granule_bytes;
    g_autofree uint8_t *tiers = g_malloc(n);
    g_autoptr(GError) err = NULL;

    region->region = (Region) { .id = id, .size = size, .granule_bytes = granule_bytes };
    region->name = (char *)"ram";
    g_ptr_array_add(f->vm.regions, region);
    g_assert_true(policy_region_add(f->vm.policy, id, size, granule_bytes, &err));
    memset(tiers, 1, n);
    memset(tiers, 0, MIN(n, MIB / granule_bytes));
    policy_place(f->vm.policy, id, 0, n, tiers);
}

static JsonObject *survey(Fixture *f, const VmSurvey *asked, unsigned *slices)
{
    g_autoptr(GError) err = NULL;
    Survey *running = survey_new(&f->vm, asked, &err);
    g_autoptr(JsonNode) answer = NULL;

    g_assert_no_error(err);
    for (*slices = 1; !survey_slice(running, &f->vm, &answer, &err); (*slices)++) {
        g_assert_cmpuint(*slices, <, 10000);
    }
    g_assert_no_error(err);
    survey_free(running);
    return json_object_ref(json_node_get_object(answer));
}

static uint64_t element(JsonObject *object, const char *key, guint index)
{
    return (uint64_t)json_array_get_int_element(field_array(object, key), index);
}

static void tells_of_one_granule_by_whom_it_was_seen(Fixture *f, gconstpointer data)
{
    const VmSurvey asked = {.offset = 3 * MIB + 17, .detail = 10};
    g_autoptr(JsonObject) answer = NULL;
    JsonObject *granule;
    unsigned slices;

    add_region(f, 5, 8 * MIB, 4096);
    policy_evidence_rate(f->vm.policy, POLICY_SOURCE_RWP, 5, 3 * MIB / 4096, 1, 1000, SECOND, f->now_ns);
    policy_plan(f->vm.policy, f->now_ns);
    answer = survey(f, &asked, &slices);
    g_assert_cmpuint(field_uint(answer, "region", 0), ==, 5);
    g_assert_cmpuint(field_uint(answer, "offset", 0), ==, 3 * MIB);
    g_assert_cmpuint(field_uint(answer, "length", 0), ==, 4096);
    g_assert_false(json_object_has_member(answer, "next"));
    g_assert_cmpuint(elements(field_array(answer, "granules")), ==, 1);
    granule = element_object(field_array(answer, "granules"), 0);
    g_assert_cmpuint(field_uint(granule, "tier", 9), ==, 1);
    g_assert_cmpfloat(field_number(granule, "rate_per_s"), >, 300);
    g_assert_cmpfloat(field_number(granule, "rate_per_s"), <, 1500);
    g_assert_cmpfloat(field_number(granule, "doubt_factor"), >, 1);
    g_assert_cmpfloat(field_number(granule, "doubt_factor"), <=, 4);
    g_assert_true(json_object_get_null_member(granule, "moved_s_ago"));
    g_assert_cmpfloat(field_number(granule, "seen_s_ago"), <, 60);
}

static void sums_up_a_range(Fixture *f, gconstpointer data)
{
    const VmSurvey asked = {.has_region = true, .region = 1, .length = 8 * MIB, .detail = 3};
    g_autoptr(JsonObject) answer = NULL;
    uint64_t in_classes = 0;
    unsigned slices;

    add_region(f, 1, 8 * MIB, 4096);
    policy_evidence_rate(f->vm.policy, POLICY_SOURCE_RWP, 1, 0, 512, 100, SECOND, f->now_ns);
    policy_plan(f->vm.policy, f->now_ns);
    answer = survey(f, &asked, &slices);
    g_assert_cmpuint(element(answer, "tier_bytes", 0), ==, MIB);
    g_assert_cmpuint(element(answer, "tier_bytes", 1), ==, 7 * MIB);
    g_assert_cmpuint(field_uint(answer, "seen_bytes", 0), ==, 2 * MIB);
    g_assert_cmpuint(elements(field_array(answer, "granules")), ==, 3);
    for (guint i = 0; i < elements(field_array(answer, "heat")); i++) {
        JsonObject *class = element_object(field_array(answer, "heat"), i);

        in_classes += element(class, "tier_bytes", 0) + element(class, "tier_bytes", 1);
    }
    g_assert_cmpuint(in_classes, ==, 2 * MIB);
}

static void a_large_range_is_told_in_parts_that_join(Fixture *f, gconstpointer data)
{
    VmSurvey asked = {.has_region = true, .region = 1, .offset = 4096, .length = 2 * GIB - 4096};
    uint64_t told = 0;
    unsigned parts = 0, slices, most_slices = 0;

    add_region(f, 1, 2 * GIB, 4096);
    while (asked.length > 0) {
        g_autoptr(JsonObject) answer = survey(f, &asked, &slices);

        g_assert_cmpuint(field_uint(answer, "offset", 0), ==, asked.offset);
        told += field_uint(answer, "length", 0);
        asked.offset = field_uint(answer, "next", 0);
        asked.length = field_uint(answer, "left", 0);
        most_slices = MAX(most_slices, slices);
        parts++;
    }
    g_assert_cmpuint(told, ==, 2 * GIB - 4096);
    g_assert_cmpuint(parts, ==, 2);
    g_assert_cmpuint(most_slices, >, 1);
}

static void a_heatmap_accounts_for_each_byte_of_all_regions(Fixture *f, gconstpointer data)
{
    static const uint32_t buckets[] = {1, 7, 100, SURVEY_MAX_BUCKETS};

    add_region(f, 1, 8 * MIB, 4096);
    add_region(f, 2, 6 * MIB, 2 * MIB);
    add_region(f, 3, 12288, 4096);
    policy_evidence_rate(f->vm.policy, POLICY_SOURCE_RWP, 1, 0, 2048, 100, SECOND, f->now_ns);
    for (size_t b = 0; b < G_N_ELEMENTS(buckets); b++) {
        const VmSurvey asked = {.buckets = buckets[b]};
        unsigned slices;
        g_autoptr(JsonObject) answer = survey(f, &asked, &slices);
        JsonArray *tiers = field_array(answer, "tier_bytes");
        uint64_t sum = 0, seen = 0;

        g_assert_cmpuint(field_uint(answer, "bytes", 0), ==, 14 * MIB + 12288);
        g_assert_cmpuint(field_uint(answer, "stride", 0), ==, 1);
        g_assert_cmpuint(elements(field_array(answer, "regions")), ==, 3);
        g_assert_cmpuint(elements(field_array(answer, "per_s")), <=, buckets[b]);
        for (guint i = 0; i < elements(field_array(answer, "per_s")); i++) {
            sum += (uint64_t)json_array_get_int_element(json_array_get_array_element(tiers, 0), i);
            sum += (uint64_t)json_array_get_int_element(json_array_get_array_element(tiers, 1), i);
            seen += element(answer, "seen_bytes", i);
        }
        g_assert_cmpuint(sum, ==, 14 * MIB + 12288);
        g_assert_cmpuint(seen, ==, 8 * MIB);
    }
}

static void a_heatmap_of_much_memory_looks_at_a_sample(Fixture *f, gconstpointer data)
{
    const VmSurvey asked = {.buckets = 64};
    g_autoptr(JsonObject) answer = NULL;
    uint64_t sum = 0;
    unsigned slices;

    add_region(f, 1, 4 * GIB, 4096);
    policy_evidence_rate(f->vm.policy, POLICY_SOURCE_RWP, 1, 0, 4 * GIB / 4096, 100, SECOND, f->now_ns);
    answer = survey(f, &asked, &slices);
    g_assert_cmpuint(field_uint(answer, "stride", 0), ==, 4);
    for (guint i = 0; i < 64; i++) {
        JsonArray *tiers = field_array(answer, "tier_bytes");
        const double per_s = json_array_get_double_element(field_array(answer, "per_s"), i);

        sum += (uint64_t)json_array_get_int_element(json_array_get_array_element(tiers, 0), i);
        sum += (uint64_t)json_array_get_int_element(json_array_get_array_element(tiers, 1), i);
        g_assert_cmpfloat(per_s, >, 16384 * 30);
        g_assert_cmpfloat(per_s, <, 16384 * 150);
    }
    g_assert_cmpuint(sum, ==, 4 * GIB);
}

static void assert_refused(Fixture *f, const VmSurvey *asked, const char *says)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(survey_new(&f->vm, asked, &err));
    if (!strstr(err->message, says)) {
        g_error("'%s' does not say '%s'", err->message, says);
    }
}

static void refuses_what_the_vm_does_not_have(Fixture *f, gconstpointer data)
{
    const VmSurvey none = {.has_region = true, .region = 9};
    const VmSurvey any = {.offset = 0};
    const VmSurvey outside = {.has_region = true, .region = 1, .offset = 8 * MIB};
    const VmSurvey long_one = {.has_region = true, .region = 1, .offset = 4096, .length = 8 * MIB};
    const VmSurvey overflow = {.has_region = true, .region = 1, .offset = 4096, .length = UINT64_MAX};
    const VmSurvey far = {.has_region = true, .region = 1, .offset = UINT64_MAX, .length = 2};

    assert_refused(f, &any, "VM 'a' is not connected");
    add_region(f, 1, 8 * MIB, 4096);
    add_region(f, 2, 8 * MIB, 4096);
    assert_refused(f, &none, "VM 'a' has no region 9; 'tierctl show a' lists");
    assert_refused(f, &any, "has 2 regions: say which one");
    assert_refused(f, &outside, "1 bytes from offset 0x800000 reach beyond region 1 ('ram')");
    assert_refused(f, &long_one, "reach beyond region 1");
    assert_refused(f, &overflow, "reach beyond region 1");
    assert_refused(f, &far, "reach beyond region 1");
}

static void memory_that_goes_away_meanwhile_is_told(Fixture *f, gconstpointer data)
{
    for (uint32_t buckets = 0; buckets < 2; buckets++) {
        const VmSurvey asked = {.buckets = buckets, .length = buckets ? 0 : MIB};
        g_autoptr(JsonNode) answer = NULL;
        g_autoptr(GError) err = NULL;
        Survey *running;

        add_region(f, 1, 8 * MIB, 4096);
        running = survey_new(&f->vm, &asked, &err);
        policy_region_del(f->vm.policy, 1);
        g_ptr_array_set_size(f->vm.regions, 0);
        g_assert_true(survey_slice(running, &f->vm, &answer, &err));
        g_assert_null(answer);
        g_assert_nonnull(strstr(err->message, "went away while it was looked at"));
        survey_free(running);
    }
}

#define ADD(func) g_test_add("/survey/" #func, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(tells_of_one_granule_by_whom_it_was_seen);
    ADD(sums_up_a_range);
    ADD(a_large_range_is_told_in_parts_that_join);
    ADD(a_heatmap_accounts_for_each_byte_of_all_regions);
    ADD(a_heatmap_of_much_memory_looks_at_a_sample);
    ADD(refuses_what_the_vm_does_not_have);
    ADD(memory_that_goes_away_meanwhile_is_told);
    return g_test_run();
}
