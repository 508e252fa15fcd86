/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baseline 'hemem': a fixed number of samples makes a page hot; counts are halved when one page has had many.
 *
 * Source: A. Raybuck et al., "HeMem: Scalable Tiered Memory Management for Big Data Applications and Real
 * NVM", SOSP 2021; its repository's src/pebs.[ch] with the paper's parameters: one load and one store in
 * 5,000 is sampled; a page of 2 MiB is hot from 8 loads or 4 stores on; when a page has had 18 of either, all
 * counts are halved (each page's when it is next looked at); every 10 ms a thread takes hot pages in slow
 * memory from a queue, oldest first, and moves them up, for each a cold page from tier 0's queue down where
 * there is no room, until there are none left or nothing in tier 0 is cold.
 *
 * Pages may lie in both tiers at the start here, where HeMem would have filled tier 0 with whole ones: a page
 * counts as cold in tier 0 while any of it is there.
 *
 * In its favour: the paper's limit of 10 GB/s is the machine's; counts are halved before a sample is added,
 * not after; all guests share tier 0 rather than each having its own part; pages=1 makes it work on pages of
 * 4 KiB.
 */
#include "../contender.h"
#include "../params.h"
#include "demote.h"
#include "page-list.h"
#include "per-guest.h"

#define TICK_NS 10000000ull
#define SAMPLES_AT_ONCE 65536u
#define CLOCKS_MAX 31u /* halvings after which any count is 0 */

/* The queues that a unit may be on. */
typedef enum Queue {
    QUEUE_COLD_SLOW, /* nothing to be done */
    QUEUE_COLD_FAST, /* cold, with pages in tier 0: may go down */
    QUEUE_HOT_SLOW,  /* hot, with pages elsewhere: to go up */
    QUEUE_HOT_FAST,
    QUEUE__MAX,
} Queue;

/* A page of HeMem's: of 2 MiB, or as many of the machine's pages as the parameter says. */
typedef struct Unit {
    uint16_t loads, stores;
    uint32_t clock; /* the global one, when these were last halved */
    uint8_t queue;
} Unit;

typedef struct HememGuest {
    Guest *guest;
    uint32_t pages, n_units, unit_pages;
    Unit *units;
    PageLink *links; /* of units */
    PageList queues[QUEUE__MAX];
} HememGuest;

typedef struct Hemem {
    Contender contender;
    PerGuest guests; /* HememGuest */
    double sample_period;
    unsigned hot_loads, hot_stores, cooling_samples;
    uint32_t unit_pages;
    uint32_t clock;
    bool cooling; /* hot pages are to be looked at, whether they still are */
    uint32_t *sampled;
    guint up_turn, down_turn; /* guests whose queues come next */
} Hemem;

/* --- units --- */

static uint32_t unit_end(const HememGuest *g, uint32_t unit)
{
    return MIN((unit + 1) * g->unit_pages, g->pages);
}

static bool unit_hot(const Hemem *hemem, const Unit *unit)
{
    return unit->loads >= hemem->hot_loads || unit->stores >= hemem->hot_stores;
}

static void cool_unit(const Hemem *hemem, Unit *unit)
{
    uint32_t behind = MIN(hemem->clock - unit->clock, CLOCKS_MAX);

    unit->loads = (uint16_t)(unit->loads >> behind);
    unit->stores = (uint16_t)(unit->stores >> behind);
    unit->clock = hemem->clock;
}

/* Put a unit at the young end of the queue where it belongs, unless it is there. */
static void place_unit(const Hemem *hemem, HememGuest *g, uint32_t u)
{
    Unit *unit = &g->units[u];
    bool fast = false, slow = false;
    Queue queue;

    for (uint32_t page = u * g->unit_pages; page < unit_end(g, u); page++) {
        uint8_t tier = guest_tier(g->guest, page);

        fast |= tier == 0;
        slow |= tier != 0 && tier != SIM_ABSENT;
    }
    if (unit_hot(hemem, unit)) {
        queue = slow ? QUEUE_HOT_SLOW : QUEUE_HOT_FAST;
    } else {
        queue = fast ? QUEUE_COLD_FAST : QUEUE_COLD_SLOW;
    }
    if (queue != unit->queue) {
        page_list_remove(&g->queues[unit->queue], g->links, u);
        unit->queue = (uint8_t)queue;
        page_list_add(&g->queues[queue], g->links, u);
    }
}

static void *hemem_guest_new(void *opaque, Guest *guest)
{
    Hemem *hemem = opaque;
    HememGuest *g = g_new0(HememGuest, 1);

    g->guest = guest;
    g->pages = (uint32_t)guest_pages(guest);
    g->unit_pages = hemem->unit_pages;
    g->n_units = (g->pages + g->unit_pages - 1) / g->unit_pages;
    g->units = g_new0(Unit, g->n_units);
    g->links = g_new0(PageLink, g->n_units);
    for (Queue queue = 0; queue < QUEUE__MAX; queue++) {
        g->queues[queue] = PAGE_LIST_EMPTY;
    }
    for (uint32_t u = 0; u < g->n_units; u++) {
        g->units[u].clock = hemem->clock;
        page_list_add(&g->queues[QUEUE_COLD_SLOW], g->links, u);
        place_unit(hemem, g, u);
    }
    return g;
}

static void hemem_guest_free(gpointer data)
{
    HememGuest *g = data;

    g_free(g->units);
    g_free(g->links);
    g_free(g);
}

/* --- sampling --- */

static void take_sample(Hemem *hemem, HememGuest *g, uint32_t page)
{
    uint32_t u = page / g->unit_pages;
    Unit *unit = &g->units[u];
    bool store = machine_random(hemem->contender.machine) < guest_config(g->guest)->write_share;
    uint16_t *count = store ? &unit->stores : &unit->loads;

    cool_unit(hemem, unit);
    ++*count;
    if (*count >= hemem->cooling_samples) {
        hemem->clock++;
        hemem->cooling = true;
    }
    place_unit(hemem, g, u);
}

static void take_samples(Hemem *hemem)
{
    for (guint i = 0; i < hemem->guests.items->len; i++) {
        HememGuest *g = g_ptr_array_index(hemem->guests.items, i);
        size_t n = guest_samples(g->guest, hemem->sample_period, -1, hemem->sampled, SAMPLES_AT_ONCE);

        for (size_t j = 0; j < n; j++) {
            take_sample(hemem, g, hemem->sampled[j]);
        }
    }
}

/* After a cooling: hot pages that are no longer go to the cold ones. */
static void cool_queue(Hemem *hemem, HememGuest *g, Queue queue)
{
    uint32_t u = g->queues[queue].oldest;

    while (u != PAGE_LIST_END) {
        uint32_t newer = g->links[u].newer;

        cool_unit(hemem, &g->units[u]);
        place_unit(hemem, g, u);
        u = newer;
    }
}

/* --- migration --- */

/* Move what of a unit is not in tier 0 there, or what is there down; as one huge page where it is one. */
static MoveResult move_unit(const Hemem *hemem, HememGuest *g, uint32_t u, bool up)
{
    MoveResult result = MOVE_DONE;

    if (g->unit_pages == SIM_BLOCK_PAGES) {
        result = guest_move_block(g->guest, u, up ? 0 : 1);
        if (result != MOVE_ABSENT && result != MOVE_PINNED) {
            return result;
        }
    }
    for (uint32_t page = u * g->unit_pages; page < unit_end(g, u); page++) {
        uint8_t tier = guest_tier(g->guest, page);

        if (tier == SIM_ABSENT || up == (tier == 0)) {
            continue;
        }
        result = up ? guest_move(g->guest, page, 0) : demote_page(g->guest, page);
        if (result == MOVE_LIMITED || result == MOVE_NO_ROOM) {
            return result;
        }
    }
    return MOVE_DONE;
}

/* The guest, from *@turn on, that has something in a queue; *@turn is then the next. NULL: none has. */
static HememGuest *next_guest(const Hemem *hemem, Queue queue, guint *turn)
{
    guint n = hemem->guests.items->len;

    for (guint i = 0; i < n; i++) {
        HememGuest *g = g_ptr_array_index(hemem->guests.items, (*turn + i) % n);

        if (g->queues[queue].n > 0) {
            *turn = (*turn + i + 1) % n;
            return g;
        }
    }
    return NULL;
}

/* Move a queue's oldest, and put it where it belongs then: at the queue's young end if it can't be moved. */
static MoveResult move_oldest(const Hemem *hemem, HememGuest *g, Queue queue, bool up)
{
    uint32_t u = g->queues[queue].oldest;
    MoveResult result = move_unit(hemem, g, u, up);

    if (result != MOVE_LIMITED && result != MOVE_NO_ROOM) {
        page_list_remove(&g->queues[queue], g->links, u);
        page_list_add(&g->queues[queue], g->links, u);
        place_unit(hemem, g, u);
    }
    return result;
}

static void migrate(Hemem *hemem)
{
    MoveResult result = MOVE_DONE;
    HememGuest *g;
    guint left = 0;

    for (guint i = 0; i < hemem->guests.items->len; i++) {
        left += ((HememGuest *)g_ptr_array_index(hemem->guests.items, i))->queues[QUEUE_HOT_SLOW].n;
    }
    while (left > 0 && result != MOVE_LIMITED && (g = next_guest(hemem, QUEUE_HOT_SLOW, &hemem->up_turn))) {
        result = move_oldest(hemem, g, QUEUE_HOT_SLOW, true);
        if (result == MOVE_NO_ROOM) {
            HememGuest *victim = next_guest(hemem, QUEUE_COLD_FAST, &hemem->down_turn);

            result = victim ? move_oldest(hemem, victim, QUEUE_COLD_FAST, false) : MOVE_LIMITED;
            if (result == MOVE_NO_ROOM) {
                return; /* the slow tiers are full */
            }
        } else {
            left--;
        }
    }
}

/* --- the contender --- */

static uint64_t hemem_tick(Contender *contender, uint64_t now_ns)
{
    Hemem *hemem = (Hemem *)contender;

    per_guest_follow(&hemem->guests);
    take_samples(hemem);
    for (guint i = 0; hemem->cooling && i < hemem->guests.items->len; i++) {
        HememGuest *g = g_ptr_array_index(hemem->guests.items, i);

        cool_queue(hemem, g, QUEUE_HOT_SLOW);
        cool_queue(hemem, g, QUEUE_HOT_FAST);
    }
    hemem->cooling = false;
    migrate(hemem);
    return now_ns + TICK_NS;
}

static size_t hemem_metadata_bytes(const Contender *contender)
{
    const Hemem *hemem = (const Hemem *)contender;
    size_t bytes = 0;

    for (guint i = 0; i < hemem->guests.items->len; i++) {
        const HememGuest *g = g_ptr_array_index(hemem->guests.items, i);

        bytes += g->n_units * (sizeof(*g->units) + sizeof(*g->links));
    }
    return bytes;
}

static void hemem_destroy(Contender *contender)
{
    Hemem *hemem = (Hemem *)contender;

    per_guest_clear(&hemem->guests);
    g_free(hemem->sampled);
    g_free(hemem);
}

static Contender *hemem_create(const char *text, Machine *machine, GError **errp)
{
    double period = 5000, loads = 8, stores = 4, cooling = 18, pages = SIM_BLOCK_PAGES;
    const Param params[] = {
        {"sample-period", &period, 1, 1e9},
        {"hot-loads", &loads, 1, 10000},
        {"hot-stores", &stores, 1, 10000},
        {"cooling-samples", &cooling, 1, 10000},
        {"pages", &pages, 1, SIM_BLOCK_PAGES},
        {NULL},
    };
    Hemem *hemem;

    if (!params_parse(text, params, errp)) {
        return NULL;
    }
    hemem = g_new0(Hemem, 1);
    hemem->contender.machine = machine;
    hemem->sample_period = period;
    hemem->hot_loads = (unsigned)loads;
    hemem->hot_stores = (unsigned)stores;
    hemem->cooling_samples = (unsigned)cooling;
    hemem->unit_pages = (uint32_t)pages;
    hemem->sampled = g_new(uint32_t, SAMPLES_AT_ONCE);
    per_guest_init(&hemem->guests, machine, hemem_guest_new, hemem_guest_free, hemem);
    return &hemem->contender;
}

const ContenderClass hemem_contender = {
    .name = "hemem",
    .what = "fixed hot thresholds over samples, with cooling (HeMem, SOSP 2021)",
    .defaults = "sample-period=5000 hot-loads=8 hot-stores=4 cooling-samples=18 pages=512",
    .create = hemem_create,
    .tick = hemem_tick,
    .metadata_bytes = hemem_metadata_bytes,
    .destroy = hemem_destroy,
};
