/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small simulated machine for tests. What is random is compared within four standard deviations, at fixed
 * seeds.
 */
#ifndef VHOST_TIER_TESTS_SMALL_MACHINE_H
#define VHOST_TIER_TESTS_SMALL_MACHINE_H

#include <glib.h>
#include <math.h>

#include "sim/machine-impl.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define PAGES 4096u

static const MachineConfig small_config = {
    .n_tiers = 2,
    .capacity_bytes = {(uint64_t)PAGES * SIM_PAGE, (uint64_t)PAGES *SIM_PAGE},
    .scale = 1,
    .seed = 1,
    .costs = {.latency_ns = {100, 250},
              .loaded_max = 6.25,
              .fault_ns = 2000,
              .move_4k_ns = 3000,
              .shootdown_ns = 2000,
              .move_2m_ns = 250000,
              .sample_ns = 300},
};

/* Without a TLB, bandwidth or limit of moves; @fast pages of tier 0. */
static inline Machine *small_machine(size_t fast)
{
    MachineConfig config = small_config;

    config.capacity_bytes[0] = fast * SIM_PAGE;
    return machine_new(&config);
}

/* One vCPU that takes 100 ns besides memory for each access; half of them are writes. */
static inline Guest *small_guest(Machine *machine, size_t pages, SimPlacement placement)
{
    GuestConfig config = {.name = "guest",
                          .pages = pages,
                          .vcpus = 1,
                          .compute_ns = 100,
                          .write_share = 0.5,
                          .placement = placement};

    return machine_add_guest(machine, &config);
}

static inline void assert_near(double value, double expected, double sigma)
{
    if (fabs(value - expected) > 4 * sigma) {
        g_error("%g is not %g, give or take 4 times %g", value, expected, sigma);
    }
}

/* @n of @tries, each of which had the chance @p. */
static inline void assert_share(size_t n, size_t tries, double p)
{
    assert_near((double)n, p * (double)tries, sqrt(p * (1 - p) * (double)tries));
}

#endif /* VHOST_TIER_TESTS_SMALL_MACHINE_H */
