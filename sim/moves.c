/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves: what they cost, whom they disturb, how many there may be, and which of them undo others.
 */
#include "machine-impl.h"

#include <math.h>
#include <string.h>

#define UNDONE_NS 10000000000ull
#define BLOCK_BYTES ((uint64_t)SIM_BLOCK_PAGES * SIM_PAGE)

static double tokens_max(const Machine *machine)
{
    return MAX((double)machine->config.move_bytes_per_s, 2.0 * BLOCK_BYTES);
}

void machine_refill(Machine *machine, uint64_t ns)
{
    machine->tokens += (double)machine->config.move_bytes_per_s * ((double)ns / 1e9);
    machine->tokens = MIN(machine->tokens, tokens_max(machine));
}

uint64_t machine_move_allowance(const Machine *machine)
{
    return machine->config.move_bytes_per_s ? (uint64_t)machine->tokens : UINT64_MAX;
}

bool guest_put(Guest *guest, size_t page, unsigned tier)
{
    Machine *machine = guest->machine;
    unsigned from = guest->tier[page];

    if (machine_free_bytes(machine, tier) < SIM_PAGE) {
        return false;
    }
    machine->used_bytes[from] -= SIM_PAGE;
    machine->used_bytes[tier] += SIM_PAGE;
    guest->tier_pages[from]--;
    guest->tier_pages[tier]++;
    guest->tier_rate[from] = MAX(guest->tier_rate[from] - guest->rate[page], 0);
    guest->tier_rate[tier] += guest->rate[page];
    guest->changes++;
    guest->tier[page] = (uint8_t)tier;
    return true;
}

bool guest_place_free(Guest *guest, size_t page, unsigned tier)
{
    if (guest->tier[page] == SIM_ABSENT || guest_pinned(guest, page)) {
        return false;
    }
    return guest->tier[page] == tier || guest_put(guest, page, tier);
}

/* Count a page that has been moved. */
static void count(Guest *guest, size_t page, unsigned from, unsigned to)
{
    uint64_t now_ns = guest->machine->now_ns;

    if (!guest->moved_ns) {
        guest->moved_ns = g_new0(uint64_t, guest->config.pages);
        guest->moved_from = g_new(uint8_t, guest->config.pages);
        memset(guest->moved_from, SIM_ABSENT, guest->config.pages);
    }
    if (guest->moved_from[page] == to && now_ns - guest->moved_ns[page] <= UNDONE_NS) {
        guest->counters.undone_pages++;
    }
    guest->moved_ns[page] = now_ns;
    guest->moved_from[page] = (uint8_t)from;
    if (to < from) {
        guest->counters.promoted_pages++;
    } else {
        guest->counters.demoted_pages++;
    }
}

bool guest_moved_since(const Guest *guest, size_t page, uint64_t since_ns)
{
    return guest->moved_ns && guest->moved_from[page] != SIM_ABSENT && guest->moved_ns[page] >= since_ns;
}

/*
 * What a move of memory that is accessed @rate times a second takes: the copying, of the host; the shootdown
 * and what is left of the copying when the first access comes and has to wait, of the guest.
 */
static void pay(Guest *guest, unsigned from, unsigned to, uint64_t bytes, double copy_ns, double rate)
{
    Machine *machine = guest->machine;
    double during = rate * copy_ns / 1e9;

    machine->counters.host_ns += copy_ns;
    machine->counters.move_ns += copy_ns;
    machine->counters.moved_bytes += bytes;
    machine->moved[from] += (double)bytes;
    machine->moved[to] += (double)bytes;
    machine->tokens -= (double)bytes;
    guest->debt_ns += machine->config.costs.shootdown_ns;
    if (during > 1e-6 && !guest->idle) {
        guest->debt_ns += copy_ns * (1 + expm1(-during) / during);
    }
}

MoveResult guest_move(Guest *guest, size_t page, unsigned tier)
{
    unsigned from = guest->tier[page];

    if (from == SIM_ABSENT) {
        return MOVE_ABSENT;
    }
    if (from == tier) {
        return MOVE_THERE;
    }
    if (guest_pinned(guest, page)) {
        return MOVE_PINNED;
    }
    if (machine_move_allowance(guest->machine) < SIM_PAGE) {
        return MOVE_LIMITED;
    }
    if (!guest_put(guest, page, tier)) {
        return MOVE_NO_ROOM;
    }
    count(guest, page, from, tier);
    pay(guest, from, tier, SIM_PAGE, guest->machine->config.costs.move_4k_ns, guest->rate[page]);
    return MOVE_DONE;
}

/* Whether the block's pages may be moved to @tier; *@n: those that are not there yet. */
static MoveResult check_block(const Guest *guest, size_t first, unsigned tier, size_t *n)
{
    *n = 0;
    if (first + SIM_BLOCK_PAGES > guest->config.pages) {
        return MOVE_ABSENT;
    }
    for (size_t page = first; page < first + SIM_BLOCK_PAGES; page++) {
        if (guest->tier[page] == SIM_ABSENT) {
            return MOVE_ABSENT;
        }
        *n += guest->tier[page] != tier;
    }
    for (size_t page = first; page < first + SIM_BLOCK_PAGES; page++) {
        if (guest_pinned(guest, page)) {
            return MOVE_PINNED;
        }
    }
    if (*n == 0) {
        return MOVE_THERE;
    }
    if (machine_move_allowance(guest->machine) < *n * SIM_PAGE) {
        return MOVE_LIMITED;
    }
    return machine_free_bytes(guest->machine, tier) < *n * SIM_PAGE ? MOVE_NO_ROOM : MOVE_DONE;
}

MoveResult guest_move_block(Guest *guest, size_t block, unsigned tier)
{
    size_t first = block * SIM_BLOCK_PAGES, n;
    MoveResult result = check_block(guest, first, tier, &n);
    unsigned from = tier;
    double rate = 0;

    if (result != MOVE_DONE) {
        return result;
    }
    for (size_t page = first; page < first + SIM_BLOCK_PAGES; page++) {
        rate += guest->rate[page];
        if (guest->tier[page] != tier) {
            from = guest->tier[page];
            guest_put(guest, page, tier);
            count(guest, page, from, tier);
        }
    }
    pay(guest, from, tier, n * SIM_PAGE, guest->machine->config.costs.move_2m_ns, rate);
    return MOVE_DONE;
}
