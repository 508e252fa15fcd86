/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our QEMU does for itself, on real nodes and under a KVM guest: initial placement, residency, moves
 * by hand, changes that the daemon follows, and events. (topology numa, newest kernel)
 */
#include <signal.h>
#include <string.h>

#include "bed.h"
#include "client/fields.h"
#include "inspect.h"
#include "observer/placement.h"

#define CONFIG BED_COSTS BED_TRACKING
#define MIB UINT64_C(0x100000)
#define STRIPE (2u << 20) /* of placement=interleave, docs/qmp.md */

/* What query-memory-tiers says of the guest's only backend; *@answer holds it. */
static JsonObject *query(const Guest *guest, JsonNode **answer, GError **errp)
{
    *answer = qmp_call(guest->qmp, "query-memory-tiers", NULL, errp);
    return element_object(node_array(*answer), 0);
}

static uint64_t resident(JsonObject *backend, guint tier)
{
    return field_uint(element_object(field_array(backend, "tiers"), tier), "resident", UINT64_MAX);
}

/* Of RAM in N_STRIPES stripes, N_FAST are asked for in tier 0. */
#define AREA_MIB 28
#define N_STRIPES ((AREA_MIB * MIB + BED_RAM_BEYOND_AREA) / STRIPE)
#define N_FAST 4

/* Whether stripe @i may be in tier 0 (or not), when of those before it @before are. */
typedef bool Rule(unsigned i, bool is_fast, unsigned before);

static bool fast_first(unsigned i, bool is_fast, unsigned before)
{
    return is_fast == (i < N_FAST);
}

static bool slow_first(unsigned i, bool is_fast, unsigned before)
{
    return !is_fast;
}

/* Evenly spread: at no point a whole stripe more, or less, than the share; and the first one is fast. */
static bool interleave(unsigned i, bool is_fast, unsigned before)
{
    int n = (int)((before + is_fast) * N_STRIPES), share = (int)((i + 1) * N_FAST);

    return ABS(n - share) < (int)N_STRIPES && (i > 0 || is_fast);
}

typedef struct Placement {
    const char *name;
    Rule *rule;
} Placement;

static const Placement placements[] = {
    {"interleave", interleave},
    {"fast-first", fast_first},
    {"slow-first", slow_first},
};

/* The first stripe whose pages do not all lie where @rule wants them; N_STRIPES when there is none. */
static unsigned misplaced_stripe(const int8_t *nodes, Rule *rule)
{
    const unsigned pages = STRIPE / GUEST_PAGE_BYTES;
    unsigned before = 0;

    for (unsigned i = 0; i < N_STRIPES; i++) {
        unsigned on[2] = {0};

        for (unsigned p = 0; p < pages; p++) {
            int8_t node = nodes[i * pages + p];

            if (node != PLACEMENT_ABSENT) {
                on[node != 0]++;
            }
        }
        if ((on[0] && on[1]) || (on[0] + on[1] && !rule(i, on[0], before))) {
            return i;
        }
        before += on[0] != 0;
    }
    return N_STRIPES;
}

static void initial_placement_is_honoured(gconstpointer opaque)
{
    const Placement *placement = opaque;
    g_autofree char *backend = g_strdup_printf("placement=%s,fast-size=8M,mode=off", placement->name);
    g_autofree int8_t *nodes = NULL;
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t numa_maps[2];
    JsonObject *told;
    unsigned stripe;

    EXPECT_OK(bed_guest(&bed, "pattern=gups-hot", AREA_MIB, backend, &error), error);
    nodes = inspect_nodes(bed.guest, &error);
    EXPECT(nodes, "%s", error->message);
    stripe = misplaced_stripe(nodes, placement->rule);
    EXPECT(stripe == N_STRIPES, "the stripe of 2 MiB number %u does not lie as %s wants it", stripe,
           placement->name);
    EXPECT(inspect_mappings(bed.guest) == 1, "QEMU has %u mappings of the guest's RAM",
           inspect_mappings(bed.guest));

    told = query(bed.guest, &answer, &error);
    EXPECT(told, "%s", error ? error->message : "query-memory-tiers shows no backend");
    EXPECT_OK(inspect_numa_maps(bed.guest, numa_maps, &error), error);
    EXPECT(numa_maps[0] + numa_maps[1] >= (uint64_t)bed.guest->header.pages * GUEST_PAGE_BYTES,
           "numa_maps tells of less memory than the guest has touched");
    EXPECT(resident(told, 0) == numa_maps[0] && resident(told, 1) == numa_maps[1],
           "QEMU tells %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT " bytes, numa_maps %" G_GUINT64_FORMAT
           " + %" G_GUINT64_FORMAT,
           resident(told, 0), resident(told, 1), numa_maps[0], numa_maps[1]);
    EXPECT(resident(told, 0) + resident(told, 1) + field_uint(told, "absent", 0) +
                   field_uint(told, "unmapped", 0) ==
               bed.guest->ram_bytes,
           "residency does not add up to the size");
}

