/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests: their pages, the rates of these, and the sums by tier that time is told from.
 */
#include "machine-impl.h"

#include <stdlib.h>
#include <string.h>

#define STRIPE_PAGES 64u       /* of SIM_INTERLEAVE */
#define CHANGES_MAX (1u << 20) /* then sums are made anew, lest rounding adds up */

const GuestConfig *guest_config(const Guest *guest)
{
    return &guest->config;
}

Machine *guest_machine(const Guest *guest)
{
    return guest->machine;
}

unsigned guest_id(const Guest *guest)
{
    return guest->id;
}

size_t guest_pages(const Guest *guest)
{
    return guest->config.pages;
}

double guest_total_rate(const Guest *guest)
{
    double total = 0;

    for (unsigned tier = 0; tier < guest->machine->config.n_tiers; tier++) {
        total += guest->tier_rate[tier];
    }
    return total;
}

static void sum_rates(Guest *guest)
{
    memset(guest->tier_rate, 0, sizeof(guest->tier_rate));
    for (size_t page = 0; page < guest->config.pages; page++) {
        if (guest->tier[page] != SIM_ABSENT) {
            guest->tier_rate[guest->tier[page]] += guest->rate[page];
        }
    }
    guest->changes = 0;
}

/* --- placement --- */

/* @tier, or the next slower that has room for a page, else the next faster. */
static unsigned tier_with_room(const Machine *machine, unsigned tier)
{
    for (unsigned t = tier; t < machine->config.n_tiers; t++) {
        if (machine_free_bytes(machine, t) >= SIM_PAGE) {
            return t;
        }
    }
    while (tier-- > 0) {
        if (machine_free_bytes(machine, tier) >= SIM_PAGE) {
            return tier;
        }
    }
    g_error("the tiers of the simulated machine are too small for its guests");
}

static void put_present(Guest *guest, size_t page, unsigned tier)
{
    Machine *machine = guest->machine;

    tier = tier_with_room(machine, tier);
    guest->tier[page] = (uint8_t)tier;
    guest->tier_pages[tier]++;
    machine->used_bytes[tier] += SIM_PAGE;
}

static double interleave_share(const MachineConfig *config)
{
    double all = 0;

    if (config->interleave_share > 0) {
        return config->interleave_share;
    }
    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        all += (double)config->capacity_bytes[tier];
    }
    return (double)config->capacity_bytes[0] / all;
}

static void place(Guest *guest)
{
    const MachineConfig *config = &guest->machine->config;
    double share = interleave_share(config);

    for (size_t page = 0; page < guest->config.pages; page++) {
        unsigned tier = 0;

        if (guest->config.placement == SIM_SLOW) {
            tier = config->n_tiers - 1;
        } else if (guest->config.placement == SIM_INTERLEAVE) {
            /* Stripe i is fast where the whole part of i * share rises: as even as can be. */
            size_t stripe = page / STRIPE_PAGES;

            tier = (uint64_t)((double)(stripe + 1) * share) == (uint64_t)((double)stripe * share);
        }
        put_present(guest, page, tier);
    }
}

typedef struct Ranked {
    float rate;
    uint32_t page;
} Ranked;

static int compare_hot_first(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;

    if (x->rate != y->rate) {
        return x->rate > y->rate ? -1 : 1;
    }
    return x->page < y->page ? -1 : x->page > y->page;
}

/* Deal the tiers that the guest has out to its pages again, the hottest first. */
void guest_sort(Guest *guest)
{
    size_t n = 0, left[SIM_MAX_TIERS];
    g_autofree Ranked *ranked = g_new(Ranked, guest->config.pages);
    unsigned tier = 0;

    memcpy(left, guest->tier_pages, sizeof(left));
    for (size_t page = 0; page < guest->config.pages; page++) {
        if (guest->tier[page] != SIM_ABSENT) {
            ranked[n++] = (Ranked){guest->rate[page], (uint32_t)page};
        }
    }
    qsort(ranked, n, sizeof(*ranked), compare_hot_first);
    for (size_t i = 0; i < n; i++) {
        while (left[tier] == 0) {
            tier++;
        }
        guest->tier[ranked[i].page] = (uint8_t)tier;
        left[tier]--;
    }
    sum_rates(guest);
    guest->unsorted = false;
}

/* --- coming and going --- */

Guest *machine_add_guest(Machine *machine, const GuestConfig *config)
{
    Guest *guest = g_new0(Guest, 1);

    g_assert(config->pages > 0 && config->pages <= UINT32_MAX);
    guest->machine = machine;
    guest->config = *config;
    guest->config.name = g_strdup(config->name);
    guest->id = machine->next_id++;
    guest->running = 1;
    guest->unsorted = config->placement == SIM_HOTTEST_FAST;
    guest->rate = g_new0(float, config->pages);
    guest->tier = g_new0(uint8_t, config->pages);
    guest->flags = g_new0(uint8_t, config->pages);
    guest->expected = g_new0(double, config->pages);
    guest->expected_s = g_new0(double, config->pages);
    guest->phase_until_ns = UINT64_MAX;
    place(guest);
    g_ptr_array_add(machine->guests, guest);
    machine->generation++;
    machine->load_stale = true;
    return guest;
}

