/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The truth of a placement: see truth.h. */
#include "truth.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

double truth_hit_ratio(const uint32_t *before, const uint32_t *after, const bool *fast_before, const bool *fast_after,
                       size_t pages)
{
    uint64_t twice_hits = 0, visits = 0;

    for (size_t i = 0; i < pages; i++) {
        uint32_t n = after[i] - before[i];

        visits += n;
        twice_hits += (uint64_t)n * (fast_before[i] + fast_after[i]);
    }
    return visits ? (double)twice_hits / 2 / (double)visits : NAN;
}

static int more_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

double truth_oracle(const uint32_t *before, const uint32_t *after, size_t pages, size_t fast_pages)
{
    g_autofree uint32_t *visits = g_new(uint32_t, pages);
    uint64_t total = 0, hits = 0;

    for (size_t i = 0; i < pages; i++) {
        visits[i] = after[i] - before[i];
        total += visits[i];
    }
    qsort(visits, pages, sizeof(*visits), more_first);
    for (size_t i = 0; i < MIN(pages, fast_pages); i++) {
        hits += visits[i];
    }
    return total ? (double)hits / (double)total : NAN;
}