/* memory-tier-place; 'asked' and 'applied' as it returns them. */
static bool place(const Guest *guest, uint64_t offset, uint64_t size, unsigned tier, uint64_t *asked,
                  uint64_t *applied, GError **errp)
{
    g_autofree char *arguments = g_strdup_printf("{\"id\": \"ram\", \"offset\": %" G_GUINT64_FORMAT
                                                 ", \"size\": %" G_GUINT64_FORMAT ", \"tier\": %u}",
                                                 offset, size, tier);
    g_autoptr(JsonNode) answer = qmp_call(guest->qmp, "memory-tier-place", arguments, errp);

    *asked = field_uint(node_object(answer), "asked", UINT64_MAX);
    *applied = field_uint(node_object(answer), "applied", UINT64_MAX);
    return answer != NULL;
}

/* Of the pages from @offset, those on @node. */
static uint64_t count_on(const Guest *guest, uint64_t offset, uint64_t size, int8_t node)
{
    g_autofree int8_t *nodes = inspect_nodes(guest, NULL);
    uint64_t n = 0;

    for (uint64_t i = offset / GUEST_PAGE_BYTES; nodes && i < (offset + size) / GUEST_PAGE_BYTES; i++) {
        n += nodes[i] == node;
    }
    return n;
}

static void places_by_hand(Bed *bed)
{
    const uint64_t offset = 8 * MIB, size = 8 * MIB, pages = size / GUEST_PAGE_BYTES;
    g_autoptr(GError) error = NULL;
    uint64_t asked, applied;

    for (unsigned tier = 0; tier < 2; tier++) {
        uint64_t to_move = pages - count_on(bed->guest, offset, size, (int8_t)tier);

        EXPECT_OK(place(bed->guest, offset, size, tier, &asked, &applied, &error), error);
        EXPECT(asked == to_move && asked > 0,
               "to tier %u: %" G_GUINT64_FORMAT " pages asked for, %" G_GUINT64_FORMAT " were elsewhere",
               tier, asked, to_move);
        EXPECT(applied == asked && count_on(bed->guest, offset, size, (int8_t)tier) == pages,
               "to tier %u: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " moved, %" G_GUINT64_FORMAT
               " are there",
               tier, applied, asked, count_on(bed->guest, offset, size, (int8_t)tier));
    }
}

static void memory_is_placed_by_hand_without_a_daemon(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_guest(&bed, "pattern=gups-hot", 28, "fast-size=8M", &error), error);
    places_by_hand(&bed);
}

static void memory_is_placed_by_hand_beside_a_daemon(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_start(&bed, CONFIG, "pattern=gups-hot", 28, "fast-size=8M,mode=observe", &error), error);
    places_by_hand(&bed);
}

