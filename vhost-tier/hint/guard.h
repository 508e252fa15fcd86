/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing a guest's memory without dying of it: a file that was made shorter after it was mapped, or a
 * page with a memory error, is a SIGBUS.
 */
#ifndef VHOST_TIER_HINT_GUARD_H
#define VHOST_TIER_HINT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What of this process's memory is a guest's. Belongs to one thread. */
typedef struct HintGuard {
    /*
     * The whole mapping that @address lies in, its beginning and length in bytes; false where that is none of a
     * guest's. Called in a signal handler.
     */
    bool (*mapping)(void *opaque, uintptr_t address, uintptr_t *start, size_t *bytes);
    void *opaque;
    volatile bool tripped;          /* some of it was not there: all that was read since is void */
} HintGuard;

/*
 * Between the two calls, an access by this thread to a guest's memory that is not there finds zeros, as the whole
 * mapping is replaced by empty memory of our own, and trips the guard. Others are as ever. Not nested.
 */
void hint_guard_enter(HintGuard *guard);
void hint_guard_leave(void);

#endif /* VHOST_TIER_HINT_GUARD_H */
