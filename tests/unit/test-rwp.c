/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources 'rwp' and 'wp' for real: on a process whose accesses are known. Where the kernel lacks one of
 * them its tests are skipped.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sampler.h"
#include "source-run.h"
#include "sources/access-bits.h"
#include "sources/uffd.h"
#include "watched-child.h"

#define PAGES 2048

typedef struct Kind {
    const SourceClass *class;
    bool sees_reads;
} Kind;

static const Kind rwp = {.class = &rwp_source_class, .sees_reads = true};
static const Kind wp = {.class = &wp_source_class};

/* A source in the works, with a child that it watches. */
typedef struct Works {
    Child child;
    Policy *policy;
    Source *source;
} Works;

/* Every eleventh page is written, every thirteenth of the others read; a stretch is never touched at all. */
static ChildPage mixed(size_t page)
{
    return page >= 1024 && page < 1100 ? CHILD_ABSENT
           : page % 11 == 3            ? CHILD_WRITTEN
           : page % 13 == 5            ? CHILD_READ
                                       : CHILD_COLD;
}

static ChildPage all_written(size_t page)
{
    return CHILD_WRITTEN;
}

static bool usable(const Kind *kind)
{
    g_autoptr(GError) err = NULL;

    if (!kind->class->probe(&err)) {
        g_test_skip(err->message);
        return false;
    }
    return true;
}

static void works_begin(Works *works, const Kind *kind, ChildPage (*pattern)(size_t page), double share,
                        uint64_t fault_ns)
{
    SourceParams params = {.overhead_share = share, .fault_ns = fault_ns};
    g_autoptr(GError) err = NULL;

    child_start(&works->child, PAGES, pattern, true);
    g_assert_cmpint(works->child.region.uffd, >=, 0);
    works->policy = source_run_policy(&works->child.region);
    works->source = kind->class->start(&params, works->policy, &err);
    g_assert_no_error(err);
    kind->class->region_add(works->source, &works->child.region, &err);
    g_assert_no_error(err);
}

static void works_end(Works *works)
{
    works->source->class->stop(works->source);
    policy_free(works->policy);
    child_end(&works->child);
}

static void works_run(Works *works, unsigned ms)
{
    source_run_for(works->source, ms);
}

static double rate_of(Works *works, size_t page)
{
    PolicyGranule granule;

    g_assert_true(
        policy_granule(works->policy, works->child.region.id, page, g_get_monotonic_time() * 1000, &granule));
    g_assert_cmpuint(granule.seen_ns, >, 0);
    return granule.rate_per_s;
}

static void tells_touched_pages_from_others_exactly(gconstpointer data)
{
    const Kind *kind = data;
    Works works;

    if (!usable(kind)) {
        return;
    }
    works_begin(&works, kind, mixed, 0.5, 1000);
    works_run(&works, 2500);
    for (size_t i = 0; i < PAGES; i++) {
        bool hot = mixed(i) == CHILD_WRITTEN || (mixed(i) == CHILD_READ && kind->sees_reads);

        if (hot != (rate_of(&works, i) > 10)) {
            g_error("page %zu, which is %s, has rate %g", i, hot ? "hot" : "cold", rate_of(&works, i));
        }
    }
    works_end(&works);
}

static void holds_the_budget_by_a_measured_fault(gconstpointer data)
{
    const Kind *kind = data;
    SourceHealth health;
    Works works;

    if (!usable(kind)) {
        return;
    }
    works_begin(&works, kind, all_written, 0.002, 0);
    works_run(&works, 3000);
    works.source->class->health(works.source, &health);
    g_test_message("a fault takes %" G_GUINT64_FORMAT " ns; lost %.5f, %" G_GUINT64_FORMAT " reports",
                   uffd_measure_fault_ns(kind == &rwp ? UFFD_RWP : UFFD_WP, NULL), health.overhead_share,
                   health.reports);
    g_assert_null(health.problem);
    g_assert_cmpuint(health.reports, >, 0);
    g_assert_cmpfloat(health.overhead_share, >, 0);
    /* It is new: what was saved is spent. */
    g_assert_cmpfloat(health.overhead_share, <, 0.002 * SAMPLER_BURST * 1.5);
    works_end(&works);
}

