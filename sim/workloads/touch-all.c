/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'touch-all': all pages alike. Random accesses to all memory, as pghot's micro benchmark does them;
 * and what a hostile tenant does, who touches all that it has as fast as it can so that all of it looks hot.
 */
#include "common.h"

static Workload *touch_all_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    static const Param none[] = {{NULL}};
    size_t n = guest_pages(guest);
    g_autofree float *rates = NULL;

    if (!params_parse(params, none, errp)) {
        return NULL;
    }
    rates = g_new(float, n);
    for (size_t i = 0; i < n; i++) {
        rates[i] = workload_full_rate(guest) / n;
    }
    return workload_still_new(&workload_touch_all, guest, rates);
}

const WorkloadClass workload_touch_all = {
    .name = "touch-all",
    .what = "random accesses to all memory alike (pghot's micro benchmark; a hostile tenant)",
    .create = touch_all_create,
    .tick = workload_still_tick,
    .destroy = workload_still_destroy,
};
