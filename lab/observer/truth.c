/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true of a guest's placement; see truth.h.
 */
#include "truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "placement.h"

struct Truth {
    size_t ram_pages, pages;    /* of all RAM; of the working area */
    unsigned burst;
    double last_s;
    uint32_t *counts, *marked;  /* of the working area: at the last sample; at truth_mark() */
    int8_t *nodes;              /* of all RAM, at the last sample */
    double *moved_s;            /* of each page of RAM: when it last moved; -infinity: never */
    int8_t *moved_from;
    GArray *intervals;
};

#define FIRST_PAGE (GUEST_BASE_ADDR / GUEST_PAGE_BYTES)

Truth *truth_new(size_t ram_pages, size_t pages, unsigned burst, const uint32_t *counts, const int8_t *nodes)
{
    Truth *truth = g_new0(Truth, 1);

    g_assert(FIRST_PAGE + pages <= ram_pages);
    truth->ram_pages = ram_pages;
    truth->pages = pages;
    truth->burst = burst;
    truth->counts = g_memdup2(counts, pages * sizeof(*counts));
    truth->marked = g_memdup2(counts, pages * sizeof(*counts));
    truth->nodes = g_memdup2(nodes, ram_pages * sizeof(*nodes));
    truth->moved_from = g_new0(int8_t, ram_pages);
    truth->moved_s = g_new(double, ram_pages);
    truth->intervals = g_array_new(FALSE, TRUE, sizeof(TruthInterval));
    for (size_t i = 0; i < ram_pages; i++) {
        truth->moved_s[i] = -INFINITY;
    }
    return truth;
}

void truth_free(Truth *truth)
{
    g_free(truth->counts);
    g_free(truth->marked);
    g_free(truth->nodes);
    g_free(truth->moved_s);
    g_free(truth->moved_from);
    g_array_unref(truth->intervals);
    g_free(truth);
}

/* Account for page @i of RAM, which lies on node @now. */
static void follow(Truth *truth, TruthInterval *interval, size_t i, int8_t now)
{
    int8_t before = truth->nodes[i];

    if (now != PLACEMENT_ABSENT && now < TRUTH_NODES) {
        interval->node_bytes[now] += GUEST_PAGE_BYTES;
    }
    if (before == now || before == PLACEMENT_ABSENT || now == PLACEMENT_ABSENT) {
        return;
    }
    interval->moved_bytes += GUEST_PAGE_BYTES;
    if (truth->moved_from[i] == now && interval->to_s - truth->moved_s[i] <= TRUTH_UNDONE_S) {
        interval->undone_bytes += GUEST_PAGE_BYTES;
    }
    truth->moved_s[i] = interval->to_s;
    truth->moved_from[i] = before;
}

TruthInterval *truth_add(Truth *truth, double at_s, const uint32_t *counts, const int8_t *nodes)
{
    TruthInterval interval = {.from_s = truth->last_s, .to_s = at_s, .estimated = NAN};

    for (size_t i = 0; i < truth->pages; i++) {
        double visits = counts[i] - truth->counts[i];      /* modulo 2^32, as they are counted */
        size_t page = FIRST_PAGE + i;

        interval.visits += visits;
        interval.hits += visits * 0.5 * ((truth->nodes[page] == 0) + (nodes[page] == 0));
    }
    for (size_t i = 0; i < truth->ram_pages; i++) {
        follow(truth, &interval, i, nodes[i]);
    }
    memcpy(truth->counts, counts, truth->pages * sizeof(*counts));
    memcpy(truth->nodes, nodes, truth->ram_pages * sizeof(*nodes));
    truth->last_s = at_s;
    g_array_append_val(truth->intervals, interval);
    return &g_array_index(truth->intervals, TruthInterval, truth->intervals->len - 1);
}

guint truth_length(const Truth *truth)
{
    return truth->intervals->len;
}

TruthInterval truth_sum(const Truth *truth, guint first, guint end)
{
    TruthInterval sum = {.estimated = NAN};
    double estimated = 0;
    guint n_estimated = 0;

    g_assert(first < end && end <= truth->intervals->len);
    sum.from_s = g_array_index(truth->intervals, TruthInterval, first).from_s;
    for (guint i = first; i < end; i++) {
        const TruthInterval *one = &g_array_index(truth->intervals, TruthInterval, i);

        sum.to_s = one->to_s;
        sum.visits += one->visits;
        sum.hits += one->hits;
        sum.moved_bytes += one->moved_bytes;
        sum.undone_bytes += one->undone_bytes;
        memcpy(sum.node_bytes, one->node_bytes, sizeof(sum.node_bytes));
        if (!isnan(one->estimated)) {
            estimated += one->estimated;
            n_estimated++;
        }
    }
    if (n_estimated) {
        sum.estimated = estimated / n_estimated;
    }
    return sum;
}

double truth_hit_ratio(const TruthInterval *interval)
{
    return interval->visits > 0 ? interval->hits / interval->visits : NAN;
}

double truth_accesses_per_s(const Truth *truth, const TruthInterval *interval)
{
    return interval->visits * truth->burst / (interval->to_s - interval->from_s);
}

void truth_mark(Truth *truth)
{
    memcpy(truth->marked, truth->counts, truth->pages * sizeof(*truth->marked));
}

static int most_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x < y) - (x > y);
}

double truth_oracle(const Truth *truth, uint64_t bytes)
{
    size_t n = truth->pages, budget = bytes / GUEST_PAGE_BYTES;
    g_autofree uint32_t *visits = g_new(uint32_t, n);
    double all = 0, best = 0;

    for (size_t i = 0; i < n; i++) {
        visits[i] = truth->counts[i] - truth->marked[i];
    }
    qsort(visits, n, sizeof(*visits), most_first);
    for (size_t i = 0; i < n; i++) {
        all += visits[i];
        best += i < budget ? visits[i] : 0;
    }
    return all > 0 ? best / all : NAN;
}
