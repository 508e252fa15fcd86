/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process's memory lies in the guest's, by /proc/PID/pagemap, which tells that to who has CAP_SYS_ADMIN. A
 * page that moves after the look makes a wrong hint, no more.
 */
#ifndef TIER_HINT_PAGES_H
#define TIER_HINT_PAGES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES 4096u

/*
 * Append to @ranges (of struct virtio_tier_urange) the physical memory of the pages of process @pid at [@start,
 * @end), which are multiples of PAGE_BYTES. @own: of those alone that are no other process's and no file's. Returns
 * false with an error when the kernel does not tell.
 */
bool pages_find(int pid, uint64_t start, uint64_t end, bool own, GArray *ranges, GError **errp);

#endif /* TIER_HINT_PAGES_H */
