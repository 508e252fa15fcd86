/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON's schemes through sysfs; see damos.h.
 */
#include "damos.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

#include "setting.h"

#define ADMIN   "/sys/kernel/mm/damon/admin/kdamonds"
#define CONTEXT "0/contexts/0"
#define DEMOTE  CONTEXT "/schemes/0"
#define PROMOTE CONTEXT "/schemes/1"
#define NODE_0  "/sys/devices/system/node/node0/meminfo"

struct Damos {
    bool made;                  /* the kdamond is ours to remove */
};

/* A file below ADMIN */
static bool put(const char *file, const char *value, GError **errp)
{
    g_autofree char *path = g_build_filename(ADMIN, file, NULL);

    return setting_write(path, value, errp);
}

static bool put_number(const char *file, uint64_t value, GError **errp)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    return put(file, text, errp);
}

typedef struct Line {
    const char *file, *value;
} Line;

/* Write all lines, of which the last has no file. */
static bool put_all(const Line *lines, GError **errp)
{
    for (; lines->file; lines++) {
        if (!put(lines->file, lines->value, errp)) {
            return false;
        }
    }
    return true;
}

static bool get_number(const char *path, const char *key, uint64_t *value, GError **errp)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return false;
    }
    at = strstr(text, key);
    if (!at) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "%s has no '%s'", path, key);
        return false;
    }
    *value = g_ascii_strtoull(at + strlen(key), NULL, 10);
    return true;
}

/* A share of node 0, in ten-thousandths, that is at least @bytes. */
static bool node_share_bp(uint64_t bytes, uint64_t *bp, GError **errp)
{
    uint64_t total_kb;

    if (!get_number(NODE_0, "MemTotal:", &total_kb, errp)) {
        return false;
    }
    *bp = (bytes * 10000 + (total_kb << 10) - 1) / (total_kb << 10);
    return true;
}

/*
 * Sampling each 5 ms and aggregating each 100 ms, so that 5 % of accesses are one of twenty samples. Each
 * second, and each up to 200 MB, first those that are the hottest (or coldest), and longest so.
 */
static const Line monitoring[] = {
    {"nr_kdamonds", "1"},
    {"0/contexts/nr_contexts", "1"},
    {CONTEXT "/operations", "fvaddr"},
    {CONTEXT "/monitoring_attrs/intervals/sample_us", "5000"},
    {CONTEXT "/monitoring_attrs/intervals/aggr_us", "100000"},
    {CONTEXT "/monitoring_attrs/nr_regions/min", "10"},
    {CONTEXT "/monitoring_attrs/nr_regions/max", "1000"},
    {CONTEXT "/targets/nr_targets", "1"},
    {CONTEXT "/targets/0/regions/nr_regions", "1"},
    {CONTEXT "/schemes/nr_schemes", "2"},
    {NULL, NULL},
};

#define SCHEME(dir, action, node, least, most, allow)                               \
    {dir "/action", action}, {dir "/target_nid", node},                             \
    {dir "/access_pattern/sz/max", "18446744073709551615"},                         \
    {dir "/access_pattern/nr_accesses/min", least},                                 \
    {dir "/access_pattern/nr_accesses/max", most},                                  \
    {dir "/access_pattern/age/max", "4294967295"},                                  \
    {dir "/apply_interval_us", "1000000"},                                          \
    {dir "/quotas/bytes", "200000000"}, {dir "/quotas/reset_interval_ms", "1000"},  \
    {dir "/quotas/weights/nr_accesses_permil", "500"},                              \
    {dir "/quotas/weights/age_permil", "500"},                                      \
    {dir "/ops_filters/nr_filters", "1"},                                           \
    {dir "/ops_filters/0/type", "young"}, {dir "/ops_filters/0/matching", "Y"},     \
    {dir "/ops_filters/0/allow", allow}

static const Line schemes[] = {
    SCHEME(DEMOTE, "migrate_cold", "1", "0", "0", "N"),
    SCHEME(PROMOTE, "migrate_hot", "0", "1", "20", "Y"),
    {DEMOTE "/quotas/goals/nr_goals", "1"},
    {DEMOTE "/quotas/goals/0/target_metric", "node_mem_free_bp"},
    {DEMOTE "/quotas/goals/0/nid", "0"},
    {NULL, NULL},
};

static bool set_up(pid_t pid, uint64_t address, uint64_t bytes, uint64_t free_bp, GError **errp)
{
    return put_all(monitoring, errp) &&
           put_number(CONTEXT "/targets/0/pid_target", (uint64_t)pid, errp) &&
           put_number(CONTEXT "/targets/0/regions/0/start", address, errp) &&
           put_number(CONTEXT "/targets/0/regions/0/end", address + bytes, errp) &&
           put_all(schemes, errp) &&
           put_number(DEMOTE "/quotas/goals/0/target_value", free_bp, errp) && put("0/state", "on", errp);
}

Damos *damos_start(pid_t pid, uint64_t address, uint64_t bytes, uint64_t free_bytes, GError **errp)
{
    Damos *damos = g_new0(Damos, 1);
    uint64_t others, free_bp;

    if (!get_number(ADMIN "/nr_kdamonds", "", &others, errp) || !node_share_bp(free_bytes, &free_bp, errp)) {
        damos_stop(damos);
        return NULL;
    }
    if (others) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_BUSY,
                    "DAMON is in use (" ADMIN "/nr_kdamonds is not 0): end what uses it");
        damos_stop(damos);
        return NULL;
    }
    damos->made = true;
    if (!set_up(pid, address, bytes, free_bp, errp)) {
        damos_stop(damos);
        return NULL;
    }
    return damos;
}

uint64_t damos_moved_bytes(const Damos *damos)
{
    const char *const files[] = {ADMIN "/" DEMOTE "/stats/sz_applied", ADMIN "/" PROMOTE "/stats/sz_applied"};
    uint64_t sum = 0, bytes;

    if (!put("0/state", "update_schemes_stats", NULL)) {
        return 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        sum += get_number(files[i], "", &bytes, NULL) ? bytes : 0;
    }
    return sum;
}

void damos_stop(Damos *damos)
{
    if (damos->made) {
        put("0/state", "off", NULL);
        put("nr_kdamonds", "0", NULL);
    }
    g_free(damos);
}
