/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'zipf': the page of rank r is accessed in proportion to 1 / r^exponent; ranks are given to pages
 * at random.
 *
 * YCSB (SoCC'10) draws keys so, with the exponent 0.99; its workloads A, B and C differ in the share of
 * writes, which is the guest's. Nomad (OSDI'24) lets such a working set be a part 'used' of what was filled
 * before: here the part with the highest addresses, so that memory filled in order has it in the slow tier
 * where the rest fills the fast one.
 *
 * A distribution over 1/64 of the pages is not the same distribution: its first page would have a larger
 * share. So a page of the scaled machine has the mean rate of as many ranks of the full-size one as it stands
 * for. A part of memory has the same share of accesses then at any scale.
 */
#include <math.h>

#include "common.h"

#define EXACT_RANKS 1024u           /* summed one by one; beyond, an integral is as good to seven digits */

/* The sum of r^-exponent over the ranks first..last, both from 1. */
static double sum_ranks(double exponent, uint64_t first, uint64_t last)
{
    double sum = 0;

    for (; first <= last && first <= EXACT_RANKS; first++) {
        sum += pow(first, -exponent);
    }
    if (first <= last) {
        double from = first - 0.5, to = last + 0.5, power = 1 - exponent;

        sum += fabs(power) < 1e-9 ? log(to / from) : (pow(to, power) - pow(from, power)) / power;
    }
    return sum;
}

static Workload *zipf_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    double exponent = 0.99, used = 1;
    const Param table[] = {{"exponent", &exponent, 0, 10}, {"used", &used, 0, 1}, {NULL}};
    SimRandom random;
    g_autofree uint32_t *order = NULL;
    g_autofree float *rates = NULL;
    size_t n_used, unused, each;
    double per_weight;

    if (!params_parse(params, table, errp)) {
        return NULL;
    }
    n_used = workload_share_of(used, guest_pages(guest));
    unused = guest_pages(guest) - n_used;
    each = workload_pages_per_page(guest);
    sim_random_init(&random, seed);
    order = workload_permutation(&random, n_used);
    rates = g_new0(float, guest_pages(guest));
    per_weight = workload_full_rate(guest) / sum_ranks(exponent, 1, n_used * each);
    for (size_t i = 0; i < n_used; i++) {
        rates[unused + order[i]] = per_weight * sum_ranks(exponent, i * each + 1, (i + 1) * each);
    }
    return workload_still_new(&workload_zipf, guest, rates);
}

const WorkloadClass workload_zipf = {
    .name = "zipf",
    .what = "Zipf's law with 'exponent' over the share 'used' of memory, ranks at random (YCSB, Nomad)",
    .create = zipf_create,
    .tick = workload_still_tick,
    .destroy = workload_still_destroy,
};
