/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses to guests' memory that is not there.
 *
 * Theory of operation
 *
 * The signal comes to the very thread that made the access, so each thread says for itself what it may stumble over.
 * The handler (sigbus.h) has empty memory put in the place of the mapping; the access is made again and finds zeros,
 * and whoever made it goes on to its end as if the guest had written them. So nothing has to be unwound.
 *
 * The mapping is replaced in whole: of one with huge pages a part can't be.
 */
#include "guard.h"

#include <glib.h>
#include <sys/mman.h>

#include "sigbus.h"

static __thread HintGuard *current;

static bool take(uintptr_t address)
{
    HintGuard *guard = current;
    uintptr_t start;
    size_t bytes;

    if (guard && guard->mapping(guard->opaque, address, &start, &bytes) &&
        mmap((void *)start, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) != MAP_FAILED) {
        guard->tripped = true;
        return true;
    }
    return false;
}

void hint_guard_enter(HintGuard *guard)
{
    sigbus_add(take);
    g_assert(!current);
    current = guard;
}

void hint_guard_leave(void)
{
    current = NULL;
}
