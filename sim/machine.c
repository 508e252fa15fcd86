/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: time, and the latency of its tiers under load.
 */
#include "machine-impl.h"

#include <math.h>

#define STEP_NS 10000000u  /* time passes in steps of at most that */
#define LOAD_NS 5000000u   /* load is weighed anew as often, and when guests or background change */
#define MOVING_NS 50e6     /* over which the load by moves is smoothed */
#define LOAD_ROUNDS 2      /* tiers share guests: each round settles one after the other */
#define LOAD_HALVINGS 16

/*
 * DRAM, CXL and the price of moves: issue 'workloads'; bandwidth: eight channels of DDR4-3200, and the 75
 * GB/s of the remote socket that stands for CXL in Colloid (SOSP'24); moves, arming and looks: measured with
 * move_pages(2), UFFDIO_RWPROTECT and PAGEMAP_SCAN, a page each of many; a PEBS record with its interrupt's
 * share: HeMem's and MEMTIS' 'some per cent of a CPU' at their rates; the second-level TLB: Intel's since
 * Skylake.
 */
const SimCosts sim_costs_default = {
    .latency_ns = {100, 250, 400, 1000},
    .loaded_max = 6.25, /* DRAM at most 2.5 times as slow as idle CXL */
    .bandwidth = {205e9, 75e9, 75e9, 30e9},
    .move_4k_ns = 3000,
    .shootdown_ns = 2000,
    .move_2m_ns = 250000,
    .abit_ns = 30,
    .arm_ns = 200,
    .look_ns = 15,
    .call_ns = 700,
    .fault_ns = 2000,
    .sample_ns = 300,
    .tlb_entries = 1536,
    .tlb_flush_ns = 10000000,
};

double sim_load_factor(const SimCosts *costs, double utilisation)
{
    double u = MAX(utilisation, 0);

    return CLAMP(1 + u * u / (1 - MIN(u, 0.98)) / 4, 1, MAX(costs->loaded_max, 1));
}

Machine *machine_new(const MachineConfig *config)
{
    Machine *machine = g_new0(Machine, 1);

    g_assert(config->n_tiers >= 2 && config->n_tiers <= SIM_MAX_TIERS && config->scale > 0);
    machine->config = *config;
    machine->guests = g_ptr_array_new();
    machine->load_stale = true;
    sim_random_init(&machine->random, config->seed);
    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        machine->latency_ns[tier] = config->costs.latency_ns[tier];
    }
    return machine;
}

void machine_free(Machine *machine)
{
    for (guint i = 0; i < machine->guests->len; i++) {
        guest_free(g_ptr_array_index(machine->guests, i));
    }
    g_ptr_array_unref(machine->guests);
    g_free(machine);
}

const MachineConfig *machine_config(const Machine *machine)
{
    return &machine->config;
}

uint64_t machine_now_ns(const Machine *machine)
{
    return machine->now_ns;
}

/* How fast a guest runs with tiers as slow as that, apart from what is stolen: seconds of work a second. */
static double speed_at(const Guest *guest, const double *latency_ns)
{
    const MachineConfig *config = &guest->machine->config;
    double rate = 0, time = 0;

    for (unsigned tier = 0; tier < config->n_tiers; tier++) {
        rate += guest->tier_rate[tier];
        time += guest->tier_rate[tier] * latency_ns[tier];
    }
    if (!(rate > 0)) {
        return 1;
    }
    return (guest->config.compute_ns + config->costs.latency_ns[0]) /
           (guest->config.compute_ns + time / rate);
}

/* Bytes/s asked of a tier if tiers were as slow as that. */
static double demand(const Machine *machine, unsigned tier, const double *latency_ns)
{
    double bytes = machine->background[tier] + machine->moving[tier];

    for (guint i = 0; i < machine->guests->len; i++) {
        const Guest *guest = g_ptr_array_index(machine->guests, i);

        if (!guest->idle) {
            bytes += 64 * guest->tier_rate[tier] * guest->running * speed_at(guest, latency_ns);
        }
    }
    return bytes;
}

/*
 * Find the latency of each tier that load and latency agree on: more latency, less load. Halving an interval,
 * rather than stepping towards it, cannot swing.
 */
