/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe: what the workload guest in a QEMU really does, and how well its memory is placed for that.
 *
 *   observe watch PID   a JSON object each interval
 *   observe ring PID N  have a guest with pattern=list make its passes up to the N-th, and wait for that
 */
#include <gio/gio.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-memory.h"
#include "truth.h"

#define RING_WAIT_S  60
#define POLL_US      1000

static int interval_ms = 1000;
static int seconds;
static int fast_node;
static gint64 budget_bytes = -1;

static const GOptionEntry entries[] = {
    {"interval-ms", 'i', 0, G_OPTION_ARG_INT, &interval_ms, "time between two lines (1000)", "N"},
    {"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "end after that time (0: with the guest)", "N"},
    {"fast-node", 'n', 0, G_OPTION_ARG_INT, &fast_node, "the NUMA node of the fast tier (0)", "N"},
    {"budget", 'b', 0, G_OPTION_ARG_INT64, &budget_bytes, "bytes of the fast tier for the oracle (none: no oracle)", "BYTES"},
    {NULL},
};

/* One reading of all that is watched. */
typedef struct Sample {
    int64_t at_us;
    GuestHeader header;
    uint32_t *counts;
    bool *fast;                     /* of the pages of the working area */
    uint64_t fast_bytes, slow_bytes; /* of the whole RAM */
} Sample;

static void sample_free(Sample *sample)
{
    g_free(sample->counts);
    g_free(sample->fast);
    g_free(sample);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sample, sample_free)

static Sample *sample_take(const GuestMemory *memory, GError **errp)
{
    size_t ram_pages = memory->size / GUEST_PAGE_BYTES, base = GUEST_BASE_ADDR / GUEST_PAGE_BYTES;
    g_autofree int *nodes = g_new(int, ram_pages);
    g_autoptr(Sample) sample = g_new0(Sample, 1);

    if (!guest_memory_header(memory, &sample->header, errp)) {
        return NULL;
    }
    sample->counts = g_new(uint32_t, sample->header.pages);
    sample->fast = g_new(bool, sample->header.pages);
    if (!guest_memory_counts(memory, &sample->header, sample->counts, errp) ||
        !guest_memory_nodes(memory, nodes, errp)) {
        return NULL;
    }
    sample->at_us = g_get_monotonic_time();
    for (size_t i = 0; i < ram_pages; i++) {
        if (nodes[i] >= 0) {
            *(nodes[i] == fast_node ? &sample->fast_bytes : &sample->slow_bytes) += GUEST_PAGE_BYTES;
        }
    }
    for (size_t i = 0; i < sample->header.pages; i++) {
        sample->fast[i] = nodes[base + i] == fast_node;
    }
    return g_steal_pointer(&sample);
}

static uint64_t visits_between(const Sample *a, const Sample *b)
{
    uint64_t visits = 0;

    for (size_t i = 0; i < b->header.pages; i++) {
        visits += b->counts[i] - a->counts[i];
    }
    return visits;
}

static void print_ratio(const char *name, double ratio)
{
    if (isnan(ratio)) {
        printf(", \"%s\": null", name);
    } else {
        printf(", \"%s\": %.4f", name, ratio);
    }
}

static void print_interval(int64_t start_us, const uint32_t *phase_counts, const Sample *a, const Sample *b)
{
    uint64_t visits = visits_between(a, b);
    double elapsed_s = (double)(b->at_us - a->at_us) / G_USEC_PER_SEC;

    printf("{\"t\": %.2f, \"second\": %u, \"phase\": %u, \"state\": %u, \"visits\": %" PRIu64 ", \"accesses_per_s\": %.0f",
           (double)(b->at_us - start_us) / G_USEC_PER_SEC, b->header.second, b->header.phase, b->header.state, visits,
           (double)visits * b->header.burst / elapsed_s);
    print_ratio("hit_ratio", truth_hit_ratio(a->counts, b->counts, a->fast, b->fast, b->header.pages));
    if (budget_bytes >= 0) {
        print_ratio("oracle",
                    truth_oracle(phase_counts, b->counts, b->header.pages, (size_t)budget_bytes / GUEST_PAGE_BYTES));
    }
    printf(", \"fast_bytes\": %" PRIu64 ", \"slow_bytes\": %" PRIu64 "}\n", b->fast_bytes, b->slow_bytes);
    fflush(stdout);
}

/* Print an object each interval, until the guest is done or has ended, or the time is over. */
static bool watch(const GuestMemory *memory, GError **errp)
{
    g_autoptr(Sample) last = sample_take(memory, errp);

    if (!last) {
        return false;
    }
    g_autofree uint32_t *phase_counts = g_memdup2(last->counts, last->header.pages * sizeof(uint32_t));
    int64_t start_us = last->at_us;

    while (last->header.state != GUEST_DONE && (!seconds || last->at_us - start_us < (int64_t)seconds * G_USEC_PER_SEC)) {
        g_usleep((gulong)interval_ms * 1000);
        g_autoptr(Sample) now = sample_take(memory, NULL);

        if (!now) {
            break;
        }
        if (now->header.pages != last->header.pages) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "process %d booted another guest meanwhile", memory->pid);
            return false;
        }
        if (now->header.phase != last->header.phase) {
            memcpy(phase_counts, last->counts, last->header.pages * sizeof(uint32_t));
        }
        print_interval(start_us, phase_counts, last, now);

        Sample *old = last;

        last = g_steal_pointer(&now);
        now = old;      /* freed at the end of this turn */
    }
    return true;
}

static bool ring(const GuestMemory *memory, uint32_t passes, GError **errp)
{
    int64_t until_us = g_get_monotonic_time() + (int64_t)RING_WAIT_S * G_USEC_PER_SEC;
    GuestHeader header;

    if (!guest_memory_header(memory, &header, errp)) {
        return false;
    }
    if (!g_str_equal(header.pattern, "list") || header.passes > passes) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "the guest runs pattern=%s and has made %u passes: 'ring' needs pattern=list and a pass that is to come",
                    header.pattern, header.passes);
        return false;
    }
    if (!guest_memory_ring(memory, passes, errp)) {
        return false;
    }
    while (header.passes != passes) {
        if (g_get_monotonic_time() > until_us) {
            g_set_error(errp, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the guest made %u passes of %u within %d s", header.passes,
                        passes, RING_WAIT_S);
            return false;
        }
        g_usleep(POLL_US);
        if (!guest_memory_header(memory, &header, errp)) {
            return false;
        }
    }
    return true;
}

/* The whole of @text as a number, 1..INT32_MAX; 0 for anything else. */
static uint32_t positive_number(const char *text)
{
    guint64 number;

    return g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &number, NULL) ? (uint32_t)number : 0;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("watch PID | ring PID PASSES");
    g_autoptr(GError) error = NULL;
    g_auto(GuestMemory) memory = {.fd = -1};
    bool is_watch, ok;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("observe: %s\n", error->message);
        return EXIT_FAILURE;
    }
    is_watch = argc == 3 && g_str_equal(argv[1], "watch");
    if ((!is_watch && !(argc == 4 && g_str_equal(argv[1], "ring") && positive_number(argv[3]))) ||
        !positive_number(argv[2]) || interval_ms < 1 || seconds < 0) {
        g_autofree char *help = g_option_context_get_help(context, true, NULL);

        g_printerr("%s", help);
        return EXIT_FAILURE;
    }
    ok = guest_memory_open(&memory, (pid_t)positive_number(argv[2]), &error) &&
         (is_watch ? watch(&memory, &error) : ring(&memory, positive_number(argv[3]), &error));
    if (!ok) {
        g_printerr("observe: %s\n", error->message);
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
