/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that stands for QEMU in tests of sources and movers: it maps a memfd, touches its pages by a
 * known pattern, and hands over what QEMU would.
 */
#ifndef WATCHED_CHILD_H
#define WATCHED_CHILD_H

#include <glib.h>
#include <stdbool.h>

#include "vm/region.h"

typedef enum ChildPage {
    CHILD_ABSENT,  /* never touched */
    CHILD_COLD,    /* touched once, before the test begins */
    CHILD_READ,    /* read every few milliseconds */
    CHILD_WRITTEN, /* written every few milliseconds */
} ChildPage;

typedef struct Child {
    Region region;
    size_t n_pages;
} Child;

/*
 * Start a child whose page i is as @pattern(i) says. It makes a userfaultfd where @uffd is set (region.uffd
 * is -1 if it can't).
 */
void child_start(Child *child, size_t n_pages, ChildPage (*pattern)(size_t page), bool uffd);
/* Kill it, and close what it handed over. */
void child_end(Child *child);
void child_kill(Child *child);

/* Bytes of the child's RAM that it has mapped as huge pages (ShmemPmdMapped of its smaps). */
size_t child_huge_bytes(const Child *child);

/*
 * Pages of the child's that are armed: bit 57 of their pagemap entries
 * (Documentation/admin-guide/mm/pagemap.rst).
 */
size_t child_armed_pages(const Child *child);

#endif /* WATCHED_CHILD_H */
