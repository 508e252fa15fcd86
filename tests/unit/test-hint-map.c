/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest physical addresses to granules and back, and the state that migration takes along.
 *
 *   guest physical   0        640K  768K         3M        1G        1G+4M
 *                    |---------|     |-----------|         |----------|
 *   QEMU             hva       .     hva+768K    hva+3M    hva+3M     .
 *   regions          |------ 1: 4 KiB -----------------------|- 2 -|  (2 ends in the middle of the second piece)
 */
#include <glib.h>

#include "hint/device.h"
#include "hint/map.h"
#include "hint/state.h"

#define KB   UINT64_C(1024)
#define MB   (1024 * KB)
#define GB   (1024 * MB)
#define HVA  UINT64_C(0x7f0000000000)

static const HintMemory memory[] = {
    { GB, 4 * MB, HVA + 3 * MB }, { 0, 640 * KB, HVA }, { 768 * KB, 3 * MB - 768 * KB, HVA + 768 * KB },
};
static const Region low = { .id = 1, .granule_bytes = 4096, .hva = HVA, .size = 4 * MB };
static const Region high = { .id = 2, .granule_bytes = 2 * 1024 * 1024, .hva = HVA + 4 * MB, .size = 2 * MB };
static const Region *const regions[] = { &low, &high };

static HintMap *map_new(void)
{
    return hint_map_new(memory, G_N_ELEMENTS(memory), regions, G_N_ELEMENTS(regions));
}

typedef struct Case {
    const char *name;
    uint64_t gpa, len;
    bool narrow, found;
    guint n;
    HintPiece pieces[2];
} Case;

static const Case cases[] = {
    {"one-page", 4096, 4096, false, true, 1, {{1, 4096, 1, 1}}},
    {"all-below-the-hole", 0, 640 * KB, false, true, 1, {{1, 4096, 0, 160}}},
    {"into-the-hole", 636 * KB, 8 * KB, false, false, 0, {{0}}},
    {"across-the-hole", 636 * KB, 256 * KB, false, false, 0, {{0}}},
    {"in-the-hole", 640 * KB, 4 * KB, false, false, 0, {{0}}},
    {"beyond", 2 * GB, 4 * KB, false, false, 0, {{0}}},
    {"last-page", GB + 3 * MB - 4 * KB, 4 * KB, false, true, 1, {{2, 2 * 1024 * 1024, 0, 1}}},
    {"past-the-last-region", GB + 3 * MB - 4 * KB, 8 * KB, false, false, 0, {{0}}},
    {"memory-without-a-region", GB + 3 * MB, 4 * KB, false, false, 0, {{0}}},
    {"two-regions", GB + MB - 4 * KB, 8 * KB, false, true, 2, {{1, 4096, 1023, 1}, {2, 2 * 1024 * 1024, 0, 1}}},
    {"part-of-a-large-granule-widened", GB + MB + 4 * KB, 4 * KB, false, true, 1, {{2, 2 * 1024 * 1024, 0, 1}}},
    {"part-of-a-large-granule-narrowed", GB + MB + 4 * KB, 4 * KB, true, true, 0, {{0}}},
    {"large-granule-narrowed", GB + MB, 2 * MB, true, true, 1, {{2, 2 * 1024 * 1024, 0, 1}}},
    {"all-but-a-page-narrowed", GB, 3 * MB - 4 * KB, true, true, 1, {{1, 4096, 768, 256}}},
    {"everything-there-can-be", 0, UINT64_MAX - 4095, false, false, 0, {{0}}},
};

static void finds_the_granules_of_a_range(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(HintMap) map = map_new();
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(HintPiece));

    g_assert_true(hint_map_find(map, c->gpa, c->len, c->narrow, pieces) == c->found);
    if (!c->found) {
        return;
    }
    g_assert_cmpuint(pieces->len, ==, c->n);
    for (guint i = 0; i < c->n; i++) {
        const HintPiece *piece = &g_array_index(pieces, HintPiece, i);

        g_assert_cmpuint(piece->region, ==, c->pieces[i].region);
        g_assert_cmpuint(piece->granule_bytes, ==, c->pieces[i].granule_bytes);
        g_assert_cmpuint(piece->first, ==, c->pieces[i].first);
        g_assert_cmpuint(piece->n, ==, c->pieces[i].n);
    }
}

static void add_pin(void *opaque, uint64_t gpa, uint64_t len)
{
    const HintPin pin = { gpa, len };

    g_array_append_val((GArray *)opaque, pin);
}

static void granules_have_their_addresses_back(void)
{
    g_autoptr(HintMap) map = map_new();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(HintPin));
    const HintPin *pins;

    /* From the last page below the hole to the first page of the piece at 1 GiB. */
    hint_map_addresses(map, 1, 159, 768 - 159 + 1, add_pin, found);
    pins = (const HintPin *)found->data;
    g_assert_cmpuint(found->len, ==, 3);
    g_assert_cmpuint(pins[0].addr, ==, 636 * KB);
    g_assert_cmpuint(pins[0].len, ==, 4 * KB);
    g_assert_cmpuint(pins[1].addr, ==, 768 * KB);
    g_assert_cmpuint(pins[1].len, ==, 3 * MB - 768 * KB);
    g_assert_cmpuint(pins[2].addr, ==, GB);
    g_assert_cmpuint(pins[2].len, ==, 4 * KB);
}

