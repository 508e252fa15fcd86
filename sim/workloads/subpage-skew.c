/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'subpage-skew': in a share of the 2 MiB blocks one 4 KiB page is hot, and all else is not: who
 * moves whole blocks wastes 511 pages of 512. MEMTIS (SOSP'23), GPAC.
 */
#include "common.h"

static Workload *subpage_skew_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    double blocks = 0.25, hot_share = 0.9;
    const Param table[] = {{"blocks", &blocks, 0, 1}, {"hot_share", &hot_share, 0, 1}, {NULL}};
    size_t n = guest_pages(guest), n_blocks = n / SIM_BLOCK_PAGES, n_hot;
    SimRandom random;
    g_autofree uint32_t *order = NULL;
    g_autofree float *rates = NULL;
    double total;

    if (!params_parse(params, table, errp)) {
        return NULL;
    }
    if (n_blocks == 0) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                    "workload subpage-skew needs a guest of one 2 MiB block at least, not %zu pages; "
                    "use a larger one or scale",
                    n);
        return NULL;
    }
    total = workload_full_rate(guest);
    n_hot = workload_share_of(blocks, n_blocks);
    sim_random_init(&random, seed);
    order = workload_permutation(&random, n_blocks);
    rates = g_new(float, n);
    for (size_t i = 0; i < n; i++) {
        rates[i] = total * (1 - hot_share) / (n - n_hot);
    }
    for (size_t i = 0; i < n_hot; i++) {
        size_t page = order[i] * (size_t)SIM_BLOCK_PAGES + sim_random_below(&random, SIM_BLOCK_PAGES);

        rates[page] = total * hot_share / n_hot;
    }
    return workload_still_new(&workload_subpage_skew, guest, rates);
}

const WorkloadClass workload_subpage_skew = {
    .name = "subpage-skew",
    .what = "one 4 KiB page in each of a share 'blocks' of the 2 MiB blocks has a share 'hot_share' of all "
            "accesses (MEMTIS, GPAC)",
    .create = subpage_skew_create,
    .tick = workload_still_tick,
    .destroy = workload_still_destroy,
};
