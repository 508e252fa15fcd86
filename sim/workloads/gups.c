/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'gups': random updates, most of them in a hot set that stays, or that jumps to another place now
 * and then.
 *
 * gups-hot: Demeter (SOSP'25); gups-move: HeMem (SOSP'21), Colloid (SOSP'24); gups-colloid is the same with
 * other sizes, shares of writes (the guest's) and a background load (the scenario's).
 *
 * The hot set is made of extents of so many pages, chosen at random: of one page where the guest's memory is
 * fragmented, of 512 where the guest has it in huge pages. A jump takes extents that were not hot before, as
 * long as there are such.
 */
#include "common.h"

typedef struct Gups {
    Workload base;
    double hot, hot_share, move_s, extent_pages;
    size_t extent;                  /* pages */
    size_t n_extents, n_hot;        /* the last extent may be shorter */
    uint32_t *order;                /* of extents, as the program has them; hot are those from 'hot_at' on, round and
                                       round */
    uint32_t *pages;                /* the same, page by page */
    size_t hot_at;
    uint64_t next_ns;               /* of the next jump */
} Gups;

/* Set all rates by where the hot set is, and begin a phase. */
static void set_rates(Gups *gups)
{
    Guest *guest = gups->base.guest;
    size_t n = guest_pages(guest);
    g_autofree bool *hot = g_new0(bool, n);
    g_autofree float *rates = NULL;

    for (size_t i = 0; i < gups->n_hot; i++) {
        size_t first = gups->order[(gups->hot_at + i) % gups->n_extents] * gups->extent;

        for (size_t page = first; page < MIN(first + gups->extent, n); page++) {
            hot[page] = true;
        }
    }
    rates = workload_two_rates(guest, hot, gups->hot_share);
    guest_set_rates(guest, 0, n, rates);
    guest_set_phase(guest, NULL, gups->next_ns);
}

static void gups_destroy(Workload *workload)
{
    Gups *gups = (Gups *)workload;

    g_free(gups->order);
    g_free(gups->pages);
    g_free(gups);
}

static uint32_t *pages_in_order(const Gups *gups)
{
    const size_t n = guest_pages(gups->base.guest);
    uint32_t *pages = g_new(uint32_t, n);
    size_t done = 0;

    for (size_t i = 0; i < gups->n_extents; i++) {
        const size_t first = gups->order[i] * gups->extent;

        for (size_t page = first; page < MIN(first + gups->extent, n); page++) {
            pages[done++] = (uint32_t)page;
        }
    }
    return pages;
}

static Workload *gups_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    Gups *gups = g_new0(Gups, 1);
    const Param table[] = {
        {"hot", &gups->hot, 0, 1},
        {"hot_share", &gups->hot_share, 0, 1},
        {"move_s", &gups->move_s, 0.1, FOREVER_S},
        {"extent_pages", &gups->extent_pages, 1, 1 << 24},
        {NULL},
    };
    SimRandom random;

    *gups = (Gups){.base = {.class = &workload_gups, .guest = guest},
                   .hot = 1 / 14.0, .hot_share = 0.9, .move_s = FOREVER_S, .extent_pages = 1};
    if (!params_parse(params, table, errp)) {
        g_free(gups);
        return NULL;
    }
    gups->extent = MIN((size_t)gups->extent_pages, guest_pages(guest));
    gups->n_extents = (guest_pages(guest) + gups->extent - 1) / gups->extent;
    gups->n_hot = workload_share_of(gups->hot, gups->n_extents);
    sim_random_init(&random, seed);
    gups->order = workload_permutation(&random, gups->n_extents);
    gups->base.order = gups->pages = pages_in_order(gups);
    gups->next_ns = workload_after(machine_now_ns(guest_machine(guest)), gups->move_s);
    set_rates(gups);
    return &gups->base;
}

static uint64_t gups_tick(Workload *workload, uint64_t now_ns)
{
    Gups *gups = (Gups *)workload;

    if (now_ns >= gups->next_ns) {
        gups->hot_at = (gups->hot_at + gups->n_hot) % gups->n_extents;
        gups->next_ns = workload_after(now_ns, gups->move_s);
        gups->base.changed_ns = now_ns;
        set_rates(gups);
    }
    return gups->next_ns;
}

const WorkloadClass workload_gups = {
    .name = "gups",
    .what = "random updates, a share 'hot_share' of them in a hot set of a share 'hot' of memory, in extents "
            "of 'extent_pages', which jumps each 'move_s' (Demeter, HeMem, Colloid)",
    .create = gups_create,
    .tick = gups_tick,
    .destroy = gups_destroy,
};