void guest_free(Guest *guest)
{
    arming_free(&guest->arming);
    sampling_free(&guest->sampling);
    g_free(guest->rate);
    g_free(guest->tier);
    g_free(guest->flags);
    g_free(guest->expected);
    g_free(guest->expected_s);
    access_bits_free(&guest->bits);
    access_bits_free(&guest->own_bits);
    for (unsigned instance = 0; instance < SIM_CHMU_INSTANCES; instance++) {
        g_free(guest->counted[instance]);
    }
    g_free(guest->moved_ns);
    g_free(guest->moved_from);
    g_free(guest->phase_mean);
    if (guest->said) {
        g_queue_free_full(guest->said, g_free);
    }
    g_free((char *)guest->config.name);
    g_free(guest);
}

void machine_remove_guest(Machine *machine, Guest *guest)
{
    for (unsigned tier = 0; tier < machine->config.n_tiers; tier++) {
        machine->used_bytes[tier] -= guest->tier_pages[tier] * SIM_PAGE;
    }
    g_ptr_array_remove(machine->guests, guest);
    machine->generation++;
    machine->load_stale = true;
    guest_free(guest);
}

/* --- rates --- */

static void change_rate(Guest *guest, size_t page, float per_s)
{
    if (guest->tier[page] == SIM_ABSENT || guest->rate[page] == per_s) {
        return;
    }
    guest->expected[page] = guest_expected(guest, page);
    guest->expected_s[page] = guest->work_s;
    guest->tier_rate[guest->tier[page]] += (double)per_s - guest->rate[page];
    guest->rate[page] = per_s;
    guest->changes++;
    if (guest->flags[page] & PAGE_ARMED) {
        arming_redraw(guest, page);
    }
}

static void before_change(Guest *guest)
{
    sampling_before_change(guest);
    if (guest->machine->now_ns >= guest->phase_until_ns) {
        guest_set_phase(guest, NULL, UINT64_MAX); /* a declared one is over */
    } else if (!guest->phase_mean) {
        guest->phase++;
    }
}

static void after_change(Guest *guest, size_t first, size_t n)
{
    if (guest->changes > CHANGES_MAX) {
        sum_rates(guest);
    }
    for (unsigned tier = 0; tier < guest->machine->config.n_tiers; tier++) {
        guest->tier_rate[tier] = MAX(guest->tier_rate[tier], 0);
    }
    guest->tlb.stale = true;
    sampling_changed(guest, first, n);
}

void guest_set_rate(Guest *guest, size_t first, size_t n, float per_s)
{
    before_change(guest);
    for (size_t page = first; page < first + n; page++) {
        change_rate(guest, page, per_s);
    }
    after_change(guest, first, n);
}

void guest_set_rates(Guest *guest, size_t first, size_t n, const float *per_s)
{
    before_change(guest);
    for (size_t i = 0; i < n; i++) {
        change_rate(guest, first + i, per_s[i]);
    }
    after_change(guest, first, n);
}

void guest_set_present(Guest *guest, size_t first, size_t n, bool present)
{
    before_change(guest);
    for (size_t page = first; page < first + n; page++) {
        uint8_t tier = guest->tier[page];

        if (present == (tier != SIM_ABSENT)) {
            continue;
        }
        if (present) {
            put_present(guest, page, 0);
            continue;
        }
        change_rate(guest, page, 0);
        guest->tier[page] = SIM_ABSENT;
        guest->tier_pages[tier]--;
        guest->machine->used_bytes[tier] -= SIM_PAGE;
        if (guest->flags[page] & PAGE_ARMED) {
            guest->arming.n_armed--;
        }
        guest->flags[page] = 0;
    }
    after_change(guest, first, n);
}

void guest_set_pinned(Guest *guest, size_t first, size_t n, bool pinned)
{
    for (size_t page = first; page < first + n; page++) {
        if (pinned) {
            guest->flags[page] |= PAGE_PINNED;
        } else {
            guest->flags[page] &= (uint8_t)~PAGE_PINNED;
        }
    }
}

bool guest_pinned(const Guest *guest, size_t page)
{
    return guest->flags[page] & PAGE_PINNED;
}

void guest_set_idle(Guest *guest, bool idle)
{
    guest->idle = idle;
    guest->machine->load_stale = true;
}

bool guest_idle(const Guest *guest)
{
    return guest->idle;
}

/* --- phases and truth --- */

void guest_set_phase(Guest *guest, const float *mean, uint64_t until_ns)
{
    g_clear_pointer(&guest->phase_mean, g_free);
    if (mean) {
        guest->phase_mean = g_memdup2(mean, guest->config.pages * sizeof(*mean));
    }
    guest->phase_until_ns = until_ns;
    guest->phase++;
}

float guest_rate(const Guest *guest, size_t page)
{
    return guest->rate[page];
}

const float *guest_phase_rates(const Guest *guest)
{
    return guest->phase_mean ?: guest->rate;
}

uint64_t guest_phase_until_ns(const Guest *guest)
{
    return guest->phase_until_ns;
}

uint64_t guest_phase(const Guest *guest)
{
    return guest->phase;
}

uint8_t guest_tier(const Guest *guest, size_t page)
{
    return guest->tier[page];
}

uint64_t guest_resident_bytes(const Guest *guest, unsigned tier)
{
    return guest->tier_pages[tier] * SIM_PAGE;
}

double guest_accesses(const Guest *guest)
{
    return guest->counters.accesses;
}

double guest_busy_ns(const Guest *guest)
{
    return guest->counters.wall_ns * guest->config.vcpus;
}

void guest_charge(Guest *guest, double ns)
{
    guest->debt_ns += ns;
}

void guest_counters(const Guest *guest, GuestCounters *counters)
{
    *counters = guest->counters;
}
