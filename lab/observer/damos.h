/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DAMON's own memory tiering for one process: its schemes migrate_hot and migrate_cold, set up as the kernel's
 * community runs them (samples/damon/mtier.c, the DAMON tool's mem_tier.sh): hot regions of node 1 go to node 0,
 * regions that are not accessed leave it, 200 MB/s at most, young pages told apart one by one.
 */
#ifndef LAB_OBSERVER_DAMOS_H
#define LAB_OBSERVER_DAMOS_H

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Damos Damos;

/*
 * Begin with the @bytes from @address of process @pid; demote until @free_bytes of node 0 are free. NULL with an
 * error, also when somebody else uses DAMON. Linux 7.x; root.
 */
Damos *damos_start(pid_t pid, uint64_t address, uint64_t bytes, uint64_t free_bytes, GError **errp);
/* Bytes that both schemes have moved, as DAMON counts them. */
uint64_t damos_moved_bytes(const Damos *damos);
/* End it; DAMON is as it was. */
void damos_stop(Damos *damos);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Damos, damos_stop)

#endif /* LAB_OBSERVER_DAMOS_H */
