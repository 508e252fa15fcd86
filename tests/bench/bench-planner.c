/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the policy plans and learns, against a plain pass over the same memory, and how much memory it
 * takes: over sizes from 2^20 granules of 4 KiB to the 2^28 of 1 TiB, and for 1,000 VMs in one process.
 *
 * And what it takes to see what trials say (policy_fit_trials()), in 1,000 VMs that are all busy.
 *
 * Fails below the 50 million granules a second, from 2^24 granules on above the 4 bytes a granule (with all
 * scratch), or above the 4 GiB for 1 TiB in 1,000 VMs, that are asked of it; or where trials take half a core. What the
 * machine has no memory for is skipped, and said.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/heat.h"
#include "core/policy-internal.h"
#include "core/sampler.h"
#include "rng.h"

#define MI (1ull << 20)
#define SECOND 1000000000ull
#define CHUNK 65536u
#define REGION 1u
#define REQUIRED_PER_S 50e6
#define ALLOWED_BYTES 4.0           /* a granule, with all scratch */
#define LIMITED_FROM (16 * MI)      /* below, a plan of 512 MiB takes more memory than the map does */
#define VMS 1000u
#define VM_GRANULES (5 * CHUNK)     /* 1.25 GiB; all of them together have more than 1 TiB */
#define VMS_BYTES (4ull << 30)
#define TRIED_GRANULES CHUNK
#define TRIED_S 600
#define ALLOWED_FITS 0.5            /* of a core, for all of them; a tenth on a machine of today */

static const PolicyConfig config_template = {
    .heat_half_life_ns = 30 * SECOND,
    .heat_life_ns = 60 * SECOND,
    .n_tiers = 2,
    .costs = {.latency_ns = {100, 250}, .move_4k_ns = 5000, .move_2m_ns = 250000},
};

/* CPU time, not the wall clock's: what one core does, whatever else the machine is busy with. */
static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Bytes of a line of /proc/self/status or /proc/meminfo; 0 where there is none. */
static uint64_t proc_bytes(const char *file, const char *key)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(file, &text, NULL, NULL)) {
        return 0;
    }
    line = strstr(text, key);
    return line ? g_ascii_strtoull(line + strlen(key), NULL, 10) * 1024 : 0;
}

/*
 * A guest in full use: one page in five is fast, one in 14 hot, wherever it lies; each seen in four rounds.
 * Returns the nanoseconds of policy_evidence_bits() a granule.
 */
static double fill(Policy *policy, uint64_t n)
{
    g_autofree uint8_t *tiers = g_malloc(CHUNK);
    g_autofree uint64_t *bits = g_new(uint64_t, CHUNK / 64);
    g_autofree bool *hot = g_new(bool, CHUNK);
    Rng rng = {.state = 4711};
    double spent = 0;

    for (size_t i = 0; i < CHUNK; i++) {
        tiers[i] = rng_chance(&rng, 0.2) ? 0 : 1;
        hot[i] = rng_chance(&rng, 1.0 / 14);
    }
    for (uint64_t first = 0; first < n; first += CHUNK) {
        policy_place(policy, REGION, first, CHUNK, tiers);
    }
    for (unsigned round = 0; round < 4; round++) {
        for (size_t i = 0; i < CHUNK / 64; i++) {
            bits[i] = 0;
            for (size_t bit = 0; bit < 64; bit++) {
                bits[i] |= (uint64_t)rng_chance(&rng, hot[i * 64 + bit] ? 0.95 : 0.08) << bit;
            }
        }
        spent -= seconds();
        for (uint64_t first = 0; first < n; first += CHUNK) {
            policy_evidence_bits(policy, POLICY_SOURCE_RWP, REGION, first, CHUNK, bits, SECOND / 20,
                                 (10 + round) * SECOND);
        }
        spent += seconds();
    }
    return spent / (4.0 * n) * 1e9;
}

/* What no pass over the map can beat: read all of it. Returns seconds. */
static double plain_pass(const Policy *policy, uint64_t *sum)
{
    const HeatMap *map = policy_find_map(policy, REGION);
    double start = seconds();

    for (size_t i = 0; i < map->n; i++) {
        *sum += map->estimates[i] + map->states[i];
    }
    return seconds() - start;
}

static bool run(unsigned shift, unsigned passes)
{
    uint64_t n = 1ull << shift, before = proc_bytes("/proc/self/status", "VmRSS:"), sum = 0;
    double evidence_ns, bytes, plain = 1e9, best = 1e9, total = 0, per_s;
    PolicyConfig config = config_template;
    g_autoptr(Policy) policy = NULL;
    g_autoptr(GError) err = NULL;

    config.budget_bytes = n * 4096 / 5;
    policy = policy_new(&config);
    if (!policy_region_add(policy, REGION, n * 4096, 4096, &err)) {
        printf("2^%u granules: %s\n", shift, err->message);
        return false;
    }
    evidence_ns = fill(policy, n);
    for (unsigned pass = 0; pass < passes; pass++) {
        double start = seconds();

        policy_plan(policy, (20 + pass) * SECOND);
        best = MIN(best, seconds() - start);
        total += seconds() - start;
        plain = MIN(plain, plain_pass(policy, &sum));
    }
    bytes = (double)(proc_bytes("/proc/self/status", "VmRSS:") - before) / n;
    per_s = n * passes / total;
    printf("  2^%-2u %10.1f %10.1f %10.3f %12.1f %10.2f %10.2f   (%" G_GUINT64_FORMAT ")\n", shift, per_s / 1e6,
           n / best / 1e6, best * 1e3, best / plain, evidence_ns, bytes, sum % 1000);
    if (per_s < REQUIRED_PER_S || (n >= LIMITED_FROM && bytes > ALLOWED_BYTES)) {
        printf("FAILED: at least %.0f million granules/s and at most %.1f bytes a granule are required\n",
               REQUIRED_PER_S / 1e6, ALLOWED_BYTES);
        return false;
    }
    return true;
}