static void a_map_of_nothing_finds_nothing(void)
{
    g_autoptr(HintMap) map = hint_map_new(memory, 0, NULL, 0);
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(HintPiece));

    g_assert_false(hint_map_find(map, 0, 4096, false, pieces));
}

/* --- the state --- */

static void what_is_saved_is_read_again(void)
{
    g_autoptr(GByteArray) state = hint_state_new(0.25);
    g_autoptr(GArray) pins = g_array_new(FALSE, FALSE, sizeof(HintPin));
    g_autoptr(GError) err = NULL;
    double trust;

    g_assert_true(hint_state_add(state, &(HintPin) { 4096, 8192 }));
    g_assert_true(hint_state_add(state, &(HintPin) { GB, 4096 }));
    g_assert_true(hint_state_parse(state->data, state->len, &trust, pins, &err));
    g_assert_no_error(err);
    g_assert_cmpfloat(trust, ==, 0.25);
    g_assert_cmpuint(pins->len, ==, 2);
    g_assert_cmpuint(g_array_index(pins, HintPin, 1).addr, ==, GB);
    g_assert_cmpuint(g_array_index(pins, HintPin, 0).len, ==, 8192);
}

static void pins_that_overlap_become_one(void)
{
    g_autoptr(GByteArray) state = hint_state_new(1);
    g_autoptr(GArray) pins = g_array_new(FALSE, FALSE, sizeof(HintPin));
    double trust;

    hint_state_add(state, &(HintPin) { GB, 4096 });
    for (uint64_t i = 0; i < 1000; i++) {
        hint_state_add(state, &(HintPin) { 4096 * (1000 - i), MB });
    }
    hint_state_add(state, &(HintPin) { 8192, 4096 });
    hint_state_add(state, &(HintPin) { 4096 * 1000 + MB, 4096 });   /* a neighbour is another */
    g_assert_true(hint_state_parse(state->data, state->len, &trust, pins, NULL));
    g_assert_cmpuint(pins->len, ==, 3);
    g_assert_cmpuint(g_array_index(pins, HintPin, 0).addr, ==, 4096);
    g_assert_cmpuint(g_array_index(pins, HintPin, 0).len, ==, 4096 * 999 + MB);
    g_assert_cmpuint(g_array_index(pins, HintPin, 1).addr, ==, 4096 * 1000 + MB);
    g_assert_cmpuint(g_array_index(pins, HintPin, 2).addr, ==, GB);
}

static void a_state_has_no_more_than_a_mebibyte(void)
{
    g_autoptr(GByteArray) state = hint_state_new(1);
    g_autoptr(GArray) pins = g_array_new(FALSE, FALSE, sizeof(HintPin));
    unsigned n = 0;
    double trust;

    while (hint_state_add(state, &(HintPin) { 4096 * (uint64_t)n, 4096 })) {
        n++;
    }
    g_assert_cmpuint(state->len, <=, HINT_STATE_MAX);
    g_assert_cmpuint(n, ==, HINT_STATE_MAX / 16 - 1);
    g_assert_true(hint_state_parse(state->data, state->len, &trust, pins, NULL));
    g_assert_cmpuint(pins->len, ==, n);
}

static void a_state_with_any_byte_wrong_is_refused_or_sound(void)
{
    g_autoptr(GByteArray) state = hint_state_new(0.5);
    unsigned refused = 0;

    hint_state_add(state, &(HintPin) { 4096, 8192 });
    for (guint at = 0; at < state->len; at++) {
        g_autoptr(GArray) pins = g_array_new(FALSE, FALSE, sizeof(HintPin));
        double trust = 0;

        state->data[at] ^= 0xff;
        if (hint_state_parse(state->data, state->len, &trust, pins, NULL)) {
            g_assert_true(trust >= 0 && trust <= 1);
            g_assert_cmpuint(pins->len, ==, 1);
        } else {
            refused++;
        }
        state->data[at] ^= 0xff;
        g_assert_false(hint_state_parse(state->data, at, &trust, pins, NULL));
    }
    /* Magic, version, number of pins, and what is not aligned. */
    g_assert_cmpuint(refused, >=, 14);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/hint-map/finds_the_granules_of_a_range/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], finds_the_granules_of_a_range);
    }
    g_test_add_func("/hint-map/granules_have_their_addresses_back", granules_have_their_addresses_back);
    g_test_add_func("/hint-map/a_map_of_nothing_finds_nothing", a_map_of_nothing_finds_nothing);
    g_test_add_func("/hint-state/what_is_saved_is_read_again", what_is_saved_is_read_again);
    g_test_add_func("/hint-state/pins_that_overlap_become_one", pins_that_overlap_become_one);
    g_test_add_func("/hint-state/a_state_has_no_more_than_a_mebibyte", a_state_has_no_more_than_a_mebibyte);
    g_test_add_func("/hint-state/a_state_with_any_byte_wrong_is_refused_or_sound",
                    a_state_with_any_byte_wrong_is_refused_or_sound);
    return g_test_run();
}
