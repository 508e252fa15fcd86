/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON's sysfs interface.
 */
#include "damon-sysfs.h"

#include <string.h>

#include "machine/sysfs.h"

#define ADMIN "kernel/mm/damon/admin/kdamonds"
#define KDAMOND ADMIN "/0"
#define CONTEXT KDAMOND "/contexts/0"
#define SCHEME CONTEXT "/schemes/0"
#define STAT "module/damon_stat/parameters/enabled"

/*
 * Our mark: "vt" and a version in the upper digits; the last digit is 1 where DAMON_STAT had been on. Another program
 * of ours (tier-hint) is built with a mark of its own: neither takes what is the other's.
 */
#ifndef DAMON_MARK
#define DAMON_MARK 1986292010ull
#define DAMON_USER "vhost-tier"
#endif
#define MARK DAMON_MARK

#define MIN_REGIONS 10
#define YEAR_US 31536000000000ull

static const char *const ops_names[] = {
    [DAMON_OPS_AUTO] = "auto",
    [DAMON_OPS_FVADDR] = "fvaddr",
    [DAMON_OPS_VADDR] = "vaddr",
    [DAMON_OPS_PADDR] = "paddr",
};

bool damon_ops_parse(const char *name, DamonOps *ops)
{
    *ops = DAMON_OPS_AUTO;
    for (size_t i = 0; name && i < G_N_ELEMENTS(ops_names); i++) {
        if (strcmp(name, ops_names[i]) == 0) {
            *ops = (DamonOps)i;
            return true;
        }
    }
    return name == NULL;
}

static bool write_u64(const char *sysfs, uint64_t value, GError **errp, const char *path)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    return sysfs_write(sysfs, text, errp, "%s", path);
}

/* Who holds the list. */
typedef enum Holder {
    HOLDER_NOBODY,
    HOLDER_US, /* an earlier daemon */
    HOLDER_OTHER,
    HOLDER_UNKNOWN, /* it can't be read */
} Holder;

static Holder who_holds(const char *sysfs, uint64_t *mark, GError **errp)
{
    uint64_t n;

    *mark = MARK;
    if (!sysfs_read_u64(sysfs, &n, errp, ADMIN "/nr_kdamonds")) {
        g_prefix_error(errp, "no DAMON here; a kernel with CONFIG_DAMON_SYSFS is needed: ");
        return HOLDER_UNKNOWN;
    }
    if (n == 0) {
        return HOLDER_NOBODY;
    }
    if (n == 1 && sysfs_read_u64(sysfs, mark, NULL, SCHEME "/watermarks/interval_us") &&
        (*mark == MARK || *mark == MARK + 1)) {
        return HOLDER_US;
    }
    return HOLDER_OTHER;
}

bool damon_sysfs_usable(const char *sysfs, GError **errp)
{
    uint64_t mark;

    switch (who_holds(sysfs, &mark, errp)) {
    case HOLDER_UNKNOWN:
        return false;
    case HOLDER_OTHER:
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "another user has DAMON (%s/" ADMIN
                    "/nr_kdamonds is not 0), and there is one list of kdamonds for the whole "
                    "host: end that use of it, or leave 'damon' out of the sources",
                    sysfs);
        return false;
    default:
        return true;
    }
}

static void restore_stat(const char *sysfs, uint64_t mark)
{
    g_autoptr(GError) err = NULL;

    if (mark == MARK + 1 && !sysfs_write(sysfs, "Y", &err, STAT)) {
        g_message("DAMON_STAT was on before " DAMON_USER " used DAMON, and can't be switched on again: %s",
                  err->message);
    }
}

/*
 * Switch DAMON_STAT off, which else keeps others from DAMON. Returns the mark that says whether it had been
 * on.
 */
static uint64_t hold_stat(const char *sysfs)
{
    g_autofree char *enabled = sysfs_read(sysfs, NULL, STAT);

    if (enabled && strcmp(enabled, "Y") == 0 && sysfs_write(sysfs, "N", NULL, STAT)) {
        return MARK + 1;
    }
    return MARK;
}

/*
 * A list of one kdamond with one context and one scheme, which carries the mark. What was there must be
 * nobody's or ours.
 */
static bool make_list(const char *sysfs, uint64_t mark, GError **errp)
{
    return write_u64(sysfs, 0, errp, ADMIN "/nr_kdamonds") &&
           write_u64(sysfs, 1, errp, ADMIN "/nr_kdamonds") &&
           write_u64(sysfs, 1, errp, KDAMOND "/contexts/nr_contexts") &&
           write_u64(sysfs, 1, errp, CONTEXT "/schemes/nr_schemes") &&
           sysfs_write(sysfs, "stat", errp, SCHEME "/action") &&
           write_u64(sysfs, mark, errp, SCHEME "/watermarks/interval_us");
}

/* Choose among what the kernel offers. */
static bool choose_ops(const char *sysfs, DamonOps *ops, GError **errp)
{
    g_autofree char *text = sysfs_read(sysfs, errp, CONTEXT "/avail_operations");
    g_auto(GStrv) offered = text ? g_strsplit(text, "\n", -1) : NULL;

    if (!offered) {
        return false;
    }
    for (size_t i = DAMON_OPS_AUTO + 1; i < G_N_ELEMENTS(ops_names); i++) {
        if ((*ops == DAMON_OPS_AUTO || *ops == (DamonOps)i) &&
            g_strv_contains((const char *const *)offered, ops_names[i])) {
            *ops = (DamonOps)i;
            return true;
        }
    }
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                "this kernel's DAMON can't monitor memory by %s (it offers '%s'); CONFIG_DAMON_VADDR is "
                "needed, or CONFIG_DAMON_PADDR",
                *ops == DAMON_OPS_AUTO ? "addresses" : ops_names[*ops], g_strdelimit(text, "\n", ' '));
    return false;
}

