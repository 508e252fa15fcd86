/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether what the sources of evidence report of a KVM guest is true: a guest visits a known list of pages
 * over and over, the daemon observes and records a trace, and the evidence in it is compared with the
 * list. (topology numa, newest kernel)
 */
#include <math.h>
#include <signal.h>
#include <stddef.h>

#include "bed.h"
#include "evidence.h"
#include "inspect.h"

#define WATCH_S 6

/* Ring for passes without end. */
static bool ring(const Guest *guest, GError **errp)
{
    const uint32_t forever = UINT32_MAX;

    return guest_write(guest, GUEST_HEADER_ADDR + offsetof(GuestHeader, doorbell), &forever, sizeof(forever),
                       errp);
}

static bool trace_call(Bed *bed, const char *command, const char *file, GError **errp)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) answer = NULL;

    json_object_set_string_member(arguments, "name", DAEMON_VM);
    if (file) {
        json_object_set_string_member(arguments, "file", file);
    }
    answer = client_call(bed->daemon->client, command, arguments, errp);
    return answer != NULL;
}

/* Record @seconds of what the daemon is told of a guest that visits its list; the trace's path, or NULL. */
static char *record(Bed *bed, unsigned seconds, uint64_t *since_ns, PassLog **log, GError **errp)
{
    g_autofree char *file = g_build_filename(bed->folder, "trace", NULL);

    *log = pass_log_start(bed->guest);
    *since_ns = (uint64_t)g_get_monotonic_time() * 1000;
    if (!trace_call(bed, "trace-start", file, errp) || !ring(bed->guest, errp)) {
        return NULL;
    }
    bed_sleep(seconds);
    if (!trace_call(bed, "trace-stop", NULL, errp)) {
        return NULL;
    }
    pass_log_stop(*log);
    return g_steal_pointer(&file);
}

/* Whether 'tierctl replay' plans the same; what it says otherwise. */
static bool replays(const char *trace, char **said)
{
    char *argv[] = {(char *)"tierctl", (char *)"replay", (char *)trace, NULL};
    int status;

    return g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, said, &status, NULL) &&
           g_spawn_check_wait_status(status, NULL);
}

static void rwp_reports_what_was_accessed_and_nothing_else(void)
{
    const PageList list = {.every = 7, .offset = 3};
    g_autofree char *trace = NULL, *said = NULL;
    g_autoptr(PassLog) log = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t since_ns;
    Exactness found;

    EXPECT_OK(bed_start(&bed, BED_COSTS "[sources]\nenable=rwp\noverhead-share=0.1\n",
                        "pattern=list every=7 offset=3", 28, "fast-size=8M,mode=observe", &error),
              error);
    trace = record(&bed, WATCH_S, &since_ns, &log, &error);
    EXPECT(trace, "recording: %s", error->message);
    EXPECT_OK(evidence_exactness(trace, &bed.guest->header, &list, POLICY_SOURCE_RWP, since_ns, log, &found,
                                 &error),
              error);
    g_test_message("pages of the list: %" G_GUINT64_FORMAT
                   " reports of accesses, of %u different pages, %" G_GUINT64_FORMAT
                   " wrong; other pages: %" G_GUINT64_FORMAT " reports of none, %" G_GUINT64_FORMAT " wrong",
                   found.accessed, found.listed_seen, found.missed, found.untouched, found.stray);
    EXPECT(found.stray == 0, "%" G_GUINT64_FORMAT " accesses were reported of pages that were not accessed",
           found.stray);
    EXPECT(found.missed == 0, "%" G_GUINT64_FORMAT " accesses were missed", found.missed);
    EXPECT(found.accessed > 1000 && found.listed_seen > 900 && found.untouched > 5000,
           "there was too little evidence to judge by: see the line above");
    EXPECT(replays(trace, &said), "the trace does not replay to the same plans: %s", said);
}

static void damon_finds_the_hot_set(void)
{
    const PageList hot = {.every = 1, .offset = 2560, .end = 3584};
    g_autofree char *trace = NULL, *said = NULL;
    g_autoptr(PassLog) log = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t since_ns, reports;
    double recall;

    EXPECT_OK(bed_start(&bed, BED_COSTS "[sources]\nenable=damon\n",
                        "pattern=list every=1 offset=2560 end=3584", 28, "fast-size=8M,mode=observe", &error),
              error);
    trace = record(&bed, WATCH_S, &since_ns, &log, &error);
    EXPECT(trace, "recording: %s", error->message);
    /* DAMON splits its regions where they are uneven; the first second is left to that. */
    recall = evidence_recall(trace, &bed.guest->header, &hot, POLICY_SOURCE_DAMON, since_ns + 1000000000,
                             &reports, &error);
    EXPECT(!isnan(recall), "reading the trace: %s", error->message);
    g_test_message(
        "of a hot set of %u pages, DAMON's hottest %u contain %.1f %%; it reported on %" G_GUINT64_FORMAT
        " of %u pages",
        hot.end - hot.offset, hot.end - hot.offset, recall * 100, reports, bed.guest->header.pages);
    EXPECT(recall > 0.9, "recall is %.3f", recall);
    EXPECT(replays(trace, &said), "the trace does not replay to the same plans: %s", said);
}

static void observing_moves_nothing_and_ends_without_a_trace(void)
{
    const int kdamonds = inspect_kdamonds();
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    uint64_t armed;
    bool watched;
    VmView view;

    EXPECT_OK(bed_start(&bed, BED_COSTS, "pattern=gups-hot", 28, "fast-size=8M,mode=observe", &error), error);
    bed_sleep(3);
    view = bed_view(&bed);
    EXPECT(view.asked == 0 && view.applied == 0, "%" G_GUINT64_FORMAT " pages were moved in observe mode",
           view.applied);
    EXPECT_OK(inspect_armed(bed.guest, &armed, &error), error);
    EXPECT(armed > 0, "no page was armed: what is tested below could not fail");
    EXPECT(inspect_kdamonds() == 1, "there are %d kdamonds while DAMON is used", inspect_kdamonds());
    EXPECT(bed_daemon_end(&bed, SIGTERM) == 0, "the daemon did not end with exit code 0");
    EXPECT_OK(inspect_armed(bed.guest, &armed, &error), error);
    EXPECT_OK(inspect_watched(bed.guest, &watched, &error), error);
    EXPECT(armed == 0 && !watched, "%" G_GUINT64_FORMAT " pages are still armed%s", armed,
           watched ? ", the mapping is still registered" : "");
    EXPECT(inspect_kdamonds() == kdamonds, "%d kdamonds are left, %d were there before", inspect_kdamonds(),
           kdamonds);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/" #name, name)
    ADD(rwp_reports_what_was_accessed_and_nothing_else);
    ADD(damon_finds_the_hot_set);
    ADD(observing_moves_nothing_and_ends_without_a_trace);
    return g_test_run();
}
