/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A contender at work on a machine of a test's own, and what became of the pages.
 */
#ifndef VHOST_TIER_TESTS_CONTENDER_BED_H
#define VHOST_TIER_TESTS_CONTENDER_BED_H

#include <glib.h>

#include "sim/contender.h"

typedef struct Bed {
    Machine *machine;
    Guest *guest;                   /* where a test has but one, and keeps it here */
    Contender *contender;
    uint64_t next_ns;               /* of its ticks */
} Bed;

static inline void contend(Bed *bed, const char *name, const char *params)
{
    g_autoptr(GError) err = NULL;
    const ContenderClass *class = contender_find(name, &err);

    g_assert_no_error(err);
    bed->contender = class->create(params, bed->machine, &err);
    g_assert_no_error(err);
    bed->contender->class = class;
    bed->next_ns = machine_now_ns(bed->machine);
}

static inline void end(Bed *bed)
{
    bed->contender->class->destroy(bed->contender);
    machine_free(bed->machine);
}

static inline void run_until(Bed *bed, uint64_t until_ns)
{
    while (bed->next_ns <= until_ns) {
        machine_advance(bed->machine, bed->next_ns);
        bed->next_ns = bed->contender->class->tick(bed->contender, bed->next_ns);
    }
    machine_advance(bed->machine, until_ns);
}

/* How many of the pages first..first+n-1 are in DRAM. */
static inline size_t fast_pages(const Guest *guest, size_t first, size_t n)
{
    size_t fast = 0;

    for (size_t i = first; i < first + n; i++) {
        fast += guest_tier(guest, i) == 0;
    }
    return fast;
}

#endif /* VHOST_TIER_TESTS_CONTENDER_BED_H */
