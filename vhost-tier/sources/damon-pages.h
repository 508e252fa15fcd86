/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the pages of watched processes lie in physical memory, for DAMON where it can monitor nothing but
 * that.
 *
 * Theory of operation
 *
 * RAM that a guest has filled page by page lies in physical memory in tens of thousands of pieces, and
 * between them there is memory of others. DAMON gets along with some thousand regions. So a part of the RAM
 * is monitored at a time, for a turn: as much as becomes few enough extents when its pages are sorted by
 * their place. A small gap between two extents is monitored with them: what is found of an extent is
 * therefore to a small part (at most one page in nine) found of foreign pages, but nothing is ever reported
 * of an address whose page lay elsewhere when the turn began. Turns go round through all RAM of all
 * processes; when all of it fits into one turn, a turn only looks whether pages have moved.
 *
 * What this can't do: pages that move within a turn are spoken of, to its end, by what is found where they
 * were. DAMON takes neighbours in physical memory to be alike, which after some time of migration they are
 * not. A turn monitors 1 GiB at most, and far less of scattered memory: heat of a large guest is minutes old.
 * Pages of hugetlbfs are not seen at all.
 */
#ifndef VHOST_TIER_SOURCES_DAMON_PAGES_H
#define VHOST_TIER_SOURCES_DAMON_PAGES_H

#include "damon-sysfs.h"
#include "damon-trace.h"

/* Pages that follow each other both in a process's memory and in physical memory. */
typedef struct DamonRun {
    uint64_t physical; /* address of the first */
    uint64_t virtual;  /* the same, in the memory of the target */
    uint64_t bytes;
    uint64_t target;
} DamonRun;

/* Add a page to @runs (of DamonRun), as part of the last run if it goes on there. */
void damon_runs_add(GArray *runs, uint64_t target, uint64_t virtual, uint64_t physical, uint64_t bytes);

/*
 * Find the longest beginning of @runs (its whole, half, a quarter...) that makes up at most @max extents (at
 * least 1); cut @runs there, sort it by physical address, and put the extents into @extents (of DamonRange).
 */
void damon_runs_fit(GArray *runs, size_t max, GArray *extents);

/*
 * Call @each for every part of @found, an extent or a part of one, that is a run's (sorted as
 * damon_runs_fit() leaves them): with the target's number and addresses.
 */
void damon_runs_translate(const GArray *runs, const DamonFound *found, DamonEach *each, void *opaque);

/* Whether this process is shown where pages lie; if not, an error with the remedy. */
bool damon_pages_usable(GError **errp);

/*
 * The pagemap of process @pid, to be closed; -1 with an error. @pidfd must be a descriptor of that process.
 */
int damon_pages_open(pid_t pid, int pidfd, GError **errp);

/*
 * Add the pages that are there from *@virtual to @end to @runs, until it has @max_runs or *@pages pages have
 * been looked at. Moves *@virtual to the first address that was not looked at, and counts *@pages down. False
 * when the process has ended.
 */
bool damon_pages_read(int pagemap, uint64_t target, uint64_t *virtual, uint64_t end, size_t max_runs,
                      size_t *pages, GArray *runs);

#endif /* VHOST_TIER_SOURCES_DAMON_PAGES_H */
