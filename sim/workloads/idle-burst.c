/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'idle-burst': a cloud VM that is busy for a while, then idle for longer, and then busy again with
 * the same hot set (as in gups). Who forgets it meanwhile finds it anew in each burst.
 */
#include "common.h"

typedef struct IdleBurst {
    Workload base;
    BusyCycle cycle;
} IdleBurst;

static Workload *idle_burst_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    IdleBurst *burst = g_new0(IdleBurst, 1);
    double hot = 0.1, hot_share = 0.9;
    const Param table[] = {
        {"busy_s", &burst->cycle.busy_s, 0.1, FOREVER_S},
        {"idle_s", &burst->cycle.idle_s, 0.1, FOREVER_S},
        {"hot", &hot, 0, 1},
        {"hot_share", &hot_share, 0, 1},
        {NULL},
    };
    size_t n = guest_pages(guest), n_hot;
    g_autofree uint32_t *order = NULL;
    g_autofree bool *is_hot = g_new0(bool, n);
    g_autofree float *rates = NULL;
    SimRandom random;

    *burst = (IdleBurst){.base = {.class = &workload_idle_burst, .guest = guest},
                         .cycle = {.busy_s = 30, .idle_s = 120}};
    if (!params_parse(params, table, errp)) {
        g_free(burst);
        return NULL;
    }
    sim_random_init(&random, seed);
    order = workload_permutation(&random, n);
    n_hot = workload_share_of(hot, n);
    for (size_t i = 0; i < n_hot; i++) {
        is_hot[order[i]] = true;
    }
    rates = workload_two_rates(guest, is_hot, hot_share);
    guest_set_rates(guest, 0, n, rates);
    guest_set_phase(guest, NULL, FOREVER_NS);
    busy_cycle_start(&burst->cycle, machine_now_ns(guest_machine(guest)));
    return &burst->base;
}

static uint64_t idle_burst_tick(Workload *workload, uint64_t now_ns)
{
    IdleBurst *burst = (IdleBurst *)workload;

    return busy_cycle_tick(&burst->cycle, workload->guest, now_ns);
}

static void idle_burst_destroy(Workload *workload)
{
    g_free(workload);
}

const WorkloadClass workload_idle_burst = {
    .name = "idle-burst",
    .what = "busy for 'busy_s', idle for 'idle_s', again and again; when busy, a hot set as in gups",
    .create = idle_burst_create,
    .tick = idle_burst_tick,
    .destroy = idle_burst_destroy,
};
