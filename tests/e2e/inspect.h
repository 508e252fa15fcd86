/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel and the guest themselves say, whatever the daemon says: descriptors, threads, armed pages,
 * mappings, DAMON's threads, and whether the guest's memory is whole.
 */
#ifndef E2E_INSPECT_H
#define E2E_INSPECT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "observer/guest.h"

/* How many entries /proc/PID/@what ("fd", "task") has; 0 when the process is gone. */
unsigned inspect_entries(GPid pid, const char *what);

/* Pages of the guest's RAM that an access would fault on: those marked by userfaultfd. */
bool inspect_armed(const Guest *guest, uint64_t *pages, GError **errp);
/* Whether a userfaultfd watches the guest's RAM: the flags um, uw or ur of its VMA. */
bool inspect_watched(const Guest *guest, bool *watched, GError **errp);
/* How many mappings QEMU has of it. */
unsigned inspect_mappings(const Guest *guest);

/* Bytes of the guest's RAM on nodes 0 and 1, as /proc/PID/numa_maps tells. */
bool inspect_numa_maps(const Guest *guest, uint64_t bytes[2], GError **errp);
/* The node (or PLACEMENT_ABSENT) of each of its pages, freed with g_free(); NULL with an error. */
int8_t *inspect_nodes(const Guest *guest, GError **errp);

/* How many kdamonds DAMON's sysfs has; -1 where there is none. */
int inspect_kdamonds(void);

/* Visits that the guest has made, as it counts them each second. */
uint64_t inspect_visits(const Guest *guest);
/*
 * Wait, at most @seconds, until the guest is idle, and look whether its memory is whole. Its counts of
 * visits, one for each page, add up to the total that it keeps besides, else a write was lost. Each page
 * of its working area begins with what it alone can begin with: its number, doubled by some of the visits.
 * False with an error that tells what does not fit.
 */
bool inspect_integrity(const Guest *guest, unsigned seconds, GError **errp);

#endif /* E2E_INSPECT_H */
