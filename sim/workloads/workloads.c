/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workloads that there are.
 */
#include "common.h"

const WorkloadClass *const workload_classes[] = {
    &workload_gups, &workload_zipf, &workload_scan_hot, &workload_phases, &workload_idle_burst,
    &workload_subpage_skew, &workload_memtierd, &workload_touch_all, &workload_trace, &workload_recorded,
    NULL,
};

const WorkloadClass *workload_find(const char *name, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (size_t i = 0; workload_classes[i]; i++) {
        if (g_str_equal(workload_classes[i]->name, name)) {
            return workload_classes[i];
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", workload_classes[i]->name);
    }
    g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNKNOWN, "there is no workload '%s'; there are %s", name,
                known->str);
    return NULL;
}