static void no_write_is_lost_while_memory_goes_back_and_forth(void)
{
    const gint64 end = g_get_monotonic_time() + (gint64)7 * G_USEC_PER_SEC;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t asked, applied, moved = 0;
    unsigned rounds;

    EXPECT_OK(bed_start(&bed, CONFIG, "pattern=idle-burst period=7 idle=1000", 28,
                        "fast-size=8M,mode=observe", &error),
              error);
    for (rounds = 0; rounds < 4 || g_get_monotonic_time() < end; rounds++) {
        EXPECT_OK(place(bed.guest, 0, bed.guest->ram_bytes, rounds % 2, &asked, &applied, &error), error);
        moved += applied;
    }
    g_test_message("%" G_GUINT64_FORMAT " moves of %u pages in %u rounds", moved, bed.guest->header.pages,
                   rounds);
    EXPECT(moved > (uint64_t)2 * bed.guest->header.pages, "only %" G_GUINT64_FORMAT " pages were moved",
           moved);
    EXPECT_OK(inspect_integrity(bed.guest, 30, &error), error);
}

/* A BedCondition: the guest has at most *(uint64_t *)@opaque bytes on node 0. */
static bool holds_at_most(Bed *bed, void *opaque)
{
    uint64_t bytes[2];

    return inspect_numa_maps(bed->guest, bytes, NULL) && bytes[0] <= *(const uint64_t *)opaque;
}

static void the_daemon_follows_a_smaller_fast_size(void)
{
    const uint64_t smaller = 6 * MIB;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) set = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_start(&bed, CONFIG, "pattern=gups-hot", 28, "fast-size=16M", &error), error);
    EXPECT(!holds_at_most(&bed, (void *)&smaller), "it holds no more than that from the start");
    set = qmp_call(bed.guest->qmp, "memory-tier-set", "{\"id\": \"ram\", \"fast-size\": 6291456}", &error);
    EXPECT(set, "%s", error->message);
    if (!bed_wait(&bed, 20, holds_at_most, (void *)&smaller)) {
        uint64_t bytes[2] = {0};

        inspect_numa_maps(bed.guest, bytes, NULL);
        EXPECT(false,
               "20 s later it holds %" G_GUINT64_FORMAT " bytes of node 0, %" G_GUINT64_FORMAT " are allowed",
               bytes[0], smaller);
    }
    EXPECT(bed_view(&bed).fast_size == smaller, "the daemon tells a fast-size of %" G_GUINT64_FORMAT,
           bed_view(&bed).fast_size);
}

/* The next event tells @connected; -1 when none came. */
static int next_connected(const Guest *guest, GError **errp)
{
    g_autoptr(JsonNode) event = qmp_event(guest->qmp, "MEMORY_TIER_STATE_CHANGED", 8000, errp);

    return event ? field_bool(field_object(node_object(event), "data"), "connected") : -1;
}

static void an_event_tells_that_the_daemon_is_lost_and_back(void)
{
    g_autoptr(JsonNode) answer = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    int connected = 1;

    EXPECT_OK(bed_start(&bed, CONFIG, "pattern=gups-hot", 12, "fast-size=4M,mode=observe", &error), error);
    EXPECT(next_connected(bed.guest, &error) == 1, "no event told that the daemon has connected: %s",
           error ? error->message : "it told the contrary");
    bed_daemon_end(&bed, SIGKILL);
    while (connected == 1) { /* other states may have been told before it was killed */
        connected = next_connected(bed.guest, &error);
    }
    EXPECT(connected == 0, "no event told that the daemon is lost: %s", error->message);
    EXPECT_OK(bed_daemon(&bed, CONFIG, &error), error);
    EXPECT(next_connected(bed.guest, &error) == 1, "no event told that the daemon is back: %s",
           error ? error->message : "it told the contrary");
    EXPECT(field_bool(field_object(query(bed.guest, &answer, &error), "daemon"), "connected"),
           "query-memory-tiers says that no daemon is connected");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/" #name, name)
    for (size_t i = 0; i < G_N_ELEMENTS(placements); i++) {
        g_autofree char *path = g_strdup_printf("/initial_placement_is_honoured/%s", placements[i].name);

        g_test_add_data_func(path, &placements[i], initial_placement_is_honoured);
    }
    ADD(memory_is_placed_by_hand_without_a_daemon);
    ADD(memory_is_placed_by_hand_beside_a_daemon);
    ADD(no_write_is_lost_while_memory_goes_back_and_forth);
    ADD(the_daemon_follows_a_smaller_fast_size);
    ADD(an_event_tells_that_the_daemon_is_lost_and_back);
    return g_test_run();
}
