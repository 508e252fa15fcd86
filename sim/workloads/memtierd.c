/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'memtierd': what intel/memtierd's end-to-end tests watch (policy-heat, test02-move-idlepage): a
 * process with 1 GB of memory that reads 260 MB of it all the time, in one piece, and is stopped and
 * continued.
 */
#include "common.h"

typedef struct Memtierd {
    Workload base;
    BusyCycle cycle;
} Memtierd;

static Workload *memtierd_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    Memtierd *memtierd = g_new0(Memtierd, 1);
    double active = 0.26;
    const Param table[] = {
        {"active", &active, 0, 1},
        {"run_s", &memtierd->cycle.busy_s, 0.1, FOREVER_S},
        {"stop_s", &memtierd->cycle.idle_s, 0.1, FOREVER_S},
        {NULL},
    };
    size_t n = guest_pages(guest), n_active;
    g_autofree bool *is_active = g_new0(bool, n);
    g_autofree float *rates = NULL;

    *memtierd = (Memtierd){.base = {.class = &workload_memtierd, .guest = guest},
                           .cycle = {.busy_s = 40, .idle_s = 20}};
    if (!params_parse(params, table, errp)) {
        g_free(memtierd);
        return NULL;
    }
    n_active = workload_share_of(active, n);
    for (size_t i = 0; i < n_active; i++) {
        is_active[i] = true;
    }
    rates = workload_two_rates(guest, is_active, 1);
    guest_set_rates(guest, 0, n, rates);
    guest_set_phase(guest, NULL, FOREVER_NS);
    busy_cycle_start(&memtierd->cycle, machine_now_ns(guest_machine(guest)));
    return &memtierd->base;
}

static uint64_t memtierd_tick(Workload *workload, uint64_t now_ns)
{
    Memtierd *memtierd = (Memtierd *)workload;

    return busy_cycle_tick(&memtierd->cycle, workload->guest, now_ns);
}

static void memtierd_destroy(Workload *workload)
{
    g_free(workload);
}

const WorkloadClass workload_memtierd = {
    .name = "memtierd",
    .what = "the first share 'active' of memory is read all the time, for 'run_s', then it is stopped for "
            "'stop_s', again and again (intel/memtierd's tests)",
    .create = memtierd_create,
    .tick = memtierd_tick,
    .destroy = memtierd_destroy,
};
