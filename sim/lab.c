/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's rows and costs; lab.h says what for.
 *
 * The lab's guest makes visits of 16 accesses, so an access is a visit here. Measured there (lab/README.md): all in
 * DRAM 22.5 million accesses a second, 0.71 us a visit; all in CXL 1.4 million, 11.4 us. Leaving the guest and entering
 * it takes 41 us; a touch of an armed page, all that comes of it included, 170 to 340 us: 200, as lab/vhost-tier.conf
 * has it. Moving a page to DRAM takes 150 to 210 us, to CXL 290 to 390 us.
 *
 * Its sweep goes over all pages, hot ones too, so these have their part of it besides their own share. Its phases
 * are the same options all through: one hot set of a fourteenth with 90 %, where Zipf's law has its first ranks, too.
 */
#include "lab.h"

#include <math.h>

#define SECOND 1000000000ull

#define VISIT_DRAM_NS 400
#define VISIT_CXL_NS  11100
#define COMPUTE_NS    311           /* 711 less that */

#define FOOTPRINT_BYTES (28u << 20)
/* A fifth of it, and what the observer allows for the rest of the guest (run.h there), in which that begins. */
#define BEGIN_SHARE 0.2
#define FAST_BYTES  (FOOTPRINT_BYTES * BEGIN_SHARE + (1u << 20))

/* Areas of QEMU's memory at higher addresses than the guest's that are scanned for hint faults; /proc/PID/maps */
#define OTHER_AREAS "16"

/* Tiering is switched on 5 s after the guest began, which takes a second; a run lasts a minute, phases 90 s. */
#define BEFORE_S 6

#define GUEST(ident, class, text)                                                                            \
    static const ScenarioGuest ident[] = {{                                                                  \
        .config = {.name = "vm", .pages = FOOTPRINT_BYTES / SIM_PAGE, .vcpus = 1, .compute_ns = COMPUTE_NS,  \
                   .write_share = 1, .placement = SIM_INTERLEAVE, .weight = 1},                              \
        .workload = (class), .params = (text),                                                               \
    }}

GUEST(gups_hot, "gups", "hot=0.0714286");
GUEST(ycsb_zipf, "zipf", NULL);
GUEST(scan_hot, "scan-hot", "lines=1 hot=0.1 hot_share=0.82");
GUEST(phases, "phases", "phase_s=30 lines=1 same_place=1 scan_hot=0.0714286 scan_hot_share=0.907143");

/* As the observer: the steady state is the last third. */
#define ROW(row, text, table, seconds)                                                                       \
    {.name = (row), .what = (text), .guests = (table), .n_guests = 1,                                        \
     .duration_ns = (BEFORE_S + (seconds)) * SECOND,                                                         \
     .steady_from_ns = (BEFORE_S + (seconds) * 2 / 3) * SECOND, .tiering_from_ns = BEFORE_S * SECOND}

const Scenario lab_scenarios[] = {
    ROW("lab-gups-hot", "28 MiB, a fourteenth hot with 90 %", gups_hot, 60),
    ROW("lab-ycsb-zipf", "28 MiB, Zipf 0.99", ycsb_zipf, 60),
    ROW("lab-scan-hot", "28 MiB, a tenth hot with 80 %, the rest swept", scan_hot, 60),
    ROW("lab-phases", "28 MiB: gups-hot, ycsb-zipf, scan-hot, 30 s each", phases, 90),
    {NULL},
};

const LabContender lab_contenders[] = {
    {"none", "nobody", "interleave", NULL},
    {"numa_balancing", "numa_balancing=2", "numa-balancing", "other-areas=" OTHER_AREAS},
    {"damon", "DAMON's schemes", "damon", NULL},
    {"vhost-tier", "vhost-tier", "vhost-tier-bits", "overhead-percent=25"},     /* lab/vhost-tier.conf */
    {NULL},
};

void lab_run_options(RunOptions *options)
{
    run_options_default(options);
    options->scale = 1;
    options->fast_share = (double)lround(FAST_BYTES) / FOOTPRINT_BYTES;
    options->interleave_share = BEGIN_SHARE;
    options->move_bytes_per_s = 0;
    options->costs.latency_ns[0] = VISIT_DRAM_NS;
    options->costs.latency_ns[1] = VISIT_CXL_NS;
    options->costs.bandwidth[0] = options->costs.bandwidth[1] = 0;
    options->costs.move_4k_ns = 250000;
    options->costs.shootdown_ns = 41000;
    options->costs.fault_ns = 200000;       /* lab/vhost-tier.conf */
    options->costs.arm_ns = 5000;
    options->costs.look_ns = 1000;
    options->costs.abit_ns = 3000;
}
