/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of the table: what the field measures itself on, at full size. docs/workloads.md explains each.
 *
 * How fast guests access memory: a vCPU waits for each access that misses the caches, so it makes one each
 * compute_ns + 100 ns at full speed. GUPS computes next to nothing (25 ns): 8 vCPUs make 64 million accesses
 * a second. Key-value stores and the like compute for 200 ns: 8 vCPUs make 27 million.
 */
#include "run.h"

#include <gio/gio.h>

#define GIB ((size_t)1 << 30)
#define GIB_PAGES ((size_t)1 << 18)
#define SECOND 1000000000ull

#define GUPS_NS 25
#define STORE_NS 200

/*
 * Colloid's load: so many cores that stream through DRAM. 25 of them take 90 % of the bandwidth of 205 GB/s
 * that the cost model has.
 */
#define CORES_BYTES_PER_S(n) ((n) * 7.38e9)

/* The guest of a row that has but one: footprint, vCPUs, compute, writes, placement, workload, parameters. */
#define ONE(ident, gib, cpus, compute, writes, where, class, text)                                           \
    static const ScenarioGuest ident[] = {{                                                                  \
        .config = {.name = "vm", .pages = (size_t)((gib) * GIB_PAGES), .vcpus = (cpus),                      \
                   .compute_ns = (compute), .write_share = (writes), .placement = (where), .weight = 1},     \
        .workload = (class), .params = (text),                                                               \
    }}

