/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which NUMA nodes another process's pages lie, as the kernel tells it, and putting them elsewhere. All by
 * move_pages(2).
 */
#ifndef LAB_OBSERVER_PLACEMENT_H
#define LAB_OBSERVER_PLACEMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACEMENT_ABSENT (-1)

/* The node of each of the @n pages of 4 KiB from @address of process @pid, or PLACEMENT_ABSENT. */
bool placement_query(pid_t pid, uint64_t address, size_t n, int8_t *nodes, GError **errp);

/*
 * Put each of those pages that is present where @wanted[i] says (PLACEMENT_ABSENT: anywhere), pages that
 * leave node 0 first. False when more than 1 % of them would not move.
 */
bool placement_apply(pid_t pid, uint64_t address, size_t n, const int8_t *wanted, GError **errp);

#endif /* LAB_OBSERVER_PLACEMENT_H */