/* Many VMs in one process, each of which learns and plans. */
static bool run_vms(void)
{
    uint64_t before = proc_bytes("/proc/self/status", "VmRSS:"), bytes;
    g_autoptr(GPtrArray) policies = g_ptr_array_new_with_free_func((GDestroyNotify)policy_free);
    double spent;

    for (unsigned i = 0; i < VMS; i++) {
        PolicyConfig config = config_template;
        g_autoptr(GError) err = NULL;
        Policy *policy;

        config.budget_bytes = VM_GRANULES * 4096 / 5;
        policy = policy_new(&config);
        g_ptr_array_add(policies, policy);
        if (!policy_region_add(policy, REGION, VM_GRANULES * 4096, 4096, &err)) {
            printf("%u VMs: %s\n", VMS, err->message);
            return false;
        }
        fill(policy, VM_GRANULES);
    }
    spent = -seconds();
    for (unsigned i = 0; i < VMS; i++) {
        policy_plan(g_ptr_array_index(policies, i), 20 * SECOND);
    }
    spent += seconds();
    bytes = proc_bytes("/proc/self/status", "VmRSS:") - before;
    printf("%u VMs of %.2f GiB each, %.2f TiB together: %.2f GiB of memory (%.2f bytes/granule), %.2f s for a plan of "
           "each\n", VMS, VM_GRANULES * 4096.0 / (1 << 30), VMS * VM_GRANULES * 4096.0 / (1ull << 40),
           (double)bytes / (1 << 30), (double)bytes / ((double)VMS * VM_GRANULES), spent);
    if (bytes > VMS_BYTES) {
        printf("FAILED: at most %.0f GiB are allowed\n", (double)VMS_BYTES / (1 << 30));
        return false;
    }
    return true;
}

/* Eight granules are tried, of rates that are spread over eight octaves: looks come after 8 ms, 16 ms and so on. */
static void try_some(Policy *policy, Rng *rng, uint64_t now_ns)
{
    const size_t first = (size_t)(rng_uniform(rng) * TRIED_GRANULES / TRIALS_BLOCK) * TRIALS_BLOCK;
    uint64_t left = 0xff, after_ns = 8000000;

    policy_trial_begin(policy, REGION, first, left, now_ns);
    for (; left && after_ns < 16 * SECOND; after_ns *= 2) {
        uint64_t touched = 0;

        for (unsigned i = 0; i < 8; i++) {
            const double per_s = (double)(1u << (first + i) % 8) / 8;

            touched |= (uint64_t)rng_chance(rng, 1 - exp(-per_s * (double)after_ns / SECOND)) << i;
        }
        policy_trial_look(policy, REGION, first, touched & left, now_ns + after_ns);
        left &= ~touched;
    }
}

/* A VM with as many trials as there may be, which is busy for ten minutes, of which the last nine are counted. */
static bool run_trials(void)
{
    PolicyConfig config = config_template;
    g_autoptr(Policy) policy = NULL;
    g_autoptr(GError) err = NULL;
    Rng rng = {.state = 815};
    double spent = 0, share;

    config.budget_bytes = TRIED_GRANULES * 4096 / 5;
    policy = policy_new(&config);
    if (!policy_region_add(policy, REGION, TRIED_GRANULES * 4096, 4096, &err)) {
        printf("trials: %s\n", err->message);
        return false;
    }
    fill(policy, TRIED_GRANULES);
    policy_plan(policy, 20 * SECOND);
    for (uint64_t at = 21; at < 21 + TRIED_S; at++) {
        for (unsigned i = 0; i < SAMPLER_DRAWS_PER_S / 8; i++) {
            try_some(policy, &rng, at * SECOND);
        }
        policy_advance(policy, at * SECOND);
        spent -= at < 21 + 60 ? 0 : seconds();
        policy_fit_trials(policy);
        spent += at < 21 + 60 ? 0 : seconds();
    }
    share = spent / (TRIED_S - 60) * VMS;
    printf("trials: fits take %.1f %% of a core for %u VMs that are all busy\n", share * 100, VMS);
    if (share > ALLOWED_FITS) {
        printf("FAILED: at most %.0f %% are allowed\n", ALLOWED_FITS * 100);
        return false;
    }
    return true;
}

int main(void)
{
    uint64_t available = proc_bytes("/proc/meminfo", "MemAvailable:");
    bool ok = true;

    printf("policy_plan, on one core; 'x plain': times a pass that only sums estimates and states\n"
           "granules  million/s    at best    ms a plan      x plain  ns/bit of evidence  bytes/granule\n");
    for (unsigned shift = 20; shift <= 28; shift += 2) {
        if (available < 5ull << shift) {
            printf("  2^%-2u skipped: it takes %.1f GiB of memory, and there are %.1f GiB\n", shift,
                   (double)(5ull << shift) / (1 << 30), (double)available / (1 << 30));
        } else {
            ok = run(shift, shift < 24 ? 40 : 5) && ok;
        }
    }
    if (available < VMS_BYTES) {
        printf("%u VMs skipped: there are %.1f GiB of memory, not 4\n", VMS, (double)available / (1 << 30));
    } else {
        ok = run_vms() && ok;
    }
    ok = run_trials() && ok;
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
