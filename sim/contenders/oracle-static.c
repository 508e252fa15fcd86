/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Oracle 'oracle-static': the best static set of each phase, over all guests, at no cost.
 *
 * It knows the rates of the phase and places pages at once and for free: an upper bound of what any placement
 * that is fixed over a phase can reach.
 */
#include "../contender.h"
#include "../params.h"
#include "oracle-set.h"

#define TICK_NS 10000000ull

typedef struct OracleStatic {
    Contender contender;
    OracleSet set;
} OracleStatic;

typedef struct Place {
    Guest *guest;
    uint32_t page;
    uint8_t tier;
} Place;

/* Pages that are not where they belong: @up, those that belong in a faster tier. */
static GArray *misplaced(const OracleSet *set, bool up)
{
    GArray *places = g_array_new(false, false, sizeof(Place));

    for (guint i = 0; i < set->guests.items->len; i++) {
        const OracleGuest *g = g_ptr_array_index(set->guests.items, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            uint8_t tier = guest_tier(g->guest, page);
            Place place = {g->guest, page, g->target[page]};

            if (tier != SIM_ABSENT && (up ? place.tier < tier : place.tier > tier)) {
                g_array_append_val(places, place);
            }
        }
    }
    return places;
}

/* Place those of @places from *@done on for which there is room. */
static bool place_some(GArray *places, guint *done)
{
    guint before = *done;

    while (*done < places->len) {
        const Place *place = &g_array_index(places, Place, *done);

        if (!guest_place_free(place->guest, place->page, place->tier)) {
            break;
        }
        ++*done;
    }
    return *done > before;
}

/* Down and up in turn, so that full tiers make room for each other. */
static void place_all(const OracleSet *set)
{
    g_autoptr(GArray) down = misplaced(set, false);
    g_autoptr(GArray) up = misplaced(set, true);
    guint downs = 0, ups = 0;
    bool progress = true;

    while (progress) {
        progress = place_some(down, &downs);
        progress |= place_some(up, &ups);
    }
}

static uint64_t oracle_static_tick(Contender *contender, uint64_t now_ns)
{
    OracleStatic *oracle = (OracleStatic *)contender;

    if (oracle_set_follow(&oracle->set)) {
        place_all(&oracle->set);
    }
    return now_ns + TICK_NS;
}

static size_t oracle_static_metadata_bytes(const Contender *contender)
{
    return oracle_set_bytes(&((const OracleStatic *)contender)->set);
}

static void oracle_static_destroy(Contender *contender)
{
    OracleStatic *oracle = (OracleStatic *)contender;

    oracle_set_clear(&oracle->set);
    g_free(oracle);
}

static Contender *oracle_static_create(const char *text, Machine *machine, GError **errp)
{
    const Param none[] = {{NULL}};
    OracleStatic *oracle;

    if (!params_parse(text, none, errp)) {
        return NULL;
    }
    oracle = g_new0(OracleStatic, 1);
    oracle->contender.machine = machine;
    oracle_set_init(&oracle->set, machine);
    return &oracle->contender;
}

const ContenderClass oracle_static_contender = {
    .name = "oracle-static",
    .what = "knows all rates: the best static set of each phase, placed at no cost",
    .defaults = "",
    .oracle = true,
    .create = oracle_static_create,
    .tick = oracle_static_tick,
    .metadata_bytes = oracle_static_metadata_bytes,
    .destroy = oracle_static_destroy,
};