bool damon_sysfs_claim(const char *sysfs, DamonOps *ops, GError **errp)
{
    uint64_t mark;

    if (!damon_sysfs_usable(sysfs, errp)) {
        return false;
    }
    if (who_holds(sysfs, &mark, NULL) == HOLDER_US) {
        g_message("removing the kdamond that an earlier " DAMON_USER " left behind");
        if (!damon_sysfs_stop(sysfs, errp)) {
            return false;
        }
        damon_sysfs_release(sysfs);
    }
    mark = hold_stat(sysfs);
    if (!make_list(sysfs, mark, errp)) {
        write_u64(sysfs, 0, NULL, ADMIN "/nr_kdamonds");
        restore_stat(sysfs, mark);
        return false;
    }
    if (!choose_ops(sysfs, ops, errp)) {
        damon_sysfs_release(sysfs);
        return false;
    }
    return true;
}

static bool write_target(const char *sysfs, size_t index, const DamonTarget *target, GError **errp)
{
    g_autofree char *folder = g_strdup_printf(CONTEXT "/targets/%zu", index);
    g_autofree char *pid_path = g_build_filename(folder, "pid_target", NULL);
    g_autofree char *n_path = g_build_filename(folder, "regions/nr_regions", NULL);

    if ((target->pid && !write_u64(sysfs, target->pid, errp, pid_path)) ||
        !write_u64(sysfs, target->ranges->len, errp, n_path)) {
        return false;
    }
    for (guint i = 0; i < target->ranges->len; i++) {
        const DamonRange *range = &g_array_index(target->ranges, DamonRange, i);
        g_autofree char *start_path = g_strdup_printf("%s/regions/%u/start", folder, i);
        g_autofree char *end_path = g_strdup_printf("%s/regions/%u/end", folder, i);

        if (!write_u64(sysfs, range->start, errp, start_path) ||
            !write_u64(sysfs, range->end, errp, end_path)) {
            return false;
        }
    }
    return true;
}

static bool write_attrs(const char *sysfs, const DamonAttrs *attrs, GError **errp)
{
    uint32_t max_regions = MAX(attrs->max_regions, MIN_REGIONS);
    /* No region is larger than this part of all: neighbours in physical memory need not be alike. */
    uint32_t min_regions = attrs->ops == DAMON_OPS_PADDR ? MAX(max_regions / 4, MIN_REGIONS) : MIN_REGIONS;

    return write_u64(sysfs, attrs->sample_us, errp, CONTEXT "/monitoring_attrs/intervals/sample_us") &&
           write_u64(sysfs, attrs->aggr_us, errp, CONTEXT "/monitoring_attrs/intervals/aggr_us") &&
           /* When vaddr would look for other ranges to monitor than those that were given. */
           write_u64(sysfs, YEAR_US, errp, CONTEXT "/monitoring_attrs/intervals/update_us") &&
           write_u64(sysfs, min_regions, errp, CONTEXT "/monitoring_attrs/nr_regions/min") &&
           write_u64(sysfs, max_regions, errp, CONTEXT "/monitoring_attrs/nr_regions/max");
}

pid_t damon_sysfs_start(const char *sysfs, const DamonAttrs *attrs, const DamonTarget *targets, size_t n,
                        GError **errp)
{
    uint64_t mark, pid;

    if (who_holds(sysfs, &mark, errp) != HOLDER_US) {
        if (errp && !*errp) {
            g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "another user took DAMON's list of kdamonds meanwhile");
        }
        return 0;
    }
    if (!make_list(sysfs, mark, errp) ||
        !sysfs_write(sysfs, ops_names[attrs->ops], errp, CONTEXT "/operations") ||
        !write_attrs(sysfs, attrs, errp) || !write_u64(sysfs, n, errp, CONTEXT "/targets/nr_targets")) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (!write_target(sysfs, i, &targets[i], errp)) {
            return 0;
        }
    }
    if (!sysfs_write(sysfs, "on", errp, KDAMOND "/state")) {
        g_prefix_error(errp, "can't start DAMON (DAMON_RECLAIM or DAMON_LRU_SORT may have it: "
                             "see their 'enabled' parameters): ");
        return 0;
    }
    return sysfs_read_u64(sysfs, &pid, errp, KDAMOND "/pid") && pid <= INT32_MAX ? (pid_t)pid : 0;
}

bool damon_sysfs_running(const char *sysfs)
{
    g_autofree char *state = sysfs_read(sysfs, NULL, KDAMOND "/state");

    return state && strcmp(state, "on") == 0;
}

bool damon_sysfs_stop(const char *sysfs, GError **errp)
{
    uint64_t mark;

    return who_holds(sysfs, &mark, NULL) != HOLDER_US || !damon_sysfs_running(sysfs) ||
           sysfs_write(sysfs, "off", errp, KDAMOND "/state");
}

void damon_sysfs_release(const char *sysfs)
{
    g_autoptr(GError) err = NULL;
    uint64_t mark;

    if (who_holds(sysfs, &mark, NULL) != HOLDER_US) {
        return;
    }
    if (!write_u64(sysfs, 0, &err, ADMIN "/nr_kdamonds")) {
        g_message("can't give DAMON back: %s", err->message);
    }
    restore_stat(sysfs, mark);
}
