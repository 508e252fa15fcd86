/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the samples of a running guest; see watch.h.
 */
#include "watch.h"

#include "placement.h"

/* Where all of the guest's pages lie, and how often those of the working area were visited. */
static bool take(const Guest *guest, uint32_t **counts, int8_t **nodes, GError **errp)
{
    size_t ram_pages = guest->ram_bytes / GUEST_PAGE_BYTES;

    *counts = g_new(uint32_t, guest->header.pages);
    *nodes = g_new(int8_t, ram_pages);
    return placement_query(guest->process->pid, guest->hva, ram_pages, *nodes, errp) &&
           guest_counts(guest, *counts, errp);
}

Watch *watch_new(const Guest *guest, GError **errp)
{
    g_autofree uint32_t *counts = NULL;
    g_autofree int8_t *nodes = NULL;
    Watch *watch;

    if (!take(guest, &counts, &nodes, errp)) {
        return NULL;
    }
    watch = g_new0(Watch, 1);
    watch->guest = guest;
    watch->start_us = g_get_monotonic_time();
    watch->truth = truth_new(guest->ram_bytes / GUEST_PAGE_BYTES, guest->header.pages, guest->header.burst,
                             counts, nodes);
    return watch;
}

void watch_free(Watch *watch)
{
    truth_free(watch->truth);
    g_free(watch);
}

TruthInterval *watch_sample(Watch *watch, GError **errp)
{
    g_autofree uint32_t *counts = NULL;
    g_autofree int8_t *nodes = NULL;

    if (!take(watch->guest, &counts, &nodes, errp)) {
        return NULL;
    }
    return truth_add(watch->truth, (double)(g_get_monotonic_time() - watch->start_us) / G_USEC_PER_SEC,
                     counts, nodes);
}
