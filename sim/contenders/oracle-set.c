/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The best place for each page: one order of all pages, cut where tiers are full.
 */
#include "oracle-set.h"

#include <math.h>
#include <stdlib.h>

#define SIZES 24u   /* of tier 0 that are compared, twice: over all, then around the best */
#define LOADED 1.02 /* a tier that is slower than idle by that factor is loaded */
#define ROUNDS 4
#define HALVINGS 20

typedef struct Ranked {
    float rate;
    uint32_t guest, page;
    uint8_t tier;  /* where it is */
    uint8_t first; /* 1: it has a place in tier 0 before others */
} Ranked;

static OracleGuest *guest_at(const OracleSet *set, guint i)
{
    return g_ptr_array_index(set->guests.items, i);
}

static void *oracle_guest_new(void *opaque, Guest *guest)
{
    OracleGuest *g = g_new0(OracleGuest, 1);

    g->guest = guest;
    g->pages = (uint32_t)guest_pages(guest);
    g->target = g_new0(uint8_t, g->pages);
    g->phase = guest_phase(guest) - 1;
    return g;
}

static void oracle_guest_free(gpointer data)
{
    OracleGuest *g = data;

    g_free(g->target);
    g_free(g);
}

void oracle_set_init(OracleSet *set, Machine *machine)
{
    *set = (OracleSet){};
    per_guest_init(&set->guests, machine, oracle_guest_new, oracle_guest_free, set);
}

void oracle_set_clear(OracleSet *set)
{
    per_guest_clear(&set->guests);
}

size_t oracle_set_bytes(const OracleSet *set)
{
    size_t bytes = 0;

    for (guint i = 0; i < set->guests.items->len; i++) {
        bytes += guest_at(set, i)->pages * sizeof(uint8_t);
    }
    return bytes;
}

/* --- the order --- */

/* Hottest first; of equals those that are in faster tiers already, lest they move for nothing. */
static int compare_hot_first(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;

    if (x->rate != y->rate) {
        return x->rate > y->rate ? -1 : 1;
    }
    if (x->tier != y->tier) {
        return x->tier < y->tier ? -1 : 1;
    }
    if (x->guest != y->guest) {
        return x->guest < y->guest ? -1 : 1;
    }
    return x->page < y->page ? -1 : x->page > y->page;
}

/* All pages that can move, the hottest first. Pinned ones get their target, and take room in *@room. */
static Ranked *rank_pages(const OracleSet *set, uint64_t *room, size_t *n)
{
    size_t total = 0;
    Ranked *ranked;

    for (guint i = 0; i < set->guests.items->len; i++) {
        total += guest_at(set, i)->pages;
    }
    ranked = g_new(Ranked, MAX(total, 1));
    *n = 0;
    for (guint i = 0; i < set->guests.items->len; i++) {
        OracleGuest *g = guest_at(set, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            uint8_t tier = guest_tier(g->guest, page);

            g->target[page] = tier;
            if (tier != SIM_ABSENT && guest_pinned(g->guest, page)) {
                room[tier] -= MIN(room[tier], 1);
            } else if (tier != SIM_ABSENT) {
                ranked[(*n)++] =
                    (Ranked){.rate = oracle_rate(g, page), .guest = i, .page = page, .tier = tier};
            }
        }
    }
    qsort(ranked, *n, sizeof(*ranked), compare_hot_first);
    return ranked;
}

/*
 * Mark the pages that have a place in tier 0 before all others: each guest's hottest up to its floor. Floors
 * that exceed @room are all cut by the same factor. Returns how many.
 */
static size_t mark_floors(const OracleSet *set, Ranked *ranked, size_t n, uint64_t room)
{
    guint n_guests = set->guests.items->len;
    g_autofree uint64_t *left = g_new0(uint64_t, n_guests);
    double floors = 0;
    size_t marked = 0;

    for (guint i = 0; i < n_guests; i++) {
        const OracleGuest *g = guest_at(set, i);

        left[i] = MIN(guest_config(g->guest)->floor_bytes / SIM_PAGE, g->pages);
        floors += (double)left[i];
    }
    for (guint i = 0; i < n_guests && floors > (double)room; i++) {
        left[i] = (uint64_t)((double)left[i] * (double)room / floors);
    }
    for (size_t i = 0; i < n; i++) {
        if (left[ranked[i].guest] > 0) {
            left[ranked[i].guest]--;
            ranked[i].first = 1;
            marked++;
        }
    }
    return marked;
}

/* --- targets --- */

/* Ceilings, in pages; 0 is none. */
static uint64_t *ceilings(const OracleSet *set)
{
    uint64_t *left = g_new(uint64_t, set->guests.items->len);

    for (guint i = 0; i < set->guests.items->len; i++) {
        uint64_t bytes = guest_config(guest_at(set, i)->guest)->ceiling_bytes;

        left[i] = bytes ? bytes / SIM_PAGE : UINT64_MAX;
    }
    return left;
}

/*
 * Fill tier 0 with @size pages at most, those marked among them, and then the others by their room; what
 * finds none (tiers are never too small for all) is left to the last.
 */
static void set_targets(OracleSet *set, const Ranked *ranked, size_t n, const uint64_t *room, size_t marked,
                        uint64_t size)
{
    unsigned last = machine_config(set->guests.machine)->n_tiers - 1;
    g_autofree uint64_t *left = ceilings(set);
    uint64_t unmarked = size > marked ? size - marked : 0, slow = 0;
    unsigned tier = 1;

    for (size_t i = 0; i < n; i++) {
        left[ranked[i].guest] -= ranked[i].first && left[ranked[i].guest] > 0;
    }
    for (size_t i = 0; i < n; i++) {
        const Ranked *r = &ranked[i];
        bool fast = r->first;

        if (!fast && unmarked > 0 && left[r->guest] > 0) {
            left[r->guest]--;
            unmarked--;
            fast = true;
        }
        if (!fast && slow++ == room[tier] && tier < last) {
            tier++;
            slow = 1;
        }
        guest_at(set, r->guest)->target[r->page] = fast ? 0 : (uint8_t)tier;
    }
}

