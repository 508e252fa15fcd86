/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware samples of accesses, and counters in a device.
 *
 * Samples are drawn by rate: of the whole guest, then of a block of 512 pages by the running sums of their
 * rates, then of a page in it. Sums are made anew only of blocks whose rates changed. When rates are about to
 * change, samples of the time until now are drawn first, by the rates that held, and kept.
 */
#include "machine-impl.h"

#include <string.h>

static size_t n_blocks(const Guest *guest)
{
    return (guest->config.pages + SIM_BLOCK_PAGES - 1) / SIM_BLOCK_PAGES;
}

static void make_sums(Guest *guest)
{
    Sampling *sampling = &guest->sampling;
    double sum = 0;

    for (size_t block = 0; block < n_blocks(guest); block++) {
        size_t first = block * SIM_BLOCK_PAGES, end = MIN(first + SIM_BLOCK_PAGES, guest->config.pages);

        if (sampling->block_stale[block]) {
            sampling->block_rate[block] = 0;
            for (size_t page = first; page < end; page++) {
                sampling->block_rate[block] += guest->rate[page];
            }
            sampling->block_stale[block] = false;
        }
        sum += sampling->block_rate[block];
        sampling->block_sum[block] = sum;
    }
    sampling->stale = false;
}

/* The page in which a running sum of rates reaches @point. */
static uint32_t page_at(const Guest *guest, double point)
{
    const Sampling *sampling = &guest->sampling;
    size_t low = 0, high = n_blocks(guest) - 1, last;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (sampling->block_sum[middle] > point) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    point -= low > 0 ? sampling->block_sum[low - 1] : 0;
    last = low * SIM_BLOCK_PAGES;
    for (size_t page = last; page < MIN((low + 1) * SIM_BLOCK_PAGES, guest->config.pages); page++) {
        if (guest->rate[page] > 0) {
            last = page; /* rounding may leave a little at the end */
            point -= guest->rate[page];
            if (point < 0) {
                break;
            }
        }
    }
    return (uint32_t)last;
}

/* Draw the samples of what was accessed since the last ones were drawn. */
static void draw(Guest *guest)
{
    Sampling *sampling = &guest->sampling;
    const SimCosts *costs = &guest->machine->config.costs;
    double accesses = guest->counters.accesses - sampling->taken, total;
    uint64_t n;

    sampling->taken = guest->counters.accesses;
    if (!(accesses > 0)) {
        return;
    }
    if (sampling->stale) {
        make_sums(guest);
    }
    total = sampling->block_sum[n_blocks(guest) - 1];
    n = total > 0 ? sim_random_poisson(&guest->machine->random, accesses / sampling->period) : 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t page = page_at(guest, sim_random_uniform(&guest->machine->random) * total);

        if (sampling->only_tier < 0 || guest->tier[page] == sampling->only_tier) {
            g_array_append_val(sampling->pending, page);
            guest->counters.samples++;
            guest->debt_ns += costs->sample_ns;
            machine_charge_host(guest->machine, costs->sample_ns);
        }
    }
}

size_t guest_samples(Guest *guest, double period, int only_tier, uint32_t *pages, size_t max)
{
    Sampling *sampling = &guest->sampling;
    size_t n;

    g_assert(period >= 1);
    if (!sampling->block_rate) {
        sampling->block_rate = g_new0(double, n_blocks(guest));
        sampling->block_sum = g_new0(double, n_blocks(guest));
        sampling->block_stale = g_new0(uint8_t, n_blocks(guest));
        sampling->pending = g_array_new(false, false, sizeof(uint32_t));
        memset(sampling->block_stale, true, n_blocks(guest));
        sampling->stale = true;
    }
    sampling->period = period;
    sampling->only_tier = only_tier;
    draw(guest);
    n = MIN(max, sampling->pending->len);
    if (n > 0) {
        memcpy(pages, sampling->pending->data, n * sizeof(*pages));
    }
    g_array_set_size(sampling->pending, 0);
    return n;
}

void sampling_before_change(Guest *guest)
{
    if (guest->sampling.block_rate) {
        draw(guest);
    }
}

void sampling_changed(Guest *guest, size_t first, size_t n)
{
    Sampling *sampling = &guest->sampling;

    if (sampling->block_rate && n > 0) {
        size_t block = first / SIM_BLOCK_PAGES, last = (first + n - 1) / SIM_BLOCK_PAGES;

        memset(sampling->block_stale + block, true, last - block + 1);
        sampling->stale = true;
    }
}

void sampling_free(Sampling *sampling)
{
    g_free(sampling->block_rate);
    g_free(sampling->block_sum);
    g_free(sampling->block_stale);
    g_clear_pointer(&sampling->pending, g_array_unref);
}

uint64_t guest_device_count(Guest *guest, size_t page, unsigned instance)
{
    double **counted = &guest->counted[instance];
    double expected = guest_expected(guest, page);
    uint64_t count;

    if (!*counted) {
        *counted = g_new0(double, guest->config.pages);
    }
    count = sim_random_poisson(&guest->machine->random, expected - (*counted)[page]);
    (*counted)[page] = expected;
    return count;
}
