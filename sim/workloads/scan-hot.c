/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'scan-hot': a hot set at random, and a sequential scan that sweeps the rest again and again: what
 * least recently used gets wrong, since what the scan has just read is the most recent, and is not needed
 * again for long.
 *
 * The scan reads each page's 64 lines, once. It is a window of pages, all equally hot, that moves on by its
 * own length each 100 ms or so; nobody could follow it, so for the oracles what it sweeps is accessed evenly.
 */
#include <math.h>

#include "common.h"

#define WINDOW_S 0.1

typedef struct ScanHot {
    Workload base;
    double hot, hot_share, lines;
    uint32_t *cold;                 /* the pages that are swept, in order */
    size_t n_cold;
    float *rates;                   /* of all pages */
    size_t window, at;              /* in 'cold': where the window begins; it may wrap */
    double window_rate;             /* of a page in it */
    double window_s;
    uint64_t start_ns, steps;
} ScanHot;

/* Pages of the window have the rate @per_s; @lowest and @highest come to hold them. */
static void set_window(ScanHot *scan, float per_s, size_t *lowest, size_t *highest)
{
    for (size_t i = 0; i < scan->window; i++) {
        size_t page = scan->cold[(scan->at + i) % scan->n_cold];

        scan->rates[page] = per_s;
        *lowest = MIN(*lowest, page);
        *highest = MAX(*highest, page);
    }
}

/* Take the window from where it is to @at, and tell the guest. */
static void move_window(ScanHot *scan, size_t at)
{
    size_t lowest = guest_pages(scan->base.guest), highest = 0;

    set_window(scan, 0, &lowest, &highest);
    scan->at = at;
    set_window(scan, scan->window_rate, &lowest, &highest);
    guest_set_rates(scan->base.guest, lowest, highest + 1 - lowest, &scan->rates[lowest]);
}

static uint64_t next_step_ns(const ScanHot *scan)
{
    return workload_after(scan->start_ns, (scan->steps + 1) * scan->window_s);
}

static void scan_hot_destroy(Workload *workload)
{
    ScanHot *scan = (ScanHot *)workload;

    g_free(scan->cold);
    g_free(scan->rates);
    g_free(scan);
}

/* Give the hot pages their rate and list the others; the phase lasts. */
static void choose_pages(ScanHot *scan, SimRandom *random)
{
    Guest *guest = scan->base.guest;
    size_t n = guest_pages(guest), n_hot = MIN(workload_share_of(scan->hot, n), n - 1);
    g_autofree uint32_t *order = workload_permutation(random, n);
    g_autofree bool *hot = g_new0(bool, n);
    g_autofree float *mean = NULL;

    for (size_t i = 0; i < n_hot; i++) {
        hot[order[i]] = true;
    }
    mean = workload_two_rates(guest, hot, scan->hot_share);
    scan->rates = g_memdup2(mean, n * sizeof(*mean));
    scan->cold = g_new(uint32_t, n - n_hot);
    for (size_t i = 0; i < n; i++) {
        if (!hot[i]) {
            scan->cold[scan->n_cold++] = i;
            scan->rates[i] = 0;
        }
    }
    guest_set_rates(guest, 0, n, scan->rates);
    guest_set_phase(guest, mean, FOREVER_NS);
}

static Workload *scan_hot_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    ScanHot *scan = g_new0(ScanHot, 1);
    const Param table[] = {
        {"hot", &scan->hot, 0, 1},
        {"hot_share", &scan->hot_share, 0.01, 0.99},
        {"lines", &scan->lines, 1, 64},
        {NULL},
    };
    SimRandom random;
    double scan_rate;

    *scan = (ScanHot){.base = {.class = &workload_scan_hot, .guest = guest},
                      .hot = 0.1, .hot_share = 0.8, .lines = 64};
    if (!params_parse(params, table, errp)) {
        g_free(scan);
        return NULL;
    }
    if (guest_pages(guest) < 2) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                    "workload scan-hot needs a guest of two pages at least; use a larger one or scale");
        g_free(scan);
        return NULL;
    }
    sim_random_init(&random, seed);
    choose_pages(scan, &random);
    scan_rate = workload_full_rate(guest) * (1 - scan->hot_share);
    scan->window = CLAMP((size_t)llround(scan_rate / scan->lines * WINDOW_S), 1, scan->n_cold);
    scan->window_rate = scan_rate / scan->window;
    scan->window_s = scan->window * scan->lines / scan_rate;
    scan->start_ns = machine_now_ns(guest_machine(guest));
    move_window(scan, 0);
    return &scan->base;
}

static uint64_t scan_hot_tick(Workload *workload, uint64_t now_ns)
{
    ScanHot *scan = (ScanHot *)workload;

    if (now_ns >= next_step_ns(scan)) {
        uint64_t steps = (now_ns - scan->start_ns) / (scan->window_s * 1e9);

        scan->steps = MAX(steps, scan->steps + 1);
        move_window(scan, (uint64_t)scan->window * scan->steps % scan->n_cold);
    }
    return next_step_ns(scan);
}

const WorkloadClass workload_scan_hot = {
    .name = "scan-hot",
    .what = "a share 'hot_share' of accesses to a hot set of a share 'hot', the rest swept in order, 'lines' "
            "accesses to a page (classic)",
    .create = scan_hot_create,
    .tick = scan_hot_tick,
    .destroy = scan_hot_destroy,
};
