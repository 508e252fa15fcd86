/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel that has no RWP: the daemon says so, and tiers with DAMON and WP. (topology numa, kernel 6.12)
 */
#include <signal.h>

#include "bed.h"
#include "inspect.h"
#include "observer/watch.h"

#define CONFIG BED_COSTS BED_TRACKING
#define TIER_S 20
#define RISE_BY 0.3

static void says_what_it_cannot_use_and_why(void)
{
    g_autofree char *rwp = NULL, *damon = NULL, *wp = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};

    EXPECT_OK(bed_daemon(&bed, CONFIG, &error), error);
    rwp = bed_source_problem(&bed, "rwp");
    damon = bed_source_problem(&bed, "damon");
    wp = bed_source_problem(&bed, "wp");
    g_test_message("rwp: %s", rwp);
    EXPECT(rwp && *rwp && g_strrstr(rwp, "7.3"), "of rwp it says: %s", rwp ? rwp : "nothing");
    EXPECT(damon && !*damon, "damon is not usable: %s", damon ? damon : "it is not even listed");
    EXPECT(wp && !*wp, "wp is not usable: %s", wp ? wp : "it is not even listed");
}

/* The share of visits that hit node 0 in the next @seconds; negative with an error. */
static double hit_ratio(const Guest *guest, unsigned seconds, GError **errp)
{
    g_autoptr(Watch) watch = watch_new(guest, errp);
    const TruthInterval *interval = NULL;

    if (watch) {
        bed_sleep(seconds);
        interval = watch_sample(watch, errp);
    }
    return interval ? truth_hit_ratio(interval) : -1;
}

static void a_guests_hot_memory_is_found_and_moved(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(Bed) bed = {0};
    double before, after;
    uint64_t armed;

    EXPECT_OK(bed_start(&bed, CONFIG, "pattern=gups-hot", 28, "fast-size=8M,mode=off", &error), error);
    before = hit_ratio(bed.guest, 1, &error);
    EXPECT(before >= 0, "%s", error->message);
    EXPECT_OK(daemon_set_mode(bed.daemon, "on", &error), error);
    bed_sleep(TIER_S);
    after = hit_ratio(bed.guest, 3, &error);
    EXPECT(after >= 0, "%s", error->message);
    g_test_message("true hit ratio %.3f -> %.3f", before, after);
    EXPECT(after > before + RISE_BY, "the true hit ratio went from %.3f to %.3f", before, after);
    EXPECT(bed_daemon_end(&bed, SIGTERM) == 0, "the daemon did not end with exit code 0");
    EXPECT_OK(inspect_armed(bed.guest, &armed, &error), error);
    EXPECT(armed == 0, "%" G_GUINT64_FORMAT " pages are still armed", armed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/" #name, name)
    ADD(says_what_it_cannot_use_and_why);
    ADD(a_guests_hot_memory_is_found_and_moved);
    return g_test_run();
}
