/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding what interferes.
 */
#include "interference.h"

#include <string.h>

#include "sources/damon-sysfs.h"
#include "sysfs.h"

/*
 * Of kernel.numa_balancing: NUMA_BALANCING_NORMAL and NUMA_BALANCING_MEMORY_TIERING of Linux's
 * include/linux/sched/sysctl.h.
 */
#define NUMA_BALANCING_NORMAL 1
#define NUMA_BALANCING_TIERING 2

static void interference_free(gpointer data)
{
    Interference *interference = data;

    g_free(interference->what);
    g_free(interference->remedy);
    g_free(interference);
}

static GPtrArray *list_new(void)
{
    return g_ptr_array_new_with_free_func(interference_free);
}

/* Takes both texts. */
static void list_add(GPtrArray *list, char *what, char *remedy)
{
    Interference *interference = g_new0(Interference, 1);

    interference->what = what;
    interference->remedy = remedy;
    g_ptr_array_add(list, interference);
}

static void find_numa_balancing(GPtrArray *list, const char *proc)
{
    uint64_t mode;

    if (!sysfs_read_u64(proc, &mode, NULL, "sys/kernel/numa_balancing") ||
        !(mode & (NUMA_BALANCING_NORMAL | NUMA_BALANCING_TIERING))) {
        return;
    }
    list_add(
        list,
        g_strdup_printf("kernel.numa_balancing is %" G_GUINT64_FORMAT
                        ": the kernel moves pages that have no memory policy, "
                        "by its own view of what is hot, and knows no budget",
                        mode),
        g_strdup(
            "sysctl kernel.numa_balancing=0, or see that all guests' memory has a policy (memory-backend-tier's has)"));
}

static bool is_on(const char *text)
{
    return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "Y") == 0);
}

static void find_demotion(GPtrArray *list, const char *sysfs)
{
    g_autofree char *enabled = sysfs_read(sysfs, NULL, "kernel/mm/numa/demotion_enabled");

    if (is_on(enabled)) {
        list_add(
            list,
            g_strdup(
                "demotion is enabled: when a fast node is short of memory, the kernel demotes pages of guests, too"),
            g_strdup(
                "echo false > /sys/kernel/mm/numa/demotion_enabled, or keep enough of the fast node free (reserve)"));
    }
}

static void find_damon(GPtrArray *list, const char *sysfs)
{
    static const char *const modules[] = {"damon_reclaim", "damon_lru_sort"};
    g_autoptr(GError) err = NULL;
    uint64_t n;

    if (sysfs_read_u64(sysfs, &n, NULL, "kernel/mm/damon/admin/kdamonds/nr_kdamonds") &&
        !damon_sysfs_usable(sysfs, &err)) {
        g_autofree char *action =
            sysfs_read(sysfs, NULL, "kernel/mm/damon/admin/kdamonds/0/contexts/0/schemes/0/action");

        list_add(
            list,
            g_strdup_printf("another user has DAMON (%" G_GUINT64_FORMAT
                            " kdamonds; the first's action is '%s')",
                            n, action ? action : "none"),
            g_strdup("if it moves or reclaims memory, end that use; 'damon' is no source of ours meanwhile"));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++) {
        g_autofree char *enabled = sysfs_read(sysfs, NULL, "module/%s/parameters/enabled", modules[i]);

        if (is_on(enabled)) {
            list_add(list,
                     g_strdup_printf("%s is enabled: it acts on memory by its own view of what is cold",
                                     modules[i]),
                     g_strdup_printf("echo N > /sys/module/%s/parameters/enabled", modules[i]));
        }
    }
}

GPtrArray *interference_of_host(const char *sysfs, const char *proc)
{
    GPtrArray *list = list_new();

    find_numa_balancing(list, proc);
    find_demotion(list, sysfs);
    find_damon(list, sysfs);
    return list;
}

/* The text of a line of /proc/PID/status, such as "Mems_allowed_list:\t0-1"; NULL when there is none. */
static char *status_field(const char *status, const char *field)
{
    const char *at = strstr(status, field);

    return at ? g_strstrip(g_strndup(at + strlen(field), strcspn(at + strlen(field), "\n"))) : NULL;
}

GPtrArray *interference_of_process(const char *proc, const Topology *topology, pid_t pid)
{
    GPtrArray *list = list_new();
    g_autofree char *status = sysfs_read(proc, NULL, "%d/status", (int)pid);
    g_autofree char *allowed = status ? status_field(status, "Mems_allowed_list:") : NULL;
    uint64_t allowed_nodes[TIER_NODE_WORDS];

    if (!allowed || !node_list_parse(allowed, allowed_nodes, NULL)) {
        return list;
    }
    for (unsigned tier = 0; tier < topology->n_tiers; tier++) {
        uint64_t missing[TIER_NODE_WORDS], any = 0;

        for (unsigned i = 0; i < TIER_NODE_WORDS; i++) {
            missing[i] = topology->tiers[tier].nodes[i] & ~allowed_nodes[i];
            any |= missing[i];
        }
        if (any) {
            g_autofree char *nodes = node_list_format(missing);

            list_add(
                list,
                g_strdup_printf(
                    "the cpuset of process %d allows nodes %s only, not %s of tier %u: nothing can be moved there",
                    (int)pid, allowed, nodes, tier),
                g_strdup(
                    "let cpuset.mems of its control group contain the tiers' nodes (libvirt: <numatune> without "
                    "mode='strict', or with these nodes)"));
        }
    }
    return list;
}

bool interference_same(const GPtrArray *a, const GPtrArray *b)
{
    if (a->len != b->len) {
        return false;
    }
    for (guint i = 0; i < a->len; i++) {
        const Interference *one = g_ptr_array_index(a, i), *other = g_ptr_array_index(b, i);

        if (strcmp(one->what, other->what) != 0) {
            return false;
        }
    }
    return true;
}