static void leaves_nothing_armed(gconstpointer data)
{
    const Kind *kind = data;
    Works works;

    if (!usable(kind)) {
        return;
    }
    works_begin(&works, kind, mixed, 0.5, 1000);
    works_run(&works, 300);
    g_assert_cmpuint(child_armed_pages(&works.child), >, 1000);

    kind->class->pause(works.source, true);
    g_assert_cmpuint(child_armed_pages(&works.child), ==, 0);
    works_run(&works, 100);
    g_assert_cmpuint(child_armed_pages(&works.child), ==, 0);

    kind->class->pause(works.source, false);
    works_run(&works, 300);
    g_assert_cmpuint(child_armed_pages(&works.child), >, 100);

    kind->class->region_del(works.source, &works.child.region);
    g_assert_cmpuint(child_armed_pages(&works.child), ==, 0);
    works_end(&works);
}

static void goes_on_where_a_killed_daemon_left_pages_armed(gconstpointer data)
{
    const Kind *kind = data;
    Works works;
    pid_t daemon;

    if (!usable(kind)) {
        return;
    }
    child_start(&works.child, PAGES, mixed, true);
    daemon = fork();
    if (daemon == 0) { /* arms, and is gone without a word */
        g_autoptr(GError) err = NULL;
        Region *region = &works.child.region;

        _exit(uffd_enter(region->uffd, kind == &rwp ? UFFD_RWP : UFFD_WP, region->hva, region->size, &err) &&
                      uffd_arm(region->uffd, kind == &rwp ? UFFD_RWP : UFFD_WP, region->hva, region->size,
                               true) == 0
                  ? 0
                  : 1);
    }
    int status;
    g_assert_cmpint(waitpid(daemon, &status, 0), ==, daemon);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpuint(child_armed_pages(&works.child), >, 1000);

    SourceParams params = {.overhead_share = 0.5, .fault_ns = 1000};
    g_autoptr(GError) err = NULL;
    works.policy = source_run_policy(&works.child.region);
    works.source = kind->class->start(&params, works.policy, &err);
    kind->class->region_add(works.source, &works.child.region, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(child_armed_pages(&works.child), ==, 0);
    works_run(&works, 500);
    g_assert_cmpfloat(rate_of(&works, 3), >, 10);
    kind->class->region_del(works.source, &works.child.region);
    g_assert_cmpuint(child_armed_pages(&works.child), ==, 0);
    works_end(&works);
}

static void survives_the_processs_death(gconstpointer data)
{
    const Kind *kind = data;
    SourceHealth before, after;
    Works works;

    if (!usable(kind)) {
        return;
    }
    works_begin(&works, kind, mixed, 0.5, 1000);
    works_run(&works, 200);
    child_kill(&works.child);
    works_run(&works, 100);
    kind->class->health(works.source, &before);
    works_run(&works, 200);
    kind->class->health(works.source, &after);
    g_assert_cmpuint(before.reports, ==, after.reports);
    kind->class->pause(works.source, true);
    kind->class->stop(works.source);
    policy_free(works.policy);
    close(works.child.region.uffd);
    close(works.child.region.pagemap);
    close(works.child.region.memfd);
    close(works.child.region.pidfd);
}

static void a_region_without_userfaultfd_is_refused(gconstpointer data)
{
    const Kind *kind = data;
    SourceParams params = {.overhead_share = 0.01, .fault_ns = 1000};
    g_autoptr(GError) err = NULL;
    Child child;
    Policy *policy;
    Source *source;

    if (!usable(kind)) {
        return;
    }
    child_start(&child, 64, all_written, false);
    policy = source_run_policy(&child.region);
    source = kind->class->start(&params, policy, &err);
    g_assert_no_error(err);
    g_assert_false(kind->class->region_add(source, &child.region, &err));
    g_assert_nonnull(strstr(err->message, "userfaultfd"));
    kind->class->stop(source);
    policy_free(policy);
    child_end(&child);
}

static void add(const char *name, GTestDataFunc test)
{
    g_autofree char *with_rwp = g_strdup_printf("/rwp/%s", name);
    g_autofree char *with_wp = g_strdup_printf("/wp/%s", name);

    g_test_add_data_func(with_rwp, &rwp, test);
    g_test_add_data_func(with_wp, &wp, test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("tells_touched_pages_from_others_exactly", tells_touched_pages_from_others_exactly);
    add("holds_the_budget_by_a_measured_fault", holds_the_budget_by_a_measured_fault);
    add("leaves_nothing_armed", leaves_nothing_armed);
    add("goes_on_where_a_killed_daemon_left_pages_armed", goes_on_where_a_killed_daemon_left_pages_armed);
    add("survives_the_processs_death", survives_the_processs_death);
    add("a_region_without_userfaultfd_is_refused", a_region_without_userfaultfd_is_refused);
    return g_test_run();
}