/* --- how good it is --- */

/* A guest's accesses per second of work, by tier, with all pages where they belong. */
typedef struct Load {
    double rate[SIM_MAX_TIERS];
} Load;

static double speed_at(const OracleSet *set, const OracleGuest *g, const Load *load, const double *latency_ns)
{
    const MachineConfig *config = machine_config(set->guests.machine);
    double compute_ns = guest_config(g->guest)->compute_ns, rate = 0, time = 0;

    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        rate += load->rate[tier];
        time += load->rate[tier] * latency_ns[tier];
    }
    return rate > 0 ? (compute_ns + config->costs.latency_ns[0]) / (compute_ns + time / rate) : 1;
}

static double utilisation(const OracleSet *set, unsigned tier, const Load *loads, const double *latency_ns)
{
    const MachineConfig *config = machine_config(set->guests.machine);
    double bytes = machine_background(set->guests.machine, tier);

    for (guint i = 0; i < set->guests.items->len; i++) {
        bytes += 64 * loads[i].rate[tier] * speed_at(set, guest_at(set, i), &loads[i], latency_ns);
    }
    return bytes / (config->costs.bandwidth[tier] * config->scale);
}

/* Latencies that agree with the load that they allow: found by halving, one tier after the other. */
static void settle(OracleSet *set, const Load *loads)
{
    const MachineConfig *config = machine_config(set->guests.machine);

    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        set->latency_ns[tier] = config->costs.latency_ns[tier];
    }
    for (unsigned i = 0; i < ROUNDS * config->n_tiers; i++) {
        unsigned tier = i % config->n_tiers;
        double low = 1, high = MAX(config->costs.loaded_max, 1);

        for (unsigned j = 0; config->costs.bandwidth[tier] > 0 && j < HALVINGS; j++) {
            double factor = (low + high) / 2;

            set->latency_ns[tier] = config->costs.latency_ns[tier] * factor;
            if (sim_load_factor(&config->costs, utilisation(set, tier, loads, set->latency_ns)) > factor) {
                low = factor;
            } else {
                high = factor;
            }
        }
    }
}

/* Mean time that guests take for a second of work, with targets as they are. Sets latencies and speeds. */
static double judge(OracleSet *set)
{
    guint n = set->guests.items->len;
    g_autofree Load *loads = g_new0(Load, n);
    double time = 0;

    for (guint i = 0; i < n; i++) {
        const OracleGuest *g = guest_at(set, i);

        for (uint32_t page = 0; page < g->pages; page++) {
            if (g->target[page] != SIM_ABSENT) {
                loads[i].rate[g->target[page]] += oracle_rate(g, page);
            }
        }
    }
    settle(set, loads);
    for (guint i = 0; i < n; i++) {
        OracleGuest *g = guest_at(set, i);

        g->speed = speed_at(set, g, &loads[i], set->latency_ns);
        time += 1 / g->speed;
    }
    return time / MAX(n, 1);
}

/* The best of SIZES sizes from @low to @high; *@step: between two of them. */
static uint64_t best_size(OracleSet *set, const Ranked *ranked, size_t n, const uint64_t *room, size_t marked,
                          uint64_t low, uint64_t high, uint64_t *step)
{
    uint64_t best = high;
    double best_time = INFINITY;

    *step = MAX((high - low) / SIZES, 1);
    for (uint64_t size = high;; size -= *step) {
        double time;

        set_targets(set, ranked, n, room, marked, size);
        time = judge(set);
        if (time < best_time) {
            best_time = time;
            best = size;
        }
        if (size < low + *step) {
            return best;
        }
    }
}

static void find_targets(OracleSet *set)
{
    const MachineConfig *config = machine_config(set->guests.machine);
    uint64_t room[SIM_MAX_TIERS] = {0}, size, step;
    g_autofree Ranked *ranked = NULL;
    size_t n, marked;

    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        room[tier] = machine_free_bytes(set->guests.machine, tier) / SIM_PAGE;
        for (guint i = 0; i < set->guests.items->len; i++) {
            room[tier] += guest_resident_bytes(guest_at(set, i)->guest, tier) / SIM_PAGE;
        }
    }
    ranked = rank_pages(set, room, &n);
    marked = mark_floors(set, ranked, n, room[0]);
    size = MIN(room[0], n);
    set_targets(set, ranked, n, room, marked, size);
    judge(set);
    if (set->latency_ns[0] > config->costs.latency_ns[0] * LOADED) {
        size = best_size(set, ranked, n, room, marked, 0, size, &step);
        size = best_size(set, ranked, n, room, marked, size > step ? size - step : 0,
                         MIN(size + step, MIN(room[0], n)), &step);
        set_targets(set, ranked, n, room, marked, size);
        judge(set);
    }
}

bool oracle_set_follow(OracleSet *set)
{
    bool changed = per_guest_follow(&set->guests);

    for (guint i = 0; i < set->guests.items->len; i++) {
        OracleGuest *g = guest_at(set, i);
        bool idle = guest_idle(g->guest);

        changed |= g->phase != guest_phase(g->guest) || g->idle != idle;
        g->phase = guest_phase(g->guest);
        g->idle = idle;
        g->rate_scale = idle ? 0 : 1;
    }
    if (changed) {
        find_targets(set);
    }
    return changed;
}
