/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Latencies, watched where memory really is of two kinds: they are found, at next to no cost; what can't be measured is
 * named, and what was known before then holds. (topologies cxl and numa)
 */
#include <signal.h>
#include <string.h>

#include "bed.h"
#include "client/fields.h"
#include "cpuset.h"

#define SEEN_WITHIN_S 60
#define COST_S        10
#define COST_MOST     0.004     /* of a CPU; on this emulated host, where system calls take long */
#define APART         1.2

/* What query-host says of latencies. */
typedef struct Seen {
    bool watched;
    char not_watched[512];
    uint64_t used_ns[2], idle_ns[2], now_ns[2], hmat_ns[2];
} Seen;

static Seen seen(Bed *bed)
{
    g_autoptr(JsonNode) answer = client_call(bed->daemon->client, "query-host", NULL, NULL);
    JsonObject *host = node_object(answer), *costs = field_object(host, "costs");
    JsonArray *tiers = field_array(host, "tiers"), *used = field_array(costs, "latency_ns");
    const char *why = field_string(costs, "not_watched");
    Seen now = {.watched = field_bool(costs, "watched")};

    g_strlcpy(now.not_watched, why ? why : "", sizeof(now.not_watched));
    for (guint i = 0; i < MIN(elements(tiers), 2); i++) {
        JsonObject *tier = element_object(tiers, i);

        now.used_ns[i] = elements(used) > i ? (uint64_t)json_array_get_int_element(used, i) : 0;
        now.idle_ns[i] = field_uint(tier, "idle_latency_ns", 0);
        now.now_ns[i] = field_uint(tier, "loaded_latency_ns", 0);
        now.hmat_ns[i] = field_uint(tier, "latency_ns", 0);
    }
    return now;
}

static Seen tell(Bed *bed)
{
    const Seen now = seen(bed);

    g_test_message("watched: %s%s; tier 0: %" G_GUINT64_FORMAT " ns, %" G_GUINT64_FORMAT " idle; "
                   "tier 1: %" G_GUINT64_FORMAT " ns, %" G_GUINT64_FORMAT " idle; used are %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " ns",
                   now.watched ? "yes" : "no, ", now.not_watched, now.now_ns[0], now.idle_ns[0], now.now_ns[1],
                   now.idle_ns[1], now.used_ns[0], now.used_ns[1]);
    return now;
}

static bool is_measured(Bed *bed, void *opaque)
{
    return seen(bed).now_ns[1] > 0;
}

static bool is_lost(Bed *bed, void *opaque)
{
    return strstr(seen(bed).not_watched, "tier 1") != NULL;
}

/* Whether node 1 is CXL memory, not a part of this machine's DRAM that firmware calls slow. */
static bool has_cxl(void)
{
    return g_file_test("/sys/bus/cxl/devices/mem0", G_FILE_TEST_EXISTS);
}

static void tiers_are_measured_where_they_differ(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    Seen now;

    EXPECT_OK(bed_daemon(&bed, "", &error), error);
    EXPECT(bed_wait(&bed, SEEN_WITHIN_S, is_measured, NULL), "nothing was measured within %d s", SEEN_WITHIN_S);
    now = tell(&bed);
    if (has_cxl()) {
        EXPECT(now.watched, "not watched: %s", now.not_watched);
        EXPECT((double)now.used_ns[1] > APART * (double)now.used_ns[0], "CXL memory is not taken for the slower one");
    } else {
        EXPECT(!now.watched && strstr(now.not_watched, "same time"), "memory of one speed is taken for two kinds");
        EXPECT(now.used_ns[0] == now.hmat_ns[0] && now.used_ns[1] == now.hmat_ns[1],
               "the HMAT's latencies do not hold");
    }
}

/* CPU time of the daemon's thread that measures; 0 when there is none. */
static uint64_t cpu_ns(const Bed *bed)
{
    g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)bed->daemon->process->pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *thread;

    while (dir && (thread = g_dir_read_name(dir))) {
        g_autofree char *name_path = g_build_filename(folder, thread, "comm", NULL), *name = NULL;
        g_autofree char *time_path = g_build_filename(folder, thread, "schedstat", NULL), *time = NULL;

        if (g_file_get_contents(name_path, &name, NULL, NULL) && g_str_has_prefix(name, "latency") &&
            g_file_get_contents(time_path, &time, NULL, NULL)) {
            return g_ascii_strtoull(time, NULL, 10);
        }
    }
    return 0;
}

static void watching_costs_next_to_nothing(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t before_ns;
    double share;

    EXPECT_OK(bed_daemon(&bed, "", &error), error);
    EXPECT(bed_wait(&bed, SEEN_WITHIN_S, is_measured, NULL), "nothing was measured within %d s", SEEN_WITHIN_S);
    before_ns = cpu_ns(&bed);
    EXPECT(before_ns > 0, "there is no thread that measures, or no schedstat");
    bed_sleep(COST_S);
    share = (double)(cpu_ns(&bed) - before_ns) / 1e9 / COST_S;
    g_test_message("watching takes %.4f %% of a CPU", share * 100);
    EXPECT(share < COST_MOST, "watching takes %.3f %% of a CPU", share * 100);
}

static void what_the_operator_gives_holds(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    Seen now;

    EXPECT_OK(bed_daemon(&bed, "[costs]\nlatency-ns=123;456\n", &error), error);
    bed_sleep(3);
    now = tell(&bed);
    EXPECT(!now.watched && strstr(now.not_watched, "latency-ns"), "it does not say that the configuration has them");
    EXPECT(now.used_ns[0] == 123 && now.used_ns[1] == 456, "they are not used");
    EXPECT(cpu_ns(&bed) == 0, "they are measured all the same");
}

/* Its own cpuset leaves node 1 out from now on: the kernel moves its pages from there, and gives it none any more. */
static void a_tier_that_the_daemon_may_not_use_is_told_of_and_what_was_known_at_start_holds(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    Seen after;

    if (!cpuset_allow("0-1")) {
        g_test_skip("this kernel has no cpuset in cgroup v2");
        return;
    }
    EXPECT_OK(bed_daemon(&bed, "", &error), error);
    EXPECT(bed_wait(&bed, SEEN_WITHIN_S, is_measured, NULL), "nothing was measured within %d s", SEEN_WITHIN_S);
    EXPECT_OK(cpuset_join(bed.daemon->process->pid, &error), error);
    EXPECT(cpuset_allow("0"), "the cpuset could not be narrowed");
    EXPECT(bed_wait(&bed, SEEN_WITHIN_S, is_lost, NULL), "the daemon did not notice within %d s", SEEN_WITHIN_S);
    after = tell(&bed);
    EXPECT(strstr(after.not_watched, "cpuset"), "the cpuset is not named");
    EXPECT(after.now_ns[1] == 0 && after.used_ns[1] > after.used_ns[0], "what was known at start does not hold");
    EXPECT(bed_daemon_end(&bed, SIGTERM) == 0, "the daemon did not end with exit code 0");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/" #name, name)
    ADD(tiers_are_measured_where_they_differ);
    ADD(watching_costs_next_to_nothing);
    ADD(what_the_operator_gives_holds);
    ADD(a_tier_that_the_daemon_may_not_use_is_told_of_and_what_was_known_at_start_holds);
    return g_test_run();
}
