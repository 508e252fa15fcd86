/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the policy plans and learns, against a plain pass over the same memory, and how much memory it
 * takes.
 *
 * Maps of 16 Mi granules (64 GiB of 4 KiB pages), and of 2^28 (1 TiB) where the machine has the memory for
 * it. Fails below the 20 million granules a second, or above the 8 bytes a granule, that are asked of it.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/heat.h"
#include "core/policy-internal.h"
#include "rng.h"

#define MI (1ull << 20)
#define SECOND 1000000000ull
#define CHUNK 65536u
#define REGION 1u
#define REQUIRED_PER_S 20e6
#define LARGE_NEEDS_BYTES (6ull << 30)

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

/* What no pass over the map can beat: read a byte of each record. Returns seconds. */
static double plain_pass(const Policy *policy, uint64_t *sum)
{
    const HeatMap *map = policy_find_map(policy, REGION);
    double start = seconds();

    for (size_t i = 0; i < map->n; i++) {
        *sum += *(const uint8_t *)&map->granules[i];
    }
    return seconds() - start;
}

static bool run(const char *name, uint64_t n, unsigned passes)
{
    PolicyConfig config = config_template;
    uint64_t before = proc_bytes("/proc/self/status", "VmRSS:"), sum = 0;
    double evidence_ns, bytes, plain = 1e9, best = 1e9, worst = 0, per_s;
    g_autoptr(Policy) policy = NULL;
    g_autoptr(GError) err = NULL;
    size_t n_moves = 0;

    config.budget_bytes = n * 4096 / 5;
    policy = policy_new(&config);
    if (!policy_region_add(policy, REGION, n * 4096, 4096, &err)) {
        printf("%s: %s\n", name, err->message);
        return false;
    }
    evidence_ns = fill(policy, n);
    for (unsigned pass = 0; pass < passes; pass++) {
        double start = seconds();

        n_moves = policy_plan(policy, (20 + pass) * SECOND)->n_moves;
        best = MIN(best, seconds() - start);
        worst = MAX(worst, seconds() - start);
        plain = MIN(plain, plain_pass(policy, &sum));
    }
    bytes = (double)(proc_bytes("/proc/self/status", "VmRSS:") - before) / n;
    per_s = n / worst;
    printf("%s: %" G_GUINT64_FORMAT " granules\n", name, n);
    printf(
        "  policy_plan          %8.1f million granules/s at worst, %.1f at best of %u (%.2f s a plan, %zu moves)\n",
        per_s / 1e6, n / best / 1e6, passes, best, n_moves);
    printf("  plain pass           %8.1f million granules/s (a byte of each record summed: %" G_GUINT64_FORMAT
           ")\n",
           n / plain / 1e6, sum);
    printf("  ratio                %8.2f times the plain pass's time\n", best / plain);
    printf("  policy_evidence_bits %8.2f ns/granule\n", evidence_ns);
    printf("  memory               %8.2f bytes/granule in the map, %.2f measured with all scratch\n",
           (double)sizeof(Heat), bytes);
    if (per_s < REQUIRED_PER_S || sizeof(Heat) > 8) {
        printf("%s: FAILED: at least %.0f million granules/s and at most 8 bytes a granule are required\n",
               name, REQUIRED_PER_S / 1e6);
        return false;
    }
    return true;
}

int main(void)
{
    uint64_t available = proc_bytes("/proc/meminfo", "MemAvailable:");
    bool ok = run("64 GiB of 4 KiB granules", 16 * MI, 5);

    if (available < LARGE_NEEDS_BYTES) {
        printf(
            "1 TiB of 4 KiB granules: skipped: it takes 2 GiB of memory and is tried with 6 GiB available, "
            "and there are %.1f GiB\n",
            (double)available / (1 << 30));
    } else {
        ok = run("1 TiB of 4 KiB granules", 256 * MI, 3) && ok;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