ONE(gups_14, 14, 8, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups", "hot=0.0714286");
ONE(gups_14_blocks, 14, 8, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups", "hot=0.0714286 extent_pages=512");
ONE(gups_126, 126, 32, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups", "hot=0.0714286");
ONE(gups_move_30, 14, 8, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups", "hot=0.0714286 move_s=30");
ONE(gups_move_60, 14, 8, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups", "hot=0.0714286 move_s=60");
ONE(gups_move_60_blocks, 14, 8, GUPS_NS, 0.5, SIM_INTERLEAVE, "gups",
    "hot=0.0714286 move_s=60 extent_pages=512");

/*
 * Colloid's GUPS: 72 GiB of which 20 are hot, on 15 cores that keep several misses under way each; four of
 * them make a core count as four vCPUs here.
 */
#define COLLOID(ident, writes) \
    ONE(ident, 72, 60, 20, writes, SIM_INTERLEAVE, "gups", "hot=0.2777778 extent_pages=512")
COLLOID(colloid_r, 0);
COLLOID(colloid_rw, 0.5);
COLLOID(colloid_2to1, 0.3333333);
COLLOID(colloid_3to1, 0.25);

ONE(ycsb_a, 14, 8, STORE_NS, 0.5, SIM_INTERLEAVE, "zipf", NULL);
ONE(ycsb_b, 14, 8, STORE_NS, 0.05, SIM_INTERLEAVE, "zipf", NULL);
ONE(ycsb_c, 14, 8, STORE_NS, 0, SIM_INTERLEAVE, "zipf", NULL);

/* Nomad's working sets within 27 GiB that were all filled: 10, 13.5, 18 and 27 GiB. */
#define NOMAD(ident, where, text) ONE(ident, 27, 8, STORE_NS, 0.5, where, "zipf", text)
NOMAD(nomad_10_first, SIM_FAST_FIRST, "used=0.3703704");
NOMAD(nomad_13_first, SIM_FAST_FIRST, "used=0.5");
NOMAD(nomad_18_first, SIM_FAST_FIRST, "used=0.6666667");
NOMAD(nomad_27_first, SIM_FAST_FIRST, NULL);
NOMAD(nomad_10_hottest, SIM_HOTTEST_FAST, "used=0.3703704");
NOMAD(nomad_13_hottest, SIM_HOTTEST_FAST, "used=0.5");
NOMAD(nomad_18_hottest, SIM_HOTTEST_FAST, "used=0.6666667");
NOMAD(nomad_27_hottest, SIM_HOTTEST_FAST, NULL);

ONE(scan_hot, 14, 8, STORE_NS, 0.2, SIM_INTERLEAVE, "scan-hot", NULL);
ONE(phases, 14, 8, STORE_NS, 0.3, SIM_INTERLEAVE, "phases", "phase_s=60");
ONE(idle_burst, 14, 8, STORE_NS, 0.3, SIM_INTERLEAVE, "idle-burst", "busy_s=30 idle_s=120");
ONE(skew_5, 14, 8, STORE_NS, 0.3, SIM_INTERLEAVE, "subpage-skew", "blocks=0.05");
ONE(skew_25, 14, 8, STORE_NS, 0.3, SIM_INTERLEAVE, "subpage-skew", "blocks=0.25");
ONE(skew_100, 14, 8, STORE_NS, 0.3, SIM_INTERLEAVE, "subpage-skew", "blocks=1");
ONE(memtierd, 1, 1, STORE_NS, 0, SIM_SLOW, "memtierd", "active=0.26 run_s=40 stop_s=20");
ONE(pghot, 8, 16, GUPS_NS, 0.5, SIM_SLOW, "touch-all", NULL);

/*
 * Tenants. Floors are a thirtieth of each VM's size, so that they fit at the smallest share of the table
 * (1:16); weights differ by a factor of four.
 */
#define TENANT(vm, gib, cpus, compute, w, class, text)                                                       \
    .config = {.name = (vm), .pages = (gib) * GIB_PAGES, .vcpus = (cpus), .compute_ns = (compute),           \
               .write_share = 0.3, .placement = SIM_INTERLEAVE, .floor_bytes = (gib) * GIB / 30,             \
               .ceiling_bytes = (gib) * GIB, .weight = (w)},                                                 \
    .workload = (class), .params = (text)

static const ScenarioGuest tenants_1[] = {
    {TENANT("store", 16, 8, STORE_NS, 1, "zipf", NULL)},
};

static const ScenarioGuest tenants_5[] = {
    {TENANT("gups", 14, 8, GUPS_NS, 2, "gups", "hot=0.0714286")},
    {TENANT("store", 12, 8, STORE_NS, 4, "zipf", NULL)},
    {TENANT("scan", 8, 4, STORE_NS, 1, "scan-hot", NULL)},
    {TENANT("burst", 8, 4, STORE_NS, 2, "idle-burst", "busy_s=30 idle_s=60")},
    {TENANT("quiet", 8, 1, 2000, 1, "zipf", "used=0.25")},
};

/* Three stay; one comes, one goes. */
static const ScenarioGuest tenants_churn[] = {
    {TENANT("gups", 14, 8, GUPS_NS, 2, "gups", "hot=0.0714286")},
    {TENANT("store", 12, 8, STORE_NS, 4, "zipf", NULL)},
    {TENANT("quiet", 8, 1, 2000, 1, "zipf", "used=0.25")},
    {TENANT("comes", 8, 4, STORE_NS, 2, "zipf", NULL), .from_ns = 60 * SECOND},
    {TENANT("goes", 8, 4, STORE_NS, 2, "gups", "hot=0.2"), .until_ns = 100 * SECOND},
};

#define TENANTS_8                                                                                            \
    {TENANT("gups", 14, 8, GUPS_NS, 2, "gups", "hot=0.0714286")},                                            \
    {TENANT("gups-2", 4, 4, GUPS_NS, 1, "gups", "hot=0.25 extent_pages=512")},                               \
    {TENANT("store", 12, 8, STORE_NS, 4, "zipf", NULL)},                                                     \
    {TENANT("store-2", 6, 4, STORE_NS, 2, "zipf", "exponent=0.8")},                                          \
    {TENANT("scan", 8, 4, STORE_NS, 1, "scan-hot", NULL)},                                                   \
    {TENANT("burst", 6, 4, STORE_NS, 2, "idle-burst", "busy_s=30 idle_s=60")},                               \
    {TENANT("skew", 4, 2, STORE_NS, 1, "subpage-skew", "blocks=0.25")},                                      \
    {TENANT("quiet", 6, 1, 2000, 1, "zipf", "used=0.25")}

/*
 * The ninth touches all it has as fast as it can, to get its neighbours' share. What it does to them is told
 * by the row where it has the same claims, and is as the others are.
 */
static const ScenarioGuest tenants_9[] = {
    TENANTS_8,
    {TENANT("hostile", 8, 8, 0, 1, "touch-all", NULL), .hostile = true},
};

static const ScenarioGuest tenants_9_honest[] = {
    TENANTS_8,
    {TENANT("honest", 8, 8, STORE_NS, 1, "zipf", NULL), .hostile = true},
};

#define ROW(row, text, table, seconds, steady)                                                               \
    .name = (row), .what = (text), .guests = (table), .n_guests = G_N_ELEMENTS(table),                       \
    .duration_ns = (seconds) * SECOND, .steady_from_ns = (steady) * SECOND
#define COLLOID_ROW(row, mix, table, cores)                                                                  \
    {                                                                                                        \
        ROW(row, "GUPS, 72 GiB with 20 hot, " mix ", " #cores " cores load DRAM (Colloid)", table, 200,      \
            160),                                                                                            \
        .background = {CORES_BYTES_PER_S(cores)}                                                             \
    }

const Scenario scenarios[] = {
    {ROW("gups-hot-14", "GUPS, 14 GiB, pages of 1 GiB hot at random, 90 % (Demeter)", gups_14, 120, 80)},
    {ROW("gups-hot-14-blocks", "GUPS, 14 GiB, 2 MiB blocks of 1 GiB hot (Demeter)", gups_14_blocks, 120, 80)},
    {ROW("gups-hot-126", "GUPS, 126 GiB, pages of 9 GiB hot, 90 % (Demeter)", gups_126, 150, 100)},
    {ROW("gups-move-30s", "GUPS, 14 GiB, 1 GiB hot, jumps each 30 s (HeMem, Colloid)", gups_move_30, 150,
         135),
     .changes = true},
    {ROW("gups-move-60s", "GUPS, 14 GiB, 1 GiB hot, jumps each 60 s (HeMem, Colloid)", gups_move_60, 180,
         150),
     .changes = true},
    {ROW("gups-move-60s-blocks", "GUPS, 14 GiB, 2 MiB blocks of 1 GiB hot, jumps each 60 s (HeMem, Colloid)",
         gups_move_60_blocks, 180, 150),
     .changes = true},
    COLLOID_ROW("gups-colloid-r-20", "reads", colloid_r, 20),
    COLLOID_ROW("gups-colloid-rw-0", "1:1", colloid_rw, 0),
    COLLOID_ROW("gups-colloid-rw-15", "1:1", colloid_rw, 15),
    COLLOID_ROW("gups-colloid-rw-20", "1:1", colloid_rw, 20),
    COLLOID_ROW("gups-colloid-rw-25", "1:1", colloid_rw, 25),
    COLLOID_ROW("gups-colloid-2to1-20", "2:1", colloid_2to1, 20),
    COLLOID_ROW("gups-colloid-3to1-20", "3:1", colloid_3to1, 20),
    {ROW("ycsb-a", "Zipf 0.99 over 14 GiB, 50 % writes (YCSB A)", ycsb_a, 120, 80)},
    {ROW("ycsb-b", "Zipf 0.99 over 14 GiB, 5 % writes (YCSB B)", ycsb_b, 120, 80)},
    {ROW("ycsb-c", "Zipf 0.99 over 14 GiB, reads (YCSB C)", ycsb_c, 120, 80)},
    {ROW("nomad-10-first", "Zipf over 10 of 27 GiB, first touch (Nomad)", nomad_10_first, 150, 110)},
    {ROW("nomad-13-first", "Zipf over 13.5 of 27 GiB, first touch (Nomad)", nomad_13_first, 150, 110)},
    {ROW("nomad-18-first", "Zipf over 18 of 27 GiB, first touch (Nomad)", nomad_18_first, 150, 110)},
    {ROW("nomad-27-first", "Zipf over 27 GiB, first touch (Nomad)", nomad_27_first, 150, 110)},
    {ROW("nomad-10-hottest", "Zipf over 10 of 27 GiB, hottest in fast (Nomad)", nomad_10_hottest, 90, 60)},
    {ROW("nomad-13-hottest", "Zipf over 13.5 of 27 GiB, hottest in fast (Nomad)", nomad_13_hottest, 90, 60)},
    {ROW("nomad-18-hottest", "Zipf over 18 of 27 GiB, hottest in fast (Nomad)", nomad_18_hottest, 90, 60)},
    {ROW("nomad-27-hottest", "Zipf over 27 GiB, hottest in fast (Nomad)", nomad_27_hottest, 90, 60)},
    {ROW("scan-hot", "14 GiB, a tenth hot, 80 %, the rest swept by a scan (classic)", scan_hot, 150, 100)},
    {ROW("phases", "14 GiB: gups, zipf, scan-hot, 60 s each", phases, 240, 210), .changes = true},
    {ROW("idle-burst", "14 GiB, a tenth hot, 30 s busy, 120 s idle", idle_burst, 330, 300)},
    {ROW("subpage-skew-5", "14 GiB, one hot page in 5 % of 2 MiB blocks (MEMTIS, GPAC)", skew_5, 120, 80)},
    {ROW("subpage-skew-25", "14 GiB, one hot page in 25 % of 2 MiB blocks (MEMTIS, GPAC)", skew_25, 120, 80)},
    {ROW("subpage-skew-100", "14 GiB, one hot page in each 2 MiB block (MEMTIS, GPAC)", skew_100, 120, 80)},
    {ROW("tenants-1", "one VM with Zipf, 16 GiB (Demeter)", tenants_1, 120, 80)},
    {ROW("tenants-5", "five VMs, mixed, with floors and weights (Demeter)", tenants_5, 240, 150)},
    {ROW("tenants-churn", "five VMs of which one comes and one goes", tenants_churn, 180, 120)},
    {ROW("tenants-9", "eight VMs, mixed, and one hostile (Demeter, Equilibria)", tenants_9, 240, 150)},
    {ROW("tenants-9-honest", "the VMs of tenants-9, the ninth as others are", tenants_9_honest, 240, 150)},
    {ROW("memtierd-e2e", "1 GiB, 260 MB active, stopped and continued (memtierd)", memtierd, 160, 120)},
    {ROW("pghot-micro", "8 GiB, all slow at first, random pages (pghot)", pghot, 120, 80)},
    {NULL},
};

const Scenario *scenario_find(const char *name, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (const Scenario *scenario = scenarios; scenario->name; scenario++) {
        if (g_str_equal(scenario->name, name)) {
            return scenario;
        }
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", scenario->name);
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no row '%s'; there are %s", name,
                known->str);
    return NULL;
}
