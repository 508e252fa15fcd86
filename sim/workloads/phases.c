/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload 'phases': gups, zipf and scan-hot in turn, each for a while. What was hot in one is nothing
 * special in the next, unless all of them are at the same place, as the lab's guest has it.
 */
#include "common.h"

static const WorkloadClass *const parts[] = {&workload_gups, &workload_zipf, &workload_scan_hot};

typedef struct Phases {
    Workload base;
    double phase_s, lines, scan_hot, scan_hot_share, same_place;
    uint64_t seed;
    uint64_t phase;                 /* number, from 0 */
    uint64_t until_ns;
    Workload *part;
} Phases;

/* Replace the part by that of the current phase, which begins at @now_ns. */
static void begin_phase(Phases *phases, uint64_t now_ns)
{
    const WorkloadClass *class = parts[phases->phase % G_N_ELEMENTS(parts)];
    Guest *guest = phases->base.guest;
    g_autofree char *scan = g_strdup_printf("lines=%.0f hot=%.9f hot_share=%.9f", phases->lines, phases->scan_hot,
                                            phases->scan_hot_share);
    uint64_t seed = phases->seed + (phases->same_place > 0 ? 0 : phases->phase);

    if (phases->part) {
        phases->part->class->destroy(phases->part);
    }
    phases->part = class->create(class == &workload_scan_hot ? scan : NULL, guest, seed, NULL);
    g_assert(phases->part);         /* what phases_create() takes fits all */
    phases->until_ns = workload_after(now_ns, phases->phase_s);
    workload_end_phase_by(guest, phases->until_ns);
}

static void phases_destroy(Workload *workload)
{
    Phases *phases = (Phases *)workload;

    phases->part->class->destroy(phases->part);
    g_free(phases);
}

static Workload *phases_create(const char *params, Guest *guest, uint64_t seed, GError **errp)
{
    Phases *phases = g_new0(Phases, 1);
    const Param table[] = {
        {"phase_s", &phases->phase_s, 1, FOREVER_S},
        {"lines", &phases->lines, 1, 64},
        {"scan_hot", &phases->scan_hot, 0, 1},
        {"scan_hot_share", &phases->scan_hot_share, 0.01, 0.99},
        {"same_place", &phases->same_place, 0, 1},
        {NULL},
    };

    *phases = (Phases){.base = {.class = &workload_phases, .guest = guest},
                       .phase_s = 60, .lines = 64, .scan_hot = 0.1, .scan_hot_share = 0.8, .seed = seed};
    if (!params_parse(params, table, errp)) {
        g_free(phases);
        return NULL;
    }
    if (guest_pages(guest) < 2) {
        g_set_error(errp, WORKLOAD_ERROR, WORKLOAD_ERROR_UNFIT,
                    "workload phases needs a guest of two pages at least; use a larger one or scale");
        g_free(phases);
        return NULL;
    }
    begin_phase(phases, machine_now_ns(guest_machine(guest)));
    return &phases->base;
}

static uint64_t phases_tick(Workload *workload, uint64_t now_ns)
{
    Phases *phases = (Phases *)workload;
    uint64_t part_ns;

    if (now_ns >= phases->until_ns) {
        phases->phase++;
        phases->base.changed_ns = now_ns;
        begin_phase(phases, now_ns);
    }
    part_ns = phases->part->class->tick(phases->part, now_ns);
    return MIN(part_ns, phases->until_ns);
}

const WorkloadClass workload_phases = {
    .name = "phases",
    .what = "gups, zipf and scan-hot (with 'lines', 'scan_hot' and 'scan_hot_share') in turn, each for 'phase_s'; "
            "what is hot is elsewhere each time, or at the 'same_place'",
    .create = phases_create,
    .tick = phases_tick,
    .destroy = phases_destroy,
};
