/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arming and looking at the pages of another process, through a userfaultfd and a pagemap that it handed
 * over.
 *
 * Two kinds: RWP (Linux 7.3) sees every first access to an armed page, WP (6.7) every first write. Both are
 * used in their asynchronous form only: the kernel itself resolves the fault, and nobody is ever woken or
 * waited for. RWP and WP exclude each other in one mapping.
 */
#ifndef VHOST_TIER_SOURCES_UFFD_H
#define VHOST_TIER_SOURCES_UFFD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum UffdKind {
    UFFD_RWP,
    UFFD_WP,
} UffdKind;

/* Whether this kernel can do it, tried on a userfaultfd of our own. */
bool uffd_probe(UffdKind kind, GError **errp);

/*
 * Begin on [@start, @start + @size) of the process behind @uffd: set it up (unless an earlier daemon did),
 * disarm what may be left armed, register. uffd_leave() ends it: nothing stays armed or registered.
 */
bool uffd_enter(int uffd, UffdKind kind, uint64_t start, uint64_t size, GError **errp);
void uffd_leave(int uffd, uint64_t start, uint64_t size);

/* Arm, or disarm, all pages that are present in a range. 0, or an errno (ESRCH: the process has ended). */
int uffd_arm(int uffd, UffdKind kind, uint64_t start, uint64_t size, bool armed);

/*
 * Find which of the @n units of @unit bytes from @start were touched since they were armed (or never were
 * armed, but are present): bit i of *@touched is the i-th. @n is at most 64. 0, or an errno.
 */
int uffd_look(int pagemap, UffdKind kind, uint64_t start, uint32_t unit, unsigned n, uint64_t *touched);

/*
 * What a touch of an armed page costs this process, in nanoseconds; 0, with an error, if that can't be tried.
 */
uint64_t uffd_measure_fault_ns(UffdKind kind, GError **errp);

#endif /* VHOST_TIER_SOURCES_UFFD_H */