static void load_tiers(Machine *machine)
{
    const SimCosts *costs = &machine->config.costs;

    for (int round = 0; round < LOAD_ROUNDS; round++) {
        for (unsigned tier = 0; tier < machine->config.n_tiers; tier++) {
            double bandwidth = costs->bandwidth[tier] * machine->config.scale;
            double low = 1, high = MAX(costs->loaded_max, 1);

            machine->latency_ns[tier] = costs->latency_ns[tier];
            for (int i = 0; bandwidth > 0 && i < LOAD_HALVINGS; i++) {
                double factor = (low + high) / 2;

                machine->latency_ns[tier] = costs->latency_ns[tier] * factor;
                if (sim_load_factor(costs, demand(machine, tier, machine->latency_ns) / bandwidth) > factor) {
                    low = factor;
                } else {
                    high = factor;
                }
            }
        }
    }
}

static void guest_step(Guest *guest, uint64_t ns)
{
    double capacity = guest->config.vcpus * (double)ns, stolen = MIN(guest->debt_ns, capacity);
    double speed, work_s;

    if (guest->idle) {
        return;
    }
    guest->running = capacity > 0 ? 1 - stolen / capacity : 1;
    guest->debt_ns -= stolen;
    speed = speed_at(guest, guest->machine->latency_ns) * guest->running;
    work_s = speed * (double)ns / 1e9;
    guest->counters.accesses += guest_total_rate(guest) * work_s;
    guest->counters.fast_accesses += guest->tier_rate[0] * work_s;
    guest->counters.work_ns += speed * (double)ns;
    guest->counters.wall_ns += (double)ns;
    guest->counters.stolen_ns += stolen;
    arming_advance(guest, guest->work_s + work_s, guest->machine->now_ns, speed);
    guest->work_s += work_s;
}

static void weigh_load(Machine *machine)
{
    double passed_ns = (double)(machine->now_ns - machine->weighed_ns);

    for (unsigned tier = 0; tier < machine->config.n_tiers && passed_ns > 0; tier++) {
        double share = -expm1(-passed_ns / MOVING_NS), now = machine->moved[tier] / (passed_ns / 1e9);

        machine->moving[tier] += share * (now - machine->moving[tier]);
        machine->moved[tier] = 0;
    }
    load_tiers(machine);
    machine->weighed_ns = machine->now_ns;
    machine->load_stale = false;
}

static void step(Machine *machine, uint64_t ns)
{
    if (machine->load_stale || machine->now_ns - machine->weighed_ns >= LOAD_NS) {
        weigh_load(machine);
    }
    for (guint i = 0; i < machine->guests->len; i++) {
        guest_step(g_ptr_array_index(machine->guests, i), ns);
    }
    machine_refill(machine, ns);
    machine->now_ns += ns;
}

void machine_advance(Machine *machine, uint64_t now_ns)
{
    for (guint i = 0; i < machine->guests->len; i++) {
        Guest *guest = g_ptr_array_index(machine->guests, i);

        if (guest->unsorted) {
            guest_sort(guest);
        }
    }
    while (machine->now_ns < now_ns) {
        step(machine, MIN(now_ns - machine->now_ns, STEP_NS));
    }
}

void machine_set_background(Machine *machine, unsigned tier, double bytes_per_s)
{
    machine->background[tier] = bytes_per_s;
    machine->load_stale = true;
}

double machine_background(const Machine *machine, unsigned tier)
{
    return machine->background[tier];
}

double machine_latency_ns(const Machine *machine, unsigned tier)
{
    return machine->latency_ns[tier];
}

void machine_charge_host(Machine *machine, double ns)
{
    machine->counters.host_ns += ns;
}

uint64_t machine_free_bytes(const Machine *machine, unsigned tier)
{
    return machine->config.capacity_bytes[tier] - machine->used_bytes[tier];
}

double machine_random(Machine *machine)
{
    return sim_random_uniform(&machine->random);
}

size_t machine_guests(const Machine *machine)
{
    return machine->guests->len;
}

Guest *machine_guest(const Machine *machine, size_t index)
{
    return g_ptr_array_index(machine->guests, index);
}

uint64_t machine_generation(const Machine *machine)
{
    return machine->generation;
}

void machine_counters(const Machine *machine, MachineCounters *counters)
{
    *counters = machine->counters;
}
