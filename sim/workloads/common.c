/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the generators of workloads share.
 */
#include <math.h>

#include "common.h"

G_DEFINE_QUARK(workload-error-quark, workload_error)

double workload_full_rate(const Guest *guest)
{
    const GuestConfig *config = guest_config(guest);
    const MachineConfig *machine = machine_config(guest_machine(guest));

    return config->vcpus * 1e9 / (config->compute_ns + machine->costs.latency_ns[0]);
}

size_t workload_pages_per_page(const Guest *guest)
{
    double scale = machine_config(guest_machine(guest))->scale;

    return MAX((size_t)lround(1 / scale), 1);
}

Workload *workload_still_new(const WorkloadClass *class, Guest *guest, const float *rates)
{
    Workload *workload = g_new0(Workload, 1);

    *workload = (Workload){.class = class, .guest = guest};
    guest_set_rates(guest, 0, guest_pages(guest), rates);
    guest_set_phase(guest, NULL, FOREVER_NS);
    return workload;
}

uint64_t workload_still_tick(Workload *workload, uint64_t now_ns)
{
    return UINT64_MAX;
}

void workload_still_destroy(Workload *workload)
{
    g_free(workload);
}

uint32_t *workload_permutation(SimRandom *random, size_t n)
{
    uint32_t *order = g_new(uint32_t, n);

    for (size_t i = 0; i < n; i++) {
        size_t j = sim_random_below(random, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

size_t workload_share_of(double share, size_t n)
{
    return CLAMP((size_t)llround(share * n), 1, n);
}

float *workload_two_rates(const Guest *guest, const bool *hot, double hot_share)
{
    size_t n = guest_pages(guest), n_hot = 0;
    float *rates = g_new(float, n);
    double total = workload_full_rate(guest), in_hot;

    for (size_t i = 0; i < n; i++) {
        n_hot += hot[i];
    }
    in_hot = n_hot == n ? 1 : n_hot == 0 ? 0 : hot_share;
    for (size_t i = 0; i < n; i++) {
        rates[i] = hot[i] ? total * in_hot / n_hot : total * (1 - in_hot) / (n - n_hot);
    }
    return rates;
}

uint64_t workload_after(uint64_t from_ns, double seconds)
{
    return seconds >= FOREVER_S ? FOREVER_NS : from_ns + (uint64_t)llround(seconds * 1e9);
}

void workload_end_phase_by(Guest *guest, uint64_t until_ns)
{
    if (guest_phase_until_ns(guest) > until_ns) {
        g_autofree float *mean = g_memdup2(guest_phase_rates(guest), guest_pages(guest) * sizeof(*mean));

        guest_set_phase(guest, mean, until_ns);
    }
}

void busy_cycle_start(BusyCycle *cycle, uint64_t now_ns)
{
    cycle->idle = false;
    cycle->next_ns = workload_after(now_ns, cycle->busy_s);
}

uint64_t busy_cycle_tick(BusyCycle *cycle, Guest *guest, uint64_t now_ns)
{
    while (now_ns >= cycle->next_ns && cycle->next_ns < FOREVER_NS) {
        cycle->idle = !cycle->idle;
        guest_set_idle(guest, cycle->idle);
        cycle->next_ns = workload_after(cycle->next_ns, cycle->idle ? cycle->idle_s : cycle->busy_s);
    }
    return cycle->next_ns;
}
